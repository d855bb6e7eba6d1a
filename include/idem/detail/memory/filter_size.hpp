#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::detail {

// "646356992 bits", or "3.1e+290 bits" where 64 bits do not hold the number.
[[nodiscard]] inline std::string filter_bits_text(double units, std::uint64_t unit_bytes) {
  const double bits = units * 8 * static_cast<double>(unit_bytes);
  if (bits > 1e307) return "more than 1e+307 bits";
  char text[64];
  std::snprintf(text, sizeof text, bits < 1e15 ? "%.0f bits" : "%.3g bits", bits);
  return text;
}

}  // namespace idem::inline IDEM_ABI::detail
