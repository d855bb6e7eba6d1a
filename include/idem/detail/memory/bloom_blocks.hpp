#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/simd.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/filter_hash.hpp>
#include <idem/detail/memory/zeroed_lines.hpp>

namespace idem::inline IDEM_ABI::detail {

// Where a key lives: one line of eight words, and in each of the words one bit, whose number is a
// run of six bits of the pattern.
struct BloomProbe {
  std::uint64_t* block;
  std::uint64_t pattern;
};

inline constexpr unsigned bloom_lanes = 8;
inline constexpr unsigned bloom_lane_shift = 16;  // the eight runs are the top 48 bits
inline constexpr unsigned bloom_run = 6;

// Insert kernels set the bits and say whether all of them were set before; contain kernels only
// look. All of them compute the same bits.

// By arithmetic: out of a choice g++ 12 makes a branch, which is guessed wrong every other time where
// half of the keys are repeats, and takes longer then than all the rest.
[[nodiscard]] constexpr Verdict bloom_verdict(bool held) noexcept {
  constexpr unsigned fresh = static_cast<unsigned>(Verdict::fresh);
  constexpr unsigned step = static_cast<unsigned>(Verdict::probable_duplicate) - fresh;
  return static_cast<Verdict>(fresh + step * static_cast<unsigned>(held));
}
static_assert(bloom_verdict(true) == Verdict::probable_duplicate);
static_assert(bloom_verdict(false) == Verdict::fresh);

[[nodiscard]] inline bool bloom_insert_portable(std::uint64_t* block,
                                                std::uint64_t pattern) noexcept {
  std::uint64_t missing = 0;
  for (unsigned lane = 0; lane < bloom_lanes; ++lane) {
    const std::uint64_t bit = std::uint64_t{1}
                              << ((pattern >> (bloom_lane_shift + bloom_run * lane)) & 63);
    missing |= bit & ~block[lane];
    block[lane] |= bit;
  }
  return missing == 0;
}

[[nodiscard]] inline bool bloom_contains_portable(const std::uint64_t* block,
                                                  std::uint64_t pattern) noexcept {
  std::uint64_t held = 1;
  for (unsigned lane = 0; lane < bloom_lanes; ++lane)
    held &= block[lane] >> ((pattern >> (bloom_lane_shift + bloom_run * lane)) & 63);
  return held != 0;
}

// The same for a group of keys at a time, so that a call costs little where the kernel is not
// inlined.
inline void bloom_insert_group_portable(const BloomProbe* probes, std::size_t count,
                                        Verdict* verdicts) noexcept {
  for (std::size_t i = 0; i < count; ++i)
    verdicts[i] = bloom_verdict(bloom_insert_portable(probes[i].block, probes[i].pattern));
}
inline void bloom_contains_group_portable(const BloomProbe* probes, std::size_t count,
                                          Verdict* verdicts) noexcept {
  for (std::size_t i = 0; i < count; ++i)
    verdicts[i] = bloom_verdict(bloom_contains_portable(probes[i].block, probes[i].pattern));
}

#if IDEM_X86_KERNELS

using Words4 [[gnu::vector_size(32)]] = std::uint64_t;
using Signed4 [[gnu::vector_size(32)]] = long long;
using Words8 [[gnu::vector_size(64)]] = std::uint64_t;

[[nodiscard]] IDEM_TARGET_AVX2 inline bool bloom_insert_avx2(std::uint64_t* block,
                                                             std::uint64_t pattern) noexcept {
  constexpr Words4 low_shifts = {16, 22, 28, 34}, high_shifts = {40, 46, 52, 58};
  const Words4 all = {pattern, pattern, pattern, pattern}, one = {1, 1, 1, 1};
  const Words4 low_bits = one << ((all >> low_shifts) & 63);
  const Words4 high_bits = one << ((all >> high_shifts) & 63);
  Words4 low, high;
  std::memcpy(&low, block, sizeof low);
  std::memcpy(&high, block + 4, sizeof high);
  const Words4 missing = (low_bits & ~low) | (high_bits & ~high);
  low |= low_bits;
  high |= high_bits;
  std::memcpy(block, &low, sizeof low);
  std::memcpy(block + 4, &high, sizeof high);
  Signed4 tested;
  std::memcpy(&tested, &missing, sizeof tested);
  return __builtin_ia32_ptestz256(tested, tested) != 0;
}

[[nodiscard]] IDEM_TARGET_AVX2 inline bool bloom_contains_avx2(const std::uint64_t* block,
                                                               std::uint64_t pattern) noexcept {
  constexpr Words4 low_shifts = {16, 22, 28, 34}, high_shifts = {40, 46, 52, 58};
  const Words4 all = {pattern, pattern, pattern, pattern}, one = {1, 1, 1, 1};
  Words4 low, high;
  std::memcpy(&low, block, sizeof low);
  std::memcpy(&high, block + 4, sizeof high);
  const Words4 missing =
      ((one << ((all >> low_shifts) & 63)) & ~low) | ((one << ((all >> high_shifts) & 63)) & ~high);
  Signed4 tested;
  std::memcpy(&tested, &missing, sizeof tested);
  return __builtin_ia32_ptestz256(tested, tested) != 0;
}

[[nodiscard]] IDEM_TARGET_AVX512 inline bool bloom_insert_avx512(std::uint64_t* block,
                                                                 std::uint64_t pattern) noexcept {
  constexpr Words8 shifts = {16, 22, 28, 34, 40, 46, 52, 58};
  const Words8 all = {pattern, pattern, pattern, pattern, pattern, pattern, pattern, pattern};
  const Words8 one = {1, 1, 1, 1, 1, 1, 1, 1};
  const Words8 bits = one << ((all >> shifts) & 63);
  Words8 words;
  std::memcpy(&words, block, sizeof words);
  const Words8 missing = bits & ~words;
  words |= bits;
  std::memcpy(block, &words, sizeof words);
  Signed4 halves[2];
  std::memcpy(halves, &missing, sizeof missing);
  const Signed4 tested = halves[0] | halves[1];
  return __builtin_ia32_ptestz256(tested, tested) != 0;
}

[[nodiscard]] IDEM_TARGET_AVX512 inline bool bloom_contains_avx512(const std::uint64_t* block,
                                                                   std::uint64_t pattern) noexcept {
  constexpr Words8 shifts = {16, 22, 28, 34, 40, 46, 52, 58};
  const Words8 all = {pattern, pattern, pattern, pattern, pattern, pattern, pattern, pattern};
  const Words8 one = {1, 1, 1, 1, 1, 1, 1, 1};
  Words8 words;
  std::memcpy(&words, block, sizeof words);
  const Words8 missing = (one << ((all >> shifts) & 63)) & ~words;
  Signed4 halves[2];
  std::memcpy(halves, &missing, sizeof missing);
  const Signed4 tested = halves[0] | halves[1];
  return __builtin_ia32_ptestz256(tested, tested) != 0;
}

IDEM_TARGET_AVX2 inline void bloom_insert_group_avx2(const BloomProbe* probes, std::size_t count,
                                                     Verdict* verdicts) noexcept {
  for (std::size_t i = 0; i < count; ++i)
    verdicts[i] = bloom_verdict(bloom_insert_avx2(probes[i].block, probes[i].pattern));
}
IDEM_TARGET_AVX2 inline void bloom_contains_group_avx2(const BloomProbe* probes, std::size_t count,
                                                       Verdict* verdicts) noexcept {
  for (std::size_t i = 0; i < count; ++i)
    verdicts[i] = bloom_verdict(bloom_contains_avx2(probes[i].block, probes[i].pattern));
}
IDEM_TARGET_AVX512 inline void bloom_insert_group_avx512(const BloomProbe* probes,
                                                         std::size_t count,
                                                         Verdict* verdicts) noexcept {
  for (std::size_t i = 0; i < count; ++i)
    verdicts[i] = bloom_verdict(bloom_insert_avx512(probes[i].block, probes[i].pattern));
}
IDEM_TARGET_AVX512 inline void bloom_contains_group_avx512(const BloomProbe* probes,
                                                           std::size_t count,
                                                           Verdict* verdicts) noexcept {
  for (std::size_t i = 0; i < count; ++i)
    verdicts[i] = bloom_verdict(bloom_contains_avx512(probes[i].block, probes[i].pattern));
}

#endif

// Where a hash leads; apart, so that a test can plant others.
struct BloomRules {
  [[nodiscard]] static constexpr std::uint64_t block(std::uint64_t hash,
                                                     std::uint64_t blocks) noexcept {
    return multiply_high(hash, blocks);
  }
  [[nodiscard]] static constexpr std::uint64_t pattern(std::uint64_t hash) noexcept {
    return filter_remix(hash);
  }
};

// A blocked Bloom filter over hashes of 64 bits, with the kernels of one instruction set.
//
// An object that was moved from has no block; inserting then answers `full`.
template <class Rules>
class BasicBloomBlocks {
 public:
  static constexpr std::uint64_t block_bytes = ZeroedLines::line_bytes;
  static constexpr std::uint64_t max_blocks = ZeroedLines::max_lines;

