#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <idem/idem.hpp>

#include "support/ids.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"

// Sharded under threads. doctest's macros are used on the main thread alone.

namespace {

using idem::At;
using idem::Claims;
using idem::Deduplicator;
using idem::Duration;
using idem::Instant;
using idem::Policy;
using idem::Remember;
using idem::Sharded;
using idem::Uuid;
using idem::Verdict;
using idem_test::Rng;
using idem_test::soaked;
using idem_test::spread_id;

void run_threads(unsigned threads, const auto& work) {
  std::vector<std::thread> running;
  for (unsigned thread = 0; thread < threads; ++thread) running.emplace_back(work, thread);
  for (std::thread& thread : running) thread.join();
}

// A set of ids that looks, gives way to other threads, and only then records: right under a lock,
// and wrong at once without.
class YieldingSet {
 public:
  using Stored = Uuid;
  using Options = idem::SetOptions;
  using Hash = idem::Xxh3Hash;
  static constexpr idem::Errors errors{};
  static constexpr bool needs_time = false;

  explicit YieldingSet(const Options& options) : set_(options) {}

  [[nodiscard]] Hash hash() const noexcept { return set_.hash(); }
  [[nodiscard]] Verdict check(const Uuid& id, At) const noexcept { return set_.check(id); }
  Verdict insert(const Uuid& id, At) noexcept {
    const Verdict verdict = set_.check(id);
    if (++calls_ % 256 == 0) std::this_thread::yield();
    return verdict == Verdict::fresh ? set_.insert(id) : verdict;
  }
  void insert(std::span<const Uuid> ids, At at, std::span<Verdict> verdicts) noexcept {
    for (std::size_t i = 0; i < ids.size(); ++i) verdicts[i] = insert(ids[i], at);
  }
  bool forget(const Uuid& id) noexcept { return set_.forget(id); }
  [[nodiscard]] std::size_t size() const noexcept { return set_.size(); }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sizeof *this - sizeof set_ + set_.memory_bytes();
  }

 private:
  idem::UuidSet set_;
  std::uint64_t calls_ = 0;
};

// The bug all this is there to catch: between the look and the record another thread comes.
class CheckThenAct {
 public:
  Verdict insert(const Uuid& id) noexcept {
    if (seen_.check(id) != Verdict::fresh) return Verdict::duplicate;
    if (++calls_ % 4 == 0) std::this_thread::yield();
    if (seen_.insert(id) != Verdict::fresh) ++second_winners_;
    return Verdict::fresh;
  }
  void insert(std::span<const Uuid> ids, std::span<Verdict> verdicts) noexcept {
    for (std::size_t i = 0; i < ids.size(); ++i) verdicts[i] = insert(ids[i]);
  }
  [[nodiscard]] Verdict check(const Uuid& id) const noexcept { return seen_.check(id); }
  bool forget(const Uuid& id) noexcept { return seen_.forget(id); }
  // How often the bug came to be.
  [[nodiscard]] std::uint64_t second_winners() const noexcept { return second_winners_; }

 private:
  Deduplicator<Uuid, Policy<Sharded<16>>> seen_;
  std::atomic<std::uint64_t> calls_ = 0;
  std::atomic<std::uint64_t> second_winners_ = 0;
};

