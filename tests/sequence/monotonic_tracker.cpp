#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <map>

#include <idem/sequence/monotonic_tracker.hpp>

#include "support/out_of_memory.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"
#include "support/thrown.hpp"

using idem::Instant;
using idem::MonotonicTracker;
using idem::SequenceMarks;
using idem::Verdict;

TEST_CASE("gaps are fine, and what is not persisted yet is unknown") {
  MonotonicTracker t({.seed = 1});
  const auto push = [&](std::int64_t id, std::int64_t first, std::int64_t last) {
    return t.push(id, first, last, {});
  };
  CHECK(push(1, 0, 0) == Verdict::fresh);
  CHECK(push(2, 1, 1) == Verdict::fresh);
  CHECK(push(1, 1, 1) == Verdict::fresh);
  CHECK(push(1, 5, 5) == Verdict::fresh);
  CHECK(push(1, 0, 0) == Verdict::unknown);
  CHECK(t.persist(1, 0, {}) == Verdict::fresh);
  CHECK(push(1, 0, 0) == Verdict::duplicate);
  CHECK(t.marks(1) == SequenceMarks{5, 0});
  CHECK(t.fail(1));
  CHECK(t.marks(1) == SequenceMarks{0, 0});
  CHECK(push(1, 1, 5) == Verdict::fresh);
  CHECK(push(1, 4, 8) == Verdict::unknown);
  CHECK(t.marks(1) == SequenceMarks{5, 0});
}

TEST_CASE("a failed write makes the retry fresh, and not a duplicate") {
  MonotonicTracker t({.seed = 1});
  CHECK(t.push(7, 3, 3, {}) == Verdict::fresh);
  CHECK(t.judge(7, 3, 3) == Verdict::unknown);
  CHECK(t.fail(7));
  CHECK(!t.fail(7));
  CHECK(t.size() == 0);
  CHECK(t.push(7, 3, 3, {}) == Verdict::fresh);
  CHECK(t.persist(7, 3, {}) == Verdict::fresh);
  CHECK(t.persist(7, 3, {}) == Verdict::duplicate);
  CHECK(t.judge(7, 3, 3) == Verdict::duplicate);
  CHECK(!t.fail(7));
}

TEST_CASE("a mixed batch: one verdict a record, and the range names its tail") {
  MonotonicTracker t({.seed = 1});
  CHECK(t.persist(1, 5, {}) == Verdict::fresh);
  CHECK(t.judge(1, 4, 8) == Verdict::overlap);
  CHECK(t.marks(1).persisted == 5);
  CHECK(t.judge(1, 2, 5) == Verdict::duplicate);
  CHECK(t.push(1, 7, 7, {}) == Verdict::fresh);
  const std::array<std::int64_t, 7> sequences{4, 6, 8, 8, 10, 9, -1};
  std::array<Verdict, 7> verdicts{};
  t.judge(1, sequences, verdicts);
  CHECK(verdicts == std::array<Verdict, 7>{Verdict::duplicate, Verdict::unknown, Verdict::fresh,
                                           Verdict::unknown, Verdict::fresh, Verdict::unknown,
                                           Verdict::poisoned});
  CHECK(t.marks(1) == SequenceMarks{7, 5});
}

TEST_CASE("nonsense, and the highest number there is") {
  MonotonicTracker t({.seed = 1});
  constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
  CHECK(t.push(-1, 0, 0, {}) == Verdict::poisoned);
  CHECK(t.push(1, -1, 0, {}) == Verdict::poisoned);
  CHECK(t.push(1, 2, 1, {}) == Verdict::poisoned);
  CHECK(t.persist(1, -1, {}) == Verdict::poisoned);
  CHECK(t.persist(-1, 1, {}) == Verdict::poisoned);
  CHECK(t.size() == 0);
  CHECK(t.push(1, highest, highest, {}) == Verdict::fresh);
  CHECK(t.persist(1, highest, {}) == Verdict::fresh);
  CHECK(t.judge(1, highest, highest) == Verdict::duplicate);
  CHECK(idem_test::contains(idem_test::refusal([] { MonotonicTracker m({.max_producers = 0}); }),
                            "MonotonicTrackerOptions.max_producers is 0"));
  CHECK(idem_test::contains(
      idem_test::refusal([] { MonotonicTracker m({.budget = idem::bytes(5)}); }), "budget is 5"));
}

