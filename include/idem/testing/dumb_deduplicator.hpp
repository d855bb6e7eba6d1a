#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/dedup/claim.hpp>
#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::testing {

// What Deduplicator<Key, Policy<Claims>> answers, written with the standard containers and nothing
// of the machinery it is compared with: slow and plain on purpose, so that it can be checked by
// reading. A test gives it and the real one the same calls and wants the same verdicts, tokens and
// attempts.
//
// Guarantee   the verdicts of Deduplicator over an exact memory without a budget: `full` comes from
//             max_in_flight alone. Key needs operator< and operator==.
// Memory      unbounded.
// Threads     one at a time. Fork is not noticed.
// Lifetime    neither copied nor moved: its claims point at it. They must end before it does.
// Errors      none of its options are checked; throws std::bad_alloc.
// Example     docs/guarantees.md
template <class K>
class DumbDeduplicator {
 public:
  using Key = K;
  using Claim = idem::Claim<DumbDeduplicator>;
  struct Options {
    ClaimOptions claims{};
  };

  DumbDeduplicator() : DumbDeduplicator(Options()) {}
  explicit DumbDeduplicator(const Options& options)
      : options_(options.claims), next_token_(options.claims.first_token) {}
  DumbDeduplicator(const DumbDeduplicator&) = delete;
  DumbDeduplicator& operator=(const DumbDeduplicator&) = delete;

  [[nodiscard]] static constexpr Action action(Verdict verdict) noexcept {
    return idem::action(verdict);
  }

  [[nodiscard]] Verdict check(const Key& key) const {
    if (open_.count(key) != 0) return Verdict::in_progress;
    if (is_poisoned(key)) return Verdict::poisoned;
    return done_.count(key) == 0 ? Verdict::fresh : Verdict::duplicate;
  }
  [[nodiscard]] Verdict check(const Key& key, At) const { return check(key); }

  Verdict insert(const Key& key) {
    const Verdict verdict = check(key);
    if (verdict != Verdict::fresh) return verdict;
    done_.insert(key);
    (void)forget_failures(key);
    return verdict;
  }
  Verdict insert(const Key& key, At) { return insert(key); }

  bool forget(const Key& key) {
    const bool remembered = done_.erase(key) == 1;
    return forget_failures(key) || remembered;
  }

  [[nodiscard]] Claim claim(const Key& key, At at) { return Claim(*this, grant(key, at.now)); }

  [[nodiscard]] static Claim no_claim(Verdict verdict) noexcept { return Claim(verdict); }

  [[nodiscard]] std::size_t claims_in_flight() const { return open_.size(); }
  [[nodiscard]] std::size_t size() const { return done_.size(); }

 private:
  friend Claim;

  // What a guard knows of its claim.
  struct Ticket {
    std::uint64_t token = 0;
    std::uint32_t attempt = 0;
    Verdict verdict = Verdict::unknown;
  };
  struct Open {
    std::uint64_t token = 0;
    std::uint32_t attempt = 0;
    Instant lease_end{};
  };
  struct Failed {
    Key key;
    std::uint32_t attempts;
  };

  Ticket grant(const Key& key, Instant now) {
    std::uint32_t attempts = 0;
    const auto open = open_.find(key);
    if (open != open_.end()) {
      if (!is_over(open->second.lease_end, now)) return {.verdict = Verdict::in_progress};
      attempts = open->second.attempt;
      if (attempts >= options_.max_attempts) {
        close_unfinished(key);
        return {.verdict = Verdict::poisoned};
      }
    } else {
      if (is_poisoned(key)) return {.verdict = Verdict::poisoned};
      if (done_.count(key) != 0) return {.verdict = Verdict::duplicate};
      if (open_.size() == options_.max_in_flight) return {.verdict = Verdict::full};
      attempts = failures_of(key);
      (void)forget_failures(key);
    }
    const Open granted{
        .token = next_token_++,
        .attempt = attempts + 1,
        .lease_end = options_.lease == Duration::max() ? Instant::max() : now + options_.lease};
    open_[key] = granted;
    return {.token = granted.token, .attempt = granted.attempt, .verdict = Verdict::fresh};
  }

  // The key whose claim has that token, or the end.
  [[nodiscard]] auto find(std::uint64_t token) const {
    auto open = open_.begin();
    while (open != open_.end() && open->second.token != token) ++open;
    return open;
  }

  // For the guards.
  [[nodiscard]] bool owns(const Ticket& ticket) const { return find(ticket.token) != open_.end(); }
  [[nodiscard]] Verdict commit_claim(const Ticket& ticket, At) {
    const auto open = find(ticket.token);
    if (open == open_.end()) return Verdict::fenced;
    done_.insert(open->first);
    open_.erase(open);
    return Verdict::fresh;
  }
  [[nodiscard]] Verdict renew_claim(const Ticket& ticket, Instant now) {
    const auto open = find(ticket.token);
    if (open == open_.end()) return Verdict::fenced;
    open_[open->first].lease_end =
        options_.lease == Duration::max() ? Instant::max() : now + options_.lease;
    return Verdict::fresh;
  }
  void abort_claim(const Ticket& ticket) {
    const auto open = find(ticket.token);
    if (open != open_.end()) close_unfinished(Key(open->first));
  }

  [[nodiscard]] bool is_over(Instant lease_end, Instant now) const {
    return lease_end != Instant::max() && now >= lease_end;
  }

  void close_unfinished(const Key& key) {
    if (options_.max_attempts != unlimited_attempts) {
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
      if (!(failed->key == key)) continue;
      failed_.erase(failed);
      return true;
    }
    return false;
  }
  [[nodiscard]] bool is_poisoned(const Key& key) const {
    return options_.max_attempts != unlimited_attempts && failures_of(key) >= options_.max_attempts;
  }

  ClaimOptions options_;
  std::uint64_t next_token_;
  std::map<Key, Open> open_;
  std::set<Key> done_;
  std::vector<Failed> failed_;  // the oldest failure first
};

}  // namespace idem::inline IDEM_ABI::testing
