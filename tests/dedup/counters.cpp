#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include <idem/idem.hpp>

namespace {

using idem::Deduplicator;
using idem::Duration;
using idem::Instant;
using idem::Policy;
using idem::Uuid;
using idem::Verdict;

Instant at(std::int64_t nanoseconds) { return Instant::at(Duration::nanoseconds(nanoseconds)); }

template <class D>
concept Counting = requires(const D& seen) {
  seen.counters();
};
static_assert(Counting<Deduplicator<Uuid, Policy<idem::Counters>>>);
static_assert(!Counting<Deduplicator<Uuid>>);
static_assert(sizeof(Deduplicator<Uuid>) == sizeof(idem::UuidSet));
static_assert(sizeof(Deduplicator<Uuid, Policy<idem::Counters>>) ==
              sizeof(idem::UuidSet) + sizeof(idem::DeduplicatorCounters));
static_assert(idem::DeduplicatorCounters{}.verdicts.size() ==
              static_cast<std::size_t>(Verdict::poisoned) + 1);

TEST_CASE("inserts are counted by verdict, alone and in batches; checks are not") {
  Deduplicator<Uuid, Policy<idem::Counters>> seen({.memory = {.budget = idem::kibibytes(1)}});
  CHECK(seen.insert(Uuid(1, 1)) == Verdict::fresh);
  CHECK(seen.check(Uuid(1, 1)) == Verdict::duplicate);
  const std::vector<Uuid> batch{Uuid(1, 1), Uuid(2, 2), Uuid(2, 2)};
  std::vector<Verdict> verdicts(3);
  seen.insert(batch, verdicts);
  std::uint64_t next = 3;
  while (seen.insert(Uuid(3, next)) != Verdict::full) ++next;
  const idem::DeduplicatorCounters counters = seen.counters();
  CHECK(counters[Verdict::fresh] == next - 1);
  CHECK(counters[Verdict::duplicate] == 2);
  CHECK(counters[Verdict::full] == 1);
  CHECK(counters[Verdict::in_progress] == 0);
  CHECK(counters.commits == 0);
}

TEST_CASE("what becomes of claims is counted, on one thread and in shards") {
  const auto run = []<class Seen>(std::type_identity<Seen>) {
    Seen seen(
        {.claims = {.lease = Duration::nanoseconds(10), .max_attempts = 2, .max_failed_keys = 1}});
    const auto claim = [&](std::uint64_t key, std::int64_t now) {
      return seen.claim(Uuid(key, key), {.now = at(now)});
    };
    CHECK(claim(1, 0).commit(at(0)) == Verdict::fresh);
    CHECK(claim(1, 0).verdict() == Verdict::duplicate);
    {
      auto slow = claim(2, 0);
      CHECK(claim(2, 9).verdict() == Verdict::in_progress);
      CHECK(seen.insert(Uuid(2, 2)) == Verdict::in_progress);
      auto taker = claim(2, 10);
      CHECK(taker.attempt() == 2);
      CHECK(slow.commit(at(11)) == Verdict::fenced);
      CHECK(slow.commit(at(11)) == Verdict::fenced);  // no claim any more: not counted again
    }
    CHECK(claim(2, 12).verdict() == Verdict::poisoned);
    return seen.counters();
  };
  const auto one =
      run(std::type_identity<Deduplicator<Uuid, Policy<idem::Claims, idem::Counters>>>());
  CHECK(one[Verdict::fresh] == 3);
  CHECK(one[Verdict::duplicate] == 1);
  CHECK(one[Verdict::in_progress] == 2);
  CHECK(one[Verdict::poisoned] == 1);
  CHECK(one.commits == 1);
  CHECK(one.aborts == 1);
  CHECK(one.takeovers == 1);
  CHECK(one.lost_claims == 1);
  CHECK(one.forgotten_failures == 0);
  CHECK(one == run(std::type_identity<
                   Deduplicator<Uuid, Policy<idem::Claims, idem::Counters, idem::Sharded<4>>>>()));
}

TEST_CASE("failures forgotten for want of room are counted") {
  Deduplicator<Uuid, Policy<idem::Claims, idem::Counters>> seen(
      {.claims = {.max_attempts = 5, .max_failed_keys = 2}});
  for (std::uint64_t key = 0; key < 5; ++key) seen.claim(Uuid(key, key), {.now = at(0)}).abort();
  CHECK(seen.counters().forgotten_failures == 3);
  CHECK(seen.counters().aborts == 5);
}

TEST_CASE("keys that a memory forgot before their time show") {
  using Ring = idem::TimeWindowRing<Uuid>;
  Deduplicator<Uuid, Policy<idem::Remember<Ring>, idem::Counters>> seen(
      {.memory = {.window = Duration::nanoseconds(1'000'000),
                  .budget = idem::kibibytes(64),
                  .when_full = idem::WhenFull::forget_oldest}});
  for (std::uint64_t key = 0; key < 10'000; ++key) {
    REQUIRE(seen.insert(Uuid(key, key), {.now = at(0)}) == Verdict::fresh);
  }
  CHECK(seen.counters().early_evictions > 5'000);
  CHECK(seen.counters().early_evictions == seen.memory().counters().early_evictions);
}

TEST_CASE("a guess is counted as one") {
  using Filter = idem::WindowBloomFilter<Uuid>;
  Deduplicator<Uuid, Policy<idem::Remember<Filter>, idem::AcceptFalseDuplicates, idem::Counters>>
      seen({.memory = {.window = Duration::nanoseconds(1'000'000),
                       .expected_keys = 100,
                       .false_positive_rate = 0.01}});
  CHECK(seen.insert(Uuid(1, 1), {.now = at(0)}) == Verdict::fresh);
  CHECK(seen.insert(Uuid(1, 1), {.now = at(0)}) == Verdict::probable_duplicate);
  CHECK(seen.counters()[Verdict::probable_duplicate] == 1);
}

template <class D>
concept TellsRate = requires(const D& seen) {
  seen.false_positive_rate();
};
template <class D>
concept TellsHorizon = requires(const D& seen) {
  seen.effective_horizon();
};
template <class D>
concept Refutes = requires(D& seen, const typename D::Key& key, idem::At time) {
  seen.refute(key, time);
};
static_assert(!TellsRate<Deduplicator<Uuid>> && !TellsHorizon<Deduplicator<Uuid>> &&
              !Refutes<Deduplicator<Uuid>>);

// Every guess is looked up in something exact, and refuted where it was wrong.
template <class Seen>
void observe(Seen& seen, std::uint64_t fresh_keys) {
  std::uint64_t guesses = 0;
  for (std::uint64_t key = 0; key < fresh_keys; ++key) {
    const Uuid id(key * 0x9e3779b97f4a7c15, key);
    const Verdict verdict = seen.insert(id, {.now = at(0)});
    if (verdict == Verdict::probable_duplicate) {
      ++guesses;
      REQUIRE(seen.refute(id, {.now = at(0)}));
      REQUIRE(seen.check(id, {.now = at(0)}) != Verdict::fresh);
    } else {
      REQUIRE(verdict == Verdict::fresh);
    }
  }
  const idem::DeduplicatorCounters counters = seen.counters();
  CHECK(counters.refuted == guesses);
  CHECK(counters.observed_false_positive_rate() ==
        static_cast<double>(guesses) / static_cast<double>(fresh_keys));
}

template <class Seen>
constexpr bool counts_keys = requires(const Seen& seen) {
  seen.size();
};

TEST_CASE("the observed rate of a filter is the predicted one, in shards too") {
  using Bloom = idem::BloomFilter<Uuid>;
  const idem::BloomFilterOptions options{
      .expected_keys = 20'000, .false_positive_rate = 0.1, .seed = idem::Seed{1, 2}};
  using One =
      Deduplicator<Uuid,
                   Policy<idem::Remember<Bloom>, idem::AcceptFalseDuplicates, idem::Counters>>;
  using Four = Deduplicator<Uuid, Policy<idem::Remember<Bloom>, idem::AcceptFalseDuplicates,
                                         idem::Counters, idem::Sharded<4>>>;
  // A filter's size is bytes, and no number of keys.
  static_assert(!counts_keys<One> && counts_keys<Deduplicator<Uuid>>);
  {
    One seen({.memory = options});
    CHECK(seen.false_positive_rate() == 0);
    observe(seen, 20'000);
    CHECK(seen.counters().observed_false_positive_rate() > 0.015);
    CHECK(seen.counters().observed_false_positive_rate() < seen.false_positive_rate());
  }
  {
    Four seen({.memory = {.expected_keys = 5'000, .false_positive_rate = 0.1}});
    observe(seen, 20'000);
    CHECK(seen.counters().observed_false_positive_rate() > 0.015);
    CHECK(seen.counters().observed_false_positive_rate() < seen.false_positive_rate());
    CHECK(seen.false_positive_rate() < 0.12);
  }
}

TEST_CASE("a refuted guess of a window is recorded") {
  using Filter = idem::WindowBloomFilter<Uuid>;
  using Backed = idem::BackedWindow<idem::TimeWindowRing<Uuid>, Filter>;
  const auto window = Duration::nanoseconds(1'000'000);
  {
    Deduplicator<Uuid, Policy<idem::Remember<Filter>, idem::AcceptFalseDuplicates, idem::Counters>>
        seen({.memory = {.window = window, .expected_keys = 5'000, .false_positive_rate = 0.1}});
    observe(seen, 5'000);
    CHECK(seen.counters().refuted > 0);
    CHECK(seen.effective_horizon() <= at(0));
  }
  {
    Deduplicator<Uuid, Policy<idem::Remember<Backed>, idem::AcceptFalseDuplicates, idem::Counters>>
        seen({.memory = {
                  .exact = {.window = Duration::nanoseconds(1'000)},
                  .filter = {
                      .window = window, .expected_keys = 5'000, .false_positive_rate = 0.1}}});
    observe(seen, 5'000);
    CHECK(seen.counters().refuted > 0);
    CHECK(seen.false_positive_rate() == seen.memory().filter().false_positive_rate());
    // From then on it is a duplicate for certain.
    CHECK(seen.insert(Uuid(0, 0), {.now = at(1)}) == Verdict::duplicate);
  }
}

TEST_CASE("the horizon is what every shard can promise") {
  using Ring = idem::TimeWindowRing<Uuid>;
  const idem::TimeWindowOptions options{.window = Duration::nanoseconds(1'000'000),
                                        .max_keys = 128,
                                        .when_full = idem::WhenFull::forget_oldest};
  using Four = Deduplicator<Uuid, Policy<idem::Remember<Ring>, idem::Counters, idem::Sharded<4>>>;
  Four seen({.memory = options});
  CHECK(seen.effective_horizon() == Instant::min());
  for (std::int64_t i = 0; i < 10'000; ++i) {
    const auto key = static_cast<std::uint64_t>(i);
    REQUIRE(seen.insert(Uuid(key * 0x9e3779b97f4a7c15, key), {.now = at(i)}) == Verdict::fresh);
  }
  CHECK(seen.counters().early_evictions > 9'000);
  const Instant horizon = seen.effective_horizon();
  CHECK(horizon > at(9'000));
  CHECK(horizon <= at(9'999));
  std::int64_t remembered = 0;
  for (std::int64_t i = 0; i < 10'000; ++i) {
    const auto key = static_cast<std::uint64_t>(i);
    const bool is_there =
        seen.check(Uuid(key * 0x9e3779b97f4a7c15, key), {.now = at(9'999)}) == Verdict::duplicate;
    if (at(i) >= horizon) REQUIRE(is_there);
    remembered += is_there ? 1 : 0;
  }
  CHECK(remembered < 1'000);
}

TEST_CASE("what other memories forget early is counted under one name") {
  {
    using Filter = idem::InverseFilter<Uuid>;
    Deduplicator<Uuid, Policy<idem::Remember<Filter>, idem::Counters>> seen(
        {.memory = {.size = idem::bytes(64)}});
    for (std::uint64_t key = 1; key <= 100; ++key) (void)seen.insert(Uuid(key, key));
    CHECK(seen.counters().early_evictions == 96);
  }
  {
    Deduplicator<idem::ProducerBatch,
                 Policy<idem::Remember<idem::SequenceMemory<>>, idem::Counters>>
        seen({.memory = {.max_producers = 10}});
    for (std::int64_t producer = 0; producer < 100; ++producer) {
      (void)seen.insert(
          {.producer_id = producer, .epoch = 0, .first_sequence = 0, .last_sequence = 0},
          {.now = at(producer)});
    }
    CHECK(seen.counters().early_evictions == seen.memory().tracker().counters().evicted);
    CHECK(seen.counters().early_evictions >= 80);
  }
  {
    using Ring = idem::TimeWindowRing<Uuid>;
    using Both = idem::IdentityMemory<Ring, idem::InverseFilter<Uuid>>;
    idem::Deduplicator<Both::Stored, Policy<idem::Remember<Both>, idem::Counters>> seen(
        {.memory = {.memories = {{.window = Duration::nanoseconds(1'000'000),
                                  .max_keys = 128,
                                  .when_full = idem::WhenFull::forget_oldest},
                                 {.size = idem::bytes(64)}}}});
    for (std::uint64_t key = 1; key <= 1'000; ++key) {
      REQUIRE(seen.insert({Uuid(key, key), Uuid(0, key)}, {.now = at(0)}) == Verdict::fresh);
    }
    CHECK(seen.counters().early_evictions ==
          seen.memory().memory<0>().counters().early_evictions + 996);
    CHECK(seen.memory().memory<0>().counters().early_evictions > 800);
  }
}

// Fills it beyond what it holds, clears it, and goes on.
template <class Memory>
void keeps_its_early_evictions(const typename Memory::Options& options) {
  using Seen =
      Deduplicator<Uuid,
                   Policy<idem::Remember<Memory>, idem::Counters, idem::AcceptFalseDuplicates>>;
  Seen seen({.memory = options});
  for (std::uint64_t key = 1; key <= 1'000; ++key)
    (void)seen.insert(Uuid(key, key), {.now = at(0)});
  const std::uint64_t evicted = seen.counters().early_evictions;
  CHECK(evicted > 500);
  seen.clear();
  CHECK(seen.counters().early_evictions == evicted);
  Seen other(Memory(seen.memory()));
  CHECK(other.counters().early_evictions == evicted);
  for (std::uint64_t key = 1; key <= 1'000; ++key)
    (void)other.insert(Uuid(key, key), {.now = at(0)});
  CHECK(other.counters().early_evictions == 2 * evicted);
}

TEST_CASE("early evictions are those since the memory was made, cleared or not") {
  constexpr Duration window = Duration::nanoseconds(1'000'000);
  constexpr idem::Seed seed{1, 2};
  const idem::TimeWindowOptions ring{
      .window = window, .max_keys = 100, .when_full = idem::WhenFull::forget_oldest, .seed = seed};
  keeps_its_early_evictions<idem::TimeWindowRing<Uuid>>(ring);
  const idem::WindowFilterOptions filter{.window = window,
                                         .expected_keys = 100,
                                         .false_positive_rate = 1e-9,
                                         .when_crowded = idem::WhenCrowded::forget_oldest,
                                         .seed = seed};
  keeps_its_early_evictions<idem::WindowBloomFilter<Uuid>>(filter);
  keeps_its_early_evictions<idem::InverseFilter<Uuid>>({.size = idem::bytes(64), .seed = seed});
}

}  // namespace
