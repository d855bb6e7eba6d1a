#include <idem/memory/bloom_filter.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <idem/core/memory.hpp>
#include <idem/dedup/deduplicator.hpp>

#include "filters.hpp"
#include "support/out_of_memory.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"
#include "support/thrown.hpp"

using idem::BloomFilter;
using idem::BloomFilterOptions;
using idem::Verdict;
using idem::detail::BloomBlocks;
using idem::detail::Simd;
using namespace idem_test;

namespace {

static_assert(idem::Memory<BloomFilter<idem::Uuid>>);
static_assert(idem::Memory<BloomFilter<std::uint64_t>>);
static_assert(idem::Memory<BloomFilter<idem::Digest, idem::SipHash>>);
static_assert(!idem::Forgetting<BloomFilter<idem::Uuid>>);
static_assert(!idem::Settling<BloomFilter<idem::Uuid>>);
static_assert(BloomFilter<idem::Uuid>::errors == idem::Errors{.may_drop = true});
static_assert(!std::is_convertible_v<BloomFilterOptions, BloomFilter<idem::Uuid>>);
static_assert(!std::is_nothrow_copy_assignable_v<BloomFilter<idem::Uuid>>);
static_assert(std::is_nothrow_move_assignable_v<BloomFilter<idem::Uuid>>);

// The layout, written once more without sharing a line: bit by bit, in wide arithmetic.
class BloomOracle {
 public:
  explicit BloomOracle(std::uint64_t blocks) : blocks_(blocks), bits_(blocks * 512, false) {}

  Verdict insert(std::uint64_t hash) {
    bool seen = true;
    for (const std::size_t bit : bits_of(hash)) {
      seen = seen && bits_[bit];
      bits_[bit] = true;
    }
    return seen ? Verdict::probable_duplicate : Verdict::fresh;
  }
  [[nodiscard]] bool contains(std::uint64_t hash) const {
    const auto bits = bits_of(hash);
    return std::all_of(bits.begin(), bits.end(), [&](std::size_t bit) { return bits_[bit]; });
  }
  void clear() { bits_.assign(bits_.size(), false); }
  void merge(const BloomOracle& other) {
    for (std::size_t i = 0; i < bits_.size(); ++i) bits_[i] = bits_[i] || other.bits_[i];
  }
  [[nodiscard]] std::vector<std::uint64_t> words() const {
    std::vector<std::uint64_t> words(blocks_ * 8);
    for (std::size_t i = 0; i < bits_.size(); ++i) {
      if (bits_[i]) words[i / 64] |= std::uint64_t{1} << i % 64;
    }
    return words;
  }

 private:
  [[nodiscard]] std::array<std::size_t, 8> bits_of(std::uint64_t hash) const {
    __extension__ using Wide = unsigned __int128;
    const auto block = static_cast<std::size_t>(Wide{hash} * blocks_ / (Wide{1} << 64));
    const std::uint64_t product = hash * 0xf1357aea2e62a9c5;
    std::array<std::size_t, 8> bits{};
    for (std::size_t lane = 0; lane < 8; ++lane)
      bits[lane] = block * 512 + lane * 64 + product / (std::uint64_t{1} << (16 + 6 * lane)) % 64;
    return bits;
  }

