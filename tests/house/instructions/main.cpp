// What instructions.py counts, compiled three times: VARIANT 0 calls a component alone, 1 the
// Deduplicator over it, 2 one that counts, which does more and must be seen to. One program each, as
// what a compiler inlines depends on what else is in the file.
//
// Every function is called with `calls` keys; none is inlined, so that each has its own line in the
// profile.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include <idem/idem.hpp>

namespace {

using idem::At;
using idem::Instant;
using idem::Uuid;
using idem::Verdict;

constexpr std::size_t calls = 8192;
constexpr std::size_t batch = 512;
constexpr idem::Seed seed{1, 2};
constexpr At now{.now = Instant()};

std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccd;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53;
  return x ^ (x >> 33);
}

template <class Key>
std::vector<Key> keys(std::size_t count = calls) {
  std::vector<Key> made(count);
  for (std::size_t i = 0; i < count; ++i) {
    if constexpr (std::is_same_v<Key, Uuid>) {
      made[i] = Uuid(mix(2 * i), mix(2 * i + 1));
    } else if constexpr (std::is_same_v<Key, idem::ProducerBatch>) {
      made[i] = {.producer_id = static_cast<std::int64_t>(i % 64),
                 .epoch = 0,
                 .first_sequence = static_cast<std::int64_t>(i / 64),
                 .last_sequence = static_cast<std::int64_t>(i / 64)};
    } else {
      made[i] = mix(i);
    }
  }
  return made;
}

std::uint64_t sum = 0;  // every verdict goes in here

}  // namespace

// None is specialised for its only caller.
#if defined(__clang__)
#define IDEM_COUNTED [[gnu::noinline]]
#else
#define IDEM_COUNTED [[gnu::noipa]]
#endif

// NOLINTBEGIN(bugprone-macro-parentheses): types and statements
// `seen`, `key`, `some` and `at` stand for the object, the key, the batch and the time.
#define IDEM_MEASURE(name, Seen, Key, expression)                                              \
  extern "C" IDEM_COUNTED void measure_##name(Seen& seen, const std::vector<Key>& all, At at); \
  extern "C" IDEM_COUNTED void measure_##name(Seen& seen, const std::vector<Key>& all,         \
                                              [[maybe_unused]] At at) {                        \
    std::uint64_t local = 0;                                                                   \
    for (const Key& key : all) local += static_cast<std::uint64_t>(expression);                \
    sum += local;                                                                              \
  }
#define IDEM_MEASURE_BATCH(name, Seen, Key, expression)                                        \
  extern "C" IDEM_COUNTED void measure_##name(Seen& seen, const std::vector<Key>& all, At at); \
  extern "C" IDEM_COUNTED void measure_##name(Seen& seen, const std::vector<Key>& all,         \
                                              [[maybe_unused]] At at) {                        \
    std::array<Verdict, batch> verdicts;                                                       \
    for (std::size_t begin = 0; begin < all.size(); begin += batch) {                          \
      const auto some = std::span(all).subspan(begin, batch);                                  \
      expression;                                                                              \
      sum += static_cast<std::uint64_t>(verdicts[batch / 2]);                                  \
    }                                                                                          \
  }
// NOLINTEND(bugprone-macro-parentheses)

#if !defined(VARIANT)
#define VARIANT 0
#endif
#if VARIANT == 0
template <class Key, class Memory, class... Axis>
using Seen = Memory;
#elif VARIANT == 1
template <class Key, class Memory, class... Axis>
using Seen = idem::Deduplicator<Key, idem::Policy<idem::Remember<Memory>, Axis...>>;
#else
template <class Key, class Memory, class... Axis>
using Seen = idem::Deduplicator<Key, idem::Policy<idem::Remember<Memory>, idem::Counters, Axis...>>;
#endif

template <class S>
S make(const auto& options) {
#if VARIANT == 0
  return S(options);
#else
  return S({.memory = options});
#endif
}

using Uuids = Seen<Uuid, idem::UuidSet>;
using Numbers = Seen<std::uint64_t, idem::Id64Set>;
using Ring = Seen<Uuid, idem::TimeWindowRing<Uuid>>;
using Bloom = Seen<Uuid, idem::BloomFilter<Uuid>, idem::AcceptFalseDuplicates>;
using Sequences = Seen<idem::ProducerBatch, idem::SequenceMemory<>>;
#if VARIANT == 0
// By hand what a Deduplicator does for a key that is stored as a digest.
struct Texts {
  explicit Texts(const idem::SetOptions& options) : digests(options) {}
  Verdict insert(std::string_view key) noexcept {
    return digests.insert(idem::KeyTraits<std::string_view>::store(key, digests.hash()));
  }
  idem::IdSet<idem::Digest> digests;
};
#else
using Texts = Seen<std::string_view, idem::IdSet<idem::Digest>>;
#endif

IDEM_MEASURE(uuid_insert, Uuids, Uuid, seen.insert(key))
IDEM_MEASURE(uuid_check, Uuids, Uuid, seen.check(key))
IDEM_MEASURE_BATCH(uuid_batch, Uuids, Uuid, seen.insert(some, verdicts))
IDEM_MEASURE(number_insert, Numbers, std::uint64_t, seen.insert(key))
IDEM_MEASURE(ring_insert, Ring, Uuid, seen.insert(key, at))
IDEM_MEASURE_BATCH(ring_batch, Ring, Uuid, seen.insert(some, at, verdicts))
IDEM_MEASURE(bloom_insert, Bloom, Uuid, seen.insert(key))
IDEM_MEASURE(text_insert, Texts, std::string_view, seen.insert(key))
IDEM_MEASURE(sequence_insert, Sequences, idem::ProducerBatch, seen.insert(key, at))

// The same keys twice: half of the insertions are fresh, half are not.
#define IDEM_RUN(name, seen, all)   \
  do {                              \
    measure_##name(seen, all, now); \
    measure_##name(seen, all, now); \
  } while (false)

int main() {
  const idem::SetOptions set{.expected_keys = calls, .seed = seed};
  const idem::TimeWindowOptions window{
      .window = idem::Duration::nanoseconds(1'000'000), .expected_keys = calls, .seed = seed};
  const auto uuids = keys<Uuid>();
  auto one_by_one = make<Uuids>(set);
  IDEM_RUN(uuid_insert, one_by_one, uuids);
  IDEM_RUN(uuid_check, one_by_one, uuids);
  auto at_once = make<Uuids>(set);
  IDEM_RUN(uuid_batch, at_once, uuids);
  auto numbers = make<Numbers>(set);
  IDEM_RUN(number_insert, numbers, keys<std::uint64_t>());
  auto ring = make<Ring>(window);
  IDEM_RUN(ring_insert, ring, uuids);
  auto ring_at_once = make<Ring>(window);
  IDEM_RUN(ring_batch, ring_at_once, uuids);
  auto bloom = make<Bloom>(
      idem::BloomFilterOptions{.expected_keys = calls, .false_positive_rate = 0.01, .seed = seed});
  IDEM_RUN(bloom_insert, bloom, uuids);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < calls; ++i) texts.push_back("order-" + std::to_string(mix(i)));
  auto contents = make<Texts>(set);
  IDEM_RUN(text_insert, contents, std::vector<std::string_view>(texts.begin(), texts.end()));
  auto sequences = make<Sequences>(idem::ProducerTrackerOptions{.max_producers = 64, .seed = 1});
  IDEM_RUN(sequence_insert, sequences, keys<idem::ProducerBatch>());
  // The same in every variant.
  std::printf("%llu\n", static_cast<unsigned long long>(sum));
}
