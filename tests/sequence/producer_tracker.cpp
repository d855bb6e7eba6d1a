// The tracker as an object: options, error codes, bounds, memory, copies, failing allocations.

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include <idem/sequence/producer_tracker.hpp>

#include "sequence/tracker_subjects.hpp"
#include "support/out_of_memory.hpp"
#include "support/thrown.hpp"

using idem::Instant;
using idem::Judgement;
using idem::kafka_error;
using idem::ProducerBatch;
using idem::ProducerTracker;
using idem::SequenceReason;
using idem::Verdict;
using idem_test::contains;
using idem_test::instant;
using idem_test::refusal;

namespace {

ProducerBatch batch(std::int64_t id, std::int64_t first, std::int64_t last, std::int32_t epoch = 0,
                    std::int64_t time = -1) {
  return {.producer_id = id,
          .epoch = epoch,
          .first_sequence = first,
          .last_sequence = last,
          .timestamp_ms = time};
}

Verdict add(ProducerTracker& tracker, std::int64_t id, std::int64_t sequence,
            std::int64_t now = 0) {
  const std::int64_t at = tracker.end_offset();
  return tracker.append(batch(id, sequence, sequence), {at, at}, instant(now)).verdict;
}

}  // namespace

TEST_CASE("the broker's error code of every verdict") {
  ProducerTracker t({.seed = 1});
  (void)t.append(batch(1, 0, 4, 3), {0, 4}, {});
  const auto code = [&](const ProducerBatch& b) { return kafka_error(t.judge(b)); };
  CHECK(code(batch(1, 5, 6, 3)) == 0);
  CHECK(code(batch(1, 0, 4, 3)) == 0);
  CHECK(code(batch(1, 6, 6, 3)) == 45);
  CHECK(code(batch(1, 1, 4, 3)) == 45);
  CHECK(code(batch(1, 3, 9, 3)) == 45);
  CHECK(code(batch(1, 1, 1, 4)) == 45);
  CHECK(code(batch(1, 0, 4, 2)) == 47);
  CHECK(code(batch(1, -2, 4, 3)) == 87);
  CHECK(code(batch(1, 0, 4, 40000)) == 87);
  for (std::int64_t i = 5; i < 10; ++i) (void)t.append(batch(1, i, i, 3), {i, i}, {});
  CHECK(t.judge(batch(1, 0, 4, 3)).verdict == Verdict::stale);
  CHECK(code(batch(1, 0, 4, 3)) == 45);

  const auto claim = t.claim(batch(1, 10, 10, 3));
  CHECK(code(batch(1, 10, 10, 3)) == 7);
  CHECK(t.abort(claim.claim));
  CHECK(kafka_error(t.commit(claim.claim, {10, 10}, {})) == 6);

  (void)t.append(batch(2, 7, 7), {20, 20}, {});
  CHECK(t.judge(batch(2, 0, 6)).verdict == Verdict::unknown);
  CHECK(code(batch(2, 0, 6)) == 45);  // there is an entry: Kafka calls it out of order
  const ProducerTracker strict({.unknown_producer = idem::UnknownProducer::require_zero});
  CHECK(kafka_error(strict.judge(batch(2, 1, 1))) == 59);
  const ProducerTracker empty(
      {.unknown_producer = idem::UnknownProducer::require_zero_if_log_empty});
  CHECK(kafka_error(empty.judge(batch(2, 1, 1))) == 45);
  const ProducerTracker emptied(
      {.unknown_producer = idem::UnknownProducer::require_zero_if_log_empty, .end_offset = 5});
  CHECK(kafka_error(emptied.judge(batch(2, 1, 1))) == 0);

  (void)t.mark({.producer_id = 3, .epoch = 1, .coordinator_epoch = 5}, {});
  CHECK(kafka_error(t.mark({.producer_id = 3, .epoch = 1, .coordinator_epoch = 4}, {})) == 52);
  CHECK(kafka_error(t.mark({.producer_id = 3, .epoch = 0, .coordinator_epoch = 5}, {})) == 47);

  ProducerTracker full({.max_producers = 1, .at_capacity = idem::AtCapacity::refuse});
  (void)add(full, 1, 0);
  CHECK(kafka_error(full.append(batch(2, 0, 0), {1, 1}, {})) == 89);
}

