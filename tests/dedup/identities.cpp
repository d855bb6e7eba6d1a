#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <idem/idem.hpp>

#include "support/ids.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"

namespace {

using namespace std::chrono_literals;
using idem::At;
using idem::Deduplicator;
using idem::Duration;
using idem::Identities;
using idem::IdentityMemory;
using idem::IdentityVerdict;
using idem::IfGiven;
using idem::Instant;
using idem::no_identity;
using idem::Policy;
using idem::ProducerBatch;
using idem::Remember;
using idem::Uuid;
using idem::Verdict;
using idem_test::Rng;
using idem_test::spread_id;

struct Order {
  Uuid id;
  ProducerBatch stamp;
};
// All deliveries of an order come from one producer.
struct RoutedOrder {
  Uuid id;
  ProducerBatch stamp;
};

}  // namespace

template <>
struct idem::KeyTraits<Order> : idem::IdentitiesOf<&Order::id, &Order::stamp> {};
template <>
struct idem::KeyTraits<RoutedOrder> : idem::IdentitiesOf<&RoutedOrder::id, &RoutedOrder::stamp> {
  static std::uint64_t route(const Stored& stored, const HashPolicy auto& hash) noexcept {
    return KeyTraits<ProducerBatch>::route(stored.get<1>(), hash);
  }
};

