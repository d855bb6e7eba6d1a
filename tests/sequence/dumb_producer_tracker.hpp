#pragma once

// The rules of a producer tracker written down the slow way: numbers are enumerated, everything is
// a map or a deque, nothing is shared with the library but the verdicts. What the real one is
// compared with.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <idem/core/verdict.hpp>

namespace idem_test {

struct DumbBatch {
  std::int64_t id = 1;
  int epoch = 0;
  std::int64_t first = -1;
  std::int64_t last = -1;
  std::int64_t time = -1;
  char origin = 'C';  // C client, R replication, K coordinator
};

struct DumbAnswer {
  idem::Verdict verdict = idem::Verdict::unknown;
  std::string reason = "none";
  int epoch = -1;
  std::int64_t expected = -1;
  std::int64_t first_offset = -1;
  std::int64_t last_offset = -1;
  std::int64_t time = -1;
  std::int64_t fresh_first = -1;
  std::int64_t fresh_last = -1;

  bool operator==(const DumbAnswer&) const = default;
};

struct DumbMarker {
  std::int64_t id = 1;
  int epoch = 0;
  int coordinator = 0;
  char origin = 'K';
  bool must_rise = false;
  bool transaction_open = false;
  bool empty = false;
  std::int64_t time = -1;
};

enum class DumbUnknown { any, zero, zero_if_empty };

struct DumbOptions {
  std::int64_t modulus = std::int64_t{1} << 31;  // 0: numbers do not wrap
  std::size_t depth = 5;
  DumbUnknown unknown = DumbUnknown::any;
  std::size_t max_producers = 1'000'000;
  bool refuse = false;
  std::int64_t expire_after = -1;  // in the caller's clock; -1: never
  std::size_t max_claims = 1'000'000;
};

class DumbProducerTracker {
 public:
  using V = idem::Verdict;

  explicit DumbProducerTracker(DumbOptions options = {}) : options_(options) {}

  struct Stored {
    std::int64_t first, last, first_offset, last_offset, time;
    bool operator==(const Stored&) const = default;
  };
  struct Entry {
    int epoch = -1;
    int coordinator = -1;
    std::deque<Stored> batches;
    bool lost = false;
    bool for_claim = false;
    std::int64_t active = 0;
    bool operator==(const Entry&) const = default;
  };
  struct Pending {
    std::uint64_t number;
    DumbBatch batch;
    bool unknown_history;
  };

  const std::map<std::int64_t, Entry>& entries() const { return entries_; }
  std::int64_t end() const { return end_; }
  void set_end(std::int64_t end) { end_ = end; }
  std::uint64_t evicted() const { return evicted_; }
  std::uint64_t expired() const { return expired_; }
  std::size_t open() const { return pending_.size(); }

  DumbAnswer judge(const DumbBatch& b) const {
    if (const std::string fault = fault_of(b); !fault.empty()) return say(V::poisoned, fault);
    if (b.id == -1) return say(V::fresh, "unchecked");
    const auto found = entries_.find(b.id);
    if (b.origin != 'C') {
      const int epoch = found == entries_.end() ? -1 : found->second.epoch;
      if (b.origin == 'K' && b.epoch < epoch) return say(V::fenced, "old_epoch", epoch);
      if (b.origin == 'K' && !claims_of(b.id).empty() &&
          b.epoch < claims_of(b.id).back().batch.epoch) {
        return say(V::in_progress, "in_flight", epoch);
      }
      return say(V::fresh, "unchecked", epoch);
    }
    if (found == entries_.end()) return unknown_producer(b);
    const Entry& entry = found->second;
    const auto mine = claims_of(b.id);
    if (mine.empty()) return settled(b, entry);

    if (b.epoch < entry.epoch) return say(V::fenced, "old_epoch", entry.epoch);
    if (b.epoch == entry.epoch) {
      for (const Stored& stored : entry.batches) {
        if (same(stored, b)) return duplicate(stored, entry);
      }
    }
    const int tail_epoch = mine.back().batch.epoch;
    if (b.epoch < tail_epoch) return say(V::in_progress, "in_flight", entry.epoch);
    if (b.epoch > tail_epoch) {
      if (b.first == 0) return say(V::fresh, "new_epoch", entry.epoch, 0);
      if (entry.epoch < 0) return say(V::in_progress, "in_flight", entry.epoch, 0);
      return say(V::gap, "ahead", entry.epoch, 0);
    }
    const std::int64_t expected = after(mine.back().batch.last);
    for (const Pending& p : mine) {
      if (p.batch.epoch == b.epoch && p.batch.first == b.first && p.batch.last == b.last) {
        return say(V::in_progress, "in_flight", entry.epoch, expected);
      }
    }
    if (b.first == expected) return say(V::fresh, "next", entry.epoch, expected);
    if (mine.back().batch.last < 0 || !behind(b.first, expected)) {
      return say(V::gap, "ahead", entry.epoch, expected);
    }
    // All of it in order before what is in flight: only then does the settled state decide.
    const Pending* front = nullptr;
    for (const Pending& p : mine) {
      if (p.batch.epoch == b.epoch) {
        front = &p;
        break;
      }
    }
    const bool decided = entry.epoch == b.epoch && !entry.batches.empty() &&
                         entry.batches.back().last >= 0 && front->batch.first >= 0 &&
                         after(entry.batches.back().last) == front->batch.first &&
                         behind(b.first, front->batch.first) && behind(b.last, front->batch.first);
    if (!decided) return say(V::in_progress, "in_flight", entry.epoch, expected);
    return settled(b, entry);
  }

