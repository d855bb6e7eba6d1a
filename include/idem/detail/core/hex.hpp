#pragma once

#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::detail {

// The digit's value, or 16 for a character that is none.
[[nodiscard]] constexpr unsigned hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
  return 16;
}

}  // namespace idem::inline IDEM_ABI::detail
