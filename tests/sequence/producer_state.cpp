// The tracker's state as bytes.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <idem/sequence/producer_tracker.hpp>

#include "sequence/tracker_subjects.hpp"
#include "support/out_of_memory.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"

using idem::ErrorCode;
using idem::ProducerBatch;
using idem::ProducerTracker;
using idem::Strict64Tracker;
using idem::Verdict;
using idem_test::instant;
using idem_test::Rng;

namespace {

using Bytes = std::vector<std::byte>;

template <class Tracker>
Bytes encoded(const Tracker& tracker) {
  Bytes bytes(tracker.encoded_size());
  REQUIRE(tracker.encode(bytes));
  return bytes;
}

// A log: what a leader appended, to be replayed by others.
struct Entry {
  ProducerBatch batch;
  idem::OffsetRange offsets;
  std::int64_t now;
};

std::vector<Entry> a_log(std::uint64_t seed, std::size_t entries, std::int64_t start) {
  Rng rng(seed);
  ProducerTracker leader({.expire_after = idem::Duration::max(), .seed = 1});
  std::vector<Entry> log;
  std::int64_t offset = 0;
  std::int64_t now = 0;
  while (log.size() < entries) {
    const auto id = static_cast<std::int64_t>(rng.below(9)) - 1;
    ProducerBatch batch{.producer_id = id, .epoch = rng.one_in(30) ? 1 : 0};
    if (id >= 0) {
      batch.first_sequence = leader
                                 .judge({.producer_id = id,
                                         .epoch = batch.epoch,
                                         .first_sequence = start,
                                         .last_sequence = start})
                                 .expected;
      if (batch.first_sequence < 0) batch.first_sequence = 0;
    }
    const auto length = static_cast<std::int64_t>(rng.below(4));
    batch.last_sequence = id < 0 ? -1 : (batch.first_sequence + length) % (std::int64_t{1} << 31);
    batch.timestamp_ms = static_cast<std::int64_t>(rng.below(1000));
    now += static_cast<std::int64_t>(rng.below(3));
    const idem::OffsetRange offsets{offset, offset + length};
    if (leader.append(batch, offsets, instant(now)).verdict != Verdict::fresh) continue;
    batch.origin = idem::AppendOrigin::replication;
    log.push_back({batch, offsets, now});
    offset += length + 1;
  }
  return log;
}

void replay(ProducerTracker& tracker, const std::vector<Entry>& log, std::size_t from,
            std::size_t to) {
  for (std::size_t i = from; i < to; ++i) {
    REQUIRE(tracker.append(log[i].batch, log[i].offsets, instant(log[i].now)).verdict ==
            Verdict::fresh);
  }
}

}  // namespace

TEST_CASE("a snapshot at n equals a replay of the log to n") {
  for (const std::int64_t start : {std::int64_t{0}, (std::int64_t{1} << 31) - 20}) {
    const auto log = a_log(3, 400, start);
    ProducerTracker live({.seed = 2});
    for (std::size_t n = 0; n <= log.size(); n += 25) {
      replay(live, log, n < 25 ? 0 : n - 25, n);
      ProducerTracker again({.seed = 77});
      replay(again, log, 0, n);
      const Bytes bytes = encoded(live);
      REQUIRE(bytes == encoded(again));
      auto restored = ProducerTracker::decode(bytes, {.seed = 99});
      REQUIRE(restored.has_value());
      REQUIRE(encoded(*restored) == bytes);
      REQUIRE(restored->end_offset() == live.end_offset());
      REQUIRE(restored->size() == live.size());
      // And goes on alike.
      const std::size_t more = std::min(log.size(), n + 40);
      ProducerTracker copy = live;
      replay(copy, log, n, more);
      replay(*restored, log, n, more);
      REQUIRE(encoded(*restored) == encoded(copy));
    }
  }
}

TEST_CASE("truncating the log: an older snapshot and a replay to the new end") {
  const auto log = a_log(5, 300, 0);
  ProducerTracker live({.seed = 2});
  replay(live, log, 0, 100);
  const Bytes snapshot = encoded(live);
  replay(live, log, 100, 300);
  auto truncated = ProducerTracker::decode(snapshot);
  REQUIRE(truncated.has_value());
  CHECK(truncated->end_offset() == log[99].offsets.last + 1);
  replay(*truncated, log, 100, 180);
  ProducerTracker expected({.seed = 8});
  replay(expected, log, 0, 180);
  CHECK(encoded(*truncated) == encoded(expected));
}

