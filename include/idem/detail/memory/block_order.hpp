#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/wide_id.hpp>

namespace idem::inline IDEM_ABI::detail {

// Puts the slots of one block of a FrontierTable in ascending order of their hashes. They lie in the
// order of their buckets, more or less, and have the hashes of a known range: into 512 bins by the
// hash, of which hardly any gets two.
template <unsigned block_slots, unsigned block_buckets>
class BlockOrder {
  static constexpr unsigned bins = 512;
  static_assert(block_slots <= 256);

 public:
  // `layout` says where in the whole table a hash belongs. Slots of one hash come in any order.
  // Valid until the next call.
  [[nodiscard]] std::span<const Slot> run(const Slot* block, const auto& layout) noexcept {
    std::array<std::uint8_t, bins> counts{};
    unsigned count = 0;
    for (unsigned i = 0; i < block_slots; ++i) {
      const Slot slot = block[i];
      gathered_[count] = slot;
      count += slot.hash != 0;
    }
    for (unsigned i = 0; i < count; ++i) {
      bins_[i] =
          static_cast<std::uint16_t>(layout.part(gathered_[i].hash, bins / block_buckets) % bins);
      ++counts[bins_[i]];
    }
    add_up(counts);
    for (unsigned i = 0; i < count; ++i) {
      sorted_[counts[bins_[i]]++] = gathered_[i];
    }
    for (unsigned i = 1; i < count; ++i) {
      if (sorted_[i - 1].hash <= sorted_[i].hash) [[likely]]
        continue;
      const Slot slot = sorted_[i];
      unsigned at = i;
      for (; at != 0 && slot.hash < sorted_[at - 1].hash; --at) sorted_[at] = sorted_[at - 1];
      sorted_[at] = slot;
    }
    return std::span(sorted_).first(count);
  }

 private:
  // Where each bin begins, eight of them at a time: at most 255, where anything begins there.
  static void add_up(std::array<std::uint8_t, bins>& counts) noexcept {
    auto* const bytes = reinterpret_cast<std::byte*>(counts.data());
    constexpr std::uint64_t ones = 0x0101010101010101;
    std::uint64_t before = 0;
    for (unsigned i = 0; i < bins; i += 8) {
      const std::uint64_t sums = load_little<std::uint64_t>(bytes + i) * ones;
      store_little(bytes + i, (sums << 8) + before * ones);
      before = (before + (sums >> 56)) & 0xff;
    }
  }

  std::array<Slot, block_slots> gathered_;
  std::array<Slot, block_slots> sorted_;
  std::array<std::uint16_t, block_slots> bins_;
};

}  // namespace idem::inline IDEM_ABI::detail
