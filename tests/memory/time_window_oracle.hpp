#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <unordered_map>

#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>

// What a time window should answer, by keeping the instant of every key and looking at all that the
// definition says. No room is ever short here.

namespace idem_test {

struct WindowShape {
  std::int64_t window = 1;
  std::int64_t granularity = 1;
  bool sliding = false;
  bool by_event = false;
};

template <class Key>
class WindowOracle {
 public:
  explicit WindowOracle(WindowShape shape) : shape_(shape) {}

  idem::Verdict insert(const Key& key, std::int64_t time) {
    advance(time);
    if (!shape_.by_event) time = latest_;
    if (is_stale(time, latest_)) return idem::Verdict::stale;
    const auto seen = seen_.find(key);
    if (seen != seen_.end() && is_in_window(seen->second, latest_)) {
      if (shape_.sliding && time > seen->second) seen->second = time;
      return idem::Verdict::duplicate;
    }
    seen_[key] = time;
    return idem::Verdict::fresh;
  }
  // A record with room taken for it: one that is in the window all the same gives way.
  void record(const Key& key, std::int64_t time) {
    advance(time);
    if (!shape_.by_event) time = latest_;
    if (!is_stale(time, latest_)) seen_[key] = time;
  }
  [[nodiscard]] idem::Verdict check(const Key& key, std::int64_t time) const {
    const std::int64_t latest = !started_ || time > latest_ ? time : latest_;
    if (is_stale(time, latest)) return idem::Verdict::stale;
    const auto seen = seen_.find(key);
    return seen != seen_.end() && is_in_window(seen->second, latest) ? idem::Verdict::duplicate
                                                                     : idem::Verdict::fresh;
  }
  bool forget(const Key& key) {
    const auto seen = seen_.find(key);
    if (seen == seen_.end()) return false;
    const bool was = is_in_window(seen->second, latest_);
    seen_.erase(seen);
    return was;
  }
  void advance(std::int64_t time) {
    if (!started_ || time > latest_) latest_ = time;
    started_ = true;
  }
  void merge(const WindowOracle& other) {
    if (!other.started_) return;
    advance(other.latest_);
    for (const auto& [key, theirs] : other.seen_) {
      if (!is_in_window(theirs, latest_)) continue;
      const auto ours = seen_.find(key);
      if (ours == seen_.end() || !is_in_window(ours->second, latest_)) {
        seen_[key] = theirs;
      } else if (shape_.sliding ? theirs > ours->second : theirs < ours->second) {
        ours->second = theirs;
      }
    }
  }
  [[nodiscard]] std::size_t size() const {
    std::size_t count = 0;
    for (const auto& [key, seen] : seen_) count += is_in_window(seen, latest_);
    return count;
  }
  void clear() { seen_.clear(); }

 private:
  __extension__ using Wide = __int128;

  // The definition, and beside it the two promises it must keep.
  [[nodiscard]] bool is_in_window(std::int64_t seen, std::int64_t latest) const {
    const Wide granularity = shape_.granularity;
    Wide into = seen % granularity;
    if (into < 0) into += granularity;
    const Wide last_of_granule = seen - into + granularity - 1;
    const bool in_window = latest - last_of_granule < shape_.window;
    const Wide age = Wide{latest} - seen;
    if (age < shape_.window && !in_window) throw std::logic_error("shorter than the window");
    if (age >= Wide{shape_.window} + granularity && in_window)
      throw std::logic_error("longer than the granularity allows");
    return in_window;
  }
  [[nodiscard]] bool is_stale(std::int64_t time, std::int64_t latest) const {
    return shape_.by_event && Wide{latest} - time >= shape_.window;
  }

  WindowShape shape_;
  std::unordered_map<Key, std::int64_t> seen_;
  std::int64_t latest_ = 0;
  bool started_ = false;
};

}  // namespace idem_test
