#pragma once

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

// What a filter over a window must say and may say, from the instant of every key. Keys are indices.

namespace idem_test {

struct FilterWindowShape {
  std::int64_t window = 1;
  bool sliding = false;
  bool by_event = false;
};

enum class Expected : std::uint8_t { held, gone, stale };

class FilterWindowOracle {
 public:
  FilterWindowOracle(FilterWindowShape shape, std::size_t universe)
      : shape_(shape), length_((shape.window + 5) / 6), seen_(universe, never) {}

  void advance(std::int64_t time) {
    if (!started_ || time > latest_) latest_ = time;
    started_ = true;
  }
  // Whether the key is there at that time, the clock moved by it.
  [[nodiscard]] Expected look(std::size_t key, std::int64_t time) const {
    const std::int64_t latest = !started_ || time > latest_ ? time : latest_;
    if (shape_.by_event && Wide{latest} - time >= shape_.window) return Expected::stale;
    if (seen_[key] == never) return Expected::gone;
    const bool held = generation(latest) - generation(seen_[key]) <= 6;
    // The definition above, and the two promises it must keep.
    const Wide age = Wide{latest} - seen_[key];
    if (age < shape_.window && !held) throw std::logic_error("shorter than the window");
    if (age >= Wide{shape_.window} + length_ + 6 && held)
      throw std::logic_error("longer than the granularity allows");
    return held ? Expected::held : Expected::gone;
  }
  Expected insert(std::size_t key, std::int64_t time) {
    advance(time);
    const std::int64_t at = shape_.by_event ? time : latest_;
    const Expected expected = look(key, at);
    if (expected == Expected::gone || (expected == Expected::held && shape_.sliding))
      record(key, at);
    return expected;
  }
  void add(std::size_t key, std::int64_t time) {
    advance(time);
    const std::int64_t at = shape_.by_event ? time : latest_;
    if (look(key, at) != Expected::stale) record(key, at);
  }
  void forget(std::size_t key) { seen_[key] = never; }
  void clear() { seen_.assign(seen_.size(), never); }
  [[nodiscard]] std::int64_t latest() const { return latest_; }

 private:
  __extension__ using Wide = __int128;
  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::min();

  void record(std::size_t key, std::int64_t time) {
    if (time > seen_[key]) seen_[key] = time;
  }
  [[nodiscard]] Wide generation(std::int64_t time) const {
    const Wide whole = time / length_;
    return time % length_ < 0 ? whole - 1 : whole;
  }

  FilterWindowShape shape_;
  std::int64_t length_;
  std::vector<std::int64_t> seen_;
  std::int64_t latest_ = 0;
  bool started_ = false;
};

}  // namespace idem_test
