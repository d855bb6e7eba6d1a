// Uuid::parse against a parser that knows only the rule, with the position of every error, and the
// text of what was parsed.

#include <idem/core/uuid.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

namespace {

struct Expected {
  bool ok = false;
  idem::ErrorCode code{};
  std::size_t position = 0;
  std::uint64_t hi = 0;
  std::uint64_t lo = 0;
};

// Works on the pattern, not on offsets: x stands for a digit.
Expected parse_by_pattern(std::string_view text) {
  constexpr std::string_view pattern = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  constexpr std::string_view lower = "0123456789abcdef";
  constexpr std::string_view upper = "0123456789ABCDEF";
  Expected expected;
  std::string digits;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (i >= text.size()) {
      expected.code = idem::ErrorCode::bad_length;
      expected.position = i;
      return expected;
    }
    const bool digit = lower.find(text[i]) != std::string_view::npos ||
                       upper.find(text[i]) != std::string_view::npos;
    if (pattern[i] == 'x' ? !digit : text[i] != '-') {
      expected.code = idem::ErrorCode::bad_character;
      expected.position = i;
      return expected;
    }
    if (pattern[i] == 'x') digits += text[i];
  }
  if (text.size() > pattern.size()) {
    expected.code = idem::ErrorCode::bad_length;
    expected.position = pattern.size();
    return expected;
  }
  expected.ok = true;
  expected.hi = std::strtoull(digits.substr(0, 16).c_str(), nullptr, 16);
  expected.lo = std::strtoull(digits.substr(16).c_str(), nullptr, 16);
  return expected;
}

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "uuid_text: %s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A block of the exact size, so that a sanitizer sees a read beyond its end.
  const auto block = std::make_unique<char[]>(size);
  for (std::size_t i = 0; i < size; ++i) block[i] = static_cast<char>(data[i]);
  const std::string_view text(block.get(), size);

  const Expected expected = parse_by_pattern(text);
  const idem::Result<idem::Uuid> result = idem::Uuid::parse(text);
  require(result.has_value() == expected.ok, "accepted what it must refuse, or the reverse");
  if (!expected.ok) {
    require(result.error().code == expected.code, "another error code");
    require(result.error().position == expected.position, "another position");
    return 0;
  }
  require(result->hi() == expected.hi && result->lo() == expected.lo, "other bits");
  std::string lower_case(text);
  for (char& c : lower_case)
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  require(to_string(*result) == lower_case, "another text");
  require(idem::Uuid::from_bytes(result->bytes()) == *result, "other bytes");
  require(result->is_nil() == (lower_case == "00000000-0000-0000-0000-000000000000"), "nil");
  return 0;
}
