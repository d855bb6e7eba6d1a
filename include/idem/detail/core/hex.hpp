#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::detail {

inline constexpr std::uint8_t no_hex_digit = 0x80;

// The value of each character as a hexadecimal digit; no_hex_digit for a character that is none.
inline constexpr std::array<std::uint8_t, 256> hex_digits = [] {
  std::array<std::uint8_t, 256> digits{};
  for (auto& digit : digits) digit = no_hex_digit;
  for (std::uint8_t i = 0; i < 10; ++i) digits[std::size_t{'0'} + i] = i;
  for (std::uint8_t i = 0; i < 6; ++i) {
    digits[std::size_t{'a'} + i] = static_cast<std::uint8_t>(10 + i);
    digits[std::size_t{'A'} + i] = static_cast<std::uint8_t>(10 + i);
  }
  return digits;
}();

[[nodiscard]] constexpr std::uint8_t hex_digit(char c) noexcept {
  return hex_digits[static_cast<unsigned char>(c)];
}

}  // namespace idem::inline IDEM_ABI::detail
