#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/simd.hpp>
#include <idem/detail/core/words.hpp>

// XXH3 with 128 bits for inputs longer than 240 bytes, compiled for AVX2 in every build: xxHash chooses its
// instruction set when it is compiled, and in a plain build that is SSE2, at half of the speed.
// The values are those of XXH3_128bits_withSeed.
//
// Source  github.com/Cyan4973/xxHash, doc/xxhash_spec.md, "XXH3 Algorithm (for longer inputs)".

#if IDEM_X86_KERNELS && !defined(__AVX2__)
#define IDEM_XXH3_AVX2 1
#else
#define IDEM_XXH3_AVX2 0
#endif

namespace idem::inline IDEM_ABI::detail {

inline constexpr std::size_t xxh3_longest_short = 240;

}  // namespace idem::inline IDEM_ABI::detail

#if IDEM_XXH3_AVX2

namespace idem::inline IDEM_ABI::detail {

inline constexpr std::array<std::uint64_t, 24> xxh3_words = {
    {0xbe4ba423396cfeb8, 0x1cad21f72c81017c, 0xdb979083e96dd4de, 0x1f67b3b7a4a44072,
     0x78e5c0cc4ee679cb, 0x2172ffcc7dd05a82, 0x8e2443f7744608b8, 0x4c263a81e69035e0,
     0xcb00c391bb52283c, 0xa32e531b8b65d088, 0x4ef90da297486471, 0xd8acdea946ef1938,
     0x3f349ce33f76faa8, 0x1d4f0bc7c7bbdcf9, 0x3159b4cd4be0518a, 0x647378d9c97e9fc8,
     0xc3ebd33483acc5ea, 0xeb6313faffa081c5, 0x49daf0b751dd0d17, 0x9e68d429265516d3,
     0xfca1477d58be162b, 0xce31d07ad1b8f88f, 0x280416958f3acb45, 0x7e404bbbcafbd7af}};

using Xxh3Lanes [[gnu::vector_size(32)]] = std::uint64_t;
using Xxh3Halves [[gnu::vector_size(32)]] = int;

struct Xxh3Sums {
  Xxh3Lanes low, high;
};

[[gnu::always_inline]] IDEM_TARGET_AVX2 inline Xxh3Lanes xxh3_lanes(const void* at) noexcept {
  Xxh3Lanes lanes;
  std::memcpy(&lanes, at, sizeof lanes);
  return lanes;
}

// One lane: the neighbour's sum takes the word, the own one the product of the halves of word ^ key.
[[gnu::always_inline]] IDEM_TARGET_AVX2 inline Xxh3Lanes xxh3_add(Xxh3Lanes sum,
                                                                  const std::byte* input,
                                                                  Xxh3Lanes key) noexcept {
  const Xxh3Lanes word = xxh3_lanes(input);
  key ^= word;
  const Xxh3Lanes high = key >> 32;
  Xxh3Halves left, right;
  std::memcpy(&left, &key, sizeof left);
  std::memcpy(&right, &high, sizeof right);
  const auto product = __builtin_ia32_pmuludq256(left, right);
  Xxh3Lanes added;
  std::memcpy(&added, &product, sizeof added);
  return sum + added + __builtin_shufflevector(word, word, 1, 0, 3, 2);
}

// The secret under a seed, which is added to its words of even number and taken from the others. Made where it is
// used: what was just written to memory cannot be read at other bounds until the writes have ended, so that each
// digest would wait for its first keys, and with it the loads of the next.
struct Xxh3Secret {
  Xxh3Lanes from_even, from_odd;

