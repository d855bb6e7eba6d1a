#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include <doctest/doctest.h>

#include <idem/idem.hpp>

// Each named policy keeps its promise, and pays what its description says.

namespace {

using namespace std::chrono_literals;
using idem::Action;
using idem::At;
using idem::Deduplicator;
using idem::Instant;
using idem::Uuid;
using idem::Verdict;

At at(std::chrono::nanoseconds since) { return {.now = Instant::at(since)}; }
Uuid key(std::uint64_t number) { return Uuid(number * 0x9e3779b97f4a7c15, number); }

template <class Seen>
double bytes_a_key(Seen& seen, std::uint64_t keys) {
  const std::size_t before = seen.memory_bytes();
  for (std::uint64_t i = 0; i < keys; ++i) REQUIRE(seen.insert(key(i), at(0s)) == Verdict::fresh);
  return static_cast<double>(seen.memory_bytes() - before) / static_cast<double>(keys);
}

static_assert(std::is_same_v<idem::Extend<idem::Policy<idem::Claims>, idem::Counters>,
                             idem::Policy<idem::Claims, idem::Counters>>);
static_assert(!Deduplicator<Uuid, idem::RecordedWhenDone<Uuid>>::errors.may_drop);
static_assert(!Deduplicator<Uuid, idem::AtMostOnceWithin<Uuid>>::errors.may_drop);
static_assert(Deduplicator<Uuid, idem::MayLoseAFew<Uuid>>::errors.may_drop);
static_assert(Deduplicator<Uuid, idem::MayRepeatAFew<Uuid>>::errors ==
              idem::Errors{.may_miss = true});
static_assert(Deduplicator<std::string, idem::SameContentOnce>::errors == idem::Errors{});

template <template <class> class Named>
void pay_once() {
  using Seen = Deduplicator<std::string, Named<std::string>>;
  Seen seen({.memory = {.window = 24h}, .claims = {.lease = 30s, .max_attempts = 2}});
  const auto claim = [&](const char* id, std::chrono::seconds now, std::string_view content) {
    return seen.claim(id, at(now), content);
  };
  {
    auto failing = claim("order-1", 0s, "19.99");
    CHECK(failing.verdict() == Verdict::fresh);
  }  // gives it back
  {
    auto done = claim("order-1", 1s, "19.99");
    CHECK(done.commit(Instant::at(2s)) == Verdict::fresh);
  }
  CHECK(claim("order-1", 3s, "19.99").verdict() == Verdict::duplicate);
  CHECK(claim("order-1", 3s, "29.99").verdict() == Verdict::conflict);
  CHECK(Seen::action(Verdict::conflict) == Action::inspect);
  for (int attempt = 0; attempt < 2; ++attempt) {
    CHECK(claim("order-2", 4s, "5").verdict() == Verdict::fresh);
  }
  CHECK(claim("order-2", 5s, "5").verdict() == Verdict::poisoned);
  CHECK(claim("order-1", 23h, "19.99").verdict() == Verdict::duplicate);
  CHECK(claim("order-1", 30h, "19.99").verdict() == Verdict::fresh);
}

TEST_CASE("RecordedWhenDone: given back until committed, conflicts told, a limit to attempts") {
  pay_once<idem::RecordedWhenDone>();
  pay_once<idem::RecordedWhenDoneAmongStrangers>();
  using Strangers = Deduplicator<std::string, idem::RecordedWhenDoneAmongStrangers<std::string>>;
  static_assert(std::is_same_v<Strangers::Memory::Hash, idem::SipHash>);
  static_assert(sizeof(Strangers) >= sizeof(Strangers::Memory));
  using Threads = Deduplicator<Uuid, idem::Extend<idem::RecordedWhenDone<Uuid>, idem::Sharded<4>>>;
  Threads seen({.memory = {.window = 1h}});
  CHECK(seen.claim(key(1), at(0s), "x").commit(at(0s)) == Verdict::fresh);
  CHECK(seen.claim(key(1), at(0s), "x").verdict() == Verdict::duplicate);
}

TEST_CASE("AtMostOnceWithin: recorded at once, for the window, in 24 bytes a key") {
  Deduplicator<Uuid, idem::AtMostOnceWithin<Uuid>> seen({.memory = {.window = 10s}});
  CHECK(seen.insert(key(1), at(0s)) == Verdict::fresh);
  CHECK(seen.insert(key(1), at(9s)) == Verdict::duplicate);
  CHECK(seen.insert(key(1), at(20s)) == Verdict::fresh);
  Deduplicator<Uuid, idem::AtMostOnceWithin<Uuid>> large({.memory = {.window = 10s}});
  CHECK(bytes_a_key(large, 50'000) < 31);  // while the index grows
}

TEST_CASE("MayLoseAFew: no copy in the window is fresh, few fresh ones are lost, few bits") {
  using Seen = Deduplicator<Uuid, idem::Extend<idem::MayLoseAFew<Uuid>, idem::Counters>>;
  constexpr std::uint64_t keys = 20'000;
  Seen seen({.memory = {.window = 1h, .expected_keys = keys, .false_positive_rate = 0.01}});
  CHECK(static_cast<double>(seen.memory_bytes() - sizeof seen) * 8 / keys < 32);
  const auto time_of = [](std::uint64_t i) {
    return at(std::chrono::nanoseconds(static_cast<std::int64_t>(3'600'000'000'000 / keys * i)));
  };
  std::uint64_t lost = 0;
  for (std::uint64_t i = 0; i < keys; ++i) {
    if (seen.insert(key(i), time_of(i)) != Verdict::fresh) ++lost;
  }
  CHECK(lost < keys / 100);
  CHECK(seen.counters()[Verdict::probable_duplicate] == lost);
  CHECK(seen.false_positive_rate() < 0.012);
  for (std::uint64_t i = 1; i < keys; ++i) {
    REQUIRE(seen.action(seen.insert(key(i), time_of(keys))) == Action::skip);
  }
}

TEST_CASE("MayRepeatAFew: a duplicate is the truth, memory is fixed") {
  using Seen = Deduplicator<Uuid, idem::Extend<idem::MayRepeatAFew<Uuid>, idem::Counters>>;
  Seen seen({.memory = {.size = idem::kibibytes(64)}});
  const std::size_t bytes = seen.memory_bytes();
  for (std::uint64_t i = 0; i < 20'000; ++i) REQUIRE(seen.insert(key(i)) == Verdict::fresh);
  CHECK(seen.memory_bytes() == bytes);
  CHECK(seen.insert(key(19'999)) == Verdict::duplicate);
  CHECK(seen.counters().early_evictions == 20'000 - seen.size());
  CHECK(seen.size() <= 64 * 1024 / 16 + 1);
}

TEST_CASE("OnceInSequence: each number once and in order") {
  Deduplicator<idem::ProducerBatch, idem::OnceInSequence> seen;
  const auto tick = [](int epoch, std::int64_t number) {
    return idem::ProducerBatch{
        .producer_id = 1, .epoch = epoch, .first_sequence = number, .last_sequence = number};
  };
  for (std::int64_t number = 0; number < 1'000; ++number) {
    REQUIRE(seen.insert(tick(0, number), at(0s)) == Verdict::fresh);
    REQUIRE(seen.insert(tick(0, number), at(0s)) == Verdict::duplicate);  // the other feed
  }
  CHECK(seen.insert(tick(0, 1'001), at(0s)) == Verdict::gap);
  CHECK(seen.insert(tick(1, 0), at(0s)) == Verdict::fresh);
  CHECK(seen.insert(tick(0, 1'000), at(0s)) == Verdict::fenced);
}

TEST_CASE("SameContentOnce: equal bytes are one message, whatever their length") {
  Deduplicator<std::string_view, idem::SameContentOnce> seen;
  const std::string text(100'000, 'x');
  CHECK(seen.insert(text) == Verdict::fresh);
  CHECK(seen.insert(text) == Verdict::duplicate);
  CHECK(seen.insert(std::string_view(text).substr(1)) == Verdict::fresh);
  CHECK(seen.memory_bytes() < 10'000);
}

}  // namespace
