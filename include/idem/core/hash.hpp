#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#if defined(XXH_NO_XXH3) || defined(XXH_NO_STREAM)
#error "idem needs all of XXH3: do not define XXH_NO_XXH3 or XXH_NO_STREAM before including it"
#endif
#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#if defined(__GNUC__) && !defined(__clang__)
// g++ 12 takes the intrinsics that xxHash inlines on AVX-512 for uninitialised reads (GCC bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <xxhash.h>
#pragma GCC diagnostic pop
#else
#include <xxhash.h>
#endif

#include <idem/core/seed.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/simd.hpp>
#include <idem/detail/core/sip_hash.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/core/xxh3_long.hpp>

namespace idem::inline IDEM_ABI {

// A 128-bit digest of a key or a content. Under the default hash two different inputs that nobody
// crafted share one with probability 2^-128 a pair: n keys collide with probability n^2 /
// 2^129, 1.5e-15 for 1e12 of them. See core/collision_odds.hpp.
struct Digest {
  std::uint64_t hi = 0;
  std::uint64_t lo = 0;

  friend constexpr auto operator<=>(const Digest&, const Digest&) = default;
};

// What a memory asks of a hash: 64 well-mixed bits for a fixed-width id, and digests of bytes, at
// once or as a stream.
// clang-format off
template <class H>
concept HashPolicy = std::copyable<H> && std::constructible_from<H, Seed> &&
    requires(const H hash, std::uint64_t word, std::span<const std::byte> bytes,
             typename H::Stream stream) {
  { hash.slot(word) } noexcept -> std::same_as<std::uint64_t>;
  { hash.slot(word, word) } noexcept -> std::same_as<std::uint64_t>;
  { hash.digest(bytes) } noexcept -> std::same_as<Digest>;
  { hash.seed() } noexcept -> std::same_as<Seed>;
  requires std::constructible_from<typename H::Stream, const H&>;
  { stream.update(bytes) } noexcept;
  { stream.finish() } noexcept -> std::same_as<Digest>;
};
// clang-format on

// The default hash: XXH3 (xxHash 0.8), 64 bits for slots and 128 for digests, under the first word
// of the seed.
//
// Guarantee  against accidents, not adversaries: it is no cryptographic hash, and inputs can be
//            crafted that collide under far more seeds than chance would have it. Where strangers
//            choose the keys and gain by having a message dropped, take SipHash (the policy axis
//            HostileKeys).
// Values     the same on every machine for the same seed and bytes; pinned by the tests.
// Costs      digests of more than 240 bytes use AVX-512 or AVX2 where the processor has it, in a
//            plain build too; a Stream uses what the build was compiled for.
// Source     github.com/Cyan4973/xxHash, XXH3_64bits_withSeed and XXH3_128bits_withSeed.
class Xxh3Hash {
 public:
  explicit Xxh3Hash(Seed seed) noexcept : seed_(seed) {}

  [[nodiscard]] std::uint64_t slot(std::uint64_t id) const noexcept {
    std::byte bytes[8];
    detail::store_little(bytes, id);
    return XXH3_64bits_withSeed(bytes, sizeof bytes, seed_.first);
  }
  [[nodiscard]] std::uint64_t slot(std::uint64_t hi, std::uint64_t lo) const noexcept {
    std::byte bytes[16];
    detail::store_little(bytes, lo);
    detail::store_little(bytes + 8, hi);
    return XXH3_64bits_withSeed(bytes, sizeof bytes, seed_.first);
  }
  [[nodiscard]] Digest digest(std::span<const std::byte> bytes) const noexcept {
#if IDEM_XXH3_KERNELS
    if (bytes.size() > detail::xxh3_longest_short) {
      if (detail::processor_has(detail::Simd::avx512)) {
        const auto out = detail::xxh3_long_avx512(bytes.data(), bytes.size(), seed_.first);
        return {out.first, out.second};
      }
      if (detail::processor_has(detail::Simd::avx2)) {
        const auto out = detail::xxh3_long_avx2(bytes.data(), bytes.size(), seed_.first);
        return {out.first, out.second};
      }
    }
#endif
    return from_xxh(XXH3_128bits_withSeed(bytes.data(), bytes.size(), seed_.first));
  }
  [[nodiscard]] Seed seed() const noexcept { return seed_; }

  // The digest of bytes that arrive in pieces; equal to digest() of their concatenation. 600 bytes;
  // best fed 4 KiB or more at a time.
  class Stream {
   public:
    explicit Stream(const Xxh3Hash& hash) noexcept {
      XXH3_INITSTATE(&state_);  // the reset below reads it, and trusts a seed that happens to match
      XXH3_128bits_reset_withSeed(&state_, hash.seed_.first);
    }
    void update(std::span<const std::byte> bytes) noexcept {
      if (!bytes.empty()) XXH3_128bits_update(&state_, bytes.data(), bytes.size());
    }
    [[nodiscard]] Digest finish() const noexcept { return from_xxh(XXH3_128bits_digest(&state_)); }

   private:
    XXH3_state_t state_;
  };

 private:
  [[nodiscard]] static Digest from_xxh(XXH128_hash_t value) noexcept {
    return {value.high64, value.low64};
  }

  Seed seed_;
};

// The hash for keys that adversaries choose: SipHash under the whole seed as its key, SipHash-1-3
// for slots and SipHash-2-4 with 128 bits for digests.
//
// Guarantee  a pseudo-random function: who does not know the seed can neither aim at a slot nor at
//            a digest, however many answers they see.
// Costs      several times XXH3's time for an id, and more than ten times for long contents;
//            bench/bench_hash tells.
// Source     Aumasson and Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012.
class SipHash {
 public:
  explicit SipHash(Seed seed) noexcept : seed_(seed) {}

  [[nodiscard]] std::uint64_t slot(std::uint64_t id) const noexcept {
    SlotState state(seed_.first, seed_.second);
    state.update_word(id);
    return state.finish().first;
  }
  [[nodiscard]] std::uint64_t slot(std::uint64_t hi, std::uint64_t lo) const noexcept {
    SlotState state(seed_.first, seed_.second);
    state.update_word(lo);
    state.update_word(hi);
    return state.finish().first;
  }
  [[nodiscard]] Digest digest(std::span<const std::byte> bytes) const noexcept {
    Stream stream(*this);
    stream.update(bytes);
    return stream.finish();
  }
  [[nodiscard]] Seed seed() const noexcept { return seed_; }

  // The digest of bytes that arrive in pieces; equal to digest() of their concatenation.
  class Stream {
   public:
    explicit Stream(const SipHash& hash) noexcept : state_(hash.seed_.first, hash.seed_.second) {}
    void update(std::span<const std::byte> bytes) noexcept { state_.update(bytes); }
    [[nodiscard]] Digest finish() const noexcept {
      const auto out = state_.finish();
      return {out.second, out.first};
    }

   private:
    detail::SipState<2, 4, true> state_;
  };

 private:
  using SlotState = detail::SipState<1, 3, false>;

  Seed seed_;
};

}  // namespace idem::inline IDEM_ABI