  DumbAnswer append(const DumbBatch& b, std::int64_t first_offset, std::int64_t last_offset,
                    std::int64_t now) {
    DumbAnswer answer = judge(b);
    if (answer.verdict != V::fresh) return answer;
    if (!offsets_fit(b, first_offset, last_offset)) return say(V::poisoned, "bad_offsets");
    if (b.id >= 0) {
      const auto mine = claims_of(b.id);
      if (!mine.empty() && b.origin == 'C' && mine.back().batch.epoch == b.epoch) {
        return say(V::in_progress, "in_flight", entries_[b.id].epoch, answer.expected);
      }
      if (!make_room(b.id)) return say(V::full, "too_many_producers");
      drop_claims(b.id,
                  [&](const Pending& p) { return b.origin == 'R' || p.batch.epoch < b.epoch; });
      write(b, first_offset, last_offset, now);
    }
    end_ = std::max(end_, last_offset + 1);
    upkeep(now);
    return answer;
  }

  DumbAnswer claim(const DumbBatch& b, std::uint64_t& number) {
    number = 0;
    DumbAnswer answer = judge(b);
    if (answer.verdict == V::poisoned || b.id < 0) return answer;
    if (b.origin == 'R') return say(V::poisoned, "bad_origin");
    if (answer.verdict != V::fresh) return answer;
    if (claims_of(b.id).size() >= options_.depth) return say(V::full, "too_many_in_flight");
    if (pending_.size() >= options_.max_claims) return say(V::full, "too_many_in_flight");
    const bool was_there = entries_.count(b.id) != 0;
    if (!make_room(b.id)) return say(V::full, "too_many_producers");
    if (!was_there) entries_[b.id].for_claim = true;
    order_.remove(b.id);
    number = ++numbers_;
    pending_.push_back({number, b, answer.reason == "unknown_history"});
    return answer;
  }

  DumbAnswer commit(std::uint64_t number, std::int64_t first_offset, std::int64_t last_offset,
                    std::int64_t now) {
    const auto at = std::find_if(pending_.begin(), pending_.end(),
                                 [&](const Pending& p) { return p.number == number; });
    if (at == pending_.end()) return say(V::fenced, "revoked");
    const Pending claim = *at;
    for (const Pending& p : pending_) {
      if (p.number == number) break;
      if (p.batch.id == claim.batch.id && p.batch.epoch == claim.batch.epoch) {
        return say(V::gap, "ahead", entries_[p.batch.id].epoch, p.batch.first);
      }
    }
    if (!offsets_fit(claim.batch, first_offset, last_offset)) {
      return say(V::poisoned, "bad_offsets");
    }
    pending_.erase(at);
    drop_claims(claim.batch.id,
                [&](const Pending& p) { return p.batch.epoch < claim.batch.epoch; });
    write(claim.batch, first_offset, last_offset, now);
    end_ = std::max(end_, last_offset + 1);
    upkeep(now);
    return say(V::fresh, claim.unknown_history ? "unknown_history" : "next", claim.batch.epoch,
               after(claim.batch.last));
  }

  bool abort(std::uint64_t number) {
    const auto at = std::find_if(pending_.begin(), pending_.end(),
                                 [&](const Pending& p) { return p.number == number; });
    if (at == pending_.end()) return false;
    const DumbBatch b = at->batch;
    drop_claims(b.id,
                [&](const Pending& p) { return p.number >= number && p.batch.epoch == b.epoch; });
    settle(b.id);
    return true;
  }

