#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <doctest/doctest.h>

#include "memory/sets.hpp"
#include "support/ids.hpp"
#include "support/out_of_memory.hpp"

using idem::Verdict;
using idem_test::allocations;
using idem_test::spread_id;

namespace {

template <class Set>
Set filled(std::uint64_t count, std::uint64_t seed) {
  Set set({.seed = idem::Seed{seed, seed}});
  for (std::uint64_t i = 0; i < count; ++i)
    REQUIRE(set.insert(spread_id<typename Set::Stored>(i)) == Verdict::fresh);
  return set;
}

template <class Set>
bool holds_exactly_first(const Set& set, std::uint64_t count) {
  if (set.size() != count) return false;
  for (std::uint64_t i = 0; i < count + 50; ++i) {
    const Verdict expected = i < count ? Verdict::duplicate : Verdict::fresh;
    if (set.check(spread_id<typename Set::Stored>(i)) != expected) return false;
  }
  return true;
}

}  // namespace

TEST_CASE_TEMPLATE("copy: the same contents and seed, and from then on its own", Set,
                   IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  for (const std::uint64_t count : {0U, 1U, 12U, 13U, 500U}) {
    const auto before = allocations();
    {
      Set original = filled<Set>(count, 3);
      Set copy(original);
      CHECK(copy.hash().seed() == original.hash().seed());
      CHECK(holds_exactly_first(copy, count));
      CHECK(copy.insert(spread_id<Id>(count)) == Verdict::fresh);
      CHECK(original.check(spread_id<Id>(count)) == Verdict::fresh);
      CHECK(holds_exactly_first(copy, count + 1));
      if (count != 0) CHECK(original.forget(spread_id<Id>(count - 1)));
      CHECK(holds_exactly_first(copy, count + 1));
      original.clear();
      CHECK(holds_exactly_first(copy, count + 1));
      CHECK(copy.memory_bytes() + original.memory_bytes() ==
            2 * sizeof(Set) + (allocations().live_bytes - before.live_bytes));
    }
    CHECK(allocations().live == before.live);
  }
}

TEST_CASE_TEMPLATE("copy: assigned over anything, itself too", Set, IDEM_TEST_LAYOUTS) {
  const auto before = allocations();
  {
    for (const std::uint64_t from : {0U, 5U, 700U}) {
      for (const std::uint64_t onto : {0U, 5U, 700U}) {
        const Set original = filled<Set>(from, 3);
        Set target = filled<Set>(onto, 4);
        target = original;
        CHECK(holds_exactly_first(target, from));
        CHECK(target.hash().seed() == original.hash().seed());
        const Set& same = target;
        target = same;
        CHECK(holds_exactly_first(target, from));
        CHECK(holds_exactly_first(original, from));
      }
    }
  }
  CHECK(allocations().live == before.live);
}

TEST_CASE_TEMPLATE("copy: keeps the budget", Set, IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  const auto budget = idem::bytes(idem_test::least_budget<Set>());
  Set set({.budget = budget});
  std::uint64_t taken = 0;
  while (set.insert(spread_id<Id>(taken)) == Verdict::fresh) ++taken;
  Set copy(set);
  CHECK(copy.insert(spread_id<Id>(taken)) == Verdict::full);
  CHECK(copy.memory_bytes() <= budget.count());
  CHECK(holds_exactly_first(copy, taken));
  Set assigned;
  assigned = set;
  CHECK(assigned.insert(spread_id<Id>(taken)) == Verdict::full);
  Set moved(std::move(set));
  CHECK(moved.insert(spread_id<Id>(taken)) == Verdict::full);
  CHECK(holds_exactly_first(moved, taken));
}

TEST_CASE_TEMPLATE("move: takes the contents without allocating", Set, IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  for (const std::uint64_t count : {0U, 1U, 700U}) {
    const auto before = allocations();
    {
      auto original = std::make_unique<Set>(filled<Set>(count, 3));
      const std::uint64_t allocated = allocations().count;
      Set moved(std::move(*original));
      CHECK(allocations().count == allocated);
      // What was moved from may be destroyed.
      original.reset();
      CHECK(holds_exactly_first(moved, count));
      CHECK(moved.hash().seed() == idem::Seed{3, 3});
      Set target = filled<Set>(40, 4);
      const std::uint64_t again = allocations().count;
      target = std::move(moved);
      CHECK(allocations().count == again);
      CHECK(holds_exactly_first(target, count));
      // And may be assigned to.
      moved = filled<Set>(9, 5);
      CHECK(holds_exactly_first(moved, 9));
      CHECK(target.insert(spread_id<Id>(count)) == Verdict::fresh);
      CHECK(holds_exactly_first(target, count + 1));
    }
    CHECK(allocations().live == before.live);
  }
}

TEST_CASE_TEMPLATE("move: what is left is an empty set that works", Set, IDEM_TEST_LAYOUTS) {
  for (const std::uint64_t count : {0U, 1U, 700U}) {
    Set original = filled<Set>(count, 3);
    const Set moved(std::move(original));
    CHECK(original.size() == 0);
    CHECK(original.memory_bytes() == sizeof(Set));
    CHECK(holds_exactly_first(original, 0));
    for (std::uint64_t i = 0; i < 100; ++i)
      REQUIRE(original.insert(spread_id<typename Set::Stored>(i)) == Verdict::fresh);
    CHECK(holds_exactly_first(original, 100));
    CHECK(holds_exactly_first(moved, count));
  }
}
