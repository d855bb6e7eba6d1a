#include <chrono>
#include <cstdint>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include <idem/dedup/deduplicator.hpp>
#include <idem/dedup/sequence_memory.hpp>

namespace {

using namespace std::chrono_literals;
using idem::ProducerBatch;
using idem::Verdict;
using Seen =
    idem::Deduplicator<ProducerBatch, idem::Policy<idem::Remember<idem::SequenceMemory<>>>>;

constexpr idem::At now{.now = idem::Instant()};

ProducerBatch batch(std::int64_t producer, int epoch, std::int64_t first, std::int64_t last) {
  return {.producer_id = producer, .epoch = epoch, .first_sequence = first, .last_sequence = last};
}

TEST_CASE("a Deduplicator judges sequence ranges") {
  Seen seen;
  static_assert(Seen::needs_time);
  static_assert(!Seen::errors.may_drop);
  CHECK(seen.check(batch(1, 0, 0, 4), now) == Verdict::fresh);
  CHECK(seen.insert(batch(1, 0, 0, 4), now) == Verdict::fresh);
  CHECK(seen.insert(batch(1, 0, 0, 4), now) == Verdict::duplicate);
  CHECK(seen.insert(batch(2, 0, 0, 4), now) == Verdict::fresh);
  CHECK(seen.insert(batch(1, 0, 5, 5), now) == Verdict::fresh);
  CHECK(seen.insert(batch(1, 0, 7, 7), now) == Verdict::gap);
  CHECK(seen.insert(batch(1, 0, 4, 6), now) == Verdict::overlap);
  CHECK(seen.insert(batch(1, 1, 0, 0), now) == Verdict::fresh);
  CHECK(seen.insert(batch(1, 0, 6, 6), now) == Verdict::fenced);
  CHECK(seen.memory().tracker().size() == 2);
  CHECK(seen.memory_bytes() >= seen.memory().tracker().memory_bytes());
}

TEST_CASE("offsets count the sequence numbers up, over the wrap too") {
  constexpr std::int64_t highest = std::numeric_limits<std::int32_t>::max();
  Seen seen({.memory = {.end_offset = 100}});
  CHECK(seen.insert(batch(1, 0, highest - 1, highest), now) == Verdict::fresh);
  CHECK(seen.memory().tracker().end_offset() == 102);
  CHECK(seen.insert(batch(1, 0, 0, 2), now) == Verdict::fresh);
  CHECK(seen.memory().tracker().end_offset() == 105);
  CHECK(seen.insert(batch(2, 0, highest, 1), now) == Verdict::fresh);
  CHECK(seen.memory().tracker().end_offset() == 108);
}

TEST_CASE("every range of a small circle is recorded as it was judged, over the wrap too") {
  constexpr std::int64_t modulus = 16;
  using Tracker = idem::BasicProducerTracker<idem::SequenceMode::kafka, 2, modulus>;
  for (std::int64_t first = 0; first < modulus; ++first) {
    for (std::int64_t last = 0; last < modulus; ++last) {
      CAPTURE(first);
      CAPTURE(last);
      idem::SequenceMemory<Tracker> seen;
      const std::int64_t length = (last - first + modulus) % modulus;
      const Verdict expected = length < modulus / 2 ? Verdict::fresh : Verdict::poisoned;
      CHECK(seen.check(batch(1, 0, first, last), now) == expected);
      CHECK(seen.insert(batch(1, 0, first, last), now) == expected);
      if (expected != Verdict::fresh) continue;
      CHECK(seen.tracker().end_offset() == length + 1);
      CHECK(seen.insert(batch(1, 0, first, last), now) == Verdict::duplicate);
      const std::int64_t next = (last + 1) % modulus;
      CHECK(seen.insert(batch(1, 0, next, next), now) == Verdict::fresh);
    }
  }
}

TEST_CASE("numbers that do not wrap are recorded up to the last offset there is") {
  constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
  idem::SequenceMemory<idem::Strict64Tracker> seen;
  CHECK(seen.insert(batch(1, 0, 0, std::int64_t{1} << 40), now) == Verdict::fresh);
  CHECK(seen.tracker().end_offset() == (std::int64_t{1} << 40) + 1);
  CHECK(seen.insert(batch(2, 0, highest, highest), now) == Verdict::fresh);
  CHECK(seen.insert(batch(3, 0, highest, highest - 1), now) == Verdict::poisoned);
  CHECK(seen.insert(batch(3, 0, 0, highest), now) == Verdict::poisoned);
  CHECK(seen.tracker().end_offset() == (std::int64_t{1} << 40) + 2);
}

TEST_CASE("nonsense is poisoned and changes nothing") {
  constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
  Seen seen;
  for (const std::int64_t first : {lowest, std::int64_t{-2}, std::int64_t{0}, highest}) {
    for (const std::int64_t last : {lowest, std::int64_t{-2}, highest}) {
      CHECK(seen.insert(batch(1, 0, first, last), now) == Verdict::poisoned);
    }
  }
  CHECK(seen.insert(batch(1, 40'000, 0, 0), now) == Verdict::poisoned);
  CHECK(seen.memory().tracker().size() == 0);
  CHECK(seen.memory().tracker().end_offset() == 0);
}

TEST_CASE("a batch of batches is as many inserts in order") {
  std::vector<ProducerBatch> batches;
  for (std::int64_t i = 0; i < 500; ++i) batches.push_back(batch(i % 7, 0, i / 14, i / 14));
  Seen one_by_one;
  std::vector<Verdict> expected;
  for (const auto& each : batches) expected.push_back(one_by_one.insert(each, now));
  Seen at_once;
  std::vector<Verdict> verdicts(batches.size());
  at_once.insert(batches, now, verdicts);
  CHECK(verdicts == expected);
}

TEST_CASE("a producer's batches route together") {
  using Traits = idem::KeyTraits<ProducerBatch>;
  const idem::Xxh3Hash hash({1, 2});
  CHECK(Traits::route(batch(1, 0, 0, 0), hash) == Traits::route(batch(1, 3, 17, 20), hash));
  CHECK(Traits::route(batch(1, 0, 0, 0), hash) != Traits::route(batch(2, 0, 0, 0), hash));
  static_assert(idem::Key<ProducerBatch>);
  static_assert(idem::Memory<idem::SequenceMemory<>> && !idem::Settling<idem::SequenceMemory<>>);
  static_assert(idem::Memory<idem::SequenceMemory<idem::Strict64Tracker>>);
}

}  // namespace
