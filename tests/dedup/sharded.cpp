#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <idem/idem.hpp>

#include "support/ids.hpp"
#include "support/random.hpp"

// Sharded on one thread: the same answers as without. Several threads: sharded_threads.cpp.

namespace {

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
using idem_test::spread_id;

template <class D>
concept HasMemory = requires(const D& seen) {
  seen.memory();
};
using Small = Deduplicator<Uuid, Policy<Sharded<8>>>;
static_assert(!std::is_copy_constructible_v<Small> && !std::is_move_constructible_v<Small>);
static_assert(!HasMemory<Small> && HasMemory<Deduplicator<Uuid>>);
static_assert(Small::shards == 8 && Deduplicator<Uuid>::shards == 0);
static_assert(alignof(Small) == 64);

Instant at(std::int64_t nanoseconds) { return Instant::at(Duration::nanoseconds(nanoseconds)); }

template <class Key>
Key key_of(std::uint64_t index) {
  if constexpr (std::is_same_v<Key, std::string>) {
    return "a key that is too long for its string, " + std::to_string(index);
  } else {
    return spread_id<Key>(index);
  }
}

// Random one-shot calls on both, batches of every size class among them.
template <class Plain, class Shards>
void equal_answers(std::uint64_t seed, std::uint64_t steps) {
  using Key = typename Plain::Key;
  CAPTURE(seed);
  Rng rng(seed);
  Plain plain;
  Shards sharded;
  constexpr std::uint64_t universe = 3'000;
  std::vector<Key> keys;
  for (std::uint64_t i = 0; i < universe; ++i) keys.push_back(key_of<Key>(i));
  for (std::uint64_t step = 0; step < steps; ++step) {
    const Key& key = keys[rng.below(universe)];
    switch (rng.below(8)) {
      case 0:
      case 1:
        REQUIRE(sharded.insert(key) == plain.insert(key));
        break;
      case 2:
        REQUIRE(sharded.check(key) == plain.check(key));
        break;
      case 3:
      case 4:
        REQUIRE(sharded.forget(key) == plain.forget(key));
        break;
      case 5:
        if (rng.one_in(200)) {
          plain.clear();
          sharded.clear();
        }
        break;
      default: {
        constexpr std::uint64_t bounds[] = {4, 33, 34, 600, 1'300};
        std::vector<Key> batch(rng.below(bounds[rng.below(rng.one_in(20) ? 5 : 3)]));
        for (Key& one : batch) one = keys[rng.below(rng.one_in(2) ? universe : 20)];
        std::vector<Verdict> wanted(batch.size()), got(batch.size(), Verdict::unknown);
        plain.insert(batch, wanted);
        sharded.insert(batch, got);
        REQUIRE(got == wanted);
        break;
      }
    }
    REQUIRE(sharded.size() == plain.size());
  }
}

TEST_CASE("shards answer as one memory does, for ids, digests, and memories of other keys") {
  equal_answers<Deduplicator<Uuid>, Deduplicator<Uuid, Policy<Sharded<1>>>>(1, 3'000);
  equal_answers<Deduplicator<Uuid>, Deduplicator<Uuid, Policy<Sharded<8>>>>(2, 20'000);
  equal_answers<Deduplicator<Uuid>, Deduplicator<Uuid, Policy<Sharded<7>, idem::HostileKeys>>>(
      3, 3'000);
  equal_answers<Deduplicator<std::uint64_t>, Deduplicator<std::uint64_t, Policy<Sharded<1024>>>>(
      4, 2'000);
  equal_answers<Deduplicator<std::string>, Deduplicator<std::string, Policy<Sharded<16>>>>(5,
                                                                                           5'000);
}

// Random claims on both, under one clock; tokens differ between them but for their order.
TEST_CASE("claims in shards answer as claims in one memory do") {
  using Plain = Deduplicator<Uuid, Policy<Claims>>;
  using Shards = Deduplicator<Uuid, Policy<Claims, Sharded<5>>>;
  const idem::ClaimOptions options{.lease = Duration::nanoseconds(50),
                                   .max_in_flight = 4'096,
                                   .max_attempts = 3,
                                   .max_failed_keys = 4'096};
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    Plain plain({.claims = options});
    Shards sharded({.claims = options});
    std::vector<std::pair<Plain::Claim, Shards::Claim>> held;
    std::vector<std::uint64_t> tokens;
    std::array<std::uint64_t, 13> seen{};
    std::int64_t now = 0;
    for (int step = 0; step < 20'000; ++step) {
      now += static_cast<std::int64_t>(rng.below(4));
      const Uuid key = spread_id<Uuid>(rng.below(100));
      const std::uint64_t roll = rng.below(10);
      if (roll < 5) {
        auto one = plain.claim(key, {.now = at(now)});
        auto other = sharded.claim(key, {.now = at(now)});
        REQUIRE(other.verdict() == one.verdict());
        REQUIRE(other.holds() == one.holds());
        ++seen[static_cast<std::size_t>(one.verdict())];
        if (!one.holds()) continue;
        REQUIRE(other.attempt() == one.attempt());
        tokens.push_back(other.token());
        held.emplace_back(std::move(one), std::move(other));
      } else if (roll < 8 && !held.empty()) {
        const std::size_t at_index = rng.below(held.size());
        auto& [one, other] = held[at_index];
        REQUIRE(other.holds() == one.holds());
        if (roll == 5) {
          REQUIRE(other.renew(at(now)) == one.renew(at(now)));
          continue;
        }
        if (roll == 6) {
          const Verdict committed = one.commit(at(now));
          REQUIRE(other.commit(at(now)) == committed);
          if (committed == Verdict::fenced) ++seen[12];
        }
        if (at_index + 1 != held.size()) held[at_index] = std::move(held.back());
        held.pop_back();
      } else if (roll == 8 || !rng.one_in(4)) {
        REQUIRE(sharded.forget(key) == plain.forget(key));
      } else {
        REQUIRE(sharded.insert(key) == plain.insert(key));
      }
      REQUIRE(sharded.claims_in_flight() == plain.claims_in_flight());
      REQUIRE(sharded.check(key) == plain.check(key));
    }
    CHECK(seen[static_cast<std::size_t>(Verdict::fresh)] > 400);
    CHECK(seen[static_cast<std::size_t>(Verdict::in_progress)] > 100);
    CHECK(seen[static_cast<std::size_t>(Verdict::poisoned)] > 100);
    CHECK(seen[static_cast<std::size_t>(Verdict::duplicate)] > 100);
    CHECK(seen[12] > 10);
    std::sort(tokens.begin(), tokens.end());
    CHECK(std::adjacent_find(tokens.begin(), tokens.end()) == tokens.end());
    CHECK(tokens.front() >= 1);
  }
}

TEST_CASE("keys are spread over the shards, and well mixed inside each") {
  // Ids that are counted, ids that differ in few bits, and random ones.
  for (const std::uint64_t kind : {0U, 1U, 2U}) {
    CAPTURE(kind);
    Deduplicator<Uuid, Policy<Sharded<16>>> seen({.memory = {.budget = idem::kibibytes(64)}});
    std::uint64_t recorded = 0;
    for (std::uint64_t i = 0;; ++i) {
      const Uuid key = kind == 0 ? Uuid(0, i) : kind == 1 ? Uuid(i << 40, 0) : spread_id<Uuid>(i);
      if (seen.insert(key) == Verdict::full) break;
      ++recorded;
    }
    // The first shard is full when all are nearly so: no shard gets much more than its part.
    Deduplicator<Uuid> alone({.memory = {.budget = idem::kibibytes(64)}});
    std::uint64_t in_one = 0;
    while (alone.insert(Uuid(7, in_one)) != Verdict::full) ++in_one;
    CHECK(recorded > 16 * in_one * 85 / 100);
  }
}

TEST_CASE("full comes from one shard, and the others go on") {
  using Seen = Deduplicator<Uuid, Policy<Sharded<4>, Claims>>;
  Seen seen({.claims = {.max_in_flight = 1}});
  std::vector<Seen::Claim> held;
  std::size_t full = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    auto claim = seen.claim(spread_id<Uuid>(i), {.now = at(0)});
    if (claim.holds())
      held.push_back(std::move(claim));
    else
      full += claim.verdict() == Verdict::full ? 1U : 0U;
  }
  CHECK(held.size() == 4);
  CHECK(full == 96);
  CHECK(seen.claims_in_flight() == 4);
}

TEST_CASE("clear and size go over all shards") {
  Deduplicator<Uuid, Policy<Sharded<8>>> seen;
  const std::size_t empty = seen.memory_bytes();
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    REQUIRE(seen.insert(spread_id<Uuid>(i)) == Verdict::fresh);
  }
  CHECK(seen.size() == 20'000);
  CHECK(seen.memory_bytes() > empty + 20'000 * sizeof(Uuid));
  seen.clear();
  CHECK(seen.size() == 0);
  CHECK(seen.check(spread_id<Uuid>(0)) == Verdict::fresh);
}

TEST_CASE("a window and a sequence tracker go into shards too") {
  using Ring = idem::TimeWindowRing<Uuid>;
  Deduplicator<Uuid, Policy<Remember<Ring>, Claims, Sharded<4>>> recent(
      {.memory = {.window = Duration::nanoseconds(100)}});
  CHECK(recent.claim(Uuid(1, 1), {.now = at(0)}).commit(at(0)) == Verdict::fresh);
  CHECK(recent.insert(Uuid(1, 1), {.now = at(50)}) == Verdict::duplicate);
  CHECK(recent.insert(Uuid(1, 1), {.now = at(100'000)}) == Verdict::fresh);

  // A producer's ranges are judged together, whichever shard that is.
  using idem::ProducerBatch;
  Deduplicator<ProducerBatch, Policy<Remember<idem::SequenceMemory<>>, Sharded<4>>> producers;
  for (std::int64_t producer = 0; producer < 50; ++producer) {
    for (int range = 0; range < 3; ++range) {
      const ProducerBatch batch{.producer_id = producer,
                                .epoch = 0,
                                .first_sequence = range * 5,
                                .last_sequence = range * 5 + 4};
      REQUIRE(producers.insert(batch, {.now = at(0)}) == Verdict::fresh);
      REQUIRE(producers.insert(batch, {.now = at(0)}) == Verdict::duplicate);
    }
  }
}

}  // namespace
