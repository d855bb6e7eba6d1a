#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <idem/core/time.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/window_rules.hpp>

namespace idem::inline IDEM_ABI::detail {

// A window is six generations long, and a seventh is being filled: of the oldest all must stay as
// long as one of its keys is in the window.
inline constexpr unsigned generations_a_window = 6;
inline constexpr unsigned generation_lanes = generations_a_window + 1;

// The rules a test can plant a wrong one of.
struct GenerationRules : WindowRules {
  // The nanoseconds of a generation: the window rounded up, or it would be too short.
  [[nodiscard]] static constexpr std::int64_t length(std::int64_t window) noexcept {
    return window / generations_a_window + (window % generations_a_window != 0 ? 1 : 0);
  }
  // How many generations begin between two granules, none of which need more than all the lanes.
  [[nodiscard]] static constexpr std::uint64_t steps(std::int64_t from, std::int64_t to) noexcept {
    return smaller<std::uint64_t>(static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from),
                                  generation_lanes);
  }
};

struct GenerationSettings {
  std::int64_t window = std::numeric_limits<std::int64_t>::max();
  std::int64_t lateness = std::numeric_limits<std::int64_t>::max();
  std::uint64_t planned = 1;   // keys of one generation
  bool rotates_early = false;  // when it has them
  bool refuses = false;        // when it has them
};

struct GenerationCounts {
  std::uint64_t clock_went_back = 0;
  std::uint64_t early_evictions = 0;
  std::uint64_t overfull_keys = 0;
  std::uint64_t stale = 0;
  std::uint64_t events_ahead = 0;
  std::uint64_t rotations = 0;
};

// Which generation a key belongs to. Generations are numbered as they begin; number n lies in lane
// n mod 7, whose former owner is forgotten by that. In time each granule is a generation, whether
// keys come or not; by count each begins when the one before is full.
//
// Nothing but a handful of numbers moves when a generation begins: whoever keeps the keys notes for
// each place in memory which generation it was brought up to, and clears what has begun since when
// it next gets there.
template <bool by_event, class Rules = GenerationRules>
class GenerationClock {
 public:
  // What the time has come to.
  struct State {
    std::int64_t latest = std::numeric_limits<std::int64_t>::min();
    std::int64_t granule = 0;
    // Every lane is behind the first generation, so that what was never written counts as cleared.
    std::uint64_t generation = generation_lanes + 1;
    bool started = false;

    [[nodiscard]] unsigned lane() const noexcept {
      return static_cast<unsigned>(generation % generation_lanes);
    }
  };

  static constexpr auto never = [] {
    std::array<std::int64_t, generation_lanes> all{};
    for (std::int64_t& one : all) one = std::numeric_limits<std::int64_t>::min();
    return all;
  }();

  explicit GenerationClock(const GenerationSettings& settings) noexcept
      : settings_(settings), length_(Rules::length(settings.window)) {}

  // ---- time -------------------------------------------------------------------------------------

  [[nodiscard]] State after(std::int64_t time) const noexcept {
    State then = now_;
    if (now_.started) {
      const std::int64_t steady =
          by_event ? larger(now_.latest, time) : Rules::steady(now_.latest, time);
      if (steady == now_.latest) return then;
      then.latest = steady;
      if (!is_by_count()) {
        then.granule = Rules::granule(steady, length_);
        then.generation += Rules::steps(now_.granule, then.granule);
      }
      return then;
    }
    then.started = true;
    then.latest = time;
    then.granule = is_by_count() ? 0 : Rules::granule(time, length_);
    return then;
  }
  // By so many messages.
  void tell(std::int64_t time, std::uint64_t messages = 1) noexcept {
    if (now_.started && time == now_.latest) return;
    if (now_.started && time < now_.latest) {
      if constexpr (by_event) return;
      counts_.clock_went_back += messages;
    }
    const State then = after(time);
    const std::uint64_t before = now_.generation;
    now_ = then;
    for (std::uint64_t n = before; n != then.generation; ++n) let_go((n + 1) % generation_lanes);
  }
  [[nodiscard]] bool is_stale(const State& then, std::int64_t event) const noexcept {
    return by_event && then.latest > event &&
           saturating_subtract(then.latest, event) >= settings_.lateness;
  }
  // The lane for a key of that time, which is not stale.
  [[nodiscard]] unsigned lane_of(std::int64_t time) const noexcept {
    if constexpr (by_event) {
      const auto age = static_cast<std::uint64_t>(now_.granule - Rules::granule(time, length_));
      return static_cast<unsigned>((now_.generation - age) % generation_lanes);
    } else {
      return now_.lane();
    }
  }
  void restart(std::int64_t now) noexcept {
    if (now_.started) shift_ = saturating_subtract(now_.latest, now);
  }
  [[nodiscard]] std::int64_t shifted(std::int64_t now) const noexcept {
    return shift_ == 0 ? now : saturating_add(now, shift_);
  }

  // ---- keys -------------------------------------------------------------------------------------

  // How many keys the lane takes before something has to be done about it.
  [[nodiscard]] std::uint64_t room(unsigned lane) const noexcept {
    if (!settings_.rotates_early && !settings_.refuses)
      return std::numeric_limits<std::uint64_t>::max();
    return settings_.planned - smaller(settings_.planned, keys_[lane]);
  }
  [[nodiscard]] bool refuses() const noexcept { return settings_.refuses; }
  // Ends the generation that is being filled.
  void rotate_early() noexcept {
    ++now_.generation;
    let_go(now_.lane());
  }
  void note(unsigned lane, std::uint64_t recorded, std::int64_t time) noexcept {
    if (recorded == 0) return;
    const std::uint64_t before = larger(keys_[lane], settings_.planned);
    keys_[lane] += recorded;
    if (keys_[lane] > before) counts_.overfull_keys += keys_[lane] - before;
    const std::int64_t at = by_event ? time : now_.latest;
    if (at > newest_[lane]) newest_[lane] = at;
  }
  // One key less in that lane: it was forgotten, or recorded anew elsewhere.
  void take_back(unsigned lane) noexcept { --keys_[lane]; }
  void forget_all() noexcept {
    now_.generation += generation_lanes;
    keys_ = {};
    newest_ = never;
  }