TEST_CASE("who has something in between is never forgotten") {
  MonotonicTracker t({.max_producers = 2, .seed = 1});
  CHECK(t.push(1, 0, 0, {}) == Verdict::fresh);
  CHECK(t.persist(2, 0, {}) == Verdict::fresh);
  CHECK(t.persist(3, 0, {}) == Verdict::fresh);
  CHECK(t.marks(2) == SequenceMarks{});
  CHECK(t.push(3, 1, 1, {}) == Verdict::fresh);
  CHECK(t.push(4, 0, 0, {}) == Verdict::full);
  CHECK(t.persist(4, 0, {}) == Verdict::full);
  CHECK(t.persist(1, 0, {}) == Verdict::fresh);
  CHECK(t.push(4, 0, 0, {}) == Verdict::fresh);
  CHECK(t.marks(1) == SequenceMarks{});
  CHECK(t.counters().evicted == 2);
}

TEST_CASE("against two maps") {
  MonotonicTracker t({.seed = 1});
  std::map<std::int64_t, std::int64_t> pushed;
  std::map<std::int64_t, std::int64_t> persisted;
  const auto mark = [](const std::map<std::int64_t, std::int64_t>& marks, std::int64_t id) {
    const auto found = marks.find(id);
    return found == marks.end() ? -1 : found->second;
  };
  idem_test::Rng rng(6);
  for (std::uint64_t step = 0; step < idem_test::soaked(50'000); ++step) {
    const auto id = static_cast<std::int64_t>(rng.below(40));
    const auto first = mark(pushed, id) + static_cast<std::int64_t>(rng.below(8)) - 4;
    const auto last = first + static_cast<std::int64_t>(rng.below(5));
    const std::int64_t p = mark(pushed, id);
    const std::int64_t q = mark(persisted, id);
    if (rng.one_in(10)) {
      REQUIRE(t.fail(id) == (p != q));
      if (q < 0)
        pushed.erase(id);
      else
        pushed[id] = q;
    } else if (rng.one_in(3)) {
      const Verdict expected = first < 0    ? Verdict::poisoned
                               : first <= q ? Verdict::duplicate
                                            : Verdict::fresh;
      REQUIRE(t.persist(id, first, Instant{}) == expected);
      if (expected == Verdict::fresh) {
        persisted[id] = first;
        pushed[id] = std::max(p, first);
      }
    } else {
      // Number by number: fresh above both, gone below, and in between nobody knows.
      Verdict expected = Verdict::poisoned;
      if (first >= 0) {
        const bool head_gone = first <= q;
        const bool middle = first <= p && last > q && p > q;
        expected = first > p   ? Verdict::fresh
                   : last <= q ? Verdict::duplicate
                   : middle    ? Verdict::unknown
                   : head_gone ? Verdict::overlap
                               : Verdict::unknown;
      }
      REQUIRE(t.push(id, first, last, Instant{}) == expected);
      if (expected == Verdict::fresh) pushed[id] = last;
    }
    REQUIRE(t.marks(id) == SequenceMarks{mark(pushed, id), mark(persisted, id)});
  }
}

TEST_CASE("bytes a producer, and no allocation to judge") {
  MonotonicTracker t({.seed = 1});
  for (std::int64_t id = 0; id < 50'000; ++id) REQUIRE(t.persist(id, 1, {}) == Verdict::fresh);
  CHECK(t.memory_bytes() / 50'000 <= 58);
  const auto before = idem_test::allocations().count;
  for (std::int64_t id = 0; id < 1000; ++id) (void)t.judge(id, 0, 5);
  CHECK(idem_test::allocations().count == before);
}
