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

  // The words that hold the window, oldest first: so many; as they are written; and back into a new
  // ring. Bits of numbers that are no longer in the window, or not yet, count as zero.
  [[nodiscard]] constexpr std::uint64_t words() const noexcept {
    return end_ == 0 ? 0 : (end_ - 1) / 64 - first_word() + 1;
  }
  [[nodiscard]] constexpr std::uint64_t word(std::uint64_t index) const noexcept {
    const std::uint64_t number = first_word() + index;
    return block_[number % blocks] & live(number);
  }
  constexpr void set_end(std::uint64_t end) noexcept { end_ = end; }
  // false: it has bits that the window does not, or lacks the highest number's.
  [[nodiscard]] constexpr bool set_word(std::uint64_t index, std::uint64_t word) noexcept {
    const std::uint64_t number = first_word() + index;
    if ((word & ~live(number)) != 0) return false;
    if (number == (end_ - 1) / 64 && (word >> ((end_ - 1) % 64) & 1) == 0) return false;
    block_[number % blocks] = word;
    return true;
  }

 private:
  [[nodiscard]] constexpr std::uint64_t begin() const noexcept {
    return end_ > window ? end_ - window : 0;
  }
  [[nodiscard]] constexpr std::uint64_t first_word() const noexcept { return begin() / 64; }
  [[nodiscard]] constexpr std::uint64_t live(std::uint64_t number) const noexcept {
    std::uint64_t mask = ~std::uint64_t{0};
    if (number == begin() / 64) mask &= ~std::uint64_t{0} << begin() % 64;
    if (number == (end_ - 1) / 64) mask &= ~std::uint64_t{0} >> (63 - (end_ - 1) % 64);
    return mask;
  }

  static constexpr std::uint64_t blocks = std::bit_ceil((window + 63) / 64 + 1);

  [[nodiscard]] static constexpr std::size_t block_of(std::uint64_t number) noexcept {
    return static_cast<std::size_t>(number / 64 % blocks);
  }

  std::uint64_t end_ = 0;
  std::array<std::uint64_t, blocks> block_{};
};

}  // namespace idem::inline IDEM_ABI::detail
