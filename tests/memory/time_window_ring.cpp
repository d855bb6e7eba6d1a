#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <idem/dedup/deduplicator.hpp>
#include <idem/memory/time_window_ring.hpp>

#include "support/ids.hpp"
#include "support/out_of_memory.hpp"
#include "support/thrown.hpp"

using idem::At;
using idem::Duration;
using idem::ErrorCode;
using idem::Instant;
using idem::Uuid;
using idem::Verdict;
using idem::WhenFull;
using idem::WindowMode;
using idem::WindowTime;
using idem_test::allocations;
using idem_test::contains;
using idem_test::Failing;
using idem_test::for_each_failing_allocation;
using idem_test::refusal;
using idem_test::spread_id;
using namespace std::chrono_literals;

namespace {

using Ring = idem::TimeWindowRing<Uuid>;
using Sliding = idem::TimeWindowRing<Uuid, WindowMode::sliding>;
using Event = idem::TimeWindowRing<Uuid, WindowMode::fixed, WindowTime::event>;
using ById = idem::TimeWindowRing<Uuid, WindowMode::fixed, WindowTime::id>;
using Carrying = idem::TimeWindowRing<Uuid, WindowMode::fixed, WindowTime::arrival, idem::Digest>;

constexpr idem::Seed seed{3, 4};

static_assert(idem::Memory<Ring> && idem::Settling<Ring> && idem::Forgetting<Ring>);
static_assert(idem::Memory<Sliding> && idem::Memory<Event> && idem::Memory<ById>);
static_assert(!idem::Carrying<Ring> && idem::Carrying<Carrying>);
static_assert(Ring::needs_time && !Ring::errors.may_drop);

At at(std::int64_t nanoseconds) { return {.now = Instant::at(Duration::nanoseconds(nanoseconds))}; }
At event(std::int64_t nanoseconds, std::int64_t now = 0) {
  return {.now = Instant::at(Duration::nanoseconds(now)),
          .event = Instant::at(Duration::nanoseconds(nanoseconds))};
}
Instant instant(std::int64_t nanoseconds) {
  return Instant::at(Duration::nanoseconds(nanoseconds));
}
Uuid id(std::uint64_t n) { return spread_id<Uuid>(n); }

template <class R>
std::vector<std::byte> encoded(const R& ring) {
  std::vector<std::byte> bytes(ring.encoded_size());
  idem::ByteWriter out(bytes);
  ring.encode(out);
  REQUIRE(out.ok());
  return bytes;
}

}  // namespace

TEST_CASE("the window's edge is exact at a granularity of one nanosecond") {
  Ring ring({.window = 10ns, .granularity = 1ns});
  CHECK(ring.insert(id(1), at(100)) == Verdict::fresh);
  CHECK(ring.insert(id(1), at(109)) == Verdict::duplicate);
  CHECK(ring.check(id(1), at(110)) == Verdict::fresh);
  CHECK(ring.insert(id(1), at(110)) == Verdict::fresh);
  CHECK(ring.insert(id(1), at(119)) == Verdict::duplicate);
}

TEST_CASE("the window's edge is exact at the beginning of time") {
  const std::int64_t first = std::numeric_limits<std::int64_t>::min();
  Ring ring({.window = 10ns, .granularity = 1ns});
  CHECK(ring.insert(id(1), at(first)) == Verdict::fresh);
  CHECK(ring.insert(id(1), at(first + 9)) == Verdict::duplicate);
  CHECK(ring.insert(id(1), at(first + 10)) == Verdict::fresh);
}

TEST_CASE("sliding starts anew at every sighting") {
  Sliding ring({.window = 10ns, .granularity = 1ns});
  CHECK(ring.insert(id(1), at(100)) == Verdict::fresh);
  CHECK(ring.insert(id(1), at(109)) == Verdict::duplicate);
  CHECK(ring.insert(id(1), at(118)) == Verdict::duplicate);
  CHECK(ring.insert(id(1), at(128)) == Verdict::fresh);
}

