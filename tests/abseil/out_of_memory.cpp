#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <idem/dedup/deduplicator.hpp>
#include <idem/memory/exact_set.hpp>

#include "support/oracle.hpp"
#include "support/out_of_memory.hpp"
#include "support/random.hpp"

using idem::Verdict;
using idem_test::allocations;
using idem_test::BitmapOracle;
using idem_test::FailAllocation;
using idem_test::Failing;
using idem_test::for_each_failing_allocation;

using Set = idem::ExactSet<std::string>;

namespace {

constexpr Failing modes[] = {Failing::once, Failing::from_then_on};
constexpr std::size_t universe_size = 600;
// Several sizes are met at which the next key makes the set grow.
constexpr std::size_t largest_size = 120;

// Every other key is stored outside its string and needs memory of its own.
const std::vector<std::string>& keys() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> made;
    for (std::size_t i = 0; i < universe_size; ++i)
      made.push_back(std::string(i % 2 == 0 ? 1 : 40, 'k') + std::to_string(i));
    return made;
  }();
  return all;
}

void fill(Set& set, BitmapOracle& oracle, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) REQUIRE(set.insert(keys()[i]) == oracle.insert(i));
}

bool same(const Set& set, const BitmapOracle& oracle) {
  if (set.size() != oracle.size()) return false;
  for (std::size_t i = 0; i < universe_size; ++i)
    if (set.check(keys()[i]) != oracle.check(i)) return false;
  return true;
}

}  // namespace

TEST_CASE("ExactSet, out of memory: insert answers full and changes nothing") {
  std::uint64_t injected = 0;
  for (const Failing mode : modes) {
    for (std::size_t present = 0; present <= largest_size; ++present) {
      (void)keys();
      const auto before = allocations();
      {
        std::optional<Set> set;
        BitmapOracle oracle(universe_size);
        Verdict verdict{};
        std::size_t held = 0;
        injected += for_each_failing_allocation(
            mode,
            [&] {
              set.emplace();
              oracle.clear();
              fill(*set, oracle, present);
              held = set->memory_bytes();
            },
            [&] { verdict = set->insert(keys()[present]); },
            [&](bool fired) {
              REQUIRE(verdict == (fired ? Verdict::full : Verdict::fresh));
              if (fired) {
                REQUIRE(set->memory_bytes() == held);
                REQUIRE(same(*set, oracle));
                REQUIRE(set->insert(keys()[present]) == Verdict::fresh);
              }
              (void)oracle.insert(present);
              REQUIRE(same(*set, oracle));
            });
      }
      REQUIRE(allocations().live == before.live);
    }
  }
  // Half of the keys, and the sizes at which the set grows, in both modes.
  CHECK(injected >= 2 * (largest_size / 2 + 3));
}

TEST_CASE("ExactSet, out of memory: a batch records what it calls fresh and nothing else") {
  std::vector<std::size_t> indices;
  std::vector<std::string> batch;
  for (std::size_t i = 0; i < 300; ++i) {
    indices.push_back((i * 7 + i / 3) % universe_size);
    batch.push_back(keys()[indices.back()]);
  }
  std::vector<Verdict> verdicts(batch.size());
  std::uint64_t injected = 0;
  for (const Failing mode : modes) {
    for (const std::size_t present : {0UL, 20UL, 100UL}) {
      std::optional<Set> set;
      BitmapOracle oracle(universe_size);
      injected += for_each_failing_allocation(
          mode,
          [&] {
            set.emplace();
            oracle.clear();
            fill(*set, oracle, present);
          },
          [&] { set->insert(batch, verdicts); },
          [&](bool fired) {
            std::size_t full = 0;
            for (std::size_t i = 0; i < batch.size(); ++i) {
              if (verdicts[i] == Verdict::full) {
                REQUIRE(oracle.check(indices[i]) == Verdict::fresh);
                ++full;
              } else {
                REQUIRE(verdicts[i] == oracle.insert(indices[i]));
              }
            }
            REQUIRE((full != 0) == fired);
            REQUIRE(same(*set, oracle));
          });
    }
  }
  CHECK(injected >= 300);
}

