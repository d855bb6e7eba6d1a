#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/id_bucket.hpp>

namespace idem::inline IDEM_ABI::detail {

// Where the ids of a FrontierTable belong: blocks numbered 0, 1, ... in the order of the hashes, in
// chunks behind a directory. Chunk pointers are null where a growing table has emptied a chunk or
// not come to it yet. Holds no memory of its own.
template <class Rules>
struct FrontierLayout {
  std::uint64_t bytes = 0;  // of all blocks
  std::uint64_t bend = 0;
  std::byte** chunks = nullptr;
  std::uint64_t chunk_count = 0;
  std::uint64_t in_chunk = 0;  // the bits of an offset that say where in its chunk a bucket begins
  unsigned chunk_shift = 0;    // 2^chunk_shift bytes a chunk
  bool has_slabs = false;      // chunks are pieces of slabs

  // All but the directory.
  [[nodiscard]] static FrontierLayout of(std::uint64_t blocks, std::uint64_t bend,
                                         std::size_t chunk_bytes, bool has_slabs) noexcept {
    FrontierLayout layout;
    layout.bytes = blocks * IdBucket::block_bytes;
    layout.bend = bend;
    layout.chunk_count = (layout.bytes + chunk_bytes - 1) / chunk_bytes;
    layout.in_chunk = chunk_bytes - IdBucket::bytes;
    layout.chunk_shift = static_cast<unsigned>(std::countr_zero(chunk_bytes));
    layout.has_slabs = has_slabs;
    return layout;
  }

  [[nodiscard]] std::uint64_t blocks() const noexcept { return bytes / IdBucket::block_bytes; }
  [[nodiscard]] std::size_t chunk_bytes() const noexcept { return std::size_t{1} << chunk_shift; }
  [[nodiscard]] std::uint64_t chunk_blocks() const noexcept {
    return chunk_bytes() / IdBucket::block_bytes;
  }

  // The bucket that has the byte of that offset.
  [[nodiscard]] Slot* bucket_at(std::uint64_t offset) const noexcept {
    return reinterpret_cast<Slot*>(chunks[offset >> chunk_shift] + (offset & in_chunk));
  }
  [[nodiscard]] Slot* block(std::uint64_t number) const noexcept {
    return bucket_at(number * IdBucket::block_bytes);
  }
  // Where an id belongs; `even`: in a layout without a bend.
  [[nodiscard]] Slot* home_of(std::uint64_t hash) const noexcept {
    return bucket_at(multiply_high(Rules::position(hash, bend), bytes));
  }
  [[nodiscard]] Slot* even_home_of(std::uint64_t hash) const noexcept {
    return bucket_at(multiply_high(Rules::position(hash, 0), bytes));
  }
  // The number of its bucket, and of its block.
  [[nodiscard]] std::uint64_t home(std::uint64_t hash) const noexcept {
    return multiply_high(Rules::position(hash, bend), bytes / IdBucket::bytes);
  }
  [[nodiscard]] std::uint64_t even_home(std::uint64_t hash) const noexcept {
    return multiply_high(Rules::position(hash, 0), bytes / IdBucket::bytes);
  }
  // A block has 2^64 / blocks hashes, or, where positions rise by 13/16 only, 1.24 times as many: all
  // are less than 2^(63 - spread_bits) from each other.
  [[nodiscard]] unsigned spread_bits() const noexcept {
    return static_cast<unsigned>(std::bit_width(blocks())) - 3;
  }
  [[nodiscard]] std::uint64_t block_of(std::uint64_t hash) const noexcept {
    return home(hash) / IdBucket::block_buckets;
  }

  // The least hash whose block is `block`.
  [[nodiscard]] std::uint64_t first_hash_of(std::uint64_t block) const noexcept {
    const std::uint64_t first = first_position_of(block, blocks());
    if (bend == 0 || block == 0) return first;
    // Newton's way to within a few, each time squaring what is missing; then bit by bit.
    std::uint64_t hash = first;
    for (int i = 0; i < 5; ++i) {
      const auto missing = static_cast<std::int64_t>(first - Rules::position(hash, bend));
      const double high = static_cast<double>(hash >> 32) / (std::uint64_t{1} << 32);
      const double slope = 1 + static_cast<double>(bend) * (1 - 2 * high) / 16;
      hash += static_cast<std::uint64_t>(
          static_cast<std::int64_t>(static_cast<double>(missing) / slope));
    }
    hash -= 8;
    for (unsigned more = 8; more != 0; more /= 2)
      if (Rules::position(hash + more, bend) < first) hash += more;
    return hash + 1;
  }

 private:
  // The least position in block number `block`: that number * 2^64 / blocks, rounded up.
  [[nodiscard]] static std::uint64_t first_position_of(std::uint64_t block,
                                                       std::uint64_t blocks) noexcept {
    // Long division: what is left is always less than `blocks`.
    std::uint64_t quotient = 0, left = block;
#if defined(__SIZEOF_INT128__)
    __extension__ using Wide = unsigned __int128;
    const Wide dividend = static_cast<Wide>(left) << 64;
    quotient = static_cast<std::uint64_t>(dividend / blocks);
    left = static_cast<std::uint64_t>(dividend % blocks);
#else
    for (int bit = 0; bit < 64; ++bit) {
      left *= 2;
      quotient = quotient * 2 + (left >= blocks ? 1 : 0);
      if (left >= blocks) left -= blocks;
    }
#endif
    return quotient + (left != 0 ? 1 : 0);
  }
};

}  // namespace idem::inline IDEM_ABI::detail
