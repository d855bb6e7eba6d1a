#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include <idem/core/time.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>

// How long a window must be, and how many keys it will hold. Everything here is constexpr: a bad
// schedule in a constant does not compile.

namespace idem::inline IDEM_ABI {

// How a sender sends again, and how long what it sent can take. Only what is known needs to be set.
struct RetrySchedule {
  // Transmissions after the first.
  std::uint32_t retries = 0;
  // Wait before the first retry, as the sender means it, before jitter.
  Duration first_backoff{};
  // Each wait is so many times the one before; 1 or more.
  double backoff_factor = 2;
  // No wait is longer than this before jitter.
  Duration max_backoff = Duration::max();
  // The most that jitter makes of a wait: 1.5 where waits are stretched by up to half. 1 or more;
  // jitter that only shortens is 1.
  double jitter_factor = 1;
  // How long an attempt itself may last before the wait begins: connecting, a request's time-out.
  Duration attempt_timeout{};
  // After this long the sender gives up, whatever is left of the schedule.
  Duration delivery_timeout = Duration::max();
  // The longest a copy can be under way, from being sent to being judged: network, broker, a
  // consumer that lags or is down.
  Duration max_latency{};
  // The longest the answer can be under way, and the longest the receiver takes to give it: needed
  // where the key must be remembered until the sender can have heard.
  Duration max_reply_latency{};
  Duration processing_delay{};
};

namespace detail {

[[nodiscard]] constexpr std::int64_t multiply_spans(std::int64_t span,
                                                    std::uint32_t times) noexcept {
  constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
  return times != 0 && span > highest / times ? highest : span * times;
}

// Nanoseconds rounded up; what does not fit is for ever.
[[nodiscard]] constexpr std::int64_t round_up_nanoseconds(double value) noexcept {
  if (!(value < 0x1p63)) return std::numeric_limits<std::int64_t>::max();
  const auto whole = static_cast<std::int64_t>(value);
  return static_cast<double>(whole) < value ? whole + 1 : whole;
}

constexpr void require_not_negative(Duration value, std::string_view field) {
  if (value < Duration()) invalid_option(field, value.count(), "0 ns or more");
}

}  // namespace detail

// The time from a sender's first transmission to its last, at the longest. Takes a step for each wait
// until they grow no more.
//
// Errors  a span that is negative, or a factor that is less than 1 or no number, throws
//         std::invalid_argument.
[[nodiscard]] constexpr Duration transmit_span(const RetrySchedule& schedule) {
  detail::require_not_negative(schedule.first_backoff, "RetrySchedule.first_backoff");
  detail::require_not_negative(schedule.max_backoff, "RetrySchedule.max_backoff");
  detail::require_not_negative(schedule.attempt_timeout, "RetrySchedule.attempt_timeout");
  detail::require_not_negative(schedule.delivery_timeout, "RetrySchedule.delivery_timeout");
  if (!(schedule.backoff_factor >= 1))
    detail::invalid_option("RetrySchedule.backoff_factor", schedule.backoff_factor, "1 or more");
  if (!(schedule.jitter_factor >= 1))
    detail::invalid_option("RetrySchedule.jitter_factor", schedule.jitter_factor, "1 or more");

  const std::int64_t end = schedule.delivery_timeout.count();
  const auto longest = static_cast<double>(schedule.max_backoff.count());
  auto backoff = static_cast<double>(schedule.first_backoff.count());
  std::int64_t span = 0;
  for (std::uint32_t i = 0; i < schedule.retries && span < end; ++i) {
    const double wait = (backoff < longest ? backoff : longest) * schedule.jitter_factor;
    const std::int64_t step = detail::saturating_add(schedule.attempt_timeout.count(),
                                                     detail::round_up_nanoseconds(wait));
    if (step == 0) break;
    const double next = backoff * schedule.backoff_factor;
    if (!(backoff < longest) || next <= backoff) {
      span = detail::saturating_add(span, detail::multiply_spans(step, schedule.retries - i));
      break;
    }
    span = detail::saturating_add(span, step);
    backoff = next;
  }
  return Duration::nanoseconds(span < end ? span : end);
}

// The window that catches every copy such a sender can send: from the first copy that is judged to
// the last, when the first took no time and the last took all it may; with a reply, until the sender
// can have heard it. Duration::max() where that does not fit.
//
// A window by event time, whose retries carry the time they were sent at, needs the same. Add the
// allowed lateness where events also arrive late for other reasons.
//
// Errors  a span that is negative, or a factor that is less than 1 or no number, throws
//         std::invalid_argument.
[[nodiscard]] constexpr Duration window_for(const RetrySchedule& schedule) {
  detail::require_not_negative(schedule.max_latency, "RetrySchedule.max_latency");
  detail::require_not_negative(schedule.max_reply_latency, "RetrySchedule.max_reply_latency");
  detail::require_not_negative(schedule.processing_delay, "RetrySchedule.processing_delay");
  std::int64_t window = transmit_span(schedule).count();
  window = detail::saturating_add(window, schedule.max_latency.count());
  window = detail::saturating_add(window, schedule.processing_delay.count());
  return Duration::nanoseconds(detail::saturating_add(window, schedule.max_reply_latency.count()));
}

// How many keys are in a window at most, when `fresh_per_second` different ones arrive: those of
// the window and of the granularity by which it may be longer. For expected_keys and max_keys.
//
// Errors  a rate that is negative or no number, or a count that does not fit, throws
//         std::invalid_argument.
[[nodiscard]] constexpr std::size_t keys_in_window(double fresh_per_second, Duration window,
                                                   Duration granularity = Duration()) {
  if (!(fresh_per_second >= 0))
    detail::invalid_option("keys_in_window fresh_per_second", fresh_per_second, "0 or more");
  detail::require_not_negative(window, "keys_in_window window");
  detail::require_not_negative(granularity, "keys_in_window granularity");
  const double seconds =
      (static_cast<double>(window.count()) + static_cast<double>(granularity.count())) / 1e9;
  const double keys = fresh_per_second * seconds;
  if (!(keys < 0x1p53)) detail::invalid_option("keys_in_window keys", keys, "less than 2^53");
  const auto whole = static_cast<std::uint64_t>(keys);
  const std::uint64_t count = static_cast<double>(whole) < keys ? whole + 1 : whole;
  if constexpr (sizeof(std::size_t) < sizeof count) {
    if (count > std::numeric_limits<std::size_t>::max())
      detail::invalid_option("keys_in_window keys", count, "less than 2^32");
  }
  return static_cast<std::size_t>(count);
}

}  // namespace idem::inline IDEM_ABI
