#include <array>
#include <atomic>
#include <barrier>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include <idem/idem.hpp>

#include "support/dies.hpp"
#include "support/ids.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"

// CompareContent, call by call and under threads. Against an oracle: differential_content.cpp.

namespace {

using idem::At;
using idem::Claims;
using idem::CompareContent;
using idem::Content;
using idem::Deduplicator;
using idem::Digest;
using idem::Duration;
using idem::Instant;
using idem::Policy;
using idem::Remember;
using idem::Sharded;
using idem::Uuid;
using idem::Verdict;
using idem_test::spread_id;

using Ring = idem::TimeWindowRing<Uuid>;
template <class... Axis>
using Seen = Deduplicator<Uuid, Policy<Remember<Ring>, CompareContent, Axis...>>;

constexpr Duration window = Duration::nanoseconds(1'000'000);
At at(std::int64_t nanoseconds) { return {.now = Instant::at(Duration::nanoseconds(nanoseconds))}; }

// The payload comes with the axis, whatever the memory was spelled as.
static_assert(std::is_same_v<Seen<>::Memory, Ring::WithPayload<Digest>>);
static_assert(
    std::is_same_v<
        Deduplicator<Uuid, Policy<Remember<Ring::WithPayload<Digest>>, CompareContent>>::Memory,
        Ring::WithPayload<Digest>>);
static_assert(
    std::is_same_v<Seen<idem::HostileKeys>::Memory,
                   idem::TimeWindowRing<Uuid, idem::WindowMode::fixed, idem::WindowTime::arrival,
                                        Digest, idem::SipHash>>);
static_assert(
    std::is_same_v<Deduplicator<Uuid, Policy<CompareContent>>::Memory, idem::IdMap<Uuid, Digest>>);
static_assert(
    std::is_same_v<Deduplicator<std::string, Policy<CompareContent, idem::HostileKeys>>::Memory,
                   idem::IdMap<Digest, Digest, idem::SipHash>>);
static_assert(Seen<>::compares_content && !Deduplicator<Uuid>::compares_content);
static_assert(idem::SettlingPayloads<Seen<>::Memory> && !idem::Carrying<Ring>);

// Not named, it costs nothing.
using Plain = Deduplicator<Uuid, Policy<Remember<Ring>, Claims>>;
static_assert(sizeof(Deduplicator<Uuid, Policy<Remember<Ring>>>) == sizeof(Ring));
static_assert(sizeof(Plain::Claim) == sizeof(void*) + 24);
static_assert(sizeof(Seen<Claims>::Claim) == sizeof(Plain::Claim) + sizeof(Digest));
static_assert(sizeof(void*) != 8 ||
              sizeof(idem::detail::OpenClaim<Uuid, idem::detail::NoContent>) == 48);

TEST_CASE("one id, two contents: the first is kept, the other is a conflict") {
  Seen<> seen({.memory = {.window = window}});
  CHECK(seen.insert(Uuid(1, 1), at(0), "one coffee") == Verdict::fresh);
  CHECK(seen.insert(Uuid(1, 1), at(1), "one coffee") == Verdict::duplicate);
  CHECK(seen.insert(Uuid(1, 1), at(2), "two coffees") == Verdict::conflict);
  CHECK(seen.check(Uuid(1, 1), at(3), "two coffees") == Verdict::conflict);
  CHECK(seen.check(Uuid(1, 1), at(3), "one coffee") == Verdict::duplicate);
  CHECK(seen.check(Uuid(2, 2), at(3), "two coffees") == Verdict::fresh);
  CHECK(seen.first_content(Uuid(1, 1), at(3)) == seen.digest("one coffee"));
  CHECK(seen.first_content(Uuid(2, 2), at(3)) == std::nullopt);
  CHECK(idem::action(Verdict::conflict) == idem::Action::inspect);
  // What the window has forgotten fixes nothing.
  CHECK(seen.insert(Uuid(1, 1), at(10'000'000), "two coffees") == Verdict::fresh);
  CHECK(seen.first_content(Uuid(1, 1), at(10'000'000)) == seen.digest("two coffees"));
  CHECK(seen.forget(Uuid(1, 1)));
  CHECK(seen.insert(Uuid(1, 1), at(10'000'000), "three") == Verdict::fresh);
}

TEST_CASE("a content is text, bytes, or a digest of the caller's") {
  Seen<> seen({.memory = {.window = window}});
  const std::string text = "payload";
  const std::vector<std::byte> bytes(7, std::byte{0x20});
  const std::array<std::byte, 7> same_bytes = {std::byte{0x20}, std::byte{0x20}, std::byte{0x20},
                                               std::byte{0x20}, std::byte{0x20}, std::byte{0x20},
                                               std::byte{0x20}};
  CHECK(seen.insert(Uuid(1, 1), at(0), text) == Verdict::fresh);
  CHECK(seen.insert(Uuid(1, 1), at(0), std::string_view(text)) == Verdict::duplicate);
  CHECK(seen.insert(Uuid(1, 1), at(0), std::as_bytes(std::span(text))) == Verdict::duplicate);
  CHECK(seen.insert(Uuid(1, 1), at(0), seen.digest(text)) == Verdict::duplicate);
  CHECK(seen.insert(Uuid(1, 1), at(0), bytes) == Verdict::conflict);
  CHECK(seen.insert(Uuid(2, 2), at(0), bytes) == Verdict::fresh);
  CHECK(seen.insert(Uuid(2, 2), at(0), std::span(same_bytes)) == Verdict::duplicate);
  CHECK(seen.insert(Uuid(2, 2), at(0), "       ") == Verdict::duplicate);
  CHECK(seen.insert(Uuid(2, 2), at(0), "      ") == Verdict::conflict);
  // Fields are told apart from their neighbours.
  const auto fields = [&](std::string_view a, std::string_view b) {
    return seen.digest_fields(a, b, std::uint32_t{7});
  };
  CHECK(seen.insert(Uuid(3, 3), at(0), fields("ab", "c")) == Verdict::fresh);
  CHECK(seen.insert(Uuid(3, 3), at(0), fields("ab", "c")) == Verdict::duplicate);
  CHECK(seen.insert(Uuid(3, 3), at(0), fields("a", "bc")) == Verdict::conflict);
  // No content is a content, too.
  CHECK(seen.insert(Uuid(4, 4), at(0), "") == Verdict::fresh);
  CHECK(seen.insert(Uuid(4, 4), at(0), std::span<const std::byte>()) == Verdict::duplicate);
  CHECK(seen.insert(Uuid(4, 4), at(0), Digest{}) == Verdict::conflict);
}

TEST_CASE("the digest is made under the memory's hash and seed") {
  Seen<> seen({.memory = {.window = window, .seed = idem::Seed{1, 2}}});
  Seen<idem::HostileKeys> hostile({.memory = {.window = window, .seed = idem::Seed{1, 2}}});
  Seen<Sharded<4>> sharded({.memory = {.window = window, .seed = idem::Seed{1, 2}}});
  const auto bytes = std::as_bytes(std::span(std::string_view("abc")));
  CHECK(seen.digest("abc") == idem::Xxh3Hash(idem::Seed{1, 2}).digest(bytes));
  CHECK(hostile.digest("abc") == idem::SipHash(idem::Seed{1, 2}).digest(bytes));
  CHECK(sharded.digest("abc") == seen.digest("abc"));
}

TEST_CASE("a claim fixes the content while it is open, and for good with its commit") {
  Seen<Claims> seen({.memory = {.window = window}, .claims = {.lease = Duration::nanoseconds(10)}});
  const Digest one = seen.digest("one"), two = seen.digest("two");
  {
    const auto first = seen.claim(Uuid(1, 1), at(0), "one");
    CHECK(first.verdict() == Verdict::fresh);
    CHECK(first.first_content() == one);
    const auto again = seen.claim(Uuid(1, 1), at(1), "one");
    CHECK(again.verdict() == Verdict::in_progress);
    const auto other = seen.claim(Uuid(1, 1), at(2), "two");
    CHECK(other.verdict() == Verdict::conflict);
    CHECK(other.first_content() == one);
    CHECK(!other.holds());
    CHECK(seen.check(Uuid(1, 1), at(2), "one") == Verdict::in_progress);
    CHECK(seen.check(Uuid(1, 1), at(2), "two") == Verdict::conflict);
    CHECK(seen.insert(Uuid(1, 1), at(2), "two") == Verdict::conflict);
    CHECK(seen.first_content(Uuid(1, 1), at(2)) == one);
  }
  // Given back, it never happened: another content may come first.
  CHECK(seen.first_content(Uuid(1, 1), at(3)) == std::nullopt);
  auto second = seen.claim(Uuid(1, 1), at(3), "two");
  CHECK(second.verdict() == Verdict::fresh);
  // The lease over, the content still stands: only the same message takes over.
  CHECK(seen.claim(Uuid(1, 1), at(100), "one").verdict() == Verdict::conflict);
  CHECK(second.holds());
  auto third = seen.claim(Uuid(1, 1), at(100), "two");
  CHECK(third.verdict() == Verdict::fresh);
  CHECK(third.attempt() == 2);
  CHECK(!second.holds());
  CHECK(third.commit(at(101)) == Verdict::fresh);
  CHECK(second.commit(at(101)) == Verdict::fenced);
  CHECK(seen.claim(Uuid(1, 1), at(102), "two").verdict() == Verdict::duplicate);
  const auto late = seen.claim(Uuid(1, 1), at(102), "one");
  CHECK(late.verdict() == Verdict::conflict);
  CHECK(late.first_content() == two);
  CHECK(seen.first_content(Uuid(1, 1), at(102)) == two);
}

// What the claim took for over is not, by the time of the commit: the commit says `fresh`, so its
// content and its time stand.
template <class Ring>
void commit_after_the_clock_went_back(const Uuid& id) {
  Deduplicator<Uuid, Policy<Remember<Ring>, Claims, CompareContent>> seen(
      {.memory = {.window = window}});
  const std::int64_t length = window.count();
  CHECK(seen.insert(id, at(0), "one") == Verdict::fresh);
  auto claim = seen.claim(id, at(3 * length), "two");
  CHECK(claim.verdict() == Verdict::fresh);
  CHECK(claim.commit(at(length / 2)) == Verdict::fresh);
  CHECK(seen.size() == 1);
  CHECK(seen.first_content(id, at(length / 2)) == seen.digest("two"));
  CHECK(seen.check(id, at(length / 2 + 1), "two") == Verdict::duplicate);
  CHECK(seen.check(id, at(length + length / 4), "two") == Verdict::duplicate);
  CHECK(seen.check(id, at(2 * length), "two") == Verdict::fresh);
}

TEST_CASE("a commit after the clock went back is kept, with its content") {
  for (const Uuid& id : {Uuid(1, 1), Uuid()}) {
    commit_after_the_clock_went_back<Ring>(id);
    commit_after_the_clock_went_back<idem::TimeWindowRing<Uuid, idem::WindowMode::sliding>>(id);
  }
}

TEST_CASE("attempts count over all contents of a key, and a poisoned key has none") {
  Seen<Claims> seen({.memory = {.window = window}, .claims = {.max_attempts = 2}});
  CHECK(seen.claim(Uuid(1, 1), at(0), "one").attempt() == 1);
  CHECK(seen.claim(Uuid(1, 1), at(0), "two").attempt() == 2);
  CHECK(seen.claim(Uuid(1, 1), at(0), "one").verdict() == Verdict::poisoned);
  CHECK(seen.claim(Uuid(1, 1), at(0), "three").verdict() == Verdict::poisoned);
  CHECK(seen.first_content(Uuid(1, 1), at(0)) == std::nullopt);
  CHECK(seen.forget(Uuid(1, 1)));
  CHECK(seen.claim(Uuid(1, 1), at(0), "three").commit(at(0)) == Verdict::fresh);
}

TEST_CASE("conflicts are counted, and keys of text carry contents too") {
  Deduplicator<std::string, Policy<Remember<idem::TimeWindowRing<Digest>>, CompareContent, Claims,
                                   idem::Counters>>
      seen({.memory = {.window = window}});
  CHECK(seen.claim("order-1", at(0), "10 EUR").commit(at(0)) == Verdict::fresh);
  CHECK(seen.insert("order-1", at(0), "10 EUR") == Verdict::duplicate);
  CHECK(seen.insert("order-1", at(0), "99 EUR") == Verdict::conflict);
  CHECK(seen.claim("order-1", at(0), "98 EUR").verdict() == Verdict::conflict);
  CHECK(seen.counters()[Verdict::conflict] == 2);
  const std::vector<std::string> keys = {"order-1", "order-2", "order-2"};
  const std::vector<Content> contents = {"97 EUR", "1 EUR", "2 EUR"};
  std::vector<Verdict> verdicts(3);
  seen.insert(keys, at(0), contents, verdicts);
  CHECK((verdicts == std::vector{Verdict::conflict, Verdict::fresh, Verdict::conflict}));
  CHECK(seen.counters()[Verdict::conflict] == 4);
}

TEST_CASE("without a time too, a batch has its contents, and as many as keys") {
  using Timeless = Deduplicator<Uuid, Policy<CompareContent>>;
  static_assert(!Timeless::needs_time);
  const std::vector<Uuid> keys = {Uuid(1, 1), Uuid(1, 1), Uuid(2, 2)};
  const std::vector<Content> contents = {"97 EUR", "1 EUR", "1 EUR"};
  const std::vector<Verdict> expected = {Verdict::fresh, Verdict::conflict, Verdict::fresh};
  const auto insert = [&](auto&& seen, std::size_t count) {
    std::vector<Verdict> verdicts(keys.size());
    seen.insert(keys, std::span(contents).first(count), verdicts);
    return verdicts;
  };
  Timeless seen;
  CHECK(insert(seen, 3) == expected);
  Timeless by_digest;
  const std::vector<Digest> digests = {Digest{1, 2}, Digest{2, 1}, Digest{1, 2}};
  std::vector<Verdict> verdicts(keys.size());
  by_digest.insert(keys, digests, verdicts);
  CHECK(verdicts == expected);

  const std::vector<Verdict> unknown(keys.size(), Verdict::unknown);
  idem::Resumable<Timeless> resumed;
  CHECK(insert(resumed, 3) == unknown);
  resumed.insert(keys, digests, verdicts);
  CHECK(verdicts == unknown);
  CHECK(idem_test::dies([&] { insert(seen, 2); }));
  CHECK(idem_test::dies([&] { insert(resumed, 2); }));
  CHECK(
      idem_test::dies([&] { resumed.insert(keys, at(0), std::span(digests).first(2), verdicts); }));
  idem::Resumable<Seen<Claims>> claiming({.memory = {.window = window}});
  std::vector<Seen<Claims>::Claim> claims(keys.size());
  claiming.claim(keys, at(0), contents, claims);
  CHECK(claims[2].verdict() == Verdict::unknown);
  CHECK(
      idem_test::dies([&] { claiming.claim(keys, at(0), std::span(contents).first(2), claims); }));

  resumed.start_empty();
  CHECK(insert(resumed, 3) == expected);
  idem::Resumable<Deduplicator<Uuid>> plain;
  plain.insert(keys, verdicts);
  CHECK(verdicts == unknown);
  plain.start_empty();
  plain.insert(keys, verdicts);
  CHECK(verdicts == std::vector<Verdict>{Verdict::fresh, Verdict::duplicate, Verdict::fresh});
}

TEST_CASE("a sliding window and one of events carry contents too") {
  Deduplicator<
      Uuid, Policy<Remember<idem::TimeWindowRing<Uuid, idem::WindowMode::sliding>>, CompareContent>>
      sliding({.memory = {.window = Duration::nanoseconds(1000)}});
  CHECK(sliding.insert(Uuid(1, 1), at(0), "one") == Verdict::fresh);
  // A conflict is a sighting of its key.
  CHECK(sliding.insert(Uuid(1, 1), at(900), "two") == Verdict::conflict);
  CHECK(sliding.insert(Uuid(1, 1), at(1'800), "one") == Verdict::duplicate);
  CHECK(sliding.insert(Uuid(1, 1), at(9'000), "two") == Verdict::fresh);

  Deduplicator<
      Uuid,
      Policy<Remember<idem::TimeWindowRing<Uuid, idem::WindowMode::fixed, idem::WindowTime::event>>,
             CompareContent, Claims>>
      events({.memory = {.window = Duration::nanoseconds(1000)}});
  const auto event = [](std::int64_t ns) {
    return At{.now = Instant(), .event = Instant::at(Duration::nanoseconds(ns))};
  };
  CHECK(events.claim(Uuid(1, 1), event(5'000), "one").commit(event(5'000)) == Verdict::fresh);
  CHECK(events.insert(Uuid(1, 1), event(5'000), "two") == Verdict::conflict);
  CHECK(events.insert(Uuid(2, 2), event(100), "two") == Verdict::stale);
}

TEST_CASE("saved and loaded, a content still stands") {
  Seen<> before({.memory = {.window = window}});
  CHECK(before.insert(Uuid(1, 1), at(0), "one") == Verdict::fresh);
  std::vector<std::byte> bytes;
  REQUIRE(idem::save(before, {}, bytes));
  auto after = idem::load<Seen<>>(bytes, {.memory = {.window = window}});
  REQUIRE(after);
  CHECK(after->state.insert(Uuid(1, 1), at(1), "one") == Verdict::duplicate);
  CHECK(after->state.insert(Uuid(1, 1), at(1), "two") == Verdict::conflict);
  // Digests are no payload to those who do not compare, and the other way round.
  using Without = Deduplicator<Uuid, Policy<Remember<Ring>>>;
  CHECK(!idem::load<Without>(bytes, {.memory = {.window = window}}));

  idem::Resumable<Seen<Claims>> resumed({.memory = {.window = window}});
  CHECK(resumed.insert(Uuid(1, 1), at(1), "two") == Verdict::unknown);
  CHECK(resumed.claim(Uuid(1, 1), at(1), "two").verdict() == Verdict::unknown);
  CHECK(resumed.load(bytes));
  CHECK(resumed.check(Uuid(1, 1), at(1), "two") == Verdict::conflict);
  CHECK(resumed.claim(Uuid(1, 1), at(1), "two").verdict() == Verdict::conflict);
  CHECK(resumed.claim(Uuid(2, 2), at(1), "two").verdict() == Verdict::fresh);
}

// Every thread brings every key with a content of its own; even threads insert, odd ones claim, and
// commit or give back. Of the contents that came with a key one stands, and whoever was told `fresh`
// brought it.
TEST_CASE("threads with other contents: one stands, and it is the winner's") {
  constexpr unsigned threads = 4;
  constexpr std::size_t keys = 2'000;
  using Shared = Seen<Claims, Sharded<8>, idem::Counters>;
  for (std::uint64_t round = 0; round < idem_test::soaked(4); ++round) {
    CAPTURE(round);
    Shared seen({.memory = {.window = Duration::max(), .max_keys = keys}});
    std::vector<std::atomic<unsigned>> winner(keys);  // 0: none
    std::atomic<unsigned> second_winners = 0, conflicts = 0;
    std::barrier together(threads);
    std::vector<std::thread> running;
    for (unsigned thread = 1; thread <= threads; ++thread) {
      running.emplace_back([&, thread] {
        idem_test::Rng rng(round * 10 + thread);
        const std::string content = "from " + std::to_string(thread);
        together.arrive_and_wait();
        for (std::size_t i = 0; i < keys; ++i) {
          const std::size_t key = (i + thread * 3) % keys;
          Verdict verdict;
          if (thread % 2 == 0) {
            verdict = seen.insert(spread_id<Uuid>(key), at(0), content);
          } else {
            auto claim = seen.claim(spread_id<Uuid>(key), at(0), content);
            if (rng.one_in(4)) std::this_thread::yield();
            if (claim.holds() && rng.one_in(3)) continue;  // given back
            verdict = claim.holds() ? claim.commit(at(0)) : claim.verdict();
          }
          if (verdict == Verdict::fresh && winner[key].exchange(thread) != 0) ++second_winners;
          conflicts += verdict == Verdict::conflict ? 1U : 0U;
        }
      });
    }
    for (std::thread& thread : running) thread.join();
    CHECK(second_winners == 0);
    CHECK(conflicts > keys);
    std::size_t wrong = 0;
    for (std::size_t key = 0; key < keys; ++key) {
      const auto first = seen.first_content(spread_id<Uuid>(key), at(0));
      const std::string wanted = "from " + std::to_string(winner[key].load());
      if (first != (winner[key] == 0 ? std::nullopt : std::optional(seen.digest(wanted)))) ++wrong;
    }
    CHECK(wrong == 0);
  }
}

}  // namespace
