#include <idem/memory/window_bloom_filter.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <new>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <idem/core/memory.hpp>
#include <idem/dedup/deduplicator.hpp>

#include "filters.hpp"
#include "memory/window_filter_oracle.hpp"
#include "support/out_of_memory.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"
#include "support/thrown.hpp"

using idem::At;
using idem::Duration;
using idem::Instant;
using idem::Verdict;
using idem::WhenCrowded;
using idem::WindowBloomFilter;
using idem::WindowFilterOptions;
using idem::WindowMode;
using idem::WindowTime;
using idem::detail::generation_lanes;
using idem::detail::GenerationBlocks;
using idem::detail::GenerationView;
using idem::detail::Recording;
using idem::detail::Simd;
using namespace idem_test;

namespace {

using Fixed = WindowBloomFilter<std::uint64_t>;
using Sliding = WindowBloomFilter<std::uint64_t, WindowMode::sliding>;
using Event = WindowBloomFilter<std::uint64_t, WindowMode::fixed, WindowTime::event>;
using SlidingEvent = WindowBloomFilter<std::uint64_t, WindowMode::sliding, WindowTime::event>;

static_assert(idem::Memory<Fixed> && idem::Memory<Event>);
static_assert(idem::Hashing<WindowBloomFilter<idem::Digest>>);
static_assert(!idem::Forgetting<Fixed> && !idem::Settling<Fixed>);
static_assert(Fixed::errors == idem::Errors{.may_miss = true, .may_drop = true});
static_assert(Fixed::needs_time);
static_assert(std::is_nothrow_move_assignable_v<Fixed>);
static_assert(!std::is_nothrow_copy_assignable_v<Fixed>);

Instant instant(std::int64_t nanoseconds) {
  return Instant::at(Duration::nanoseconds(nanoseconds));
}
At now_at(std::int64_t time) { return {.now = instant(time), .event = instant(time)}; }
constexpr Duration ns(std::int64_t count) { return Duration::nanoseconds(count); }

// ---- the layout --------------------------------------------------------------------------------

// Written once more without sharing a line: each generation a set of (block, section, bit), thrown
// away whole when its lane is taken.
class LayoutOracle {
 public:
  LayoutOracle(std::uint64_t blocks, unsigned lines) : blocks_(blocks), lines_(lines) {}

  void begin_generation() {
    generations_.emplace_front();
    if (generations_.size() > 7) generations_.pop_back();
  }
  // The bits of a hash as numbers within the whole of one generation.
  [[nodiscard]] std::array<std::uint64_t, 8> bits_of(std::uint64_t hash) const {
    __extension__ using Wide = unsigned __int128;
    const auto block = static_cast<std::uint64_t>(Wide{hash} * blocks_ / (Wide{1} << 64));
    const std::uint64_t product = hash * 0xf1357aea2e62a9c5;
    std::array<std::uint64_t, 8> bits{};
    for (unsigned section = 0; section < 8; ++section) {
      std::uint64_t bit = 0;
      if (lines_ == 1) {
        bit = 8 * section + (product >> (8 * section + 5)) % 8;
      } else {
        const unsigned quarter = section % 4;
        bit = 64 * (section / 4) + 16 * quarter +
              (product >> (16 * quarter + (section < 4 ? 12 : 8))) % 16;
      }
      bits[section] = block * 64 * lines_ + bit;
    }
    return bits;
  }
  [[nodiscard]] bool holds(std::size_t age, std::uint64_t hash) const {
    const auto bits = bits_of(hash);
    return std::all_of(bits.begin(), bits.end(),
                       [&](std::uint64_t bit) { return generations_[age].contains(bit); });
  }
  [[nodiscard]] bool holds(std::uint64_t hash) const {
    for (std::size_t age = 0; age < generations_.size(); ++age) {
      if (holds(age, hash)) return true;
    }
    return false;
  }
  void set(std::size_t age, std::uint64_t hash) {
    for (const std::uint64_t bit : bits_of(hash)) generations_[age].insert(bit);
  }
  [[nodiscard]] std::size_t generations() const { return generations_.size(); }