TEST_CASE("options that are nonsense are refused by name and value") {
  CHECK(contains(refusal([] { Ring ring({}); }), "TimeWindowOptions.window is 0; it must be more"));
  CHECK(contains(refusal([] { Ring ring({.window = -1s}); }), "window is -1000000000"));
  CHECK(contains(refusal([] { Ring ring({.window = 1s, .granularity = 2s}); }),
                 "granularity is 2000000000"));
  CHECK(contains(refusal([] { Ring ring({.window = 1s, .granularity = -1ns}); }),
                 "granularity is -1"));
  CHECK(contains(refusal([] { Sliding ring({.window = 1h, .granularity = 1ns}); }), "65536th"));
  CHECK(contains(refusal([] { Ring ring({.window = 1s, .budget = idem::bytes(100)}); }),
                 "budget is 100; it must be at least"));
  CHECK(contains(refusal([] { Ring ring({.window = 1s, .max_keys = 0}); }), "max_keys is 0"));
  CHECK(contains(refusal([] { Ring ring({.window = 1s, .max_keys = 10, .expected_keys = 11}); }),
                 "expected_keys is 11"));
  CHECK(contains(refusal([] { Event ring({.window = 1s, .allowed_lateness = 2s}); }),
                 "allowed_lateness is 2000000000"));
  CHECK(contains(refusal([] { Event ring({.window = 1s, .allowed_lateness = 0s}); }),
                 "allowed_lateness is 0"));
  CHECK(contains(refusal([] { Event ring({.window = 1s, .allowed_lead = -1s}); }),
                 "allowed_lead is -1000000000"));
}

TEST_CASE("a clock that stands still, goes back, or jumps") {
  Ring ring({.window = 10ns, .granularity = 1ns});
  CHECK(ring.insert(id(1), at(100)) == Verdict::fresh);
  CHECK(ring.insert(id(2), at(50)) == Verdict::fresh);
  CHECK(ring.insert(id(1), at(50)) == Verdict::duplicate);
  CHECK(ring.counters().clock_went_back == 2);
  // Seen "at 50", kept as seen at 100: longer, never shorter.
  CHECK(ring.insert(id(2), at(109)) == Verdict::duplicate);
  CHECK(ring.insert(id(2), at(std::numeric_limits<std::int64_t>::max())) == Verdict::fresh);
  CHECK(ring.insert(id(2), at(std::numeric_limits<std::int64_t>::min())) == Verdict::duplicate);
  CHECK(ring.size() == 1);
}

TEST_CASE("a clock that was wrong can be restarted without losing a key") {
  Ring ring({.window = 10ns, .granularity = 1ns});
  CHECK(ring.insert(id(1), at(1'000'000)) == Verdict::fresh);  // far ahead
  CHECK(ring.insert(id(2), at(100)) == Verdict::fresh);
  ring.restart_clock(instant(100));
  CHECK(ring.latest() == instant(100));
  CHECK(ring.insert(id(1), at(109)) == Verdict::duplicate);
  CHECK(ring.insert(id(1), at(110)) == Verdict::fresh);
  CHECK(ring.effective_horizon() == instant(101));
  CHECK(ring.counters().clock_went_back == 1);
}

