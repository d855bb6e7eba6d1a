#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include <doctest/doctest.h>

#include "memory/sets.hpp"
#include "support/ids.hpp"
#include "support/oracle.hpp"
#include "support/out_of_memory.hpp"

using idem::bytes;
using idem::Verdict;
using idem_test::allocations;
using idem_test::id_bytes;
using idem_test::least_budget;
using idem_test::spread_id;

namespace {

// Budgets around every doubling of a small array, and some larger ones.
template <class Set>
std::vector<std::uint64_t> telling_budgets() {
  std::vector<std::uint64_t> budgets;
  for (std::uint64_t slots = 16; slots <= 4'096; slots *= 2) {
    for (const std::uint64_t factor : {1U, 2U, 3U}) {
      const std::uint64_t budget = sizeof(Set) + factor * slots * id_bytes<Set>;
      for (const std::uint64_t near : {budget - 1, budget, budget + 1})
        if (near >= least_budget<Set>()) budgets.push_back(near);
    }
  }
  for (const std::uint64_t budget : {100'000U, 1'000'000U, (2U << 20) - 1, 2U << 20, (2U << 20) + 1,
                                     3'000'000U, 5'000'000U, 9'000'000U})
    budgets.push_back(budget);
  return budgets;
}

}  // namespace

TEST_CASE_TEMPLATE("budget: memory_bytes is what was allocated and the set itself", Set,
                   IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  const auto before = allocations();
  {
    Set set;
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      REQUIRE(set.insert(spread_id<Id>(i)) == Verdict::fresh);
      REQUIRE(set.memory_bytes() == sizeof(Set) + (allocations().live_bytes - before.live_bytes));
    }
    CHECK(allocations().count > before.count);
    set.reserve(50'000);
    CHECK(set.memory_bytes() == sizeof(Set) + (allocations().live_bytes - before.live_bytes));
    for (std::uint64_t i = 0; i < 20'000; ++i) REQUIRE(set.forget(spread_id<Id>(i)));
    CHECK(set.memory_bytes() == sizeof(Set) + (allocations().live_bytes - before.live_bytes));
    set.clear();
    CHECK(set.memory_bytes() == sizeof(Set) + (allocations().live_bytes - before.live_bytes));
  }
  CHECK(allocations().live == before.live);
  CHECK(allocations().live_bytes == before.live_bytes);
}

TEST_CASE_TEMPLATE("budget: never exceeded, not even while growing, until full", Set,
                   IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  for (const std::uint64_t budget : telling_budgets<Set>()) {
    CAPTURE(budget);
    const auto before = allocations();
    Set set({.budget = bytes(budget), .seed = idem::Seed{1, 2}});
    std::uint64_t taken = 0;
    idem_test::reset_peak();
    while (set.insert(spread_id<Id>(taken)) == Verdict::fresh) {
      ++taken;
      REQUIRE(set.size() == taken);
      REQUIRE(set.memory_bytes() <= budget);
      REQUIRE(taken <= budget);
    }
    CHECK(sizeof(Set) + (allocations().peak_bytes - before.live_bytes) <= budget);
    CHECK(taken >= idem_test::ids_that_must_fit<Set>(budget));
    // Another id is refused too, again and again, and nothing has changed.
    const std::size_t held = set.memory_bytes();
    for (std::uint64_t i = taken; i < taken + 20; ++i)
      REQUIRE(set.insert(spread_id<Id>(i)) == Verdict::full);
    CHECK(set.memory_bytes() == held);
    CHECK(set.size() == taken);
    for (std::uint64_t i = 0; i < taken + 20; ++i)
      REQUIRE(set.check(spread_id<Id>(i)) == (i < taken ? Verdict::duplicate : Verdict::fresh));
    for (std::uint64_t i = 0; i < taken; ++i)
      REQUIRE(set.insert(spread_id<Id>(i)) == Verdict::duplicate);
    // One forgotten makes room for one.
    REQUIRE(set.forget(spread_id<Id>(taken / 2)));
    CHECK(set.insert(spread_id<Id>(taken)) == Verdict::fresh);
    CHECK(set.insert(spread_id<Id>(taken + 1)) == Verdict::full);
    CHECK(set.insert(spread_id<Id>(taken / 2)) == Verdict::full);
    CHECK(set.check(spread_id<Id>(taken / 2)) == Verdict::fresh);
    // And clear() for all.
    set.clear();
    for (std::uint64_t i = 0; i < taken; ++i)
      REQUIRE(set.insert(spread_id<Id>(10'000'000 + i)) == Verdict::fresh);
    CHECK(set.insert(spread_id<Id>(0)) == Verdict::full);
    CHECK(sizeof(Set) + (allocations().peak_bytes - before.live_bytes) <= budget);
  }
}

TEST_CASE_TEMPLATE("budget: kept by batches and by reserve as well", Set, IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  std::vector<Id> ids;
  for (std::uint64_t i = 0; i < 450'000; ++i) ids.push_back(spread_id<Id>(i));
  for (const std::uint64_t budget : telling_budgets<Set>()) {
    CAPTURE(budget);
    const auto batch = std::span<const Id>(ids).first(budget < 200'000 ? 10'000 : ids.size());
    std::vector<Verdict> verdicts(batch.size());
    const auto before = allocations();
    idem_test::reset_peak();
    Set set({.budget = bytes(budget), .seed = idem::Seed{1, 2}});
    set.insert(batch, verdicts);
    const auto fresh =
        static_cast<std::size_t>(std::count(verdicts.begin(), verdicts.end(), Verdict::fresh));
    CHECK(set.size() == fresh);
    CHECK(fresh >=
          std::min<std::uint64_t>(batch.size(), idem_test::ids_that_must_fit<Set>(budget)));
    CHECK(sizeof(Set) + (allocations().peak_bytes - before.live_bytes) <= budget);
    CHECK(set.memory_bytes() <= budget);
    // The largest count that reserve accepts now must then go in.
    std::size_t low = fresh;
    std::size_t high = budget;
    while (high - low > 1) {
      const std::size_t middle = low + (high - low) / 2;
      Set copy(set);
      try {
        copy.reserve(middle);
        low = middle;
      } catch (const std::invalid_argument&) {
        high = middle;
      }
      REQUIRE(copy.memory_bytes() <= budget);
    }
    set.reserve(low);
    for (std::uint64_t i = 0; set.size() < low; ++i)
      REQUIRE(set.insert(spread_id<Id>(1'000'000 + i)) == Verdict::fresh);
    CHECK(set.memory_bytes() <= budget);
  }
}

TEST_CASE_TEMPLATE("budget: expected_keys can spend all of it, and then all of them go in", Set,
                   IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  for (const std::uint64_t budget : telling_budgets<Set>()) {
    const auto accepted = [&](std::size_t keys) {
      try {
        const Set set({.budget = bytes(budget), .expected_keys = keys});
        return true;
      } catch (const std::invalid_argument&) {
        return false;
      }
    };
    std::size_t keys = 0;
    for (std::size_t bit = std::size_t{1} << 20; bit != 0; bit /= 2)
      if (accepted(keys + bit)) keys += bit;
    CAPTURE(budget);
    CAPTURE(keys);
    // Arrays double: at the worst nearly half of the budget is too little for the next one.
    CHECK(8 * keys * id_bytes<Set> + 64 * id_bytes<Set> >= 3 * (budget - sizeof(Set)));
    CHECK(keys * id_bytes<Set> <= budget);
    const auto before = allocations();
    idem_test::reset_peak();
    Set set({.budget = bytes(budget), .expected_keys = keys});
    const std::uint64_t count = allocations().count;
    for (std::uint64_t i = 0; i < keys; ++i)
      REQUIRE(set.insert(spread_id<Id>(i)) == Verdict::fresh);
    CHECK(allocations().count == count);
    CHECK(sizeof(Set) + (allocations().peak_bytes - before.live_bytes) <= budget);
  }
}

TEST_CASE_TEMPLATE("budget: bytes an id and the peak while growing are as documented", Set,
                   IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  const auto before = allocations();
  Set set;
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    const std::size_t held = set.memory_bytes();
    idem_test::reset_peak();
    REQUIRE(set.insert(spread_id<Id>(i)) == Verdict::fresh);
    const std::size_t heap = set.memory_bytes() - sizeof(Set);
    if (i >= 12) {
      REQUIRE(3 * heap >= 4 * set.size() * id_bytes<Set>);
      REQUIRE(3 * heap <= 8 * set.size() * id_bytes<Set> + 48);
    }
    // An array is copied to a larger one; leaving the array for blocks takes both for a moment.
    const bool leaves_array = sizeof(Id) == 16 && i == 3'072;
    if (set.memory_bytes() != held)
      REQUIRE(4 * (allocations().peak_bytes - before.live_bytes) <= (leaves_array ? 7 : 6) * heap);
  }
}
