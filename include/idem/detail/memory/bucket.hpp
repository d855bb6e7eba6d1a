#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include <idem/detail/abi.hpp>
#include <idem/detail/memory/page_map.hpp>

#if defined(__AVX512F__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace idem::inline IDEM_ABI::detail {

// A 128-bit id as the table keeps it: `hash` decides its place, and both words together give the id
// back. A zero hash means an empty slot, whose `rest` is zero too.
struct Slot {
  std::uint64_t hash = 0;
  std::uint64_t rest = 0;

  friend constexpr bool operator==(const Slot&, const Slot&) = default;
};

// Eight slots in two neighbouring cache lines, in no order: what one probe looks at.
//
// Masks have `mask_stride` bits a slot, of which the lowest may be set.
struct Bucket {
  static constexpr unsigned slots = 8;

  struct Match {
    std::uint32_t equal;
    std::uint32_t empty;
  };

#if defined(__AVX512F__)
  static constexpr unsigned mask_stride = 2;

  [[nodiscard]] static Match match(const Slot* bucket, const Slot& key) noexcept {
    const __m512i wanted = broadcast(key);
    const __m512i first = _mm512_loadu_si512(bucket);
    const __m512i second = _mm512_loadu_si512(bucket + 4);
    const std::uint32_t equal = static_cast<std::uint32_t>(_mm512_cmpeq_epi64_mask(first, wanted)) |
                                static_cast<std::uint32_t>(_mm512_cmpeq_epi64_mask(second, wanted))
                                    << 8;
    const std::uint32_t empty = static_cast<std::uint32_t>(_mm512_testn_epi64_mask(first, first)) |
                                static_cast<std::uint32_t>(_mm512_testn_epi64_mask(second, second))
                                    << 8;
    return {equal & equal >> 1 & 0x5555, empty & 0x5555};
  }

  // Puts the key into the lowest slot of `mask`, if any, by stores whose addresses do not depend on
  // the mask: the loads of the next insert need not wait for this bucket to arrive.
  static void put_alone(Slot* bucket, std::uint32_t mask, const Slot& key) noexcept {
    const std::uint32_t lowest = (mask & (0U - mask)) * 3;
    const __m512i wanted = broadcast(key);
    _mm512_mask_storeu_epi64(bucket, static_cast<__mmask8>(lowest), wanted);
    _mm512_mask_storeu_epi64(bucket + 4, static_cast<__mmask8>(lowest >> 8), wanted);
  }
#elif defined(__SSE2__)
  static constexpr unsigned mask_stride = 2;

  [[nodiscard]] static Match match(const Slot* bucket, const Slot& key) noexcept {
    const __m128i wanted = _mm_set1_epi64x(static_cast<long long>(key.hash));
    const __m128i zero = _mm_setzero_si128();
    const __m128i a = hashes(bucket), b = hashes(bucket + 2);
    const __m128i c = hashes(bucket + 4), d = hashes(bucket + 6);
    std::uint32_t equal = mask_of(_mm_cmpeq_epi32(a, wanted), _mm_cmpeq_epi32(b, wanted),
                                  _mm_cmpeq_epi32(c, wanted), _mm_cmpeq_epi32(d, wanted));
    const std::uint32_t empty = mask_of(_mm_cmpeq_epi32(a, zero), _mm_cmpeq_epi32(b, zero),
                                        _mm_cmpeq_epi32(c, zero), _mm_cmpeq_epi32(d, zero));
    if (equal != 0) {
      for (std::uint32_t left = equal; left != 0; left &= left - 1)
        if (bucket[index(left)].rest != key.rest) equal ^= left & (0U - left);
    }
    return {equal, empty};
  }
#else
  static constexpr unsigned mask_stride = 1;

  [[nodiscard]] static Match match(const Slot* bucket, const Slot& key) noexcept {
    Match found{0, 0};
    for (unsigned i = 0; i < slots; ++i) {
      found.equal |= static_cast<std::uint32_t>(bucket[i] == key) << i;
      found.empty |= static_cast<std::uint32_t>(bucket[i].hash == 0) << i;
    }
    return found;
  }
#endif

#if !defined(__AVX512F__)
  // Without masked stores an address that does not depend on the mask takes eight selects and
  // stores, which crowd the loads of the next insert out of the processor's window: measured slower
  // than this.
  static void put_alone(Slot* bucket, std::uint32_t mask, const Slot& key) noexcept {
    if (mask != 0) bucket[index(mask)] = key;
  }
#endif