TEST_CASE("all batches survive, not only the newest") {
  ProducerTracker t({.seed = 2});
  for (std::int64_t i = 0; i < 7; ++i) {
    CHECK(t.append({.producer_id = 4,
                    .epoch = 2,
                    .first_sequence = i,
                    .last_sequence = i,
                    .timestamp_ms = 40 + i},
                   {10 + i, 10 + i}, {})
              .verdict == Verdict::fresh);
  }
  CHECK(t.mark({.producer_id = 4, .epoch = 2, .coordinator_epoch = 6}, {}).verdict ==
        Verdict::fresh);
  const auto restored = ProducerTracker::decode(encoded(t));
  REQUIRE(restored.has_value());
  for (std::int64_t i = 2; i < 7; ++i) {
    const auto j =
        restored->judge({.producer_id = 4, .epoch = 2, .first_sequence = i, .last_sequence = i});
    CHECK(j.verdict == Verdict::duplicate);
    CHECK(j.first_offset == 10 + i);
    CHECK(j.timestamp_ms == 40 + i);
  }
  CHECK(restored->judge({.producer_id = 4, .epoch = 2, .first_sequence = 1, .last_sequence = 1})
            .verdict == Verdict::stale);
  CHECK(restored->judge(idem::ProducerMarker{.producer_id = 4, .epoch = 2, .coordinator_epoch = 5})
            .reason == idem::SequenceReason::old_coordinator);
}

TEST_CASE("claims are not part of the state") {
  ProducerTracker t({.seed = 2});
  CHECK(
      t.append({.producer_id = 1, .epoch = 0, .first_sequence = 0, .last_sequence = 3}, {0, 3}, {})
          .verdict == Verdict::fresh);
  const Bytes before = encoded(t);
  const auto a = t.claim({.producer_id = 1, .epoch = 0, .first_sequence = 4, .last_sequence = 4});
  const auto b = t.claim({.producer_id = 2, .epoch = 0, .first_sequence = 0, .last_sequence = 0});
  CHECK(b.judgement.verdict == Verdict::fresh);
  CHECK(encoded(t) == before);
  auto restored = ProducerTracker::decode(before);
  REQUIRE(restored.has_value());
  CHECK(restored->open_claims() == 0);
  CHECK(!restored->knows(2));
  CHECK(restored->commit(a.claim, {4, 4}, {}).verdict == Verdict::fenced);
}

TEST_CASE("the order of use survives, and so does who goes first") {
  ProducerTracker t({.seed = 2});
  for (const std::int64_t id : {5, 1, 9, 3}) {
    CHECK(t.append({.producer_id = id, .epoch = 0, .first_sequence = 0, .last_sequence = 0},
                   {id, id}, {})
              .verdict == Verdict::fresh);
  }
  auto restored = ProducerTracker::decode(encoded(t), {.max_producers = 4});
  REQUIRE(restored.has_value());
  for (const std::int64_t id : {5, 1, 9, 3}) {
    CHECK(restored->knows(id));
    CHECK(
        restored
            ->append({.producer_id = 100 + id, .epoch = 0, .first_sequence = 0, .last_sequence = 0},
                     {100, 100}, {})
            .verdict == Verdict::fresh);
    CHECK(!restored->knows(id));
  }
}

TEST_CASE("other options") {
  ProducerTracker t({.seed = 2});
  for (std::int64_t id = 0; id < 10; ++id) {
    CHECK(t.append({.producer_id = id, .epoch = 0, .first_sequence = 0, .last_sequence = 0},
                   {id, id}, {})
              .verdict == Verdict::fresh);
  }
  const Bytes bytes = encoded(t);
  CHECK(ProducerTracker::decode(bytes, {.max_producers = 9}).error().code ==
        ErrorCode::limit_exceeded);
  CHECK(ProducerTracker::decode(bytes, {.expire_by = idem::ExpireBy::record_time}).error().code ==
        ErrorCode::other_options);
  CHECK(Strict64Tracker::decode(bytes).error().code == ErrorCode::other_options);
  CHECK(idem::BasicProducerTracker<idem::SequenceMode::kafka, 4>::decode(bytes).error().code ==
        ErrorCode::other_options);
  CHECK(idem::BasicProducerTracker<idem::SequenceMode::kafka, 5, 64>::decode(bytes).error().code ==
        ErrorCode::other_options);
  Bytes wrong_version = bytes;
  wrong_version[4] = std::byte{2};
  CHECK(ProducerTracker::decode(wrong_version).error().code == ErrorCode::bad_version);
}

