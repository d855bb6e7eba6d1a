#include <idem/memory/backed_window.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <stdexcept>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <idem/core/memory.hpp>
#include <idem/dedup/deduplicator.hpp>
#include <idem/memory/bloom_filter.hpp>
#include <idem/memory/cuckoo_filter.hpp>
#include <idem/memory/window_bloom_filter.hpp>

#include "filters.hpp"
#include "memory/time_window_oracle.hpp"
#include "memory/window_filter_oracle.hpp"
#include "support/out_of_memory.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"
#include "support/thrown.hpp"

using idem::At;
using idem::BackedWindow;
using idem::Duration;
using idem::Instant;
using idem::TimeWindowRing;
using idem::Verdict;
using idem::WhenCrowded;
using idem::WindowBloomFilter;
using idem::WindowMode;
using namespace idem_test;

namespace {

using Fixed = BackedWindow<TimeWindowRing<std::uint64_t>, WindowBloomFilter<std::uint64_t>>;
using Sliding = BackedWindow<TimeWindowRing<std::uint64_t, WindowMode::sliding>,
                             WindowBloomFilter<std::uint64_t, WindowMode::sliding>>;
using ForEver = BackedWindow<TimeWindowRing<std::uint64_t>, idem::BloomFilter<std::uint64_t>>;
using Cuckoo = BackedWindow<TimeWindowRing<std::uint64_t>, idem::CuckooFilter<std::uint64_t>>;

static_assert(idem::Memory<Fixed> && idem::Memory<ForEver> && idem::Memory<Cuckoo>);
static_assert(
    idem::Hashing<BackedWindow<TimeWindowRing<idem::Digest>, WindowBloomFilter<idem::Digest>>>);
static_assert(!idem::Settling<Fixed> && !idem::Forgetting<Fixed>);
static_assert(Fixed::errors == idem::Errors{.may_miss = true, .may_drop = true});

constexpr Duration ns(std::int64_t count) { return Duration::nanoseconds(count); }
At at(std::int64_t time) { return {.now = Instant::at(ns(time))}; }

template <class Backed>
typename Backed::Options options(std::int64_t exact, std::int64_t filter, std::uint64_t keys,
                                 double rate, std::uint64_t seed) {
  typename Backed::Options all{};
  all.exact.window = ns(exact);
  all.exact.granularity = ns(std::max<std::int64_t>(1, exact / 50));
  all.exact.seed = idem::Seed{seed, 1};
  all.filter.window = ns(filter);
  all.filter.expected_keys = keys;
  all.filter.false_positive_rate = rate;
  all.filter.seed = idem::Seed{seed, 2};
  return all;
}

// Both oracles keep the instant of every key; what the exact one says is the answer, and what the
// filter's says where the exact one knows nothing.
template <class Backed>
void run_random(std::uint64_t seed, std::int64_t exact_window, std::int64_t filter_window,
                std::uint64_t operations) {
  CAPTURE(seed);
  constexpr bool sliding = Backed::mode == WindowMode::sliding;
  constexpr std::uint64_t universe = 4096;
  const auto chosen = options<Backed>(exact_window, filter_window, 2 * universe, 0.001, seed);
  Backed backed(chosen);
  const WindowShape exact_shape{exact_window, chosen.exact.granularity.count(), sliding, false};
  WindowOracle<std::size_t> exact(exact_shape);
  FilterWindowOracle filter({filter_window, sliding, false}, universe);
  Rng rng(seed);
  std::int64_t clock = -5;
  std::uint64_t wrong = 0, trials = 0, false_positives = 0;
  std::uint64_t duplicates = 0, older = 0;

  const auto expected_of = [&](std::size_t key, std::int64_t time) {
    if (exact.check(key, time) == Verdict::duplicate) return Verdict::duplicate;
    return filter.look(key, time) == Expected::held ? Verdict::probable_duplicate : Verdict::fresh;
  };
  const auto judge = [&](std::size_t key, std::int64_t time, Verdict answered, bool inserts) {
    const Verdict expected = expected_of(key, time);
    Verdict truth = answered;
    if (expected == Verdict::fresh) {
      ++trials;
      if (answered == Verdict::probable_duplicate) ++false_positives;
      wrong += answered != Verdict::fresh && answered != Verdict::probable_duplicate;
    } else {
      wrong += answered != expected;
      truth = expected;
      duplicates += expected == Verdict::duplicate;
      older += expected == Verdict::probable_duplicate;
    }
    if (!inserts) return;
    exact.advance(time);
    filter.advance(time);
    if (truth == Verdict::fresh || (sliding && truth == Verdict::duplicate))
      (void)exact.insert(key, time);
    if (truth == Verdict::fresh || sliding) filter.add(key, time);
  };

  std::vector<std::uint64_t> batch;
  std::vector<std::size_t> keys;
  std::vector<Verdict> verdicts;
  for (std::uint64_t i = 0; i < operations; ++i) {
    if (rng.one_in(100'000)) clock += 1'000'000'000 * filter_window;
    if (rng.one_in(20'000)) clock += filter_window;
    if (rng.one_in(500)) clock += exact_window / 3;
    if (rng.one_in(4)) clock += static_cast<std::int64_t>(rng.below(3));
    std::int64_t time = clock;
    if (rng.one_in(8))
      time -= static_cast<std::int64_t>(rng.below(2 * static_cast<std::uint64_t>(exact_window)));
    const auto key = static_cast<std::size_t>(rng.below(universe));
    const std::uint64_t id = nth_id<std::uint64_t>(key);
    const std::uint64_t kind = rng.below(1000);
    if (kind < 700) {
      const Verdict checked = backed.check(id, at(time));
      const Verdict answered = backed.insert(id, at(time));
      wrong += checked != answered;
      judge(key, time, answered, true);
    } else if (kind < 720) {
      batch.clear();
      keys.clear();
      for (std::uint64_t left = rng.below(50); left != 0; --left) {
        keys.push_back(static_cast<std::size_t>(rng.below(universe)));
        batch.push_back(nth_id<std::uint64_t>(keys.back()));
      }
      verdicts.assign(batch.size(), Verdict::unknown);
      backed.insert(batch, at(time), verdicts);
      for (std::size_t k = 0; k < keys.size(); ++k) judge(keys[k], time, verdicts[k], true);
    } else if (kind < 950) {
      judge(key, time, backed.check(id, at(time)), false);
    } else if (kind < 970) {
      wrong += !backed.add(id, at(time));
      (void)exact.insert(key, time);
      filter.add(key, time);
    } else if (kind < 980) {
      backed.advance(at(time));
      exact.advance(time);
      filter.advance(time);
    } else if (rng.one_in(5'000)) {
      backed.clear();
      exact.clear();
      filter.clear();
    } else if (rng.one_in(500)) {
      Backed copy(backed);
      backed = std::move(copy);
    }
  }
  CHECK(wrong == 0);
  CHECK(duplicates > operations / 50);
  CHECK(older > operations / 50);
  CHECK(trials > operations / 50);
  CHECK(deviation(false_positives, trials, backed.filter().rate_when_full()) < 6);
}

TEST_CASE("backed window: long random histories against the instant of every key") {
  const std::uint64_t operations = soaked(60'000);
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const std::int64_t exact = std::array<std::int64_t, 4>{600, 999, 5'000, 12'000}[seed % 4];
    run_random<Fixed>(seed, exact, 5 * exact + 7, operations);
    run_random<Sliding>(seed + 8, exact, 3 * exact, operations);
  }
}

TEST_CASE("backed window: what each of the two says") {
  Fixed seen(options<Fixed>(100, 1000, 1000, 1e-6, 1));
  CHECK(seen.exact_horizon() == Instant::min());
  CHECK(seen.insert(7, at(0)) == Verdict::fresh);
  CHECK(seen.insert(7, at(99)) == Verdict::duplicate);
  CHECK(seen.insert(7, at(105)) == Verdict::probable_duplicate);
  CHECK(seen.insert(7, at(105)) == Verdict::probable_duplicate);
  CHECK(seen.insert(7, at(999)) == Verdict::probable_duplicate);
  CHECK(seen.exact_horizon() == Instant::at(ns(900)));
  CHECK(seen.filter_horizon() == Instant::at(ns(0)));
  // It was new after all.
  CHECK(seen.add(7, at(999)));
  CHECK(seen.insert(7, at(1050)) == Verdict::duplicate);
  CHECK(seen.insert(7, at(1900)) == Verdict::probable_duplicate);
  CHECK(seen.insert(7, at(3000)) == Verdict::fresh);
  CHECK(seen.size() == 1);
  CHECK(seen.memory_bytes() >= seen.exact().memory_bytes() + seen.filter().size().count());
  seen.restart_clock(Instant::at(ns(0)));
  CHECK(seen.insert(7, at(99)) == Verdict::duplicate);
  seen.clear();
  CHECK(seen.check(7, at(99)) == Verdict::fresh);

  ForEver always({.exact = {.window = ns(100)},
                  .filter = {.expected_keys = 1000, .false_positive_rate = 1e-6}});
  CHECK(always.insert(7, at(0)) == Verdict::fresh);
  CHECK(always.insert(7, at(1'000'000'000)) == Verdict::probable_duplicate);
  CHECK(always.filter_horizon() == Instant::min());
}

TEST_CASE("backed window: full from either of the two records nothing") {
  // The exact window is full.
  auto tight = options<Fixed>(100, 1000, 1000, 1e-6, 1);
  tight.exact.max_keys = 2;
  Fixed exact_full(tight);
  CHECK(exact_full.insert(1, at(0)) == Verdict::fresh);
  CHECK(exact_full.insert(2, at(0)) == Verdict::fresh);
  CHECK(exact_full.insert(3, at(0)) == Verdict::full);
  CHECK(exact_full.insert(3, at(0)) == Verdict::full);
  CHECK_FALSE(exact_full.add(3, at(0)));
  CHECK(exact_full.insert(2, at(0)) == Verdict::duplicate);
  CHECK(exact_full.insert(3, at(200)) == Verdict::fresh);

  // The filter is: of twelve keys a sixth.
  auto few = options<Fixed>(100, 1200, 12, 1e-6, 1);
  few.filter.when_crowded = WhenCrowded::refuse;
  Fixed filter_full(few);
  CHECK(filter_full.insert(1, at(0)) == Verdict::fresh);
  CHECK(filter_full.insert(2, at(0)) == Verdict::fresh);
  CHECK(filter_full.insert(3, at(0)) == Verdict::full);
  CHECK_FALSE(filter_full.add(3, at(0)));
  CHECK(filter_full.check(3, at(0)) == Verdict::fresh);
  CHECK(filter_full.size() == 2);
  CHECK(filter_full.insert(3, at(200)) == Verdict::fresh);

  // A filter of another kind.
  Cuckoo cuckoo({.exact = {.window = ns(100)}, .filter = {.size = idem::bytes(64)}});
  std::uint64_t fresh = 0;
  for (std::uint64_t i = 0; i < 100; ++i)
    fresh += cuckoo.insert(nth_id<std::uint64_t>(i), at(0)) == Verdict::fresh;
  CHECK(fresh > 20);
  CHECK(fresh <= 32);
  CHECK(cuckoo.size() == fresh);
}

// Knows nobody and takes nobody, once it was told so.
struct Stubborn {
  using Stored = std::uint64_t;
  struct Options {};
  static constexpr idem::Errors errors{.may_drop = true};
  static constexpr bool needs_time = false;
  explicit Stubborn(const Options&) {}
  static inline bool takes = true;
  [[nodiscard]] Verdict check(std::uint64_t, At) const noexcept { return Verdict::fresh; }
  Verdict insert(std::uint64_t, At) noexcept { return takes ? Verdict::fresh : Verdict::full; }
  void insert(std::span<const std::uint64_t>, At, std::span<Verdict>) noexcept {}
  void clear() noexcept {}
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return sizeof(*this); }
};

TEST_CASE_TEMPLATE("backed window: whatever the filter does, the exact window keeps what it has",
                   Exact, TimeWindowRing<std::uint64_t>,
                   TimeWindowRing<std::uint64_t, WindowMode::sliding>) {
  BackedWindow<Exact, Stubborn> seen({.exact = {.window = ns(100)}, .filter = {}});
  CHECK(seen.insert(1, at(0)) == Verdict::fresh);
  Stubborn::takes = false;
  CHECK(seen.insert(2, at(0)) == Verdict::full);
  CHECK(seen.insert(1, at(50)) == Verdict::duplicate);
  CHECK(seen.insert(1, at(60)) == Verdict::duplicate);
  Stubborn::takes = true;
  CHECK(seen.insert(2, at(60)) == Verdict::fresh);
  CHECK(seen.size() == 2);
}

TEST_CASE("backed window: a filter that forgets early does not hide what is exact") {
  auto crowded = options<Fixed>(100'000, 200'000, 600, 1e-4, 1);
  crowded.filter.when_crowded = WhenCrowded::forget_oldest;
  Fixed seen(crowded);
  for (std::uint64_t i = 0; i < 5'000; ++i)
    REQUIRE(seen.insert(nth_id<std::uint64_t>(i), at(static_cast<std::int64_t>(i))) !=
            Verdict::duplicate);
  CHECK(seen.filter_horizon() > seen.exact_horizon());
  std::uint64_t duplicates = 0;
  for (std::uint64_t i = 0; i < 5'000; ++i)
    duplicates += seen.insert(nth_id<std::uint64_t>(i), at(5'000)) == Verdict::duplicate;
  CHECK(duplicates >= 4'990);
}

TEST_CASE("backed window: memory that runs out") {
  const auto chosen = options<Fixed>(1'000'000, 2'000'000, 100'000, 0.001, 1);
  for (const Failing mode : {Failing::once, Failing::from_then_on}) {
    const auto before = allocations();
    const std::uint64_t failed = for_each_failing_allocation(
        mode, [] {},
        [&] {
          try {
            const Fixed seen(chosen);
          } catch (const std::invalid_argument&) {
          } catch (const std::bad_alloc&) {  // no memory for the sentence either
          }
        },
        [&](bool) { CHECK(allocations().live == before.live); });
    CHECK(failed >= 1);
  }
  // Every insert that needs memory and gets none.
  Fixed seen(chosen);
  std::uint64_t fired = 0;
  for (std::uint64_t i = 0; i < 3'000; ++i) {
    const std::uint64_t id = nth_id<std::uint64_t>(i);
    const auto time = static_cast<std::int64_t>(i);
    Verdict verdict{};
    {
      FailAllocation failure(0, Failing::from_then_on);
      verdict = seen.insert(id, at(time));
      fired += failure.fired() != 0;
    }
    if (verdict == Verdict::full) {
      REQUIRE(seen.check(id, at(time)) == Verdict::fresh);
      verdict = seen.insert(id, at(time));
    }
    REQUIRE(verdict == Verdict::fresh);
  }
  CHECK(fired > 0);
  for (std::uint64_t i = 0; i < 3'000; ++i)
    REQUIRE(seen.check(nth_id<std::uint64_t>(i), at(3'000)) == Verdict::duplicate);
}

TEST_CASE("backed window: options, and under a policy") {
  CHECK(contains(refusal([] { const Fixed seen(options<Fixed>(100, 100, 10, 0.1, 1)); }),
                 "BackedWindowOptions.filter.window is 100"));
  using Memory = BackedWindow<TimeWindowRing<idem::Digest>, WindowBloomFilter<idem::Digest>>;
  using Policy =
      idem::Policy<idem::Remember<Memory>, idem::AcceptFalseDuplicates, idem::HostileKeys>;
  idem::Deduplicator<std::string_view, Policy> seen(
      {.memory = {
           .exact = {.window = ns(100)},
           .filter = {.window = ns(1000), .expected_keys = 100, .false_positive_rate = 1e-6}}});
  CHECK(seen.insert("a", at(0)) == Verdict::fresh);
  CHECK(seen.insert("a", at(50)) == Verdict::duplicate);
  CHECK(seen.insert("a", at(500)) == Verdict::probable_duplicate);
  CHECK(seen.action(Verdict::probable_duplicate) == idem::Action::skip);
}

}  // namespace
