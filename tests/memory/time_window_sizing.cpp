#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include <doctest/doctest.h>

#include <idem/memory/window_sizing.hpp>

#include "support/thrown.hpp"

using idem::Duration;
using idem::keys_in_window;
using idem::RetrySchedule;
using idem::transmit_span;
using idem::window_for;
using idem_test::contains;
using idem_test::refusal;
using namespace std::chrono_literals;

namespace {

// CoAP's default transmission parameters, RFC 7252 section 4.8.
constexpr RetrySchedule coap{.retries = 4,
                             .first_backoff = 2s,
                             .backoff_factor = 2,
                             .jitter_factor = 1.5,
                             .max_latency = 100s,
                             .max_reply_latency = 100s,
                             .processing_delay = 2s};
static_assert(transmit_span(coap) == Duration(45s));  // MAX_TRANSMIT_SPAN
static_assert(window_for(coap) == Duration(247s));    // EXCHANGE_LIFETIME

// NON_LIFETIME: no answer is waited for.
constexpr RetrySchedule coap_non{
    .retries = 4, .first_backoff = 2s, .jitter_factor = 1.5, .max_latency = 100s};
static_assert(window_for(coap_non) == Duration(145s));

// The default of Kafka's producer, without its delivery time-out: no constant if each were a step.
constexpr RetrySchedule kafka{
    .retries = 2'147'483'647, .first_backoff = 100ms, .max_backoff = 1s, .attempt_timeout = 1s};
static_assert(transmit_span(kafka) == Duration(4s + 1500ms + std::int64_t{2'147'483'643} * 2s));
static_assert(transmit_span({.retries = 2'147'483'647, .first_backoff = 1s, .backoff_factor = 1}) ==
              Duration(2'147'483'647s));
static_assert(transmit_span({.retries = 2'147'483'647, .attempt_timeout = 10s}) == Duration::max());

// As the definition says, wait by wait.
Duration span_by_steps(const RetrySchedule& schedule) {
  constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
  const auto add = [](std::int64_t a, std::int64_t b) { return a > highest - b ? highest : a + b; };
  const auto longest = static_cast<double>(schedule.max_backoff.count());
  auto backoff = static_cast<double>(schedule.first_backoff.count());
  std::int64_t span = 0;
  for (std::uint32_t i = 0; i < schedule.retries; ++i) {
    const double wait = (backoff < longest ? backoff : longest) * schedule.jitter_factor;
    const std::int64_t step =
        add(schedule.attempt_timeout.count(), idem::detail::round_up_nanoseconds(wait));
    span = add(span, step);
    backoff *= schedule.backoff_factor;
  }
  return std::min(Duration::nanoseconds(span), schedule.delivery_timeout);
}

}  // namespace

TEST_CASE("a schedule is as long as its waits and attempts") {
  CHECK(window_for({}) == Duration());
  CHECK(window_for({.max_latency = 5s}) == Duration(5s));
  CHECK(transmit_span({.retries = 3, .first_backoff = 1s, .backoff_factor = 1}) == Duration(3s));
  CHECK(transmit_span({.retries = 5, .first_backoff = 1s, .max_backoff = 4s}) ==
        Duration(1s + 2s + 4s + 4s + 4s));
  CHECK(transmit_span({.retries = 2, .first_backoff = 1s, .attempt_timeout = 10s}) ==
        Duration(23s));
  CHECK(transmit_span({.retries = 1'000'000'000,
                       .first_backoff = 100ms,
                       .max_backoff = 1s,
                       .attempt_timeout = 30s,
                       .delivery_timeout = 2min}) == Duration(2min));
  CHECK(
      window_for(
          {.retries = 10, .first_backoff = 100ms, .delivery_timeout = 2min, .max_latency = 24h}) ==
      Duration(24h + 102300ms));
}

TEST_CASE("waits that grow no more are taken together, and come to the same") {
  const auto ns = [](std::int64_t count) { return Duration::nanoseconds(count); };
  const Duration spans[] = {ns(0),         ns(1),          ns(2),         ns(7),
                            ns(1'000'003), Duration(100s), ns(1LL << 61), Duration::max()};
  for (const std::uint32_t retries : {0U, 1U, 2U, 3U, 5U, 40U, 130U}) {
    for (const double backoff_factor : {1.0, 1.0 + 0x1p-52, 1.25, 2.0, 1e18}) {
      for (const double jitter_factor : {1.0, 1.0625, 1.5, 1e18}) {
        for (const Duration first : spans) {
          for (const Duration most : spans) {
            for (const Duration attempt : spans) {
              for (const Duration end : spans) {
                const RetrySchedule schedule{.retries = retries,
                                             .first_backoff = first,
                                             .backoff_factor = backoff_factor,
                                             .max_backoff = most,
                                             .jitter_factor = jitter_factor,
                                             .attempt_timeout = attempt,
                                             .delivery_timeout = end};
                if (transmit_span(schedule) != span_by_steps(schedule)) {
                  CAPTURE(retries);
                  CAPTURE(backoff_factor);
                  CAPTURE(jitter_factor);
                  CAPTURE(first.count());
                  CAPTURE(most.count());
                  CAPTURE(attempt.count());
                  CAPTURE(end.count());
                  FAIL("another span");
                }
              }
            }
          }
        }
      }
    }
  }
}

TEST_CASE("what does not fit is for ever, and an endless loop of no waits is none") {
  CHECK(transmit_span({.retries = 200, .first_backoff = 1s}) == Duration::max());
  CHECK(window_for({.retries = 1, .first_backoff = 1s, .max_latency = Duration::max()}) ==
        Duration::max());
  CHECK(transmit_span({.retries = std::numeric_limits<std::uint32_t>::max()}) == Duration());
  // Part of a nanosecond counts whole: longer, never shorter.
  CHECK(transmit_span({.retries = 1, .first_backoff = 1ns, .jitter_factor = 1.5}) == Duration(2ns));
}

TEST_CASE("nonsense is refused by name and value") {
  CHECK(
      contains(refusal([] { (void)window_for({.first_backoff = -1ns}); }), "first_backoff is -1"));
  CHECK(contains(refusal([] { (void)window_for({.backoff_factor = 0.5}); }),
                 "backoff_factor is 0.5"));
  CHECK(contains(refusal([] {
                   (void)window_for({.jitter_factor = std::numeric_limits<double>::quiet_NaN()});
                 }),
                 "jitter_factor is"));
  CHECK(contains(refusal([] { (void)window_for({.max_latency = -1s}); }), "max_latency is"));
  CHECK(contains(refusal([] { (void)keys_in_window(-1, 1s); }), "fresh_per_second is -1"));
  CHECK(contains(refusal([] { (void)keys_in_window(1e300, 1h); }), "less than 2^53"));
}

TEST_CASE("keys from rate and window") {
  static_assert(keys_in_window(1000, Duration(10min)) == 600'000);
  CHECK(keys_in_window(1000, 10min, 1s) == 601'000);
  CHECK(keys_in_window(0.3, 1s) == 1);
  CHECK(keys_in_window(0, 24h) == 0);
  // As many as a number of keys can be, and one more.
  CHECK(keys_in_window(0xffff'ffffp0 - 0.5, 1s) == 0xffff'ffffU);
  if (sizeof(std::size_t) == 4) {
    CHECK(contains(refusal([] { (void)keys_in_window(0xffff'ffffp0 + 0.5, 1s); }),
                   "keys_in_window keys is 4294967296; it must be less than 2^32"));
  } else {
    CHECK(keys_in_window(0xffff'ffffp0 + 0.5, 1s) == static_cast<std::size_t>(0x1p32));
    CHECK(keys_in_window(0x1p53 - 1, 1s) == static_cast<std::size_t>(0x1p53 - 1));
  }
}
