#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "memory/sets.hpp"
#include "support/ids.hpp"
#include "support/oracle.hpp"
#include "support/out_of_memory.hpp"

using idem::Verdict;
using idem_test::allocations;
using idem_test::BitmapOracle;
using idem_test::Failing;
using idem_test::for_each_failing_allocation;
using idem_test::spread_id;

namespace {

constexpr Failing modes[] = {Failing::once, Failing::from_then_on};
constexpr std::size_t universe_size = 1'500;

template <class Set>
std::vector<typename Set::Stored> universe() {
  std::vector<typename Set::Stored> ids;
  for (std::uint64_t i = 0; i < universe_size; ++i)
    ids.push_back(spread_id<typename Set::Stored>(i));
  return ids;
}

// Every size up to this is tried, so that several are met at which the next id makes the set grow.
constexpr std::size_t largest_size = 200;

}  // namespace

TEST_CASE_TEMPLATE("out of memory: insert answers full and changes nothing", Set,
                   IDEM_TEST_LAYOUTS) {
  const auto ids = universe<Set>();
  std::uint64_t injected = 0;
  for (const Failing mode : modes) {
    for (std::size_t present = 0; present <= largest_size; ++present) {
      BitmapOracle oracle(universe_size);
      const auto before = allocations();
      std::optional<Set> set;
      Verdict verdict{};
      std::size_t held = 0;
      injected += for_each_failing_allocation(
          mode,
          [&] {
            set.emplace();
            oracle.clear();
            for (std::size_t i = 0; i < present; ++i)
              REQUIRE(set->insert(ids[i]) == oracle.insert(i));
            held = set->memory_bytes();
          },
          [&] { verdict = set->insert(ids[present]); },
          [&](bool fired) {
            CHECK(verdict == (fired ? Verdict::full : Verdict::fresh));
            if (fired) {
              CHECK(set->memory_bytes() == held);
              CHECK(idem_test::same_contents(*set, ids, oracle));
              CHECK(set->insert(ids[present]) == Verdict::fresh);
            }
            CHECK(oracle.insert(present) == Verdict::fresh);
            CHECK(idem_test::same_contents(*set, ids, oracle));
          });
      set.reset();
      CHECK(allocations().live == before.live);
    }
  }
  // A set of 200 has grown several times, so failures were met in both modes.
  CHECK(injected >= 8);
}

TEST_CASE_TEMPLATE("out of memory: a set that stays without memory keeps answering", Set,
                   IDEM_TEST_LAYOUTS) {
  const auto ids = universe<Set>();
  Set set;
  std::size_t present = 0;
  while (present < 30) REQUIRE(set.insert(ids[present++]) == Verdict::fresh);
  std::uint64_t fired = 0;
  bool refused = false;
  {
    idem_test::FailAllocation failure(0, Failing::from_then_on);
    for (std::size_t i = 0; i < universe_size; ++i) {
      const Verdict verdict = set.insert(ids[i]);
      if (i < present) {
        if (verdict != Verdict::duplicate) FAIL("a duplicate was not told");
      } else if (verdict == Verdict::fresh) {
        if (refused) FAIL("fresh after full");
        ++present;
      } else {
        if (verdict != Verdict::full) FAIL("neither fresh nor full");
        refused = true;
      }
    }
    if (!set.forget(ids[0]) || set.insert(ids[universe_size - 1]) != Verdict::fresh)
      FAIL("forgetting one did not make room for one");
    fired = failure.fired();
  }
  CHECK(refused);
  CHECK(fired > 0);
  CHECK(set.size() == present);
  for (std::size_t i = present; i < universe_size - 1; ++i)
    REQUIRE(set.insert(ids[i]) == Verdict::fresh);
}

