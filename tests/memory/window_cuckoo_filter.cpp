#include <idem/memory/window_cuckoo_filter.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <idem/core/memory.hpp>
#include <idem/core/uuid.hpp>
#include <idem/memory/backed_window.hpp>
#include <idem/memory/time_window_ring.hpp>

#include "memory/window_filter_oracle.hpp"
#include "support/ids.hpp"
#include "support/out_of_memory.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"
#include "support/thrown.hpp"

using idem::At;
using idem::Duration;
using idem::Instant;
using idem::Uuid;
using idem::Verdict;
using idem::WindowCuckooFilter;
using idem::WindowMode;
using idem_test::Expected;
using idem_test::FilterWindowOracle;
using idem_test::Rng;

namespace {

using Fixed = WindowCuckooFilter<Uuid>;
using Sliding = WindowCuckooFilter<Uuid, WindowMode::sliding>;

static_assert(idem::Memory<Fixed> && idem::Memory<Sliding> && idem::Forgetting<Fixed>);
static_assert(!idem::Forgetting<Sliding> && !idem::Settling<Fixed>);

Uuid id(std::uint64_t index) { return idem_test::spread_id<Uuid>(index); }
At at(std::int64_t now) { return {.now = Instant::at(Duration::nanoseconds(now))}; }
Duration ns(std::int64_t count) { return Duration::nanoseconds(count); }

// The rate of eight full slots, and some: what chance may not exceed here.
constexpr double highest_rate = 8.0 / 8191;

struct Walked {
  std::uint64_t held = 0, fresh = 0, guessed = 0, forgotten = 0, full = 0, jumps = 0;
};

template <class Filter>
Walked walk(std::uint64_t seed, std::size_t keys, std::int64_t window, std::uint64_t steps,
            std::uint64_t expected_keys) {
  constexpr bool sliding = Filter::mode == WindowMode::sliding;
  Filter filter(
      {.window = ns(window), .expected_keys = expected_keys, .seed = idem::Seed{seed, 1}});
  FilterWindowOracle oracle({.window = window, .sliding = sliding}, keys);
  std::vector<bool> own(keys, false);  // it has a slot of its own, and may be forgotten
  Rng rng(seed);
  std::int64_t now = static_cast<std::int64_t>(rng.below(1000)) - 500;
  Walked seen;
  for (std::uint64_t step = 0; step < steps; ++step) {
    const std::uint64_t roll = rng.below(1000);
    if (roll < 300) {
      now += static_cast<std::int64_t>(rng.below(1 + static_cast<std::uint64_t>(window) / 40));
    } else if (roll < 310) {
      now -= static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(window)));
    } else if (roll < 312) {
      now += window + static_cast<std::int64_t>(rng.below(3)) - 1;
    } else if (roll == 312 && rng.one_in(20)) {
      now += 1'000'000 * window;
      ++seen.jumps;
    }
    const std::size_t key = rng.below(keys);
    oracle.advance(now);
    const Expected expected = oracle.look(key, oracle.latest());
    const Verdict checked = filter.check(id(key), at(now));
    if (roll > 900) {
      if constexpr (!sliding) {
        filter.advance(at(now));
        if (expected == Expected::held && own[key]) {
          if (!filter.forget(id(key))) FAIL("what is held could not be forgotten");
          own[key] = false;
          oracle.forget(key);
          ++seen.forgotten;
        }
        continue;
      }
    }
    const Verdict verdict = filter.insert(id(key), at(now));
    if (verdict != checked && verdict != Verdict::full) FAIL("check and insert differ");
    if (expected == Expected::held) {
      if (verdict != Verdict::probable_duplicate) FAIL("forgotten too early, at step ", step);
      ++seen.held;
      if (sliding) oracle.add(key, now);
    } else if (verdict == Verdict::fresh) {
      ++seen.fresh;
      own[key] = true;
      oracle.add(key, now);
    } else if (verdict == Verdict::full) {
      ++seen.full;
    } else {
      ++seen.guessed;
    }
  }
  return seen;
}

}  // namespace