  explicit BasicBloomBlocks(Simd simd = best_simd()) noexcept : simd_(simd) {}

  // Takes the blocks, once; false: there is no memory for them.
  [[nodiscard]] bool take(std::uint64_t blocks) noexcept { return lines_.take(blocks); }

  [[nodiscard]] Verdict insert(std::uint64_t hash) noexcept {
    if (lines_.count() == 0) return Verdict::full;
    const BloomProbe probe = probe_of(hash);
#if IDEM_X86_KERNELS
    if (simd_ == Simd::avx512)
      return bloom_verdict(bloom_insert_avx512(probe.block, probe.pattern));
    if (simd_ == Simd::avx2) return bloom_verdict(bloom_insert_avx2(probe.block, probe.pattern));
#endif
    return bloom_verdict(bloom_insert_portable(probe.block, probe.pattern));
  }

  [[nodiscard]] bool contains(std::uint64_t hash) const noexcept {
    if (lines_.count() == 0) return false;
    const BloomProbe probe = probe_of(hash);
#if IDEM_X86_KERNELS
    if (simd_ == Simd::avx512) return bloom_contains_avx512(probe.block, probe.pattern);
    if (simd_ == Simd::avx2) return bloom_contains_avx2(probe.block, probe.pattern);
#endif
    return bloom_contains_portable(probe.block, probe.pattern);
  }

