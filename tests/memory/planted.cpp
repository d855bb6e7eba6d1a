// Mistakes that filters are known for, planted, and the measurements that must notice them. Growth that
// is off by one is in frontier_table.cpp, wrong windows are in the tests of the windows.

#include "support/planted.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include <idem/detail/memory/bloom_blocks.hpp>
#include <idem/detail/memory/bloom_rate.hpp>
#include <idem/detail/memory/cuckoo_table.hpp>

#include "memory/filters.hpp"
#include "support/random.hpp"

using idem::Verdict;
using idem::detail::BasicBloomBlocks;
using idem::detail::BloomRules;
using idem::detail::CuckooRules;
using idem::detail::CuckooTable;
using idem_test::deviation;
using idem_test::mix;
using idem_test::plant_took_effect;
using idem_test::planted;

namespace {

// Double hashing with a step of zero, for one key in 32: all of its bits have one number.
struct StepZero : BloomRules {
  static std::uint64_t pattern(std::uint64_t hash) noexcept {
    const std::uint64_t right = BloomRules::pattern(hash);
    const std::uint64_t run = right >> 58;
    const std::uint64_t wrong = run * 0x0041'0410'4104'1041 << 16;
    return hash % 32 == 0 ? planted(wrong, right) : right;
  }
};
// Half of the hash is lost on the way.
struct Bits32 : BloomRules {
  static std::uint64_t block(std::uint64_t hash, std::uint64_t blocks) noexcept {
    return planted(BloomRules::block(hash << 32, blocks), BloomRules::block(hash, blocks));
  }
  static std::uint64_t pattern(std::uint64_t hash) noexcept {
    return planted(BloomRules::pattern(hash << 32), BloomRules::pattern(hash));
  }
};
struct CuckooBits32 : CuckooRules {
  static std::uint64_t bits(std::uint64_t hash) noexcept {
    return planted(hash << 32, CuckooRules::bits(hash));
  }
};
// One fingerprint in a hundred that has to move is written nowhere.
struct LostVictim : CuckooRules {
  static std::uint16_t victim(auto fingerprint) noexcept {
    const auto right = static_cast<std::uint16_t>(fingerprint);
    return right % 100 == 0 ? planted(std::uint16_t{0}, right) : right;
  }
};

// How far the rate of false positives is from the theory, in standard deviations: 1300 expected.
template <class Rules>
[[nodiscard]] double excess(double rate) {
  constexpr std::uint64_t keys = 100'000;
  const double blocks = idem::detail::bloom_blocks_for(keys, rate);
  BasicBloomBlocks<Rules> filter;
  REQUIRE(filter.take(static_cast<std::uint64_t>(blocks)));
  for (std::uint64_t i = 0; i < keys; ++i) (void)filter.insert(mix(i + 1));
  const auto queries = static_cast<std::uint64_t>(1300 / rate);
  std::uint64_t hits = 0;
  for (std::uint64_t i = 0; i < queries; ++i) hits += filter.contains(mix(keys + i + 1));
  return deviation(hits, queries, idem::detail::bloom_rate(keys, blocks));
}

// Of keys that share one half of their hash with the only one there, how many are taken for it.
template <class Filter>
[[nodiscard]] std::uint64_t taken_for_another(std::uint64_t size) {
  Filter filter;
  REQUIRE(filter.take(size));
  const std::uint64_t hash = mix(size);
  REQUIRE(filter.insert(hash) == Verdict::fresh);
  std::uint64_t taken = 0;
  for (std::uint64_t i = 1; i <= 10'000; ++i) {
    taken += filter.contains(hash ^ (mix(i) << 32));
    taken += filter.contains(hash ^ (mix(i) >> 32));
  }
  return taken;
}

// Keys that a table filled to 95 % has lost, as far as it says.
template <class Table>
[[nodiscard]] std::uint64_t lost() {
  Table table;
  REQUIRE(table.take(10'000));
  std::vector<std::uint64_t> held;
  for (std::uint64_t i = 1; held.size() < 38'000; ++i)
    if (table.insert(mix(i)) == Verdict::fresh) held.push_back(mix(i));
  REQUIRE(table.moves() > 1'000);
  std::uint64_t lost = 0;
  for (const std::uint64_t hash : held) lost += !table.contains(hash);
  return lost;
}

TEST_CASE("planted: a step of zero shows in the rate of false positives") {
  CHECK(std::abs(excess<BloomRules>(0.001)) <= 6);
  plant_took_effect = 0;
  CHECK(excess<StepZero>(0.001) > 6);
  CHECK(plant_took_effect > 1'000);
}

TEST_CASE("planted: 32 bits of a hash show in keys that share them") {
  CHECK(taken_for_another<idem::detail::BloomBlocks>(1'000) <= 2);
  plant_took_effect = 0;
  CHECK(taken_for_another<BasicBloomBlocks<Bits32>>(1'000) >= 10'000);
  CHECK(plant_took_effect > 10'000);

  CHECK(taken_for_another<CuckooTable<std::uint16_t>>(8'192) <= 8);
  plant_took_effect = 0;
  CHECK(taken_for_another<CuckooTable<std::uint16_t, CuckooBits32>>(8'192) >= 10'000);
  CHECK(plant_took_effect > 10'000);
}

TEST_CASE("planted: a lost victim shows in a key that is fresh again") {
  CHECK(lost<CuckooTable<std::uint16_t>>() == 0);
  plant_took_effect = 0;
  CHECK(lost<CuckooTable<std::uint16_t, LostVictim>>() > 0);
  CHECK(plant_took_effect > 0);
}

}  // namespace