TEST_CASE_TEMPLATE("out of memory: a batch records what it calls fresh and nothing else", Set,
                   IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  const auto ids = universe<Set>();
  std::uint64_t injected = 0;
  for (const Failing mode : modes) {
    for (std::size_t present = 0; present <= largest_size; present += 7) {
      BitmapOracle oracle(universe_size);
      // New ids, ids inside the batch twice, and ids that were there.
      std::vector<std::size_t> indices;
      for (std::size_t i = 0; i < 600; ++i) indices.push_back((i * 7 + i / 3) % universe_size);
      std::vector<Id> batch;
      for (const std::size_t index : indices) batch.push_back(ids[index]);
      std::vector<Verdict> verdicts(batch.size());
      const auto before = allocations();
      std::optional<Set> set;
      injected += for_each_failing_allocation(
          mode,
          [&] {
            set.emplace();
            oracle.clear();
            for (std::size_t i = 0; i < present; ++i)
              REQUIRE(set->insert(ids[i]) == oracle.insert(i));
            verdicts.assign(verdicts.size(), Verdict::poisoned);
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
            CHECK((full != 0) == fired);
            if (mode == Failing::once) CHECK(full <= 1);
            CHECK(idem_test::same_contents(*set, ids, oracle));
            set->insert(batch, verdicts);
            for (std::size_t i = 0; i < batch.size(); ++i)
              REQUIRE(verdicts[i] == oracle.insert(indices[i]));
            CHECK(idem_test::same_contents(*set, ids, oracle));
          });
      set.reset();
      CHECK(allocations().live == before.live);
    }
  }
  CHECK(injected >= 40);
}

