// Deduplicators, Resumable, sinks, sources and limits.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <idem/idem.hpp>

#include "support/ids.hpp"
#include "support/out_of_memory.hpp"
#include "support/random.hpp"
#include "support/reseal.hpp"

using idem::ErrorCode;
using idem::Verdict;

namespace {

using Bytes = std::vector<std::byte>;
using Claiming = idem::Deduplicator<std::string, idem::Policy<idem::Claims>>;

constexpr idem::Instant now{};

idem::UuidSet a_set(std::size_t ids) {
  idem::UuidSet set({.seed = idem::Seed{1, 2}});
  for (std::size_t i = 0; i < ids; ++i)
    REQUIRE(set.insert(idem_test::spread_id<idem::Uuid>(i)) == Verdict::fresh);
  return set;
}

template <class C>
Bytes saved(const C& component) {
  Bytes bytes;
  REQUIRE(idem::save(component, {}, bytes));
  return bytes;
}

}  // namespace

TEST_CASE("a deduplicator is saved as its memory, and keys keep their digests") {
  idem::Deduplicator<std::string> before;
  CHECK(before.insert("one") == Verdict::fresh);
  const Bytes bytes = saved(before);
  CHECK(bytes == saved(before.memory()));
  auto after = idem::load<idem::Deduplicator<std::string>>(bytes);
  REQUIRE(after);
  CHECK(after->state.insert("one") == Verdict::duplicate);
  CHECK(after->state.insert("two") == Verdict::fresh);
  // Under the other hash the same keys would have other digests.
  using Hostile = idem::Deduplicator<std::string, idem::Policy<idem::HostileKeys>>;
  CHECK(idem::load<Hostile>(bytes).error() == idem::Error{ErrorCode::other_options, 13, "hash"});
}

TEST_CASE("windows and sequences under a deduplicator go on") {
  using Windowed =
      idem::Deduplicator<std::string,
                         idem::Policy<idem::Remember<idem::TimeWindowRing<idem::Digest>>>>;
  const Windowed::Options options{.memory = {.window = idem::Duration::nanoseconds(1000)}};
  Windowed window(options);
  const auto at = [](std::int64_t ns) {
    return idem::At{.now = idem::Instant::at(idem::Duration::nanoseconds(ns))};
  };
  CHECK(window.insert("one", at(10)) == Verdict::fresh);
  auto window_after = idem::load<Windowed>(saved(window), options);
  REQUIRE(window_after);
  CHECK(window_after->state.insert("one", at(900)) == Verdict::duplicate);
  CHECK(window_after->state.insert("one", at(1200)) == Verdict::fresh);

  using Sequences =
      idem::Deduplicator<idem::ProducerBatch, idem::Policy<idem::Remember<idem::SequenceMemory<>>>>;
  Sequences sequences;
  const idem::ProducerBatch batch{
      .producer_id = 1, .epoch = 0, .first_sequence = 0, .last_sequence = 0};
  CHECK(sequences.insert(batch, at(1)) == Verdict::fresh);
  auto sequences_after = idem::load<Sequences>(saved(sequences));
  REQUIRE(sequences_after);
  CHECK(sequences_after->state.insert(batch, at(2)) == Verdict::duplicate);
  // A tracker by itself has the same bytes, and becomes a memory.
  auto tracker = idem::load<idem::ProducerTracker>(saved(sequences));
  REQUIRE(tracker);
  Sequences from_tracker{idem::SequenceMemory<>(std::move(tracker->state))};
  CHECK(from_tracker.insert(batch, at(2)) == Verdict::duplicate);
}