  // ---- as a state -------------------------------------------------------------------------------

  // What decides the answers to come; generations by age, the newest first.
  struct Saved {
    bool started = false;
    std::int64_t latest = std::numeric_limits<std::int64_t>::min();
    std::int64_t shift = 0;
    std::array<std::uint64_t, generation_lanes> keys{};
    // Only where generations end early does it matter what went, and when: `never` otherwise.
    std::int64_t floor = std::numeric_limits<std::int64_t>::min();
    std::array<std::int64_t, generation_lanes> newest = never;
  };
  [[nodiscard]] Saved saved() const noexcept {
    Saved saved{.started = now_.started, .latest = now_.latest, .shift = shift_};
    for (unsigned age = 0; age < generation_lanes; ++age) {
      const std::uint64_t lane = (now_.generation - age) % generation_lanes;
      saved.keys[age] = keys_[lane];
      if (settings_.rotates_early && keys_[lane] != 0) saved.newest[age] = newest_[lane];
    }
    if (floor_ > begin_of_window()) saved.floor = floor_;
    return saved;
  }
  // Of a clock that has told nothing yet: generations are those of a new one. false: there is no
  // such state.
  [[nodiscard]] bool restore(const Saved& saved) noexcept {
    constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
    if (!saved.started && (saved.latest != lowest || saved.shift != 0)) return false;
    if (by_event && saved.shift != 0) return false;
    if (saved.started) now_ = after(saved.latest);
    if (saved.floor != lowest) {
      const bool is_real = settings_.rotates_early && saved.started &&
                           saved.floor > begin_of_window() && saved.floor - 1 <= saved.latest;
      if (!is_real) return false;
    }
    std::int64_t ceiling = saved.latest;
    for (unsigned age = 0; age < generation_lanes; ++age) {
      const std::uint64_t keys = saved.keys[age];
      const std::int64_t newest = saved.newest[age];
      if (keys != 0 && !saved.started) return false;
      if (keys == 0 || !settings_.rotates_early) {
        if (newest != lowest) return false;
      } else {
        if (newest > ceiling || (saved.floor != lowest && newest < saved.floor - 1)) return false;
        const auto granules = static_cast<std::uint64_t>(now_.granule) -
                              static_cast<std::uint64_t>(Rules::granule(newest, length_));
        if (!is_by_count() && granules > age) return false;
        ceiling = newest;
      }
      const bool may_be_full = !settings_.rotates_early || age != 0;
      if ((settings_.rotates_early || settings_.refuses) &&
          keys > settings_.planned - (may_be_full ? 0 : 1))
        return false;
      const std::uint64_t lane = (now_.generation - age) % generation_lanes;
      keys_[lane] = keys;
      newest_[lane] = newest;
    }
    floor_ = saved.floor;
    shift_ = saved.shift;
    return true;
  }

  // ---- what it is -------------------------------------------------------------------------------

  [[nodiscard]] bool is_by_count() const noexcept {
    return settings_.window == std::numeric_limits<std::int64_t>::max();
  }
  [[nodiscard]] const State& now() const noexcept { return now_; }
  [[nodiscard]] const GenerationSettings& settings() const noexcept { return settings_; }
  [[nodiscard]] std::int64_t length() const noexcept { return length_; }
  [[nodiscard]] const GenerationCounts& counts() const noexcept { return counts_; }
  void count_stale(std::uint64_t messages) noexcept { counts_.stale += messages; }
  void count_events_ahead(std::uint64_t messages) noexcept { counts_.events_ahead += messages; }
  [[nodiscard]] const std::array<std::uint64_t, generation_lanes>& keys() const noexcept {
    return keys_;
  }
  [[nodiscard]] std::int64_t shift() const noexcept { return shift_; }
  [[nodiscard]] std::int64_t floor() const noexcept { return floor_; }
  [[nodiscard]] std::int64_t begin_of_window() const noexcept {
    constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
    if (!now_.started || is_by_count() || now_.latest < lowest + settings_.window) return lowest;
    return now_.latest - settings_.window + 1;
  }

 private:
  // The lane is taken for a generation that begins.
  void let_go(std::uint64_t lane) noexcept {
    ++counts_.rotations;
    if (keys_[lane] != 0 && newest_[lane] >= begin_of_window()) {
      if (!is_by_count()) counts_.early_evictions += keys_[lane];
      floor_ = larger(floor_, saturating_add(newest_[lane], 1));
    }
    keys_[lane] = 0;
    newest_[lane] = std::numeric_limits<std::int64_t>::min();
  }

  GenerationSettings settings_;
  std::int64_t length_;
  State now_;
  std::array<std::uint64_t, generation_lanes> keys_{};
  std::array<std::int64_t, generation_lanes> newest_ = never;  // instant at which a key came
  std::int64_t floor_ = std::numeric_limits<std::int64_t>::min();
  std::int64_t shift_ = 0;
  GenerationCounts counts_;
};

}  // namespace idem::inline IDEM_ABI::detail
