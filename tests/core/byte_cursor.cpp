#include <idem/core/byte_cursor.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "support/hex.hpp"
#include "support/random.hpp"

using idem::ByteReader;
using idem::ByteWriter;
using idem_test::from_hex;

namespace {

// The reads under one signature: the kind, how many bytes it takes, and its answer.
enum class Kind { u8, u16, u32, u64, i16, i32, i64, bytes_3 };
constexpr Kind kinds[] = {Kind::u8,  Kind::u16, Kind::u32, Kind::u64,
                          Kind::i16, Kind::i32, Kind::i64, Kind::bytes_3};

std::size_t width(Kind kind) {
  constexpr std::size_t widths[] = {1, 2, 4, 8, 2, 4, 8, 3};
  return widths[static_cast<std::size_t>(kind)];
}

struct Targets {
  std::uint8_t u8 = 0xa5;
  std::uint16_t u16 = 0xa5a5;
  std::uint32_t u32 = 0xa5a5a5a5;
  std::uint64_t u64 = 0xa5a5a5a5a5a5a5a5;
  std::int16_t i16 = -7;
  std::int32_t i32 = -7;
  std::int64_t i64 = -7;
  const std::byte* data = nullptr;
  std::size_t size = 99;

  friend bool operator==(const Targets&, const Targets&) = default;
};

bool read(ByteReader& reader, Kind kind, Targets& targets) {
  switch (kind) {
    case Kind::u8:
      return reader.u8(targets.u8);
    case Kind::u16:
      return reader.u16(targets.u16);
    case Kind::u32:
      return reader.u32(targets.u32);
    case Kind::u64:
      return reader.u64(targets.u64);
    case Kind::i16:
      return reader.i16(targets.i16);
    case Kind::i32:
      return reader.i32(targets.i32);
    case Kind::i64:
      return reader.i64(targets.i64);
    case Kind::bytes_3:
      break;
  }
  std::span<const std::byte> span(targets.data, 0);
  const bool done = reader.bytes(3, span);
  if (done) {
    targets.data = span.data();
    targets.size = span.size();
  }
  return done;
}

bool write(ByteWriter& writer, Kind kind, std::uint64_t value) {
  const std::array<std::byte, 3> three = {static_cast<std::byte>(value & 0xff),
                                          static_cast<std::byte>(value >> 8 & 0xff),
                                          static_cast<std::byte>(value >> 16 & 0xff)};
  switch (kind) {
    case Kind::u8:
      return writer.u8(static_cast<std::uint8_t>(value));
    case Kind::u16:
      return writer.u16(static_cast<std::uint16_t>(value));
    case Kind::u32:
      return writer.u32(static_cast<std::uint32_t>(value));
    case Kind::u64:
      return writer.u64(value);
    case Kind::i16:
      return writer.i16(static_cast<std::int16_t>(value));
    case Kind::i32:
      return writer.i32(static_cast<std::int32_t>(value));
    case Kind::i64:
      return writer.i64(static_cast<std::int64_t>(value));
    case Kind::bytes_3:
      break;
  }
  return writer.bytes(three);
}

std::vector<std::byte> copy(std::span<const std::byte> bytes) {
  return {bytes.begin(), bytes.end()};
}

}  // namespace

TEST_CASE("byte reader: little-endian, fixed width") {
  const auto input = from_hex("01 2345 6789abcd ef0123456789abcd 112233");
  ByteReader reader(input);
  CHECK(reader.ok());
  CHECK(reader.position() == 0);
  CHECK(reader.remaining() == input.size());
  Targets t;
  REQUIRE(reader.u8(t.u8));
  CHECK(t.u8 == 0x01);
  REQUIRE(reader.u16(t.u16));
  CHECK(t.u16 == 0x4523);
  REQUIRE(reader.u32(t.u32));
  CHECK(t.u32 == 0xcdab8967);
  REQUIRE(reader.u64(t.u64));
  CHECK(t.u64 == 0xcdab8967452301ef);
  CHECK(reader.position() == 15);
  std::span<const std::byte> rest;
  REQUIRE(reader.bytes(3, rest));
  CHECK(rest.data() == input.data() + 15);
  CHECK(rest.size() == 3);
  CHECK(reader.remaining() == 0);
  CHECK(reader.position() == input.size());
  CHECK(reader.ok());
}

