#include <array>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include <idem/idem.hpp>

namespace {

using namespace std::chrono_literals;
using idem::Deduplicator;
using idem::Policy;
using idem::Verdict;

struct IdempotencyKey {
  std::uint64_t tenant;
  std::string key;
};

// A key stored as a 64-bit hash: a guess, and it has to say so.
struct ShortHashed {
  std::uint64_t value;
};

struct LastOnlyOptions {
  bool refuse = false;
};

template <class D>
concept InsertsWithoutTime = requires(D& seen, const typename D::Key& key) {
  seen.insert(key);
};
template <class D>
concept Forgets = requires(D& seen, const typename D::Key& key) {
  seen.forget(key);
};

// A memory of a user's own: the last key only. May miss, never drops.
struct LastOnly {
  using Stored = idem::Uuid;
  using Hash = idem::Xxh3Hash;
  using Options = LastOnlyOptions;
  static constexpr idem::Errors errors{.may_miss = true};
  static constexpr bool needs_time = true;

  explicit LastOnly(Options given = Options()) : options(given) {}
  Verdict check(const idem::Uuid& id, idem::At) const noexcept {
    return id == last ? Verdict::duplicate : Verdict::fresh;
  }
  Verdict insert(const idem::Uuid& id, idem::At at) noexcept {
    if (options.refuse) return Verdict::full;
    const Verdict verdict = check(id, at);
    last = id;
    last_time = at.now;
    return verdict;
  }
  void insert(std::span<const idem::Uuid> ids, idem::At at, std::span<Verdict> verdicts) noexcept {
    for (std::size_t i = 0; i < ids.size(); ++i) verdicts[i] = insert(ids[i], at);
  }
  idem::Xxh3Hash hash() const noexcept { return idem::Xxh3Hash({1, 2}); }
  std::size_t memory_bytes() const noexcept { return sizeof *this; }

  Options options;
  std::optional<idem::Uuid> last{};
  idem::Instant last_time{};
};

}  // namespace

template <>
struct idem::KeyTraits<IdempotencyKey>
    : idem::DigestOf<&IdempotencyKey::tenant, &IdempotencyKey::key> {};

template <>
struct idem::KeyTraits<ShortHashed> {
  using Stored = std::uint64_t;
  static constexpr bool exact = false;
  static std::uint64_t store(const ShortHashed& key, const auto& hash) noexcept {
    return hash.slot(key.value);
  }
  static std::uint64_t route(std::uint64_t stored, const auto& hash) noexcept {
    return hash.slot(stored);
  }
};

