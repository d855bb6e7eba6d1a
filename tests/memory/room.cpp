#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "memory/sets.hpp"
#include "support/ids.hpp"
#include "support/out_of_memory.hpp"

// Room taken ahead: what the concept Settling promises to those who stand on it.

using idem::bytes;
using idem::Verdict;
using idem_test::allocations;
using idem_test::FailAllocation;
using idem_test::Failing;
using idem_test::id_bytes;
using idem_test::least_budget;
using idem_test::spread_id;

namespace {

template <class Set>
void record(Set& set, std::uint64_t index) {
  auto id = spread_id<typename Set::Stored>(index);
  set.record(std::move(id), idem_test::some_time);
}

// Inserts new ids until `full`; how many went in.
template <class Set>
std::size_t fill(Set& set, std::uint64_t first_index) {
  std::size_t count = 0;
  while (set.insert(spread_id<typename Set::Stored>(first_index + count)) == Verdict::fresh)
    ++count;
  return count;
}

}  // namespace

TEST_CASE_TEMPLATE("room: records nothing until it is used", Set, IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  Set set;
  const Id id = spread_id<Id>(1);
  REQUIRE(set.reserve_one(id));
  CHECK(set.size() == 0);
  CHECK(set.check(id) == Verdict::fresh);
  record(set, 1);
  CHECK(set.size() == 1);
  CHECK(set.check(id) == Verdict::duplicate);
  CHECK(set.insert(id) == Verdict::duplicate);
  CHECK(set.forget(id));
  REQUIRE(set.reserve_one(id));
  set.release_one(id);
  CHECK(set.size() == 0);
  CHECK(set.check(id) == Verdict::fresh);
}

