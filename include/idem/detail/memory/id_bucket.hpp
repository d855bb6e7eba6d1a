#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <idem/detail/abi.hpp>
#include <idem/detail/memory/wide_id.hpp>

namespace idem::inline IDEM_ABI::detail {

// A bucket of a FrontierTable: 8 slots in two neighbouring lines, filled from slot 0. A hash of zero
// marks an empty slot. 32 buckets are a block, which is aligned to its size.
//
// An insert has no branch on where an id lies, and few instructions that write to an integer register:
// behind a miss the processor runs out of those first, then of its window. docs/decisions/0002.
struct IdBucket {
  static constexpr unsigned slots = 8;
  static constexpr std::size_t bytes = slots * sizeof(Slot);
  static constexpr unsigned block_slots = 256;
  static constexpr unsigned block_buckets = block_slots / slots;
  static constexpr std::size_t block_bytes = block_slots * sizeof(Slot);

  // The next one of the block, round its end.
  template <class Bucket>
  [[nodiscard]] static Bucket* next(Bucket* bucket) noexcept {
    const auto at = reinterpret_cast<std::uintptr_t>(bucket);
    const auto in_block = (at + bytes) % block_bytes;
    return reinterpret_cast<Bucket*>(at / block_bytes * block_bytes + in_block);
  }
  template <class Bucket>
  [[nodiscard]] static Bucket* block_around(Bucket* bucket) noexcept {
    const auto at = reinterpret_cast<std::uintptr_t>(bucket);
    return reinterpret_cast<Bucket*>(at / block_bytes * block_bytes);
  }
  [[nodiscard]] static unsigned number_in_block(const Slot* bucket) noexcept {
    return static_cast<unsigned>(bucket - block_around(bucket)) / slots;
  }

  [[nodiscard, gnu::always_inline]] static inline bool is_full(const Slot* bucket) noexcept {
    return bucket[slots - 1].hash != 0;
  }
  [[nodiscard]] static bool is_full_block(const Slot* bucket) noexcept {
    const Slot* const block = block_around(bucket);
    for (unsigned i = 0; i < block_buckets; ++i)
      if (!is_full(block + i * slots)) return false;
    return true;
  }
  // Its ids, without a branch.
  [[nodiscard, gnu::always_inline]] static inline unsigned ids_in(const Slot* bucket) noexcept {
    unsigned count = bucket[3].hash != 0 ? 4 : 0;
    count += bucket[count + 1].hash != 0 ? 2 : 0;
    count += bucket[count].hash != 0 ? 1 : 0;
    return count + (bucket[slots - 1].hash != 0 ? 1 : 0);
  }

  // By force: g++ takes a function that does nothing but prefetch for one without effect.
  [[gnu::always_inline]] static inline void prefetch(const Slot* bucket) noexcept {
    __builtin_prefetch(bucket, 1);
    __builtin_prefetch(bucket + 4, 1);
  }
  // The one behind it, be it of the block or not: the right one for all buckets but the last.
  [[gnu::always_inline]] static inline void prefetch_behind(const Slot* bucket) noexcept {
    prefetch(reinterpret_cast<const Slot*>(reinterpret_cast<std::uintptr_t>(bucket) + bytes));
  }

  // Whether a slot has the low half of the hash, which is also that of an empty one where it is
  // zero. The upper half says little: it decided the bucket.
  [[nodiscard, gnu::always_inline]] static inline bool may_hold(const Slot* bucket,
                                                                const Slot& key) noexcept {
    const Quarters wanted = four_times_low(key);
    const auto found = (low_halves(bucket) == wanted) | (low_halves(bucket + 4) == wanted);
#if defined(__SSE2__)
    return __builtin_ia32_movmskps(reinterpret_cast<Floats>(found)) != 0;
#else
    const auto words = reinterpret_cast<Word>(found);
    return (words[0] | words[1]) != 0;
#endif
  }
  // The slots of which may_hold() speaks, a bit each.
  [[nodiscard, gnu::always_inline]] static inline unsigned candidates(const Slot* bucket,
                                                                      const Slot& key) noexcept {
#if defined(__SSE2__)
    const Quarters wanted = four_times_low(key);
    const auto bits = [&](const Slot* four) __attribute__((always_inline)) {
      const auto found = low_halves(four) == wanted;
      return static_cast<unsigned>(__builtin_ia32_movmskps(reinterpret_cast<Floats>(found)));
    };
    return bits(bucket) | bits(bucket + 4) << 4;
#else
    unsigned bits = 0;
    for_each_slot([&](unsigned i) __attribute__((always_inline)) {
      bits |= static_cast<unsigned>(static_cast<std::uint32_t>(bucket[i].hash) ==
                                    static_cast<std::uint32_t>(key.hash))
              << i;
    });
    return bits;
#endif
  }
  // Where the key is; `slots`: not there.
  [[nodiscard, gnu::always_inline]] static inline unsigned index_in(const Slot* bucket,
                                                                    const Slot& key) noexcept {
    // One, where it is there, and no branch on where: a wrong guess costs as much as all the rest.
    for (unsigned left = candidates(bucket, key); left != 0; left &= left - 1) {
      const auto i = static_cast<unsigned>(std::countr_zero(left));
      if (bucket[i] == key) return i;
    }
    return slots;
  }
  [[nodiscard, gnu::always_inline]] static inline bool holds(const Slot* bucket,
                                                             const Slot& key) noexcept {
    return index_in(bucket, key) != slots;
  }