// Every thread brings every key, each in an order of its own but the first two, whose orders are
// equal; even threads one by one, odd ones in batches. How many keys did not have one winner.
template <class Seen>
std::size_t wrongly_judged(Seen& seen, unsigned threads, std::size_t keys, std::uint64_t seed) {
  std::vector<std::vector<unsigned char>> won(threads, std::vector<unsigned char>(keys));
  std::barrier together(static_cast<std::ptrdiff_t>(threads));
  run_threads(threads, [&](unsigned thread) {
    Rng rng(seed * 100 + thread);
    const std::size_t start = thread < 2 ? 0 : rng.below(keys);
    const std::size_t step = thread < 2 ? 1 : 7'919 + 2 * thread;
    std::vector<std::size_t> order(keys);
    for (std::size_t i = 0; i < keys; ++i) order[i] = (start + i * step) % keys;
    together.arrive_and_wait();
    if (thread % 2 == 0) {
      for (const std::size_t index : order) {
        if (seen.insert(spread_id<Uuid>(index)) == Verdict::fresh) ++won[thread][index];
        if (rng.one_in(500)) std::this_thread::yield();
      }
      return;
    }
    std::vector<Uuid> batch;
    std::vector<Verdict> verdicts;
    for (std::size_t begin = 0; begin < keys; begin += batch.size()) {
      const std::size_t size = std::min<std::size_t>(1 + rng.below(700), keys - begin);
      batch.resize(size);
      verdicts.assign(size, Verdict::unknown);
      for (std::size_t i = 0; i < size; ++i) batch[i] = spread_id<Uuid>(order[begin + i]);
      seen.insert(batch, verdicts);
      for (std::size_t i = 0; i < size; ++i) {
        if (verdicts[i] == Verdict::fresh) ++won[thread][order[begin + i]];
      }
      if (rng.one_in(8)) std::this_thread::yield();
    }
  });
  std::size_t wrong = 0;
  for (std::size_t key = 0; key < keys; ++key) {
    unsigned winners = 0;
    for (const auto& of_thread : won) winners += of_thread[key];
    wrong += winners != 1 ? 1 : 0;
  }
  return wrong;
}

constexpr std::size_t many_keys = 100'000;  // no step of an order divides it