  // The hash of key i is hash_of(i); verdict i goes to verdicts[i].
  void insert(std::size_t count, const auto& hash_of, Verdict* verdicts) noexcept {
    if (lines_.count() == 0) return answer_all(count, Verdict::full, verdicts);
    in_groups(count, hash_of, [&](const BloomProbe* probes, std::size_t size, std::size_t begin) {
#if IDEM_X86_KERNELS
      if (simd_ == Simd::avx512) return bloom_insert_group_avx512(probes, size, verdicts + begin);
      if (simd_ == Simd::avx2) return bloom_insert_group_avx2(probes, size, verdicts + begin);
#endif
      bloom_insert_group_portable(probes, size, verdicts + begin);
    });
  }
  void contains(std::size_t count, const auto& hash_of, Verdict* verdicts) const noexcept {
    if (lines_.count() == 0) return answer_all(count, Verdict::fresh, verdicts);
    in_groups(count, hash_of, [&](const BloomProbe* probes, std::size_t size, std::size_t begin) {
#if IDEM_X86_KERNELS
      if (simd_ == Simd::avx512) return bloom_contains_group_avx512(probes, size, verdicts + begin);
      if (simd_ == Simd::avx2) return bloom_contains_group_avx2(probes, size, verdicts + begin);
#endif
      bloom_contains_group_portable(probes, size, verdicts + begin);
    });
  }

