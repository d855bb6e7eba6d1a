#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <idem/core/bytes.hpp>
#include <idem/core/hash.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/dedup/claim.hpp>
#include <idem/testing/dumb_deduplicator.hpp>

#include "support/ids.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"

namespace idem_test {

using idem::At;
using idem::Duration;
using idem::Instant;
using idem::Verdict;

// Every third text is too long to be stored inside its string.
template <class Key>
Key make_key(std::uint64_t index) {
  if constexpr (std::is_same_v<Key, std::string>) {
    return std::string(index % 3 == 0 ? 20 : 1, '-') + std::to_string(index);
  } else {
    return index == 0 ? id_of<Key>(0, 0) : spread_id<Key>(index);
  }
}

inline constexpr std::int64_t end_of_time = std::numeric_limits<std::int64_t>::max();

struct ClaimsScenario {
  std::size_t keys;
  std::size_t max_in_flight;
  std::int64_t lease;
  std::uint64_t budget;  // of the memory; 0: unlimited
  std::int64_t start;    // of the clock
  std::uint64_t first_token;
  std::uint32_t max_attempts = 0;  // 0: no limit
  std::size_t max_failed_keys = 8;
};

inline constexpr ClaimsScenario claims_scenarios[] = {
    {1, 4, 10, 0, 0, 1},
    {5, 3, 10, 0, 1'000'000'000'000'000'000, 1},
    {40, 8, 100, 0, -500, 1'000'000},
    {2'000, 64, 1'000, 0, 0, 1},
    {60, 30, 50, 1'100, 0, 1},
    {400, 16, 1, 3'400, -end_of_time, 1},
    {30, 20, 100, 0, end_of_time - 50'000, 1},
    {25, 10, end_of_time, 0, -1'000'000'000, std::uint64_t{1} << 62},
    {5, 3, 10, 0, 0, 1, 1, 2},
    {40, 8, 30, 0, 0, 1, 3, 20},
    {60, 30, 20, 1'100, 0, 1, 2, 12},
};

// How much room a memory needs: the budgets of the scenarios are for `scale` times the bytes, and
// no key may be refused before `per_key` bytes for each, beyond the first `fixed`.
struct Room {
  std::uint64_t scale = 1;
  std::uint64_t fixed = 550;
  std::uint64_t per_key = 64;
};

// Claims under random interleavings of claim, commit, abort, destruction, moves, renewal, expiry,
// takeover, one-shot inserts and forgetting, against the oracle: whatever happens to a claim happens
// to that of the oracle too.
template <class Dedup>
class ClaimsDifferential {
  using Key = typename Dedup::Key;
  using Guard = typename Dedup::Claim;
  using Oracle = idem::testing::DumbDeduplicator<Key>;

 public:
  ClaimsDifferential(const ClaimsScenario& scenario, const Room& room, std::uint64_t seed)
      : scenario_(scenario),
        room_(room),
        budget_(scenario.budget * room.scale),
        rng_(seed),
        dedup_({.memory = {.budget = scenario.budget == 0 ? idem::ByteSize::unlimited()
                                                          : idem::bytes(budget_),
                           .seed = idem::Seed{seed, 7}},
                .claims = claim_options(scenario)}),
        oracle_({.claims = claim_options(scenario)}),
        now_(scenario.start),
        fixed_bytes_(dedup_.memory_bytes() - dedup_.memory().memory_bytes()) {
    for (std::uint64_t i = 0; i < scenario.keys; ++i) keys_.push_back(make_key<Key>(i));
  }

  void run(std::uint64_t steps) {
    for (step_ = 0; step_ < steps; ++step_) {
      tick();
      step();
      if (dedup_.claims_in_flight() != oracle_.claims_in_flight()) fail("claims_in_flight()");
      if (dedup_.memory().size() != oracle_.size()) fail("memory().size()");
      if (dedup_.memory_bytes() != fixed_bytes_ + dedup_.memory().memory_bytes())
        fail("claims took memory of their own");
      if (scenario_.budget != 0 && dedup_.memory().memory_bytes() > budget_)
        fail("more bytes than the budget");
    }
    while (!held_.empty()) end_one();
    if (dedup_.claims_in_flight() != 0) fail("a claim is left");
    for (std::size_t i = 0; i < keys_.size(); ++i) check(i);
  }

  // What came up, so that a test in which nothing happened does not pass.
  struct Seen {
    std::uint64_t fresh = 0, duplicate = 0, in_progress = 0, full = 0, takeovers = 0, fenced = 0,
                  late_commits = 0, renewals = 0, out_of_memory = 0, backwards = 0, forgotten = 0,
                  at_end_of_time = 0, poisoned = 0, retries = 0;
  };
  [[nodiscard]] const Seen& seen() const { return seen_; }

 private:
  struct Held {
    Guard guard;
    typename Oracle::Claim expected;
    bool ended = false;  // by commit or abort
  };

  [[nodiscard]] static idem::ClaimOptions claim_options(const ClaimsScenario& scenario) {
    return {.lease = Duration::nanoseconds(scenario.lease),
            .max_in_flight = scenario.max_in_flight,
            .max_attempts =
                scenario.max_attempts == 0 ? idem::unlimited_attempts : scenario.max_attempts,
            .max_failed_keys = scenario.max_failed_keys,
            .first_token = scenario.first_token};
  }

  [[nodiscard]] Instant now() const { return Instant::at(Duration::nanoseconds(now_)); }

  // Mostly stands still or creeps; now and then goes backwards, or past a lease at once.
  void tick() {
    const std::uint64_t roll = rng_.below(100);
    std::int64_t delta = 0;
    if (roll < 40) {
      delta = static_cast<std::int64_t>(rng_.below(4));
    } else if (roll == 40) {
      delta = -static_cast<std::int64_t>(rng_.below(40));
      ++seen_.backwards;
    } else if (roll == 45 && scenario_.lease == end_of_time) {
      delta = end_of_time / 1'000'000;
    } else if (roll < 47) {
      // To one side of a lease's end, or to the other, or onto it.
      delta = std::min<std::int64_t>(scenario_.lease, 100'000) - 1 +
              static_cast<std::int64_t>(rng_.below(3));
    }
    now_ = (Instant::at(Duration::nanoseconds(now_)) + Duration::nanoseconds(delta))
               .since_epoch()
               .count();
  }

  void step() {
    const std::size_t key = rng_.below(keys_.size());
    const std::uint64_t roll = rng_.below(100);
    if (roll < 35) {
      claim(key);
    } else if (roll < 60) {
      end_one();
    } else if (roll < 65) {
      use_one();
    } else if (roll < 75) {
      check(key);
    } else if (roll < 90) {
      const bool forgotten = oracle_.forget(keys_[key]);
      if (dedup_.forget(keys_[key]) != forgotten) fail("forget");
      seen_.forgotten += forgotten ? 1 : 0;
    } else if (roll < 95) {
      judge_insert(key, rng_.one_in(2) ? dedup_.insert(keys_[key])
                                       : dedup_.insert(keys_[key], At{.now = now()}));
    } else if (roll < 97) {
      rng_.one_in(2) ? insert_batch() : claim_batch();
    } else {
      move_one();
    }
  }

  void claim(std::size_t key) { judge_claim(key, dedup_.claim(keys_[key], At{.now = now()})); }

  // Into guards of which some hold claims already: those are given back first.
  void claim_batch() {
    std::vector<std::size_t> indices;
    std::vector<Key> batch;
    for (std::uint64_t i = rng_.below(rng_.one_in(8) ? 90 : 20); i != 0; --i) {
      indices.push_back(rng_.below(keys_.size()));
      batch.push_back(keys_[indices.back()]);
    }
    std::vector<Guard> guards(batch.size());
    if (!guards.empty() && !held_.empty() && rng_.one_in(2)) {
      guards[rng_.below(guards.size())] = std::move(held_.back().guard);
      held_.pop_back();
    }
    dedup_.claim(batch, At{.now = now()}, guards);
    for (std::size_t i = 0; i < batch.size(); ++i) judge_claim(indices[i], std::move(guards[i]));
  }

  void judge_claim(std::size_t key, Guard guard) {
    const Verdict before = oracle_.check(keys_[key]);
    if (guard.verdict() == Verdict::full && before == Verdict::fresh &&
        oracle_.claims_in_flight() < scenario_.max_in_flight) {
      judge_out_of_memory();
      return;
    }
    auto expected = oracle_.claim(keys_[key], At{.now = now()});
    const Verdict verdict = expected.verdict();
    if (guard.verdict() != verdict) fail("verdict of claim");
    const bool fresh = verdict == Verdict::fresh;
    const bool takeover = fresh && before == Verdict::in_progress;
    if (guard.holds() != fresh) fail("holds() of a new claim");
    if (fresh && (guard.token() != expected.token() || guard.attempt() != expected.attempt()))
      fail("token or attempt");
    if (!fresh && guard.commit(now()) != Verdict::fenced) fail("commit without a claim");
    if (!fresh && guard.renew(now()) != Verdict::fenced) fail("renewal without a claim");
    if (guard.verdict() != verdict) fail("verdict after commit");
    seen_.fresh += fresh ? 1 : 0;
    seen_.duplicate += verdict == Verdict::duplicate ? 1 : 0;
    seen_.in_progress += verdict == Verdict::in_progress ? 1 : 0;
    seen_.full += verdict == Verdict::full ? 1 : 0;
    seen_.at_end_of_time += verdict == Verdict::in_progress && now() == Instant::max() ? 1U : 0U;
    seen_.takeovers += takeover ? 1 : 0;
    seen_.poisoned += verdict == Verdict::poisoned ? 1 : 0;
    seen_.retries += expected.attempt() > 1 && !takeover ? 1U : 0U;
    if (fresh) held_.push_back(Held{std::move(guard), std::move(expected)});
  }

  // Ends a random claim in one of the ways there are: commit, abort, destruction, assignment.
  void end_one() {
    if (held_.empty()) return;
    const std::size_t at = rng_.below(held_.size());
    Held& held = held_[at];
    switch (rng_.below(5)) {
      case 0:
      case 1: {
        const bool late = !held.ended && !held.expected.holds();
        const Verdict expected = held.expected.commit(now());
        const Verdict verdict =
            rng_.one_in(2) ? held.guard.commit(now()) : held.guard.commit(At{.now = now()});
        if (verdict != expected) fail("commit");
        seen_.fenced += expected == Verdict::fenced ? 1 : 0;
        seen_.late_commits += late ? 1 : 0;
        break;
      }
      case 2:
        held.expected.abort();
        held.guard.abort();
        break;
      case 3: {
        // Over an open claim: that one is given back, the other one goes on.
        const std::size_t other = rng_.below(held_.size());
        if (other == at) return;
        held.guard = std::move(held_[other].guard);
        held.expected = std::move(held_[other].expected);
        held.ended = held_[other].ended;
        drop(other);
        return;
      }
      default:
        drop(at);
        return;
    }
    if (held.guard.holds()) fail("holds() after the end");
    if (held.guard.renew(now()) != Verdict::fenced) fail("renewal after the end");
    if (held.guard.verdict() != Verdict::fresh) fail("verdict() after the end");
    held.ended = true;
    // Most are dropped at once, some linger as guards with nothing to guard.
    if (!rng_.one_in(4)) drop(at);
  }

  void drop(std::size_t at) {
    if (at + 1 != held_.size()) held_[at] = std::move(held_.back());
    held_.pop_back();
  }

  void use_one() {
    if (held_.empty()) return;
    Held& held = held_[rng_.below(held_.size())];
    if (held.guard.holds() != held.expected.holds()) fail("holds()");
    if (held.guard.token() != held.expected.token()) fail("token()");
    if (rng_.one_in(2)) return;
    const Verdict expected = held.expected.renew(now());
    if (held.guard.renew(now()) != expected) fail("renew");
    seen_.renewals += expected == Verdict::fresh ? 1 : 0;
  }

  void move_one() {
    if (held_.empty()) return;
    Held& held = held_[rng_.below(held_.size())];
    const bool holds = held.guard.holds();
    Guard elsewhere(std::move(held.guard));
    if (held.guard.holds()) fail("holds() after a move");
    if (held.guard.verdict() != Verdict::unknown) fail("verdict() after a move");
    if (held.guard.commit(now()) != Verdict::fenced) fail("commit of what was moved from");
    held.guard.abort();
    if (elsewhere.holds() != holds) fail("holds() of what was moved to");
    if (elsewhere.verdict() != Verdict::fresh) fail("verdict() of what was moved to");
    held.guard = std::move(elsewhere);
    if (held.guard.holds() != holds) fail("holds() after moving back");
  }

  void check(std::size_t key) {
    const Verdict verdict =
        rng_.one_in(2) ? dedup_.check(keys_[key]) : dedup_.check(keys_[key], At{.now = now()});
    if (verdict != oracle_.check(keys_[key])) fail("check");
  }

  void judge_insert(std::size_t key, Verdict verdict) {
    const Verdict expected = oracle_.check(keys_[key]);
    if (verdict == Verdict::full && expected == Verdict::fresh) {
      judge_out_of_memory();
      return;
    }
    if (verdict != oracle_.insert(keys_[key])) fail("insert");
  }

  void insert_batch() {
    std::vector<std::size_t> indices;
    std::vector<Key> batch;
    for (std::uint64_t i = rng_.below(20); i != 0; --i) {
      indices.push_back(rng_.below(keys_.size()));
      batch.push_back(keys_[indices.back()]);
    }
    std::vector<Verdict> verdicts(batch.size(), Verdict::poisoned);
    dedup_.insert(batch, verdicts);
    for (std::size_t i = 0; i < batch.size(); ++i) judge_insert(indices[i], verdicts[i]);
  }

  void judge_out_of_memory() {
    ++seen_.out_of_memory;
    if (scenario_.budget == 0) fail("no room without a budget");
    if (oracle_.size() + oracle_.claims_in_flight() < (budget_ - room_.fixed) / room_.per_key)
      fail("no room too early");
  }

  [[noreturn]] void fail(const char* what) {
    CAPTURE(step_);
    CAPTURE(now_);
    FAIL("differs from the oracle: ", std::string(what));
    throw std::logic_error(what);
  }

  ClaimsScenario scenario_;
  Room room_;
  std::uint64_t budget_;
  Rng rng_;
  Dedup dedup_;
  Oracle oracle_;
  std::int64_t now_;
  std::size_t fixed_bytes_;
  std::vector<Key> keys_;
  std::vector<Held> held_;
  std::uint64_t step_ = 0;
  Seen seen_;
};

template <class Dedup>
void run_claims_scenarios(std::uint64_t steps, const Room& room = {}) {
  using Seen = typename ClaimsDifferential<Dedup>::Seen;
  Seen all;
  std::uint64_t seed = 0;
  for (const ClaimsScenario& scenario : claims_scenarios) {
    ++seed;
    CAPTURE(seed);
    ClaimsDifferential<Dedup> differential(scenario, room, seed);
    differential.run(soaked(steps));
    const Seen& seen = differential.seen();
    CHECK(seen.fresh > 100);
    CHECK(seen.in_progress > 10);
    CHECK((seen.takeovers > 0) == (scenario.lease != end_of_time && scenario.max_attempts != 1));
    CHECK((seen.poisoned > 10) == (scenario.max_attempts != 0));
    CHECK((seen.retries > 10) == (scenario.max_attempts > 1));
    CHECK((seen.out_of_memory > 0) == (scenario.budget != 0));
    all.full += seen.full;
    all.duplicate += seen.duplicate;
    all.fenced += seen.fenced;
    all.late_commits += seen.late_commits;
    all.renewals += seen.renewals;
    all.backwards += seen.backwards;
    all.forgotten += seen.forgotten;
    all.at_end_of_time += seen.at_end_of_time;
  }
  CHECK(all.full > 100);
  CHECK(all.duplicate > 100);
  CHECK(all.fenced > 100);
  CHECK(all.late_commits > 100);
  CHECK(all.renewals > 100);
  CHECK(all.backwards > 100);
  CHECK(all.forgotten > 100);
  CHECK(all.at_end_of_time > 100);
}

}  // namespace idem_test
