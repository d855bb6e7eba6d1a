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

}  // namespace