TEST_CASE("a full window refuses, or forgets the oldest and says so") {
  Ring refusing({.window = 100ns, .granularity = 1ns, .max_keys = 3});
  Ring forgetting(
      {.window = 100ns, .granularity = 1ns, .max_keys = 3, .when_full = WhenFull::forget_oldest});
  for (std::uint64_t i = 0; i < 3; ++i) {
    CHECK(refusing.insert(id(i), at(static_cast<std::int64_t>(i))) == Verdict::fresh);
    CHECK(forgetting.insert(id(i), at(static_cast<std::int64_t>(i))) == Verdict::fresh);
  }
  CHECK(refusing.insert(id(3), at(3)) == Verdict::full);
  CHECK(refusing.insert(id(0), at(3)) == Verdict::duplicate);
  CHECK(refusing.effective_horizon() == instant(3 - 99));

  CHECK(forgetting.insert(id(3), at(3)) == Verdict::fresh);
  CHECK(forgetting.counters().early_evictions == 1);
  CHECK(forgetting.effective_horizon() == instant(1));
  CHECK(forgetting.horizon() == instant(3 - 99));
  CHECK(forgetting.check(id(0), at(3)) == Verdict::fresh);
  CHECK(forgetting.check(id(1), at(3)) == Verdict::duplicate);
  // Once the window has moved past what was forgotten, the horizon is the window's again.
  forgetting.advance(at(1000));
  CHECK(forgetting.effective_horizon() == forgetting.horizon());
  CHECK(refusing.insert(id(3), at(1000)) == Verdict::fresh);
}

TEST_CASE("the last N keys: no bound in time, and no broken promise") {
  Ring ring({.window = Duration::max(), .max_keys = 1000, .when_full = WhenFull::forget_oldest});
  for (std::uint64_t i = 0; i < 5000; ++i) {
    REQUIRE(ring.insert(id(i), at(static_cast<std::int64_t>(i))) == Verdict::fresh);
    if (i >= 1000) REQUIRE(ring.check(id(i - 1000), at(0)) == Verdict::fresh);
    if (i >= 999) REQUIRE(ring.check(id(i - 999), at(0)) == Verdict::duplicate);
  }
  CHECK(ring.size() == 1000);
  CHECK(ring.counters().early_evictions == 0);
}