  [[nodiscard]] static unsigned index(std::uint32_t mask) noexcept {
    return static_cast<unsigned>(std::countr_zero(mask)) / mask_stride;
  }
  static void prefetch(const Slot* bucket) noexcept {
    __builtin_prefetch(bucket, 1);
    __builtin_prefetch(bucket + 4, 1);
  }

#if defined(__AVX512F__)
 private:
  [[nodiscard]] static __m512i broadcast(const Slot& key) noexcept {
    return _mm512_broadcast_i32x4(
        _mm_set_epi64x(static_cast<long long>(key.rest), static_cast<long long>(key.hash)));
  }
#elif defined(__SSE2__)
 private:
  [[nodiscard]] static __m128i hashes(const Slot* two) noexcept {
    const __m128i low = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(two));
    const __m128i high = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(two + 1));
    return _mm_unpacklo_epi64(low, high);
  }
  // Both halves of a hash must agree.
  [[nodiscard]] static std::uint32_t mask_of(__m128i a, __m128i b, __m128i c, __m128i d) noexcept {
    const auto halves = static_cast<std::uint32_t>(
        _mm_movemask_epi8(_mm_packs_epi16(_mm_packs_epi32(a, b), _mm_packs_epi32(c, d))));
    return halves & halves >> 1 & 0x5555;
  }
#endif
};

// 256 slots: 32 buckets. A key goes into its home bucket or, when that and all between are full,
// into the first bucket after it that is not; round the end of the page, never into another.
struct Page {
  static constexpr unsigned slots = 256;
  static constexpr unsigned buckets = slots / Bucket::slots;
  static constexpr std::size_t bytes = slots * sizeof(Slot);

  [[nodiscard]] static unsigned home(std::uint64_t hash) noexcept {
    return static_cast<unsigned>(hash) & (buckets - 1);
  }
  [[nodiscard]] static Slot* bucket(Slot* page, unsigned number) noexcept {
    return page + (number & (buckets - 1)) * Bucket::slots;
  }
  [[nodiscard]] static const Slot* bucket(const Slot* page, unsigned number) noexcept {
    return page + (number & (buckets - 1)) * Bucket::slots;
  }

  // The slot of the key, or null.
  [[nodiscard]] static const Slot* find(const Slot* page, const Slot& key) noexcept {
    const unsigned first = home(key.hash);
    for (unsigned i = 0; i < buckets; ++i) {
      const Slot* const here = bucket(page, first + i);
      const Bucket::Match found = Bucket::match(here, key);
      if (found.equal != 0) return here + Bucket::index(found.equal);
      if (found.empty != 0) return nullptr;
    }
    return nullptr;
  }

  // Puts a key that is not there; false: the page is full.
  [[nodiscard]] static bool put(Slot* page, const Slot& key) noexcept {
    const unsigned first = home(key.hash);
    for (unsigned i = 0; i < buckets; ++i) {
      Slot* const here = bucket(page, first + i);
      for (unsigned j = 0; j < Bucket::slots; ++j) {
        if (here[j].hash != 0) continue;
        here[j] = key;
        return true;
      }
    }
    return false;
  }

  // Takes a key out, and moves back those that had to pass its bucket.
  static void take(Slot* page, std::size_t slot) noexcept {
    std::size_t hole = slot;
    auto hole_bucket = static_cast<unsigned>(slot / Bucket::slots);
    for (unsigned i = hole_bucket + 1; (i & (buckets - 1)) != slot / Bucket::slots; ++i) {
      Slot* const here = bucket(page, i);
      bool is_full = true;
      unsigned candidate = Bucket::slots;
      for (unsigned j = 0; j < Bucket::slots; ++j) {
        if (here[j].hash == 0) {
          is_full = false;
        } else if (((i - home(here[j].hash)) & (buckets - 1)) >=
                   ((i - hole_bucket) & (buckets - 1))) {
          candidate = j;
        }
      }
      if (candidate != Bucket::slots) {
        page[hole] = here[candidate];
        hole = static_cast<std::size_t>(here + candidate - page);
        hole_bucket = i & (buckets - 1);
      }
      if (!is_full) break;
    }
    page[hole] = Slot{};
  }