TEST_CASE_TEMPLATE("room: recording neither allocates nor fails, whatever came in between", Set,
                   IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  for (std::uint64_t present = 0; present < 130; ++present) {
    for (const std::uint64_t rooms : {1U, 5U, 40U}) {
      const std::uint64_t budget = sizeof(Set) + 900 * idem_test::id_bytes<Set>;
      Set set({.budget = bytes(budget), .seed = idem::Seed{1, 2}});
      for (std::uint64_t i = 0; i < present; ++i)
        REQUIRE(set.insert(spread_id<Id>(i)) == Verdict::fresh);
      std::uint64_t taken = 0;
      while (taken < rooms && set.reserve_one(spread_id<Id>(1'000 + taken))) ++taken;
      const std::size_t others = fill(set, 10'000);
      CAPTURE(present);
      CAPTURE(taken);
      REQUIRE(set.size() == present + others);
      const std::size_t held = set.memory_bytes();
      {
        FailAllocation failure(0, Failing::from_then_on);
        for (std::uint64_t i = 0; i < taken; ++i) record(set, 1'000 + i);
        REQUIRE(failure.fired() == 0);
      }
      REQUIRE(set.memory_bytes() == held);
      REQUIRE(set.memory_bytes() <= budget);
      REQUIRE(set.size() == present + others + taken);
      for (std::uint64_t i = 0; i < present; ++i)
        REQUIRE(set.check(spread_id<Id>(i)) == Verdict::duplicate);
      for (std::uint64_t i = 0; i < taken; ++i)
        REQUIRE(set.check(spread_id<Id>(1'000 + i)) == Verdict::duplicate);
      for (std::uint64_t i = 0; i < others; ++i)
        REQUIRE(set.check(spread_id<Id>(10'000 + i)) == Verdict::duplicate);
      REQUIRE(set.insert(spread_id<Id>(99'999)) == Verdict::full);
    }
  }
}

TEST_CASE_TEMPLATE("room: thousands at once, over a set that grows in between", Set,
                   IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  const auto before = allocations();
  {
    Set set({.seed = idem::Seed{1, 2}});
    constexpr std::uint64_t rooms = 12'000;
    for (std::uint64_t i = 0; i < rooms; ++i) {
      REQUIRE(set.reserve_one(spread_id<Id>(i)));
      REQUIRE(set.insert(spread_id<Id>(100'000 + i)) == Verdict::fresh);
    }
    // Room for as many again costs memory in proportion to the ids and no more.
    CHECK(set.memory_bytes() <= sizeof(Set) + 43 * id_bytes<Set> / 16 * 2 * rooms + 4'096);
    CHECK(set.size() == rooms);
    const std::size_t held = set.memory_bytes();
    {
      FailAllocation failure(0, Failing::from_then_on);
      for (std::uint64_t i = 0; i < rooms; ++i) {
        if (i % 3 == 0) {
          set.release_one(spread_id<Id>(i));
        } else {
          record(set, i);
        }
      }
      REQUIRE(failure.fired() == 0);
    }
    CHECK(set.memory_bytes() == held);
    CHECK(set.size() == rooms + rooms / 3 * 2);
    for (std::uint64_t i = 0; i < rooms; ++i) {
      REQUIRE(set.check(spread_id<Id>(i)) == (i % 3 == 0 ? Verdict::fresh : Verdict::duplicate));
      REQUIRE(set.check(spread_id<Id>(100'000 + i)) == Verdict::duplicate);
    }
    // What was given back is there for others.
    const std::uint64_t count = allocations().count;
    for (std::uint64_t i = 0; i < rooms / 3; ++i)
      REQUIRE(set.insert(spread_id<Id>(200'000 + i)) == Verdict::fresh);
    CHECK(allocations().count == count);
  }
  CHECK(allocations().live == before.live);
}

TEST_CASE_TEMPLATE("room: taken room is not there for others, given back it is", Set,
                   IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  const auto budget = bytes(least_budget<Set>() + 500);
  Set plain({.budget = budget});
  const std::size_t all = fill(plain, 0);
  for (std::size_t taken = 0; taken <= all; ++taken) {
    CAPTURE(taken);
    Set set({.budget = budget});
    for (std::uint64_t i = 0; i < taken; ++i) REQUIRE(set.reserve_one(spread_id<Id>(i)));
    REQUIRE(fill(set, 1'000) == all - taken);
    REQUIRE_FALSE(set.reserve_one(spread_id<Id>(500)));
    REQUIRE(set.size() == all - taken);
    for (std::uint64_t i = 0; i < taken; ++i) set.release_one(spread_id<Id>(i));
    REQUIRE(fill(set, 2'000) == taken);
    REQUIRE(set.size() == all);
    REQUIRE_FALSE(set.reserve_one(spread_id<Id>(500)));
    // An id forgotten is room again.
    REQUIRE(set.forget(spread_id<Id>(taken == all ? 2'000 : 1'000)));
    REQUIRE(set.reserve_one(spread_id<Id>(500)));
    REQUIRE_FALSE(set.reserve_one(spread_id<Id>(501)));
    REQUIRE(set.insert(spread_id<Id>(502)) == Verdict::full);
    record(set, 500);
    REQUIRE(set.size() == all);
  }
}

TEST_CASE_TEMPLATE("room: batches leave it alone", Set, IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  for (const std::uint64_t taken : {1U, 3U, 12U}) {
    Set set({.budget = bytes(least_budget<Set>() + 2'000)});
    for (std::uint64_t i = 0; i < taken; ++i) REQUIRE(set.reserve_one(spread_id<Id>(i)));
    std::vector<Id> ids;
    for (std::uint64_t i = 0; i < 1'000; ++i) ids.push_back(spread_id<Id>(1'000 + i));
    std::vector<Verdict> verdicts(ids.size());
    set.insert(ids, verdicts);
    CHECK(verdicts.back() == Verdict::full);
    const std::size_t size = set.size();
    FailAllocation failure(0, Failing::from_then_on);
    for (std::uint64_t i = 0; i < taken; ++i) record(set, i);
    CHECK(failure.fired() == 0);
    CHECK(set.size() == size + taken);
    for (std::uint64_t i = 0; i < taken; ++i)
      REQUIRE(set.check(spread_id<Id>(i)) == Verdict::duplicate);
  }
}

TEST_CASE_TEMPLATE("room: outlives clear, reserve and a move", Set, IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  const auto budget = bytes(least_budget<Set>() + 500);
  Set plain({.budget = budget});
  const std::size_t all = fill(plain, 0);
  Set first({.budget = budget});
  REQUIRE(first.reserve_one(spread_id<Id>(1)));
  REQUIRE(first.reserve_one(spread_id<Id>(2)));
  REQUIRE(fill(first, 1'000) > 0);
  first.clear();
  Set second(std::move(first));
  Set third;
  third = std::move(second);
  third.reserve(3);
  const std::size_t others = fill(third, 2'000);
  CHECK(others == all - 2);
  FailAllocation failure(0, Failing::from_then_on);
  record(third, 1);
  record(third, 2);
  CHECK(failure.fired() == 0);
  CHECK(third.size() == others + 2);
  CHECK(third.check(spread_id<Id>(1)) == Verdict::duplicate);
  CHECK(third.check(spread_id<Id>(2)) == Verdict::duplicate);
}

TEST_CASE_TEMPLATE("room: reserve leaves the room taken on top", Set, IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  for (std::size_t count = 1; count < 100; ++count) {
    Set set;
    for (std::uint64_t i = 0; i < 7; ++i) REQUIRE(set.reserve_one(spread_id<Id>(i)));
    set.reserve(count);
    const std::uint64_t before = allocations().count;
    for (std::uint64_t i = 0; i < 7; ++i) record(set, i);
    for (std::uint64_t i = 7; i < count; ++i)
      REQUIRE(set.insert(spread_id<Id>(i)) == Verdict::fresh);
    CAPTURE(count);
    REQUIRE(allocations().count == before);
  }
}

TEST_CASE_TEMPLATE("room: what is reserved or warmed comes on top of it", Set, IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  for (const std::uint64_t present : {0U, 100U, 10'000U}) {
    for (const bool warmed : {true, false}) {
      Set set;
      for (std::uint64_t i = 0; i < present; ++i)
        REQUIRE(set.insert(spread_id<Id>(i)) == Verdict::fresh);
      for (std::uint64_t i = 0; i < 200; ++i) REQUIRE(set.reserve_one(spread_id<Id>(i)));
      if (warmed) {
        REQUIRE(set.warm(1'000));
      } else {
        set.reserve(set.size() + 1'000);
      }
      const std::uint64_t before = allocations().count;
      for (std::uint64_t i = present; i < present + 1'000; ++i)
        REQUIRE(set.insert(spread_id<Id>(i)) == Verdict::fresh);
      CAPTURE(present);
      CAPTURE(warmed);
      REQUIRE(allocations().count == before);
    }
  }
}

TEST_CASE_TEMPLATE("room: nothing is reserved or warmed beyond all numbers because of it", Set,
                   IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  constexpr std::size_t all = std::numeric_limits<std::size_t>::max();
  for (const std::uint64_t present : {0U, 100U, 10'000U}) {
    Set set;
    for (std::uint64_t i = 0; i < present; ++i)
      REQUIRE(set.insert(spread_id<Id>(i)) == Verdict::fresh);
    for (std::uint64_t i = 0; i < 20; ++i) REQUIRE(set.reserve_one(spread_id<Id>(i)));
    const std::size_t bytes = set.memory_bytes();
    for (std::size_t less = 0; less < 40; ++less) {
      CHECK_THROWS(set.reserve(all - less));
      CHECK_FALSE(set.warm(all - less));
    }
    CHECK(set.memory_bytes() == bytes);
  }
}

TEST_CASE_TEMPLATE("room: belongs to the set it was taken in, not to its copies", Set,
                   IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  const auto budget = bytes(least_budget<Set>() + 500);
  Set plain({.budget = budget});
  const std::size_t all = fill(plain, 0);
  Set set({.budget = budget});
  for (std::uint64_t i = 0; i < 5; ++i) REQUIRE(set.reserve_one(spread_id<Id>(i)));
  Set copy(set);
  CHECK(fill(copy, 1'000) == all);
  Set assigned({.budget = budget});
  assigned = set;
  CHECK(fill(assigned, 1'000) == all);
  CHECK(fill(set, 1'000) == all - 5);
}
