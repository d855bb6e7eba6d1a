#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <idem/dedup/deduplicator.hpp>

#include "support/dies.hpp"
#include "support/ids.hpp"
#include "support/out_of_memory.hpp"

using idem::At;
using idem::Instant;
using idem::Uuid;
using idem::Verdict;
using idem_test::allocations;
using idem_test::FailAllocation;
using idem_test::Failing;

namespace {

using Claiming = idem::Deduplicator<Uuid, idem::Policy<idem::Claims>>;

constexpr Failing modes[] = {Failing::once, Failing::from_then_on};
constexpr At now{.now = Instant{}};

Uuid key(std::uint64_t index) { return idem_test::spread_id<Uuid>(index); }

}  // namespace

TEST_CASE("claims: memory_bytes is what was allocated and the object itself") {
  for (const std::size_t max_in_flight : {1UL, 2UL, 3UL, 100UL, 1'024UL, 5'000UL}) {
    const auto before = allocations();
    {
      Claiming seen({.claims = {.max_in_flight = max_in_flight}});
      const auto held = [&] {
        return sizeof(Claiming) + (allocations().live_bytes - before.live_bytes);
      };
      REQUIRE(seen.memory_bytes() == held());
      for (std::uint64_t i = 0; i < 3'000; ++i) {
        Claiming::Claim claim = seen.claim(key(i), now);
        REQUIRE(claim.verdict() == Verdict::fresh);
        REQUIRE(seen.memory_bytes() == held());
        REQUIRE(claim.commit(now) == Verdict::fresh);
        REQUIRE(seen.memory_bytes() == held());
      }
    }
    CHECK(allocations().live == before.live);
  }
}

TEST_CASE("shards: memory_bytes is what all of them allocated and the object itself") {
  const auto before = allocations();
  {
    idem::Deduplicator<Uuid, idem::Policy<idem::Sharded<8>, idem::Claims>> seen(
        {.claims = {.max_in_flight = 10, .max_attempts = 3}});
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      REQUIRE(seen.insert(key(i)) == Verdict::fresh);
    }
    CHECK(seen.memory_bytes() == sizeof seen + (allocations().live_bytes - before.live_bytes));
  }
  CHECK(allocations().live == before.live);
}

