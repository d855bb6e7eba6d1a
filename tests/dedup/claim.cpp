#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <idem/idem.hpp>

namespace {

using namespace std::chrono_literals;
using idem::Verdict;
using Claiming = idem::Deduplicator<idem::Uuid, idem::Policy<idem::Claims>>;

const idem::Uuid id_a(1, 1);
const idem::Uuid id_b(2, 2);

idem::Instant at(std::chrono::nanoseconds since) { return idem::Instant::at(since); }

static_assert(!std::is_copy_constructible_v<Claiming> && !std::is_move_constructible_v<Claiming>);
static_assert(!std::is_copy_constructible_v<Claiming::Claim>);
static_assert(std::is_nothrow_move_constructible_v<Claiming::Claim>);
static_assert(std::is_nothrow_move_assignable_v<Claiming::Claim>);

TEST_CASE("claim, commit, duplicate") {
  Claiming seen;
  idem::Claim claim = seen.claim(id_a, {.now = at(0s)});
  CHECK(claim.verdict() == Verdict::fresh);
  CHECK(claim.holds());
  CHECK(claim.attempt() == 1);
  CHECK(seen.claims_in_flight() == 1);
  CHECK(seen.claim(id_a, {.now = at(0s)}).verdict() == Verdict::in_progress);
  CHECK(seen.claim(id_b, {.now = at(0s)}).verdict() == Verdict::fresh);

  CHECK(claim.commit(at(1s)) == Verdict::fresh);
  CHECK_FALSE(claim.holds());
  CHECK(seen.claims_in_flight() == 0);
  CHECK(seen.claim(id_a, {.now = at(1s)}).verdict() == Verdict::duplicate);
  CHECK(seen.check(id_a) == Verdict::duplicate);
  CHECK(claim.commit(at(1s)) == Verdict::fenced);
}

TEST_CASE("abort, the destructor and an exception give the key back") {
  Claiming seen;
  {
    idem::Claim claim = seen.claim(id_a, {.now = at(0s)});
    claim.abort();
    CHECK_FALSE(claim.holds());
    CHECK(claim.commit(at(0s)) == Verdict::fenced);
  }
  CHECK(seen.check(id_a) == Verdict::fresh);
  { idem::Claim claim = seen.claim(id_a, {.now = at(0s)}); }
  CHECK(seen.check(id_a) == Verdict::fresh);
  try {
    idem::Claim claim = seen.claim(id_a, {.now = at(0s)});
    throw std::runtime_error("work failed");
  } catch (const std::runtime_error&) {
  }
  CHECK(seen.check(id_a) == Verdict::fresh);
  CHECK(seen.claims_in_flight() == 0);
}

TEST_CASE("an open claim answers in_progress to insert and check, its lease over or not") {
  Claiming seen({.claims = {.lease = 10s}});
  idem::Claim claim = seen.claim(id_a, {.now = at(0s)});
  for (const auto now : {0s, 9s, 10s, 1000s}) {
    CHECK(seen.check(id_a, {.now = at(now)}) == Verdict::in_progress);
    CHECK(seen.insert(id_a, {.now = at(now)}) == Verdict::in_progress);
  }
  const std::vector<idem::Uuid> batch{id_b, id_a, id_b};
  std::vector<Verdict> verdicts(3);
  seen.insert(batch, verdicts);
  CHECK(verdicts == std::vector{Verdict::fresh, Verdict::in_progress, Verdict::duplicate});
  CHECK(claim.commit(at(0s)) == Verdict::fresh);
}

TEST_CASE("a lease that has run out is taken over, and the old owner can do nothing more") {
  Claiming seen({.claims = {.lease = 10s}});
  idem::Claim old_owner = seen.claim(id_a, {.now = at(0s)});
  CHECK(seen.claim(id_a, {.now = at(10s - 1ns)}).verdict() == Verdict::in_progress);

  idem::Claim new_owner = seen.claim(id_a, {.now = at(10s)});
  CHECK(new_owner.verdict() == Verdict::fresh);
  CHECK(new_owner.attempt() == 2);
  CHECK(new_owner.token() > old_owner.token());
  CHECK(seen.claims_in_flight() == 1);

  CHECK_FALSE(old_owner.holds());
  CHECK(old_owner.renew(at(11s)) == Verdict::fenced);
  CHECK(old_owner.commit(at(11s)) == Verdict::fenced);
  CHECK(seen.check(id_a) == Verdict::in_progress);
  CHECK(new_owner.holds());
  CHECK(new_owner.commit(at(12s)) == Verdict::fresh);
  CHECK(seen.check(id_a) == Verdict::duplicate);
}

TEST_CASE("an old owner that aborts or ends does not free the new owner's claim") {
  Claiming seen({.claims = {.lease = 10s}});
  std::optional<Claiming::Claim> old_owner(seen.claim(id_a, {.now = at(0s)}));
  idem::Claim new_owner = seen.claim(id_a, {.now = at(20s)});
  old_owner.reset();
  CHECK(new_owner.holds());
  CHECK(seen.claim(id_a, {.now = at(21s)}).verdict() == Verdict::in_progress);
  CHECK(new_owner.commit(at(21s)) == Verdict::fresh);
}

TEST_CASE("an owner whose lease has run out may still commit while nobody took over") {
  Claiming seen({.claims = {.lease = 10s}});
  idem::Claim claim = seen.claim(id_a, {.now = at(0s)});
  CHECK(claim.commit(at(1h)) == Verdict::fresh);
  CHECK(seen.check(id_a) == Verdict::duplicate);
}

TEST_CASE("renew starts the lease anew") {
  Claiming seen({.claims = {.lease = 10s}});
  idem::Claim claim = seen.claim(id_a, {.now = at(0s)});
  CHECK(claim.renew(at(9s)) == Verdict::fresh);
  CHECK(seen.claim(id_a, {.now = at(18s)}).verdict() == Verdict::in_progress);
  CHECK(claim.renew(at(30s)) == Verdict::fresh);  // late, but nobody came
  CHECK(seen.claim(id_a, {.now = at(39s)}).verdict() == Verdict::in_progress);
  CHECK(seen.claim(id_a, {.now = at(40s)}).verdict() == Verdict::fresh);
}

TEST_CASE("a record's own timestamp runs no lease") {
  Claiming seen({.claims = {.lease = 10s}});
  idem::Claim claim = seen.claim(id_a, {.now = at(0s), .event = at(-100h)});
  CHECK(seen.claim(id_a, {.now = at(5s), .event = at(100h)}).verdict() == Verdict::in_progress);
  CHECK(claim.commit(at(6s)) == Verdict::fresh);
}

TEST_CASE("a clock that goes back or stands still only makes a lease longer") {
  Claiming seen({.claims = {.lease = 10s}});
  idem::Claim claim = seen.claim(id_a, {.now = at(100s)});
  for (const auto now : {100s, 50s, -1000s, 109s}) {
    CHECK(seen.claim(id_a, {.now = at(now)}).verdict() == Verdict::in_progress);
  }
  CHECK(claim.commit(at(0s)) == Verdict::fresh);
}

TEST_CASE("a lease of Duration::max() never ends, whenever it began") {
  for (const auto began : {idem::Instant::min(), at(-10s), at(1s), idem::Instant::max()}) {
    Claiming seen({.claims = {.lease = idem::Duration::max()}});
    idem::Claim claim = seen.claim(id_a, {.now = began});
    for (const auto now : {at(0s), at(24h * 365 * 200), idem::Instant::max()}) {
      CHECK(seen.claim(id_a, {.now = now}).verdict() == Verdict::in_progress);
    }
  }
}

TEST_CASE("a lease that would end after the end of time never ends") {
  Claiming seen({.claims = {.lease = 10s}});
  idem::Claim claim = seen.claim(id_a, {.now = idem::Instant::max() - 5s});
  CHECK(seen.claim(id_a, {.now = idem::Instant::max()}).verdict() == Verdict::in_progress);
}

TEST_CASE(
    "full comes at the claim, from the cap on claims or from the memory, never at the commit") {
  Claiming capped({.claims = {.max_in_flight = 2}});
  idem::Claim first = capped.claim(id_a, {.now = at(0s)});
  idem::Claim second = capped.claim(id_b, {.now = at(0s)});
  const idem::Uuid id_c(3, 3);
  CHECK(capped.claim(id_c, {.now = at(0s)}).verdict() == Verdict::full);
  CHECK(capped.check(id_c) == Verdict::fresh);
  first.abort();
  CHECK(capped.claim(id_c, {.now = at(0s)}).verdict() == Verdict::fresh);

  Claiming small({.memory = {.budget = idem::kibibytes(1)}, .claims = {.max_in_flight = 4096}});
  std::vector<Claiming::Claim> claims;
  std::uint64_t next = 0;
  for (;;) {
    Claiming::Claim claim = small.claim(idem::Uuid(9, next), {.now = at(0s)});
    if (claim.verdict() == Verdict::full) break;
    REQUIRE(claim.verdict() == Verdict::fresh);
    claims.push_back(std::move(claim));
    ++next;
  }
  REQUIRE(next > 10);
  CHECK(small.insert(idem::Uuid(9, next)) == Verdict::full);  // claimed room is not to be had
  const std::size_t bytes = small.memory_bytes();
  for (auto& claim : claims) REQUIRE(claim.commit(at(0s)) == Verdict::fresh);
  CHECK(small.memory_bytes() == bytes);
  CHECK(small.claims_in_flight() == 0);
  CHECK(small.claim(idem::Uuid(9, next), {.now = at(0s)}).verdict() == Verdict::full);
  CHECK(small.forget(idem::Uuid(9, 0)));
  CHECK(small.claim(idem::Uuid(9, next), {.now = at(0s)}).verdict() == Verdict::fresh);
}

TEST_CASE("claims move; what was moved from holds nothing") {
  Claiming seen;
  Claiming::Claim claim = seen.claim(id_a, {.now = at(0s)});
  Claiming::Claim moved = std::move(claim);
  CHECK(moved.holds());
  CHECK_FALSE(claim.holds());
  CHECK(claim.verdict() == Verdict::unknown);
  CHECK(claim.commit(at(0s)) == Verdict::fenced);

  Claiming::Claim other = seen.claim(id_b, {.now = at(0s)});
  other = std::move(moved);  // ends the claim on b
  CHECK(seen.check(id_b) == Verdict::fresh);
  CHECK(seen.check(id_a) == Verdict::in_progress);
  auto& same = other;
  other = std::move(same);
  CHECK(other.holds());
  CHECK(other.commit(at(0s)) == Verdict::fresh);
}

TEST_CASE("tokens grow over all keys, and an entry used again does not revive an old token") {
  Claiming seen({.claims = {.lease = 1s, .max_in_flight = 1}});
  Claiming::Claim stale_owner = seen.claim(id_a, {.now = at(0s)});
  CHECK(stale_owner.token() == 1);
  {
    Claiming::Claim taker = seen.claim(id_a, {.now = at(5s)});
    CHECK(taker.token() == 2);
  }
  Claiming::Claim reuser = seen.claim(id_b, {.now = at(6s)});  // the one entry there is
  CHECK(reuser.token() == 3);
  CHECK_FALSE(stale_owner.holds());
  CHECK(stale_owner.commit(at(6s)) == Verdict::fenced);
  CHECK(reuser.commit(at(6s)) == Verdict::fresh);
  CHECK(seen.check(id_a) == Verdict::fresh);
}

TEST_CASE("a rebuilt set refuses what was done before") {
  Claiming seen;
  CHECK(seen.insert(id_a) == Verdict::fresh);  // read back from a log of effects
  CHECK(seen.claim(id_a, {.now = at(0s)}).verdict() == Verdict::duplicate);
}

TEST_CASE("options of claims that are nonsense say what is wrong") {
  CHECK_THROWS_WITH_AS(Claiming({.claims = {.lease = 0s}}),
                       "idem: ClaimOptions.lease is 0; it must be more than 0 ns",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(Claiming({.claims = {.lease = -1ns}}),
                       "idem: ClaimOptions.lease is -1; it must be more than 0 ns",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(
      Claiming({.claims = {.max_in_flight = 0}}),
      "idem: ClaimOptions.max_in_flight is 0; it must be at least 1 and at most 1073741824",
      std::invalid_argument);
  CHECK_THROWS_AS(Claiming({.claims = {.max_in_flight = std::size_t{1} << 31}}),
                  std::invalid_argument);
}

TEST_CASE("tokens can neither be zero nor wrap") {
  for (const std::uint64_t token :
       {std::uint64_t{0}, (std::uint64_t{1} << 63) + 1, ~std::uint64_t{0}}) {
    CHECK_THROWS_WITH_AS(Claiming({.claims = {.first_token = token}}),
                         ("idem: ClaimOptions.first_token is " + std::to_string(token) +
                          "; it must be at least 1 and at most 2^63, so that tokens never wrap")
                             .c_str(),
                         std::invalid_argument);
  }
  Claiming highest({.claims = {.first_token = std::uint64_t{1} << 63}});
  CHECK(highest.claim(id_a, {.now = at(0s)}).token() == std::uint64_t{1} << 63);
}

TEST_CASE("memory_bytes counts the claim table") {
  Claiming few({.claims = {.max_in_flight = 1}});
  Claiming many({.claims = {.max_in_flight = 1001}});
  const std::size_t bytes = many.memory_bytes() - few.memory_bytes();
  // A key and four words, two places of four bytes in an index that is half full, and one in the list of free entries.
  CHECK(bytes <= 1000 * (sizeof(idem::Uuid) + 32 + 2 * 4 + 4));
  CHECK(bytes > 1000 * (sizeof(idem::Uuid) + 24));
}

TEST_CASE("tokens begin where the options say") {
  Claiming seen({.claims = {.first_token = std::uint64_t{7} << 48}});
  CHECK(seen.claim(id_a, {.now = at(0s)}).token() == std::uint64_t{7} << 48);
  CHECK(seen.claim(id_a, {.now = at(0s)}).token() == (std::uint64_t{7} << 48) + 1);
}

TEST_CASE("an open claim keeps its place, its lease over or not") {
  Claiming seen({.claims = {.lease = 1s, .max_in_flight = 1}});
  idem::Claim hung = seen.claim(id_a, {.now = at(0s)});
  CHECK(seen.claim(id_b, {.now = at(100s)}).verdict() == Verdict::full);
  idem::Claim taker = seen.claim(id_a, {.now = at(100s)});
  CHECK(taker.verdict() == Verdict::fresh);
}

TEST_CASE("the attempt after the last allowed one is poisoned, however the others ended") {
  Claiming seen({.claims = {.lease = 10s, .max_attempts = 4}});
  { idem::Claim failed = seen.claim(id_a, {.now = at(0s)}); }
  try {
    idem::Claim failed = seen.claim(id_a, {.now = at(1s)});
    CHECK(failed.attempt() == 2);
    throw std::runtime_error("work failed");
  } catch (const std::runtime_error&) {
  }
  idem::Claim hung = seen.claim(id_a, {.now = at(2s)});
  CHECK(hung.attempt() == 3);
  idem::Claim last = seen.claim(id_a, {.now = at(12s)});
  CHECK(last.attempt() == 4);
  CHECK(seen.claim(id_a, {.now = at(13s)}).verdict() == Verdict::in_progress);
  last.abort();

  idem::Claim poisoned = seen.claim(id_a, {.now = at(14s)});
  CHECK(poisoned.verdict() == Verdict::poisoned);
  CHECK_FALSE(poisoned.holds());
  CHECK(poisoned.commit(at(14s)) == Verdict::fenced);
  CHECK(Claiming::action(Verdict::poisoned) == idem::Action::inspect);
  CHECK(seen.check(id_a) == Verdict::poisoned);
  CHECK(seen.insert(id_a) == Verdict::poisoned);
  const std::vector<idem::Uuid> batch{id_b, id_a};
  std::vector<Verdict> verdicts(2);
  seen.insert(batch, verdicts);
  CHECK(verdicts == std::vector{Verdict::fresh, Verdict::poisoned});
  CHECK(seen.claims_in_flight() == 0);
  CHECK(seen.size() == 1);
}

TEST_CASE("forget lets a poisoned key through for a redrive, from its first attempt on") {
  Claiming seen({.claims = {.max_attempts = 1}});
  { idem::Claim failed = seen.claim(id_a, {.now = at(0s)}); }
  CHECK(seen.claim(id_a, {.now = at(0s)}).verdict() == Verdict::poisoned);
  CHECK(seen.forget(id_a));
  CHECK_FALSE(seen.forget(id_a));
  {
    idem::Claim redriven = seen.claim(id_a, {.now = at(0s)});
    CHECK(redriven.attempt() == 1);
    CHECK(redriven.commit(at(0s)) == Verdict::fresh);
  }
  CHECK(seen.check(id_a) == Verdict::duplicate);

  { idem::Claim failed = seen.claim(id_b, {.now = at(0s)}); }
  CHECK(seen.check(id_b) == Verdict::poisoned);
  seen.clear();
  CHECK(seen.check(id_b) == Verdict::fresh);
}

TEST_CASE("an owner whose last attempt ran out is fenced by the poisoned that was answered") {
  Claiming seen({.claims = {.lease = 10s, .max_in_flight = 1, .max_attempts = 1}});
  idem::Claim hung = seen.claim(id_a, {.now = at(0s)});
  CHECK(seen.claim(id_a, {.now = at(9s)}).verdict() == Verdict::in_progress);
  CHECK(hung.holds());
  CHECK(seen.claim(id_a, {.now = at(10s)}).verdict() == Verdict::poisoned);
  CHECK_FALSE(hung.holds());
  CHECK(seen.claim(id_b, {.now = at(10s)}).verdict() == Verdict::fresh);  // its place is free
  CHECK(hung.commit(at(11s)) == Verdict::fenced);
  CHECK(seen.check(id_a) == Verdict::poisoned);
}

TEST_CASE("a commit clears the attempts that failed before it, and so does an insert") {
  Claiming seen({.claims = {.max_attempts = 2}});
  for (const bool by_insert : {false, true}) {
    { idem::Claim failed = seen.claim(id_a, {.now = at(0s)}); }
    if (by_insert) {
      CHECK(seen.insert(id_a) == Verdict::fresh);
    } else {
      CHECK(seen.claim(id_a, {.now = at(0s)}).commit(at(0s)) == Verdict::fresh);
    }
    CHECK(seen.forget(id_a));
    CHECK(seen.claim(id_a, {.now = at(0s)}).attempt() == 1);
    CHECK(seen.forget(id_a));
  }
}

TEST_CASE("without a limit an abort starts the attempts anew, and no table is kept for them") {
  Claiming unlimited;
  { idem::Claim failed = unlimited.claim(id_a, {.now = at(0s)}); }
  CHECK(unlimited.claim(id_a, {.now = at(0s)}).attempt() == 1);
  Claiming limited({.claims = {.max_attempts = 5}});
  CHECK(limited.memory_bytes() > unlimited.memory_bytes() + 1024 * sizeof(idem::Uuid));
}

TEST_CASE("of more failing keys than max_failed_keys the longest failed starts anew") {
  Claiming seen({.claims = {.max_attempts = 1, .max_failed_keys = 2}});
  const idem::Uuid id_c(3, 3);
  for (const idem::Uuid& id : {id_a, id_b}) {
    idem::Claim failed = seen.claim(id, {.now = at(0s)});
  }
  CHECK(seen.check(id_a) == Verdict::poisoned);
  { idem::Claim failed = seen.claim(id_c, {.now = at(0s)}); }
  CHECK(seen.check(id_a) == Verdict::fresh);
  CHECK(seen.check(id_b) == Verdict::poisoned);
  CHECK(seen.check(id_c) == Verdict::poisoned);
}

TEST_CASE("no zero stands for none among the limits of attempts") {
  CHECK_THROWS_WITH_AS(Claiming({.claims = {.max_attempts = 0}}),
                       "idem: ClaimOptions.max_attempts is 0; it must be at least 1; "
                       "idem::unlimited_attempts sets no limit",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(
      Claiming({.claims = {.max_failed_keys = 0}}),
      "idem: ClaimOptions.max_failed_keys is 0; it must be at least 1 and at most 1073741824",
      std::invalid_argument);
}

TEST_CASE("claims alone move the time of a full window on") {
  idem::Deduplicator<idem::Uuid,
                     idem::Policy<idem::Claims, idem::Remember<idem::TimeWindowRing<idem::Uuid>>>>
      seen({.memory = {.window = 10s, .max_keys = 100}});
  std::uint64_t number = 0;
  const auto process_one = [&](std::chrono::seconds now) {
    idem::Claim claim = seen.claim(idem::Uuid(++number, 7), {.now = at(now)});
    if (claim.holds()) CHECK(claim.commit(at(now)) == Verdict::fresh);
    return claim.verdict();
  };
  int done = 0;
  while (process_one(0s) == Verdict::fresh) ++done;
  CHECK(done >= 99);
  CHECK(process_one(5s) == Verdict::full);
  CHECK(process_one(100s) == Verdict::fresh);
}

TEST_CASE("a batch of claims answers as single claims in order") {
  using Seen = idem::Deduplicator<idem::Uuid, idem::Policy<idem::Claims>>;
  Seen seen({.claims = {.lease = 30s, .max_in_flight = 4}});
  CHECK(seen.insert(idem::Uuid(0, 9)) == Verdict::fresh);
  const std::vector<idem::Uuid> polled = {idem::Uuid(0, 1), idem::Uuid(0, 2), idem::Uuid(0, 1),
                                          idem::Uuid(0, 9), idem::Uuid(0, 3), idem::Uuid(0, 4),
                                          idem::Uuid(0, 5), idem::Uuid(0, 2)};
  std::vector<Seen::Claim> claims(polled.size());
  CHECK(claims[0].verdict() == Verdict::unknown);
  CHECK(!claims[0].holds());
  CHECK(claims[0].commit(at(0s)) == Verdict::fenced);
  const auto answers = [&] {
    std::vector<Verdict> verdicts;
    for (const auto& claim : claims) verdicts.push_back(claim.verdict());
    return verdicts;
  };
  seen.claim(polled, {.now = at(0s)}, claims);
  const std::vector<Verdict> first = {Verdict::fresh,     Verdict::fresh,      Verdict::in_progress,
                                      Verdict::duplicate, Verdict::fresh,      Verdict::fresh,
                                      Verdict::full,      Verdict::in_progress};
  CHECK(answers() == first);
  CHECK(seen.claims_in_flight() == 4);
  CHECK(claims[1].commit(at(1s)) == Verdict::fresh);
  // The same batch again: what its claims still hold is given back first.
  seen.claim(polled, {.now = at(2s)}, claims);
  CHECK(seen.claims_in_flight() == 4);
  const std::vector<Verdict> second = {Verdict::fresh,     Verdict::duplicate, Verdict::in_progress,
                                       Verdict::duplicate, Verdict::fresh,     Verdict::fresh,
                                       Verdict::fresh,     Verdict::duplicate};
  CHECK(answers() == second);
  claims.clear();
  CHECK(seen.claims_in_flight() == 0);
  CHECK(seen.size() == 2);
  seen.claim(std::span<const idem::Uuid>(), {.now = at(3s)}, claims);
}

TEST_CASE("a batch of claims in shards, for text, and before anything is loaded") {
  using Seen =
      idem::Deduplicator<std::string, idem::Policy<idem::Claims, idem::Sharded<4>, idem::Counters>>;
  Seen seen;
  std::vector<std::string> polled;
  for (int i = 0; i < 1'200; ++i) polled.push_back("message " + std::to_string(i % 700));
  std::vector<Seen::Claim> claims(polled.size());
  for (int round = 0; round < 2; ++round) {
    seen.claim(polled, {.now = at(0s)}, claims);
    CHECK(seen.claims_in_flight() == 700);
    for (std::size_t i = 0; i < claims.size(); ++i) {
      CHECK(claims[i].verdict() == (i < 700 ? Verdict::fresh : Verdict::in_progress));
    }
  }
  for (auto& claim : claims) {
    if (claim.holds()) CHECK(claim.commit(at(0s)) == Verdict::fresh);
  }
  CHECK(seen.size() == 700);
  CHECK(seen.counters().aborts == 700);
  CHECK(seen.counters()[Verdict::in_progress] == 1'000);
  seen.claim(polled, {.now = at(0s)}, claims);
  for (const auto& claim : claims) CHECK(claim.verdict() == Verdict::duplicate);

  idem::Resumable<Seen> waiting;
  std::vector<Seen::Claim> none(3);
  waiting.claim(std::span<const std::string>(polled).first(3), {.now = at(0s)}, none);
  for (const auto& claim : none) CHECK(claim.verdict() == Verdict::unknown);
}

}  // namespace
