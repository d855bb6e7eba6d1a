#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>

// What tables of cuckoo hashing have in common: four slots in a word, the partner of a bucket, and
// the search for room.

namespace idem::inline IDEM_ABI::detail {

// Four slots of `bits` side by side in one word. A slot of zero is empty.
template <unsigned bits>
struct CuckooLanes {
  static_assert(bits == 8 || bits == 16);

  using Word = std::conditional_t<bits == 8, std::uint32_t, std::uint64_t>;

  static constexpr unsigned count = 4;
  static constexpr unsigned width = bits;
  static constexpr Word mask = (Word{1} << bits) - 1;
  static constexpr Word ones = static_cast<Word>(Word(-1) / mask);  // 1 in every lane
  static constexpr Word tops = static_cast<Word>(ones << (bits - 1));

  // The top bit of each lane that is zero.
  [[nodiscard]] static constexpr Word zeros(Word word) noexcept {
    const Word low = static_cast<Word>(~tops);
    return static_cast<Word>(~(((word & low) + low) | word | low));
  }
  // Of the first lane that zeros() found.
  [[nodiscard]] static constexpr unsigned lane_shift(Word found) noexcept {
    return static_cast<unsigned>(std::countr_zero(found)) - (bits - 1);
  }
  // How many lanes were found. The product sums them in its top lane; popcount is a call where the
  // processor's own is not compiled in.
  [[nodiscard]] static constexpr unsigned count_of(Word found) noexcept {
    return static_cast<unsigned>(static_cast<Word>((found >> (bits - 1)) * ones) >>
                                 (bits * (count - 1)));
  }
  [[nodiscard]] static constexpr Word with(Word word, unsigned shift, Word slot) noexcept {
    return static_cast<Word>((word & ~(mask << shift)) | (slot << shift));
  }
};

// A fingerprint f of bucket b may also live in bucket s(f) - b, modulo their number: a reflection,
// so it is its own inverse for every number of buckets, and needs nothing but the fingerprint.
[[nodiscard]] inline std::uint64_t cuckoo_partner(std::uint64_t bucket, std::uint64_t fingerprint,
                                                  std::uint64_t buckets) noexcept {
  // Scattered well: sums of few fingerprints must not meet, or a search goes round in circles.
  std::uint64_t scattered = fingerprint * 0x9e3779b97f4a7c15;
  scattered = (scattered ^ scattered >> 32) * 0x94d049bb133111eb;
  const std::uint64_t sum = multiply_high(scattered, buckets);
  return sum >= bucket ? sum - bucket : sum + buckets - bucket;
}

// The buckets a search may look at, and so the work of the worst insert; and the moves a path among
// them can have.
inline constexpr std::size_t cuckoo_most_looked_at = 512;
inline constexpr unsigned cuckoo_most_moves = 5;

// Both buckets of a key are full: the nearest empty slot is looked for breadth first, without
// touching a fingerprint; only when one was found are those on the way to it moved, last one first,
// and the key's own slot takes the place the first one leaves. So no fingerprint is ever out of the
// table, and what is refused (false) leaves no trace. Buckets at the edge of the search are fetched
// long before they are looked at.
//
// No bucket is met twice, or the moves would disturb each other: the search is breadth first, so
// what is behind a bucket was found from the first time it was looked at.
template <class Table>
[[nodiscard, gnu::noinline]] bool cuckoo_make_room(Table& table, std::uint64_t first,
                                                   std::uint64_t second,
                                                   typename Table::Word slot) noexcept {
  using Lanes = typename Table::SearchLanes;
  using Word = typename Table::Word;
  struct Looked {
    std::uint64_t bucket;
    std::uint32_t parent;  // the index of the bucket whose fingerprint would move here
    std::uint16_t shift;   // and where in that bucket it lies
    std::uint16_t depth;   // moves from there to the key's own bucket
  };
  std::array<Looked, cuckoo_most_looked_at> looked;
  std::uint32_t known = 0;
  looked[known++] = {first, 0, 0, 0};
  if (second != first) looked[known++] = {second, 1, 0, 0};
  for (std::uint32_t at = 0; at < known; ++at) {
    const Looked here = looked[at];
    const Word word = table.opened(here.bucket);
    if (const Word free = Lanes::zeros(word); free != 0) {
      unsigned shift = Lanes::lane_shift(free);
      while (looked[at].depth != 0) {
        const Looked& step = looked[at];
        const Word from = table.word_at(looked[step.parent].bucket);
        table.move_to(step.bucket, shift, static_cast<Word>((from >> step.shift) & Lanes::mask));
        shift = step.shift;
        at = step.parent;
      }
      table.set_lane(looked[at].bucket, shift, slot);
      return true;
    }
    if (here.depth == cuckoo_most_moves) continue;
    for (unsigned lane = 0; lane < Lanes::count && known < cuckoo_most_looked_at; ++lane) {
      const unsigned shift = lane * Lanes::width;
      const std::uint64_t other =
          table.partner(here.bucket, static_cast<Word>((word >> shift) & Lanes::mask));
      if (other == here.bucket) continue;
      table.fetch(other);
      looked[known++] = {other, at, static_cast<std::uint16_t>(shift),
                         static_cast<std::uint16_t>(here.depth + 1)};
    }
  }
  return false;
}

}  // namespace idem::inline IDEM_ABI::detail
