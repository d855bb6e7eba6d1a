#pragma once

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
  while (at.after - at.before > 1) {
    const double half = (at.after - at.before) / 2;
    const double middle =
        at.before + (half < 1e15 ? static_cast<double>(static_cast<std::uint64_t>(half)) : half);
    if (!(middle > at.before && middle < at.after)) break;
    (has_crossed(middle) ? at.after : at.before) = middle;
  }
  return at;
}

}  // namespace idem::inline IDEM_ABI::detail
