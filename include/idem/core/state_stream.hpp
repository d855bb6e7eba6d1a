#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include <idem/core/error.hpp>
#include <idem/core/hash.hpp>
#include <idem/core/state.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/core/xxh3_long.hpp>

// How the payload of a state is written and read.

namespace idem::inline IDEM_ABI {

namespace detail {

[[nodiscard]] inline std::uint64_t checksum(std::span<const std::byte> bytes,
                                            std::uint64_t seed) noexcept {
  // Of a long input, 64 bits are the low word of 128.
  if (bytes.size() > xxh3_longest_short) return Xxh3Hash(Seed{.first = seed}).digest(bytes).lo;
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

// The payload is cut into blocks; behind each stands its checksum, seeded with the one before.
inline constexpr std::size_t state_block_bytes = 65536;
inline constexpr std::size_t state_checksum_bytes = 8;

[[nodiscard]] constexpr std::uint64_t state_blocks(std::uint64_t payload) noexcept {
  return payload / state_block_bytes + (payload % state_block_bytes != 0 ? 1 : 0);
}

}  // namespace detail

// Takes a payload, little-endian and of a length said before, and hands it on in checksummed blocks.
// A write that cannot be made makes every later one fail; what throws is the caller's sink.
class StateWriter {
 public:
  // Takes a whole block and its checksum; false: it could not.
  using Take = bool (*)(void* context, std::span<const std::byte> bytes);

  // Into one run of bytes, which is exactly as long as the blocks and their checksums.
  StateWriter(std::span<std::byte> room, std::uint64_t payload, std::uint64_t chain) noexcept
      : room_(room), left_(payload), chain_(chain) {}
  // Through a buffer of one block and its checksum.
  StateWriter(std::span<std::byte> buffer, std::uint64_t payload, std::uint64_t chain, Take take,
              void* context) noexcept
      : room_(buffer), left_(payload), take_(take), context_(context), chain_(chain) {}

  bool u8(std::uint8_t value) { return integer(value); }
  bool u16(std::uint16_t value) { return integer(value); }
  bool u32(std::uint32_t value) { return integer(value); }
  bool u64(std::uint64_t value) { return integer(value); }
  bool i16(std::int16_t value) { return integer(static_cast<std::uint16_t>(value)); }
  bool i32(std::int32_t value) { return integer(static_cast<std::uint32_t>(value)); }
  bool i64(std::int64_t value) { return integer(static_cast<std::uint64_t>(value)); }

  bool bytes(std::span<const std::byte> value) {
    while (!value.empty()) {
      if (used_ == block_ && !next_block()) return false;
      const std::size_t count = detail::smaller(value.size(), block_ - used_);
      std::memcpy(room_.data() + used_, value.data(), count);
      used_ += count;
      value = value.subspan(count);
    }
    return ok_;
  }

  // Where the next bytes go, at most so many and at most to the end of the block, to be written there
  // before anything else is called but wrote(how many); none: the payload has ended or something is
  // wrong. For runs of small things.
  [[nodiscard]] std::span<std::byte> room(std::size_t most) {
    if (used_ == block_ && (left_ == 0 || !next_block())) return {};
    return room_.subspan(used_, detail::smaller(most, block_ - used_));
  }
  void wrote(std::size_t size) noexcept { used_ += size; }

  // Closes the last block. Whether all of the payload was written.
  [[nodiscard]] bool finish() {
    if (left_ != 0 || used_ != block_) ok_ = false;
    if (ok_ && used_ != 0) close_block();
    return ok_;
  }
  [[nodiscard]] bool ok() const noexcept { return ok_; }

 private:
  template <class T>
  bool integer(T value) {
    if (block_ - used_ >= sizeof value) [[likely]] {
      detail::store_little(room_.data() + used_, value);
      used_ += sizeof value;
      return true;
    }
    std::array<std::byte, sizeof value> bytes_of_value;
    detail::store_little(bytes_of_value.data(), value);
    return bytes(bytes_of_value);
  }

