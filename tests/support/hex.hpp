#pragma once

#include <cstddef>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace idem_test {

// "00ff 10" -> bytes. Spaces are skipped; anything else that is no pair of digits throws.
[[nodiscard]] inline std::vector<std::byte> from_hex(std::string_view text) {
  const auto digit = [](char c) -> unsigned {
    constexpr std::string_view digits = "0123456789abcdef";
    const auto at = digits.find(c);
    if (at == std::string_view::npos) throw std::logic_error("from_hex: not a digit");
    return static_cast<unsigned>(at);
  };
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == ' ') {
      ++i;
      continue;
    }
    if (i + 1 == text.size()) throw std::logic_error("from_hex: half a byte");
    bytes.push_back(static_cast<std::byte>(digit(text[i]) << 4 | digit(text[i + 1])));
    i += 2;
  }
  return bytes;
}

// 00 01 02 ... ff 00 ...: the input of SipHash's own vectors.
[[nodiscard]] inline std::vector<std::byte> counting_bytes(std::size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i & 0xff);
  return bytes;
}

}  // namespace idem_test