TEST_CASE("every prefix is refused, and every flipped bit is refused or is another state") {
  const auto log = a_log(9, 60, (std::int64_t{1} << 31) - 10);
  ProducerTracker t({.seed = 2});
  replay(t, log, 0, log.size());
  const Bytes bytes = encoded(t);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto result = ProducerTracker::decode(std::span(bytes).first(size));
    REQUIRE(!result.has_value());
    REQUIRE(result.error().position <= size);
  }
  Bytes longer = bytes;
  longer.push_back(std::byte{0});
  CHECK(ProducerTracker::decode(longer).error().code == ErrorCode::trailing_bytes);
  std::size_t refused = 0;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes flipped = bytes;
    flipped[bit / 8] ^= std::byte{1} << (bit % 8);
    const auto result = ProducerTracker::decode(flipped);
    if (result.has_value()) {
      REQUIRE(encoded(*result) == flipped);
    } else {
      ++refused;
    }
  }
  CHECK(refused > bytes.size());
}

TEST_CASE("decoding takes memory by the input, and survives having none") {
  ProducerTracker t({.seed = 2});
  for (std::int64_t id = 0; id < 3000; ++id) {
    CHECK(t.mark({.producer_id = id, .epoch = 1, .coordinator_epoch = 0}, {}).verdict ==
          Verdict::fresh);
  }
  const Bytes bytes = encoded(t);
  CHECK(bytes.size() == 28 + (28 + 5 * 24) * 3000);
  idem_test::reset_peak();
  const std::size_t before = idem_test::allocations().live_bytes;
  CHECK(ProducerTracker::decode(bytes).has_value());
  CHECK(idem_test::allocations().peak_bytes - before <= 2 * bytes.size() + 8192);

  // A count with nothing behind it takes nothing.
  Bytes lying(bytes.begin(), bytes.begin() + 28);
  idem_test::reset_peak();
  CHECK(ProducerTracker::decode(lying).error().code == ErrorCode::truncated);
  CHECK(idem_test::allocations().peak_bytes == idem_test::allocations().live_bytes);

  const Bytes small = [&] {
    ProducerTracker few({.seed = 2});
    for (std::int64_t id = 0; id < 100; ++id) {
      (void)few.mark({.producer_id = id, .epoch = 1, .coordinator_epoch = 0}, {});
    }
    return encoded(few);
  }();
  const auto live = idem_test::allocations().live;
  CHECK(idem_test::for_each_failing_allocation(
            idem_test::Failing::once, [] {},
            [&] {
              const auto result = ProducerTracker::decode(small, {.seed = 3});
              if (!result) CHECK(result.error().code == ErrorCode::out_of_memory);
            },
            [&](bool) { CHECK(idem_test::allocations().live == live); }) >= 5);
  std::byte little[1];
  CHECK(!t.encode(little));
}

TEST_CASE("encoding without memory says so") {
  ProducerTracker t({.seed = 2});
  (void)t.mark({.producer_id = 1, .epoch = 1, .coordinator_epoch = 0}, {});
  Bytes bytes(t.encoded_size());
  bool ok = true;
  CHECK(idem_test::for_each_failing_allocation(
            idem_test::Failing::once, [] {}, [&] { ok = t.encode(bytes); },
            [&](bool fired) { CHECK(ok == !fired); }) == 1);
}