TEST_CASE("ExactSet, out of memory: constructor and reserve throw, copying throws, no harm done") {
  std::uint64_t injected = 0;
  for (const Failing mode : modes) {
    const auto before = allocations();
    {
      std::optional<Set> set;
      BitmapOracle oracle(universe_size);
      bool threw = false;
      const auto attempt = [&](auto&& call) {
        try {
          call();
        } catch (const std::invalid_argument&) {
          threw = true;
        } catch (const std::bad_alloc&) {
          threw = true;
        }
      };
      injected += for_each_failing_allocation(
          mode, [&] { threw = false; },
          [&] { attempt([] { const Set made({.expected_keys = 1'000}); }); },
          [&](bool fired) { REQUIRE(threw == fired); });
      for (const std::size_t present : {0UL, 1UL, 30UL, 100UL}) {
        const auto begin = [&] {
          threw = false;
          set.emplace();
          oracle.clear();
          fill(*set, oracle, present);
        };
        injected += for_each_failing_allocation(
            mode, begin, [&] { attempt([&] { set->reserve(500); }); },
            [&](bool fired) {
              REQUIRE(threw == fired);
              REQUIRE(same(*set, oracle));
            });
        std::optional<Set> copy;
        injected += for_each_failing_allocation(
            mode,
            [&] {
              begin();
              copy.reset();
            },
            [&] { attempt([&] { copy.emplace(*set); }); },
            [&](bool fired) {
              REQUIRE(threw == fired);
              REQUIRE(same(*set, oracle));
              if (!fired) REQUIRE(same(*copy, oracle));
            });
        BitmapOracle target(universe_size);
        injected += for_each_failing_allocation(
            mode,
            [&] {
              begin();
              copy.emplace();
              target.clear();
              for (std::size_t i = 400; i < 440; ++i)
                REQUIRE(copy->insert(keys()[i]) == target.insert(i));
            },
            [&] { attempt([&] { *copy = *set; }); },
            [&](bool fired) {
              REQUIRE(threw == fired);
              REQUIRE(same(*set, oracle));
              REQUIRE(same(*copy, fired ? target : oracle));
            });
      }
    }
    REQUIRE(allocations().live == before.live);
  }
  CHECK(injected >= 200);
}

TEST_CASE("ExactSet, out of memory: no room for a key to come, nothing changed") {
  std::uint64_t injected = 0;
  for (const Failing mode : modes) {
    for (std::size_t present = 0; present <= largest_size; ++present) {
      std::optional<Set> set;
      BitmapOracle oracle(universe_size);
      bool reserved = false;
      std::size_t held = 0;
      injected += for_each_failing_allocation(
          mode,
          [&] {
            set.emplace();
            oracle.clear();
            fill(*set, oracle, present);
            held = set->memory_bytes();
          },
          [&] { reserved = set->reserve_one(keys()[present]); },
          [&](bool fired) {
            REQUIRE(reserved == !fired);
            REQUIRE(same(*set, oracle));
            if (fired) {
              REQUIRE(set->memory_bytes() == held);
              REQUIRE(set->reserve_one(keys()[present]));
            }
            std::string key = keys()[present];
            {
              FailAllocation failure(0, Failing::from_then_on);
              set->record(std::move(key), {.now = idem::Instant{}});
              if (failure.fired() != 0) FAIL("record asked for memory");
            }
            (void)oracle.insert(present);
            REQUIRE(same(*set, oracle));
          });
    }
  }
  CHECK(injected >= 6);
}

TEST_CASE("ExactSet: memory_bytes is what was asked for and the object itself") {
  (void)keys();
  const auto before = allocations();
  Set set;
  idem_test::Rng rng(1);
  const auto held = [&] { return sizeof(Set) + (allocations().live_bytes - before.live_bytes); };
  for (int i = 0; i < 20'000; ++i) {
    const std::string& key = keys()[rng.below(universe_size)];
    if (rng.one_in(3)) {
      (void)set.forget(key);
    } else {
      (void)set.insert(key);
    }
    if (rng.one_in(5'000)) set.clear();
    if (rng.one_in(5'000)) set = Set(set);
    REQUIRE(set.memory_bytes() == held());
  }
  CHECK(set.size() > 100);
}

TEST_CASE("ExactSet: a key larger than the budget is not even copied") {
  const std::string huge(1'000'000, 'x');
  Set set({.budget = idem::kibibytes(64)});
  REQUIRE(set.insert("small") == Verdict::fresh);
  idem_test::reset_peak();
  const auto before = allocations();
  CHECK(set.insert(huge) == Verdict::full);
  CHECK_FALSE(set.reserve_one(huge));
  CHECK(allocations().peak_bytes == before.live_bytes);
}

// Slots that were given back are used again without a larger table, however often.
TEST_CASE("ExactSet, out of memory: keys come and go in a full table without memory") {
  idem::ExactSet<std::uint64_t> set({.expected_keys = 700, .seed = idem::Seed{1, 2}});
  std::uint64_t next = 0;
  std::uint64_t oldest = 0;
  while (next < 700) REQUIRE(set.insert(next++) == Verdict::fresh);
  const std::uint64_t before = allocations().count;
  FailAllocation failure(0, Failing::from_then_on);
  for (int i = 0; i < 200'000; ++i) {
    const bool right = set.forget(oldest++) && set.insert(next++) == Verdict::fresh;
    if (!right) FAIL("a slot was lost");
  }
  CHECK(failure.fired() == 0);
  CHECK(allocations().count == before);
  CHECK(set.size() == 700);
}

TEST_CASE("ExactSet, out of memory: a claim is refused before it is given, never at its commit") {
  using Claiming = idem::Deduplicator<std::string, idem::Policy<idem::Remember<Set>, idem::Claims>>;
  constexpr idem::At now{.now = idem::Instant{}};
  std::uint64_t injected = 0;
  for (const Failing mode : modes) {
    for (std::size_t present = 0; present <= largest_size; ++present) {
      std::optional<Claiming> seen;
      std::vector<Claiming::Claim> claim;  // one: g++ 12 misreads an optional here
      claim.reserve(1);
      injected += for_each_failing_allocation(
          mode,
          [&] {
            claim.clear();
            seen.emplace(Claiming::Options{.claims = {.max_in_flight = 4}});
            for (std::size_t i = 0; i < present; ++i)
              REQUIRE(seen->insert(keys()[i]) == Verdict::fresh);
          },
          [&] { claim.push_back(seen->claim(keys()[present], now)); },
          [&](bool fired) {
            REQUIRE(claim.front().verdict() == (fired ? Verdict::full : Verdict::fresh));
            if (fired) {
              REQUIRE(seen->claims_in_flight() == 0);
              REQUIRE(seen->check(keys()[present]) == Verdict::fresh);
              claim.clear();
              claim.push_back(seen->claim(keys()[present], now));
            }
            FailAllocation failure(0, Failing::from_then_on);
            const Verdict committed = claim.front().commit(now);
            const std::uint64_t asked = failure.fired();
            if (committed != Verdict::fresh || asked != 0) FAIL("the commit asked for memory");
          });
      claim.clear();
    }
  }
  CHECK(injected >= 60);
}
