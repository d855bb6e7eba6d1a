#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/simd.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/wide_id.hpp>

namespace idem::inline IDEM_ABI::detail {

// What is as far into the next block, most likely: two lines, which are one bucket.
[[gnu::always_inline]] inline void prefetch_next_block(const Slot* bucket,
                                                       std::size_t block_bytes) noexcept {
  const auto* const lines =
      reinterpret_cast<const std::byte*>(reinterpret_cast<std::uintptr_t>(bucket) + block_bytes);
  __builtin_prefetch(lines);
  __builtin_prefetch(lines + 64);
}

#if IDEM_X86_KERNELS
using EightWords [[gnu::vector_size(64)]] = std::uint64_t;

// One layer of a network that sorts eight words: of each and its partner, the lower one goes to the
// lower place.
template <unsigned... partner>
[[gnu::always_inline, nodiscard]] IDEM_TARGET_AVX512 inline EightWords sorted_layer(
    EightWords words) noexcept {
  const EightWords others = __builtin_shufflevector(words, words, partner...);
  const EightWords low = words < others ? words : others;
  const EightWords high = words < others ? others : words;
  return [&]<unsigned... i>(std::integer_sequence<unsigned, i...>) __attribute__((always_inline))
  IDEM_TARGET_AVX512 {
    return __builtin_shufflevector(low, high, (i > partner ? i + 8 : i)...);
  }
  (std::make_integer_sequence<unsigned, 8>{});
}

// By the low three bits of each place.
[[gnu::always_inline, nodiscard]] IDEM_TARGET_AVX512 inline EightWords permuted(
    EightWords words, EightWords places) noexcept {
#if defined(__clang__)
  using Signed [[gnu::vector_size(64)]] = long long;
  return reinterpret_cast<EightWords>(__builtin_ia32_permvardi512(
      reinterpret_cast<Signed>(words), reinterpret_cast<Signed>(places)));
#else
  return __builtin_shuffle(words, places);
#endif
}

// As BlockOrder's sort_buckets: by 61 bits of the hashes, in a register. Whether each bucket's hashes
// rise.
[[nodiscard]] IDEM_TARGET_AVX512 inline bool sort_buckets_avx512(const Slot* block,
                                                                 unsigned buckets, Slot* to,
                                                                 std::uint16_t* begins) noexcept {
  using Signed [[gnu::vector_size(64)]] = long long;
  constexpr int less = 1, not_equal = 4;
  constexpr EightWords lanes{0, 1, 2, 3, 4, 5, 6, 7};
  unsigned count = 0;
  unsigned falling = 0;
  for (unsigned i = 0; i < buckets; ++i) {
    const Slot* const bucket = block + 8 * i;
    prefetch_next_block(bucket, buckets * 8 * sizeof(Slot));
    begins[i] = static_cast<std::uint16_t>(count);
    EightWords low, high;
    std::memcpy(&low, bucket, sizeof low);
    std::memcpy(&high, bucket + 4, sizeof high);
    const EightWords hashes = __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14);
    const EightWords rests = __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15);
    const unsigned taken =
        __builtin_ia32_cmpq512_mask(reinterpret_cast<Signed>(hashes), Signed{}, not_equal, 0xff);
    // Empty slots come last, and the number of each is in the bits that do not count.
    EightWords keys = hashes == 0 ? EightWords{} - 1 : hashes;
    keys = (keys & ~std::uint64_t{7}) | lanes;
    keys = sorted_layer<2, 3, 0, 1, 6, 7, 4, 5>(keys);
    keys = sorted_layer<4, 5, 6, 7, 0, 1, 2, 3>(keys);
    keys = sorted_layer<1, 0, 3, 2, 5, 4, 7, 6>(keys);
    keys = sorted_layer<0, 1, 4, 5, 2, 3, 6, 7>(keys);
    keys = sorted_layer<0, 4, 2, 6, 1, 5, 3, 7>(keys);
    keys = sorted_layer<0, 2, 1, 4, 3, 6, 5, 7>(keys);
    const EightWords sorted = permuted(hashes, keys), their_rests = permuted(rests, keys);
    const EightWords next = __builtin_shufflevector(sorted, sorted, 1, 2, 3, 4, 5, 6, 7, 7);
    const unsigned rising = __builtin_ia32_ucmpq512_mask(
        reinterpret_cast<Signed>(sorted), reinterpret_cast<Signed>(next), less, 0xff);
    falling |= taken >> 1 & ~rising;
    low = __builtin_shufflevector(sorted, their_rests, 0, 8, 1, 9, 2, 10, 3, 11);
    high = __builtin_shufflevector(sorted, their_rests, 4, 12, 5, 13, 6, 14, 7, 15);
    std::memcpy(static_cast<void*>(to + count), &low, sizeof low);
    std::memcpy(static_cast<void*>(to + count + 4), &high, sizeof high);
    count += static_cast<unsigned>(__builtin_ctz(~taken));
  }
  begins[buckets] = static_cast<std::uint16_t>(count);
  return falling == 0;
}
#endif

