#include <idem/core/time.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>
#include <type_traits>

#include <doctest/doctest.h>

#include "support/random.hpp"
#include "support/thrown.hpp"

using idem::At;
using idem::Duration;
using idem::Instant;
using idem_test::contains;
using idem_test::refusal;
namespace chrono = std::chrono;

namespace {

constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();

template <class D>
bool refused(D d) {
  return contains(refusal([&] { (void)Duration(d); }), "292");
}

constexpr Duration ns(std::int64_t n) { return Duration::nanoseconds(n); }
constexpr Instant instant(std::int64_t n) { return Instant::at(ns(n)); }

// Converts both ways to the nearest edges: `most` of the unit fits, one more does not.
template <class D>
void check_unit(std::int64_t nanoseconds_in_one) {
  CAPTURE(nanoseconds_in_one);
  const std::int64_t most = highest / nanoseconds_in_one;
  const std::int64_t least = lowest / nanoseconds_in_one;
  CHECK(Duration(D(0)).count() == 0);
  CHECK(Duration(D(1)).count() == nanoseconds_in_one);
  CHECK(Duration(D(-1)).count() == -nanoseconds_in_one);
  CHECK(Duration(D(most)).count() == most * nanoseconds_in_one);
  CHECK(Duration(D(least)).count() == least * nanoseconds_in_one);
  if (nanoseconds_in_one > 1) {
    CHECK(refused(D(most + 1)));
    CHECK(refused(D(least - 1)));
    CHECK(refused(D::max()));
    CHECK(refused(D::min()));
  }
}

}  // namespace

