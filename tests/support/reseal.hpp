#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <idem/core/hash.hpp>

namespace idem_test {

// Integers of a snapshot, little-endian.
[[nodiscard]] inline std::uint64_t word_at(std::span<const std::byte> bytes, std::size_t at,
                                           std::size_t size = 8) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i)
    value |= static_cast<std::uint64_t>(bytes[at + i]) << (8 * i);
  return value;
}
inline void set_word(std::span<std::byte> bytes, std::size_t at, std::uint64_t value,
                     std::size_t size = 8) {
  for (std::size_t i = 0; i < size; ++i)
    bytes[at + i] = static_cast<std::byte>(value >> (8 * i) & 0xff);
}

// Makes every checksum of a snapshot right that its lengths leave room for, by docs/format.md and
// not by the library's own writer.
inline void reseal(std::span<std::byte> snapshot) {
  constexpr std::size_t fixed = 80;
  constexpr std::size_t block = 65536;
  if (snapshot.size() < fixed + 8) return;
  const std::uint64_t position = word_at(snapshot, 20, 4);
  const std::uint64_t body = fixed + (position + 7) / 8 * 8;
  if (body + 8 > snapshot.size()) return;
  const auto seal = [&](std::size_t from, std::size_t size, std::uint64_t seed) {
    const std::uint64_t sum = XXH3_64bits_withSeed(snapshot.data() + from, size, seed);
    set_word(snapshot, from + size, sum);
    return sum;
  };
  std::uint64_t chain = XXH3_64bits_withSeed(snapshot.data(), static_cast<std::size_t>(body), 0);
  set_word(snapshot, static_cast<std::size_t>(body), chain);
  std::size_t at = static_cast<std::size_t>(body) + 8;
  std::uint64_t left = word_at(snapshot, 64);
  while (left != 0) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, block));
    if (snapshot.size() - at < size + 8) return;
    chain = seal(at, size, chain);
    at += size + 8;
    left -= size;
  }
}

}  // namespace idem_test
