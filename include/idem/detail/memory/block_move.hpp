#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include <idem/detail/abi.hpp>
#include <idem/detail/memory/id_bucket.hpp>

namespace idem::inline IDEM_ABI::detail {

// How the ids of an old block of a FrontierTable come to new ones: side by side first, then each to its
// bucket, so that no id waits for the one before.

// Room for a bucket more than there are.
using GatheredIds = std::array<Slot, IdBucket::block_slots + IdBucket::slots>;

// The ids of a block side by side, and how many there are.
[[nodiscard]] inline unsigned gather_ids(const Slot* block, GatheredIds& ids) noexcept {
  unsigned count = 0;
  for (unsigned b = 0; b < IdBucket::block_buckets; ++b) {
    const Slot* const bucket = block + b * IdBucket::slots;
    std::memcpy(static_cast<void*>(ids.data() + count), bucket, IdBucket::bytes);
    count += IdBucket::ids_in(bucket);
  }
  return count;
}

inline constexpr std::uint64_t most_scattered_blocks = 4;

// To the blocks lowest ... highest of `layout`, at most so many, of which the highest may hold ids; to
// overflow(id) where a block is full. How many each bucket holds is counted here, so that no place hangs
// on what was loaded from the blocks.
template <class Layout>
void scatter_ids(const GatheredIds& ids, unsigned count, const Layout& layout, std::uint64_t lowest,
                 std::uint64_t highest, bool highest_has_ids, const auto& overflow) noexcept {
  constexpr unsigned block_buckets = IdBucket::block_buckets;
  const std::uint64_t first_bucket = lowest * block_buckets;
  std::array<Slot*, most_scattered_blocks * block_buckets> buckets{};
  std::array<std::uint8_t, most_scattered_blocks * block_buckets> used{};
  unsigned number = 0;
  for (std::uint64_t i = lowest; i <= highest; ++i) {
    Slot* const block = layout.block(i);
    for (unsigned b = 0; b < block_buckets; ++b) buckets[number++] = block + b * IdBucket::slots;
  }
  if (highest_has_ids) {
    for (unsigned b = number - block_buckets; b < number; ++b)
      used[b] = static_cast<std::uint8_t>(IdBucket::ids_in(buckets[b]));
  }
  for (unsigned i = 0; i < count; ++i) {
    auto bucket = static_cast<unsigned>(layout.home(ids[i].hash) - first_bucket);
    for (unsigned tries = 0; used[bucket] >= IdBucket::slots && tries < block_buckets; ++tries)
      bucket = bucket / block_buckets * block_buckets + (bucket + 1) % block_buckets;
    const unsigned place = used[bucket];
    if (place >= IdBucket::slots) [[unlikely]] {
      overflow(ids[i]);
      continue;
    }
    used[bucket] = static_cast<std::uint8_t>(place + 1);
    IdBucket::copy(buckets[bucket] + place, ids[i]);
  }
}

}  // namespace idem::inline IDEM_ABI::detail