  void close_block() {
    chain_ = detail::checksum(room_.first(used_), chain_);
    detail::store_little(room_.data() + used_, chain_);
    const std::size_t size = used_ + detail::state_checksum_bytes;
    if (take_ == nullptr) {
      room_ = room_.subspan(size);
    } else if (!take_(context_, room_.first(size))) {
      ok_ = false;
    }
    used_ = block_ = 0;
  }

  [[nodiscard]] bool next_block() {
    if (ok_ && used_ != 0) close_block();
    if (left_ == 0) ok_ = false;
    if (!ok_) return false;
    block_ =
        static_cast<std::size_t>(detail::smaller<std::uint64_t>(detail::state_block_bytes, left_));
    left_ -= block_;
    return true;
  }

  std::span<std::byte> room_;
  std::size_t used_ = 0;   // of the block being filled
  std::size_t block_ = 0;  // its size
  std::uint64_t left_;     // behind it
  Take take_ = nullptr;
  void* context_ = nullptr;
  std::uint64_t chain_;
  bool ok_ = true;
};

// Gives a payload back, block by block; no byte of a block is seen before its checksum was found
// right. A read that does not fit the payload, and every one behind a block that is not whole,
// fails.
class StateReader {
 public:
  // Fills all of `to`; false: the source has ended or failed.
  using Fill = bool (*)(void* context, std::span<std::byte> to);

  // `blocks` begins with the first block and `payload` was checked against its size; `origin` is
  // where in the input the first block stands.
  StateReader(std::span<const std::byte> blocks, std::uint64_t payload, std::uint64_t chain,
              std::size_t origin) noexcept
      : input_(blocks), end_(payload), payload_(payload), chain_(chain), origin_(origin) {}
  // Through a buffer of one block and its checksum.
  StateReader(std::span<std::byte> buffer, Fill fill, void* context, std::uint64_t payload,
              std::uint64_t chain, std::size_t origin) noexcept
      : buffer_(buffer),
        fill_(fill),
        context_(context),
        end_(payload),
        payload_(payload),
        chain_(chain),
        origin_(origin) {}

  [[nodiscard]] bool u8(std::uint8_t& value) { return integer(value); }
  [[nodiscard]] bool u16(std::uint16_t& value) { return integer(value); }
  [[nodiscard]] bool u32(std::uint32_t& value) { return integer(value); }
  [[nodiscard]] bool u64(std::uint64_t& value) { return integer(value); }
  [[nodiscard]] bool i16(std::int16_t& value) { return signed_integer(value); }
  [[nodiscard]] bool i32(std::int32_t& value) { return signed_integer(value); }
  [[nodiscard]] bool i64(std::int64_t& value) { return signed_integer(value); }

  // Fills `to`; on a failure part of it may have been written.
  [[nodiscard]] bool copy(std::span<std::byte> to) {
    if (to.size() > remaining()) return fail();
    while (!to.empty()) {
      const std::span<const std::byte> piece = take(to.size());
      if (piece.empty()) return false;
      std::memcpy(to.data(), piece.data(), piece.size());
      to = to.subspan(piece.size());
    }
    return ok();
  }

  // The next bytes, at most so many and at most to the end of the block, without a copy; none: the
  // payload has ended or something is wrong. Valid until the next call.
  [[nodiscard]] std::span<const std::byte> take(std::size_t most) {
    if (block_.empty() && !next_block()) return {};
    const std::size_t count = detail::smaller(most, block_.size());
    const auto taken = block_.first(count);
    block_ = block_.subspan(count);
    return taken;
  }

  // Checks the first block, where there is one: before a decoder allocates anything.
  [[nodiscard]] bool open() { return end_ == 0 || !block_.empty() || next_block(); }