TEST_CASE("numbers of 64 bits") {
  Strict64Tracker t({.seed = 2});
  constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
  CHECK(
      t.append(
           {.producer_id = 1, .epoch = 0, .first_sequence = highest - 1, .last_sequence = highest},
           {0, 1}, {})
          .reason == idem::SequenceReason::unknown_history);
  const auto restored = Strict64Tracker::decode(encoded(t));
  REQUIRE(restored.has_value());
  CHECK(encoded(*restored) == encoded(t));
  CHECK(restored
            ->judge({.producer_id = 1,
                     .epoch = 0,
                     .first_sequence = highest - 1,
                     .last_sequence = highest})
            .verdict == Verdict::duplicate);
  CHECK(restored->judge({.producer_id = 1, .epoch = 0, .first_sequence = 0, .last_sequence = 0})
            .verdict == Verdict::unknown);
}

TEST_CASE("a log truncated to nothing starts again") {
  ProducerTracker tracker({.seed = 1});
  REQUIRE(tracker
              .append({.producer_id = 1, .epoch = 0, .first_sequence = 0, .last_sequence = 2},
                      {0, 2}, instant(0))
              .verdict == Verdict::fresh);
  tracker = ProducerTracker({.seed = 1});
  CHECK(tracker.size() == 0);
  CHECK(tracker.end_offset() == 0);
  REQUIRE(tracker
              .append({.producer_id = 1, .epoch = 0, .first_sequence = 0, .last_sequence = 0},
                      {0, 0}, instant(0))
              .verdict == Verdict::fresh);
  const auto again = ProducerTracker::decode(encoded(tracker));
  REQUIRE(again.has_value());
  CHECK(again->end_offset() == 1);
}

TEST_CASE("restored producers that are not idle stay, with their batches") {
  const idem::ProducerTrackerOptions options{.expire_after = idem::Duration::nanoseconds(100),
                                             .seed = 1};
  ProducerTracker tracker(options);
  for (const std::int64_t id : {1, 2}) {
    REQUIRE(tracker
                .append({.producer_id = id, .epoch = 0, .first_sequence = 0, .last_sequence = 0},
                        {id - 1, id - 1}, instant(id))
                .verdict == Verdict::fresh);
  }
  auto again = ProducerTracker::decode(encoded(tracker), options);
  REQUIRE(again.has_value());
  CHECK(again->expire(instant(50), 10) == 0);
  for (const std::int64_t id : {1, 2}) {
    const auto answer =
        again->judge({.producer_id = id, .epoch = 0, .first_sequence = 0, .last_sequence = 0});
    CHECK(answer.verdict == Verdict::duplicate);
    CHECK(answer.first_offset == id - 1);
    CHECK(answer.expected == 1);
  }
}

TEST_CASE("epochs, coordinators and times of both kinds of producer survive") {
  ProducerTracker tracker({.end_offset = 0, .seed = 1});
  REQUIRE(
      tracker.mark({.producer_id = 1, .epoch = 2, .coordinator_epoch = 3}, instant(0)).verdict ==
      Verdict::fresh);
  REQUIRE(tracker
              .append({.producer_id = 1,
                       .epoch = 2,
                       .origin = idem::AppendOrigin::replication,
                       .first_sequence = 0,
                       .last_sequence = 3},
                      {0, 3}, instant(0))
              .verdict == Verdict::fresh);
  REQUIRE(
      tracker
          .mark({.producer_id = 11, .epoch = 12, .coordinator_epoch = 13, .timestamp_ms = 123456},
                instant(5))
          .verdict == Verdict::fresh);
  const auto again = ProducerTracker::decode(encoded(tracker), {.seed = 9});
  REQUIRE(again.has_value());
  CHECK(encoded(*again) == encoded(tracker));
  const auto repeat =
      again->judge({.producer_id = 1, .epoch = 2, .first_sequence = 0, .last_sequence = 3});
  CHECK(repeat.verdict == Verdict::duplicate);
  CHECK(repeat.timestamp_ms == -1);
  const auto fenced = [&](std::int64_t id, std::int32_t epoch, std::int32_t coordinator) {
    return again->judge(
        idem::ProducerMarker{.producer_id = id, .epoch = epoch, .coordinator_epoch = coordinator});
  };
  CHECK(fenced(1, 2, 2).reason == idem::SequenceReason::old_coordinator);
  CHECK(fenced(1, 2, 3).verdict == Verdict::fresh);
  CHECK(fenced(11, 12, 12).reason == idem::SequenceReason::old_coordinator);
  CHECK(fenced(11, 11, 13).reason == idem::SequenceReason::old_epoch);
}
