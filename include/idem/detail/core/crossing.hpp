#pragma once

#include <bit>
#include <cstdint>

#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::detail {

// Two neighbouring whole numbers, as far as a double can tell: the last that has not crossed a line
// and the first that has.
struct Crossing {
  double before = 1;
  double after = 2;
};

// Where has_crossed(x), false for 1 and from some x on true, changes. Ends at 1e305 at the latest.
[[nodiscard]] constexpr Crossing find_crossing(const auto& has_crossed) noexcept {
  Crossing at;
  while (!has_crossed(at.after) && at.after < 1e305) {
    at.before = at.after;
    at.after *= 2;
  }
  // By whole numbers, which all are doubles up to here, or by what doubles look like, which are all
  // whole from here on. Halves of doubles would never meet where registers hold more than a double.
  const bool by_numbers = at.after <= 0x1p53;
  const auto number = [&](double x) {
    return by_numbers ? static_cast<std::uint64_t>(x) : std::bit_cast<std::uint64_t>(x);
  };
  const auto value = [&](std::uint64_t n) {
    return by_numbers ? static_cast<double>(n) : std::bit_cast<double>(n);
  };
  std::uint64_t before = number(at.before), after = number(at.after);
  while (after - before > 1) {
    const std::uint64_t middle = before + (after - before) / 2;
    (has_crossed(value(middle)) ? after : before) = middle;
  }
  return {value(before), value(after)};
}

}  // namespace idem::inline IDEM_ABI::detail
