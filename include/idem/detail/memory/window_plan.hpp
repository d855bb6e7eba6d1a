#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

#include <idem/core/hash.hpp>
#include <idem/core/time.hpp>
#include <idem/core/uuid.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/time_window.hpp>
#include <idem/memory/time_window_options.hpp>

namespace idem::inline IDEM_ABI::detail {

// ---- payloads ----------------------------------------------------------------------------------

// Names a ring's payload where it has one, so that the concept Carrying sees none otherwise.
template <class P>
struct PayloadNamed {
  static_assert(std::is_trivially_copyable_v<P> && (sizeof(P) == 8 || sizeof(P) == 16),
                "idem::TimeWindowRing: a payload is 8 or 16 bytes that may be copied as bytes");
  using Payload = P;
};
template <>
struct PayloadNamed<void> {};

template <class P>
struct PayloadOr {
  using type = P;
};
template <>
struct PayloadOr<void> {
  struct type {};
};

template <class P>
inline constexpr std::size_t payload_size = sizeof(P);
template <>
inline constexpr std::size_t payload_size<void> = 0;

// Payloads whose bytes are known on every machine.
template <class P>
inline constexpr bool is_portable = std::is_void_v<P> || std::is_same_v<P, std::uint64_t> ||
                                    std::is_same_v<P, Digest> || std::is_same_v<P, Uuid>;

// ---- options -----------------------------------------------------------------------------------

[[nodiscard]] inline Duration checked_lead(const TimeWindowOptions&) noexcept {
  return Duration::max();
}
[[nodiscard]] inline Duration checked_lead(const EventWindowOptions& options) {
  if (options.allowed_lead < Duration())
    invalid_option("EventWindowOptions.allowed_lead", options.allowed_lead.count(), "0 ns or more");
  return options.allowed_lead;
}

[[nodiscard]] inline std::int64_t checked_lateness(const TimeWindowOptions& options) noexcept {
  return options.window.count();
}
[[nodiscard]] inline std::int64_t checked_lateness(const EventWindowOptions& options) {
  if (options.allowed_lateness == Duration::max()) return options.window.count();
  if (options.allowed_lateness <= Duration() || options.allowed_lateness > options.window) {
    invalid_option("EventWindowOptions.allowed_lateness", options.allowed_lateness.count(),
                   "more than 0 ns and at most the window of " +
                       std::to_string(options.window.count()) + " ns");
  }
  return options.allowed_lateness.count();
}

// Chunks of 64 to 4096 entries, such that a ring of the size foretold has some dozens.
[[nodiscard]] constexpr unsigned chunk_shift_for(std::uint64_t keys_foretold) noexcept {
  if (keys_foretold == 0) return 10;
  const auto wanted = static_cast<unsigned>(std::bit_width(keys_foretold / 64));
  return smaller(larger(wanted, 6U), 12U);
}

template <class Window, class Options>
[[nodiscard]] WindowSettings window_settings(const Options& options, std::size_t own_bytes,
                                             bool stamped) {
  constexpr std::int64_t forever = std::numeric_limits<std::int64_t>::max();
  WindowSettings settings;
  settings.window = options.window.count();
  if (settings.window <= 0) {
    invalid_option("TimeWindowOptions.window", settings.window,
                   "more than 0 ns; Duration::max() sets no bound in time");
  }
  settings.granularity = options.granularity.count();
  if (settings.granularity < 0 || settings.granularity > settings.window) {
    invalid_option(
        "TimeWindowOptions.granularity", settings.granularity,
        "at least 0 ns and at most the window of " + std::to_string(settings.window) + " ns");
  }
  if (settings.granularity == 0) {
    settings.granularity =
        settings.window == forever ? forever : larger<std::int64_t>(1, settings.window / 1024);
  }
  if (stamped && settings.window / settings.granularity > 65536) {
    invalid_option("TimeWindowOptions.granularity", settings.granularity,
                   "at least a 65536th of the window of " + std::to_string(settings.window) +
                       " ns, where each key has a time of its own");
  }
  settings.lateness = checked_lateness(options);
  if (options.max_keys == 0)
    invalid_option("TimeWindowOptions.max_keys", options.max_keys, "1 or more");
  settings.key_limit = smaller<std::uint64_t>(options.max_keys, Window::most_keys);
  settings.expected_keys = options.expected_keys;
  settings.forget_oldest = options.when_full == WhenFull::forget_oldest;

  const bool has_budget = options.budget != ByteSize::unlimited();
  std::uint64_t foretold = options.expected_keys;
  if (foretold == 0 && options.max_keys <= Window::most_keys) foretold = options.max_keys;
  if (has_budget)
    foretold =
        smaller(foretold == 0 ? Window::most_keys : foretold, options.budget.count() / 24 + 1);
  settings.chunk_shift = chunk_shift_for(foretold);

  if (has_budget) {
    settings.granules =
        settings.window == forever && settings.granularity != forever
            ? Window::most_keys
            : static_cast<std::uint64_t>(settings.window / settings.granularity) + 3;
    const auto needed = [&](std::uint64_t keys) {
      return own_bytes + Window::bytes_for(keys, settings.granules, settings.chunk_shift);
    };
    if (needed(1) > options.budget.count()) {
      invalid_option("TimeWindowOptions.budget", options.budget.count(),
                     "at least " + std::to_string(needed(1)) + " bytes");
    }
    settings.heap_limit = options.budget.count() - own_bytes;
    std::uint64_t fits = 1;
    std::uint64_t above = settings.key_limit + 1;
    while (fits + 1 < above) {
      const std::uint64_t middle = fits + (above - fits) / 2;
      (needed(middle) <= options.budget.count() ? fits : above) = middle;
    }
    settings.count_is_the_promise =
        settings.window == forever && fits == settings.key_limit && fits == options.max_keys;
    settings.key_limit = fits;
  } else {
    settings.count_is_the_promise =
        settings.window == forever && settings.key_limit == options.max_keys;
  }
  return settings;
}

// ---- merging -----------------------------------------------------------------------------------

template <class Window>
void require_same_shape(const Window& to, const Window& from) {
  const auto& a = to.settings();
  const auto& b = from.settings();
  if (a.window != b.window)
    invalid_option("TimeWindowRing::merge window", b.window, std::to_string(a.window) + " ns");
  if (a.granularity != b.granularity) {
    invalid_option("TimeWindowRing::merge granularity", b.granularity,
                   std::to_string(a.granularity) + " ns");
  }
  if (to.has_started() && from.has_started() && to.shift() != from.shift()) {
    invalid_option("TimeWindowRing::merge restarted clock", from.shift(),
                   std::to_string(to.shift()) + " ns");
  }
}

// Both walks go from the oldest mark to the newest, so the entries arrive in order.
template <class Window>
[[nodiscard]] bool merge_windows(Window& to, const Window& from) noexcept {
  if (!from.has_started()) return true;
  Window merged(to.hash(), to.settings());
  const std::int64_t shift = to.has_started() ? to.shift() : from.shift();
  if (to.has_started()) merged.restore_clock(true, to.latest(), to.floor(), shift);
  merged.restore_clock(true, larger(to.latest(), from.latest()), larger(to.floor(), from.floor()),
                       shift);
  auto left = to.begin_walk();
  auto right = from.begin_walk();
  typename Window::Entry ours;
  typename Window::Entry theirs;
  bool has_ours = to.walk_on(left, ours);
  bool has_theirs = from.walk_on(right, theirs);
  while (has_ours || has_theirs) {
    const bool take_ours = has_ours && (!has_theirs || ours.mark <= theirs.mark);
    const auto& entry = take_ours ? ours : theirs;
    if (merged.is_in_time(entry) && merged.restore(entry) == Verdict::full) return false;
    if (take_ours) {
      has_ours = to.walk_on(left, ours);
    } else {
      has_theirs = from.walk_on(right, theirs);
    }
  }
  return to.take_over(merged);
}

}  // namespace idem::inline IDEM_ABI::detail
