#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "memory/sets.hpp"
#include "support/ids.hpp"
#include "support/oracle.hpp"
#include "support/random.hpp"

namespace idem_test {

// What to draw from and how much room to give. A budget is counted in ids that must fit.
struct Scenario {
  Universe universe;
  std::size_t keys;
  std::size_t budget_in_ids;  // 0: unlimited
  std::size_t expected_keys;
};

// One set and its oracle, taken through the same random operations. Every answer is compared; a
// wrong one ends the test with the number of the step.
template <class Set>
class Differential {
  using Id = typename Set::Stored;
  using Options = typename Set::Options;

 public:
  Differential(const Scenario& scenario, std::uint64_t seed, idem::Seed set_seed)
      : rng_(seed),
        budget_(scenario.budget_in_ids == 0
                    ? idem::ByteSize::unlimited()
                    : idem::bytes(sizeof(Set) + 4 * id_bytes<Set> * scenario.budget_in_ids)),
        options_{.budget = budget_, .expected_keys = scenario.expected_keys, .seed = set_seed},
        set_(options_),
        universe_(make_universe(set_, scenario.universe, scenario.keys)),
        oracle_(scenario.keys),
        most_rooms_(std::max<std::size_t>(20, scenario.keys / 20)) {}

  void run(std::uint64_t operations) {
    const std::uint64_t phase = 6 * universe_.size() + 50;
    for (steps_ = 0; steps_ < operations; ++steps_) {
      growing_ = steps_ / phase % 2 == 0;
      step();
      if (set_.size() != oracle_.size()) fail("size()");
      most_remembered_ = std::max(most_remembered_, set_.size());
      if (set_.memory_bytes() > budget_.count()) fail("more bytes than the budget");
    }
    compare(set_);
  }

  [[nodiscard]] bool saw_full() const { return saw_full_; }
  [[nodiscard]] std::size_t most_remembered() const { return most_remembered_; }
  // A bit for each kind of rare operation that came up.
  [[nodiscard]] unsigned rare_seen() const { return rare_seen_; }
  static constexpr unsigned rare_kinds = 9;

 private:
  void step() {
    const std::uint64_t roll = rng_.below(1'000);
    const std::uint64_t inserts = growing_ ? 500 : 120;
    const std::uint64_t forgets = growing_ ? 100 : 480;
    if (roll < inserts) {
      insert_one();
    } else if (roll < inserts + forgets) {
      forget_one();
    } else if (roll < 900) {
      check_one();
    } else if (roll < 950) {
      insert_batch();
    } else if (roll < 998) {
      move_room();
    } else if (rng_.one_in(1 + universe_.size() / 500)) {
      rare();
    }
  }

  // A third of the draws fall on one percent of the ids.
  std::size_t draw() {
    const std::size_t n = universe_.size();
    return rng_.one_in(3) ? rng_.below(n / 100 + 1) : rng_.below(n);
  }

  void judge(std::size_t index, idem::Verdict verdict) {
    const idem::Verdict expected = oracle_.check(index);
    if (verdict == idem::Verdict::full && expected == idem::Verdict::fresh) {
      judge_full();
    } else if (verdict != expected) {
      fail("insert");
    } else if (verdict == idem::Verdict::fresh) {
      (void)oracle_.insert(index);
    }
  }
  void judge_full() {
    saw_full_ = true;
    if (budget_ == idem::ByteSize::unlimited()) fail("full without a budget");
    if (oracle_.size() + rooms_.size() < ids_that_must_fit<Set>(budget_.count()))
      fail("full too early");
  }

  void insert_one() {
    const std::size_t index = draw();
    judge(index, rng_.one_in(2) ? set_.insert(universe_[index])
                                : set_.insert(universe_[index], some_time));
  }

  void insert_batch() {
    const std::size_t count = rng_.one_in(20) ? rng_.below(600) : rng_.below(40);
    const bool narrow = rng_.one_in(2);
    const std::size_t first = draw();
    indices_.clear();
    ids_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t index =
          narrow ? (first + rng_.below(count / 2 + 1)) % universe_.size() : draw();
      indices_.push_back(index);
      ids_.push_back(universe_[index]);
    }
    verdicts_.assign(count, idem::Verdict::poisoned);
    if (rng_.one_in(2)) {
      set_.insert(ids_, verdicts_);
    } else {
      set_.insert(ids_, some_time, verdicts_);
    }
    bool full = false;
    for (std::size_t i = 0; i < count; ++i) {
      if (full && verdicts_[i] == idem::Verdict::fresh) fail("fresh after full in one batch");
      full = full || verdicts_[i] == idem::Verdict::full;
      judge(indices_[i], verdicts_[i]);
    }
    steps_ += count;
  }