TEST_CASE("duration: every unit of chrono, to its edges") {
  check_unit<chrono::nanoseconds>(1);
  check_unit<chrono::microseconds>(1'000);
  check_unit<chrono::milliseconds>(1'000'000);
  check_unit<chrono::duration<std::int64_t>>(1'000'000'000);
  check_unit<chrono::duration<std::int64_t, std::ratio<60>>>(60'000'000'000);
  check_unit<chrono::duration<std::int64_t, std::ratio<3600>>>(3'600'000'000'000);
  check_unit<chrono::duration<std::int64_t, std::ratio<86400>>>(86'400'000'000'000);
  check_unit<chrono::duration<std::int64_t, std::ratio<604800>>>(604'800'000'000'000);
  check_unit<chrono::duration<std::int64_t, chrono::months::period>>(2'629'746'000'000'000);
  check_unit<chrono::duration<std::int64_t, chrono::years::period>>(31'556'952'000'000'000);
  CHECK(Duration(chrono::minutes(2)).count() == 120'000'000'000);
  CHECK(Duration(chrono::hours(1)).count() == 3'600'000'000'000);
  CHECK(Duration(chrono::days(1)).count() == 86'400'000'000'000);
  CHECK(refused(chrono::years(293)));
  CHECK(refused(chrono::years(-293)));
  CHECK(Duration(chrono::years(292)).count() == 292 * 31'556'952'000'000'000);
}

TEST_CASE("duration: nanoseconds themselves reach both ends") {
  CHECK(Duration(chrono::nanoseconds(highest)).count() == highest);
  CHECK(Duration(chrono::nanoseconds(lowest)).count() == lowest);
  CHECK(Duration::max().count() == highest);
  CHECK(Duration{}.count() == 0);
}

TEST_CASE("duration: finer than a nanosecond rounds towards minus infinity") {
  using Picoseconds = chrono::duration<std::int64_t, std::pico>;
  CHECK(Duration(Picoseconds(0)).count() == 0);
  CHECK(Duration(Picoseconds(999)).count() == 0);
  CHECK(Duration(Picoseconds(1000)).count() == 1);
  CHECK(Duration(Picoseconds(1999)).count() == 1);
  CHECK(Duration(Picoseconds(-1)).count() == -1);
  CHECK(Duration(Picoseconds(-999)).count() == -1);
  CHECK(Duration(Picoseconds(-1000)).count() == -1);
  CHECK(Duration(Picoseconds(-1001)).count() == -2);
  using Attoseconds = chrono::duration<std::int64_t, std::atto>;
  CHECK(Duration(Attoseconds(highest)).count() == 9'223'372'036);
  CHECK(Duration(Attoseconds(lowest)).count() == -9'223'372'037);
}

TEST_CASE("duration: periods that do not divide a second evenly") {
  using Thirds = chrono::duration<std::int64_t, std::ratio<1, 3>>;
  CHECK(Duration(Thirds(1)).count() == 333'333'333);
  CHECK(Duration(Thirds(2)).count() == 666'666'666);
  CHECK(Duration(Thirds(3)).count() == 1'000'000'000);
  CHECK(Duration(Thirds(-1)).count() == -333'333'334);
  CHECK(Duration(Thirds(-2)).count() == -666'666'667);
  CHECK(Duration(Thirds(-3)).count() == -1'000'000'000);
  using Frames = chrono::duration<std::int64_t, std::ratio<1001, 30000>>;  // 29.97 a second
  CHECK(Duration(Frames(1)).count() == 33'366'666);
  CHECK(Duration(Frames(30000)).count() == 1'001'000'000'000);
  CHECK(Duration(Frames(-1)).count() == -33'366'667);
  using Ticks = chrono::duration<std::int64_t, std::ratio<1, 10'000'000>>;  // 100 ns
  CHECK(Duration(Ticks(highest / 100)).count() == highest / 100 * 100);
  CHECK(refused(Ticks(highest / 100 + 1)));
}

#if defined(__SIZEOF_INT128__)
TEST_CASE("duration: uneven periods agree with wide arithmetic up to both ends") {
  using Thirds = chrono::duration<std::int64_t, std::ratio<1, 3>>;
  __extension__ using Wide = __int128;
  const auto floor_nanoseconds = [](std::int64_t thirds) {
    const Wide scaled = static_cast<Wide>(thirds) * 1'000'000'000;
    return (scaled - ((scaled % 3) + 3) % 3) / 3;
  };
  idem_test::Rng rng(11);
  for (int i = 0; i < 100'000; ++i) {
    const auto thirds = static_cast<std::int64_t>(rng.next()) >> rng.below(64);
    const Wide expected = floor_nanoseconds(thirds);
    CAPTURE(thirds);
    if (expected < lowest || expected > highest) {
      REQUIRE(refused(Thirds(thirds)));
    } else {
      REQUIRE(Duration(Thirds(thirds)).count() == static_cast<std::int64_t>(expected));
    }
  }
  for (const std::int64_t centre : {highest / 333'333'333, lowest / 333'333'333, std::int64_t{0}}) {
    for (std::int64_t near = -50; near <= 50; ++near) {
      const std::int64_t thirds = centre + near;
      const Wide expected = floor_nanoseconds(thirds);
      CAPTURE(thirds);
      if (expected < lowest || expected > highest) {
        CHECK(refused(Thirds(thirds)));
      } else {
        CHECK(Duration(Thirds(thirds)).count() == static_cast<std::int64_t>(expected));
      }
    }
  }
}
#endif

TEST_CASE("duration: unsigned counts beyond the signed range are refused, not wrapped") {
  using Unsigned = chrono::duration<std::uint64_t, std::nano>;
  CHECK(Duration(Unsigned(static_cast<std::uint64_t>(highest))).count() == highest);
  CHECK(refused(Unsigned(static_cast<std::uint64_t>(highest) + 1)));
  CHECK(refused(Unsigned::max()));
  CHECK(Duration(chrono::duration<std::uint8_t>(std::uint8_t{200})).count() == 200'000'000'000);
}

TEST_CASE("duration: floating point") {
  CHECK(Duration(chrono::duration<double>(1.5)).count() == 1'500'000'000);
  CHECK(Duration(chrono::duration<double>(-1.5)).count() == -1'500'000'000);
  CHECK(Duration(chrono::duration<float, std::milli>(0.25F)).count() == 250'000);
  CHECK(Duration(chrono::duration<double, std::nano>(0.75)).count() == 0);
  CHECK(Duration(chrono::duration<double, std::nano>(-0.25)).count() == -1);
  CHECK(Duration(chrono::duration<double, std::nano>(-1.0)).count() == -1);
  CHECK(Duration(chrono::duration<long double>(2.0L)).count() == 2'000'000'000);
  CHECK(Duration(chrono::duration<double, std::nano>(-0x1p63)).count() == lowest);
  CHECK(refused(chrono::duration<double, std::nano>(0x1p63)));
  CHECK(Duration(chrono::duration<double, std::nano>(0x1.fffffffffffffp62)).count() ==
        highest - 1023);
  CHECK(refused(chrono::duration<double, std::nano>(-0x1.0000000000001p63)));
  CHECK(refused(chrono::duration<double>(1e10)));
  CHECK(refused(chrono::duration<double>(-1e10)));
  CHECK(refused(chrono::duration<double>(std::numeric_limits<double>::infinity())));
  CHECK(refused(chrono::duration<double>(-std::numeric_limits<double>::infinity())));
  CHECK(refused(chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())));
  CHECK(refused(chrono::duration<float>(std::numeric_limits<float>::max())));
}

TEST_CASE("duration: ordered by length") {
  CHECK(ns(-1) < ns(0));
  CHECK(ns(lowest) < ns(highest));
  CHECK(ns(5) == ns(5));
  CHECK(ns(5) != ns(6));
  CHECK(ns(6) > ns(5));
  CHECK(ns(5) >= ns(5));
}

TEST_CASE("instant: from time points, with their epoch") {
  using chrono::system_clock;
  const system_clock::time_point t{chrono::seconds(1'700'000'000)};
  CHECK(Instant(t).since_epoch().count() == 1'700'000'000'000'000'000);
  const chrono::sys_time<chrono::milliseconds> early{chrono::milliseconds(-1)};
  CHECK(Instant(early).since_epoch().count() == -1'000'000);
  const chrono::steady_clock::time_point steady{chrono::nanoseconds(42)};
  CHECK(Instant(steady) == instant(42));
  CHECK(Instant{} == instant(0));
  CHECK(Instant::at(chrono::milliseconds(3)) == instant(3'000'000));
  CHECK_FALSE(refusal([] { (void)Instant(chrono::sys_seconds::max()); }).empty());
  CHECK_FALSE(refusal([] { (void)Instant(chrono::sys_seconds::min()); }).empty());
}

TEST_CASE("instant: arithmetic saturates at both ends") {
  CHECK(Instant::min() == instant(lowest));
  CHECK(Instant::max() == instant(highest));
  CHECK(instant(5) + ns(7) == instant(12));
  CHECK(instant(5) - ns(7) == instant(-2));
  CHECK(instant(5) - instant(7) == ns(-2));
  CHECK(instant(highest) + ns(1) == Instant::max());
  CHECK(instant(highest - 1) + ns(1) == Instant::max());
  CHECK(instant(highest - 1) + ns(2) == Instant::max());
  CHECK(instant(1) + Duration::max() == Instant::max());
  CHECK(instant(0) + Duration::max() == Instant::max());
  CHECK(instant(-1) + Duration::max() == instant(highest - 1));
  CHECK(instant(lowest) + ns(-1) == Instant::min());
  CHECK(instant(lowest + 1) + ns(-1) == Instant::min());
  CHECK(instant(-1) + ns(lowest) == Instant::min());
  CHECK(instant(0) + ns(lowest) == Instant::min());
  CHECK(instant(1) + ns(lowest) == instant(lowest + 1));
  CHECK(instant(lowest) - ns(1) == Instant::min());
  CHECK(instant(highest) - ns(-1) == Instant::max());
  CHECK(instant(0) - ns(lowest) == Instant::max());
  CHECK(instant(-1) - ns(lowest) == instant(highest));
  CHECK(instant(-2) - ns(lowest) == instant(highest - 1));
  CHECK(instant(lowest) - ns(lowest) == instant(0));
  CHECK(Instant::max() - Instant::min() == Duration::max());
  CHECK(Instant::min() - Instant::max() == ns(lowest));
  CHECK(Instant::min() - Instant::min() == ns(0));
  CHECK(instant(0) - Instant::min() == Duration::max());
  CHECK(instant(-1) - Instant::min() == Duration::max());
  CHECK(Instant::max() + Duration::max() == Instant::max());
  CHECK(Instant::max() + ns(lowest) == instant(-1));
}

#if defined(__SIZEOF_INT128__)
TEST_CASE("instant: saturating arithmetic agrees with wide arithmetic") {
  __extension__ using Wide = __int128;
  const auto clamp = [](Wide value) {
    if (value > highest) return highest;
    if (value < lowest) return lowest;
    return static_cast<std::int64_t>(value);
  };
  idem_test::Rng rng(12);
  for (int i = 0; i < 100'000; ++i) {
    const auto a = static_cast<std::int64_t>(rng.next()) >> rng.below(8);
    const auto b = static_cast<std::int64_t>(rng.next()) >> rng.below(8);
    CAPTURE(a);
    CAPTURE(b);
    REQUIRE((instant(a) + ns(b)).since_epoch().count() == clamp(static_cast<Wide>(a) + b));
    REQUIRE((instant(a) - ns(b)).since_epoch().count() == clamp(static_cast<Wide>(a) - b));
    REQUIRE((instant(a) - instant(b)).count() == clamp(static_cast<Wide>(a) - b));
    REQUIRE((instant(a) < instant(b)) == (a < b));
  }
}
#endif

TEST_CASE("time: conversions happen where a chrono value is handed over, and in constants") {
  using namespace std::chrono_literals;
  const auto count = [](Duration d) { return d.count(); };
  CHECK(count(30s) == 30'000'000'000);
  CHECK(count(24h) == 86'400'000'000'000);
  CHECK(instant(0) + 1ms == instant(1'000'000));
  CHECK(ns(1'000) == 1us);
  CHECK(ns(999) < 1us);
  static_assert(Duration(5ms).count() == 5'000'000);
  static_assert(Instant::at(1s) + 1s == Instant::at(2s));
  static_assert(!std::is_convertible_v<int, Duration> && !std::is_convertible_v<int, Instant>);
  static_assert(!std::is_convertible_v<double, Duration>);
  static_assert(!std::is_convertible_v<Duration, Instant>);
  static_assert(!std::is_convertible_v<std::chrono::seconds, Instant>);
  static_assert(!std::is_convertible_v<std::chrono::system_clock::time_point, Duration>);
  static_assert(sizeof(Duration) == 8 && sizeof(Instant) == 8);
}

TEST_CASE("at: the event is now unless it is said") {
  const At both{.now = instant(7)};
  CHECK(both.now == instant(7));
  CHECK(both.event == instant(7));
  const At apart{.now = instant(7), .event = instant(3)};
  CHECK(apart.now == instant(7));
  CHECK(apart.event == instant(3));
  static_assert(!std::is_default_constructible_v<At>);  // a forgotten now would be 1970
}