  // The next `size` bytes, which must be there, become all there is; leave(what this returned) when
  // they have been read.
  [[nodiscard]] std::uint64_t enter(std::uint64_t size) noexcept {
    const std::uint64_t outer = end_;
    end_ = read() + size;
    block_ =
        block_.first(static_cast<std::size_t>(detail::smaller<std::uint64_t>(block_.size(), size)));
    return outer;
  }
  void leave(std::uint64_t outer) noexcept {
    const std::uint64_t at = read();
    end_ = outer;
    // What is behind these bytes in their block.
    block_ = {block_.data(), static_cast<std::size_t>(detail::smaller(checked_, end_) - at)};
  }

  // Of the payload, as long as the frame says it is, or of what was entered.
  [[nodiscard]] std::uint64_t remaining() const noexcept { return failed_ ? 0 : end_ - read(); }
  // Where the next byte stands in the input.
  [[nodiscard]] std::size_t position() const noexcept {
    const std::uint64_t read = this->read();
    // At a seam the next byte is behind the checksum.
    const std::uint64_t seams = read / detail::state_block_bytes;
    return origin_ + static_cast<std::size_t>(read + seams * detail::state_checksum_bytes);
  }
  [[nodiscard]] bool ok() const noexcept { return !failed_; }
  // What is wrong with the input itself, where a read failed for that: its end, or a checksum.
  [[nodiscard]] const std::optional<Error>& fault() const noexcept { return fault_; }

 private:
  // Bytes of the payload that were given back.
  [[nodiscard]] std::uint64_t read() const noexcept {
    return detail::smaller(checked_, end_) - block_.size();
  }

  [[nodiscard]] bool fail() noexcept {
    checked_ = end_ = read();  // the position stays
    failed_ = true;
    block_ = {};
    return false;
  }
  [[nodiscard]] bool fail(ErrorCode code, std::string_view what) noexcept {
    fault_ = Error{code, position(), what};
    return fail();
  }

  [[nodiscard]] bool next_block() {
    if (failed_ || checked_ >= end_) return fail();
    const auto size = static_cast<std::size_t>(
        detail::smaller<std::uint64_t>(detail::state_block_bytes, payload_ - checked_));
    const std::size_t whole = size + detail::state_checksum_bytes;
    std::span<const std::byte> block;
    if (fill_ == nullptr) {
      if (input_.size() < whole) return fail(ErrorCode::truncated, "payload");
      block = input_.first(whole);
      input_ = input_.subspan(whole);
    } else {
      if (!fill_(context_, buffer_.first(whole))) return fail(ErrorCode::truncated, "payload");
      block = buffer_.first(whole);
    }
    const std::uint64_t sum = detail::checksum(block.first(size), chain_);
    if (sum != detail::load_little<std::uint64_t>(block.data() + size))
      return fail(ErrorCode::bad_checksum, "payload");
    chain_ = sum;
    block_ = block.first(
        static_cast<std::size_t>(detail::smaller<std::uint64_t>(size, end_ - checked_)));
    checked_ += size;
    return true;
  }

  template <class T>
  [[nodiscard]] bool integer(T& value) {
    if (block_.size() >= sizeof value) [[likely]] {
      value = detail::load_little<T>(block_.data());
      block_ = block_.subspan(sizeof value);
      return true;
    }
    std::array<std::byte, sizeof value> bytes;
    if (!copy(bytes)) return false;
    value = detail::load_little<T>(bytes.data());
    return true;
  }
  template <class T>
  [[nodiscard]] bool signed_integer(T& value) {
    std::make_unsigned_t<T> raw = 0;
    if (!integer(raw)) return false;
    value = static_cast<T>(raw);
    return true;
  }

  std::span<const std::byte> input_{};
  std::span<std::byte> buffer_{};
  Fill fill_ = nullptr;
  void* context_ = nullptr;
  std::span<const std::byte> block_{};
  std::uint64_t checked_ = 0;  // bytes of the payload, up to the end of the block
  std::uint64_t end_;          // of what may be read
  std::uint64_t payload_;
  std::uint64_t chain_;
  std::size_t origin_;
  std::optional<Error> fault_{};
  bool failed_ = false;
};

}  // namespace idem::inline IDEM_ABI
