#pragma once

#include <cstdint>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/crossing.hpp>

// The birthday problem, with + - * / alone, so it works in constants. The last bit may differ where a
// machine multiplies and adds at once, or keeps more than a double.

namespace idem::inline IDEM_ABI::detail {

[[nodiscard]] constexpr double power_of_two(unsigned exponent) noexcept {
  double power = 1;
  for (; exponent >= 32; exponent -= 32) power *= 4294967296.0;
  for (; exponent != 0; --exponent) power *= 2;
  return power;
}

// 1 - e^-x for 0 <= x <= 40, without the loss of a small result.
[[nodiscard]] constexpr double one_minus_exp(double x) noexcept {
  double divisor = 1;
  while (x / divisor > 0.5) divisor *= 2;
  const double small = x / divisor;
  double term = small, sum = 0;
  for (double n = 2; term > sum * 1e-18 || -term > sum * 1e-18; term *= -small / n, ++n)
    sum += term;
  // (1 - r)^2 = 1 - (2r - r^2).
  for (; divisor > 1; divisor /= 2) sum = sum * (2 - sum);
  return sum;
}

// The chance that any two of `keys` values, drawn out of 2^bits, are equal.
[[nodiscard]] constexpr double birthday_odds(double keys, unsigned bits) noexcept {
  if (!(keys > 1)) return 0;
  const double values = power_of_two(bits);
  if (keys > values) return 1;
  const double pairs = keys / 2 * (keys - 1) / values;
  if (pairs > 40) return 1;  // 1 - e^-40 is 1 as far as a double can tell
  if (bits <= 16) {
    double odds = 0;
    for (double drawn = 1; drawn < keys; ++drawn) odds += (1 - odds) * (drawn / values);
    return odds;
  }
  // No two are equal with the probability exp(sum of log(1 - i / values)), 0 <= i < keys. By Euler
  // and Maclaurin, with s = keys / values and n from 2, the sum is
  //   -pairs - s / (12 values (1 - s)) - sum of s^n (keys / (n (n + 1)) - 1 / (2n)),
  // and the next term of theirs is below 1e-16 of it from 2^16 values on.
  const double share = keys / values;
  double rest = share / (12 * values * (1 - share));
  double power = share * share;
  for (double n = 2; n < 40; ++n, power *= share) {
    rest += power * (keys / ((n + 1) * n) - 1 / (2 * n));
    if (power * keys < pairs * 1e-20) break;
  }
  return one_minus_exp(pairs + rest);
}

// The most keys whose odds are at most `odds`, 0 < odds < 1.
[[nodiscard]] constexpr double birthday_keys(double odds, unsigned bits) noexcept {
  return find_crossing([&](double keys) { return birthday_odds(keys, bits) > odds; }).before;
}

}  // namespace idem::inline IDEM_ABI::detail