namespace {

constexpr At now{.now = Instant()};
At at(std::int64_t nanoseconds) { return {.now = Instant::at(Duration::nanoseconds(nanoseconds))}; }

ProducerBatch stamp(std::int64_t producer, std::int64_t sequence) {
  return {
      .producer_id = producer, .epoch = 0, .first_sequence = sequence, .last_sequence = sequence};
}

using IdAndStamp = IdentityMemory<idem::UuidSet, idem::SequenceMemory<>>;
using IdAndText = IdentityMemory<idem::UuidSet, IfGiven<idem::ContentHashSet>>;
using TwoIds = IdentityMemory<idem::UuidSet, idem::Id64Set>;

static_assert(idem::Memory<IdAndStamp> && !idem::Settling<IdAndStamp> &&
              !idem::Forgetting<IdAndStamp>);
static_assert(idem::Settling<IdAndText> && idem::Forgetting<IdAndText> && idem::Hashing<IdAndText>);
static_assert(IdAndStamp::errors == idem::Errors{.may_miss = true} && IdAndStamp::needs_time);
static_assert(TwoIds::errors == idem::Errors{} && !TwoIds::needs_time);
static_assert(IdentityMemory<idem::UuidSet, idem::BloomFilter<Uuid>>::errors.may_drop);
static_assert(std::is_trivially_copyable_v<Identities<Uuid, std::optional<Uuid>, ProducerBatch>>);
static_assert(sizeof(Identities<Uuid, Uuid>) == 32);
static_assert(std::is_same_v<IdAndText::Stored, Identities<Uuid, std::optional<idem::Digest>>>);
static_assert(std::is_same_v<TwoIds::WithHash<idem::SipHash>::Hash, idem::SipHash>);

TEST_CASE("an id and a sequence number: the first that is not fresh decides") {
  Deduplicator<Order, Policy<Remember<IdAndStamp>>> seen;
  CHECK(seen.insert({Uuid(1, 1), stamp(7, 0)}, now) == Verdict::fresh);
  CHECK(seen.insert({Uuid(1, 1), stamp(7, 1)}, now) == Verdict::duplicate);  // by its id
  CHECK(seen.insert({Uuid(1, 2), stamp(7, 0)}, now) == Verdict::duplicate);  // by its number
  CHECK(seen.insert({Uuid(1, 3), stamp(7, 2)}, now) == Verdict::gap);
  // Nothing of those was recorded.
  CHECK(seen.memory().memory<0>().size() == 1);
  CHECK(seen.check({Uuid(1, 3), stamp(7, 1)}, now) == Verdict::fresh);

  const auto judged = [&](const Uuid& id, const ProducerBatch& number) {
    return seen.memory().judge({id, number}, now);
  };
  CHECK(judged(Uuid(1, 1), stamp(7, 0)) == IdentityVerdict{Verdict::duplicate, 0});
  CHECK(judged(Uuid(9, 9), stamp(7, 0)) == IdentityVerdict{Verdict::duplicate, 1});
  CHECK(judged(Uuid(9, 9), stamp(7, 5)) == IdentityVerdict{Verdict::gap, 1});
  CHECK(judged(Uuid(1, 1), stamp(7, 5)) == IdentityVerdict{Verdict::duplicate, 0});
  CHECK(judged(Uuid(9, 9), stamp(7, 1)) == IdentityVerdict{Verdict::fresh, no_identity});
  CHECK(seen.memory_bytes() == sizeof seen + seen.memory().memory_bytes() - sizeof(IdAndStamp));
}

TEST_CASE("the order of the memories is the order of belief") {
  using StampAndId = IdentityMemory<idem::SequenceMemory<>, idem::UuidSet>;
  StampAndId seen;
  CHECK(seen.judge_and_record({stamp(7, 0), Uuid(1, 1)}, now) ==
        IdentityVerdict{Verdict::fresh, no_identity});
  CHECK(seen.judge_and_record({stamp(7, 5), Uuid(1, 1)}, now) == IdentityVerdict{Verdict::gap, 0});
  CHECK(seen.judge_and_record({stamp(7, 1), Uuid(1, 1)}, now) ==
        IdentityVerdict{Verdict::duplicate, 1});
  CHECK(seen.judge_and_record({stamp(7, 1), Uuid(1, 2)}, now) ==
        IdentityVerdict{Verdict::fresh, no_identity});
}

TEST_CASE("an identity that a message lacks is not asked and not recorded") {
  using Key = Identities<Uuid, std::optional<std::string>>;
  Deduplicator<Key, Policy<Remember<IdAndText>>> seen;
  CHECK(seen.insert(Key(Uuid(1, 1), std::nullopt)) == Verdict::fresh);
  CHECK(seen.insert(Key(Uuid(1, 2), std::nullopt)) == Verdict::fresh);
  CHECK(seen.insert(Key(Uuid(1, 3), "coffee")) == Verdict::fresh);
  CHECK(seen.insert(Key(Uuid(1, 4), "coffee")) == Verdict::duplicate);
  CHECK(seen.insert(Key(Uuid(1, 1), "tea")) == Verdict::duplicate);
  CHECK(seen.insert(Key(Uuid(1, 4), "")) == Verdict::fresh);  // empty is not absent
  CHECK(seen.memory().memory<0>().size() == 4);
  CHECK(seen.memory().memory<1>().size() == 2);
  CHECK(seen.forget(Key(Uuid(8, 8), "coffee")));
  CHECK_FALSE(seen.forget(Key(Uuid(8, 8), std::nullopt)));
  CHECK(seen.insert(Key(Uuid(1, 4), "coffee")) == Verdict::duplicate);  // by its id
  CHECK(seen.insert(Key(Uuid(1, 5), "coffee")) == Verdict::fresh);
  seen.clear();
  CHECK(seen.check(Key(Uuid(1, 1), "coffee")) == Verdict::fresh);
}

TEST_CASE("a sliding window hears of each duplicate that it decides") {
  using Ring = idem::TimeWindowRing<Uuid, idem::WindowMode::sliding>;
  IdentityMemory<Ring, idem::Id64Set> seen(
      {.memories = {{.window = 100ns, .granularity = 1ns}, {}}});
  CHECK(seen.insert({Uuid(1, 1), 1}, at(0)) == Verdict::fresh);
  for (std::int64_t time = 60; time <= 600; time += 60) {
    CHECK(seen.judge_and_record({Uuid(1, 1), 1}, at(time)) ==
          IdentityVerdict{Verdict::duplicate, 0});
  }
  CHECK(seen.judge_and_record({Uuid(1, 1), 1}, at(900)) == IdentityVerdict{Verdict::duplicate, 1});
}

TEST_CASE("a full window whose time has passed makes room, whatever stands beside it") {
  using Ring = idem::TimeWindowRing<Uuid>;
  IdentityMemory<Ring, idem::Id64Set> seen({.memories = {{.window = 10s, .max_keys = 100}, {}}});
  std::uint64_t number = 0;
  const auto insert_one = [&](std::chrono::nanoseconds time) {
    ++number;
    return seen.judge_and_record({Uuid(number, 7), number}, at(time.count()));
  };
  while (insert_one(0s).verdict == Verdict::fresh) {
  }
  CHECK(insert_one(1s) == IdentityVerdict{Verdict::full, 0});
  CHECK(seen.memory<0>().size() == seen.memory<1>().size());
  CHECK(insert_one(100s).verdict == Verdict::fresh);
}

TEST_CASE("a duplicate is said before full is") {
  IdentityMemory<idem::UuidSet, idem::Id64Set> seen(
      {.memories = {{.budget = idem::kibibytes(1)}, {}}});
  std::uint64_t number = 0;
  while (seen.insert({spread_id<Uuid>(number), number}) == Verdict::fresh) ++number;
  CHECK(seen.judge_and_record({spread_id<Uuid>(number), number}, now) ==
        IdentityVerdict{Verdict::full, 0});
  CHECK(seen.judge_and_record({spread_id<Uuid>(number), 0}, now) ==
        IdentityVerdict{Verdict::duplicate, 1});
  CHECK(seen.memory<1>().size() == number);
}

// ---- against composition by hand ----------------------------------------------------------------

// What all-or-none means, with two memories side by side that never run out.
template <class First, class Second>
struct ByHand {
  First first{};
  Second second{};