namespace {

// Every forged snapshot of a set is refused by any number of shards as by none, and in bounded
// memory.
template <class Sharded, class One, class Key>
void check_joined(Key&& key_of) {
  const idem::Seed seed{5, 6};
  for (const std::size_t count :
       {std::size_t{0}, std::size_t{1}, std::size_t{40}, std::size_t{700}, std::size_t{30'000}}) {
    INFO(count);
    One one({.memory = {.seed = seed}});
    Sharded sharded({.memory = {.seed = seed}});
    for (std::size_t i = 0; i < count; ++i) {
      REQUIRE(one.insert(key_of(i)) == Verdict::fresh);
      REQUIRE(sharded.insert(key_of(i)) == Verdict::fresh);
    }
    Bytes bytes = saved(one);
    REQUIRE(saved(sharded) == bytes);
    CHECK(idem::saved_size(sharded) == bytes.size());
    {
      idem_test::reset_peak();
      const std::size_t before = idem_test::allocations().live_bytes;
      auto state = idem::load<typename Sharded::State>(bytes);
      REQUIRE(state);
      // A map begins with a chunk of its ring and an index.
      const std::size_t beside =
          65536 + (idem::Carrying<typename One::Memory> ? Sharded::shards * 16384 : 0);
      if (sizeof(typename One::Memory::Stored) <= 16)
        CHECK(idem_test::allocations().peak_bytes - before <= 2 * bytes.size() + beside);
      Sharded again(std::move(state->state));
      CHECK(again.size() == count);
      CHECK(saved(again) == bytes);
      for (std::size_t i = 0; i < count; ++i)
        REQUIRE(again.insert(key_of(i)) == Verdict::duplicate);
      CHECK(again.insert(key_of(count)) == Verdict::fresh);
#if defined(__cpp_exceptions)
      CHECK_THROWS_AS(Sharded(std::move(state->state)), std::invalid_argument);
#endif
    }
    if (count != 700) continue;
    CHECK(idem_test::for_each_failing_allocation(
              idem_test::Failing::once, [] {},
              [&] { (void)idem::load<typename Sharded::State>(bytes); }, [](bool) {}) >= 3);
    Bytes to;
    CHECK(idem_test::for_each_failing_allocation(
              idem_test::Failing::once, [&] { to.clear(); },
              [&] {
                const auto result = idem::save(sharded, {}, to);
                if (!result) CHECK(result.error().code == ErrorCode::out_of_memory);
              },
              [&](bool fired) { CHECK((fired ? to.empty() : to == bytes)); }) >= 2);
    idem_test::Rng rng(3);
    for (int round = 0; round < 400; ++round) {
      Bytes forged = bytes;
      forged[rng.below(forged.size())] ^= std::byte{1} << rng.below(8);
      idem_test::reseal(forged);
      const auto as_one = idem::load<One>(forged);
      const auto as_shards = idem::load<typename Sharded::State>(forged);
      REQUIRE(as_one.error() == as_shards.error());
      REQUIRE(as_one.has_value() == as_shards.has_value());
    }
  }
}

}  // namespace

TEST_CASE("shards of exact sets are saved as one set, and loaded into any number of shards") {
  using idem::Deduplicator, idem::Policy, idem::Sharded;
  const auto uuid = [](std::size_t i) { return idem_test::spread_id<idem::Uuid>(i); };
  const auto number = [](std::size_t i) { return idem_test::spread_id<std::uint64_t>(i); };
  const auto text = [](std::size_t i) { return std::to_string(i); };
  check_joined<Deduplicator<idem::Uuid, Policy<Sharded<4>>>, Deduplicator<idem::Uuid>>(uuid);
  check_joined<Deduplicator<idem::Uuid, Policy<Sharded<37>>>, Deduplicator<idem::Uuid>>(uuid);
  check_joined<Deduplicator<std::uint64_t, Policy<Sharded<5>>>, Deduplicator<std::uint64_t>>(
      number);
  check_joined<Deduplicator<std::string, Policy<Sharded<3>, idem::HostileKeys>>,
               Deduplicator<std::string, Policy<idem::HostileKeys>>>(text);
  check_joined<Deduplicator<std::string, Policy<Sharded<3>, idem::Remember<idem::ContentHashSet>>>,
               Deduplicator<std::string, Policy<idem::Remember<idem::ContentHashSet>>>>(text);
  using Map = idem::Remember<idem::IdMap<idem::Uuid, std::uint64_t>>;
  check_joined<Deduplicator<idem::Uuid, Policy<Sharded<4>, Map>>,
               Deduplicator<idem::Uuid, Policy<Map>>>(uuid);
}

TEST_CASE("contents stand in another number of shards too") {
  using idem::CompareContent, idem::Deduplicator, idem::Policy, idem::Sharded;
  const auto id = [](std::size_t i) { return idem_test::spread_id<idem::Uuid>(i); };
  Deduplicator<idem::Uuid, Policy<CompareContent, Sharded<5>>> before;
  for (std::size_t i = 0; i < 1000; ++i)
    REQUIRE(before.insert(id(i), std::to_string(i)) == Verdict::fresh);
  using After = Deduplicator<idem::Uuid, Policy<CompareContent, Sharded<3>>>;
  auto state = idem::load<After::State>(saved(before));
  REQUIRE(state);
  After after(std::move(state->state));
  for (std::size_t i = 0; i < 1000; ++i) {
    REQUIRE(after.insert(id(i), std::to_string(i)) == Verdict::duplicate);
    REQUIRE(after.insert(id(i), std::to_string(i + 1)) == Verdict::conflict);
  }
}

TEST_CASE("ids that share their slot are ordered by themselves") {
  const idem::Seed seed{5, 6};
  const idem::detail::WideHash<idem::Xxh3Hash> hash{idem::Xxh3Hash(seed)};
  std::vector<idem::Uuid> ids;
  const auto share = [&](std::uint64_t slot, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      idem::Uuid id;
      hash.id({slot, idem_test::mix(slot + i)}, id);
      ids.push_back(id);
    }
  };
  for (std::uint64_t i = 0; i < 9000; ++i) ids.push_back(idem_test::spread_id<idem::Uuid>(i));
  share(0, 3);
  share(1, 2);
  share(std::uint64_t{1} << 63, 9);
  share((std::uint64_t{1} << 62) + 77, 300);  // more than a block holds
  share(~std::uint64_t{0}, 5);
  idem::UuidSet forwards({.seed = seed});
  idem::UuidSet backwards({.expected_keys = ids.size(), .seed = seed});
  idem::Deduplicator<idem::Uuid, idem::Policy<idem::Sharded<3>>> shards({.memory = {.seed = seed}});
  for (std::size_t i = 0; i < ids.size(); ++i) {
    REQUIRE(forwards.insert(ids[i]) == Verdict::fresh);
    REQUIRE(backwards.insert(ids[ids.size() - 1 - i]) == Verdict::fresh);
    REQUIRE(shards.insert(ids[i]) == Verdict::fresh);
  }
  std::vector<idem::Uuid> visited;
  forwards.for_each([&](const idem::Uuid& id) { visited.push_back(id); });
  std::sort(ids.begin(), ids.end(), [&](const idem::Uuid& a, const idem::Uuid& b) {
    const std::uint64_t slots[] = {hash.slot(a).hash, hash.slot(b).hash};
    return slots[0] != slots[1] ? slots[0] < slots[1] : a < b;
  });
  CHECK(visited == ids);
  const Bytes bytes = saved(forwards);
  CHECK(saved(backwards) == bytes);
  CHECK(saved(shards) == bytes);
  const auto loaded = idem::load<idem::UuidSet>(bytes);
  REQUIRE(loaded);
  CHECK(saved(loaded->state) == bytes);
}

TEST_CASE("ids that all belong to one shard, in a table that grows") {
  using Seen = idem::Deduplicator<std::uint64_t, idem::Policy<idem::Sharded<16>>>;
  Seen seen({.memory = {.seed = idem::Seed{5, 6}}});
  const idem::detail::ShardRoute<std::uint64_t, idem::Id64Set, 16> route(idem::Seed{5, 6});
  std::size_t inserted = 0;
  for (std::uint64_t i = 0; inserted < 5000; ++i) {
    if (route.home(i) != 3) continue;
    REQUIRE(seen.insert(i) == Verdict::fresh);
    ++inserted;
  }
  const Bytes bytes = saved(seen);
  idem_test::reset_peak();
  const std::size_t before = idem_test::allocations().live_bytes;
  auto loaded = idem::load<Seen::State>(bytes);
  REQUIRE(loaded);
  CHECK(idem_test::allocations().peak_bytes - before <= 4 * bytes.size() + 65536);
  CHECK(saved(Seen(std::move(loaded->state))) == bytes);
  // It is empty now, and neither saved nor gone on from.
  CHECK_THROWS_AS((void)idem::saved_size(loaded->state), std::invalid_argument);
  CHECK_THROWS_AS(Seen(std::move(loaded->state)), std::invalid_argument);
}

TEST_CASE("shards of other memories are loaded into as many") {
  using Ring = idem::TimeWindowRing<idem::Uuid>;
  using Backed = idem::BackedWindow<Ring, idem::BloomFilter<idem::Uuid>>;
  using Seen = idem::Deduplicator<idem::Uuid, idem::Policy<idem::Sharded<3>, idem::Remember<Backed>,
                                                           idem::AcceptFalseDuplicates>>;
  const Seen::Options options{.memory = {.exact = {.window = idem::Duration::nanoseconds(1000)},
                                         .filter = {.size = idem::bytes(1024)}}};
  Seen seen(options);
  for (std::size_t i = 0; i < 50; ++i)
    REQUIRE(seen.insert(idem_test::spread_id<idem::Uuid>(i), {.now = now}) != Verdict::duplicate);
  const Bytes bytes = saved(seen);
  idem::Resumable<Seen> after(options);
  CHECK(after.load(bytes));
  for (std::size_t i = 0; i < 50; ++i)
    CHECK(after.insert(idem_test::spread_id<idem::Uuid>(i), {.now = now}) != Verdict::fresh);
  CHECK(saved(*after) == bytes);
  using Four = idem::Deduplicator<idem::Uuid, idem::Policy<idem::Sharded<4>, idem::Remember<Backed>,
                                                           idem::AcceptFalseDuplicates>>;
  CHECK(idem::load<Four::State>(bytes, options.memory).error() ==
        idem::Error{ErrorCode::other_options, 24, "number of shards"});

  using Sequences =
      idem::Deduplicator<idem::ProducerBatch,
                         idem::Policy<idem::Sharded<4>, idem::Remember<idem::SequenceMemory<>>>>;
  Sequences sequences;
  const auto batch = [](std::int64_t id) {
    return idem::ProducerBatch{
        .producer_id = id, .epoch = 0, .first_sequence = 0, .last_sequence = 0};
  };
  for (std::int64_t id = 0; id < 20; ++id)
    REQUIRE(sequences.insert(batch(id), {.now = now}) == Verdict::fresh);
  auto state = idem::load<Sequences::State>(saved(sequences));
  REQUIRE(state);
  Sequences sequences_after(std::move(state->state));
  for (std::int64_t id = 0; id < 20; ++id)
    CHECK(sequences_after.insert(batch(id), {.now = now}) == Verdict::duplicate);
}

namespace {

// Two neighbouring parts of shards change places, every checksum right: each key of theirs is where
// nobody would look for it.
void check_home_is_looked_at(const auto& seen, const auto& load) {
  const Bytes bytes = saved(seen);
  REQUIRE(load(bytes) == std::nullopt);
  constexpr std::size_t payload = 88, part_header = 64, length_at = 56;
  const auto part = [&](std::size_t at) {
    return part_header + static_cast<std::size_t>(idem_test::word_at(bytes, at + length_at));
  };
  const std::size_t first = part(payload), second = part(payload + first);
  Bytes forged = bytes;
  std::rotate(forged.begin() + payload,
              forged.begin() + static_cast<std::ptrdiff_t>(payload + first),
              forged.begin() + static_cast<std::ptrdiff_t>(payload + first + second));
  idem_test::reseal(forged);
  CHECK(load(forged) ==
        idem::Error{ErrorCode::bad_value, payload + part_header, "key of another shard"});
}

}  // namespace

TEST_CASE("a key that is not at home in its shard is refused") {
  using idem::Deduplicator, idem::Policy, idem::Remember, idem::Sharded;
  using Ring = idem::TimeWindowRing<idem::Uuid>;
  using Sliding = idem::TimeWindowRing<idem::Digest, idem::WindowMode::sliding>;
  using Backed = idem::BackedWindow<Ring, idem::BloomFilter<idem::Uuid>>;
  const auto check = [](auto& seen, const auto& options, const auto& key) {
    using Seen = std::remove_cvref_t<decltype(seen)>;
    for (std::size_t i = 0; i < 30; ++i) (void)seen.insert(key(i), {.now = now});
    check_home_is_looked_at(seen, [&](const Bytes& bytes) {
      const auto state = idem::load<typename Seen::State>(bytes, options.memory);
      return state ? std::nullopt : std::optional<idem::Error>(state.error());
    });
  };
  const auto uuid = [](std::size_t i) { return idem_test::spread_id<idem::Uuid>(i); };
  const auto window = idem::Duration::nanoseconds(1000);
  {
    using Seen = Deduplicator<idem::Uuid, Policy<Sharded<3>, Remember<Ring>>>;
    const Seen::Options options{.memory = {.window = window}};
    Seen seen(options);
    check(seen, options, uuid);
  }
  {
    using Seen = Deduplicator<std::string, Policy<Sharded<3>, Remember<Sliding>>>;
    const Seen::Options options{.memory = {.window = window}};
    Seen seen(options);
    check(seen, options, [](std::size_t i) { return std::to_string(i); });
  }
  {
    using Seen =
        Deduplicator<idem::Uuid, Policy<Sharded<3>, Remember<Backed>, idem::AcceptFalseDuplicates>>;
    const Seen::Options options{.memory = {.exact = {.window = window, .seed = idem::Seed{1, 2}},
                                           .filter = {.size = idem::bytes(1024)}}};
    Seen seen(options);
    check(seen, options, uuid);
  }
  {
    using Seen =
        Deduplicator<idem::ProducerBatch, Policy<Sharded<3>, Remember<idem::SequenceMemory<>>>>;
    Seen seen;
    check(seen, Seen::Options(), [](std::size_t i) {
      return idem::ProducerBatch{.producer_id = static_cast<std::int64_t>(i),
                                 .epoch = 0,
                                 .first_sequence = 0,
                                 .last_sequence = 0};
    });
  }
}

TEST_CASE("claims on shards go on from a snapshot, and into another number of them") {
  using Before = idem::Deduplicator<std::string, idem::Policy<idem::Claims, idem::Sharded<4>>>;
  using After = idem::Deduplicator<std::string, idem::Policy<idem::Claims, idem::Sharded<9>>>;
  Before before;
  CHECK(before.claim("done", {.now = now}).commit(now) == Verdict::fresh);
  const auto open = before.claim("open", {.now = now});
  idem::Resumable<After> after;
  CHECK(after.claim("done", {.now = now}).verdict() == Verdict::unknown);
  CHECK(after.load(saved(before)));
  CHECK(after.claim("done", {.now = now}).verdict() == Verdict::duplicate);
  CHECK(after.claim("open", {.now = now}).commit(now) == Verdict::fresh);
}

TEST_CASE("open claims are not saved, committed ones are") {
  Claiming before;
  CHECK(before.claim("done", {.now = now}).commit(now) == Verdict::fresh);
  const auto open = before.claim("open", {.now = now});
  const auto given_back = before.claim("given back", {.now = now});
  auto memory = idem::load<Claiming::Memory>(saved(before));
  REQUIRE(memory);
  Claiming after(std::move(memory->state));
  CHECK(after.claim("done", {.now = now}).verdict() == Verdict::duplicate);
  CHECK(after.claim("open", {.now = now}).verdict() == Verdict::fresh);
  CHECK(after.claims_in_flight() == 0);
}

TEST_CASE("what is not loaded yet answers unknown, which is a retry") {
  idem::Resumable<Claiming> seen({.claims = {.max_in_flight = 3}});
  CHECK(!seen.is_ready());
  CHECK(seen.insert("one") == Verdict::unknown);
  CHECK(seen.check("one") == Verdict::unknown);
  CHECK(seen.claim("one", {.now = now}).verdict() == Verdict::unknown);
  CHECK(seen.claim("one", {.now = now}).commit(now) == Verdict::fenced);
  CHECK(idem::action(seen.check("one")) == idem::Action::retry);
  const std::string keys[] = {"one", "two"};
  Verdict verdicts[] = {Verdict::fresh, Verdict::fresh};
  seen.insert(keys, {.now = now}, verdicts);
  CHECK((verdicts[0] == Verdict::unknown && verdicts[1] == Verdict::unknown));

  Claiming before;
  CHECK(before.insert("one") == Verdict::fresh);
  Bytes bytes = saved(before);
  Bytes damaged = bytes;
  damaged.back() ^= std::byte{1};
  CHECK(seen.load(damaged).error().code == ErrorCode::bad_value);
  CHECK(seen.check("one") == Verdict::unknown);
  CHECK(seen.load(bytes));
  CHECK(seen.is_ready());
  CHECK(seen.claim("one", {.now = now}).verdict() == Verdict::duplicate);
  const auto claim = seen.claim("two", {.now = now});
  CHECK(claim.verdict() == Verdict::fresh);
  CHECK(seen->claims_in_flight() == 1);
#if defined(__cpp_exceptions)
  CHECK_THROWS_AS((void)seen.load(bytes), std::invalid_argument);
  CHECK_THROWS_AS(seen.start_empty(), std::invalid_argument);
#endif

  idem::Resumable<idem::Deduplicator<idem::Uuid>> empty;
  empty.start_empty();
  CHECK(empty.insert(idem::Uuid(1, 1)) == Verdict::fresh);
}

TEST_CASE("limits are looked at before memory is taken") {
  const idem::UuidSet set = a_set(1000);
  const Bytes bytes = saved(set);
  CHECK(idem::load<idem::UuidSet>(bytes, {}, {.bytes = idem::bytes(bytes.size())}));
  CHECK(idem::load<idem::UuidSet>(bytes, {}, {.elements = 1000}));
  const auto before = idem_test::allocations().count;
  CHECK(idem::load<idem::UuidSet>(bytes, {}, {.bytes = idem::bytes(bytes.size() - 1)}).error() ==
        idem::Error{ErrorCode::limit_exceeded, 72, "total length"});
  CHECK(idem::load<idem::UuidSet>(bytes, {}, {.elements = 999}).error() ==
        idem::Error{ErrorCode::limit_exceeded, 56, "elements"});
  CHECK(idem_test::allocations().count == before);
  CHECK(idem::load<idem::UuidSet>(bytes, {.budget = idem::kibibytes(4)}).error().code ==
        ErrorCode::limit_exceeded);
  CHECK(idem::load<idem::UuidSet>(bytes, {.seed = idem::Seed{1, 3}}).error() ==
        idem::Error{ErrorCode::other_options, 40, "seed"});
  CHECK(idem::load<idem::UuidSet>(bytes, {.seed = idem::Seed{1, 2}}));
  const auto roomy = idem::load<idem::UuidSet>(bytes, {.expected_keys = 100'000});
  REQUIRE(roomy);
  CHECK(roomy->state.memory_bytes() > 1'600'000);
}

TEST_CASE("filters of another size, windows of another length") {
  using Filter = idem::BloomFilter<idem::Uuid>;
  const Filter filter({.size = idem::kibibytes(4)});
  const Bytes bytes = saved(filter);
  CHECK(idem::load<Filter>(bytes, {.size = idem::kibibytes(4)}));
  CHECK(idem::load<Filter>(bytes, {.size = idem::kibibytes(8)}).error() ==
        idem::Error{ErrorCode::other_options, 24, "size"});
  using Ring = idem::TimeWindowRing<idem::Uuid>;
  const Ring ring({.window = idem::Duration::nanoseconds(1'000'000)});
  CHECK(idem::load<Ring>(saved(ring), {.window = idem::Duration::nanoseconds(2'000'000)}).error() ==
        idem::Error{ErrorCode::other_options, 24, "window length"});
  const idem::ReplayWindow<64> replay(100);
  CHECK(idem::load<idem::ReplayWindow<64>>(saved(replay)).error() ==
        idem::Error{ErrorCode::other_options, 32, "limit"});
  CHECK(idem::load<idem::ReplayWindow<64>>(saved(replay), {.limit = 100}));
  CHECK(idem::load<idem::ReplayWindow<128>>(saved(replay), {.limit = 100}).error() ==
        idem::Error{ErrorCode::other_options, 24, "window"});
}

TEST_CASE("filters over windows: the size comes with them, what is said must be so") {
  const auto at = [](std::int64_t ns) {
    return idem::At{.now = idem::Instant::at(idem::Duration::nanoseconds(ns))};
  };
  constexpr auto window = idem::Duration::nanoseconds(600);
  using Bloom = idem::WindowBloomFilter<std::uint64_t>;
  const Bloom::Options options{
      .window = window, .expected_keys = 1000, .false_positive_rate = 0.001};
  Bloom bloom(options);
  CHECK(bloom.insert(1, at(0)) == Verdict::fresh);
  const Bytes bytes = saved(bloom);
  CHECK(idem::load<Bloom>(bytes, options));
  auto loaded = idem::load<Bloom>(bytes, {.window = window});
  REQUIRE(loaded);
  CHECK(loaded->state.size() == bloom.size());
  CHECK(loaded->state.rate_when_full() == bloom.rate_when_full());
  CHECK(loaded->state.false_positive_rate() == bloom.false_positive_rate());
  CHECK(loaded->state.recorded_keys() == 1);
  CHECK(loaded->state.latest() == bloom.latest());
  CHECK(loaded->state.insert(1, at(599)) == Verdict::probable_duplicate);
  CHECK(loaded->state.insert(1, at(700)) == Verdict::fresh);
  const auto refused = [&](Bloom::Options other) {
    return idem::load<Bloom>(bytes, other).error();
  };
  constexpr auto other = ErrorCode::other_options;
  CHECK(refused({.window = idem::Duration::nanoseconds(1200)}) ==
        idem::Error{other, 24, "window length"});
  CHECK(refused({.window = window, .expected_keys = 999, .false_positive_rate = 0.001}) ==
        idem::Error{other, 32, "expected keys"});
  CHECK(refused({.window = window, .expected_keys = 1000, .false_positive_rate = 0.002}).code ==
        other);
  CHECK(refused({.window = window, .when_crowded = idem::WhenCrowded::refuse}).what ==
        "when crowded");

  using Cuckoo = idem::WindowCuckooFilter<std::uint64_t>;
  Cuckoo cuckoo({.window = window, .expected_keys = 1000});
  CHECK(cuckoo.insert(1, at(0)) == Verdict::fresh);
  CHECK(cuckoo.insert(2, at(300)) == Verdict::fresh);
  auto cuckoo_after = idem::load<Cuckoo>(saved(cuckoo), {.window = window});
  REQUIRE(cuckoo_after);
  CHECK(cuckoo_after->state.size() == 2);
  CHECK(cuckoo_after->state.forget(1));
  CHECK(cuckoo_after->state.insert(1, at(500)) == Verdict::fresh);
  CHECK(cuckoo_after->state.insert(2, at(899)) == Verdict::probable_duplicate);
  CHECK(cuckoo_after->state.insert(2, at(1100)) == Verdict::fresh);
  CHECK(idem::load<Cuckoo>(saved(cuckoo), {.window = window, .expected_keys = 2000}).error() ==
        idem::Error{other, 32, "size"});

  using Backed = idem::BackedWindow<idem::TimeWindowRing<std::uint64_t>, Bloom>;
  const Backed::Options both{.exact = {.window = idem::Duration::nanoseconds(100)},
                             .filter = options};
  Backed backed(both);
  CHECK(backed.insert(1, at(0)) == Verdict::fresh);
  CHECK(backed.insert(2, at(90)) == Verdict::fresh);
  auto backed_after = idem::load<Backed>(saved(backed), both);
  REQUIRE(backed_after);
  CHECK(backed_after->state.check(2, at(150)) == Verdict::duplicate);
  CHECK(backed_after->state.check(1, at(150)) == Verdict::probable_duplicate);
  CHECK(backed_after->state.check(3, at(150)) == Verdict::fresh);
  auto longer = both;
  longer.exact.window = idem::Duration::nanoseconds(200);
  CHECK(idem::load<Backed>(saved(backed), longer).error().what == "window length");
}

TEST_CASE("positions up to 64 KiB") {
  const idem::UuidSet set = a_set(3);
  for (const std::size_t size : std::initializer_list<std::size_t>{0, 1, 7, 8, 9, 65535, 65536}) {
    const Bytes position(size, std::byte{0x5a});
    Bytes bytes;
    REQUIRE(idem::save(set, position, bytes));
    CHECK(bytes.size() == idem::saved_size(set, size));
    const auto loaded = idem::load<idem::UuidSet>(bytes);
    REQUIRE(loaded);
    CHECK(loaded->position == position);
  }
#if defined(__cpp_exceptions)
  const Bytes too_long(65537);
  Bytes bytes;
  CHECK_THROWS_AS((void)idem::save(set, too_long, bytes), std::invalid_argument);
#endif
}

TEST_CASE("spans that are too small, vectors without memory, sinks that throw") {
  const idem::UuidSet set = a_set(9000);
  const Bytes whole = saved(set);
  Bytes room(whole.size() + 10, std::byte{7});
  CHECK(*idem::save(set, {}, std::span(room)) == whole.size());
  CHECK(std::equal(whole.begin(), whole.end(), room.begin()));
  CHECK(room[whole.size()] == std::byte{7});
  CHECK(idem::save(set, {}, std::span(room).first(whole.size() - 1)).error().code ==
        ErrorCode::write_failed);

  const Bytes before(3, std::byte{9});
  Bytes to;
  CHECK(idem_test::for_each_failing_allocation(
            idem_test::Failing::once, [&] { to = before; },
            [&] {
              const auto result = idem::save(set, {}, to);
              if (!result) CHECK(result.error().code == ErrorCode::out_of_memory);
            },
            [&](bool fired) { CHECK((fired ? to == before : to == whole)); }) == 1);
  CHECK(idem_test::for_each_failing_allocation(
            idem_test::Failing::once, [] {},
            [&] {
              std::size_t taken = 0;
              const auto result = idem::save(set, {}, [&](std::span<const std::byte> piece) {
                taken += piece.size();
                return true;
              });
              if (!result) CHECK(result.error().code == ErrorCode::out_of_memory);
            },
            [](bool) {}) == 1);

  // However large the state is, a sink needs one block.
  idem_test::reset_peak();
  const std::size_t live = idem_test::allocations().live_bytes;
  CHECK(idem::save(set, {}, [](std::span<const std::byte> piece) { return !piece.empty(); }));
  CHECK(idem_test::allocations().peak_bytes - live <= 65536 + 64);
#if defined(__cpp_exceptions)
  const std::uint64_t blocks = idem_test::allocations().live;
  CHECK_THROWS_AS((void)idem::save(set, {},
                                   [](std::span<const std::byte>) -> bool {
                                     throw std::runtime_error("the disk is gone");
                                   }),
                  std::runtime_error);
  CHECK(idem_test::allocations().live == blocks);
#endif
}

TEST_CASE("sources that end, lie or throw") {
  const idem::UuidSet set = a_set(9000);
  const Bytes whole = saved(set);
  const idem::LoadLimits limits{.bytes = idem::mebibytes(1)};
  const auto says = [&](std::size_t count) {
    return idem::load<idem::UuidSet>([&](std::span<std::byte>) { return count; }, {}, limits);
  };
  CHECK(says(0).error() == idem::Error{ErrorCode::truncated, 0, "header"});
  CHECK(says(1'000'000).error().code == ErrorCode::truncated);  // more than there was room for
#if defined(__cpp_exceptions)
  const std::uint64_t blocks = idem_test::allocations().live;
  CHECK_THROWS_AS(
      (void)idem::load<idem::UuidSet>(
          [](std::span<std::byte>) -> std::size_t { throw std::runtime_error("the disk is gone"); },
          {}, limits),
      std::runtime_error);
  std::size_t at = 0;
  CHECK_THROWS_AS((void)idem::load<idem::UuidSet>(
                      [&](std::span<std::byte> to) -> std::size_t {
                        if (at > 70'000) throw std::runtime_error("the disk is gone");
                        std::copy_n(whole.begin() + static_cast<std::ptrdiff_t>(at), to.size(),
                                    to.begin());
                        at += to.size();
                        return to.size();
                      },
                      {}, limits),
                  std::runtime_error);
  CHECK(idem_test::allocations().live == blocks);
#endif
  // Two states one behind the other.
  Bytes both = whole;
  both.insert(both.end(), whole.begin(), whole.end());
  std::span<const std::byte> left = both;
  const auto read = [&](std::span<std::byte> to) {
    const std::size_t count = std::min(to.size(), left.size());
    std::copy_n(left.begin(), count, to.begin());
    left = left.subspan(count);
    return count;
  };
  CHECK(idem::load<idem::UuidSet>(read, {}, limits));
  CHECK(left.size() == whole.size());
  CHECK(idem::load<idem::UuidSet>(read, {}, limits));
  CHECK(left.empty());
}

TEST_CASE("what is pushed and not persisted is the log's to tell") {
  idem::MonotonicTracker tracker({.seed = 1});
  CHECK(tracker.persist(1, 10, now) == Verdict::fresh);
  CHECK(tracker.push(1, 11, 14, now) == Verdict::fresh);
  CHECK(tracker.push(2, 0, 3, now) == Verdict::fresh);
  auto loaded = idem::load<idem::MonotonicTracker>(saved(tracker));
  REQUIRE(loaded);
  CHECK(loaded->state.size() == 1);
  CHECK(loaded->state.marks(1) == idem::SequenceMarks{10, 10});
  CHECK(loaded->state.marks(2) == idem::SequenceMarks{});
  // Forgetting goes on in the order of use.
  idem::MonotonicTracker few({.max_producers = 2, .seed = 1});
  for (const std::int64_t id : {5, 1, 5})
    CHECK(few.persist(id, id + few.marks(id).persisted + 1, now) == Verdict::fresh);
  auto few_after = idem::load<idem::MonotonicTracker>(saved(few), {.max_producers = 2});
  REQUIRE(few_after);
  CHECK(few_after->state.persist(9, 1, now) == Verdict::fresh);
  CHECK(few_after->state.marks(1).persisted == -1);
  CHECK(few_after->state.marks(5).persisted == few.marks(5).persisted);
  CHECK(idem::load<idem::MonotonicTracker>(saved(few), {.max_producers = 1}).error().code ==
        ErrorCode::limit_exceeded);
}

TEST_CASE("a ledger keeps its epoch until somebody takes over") {
  idem::OffsetLedger ledger({.next = 5, .owner_epoch = 3});
  for (const std::int64_t offset : {5, 6, 7}) CHECK(ledger.deliver(offset, now) == Verdict::fresh);
  CHECK(ledger.complete(6, 3) == Verdict::fresh);
  auto loaded = idem::load<idem::OffsetLedger>(saved(ledger), {.owner_epoch = 9});
  REQUIRE(loaded);
  CHECK(loaded->state.owner_epoch() == 3);
  CHECK(loaded->state.take_over(3) == Verdict::fenced);
  CHECK(loaded->state.take_over(4) == Verdict::fresh);
  CHECK(loaded->state.next() == 5);
  CHECK(loaded->state.check(5) == Verdict::fresh);
  CHECK(loaded->state.check(6) == Verdict::duplicate);
  CHECK(loaded->state.check(7) == Verdict::fresh);
}

namespace {

// A memory of a user's own is framed like ours.
struct Counter {
  using Options = struct {};
  std::uint64_t count = 0;
  static constexpr idem::StateType state_type{.kind = idem::StateKind{0x8001}};
  [[nodiscard]] idem::StateShape state_shape() const {
    return {.type = state_type, .elements = 1, .bytes = 8};
  }
  bool write_state(idem::StateWriter& out) const { return out.u64(count); }
  [[nodiscard]] static idem::Result<Counter> read_state(idem::StateReader& in,
                                                        const idem::StateShape&, const Options&) {
    Counter counter;
    if (!in.u64(counter.count)) return idem::Error{ErrorCode::truncated, in.position(), "counter"};
    return counter;
  }
};

}  // namespace

TEST_CASE("a component of the user's own") {
  static_assert(idem::Saveable<Counter>);
  const Bytes bytes = saved(Counter{77});
  CHECK(idem::load<Counter>(bytes)->state.count == 77);
  CHECK(idem::load<idem::UuidSet>(bytes).error().code == ErrorCode::other_options);
}

namespace {

// Says 8 bytes and writes others.
struct Liar : Counter {
  std::size_t words = 0;
  bool says_how_it_went = false;
  bool write_state(idem::StateWriter& out) const {
    for (std::size_t i = 0; i < words; ++i) out.u64(i);
    return says_how_it_went ? out.ok() : true;
  }
};
// Writes a part, and has no memory for the rest.
struct Poor : Counter {
  bool write_state(idem::StateWriter& out) const {
    out.u32(1);
    return false;
  }
};

}  // namespace

TEST_CASE("a component that writes other than it said is found out") {
  const auto sink = [](std::span<const std::byte>) { return true; };
  for (const bool says_how_it_went : {false, true}) {
    for (const std::size_t words : {std::size_t{0}, std::size_t{2}, std::size_t{20'000}}) {
      CAPTURE(says_how_it_went);
      CAPTURE(words);
      Liar liar;
      liar.words = words;
      liar.says_how_it_went = says_how_it_went;
      Bytes bytes;
      CHECK(idem::save(liar, {}, bytes).error().code == ErrorCode::bad_length);
      CHECK(idem::save(liar, {}, sink).error().code == ErrorCode::bad_length);
    }
  }
  Bytes bytes;
  CHECK(idem::save(Poor(), {}, bytes).error().code == ErrorCode::out_of_memory);
  CHECK(idem::save(Poor(), {}, sink).error().code == ErrorCode::out_of_memory);
}

TEST_CASE("a sink that fails is what is told, whatever the component wrote") {
  Liar liar;
  liar.words = 20'000;
  liar.says_how_it_went = true;
  int pieces = 0;
  const auto sink = [&](std::span<const std::byte>) { return ++pieces < 2; };
  CHECK(idem::save(liar, {}, sink).error().code == ErrorCode::write_failed);
}
