#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>

// The dumb oracle: what the components should answer, written with the standard containers and
// nothing of idem but its vocabulary. Slow and plain on purpose, so that it can be checked by
// reading.

namespace idem_test {

// What an exact memory answers, apart from `full`, which depends on room and is judged by the test.
template <class Key>
class SetOracle {
 public:
  idem::Verdict insert(const Key& key) {
    return keys_.insert(key).second ? idem::Verdict::fresh : idem::Verdict::duplicate;
  }
  [[nodiscard]] idem::Verdict check(const Key& key) const {
    return keys_.count(key) == 0 ? idem::Verdict::fresh : idem::Verdict::duplicate;
  }
  bool forget(const Key& key) { return keys_.erase(key) == 1; }
  void clear() { keys_.clear(); }
  [[nodiscard]] std::size_t size() const { return keys_.size(); }

 private:
  std::set<Key> keys_;
};

// The same for keys that are known by an index: one flag each, so that millions of operations cost
// little.
class BitmapOracle {
 public:
  explicit BitmapOracle(std::size_t universe) : remembered_(universe, 0) {}

  idem::Verdict insert(std::size_t index) {
    if (remembered_[index] != 0) return idem::Verdict::duplicate;
    remembered_[index] = 1;
    ++size_;
    return idem::Verdict::fresh;
  }
  [[nodiscard]] idem::Verdict check(std::size_t index) const {
    return remembered_[index] != 0 ? idem::Verdict::duplicate : idem::Verdict::fresh;
  }
  bool forget(std::size_t index) {
    if (remembered_[index] == 0) return false;
    remembered_[index] = 0;
    --size_;
    return true;
  }
  void clear() {
    remembered_.assign(remembered_.size(), 0);
    size_ = 0;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t universe() const { return remembered_.size(); }

 private:
  std::vector<unsigned char> remembered_;
  std::size_t size_ = 0;
};

// What claims answer, apart from `full` for lack of memory, which is judged by the test.
template <class Key>
class ClaimOracle {
 public:
  struct Options {
    idem::Duration lease;
    std::size_t max_in_flight;
    std::uint64_t first_token;
    std::uint32_t max_attempts;  // 0: no limit
    std::size_t max_failed_keys;
  };
  struct Grant {
    idem::Verdict verdict;
    std::uint64_t token = 0;
    std::uint32_t attempt = 0;
    bool takeover = false;
  };

  explicit ClaimOracle(const Options& options)
      : options_(options), next_token_(options.first_token) {}

  Grant claim(const Key& key, idem::Instant now) {
    const auto open = open_.find(key);
    if (open != open_.end()) {
      if (!is_over(open->second.lease_end, now)) return {idem::Verdict::in_progress};
      if (options_.max_attempts != 0 && open->second.attempt >= options_.max_attempts) {
        close_unfinished(key);
        return {idem::Verdict::poisoned};
      }
      open->second.token = next_token_++;
      ++open->second.attempt;
      open->second.lease_end = now + options_.lease;
      return {idem::Verdict::fresh, open->second.token, open->second.attempt, true};
    }
    if (is_poisoned(key)) return {idem::Verdict::poisoned};
    if (done_.count(key) != 0) return {idem::Verdict::duplicate};
    if (open_.size() == options_.max_in_flight) return {idem::Verdict::full};
    failed_before_ = failed_;
    const Claimed claimed{next_token_++, failures_of(key) + 1, now + options_.lease};
    forget_failures(key);
    open_[key] = claimed;
    return {idem::Verdict::fresh, claimed.token, claimed.attempt};
  }
  // The claim just made was not granted after all, because memory was out.
  void undo_claim(const Key& key) {
    open_.erase(key);
    failed_ = failed_before_;
    --next_token_;
  }

  [[nodiscard]] bool holds(const Key& key, std::uint64_t token) const {
    const auto open = open_.find(key);
    return open != open_.end() && open->second.token == token;
  }
  idem::Verdict commit(const Key& key, std::uint64_t token) {
    if (!holds(key, token)) return idem::Verdict::fenced;
    open_.erase(key);
    done_.insert(key);
    return idem::Verdict::fresh;
  }
  void abort(const Key& key, std::uint64_t token) {
    if (holds(key, token)) close_unfinished(key);
  }
  idem::Verdict renew(const Key& key, std::uint64_t token, idem::Instant now) {
    if (!holds(key, token)) return idem::Verdict::fenced;
    open_[key].lease_end = now + options_.lease;
    return idem::Verdict::fresh;
  }

  [[nodiscard]] idem::Verdict check(const Key& key) const {
    if (open_.count(key) != 0) return idem::Verdict::in_progress;
    if (is_poisoned(key)) return idem::Verdict::poisoned;
    return done_.count(key) == 0 ? idem::Verdict::fresh : idem::Verdict::duplicate;
  }
  idem::Verdict insert(const Key& key) {
    const idem::Verdict verdict = check(key);
    if (verdict == idem::Verdict::fresh) {
      done_.insert(key);
      forget_failures(key);
    }
    return verdict;
  }
  bool forget(const Key& key) {
    const bool remembered = done_.erase(key) == 1;
    return forget_failures(key) || remembered;
  }

  [[nodiscard]] std::size_t in_flight() const { return open_.size(); }
  [[nodiscard]] std::size_t remembered() const { return done_.size(); }

 private:
  struct Claimed {
    std::uint64_t token = 0;
    std::uint32_t attempt = 0;
    idem::Instant lease_end;
  };
  struct Failed {
    Key key;
    std::uint32_t attempts;
  };

  // A lease without end, or one that would end after the end of time, never does.
  [[nodiscard]] bool is_over(idem::Instant lease_end, idem::Instant now) const {
    return options_.lease != idem::Duration::max() && lease_end != idem::Instant::max() &&
           now >= lease_end;
  }

  void close_unfinished(const Key& key) {
    if (options_.max_attempts != 0) {
      if (failed_.size() == options_.max_failed_keys) failed_.erase(failed_.begin());
      failed_.push_back({key, open_[key].attempt});
    }
    open_.erase(key);
  }
  [[nodiscard]] std::uint32_t failures_of(const Key& key) const {
    for (const Failed& failed : failed_) {
      if (failed.key == key) return failed.attempts;
    }
    return 0;
  }
  bool forget_failures(const Key& key) {
    for (auto failed = failed_.begin(); failed != failed_.end(); ++failed) {
      if (failed->key != key) continue;
      failed_.erase(failed);
      return true;
    }
    return false;
  }
  [[nodiscard]] bool is_poisoned(const Key& key) const {
    return options_.max_attempts != 0 && failures_of(key) >= options_.max_attempts;
  }

  Options options_;
  std::uint64_t next_token_;
  std::map<Key, Claimed> open_;
  std::set<Key> done_;
  std::vector<Failed> failed_;  // the oldest failure first
  std::vector<Failed> failed_before_;
};

}  // namespace idem_test