TEST_CASE("byte reader: two's complement") {
  const auto input = from_hex(
      "ffff feff 0080 ff7f ffffffff 00000080 ffffffffffffffff "
      "0000000000000080 ffffffffffffff7f");
  ByteReader reader(input);
  std::int16_t i16 = 0;
  for (const int expected : {-1, -2, -32768, 32767}) {
    REQUIRE(reader.i16(i16));
    CHECK(i16 == expected);
  }
  std::int32_t i32 = 0;
  REQUIRE(reader.i32(i32));
  CHECK(i32 == -1);
  REQUIRE(reader.i32(i32));
  CHECK(i32 == std::numeric_limits<std::int32_t>::min());
  std::int64_t i64 = 0;
  REQUIRE(reader.i64(i64));
  CHECK(i64 == -1);
  REQUIRE(reader.i64(i64));
  CHECK(i64 == std::numeric_limits<std::int64_t>::min());
  REQUIRE(reader.i64(i64));
  CHECK(i64 == std::numeric_limits<std::int64_t>::max());
  CHECK(reader.remaining() == 0);
}

TEST_CASE("byte reader: a short read changes nothing and stops everything after it") {
  // Heap blocks of the exact size, so that a sanitizer sees a read beyond them.
  for (std::size_t size = 0; size <= 20; ++size) {
    for (const Kind first : kinds) {
      for (const Kind second : kinds) {
        const auto block = std::make_unique<std::byte[]>(size);
        std::fill_n(block.get(), size, std::byte{0x11});
        ByteReader reader(std::span<const std::byte>(block.get(), size));
        Targets targets;
        CAPTURE(size);
        std::size_t position = 0;
        bool ok = true;
        for (const Kind kind : {first, second, Kind::u8, first, Kind::bytes_3}) {
          const bool fits = ok && width(kind) <= size - position;
          const Targets before = targets;
          REQUIRE(read(reader, kind, targets) == fits);
          if (fits) position += width(kind);
          ok = fits;
          if (!fits) REQUIRE(targets == before);
          REQUIRE(reader.ok() == ok);
          REQUIRE(reader.position() == position);
          REQUIRE(reader.remaining() == size - position);
        }
      }
    }
  }
}

TEST_CASE("byte reader: lengths from the input cannot reach past its end") {
  const auto input = from_hex("0011223344");
  for (const std::uint64_t count :
       {std::uint64_t{6}, std::uint64_t{1} << 31, std::uint64_t{1} << 32,
        (std::uint64_t{1} << 32) + 1, std::uint64_t{1} << 63, ~std::uint64_t{0},
        ~std::uint64_t{0} - 4}) {
    for (const bool after_one : {false, true}) {
      CAPTURE(count);
      ByteReader reader(input);
      std::uint8_t one = 0;
      if (after_one) REQUIRE(reader.u8(one));
      std::span<const std::byte> out(input.data(), 1);
      CHECK_FALSE(reader.bytes(count, out));
      CHECK(out.data() == input.data());
      CHECK(out.size() == 1);
      CHECK_FALSE(reader.ok());
      CHECK(reader.position() == (after_one ? 1 : 0));
      CHECK_FALSE(reader.bytes(0, out));
      CHECK(out.size() == 1);
    }
  }
}

TEST_CASE("byte reader: an empty run is no failure, even at the end or of nothing") {
  std::span<const std::byte> out;
  ByteReader empty{std::span<const std::byte>{}};
  CHECK(empty.remaining() == 0);
  CHECK(empty.bytes(0, out));
  CHECK(out.empty());
  CHECK(empty.ok());
  const auto input = from_hex("00");
  ByteReader reader(input);
  std::uint8_t one = 0;
  CHECK(reader.u8(one));
  CHECK(reader.bytes(0, out));
  CHECK(reader.ok());
}

