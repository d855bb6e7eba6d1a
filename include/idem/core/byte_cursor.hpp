#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>

// The one way idem reads and writes bytes: little-endian, fixed width, bounds-checked.

namespace idem::inline IDEM_ABI {

// Reads integers and runs of bytes from the front of untrusted input.
//
// Guarantee  never reads outside the span. A read that does not fit fails, leaves its target and
//            the position as they were, and makes every later read fail too, so a decoder may check
//            once at the end.
// Lifetime   a view: the bytes must outlive it and every span taken from it.
class ByteReader {
 public:
  constexpr explicit ByteReader(std::span<const std::byte> input) noexcept : input_(input) {}

  [[nodiscard]] bool u8(std::uint8_t& value) noexcept { return integer(value); }
  [[nodiscard]] bool u16(std::uint16_t& value) noexcept { return integer(value); }
  [[nodiscard]] bool u32(std::uint32_t& value) noexcept { return integer(value); }
  [[nodiscard]] bool u64(std::uint64_t& value) noexcept { return integer(value); }
  // Two's complement.
  [[nodiscard]] bool i16(std::int16_t& value) noexcept { return signed_integer(value); }
  [[nodiscard]] bool i32(std::int32_t& value) noexcept { return signed_integer(value); }
  [[nodiscard]] bool i64(std::int64_t& value) noexcept { return signed_integer(value); }

  // The next `count` bytes, without a copy. The count may come from the input itself.
  [[nodiscard]] bool bytes(std::uint64_t count, std::span<const std::byte>& value) noexcept {
    if (!take(count)) return false;
    value = input_.subspan(position_ - static_cast<std::size_t>(count),
                           static_cast<std::size_t>(count));
    return true;
  }

  // The next bytes, as many as `to` has, copied there.
  [[nodiscard]] bool copy(std::span<std::byte> to) noexcept {
    if (!take(to.size())) return false;
    if (!to.empty()) std::memcpy(to.data(), input_.data() + (position_ - to.size()), to.size());
    return true;
  }

  [[nodiscard]] constexpr bool ok() const noexcept { return ok_; }
  [[nodiscard]] constexpr std::size_t position() const noexcept { return position_; }
  [[nodiscard]] constexpr std::size_t remaining() const noexcept {
    return input_.size() - position_;
  }

 private:
  [[nodiscard]] bool take(std::uint64_t count) noexcept {
    if (!ok_ || count > remaining()) {
      ok_ = false;
      return false;
    }
    position_ += static_cast<std::size_t>(count);
    return true;
  }

  template <class T>
  [[nodiscard]] bool integer(T& value) noexcept {
    if (!take(sizeof(T))) return false;
    value = detail::load_little<T>(input_.data() + (position_ - sizeof(T)));
    return true;
  }

  template <class T>
  [[nodiscard]] bool signed_integer(T& value) noexcept {
    std::make_unsigned_t<T> raw = 0;
    if (!integer(raw)) return false;
    value = static_cast<T>(raw);
    return true;
  }

  std::span<const std::byte> input_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

// Writes integers and runs of bytes to the front of a buffer.
//
// Guarantee  never writes outside the span. A write that does not fit writes nothing and makes
//            every later write fail.
class ByteWriter {
 public:
  constexpr explicit ByteWriter(std::span<std::byte> output) noexcept : output_(output) {}

  bool u8(std::uint8_t value) noexcept { return integer(value); }
  bool u16(std::uint16_t value) noexcept { return integer(value); }
  bool u32(std::uint32_t value) noexcept { return integer(value); }
  bool u64(std::uint64_t value) noexcept { return integer(value); }
  // Two's complement.
  bool i16(std::int16_t value) noexcept { return integer(static_cast<std::uint16_t>(value)); }
  bool i32(std::int32_t value) noexcept { return integer(static_cast<std::uint32_t>(value)); }
  bool i64(std::int64_t value) noexcept { return integer(static_cast<std::uint64_t>(value)); }

  bool bytes(std::span<const std::byte> value) noexcept {
    if (!take(value.size())) return false;
    if (!value.empty())
      std::memcpy(output_.data() + (position_ - value.size()), value.data(), value.size());
    return true;
  }

  [[nodiscard]] constexpr bool ok() const noexcept { return ok_; }
  [[nodiscard]] constexpr std::span<const std::byte> written() const noexcept {
    return output_.first(position_);
  }

 private:
  [[nodiscard]] bool take(std::size_t count) noexcept {
    if (!ok_ || count > output_.size() - position_) {
      ok_ = false;
      return false;
    }
    position_ += count;
    return true;
  }

  template <class T>
  bool integer(T value) noexcept {
    if (!take(sizeof(T))) return false;
    detail::store_little(output_.data() + (position_ - sizeof(T)), value);
    return true;
  }

  std::span<std::byte> output_;
  std::size_t position_ = 0;
  bool ok_ = true;
};

}  // namespace idem::inline IDEM_ABI
