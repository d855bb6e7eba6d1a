#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <idem/core/byte_cursor.hpp>
#include <idem/detail/abi.hpp>

// Small encodings for states that must fit where every byte counts.

namespace idem::inline IDEM_ABI::detail {

// Seven bits a byte, least significant first, the top bit set on all but the last.
[[nodiscard]] constexpr std::size_t varint_size(std::uint64_t value) noexcept {
  std::size_t size = 1;
  while ((value >>= 7) != 0) ++size;
  return size;
}

inline void write_varint(ByteWriter& out, std::uint64_t value) noexcept {
  for (; value >= 0x80; value >>= 7) out.u8(static_cast<std::uint8_t>(value | 0x80));
  out.u8(static_cast<std::uint8_t>(value));
}

// False: cut off, longer than the value needs, or more than 64 bits.
[[nodiscard]] inline bool read_varint(ByteReader& in, std::uint64_t& value) noexcept {
  std::uint64_t result = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    std::uint8_t byte = 0;
    if (!in.u8(byte)) return false;
    const std::uint64_t bits = byte & 0x7f;
    if (shift == 63 && bits > 1) return false;
    result |= bits << shift;
    if ((byte & 0x80) != 0) continue;
    if (byte == 0 && shift != 0) return false;
    value = result;
    return true;
  }
  return false;
}

// CRC-32C, four bits at a time.
[[nodiscard]] inline std::uint32_t crc32c(std::span<const std::byte> bytes) noexcept {
  constexpr auto table = [] {
    std::array<std::uint32_t, 16> entries{};
    for (std::uint32_t i = 0; i < 16; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 4; ++bit) {
        value = (value >> 1) ^ ((value & 1) != 0 ? 0x82f63b78u : 0u);
      }
      entries[i] = value;
    }
    return entries;
  }();
  std::uint32_t crc = 0xffffffff;
  for (const std::byte byte : bytes) {
    crc ^= static_cast<std::uint32_t>(byte);
    crc = (crc >> 4) ^ table[crc & 15];
    crc = (crc >> 4) ^ table[crc & 15];
  }
  return ~crc;
}

inline constexpr std::string_view base64_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// With padding. Room for ceil(n / 3) * 4 characters.
inline void base64_encode(std::span<const std::byte> bytes, char* to) noexcept {
  const auto at = [&](std::size_t i) {
    return i < bytes.size() ? static_cast<std::uint32_t>(bytes[i]) : 0u;
  };
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::uint32_t word = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    *to++ = base64_alphabet[word >> 18];
    *to++ = base64_alphabet[word >> 12 & 63];
    *to++ = i + 1 < bytes.size() ? base64_alphabet[word >> 6 & 63] : '=';
    *to++ = i + 2 < bytes.size() ? base64_alphabet[word & 63] : '=';
  }
}

// The position of the first character at fault, or text.size() and the bytes are written. Strict:
// padded, and no bit left over.
[[nodiscard]] inline std::size_t base64_decode(std::string_view text, std::span<std::byte> to,
                                               std::size_t& written) noexcept {
  written = 0;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    if (text.size() - i < 4) return i;
    const bool last = i + 4 == text.size();
    const std::size_t padding = !last ? 0 : text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const std::size_t digit = k >= 4 - padding ? 0 : base64_alphabet.find(text[i + k]);
      if (digit == std::string_view::npos) return i + k;
      word = word << 6 | static_cast<std::uint32_t>(digit);
    }
    if ((padding == 1 && (word & 0xff) != 0) || (padding == 2 && (word & 0xffff) != 0)) {
      return i + 3 - padding;
    }
    for (std::size_t k = 0; k < 3 - padding; ++k) {
      if (written == to.size()) return i;
      to[written++] = static_cast<std::byte>(word >> (16 - 8 * k) & 0xff);
    }
  }
  return text.size();
}

}  // namespace idem::inline IDEM_ABI::detail
