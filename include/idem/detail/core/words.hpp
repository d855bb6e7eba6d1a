#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::detail {

template <class T>
[[nodiscard]] constexpr T reverse_bytes(T value) noexcept {
  static_assert(std::is_unsigned_v<T>);
  T reversed = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    const auto byte = static_cast<T>((value >> (8 * i)) & 0xff);
    reversed = static_cast<T>(reversed | static_cast<T>(byte << (8 * (sizeof(T) - 1 - i))));
  }
  return reversed;
}

template <class T>
[[nodiscard]] T load_little(const std::byte* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof value);
  if constexpr (std::endian::native == std::endian::big && sizeof(T) > 1)
    value = reverse_bytes(value);
  return value;
}

template <class T>
void store_little(std::byte* to, T value) noexcept {
  if constexpr (std::endian::native == std::endian::big && sizeof(T) > 1)
    value = reverse_bytes(value);
  std::memcpy(to, &value, sizeof value);
}

// std::min and std::max without <algorithm>, which would double the price of a light header.
template <class T>
[[nodiscard]] constexpr T smaller(T a, T b) noexcept {
  return b < a ? b : a;
}
template <class T>
[[nodiscard]] constexpr T larger(T a, T b) noexcept {
  return a < b ? b : a;
}

// The high half of a 64 x 64 bit product: maps a uniform 64-bit hash onto [0, n) for any n, in
// order of the hash. Lemire, "Fast Random Integer Generation in an Interval", 2018.
[[nodiscard]] constexpr std::uint64_t multiply_high(std::uint64_t a, std::uint64_t b) noexcept {
#if defined(__SIZEOF_INT128__)
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(a) * b) >> 64);
#else
  const std::uint64_t a_low = a & 0xffffffff, a_high = a >> 32;
  const std::uint64_t b_low = b & 0xffffffff, b_high = b >> 32;
  const std::uint64_t middle = a_high * b_low + ((a_low * b_low) >> 32);
  const std::uint64_t other = a_low * b_high + (middle & 0xffffffff);
  return a_high * b_high + (middle >> 32) + (other >> 32);
#endif
}

// Both halves of the product in one word, exclusive or: mixes every bit of both factors.
[[nodiscard]] constexpr std::uint64_t folded_product(std::uint64_t a, std::uint64_t b) noexcept {
#if defined(__SIZEOF_INT128__)
  // Of one multiplication, which compilers do not make of two.
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product >> 64) ^ static_cast<std::uint64_t>(product);
#else
  return multiply_high(a, b) ^ a * b;
#endif
}

}  // namespace idem::inline IDEM_ABI::detail
