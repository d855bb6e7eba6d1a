#pragma once

#include <cstdint>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/birthday.hpp>
#include <idem/detail/core/fail.hpp>

namespace idem::inline IDEM_ABI {

// How far a digest can be trusted, as numbers to put into a static_assert.
//
// The digests are taken for uniform and independent, as a good hash makes them of contents that
// nobody crafted. What two contents that share a digest cost is the second of them: it is taken for
// a duplicate.
//
// Guarantee   the exact probability, not the textbook's n^2 / 2^(bits + 1), with a relative error
//             below 1e-12; nothing overflows, and nothing is rounded to 0 that a double can hold.
// Errors      in constants, what is refused does not compile; at run time it throws
//             std::invalid_argument.
// Example     docs/components.md

// The chance that any two of `keys` different contents share a digest of so many bits, 1 to 512.
[[nodiscard]] constexpr double collision_odds(std::uint64_t keys, unsigned bits = 128) {
  if (bits < 1 || bits > 512)
    detail::invalid_option("collision_odds(keys, bits): bits", bits, "1 to 512");
  return detail::birthday_odds(static_cast<double>(keys), bits);
}

// The most contents for which that chance is at most `odds`: more than 0 and less than 1. A whole
// number as far as a double can tell; one of them needs no luck. A double because 128 bits serve
// more keys than 64 bits count.
[[nodiscard]] constexpr double keys_for_odds(double odds, unsigned bits = 128) {
  if (!(odds > 0 && odds < 1))
    detail::invalid_option("keys_for_odds(odds, bits): odds", odds, "more than 0 and less than 1");
  if (bits < 1 || bits > 512)
    detail::invalid_option("keys_for_odds(odds, bits): bits", bits, "1 to 512");
  return detail::birthday_keys(odds, bits);
}

}  // namespace idem::inline IDEM_ABI