// Puts the slots of one block of a FrontierTable in ascending order of their hashes. Each bucket is
// sorted by itself, without a branch: by 16 bits of the hashes, every pair of them compared, or where
// the processor has AVX-512 by a network. What is left to do is move the few that lie behind their
// own bucket, or whose 16 bits are the same.
template <unsigned block_slots, unsigned bucket_slots>
class BlockOrder {
  static_assert(bucket_slots == 8);

 public:
  struct Sorted {
    std::span<const Slot> slots;
    bool has_equals;  // some hashes are the same, whose slots come in any order
  };

  explicit BlockOrder(Simd simd = best_simd()) noexcept : simd_(simd) {}

  // The hashes of the block are less than 2^(63 - spread_bits) from each other; were they not, this
  // would take longer. Valid until the next call.
  [[nodiscard]] Sorted run(const Slot* block, unsigned spread_bits) noexcept {
    bool rise = false;
#if IDEM_X86_KERNELS
    if (simd_ == Simd::avx512) {
      rise = sort_buckets_avx512(block, buckets, sorted_.data(), begins_.data());
    } else
#endif
      sort_buckets(block, spread_bits);
    const unsigned count = begins_[buckets];
    rise = !go_round_the_end(count) && rise;
    bool has_equals = false;
    if (rise) {
      for (unsigned bucket = 1; bucket < buckets; ++bucket) {
        const unsigned end = begins_[bucket + 1];
        for (unsigned i = larger<unsigned>(begins_[bucket], 1); i < end && !rises_to(i); ++i)
          has_equals |= move_back(i);
      }
    } else {
      for (unsigned i = 1; i < count; ++i)
        if (!rises_to(i)) [[unlikely]]
          has_equals |= move_back(i);
    }
    return {std::span(sorted_).first(count), has_equals};
  }

 private:
  static constexpr unsigned buckets = block_slots / bucket_slots;

  // The slots of each bucket that are taken, in order by themselves, behind those of the bucket
  // before.
  void sort_buckets(const Slot* block, unsigned spread_bits) noexcept {
    unsigned first = 0;
    while (first + bucket_slots < block_slots && block[first].hash == 0) first += bucket_slots;
    const Keys base = Keys{} + static_cast<std::int16_t>(block[first].hash << spread_bits >> 48);
    unsigned count = 0;
    for (unsigned i = 0; i < buckets; ++i) {
      const Slot* const bucket = block + i * bucket_slots;
      prefetch_next_block(bucket, block_slots * sizeof(Slot));
      begins_[i] = static_cast<std::uint16_t>(count);
      unsigned taken = 0;
      for (unsigned k = 0; k < bucket_slots; ++k) taken += bucket[k].hash != 0;
      sort_bucket(bucket, taken, spread_bits, base, sorted_.data() + count);
      count += taken;
    }
    begins_[buckets] = static_cast<std::uint16_t>(count);
  }
  [[nodiscard]] bool rises_to(unsigned i) const noexcept {
    return sorted_[i - 1].hash < sorted_[i].hash;
  }

  using Keys = std::int16_t __attribute__((vector_size(16)));
  using Bits = std::uint16_t __attribute__((vector_size(16)));
  using Hashes = std::uint64_t __attribute__((vector_size(16)));
  using Lanes = std::make_integer_sequence<unsigned, bucket_slots>;

  // Above the keys of all taken slots, and one more is not negative.
  static constexpr std::int16_t empty_key = 0x7ffe;

  // The keys of empty slots, where `taken` are not.
  static constexpr auto empty_keys = [] {
    std::array<std::array<std::int16_t, bucket_slots>, bucket_slots + 1> keys{};
    for (unsigned taken = 0; taken <= bucket_slots; ++taken)
      for (unsigned i = 0; i < bucket_slots; ++i)
        keys[taken][i] = i < taken ? std::int16_t{-0x8000} : empty_key;
    return keys;
  }();

