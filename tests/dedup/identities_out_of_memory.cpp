#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <doctest/doctest.h>

#include <idem/idem.hpp>

#include "support/ids.hpp"
#include "support/out_of_memory.hpp"

// Several identities of one message where memory runs out: recorded under all of them or under none.

namespace {

using idem::At;
using idem::Deduplicator;
using idem::Identities;
using idem::IdentityMemory;
using idem::IdentityVerdict;
using idem::Instant;
using idem::Policy;
using idem::ProducerBatch;
using idem::Remember;
using idem::Uuid;
using idem::Verdict;
using idem_test::spread_id;

using TwoIds = IdentityMemory<idem::UuidSet, idem::Id64Set>;
using IdAndStamp = IdentityMemory<idem::UuidSet, idem::SequenceMemory<>>;

constexpr At now{.now = Instant()};

ProducerBatch stamp(std::int64_t producer, std::int64_t sequence) {
  return {
      .producer_id = producer, .epoch = 0, .first_sequence = sequence, .last_sequence = sequence};
}

// Inserts one message more with each allocation failing in turn.
template <class Memory, class KeyOf>
std::uint64_t fail_each_allocation(const typename Memory::Options& options, std::uint64_t present,
                                   const KeyOf& key_of) {
  std::uint64_t injected = 0;
  for (const auto mode : {idem_test::Failing::once, idem_test::Failing::from_then_on}) {
    std::optional<Memory> seen;
    Verdict verdict{};
    injected += idem_test::for_each_failing_allocation(
        mode,
        [&] {
          seen.emplace(options);
          for (std::uint64_t i = 0; i < present; ++i) {
            REQUIRE(seen->insert(key_of(i), now) == Verdict::fresh);
          }
        },
        [&] { verdict = seen->insert(key_of(present), now); },
        [&](bool fired) {
          // A set may do without a better place for what it has.
          if (!fired) REQUIRE(verdict == Verdict::fresh);
          if (verdict == Verdict::full) {
            REQUIRE(seen->check(key_of(present), now) == Verdict::fresh);
            REQUIRE(seen->template memory<0>().size() == present);
          }
          if (verdict == Verdict::full) verdict = seen->insert(key_of(present), now);
          REQUIRE(verdict == Verdict::fresh);
          for (std::uint64_t i = 0; i <= present; ++i) {
            REQUIRE(seen->judge(key_of(i), now) == IdentityVerdict{Verdict::duplicate, 0});
          }
        });
  }
  return injected;
}

TEST_CASE("no memory: full, nothing recorded, whichever allocation fails") {
  std::uint64_t injected = 0;
  for (std::uint64_t present = 0; present <= 100; ++present) {
    injected += fail_each_allocation<TwoIds>({}, present, [](std::uint64_t i) {
      return Identities<Uuid, std::uint64_t>(spread_id<Uuid>(i), i);
    });
    injected += fail_each_allocation<IdAndStamp>({}, present, [](std::uint64_t i) {
      return Identities<Uuid, ProducerBatch>(spread_id<Uuid>(i),
                                             stamp(static_cast<std::int64_t>(i), 0));
    });
  }
  CHECK(injected > 20);
}

TEST_CASE("a claim takes room everywhere or nowhere, whichever allocation fails") {
  using Seen = Deduplicator<TwoIds::Stored, Policy<idem::Claims, Remember<TwoIds>>>;
  const auto key_of = [](std::uint64_t i) { return TwoIds::Stored(spread_id<Uuid>(i), i); };
  Seen::Options options;
  options.claims.max_in_flight = 4;
  options.memory.seed = idem::Seed{1, 2};  // g++ 12 misreads an optional without a value here
  std::uint64_t injected = 0;
  for (std::uint64_t present = 0; present <= 60; ++present) {
    std::optional<Seen> seen;
    std::vector<Seen::Claim> claims;
    claims.reserve(2);
    injected += idem_test::for_each_failing_allocation(
        idem_test::Failing::once,
        [&] {
          claims.clear();
          seen.emplace(options);
          for (std::uint64_t i = 0; i < present; ++i)
            REQUIRE(seen->insert(key_of(i)) == Verdict::fresh);
        },
        [&] { claims.push_back(seen->claim(key_of(present), now)); },
        [&](bool fired) {
          REQUIRE(claims.back().verdict() == (fired ? Verdict::full : Verdict::fresh));
          if (fired) {
            REQUIRE(seen->check(key_of(present)) == Verdict::fresh);
            claims.push_back(seen->claim(key_of(present), now));
          }
          REQUIRE(seen->check({spread_id<Uuid>(1'000), present}) == Verdict::in_progress);
          REQUIRE(claims.back().commit(now) == Verdict::fresh);
          REQUIRE(seen->memory().memory<0>().size() == present + 1);
          REQUIRE(seen->memory().memory<1>().size() == present + 1);
        });
    claims.clear();
  }
  CHECK(injected > 3);
}

}  // namespace