  void check_one() {
    const std::size_t index = draw();
    if (set_.check(universe_[index]) != oracle_.check(index)) fail("check");
  }

  void forget_one() {
    const std::size_t index = draw();
    if (set_.forget(universe_[index]) != oracle_.forget(index)) fail("forget");
  }

  // Room for keys to come is taken, given back, or used.
  void move_room() {
    if (rooms_.size() < most_rooms_ && rng_.one_in(2)) {
      const std::size_t index = draw();
      if (set_.reserve_one(universe_[index])) {
        rooms_.push_back(index);
      } else {
        judge_full();
      }
    } else if (!rooms_.empty()) {
      std::swap(rooms_[rng_.below(rooms_.size())], rooms_.back());
      const std::size_t index = rooms_.back();
      rooms_.pop_back();
      if (oracle_.check(index) == idem::Verdict::duplicate || rng_.one_in(3)) {
        set_.release_one(universe_[index]);
      } else {
        Id id = universe_[index];
        set_.record(std::move(id), some_time);
        (void)oracle_.insert(index);
      }
    }
  }

  void rare() {
    const std::uint64_t which = rng_.below(rare_kinds);
    rare_seen_ |= 1U << which;
    switch (which) {
      case 0:
        set_.clear();
        oracle_.clear();
        break;
      case 1: {
        const Set copy(set_);
        compare(copy);
        break;
      }
      case 2:
        if (rooms_.empty()) {
          const Set copy(set_);
          set_ = Set(options_);
          set_ = copy;
        }
        break;
      case 3: {
        Set moved(std::move(set_));
        set_ = std::move(moved);
        break;
      }
      case 4: {
        const Set& same = set_;
        if (rooms_.empty()) set_ = same;
        break;
      }
      case 5:
        try {
          set_.reserve(rng_.below(2 * universe_.size()));
        } catch (const std::invalid_argument&) {
          if (budget_ == idem::ByteSize::unlimited()) fail("reserve refused without a budget");
        }
        break;
      case 6:
        if (rooms_.empty()) {
          Set other(options_);
          std::swap(other, set_);
          compare(other);
          set_ = std::move(other);
        }
        break;
      case 7:
        merge();
        break;
      default:
        compare(set_);
    }
  }

  // With a set of its own that shares about half of its ids.
  void merge() {
    if constexpr (requires(Set & set) { set.merge(set); }) {
      Set other(options_);
      std::vector<std::size_t> drawn;
      for (std::uint64_t i = rng_.below(universe_.size() + 1) / 4; i > 0; --i) {
        const std::size_t index = draw();
        if (other.insert(universe_[index]) == idem::Verdict::fresh) drawn.push_back(index);
      }
      const idem::Verdict verdict = set_.merge(other);
      if (verdict == idem::Verdict::full) {
        judge_full();
      } else if (verdict == idem::Verdict::fresh) {
        for (const std::size_t index : drawn) (void)oracle_.insert(index);
      } else {
        fail("merge");
      }
      compare(set_);
      if (other.size() != drawn.size()) fail("merge changed what it read");
    }
  }

  void compare(const Set& set) {
    if (!same_contents(set, universe_, oracle_)) fail("contents");
  }

  [[noreturn]] void fail(const char* what) {
    CAPTURE(steps_);
    CAPTURE(oracle_.size());
    FAIL("differs from the oracle: ", std::string(what));
    throw std::logic_error(what);
  }

  Rng rng_;
  idem::ByteSize budget_;
  Options options_;
  Set set_;
  std::vector<Id> universe_;
  BitmapOracle oracle_;
  std::vector<std::size_t> rooms_;
  std::size_t most_rooms_;
  std::vector<std::size_t> indices_;
  std::vector<Id> ids_;
  std::vector<idem::Verdict> verdicts_;
  std::uint64_t steps_ = 0;
  bool growing_ = true;
  bool saw_full_ = false;
  std::size_t most_remembered_ = 0;
  unsigned rare_seen_ = 0;
};

}  // namespace idem_test