  DumbAnswer mark(const DumbMarker& m, std::int64_t now) {
    if (m.id < 0) return say(V::poisoned, "bad_producer_id");
    if (m.origin == 'C') return say(V::poisoned, "bad_origin");
    const bool known = entries_.count(m.id) != 0;
    const int epoch = known ? entries_[m.id].epoch : -1;
    if (!m.empty) {
      if (m.epoch < 0 || m.epoch > 32767 || m.coordinator < 0) return say(V::poisoned, "bad_epoch");
      if (known && m.origin != 'R') {
        if (m.epoch < epoch) return say(V::fenced, "old_epoch", epoch);
        if (m.must_rise && m.epoch == epoch && m.epoch != 32767) {
          if (m.transaction_open) return say(V::fenced, "old_epoch", epoch);
          return say(V::duplicate, "marker_written", epoch);
        }
        if (m.coordinator < entries_[m.id].coordinator) {
          return say(V::fenced, "old_coordinator", epoch);
        }
      }
    }
    if (!make_room(m.id)) return say(V::full, "too_many_producers");
    Entry& entry = entries_[m.id];
    entry.for_claim = false;
    if (!m.empty) {
      if (entry.epoch != m.epoch) {
        drop_claims(m.id,
                    [&](const Pending& p) { return m.origin == 'R' || p.batch.epoch < m.epoch; });
        entry.epoch = m.epoch;
        entry.batches.clear();
        entry.lost = false;
      }
      entry.coordinator = m.coordinator;
    }
    if (!known || !m.empty) {
      entry.active = now;
      use(m.id);
    } else if (claims_of(m.id).empty()) {
      if (std::find(order_.begin(), order_.end(), m.id) == order_.end()) order_.push_back(m.id);
    }
    const DumbAnswer answer = say(V::fresh, "marker", entry.epoch, expected_of(entry));
    upkeep(now);
    return answer;
  }

  void expire(std::int64_t now, std::size_t limit) {
    while (limit != 0 && entries_.size() > options_.max_producers && !order_.empty()) {
      ++evicted_;
      forget_oldest();
      --limit;
    }
    if (options_.expire_after < 0) return;
    while (limit != 0 && !order_.empty() &&
           now - entries_[order_.front()].active >= options_.expire_after) {
      ++expired_;
      forget_oldest();
      --limit;
    }
  }

 private:
  static DumbAnswer say(V verdict, std::string reason, int epoch = -1, std::int64_t expected = -1) {
    DumbAnswer answer;
    answer.verdict = verdict;
    answer.reason = std::move(reason);
    answer.epoch = epoch;
    answer.expected = expected;
    return answer;
  }

  std::int64_t highest() const {
    return options_.modulus == 0 ? std::int64_t{0x7fffffffffffffff} : options_.modulus - 1;
  }
  // -1 where the numbers have run out.
  std::int64_t after(std::int64_t n) const {
    if (n != highest()) return n + 1;
    return options_.modulus == 0 ? -1 : 0;
  }
  std::vector<std::int64_t> numbers(std::int64_t first, std::int64_t last) const {
    std::vector<std::int64_t> all{first};
    while (all.back() != last) all.push_back(after(all.back()));
    return all;
  }
  // Whether n comes before `expected`: the way back is not longer than the way forward.
  bool behind(std::int64_t n, std::int64_t expected) const {
    if (options_.modulus == 0) return expected == -1 || n < expected;
    const std::int64_t forward =
        ((n - expected) % options_.modulus + options_.modulus) % options_.modulus;
    return forward >= options_.modulus - forward && forward != 0;
  }
  static bool same(const Stored& stored, const DumbBatch& b) {
    return stored.first == b.first && stored.last == b.last;
  }

  std::string fault_of(const DumbBatch& b) const {
    if (b.id < -1) return "bad_producer_id";
    if (b.id == -1) return "";
    if (b.epoch < 0 || b.epoch > 32767) return "bad_epoch";
    if (b.first == -1 && b.last == -1 && b.origin != 'C') return "";
    if (b.first < 0 || b.last < 0 || b.first > highest() || b.last > highest()) {
      return "bad_sequence";
    }
    if (options_.modulus == 0) return b.last < b.first ? "bad_range" : "";
    const std::int64_t steps = (b.last - b.first + options_.modulus) % options_.modulus;
    return steps + 1 > options_.modulus / 2 ? "bad_range" : "";
  }

  bool offsets_fit(const DumbBatch& b, std::int64_t first, std::int64_t last) const {
    if (first < 0 || last < first || last == std::int64_t{0x7fffffffffffffff}) return false;
    if (b.id < 0 || b.first < 0) return last - first <= 0x7fffffff || options_.modulus == 0;
    const std::int64_t steps = options_.modulus == 0
                                   ? b.last - b.first
                                   : (b.last - b.first + options_.modulus) % options_.modulus;
    return last - first == steps;
  }

  std::int64_t expected_of(const Entry& entry) const {
    return entry.batches.empty() ? 0 : after(entry.batches.back().last);
  }

  DumbAnswer duplicate(const Stored& stored, const Entry& entry) const {
    DumbAnswer answer = say(V::duplicate, "repeated", entry.epoch, expected_of(entry));
    answer.first_offset = stored.first_offset;
    answer.last_offset = stored.last_offset;
    answer.time = stored.time;
    return answer;
  }

