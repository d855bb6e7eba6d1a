#pragma once

#include <cstdint>
#include <limits>

#include <idem/detail/abi.hpp>

// The two kinds of sequence numbers. Both hold a range as its last number and its length less one,
// and -1 stands for "no sequence"; no operation can overflow.

namespace idem::inline IDEM_ABI::detail {

// 0 .. modulus - 1, and after the last comes 0 again.
//
// Which of two numbers is the earlier is a convention on a circle: a number is ahead of another
// when the way forward is the shorter one. A range may therefore be at most half the circle.
template <std::int64_t modulus_>
struct WrappingNumbers {
  static_assert(modulus_ >= 4 && modulus_ % 2 == 0 && modulus_ <= (std::int64_t{1} << 31));

  using Number = std::int32_t;
  using Length = std::int32_t;
  static constexpr std::int64_t modulus = modulus_;
  static constexpr std::int64_t highest = modulus - 1;
  static constexpr std::int64_t longest_range = modulus / 2;

  [[nodiscard]] static constexpr std::int64_t increment(std::int64_t n, std::int64_t by) noexcept {
    const std::int64_t sum = n + by;
    return sum >= modulus ? sum - modulus : sum;
  }
  [[nodiscard]] static constexpr std::int64_t decrement(std::int64_t n, std::int64_t by) noexcept {
    return n < by ? n - by + modulus : n - by;
  }
  // The number expected after `last`; after "no sequence", zero.
  [[nodiscard]] static constexpr std::int64_t next(std::int64_t last) noexcept {
    return last == highest ? 0 : last + 1;
  }
  // Steps forward from one number to another, 0 .. modulus - 1.
  [[nodiscard]] static constexpr std::int64_t distance(std::int64_t from,
                                                       std::int64_t to) noexcept {
    return to < from ? to - from + modulus : to - from;
  }
  [[nodiscard]] static constexpr bool is_behind(std::int64_t n, std::int64_t expected) noexcept {
    return distance(expected, n) >= modulus / 2;
  }
  [[nodiscard]] static constexpr bool valid_range(std::int64_t first, std::int64_t last) noexcept {
    return distance(first, last) < longest_range;
  }
};

// 0 .. 2^63 - 1, used once: after the last there is none.
struct PlainNumbers {
  using Number = std::int64_t;
  using Length = std::int64_t;
  static constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();

  [[nodiscard]] static constexpr std::int64_t increment(std::int64_t n, std::int64_t by) noexcept {
    return n + by;
  }
  [[nodiscard]] static constexpr std::int64_t decrement(std::int64_t n, std::int64_t by) noexcept {
    return n - by;
  }
  // -1 after the highest: nothing is expected any more.
  [[nodiscard]] static constexpr std::int64_t next(std::int64_t last) noexcept {
    return last == highest ? -1 : last + 1;
  }
  [[nodiscard]] static constexpr std::int64_t distance(std::int64_t from,
                                                       std::int64_t to) noexcept {
    return to - from;
  }
  [[nodiscard]] static constexpr bool is_behind(std::int64_t n, std::int64_t expected) noexcept {
    return n < expected || expected == -1;
  }
  [[nodiscard]] static constexpr bool valid_range(std::int64_t first, std::int64_t last) noexcept {
    return last >= first;
  }
};

}  // namespace idem::inline IDEM_ABI::detail