  std::uint64_t blocks_;
  std::vector<bool> bits_;
};

[[nodiscard]] bool same_words(const BloomBlocks& blocks, const BloomOracle& oracle) {
  const auto words = oracle.words();
  return std::equal(words.begin(), words.end(), blocks.words().begin(), blocks.words().end());
}

TEST_CASE("bloom: every instruction set agrees with the layout written bit by bit") {
  const std::uint64_t operations = soaked(1'000'000);
  for (const Simd simd : simd_paths()) {
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      CAPTURE(static_cast<int>(simd));
      CAPTURE(seed);
      Rng rng(seed);
      const std::uint64_t block_count =
          std::array<std::uint64_t, 8>{1, 2, 3, 7, 100, 1000, 1023, 4099}[seed];
      BloomBlocks filter(simd), other(simd);
      REQUIRE(filter.take(block_count));
      REQUIRE(other.take(block_count));
      BloomOracle oracle(block_count), other_oracle(block_count);
      const std::uint64_t universe = block_count * 100;
      std::uint64_t mismatches = 0;
      for (std::uint64_t step = 0; step < operations; ++step) {
        const std::uint64_t hash = mix(rng.below(universe) + seed);
        const std::uint64_t dice = rng.below(1'000'000);
        if (dice < 500'000) {
          mismatches += filter.insert(hash) != oracle.insert(hash);
        } else if (dice < 900'000) {
          mismatches += filter.contains(hash) != oracle.contains(hash);
        } else if (dice < 950'000) {
          (void)other.insert(hash);
          (void)other_oracle.insert(hash);
        } else if (dice < 999'000) {
          std::array<Verdict, 7> verdicts{};
          const auto nth = [&](std::size_t i) { return mix(hash + i % 5); };
          filter.insert(verdicts.size(), nth, verdicts.data());
          for (std::size_t i = 0; i < verdicts.size(); ++i)
            mismatches += verdicts[i] != oracle.insert(nth(i));
        } else if (dice < 999'004) {
          filter.merge(other);
          oracle.merge(other_oracle);
        } else if (dice < 999'008) {
          BloomBlocks copy(filter);
          filter = std::move(copy);
          std::swap(filter, other);
          std::swap(oracle, other_oracle);
        } else if (dice < 999'016) {
          filter.clear();
          oracle.clear();
        }
      }
      CHECK(mismatches == 0);
      CHECK(same_words(filter, oracle));
      CHECK(same_words(other, other_oracle));
    }
  }
}

TEST_CASE("bloom: a batch is as many single inserts in order, whatever its size") {
  for (const Simd simd : simd_paths()) {
    for (std::size_t size = 0; size < 200; ++size) {
      BloomBlocks batch(simd), single(simd);
      REQUIRE(batch.take(5));
      REQUIRE(single.take(5));
      const auto nth = [](std::size_t i) { return mix(i % 61); };
      std::vector<Verdict> verdicts(size + 1, Verdict::poisoned);
      batch.contains(size, nth, verdicts.data());
      CHECK(std::all_of(verdicts.begin(), verdicts.begin() + static_cast<std::ptrdiff_t>(size),
                        [](Verdict verdict) { return verdict == Verdict::fresh; }));
      batch.insert(size, nth, verdicts.data());
      std::vector<Verdict> wanted;
      for (std::size_t i = 0; i < size; ++i) wanted.push_back(single.insert(nth(i)));
      wanted.push_back(Verdict::poisoned);
      CHECK(verdicts == wanted);
      CHECK(digest_of(batch.words()) == digest_of(single.words()));
      batch.contains(size, nth, verdicts.data());
      CHECK(std::count(verdicts.begin(), verdicts.end(), Verdict::probable_duplicate) ==
            static_cast<std::ptrdiff_t>(size));
    }
  }
}

// Change these numbers and every filter ever stored is unreadable.
TEST_CASE("bloom: golden bits, the same on every path and every machine") {
  const std::array<std::pair<std::uint64_t, std::uint64_t>, 4> goldens{
      {{1, 8034676063391055586ULL},
       {3, 6461764023393621316ULL},
       {1000, 10694921133335710771ULL},
       {12345, 18283682567717919874ULL}}};
  for (const auto& [blocks, golden] : goldens) {
    for (const Simd simd : simd_paths()) {
      BloomBlocks filter(simd);
      REQUIRE(filter.take(blocks));
      for (std::uint64_t i = 0; i < 20 * blocks; ++i) (void)filter.insert(mix(i + 1));
      CHECK(digest_of(filter.words()) == golden);
    }
  }
}