  // By force: g++ takes a function that does nothing but prefetch for one without effect.
  __attribute__((always_inline)) void prefetch(std::uint64_t hash) const noexcept {
    if (lines_.count() != 0) __builtin_prefetch(probe_of(hash).block, 1);
  }

  // Both have equally many blocks.
  void merge(const BasicBloomBlocks& other) noexcept {
    std::uint64_t* const to = lines_.data();
    const std::uint64_t* const from = other.lines_.data();
    for (std::size_t i = 0; i < lines_.words(); ++i) to[i] |= from[i];
  }

  void clear() noexcept { lines_.clear(); }

  [[nodiscard]] std::uint64_t set_bits() const noexcept {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < lines_.words(); ++i)
      sum += static_cast<std::uint64_t>(std::popcount(lines_.data()[i]));
    return sum;
  }

  // The chance that a key never seen finds its bits set, by the array as it is.
  [[nodiscard]] double rate_now() const noexcept {
    double sum = 0;
    for (std::size_t line = 0; line < lines_.count(); ++line) {
      double product = 1;
      for (std::size_t lane = 0; lane < bloom_lanes; ++lane)
        product *= std::popcount(lines_.data()[line * bloom_lanes + lane]) / 64.0;
      sum += product;
    }
    return lines_.count() == 0 ? 0 : sum / static_cast<double>(lines_.count());
  }

  [[nodiscard]] std::size_t blocks() const noexcept { return lines_.count(); }
  [[nodiscard]] std::size_t heap_bytes() const noexcept { return lines_.bytes(); }
  [[nodiscard]] std::span<const std::uint64_t> words() const noexcept {
    return {lines_.data(), lines_.words()};
  }
  [[nodiscard]] std::span<std::uint64_t> words() noexcept {
    return {lines_.data(), lines_.words()};
  }
  [[nodiscard]] Simd simd() const noexcept { return simd_; }

 private:
  // Keys whose lines are on their way while a group is worked on, and the size of a group.
  static constexpr std::size_t ahead = 32;
  static constexpr std::size_t group = 16;
  static constexpr std::size_t ring = 64;
  static_assert(ring >= ahead + group && ring % group == 0);

  [[nodiscard]] BloomProbe probe_of(std::uint64_t hash) const noexcept {
    const auto block = static_cast<std::size_t>(Rules::block(hash, lines_.count()));
    // Const members only read through it.
    auto* const words = const_cast<std::uint64_t*>(lines_.data());
    return {words + block * bloom_lanes, Rules::pattern(hash)};
  }

  void in_groups(std::size_t count, const auto& hash_of, const auto& work) const noexcept {
    std::array<BloomProbe, ring> probes;
    std::size_t prepared = 0;
    const auto prepare_to = [&](std::size_t end) {
      for (; prepared < end; ++prepared) {
        const BloomProbe probe = probe_of(hash_of(prepared));
        __builtin_prefetch(probe.block, 1);
        probes[prepared % ring] = probe;
      }
    };
    prepare_to(smaller(ahead, count));
    for (std::size_t begin = 0; begin < count; begin += group) {
      prepare_to(smaller(prepared + group, count));
      work(probes.data() + begin % ring, smaller(group, count - begin), begin);
    }
  }

  static void answer_all(std::size_t count, Verdict verdict, Verdict* verdicts) noexcept {
    for (std::size_t i = 0; i < count; ++i) verdicts[i] = verdict;
  }

  ZeroedLines lines_;
  Simd simd_;
};

using BloomBlocks = BasicBloomBlocks<BloomRules>;

}  // namespace idem::inline IDEM_ABI::detail