  // Into a bucket that is not full: the new id enters at slot 0 and pushes the others up. All is
  // loaded before the first store.
  [[gnu::always_inline]] static inline void push(Slot* bucket, const Slot& key) noexcept {
    Word words[slots];
    for_each_slot([&](unsigned i) __attribute__((always_inline)) {
      words[i] = i == 0 ? Word{key.hash, key.rest} : word_at(bucket + i - 1);
    });
    for_each_slot([&](unsigned i) __attribute__((always_inline)) {
      std::memcpy(static_cast<void*>(bucket + i), &words[i], sizeof words[i]);
    });
  }

  // Pushes the key. False, and nothing changed: the bucket is full, or may hold it, as any does where
  // the hash is zero.
  [[nodiscard, gnu::always_inline]] static inline bool enter(Slot* bucket,
                                                             const Slot& key) noexcept {
    if (may_hold(bucket, key)) [[unlikely]]
      return false;
    if (is_full(bucket)) [[unlikely]]
      return false;
    push(bucket, key);
    return true;
  }

  // As one word of the processor. As two, one that is stored and then read whole would wait until
  // all stores before it are in the cache.
  [[gnu::always_inline]] static inline void copy(Slot* to, const Slot& from) noexcept {
    Word word;
    std::memcpy(&word, &from, sizeof word);
    std::memcpy(static_cast<void*>(to), &word, sizeof word);
  }

 private:
  // Which half of a hash is the low one.
  static constexpr int low = std::endian::native == std::endian::big ? 1 : 0;

  // A slot as one word, and its four quarters.
  using Word = std::uint64_t __attribute__((vector_size(sizeof(Slot))));
  using Floats = float __attribute__((vector_size(sizeof(Slot))));
  using Quarters = std::uint32_t __attribute__((vector_size(sizeof(Slot))));
  [[nodiscard, gnu::always_inline]] static inline Word word_at(const Slot* slot) noexcept {
    Word word;
    std::memcpy(&word, __builtin_assume_aligned(slot, sizeof word), sizeof word);
    return word;
  }
  // The low half of the key's hash, four times.
  [[nodiscard, gnu::always_inline]] static inline Quarters four_times_low(
      const Slot& key) noexcept {
    const auto whole = reinterpret_cast<Quarters>(Word{key.hash, key.rest});
    return __builtin_shufflevector(whole, whole, low, low, low, low);
  }
  // The low halves of the hashes of four slots.
  [[nodiscard, gnu::always_inline]] static inline Quarters low_halves(const Slot* four) noexcept {
    const auto at = [&](unsigned i) __attribute__((always_inline)) {
      return reinterpret_cast<Quarters>(word_at(four + i));
    };
    const Quarters first = __builtin_shufflevector(at(0), at(1), low, low + 2, low + 4, low + 6);
    const Quarters second = __builtin_shufflevector(at(2), at(3), low, low + 2, low + 4, low + 6);
    return __builtin_shufflevector(first, second, 0, 2, 4, 6);
  }
  // Unrolled: at -O2 a loop would go through memory.
  template <class Do>
  [[gnu::always_inline]] static inline void for_each_slot(Do&& run) noexcept {
    [&]<unsigned... i>(std::integer_sequence<unsigned, i...>) __attribute__((always_inline)) {
      (run(i), ...);
    }
    (std::make_integer_sequence<unsigned, slots>{});
  }
};

}  // namespace idem::inline IDEM_ABI::detail