template <class Filter>
[[nodiscard]] std::uint64_t golden_of_public() {
  Filter filter({.expected_keys = 10'000, .false_positive_rate = 0.01, .seed = idem::Seed{7, 9}});
  for (std::uint64_t i = 0; i < 10'000; ++i)
    (void)filter.insert(nth_id<typename Filter::Stored>(i));
  return digest_of(filter.words());
}

TEST_CASE("bloom: golden bits of the whole filter, hashes and sizing included") {
  CHECK(golden_of_public<BloomFilter<idem::Uuid>>() == 4011257247250889030ULL);
  CHECK(golden_of_public<BloomFilter<idem::Digest>>() == 4011257247250889030ULL);
  CHECK(golden_of_public<BloomFilter<std::uint64_t>>() == 3166643017988208585ULL);
  CHECK(golden_of_public<BloomFilter<idem::Uuid, idem::SipHash>>() == 5148782845167837444ULL);
  CHECK(golden_of_public<BloomFilter<std::uint64_t, idem::SipHash>>() == 9864204159815061527ULL);
}

// The mean over the binomial, by logarithms and in long double.
[[nodiscard]] double theory(std::uint64_t keys, std::uint64_t blocks) {
  const auto n = static_cast<long double>(keys);
  if (blocks == 1) return static_cast<double>(std::pow(1 - std::pow(63.0L / 64, n), 8.0L));
  const long double p = 1 / static_cast<long double>(blocks);
  const long double mean = n * p, width = 60 + 15 * std::sqrt(mean);
  long double sum = 0;
  for (long double j = std::floor(std::max(0.0L, mean - width)); j <= std::min(n, mean + width);
       ++j) {
    const long double weight = std::lgamma(n + 1) - std::lgamma(j + 1) - std::lgamma(n - j + 1) +
                               j * std::log(p) + (n - j) * std::log1p(-p);
    sum += std::exp(weight) * std::pow(1 - std::pow(63.0L / 64, j), 8.0L);
  }
  return static_cast<double>(sum);
}

TEST_CASE("bloom: rate_for is the theory") {
  for (const std::uint64_t keys : {1ULL, 2ULL, 10ULL, 1000ULL, 100'000ULL, 64'000'000ULL}) {
    for (const std::uint64_t blocks : {1ULL, 2ULL, 3ULL, 20ULL, 2000ULL, 1'262'414ULL}) {
      if (keys / blocks > 4000) continue;
      CAPTURE(keys);
      CAPTURE(blocks);
      const double rate = BloomFilter<idem::Uuid>::rate_for(keys, idem::ByteSize(blocks * 64 + 63));
      CHECK(rate == doctest::Approx(theory(keys, blocks)).epsilon(1e-6));
    }
  }
  CHECK(BloomFilter<idem::Uuid>::rate_for(0, idem::bytes(64)) == 0);
  CHECK(BloomFilter<idem::Uuid>::rate_for(1, idem::bytes(63)) == 1);
  CHECK(BloomFilter<idem::Uuid>::rate_for(~0ULL, idem::bytes(64)) == 1);
  CHECK(BloomFilter<idem::Uuid>::rate_for(~0ULL, idem::ByteSize::unlimited()) <= 1);
}

TEST_CASE("bloom: the size asked for is the least that keeps the rate") {
  for (const std::uint64_t keys : {1ULL, 2ULL, 3ULL, 50ULL, 51ULL, 1000ULL, 999'983ULL,
                                   64'000'000ULL, 5'000'000'000ULL, 1'000'000'000'000ULL}) {
    for (const double rate : {0.999, 0.5, 0.1, 0.01, 0.001, 1e-4, 1e-6, 1e-9}) {
      if (rate < static_cast<double>(keys) * 0x1p-60) continue;
      CAPTURE(keys);
      CAPTURE(rate);
      const std::uint64_t bytes = BloomFilter<idem::Uuid>::size_for(keys, rate).count();
      REQUIRE(bytes % 64 == 0);
      CHECK(BloomFilter<idem::Uuid>::rate_for(keys, idem::ByteSize(bytes)) <= rate);
      if (bytes > 64)
        CHECK(BloomFilter<idem::Uuid>::rate_for(keys, idem::ByteSize(bytes - 64)) > rate);
    }
  }
  static_assert(BloomFilter<idem::Uuid>::size_for(64'000'000, 0.01).count() == 1'262'414ULL * 64);
}

TEST_CASE("bloom: the rate measured is the rate computed, and not above the one asked for") {
  double pooled_hits = 0, pooled_mean = 0, pooled_variance = 0;
  for (const double rate : {0.01, 0.001, 0.0001}) {
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      CAPTURE(rate);
      CAPTURE(seed);
      constexpr std::uint64_t keys = 100'000;
      BloomFilter<std::uint64_t> filter(
          {.expected_keys = keys, .false_positive_rate = rate, .seed = idem::Seed{seed, ~seed}});
      std::vector<std::uint64_t> ids(1000);
      std::vector<Verdict> verdicts(ids.size());
      const auto next_ids = [&](std::uint64_t from) {
        for (std::size_t i = 0; i < ids.size(); ++i)
          ids[i] = nth_id<std::uint64_t>((seed << 40) + from + i);
      };
      for (std::uint64_t i = 0; i < keys; i += ids.size()) {
        next_ids(i);
        filter.insert(ids, verdicts);
      }
      const double exact = BloomFilter<std::uint64_t>::rate_for(keys, filter.size());
      REQUIRE(exact <= rate);
      REQUIRE(exact > rate * 0.99);

      const auto queries = soaked(static_cast<std::uint64_t>(1300 / rate));
      std::uint64_t hits = 0, trials = 0;
      for (; trials < queries; trials += ids.size()) {
        next_ids(keys + trials);
        std::as_const(filter).check(ids, verdicts);
        hits += static_cast<std::uint64_t>(
            std::count(verdicts.begin(), verdicts.end(), Verdict::probable_duplicate));
      }
      CHECK(std::abs(deviation(hits, trials, exact)) <= 6);
      pooled_hits += static_cast<double>(hits);
      pooled_mean += static_cast<double>(trials) * exact;
      pooled_variance += static_cast<double>(trials) * exact * (1 - exact);

      CHECK(filter.false_positive_rate() == doctest::Approx(exact).epsilon(0.03));
      CHECK(filter.estimated_keys() == doctest::Approx(double{keys}).epsilon(0.01));
    }
  }
  CHECK(std::abs(pooled_hits - pooled_mean) / std::sqrt(pooled_variance) <= 5);
}

TEST_CASE("bloom: keys that share half of their hash are still different keys") {
  // A filter that used 32 bits of the hash would take all of these for seen.
  for (const std::uint64_t blocks : {1ULL, 1000ULL, 65536ULL}) {
    BloomFilter<std::uint64_t, PlainHash> filter({.size = idem::bytes(blocks * 64)});
    const std::uint64_t hash = mix(blocks);
    REQUIRE(filter.insert(hash) == Verdict::fresh);
    std::uint64_t low_shared = 0, high_shared = 0;
    for (std::uint64_t i = 1; i <= 100'000; ++i) {
      low_shared += filter.may_contain(hash ^ (mix(i) << 32));
      high_shared += filter.may_contain(hash ^ (mix(i) >> 32));
    }
    CHECK(low_shared <= 10);
    CHECK(high_shared <= 10);
  }
}

TEST_CASE("bloom: no bit of a key decides another, and every bit of a word is used") {
  BloomFilter<std::uint64_t, PlainHash> filter({.size = idem::bytes(64)});
  for (std::uint64_t i = 0; i < 5000; ++i) (void)filter.insert(mix(i));
  for (const std::uint64_t word : filter.words()) CHECK(word == ~std::uint64_t{0});
  CHECK(filter.fill() == 1);
  CHECK(std::isinf(filter.estimated_keys()));
  CHECK(filter.false_positive_rate() == 1);

  // Eight bits a key, one a word, also where hashes are regular.
  for (std::uint64_t i = 0; i < 1000; ++i) {
    filter.clear();
    CHECK(filter.insert(i << (i % 50)) == Verdict::fresh);
    for (const std::uint64_t word : filter.words()) CHECK(std::popcount(word) == 1);
  }
}

TEST_CASE("bloom: no key that was inserted is ever fresh") {
  const std::uint64_t keys = soaked(10'000'000);
  BloomFilter<idem::Uuid> filter(
      {.expected_keys = keys, .false_positive_rate = 0.05, .seed = idem::Seed{1, 2}});
  std::vector<idem::Uuid> ids(1000);
  std::vector<Verdict> verdicts(ids.size());
  const auto each_batch = [&](const auto& work) {
    for (std::uint64_t begin = 0; begin < keys; begin += ids.size()) {
      for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = nth_id<idem::Uuid>(begin + i);
      work();
    }
  };
  each_batch([&] { filter.insert(ids, verdicts); });
  std::uint64_t lost = 0;
  each_batch([&] {
    std::as_const(filter).check(ids, verdicts);
    lost +=
        static_cast<std::uint64_t>(std::count(verdicts.begin(), verdicts.end(), Verdict::fresh));
  });
  CHECK(lost == 0);
}

TEST_CASE("bloom: the union of two filters is the filter of both streams") {
  const BloomFilterOptions options{
      .expected_keys = 5000, .false_positive_rate = 0.001, .seed = idem::Seed{3, 4}};
  BloomFilter<idem::Uuid> left(options), right(options), both(options);
  for (std::uint64_t i = 0; i < 5000; ++i) {
    (void)(i % 3 == 0 ? left : right).insert(nth_id<idem::Uuid>(i));
    (void)both.insert(nth_id<idem::Uuid>(i));
  }
  left.merge(right);
  CHECK(digest_of(left.words()) == digest_of(both.words()));
  left.merge(left);
  CHECK(digest_of(left.words()) == digest_of(both.words()));

  const std::uint64_t before = digest_of(left.words());
  BloomFilter<idem::Uuid> other_seed(
      {.expected_keys = 5000, .false_positive_rate = 0.001, .seed = idem::Seed{3, 5}});
  BloomFilter<idem::Uuid> other_size({.size = idem::bytes(6400), .seed = idem::Seed{3, 4}});
  CHECK(contains(refusal([&] { left.merge(other_seed); }), "another seed"));
  CHECK(contains(refusal([&] { left.merge(other_size); }), "other.size().count() is 6400"));
  CHECK(digest_of(left.words()) == before);
}

TEST_CASE("bloom: a value that is copied, moved and emptied") {
  BloomFilter<std::uint64_t> filter({.size = idem::kibibytes(4), .seed = idem::Seed{}});
  REQUIRE(filter.insert(1) == Verdict::fresh);
  BloomFilter<std::uint64_t> copy(filter);
  CHECK(copy.insert(1) == Verdict::probable_duplicate);
  CHECK(copy.insert(2) == Verdict::fresh);
  CHECK_FALSE(filter.may_contain(2));

  BloomFilter<std::uint64_t> moved(std::move(copy));
  CHECK(moved.may_contain(2));
  CHECK(copy.insert(7) == Verdict::full);  // NOLINT: what is left is part of the contract
  CHECK(copy.check(7) == Verdict::fresh);
  CHECK(copy.fill() == 0);
  CHECK(copy.estimated_keys() == 0);
  CHECK(copy.false_positive_rate() == 0);
  CHECK(copy.memory_bytes() == sizeof copy);
  std::vector<std::uint64_t> ids(100, 3);
  std::vector<Verdict> verdicts(100);
  copy.insert(ids, verdicts);
  CHECK(std::count(verdicts.begin(), verdicts.end(), Verdict::full) == 100);
  copy.clear();

  copy = filter;
  CHECK(copy.may_contain(1));
  const auto& self = copy;
  copy = self;
  CHECK(copy.may_contain(1));
  copy.clear();
  CHECK_FALSE(copy.may_contain(1));
  CHECK(filter.may_contain(1));
  CHECK(copy.size() == filter.size());
}

TEST_CASE("bloom: memory_bytes is what was taken, and nothing is taken later") {
  const std::size_t before = allocations().live_bytes;
  BloomFilter<idem::Uuid> filter({.expected_keys = 30'000, .false_positive_rate = 0.01});
  const std::uint64_t count = allocations().count;
  CHECK(allocations().live_bytes - before + sizeof filter == filter.memory_bytes());
  CHECK(filter.memory_bytes() == sizeof filter + filter.size().count());
  for (std::uint64_t i = 0; i < 30'000; ++i) (void)filter.insert(nth_id<idem::Uuid>(i));
  CHECK(allocations().count == count);
}

TEST_CASE("bloom: no memory is an exception, and changes nothing") {
  idem_test::check_memory_that_runs_out<BloomFilter<idem::Uuid>, BloomFilter<std::uint64_t>>(
      {.expected_keys = 1000, .false_positive_rate = 0.01}, {.size = idem::kibibytes(1)},
      {.size = idem::bytes(64)});
}

[[nodiscard]] std::string refused(const BloomFilterOptions& options) {
  return refusal([&] { BloomFilter<idem::Uuid> filter(options); });
}

TEST_CASE("bloom: options that are nonsense are refused in a sentence") {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (const double rate : {nan, infinity, -infinity, -0.01, 0.0, -0.0, 1.0, 1.5, 1e300}) {
    const std::string sentence = refused({.expected_keys = 100, .false_positive_rate = rate});
    CAPTURE(sentence);
    CHECK(contains(sentence, "BloomFilterOptions.false_positive_rate is "));
    CHECK(contains(sentence, "more than 0 and less than 1"));
  }
  const std::string tiny = refused({.expected_keys = 100, .false_positive_rate = 1e-300});
  CHECK(contains(tiny, "false_positive_rate is 1e-300"));
  CHECK(contains(tiny, "1.82e+290 bits"));
  CHECK(contains(refused({.expected_keys = 100, .false_positive_rate = 5e-324}), "e+307 bits"));
  CHECK(contains(refused({}), "expected_keys is 0"));
  CHECK(contains(refused({.false_positive_rate = 0.1}), "expected_keys is 0"));
  CHECK(contains(refused({.expected_keys = 100}), "false_positive_rate is 0"));

  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  for (const double rate : {0.999, 0.01, 1e-300}) {
    const std::string sentence = refused({.expected_keys = most, .false_positive_rate = rate});
    CAPTURE(sentence);
    CHECK(contains(sentence, "expected_keys is 18446744073709551615"));
    CHECK(contains(sentence, " bits"));
  }
  CHECK(contains(refused({.expected_keys = most, .false_positive_rate = 0.01}), "1.86e+20 bits"));
  CHECK(contains(refused({.expected_keys = std::uint64_t{1} << 55, .false_positive_rate = 0.25}),
                 "e+17 bits to fit the memory there is"));

  for (std::uint64_t size = 1; size < 64; ++size)
    CHECK(contains(refused({.size = idem::bytes(size)}), "at least 64 bytes"));
  CHECK(contains(refused({.size = idem::ByteSize::unlimited()}),
                 "BloomFilterOptions.size is 18446744073709551615"));
  CHECK(contains(refused({.size = idem::gibibytes(1 << 30)}), "9.22e+18 bits"));
  CHECK(contains(refused({.expected_keys = 1, .size = idem::bytes(64)}), "left out"));
  CHECK(contains(refused({.false_positive_rate = nan, .size = idem::bytes(64)}), "left out"));
}

TEST_CASE("bloom: more than 2^32 bits are all within reach") {
  constexpr std::uint64_t blocks = (std::uint64_t{1} << 23) + 12345;
  BloomFilter<std::uint64_t, PlainHash> filter({.size = idem::bytes(blocks * 64)});
  REQUIRE(filter.size().count() == blocks * 64);
  std::vector<std::uint64_t> ids{0, ~std::uint64_t{0}, std::uint64_t{1} << 63};
  std::vector<Verdict> verdicts(ids.size());
  filter.insert(ids, verdicts);
  for (const Verdict verdict : verdicts) CHECK(verdict == Verdict::fresh);
  const auto words = filter.words();
  CHECK(words[0] != 0);
  CHECK(words[words.size() - 1] != 0);
  CHECK(words[blocks / 2 * 8] != 0);
}

template <class Key, class Id, class... Axis>
void deduplicate(const std::vector<Key>& keys) {
  using Seen = idem::Deduplicator<
      Key, idem::Policy<idem::Remember<BloomFilter<Id>>, idem::AcceptFalseDuplicates, Axis...>>;
  static_assert(Seen::errors == idem::Errors{.may_drop = true});
  Seen seen({.memory = {.expected_keys = 1'000'000, .false_positive_rate = 0.001}});
  for (const Key& key : keys) CHECK(seen.insert(key) == Verdict::fresh);
  for (const Key& key : keys) CHECK(seen.check(key) == Verdict::probable_duplicate);
  std::vector<Verdict> verdicts(keys.size());
  seen.insert(keys, verdicts);
  for (const Verdict verdict : verdicts) {
    CHECK(verdict == Verdict::probable_duplicate);
    CHECK(Seen::action(verdict) == idem::Action::skip);
  }
  CHECK(seen.memory_bytes() == seen.memory().memory_bytes());
}

TEST_CASE("bloom: remembers for a Deduplicator of ids and of strings") {
  const std::vector<idem::Uuid> uuids{idem::Uuid{1, 2}, idem::Uuid{3, 4}, idem::Uuid{}};
  deduplicate<idem::Uuid, idem::Uuid>(uuids);
  deduplicate<std::uint64_t, std::uint64_t>({0, 1, 2, ~0ULL});
  deduplicate<std::string, idem::Digest>({"", "a", "order-17"});
  deduplicate<std::string, idem::Digest, idem::HostileKeys>({"", "a", "order-17"});
  deduplicate<idem::Uuid, idem::Uuid, idem::HostileKeys>(uuids);
}

}  // namespace
