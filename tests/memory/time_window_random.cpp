// Long random histories against the oracle: every operation, clocks of every kind, windows that grow
// and shrink, through copies, snapshots and merges.

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <idem/memory/time_window_ring.hpp>

#include "memory/time_window_oracle.hpp"
#include "support/ids.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"

using idem::At;
using idem::Duration;
using idem::Instant;
using idem::Uuid;
using idem::Verdict;
using idem::WindowMode;
using idem::WindowTime;
using idem_test::Rng;
using idem_test::spread_id;
using idem_test::WindowOracle;
using idem_test::WindowShape;

namespace {

Instant instant(std::int64_t nanoseconds) {
  return Instant::at(Duration::nanoseconds(nanoseconds));
}

template <class Ring>
At at(std::int64_t time) {
  if constexpr (Ring::time == WindowTime::event) {
    return {.now = instant(0), .event = instant(time)};
  } else {
    return {.now = instant(time), .event = instant(0)};
  }
}

template <class Ring>
constexpr bool slides = Ring::mode == WindowMode::sliding;
template <class Ring>
constexpr bool by_event = Ring::time == WindowTime::event;

template <class Ring>
void run(std::uint64_t seed, std::uint64_t operations, std::int64_t window,
         std::int64_t granularity, std::uint64_t universe, bool forgets) {
  using Id = typename Ring::Stored;
  CAPTURE(seed);
  Rng rng(seed);
  typename Ring::Options options{};
  options.window = Duration::nanoseconds(window);
  options.granularity = Duration::nanoseconds(granularity);
  options.seed = idem::Seed{seed, 1};
  Ring ring(options);
  const WindowShape shape{window, granularity, slides<Ring>, by_event<Ring>};
  WindowOracle<std::uint64_t> oracle(shape);

  std::vector<Id> ids;
  for (std::uint64_t i = 0; i < universe; ++i) ids.push_back(spread_id<Id>(i));
  std::int64_t clock = -5 * window;
  std::vector<Id> batch;
  std::vector<std::uint64_t> batch_keys;
  std::vector<Verdict> verdicts;
  std::uint64_t promised = 0;
  std::uint64_t wrong = 0;
  std::uint64_t seen[4] = {};  // fresh, duplicate, stale, anything else

  const auto draw_time = [&] {
    if (rng.one_in(200'000)) clock += 1'000'000 * window;
    if (rng.one_in(20'000)) clock += window + 1;
    if (rng.one_in(2'000)) clock += window / 3;
    if (rng.one_in(4)) clock += static_cast<std::int64_t>(rng.below(3));
    std::int64_t time = clock;
    if (rng.one_in(8)) {
      const auto back =
          static_cast<std::uint64_t>(by_event<Ring> ? window + window / 8 : window * 3);
      time -= static_cast<std::int64_t>(rng.below(back));
    }
    return time;
  };
  const auto expect = [&](Verdict answered, Verdict expected) {
    wrong += answered != expected;
    ++seen[expected == Verdict::fresh       ? 0
           : expected == Verdict::duplicate ? 1
           : expected == Verdict::stale     ? 2
                                            : 3];
  };

  for (std::uint64_t i = 0; i < operations && wrong == 0; ++i) {
    const std::uint64_t key = rng.below(universe);
    const std::uint64_t kind = rng.below(1000);
    if (kind < 640) {
      const std::int64_t time = draw_time();
      const Verdict checked = ring.check(ids[key], at<Ring>(time));
      expect(checked, oracle.check(key, time));
      expect(ring.insert(ids[key], at<Ring>(time)), oracle.insert(key, time));
    } else if (kind < 700) {
      const std::int64_t time = draw_time();
      batch.clear();
      batch_keys.clear();
      for (std::uint64_t left = rng.below(100); left != 0; --left) {
        batch_keys.push_back(rng.below(universe));
        batch.push_back(ids[batch_keys.back()]);
      }
      verdicts.assign(batch.size(), Verdict::unknown);
      ring.insert(batch, at<Ring>(time), verdicts);
      for (std::size_t k = 0; k < batch.size(); ++k)
        expect(verdicts[k], oracle.insert(batch_keys[k], time));
    } else if (kind < 860) {
      const std::int64_t time = draw_time();
      expect(ring.check(ids[key], at<Ring>(time)), oracle.check(key, time));
    } else if (kind < 940) {
      if (forgets) wrong += ring.forget(ids[key]) != oracle.forget(key);
    } else if (kind < 960) {
      const std::int64_t time = draw_time();
      ring.advance(at<Ring>(time));
      oracle.advance(time);
    } else if (kind < 975) {
      if (ring.reserve_one(ids[key])) ++promised;
    } else if (kind < 990) {
      if (promised != 0) {
        --promised;
        if (rng.one_in(3)) {
          ring.release_one(ids[key]);
        } else {
          const std::int64_t time = draw_time();
          ring.record(ids[key], at<Ring>(time));
          oracle.record(key, time);
        }
      }
    } else if (rng.one_in(20)) {
      switch (rng.below(6)) {
        case 0: {
          // Room promised here is not copied, so the copy is used in between.
          Ring copy(ring);
          WindowOracle<std::uint64_t> expected(oracle);
          for (int k = 0; k < 50; ++k) {
            const std::uint64_t other = rng.below(universe);
            expect(copy.insert(ids[other], at<Ring>(clock)), expected.insert(other, clock));
          }
          break;
        }
        case 1: {
          Ring moved(std::move(ring));
          ring = std::move(moved);
          break;
        }
        case 2: {
          while (promised != 0) {
            ring.release_one(ids[key]);
            --promised;
          }
          std::vector<std::byte> bytes(ring.encoded_size());
          idem::ByteWriter out(bytes);
          ring.encode(out);
          REQUIRE(out.ok());
          REQUIRE(out.written().size() == bytes.size());
          auto loaded = Ring::decode(bytes, options);
          REQUIRE(loaded.has_value());
          std::vector<std::byte> again(loaded->encoded_size());
          idem::ByteWriter out_again(again);
          loaded->encode(out_again);
          REQUIRE(again == bytes);
          ring = std::move(*loaded);
          break;
        }
        case 3: {
          Ring other(options);
          WindowOracle<std::uint64_t> expected(shape);
          for (int k = 0; k < 300; ++k) {
            const std::uint64_t its = rng.below(universe);
            const std::int64_t time =
                clock - window +
                static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(2 * window)));
            expect(other.insert(ids[its], at<Ring>(time)), expected.insert(its, time));
          }
          REQUIRE(ring.merge(other));
          oracle.merge(expected);
          break;
        }
        case 4:
          if (rng.one_in(10)) {
            ring.clear();
            oracle.clear();
          }
          break;
        default:
          if (!by_event<Ring> && !slides<Ring>) CHECK(ring.size() == oracle.size());
          break;
      }
    }
  }
  CHECK(wrong == 0);
  CHECK(seen[0] > operations / 100);
  CHECK(seen[1] > operations / 100);
  CHECK((seen[2] != 0) == by_event<Ring>);
  CHECK(seen[3] == 0);
  CHECK((ring.counters().clock_went_back != 0) == !by_event<Ring>);
  CHECK(ring.counters().index_resizes > 2);
  if (!forgets) CHECK(ring.counters().most_work <= Ring::most_work_a_call);
}

using Arrival = idem::TimeWindowRing<Uuid>;
using SlidingArrival = idem::TimeWindowRing<Uuid, WindowMode::sliding>;
using Event = idem::TimeWindowRing<std::uint64_t, WindowMode::fixed, WindowTime::event>;
using SlidingEvent =
    idem::TimeWindowRing<Uuid, WindowMode::sliding, WindowTime::event, std::uint64_t>;

}  // namespace

TEST_CASE_TEMPLATE("random histories", Ring, Arrival, SlidingArrival, Event, SlidingEvent) {
  // Two seeds for each of the four kinds of window.
  const std::uint64_t operations = idem_test::soaked(1'000'000);
  run<Ring>(1 + 2 * slides<Ring> + 4 * by_event<Ring>, operations, 5'000, 7, 3'000, true);
  run<Ring>(11 + 2 * slides<Ring> + 4 * by_event<Ring>, operations, 40'000, 1'000, 30'000, false);
}
