#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/simd.hpp>
#include <idem/detail/core/words.hpp>

// XXH3 with 128 bits for inputs longer than 240 bytes, compiled for AVX2 and AVX-512 in every build: xxHash chooses its
// instruction set when it is compiled, and in a plain build that is SSE2, at half of the speed and less.
// The values are those of XXH3_128bits_withSeed.
//
// Source  github.com/Cyan4973/xxHash, doc/xxhash_spec.md, "XXH3 Algorithm (for longer inputs)".

#if IDEM_X86_KERNELS && !defined(__AVX512F__)
#define IDEM_XXH3_KERNELS 1
#else
#define IDEM_XXH3_KERNELS 0
#endif

namespace idem::inline IDEM_ABI::detail {

inline constexpr std::size_t xxh3_longest_short = 240;

}  // namespace idem::inline IDEM_ABI::detail

#if IDEM_XXH3_KERNELS

namespace idem::inline IDEM_ABI::detail {

inline constexpr std::array<std::uint64_t, 24> xxh3_words = {
    {0xbe4ba423396cfeb8, 0x1cad21f72c81017c, 0xdb979083e96dd4de, 0x1f67b3b7a4a44072,
     0x78e5c0cc4ee679cb, 0x2172ffcc7dd05a82, 0x8e2443f7744608b8, 0x4c263a81e69035e0,
     0xcb00c391bb52283c, 0xa32e531b8b65d088, 0x4ef90da297486471, 0xd8acdea946ef1938,
     0x3f349ce33f76faa8, 0x1d4f0bc7c7bbdcf9, 0x3159b4cd4be0518a, 0x647378d9c97e9fc8,
     0xc3ebd33483acc5ea, 0xeb6313faffa081c5, 0x49daf0b751dd0d17, 0x9e68d429265516d3,
     0xfca1477d58be162b, 0xce31d07ad1b8f88f, 0x280416958f3acb45, 0x7e404bbbcafbd7af}};

inline constexpr std::size_t xxh3_stripe = 64, xxh3_stripes = 16,
                             xxh3_block = xxh3_stripe * xxh3_stripes;
inline constexpr std::uint64_t xxh3_prime1 = 0x9e3779b185ebca87, xxh3_prime2 = 0xc2b2ae3d27d4eb4f;

// What the sums under their part of the secret come to.
[[nodiscard]] inline std::uint64_t xxh3_merged(const std::array<std::uint64_t, 8>& keyed,
                                               std::uint64_t start) noexcept {
  __extension__ using Wide = unsigned __int128;
  for (std::size_t i = 0; i < 8; i += 2) {
    const Wide product = Wide{keyed[i]} * keyed[i + 1];
    start += static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }
  start ^= start >> 37;
  start *= 0x165667919e3779f9;
  return start ^ start >> 32;
}
// The high and the low word of the hash.
[[nodiscard]] inline std::pair<std::uint64_t, std::uint64_t> xxh3_end(const auto& high,
                                                                      const auto& low,
                                                                      std::size_t size) noexcept {
  std::array<std::uint64_t, 8> keyed_high, keyed_low;
  std::memcpy(keyed_high.data(), &high, sizeof keyed_high);
  std::memcpy(keyed_low.data(), &low, sizeof keyed_low);
  return {xxh3_merged(keyed_high, ~(size * xxh3_prime2)),
          xxh3_merged(keyed_low, size * xxh3_prime1)};
}

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

[[nodiscard]] IDEM_TARGET_AVX2 inline std::pair<std::uint64_t, std::uint64_t> xxh3_long_avx2(
    const std::byte* input, std::size_t size, std::uint64_t seed) noexcept {
  const std::uint64_t minus = ~seed + 1;
  const Xxh3Secret secret{{seed, minus, seed, minus}, {minus, seed, minus, seed}};
  Xxh3Sums sums{{0xc2b2ae3d, xxh3_prime1, xxh3_prime2, 0x165667b19e3779f9},
                {0x85ebca77c2b2ae63, 0x85ebca77, 0x27d4eb2f165667c5, 0x9e3779b1}};
  const std::byte* at = input;
  std::size_t left = size;
  for (; left > xxh3_block; left -= xxh3_block, at += xxh3_block) {
    if (left >= 2 * xxh3_block) {
      xxh3_add_stripes<xxh3_block>(sums, at, xxh3_stripes, secret);
    } else {
      xxh3_add_stripes(sums, at, xxh3_stripes, secret);
    }
    sums.low = xxh3_scramble(sums.low, secret.even(16));
    sums.high = xxh3_scramble(sums.high, secret.even(20));
  }
  xxh3_add_stripes(sums, at, (left - 1) / xxh3_stripe, secret);
  const std::byte* const last = input + size - xxh3_stripe;
  // From here on the secret is read at bounds of bytes: 121, 117 and 11.
  sums.low = xxh3_add(sums.low, last, secret.odd(15) >> 8 | secret.even(16) << 56);
  sums.high = xxh3_add(sums.high, last + 32, secret.odd(19) >> 8 | secret.even(20) << 56);
  const Xxh3Sums high{sums.low ^ (secret.even(14) >> 40 | secret.odd(15) << 24),
                      sums.high ^ (secret.even(18) >> 40 | secret.odd(19) << 24)};
  const Xxh3Sums low{sums.low ^ (secret.odd(1) >> 24 | secret.even(2) << 40),
                     sums.high ^ (secret.odd(5) >> 24 | secret.even(6) << 40)};
  return xxh3_end(high, low, size);
}

// The same with a stripe in one word.

using Xxh3Wide [[gnu::vector_size(64)]] = std::uint64_t;

[[gnu::always_inline]] IDEM_TARGET_AVX512 inline Xxh3Wide xxh3_wide(const void* at) noexcept {
  Xxh3Wide wide;
  std::memcpy(&wide, at, sizeof wide);
  return wide;
}
// The products of the low halves.
[[gnu::always_inline]] IDEM_TARGET_AVX512 inline Xxh3Wide xxh3_wide_product(Xxh3Wide a,
                                                                            Xxh3Wide b) noexcept {
  using Halves [[gnu::vector_size(64)]] = int;
  const auto left = reinterpret_cast<Halves>(a), right = reinterpret_cast<Halves>(b);
#if defined(__clang__)
  return reinterpret_cast<Xxh3Wide>(__builtin_ia32_pmuludq512(left, right));
#else
  using Signed [[gnu::vector_size(64)]] = long long;
  return reinterpret_cast<Xxh3Wide>(__builtin_ia32_pmuludq512_mask(left, right, Signed{}, 0xff));
#endif
}
[[gnu::always_inline]] IDEM_TARGET_AVX512 inline Xxh3Wide xxh3_wide_add(Xxh3Wide sum,
                                                                        const std::byte* input,
                                                                        Xxh3Wide key) noexcept {
  // In halves, as a load of 64 bytes nearly always lies across two lines: out of cache that takes half as long again.
  Xxh3Lanes first, second;
  std::memcpy(&first, input, sizeof first);
  std::memcpy(&second, input + sizeof first, sizeof second);
  const Xxh3Wide word = __builtin_shufflevector(first, second, 0, 1, 2, 3, 4, 5, 6, 7);
  key ^= word;
  return sum + xxh3_wide_product(key, key >> 32) +
         __builtin_shufflevector(word, word, 1, 0, 3, 2, 5, 4, 7, 6);
}

struct Xxh3WideSecret {
  Xxh3Wide from_even, from_odd;