TEST_CASE("claims: the constructor throws and leaks nothing, whichever allocation fails") {
  for (const Failing mode : modes) {
    bool threw = false;
    const auto before = allocations();
    const std::uint64_t injected = idem_test::for_each_failing_allocation(
        mode, [&] { threw = false; },
        [&] {
          try {
            const Claiming seen({.memory = {.expected_keys = 1'000}});
          } catch (const std::bad_alloc&) {
            threw = true;
          } catch (const std::invalid_argument&) {
            threw = true;
          }
        },
        [&](bool fired) {
          CHECK(threw == fired);
          CHECK(allocations().live == before.live);
        });
    // The memory's array and the claim table.
    CHECK(injected >= 2);
  }
}

TEST_CASE("claims: no memory at the claim answers full and changes nothing") {
  std::uint64_t injected = 0;
  for (const Failing mode : modes) {
    for (std::uint64_t present = 0; present <= 200; ++present) {
      std::optional<Claiming> seen;
      std::optional<Claiming::Claim> claim;
      const auto before = allocations();
      injected += idem_test::for_each_failing_allocation(
          mode,
          [&] {
            claim.reset();
            seen.emplace(Claiming::Options{.claims = {.max_in_flight = 4}});
            for (std::uint64_t i = 0; i < present; ++i)
              REQUIRE(seen->insert(key(i)) == Verdict::fresh);
          },
          [&] { claim.emplace(seen->claim(key(present), now)); },
          [&](bool fired) {
            REQUIRE(claim->verdict() == (fired ? Verdict::full : Verdict::fresh));
            REQUIRE(claim->holds() == !fired);
            REQUIRE(seen->memory().size() == present);
            if (fired) {
              REQUIRE(seen->claims_in_flight() == 0);
              REQUIRE(seen->check(key(present)) == Verdict::fresh);
              claim.emplace(seen->claim(key(present), now));
              REQUIRE(claim->verdict() == Verdict::fresh);
            }
            REQUIRE(claim->token() == 1);
            REQUIRE(claim->commit(now) == Verdict::fresh);
            for (std::uint64_t i = 0; i <= present; ++i)
              REQUIRE(seen->check(key(i)) == Verdict::duplicate);
          });
      claim.reset();
      seen.reset();
      REQUIRE(allocations().live == before.live);
    }
  }
  CHECK(injected >= 8);
}

TEST_CASE("claims: once granted, nothing about them needs memory") {
  Claiming seen({.claims = {.lease = idem::Duration::nanoseconds(10), .max_in_flight = 64}});
  std::vector<Claiming::Claim> claims;
  claims.reserve(200);
  for (std::uint64_t i = 0; i < 64; ++i) {
    claims.push_back(seen.claim(key(i), now));
    REQUIRE(claims.back().verdict() == Verdict::fresh);
  }
  // Others take what room there is.
  std::uint64_t others = 0;
  {
    FailAllocation failure(0, Failing::from_then_on);
    while (seen.insert(key(1'000 + others)) == Verdict::fresh) ++others;
  }
  const Instant later = Instant::at(idem::Duration::nanoseconds(10));
  bool right = true;
  std::uint64_t fired = 0;
  {
    FailAllocation failure(0, Failing::from_then_on);
    for (std::uint64_t i = 0; i < 64; ++i) {
      right = right && claims[i].renew(Instant{}) == Verdict::fresh;
      // Every other one is taken over, every fourth given back.
      if (i % 2 == 0) claims.push_back(seen.claim(key(i), At{.now = later}));
      if (i % 4 == 1) claims[i].abort();
    }
    for (Claiming::Claim& claim : claims) {
      const bool holds = claim.holds();
      right = right && claim.commit(later) == (holds ? Verdict::fresh : Verdict::fenced);
    }
    fired = failure.fired();
  }
  CHECK(right);
  CHECK(fired == 0);
  CHECK(claims.size() == 96);
  CHECK(seen.memory().size() == others + 48);
  CHECK(seen.claims_in_flight() == 0);
  for (std::uint64_t i = 0; i < 64; ++i)
    CHECK(seen.check(key(i)) == (i % 4 == 1 ? Verdict::fresh : Verdict::duplicate));
}

TEST_CASE("claims: a string key is digested without memory") {
  idem::Deduplicator<std::string, idem::Policy<idem::Claims>> seen(
      {.memory = {.expected_keys = 10}});
  const std::string text(1'000, 'x');
  const std::uint64_t before = allocations().count;
  auto claim = seen.claim(text, now);
  CHECK(claim.commit(now) == Verdict::fresh);
  CHECK(seen.check(text) == Verdict::duplicate);
  CHECK(seen.insert(text) == Verdict::duplicate);
  CHECK(allocations().count == before);
}

TEST_CASE("claims: a claim that outlives its Deduplicator ends the program") {
  CHECK(idem_test::dies([] {
    auto seen = std::make_optional<Claiming>();
    const Claiming::Claim claim = seen->claim(key(1), now);
    seen.reset();
  }));
  // Also one that was taken over: its end would touch the table.
  CHECK(idem_test::dies([] {
    auto seen = std::make_optional<Claiming>();
    const Claiming::Claim old = seen->claim(key(1), now);
    {
      const Claiming::Claim taker = seen->claim(key(1), At{.now = Instant::max()});
      if (taker.verdict() != Verdict::fresh) return;
    }
    seen.reset();
  }));
  // Not one that has ended, was moved from, or never was one.
  CHECK_FALSE(idem_test::dies([] {
    auto seen = std::make_optional<Claiming>();
    (void)seen->insert(key(2));
    Claiming::Claim committed = seen->claim(key(1), now);
    Claiming::Claim aborted = seen->claim(key(3), now);
    Claiming::Claim from = seen->claim(key(4), now);
    { const Claiming::Claim to(std::move(from)); }
    const Claiming::Claim refused = seen->claim(key(2), now);
    (void)committed.commit(now);
    aborted.abort();
    seen.reset();
  }));
}