  IdentityVerdict judge(const typename First::Stored& a, const typename Second::Stored* b,
                        At time) const {
    if (const Verdict verdict = first.check(a, time); verdict != Verdict::fresh)
      return {verdict, 0};
    if (b == nullptr) return {Verdict::fresh, no_identity};
    if (const Verdict verdict = second.check(*b, time); verdict != Verdict::fresh)
      return {verdict, 1};
    return {Verdict::fresh, no_identity};
  }
  IdentityVerdict insert(const typename First::Stored& a, const typename Second::Stored* b,
                         At time) {
    const IdentityVerdict answer = judge(a, b, time);
    if (answer.verdict == Verdict::fresh) {
      (void)first.insert(a, time);
      if (b != nullptr) (void)second.insert(*b, time);
    }
    return answer;
  }
};

TEST_CASE("random steps equal two memories put together by hand, batches included") {
  Deduplicator<Identities<Uuid, std::optional<std::uint64_t>>,
               Policy<Remember<IdentityMemory<idem::UuidSet, IfGiven<idem::Id64Set>>>>>
      seen;
  ByHand<idem::UuidSet, idem::Id64Set> by_hand;
  using Key = decltype(seen)::Key;
  Rng rng(5);
  const auto key_of = [&](std::uint64_t a, std::uint64_t b) {
    return Key(spread_id<Uuid>(a), b == 0 ? std::nullopt : std::optional<std::uint64_t>(b));
  };
  const auto second_of = [](const Key& key) { return key.get<1>() ? &*key.get<1>() : nullptr; };
  std::array<std::uint64_t, 3> decided{};
  const std::uint64_t steps = idem_test::soaked(60'000);
  for (std::uint64_t step = 0; step < steps; ++step) {
    const Key key = key_of(rng.below(2'000), rng.below(2'000));
    const auto roll = rng.below(100);
    if (roll < 50) {
      REQUIRE(seen.memory().judge(key, now) == by_hand.judge(key.get<0>(), second_of(key), now));
      const IdentityVerdict expected = by_hand.insert(key.get<0>(), second_of(key), now);
      REQUIRE(seen.insert(key) == expected.verdict);
      ++decided[expected.identity == no_identity ? 2 : expected.identity];
    } else if (roll < 70) {
      REQUIRE(seen.check(key) == by_hand.judge(key.get<0>(), second_of(key), now).verdict);
    } else if (roll < 95) {
      bool remembered = by_hand.first.forget(key.get<0>());
      if (key.get<1>()) remembered = by_hand.second.forget(*key.get<1>()) || remembered;
      REQUIRE(seen.forget(key) == remembered);
    } else {
      std::vector<Key> batch;
      for (std::uint64_t i = rng.below(100); i != 0; --i) {
        batch.push_back(key_of(rng.below(100), rng.below(100)));
      }
      std::vector<Verdict> verdicts(batch.size());
      seen.insert(batch, verdicts);
      for (std::size_t i = 0; i < batch.size(); ++i) {
        REQUIRE(verdicts[i] == by_hand.insert(batch[i].get<0>(), second_of(batch[i]), now).verdict);
      }
      if (rng.one_in(10)) {
        auto copy = seen;
        seen = std::move(copy);
      }
    }
  }
  REQUIRE(seen.memory().memory<0>().size() == by_hand.first.size());
  REQUIRE(seen.memory().memory<1>().size() == by_hand.second.size());
  for (const std::uint64_t times : decided) CHECK(times > 1'000);
}

TEST_CASE("the same with sequence numbers, and with a filter") {
  const auto run = []<class First, class Second>(ByHand<First, Second>& by_hand,
                                                 IdentityMemory<First, Second>& seen,
                                                 const auto& first_of, const auto& second_of) {
    Rng rng(6);
    std::array<std::uint64_t, 3> decided{};
    for (std::uint64_t step = 0; step < 20'000; ++step) {
      const auto a = first_of(rng, step);
      const auto b = second_of(rng, step);
      const IdentityVerdict expected = by_hand.insert(a, &b, now);
      REQUIRE(seen.judge_and_record({a, b}, now) == expected);
      ++decided[expected.identity == no_identity ? 2 : expected.identity];
    }
    for (const std::uint64_t times : decided) CHECK(times > 100);
  };
  const auto number = [](Rng& rng, std::uint64_t step) {
    return stamp(static_cast<std::int64_t>(rng.below(5)),
                 static_cast<std::int64_t>(step / 20 + rng.below(3)) / 2);
  };
  const auto id = [](Rng& rng, std::uint64_t) { return spread_id<Uuid>(rng.below(4'000)); };
  {
    ByHand<idem::UuidSet, idem::SequenceMemory<>> by_hand;
    IdAndStamp seen;
    run(by_hand, seen, id, number);
  }
  {
    ByHand<idem::SequenceMemory<>, idem::UuidSet> by_hand;
    IdentityMemory<idem::SequenceMemory<>, idem::UuidSet> seen;
    run(by_hand, seen, number, id);
  }
  {
    const idem::BloomFilterOptions small{
        .expected_keys = 2'000, .false_positive_rate = 0.1, .seed = idem::Seed{1, 2}};
    ByHand<idem::BloomFilter<Uuid>, idem::Id64Set> by_hand{idem::BloomFilter<Uuid>(small)};
    IdentityMemory<idem::BloomFilter<Uuid>, idem::Id64Set> seen({.memories = {small, {}}});
    run(by_hand, seen, id, [](Rng& rng, std::uint64_t) { return rng.below(4'000); });
  }
}

// ---- all or none, when there is no room ---------------------------------------------------------

// What must not be built: the first is recorded although the second was full.
struct RecordsHalf {
  using Stored = Identities<Uuid, std::uint64_t>;
  using Options = idem::IdentityOptions<idem::SetOptions, idem::SetOptions>;

  explicit RecordsHalf(const Options& options)
      : ids(options.memories.get<0>()), numbers(options.memories.get<1>()) {}
  Verdict insert(const Stored& key) noexcept {
    if (const Verdict verdict = ids.insert(key.get<0>()); verdict != Verdict::fresh) return verdict;
    return numbers.insert(key.get<1>());
  }
  template <std::size_t place>
  [[nodiscard]] const auto& memory() const noexcept {
    if constexpr (place == 0) {
      return ids;
    } else {
      return numbers;
    }
  }

  idem::UuidSet ids;
  idem::Id64Set numbers;
};

// How many calls answered `full` and had recorded something, of how many that were full.
struct Halves {
  std::uint64_t full = 0;
  std::uint64_t broken = 0;
};
template <class Both>
Halves halves_without_room(idem::ByteSize first, idem::ByteSize second) {
  Both seen({.memories = {{.budget = first}, {.budget = second}}});
  Halves halves;
  for (std::uint64_t i = 0; i < 3'000; ++i) {
    const std::size_t before = seen.template memory<0>().size();
    if (seen.insert({spread_id<Uuid>(i), i}) != Verdict::full) continue;
    ++halves.full;
    const bool is_whole =
        seen.template memory<0>().size() == before && seen.template memory<1>().size() == before;
    halves.broken += is_whole ? 0U : 1U;
  }
  return halves;
}

TEST_CASE("what answers full has recorded nothing in any memory") {
  for (const auto& [first, second] : {std::pair(idem::kibibytes(4), idem::mebibytes(1)),
                                      std::pair(idem::mebibytes(1), idem::kibibytes(4)),
                                      std::pair(idem::kibibytes(4), idem::kibibytes(4))}) {
    const Halves halves = halves_without_room<TwoIds>(first, second);
    CHECK(halves.full > 100);
    CHECK(halves.broken == 0);
  }
  // The test would notice.
  CHECK(halves_without_room<RecordsHalf>(idem::mebibytes(1), idem::kibibytes(4)).broken > 100);
}

// ---- claims -------------------------------------------------------------------------------------

TEST_CASE("while a claim is open, a message that shares an identity is in progress") {
  using Seen = Deduplicator<TwoIds::Stored, Policy<idem::Claims, Remember<TwoIds>>>;
  Seen seen({.claims = {.lease = 10ns}});
  {
    idem::Claim claim = seen.claim({Uuid(1, 1), 1}, at(0));
    CHECK(claim.verdict() == Verdict::fresh);
    CHECK(seen.claim({Uuid(2, 2), 1}, at(0)).verdict() == Verdict::in_progress);
    CHECK(seen.claim({Uuid(1, 1), 2}, at(0)).verdict() == Verdict::in_progress);
    CHECK(seen.insert({Uuid(1, 1), 2}) == Verdict::in_progress);
    CHECK(seen.check({Uuid(2, 2), 1}) == Verdict::in_progress);
    CHECK(seen.memory().judge({Uuid(2, 2), 1}, at(0)) == IdentityVerdict{Verdict::in_progress, 1});
    // Only the same message takes over.
    CHECK(seen.claim({Uuid(1, 1), 2}, at(50)).verdict() == Verdict::in_progress);
    idem::Claim taker = seen.claim({Uuid(1, 1), 1}, at(50));
    CHECK(taker.attempt() == 2);
    CHECK(claim.commit(at(51)) == Verdict::fenced);
  }
  CHECK(seen.check({Uuid(1, 1), 2}) == Verdict::fresh);  // given back
  {
    idem::Claim claim = seen.claim({Uuid(1, 1), 1}, at(60));
    CHECK(claim.commit(at(60)) == Verdict::fresh);
  }
  CHECK(seen.claim({Uuid(1, 1), 2}, at(70)).verdict() == Verdict::duplicate);
  CHECK(seen.claim({Uuid(2, 2), 1}, at(70)).verdict() == Verdict::duplicate);
  CHECK(seen.claim({Uuid(2, 2), 2}, at(70)).verdict() == Verdict::fresh);
}

// Claims on messages of two identities, by the standard containers.
struct ClaimsByHand {
  struct Open {
    std::int64_t lease_end;
    std::uint64_t token;
  };
  using Key = std::pair<std::uint64_t, std::uint64_t>;
  std::map<Key, Open> open{};
  std::array<std::set<std::uint64_t>, 2> done{};
  std::size_t most = 6;
  std::int64_t lease = 20;

  [[nodiscard]] bool is_claimed(std::size_t which, std::uint64_t identity) const {
    for (const auto& [key, claim] : open) {
      if ((which == 0 ? key.first : key.second) == identity) return true;
    }
    return false;
  }
  [[nodiscard]] Verdict check(const Key& key) const {
    for (const std::size_t which : {0U, 1U}) {
      const std::uint64_t identity = which == 0 ? key.first : key.second;
      if (is_claimed(which, identity)) return Verdict::in_progress;
      if (done[which].count(identity) != 0) return Verdict::duplicate;
    }
    return Verdict::fresh;
  }
  Verdict insert(const Key& key) {
    if (open.count(key) != 0) return Verdict::in_progress;
    const Verdict verdict = check(key);
    if (verdict == Verdict::fresh) finish(key);
    return verdict;
  }
  Verdict claim(const Key& key, std::int64_t time, std::uint64_t token) {
    const auto same = open.find(key);
    if (same != open.end()) {
      if (time < same->second.lease_end) return Verdict::in_progress;
      same->second = {time + lease, token};
      return Verdict::fresh;
    }
    const Verdict verdict = check(key);
    if (verdict != Verdict::fresh) return verdict;
    if (open.size() == most) return Verdict::full;
    open[key] = {time + lease, token};
    return Verdict::fresh;
  }
  void finish(const Key& key) {
    done[0].insert(key.first);
    done[1].insert(key.second);
  }
  // Whether the token still owns it.
  bool end(const Key& key, std::uint64_t token, bool commits) {
    const auto same = open.find(key);
    if (same == open.end() || same->second.token != token) return false;
    open.erase(same);
    if (commits) finish(key);
    return true;
  }
};

TEST_CASE("random claims on messages of two identities equal the standard containers") {
  using Seen = Deduplicator<TwoIds::Stored, Policy<idem::Claims, Remember<TwoIds>>>;
  Rng rng(11);
  ClaimsByHand oracle;
  Seen seen(
      {.claims = {.lease = Duration::nanoseconds(oracle.lease), .max_in_flight = oracle.most}});
  struct Held {
    ClaimsByHand::Key key;
    std::uint64_t token;
    Seen::Claim claim;
  };
  std::vector<Held> held;
  std::array<std::uint64_t, 12> answers{};
  std::uint64_t takeovers = 0;
  std::uint64_t fenced = 0;
  std::int64_t time = 0;
  const auto stored = [](const ClaimsByHand::Key& key) {
    return TwoIds::Stored(spread_id<Uuid>(key.first), key.second);
  };
  const std::uint64_t steps = idem_test::soaked(60'000);
  for (std::uint64_t step = 0; step < steps; ++step) {
    time += static_cast<std::int64_t>(rng.below(3));
    const ClaimsByHand::Key key(rng.below(30), rng.below(30));
    const auto roll = rng.below(100);
    if (roll < 45) {
      // Half of the time one that is open already.
      ClaimsByHand::Key wanted = key;
      if (!held.empty() && rng.one_in(2)) wanted = held[rng.below(held.size())].key;
      Seen::Claim claim = seen.claim(stored(wanted), at(time));
      const std::uint64_t token = claim.token();
      const Verdict expected = oracle.claim(wanted, time, token);
      REQUIRE(claim.verdict() == expected);
      ++answers[static_cast<std::size_t>(expected)];
      if (expected == Verdict::fresh) {
        takeovers += claim.attempt() > 1 ? 1U : 0U;
        held.push_back({wanted, token, std::move(claim)});
      }
    } else if (roll < 62) {
      if (held.empty()) continue;
      const std::size_t which = rng.below(held.size());
      std::swap(held[which], held.back());
      Held& ending = held.back();
      if (rng.one_in(2)) {
        const bool owned = oracle.end(ending.key, ending.token, true);
        REQUIRE(ending.claim.commit(at(time)) == (owned ? Verdict::fresh : Verdict::fenced));
        fenced += owned ? 0U : 1U;
      } else {
        (void)oracle.end(ending.key, ending.token, false);
        ending.claim.abort();
      }
      held.pop_back();
    } else if (roll < 64) {
      const Verdict expected = oracle.insert(key);
      REQUIRE(seen.insert(stored(key)) == expected);
    } else if (roll < 70) {
      REQUIRE(seen.check(stored(key)) ==
              (oracle.open.count(key) != 0 ? Verdict::in_progress : oracle.check(key)));
    } else {
      // One identity of another message goes with it.
      const bool remembered =
          (oracle.done[0].erase(key.first) + oracle.done[1].erase(key.second)) != 0;
      REQUIRE(seen.forget(stored(key)) == remembered);
    }
    REQUIRE(seen.claims_in_flight() == oracle.open.size());
    REQUIRE(seen.memory().memory<0>().size() == oracle.done[0].size());
    REQUIRE(seen.memory().memory<1>().size() == oracle.done[1].size());
  }
  for (const Verdict verdict :
       {Verdict::fresh, Verdict::duplicate, Verdict::in_progress, Verdict::full}) {
    CHECK(answers[static_cast<std::size_t>(verdict)] > 500);
  }
  CHECK(takeovers > 100);
  CHECK(fenced > 50);
}

// ---- hashes, shards, values ---------------------------------------------------------------------

TEST_CASE("under HostileKeys every memory and every digest has SipHash") {
  using Key = Identities<Uuid, std::optional<std::string>>;
  using Seen = Deduplicator<Key, Policy<Remember<IdAndText>, idem::HostileKeys>>;
  static_assert(
      std::is_same_v<std::remove_cvref_t<decltype(std::declval<Seen>().memory().memory<1>())>,
                     idem::BasicContentHashSet<idem::SipHash>>);
  Seen seen({.memory = {.seed = idem::Seed{1, 2}}});
  CHECK(seen.insert(Key(Uuid(1, 1), "coffee")) == Verdict::fresh);
  // One seed for all: what the memory itself digests is the same.
  CHECK(seen.memory().memory<1>().check("coffee") == Verdict::duplicate);
}

TEST_CASE("shards, where all deliveries of a message route together") {
  using Sharded = Deduplicator<RoutedOrder, Policy<Remember<IdAndStamp>, idem::Sharded<8>>>;
  Sharded sharded;
  Deduplicator<RoutedOrder, Policy<Remember<IdAndStamp>>> plain;
  Rng rng(3);
  std::vector<RoutedOrder> batch;
  for (int i = 0; i < 2'000; ++i) {
    const auto producer = rng.below(50);
    batch.push_back(
        {Uuid(producer, rng.below(20)),
         stamp(static_cast<std::int64_t>(producer), static_cast<std::int64_t>(rng.below(20)))});
  }
  std::vector<Verdict> verdicts(batch.size());
  sharded.insert(batch, now, verdicts);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    REQUIRE(verdicts[i] == plain.insert(batch[i], now));
  }
  for (const RoutedOrder& order : batch) {
    REQUIRE(sharded.check(order, now) == plain.check(order, now));
  }
}

TEST_CASE("a value: copied whole, and put together from memories that were loaded") {
  TwoIds seen;
  CHECK(seen.insert({Uuid(1, 1), 1}) == Verdict::fresh);
  TwoIds copy;
  copy = seen;
  CHECK(copy.insert({Uuid(2, 2), 2}) == Verdict::fresh);
  CHECK(seen.check({Uuid(2, 2), 3}) == Verdict::fresh);

  std::vector<std::byte> ids;
  std::vector<std::byte> numbers;
  REQUIRE(idem::save(copy.memory<0>(), {}, ids));
  REQUIRE(idem::save(copy.memory<1>(), {}, numbers));
  Deduplicator<TwoIds::Stored, Policy<Remember<TwoIds>>> again(
      TwoIds(idem::load<idem::UuidSet>(ids)->state, idem::load<idem::Id64Set>(numbers)->state));
  CHECK(again.check({Uuid(1, 1), 9}) == Verdict::duplicate);
  CHECK(again.check({Uuid(9, 9), 2}) == Verdict::duplicate);
  CHECK(again.check({Uuid(9, 9), 9}) == Verdict::fresh);
}

TEST_CASE("a copy made while a claim is open has no claims") {
  using Seen = Deduplicator<TwoIds::Stored, Policy<idem::Claims, Remember<TwoIds>>>;
  Seen seen;
  const TwoIds::Stored message(Uuid(1, 1), 1);
  idem::Claim claim = seen.claim(message, at(0));
  Seen other(TwoIds(seen.memory()));
  TwoIds assigned;
  assigned = seen.memory();
  CHECK(seen.memory().check(message) == Verdict::in_progress);
  CHECK(assigned.insert(message) == Verdict::fresh);
  idem::Claim others = other.claim(message, at(0));
  CHECK(others.verdict() == Verdict::fresh);
  CHECK(others.commit(at(0)) == Verdict::fresh);
  CHECK(claim.commit(at(0)) == Verdict::fresh);
  CHECK(seen.check(message) == Verdict::duplicate);
}

TEST_CASE("a refuted guess is recorded under every identity, or under none") {
  using Guessing = IdentityMemory<idem::Id64Set, idem::WindowBloomFilter<Uuid>, idem::UuidSet>;
  const auto options = [](idem::ByteSize budget) {
    return Guessing::Options{.memories = {{},
                                          {.window = Duration::nanoseconds(1'000),
                                           .expected_keys = 1'000,
                                           .false_positive_rate = 0.5},
                                          {.budget = budget}},
                             .seed = idem::Seed{1, 2}};
  };
  const auto guess = [](auto& seen) {
    for (std::uint64_t i = 0;; ++i) {
      const Guessing::Stored key(i, spread_id<Uuid>(i), spread_id<Uuid>(i));
      if (seen.insert(key, now) == Verdict::probable_duplicate) return i;
      REQUIRE(i != 10'000);
    }
  };
  Deduplicator<Guessing::Stored, Policy<Remember<Guessing>, idem::AcceptFalseDuplicates>> seen(
      {.memory = options(idem::ByteSize::unlimited())});
  const std::uint64_t wrong = guess(seen);
  const Uuid elsewhere(1, 1);
  CHECK(seen.memory().memory<0>().check(wrong) == Verdict::fresh);
  CHECK(seen.refute({wrong, spread_id<Uuid>(wrong), spread_id<Uuid>(wrong)}, now));
  CHECK(seen.memory().memory<0>().check(wrong) == Verdict::duplicate);
  CHECK(seen.memory().memory<2>().check(spread_id<Uuid>(wrong)) == Verdict::duplicate);
  CHECK(seen.check({wrong, elsewhere, elsewhere}, now) == Verdict::duplicate);

  // No room in the last: the first has given back what it held for it.
  Guessing tight(options(idem::bytes(1'000)));
  std::uint64_t next = 0;
  while (tight.insert({next, spread_id<Uuid>(next), spread_id<Uuid>(next)}, now) != Verdict::full) {
    REQUIRE(++next < 1'000);
  }
  const std::size_t held = tight.memory<0>().size();
  CHECK(!tight.add({next, spread_id<Uuid>(next), spread_id<Uuid>(next)}, now));
  CHECK(tight.memory<0>().check(next) == Verdict::fresh);
  CHECK(tight.memory<0>().size() == held);
}

TEST_CASE("nonsense in the options of a part says which field") {
  CHECK_THROWS_WITH_AS(TwoIds({.memories = {{.budget = idem::bytes(5)}, {}}}),
                       doctest::Contains("SetOptions.budget is 5"), std::invalid_argument);
}

}  // namespace
