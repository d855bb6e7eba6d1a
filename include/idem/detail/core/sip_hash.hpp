#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>

namespace idem::inline IDEM_ABI::detail {

// SipHash-c-d (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012), 64- or 128-bit
// output, as a stream.
template <int CompressionRounds, int FinalRounds, bool Wide>
class SipState {
 public:
  SipState(std::uint64_t key_low, std::uint64_t key_high) noexcept
      : v0_(key_low ^ 0x736f6d6570736575),
        v1_(key_high ^ 0x646f72616e646f6d ^ (Wide ? 0xee : 0)),
        v2_(key_low ^ 0x6c7967656e657261),
        v3_(key_high ^ 0x7465646279746573) {}

  void update(std::span<const std::byte> input) noexcept {
    length_ += input.size();
    while (!input.empty() && (pending_ != 0 || input.size() < 8)) {
      tail_ |= std::to_integer<std::uint64_t>(input.front()) << (8 * pending_);
      input = input.subspan(1);
      if (++pending_ < 8) continue;
      compress(tail_);
      tail_ = 0;
      pending_ = 0;
    }
    while (input.size() >= 8) {
      compress(load_little<std::uint64_t>(input.data()));
      input = input.subspan(8);
    }
    for (const std::byte rest : input) {
      tail_ |= std::to_integer<std::uint64_t>(rest) << (8 * pending_);
      ++pending_;
    }
  }

  // One word of input: what update() does with its eight little-endian bytes, when nothing is
  // pending.
  void update_word(std::uint64_t word) noexcept {
    length_ += 8;
    compress(word);
  }

  struct Output {
    std::uint64_t first, second;
  };

  // `second` is 0 unless Wide.
  [[nodiscard]] Output finish() const noexcept {
    SipState last = *this;
    last.compress(length_ << 56 | tail_);
    last.v2_ ^= Wide ? 0xee : 0xff;
    const std::uint64_t first = last.squeeze();
    if constexpr (!Wide) return {first, 0};
    last.v1_ ^= 0xdd;
    return {first, last.squeeze()};
  }

 private:
  void round() noexcept {
    v0_ += v1_;
    v2_ += v3_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v1_;
    v0_ += v3_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ = std::rotl(v2_, 32);
  }
  void compress(std::uint64_t word) noexcept {
    v3_ ^= word;
    for (int i = 0; i < CompressionRounds; ++i) round();
    v0_ ^= word;
  }
  [[nodiscard]] std::uint64_t squeeze() noexcept {
    for (int i = 0; i < FinalRounds; ++i) round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

  std::uint64_t v0_, v1_, v2_, v3_;
  std::uint64_t tail_ = 0;
  std::uint64_t length_ = 0;
  unsigned pending_ = 0;
};

}  // namespace idem::inline IDEM_ABI::detail
