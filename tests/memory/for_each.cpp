#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "memory/sets.hpp"
#include "support/ids.hpp"
#include "support/out_of_memory.hpp"
#include "support/random.hpp"

using idem::Verdict;
using idem_test::Universe;

namespace {

// Indices no universe uses.
constexpr std::uint64_t others = std::uint64_t{1} << 40;

template <class Set>
std::vector<typename Set::Stored> visited(const Set& set) {
  std::vector<typename Set::Stored> ids;
  ids.reserve(set.size());
  idem_test::FailAllocation failure(0, idem_test::Failing::from_then_on);
  set.for_each([&](const typename Set::Stored& id) { ids.push_back(id); });
  CHECK(failure.fired() == 0);
  return ids;
}

template <class Set>
std::vector<typename Set::Stored> sorted(const Set& set, std::vector<typename Set::Stored> ids) {
  std::sort(ids.begin(), ids.end(), [&](const auto& a, const auto& b) {
    return std::pair(set.slot(a), a) < std::pair(set.slot(b), b);
  });
  return ids;
}

}  // namespace

TEST_CASE_TEMPLATE("for_each: every id once, by slot and id, whatever came before", Set,
                   IDEM_TEST_ALL_SETS) {
  for (const Universe universe :
       {Universe::spread, Universe::counting, Universe::colliding, Universe::near_end}) {
    for (const std::size_t count : {0U, 1U, 2U, 11U, 12U, 13U, 300U, 3'000U}) {
      const Set asked({.seed = idem::Seed{7, 8}});
      auto ids = idem_test::make_universe(asked, universe, count);
      const auto expected = sorted(asked, ids);
      idem_test::Rng rng(count);
      for (const std::size_t room : {std::size_t{0}, count, 5 * count + 17}) {
        for (std::size_t i = ids.size(); i > 1; --i) std::swap(ids[i - 1], ids[rng.below(i)]);
        Set set({.expected_keys = room, .seed = idem::Seed{7, 8}});
        // Others come and go in between.
        for (std::uint64_t i = 0; i < count; ++i) {
          const auto other = idem_test::spread_id<typename Set::Stored>(others + i);
          (void)set.insert(other);
          REQUIRE(set.insert(ids[i]) == Verdict::fresh);
          if (i % 3 != 0) REQUIRE(set.forget(other));
        }
        for (std::uint64_t i = 0; i < count; i += 3)
          REQUIRE(set.forget(idem_test::spread_id<typename Set::Stored>(others + i)));
        CAPTURE(count);
        CAPTURE(room);
        REQUIRE(visited(set) == expected);
      }
    }
  }
}

TEST_CASE("for_each: rebuilds a set") {
  idem::UuidSet set({.seed = idem::Seed{1, 2}});
  for (std::uint64_t i = 0; i < 10'000; ++i)
    REQUIRE(set.insert(idem_test::spread_id<idem::Uuid>(i)) == Verdict::fresh);
  idem::UuidSet rebuilt({.expected_keys = set.size(), .seed = set.hash().seed()});
  set.for_each([&](const idem::Uuid& id) { REQUIRE(rebuilt.insert(id) == Verdict::fresh); });
  CHECK(visited(rebuilt) == visited(set));
}