TEST_CASE("every reason has its name") {
  for (int i = 0; i <= static_cast<int>(SequenceReason::bad_origin); ++i) {
    CHECK(name(static_cast<SequenceReason>(i)) != "invalid");
  }
  CHECK(name(SequenceReason::bad_origin) == "bad_origin");
  CHECK(name(SequenceReason::lost_state) == "lost_state");
  CHECK(name(static_cast<SequenceReason>(200)) == "invalid");
}

TEST_CASE("an origin or rule outside its enumeration is poisoned") {
  ProducerTracker t({.seed = 1});
  ProducerBatch b = batch(1, 0, 0);
  b.origin = static_cast<idem::AppendOrigin>(9);
  CHECK(t.append(b, {0, 0}, {}).reason == SequenceReason::bad_origin);
  idem::ProducerMarker m{.producer_id = 1, .epoch = 0, .coordinator_epoch = 0};
  m.origin = static_cast<idem::AppendOrigin>(9);
  CHECK(t.mark(m, {}).reason == SequenceReason::bad_origin);
  m.origin = idem::AppendOrigin::coordinator;
  m.rule = static_cast<idem::MarkerRule>(9);
  CHECK(t.mark(m, {}).verdict == Verdict::poisoned);
  CHECK(t.size() == 0);
}

TEST_CASE("a range of all numbers there are: its tail begins at an expected number, or is none") {
  constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
  const auto all_after = [](std::int64_t first) {
    idem::Strict64Tracker tracker({.seed = 1});
    CHECK(tracker.append(batch(1, first, highest), {0, highest - first}, {}).verdict ==
          Verdict::fresh);
    return tracker.judge(batch(1, 0, highest));
  };
  // Nothing is expected any more: all of it is behind, and no part of it fresh.
  for (const std::int64_t first : {highest, highest - 5, std::int64_t{1}}) {
    CAPTURE(first);
    const Judgement answer = all_after(first);
    CHECK(answer.verdict == Verdict::unknown);
    CHECK(answer.reason == SequenceReason::lost_state);
    CHECK(answer.expected == -1);
    CHECK(answer.fresh_first == -1);
    CHECK(answer.fresh_last == -1);
  }

  idem::Strict64Tracker begun({.seed = 1});
  CHECK(begun.append(batch(1, 0, 0), {0, 0}, {}).verdict == Verdict::fresh);
  CHECK(begun.append(batch(1, 1, 2), {1, 2}, {}).verdict == Verdict::fresh);
  Judgement answer = begun.judge(batch(1, 0, highest));
  CHECK(answer.verdict == Verdict::overlap);
  CHECK(answer.reason == SequenceReason::partly_seen);
  CHECK(answer.fresh_first == 3);
  CHECK(answer.fresh_last == highest);

  idem::Strict64Tracker halves({.seed = 1});
  const std::int64_t half = highest / 2;
  CHECK(halves.append(batch(1, 0, half), {0, half}, {}).verdict == Verdict::fresh);
  CHECK(halves.append(batch(1, half + 1, highest), {0, highest - half - 1}, {}).verdict ==
        Verdict::fresh);
  answer = halves.judge(batch(1, 0, highest));
  CHECK(answer.verdict == Verdict::overlap);
  CHECK(answer.reason == SequenceReason::regrouped);
  CHECK(answer.fresh_first == -1);
}

TEST_CASE("options that are nonsense") {
  const auto says = [](const idem::ProducerTrackerOptions& options, const char* field) {
    return contains(refusal([&] { ProducerTracker t(options); }), field);
  };
  CHECK(says({.max_producers = 0}, "max_producers is 0"));
  CHECK(says({.budget = idem::bytes(100)}, "budget is 100"));
  CHECK(says({.expire_after = idem::Duration()}, "expire_after is 0"));
  CHECK(says({.max_claims = 0}, "max_claims is 0"));
  CHECK(says({.remember_forgotten = 3}, "remember_forgotten is 3"));
  CHECK(says({.end_offset = -1}, "end_offset is -1"));
  ProducerTracker t;
  CHECK(contains(refusal([&] { t.set_max_producers(0); }), "max_producers is 0"));
}

