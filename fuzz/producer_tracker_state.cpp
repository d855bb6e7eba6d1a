// Bytes as a tracker's state: refused, or a state that encodes to the same bytes and can be used.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include <idem/sequence/producer_tracker.hpp>

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

template <class Tracker>
void try_decode(std::span<const std::byte> bytes) {
  auto tracker = Tracker::decode(bytes, {.seed = 1});
  if (!tracker) {
    require(tracker.error().position <= bytes.size());
    return;
  }
  std::vector<std::byte> again(tracker->encoded_size());
  require(tracker->encode(again));
  require(again.size() == bytes.size());
  for (std::size_t i = 0; i < again.size(); ++i) require(again[i] == bytes[i]);

  // Whatever was loaded answers, and what it accepts it remembers.
  for (std::int64_t id = 0; id < 4; ++id) {
    for (std::int32_t epoch = 0; epoch < 3; ++epoch) {
      idem::ProducerBatch batch{
          .producer_id = id, .epoch = epoch, .first_sequence = 7, .last_sequence = 9};
      batch.first_sequence = tracker->judge(batch).expected;
      if (batch.first_sequence < 0 || batch.first_sequence > 2'000'000'000) continue;
      batch.last_sequence = batch.first_sequence;
      const std::int64_t end = tracker->end_offset();
      const auto answer = tracker->append(batch, {end, end}, idem::Instant{});
      if (answer.verdict != idem::Verdict::fresh) continue;
      require(tracker->judge(batch).verdict == idem::Verdict::duplicate);
      require(tracker->judge(batch).first_offset == end);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try_decode<idem::ProducerTracker>(bytes);
  try_decode<idem::Strict64Tracker>(bytes);
  return 0;
}
