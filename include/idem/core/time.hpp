#pragma once

#include <compare>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>

// Time is an argument: nothing in idem reads a clock. <chrono> is not included either, as it would
// cost every user half a second a file; its durations and time points convert by shape instead.

namespace idem::inline IDEM_ABI {

namespace detail {

template <class D>
concept ChronoDuration = requires(const D d) {
  typename D::rep;
  D::period::num;
  D::period::den;
  d.count();
};

template <class T>
concept ChronoTimePoint = requires(const T t) {
  typename T::clock;
  { t.time_since_epoch() } -> ChronoDuration;
};

[[nodiscard]] constexpr std::int64_t greatest_common_divisor(std::int64_t a,
                                                             std::int64_t b) noexcept {
  while (b != 0) {
    const std::int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

[[noreturn]] inline void duration_out_of_range() {
  throw_invalid_argument(
      "idem: a duration or time point lies outside the +-292 years that 64 bits of nanoseconds "
      "hold");
}

// Rounds towards minus infinity where the source is finer than a nanosecond. Floating sources are
// multiplied and divided in double, so that every machine makes the same nanosecond of them.
template <ChronoDuration D>
[[nodiscard]] constexpr std::int64_t to_nanoseconds(const D& d) {
  static_assert(std::is_floating_point_v<typename D::rep> ||
                    (std::is_integral_v<typename D::rep> && sizeof(typename D::rep) <= 8),
                "idem: a duration counts in an integer of at most 64 bits or in floating point");
  static_assert(D::period::num <= std::numeric_limits<std::int64_t>::max() / 1'000'000'000,
                "idem: one tick of this duration is more than 64 bits of nanoseconds hold");
  constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t scaled = D::period::num * std::int64_t{1'000'000'000};
  constexpr std::int64_t divisor = greatest_common_divisor(scaled, D::period::den);
  constexpr std::int64_t multiply = scaled / divisor;
  constexpr std::int64_t divide = D::period::den / divisor;
  static_assert(multiply <= highest / divide,
                "idem: this duration's period is too odd a fraction of a nanosecond");
  if constexpr (std::is_floating_point_v<typename D::rep>) {
    const double exact = static_cast<double>(d.count()) * static_cast<double>(multiply) /
                         static_cast<double>(divide);
    // The negation refuses NaN too.
    if (!(exact >= -0x1p63 && exact < 0x1p63)) duration_out_of_range();
    const auto whole = static_cast<std::int64_t>(exact);
    return static_cast<double>(whole) > exact ? whole - 1 : whole;
  } else {
    if constexpr (std::is_unsigned_v<typename D::rep>) {
      if (d.count() > static_cast<std::uint64_t>(highest)) duration_out_of_range();
    }
    // Truncated towards zero first, so that no partial sum leaves the range before the total does.
    const auto count = static_cast<std::int64_t>(d.count());
    const std::int64_t whole = count / divide;
    const std::int64_t rest = count % divide * multiply;
    if (whole > highest / multiply || whole < lowest / multiply) duration_out_of_range();
    const std::int64_t base = whole * multiply;
    const std::int64_t extra = rest / divide - (rest % divide < 0 ? 1 : 0);
    if (extra > 0 ? base > highest - extra : base < lowest - extra) duration_out_of_range();
    return base + extra;
  }
}

[[nodiscard]] constexpr std::int64_t saturating_add(std::int64_t a, std::int64_t b) noexcept {
  if (b > 0 && a > std::numeric_limits<std::int64_t>::max() - b)
    return std::numeric_limits<std::int64_t>::max();
  if (b < 0 && a < std::numeric_limits<std::int64_t>::min() - b)
    return std::numeric_limits<std::int64_t>::min();
  return a + b;
}

[[nodiscard]] constexpr std::int64_t saturating_subtract(std::int64_t a, std::int64_t b) noexcept {
  if (b < 0 && a > std::numeric_limits<std::int64_t>::max() + b)
    return std::numeric_limits<std::int64_t>::max();
  if (b > 0 && a < std::numeric_limits<std::int64_t>::min() + b)
    return std::numeric_limits<std::int64_t>::min();
  return a - b;
}

}  // namespace detail

// A span of time: signed 64-bit nanoseconds, +-292 years. Any std::chrono::duration that counts in
// at most 64 bits, or in floating point, converts to it.
//
// Errors  a duration outside the range (or a NaN) throws std::invalid_argument; in a constant it
//         does not compile.
class Duration {
 public:
  constexpr Duration() = default;

  template <detail::ChronoDuration D>
  constexpr Duration(const D& d) : nanoseconds_(detail::to_nanoseconds(d)) {}

  [[nodiscard]] static constexpr Duration nanoseconds(std::int64_t count) noexcept {
    Duration d;
    d.nanoseconds_ = count;
    return d;
  }
  [[nodiscard]] static constexpr Duration max() noexcept {
    return nanoseconds(std::numeric_limits<std::int64_t>::max());
  }

  // Nanoseconds.
  [[nodiscard]] constexpr std::int64_t count() const noexcept { return nanoseconds_; }

  friend constexpr auto operator<=>(const Duration&, const Duration&) = default;

 private:
  std::int64_t nanoseconds_ = 0;
};

// A point in time: signed 64-bit nanoseconds since an epoch of the caller's choice. Any
// std::chrono::time_point converts to it. idem only compares instants it was given: hand one object
// instants of one clock.
//
// Arithmetic saturates at min() and max() instead of wrapping, so a lease or window that would end
// after the end of time never ends.
class Instant {
 public:
  constexpr Instant() = default;

  template <detail::ChronoTimePoint T>
  constexpr Instant(const T& t) : nanoseconds_(detail::to_nanoseconds(t.time_since_epoch())) {}

  [[nodiscard]] static constexpr Instant at(Duration since_epoch) noexcept {
    Instant t;
    t.nanoseconds_ = since_epoch.count();
    return t;
  }
  [[nodiscard]] static constexpr Instant min() noexcept {
    return at(Duration::nanoseconds(std::numeric_limits<std::int64_t>::min()));
  }
  [[nodiscard]] static constexpr Instant max() noexcept { return at(Duration::max()); }

  [[nodiscard]] constexpr Duration since_epoch() const noexcept {
    return Duration::nanoseconds(nanoseconds_);
  }

  friend constexpr auto operator<=>(const Instant&, const Instant&) = default;
  friend constexpr Instant operator+(Instant t, Duration d) noexcept {
    return at(Duration::nanoseconds(detail::saturating_add(t.nanoseconds_, d.count())));
  }
  friend constexpr Instant operator-(Instant t, Duration d) noexcept {
    return at(Duration::nanoseconds(detail::saturating_subtract(t.nanoseconds_, d.count())));
  }
  friend constexpr Duration operator-(Instant a, Instant b) noexcept {
    return Duration::nanoseconds(detail::saturating_subtract(a.nanoseconds_, b.nanoseconds_));
  }

 private:
  std::int64_t nanoseconds_ = 0;
};

namespace detail {

// An instant that has to be given: a `now` left out would be the year 1970, and a lease that began
// then is over.
struct GivenInstant : Instant {
  template <std::convertible_to<Instant> T>
  constexpr GivenInstant(const T& t) : Instant(t) {}
};

}  // namespace detail

// The two instants of a call. Leases and arrival windows run on `now`; event-time windows on
// `event`. They are apart because a record's own timestamp must never run a lease. `now` must be
// given: At{} and At{.event = t} do not compile.
struct At {
  detail::GivenInstant now;
  Instant event = now;
};

}  // namespace idem::inline IDEM_ABI