TEST_CASE("exactly one winner a key: 10 rounds of 100,000 keys and 2, 4, 8 threads") {
  static_assert(std::gcd(many_keys, std::size_t{7'919 + 4}) == 1 &&
                std::gcd(many_keys, std::size_t{7'919 + 14}) == 1);
  for (const unsigned threads : {2U, 4U, 8U}) {
    for (std::uint64_t round = 0; round < soaked(10); ++round) {
      CAPTURE(threads);
      CAPTURE(round);
      if (round % 2 == 0) {
        Deduplicator<Uuid, Policy<Sharded<16>>> seen;
        REQUIRE(wrongly_judged(seen, threads, many_keys, round) == 0);
        REQUIRE(seen.size() == many_keys);
      } else {
        Deduplicator<Uuid, Policy<Remember<YieldingSet>, Sharded<4>>> seen;
        REQUIRE(wrongly_judged(seen, threads, many_keys, round) == 0);
        REQUIRE(seen.size() == many_keys);
      }
    }
  }
}

TEST_CASE("the test of one winner notices a check-then-act") {
  std::uint64_t came_to_be = 0, noticed = 0;
  for (std::uint64_t round = 0; round < 20 && came_to_be == 0; ++round) {
    CheckThenAct seen;
    noticed += wrongly_judged(seen, 4, 20'011, round);
    came_to_be += seen.second_winners();
  }
  CHECK(came_to_be > 0);
  CHECK(noticed > 0);
}

TEST_CASE("claims of many threads: one commit a key, whoever aborts, hangs or takes over") {
  using Seen = Deduplicator<Uuid, Policy<Claims, Sharded<8>, idem::Counters>>;
  constexpr std::size_t keys = 2'000;
  constexpr unsigned threads = 4;
  for (std::uint64_t round = 0; round < soaked(10); ++round) {
    CAPTURE(round);
    Seen seen({.claims = {.lease = Duration::nanoseconds(300)}});
    std::atomic<std::int64_t> clock = 0;
    std::vector<std::atomic<unsigned>> commits(keys);
    std::vector<std::vector<std::uint64_t>> tokens(threads);
    std::atomic<std::uint64_t> takeovers = 0, fenced = 0;
    run_threads(threads, [&](unsigned thread) {
      Rng rng(round * 100 + thread);
      const auto now = [&] { return Instant::at(Duration::nanoseconds(clock += 1)); };
      std::vector<std::pair<Seen::Claim, std::size_t>> hanging;
      for (int pass = 0; pass < 4; ++pass) {
        for (std::size_t i = 0; i < keys; ++i) {
          const std::size_t key = (i * 7'919 + thread * 50) % keys;
          Seen::Claim claim = seen.claim(spread_id<Uuid>(key), {.now = now()});
          if (claim.verdict() != Verdict::fresh) continue;
          tokens[thread].push_back(claim.token());
          if (claim.attempt() > 1) ++takeovers;
          const std::uint64_t roll = rng.below(8);
          if (roll == 0) continue;  // the guard's end gives it back
          if (roll == 1) {
            hanging.emplace_back(std::move(claim), key);
            continue;
          }
          if (roll == 2) std::this_thread::yield();
          if (claim.commit(now()) == Verdict::fresh) ++commits[key];
          if (hanging.size() > 20) {
            auto& [late, late_key] = hanging[rng.below(hanging.size())];
            if (late.commit(now()) == Verdict::fresh) {
              ++commits[late_key];
            } else {
              ++fenced;
            }
            std::swap(hanging.back(), hanging[rng.below(hanging.size())]);
            hanging.pop_back();
          }
        }
      }
    });
    CHECK(seen.claims_in_flight() == 0);
    for (std::size_t key = 0; key < keys; ++key) {
      Seen::Claim rest = seen.claim(spread_id<Uuid>(key), {.now = Instant()});
      if (rest.holds() && rest.commit(Instant()) == Verdict::fresh) ++commits[key];
    }
    CHECK(std::all_of(commits.begin(), commits.end(), [](const auto& n) { return n == 1; }));
    CHECK(seen.size() == keys);
    CHECK(takeovers > 0);
    CHECK(fenced > 0);
    CHECK(seen.counters().commits == keys);
    CHECK(seen.counters().takeovers == takeovers);
    std::vector<std::uint64_t> all;
    for (const auto& of_thread : tokens) all.insert(all.end(), of_thread.begin(), of_thread.end());
    std::sort(all.begin(), all.end());
    CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
  }
}

// The other bug: a slot that was freed is used again while somebody walks past it. An insert looks for
// its key along the slots, takes the first free one it saw, and does not see the same key go into a
// slot that was freed behind it. So that this comes to be, every other insert lingers after its look,
// and the others before it, until something happens or a while has passed.
class SlotReuse {
 public:
  Verdict insert(const Uuid& id) noexcept {
    const std::uint64_t key = id.lo() + 1;
    const bool lingers_after = ++calls_ % 2 == 0;
    for (;;) {
      const std::uint64_t before = changes_;
      if (!lingers_after) linger(before + 1);
      std::size_t free_slot = slots_.size();
      for (std::size_t i = 0; i < slots_.size(); ++i) {
        const std::uint64_t found = slots_[i].load();
        if (found == key) return Verdict::duplicate;
        if (found == 0 && free_slot == slots_.size()) free_slot = i;
      }
      if (lingers_after) linger(before + 2);
      std::uint64_t expected = 0;
      if (free_slot == slots_.size() || !slots_[free_slot].compare_exchange_strong(expected, key)) {
        continue;
      }
      ++changes_;
      std::size_t copies = 0;
      for (const auto& slot : slots_) copies += slot.load() == key ? 1U : 0U;
      if (copies > 1) ++second_winners_;
      return Verdict::fresh;
    }
  }
  bool forget(const Uuid& id) noexcept {
    bool found = false;
    for (auto& slot : slots_) {
      std::uint64_t key = id.lo() + 1;
      found = slot.compare_exchange_strong(key, 0) || found;
    }
    ++changes_;
    return found;
  }
  [[nodiscard]] std::uint64_t second_winners() const noexcept { return second_winners_; }

 private:
  void linger(std::uint64_t changes) const noexcept {
    for (int turn = 0; turn < 200 && changes_ < changes; ++turn) std::this_thread::yield();
  }

  std::array<std::atomic<std::uint64_t>, 8> slots_{};
  std::atomic<std::uint64_t> calls_ = 0;
  std::atomic<std::uint64_t> changes_ = 0;
  std::atomic<std::uint64_t> second_winners_ = 0;
};

// In each round two threads insert one key while a third forgets keys that came before it. In how
// many rounds there was not one winner.
template <class Seen>
std::uint64_t rounds_without_one_winner(Seen& seen, std::uint64_t rounds) {
  std::atomic<unsigned> winners = 0;
  std::uint64_t wrong = 0;
  std::barrier together(3);
  run_threads(3, [&](unsigned thread) {
    for (std::uint64_t round = 0; round < rounds; ++round) {
      const Uuid key(0, round * 4);
      const Uuid before[] = {Uuid(0, round * 4 + 1), Uuid(0, round * 4 + 2),
                             Uuid(0, round * 4 + 3)};
      if (thread == 2) {
        winners = 0;
        for (const Uuid& id : before) (void)seen.insert(id);
      }
      together.arrive_and_wait();
      if (thread == 2) {
        for (const Uuid& id : before) {
          seen.forget(id);
          std::this_thread::yield();
        }
      } else if (seen.insert(key) == Verdict::fresh) {
        ++winners;
      }
      together.arrive_and_wait();
      if (thread == 2) {
        wrong += winners == 1 ? 0U : 1U;
        seen.forget(key);
      }
    }
  });
  return wrong;
}

TEST_CASE("one winner a key while the slots beside it are freed and used again") {
  Deduplicator<Uuid, Policy<Sharded<4>>> seen;
  CHECK(rounds_without_one_winner(seen, soaked(5'000)) == 0);
}

TEST_CASE("the test of freed slots notices one that is used again too early") {
  std::uint64_t came_to_be = 0, noticed = 0;
  for (int round = 0; round < 20 && came_to_be == 0; ++round) {
    SlotReuse seen;
    noticed += rounds_without_one_winner(seen, 300);
    came_to_be += seen.second_winners();
  }
  CHECK(came_to_be > 0);
  CHECK(noticed > 0);
}

// One call on one key, as its thread saw it: it took effect between `began` and `ended`, by the one
// clock that all threads share.
struct Call {
  enum class Kind { insert, check, forget } kind;
  bool found;  // a duplicate; or that there was something to forget
  std::uint64_t began, ended;
};

// Whether some order of the calls that keeps to their times gives those answers.
bool is_linearizable(const std::vector<Call>& calls) {
  const std::size_t all = (std::size_t{1} << calls.size()) - 1;
  std::vector<bool> tried(2 * (all + 1));
  const auto reaches_end = [&](const auto& self, std::size_t done, bool remembered) -> bool {
    if (done == all) return true;
    const std::size_t place = 2 * done + (remembered ? 1 : 0);
    if (tried[place]) return false;
    tried[place] = true;
    std::uint64_t first_end = ~std::uint64_t{0};
    for (std::size_t i = 0; i < calls.size(); ++i) {
      if ((done >> i & 1) == 0) first_end = std::min(first_end, calls[i].ended);
    }
    for (std::size_t i = 0; i < calls.size(); ++i) {
      if ((done >> i & 1) != 0 || calls[i].began > first_end) continue;
      if (calls[i].found != remembered) continue;
      const bool after =
          calls[i].kind == Call::Kind::insert || (calls[i].kind == Call::Kind::check && remembered);
      if (self(self, done | std::size_t{1} << i, after)) return true;
    }
    return false;
  };
  return reaches_end(reaches_end, 0, false);
}

// Histories of three threads, three calls each, on one key a history. How many have no order.
template <class Seen>
std::uint64_t unordered_histories(Seen& seen, std::uint64_t histories) {
  constexpr unsigned threads = 3;
  constexpr std::size_t calls_each = 3;
  std::atomic<std::uint64_t> clock = 0;
  std::uint64_t unordered = 0;
  std::vector<std::vector<Call>> calls(threads);
  std::barrier together(threads);
  run_threads(threads, [&](unsigned thread) {
    Rng rng(thread + 1);
    for (std::uint64_t history = 0; history < histories; ++history) {
      const Uuid key = spread_id<Uuid>(history);
      calls[thread].clear();
      together.arrive_and_wait();
      for (std::size_t i = 0; i < calls_each; ++i) {
        Call call{};
        const std::uint64_t roll = rng.below(6);
        call.kind = roll < 3   ? Call::Kind::insert
                    : roll < 5 ? Call::Kind::forget
                               : Call::Kind::check;
        call.began = clock++;
        switch (call.kind) {
          case Call::Kind::insert:
            call.found = seen.insert(key) == Verdict::duplicate;
            break;
          case Call::Kind::check:
            call.found = seen.check(key) == Verdict::duplicate;
            break;
          case Call::Kind::forget:
            call.found = seen.forget(key);
            break;
        }
        call.ended = clock++;
        calls[thread].push_back(call);
        if (rng.one_in(3)) std::this_thread::yield();
      }
      together.arrive_and_wait();
      if (thread == 0) {
        std::vector<Call> whole;
        for (const auto& of_thread : calls) {
          whole.insert(whole.end(), of_thread.begin(), of_thread.end());
        }
        unordered += is_linearizable(whole) ? 0U : 1U;
      }
      together.arrive_and_wait();
    }
  });
  return unordered;
}

// Whether a snapshot taken while threads insert their keys in order has, of each thread, the first
// so many and no other: it is of one moment.
template <std::size_t shards>
bool is_of_one_moment(unsigned threads, std::size_t keys, std::size_t& met) {
  Deduplicator<Uuid, Policy<Sharded<shards>>> seen({.memory = {.seed = idem::Seed{1, 2}}});
  const auto key = [&](unsigned thread, std::size_t i) {
    return spread_id<Uuid>(thread * keys + i);
  };
  std::vector<std::vector<std::byte>> snapshots;
  std::barrier together(static_cast<std::ptrdiff_t>(threads) + 1);
  std::atomic<unsigned> done = 0;
  std::thread saver([&] {
    together.arrive_and_wait();
    while (done < threads) {
      auto& bytes = snapshots.emplace_back();
      if (!idem::save(seen, {}, bytes)) bytes.clear();
      std::this_thread::yield();
    }
  });
  run_threads(threads, [&](unsigned thread) {
    together.arrive_and_wait();
    for (std::size_t i = 0; i < keys; ++i) (void)seen.insert(key(thread, i));
    ++done;
  });
  saver.join();
  for (const auto& bytes : snapshots) {
    const auto loaded = idem::load<idem::UuidSet>(bytes);
    if (!loaded) return false;
    const std::size_t size = loaded->state.size();
    if (size != 0 && size != threads * keys) ++met;
    for (unsigned thread = 0; thread < threads; ++thread) {
      std::size_t i = 0;
      while (i < keys && loaded->state.check(key(thread, i)) == Verdict::duplicate) ++i;
      for (; i < keys; ++i) {
        if (loaded->state.check(key(thread, i)) == Verdict::duplicate) return false;
      }
    }
  }
  return true;
}

TEST_CASE("a snapshot taken while threads work is of one moment") {
  std::size_t met = 0;
  for (int round = 0; round < 50 && met < 20; ++round) REQUIRE(is_of_one_moment<16>(3, 4000, met));
  CHECK(met > 0);
}

TEST_CASE("the judge of histories: what has an order and what has none") {
  using Kind = Call::Kind;
  CHECK(is_linearizable({{Kind::insert, false, 0, 3}, {Kind::insert, true, 1, 2}}));
  CHECK(is_linearizable({{Kind::insert, true, 0, 3}, {Kind::insert, false, 1, 2}}));
  CHECK_FALSE(is_linearizable({{Kind::insert, false, 0, 3}, {Kind::insert, false, 1, 2}}));
  CHECK(is_linearizable(
      {{Kind::insert, false, 0, 5}, {Kind::forget, true, 1, 4}, {Kind::insert, false, 2, 3}}));
  CHECK_FALSE(is_linearizable({{Kind::insert, false, 0, 1}, {Kind::check, false, 2, 3}}));
  CHECK_FALSE(is_linearizable({{Kind::insert, true, 0, 1}, {Kind::insert, false, 2, 3}}));
}

TEST_CASE("10,000 histories of calls on one key each have an order") {
  Deduplicator<Uuid, Policy<Sharded<16>>> seen;
  CHECK(unordered_histories(seen, soaked(10'000)) == 0);
}

TEST_CASE("histories over a check-then-act do not all have one") {
  std::uint64_t came_to_be = 0, unordered = 0;
  for (int round = 0; round < 20 && (came_to_be == 0 || unordered == 0); ++round) {
    CheckThenAct seen;
    unordered += unordered_histories(seen, 2'000);
    came_to_be += seen.second_winners();
  }
  CHECK(came_to_be > 0);
  CHECK(unordered > 0);
}

}  // namespace