 private:
  std::uint64_t blocks_;
  unsigned lines_;
  std::deque<std::set<std::uint64_t>> generations_;
};

TEST_CASE("window filter: every instruction set agrees with the layout written bit by bit") {
  for (const Simd simd : {Simd::portable, idem::detail::best_simd()}) {
    for (unsigned lines = 1; lines <= 2; ++lines) {
      for (std::uint64_t seed = 0; seed < 8; ++seed) {
        CAPTURE(lines);
        CAPTURE(seed);
        Rng rng(seed);
        const std::uint64_t block_count =
            std::array<std::uint64_t, 8>{1, 2, 3, 5, 7, 10, 11, 12}[seed];
        GenerationBlocks blocks(lines, simd);
        REQUIRE(blocks.take(block_count));
        LayoutOracle oracle(block_count, lines);
        std::uint64_t generation = generation_lanes + 1;
        oracle.begin_generation();
        std::uint64_t mismatches = 0;
        std::uint64_t held = 0, fresh = 0;
        for (std::uint64_t step = soaked(6'000); step != 0; --step) {
          if (rng.one_in(40)) {
            for (std::uint64_t begun = 1 + (rng.one_in(10) ? rng.below(9) : 0); begun != 0;
                 --begun) {
              ++generation;
              oracle.begin_generation();
            }
          }
          const std::uint64_t age = rng.below(oracle.generations());
          const GenerationView view(generation, (generation - age) % generation_lanes);
          const std::uint64_t hash = mix(rng.below(100 * block_count));
          const bool expected = oracle.holds(hash);
          const bool here = oracle.holds(age, hash);
          ++(expected ? held : fresh);
          const auto probe = blocks.probe_of(hash);
          mismatches += blocks.contains(probe, view) != expected;
          mismatches += blocks.contains<idem::detail::Among::recorded>(probe, view) != here;
          if (rng.one_in(3)) continue;
          idem::detail::GenerationAnswer answer{};
          if (rng.one_in(2)) {
            answer = blocks.insert<Recording::unless_held>(hash, view);
            mismatches += answer.recorded == expected;
          } else {
            answer = blocks.insert<Recording::always>(hash, view);
            mismatches += answer.recorded == here;
          }
          mismatches += answer.held != expected;
          if (answer.recorded) oracle.set(age, hash);
        }
        CHECK(mismatches == 0);
        CHECK(held > 100);
        CHECK(fresh > 100);
      }
    }
  }
}

// Change these numbers and every filter ever stored is unreadable.
TEST_CASE("window filter: golden bits, the same on every path and every machine") {
  const auto digest = [](Simd simd, unsigned lines) {
    GenerationBlocks blocks(lines, simd);
    REQUIRE(blocks.take(1000));
    std::uint64_t generation = generation_lanes + 1;
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      if (i % 2'000 == 0) ++generation;
      (void)blocks.insert<Recording::unless_held>(
          mix(i + 1), GenerationView(generation, generation % generation_lanes));
    }
    return digest_of(blocks.words());
  };
  for (const Simd simd : simd_paths()) {
    CHECK(digest(simd, 1) == 8226724328200616284ULL);
    CHECK(digest(simd, 2) == 14449606383182626639ULL);
  }
}

// ---- against every instant ---------------------------------------------------------------------

template <class Filter>
constexpr bool by_event = Filter::time == WindowTime::event;

template <class Filter>
void run_random(std::uint64_t seed, std::int64_t window, unsigned lines, std::uint64_t operations) {
  CAPTURE(seed);
  constexpr std::uint64_t universe = 4096;
  typename Filter::Options options{};
  options.window = ns(window);
  options.expected_keys = 2 * universe;
  options.false_positive_rate = 0.001;
  options.lines_a_key = lines;
  options.seed = idem::Seed{seed, 3};
  Filter filter(options);
  FilterWindowOracle oracle({window, Filter::mode == WindowMode::sliding, by_event<Filter>},
                            universe);
  const std::size_t bytes = filter.memory_bytes();
  Rng rng(seed);
  std::int64_t clock = -3 * window;
  std::uint64_t wrong = 0, trials = 0, false_positives = 0, held = 0, stale = 0;
  std::vector<std::uint64_t> name(universe);
  for (std::uint64_t i = 0; i < universe; ++i) name[i] = nth_id<std::uint64_t>(i + (seed << 40));

  // Whether what the filter did with the key is what the oracle would do.
  const auto judge = [&](Verdict answered, Expected expected) {
    switch (expected) {
      case Expected::held:
        ++held;
        wrong += answered != Verdict::probable_duplicate;
        break;
      case Expected::stale:
        ++stale;
        wrong += answered != Verdict::stale;
        break;
      case Expected::gone:
        ++trials;
        if (answered != Verdict::fresh) {
          wrong += answered != Verdict::probable_duplicate;
          ++false_positives;
          return Filter::mode == WindowMode::sliding;
        }
        break;
    }
    return true;
  };
  const auto draw_time = [&] {
    if (rng.one_in(100'000)) clock += 1'000'000'000 * window;
    if (rng.one_in(20'000)) clock += window;
    if (rng.one_in(200))
      clock += 1 + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(window) / 6));
    if (rng.one_in(4)) clock += static_cast<std::int64_t>(rng.below(3));
    if (!rng.one_in(8)) return clock;
    return clock - static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(window) * 9 / 8));
  };

  std::vector<std::uint64_t> batch;
  std::vector<std::size_t> batch_keys;
  std::vector<Verdict> verdicts;
  for (std::uint64_t i = 0; i < operations; ++i) {
    const auto key = static_cast<std::size_t>(rng.below(universe));
    const std::uint64_t kind = rng.below(1000);
    const std::int64_t time = draw_time();
    if (kind < 600) {
      const Verdict checked = filter.check(name[key], now_at(time));
      const Verdict answered = filter.insert(name[key], now_at(time));
      wrong += checked != answered;
      if (judge(answered, oracle.look(key, time))) {
        (void)oracle.insert(key, time);
      } else {
        oracle.advance(time);
      }
    } else if (kind < 620) {
      batch.clear();
      batch_keys.clear();
      for (std::uint64_t left = rng.below(100); left != 0; --left) {
        batch_keys.push_back(static_cast<std::size_t>(rng.below(universe)));
        batch.push_back(name[batch_keys.back()]);
      }
      verdicts.assign(batch.size(), Verdict::unknown);
      filter.insert(batch, now_at(time), verdicts);
      for (std::size_t k = 0; k < batch.size(); ++k) {
        if (judge(verdicts[k], oracle.look(batch_keys[k], time))) {
          (void)oracle.insert(batch_keys[k], time);
        } else {
          oracle.advance(time);
        }
      }
    } else if (kind < 900) {
      (void)judge(filter.check(name[key], now_at(time)), oracle.look(key, time));
    } else if (kind < 960) {
      const bool is_stale = oracle.look(key, time) == Expected::stale;
      wrong += filter.add(name[key], now_at(time)) == is_stale;
      oracle.add(key, time);
    } else if (kind < 980) {
      filter.advance(now_at(time));
      oracle.advance(time);
    } else if (rng.one_in(5'000)) {
      filter.clear();
      oracle.clear();
    } else if (rng.one_in(500)) {
      Filter copy(filter);
      filter = std::move(copy);
    }
  }
  CHECK(wrong == 0);
  CHECK(filter.memory_bytes() == bytes);
  CHECK(held > operations / 20);
  CHECK(trials > operations / 20);
  CHECK((stale != 0) == by_event<Filter>);
  CHECK(deviation(false_positives, trials, filter.rate_when_full()) < 6);
}

TEST_CASE("window filter: long random histories against the instant of every key") {
  const std::uint64_t operations = soaked(250'000);
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const std::int64_t window = std::array<std::int64_t, 4>{600, 6007, 100'000, 59}[seed % 4];
    const unsigned lines = 1 + seed % 2;
    run_random<Fixed>(seed, window, lines, operations);
    run_random<Sliding>(seed + 8, window, lines, operations);
    run_random<Event>(seed + 16, window, lines, operations);
    run_random<SlidingEvent>(seed + 24, window, lines, operations);
  }
}

// ---- the rate ----------------------------------------------------------------------------------

struct Measured {
  double asked_of_design = 0;
  std::uint64_t trials = 0;
  std::uint64_t hits = 0;
  [[nodiscard]] double z() const { return deviation(hits, trials, asked_of_design); }
};

// A window as full as it gets: seven generations of a sixth of the keys. `load` times as many keys
// as planned.
Measured measure(std::uint64_t seed, std::uint64_t keys, double rate, unsigned lines,
                 double load = 1) {
  Fixed filter({.window = ns(6'000),
                .expected_keys = keys,
                .false_positive_rate = rate,
                .lines_a_key = lines,
                .seed = idem::Seed{seed, 11}});
  std::uint64_t next = 0;
  std::vector<Verdict> verdicts(1000);
  std::vector<std::uint64_t> batch(1000);
  const auto each = static_cast<std::uint64_t>(static_cast<double>((keys + 5) / 6) * load);
  // A dozen generations, so that those that matter lie where others were.
  for (std::int64_t generation = 0; generation < 12; ++generation) {
    for (std::uint64_t i = 0; i < each; ++i)
      (void)filter.add(nth_id<std::uint64_t>(next++), now_at(generation * 1000));
  }
  Measured measured;
  measured.asked_of_design = Fixed::rate_for(keys, filter.size(), lines);
  CHECK(measured.asked_of_design <= rate);
  CHECK(filter.rate_when_full() == measured.asked_of_design);
  if (load == 1.0)
    CHECK(filter.false_positive_rate() == doctest::Approx(measured.asked_of_design).epsilon(0.002));
  next = std::uint64_t{1} << 50;
  measured.trials = static_cast<std::uint64_t>(1'300 / measured.asked_of_design);
  for (std::uint64_t left = measured.trials; left != 0;) {
    const auto now = static_cast<std::size_t>(std::min<std::uint64_t>(left, batch.size()));
    for (std::size_t i = 0; i < now; ++i) batch[i] = nth_id<std::uint64_t>(next++);
    filter.check(std::span<const std::uint64_t>(batch).first(now), now_at(11'000),
                 std::span<Verdict>(verdicts).first(now));
    for (std::size_t i = 0; i < now; ++i)
      measured.hits += verdicts[i] == Verdict::probable_duplicate;
    left -= now;
  }
  return measured;
}

TEST_CASE("window filter: the rate of a full window is the rate computed") {
  struct Case {
    double rate;
    unsigned lines;
    std::uint64_t seeds;
  };
  for (const Case& c :
       {Case{0.01, 1, 16}, Case{0.01, 2, 16}, Case{0.001, 1, 4}, Case{0.001, 2, 4}}) {
    CAPTURE(c.rate);
    CAPTURE(c.lines);
    Measured pooled;
    for (std::uint64_t seed = 0; seed < soaked(c.seeds); ++seed) {
      const Measured one = measure(seed, 50'000, c.rate, c.lines);
      CHECK(std::abs(one.z()) <= 6);
      pooled.asked_of_design = one.asked_of_design;
      pooled.trials += one.trials;
      pooled.hits += one.hits;
    }
    CHECK(std::abs(pooled.z()) <= 5);
  }
  // The same measure sees a tenth more keys than planned.
  CHECK(measure(1, 50'000, 0.01, 1, 1.1).z() > 6);
}

TEST_CASE("window filter: sizes and rates") {
  static_assert(Fixed::size_for(1'000'000, 0.01).count() % 64 == 0);
  for (const std::uint64_t keys : {1ULL, 6ULL, 7ULL, 1000ULL, 999'983ULL, 64'000'000ULL}) {
    for (const double rate : {0.5, 0.05, 0.01, 0.001, 1e-4, 1e-6}) {
      for (unsigned lines = 1; lines <= 2; ++lines) {
        CAPTURE(keys);
        CAPTURE(rate);
        const std::uint64_t bytes = Fixed::size_for(keys, rate, lines).count();
        const std::uint64_t block = 64 * lines;
        REQUIRE(bytes % block == 0);
        CHECK(Fixed::rate_for(keys, idem::ByteSize(bytes), lines) <= rate);
        if (bytes > block)
          CHECK(Fixed::rate_for(keys, idem::ByteSize(bytes - block), lines) > rate);
      }
    }
  }
  // Memory a key of the window, as documented.
  const auto bits = [](double rate, unsigned lines) {
    return static_cast<double>(Fixed::size_for(6'000'000, rate, lines).count()) * 8 / 6e6;
  };
  CHECK(bits(0.01, 1) == doctest::Approx(30.6).epsilon(0.01));
  CHECK(bits(0.01, 2) == doctest::Approx(23.8).epsilon(0.01));
  CHECK(bits(0.001, 1) == doctest::Approx(58.3).epsilon(0.01));
  CHECK(bits(0.001, 2) == doctest::Approx(40.0).epsilon(0.01));
  CHECK(Fixed::size_for(1'000'000, 0.001) == Fixed::size_for(1'000'000, 0.001, 1));
  CHECK(Fixed::size_for(1'000'000, 0.0001) == Fixed::size_for(1'000'000, 0.0001, 2));
  CHECK(Fixed::rate_for(0, idem::bytes(64)) == 0);
  CHECK(Fixed::rate_for(10, idem::bytes(63)) == 1);
  CHECK(Fixed::rate_for(~0ULL, idem::bytes(64)) <= 1);
}

// ---- crowding ----------------------------------------------------------------------------------

TEST_CASE("window filter: more keys than planned raise the rate, and it is told") {
  Fixed filter({.window = ns(600),
                .expected_keys = 6000,
                .false_positive_rate = 0.01,
                .seed = idem::Seed{1, 2}});
  for (std::uint64_t i = 0; i < 1000; ++i) REQUIRE(filter.add(nth_id<std::uint64_t>(i), now_at(0)));
  CHECK(filter.counters().overfull_keys == 0);
  CHECK(filter.false_positive_rate() < 0.002);
  for (std::uint64_t i = 1000; i < 6000; ++i)
    REQUIRE(filter.add(nth_id<std::uint64_t>(i), now_at(1)));
  CHECK(filter.counters().overfull_keys >= 4000);
  CHECK(filter.counters().overfull_keys <= 5000);
  CHECK(filter.false_positive_rate() > 0.1);
  CHECK(filter.recorded_keys() == 1000 + filter.counters().overfull_keys);
  for (std::uint64_t i = 0; i < 6000; ++i)
    REQUIRE(filter.check(nth_id<std::uint64_t>(i), now_at(599)) == Verdict::probable_duplicate);
}

// The figures of docs/time-windows.md.
TEST_CASE("window filter: all keys of a window in one instant") {
  struct Case {
    double asked;
    unsigned lines;
    double of_them, afterwards, told;
  };
  constexpr std::uint64_t keys = 250'000;
  for (const Case& one :
       {Case{0.01, 1, 0.118, 0.398, 0.308}, Case{0.01, 2, 0.183, 0.582, 0.41},
        Case{0.001, 1, 0.0183, 0.077, 0.0735}, Case{0.001, 2, 0.045, 0.193, 0.17}}) {
    CAPTURE(one.asked);
    CAPTURE(one.lines);
    Fixed filter({.window = ns(600'000),
                  .expected_keys = keys,
                  .false_positive_rate = one.asked,
                  .lines_a_key = one.lines,
                  .seed = idem::Seed{1, 2}});
    std::uint64_t taken = 0, after = 0;
    for (std::uint64_t i = 0; i < keys; ++i) {
      taken += filter.insert(mix(i), now_at(0)) != Verdict::fresh ? 1U : 0U;
    }
    for (std::uint64_t i = keys; i < 2 * keys; ++i) {
      after += filter.check(mix(i), now_at(0)) != Verdict::fresh ? 1U : 0U;
    }
    const auto part = [&](std::uint64_t count) {
      return static_cast<double>(count) / static_cast<double>(keys);
    };
    CHECK(std::abs(part(taken) / one.of_them - 1) < 0.05);
    CHECK(std::abs(part(after) / one.afterwards - 1) < 0.05);
    CHECK(std::abs(filter.false_positive_rate() / one.told - 1) < 0.05);
    CHECK(filter.counters().overfull_keys > keys / 2);
  }
}

TEST_CASE("window filter: forgetting early keeps the rate, and is told") {
  Fixed filter({.window = ns(600),
                .expected_keys = 6000,
                .false_positive_rate = 0.01,
                .when_crowded = WhenCrowded::forget_oldest,
                .seed = idem::Seed{1, 2}});
  std::vector<std::pair<std::uint64_t, std::int64_t>> recorded;
  std::uint64_t broken = 0;
  for (std::uint64_t i = 0; i < 30'000; ++i) {
    const auto time = static_cast<std::int64_t>(i / 100);
    if (filter.insert(nth_id<std::uint64_t>(i), now_at(time)) == Verdict::fresh)
      recorded.emplace_back(i, time);
    CHECK_FALSE(filter.false_positive_rate() > 0.01);
    if (i % 997 != 0) continue;
    for (const auto& [key, when] : recorded) {
      if (instant(when) < filter.effective_horizon()) continue;
      broken +=
          filter.check(nth_id<std::uint64_t>(key), now_at(time)) != Verdict::probable_duplicate;
    }
  }
  CHECK(broken == 0);
  CHECK(filter.counters().overfull_keys == 0);
  CHECK(filter.counters().early_evictions >= 20'000);
  CHECK(filter.horizon() == instant(299 - 600 + 1));
  CHECK(filter.effective_horizon() > instant(200));
  CHECK(filter.effective_horizon() < instant(240));
}

TEST_CASE("window filter: refusing keeps both") {
  Fixed filter({.window = ns(600),
                .expected_keys = 600,
                .false_positive_rate = 0.001,
                .when_crowded = WhenCrowded::refuse,
                .seed = idem::Seed{1, 2}});
  std::uint64_t i = 0;
  while (filter.insert(nth_id<std::uint64_t>(i), now_at(0)) != Verdict::full) ++i;
  CHECK(i >= 100);
  CHECK(i <= 102);
  const std::vector<std::uint64_t> before(filter.words().begin(), filter.words().end());
  std::array<std::uint64_t, 40> batch{};
  std::array<Verdict, 40> verdicts{};
  for (std::size_t k = 0; k < 40; ++k) batch[k] = nth_id<std::uint64_t>(k % 2 == 0 ? k : i + k);
  filter.insert(batch, now_at(1), verdicts);
  for (std::size_t k = 0; k < 40; ++k)
    CHECK(verdicts[k] == (k % 2 == 0 ? Verdict::probable_duplicate : Verdict::full));
  CHECK(std::equal(before.begin(), before.end(), filter.words().begin()));
  CHECK_FALSE(filter.add(nth_id<std::uint64_t>(i), now_at(2)));
  CHECK(filter.add(nth_id<std::uint64_t>(0), now_at(2)));
  // The next generation has room.
  CHECK(filter.insert(nth_id<std::uint64_t>(i), now_at(100)) == Verdict::fresh);
  // What an older generation holds can be seen but not renewed.
  Sliding sliding({.window = ns(600),
                   .expected_keys = 12,
                   .false_positive_rate = 0.0001,
                   .when_crowded = WhenCrowded::refuse,
                   .seed = idem::Seed{1, 2}});
  CHECK(sliding.insert(1, now_at(0)) == Verdict::fresh);
  CHECK(sliding.insert(2, now_at(100)) == Verdict::fresh);
  CHECK(sliding.insert(3, now_at(100)) == Verdict::fresh);
  CHECK(sliding.insert(2, now_at(100)) == Verdict::probable_duplicate);
  CHECK(sliding.insert(1, now_at(100)) == Verdict::full);
  CHECK(sliding.check(1, now_at(100)) == Verdict::probable_duplicate);
}

TEST_CASE("window filter: the last N keys, whenever they came") {
  constexpr std::uint64_t last = 1000;
  Fixed filter({.window = Duration::max(),
                .expected_keys = last,
                .false_positive_rate = 0.001,
                .when_crowded = WhenCrowded::forget_oldest,
                .seed = idem::Seed{4, 2}});
  std::vector<std::uint64_t> recorded;
  std::uint64_t old_hits = 0, old_trials = 0;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const auto time = static_cast<std::int64_t>(mix(i) % 1000) - 500;
    if (filter.insert(nth_id<std::uint64_t>(i), now_at(time)) == Verdict::fresh)
      recorded.push_back(i);
    if (i % 61 != 0) continue;
    for (std::size_t back = 1; back <= std::min<std::size_t>(recorded.size(), last); ++back) {
      if (filter.check(nth_id<std::uint64_t>(recorded[recorded.size() - back]), now_at(time)) !=
          Verdict::probable_duplicate)
        FAIL("one of the last keys was forgotten");
    }
    for (std::size_t back = last + last / 6 + 2; back <= recorded.size(); back += 17) {
      ++old_trials;
      old_hits += filter.check(nth_id<std::uint64_t>(recorded[recorded.size() - back]),
                               now_at(time)) == Verdict::probable_duplicate;
    }
  }
  CHECK(old_trials > 10'000);
  CHECK(deviation(old_hits, old_trials, 0.001) < 6);
  CHECK(filter.counters().early_evictions == 0);
  CHECK(filter.granularity() == Duration::max());
}

TEST_CASE("window filter: a batch is as many single inserts in order") {
  for (const WhenCrowded when :
       {WhenCrowded::raise_rate, WhenCrowded::forget_oldest, WhenCrowded::refuse}) {
    for (const unsigned lines : {1U, 2U}) {
      const WindowFilterOptions options{.window = ns(600),
                                        .expected_keys = 300,
                                        .false_positive_rate = 0.01,
                                        .lines_a_key = lines,
                                        .when_crowded = when,
                                        .seed = idem::Seed{1, 2}};
      Fixed batched(options), single(options);
      Sliding batched_sliding(options), single_sliding(options);
      Rng rng(lines);
      for (std::int64_t time = 0; time < 3000; time += 7) {
        std::vector<std::uint64_t> keys(rng.below(80));
        for (std::uint64_t& key : keys) key = mix(rng.below(800));
        std::vector<Verdict> verdicts(keys.size()), wanted;
        batched.insert(keys, now_at(time), verdicts);
        for (const std::uint64_t key : keys) wanted.push_back(single.insert(key, now_at(time)));
        REQUIRE(verdicts == wanted);
        wanted.clear();
        batched_sliding.insert(keys, now_at(time), verdicts);
        for (const std::uint64_t key : keys)
          wanted.push_back(single_sliding.insert(key, now_at(time)));
        REQUIRE(verdicts == wanted);
        wanted.clear();
        batched.check(keys, now_at(time), verdicts);
        for (const std::uint64_t key : keys) wanted.push_back(single.check(key, now_at(time)));
        REQUIRE(verdicts == wanted);
      }
      CHECK(digest_of(batched.words()) == digest_of(single.words()));
      CHECK(batched.effective_horizon() == single.effective_horizon());
    }
  }
}

// ---- work, memory, failure ---------------------------------------------------------------------

TEST_CASE("window filter: no call touches more than its own block, whatever the clock does") {
  for (const unsigned lines : {1U, 2U}) {
    Fixed filter({.window = ns(6000),
                  .expected_keys = 5000,
                  .false_positive_rate = 0.01,
                  .lines_a_key = lines,
                  .seed = idem::Seed{1, 2}});
    std::vector<std::uint64_t> before(filter.words().begin(), filter.words().end());
    const std::uint64_t allocated = allocations().count;
    Rng rng(lines);
    std::int64_t time = -100;
    std::size_t most = 0;
    for (int i = 0; i < 3000; ++i) {
      time += static_cast<std::int64_t>(rng.below(4));
      if (rng.one_in(50)) time += 1500;
      if (rng.one_in(200)) time += 1'000'000'000'000'000;
      if (rng.one_in(500)) filter.clear();
      if (rng.one_in(5)) filter.advance(now_at(time));
      (void)filter.insert(rng.next(), now_at(time));
      std::size_t touched = 0;
      for (std::size_t line = 0; line < before.size() / 8; ++line) {
        const auto from = static_cast<std::ptrdiff_t>(8 * line);
        if (!std::equal(before.begin() + from, before.begin() + from + 8,
                        filter.words().begin() + from)) {
          ++touched;
          std::copy_n(filter.words().begin() + from, 8, before.begin() + from);
        }
      }
      most = std::max(most, touched);
    }
    CHECK(most == lines);
    CHECK(allocations().count == allocated);
  }
}

TEST_CASE("window filter: clocks") {
  Fixed filter({.window = ns(600),
                .expected_keys = 6000,
                .false_positive_rate = 1e-6,
                .seed = idem::Seed{1, 2}});
  CHECK(filter.horizon() == Instant::min());
  CHECK(filter.latest() == Instant::min());
  CHECK(filter.insert(1, now_at(0)) == Verdict::fresh);
  CHECK(filter.insert(2, now_at(-1000)) == Verdict::fresh);
  CHECK(filter.counters().clock_went_back == 1);
  CHECK(filter.latest() == instant(0));
  CHECK(filter.check(2, now_at(599)) == Verdict::probable_duplicate);
  CHECK(filter.check(2, now_at(700)) == Verdict::fresh);
  // A clock far ahead that goes back for good.
  CHECK(filter.insert(3, now_at(1'000'000)) == Verdict::fresh);
  filter.restart_clock(instant(10));
  CHECK(filter.latest() == instant(10));
  CHECK(filter.insert(3, now_at(609)) == Verdict::probable_duplicate);
  CHECK(filter.insert(4, now_at(610)) == Verdict::fresh);
  CHECK(filter.counters().clock_went_back == 1);
  // The ends of time.
  CHECK(filter.insert(5, {.now = Instant::max()}) == Verdict::fresh);
  CHECK(filter.insert(5, {.now = Instant::min()}) == Verdict::probable_duplicate);
  Fixed early({.window = ns(600), .expected_keys = 60, .false_positive_rate = 0.0001});
  CHECK(early.insert(5, {.now = Instant::min()}) == Verdict::fresh);
  CHECK(early.insert(5, {.now = Instant::min() + ns(599)}) == Verdict::probable_duplicate);
  CHECK(early.insert(5, {.now = Instant::max()}) == Verdict::fresh);

  Event events({.window = ns(600),
                .expected_keys = 600,
                .false_positive_rate = 1e-6,
                .allowed_lead = ns(100),
                .seed = idem::Seed{1, 2}});
  const auto at = [](std::int64_t now, std::int64_t event) {
    return At{.now = instant(now), .event = instant(event)};
  };
  CHECK(events.insert(1, at(1000, 1000)) == Verdict::fresh);
  CHECK(events.insert(2, at(1000, 401)) == Verdict::fresh);
  CHECK(events.insert(2, at(1000, 401)) == Verdict::probable_duplicate);
  CHECK(events.insert(3, at(1000, 400)) == Verdict::stale);
  CHECK_FALSE(events.add(3, at(1000, 400)));
  CHECK(events.insert(4, at(1000, 9000)) == Verdict::fresh);
  CHECK(events.latest() == instant(1100));
  CHECK(events.counters().events_ahead == 1);
  CHECK(events.counters().stale == 2);
  events.advance(at(2000, 2000));
  CHECK(events.check(4, at(2000, 2000)) == Verdict::fresh);
}

TEST_CASE("window filter: copies, moves and memory that runs out") {
  const WindowFilterOptions options{.window = ns(600),
                                    .expected_keys = 1000,
                                    .false_positive_rate = 0.001,
                                    .seed = idem::Seed{1, 2}};
  Fixed filter(options);
  for (std::uint64_t i = 0; i < 100; ++i) (void)filter.insert(i, now_at(5));
  CHECK(filter.memory_bytes() == sizeof(Fixed) + filter.size().count());
  CHECK(filter.size() == Fixed::size_for(1000, 0.001));
  Fixed copy(filter);
  CHECK(copy.check(7, now_at(5)) == Verdict::probable_duplicate);
  copy.clear();
  CHECK(copy.check(7, now_at(5)) == Verdict::fresh);
  CHECK(copy.recorded_keys() == 0);
  CHECK(filter.check(7, now_at(5)) == Verdict::probable_duplicate);
  Fixed moved(std::move(filter));
  CHECK(moved.check(7, now_at(5)) == Verdict::probable_duplicate);
  CHECK(filter.insert(7, now_at(5)) == Verdict::full);
  CHECK(filter.check(7, now_at(5)) == Verdict::fresh);
  CHECK_FALSE(filter.add(7, now_at(5)));
  std::array<std::uint64_t, 3> ids{1, 2, 3};
  std::array<Verdict, 3> verdicts{};
  filter.insert(ids, now_at(5), verdicts);
  CHECK(verdicts[2] == Verdict::full);
  filter.check(ids, now_at(5), verdicts);
  CHECK(verdicts[2] == Verdict::fresh);
  filter.prefetch(7);

  for (const Failing mode : {Failing::once, Failing::from_then_on}) {
    const auto before = allocations();
    {
      FailAllocation failure(0, mode);
      bool failed = false;
      try {
        copy = moved;
      } catch (const std::bad_alloc&) {
        failed = true;
      }
      CHECK(failed);
      CHECK(failure.fired() == 1);
    }
    CHECK(copy.check(7, now_at(5)) == Verdict::fresh);
    CHECK(allocations().live == before.live);
  }
  std::string sentence;
  {
    FailAllocation failure(0, Failing::once);
    sentence = refusal([&] { const Fixed none(options); });
    CHECK(failure.fired() == 1);
  }
  CHECK(contains(sentence, "WindowFilterOptions.expected_keys is 1000"));
  CHECK(contains(sentence, "to fit the memory there is"));
}

TEST_CASE("window filter: options that are nonsense") {
  const auto refused = [](WindowFilterOptions options) {
    return refusal([&] { const Fixed filter(options); });
  };
  const WindowFilterOptions good{
      .window = ns(600), .expected_keys = 1000, .false_positive_rate = 0.01};
  CHECK(refused(good).empty());
  auto bad = good;
  bad.window = ns(0);
  CHECK(contains(refused(bad), "WindowFilterOptions.window is 0"));
  bad = good;
  bad.window = Duration::max();
  CHECK(contains(refused(bad), "when_crowded"));
  bad = good;
  bad.expected_keys = 0;
  CHECK(contains(refused(bad), "expected_keys is 0"));
  bad = good;
  bad.false_positive_rate = 1;
  CHECK(contains(refused(bad), "false_positive_rate is 1"));
  bad = good;
  bad.false_positive_rate = 1e-18;
  CHECK(contains(refused(bad), "known by 64 bits"));
  bad = good;
  bad.size = idem::kibibytes(1);
  CHECK(contains(refused(bad), "WindowFilterOptions.size is 1024"));
  bad.false_positive_rate = 0;
  CHECK(refused(bad).empty());
  bad.expected_keys = 0;
  CHECK(contains(refused(bad), "expected_keys is 0"));
  bad = good;
  bad.lines_a_key = 3;
  CHECK(contains(refused(bad), "lines_a_key is 3"));
  bad = good;
  bad.false_positive_rate = 0;
  bad.size = idem::bytes(64);
  bad.lines_a_key = 2;
  CHECK(contains(refused(bad), "at least 128 bytes"));
  bad = good;
  bad.expected_keys = ~std::uint64_t{0} >> 6;
  bad.false_positive_rate = 0.5;
  CHECK_FALSE(refused(bad).empty());

  const auto refused_event = [](idem::EventWindowFilterOptions options) {
    return refusal([&] { const Event filter(options); });
  };
  const idem::EventWindowFilterOptions event{
      .window = ns(600), .expected_keys = 1000, .false_positive_rate = 0.01};
  CHECK(refused_event(event).empty());
  auto odd = event;
  odd.window = Duration::max();
  CHECK(contains(refused_event(odd), "goes by arrival"));
  odd = event;
  odd.allowed_lateness = ns(601);
  CHECK(contains(refused_event(odd), "allowed_lateness is 601"));
  odd = event;
  odd.allowed_lead = ns(-1);
  CHECK(contains(refused_event(odd), "allowed_lead is -1"));
}

TEST_CASE("window filter: under a policy that accepts its errors") {
  using Policy = idem::Policy<idem::Remember<WindowBloomFilter<idem::Digest>>,
                              idem::AcceptFalseDuplicates, idem::HostileKeys>;
  idem::Deduplicator<std::string_view, Policy> seen(
      {.memory = {.window = ns(600), .expected_keys = 1000, .false_positive_rate = 1e-6}});
  CHECK(seen.insert("a", now_at(0)) == Verdict::fresh);
  CHECK(seen.insert("a", now_at(599)) == Verdict::probable_duplicate);
  CHECK(seen.action(Verdict::probable_duplicate) == idem::Action::skip);
  CHECK(seen.insert("a", now_at(700)) == Verdict::fresh);
}

}  // namespace