namespace {

// What a policy does not name takes no byte, in the object or in its options.
template <class Memory, class Key, class... Axis>
constexpr bool is_free =
    sizeof(Deduplicator<Key, Policy<idem::Remember<Memory>, Axis...>>) == sizeof(Memory) &&
    sizeof(typename Deduplicator<Key, Policy<idem::Remember<Memory>, Axis...>>::Options) ==
        sizeof(typename Memory::Options);
static_assert(is_free<idem::UuidSet, idem::Uuid>);
static_assert(is_free<idem::Id64Set, std::uint64_t>);
static_assert(is_free<idem::ContentHashSet, std::string>);
static_assert(is_free<idem::TimeWindowRing<idem::Uuid>, idem::Uuid>);
static_assert(is_free<idem::InverseFilter<idem::Uuid>, idem::Uuid>);
static_assert(is_free<idem::SequenceMemory<>, idem::ProducerBatch>);
static_assert(is_free<idem::BloomFilter<idem::Uuid>, idem::Uuid, idem::AcceptFalseDuplicates>);
static_assert(sizeof(Deduplicator<idem::Uuid, Policy<idem::HostileKeys>>) ==
              sizeof(idem::IdSet<idem::Uuid, idem::SipHash>));
static_assert(is_free<idem::IdentityMemory<idem::UuidSet, idem::Id64Set>,
                      idem::Identities<idem::Uuid, std::uint64_t>>);
// What it names does.
static_assert(!is_free<idem::UuidSet, idem::Uuid, idem::Counters>);
static_assert(!is_free<idem::UuidSet, idem::Uuid, idem::Claims>);

TEST_CASE("the default policy is exact, one-shot, and costs nothing over its memory") {
  Deduplicator<idem::Uuid> seen;
  static_assert(sizeof seen == sizeof(idem::UuidSet));
  static_assert(decltype(seen)::errors == idem::Errors{});
  static_assert(std::is_copy_constructible_v<decltype(seen)> &&
                std::is_nothrow_move_constructible_v<decltype(seen)>);

  CHECK(seen.check(idem::Uuid(1, 2)) == Verdict::fresh);
  CHECK(seen.insert(idem::Uuid(1, 2)) == Verdict::fresh);
  CHECK(seen.insert(idem::Uuid(1, 2)) == Verdict::duplicate);
  CHECK(seen.insert(idem::Uuid(2, 1)) == Verdict::fresh);
  CHECK(seen.check(idem::Uuid(1, 2)) == Verdict::duplicate);
  CHECK(seen.memory_bytes() == seen.memory().memory_bytes());

  auto copy = seen;
  CHECK(copy.forget(idem::Uuid(1, 2)));
  CHECK_FALSE(copy.forget(idem::Uuid(1, 2)));
  CHECK(copy.check(idem::Uuid(1, 2)) == Verdict::fresh);
  CHECK(seen.check(idem::Uuid(1, 2)) == Verdict::duplicate);
}

TEST_CASE("every ready key has its memory") {
  Deduplicator<std::uint64_t> numbers;
  static_assert(sizeof numbers == sizeof(idem::Id64Set));
  CHECK(numbers.insert(0) == Verdict::fresh);
  CHECK(numbers.insert(0) == Verdict::duplicate);

  Deduplicator<std::string> strings;
  CHECK(strings.insert("") == Verdict::fresh);
  CHECK(strings.insert("") == Verdict::duplicate);
  CHECK(strings.insert(std::string(1, '\0')) == Verdict::fresh);

  Deduplicator<std::string_view, Policy<idem::Remember<idem::ContentHashSet>>> views;
  CHECK(views.insert("abc") == Verdict::fresh);
  CHECK(views.memory().check("abc") == Verdict::duplicate);

  Deduplicator<IdempotencyKey> keys;
  CHECK(keys.insert({1, "k"}) == Verdict::fresh);
  CHECK(keys.insert({2, "k"}) == Verdict::fresh);
  CHECK(keys.insert({1, "k"}) == Verdict::duplicate);
}

TEST_CASE("the same key in two scopes is two keys") {
  const auto run = []<class Seen>(std::type_identity<Seen>, const auto& scope_of,
                                  const auto& key_of) {
    Seen seen;
    using Key = typename Seen::Key;
    std::vector<Key> batch;
    for (int scope = 0; scope < 5; ++scope) {
      for (int key = 0; key < 100; ++key) batch.push_back({scope_of(scope), key_of(key)});
    }
    std::vector<Verdict> verdicts(batch.size());
    seen.insert(batch, verdicts);
    for (const Verdict verdict : verdicts) REQUIRE(verdict == Verdict::fresh);
    for (const Key& key : batch) REQUIRE(seen.insert(key) == Verdict::duplicate);
    CHECK(seen.check({scope_of(5), key_of(0)}) == Verdict::fresh);
    CHECK(seen.forget(batch[0]));
    CHECK(seen.check(batch[0]) == Verdict::fresh);
    CHECK(seen.check(batch[100]) == Verdict::duplicate);
  };
  const auto number = [](int i) { return static_cast<std::uint64_t>(i); };
  const auto text = [](int i) { return std::to_string(i); };
  const auto uuid = [](int i) { return idem::Uuid(0, static_cast<std::uint64_t>(i)); };
  using idem::HostileKeys;
  using idem::Scoped;
  run(std::type_identity<Deduplicator<Scoped<std::uint64_t>>>(), number, number);
  run(std::type_identity<Deduplicator<Scoped<std::uint64_t>, Policy<idem::Sharded<4>>>>(), number,
      number);
  run(std::type_identity<Deduplicator<Scoped<idem::Uuid>>>(), number, uuid);
  run(std::type_identity<Deduplicator<Scoped<idem::Uuid, std::string>, Policy<HostileKeys>>>(),
      text, uuid);
  run(std::type_identity<
          Deduplicator<Scoped<std::string, std::string>, Policy<HostileKeys, idem::Claims>>>(),
      text, text);
}

TEST_CASE("a batch is as many inserts in order, across chunk borders") {
  for (const std::size_t size : {0U, 1U, 63U, 64U, 65U, 200U}) {
    std::vector<IdempotencyKey> batch;
    for (std::size_t i = 0; i < size; ++i) batch.push_back({i % 7, std::to_string(i % 90)});
    Deduplicator<IdempotencyKey> one_by_one({.memory = {.seed = idem::Seed{1, 2}}});
    Deduplicator<IdempotencyKey> at_once({.memory = {.seed = idem::Seed{1, 2}}});
    std::vector<Verdict> expected;
    for (const auto& key : batch) expected.push_back(one_by_one.insert(key));
    std::vector<Verdict> verdicts(size);
    at_once.insert(batch, verdicts);
    CHECK(verdicts == expected);
  }
}

TEST_CASE("HostileKeys replaces the hash everywhere and keeps the verdicts") {
  Deduplicator<std::string, Policy<idem::HostileKeys>> seen({.memory = {.seed = idem::Seed{1, 2}}});
  static_assert(std::is_same_v<std::remove_cvref_t<decltype(seen.memory().hash())>, idem::SipHash>);
  CHECK(seen.insert("a") == Verdict::fresh);
  CHECK(seen.insert("a") == Verdict::duplicate);
  CHECK(seen.memory().check(idem::SipHash({1, 2}).digest(std::as_bytes(std::span("a", 1)))) ==
        Verdict::duplicate);
}

TEST_CASE("a short digest is a guess: probable_duplicate, and only where the policy accepts it") {
  using Guessing = Deduplicator<ShortHashed, Policy<idem::AcceptFalseDuplicates>>;
  static_assert(Guessing::errors == idem::Errors{.may_drop = true});
  Guessing seen;
  CHECK(seen.insert({7}) == Verdict::fresh);
  CHECK(seen.insert({7}) == Verdict::probable_duplicate);
  CHECK(seen.check({7}) == Verdict::probable_duplicate);
  const std::vector<ShortHashed> batch{{7}, {8}, {8}};
  std::vector<Verdict> verdicts(3);
  seen.insert(batch, verdicts);
  CHECK(verdicts ==
        std::vector{Verdict::probable_duplicate, Verdict::fresh, Verdict::probable_duplicate});
  CHECK(Guessing::action(Verdict::probable_duplicate) == idem::Action::skip);
  CHECK(Deduplicator<idem::Uuid>::action(Verdict::probable_duplicate) == idem::Action::inspect);
}

TEST_CASE("action agrees with idem::action but for accepted false duplicates") {
  using Exact = Deduplicator<idem::Uuid>;
  using Guessing = Deduplicator<ShortHashed, Policy<idem::AcceptFalseDuplicates>>;
  for (int value = 0; value < 256; ++value) {
    const auto verdict = static_cast<Verdict>(value);
    CHECK(Exact::action(verdict) == idem::action(verdict));
    if (verdict != Verdict::probable_duplicate) {
      CHECK(Guessing::action(verdict) == idem::action(verdict));
    }
  }
}

TEST_CASE("a memory of the user's own works, with its options and its time") {
  using Last = Deduplicator<idem::Uuid, Policy<idem::Remember<LastOnly>>>;
  static_assert(Last::needs_time);
  static_assert(Last::errors == idem::Errors{.may_miss = true});
  static_assert(!InsertsWithoutTime<Last> && InsertsWithoutTime<Deduplicator<idem::Uuid>>);
  static_assert(!Forgets<Last> && Forgets<Deduplicator<idem::Uuid>>);

  Last seen;
  CHECK(seen.insert(idem::Uuid(1, 1), {.now = idem::Instant::at(5s)}) == Verdict::fresh);
  CHECK(seen.memory().last_time == idem::Instant::at(5s));
  CHECK(seen.insert(idem::Uuid(1, 1), {.now = idem::Instant()}) == Verdict::duplicate);
  CHECK(seen.insert(idem::Uuid(2, 2), {.now = idem::Instant()}) == Verdict::fresh);
  CHECK(seen.insert(idem::Uuid(1, 1), {.now = idem::Instant()}) == Verdict::fresh);

  Last refusing({.memory = {.refuse = true}});
  CHECK(refusing.insert(idem::Uuid(1, 1), {.now = idem::Instant()}) == Verdict::full);
}

TEST_CASE("the budget is the memory's, and full changes nothing") {
  Deduplicator<idem::Uuid> seen({.memory = {.budget = idem::kibibytes(4)}});
  std::uint64_t recorded = 0;
  while (seen.insert(idem::Uuid(1, recorded)) == Verdict::fresh) ++recorded;
  CHECK(recorded > 100);
  CHECK(seen.memory_bytes() <= 4096);
  CHECK(seen.insert(idem::Uuid(1, recorded)) == Verdict::full);
  CHECK(seen.check(idem::Uuid(1, recorded)) == Verdict::fresh);
  for (std::uint64_t i = 0; i < recorded; ++i) {
    REQUIRE(seen.insert(idem::Uuid(1, i)) == Verdict::duplicate);
  }
  CHECK(seen.forget(idem::Uuid(1, 0)));
  CHECK(seen.insert(idem::Uuid(1, recorded)) == Verdict::fresh);
}

template <class D, class... Argument>
concept Inserts = requires(D& seen, Argument&&... argument) {
  seen.insert(static_cast<Argument&&>(argument)...);
};

TEST_CASE("arguments that would silently become another key do not compile") {
  using Numbers = Deduplicator<std::uint64_t>;
  static_assert(Inserts<Numbers, std::uint64_t> && Inserts<Numbers, int>);
  static_assert(!Inserts<Numbers, double> && !Inserts<Numbers, bool> && !Inserts<Numbers, char>);
  static_assert(!Inserts<idem::Id64Set, double> && !Inserts<idem::Id64Set, bool>);
  using Pair = std::initializer_list<const char*>;
  static_assert(!Inserts<Deduplicator<std::string>, Pair>);
  static_assert(!Inserts<Deduplicator<std::string_view>, Pair>);
  static_assert(!Inserts<idem::ContentHashSet, Pair>);
  static_assert(!Inserts<idem::ContentHashSet, char(&)[8]>);
  static_assert(Inserts<idem::ContentHashSet, const char(&)[8]>);
  CHECK(Numbers().insert(1) == Verdict::fresh);
}

TEST_CASE("components are members and array elements without ceremony") {
  struct Consumer {
    int partition;
    idem::UuidSet seen;
    idem::ContentHashSet contents;
    Deduplicator<std::uint64_t> numbers;
  };
  Consumer consumer{};
  consumer.partition = 1;
  CHECK(consumer.seen.insert(idem::Uuid(1, 1)) == Verdict::fresh);
  std::array<idem::UuidSet, 2> sets{};
  CHECK(sets[1].insert(idem::Uuid(1, 1)) == Verdict::fresh);
}

}  // namespace
