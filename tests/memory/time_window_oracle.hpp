#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <unordered_map>

#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>

// What a time window should answer, by keeping the instant of every key and looking at all that the
// definition says. No room is ever short here. Beside it the latest instant at which the key came,
// which says what came first where two are merged.

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
    if (seen != seen_.end() && is_in_window(seen->second.time, latest_)) {
      if (shape_.sliding && time > seen->second.time) seen->second.time = time;
      return idem::Verdict::duplicate;
    }
    seen_[key] = {time, latest_};
    return idem::Verdict::fresh;
  }
  // A record with room taken for it: one that is in the window all the same gives way.
  void record(const Key& key, std::int64_t time) {
    advance(time);
    if (!shape_.by_event) time = latest_;
    if (!is_stale(time, latest_)) seen_[key] = {time, latest_};
  }
  [[nodiscard]] idem::Verdict check(const Key& key, std::int64_t time) const {
    const std::int64_t latest = !started_ || time > latest_ ? time : latest_;
    if (is_stale(time, latest)) return idem::Verdict::stale;
    const auto seen = seen_.find(key);
    return seen != seen_.end() && is_in_window(seen->second.time, latest) ? idem::Verdict::duplicate
                                                                          : idem::Verdict::fresh;
  }
  bool forget(const Key& key) {
    const auto seen = seen_.find(key);
    if (seen == seen_.end()) return false;
    const bool was = is_in_window(seen->second.time, latest_);
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
      if (!is_in_window(theirs.time, latest_)) continue;
      const auto ours = seen_.find(key);
      if (ours == seen_.end() || !is_in_window(ours->second.time, latest_)) {
        seen_[key] = theirs;
      } else if (shape_.sliding ? theirs.time > ours->second.time
                                : end_of_granule(theirs.came) < end_of_granule(ours->second.came)) {
        ours->second = theirs;
      }
    }
  }
  [[nodiscard]] std::size_t size() const {
    std::size_t count = 0;
    for (const auto& [key, seen] : seen_) count += is_in_window(seen.time, latest_);
    return count;
  }
  void clear() { seen_.clear(); }

 private:
  __extension__ using Wide = __int128;

  struct Seen {
    std::int64_t time = 0;
    std::int64_t came = 0;
  };

  [[nodiscard]] Wide end_of_granule(std::int64_t time) const {
    const Wide granularity = shape_.granularity;
    Wide into = time % granularity;
    if (into < 0) into += granularity;
    return time - into + granularity - 1;
  }
  // The definition, and beside it the two promises it must keep.
  [[nodiscard]] bool is_in_window(std::int64_t seen, std::int64_t latest) const {
    const bool in_window = latest - end_of_granule(seen) < shape_.window;
    const Wide age = Wide{latest} - seen;
    if (age < shape_.window && !in_window) throw std::logic_error("shorter than the window");
    if (age >= Wide{shape_.window} + shape_.granularity && in_window)
      throw std::logic_error("longer than the granularity allows");
    return in_window;
  }
  [[nodiscard]] bool is_stale(std::int64_t time, std::int64_t latest) const {
    return shape_.by_event && Wide{latest} - time >= shape_.window;
  }

  WindowShape shape_;
  std::unordered_map<Key, Seen> seen_;
  std::int64_t latest_ = 0;
  bool started_ = false;
};

}  // namespace idem_test