  DumbAnswer unknown_producer(const DumbBatch& b) const {
    if (b.first == 0) return say(V::fresh, "new_producer", -1, 0);
    if (options_.unknown == DumbUnknown::zero) return say(V::unknown, "lost_state", -1, 0);
    if (options_.unknown == DumbUnknown::zero_if_empty && end_ == 0) {
      return say(V::gap, "ahead", -1, 0);
    }
    return say(V::fresh, "unknown_history", -1, b.first);
  }

  DumbAnswer settled(const DumbBatch& b, const Entry& entry) const {
    // Exact repeats first, whatever else the numbers would say.
    if (b.epoch == entry.epoch) {
      for (const Stored& stored : entry.batches) {
        if (same(stored, b)) return duplicate(stored, entry);
      }
    }
    if (entry.epoch == -1) return unknown_producer(b);
    if (b.epoch < entry.epoch) return say(V::fenced, "old_epoch", entry.epoch);
    if (b.epoch > entry.epoch) {
      return b.first == 0 ? say(V::fresh, "new_epoch", entry.epoch, 0)
                          : say(V::gap, "ahead", entry.epoch, 0);
    }
    const std::int64_t expected = expected_of(entry);
    if (b.first == expected) return say(V::fresh, "next", entry.epoch, expected);
    const bool has_newest = !entry.batches.empty() && entry.batches.back().last >= 0;
    if (!has_newest || !behind(b.first, expected)) {
      return say(V::gap, "ahead", entry.epoch, expected);
    }
    std::set<std::int64_t> recorded;
    for (const Stored& stored : entry.batches) {
      if (stored.last < 0) continue;
      for (const std::int64_t n : numbers(stored.first, stored.last)) recorded.insert(n);
    }
    DumbAnswer answer = say(V::overlap, "regrouped", entry.epoch, expected);
    bool all_recorded = true;
    for (const std::int64_t n : numbers(b.first, b.last)) {
      if (n == expected) {
        answer.reason = "partly_seen";
        answer.fresh_first = expected;
        answer.fresh_last = b.last;
        break;
      }
      all_recorded = all_recorded && recorded.count(n) != 0;
    }
    if (!all_recorded) {
      answer.verdict = entry.lost ? V::unknown : V::stale;
      answer.reason = entry.lost ? "lost_state" : "older_than_look_back";
    }
    return answer;
  }

  std::vector<Pending> claims_of(std::int64_t id) const {
    std::vector<Pending> mine;
    for (const Pending& p : pending_) {
      if (p.batch.id == id) mine.push_back(p);
    }
    return mine;
  }
  template <class Which>
  void drop_claims(std::int64_t id, Which which) {
    pending_.erase(std::remove_if(pending_.begin(), pending_.end(),
                                  [&](const Pending& p) { return p.batch.id == id && which(p); }),
                   pending_.end());
  }
  void settle(std::int64_t id) {
    if (!claims_of(id).empty()) return;
    if (entries_[id].for_claim) {
      entries_.erase(id);
      order_.remove(id);
    } else if (std::find(order_.begin(), order_.end(), id) == order_.end()) {
      order_.push_back(id);
    }
  }

  bool make_room(std::int64_t id) {
    if (entries_.count(id) != 0) return true;
    if (entries_.size() >= options_.max_producers) {
      if (options_.refuse || order_.empty()) return false;
      ++evicted_;
      forget_oldest();
    }
    entries_[id] = {};
    return true;
  }
  void forget_oldest() {
    entries_.erase(order_.front());
    order_.pop_front();
  }
  void use(std::int64_t id) {
    order_.remove(id);
    if (claims_of(id).empty()) order_.push_back(id);
  }

  void write(const DumbBatch& b, std::int64_t first_offset, std::int64_t last_offset,
             std::int64_t now) {
    Entry& entry = entries_[b.id];
    if (entry.epoch != b.epoch) {
      entry.batches.clear();
      entry.lost = false;
    }
    entry.epoch = b.epoch;
    entry.for_claim = false;
    if (entry.batches.empty()) entry.lost = b.first > 0;
    entry.batches.push_back({b.first, b.last, first_offset, last_offset, b.time});
    if (entry.batches.size() > options_.depth) {
      entry.batches.pop_front();
      entry.lost = false;
    }
    entry.active = now;
    use(b.id);
  }

  void upkeep(std::int64_t now) { expire(now, 2); }

  DumbOptions options_;
  std::map<std::int64_t, Entry> entries_;
  std::list<std::int64_t> order_;  // least recently active first; those with claims are not in it
  std::vector<Pending> pending_;
  std::uint64_t numbers_ = 0;
  std::int64_t end_ = 0;
  std::uint64_t evicted_ = 0;
  std::uint64_t expired_ = 0;
};

}  // namespace idem_test
