#pragma once

#include <cstdint>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/crossing.hpp>

// The arithmetic of a blocked Bloom filter: blocks of eight words, one bit of each word a key; or of
// eight sections narrower than a word. It uses + - * / alone, so it works in constants.

namespace idem::inline IDEM_ABI::detail {

// The chance that one key leaves a given bit of a word clear.
inline constexpr double bloom_word_clear = 63.0 / 64;

// The chance that a block finds all bits of a key set which it does not hold, where `kept` is the
// chance that one bit of a word is still clear. The words of a block fill independently, so it is
// the product over them and not an approximation.
[[nodiscard]] constexpr double bloom_block_rate(double kept) noexcept {
  const double set = 1 - kept;
  const double squared = set * set;
  return squared * squared * squared * squared;
}

// The chance that a key never seen is taken for seen, after `keys` different ones: the mean of
// bloom_block_rate over how many keys a block holds, which is binomial.
//
// The weights are built outwards from the most likely number and divided by their sum, so nothing
// underflows.
[[nodiscard]] constexpr double bloom_mix(double keys, double blocks,
                                         double clear = bloom_word_clear) noexcept {
  if (!(keys > 0)) return 0;
  const double mean = keys / blocks;
  if (mean > 4096) return 1;
  const auto power = [](double base, double exponent) {
    double result = 1;
    for (auto left = static_cast<std::uint64_t>(exponent); left != 0; left /= 2) {
      if (left % 2 != 0) result *= base;
      base *= base;
    }
    return result;
  };
  if (blocks <= 1) return bloom_block_rate(power(clear, keys));
  const double odds = 1 / (blocks - 1);
  const auto mode = static_cast<double>(static_cast<std::uint64_t>(mean));
  const double kept_at_mode = power(clear, mode);
  double total = 1, sum = bloom_block_rate(kept_at_mode);
  double weight = 1, kept = kept_at_mode;
  for (double held = mode; held < keys; ++held) {
    weight *= (keys - held) / (held + 1) * odds;
    kept *= clear;
    total += weight;
    sum += weight * bloom_block_rate(kept);
    if (weight < 1e-14 * sum) break;
  }
  weight = 1;
  kept = kept_at_mode;
  for (double held = mode; held > 0 && weight > 1e-18; --held) {
    weight *= held / ((keys - held + 1) * odds);
    kept /= clear;
    total += weight;
    sum += weight * bloom_block_rate(kept);
  }
  return sum / total;
}

// The chance that a key never seen shares all 64 bits of its hash with one of `keys`: no size helps.
[[nodiscard]] constexpr double bloom_hash_rate(double keys) noexcept {
  return keys / 18446744073709551616.0;
}

[[nodiscard]] constexpr double bloom_rate(double keys, double blocks) noexcept {
  const double rate = bloom_mix(keys, blocks) + bloom_hash_rate(keys);
  return rate < 1 ? rate : 1;
}

// The fewest blocks for which rate_of(blocks) is at or below `rate`, for rate > 0 and a function that
// falls. A whole number as far as a double can tell; beyond 1e305 it stops looking.
[[nodiscard]] constexpr double fewest_blocks(const auto& rate_of, double rate) noexcept {
  if (rate_of(1.0) <= rate) return 1;
  return find_crossing([&](double blocks) { return !(rate_of(blocks) > rate); }).after;
}

[[nodiscard]] constexpr double bloom_blocks_for(double keys, double rate) noexcept {
  return fewest_blocks([keys](double blocks) { return bloom_mix(keys, blocks); }, rate);
}

// How many different keys leave this share of the bits set, on average. Infinity for a share of 1.
[[nodiscard]] inline double bloom_keys_behind(double fill, double blocks) noexcept {
  if (!(fill > 0)) return 0;
  // One key leaves a bit clear with probability 1 - 1 / (64 blocks).
  return __builtin_log1p(-fill) / __builtin_log1p(-1 / (64 * blocks));
}

}  // namespace idem::inline IDEM_ABI::detail
