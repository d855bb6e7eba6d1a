// Bytes as the snapshot of a tracker, a ledger or a replay window: refused, or a state that is saved
// as the same bytes and can be used.

#include <cstddef>
#include <cstdint>
#include <span>

#include <idem/sequence/monotonic_tracker.hpp>
#include <idem/sequence/offset_ledger.hpp>
#include <idem/sequence/producer_tracker.hpp>
#include <idem/sequence/replay_window.hpp>

#include "support/fuzz_snapshot.hpp"

namespace {

using idem::Verdict;
using idem_test::require;
using idem_test::try_snapshot;

template <class Tracker>
void use_tracker(Tracker& tracker) {
  for (std::int64_t id = 0; id < 3; ++id) {
    idem::ProducerBatch batch{.producer_id = id};
    batch.first_sequence = tracker.judge(batch).expected;
    if (batch.first_sequence < 0 || batch.first_sequence > 2'000'000'000) continue;
    batch.last_sequence = batch.first_sequence;
    const std::int64_t end = tracker.end_offset();
    if (tracker.append(batch, {end, end}, idem::Instant{}).verdict != Verdict::fresh) continue;
    require(tracker.judge(batch).verdict == Verdict::duplicate);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try_snapshot<idem::ProducerTracker>(bytes, {.seed = 1}, use_tracker<idem::ProducerTracker>);
  try_snapshot<idem::Strict64Tracker>(bytes, {.seed = 1}, use_tracker<idem::Strict64Tracker>);
  try_snapshot<idem::MonotonicTracker>(bytes, {.seed = 1}, [](idem::MonotonicTracker& tracker) {
    for (std::int64_t id = 0; id < 3; ++id) {
      const std::int64_t next = tracker.marks(id).pushed;
      if (next > 1'000'000'000) continue;
      require(tracker.push(id, next + 1, next + 1, {}) == Verdict::fresh);
      require(tracker.persist(id, next + 1, {}) == Verdict::fresh);
      require(tracker.judge(id, next + 1, next + 1) == Verdict::duplicate);
    }
  });
  try_snapshot<idem::OffsetLedger>(bytes, {}, [](idem::OffsetLedger& ledger) {
    const std::uint64_t owner = ledger.owner_epoch();
    const std::int64_t begin = ledger.next();
    for (std::int64_t i = 0; i < 20; ++i) {
      const Verdict seen = ledger.check(begin + i);
      if (seen == Verdict::poisoned) break;
      require(ledger.deliver(begin + i, {}) == seen);
      require((seen == Verdict::fresh) == (ledger.complete(begin + i, owner) == Verdict::fresh));
    }
  });
  try_snapshot<idem::ReplayWindow<1000>>(bytes, {}, [](idem::ReplayWindow<1000>& replay) {
    for (std::uint64_t i = 0; i < 3; ++i) {
      const std::uint64_t number = replay.end() + 60 * i;
      if (number < replay.end() || replay.check(number) != Verdict::fresh) continue;
      require(replay.record(number) == Verdict::fresh);
      require(replay.check(number) == Verdict::duplicate);
    }
  });
  return 0;
}