TEST_CASE("the byte budget holds, and the producers it has room for are kept") {
  const idem::ByteSize budget = idem::kibibytes(512);
  ProducerTracker t({.budget = budget, .max_claims = 16, .remember_forgotten = 64, .seed = 4});
  for (std::int64_t id = 0; id < 5000; ++id) {
    REQUIRE(add(t, id, 0) == Verdict::fresh);
    REQUIRE(t.memory_bytes() <= budget.count());
  }
  CHECK(t.size() > 1'900);
  CHECK(t.counters().evicted == 5000 - t.size());
  CHECK(t.knows(4999));
  CHECK(!t.knows(0));
}

TEST_CASE("bytes an idle producer, index and links included") {
  for (const std::int64_t count : {1'000, 10'000, 100'000}) {
    ProducerTracker t({.max_producers = 1'000'000, .seed = 4});
    for (std::int64_t id = 0; id < count; ++id) REQUIRE(add(t, id, 0) == Verdict::fresh);
    CHECK(t.memory_bytes() / static_cast<std::size_t>(count) <= 176);
  }
}

TEST_CASE("those forgotten and seen again are counted") {
  ProducerTracker t({.max_producers = 2, .expire_after = idem::Duration::nanoseconds(100)});
  (void)add(t, 1, 0);
  (void)add(t, 2, 0);
  (void)add(t, 3, 0);
  CHECK(t.counters().evicted == 1);
  CHECK(t.counters().returned == 0);
  (void)add(t, 1, 1);
  CHECK(t.counters().returned == 1);
  CHECK(t.counters().unknown_history == 1);
  CHECK(t.expire(instant(100), 10) == 2);
  CHECK(t.counters().expired == 2);
  (void)add(t, 1, 2, 100);
  CHECK(t.counters().returned == 2);
  CHECK(t.size() == 1);
}

TEST_CASE("a cap lowered is reached a few producers a call") {
  ProducerTracker t({.max_producers = 100'000, .seed = 4});
  for (std::int64_t id = 0; id < 10'000; ++id) (void)add(t, id, 0);
  t.set_max_producers(10);
  CHECK(t.size() == 10'000);
  std::size_t before = t.size();
  while (t.size() > 10) {
    REQUIRE(add(t, 9'999, t.judge(batch(9'999, 0, 0)).expected) == Verdict::fresh);
    REQUIRE(before - t.size() <= 2);
    REQUIRE(before > t.size());
    before = t.size();
  }
  CHECK(t.knows(9'999));
  CHECK(t.counters().evicted == 9'990);
}

TEST_CASE("expiry by the caller's clock, a few at a time") {
  ProducerTracker t({.max_producers = 100'000, .expire_after = idem::Duration::nanoseconds(50)});
  for (std::int64_t id = 0; id < 1000; ++id) (void)add(t, id, 0, id / 100);
  CHECK(t.expire(instant(49), 1000) == 0);
  CHECK(t.expire(instant(50), 30) == 30);
  CHECK(t.expire(instant(50), 1000) == 70);
  CHECK(t.expire(Instant::min(), 1000) == 0);  // a clock gone back expires nothing
  const std::size_t before = t.size();
  (void)add(t, 100'000, 0, 1'000'000);
  CHECK(before + 1 - t.size() == 2);
  CHECK(t.expire(Instant::max(), 1'000'000) == before - 2 + 1);
}

TEST_CASE("expiry by record time, as Kafka does") {
  constexpr std::int64_t ms = 1'000'000;
  ProducerTracker t({.expire_after = idem::Duration::nanoseconds(1000 * ms),
                     .expire_by = idem::ExpireBy::record_time});
  (void)t.append(batch(1, 0, 0, 0, 5'000), {0, 0}, instant(5'000 * ms));
  (void)t.append(batch(2, 0, 0, 0, 4'000), {1, 1}, instant(5'000 * ms));  // back-filled
  CHECK(!t.knows(2));                                                     // gone at once
  (void)t.append(batch(3, 0, 0, 0, 9'000), {2, 2}, instant(5'000 * ms));
  CHECK(t.expire(instant(5'999 * ms), 100) == 0);
  CHECK(t.expire(instant(6'000 * ms), 100) == 1);
  CHECK(!t.knows(1));
  CHECK(t.expire(instant(9'999 * ms), 100) == 0);  // from the future: stays
  (void)t.mark({.producer_id = 3, .epoch = 0, .coordinator_epoch = 0, .timestamp_ms = 12'000},
               instant(9'000 * ms));
  CHECK(t.expire(instant(12'999 * ms), 100) == 0);  // a marker's time counts too
  CHECK(t.expire(instant(13'000 * ms), 100) == 1);
}

TEST_CASE("copies and moves are values") {
  ProducerTracker t({.seed = 4});
  for (std::int64_t id = 0; id < 100; ++id) (void)add(t, id, 0);
  const auto open = t.claim(batch(5, 1, 1));
  ProducerTracker copy = t;
  CHECK(copy.size() == 100);
  CHECK(copy.judge(batch(5, 1, 1)).verdict == Verdict::in_progress);
  CHECK(copy.commit(open.claim, {100, 100}, {}).verdict == Verdict::fresh);
  CHECK(t.judge(batch(5, 1, 1)).verdict == Verdict::in_progress);
  ProducerTracker moved = std::move(t);
  CHECK(moved.commit(open.claim, {100, 100}, {}).verdict == Verdict::fresh);
  CHECK(moved.judge(batch(5, 1, 1)).verdict == Verdict::duplicate);
  copy = moved;
  CHECK(copy.judge(batch(99, 0, 0)) == moved.judge(batch(99, 0, 0)));
  moved = ProducerTracker({.seed = 9});
  CHECK(moved.size() == 0);
  CHECK(copy.size() == 100);
}

TEST_CASE("a claim settles nothing in a tracker that another was assigned over") {
  ProducerTracker t({.seed = 4}), other({.seed = 5});
  const auto former = t.claim(batch(1, 0, 0));
  const auto brought = other.claim(batch(2, 0, 0));
  t = other;
  CHECK(t.commit(former.claim, {0, 0}, {}).verdict == Verdict::fenced);
  CHECK(t.judge(batch(2, 0, 0)).verdict == Verdict::in_progress);
  CHECK(t.commit(brought.claim, {0, 0}, {}).verdict == Verdict::fresh);
  t = ProducerTracker({.seed = 6});
  const auto later = t.claim(batch(3, 0, 0));
  CHECK(!t.abort(former.claim));
  CHECK(!t.abort(brought.claim));
  CHECK(t.commit(later.claim, {0, 0}, {}).verdict == Verdict::fresh);
}

TEST_CASE("a tracker that was moved from is empty, and remembers whom it forgets") {
  const ProducerTracker::Options few{.max_producers = 2, .remember_forgotten = 64, .seed = 4};
  const ProducerTracker::Options many{.max_producers = 2, .remember_forgotten = 4096, .seed = 4};
  const auto forgets = [](ProducerTracker& t) {
    for (std::int64_t id = 0; id < 500; ++id) {
      CHECK(add(t, id, 0, id) == Verdict::fresh);
      CHECK(add(t, id / 2, 0, id) != Verdict::full);
    }
    CHECK(t.counters().evicted > 400);
  };
  ProducerTracker from(many), to(few);
  forgets(from);
  forgets(to);
  to = std::move(from);
  CHECK(from.size() == 0);
  CHECK(from.counters().evicted == 0);
  forgets(from);
  const ProducerTracker copy = from;
  CHECK(copy.size() == from.size());
}

TEST_CASE("all claims are revoked at once") {
  ProducerTracker t({.seed = 4});
  (void)add(t, 1, 0);
  const auto a = t.claim(batch(1, 1, 1));
  const auto b = t.claim(batch(1, 2, 2));
  const auto c = t.claim(batch(2, 0, 0));
  t.abort_all();
  CHECK(t.open_claims() == 0);
  CHECK(!t.knows(2));
  for (const auto& claim : {a, b, c}) {
    CHECK(t.commit(claim.claim, {1, 1}, {}).verdict == Verdict::fenced);
  }
  CHECK(add(t, 1, 1) == Verdict::fresh);
}

TEST_CASE("a claim that was settled is never taken for a later one") {
  ProducerTracker t({.seed = 4});
  const auto first = t.claim(batch(1, 0, 0));
  CHECK(t.commit(first.claim, {0, 0}, {}).verdict == Verdict::fresh);
  const auto second = t.claim(batch(1, 1, 1));
  CHECK(second.claim.slot == first.claim.slot);
  CHECK(t.commit(first.claim, {1, 1}, {}).verdict == Verdict::fenced);
  CHECK(!t.abort(first.claim));
  CHECK(t.open_claims() == 1);
  CHECK(t.commit({.serial = 99, .slot = 0xfffffff0}, {1, 1}, {}).verdict == Verdict::fenced);
}

TEST_CASE("a claim without a producer id only moves the end") {
  ProducerTracker t({.seed = 4});
  const auto claim = t.claim({});
  CHECK(claim.judgement.verdict == Verdict::fresh);
  CHECK(t.commit(claim.claim, {0, 9}, {}).verdict == Verdict::fresh);
  CHECK(t.commit(claim.claim, {9, 8}, {}).verdict == Verdict::poisoned);
  CHECK(t.end_offset() == 10);
  CHECK(t.size() == 0);
}

TEST_CASE("without memory the answer is full and nothing changes") {
  for (const auto mode : {idem_test::Failing::once, idem_test::Failing::from_then_on}) {
    ProducerTracker t({.seed = 4});
    std::int64_t refused = 0;
    std::int64_t next_id = 0;
    const auto failures = [&](auto&& call) {
      return idem_test::for_each_failing_allocation(
          mode, [] {}, call, [](bool) {});
    };
    // Each producer's first batch, with every allocation it makes failing once first.
    for (; next_id < 200; ++next_id) {
      const std::size_t before = t.size();
      const std::size_t bytes = t.memory_bytes();
      (void)failures([&] {
        const Verdict verdict =
            next_id % 2 == 0 ? add(t, next_id, 0) : t.claim(batch(next_id, 0, 0)).judgement.verdict;
        if (verdict == Verdict::full) {
          ++refused;
          CHECK(t.size() == before);
          CHECK(t.memory_bytes() >= bytes);
          CHECK(!t.knows(next_id));
        }
      });
      REQUIRE(t.knows(next_id));
      REQUIRE(t.size() == before + 1);
    }
    CHECK(refused > 10);
    for (std::int64_t id = 0; id < 200; id += 2) {
      REQUIRE(t.judge(batch(id, 0, 0)).verdict == Verdict::duplicate);
    }
    for (std::int64_t id = 1; id < 200; id += 2) {
      REQUIRE(t.judge(batch(id, 0, 0)).verdict == Verdict::in_progress);
    }
  }
}

TEST_CASE("a copy without memory throws and leaks nothing") {
  ProducerTracker t({.max_producers = 90, .seed = 4});
  for (std::int64_t id = 0; id < 100; ++id) (void)add(t, id, 0);
  (void)t.claim(batch(99, 1, 1));
  const auto live = idem_test::allocations().live;
  const std::uint64_t failed = idem_test::for_each_failing_allocation(
      idem_test::Failing::once, [] {},
      [&] {
        try {
          const ProducerTracker copy = t;
          CHECK(copy.size() == 90);
        } catch (const std::bad_alloc&) {
        }
      },
      [&](bool) { CHECK(idem_test::allocations().live == live); });
  CHECK(failed >= 5);
}

TEST_CASE("judging allocates nothing") {
  ProducerTracker t({.seed = 4});
  for (std::int64_t id = 0; id < 100; ++id) (void)add(t, id, 0);
  std::vector<ProducerBatch> batches(50, batch(7, 0, 0));
  std::vector<Judgement> answers(50);
  const auto count = idem_test::allocations().count;
  for (std::int64_t id = 0; id < 200; ++id) (void)t.judge(batch(id, 3, 4));
  t.judge(batches, answers);
  for (std::int64_t i = 1; i < 50; ++i) (void)add(t, 3, i);
  CHECK(idem_test::allocations().count == count);
}
