#include <atomic>
#include <cstdint>
#include <iostream>
#include <optional>
#include <thread>
#include <utility>

#include <doctest/doctest.h>

#include <idem/dedup/deduplicator.hpp>

#if __has_include(<sys/wait.h>) && __has_include(<unistd.h>)

#include <sys/wait.h>
#include <unistd.h>

namespace {

using idem::Duration;
using idem::Instant;
using idem::Uuid;
using idem::Verdict;
using Claiming = idem::Deduplicator<Uuid, idem::Policy<idem::Claims>>;

const Uuid id_a(1, 1);
const Uuid id_b(2, 2);

Instant at(std::int64_t nanoseconds) { return Instant::at(Duration::nanoseconds(nanoseconds)); }

// Runs `check` in a child and gives the number of the first expectation that failed there, 0: none.
// The child leaves by _exit, as the parent's stack is none of its business.
template <class Check>
int in_child(const Check& check) {
  std::cout.flush();
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(check());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

TEST_CASE("a child's copy of a guard is fenced and frees nothing; the parent's claim goes on") {
  Claiming seen({.claims = {.lease = Duration::nanoseconds(100)}});
  std::optional<Claiming::Claim> claim(seen.claim(id_a, {.now = at(0)}));
  const int failed = in_child([&] {
    if (claim->holds()) return 1;
    if (claim->renew(at(1)) != Verdict::fenced) return 2;
    if (claim->commit(at(1)) != Verdict::fenced) return 3;
    claim.reset();
    if (seen.check(id_a) != Verdict::in_progress) return 4;
    if (seen.claim(id_a, {.now = at(1)}).verdict() != Verdict::in_progress) return 5;
    if (seen.claims_in_flight() != 1) return 6;
    return 0;
  });
  CHECK(failed == 0);
  CHECK(claim->holds());
  CHECK(claim->commit(at(2)) == Verdict::fresh);
}

TEST_CASE("a child's guard that is only destroyed frees nothing either") {
  Claiming seen;
  std::optional<Claiming::Claim> claim(seen.claim(id_a, {.now = at(0)}));
  CHECK(in_child([&] {
          claim.reset();
          return seen.check(id_a) == Verdict::in_progress ? 0 : 1;
        }) == 0);
  CHECK(in_child([&] {
          Claiming::Claim moved = *std::move(claim);
          if (moved.holds()) return 1;
          moved = seen.claim(id_b, {.now = at(0)});
          return moved.holds() && seen.check(id_a) == Verdict::in_progress ? 0 : 2;
        }) == 0);
  CHECK(claim->holds());
}

TEST_CASE("a child claims for itself, takes over what ran out, and so does its own child") {
  Claiming seen({.claims = {.lease = Duration::nanoseconds(100)}});
  Claiming::Claim claim = seen.claim(id_a, {.now = at(0)});
  const int failed = in_child([&] {
    Claiming::Claim own = seen.claim(id_b, {.now = at(0)});
    if (!own.holds()) return 1;
    Claiming::Claim taken = seen.claim(id_a, {.now = at(100)});
    if (taken.verdict() != Verdict::fresh || taken.attempt() != 2) return 2;
    const int grandchild = in_child([&] {
      if (own.holds() || taken.holds() || claim.holds()) return 1;
      return own.commit(at(0)) == Verdict::fenced ? 0 : 2;
    });
    if (grandchild != 0) return 10 + grandchild;
    if (taken.commit(at(101)) != Verdict::fresh) return 3;
    if (own.commit(at(101)) != Verdict::fresh) return 4;
    return 0;
  });
  CHECK(failed == 0);
  CHECK(claim.holds());
  CHECK(seen.check(id_b) == Verdict::fresh);
}

TEST_CASE("a child may destroy its copy while guards of the parent's are about") {
  auto* const seen = new Claiming;
  Claiming::Claim claim = seen->claim(id_a, {.now = at(0)});
  CHECK(in_child([&] {
          delete seen;
          return 0;
        }) == 0);
  // Also after a claim of its own: the parent's guards are not counted among the child's.
  CHECK(in_child([&] {
          if (seen->claim(id_b, {.now = at(0)}).commit(at(0)) != Verdict::fresh) return 1;
          delete seen;
          return 0;
        }) == 0);
  CHECK(claim.commit(at(0)) == Verdict::fresh);
  delete seen;
}

TEST_CASE(
    "a child's guard of a Sharded one asks for no lock, which a thread may have held for ever") {
  idem::Deduplicator<Uuid, idem::Policy<idem::Claims, idem::Sharded<1>>> seen;
  auto claim = seen.claim(id_a, {.now = at(0)});
  std::atomic<bool> stop = false;
  std::thread other([&] {
    for (std::uint64_t i = 0; !stop; ++i) (void)seen.insert(Uuid(3, i % 1000));
  });
  int failed = 0;
  for (int fork = 0; fork < 20 && failed == 0; ++fork) {
    failed = in_child([&] {
      ::alarm(20);  // a lock that nobody holds any more would hang it
      if (claim.holds()) return 1;
      if (claim.renew(at(1)) != Verdict::fenced) return 2;
      auto moved = std::move(claim);
      return moved.commit(at(1)) == Verdict::fenced ? 0 : 3;
    });
  }
  stop = true;
  other.join();
  CHECK(failed == 0);
  CHECK(claim.commit(at(2)) == Verdict::fresh);
}

}  // namespace

#endif