  // One bit a slot.
  using Bits = std::uint64_t[slots / 64];

  // The keys of a page of the splitting group that move to the new page, and those of the others
  // that are not at home.
  static void sort_out(const Slot* page, const PageMap& map, Bits& moving,
                       Bits& displaced) noexcept {
#if defined(__SSE2__)
    const PageMap::Shares shares = PageMap::moving_shares[map.width() - 4];
    const PageMap::Shifts shifts = PageMap::shifts_of(map.doublings() + 1);
    const __m128i half =
        _mm_set1_epi32(static_cast<int>(std::uint32_t{1} << (31 - map.doublings())));
    const __m128i shift_a = _mm_cvtsi32_si128(shifts.a), shift_b = _mm_cvtsi32_si128(shifts.b);
    const __m128i low_two = _mm_set1_epi32(3), low_six = _mm_set1_epi32(63);
    const __m128i home_bits = _mm_set1_epi32(static_cast<int>(buckets - 1));
    const auto* line = reinterpret_cast<const __m128i*>(page);
    for (unsigned word = 0; word < slots / 64; ++word) {
      std::uint64_t moving_bits = 0, displaced_bits = 0;
      for (unsigned i = 0; i < 64; i += 4, line += 4) {
        const __m128 two =
            _mm_castsi128_ps(_mm_unpacklo_epi64(_mm_loadu_si128(line), _mm_loadu_si128(line + 1)));
        const __m128 other = _mm_castsi128_ps(
            _mm_unpacklo_epi64(_mm_loadu_si128(line + 2), _mm_loadu_si128(line + 3)));
        const __m128i low = _mm_castps_si128(_mm_shuffle_ps(two, other, 0x88));
        const __m128i high = _mm_castps_si128(_mm_shuffle_ps(two, other, 0xdd));
        const __m128i quarter = _mm_and_si128(
            _mm_xor_si128(_mm_srl_epi32(low, shift_a), _mm_srl_epi32(low, shift_b)), low_two);
        const __m128i share = _mm_or_si128(_mm_slli_epi32(quarter, 6),
                                           _mm_and_si128(_mm_srli_epi32(low, 6), low_six));
        __m128i moves = _mm_setzero_si128();
        for (std::size_t s = 0; s < 3; ++s) {
          const __m128i from = _mm_set1_epi32(shares.begin[s] - 1);
          const __m128i to = _mm_set1_epi32(shares.end[s]);
          moves = _mm_or_si128(
              moves, _mm_and_si128(_mm_cmpgt_epi32(share, from), _mm_cmpgt_epi32(to, share)));
        }
        moves = _mm_and_si128(moves, _mm_cmpeq_epi32(_mm_and_si128(high, half), half));
        const __m128i here = _mm_set1_epi32(static_cast<int>((word * 64 + i) / Bucket::slots));
        const __m128i stays = _mm_or_si128(
            moves, _mm_or_si128(_mm_cmpeq_epi32(_mm_and_si128(low, home_bits), here),
                                _mm_cmpeq_epi32(_mm_or_si128(low, high), _mm_setzero_si128())));
        moving_bits |=
            std::uint64_t{static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(moves)))} << i;
        displaced_bits |=
            std::uint64_t{static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(stays))) ^ 15U}
            << i;
      }
      moving[word] = moving_bits;
      displaced[word] = displaced_bits;
    }
#else
    for (unsigned word = 0; word < slots / 64; ++word) {
      std::uint64_t moving_bits = 0, displaced_bits = 0;
      for (unsigned i = 0; i < 64; ++i) {
        const unsigned slot = word * 64 + i;
        const std::uint64_t hash = page[slot].hash;
        if (hash == 0) continue;
        const bool moves = map.moves(hash);
        moving_bits |= std::uint64_t{moves} << i;
        displaced_bits |= std::uint64_t{!moves && home(hash) != slot / Bucket::slots} << i;
      }
      moving[word] = moving_bits;
      displaced[word] = displaced_bits;
    }
#endif
  }
};

}  // namespace idem::inline IDEM_ABI::detail
