#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::detail {

// One bit a number in a ring of 64-bit blocks, one block more than the window needs, so that the
// block being entered can be cleared whole while the window behind it stays. RFC 6479.
template <std::uint64_t window>
class ReplayRing {
 public:
  [[nodiscard]] constexpr Verdict check(std::uint64_t number) const noexcept {
    if (number >= end_) return Verdict::fresh;
    if (end_ - number > window) return Verdict::stale;
    return (block_[block_of(number)] >> (number % 64) & 1) != 0 ? Verdict::duplicate
                                                                : Verdict::fresh;
  }

  // Of a number that check() calls fresh.
  constexpr void record(std::uint64_t number) noexcept {
    if (number >= end_) {
      const std::uint64_t entered = number / 64;
      // The block of the newest number so far is in use; before the first there is none.
      const std::uint64_t current = end_ == 0 ? entered - blocks : (end_ - 1) / 64;
      const std::uint64_t steps = entered - current < blocks ? entered - current : blocks;
      for (std::uint64_t i = 0; i < steps; ++i) block_[(entered - i) % blocks] = 0;
      end_ = number + 1;
    }
    block_[block_of(number)] |= std::uint64_t{1} << (number % 64);
  }

  // One past the highest number recorded; 0: none.
  [[nodiscard]] constexpr std::uint64_t end() const noexcept { return end_; }

 private:
  static constexpr std::uint64_t blocks = std::bit_ceil((window + 63) / 64 + 1);

  [[nodiscard]] static constexpr std::size_t block_of(std::uint64_t number) noexcept {
    return static_cast<std::size_t>(number / 64 % blocks);
  }

  std::uint64_t end_ = 0;
  std::array<std::uint64_t, blocks> block_{};
};

}  // namespace idem::inline IDEM_ABI::detail