TEST_CASE("event time: out of order, late, ahead, and a watermark by hand") {
  Event ring({.window = 100ns, .granularity = 2ns, .allowed_lateness = 40ns, .allowed_lead = 10ns});
  CHECK(ring.insert(id(1), event(1000, 1000)) == Verdict::fresh);
  CHECK(ring.insert(id(2), event(961, 1000)) == Verdict::fresh);
  CHECK(ring.insert(id(3), event(960, 1000)) == Verdict::stale);
  CHECK(ring.check(id(1), event(960, 1000)) == Verdict::stale);
  CHECK(ring.insert(id(1), event(961, 1000)) == Verdict::duplicate);
  CHECK(ring.counters().stale == 1);
  // Placed by its own time: id 2 leaves 39 ns before id 1 does.
  ring.advance(event(1062, 1062));
  CHECK(ring.check(id(2), event(1062, 1062)) == Verdict::fresh);
  CHECK(ring.check(id(1), event(1062, 1062)) == Verdict::duplicate);
  // A clock a year ahead is taken to be 10 ns ahead.
  CHECK(ring.insert(id(4), event(1'000'000'000, 1062)) == Verdict::fresh);
  CHECK(ring.counters().events_ahead == 1);
  CHECK(ring.latest() == instant(1072));
  CHECK(ring.counters().clock_went_back == 0);
}

TEST_CASE("what was forgotten early is stale by event time, not fresh") {
  Event ring(
      {.window = 100ns, .granularity = 1ns, .max_keys = 2, .when_full = WhenFull::forget_oldest});
  CHECK(ring.insert(id(1), event(10)) == Verdict::fresh);
  CHECK(ring.insert(id(2), event(20)) == Verdict::fresh);
  CHECK(ring.insert(id(3), event(30)) == Verdict::fresh);
  CHECK(ring.effective_horizon() == instant(11));
  CHECK(ring.check(id(1), event(10)) == Verdict::stale);
  CHECK(ring.insert(id(1), event(10)) == Verdict::stale);
  CHECK(ring.insert(id(2), event(5)) == Verdict::duplicate);
  CHECK(ring.insert(id(9), event(11)) == Verdict::fresh);
}

TEST_CASE("a version 7 UUID brings its own time") {
  ById ring({.window = 1h});
  const auto made_at = [](std::chrono::milliseconds t, std::uint64_t n) {
    return Uuid::make_v7(static_cast<std::uint64_t>(t.count()), 0, n);
  };
  const At now{.now = Instant()};
  CHECK(ring.insert(made_at(10h, 1), now) == Verdict::fresh);
  CHECK(ring.insert(made_at(9h + 1ms, 2), now) == Verdict::fresh);
  CHECK(ring.insert(made_at(9h, 3), now) == Verdict::stale);
  CHECK(ring.insert(made_at(10h, 1), now) == Verdict::duplicate);
  CHECK(ring.insert(made_at(12h, 4), now) == Verdict::fresh);
  CHECK(ring.insert(made_at(10h, 1), now) == Verdict::stale);
  // One without a time has that of the event.
  CHECK(ring.insert(Uuid::make_v4(1, 2), {.now = Instant(), .event = instant(0)}) ==
        Verdict::stale);
}

TEST_CASE("a payload is the first one's") {
  Carrying ring({.window = 10ns, .granularity = 1ns});
  idem::Digest first{9, 9};
  CHECK(ring.insert(id(1), at(0), {1, 2}, first) == Verdict::fresh);
  CHECK(first == idem::Digest{9, 9});
  CHECK(ring.insert(id(1), at(1), {3, 4}, first) == Verdict::duplicate);
  CHECK(first == idem::Digest{1, 2});
  first = {9, 9};
  CHECK(ring.check(id(2), at(1), first) == Verdict::fresh);
  CHECK(ring.check(id(1), at(10), first) == Verdict::fresh);
  CHECK(first == idem::Digest{9, 9});
  CHECK(ring.check(id(1), at(1), first) == Verdict::duplicate);
  CHECK(first == idem::Digest{1, 2});
  const auto loaded = Carrying::decode(encoded(ring), {.window = 10ns, .granularity = 1ns});
  REQUIRE(loaded.has_value());
  Carrying copy(*loaded);
  CHECK(copy.insert(id(1), at(1), {3, 4}, first) == Verdict::duplicate);
  CHECK(first == idem::Digest{1, 2});
}

TEST_CASE("the budget holds to the byte, and is used") {
  for (const auto when_full : {WhenFull::refuse, WhenFull::forget_oldest}) {
    // With some of them the index grows when there is hardly memory for the old one beside it.
    for (const std::uint64_t budget :
         {20'000U, 100'000U, 351'824U, 473'901U, 1'000'000U, 1'318'424U, 2'260'968U, 10'000'000U}) {
      CAPTURE(budget);
      const auto before = allocations();
      idem_test::reset_peak();
      Ring ring(
          {.window = 1h, .budget = idem::bytes(budget), .when_full = when_full, .seed = seed});
      std::uint64_t fresh = 0;
      for (std::uint64_t i = 0; i < budget / 12; ++i) {
        const Verdict verdict = ring.insert(id(i), at(static_cast<std::int64_t>(i)));
        fresh += verdict == Verdict::fresh;
        REQUIRE((verdict == Verdict::full || ring.counters().early_evictions != 0) ==
                (i >= ring.capacity()));
        REQUIRE(ring.memory_bytes() <= budget);
        REQUIRE(ring.memory_bytes() == sizeof ring + allocations().live_bytes - before.live_bytes);
      }
      CHECK(allocations().peak_bytes - before.live_bytes + sizeof ring <= budget);
      CHECK(ring.size() == ring.capacity());
      if (budget >= 1'000'000)
        CHECK(static_cast<double>(budget) / static_cast<double>(ring.size()) < 26);
      CHECK((ring.counters().early_evictions != 0) == (when_full == WhenFull::forget_oldest));
      if (when_full == WhenFull::forget_oldest) CHECK(fresh == budget / 12);
      if (when_full == WhenFull::refuse) CHECK(ring.insert(id(fresh), at(0)) == Verdict::full);
    }
  }
}

TEST_CASE("places of forgotten ids are room again once they are the oldest") {
  for (const auto when_full : {WhenFull::refuse, WhenFull::forget_oldest}) {
    CAPTURE(when_full == WhenFull::refuse);
    Ring ring({.window = 1h, .budget = idem::kibibytes(20), .when_full = when_full, .seed = seed});
    REQUIRE(ring.insert(id(0), at(0)) == Verdict::fresh);
    std::uint64_t n = 1;
    for (; n < 10'000 && ring.insert(id(n), at(0)) == Verdict::fresh; ++n)
      REQUIRE(ring.forget(id(n)));
    CHECK(n > ring.capacity());
    if (when_full == WhenFull::refuse) {
      // They lie behind one that is not to be forgotten.
      CHECK(ring.size() == 1);
      CHECK(ring.insert(id(n), at(0)) == Verdict::full);
      REQUIRE(ring.forget(id(0)));
    } else {
      CHECK(n == 10'000);
      CHECK(ring.counters().early_evictions == 1);
    }
    const std::uint64_t end = n + ring.capacity();
    for (; n < end; ++n) REQUIRE(ring.insert(id(n), at(0)) == Verdict::fresh);
    CHECK(ring.size() == ring.capacity());
  }
}

TEST_CASE("bytes an id, and a burst's memory is given back") {
  const auto before = allocations();
  {
    Ring ring({.window = 1h, .seed = seed});
    constexpr std::uint64_t burst = 300'000;
    for (std::uint64_t i = 0; i < burst; ++i) {
      REQUIRE(ring.insert(id(i), at(0)) == Verdict::fresh);
      if (i > 50'000) REQUIRE(ring.memory_bytes() < 31 * (i + 1));
    }
    ring.advance(at(3'600'000'000'000 - 1));
    CHECK(ring.size() == burst);
    // The window is empty from here on; each call gives a little back.
    ring.advance(at(8'000'000'000'000));
    CHECK(ring.size() == 0);
    for (int i = 0; i < 1000; ++i) ring.advance(at(8'000'000'000'000));
    CHECK(ring.memory_bytes() < 64 * 1024);
    CHECK(ring.counters().most_work <= Ring::most_work_a_call);
    CHECK(ring.counters().longest_probe < 20);
  }
  CHECK(allocations().live == before.live);
}

TEST_CASE("granules are counted one by one only while there is a hole") {
  constexpr std::int64_t window = 10'000;
  Ring ring({.window = Duration::nanoseconds(window), .granularity = 1ns, .seed = seed});
  for (std::int64_t i = 0; i < 4'000; ++i)
    REQUIRE(ring.insert(id(static_cast<std::uint64_t>(i)), at(i)) == Verdict::fresh);
  CHECK(ring.forget(id(3)));
  ring.advance(at(window + 9));
  CHECK(ring.size() == 3'990);
  CHECK(ring.counters().most_work <= Ring::most_work_a_call);
  // The hole went with its granule, so these are not looked at.
  ring.advance(at(window + 1'009));
  CHECK(ring.size() == 2'990);
  CHECK(ring.counters().most_work <= Ring::most_work_a_call);
  // Another one is looked for.
  CHECK(ring.forget(id(3'999)));
  ring.advance(at(window + 2'009));
  CHECK(ring.size() == 1'989);
  CHECK(ring.counters().most_work >= 1'000);
}

TEST_CASE("claims stand on a window") {
  using Policy = idem::Policy<idem::Remember<Ring>, idem::Claims>;
  idem::Deduplicator<Uuid, Policy> seen(
      {.memory = {.window = 10ns, .granularity = 1ns, .max_keys = 2},
       .claims = {.lease = 5ns, .max_in_flight = 8}});
  {
    auto first = seen.claim(id(1), at(100));
    auto second = seen.claim(id(2), at(100));
    auto third = seen.claim(id(3), at(100));
    CHECK(third.verdict() == Verdict::full);
    CHECK(first.commit(instant(101)) == Verdict::fresh);
    second.abort();
    CHECK(seen.claim(id(1), at(102)).verdict() == Verdict::duplicate);
    CHECK(seen.claim(id(3), at(102)).verdict() == Verdict::fresh);
  }
  CHECK(seen.insert(id(1), at(110)) == Verdict::duplicate);
  CHECK(seen.claim(id(1), at(111)).verdict() == Verdict::fresh);
}

TEST_CASE("room taken is kept through growth and while others are refused") {
  Ring ring({.window = 1h, .budget = idem::kibibytes(64), .seed = seed});
  std::uint64_t promised = 0;
  while (promised < 500) promised += ring.reserve_one(id(promised));
  std::uint64_t n = 1'000'000;
  while (ring.insert(id(n), at(0)) == Verdict::fresh) ++n;
  CHECK(!ring.reserve_one(id(n)));
  const std::size_t size = ring.size();
  {
    // And without any more memory.
    idem_test::FailAllocation failure(0, Failing::from_then_on);
    for (std::uint64_t i = 0; i < promised; ++i)
      ring.record(id(i), at(static_cast<std::int64_t>(i)));
  }
  CHECK(ring.size() == size + promised);
  for (std::uint64_t i = 0; i < promised; ++i)
    REQUIRE(ring.check(id(i), at(0)) == Verdict::duplicate);
}

TEST_CASE_TEMPLATE("out of memory at every allocation: full or thrown, and nothing changed", R,
                   Ring, Sliding) {
  for (const Failing mode : {Failing::once, Failing::from_then_on}) {
    std::uint64_t injected = 0;
    const auto before = allocations();
    for (std::uint64_t number = 0; number < 4; ++number) {
      // At every call one allocation fails, or all from one on; where that made the call answer
      // `full`, the next call has memory and works.
      R ring({.window = 1h, .seed = seed});
      std::uint64_t refused = 0;
      for (std::uint64_t i = 0; i < 3000; ++i) {
        const auto when = at(static_cast<std::int64_t>(i) * 1'000'000'000);
        Verdict verdict = Verdict::unknown;
        std::uint64_t fired = 0;
        const std::size_t held = ring.size();
        {
          idem_test::FailAllocation failure(number, mode);
          verdict = ring.insert(id(i), when);
          fired = failure.fired();
        }
        injected += fired;
        if (verdict == Verdict::full) {
          ++refused;
          REQUIRE(fired != 0);
          REQUIRE(ring.size() == held);
          REQUIRE(ring.check(id(i), when) == Verdict::fresh);
          verdict = ring.insert(id(i), when);
        }
        REQUIRE(verdict == Verdict::fresh);
      }
      if (number == 0) CHECK(refused > 2);
      CHECK(ring.size() == 3000);
    }
    CHECK(injected > 20);
    CHECK(allocations().live == before.live);

    R full({.window = 1h, .seed = seed});
    for (std::uint64_t i = 0; i < 3000; ++i)
      REQUIRE(full.insert(id(i), at(static_cast<std::int64_t>(i) * 1'000'000'000)) ==
              Verdict::fresh);
    const std::vector<std::byte> bytes = encoded(full);
    R other({.window = 1h, .seed = seed});
    for (std::uint64_t i = 2'000; i < 4'000; ++i)
      REQUIRE(other.insert(id(i), at(3'000'000'000'000)) == Verdict::fresh);
    // Copying, merging and decoding: all or nothing.
    std::uint64_t failed = 0;
    const auto held = allocations();
    bool threw = false;
    failed += for_each_failing_allocation(
        mode, [&] { threw = false; },
        [&] {
          try {
            const R copy(full);
            REQUIRE(copy.size() == full.size());
          } catch (const std::bad_alloc&) {
            threw = true;
          }
        },
        [&](bool fired) {
          REQUIRE(threw == fired);
          REQUIRE(allocations().live == held.live);
        });
    failed += for_each_failing_allocation(
        mode, [] {},
        [&] {
          // Its own options are the caller's to have memory for, as is the result's.
          try {
            const auto loaded = R::decode(bytes, {.window = 1h, .seed = seed});
            if (!loaded.has_value()) CHECK(loaded.error().code == ErrorCode::out_of_memory);
          } catch (const std::bad_alloc&) {
          }
        },
        [&](bool) { REQUIRE(allocations().live == held.live); });
    CHECK(failed > 20);
    bool merged = false;
    (void)for_each_failing_allocation(
        mode, [] {}, [&] { merged = full.merge(other) || merged; },
        [&](bool fired) {
          if (merged) return;
          REQUIRE(fired);
          REQUIRE(encoded(full) == bytes);
        });
    CHECK(merged);
    CHECK(full.check(id(3'999), at(3'000'000'000'000)) == Verdict::duplicate);
  }
}

TEST_CASE("a snapshot: every prefix and every flipped bit is refused or is itself canonical") {
  Event ring({.window = 100ns, .granularity = 10ns, .seed = seed});
  for (std::uint64_t i = 0; i < 30; ++i)
    REQUIRE(ring.insert(id(i), event(static_cast<std::int64_t>(i * 7 % 90))) == Verdict::fresh);
  const Event::Options options{.window = 100ns, .granularity = 10ns, .seed = seed};
  const std::vector<std::byte> good = encoded(ring);
  REQUIRE(Event::decode(good, options).has_value());
  CHECK(encoded(*Event::decode(good, options)) == good);
  for (std::size_t length = 0; length < good.size(); ++length) {
    const auto prefix = Event::decode(std::span<const std::byte>(good).first(length), options);
    REQUIRE(!prefix.has_value());
    REQUIRE(prefix.error().position <= length);
  }
  std::vector<std::byte> longer(good);
  longer.push_back(std::byte{0});
  CHECK(Event::decode(longer, options).error().code == ErrorCode::trailing_bytes);
  std::size_t refused = 0;
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::vector<std::byte> flipped(good);
    flipped[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    const auto before = allocations();
    idem_test::reset_peak();
    const auto loaded = Event::decode(flipped, options);
    CHECK(allocations().peak_bytes - before.live_bytes <= 2 * good.size() + 128 * 1024);
    if (loaded.has_value()) {
      REQUIRE(encoded(*loaded) == flipped);
    } else {
      ++refused;
    }
  }
  CHECK(refused > 600);
  CHECK(Event::decode(good, {.window = 101ns, .granularity = 10ns}).error().code ==
        ErrorCode::other_options);
  CHECK(Event::decode(good, {.window = 100ns, .granularity = 10ns, .max_keys = 29}).error().code ==
        ErrorCode::limit_exceeded);
  // A copy of one id under another group is no set.
  std::vector<std::byte> twice(good);
  for (std::size_t i = 0; i < 16; ++i) twice[64 + 16 + 20 + i] = twice[64 + 16 + i];
  CHECK(Event::decode(twice, options).error().code == ErrorCode::bad_value);
}

TEST_CASE_TEMPLATE("a snapshot: an id older than the beginning of time is refused", R, Sliding,
                   Event) {
  const typename R::Options options{.window = 10ns, .granularity = 1ns, .seed = seed};
  R ring(options);
  CHECK(ring.insert(id(1), {.now = Instant::min()}) == Verdict::fresh);
  std::vector<std::byte> bytes = encoded(ring);
  REQUIRE(R::decode(bytes, options).has_value());
  // The age is the last of them.
  for (const std::size_t from_end : {4U, 1U}) {
    std::vector<std::byte> patched(bytes);
    patched[patched.size() - from_end] = std::byte{1};
    const auto loaded = R::decode(patched, options);
    REQUIRE(!loaded.has_value());
    CHECK(loaded.error().code == ErrorCode::bad_value);
    CHECK(loaded.error().position == bytes.size() - 4);
  }
}

TEST_CASE("equal histories, equal bytes: whatever the seed and however the index came to be") {
  Ring a({.window = 1h, .seed = idem::Seed{1, 1}});
  Ring b({.window = 1h, .expected_keys = 100'000, .seed = idem::Seed{2, 2}});
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const At when = at(static_cast<std::int64_t>(i) * 1'000'000'000 / 2);
    REQUIRE(a.insert(id(i), when) == b.insert(id(i), when));
    if (i % 3 == 0) {
      CHECK(b.insert(id(500'000 + i), when) == Verdict::fresh);
      CHECK(b.forget(id(500'000 + i)));
    }
  }
  CHECK(encoded(a) == encoded(b));
}

TEST_CASE("merged fixed windows keep the time that arrived first, as one window told both") {
  const Event::Options options{.window = 1000ns, .granularity = 10ns};
  Event early(options), late(options), both(options);
  for (Event* ring : {&early, &both}) CHECK(ring->insert(id(1), event(100)) == Verdict::fresh);
  for (Event* ring : {&late, &both}) CHECK(ring->insert(id(2), event(200)) == Verdict::fresh);
  // An older event that arrived later.
  CHECK(late.insert(id(1), event(50)) == Verdict::fresh);
  CHECK(both.insert(id(1), event(50)) == Verdict::duplicate);
  Event merged(late);
  REQUIRE(merged.merge(early));
  CHECK(encoded(merged) == encoded(both));
  CHECK(merged.check(id(1), event(1099)) == Verdict::duplicate);
  REQUIRE(early.merge(late));
  CHECK(encoded(early) == encoded(both));
}

TEST_CASE_TEMPLATE("what was counted since it was made is not less after a merge", R, Ring, Sliding,
                   Event) {
  R ring({.window = 100ns, .granularity = 10ns, .seed = seed});
  for (std::uint64_t i = 0; i < 20'000; ++i)
    REQUIRE(ring.insert(id(i), event(10, 10)) == Verdict::fresh);
  ring.advance(event(1000, 1000));
  R other({.window = 100ns, .granularity = 10ns, .seed = seed});
  CHECK(other.insert(id(1), event(1000, 1000)) == Verdict::fresh);
  const idem::TimeWindowCounters before = ring.counters();
  CHECK(before.longest_probe > 1);
  CHECK(before.most_work > 8);
  REQUIRE(ring.merge(other));
  CHECK(ring.counters().longest_probe == before.longest_probe);
  CHECK(ring.counters().most_work == before.most_work);
  CHECK(ring.counters().index_resizes > before.index_resizes);
  // The other way the many are what the merge itself adds.
  R many({.window = 100ns, .granularity = 10ns, .seed = seed});
  for (std::uint64_t i = 0; i < 20'000; ++i)
    REQUIRE(many.insert(id(i), event(1000, 1000)) == Verdict::fresh);
  REQUIRE(other.merge(many));
  CHECK(other.counters().longest_probe > 1);
  CHECK(other.counters().most_work > 8);
}

TEST_CASE("merging needs windows of one shape") {
  Ring a({.window = 10ns, .granularity = 1ns});
  const Ring b({.window = 11ns, .granularity = 1ns});
  const Ring c({.window = 10ns, .granularity = 2ns});
  CHECK(contains(refusal([&] { (void)a.merge(b); }), "merge window"));
  CHECK(contains(refusal([&] { (void)a.merge(c); }), "merge granularity"));
  Ring small({.window = 10ns, .granularity = 1ns, .max_keys = 1});
  Ring other({.window = 10ns, .granularity = 1ns});
  CHECK(small.insert(id(1), at(0)) == Verdict::fresh);
  CHECK(other.insert(id(2), at(5)) == Verdict::fresh);
  const auto before = encoded(small);
  CHECK(!small.merge(other));
  CHECK(encoded(small) == before);
  CHECK(small.insert(id(1), at(0)) == Verdict::duplicate);
}
