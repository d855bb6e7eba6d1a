#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <doctest/doctest.h>

#include <idem/core/time.hpp>
#include <idem/core/uuid.hpp>
#include <idem/memory/bloom_filter.hpp>
#include <idem/memory/cuckoo_filter.hpp>
#include <idem/memory/inverse_filter.hpp>
#include <idem/memory/time_window_ring.hpp>
#include <idem/memory/window_bloom_filter.hpp>
#include <idem/memory/window_cuckoo_filter.hpp>

#include "memory/sets.hpp"
#include "support/dies.hpp"
#include "support/ids.hpp"
#include "support/random.hpp"

using idem::At;
using idem::Duration;
using idem::Instant;
using idem::Uuid;
using idem::Verdict;
using idem::WindowMode;
using idem::WindowTime;
using idem_test::Rng;
using idem_test::Universe;

TEST_CASE_TEMPLATE("memory batch: the verdicts of as many single inserts, in order", Set,
                   IDEM_TEST_ALL_SETS) {
  using Id = typename Set::Stored;
  Rng rng(71);
  const idem::Seed seed{7, 8};
  const Set any({.seed = seed});
  for (const Universe universe : {Universe::spread, Universe::colliding}) {
    const bool slow = universe == Universe::colliding;
    const auto ids = idem_test::make_universe(any, universe, slow ? 400 : 5'000);
    for (const std::size_t length : {0UL,   1UL,   2UL,   3UL,   7UL,   8UL,   9UL,   15UL,   16UL,
                                     17UL,  31UL,  32UL,  33UL,  63UL,  64UL,  65UL,  127UL,  128UL,
                                     129UL, 255UL, 256UL, 257UL, 511UL, 512UL, 513UL, 1'000UL}) {
      for (std::size_t keys : {std::size_t{1}, length / 4 + 1, length + 1, 4 * length + 1}) {
        keys = std::min(keys, ids.size());
        Set batched({.seed = seed});
        Set single({.seed = seed});
        for (int round = 0; round < 3; ++round) {
          std::vector<Id> batch;
          for (std::size_t i = 0; i < length; ++i) batch.push_back(ids[rng.below(keys)]);
          std::vector<Verdict> verdicts(length + 2, Verdict::poisoned);
          batched.insert(batch, std::span(verdicts).subspan(1, length));
          CAPTURE(length);
          CAPTURE(keys);
          for (std::size_t i = 0; i < length; ++i)
            REQUIRE(verdicts[i + 1] == single.insert(batch[i]));
          // Nothing beside the span is written.
          REQUIRE(verdicts.front() == Verdict::poisoned);
          REQUIRE(verdicts.back() == Verdict::poisoned);
          REQUIRE(batched.size() == single.size());
        }
        for (std::size_t i = 0; i < keys; ++i)
          REQUIRE(batched.check(ids[i]) == single.check(ids[i]));
      }
    }
  }
}

TEST_CASE_TEMPLATE("memory batch: the first of equal ids is fresh, wherever they stand", Set,
                   IDEM_TEST_ALL_SETS) {
  using Id = typename Set::Stored;
  constexpr std::size_t length = 70;
  for (std::size_t first = 0; first < length; first += 3) {
    for (std::size_t second = first + 1; second < length; ++second) {
      Set set({.seed = idem::Seed{9, 9}});
      std::vector<Id> ids;
      for (std::size_t i = 0; i < length; ++i) ids.push_back(idem_test::spread_id<Id>(i));
      ids[second] = ids[first];
      std::vector<Verdict> verdicts(length);
      set.insert(ids, idem_test::some_time, verdicts);
      for (std::size_t i = 0; i < length; ++i) {
        if (verdicts[i] != (i == second ? Verdict::duplicate : Verdict::fresh)) {
          CAPTURE(first);
          CAPTURE(second);
          CAPTURE(i);
          FAIL("wrong verdict inside the batch");
        }
      }
      REQUIRE(set.size() == length - 1);
    }
  }
}

TEST_CASE_TEMPLATE("memory batch: one larger than the set, from empty", Set, IDEM_TEST_ALL_SETS) {
  using Id = typename Set::Stored;
  Set set;
  std::vector<Id> ids;
  for (std::uint64_t i = 0; i < 20'000; ++i) ids.push_back(idem_test::spread_id<Id>(i / 2));
  std::vector<Verdict> verdicts(ids.size());
  set.insert(ids, verdicts);
  for (std::size_t i = 0; i < ids.size(); ++i)
    REQUIRE(verdicts[i] == (i % 2 == 0 ? Verdict::fresh : Verdict::duplicate));
  CHECK(set.size() == 10'000);
}

TEST_CASE_TEMPLATE("memory batch: full where single inserts would be, duplicates still told", Set,
                   IDEM_TEST_ALL_SETS) {
  using Id = typename Set::Stored;
  for (const std::size_t extra : {0UL, 64UL, 100UL, 1'000UL, 5'000UL}) {
    const idem::ByteSize budget = idem::bytes(idem_test::least_budget<Set>() + extra);
    Set batched({.budget = budget, .seed = idem::Seed{1, 1}});
    Set single({.budget = budget, .seed = idem::Seed{1, 1}});
    std::vector<Id> ids;
    for (std::uint64_t i = 0; i < 700; ++i) ids.push_back(idem_test::spread_id<Id>(i));
    for (std::uint64_t i = 0; i < 100; ++i) ids.push_back(idem_test::spread_id<Id>(i * 7));
    std::vector<Verdict> verdicts(ids.size());
    batched.insert(ids, verdicts);
    std::size_t full = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      CAPTURE(i);
      REQUIRE(verdicts[i] == single.insert(ids[i]));
      if (verdicts[i] == Verdict::full) ++full;
    }
    CHECK(full > 0);
    CHECK(batched.size() == single.size());
    CHECK(batched.memory_bytes() <= budget.count());
  }
}

TEST_CASE_TEMPLATE("memory batch: spans of two sizes end the program", Set, idem::UuidSet,
                   idem::ContentHashSet, idem::Id64Set) {
  using Id = typename Set::Stored;
  for (const std::size_t verdict_count : {0UL, 2UL, 4UL}) {
    CAPTURE(verdict_count);
    CHECK(idem_test::dies([&] {
      Set set({.seed = idem::Seed{1, 2}});
      const std::vector<Id> ids(3, idem_test::spread_id<Id>(1));
      std::vector<Verdict> verdicts(verdict_count);
      set.insert(ids, verdicts);
    }));
  }
  CHECK_FALSE(idem_test::dies([] {
    Set set({.seed = idem::Seed{1, 2}});
    const std::vector<Id> ids(3, idem_test::spread_id<Id>(1));
    std::vector<Verdict> verdicts(3);
    set.insert(ids, verdicts);
  }));
}

namespace {

// Whether a batch of three into two places ends the program, and one into three does not.
template <class Memory>
bool dies_of_two_sizes(const typename Memory::Options& options) {
  const auto insert = [&](std::size_t verdict_count) {
    return idem_test::dies([&] {
      Memory memory(options);
      const std::vector<idem::Uuid> ids(3, idem::Uuid(1, 2));
      std::vector<Verdict> verdicts(verdict_count);
      memory.insert(ids, idem::At{.now = idem::Instant()}, verdicts);
    });
  };
  return insert(2) && !insert(3);
}

}  // namespace

TEST_CASE("memory batch: spans of two sizes end the program in filters and windows as well") {
  const idem::Duration hour = idem::Duration::nanoseconds(3'600'000'000'000);
  CHECK(dies_of_two_sizes<idem::BloomFilter<Uuid>>({.size = idem::kibibytes(4)}));
  CHECK(dies_of_two_sizes<idem::CuckooFilter<Uuid>>({.expected_keys = 100}));
  CHECK(dies_of_two_sizes<idem::InverseFilter<Uuid>>({.size = idem::kibibytes(4)}));
  CHECK(dies_of_two_sizes<idem::TimeWindowRing<Uuid>>({.window = hour}));
  CHECK(dies_of_two_sizes<idem::WindowBloomFilter<Uuid>>(
      {.window = hour, .expected_keys = 100, .false_positive_rate = 0.01}));
  CHECK(dies_of_two_sizes<idem::WindowCuckooFilter<Uuid>>({.window = hour, .expected_keys = 100}));
}

namespace {

// Of the size that a UUID can carry.
constexpr Duration milliseconds(std::int64_t count) {
  return Duration::nanoseconds(count * 1'000'000);
}

std::array<std::uint64_t, 7> numbers(const idem::TimeWindowCounters& counters) {
  const auto& [back, early, stale, ahead, resizes, work, probe] = counters;
  return {back, early, stale, ahead, resizes, work, probe};
}
std::array<std::uint64_t, 6> numbers(const idem::WindowFilterCounters& counters) {
  const auto& [back, early, overfull, stale, ahead, rotations] = counters;
  return {back, early, overfull, stale, ahead, rotations};
}

// Batches at times that go on, stand still, go back and lie ahead of the clock.
template <class Window>
void counts_as_single_inserts(const typename Window::Options& options) {
  Window batched(options), single(options);
  Rng rng(81);
  std::int64_t clock = 10'000;
  for (int round = 0; round < 400; ++round) {
    clock += static_cast<std::int64_t>(rng.below(60)) - 20;
    const std::int64_t event = clock + static_cast<std::int64_t>(rng.below(800)) - 700;
    const At at{.now = Instant::at(milliseconds(clock)), .event = Instant::at(milliseconds(event))};
    std::vector<Uuid> ids;
    for (std::uint64_t left = rng.below(40); left != 0; --left) {
      const std::uint64_t key = rng.below(600);
      const auto made = static_cast<std::uint64_t>(clock) + rng.below(800) - 700;
      ids.push_back(rng.one_in(3) ? Uuid::make_v7(made, 0, key) : idem_test::spread_id<Uuid>(key));
    }
    std::vector<Verdict> verdicts(ids.size());
    batched.insert(ids, at, verdicts);
    for (std::size_t i = 0; i < ids.size(); ++i) REQUIRE(verdicts[i] == single.insert(ids[i], at));
    REQUIRE(numbers(batched.counters()) == numbers(single.counters()));
  }
  if constexpr (Window::time == WindowTime::arrival) {
    CHECK(batched.counters().clock_went_back > 100);
  } else {
    CHECK(batched.counters().events_ahead > 100);
    CHECK(batched.counters().stale > 100);
  }
}

}  // namespace

TEST_CASE("memory batch: windows and their filters count what as many single inserts do") {
  constexpr Duration window = milliseconds(600), lead = milliseconds(20);
  constexpr idem::Seed seed{3, 5};
  constexpr WindowMode fixed = WindowMode::fixed, sliding = WindowMode::sliding;

  counts_as_single_inserts<idem::TimeWindowRing<Uuid>>({.window = window, .seed = seed});
  counts_as_single_inserts<idem::TimeWindowRing<Uuid, sliding>>(
      {.window = window,
       .granularity = lead,
       .max_keys = 100,
       .when_full = idem::WhenFull::forget_oldest,
       .seed = seed});
  counts_as_single_inserts<idem::TimeWindowRing<Uuid, fixed, WindowTime::event>>(
      {.window = window, .granularity = lead, .allowed_lead = lead, .seed = seed});
  counts_as_single_inserts<idem::TimeWindowRing<Uuid, fixed, WindowTime::id>>(
      {.window = window, .granularity = lead, .allowed_lead = lead, .seed = seed});

  for (const auto when_crowded : {idem::WhenCrowded::raise_rate, idem::WhenCrowded::forget_oldest,
                                  idem::WhenCrowded::refuse}) {
    counts_as_single_inserts<idem::WindowBloomFilter<Uuid>>({.window = window,
                                                             .expected_keys = 300,
                                                             .false_positive_rate = 0.01,
                                                             .when_crowded = when_crowded,
                                                             .seed = seed});
  }
  counts_as_single_inserts<idem::WindowBloomFilter<Uuid, sliding, WindowTime::event>>(
      {.window = window,
       .expected_keys = 300,
       .false_positive_rate = 0.01,
       .allowed_lead = lead,
       .seed = seed});
  counts_as_single_inserts<idem::WindowCuckooFilter<Uuid>>(
      {.window = window, .expected_keys = 300, .seed = seed});
  counts_as_single_inserts<idem::WindowCuckooFilter<Uuid, sliding>>(
      {.window = window, .expected_keys = 300, .seed = seed});
}
