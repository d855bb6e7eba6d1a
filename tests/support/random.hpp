#pragma once

#include <cstddef>
#include <cstdint>

namespace idem_test {

// A bijection of 64 bits (the finaliser of SplitMix64): different indices give different words.
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9;
  x ^= x >> 27;
  x *= 0x94d049bb133111eb;
  return x ^ x >> 31;
}

// SplitMix64. Every stream of numbers in the tests comes from a seed written in the test.
class Rng {
 public:
  constexpr explicit Rng(std::uint64_t seed) noexcept : state_(seed) {}

  constexpr std::uint64_t next() noexcept { return mix(state_ += 0x9e3779b97f4a7c15); }
  // 0 <= result < bound, for any bound from 1 to 2^32. The bias is below 2^-32.
  constexpr std::uint64_t below(std::uint64_t bound) noexcept {
    return (next() >> 32) * bound >> 32;
  }
  constexpr bool one_in(std::uint64_t n) noexcept { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

}  // namespace idem_test