  // To `to`, and as many empty ones behind them as the bucket has.
  [[gnu::always_inline]] static inline void sort_bucket(const Slot* bucket, unsigned taken,
                                                        unsigned spread_bits, Keys base,
                                                        Slot* to) noexcept {
    const auto high = [&](unsigned i) __attribute__((always_inline)) {
      const unsigned at = std::endian::native == std::endian::little ? i : 3 - i;
      return Hashes{bucket[at].hash, bucket[at + 4].hash} << spread_bits;
    };
    constexpr std::uint64_t bits = 0xffff;
    const Hashes all = high(0) >> 48 | (high(1) >> 32 & bits << 16) | (high(2) >> 16 & bits << 32) |
                       (high(3) & bits << 48);
    Keys empty;
    std::memcpy(&empty, empty_keys[taken].data(), sizeof empty);
    // Round the end of 16 bits, which is undefined for signed numbers.
    Keys keys = reinterpret_cast<Keys>(reinterpret_cast<Bits>(all) - reinterpret_cast<Bits>(base));
    const Keys most = Keys{} + static_cast<std::int16_t>(empty_key - 1);
    keys = keys < most ? keys : most;
    keys = keys > empty ? keys : empty;
    // Minus the slots that come behind each: with a higher key, or the same and a higher number.
    Keys behind{};
    [&]<unsigned... i>(std::integer_sequence<unsigned, i...>) __attribute__((always_inline)) {
      ((behind += at_least_from(keys, i, Lanes{}) > keys), ...);
    }
    (Lanes{});
    behind = (behind + static_cast<std::int16_t>(bucket_slots - 1)) *
             static_cast<std::int16_t>(sizeof(Slot));
    std::array<std::uint16_t, bucket_slots> places;
    std::memcpy(places.data(), &behind, sizeof behind);
    auto* const bytes = reinterpret_cast<std::byte*>(to);
    [&]<unsigned... i>(std::integer_sequence<unsigned, i...>) __attribute__((always_inline)) {
      (std::memcpy(bytes + places[i], bucket + i, sizeof(Slot)), ...);
    }
    (Lanes{});
  }
  // What came to the first buckets because the last ones are full goes behind all; whether anything
  // did.
  [[nodiscard]] bool go_round_the_end(unsigned count) noexcept {
    const std::uint64_t middle = sorted_[count / 2].hash;
    const unsigned after_first = begins_[1];
    if (after_first == 0 || sorted_[after_first - 1].hash <= middle) [[likely]]
      return false;
    constexpr unsigned most = 4 * bucket_slots;
    std::array<Slot, most> last;
    unsigned found = 0;
    const unsigned end = smaller<unsigned>(begins_[4], count / 2);
    for (unsigned i = 0; i < end; ++i) {
      if (sorted_[i].hash > middle) {
        last[found++] = sorted_[i];
      } else {
        sorted_[i - found] = sorted_[i];
      }
    }
    for (unsigned i = end; i < count; ++i) sorted_[i - found] = sorted_[i];
    for (unsigned i = 0; i < found; ++i) sorted_[count - found + i] = last[i];
    return true;
  }
  // Key number i everywhere, one more for the slots before it.
  template <unsigned... lane>
  [[nodiscard, gnu::always_inline]] static inline Keys at_least_from(
      Keys keys, unsigned i, std::integer_sequence<unsigned, lane...>) noexcept {
    return Keys{} + keys[i] + Keys{(lane < i ? std::int16_t{1} : std::int16_t{0})...};
  }

  // The slot that is lower than the one before it, or has the same hash; whether it has.
  [[nodiscard]] bool move_back(unsigned at) noexcept {
    const Slot slot = sorted_[at];
    for (; at != 0 && slot.hash < sorted_[at - 1].hash; --at) sorted_[at] = sorted_[at - 1];
    sorted_[at] = slot;
    return at != 0 && slot.hash == sorted_[at - 1].hash;
  }

  std::array<Slot, block_slots + bucket_slots> sorted_;
  std::array<std::uint16_t, buckets + 1> begins_{};
  Simd simd_;
};

}  // namespace idem::inline IDEM_ABI::detail