  [[gnu::always_inline]] IDEM_TARGET_AVX2 inline Xxh3Lanes even(std::size_t word) const noexcept {
    return xxh3_lanes(xxh3_words.data() + word) + from_even;
  }
  [[gnu::always_inline]] IDEM_TARGET_AVX2 inline Xxh3Lanes odd(std::size_t word) const noexcept {
    return xxh3_lanes(xxh3_words.data() + word) + from_odd;
  }
};

// `ahead`: the distance at which memory is fetched, none where that is not inside the input.
template <std::size_t ahead = 0>
[[gnu::always_inline]] IDEM_TARGET_AVX2 inline void xxh3_add_stripes(
    Xxh3Sums& sums, const std::byte* at, std::size_t count, const Xxh3Secret& secret) noexcept {
  std::size_t i = 0;
  // Not unrolled: g++ would make all words of the secret at once, and keep them in memory again.
#pragma GCC unroll 1
  for (; i + 1 < count; i += 2, at += 128) {
    if constexpr (ahead != 0) {
      __builtin_prefetch(at + ahead);
      __builtin_prefetch(at + ahead + 64);
    }
    sums.low = xxh3_add(sums.low, at, secret.even(i));
    sums.high = xxh3_add(sums.high, at + 32, secret.even(i + 4));
    sums.low = xxh3_add(sums.low, at + 64, secret.odd(i + 1));
    sums.high = xxh3_add(sums.high, at + 96, secret.odd(i + 5));
  }
  if (i == count) return;
  sums.low = xxh3_add(sums.low, at, secret.even(i));
  sums.high = xxh3_add(sums.high, at + 32, secret.even(i + 4));
}

[[gnu::always_inline]] IDEM_TARGET_AVX2 inline Xxh3Lanes xxh3_scramble(Xxh3Lanes sum,
                                                                       Xxh3Lanes key) noexcept {
  sum = (sum ^ sum >> 47) ^ key;
  // Times 0x9e3779b1, in halves: there is no product of 64 bits.
  const Xxh3Lanes prime = {0x9e3779b1, 0x9e3779b1, 0x9e3779b1, 0x9e3779b1}, upper = sum >> 32;
  Xxh3Halves low, high, factor;
  std::memcpy(&low, &sum, sizeof low);
  std::memcpy(&high, &upper, sizeof high);
  std::memcpy(&factor, &prime, sizeof factor);
  const auto low_product = __builtin_ia32_pmuludq256(low, factor);
  const auto high_product = __builtin_ia32_pmuludq256(high, factor);
  Xxh3Lanes a, b;
  std::memcpy(&a, &low_product, sizeof a);
  std::memcpy(&b, &high_product, sizeof b);
  return a + (b << 32);
}

[[nodiscard]] inline std::uint64_t xxh3_merged(const std::uint64_t* sums, const std::byte* secret,
                                               std::uint64_t start) noexcept {
  __extension__ using Wide = unsigned __int128;
  for (std::size_t i = 0; i < 8; i += 2) {
    const Wide product = Wide{sums[i] ^ load_little<std::uint64_t>(secret + 8 * i)} *
                         (sums[i + 1] ^ load_little<std::uint64_t>(secret + 8 * i + 8));
    start += static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }
  start ^= start >> 37;
  start *= 0x165667919e3779f9;
  return start ^ start >> 32;
}

// The high and the low word of the hash of more than 240 bytes.
[[nodiscard]] IDEM_TARGET_AVX2 inline std::pair<std::uint64_t, std::uint64_t> xxh3_long_avx2(
    const std::byte* input, std::size_t size, std::uint64_t seed) noexcept {
  constexpr std::size_t stripe = 64, stripes = 16, block = stripe * stripes;
  constexpr std::uint64_t prime1 = 0x9e3779b185ebca87, prime2 = 0xc2b2ae3d27d4eb4f;
  const std::uint64_t minus = ~seed + 1;
  const Xxh3Secret secret{{seed, minus, seed, minus}, {minus, seed, minus, seed}};
  // The end reads it at bounds of bytes.
  std::byte bytes[192];
  for (std::size_t i = 0; i < 24; i += 4) {
    const Xxh3Lanes lanes = secret.even(i);
    std::memcpy(bytes + 8 * i, &lanes, sizeof lanes);
  }
  Xxh3Sums sums{{0xc2b2ae3d, prime1, prime2, 0x165667b19e3779f9},
                {0x85ebca77c2b2ae63, 0x85ebca77, 0x27d4eb2f165667c5, 0x9e3779b1}};
  const std::byte* at = input;
  std::size_t left = size;
  for (; left > block; left -= block, at += block) {
    if (left >= 2 * block) {
      xxh3_add_stripes<block>(sums, at, stripes, secret);
    } else {
      xxh3_add_stripes(sums, at, stripes, secret);
    }
    sums.low = xxh3_scramble(sums.low, secret.even(16));
    sums.high = xxh3_scramble(sums.high, secret.even(20));
  }
  xxh3_add_stripes(sums, at, (left - 1) / stripe, secret);
  const std::byte* const last = input + size - stripe;
  sums.low = xxh3_add(sums.low, last, xxh3_lanes(bytes + 121));
  sums.high = xxh3_add(sums.high, last + 32, xxh3_lanes(bytes + 153));

  std::uint64_t words[8];
  std::memcpy(words, &sums, sizeof words);
  return {xxh3_merged(words, bytes + 117, ~(size * prime2)),
          xxh3_merged(words, bytes + 11, size * prime1)};
}

}  // namespace idem::inline IDEM_ABI::detail

#endif