TEST_CASE_TEMPLATE("window cuckoo: random histories against the instant of every key", Filter,
                   Fixed, Sliding) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    const std::size_t keys = seed % 2 == 0 ? 40 : 4'000;
    const std::int64_t window = seed % 3 == 0 ? 7 : 6'000;
    const Walked seen = walk<Filter>(seed, keys, window, idem_test::soaked(200'000), keys);
    CHECK(seen.held > 1'000);
    CHECK(seen.fresh > 100);
    CHECK(seen.jumps > 0);
    CHECK(seen.full == 0);
    if (Filter::mode == WindowMode::fixed) CHECK(seen.forgotten > 1'000);
    // In the table of few lines the same few ids meet again and again.
    const auto asked = static_cast<double>(seen.fresh + seen.guessed);
    if (keys == 4'000) CHECK(static_cast<double>(seen.guessed) < 2 * highest_rate * asked);
  }
}

TEST_CASE_TEMPLATE("window cuckoo: every short sequence of keys and clock steps", Filter, Fixed,
                   Sliding) {
  constexpr bool sliding = Filter::mode == WindowMode::sliding;
  for (const std::int64_t window : {1, 6, 7, 12}) {
    CAPTURE(window);
    const std::array<std::int64_t, 7> steps{-1000 * window, -1,           0, 1, window - 1,
                                            window,         1000 * window};
    // One line, so that every step meets what the steps before it left there.
    const Filter empty({.window = ns(window), .size = idem::bytes(64), .seed = idem::Seed{3, 4}});
    std::uint64_t sequences = 0, differences = 0;
    const auto explore = [&](const auto& again, const Filter& filter,
                             const FilterWindowOracle& oracle, std::int64_t time,
                             int depth) -> void {
      if (depth == 0) {
        ++sequences;
        return;
      }
      for (const std::size_t key : {std::size_t{0}, std::size_t{1}}) {
        for (const std::int64_t step : steps) {
          Filter next(filter);
          FilterWindowOracle expected(oracle);
          const Verdict checked = next.check(id(key), at(time + step));
          const Verdict answered = next.insert(id(key), at(time + step));
          const Verdict right = expected.insert(key, time + step) == Expected::held
                                    ? Verdict::probable_duplicate
                                    : Verdict::fresh;
          if (answered != right || checked != right) {
            ++differences;
            continue;
          }
          again(again, next, expected, time + step, depth - 1);
        }
      }
    };
    explore(explore, empty, FilterWindowOracle({.window = window, .sliding = sliding}, 2), -3, 4);
    CHECK(differences == 0);
    CHECK(sequences == 14 * 14 * 14 * 14);
  }
}

TEST_CASE(
    "window cuckoo: the rate of a full window is the rate computed, and its bytes are as said") {
  constexpr std::uint64_t keys = 300'000;
  Fixed filter({.window = ns(6'000'000), .expected_keys = keys, .seed = idem::Seed{5, 6}});
  CHECK(static_cast<double>(filter.memory_bytes()) * 8 / keys < 27.5);
  std::uint64_t next = 0;
  std::vector<std::uint64_t> recorded;
  // Three windows of even traffic: every line was brought up many times.
  for (; next < 3 * keys + keys / 6 - 1; ++next) {
    const auto now = static_cast<std::int64_t>(next * 6'000'000 / keys);
    const Verdict verdict = filter.insert(id(next), at(now));
    REQUIRE(verdict != Verdict::full);
    if (verdict == Verdict::fresh) recorded.push_back(next);
  }
  CHECK(filter.load() > 0.78);
  CHECK(filter.load() < 0.82);
  const At now{.now = filter.latest()};
  for (const std::uint64_t i : recorded)
    if (i >= next - keys) REQUIRE(filter.check(id(i), now) == Verdict::probable_duplicate);
  std::uint64_t wrong = 0;
  constexpr std::uint64_t asked = 2'000'000;
  for (std::uint64_t i = 0; i < asked; ++i)
    wrong += filter.check(id(1'000'000'000 + i), now) != Verdict::fresh ? 1U : 0U;
  const double computed = filter.false_positive_rate();
  CHECK(computed < highest_rate);
  // Some 1,750 are expected; four standard deviations either way.
  CHECK(static_cast<double>(wrong) > asked * computed * 0.9);
  CHECK(static_cast<double>(wrong) < asked * computed * 1.1);
  // What was forgotten long ago is answered by chance alone.
  wrong = 0;
  for (std::uint64_t i = 0; i < keys; ++i)
    wrong += filter.check(id(i), now) != Verdict::fresh ? 1U : 0U;
  CHECK(static_cast<double>(wrong) < 1.3 * computed * keys);
}

TEST_CASE("window cuckoo: full forgets nothing, and there is room again when the window moves on") {
  Fixed filter({.window = ns(600), .size = idem::kibibytes(64), .seed = idem::Seed{7, 8}});
  std::uint64_t taken = 0;
  while (filter.insert(id(taken), at(0)) != Verdict::full) ++taken;
  CHECK(filter.load() > 0.95);
  CHECK(filter.counters().overfull_keys > 0);
  for (std::uint64_t i = 0; i < taken; ++i)
    REQUIRE(filter.check(id(i), at(599)) == Verdict::probable_duplicate);
  CHECK(filter.insert(id(taken), at(599)) == Verdict::full);
  std::uint64_t fresh = 0;
  for (std::uint64_t i = 0; i < taken; ++i)
    fresh += filter.insert(id(1'000'000 + i), at(700)) == Verdict::fresh ? 1U : 0U;
  CHECK(fresh > taken * 99 / 100);
}

TEST_CASE("window cuckoo: a search for room passes through lines of older generations") {
  Fixed filter({.window = ns(6'000), .size = idem::kibibytes(64), .seed = idem::Seed{7, 9}});
  std::vector<std::uint64_t> recorded;
  std::uint64_t next = 0;
  const auto fill = [&](double load, std::int64_t now) {
    for (bool full = false; filter.load() < load && !full; ++next) {
      const Verdict verdict = filter.insert(id(next), at(now));
      if (verdict == Verdict::fresh) recorded.push_back(next);
      full = verdict == Verdict::full;
    }
    for (const std::uint64_t key : recorded)
      REQUIRE(filter.check(id(key), at(now)) == Verdict::probable_duplicate);
  };
  fill(0.91, 0);
  for (std::int64_t generation = 1; generation < 6; ++generation) {
    const std::uint64_t moved = filter.moves();
    fill(0.91 + 0.008 * static_cast<double>(generation), generation * 1'000);
    CHECK(filter.moves() > moved + 50);
  }
}

TEST_CASE("window cuckoo: in a table that stays full what was taken is kept") {
  // More traffic than fits: fingerprints move in every generation, through lines of older ones.
  Fixed filter({.window = ns(6'000), .size = idem::kibibytes(64), .seed = idem::Seed{7, 9}});
  const std::uint64_t a_window = filter.capacity();
  std::vector<std::pair<std::int64_t, std::uint64_t>> recorded;
  std::uint64_t refused = 0;
  for (std::uint64_t i = 0; i < 6 * a_window; ++i) {
    const auto now = static_cast<std::int64_t>(i * 6'000 / a_window);
    const Verdict verdict = filter.insert(id(i), at(now));
    if (verdict == Verdict::fresh) recorded.emplace_back(now, i);
    if (verdict == Verdict::full) ++refused;
    if (i % (a_window / 18) != 0) continue;
    for (const auto& [when, key] : recorded)
      if (now - when < 6'000)
        REQUIRE(filter.check(id(key), at(now)) == Verdict::probable_duplicate);
  }
  CHECK(refused > 1'000);
  CHECK(filter.moves() > 10'000);
}

TEST_CASE_TEMPLATE("window cuckoo: a batch is as many single inserts in order", Filter, Fixed,
                   Sliding) {
  const idem::WindowCuckooOptions options{
      .window = ns(600), .expected_keys = 2'000, .seed = idem::Seed{9, 10}};
  Filter batched(options), single(options);
  Rng rng(11);
  std::int64_t now = 0;
  std::vector<Uuid> ids;
  std::vector<Verdict> verdicts;
  for (std::uint64_t round = 0; round < 600; ++round) {
    now += static_cast<std::int64_t>(rng.below(60)) - 5;
    ids.clear();
    for (std::uint64_t i = rng.below(120); i != 0; --i) ids.push_back(id(rng.below(4'000)));
    verdicts.assign(ids.size(), Verdict::poisoned);
    batched.check(ids, at(now), verdicts);
    for (std::size_t i = 0; i < ids.size(); ++i)
      REQUIRE(verdicts[i] == single.check(ids[i], at(now)));
    batched.insert(ids, at(now), verdicts);
    for (std::size_t i = 0; i < ids.size(); ++i)
      REQUIRE(verdicts[i] == single.insert(ids[i], at(now)));
    REQUIRE(batched.size() == single.size());
  }
  CHECK(batched.counters().rotations > 20);
  CHECK(batched.counters().clock_went_back > 10);
}

TEST_CASE("window cuckoo: added twice it is forgotten twice") {
  Fixed filter({.window = ns(600), .expected_keys = 100, .seed = idem::Seed{1, 1}});
  REQUIRE(filter.insert(id(1), at(0)) == Verdict::fresh);
  REQUIRE(filter.add(id(1), at(300)));
  CHECK(filter.size() == 2);
  // The older one goes first.
  CHECK(filter.forget(id(1)));
  CHECK(filter.check(id(1), at(899)) == Verdict::probable_duplicate);
  CHECK(filter.forget(id(1)));
  CHECK_FALSE(filter.forget(id(1)));
  CHECK(filter.check(id(1), at(300)) == Verdict::fresh);
  CHECK(filter.size() == 0);
  // Renewed where the window slides.
  Sliding renewed({.window = ns(600), .expected_keys = 100, .seed = idem::Seed{1, 1}});
  REQUIRE(renewed.insert(id(1), at(0)) == Verdict::fresh);
  REQUIRE(renewed.add(id(1), at(300)));
  CHECK(renewed.size() == 1);
  CHECK(renewed.check(id(1), at(899)) == Verdict::probable_duplicate);
}

TEST_CASE("window cuckoo: clear, copies, moves and memory that runs out") {
  Fixed filter({.window = ns(600), .expected_keys = 1'000, .seed = idem::Seed{2, 2}});
  for (std::uint64_t i = 0; i < 500; ++i) (void)filter.insert(id(i), at(0));
  Fixed copy(filter);
  filter.clear();
  CHECK(filter.size() == 0);
  CHECK(filter.check(id(1), at(0)) == Verdict::fresh);
  CHECK(copy.check(id(1), at(0)) == Verdict::probable_duplicate);
  for (const auto mode : {idem_test::Failing::once, idem_test::Failing::from_then_on}) {
    bool threw = false;
    Fixed target({.window = ns(5), .size = idem::bytes(64), .seed = idem::Seed{3, 3}});
    REQUIRE(target.insert(id(7), at(0)) == Verdict::fresh);
    const std::uint64_t injected = idem_test::for_each_failing_allocation(
        mode, [&] { threw = false; },
        [&] {
          try {
            target = copy;
          } catch (const std::bad_alloc&) {
            threw = true;
          }
        },
        [&](bool fired) {
          REQUIRE(threw == fired);
          if (fired) {
            REQUIRE(target.window() == ns(5));
            REQUIRE(target.check(id(7), at(0)) == Verdict::probable_duplicate);
          } else {
            REQUIRE(target.check(id(1), at(0)) == Verdict::probable_duplicate);
          }
        });
    CHECK(injected >= 1);
  }
  Fixed moved(std::move(copy));
  CHECK(moved.check(id(1), at(0)) == Verdict::probable_duplicate);
  CHECK(copy.insert(id(1), at(0)) == Verdict::full);
  CHECK(copy.check(id(1), at(0)) == Verdict::fresh);
  CHECK_FALSE(copy.add(id(1), at(0)));
  CHECK_FALSE(copy.forget(id(1)));
  std::array<Verdict, 1> verdict{};
  copy.insert(std::array{id(1)}, at(0), verdict);
  CHECK(verdict[0] == Verdict::full);
}

TEST_CASE("window cuckoo: options that are nonsense") {
  using idem_test::contains;
  const auto says = [](const idem::WindowCuckooOptions& options, const char* text) {
    return contains(idem_test::refusal([&] { Fixed filter(options); }), text);
  };
  CHECK(says({.expected_keys = 1}, "WindowCuckooOptions.window is 0"));
  CHECK(says({.window = ns(-1), .expected_keys = 1}, "WindowCuckooOptions.window is -1"));
  CHECK(says({.window = Duration::max(), .expected_keys = 1}, "WindowCuckooOptions.window"));
  CHECK(says({.window = ns(1)}, "WindowCuckooOptions.expected_keys is 0"));
  CHECK(says({.window = ns(1), .expected_keys = 1, .size = idem::bytes(64)},
             "WindowCuckooOptions.size is 64"));
  CHECK(says({.window = ns(1), .size = idem::bytes(63)}, "WindowCuckooOptions.size is 63"));
  CHECK(says({.window = ns(1), .expected_keys = std::numeric_limits<std::uint64_t>::max()},
             "WindowCuckooOptions.expected_keys is 18446744073709551615"));
}

TEST_CASE("window cuckoo: behind an exact window") {
  using Exact = idem::TimeWindowRing<Uuid>;
  idem::BackedWindow<Exact, Fixed> seen(
      {.exact = {.window = ns(600)}, .filter = {.window = ns(6'000), .expected_keys = 10'000}});
  REQUIRE(seen.insert(id(1), at(0)) == Verdict::fresh);
  CHECK(seen.insert(id(1), at(599)) == Verdict::duplicate);
  CHECK(seen.insert(id(1), at(5'999)) == Verdict::probable_duplicate);
  CHECK(seen.insert(id(1), at(8'000)) == Verdict::fresh);
}
