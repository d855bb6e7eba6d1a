#pragma once

#include <cstdint>
#include <limits>

#include <idem/core/time.hpp>
#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::detail {

// The arithmetic of a window in time. Instants are nanoseconds; a granule is the number of a span
// of `granularity` nanoseconds, counted from the epoch. A parameter of TimeWindow, so that a test
// can see what a wrong rule would do.
struct WindowRules {
  [[nodiscard]] static constexpr std::int64_t granule(std::int64_t time,
                                                      std::int64_t granularity) noexcept {
    const std::int64_t whole = time / granularity;
    return whole - (time % granularity < 0 ? 1 : 0);
  }

  // The last nanosecond of a granule.
  [[nodiscard]] static constexpr std::int64_t end_of(std::int64_t granule,
                                                     std::int64_t granularity) noexcept {
    constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
    constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
    if (granule >= highest / granularity) return highest;
    if (granule < lowest / granularity) return lowest + (granularity - 1);
    return granule * granularity + (granularity - 1);
  }

  // The oldest granule that is still in the window at `now`: the one with an instant t such that
  // now - t < window. So a key seen in its first nanosecond stays up to `granularity` longer, and
  // none goes too early.
  [[nodiscard]] static constexpr std::int64_t first_alive(std::int64_t now, std::int64_t window,
                                                          std::int64_t granularity) noexcept {
    constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
    if (window == std::numeric_limits<std::int64_t>::max() || now < lowest + window) return lowest;
    return granule(now - window + 1, granularity);
  }

  // Whether a position lies in a run that may go over the end of the circle.
  template <class Position>
  [[nodiscard]] static constexpr bool holds(Position begin, Position length,
                                            Position position) noexcept {
    return static_cast<Position>(position - begin) < length;
  }

  // A clock that goes back stands still.
  [[nodiscard]] static constexpr std::int64_t steady(std::int64_t latest,
                                                     std::int64_t now) noexcept {
    return now < latest ? latest : now;
  }
};

// The time an event counts as: its own, but no further ahead of `now` than `lead`; whether it was is
// `ahead`.
[[nodiscard]] constexpr std::int64_t led(Instant event, Instant now, Duration lead,
                                         bool& ahead) noexcept {
  const Instant latest_allowed = now + lead;
  ahead = lead != Duration::max() && event > latest_allowed;
  return (ahead ? latest_allowed : event).since_epoch().count();
}

}  // namespace idem::inline IDEM_ABI::detail
