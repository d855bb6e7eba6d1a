#pragma once

#include <cstdint>
#include <limits>

#include <idem/core/time.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/window_settings.hpp>

namespace idem::inline IDEM_ABI::detail {

// What the time has come to in a window: the newest instant, its granule, and the oldest granule that
// is still in the window.
template <bool by_event, class Rules>
struct WindowClock {
  std::int64_t latest = std::numeric_limits<std::int64_t>::min();
  std::int64_t granule = std::numeric_limits<std::int64_t>::min();      // of `latest`
  std::int64_t first_alive = std::numeric_limits<std::int64_t>::min();  // granule
  std::int64_t floor = std::numeric_limits<std::int64_t>::min();        // what was evicted is older
  std::int64_t shift = 0;
  bool started = false;

  // The clock once that time was told.
  [[nodiscard]] WindowClock after(std::int64_t time,
                                  const WindowSettings& settings) const noexcept {
    WindowClock then = *this;
    std::int64_t steady = time;
    if (started) {
      steady = by_event ? larger(latest, time) : Rules::steady(latest, time);
      if (steady == latest) return then;
    }
    then.started = true;
    then.latest = steady;
    then.granule = Rules::granule(steady, settings.granularity);
    then.first_alive = Rules::first_alive(steady, settings.window, settings.granularity);
    return then;
  }

  [[nodiscard]] bool is_stale(std::int64_t event, const WindowSettings& settings) const noexcept {
    return latest > event && settings.lateness != std::numeric_limits<std::int64_t>::max() &&
           saturating_subtract(latest, event) >= settings.lateness;
  }

  // The first instant whose ids are all remembered, but for what was evicted.
  [[nodiscard]] std::int64_t begin_of_window(const WindowSettings& settings) const noexcept {
    constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
    if (!started || settings.window == std::numeric_limits<std::int64_t>::max() ||
        latest < lowest + settings.window)
      return lowest;
    return latest - settings.window + 1;
  }

  // From here on `now` means what the latest instant meant.
  void restart(std::int64_t now) noexcept {
    if (started) shift = saturating_subtract(latest, now);
  }
  [[nodiscard]] std::int64_t shifted(std::int64_t now) const noexcept {
    return shift == 0 ? now : saturating_add(now, shift);
  }
};

}  // namespace idem::inline IDEM_ABI::detail
