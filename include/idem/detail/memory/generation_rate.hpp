#pragma once

#include <cstdint>

#include <idem/detail/abi.hpp>
#include <idem/detail/memory/bloom_rate.hpp>
#include <idem/detail/memory/generation_clock.hpp>

// The arithmetic of a Bloom filter whose blocks hold several generations side by side. + - * / alone,
// as in bloom_rate.hpp.

namespace idem::inline IDEM_ABI::detail {

// A generation has one word in each line of a block, and eight sections in all of them: of 8 bits in
// one line, of 16 in two. A key sets one bit of each.
[[nodiscard]] constexpr double generation_clear(unsigned lines) noexcept {
  return 1 - 1 / (8.0 * lines);
}

// The chance that a key never seen finds its bits in one generation of so many keys.
[[nodiscard]] constexpr double generation_rate(double keys, double blocks,
                                               unsigned lines) noexcept {
  return bloom_mix(keys, blocks, generation_clear(lines));
}

// The chance that one of two things happens that know nothing of each other.
[[nodiscard]] constexpr double either(double a, double b) noexcept { return a + b - a * b; }

// The chance that it finds them in one of several generations alike, each of so many keys. Each
// generation's keys are its own, so the words of a block fill independently.
[[nodiscard]] constexpr double generations_rate(double keys_each, double blocks,
                                                unsigned lines) noexcept {
  const double one = generation_rate(keys_each, blocks, lines);
  double all = 0;
  for (unsigned lane = 0; lane < generation_lanes; ++lane) all = either(all, one);
  return all;
}

// The keys of a generation when a window of `keys` is spread evenly over it.
[[nodiscard]] constexpr std::uint64_t keys_a_generation(std::uint64_t keys) noexcept {
  return keys / generations_a_window + (keys % generations_a_window != 0 ? 1 : 0);
}

[[nodiscard]] constexpr double generation_blocks_for(std::uint64_t keys, double rate,
                                                     unsigned lines) noexcept {
  const auto each = static_cast<double>(keys_a_generation(keys));
  return fewest_blocks([=](double blocks) { return generations_rate(each, blocks, lines); }, rate);
}

}  // namespace idem::inline IDEM_ABI::detail
