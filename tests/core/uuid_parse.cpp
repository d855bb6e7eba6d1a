#include <idem/core/uuid.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "support/random.hpp"

using idem::Error;
using idem::ErrorCode;
using idem::Result;
using idem::Uuid;

namespace {

constexpr std::string_view sample = "01234567-89ab-cdef-fedc-ba9876543210";

bool is_hyphen_place(std::size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

bool may_stand_at(std::size_t i, char c) {
  if (is_hyphen_place(i)) return c == '-';
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool refused_at(std::string_view text, ErrorCode code, std::size_t position) {
  const Result<Uuid> result = Uuid::parse(text);
  return !result.has_value() && result.error() == Error{code, position, "uuid"};
}

}  // namespace

TEST_CASE("uuid parse: the sample, digit by digit") {
  const Result<Uuid> result = Uuid::parse(sample);
  REQUIRE(result.has_value());
  CHECK(result->hi() == 0x0123456789abcdef);
  CHECK(result->lo() == 0xfedcba9876543210);
}

TEST_CASE("uuid parse: every character at every place") {
  for (std::size_t i = 0; i < 36; ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(byte);
      std::string text(sample);
      text[i] = c;
      CAPTURE(i);
      CAPTURE(byte);
      if (may_stand_at(i, c)) {
        REQUIRE(Uuid::parse(text).has_value());
      } else {
        REQUIRE(refused_at(text, ErrorCode::bad_character, i));
      }
    }
  }
}

TEST_CASE("uuid parse: each digit reaches its own four bits") {
  constexpr std::string_view nil = "00000000-0000-0000-0000-000000000000";
  unsigned shift = 128;
  for (std::size_t i = 0; i < 36; ++i) {
    if (is_hyphen_place(i)) continue;
    shift -= 4;
    for (unsigned digit = 0; digit < 16; ++digit) {
      for (const std::string_view digits : {"0123456789abcdef", "0123456789ABCDEF"}) {
        std::string text(nil);
        text[i] = digits[digit];
        CAPTURE(text);
        const Result<Uuid> result = Uuid::parse(text);
        REQUIRE(result.has_value());
        const std::uint64_t bits = std::uint64_t{digit} << (shift % 64);
        REQUIRE(result->hi() == (shift >= 64 ? bits : 0));
        REQUIRE(result->lo() == (shift >= 64 ? 0 : bits));
      }
    }
  }
  CHECK(shift == 0);
}

TEST_CASE("uuid parse: every wrong length, at its end") {
  for (std::size_t length = 0; length < 36; ++length) {
    CAPTURE(length);
    CHECK(refused_at(sample.substr(0, length), ErrorCode::bad_length, length));
  }
  for (const std::size_t length :
       {37UL, 38UL, 39UL, 40UL, 41UL, 64UL, 255UL, 256UL, 65536UL, 1'000'000UL}) {
    for (const char extra : {'0', '-', ' ', '\0', '\n', 'g'}) {
      std::string text(sample);
      text.resize(length, extra);
      CAPTURE(length);
      CHECK(refused_at(text, ErrorCode::bad_length, 36));
    }
  }
  CHECK(refused_at({}, ErrorCode::bad_length, 0));
  CHECK(refused_at(std::string_view(nullptr, 0), ErrorCode::bad_length, 0));
}

TEST_CASE("uuid parse: a wrong character comes before a wrong length") {
  for (std::size_t length = 1; length < 40; ++length) {
    for (std::size_t i = 0; i < length && i < 36; ++i) {
      std::string text(sample);
      text.resize(length, '0');
      text[i] = 'x';
      CAPTURE(length);
      CAPTURE(i);
      REQUIRE(refused_at(text, ErrorCode::bad_character, i));
    }
  }
}

TEST_CASE("uuid parse: the first of two wrong characters is told") {
  for (std::size_t first = 0; first < 35; ++first) {
    for (std::size_t second = first + 1; second < 36; ++second) {
      std::string text(sample);
      text[first] = '?';
      text[second] = '?';
      REQUIRE(refused_at(text, ErrorCode::bad_character, first));
    }
  }
}

TEST_CASE("uuid parse: reads nothing past the end of the text") {
  // Ten digits of a longer text: what follows the view must not count.
  CHECK(refused_at(std::string_view(sample.data(), 10), ErrorCode::bad_length, 10));
  // An exact heap block, so that a sanitizer sees a read beyond it.
  for (std::size_t length = 0; length <= 36; ++length) {
    const std::string text(sample.substr(0, length));
    const auto block = std::make_unique<char[]>(length);
    text.copy(block.get(), length);
    CHECK(Uuid::parse(std::string_view(block.get(), length)).has_value() == (length == 36));
  }
}

TEST_CASE("uuid parse: other spellings of a UUID are refused") {
  CHECK(refused_at("{01234567-89ab-cdef-fedc-ba9876543210}", ErrorCode::bad_character, 0));
  CHECK(refused_at("urn:uuid:01234567-89ab-cdef-fedc-ba9876543210", ErrorCode::bad_character, 0));
  CHECK(refused_at("0123456789abcdeffedcba9876543210", ErrorCode::bad_character, 8));
  CHECK(refused_at(" 01234567-89ab-cdef-fedc-ba9876543210", ErrorCode::bad_character, 0));
  CHECK(refused_at("01234567-89ab-cdef-fedc-ba9876543210 ", ErrorCode::bad_length, 36));
  CHECK(refused_at("01234567-89ab-cdef-fedc-ba9876543210\n", ErrorCode::bad_length, 36));
  CHECK(refused_at("0x234567-89ab-cdef-fedc-ba9876543210", ErrorCode::bad_character, 1));
  CHECK(refused_at("01234567--89ab-cdef-fedc-ba987654321", ErrorCode::bad_character, 9));
  CHECK(refused_at("0123456-789ab-cdef-fedc-ba9876543210", ErrorCode::bad_character, 7));
  CHECK(refused_at("0123456789ab-cdef-fedc-ba98765432100", ErrorCode::bad_character, 8));
  CHECK(refused_at("01234567_89ab_cdef_fedc_ba9876543210", ErrorCode::bad_character, 8));
  using namespace std::string_view_literals;
  CHECK(refused_at("01234567-89ab-cdef-\0edc-ba9876543210"sv, ErrorCode::bad_character, 19));
  CHECK(refused_at("01234567-89ab-cdef-fedc-ba987654321\0"sv, ErrorCode::bad_character, 35));
  CHECK(refused_at("01234567-89ab-cdef-fedc-ba9876543210\0"sv, ErrorCode::bad_length, 36));
}

TEST_CASE("uuid parse: either case, mixed, and written back in lower case") {
  const Uuid id = Uuid::parse(sample).value();
  CHECK(Uuid::parse("01234567-89AB-CDEF-FEDC-BA9876543210").value() == id);
  CHECK(Uuid::parse("01234567-89aB-CdEf-fEdC-bA9876543210").value() == id);
  CHECK(to_string(Uuid::parse("01234567-89AB-CDEF-FEDC-BA9876543210").value()) == sample);
}

TEST_CASE("uuid text: round trip of random and of extreme values") {
  idem_test::Rng rng(21);
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t a = rng.next() >> rng.below(64);
    const std::uint64_t b = rng.next() << rng.below(64);
    const Uuid id(a, b);
    const std::string text = to_string(id);
    REQUIRE(text.size() == Uuid::text_size);
    const Result<Uuid> back = Uuid::parse(text);
    REQUIRE(back.has_value());
    REQUIRE(*back == id);
    REQUIRE(to_string(*back) == text);
  }
  CHECK(to_string(Uuid::nil()) == "00000000-0000-0000-0000-000000000000");
  CHECK(to_string(Uuid::max()) == "ffffffff-ffff-ffff-ffff-ffffffffffff");
  CHECK(to_string(Uuid(1, 0)) == "00000000-0000-0001-0000-000000000000");
  CHECK(to_string(Uuid(0, 1)) == "00000000-0000-0000-0000-000000000001");
  CHECK(to_string(Uuid(0x0123456789abcdef, 0xfedcba9876543210)) == sample);
}

TEST_CASE("uuid text: to_chars writes 36 characters and no more") {
  std::array<char, 40> buffer;
  buffer.fill('#');
  Uuid(0x0123456789abcdef, 0xfedcba9876543210).to_chars(std::span<char, 36>(buffer.data() + 2, 36));
  CHECK(std::string_view(buffer.data(), buffer.size()) ==
        "##01234567-89ab-cdef-fedc-ba9876543210##");
}

TEST_CASE("uuid parse: in constants, without exceptions") {
  static_assert(Uuid::parse(sample).has_value());
  static_assert(Uuid::parse(sample)->hi() == 0x0123456789abcdef);
  static_assert(Uuid::parse("x").error() == Error{ErrorCode::bad_character, 0, "uuid"});
  static_assert(noexcept(Uuid::parse(sample)));
}
