#include "memory/differential.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <doctest/doctest.h>

#include "memory/sets.hpp"
#include "support/ids.hpp"
#include "support/soak.hpp"

using idem_test::Differential;
using idem_test::Scenario;
using idem_test::Universe;

namespace {

constexpr Scenario scenarios[] = {
    {Universe::spread, 100'000, 0, 0},     {Universe::spread, 3, 0, 0},
    {Universe::counting, 5'000, 1'000, 0}, {Universe::high_bits, 3'000, 0, 2'000},
    {Universe::colliding, 120, 0, 0},      {Universe::colliding, 60, 20, 0},
    {Universe::near_end, 200, 50, 0},      {Universe::spread, 150'000, 36'000, 30'000},
};

template <class Set>
void run_scenarios(std::uint64_t operations) {
  std::uint64_t seed = 0;
  unsigned rare_seen = 0;
  for (const Scenario& scenario : scenarios) {
    ++seed;
    CAPTURE(seed);
    // A step costs in proportion to the length of a chain where all ids collide.
    const bool slow = scenario.universe == Universe::colliding;
    Differential<Set> differential(scenario, seed, idem::Seed{seed, ~seed});
    differential.run(idem_test::soaked(slow ? operations / 4 : operations));
    // The test has shown something only where it went everywhere.
    if (scenario.budget_in_ids == 0) CHECK_FALSE(differential.saw_full());
    if (scenario.budget_in_ids != 0 && scenario.keys < operations / 5)
      CHECK(differential.saw_full());
    const std::size_t reachable = scenario.budget_in_ids == 0
                                      ? scenario.keys
                                      : std::min(scenario.keys, scenario.budget_in_ids);
    CHECK(differential.most_remembered() >= reachable / 2);
    rare_seen |= differential.rare_seen();
  }
  CHECK(rare_seen == (1U << Differential<Set>::rare_kinds) - 1);
}

}  // namespace

TEST_CASE_TEMPLATE("memory: a million random operations on each of eight seeds equal the oracle",
                   Set, IDEM_TEST_PLAIN_SETS) {
  run_scenarios<Set>(1'000'000);
}

TEST_CASE_TEMPLATE("memory: the same under the keyed hash", Set, idem_test::HostileUuidSet,
                   idem_test::HostileId64Set, idem_test::HostileContentSet) {
  run_scenarios<Set>(200'000);
}