TEST_CASE("byte writer: golden bytes") {
  std::array<std::byte, 64> buffer{};
  ByteWriter writer(buffer);
  CHECK(writer.written().empty());
  CHECK(writer.u8(0x01));
  CHECK(writer.u16(0x2345));
  CHECK(writer.u32(0x6789abcd));
  CHECK(writer.u64(0xef0123456789abcd));
  CHECK(writer.i16(-2));
  CHECK(writer.i32(-3));
  CHECK(writer.i64(std::numeric_limits<std::int64_t>::min()));
  CHECK(writer.bytes(from_hex("778899")));
  CHECK(writer.bytes({}));
  CHECK(writer.ok());
  CHECK(copy(writer.written()) == from_hex("01 4523 cdab8967 cdab8967452301ef feff fdffffff "
                                           "0000000000000080 778899"));
  CHECK(writer.written().data() == buffer.data());
}

TEST_CASE("byte writer: a write that does not fit writes nothing and stops everything after it") {
  for (std::size_t size = 0; size <= 20; ++size) {
    for (const Kind first : kinds) {
      for (const Kind second : kinds) {
        const auto block = std::make_unique<std::byte[]>(size);
        std::fill_n(block.get(), size, std::byte{0xee});
        ByteWriter writer(std::span<std::byte>(block.get(), size));
        CAPTURE(size);
        std::size_t position = 0;
        bool ok = true;
        for (const Kind kind : {first, second, Kind::u8, first, Kind::bytes_3}) {
          const bool fits = ok && width(kind) <= size - position;
          REQUIRE(write(writer, kind, 0) == fits);
          if (fits) position += width(kind);
          ok = fits;
          REQUIRE(writer.ok() == ok);
          REQUIRE(writer.written().size() == position);
          for (std::size_t i = 0; i < size; ++i)
            REQUIRE(block[i] == (i < position ? std::byte{0} : std::byte{0xee}));
        }
        if (!ok) REQUIRE_FALSE(writer.bytes({}));
      }
    }
  }
}

TEST_CASE("byte cursor: what is written is read back, and equals bytes put down one by one") {
  idem_test::Rng rng(41);
  for (int round = 0; round < 2'000; ++round) {
    std::vector<std::byte> expected;
    std::vector<std::pair<Kind, std::uint64_t>> script;
    const std::uint64_t steps = rng.below(20);
    for (std::uint64_t i = 0; i < steps; ++i) {
      const Kind kind = kinds[rng.below(8)];
      const std::uint64_t value = rng.next();
      script.emplace_back(kind, value);
      for (std::size_t byte = 0; byte < width(kind); ++byte)
        expected.push_back(static_cast<std::byte>(value >> (8 * byte) & 0xff));
    }
    std::vector<std::byte> buffer(expected.size());
    ByteWriter writer(buffer);
    for (const auto& [kind, value] : script) REQUIRE(write(writer, kind, value));
    REQUIRE(copy(writer.written()) == expected);
    REQUIRE_FALSE(writer.u8(0));

    ByteReader reader(expected);
    for (const auto& [kind, value] : script) {
      Targets targets;
      REQUIRE(read(reader, kind, targets));
      const std::uint64_t mask =
          width(kind) == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * width(kind))) - 1;
      std::uint64_t got = 0;
      switch (kind) {
        case Kind::u8:
          got = targets.u8;
          break;
        case Kind::u16:
          got = targets.u16;
          break;
        case Kind::u32:
          got = targets.u32;
          break;
        case Kind::u64:
          got = targets.u64;
          break;
        case Kind::i16:
          got = static_cast<std::uint64_t>(targets.i16) & mask;
          break;
        case Kind::i32:
          got = static_cast<std::uint64_t>(targets.i32) & mask;
          break;
        case Kind::i64:
          got = static_cast<std::uint64_t>(targets.i64);
          break;
        case Kind::bytes_3:
          REQUIRE(targets.size == 3);
          for (std::size_t i = 0; i < 3; ++i)
            got |= std::to_integer<std::uint64_t>(targets.data[i]) << (8 * i);
          break;
      }
      REQUIRE(got == (value & mask));
    }
    REQUIRE(reader.remaining() == 0);
    REQUIRE(reader.ok());
    std::uint8_t one = 0;
    REQUIRE_FALSE(reader.u8(one));
  }
}