TEST_CASE_TEMPLATE("out of memory: reserve throws and changes nothing", Set, IDEM_TEST_LAYOUTS) {
  const auto ids = universe<Set>();
  std::uint64_t injected = 0;
  for (const Failing mode : modes) {
    for (std::size_t present = 0; present <= largest_size; present += 7) {
      BitmapOracle oracle(universe_size);
      const auto before = allocations();
      Set set;
      bool threw = false;
      std::size_t held = 0;
      injected += for_each_failing_allocation(
          mode,
          [&] {
            set = Set();
            oracle.clear();
            for (std::size_t i = 0; i < present; ++i)
              REQUIRE(set.insert(ids[i]) == oracle.insert(i));
            held = set.memory_bytes();
            threw = false;
          },
          [&] {
            try {
              set.reserve(1'000);
            } catch (const std::invalid_argument&) {
              threw = true;
            } catch (const std::bad_alloc&) {
              // There was no memory for the sentence either.
              threw = true;
            }
          },
          [&](bool fired) {
            CHECK(threw == fired);
            if (fired) CHECK(set.memory_bytes() == held);
            CHECK(idem_test::same_contents(set, ids, oracle));
            set.reserve(1'000);
            for (std::size_t i = present; i < 1'000; ++i)
              REQUIRE(set.insert(ids[i]) == oracle.insert(i));
            CHECK(idem_test::same_contents(set, ids, oracle));
          });
      set = Set();
      CHECK(allocations().live == before.live);
    }
  }
  CHECK(injected >= 20);
}

TEST_CASE_TEMPLATE("out of memory: the constructor throws and leaks nothing", Set,
                   IDEM_TEST_LAYOUTS) {
  for (const Failing mode : modes) {
    bool threw = false;
    bool right_kind = true;
    const auto before = allocations();
    const std::uint64_t injected = for_each_failing_allocation(
        mode, [&] { threw = false; },
        [&] {
          try {
            Set set({.expected_keys = 1'000});
          } catch (const std::invalid_argument&) {
            threw = true;
          } catch (const std::bad_alloc&) {
            threw = true;
            right_kind = mode == Failing::from_then_on;
          }
        },
        [&](bool fired) {
          CHECK(threw == fired);
          CHECK(right_kind);
          CHECK(allocations().live == before.live);
        });
    CHECK(injected >= 1);
  }
}

TEST_CASE_TEMPLATE("out of memory: copying throws bad_alloc and harms neither", Set,
                   IDEM_TEST_LAYOUTS) {
  const auto ids = universe<Set>();
  std::uint64_t injected = 0;
  for (const Failing mode : modes) {
    for (std::size_t present = 0; present <= largest_size; present += 7) {
      for (const bool assigned : {false, true}) {
        BitmapOracle from(universe_size);
        BitmapOracle onto(universe_size);
        const auto before = allocations();
        std::optional<Set> original;
        std::optional<Set> target;
        original.emplace();
        for (std::size_t i = 0; i < present; ++i)
          REQUIRE(original->insert(ids[i]) == from.insert(i));
        bool threw = false;
        injected += for_each_failing_allocation(
            mode,
            [&] {
              target.reset();
              onto.clear();
              if (assigned) {
                target.emplace();
                for (std::size_t i = 700; i < 720; ++i)
                  REQUIRE(target->insert(ids[i]) == onto.insert(i));
              }
              threw = false;
            },
            [&] {
              try {
                if (assigned) {
                  *target = *original;
                } else {
                  target.emplace(*original);
                }
              } catch (const std::bad_alloc&) {
                threw = true;
              }
            },
            [&](bool fired) {
              CHECK(threw == fired);
              CHECK(idem_test::same_contents(*original, ids, from));
              if (!fired) {
                CHECK(idem_test::same_contents(*target, ids, from));
              } else if (assigned) {
                CHECK(idem_test::same_contents(*target, ids, onto));
                *target = *original;
                CHECK(idem_test::same_contents(*target, ids, from));
              }
            });
        original.reset();
        target.reset();
        CHECK(allocations().live == before.live);
      }
    }
  }
  CHECK(injected >= 40);
}

TEST_CASE_TEMPLATE("out of memory: no room for a key to come, nothing changed", Set,
                   IDEM_TEST_LAYOUTS) {
  const auto ids = universe<Set>();
  std::uint64_t injected = 0;
  for (const Failing mode : modes) {
    for (std::size_t present = 0; present <= largest_size; ++present) {
      std::optional<Set> set;
      BitmapOracle oracle(universe_size);
      bool reserved = false;
      injected += for_each_failing_allocation(
          mode,
          [&] {
            set.emplace();
            oracle.clear();
            for (std::size_t i = 0; i < present; ++i)
              REQUIRE(set->insert(ids[i]) == oracle.insert(i));
          },
          [&] { reserved = set->reserve_one(ids[present]); },
          [&](bool fired) {
            CHECK(reserved == !fired);
            CHECK(idem_test::same_contents(*set, ids, oracle));
            if (fired) REQUIRE(set->reserve_one(ids[present]));
            auto id = ids[present];
            set->record(std::move(id), idem_test::some_time);
            CHECK(oracle.insert(present) == Verdict::fresh);
            CHECK(idem_test::same_contents(*set, ids, oracle));
          });
    }
  }
  CHECK(injected >= 8);
}

TEST_CASE_TEMPLATE("out of memory: what needs no memory asks for none", Set, IDEM_TEST_LAYOUTS) {
  const auto ids = universe<Set>();
  Set set;
  for (std::size_t i = 0; i < 100; ++i) REQUIRE(set.insert(ids[i]) == Verdict::fresh);
  const std::uint64_t before = allocations().count;
  std::vector<Verdict> verdicts;
  for (std::size_t i = 0; i < 100; ++i) {
    REQUIRE(set.check(ids[i]) == Verdict::duplicate);
    REQUIRE(set.insert(ids[i]) == Verdict::duplicate);
    REQUIRE(set.forget(ids[i]));
    REQUIRE(set.insert(ids[i]) == Verdict::fresh);
  }
  Set moved(std::move(set));
  set = std::move(moved);
  std::swap(set, moved);
  set.clear();
  moved.clear();
  CHECK(allocations().count == before);
}