  [[gnu::always_inline]] IDEM_TARGET_AVX512 inline Xxh3Wide even(std::size_t word) const noexcept {
    return xxh3_wide(xxh3_words.data() + word) + from_even;
  }
  [[gnu::always_inline]] IDEM_TARGET_AVX512 inline Xxh3Wide odd(std::size_t word) const noexcept {
    return xxh3_wide(xxh3_words.data() + word) + from_odd;
  }
};

template <std::size_t ahead = 0>
[[gnu::always_inline]] IDEM_TARGET_AVX512 inline void xxh3_wide_add_stripes(
    Xxh3Wide& sum, const std::byte* at, std::size_t count, const Xxh3WideSecret& secret) noexcept {
  std::size_t i = 0;
#pragma GCC unroll 1
  for (; i + 1 < count; i += 2, at += 128) {
    if constexpr (ahead != 0) {
      __builtin_prefetch(at + ahead);
      __builtin_prefetch(at + ahead + 64);
    }
    sum = xxh3_wide_add(sum, at, secret.even(i));
    sum = xxh3_wide_add(sum, at + 64, secret.odd(i + 1));
  }
  if (i < count) sum = xxh3_wide_add(sum, at, secret.even(i));
}

[[nodiscard]] IDEM_TARGET_AVX512 inline std::pair<std::uint64_t, std::uint64_t> xxh3_long_avx512(
    const std::byte* input, std::size_t size, std::uint64_t seed) noexcept {
  const std::uint64_t minus = ~seed + 1;
  const Xxh3WideSecret secret{{seed, minus, seed, minus, seed, minus, seed, minus},
                              {minus, seed, minus, seed, minus, seed, minus, seed}};
  Xxh3Wide sum{0xc2b2ae3d,         xxh3_prime1, xxh3_prime2,        0x165667b19e3779f9,
               0x85ebca77c2b2ae63, 0x85ebca77,  0x27d4eb2f165667c5, 0x9e3779b1};
  const std::byte* at = input;
  std::size_t left = size;
  for (; left > xxh3_block; left -= xxh3_block, at += xxh3_block) {
    if (left >= 2 * xxh3_block) {
      xxh3_wide_add_stripes<xxh3_block>(sum, at, xxh3_stripes, secret);
    } else {
      xxh3_wide_add_stripes(sum, at, xxh3_stripes, secret);
    }
    sum = (sum ^ sum >> 47) ^ secret.even(16);
    const Xxh3Wide prime = Xxh3Wide{} + 0x9e3779b1;
    sum = xxh3_wide_product(sum, prime) + (xxh3_wide_product(sum >> 32, prime) << 32);
  }
  xxh3_wide_add_stripes(sum, at, (left - 1) / xxh3_stripe, secret);
  sum = xxh3_wide_add(sum, input + size - xxh3_stripe, secret.odd(15) >> 8 | secret.even(16) << 56);
  const Xxh3Wide high = sum ^ (secret.even(14) >> 40 | secret.odd(15) << 24);
  const Xxh3Wide low = sum ^ (secret.odd(1) >> 24 | secret.even(2) << 40);
  return xxh3_end(high, low, size);
}

}  // namespace idem::inline IDEM_ABI::detail

#endif
