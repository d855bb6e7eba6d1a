#include <idem/core/uuid.hpp>

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <unordered_set>
#include <vector>

#include <doctest/doctest.h>

#include "support/hex.hpp"
#include "support/random.hpp"
#include "support/thrown.hpp"

using idem::Uuid;

namespace {

constexpr std::uint64_t all = ~std::uint64_t{0};

// Neighbours in each bit, extremes and random values.
std::vector<Uuid> telling_values() {
  std::vector<Uuid> values = {Uuid::nil(), Uuid::max(), Uuid(0, all), Uuid(all, 0)};
  for (unsigned bit = 0; bit < 64; ++bit) {
    values.push_back(Uuid(std::uint64_t{1} << bit, 0));
    values.push_back(Uuid(0, std::uint64_t{1} << bit));
    values.push_back(Uuid(~(std::uint64_t{1} << bit), all));
    values.push_back(Uuid(all, ~(std::uint64_t{1} << bit)));
  }
  idem_test::Rng rng(31);
  for (int i = 0; i < 100; ++i) values.push_back(Uuid(rng.next(), rng.next()));
  return values;
}

std::int64_t milliseconds_of(const Uuid& id) {
  return id.time().value().since_epoch().count() / 1'000'000;
}

}  // namespace

TEST_CASE("uuid: a plain value of two words, nil by default") {
  static_assert(sizeof(Uuid) == 16);
  static_assert(std::is_trivially_copyable_v<Uuid> && std::is_standard_layout_v<Uuid>);
  static_assert(!std::is_convertible_v<std::uint64_t, Uuid>);
  static_assert(!std::is_convertible_v<Uuid, bool> && !std::is_convertible_v<std::string, Uuid>);
  CHECK(Uuid{}.hi() == 0);
  CHECK(Uuid{}.lo() == 0);
  CHECK(Uuid{} == Uuid::nil());
  CHECK(Uuid(1, 2).hi() == 1);
  CHECK(Uuid(1, 2).lo() == 2);
}

TEST_CASE("uuid: nil and max are told from everything else") {
  for (const Uuid& id : telling_values()) {
    CHECK(id.is_nil() == (id.hi() == 0 && id.lo() == 0));
    CHECK(id.is_max() == (id.hi() == all && id.lo() == all));
  }
  CHECK(Uuid::nil().is_nil());
  CHECK_FALSE(Uuid::nil().is_max());
  CHECK(Uuid::max().is_max());
  CHECK_FALSE(Uuid::max().is_nil());
  CHECK(Uuid::max() == Uuid(all, all));
}

TEST_CASE("uuid: bytes are in network order, both ways") {
  const auto bytes = idem_test::from_hex("00112233445566778899aabbccddeeff");
  const Uuid id = Uuid::from_bytes(std::span<const std::byte, 16>(bytes.data(), 16));
  CHECK(id == Uuid(0x0011223344556677, 0x8899aabbccddeeff));
  const std::array<std::byte, 16> out = id.bytes();
  CHECK(std::equal(out.begin(), out.end(), bytes.begin(), bytes.end()));
  CHECK(to_string(id) == "00112233-4455-6677-8899-aabbccddeeff");
  for (const Uuid& value : telling_values()) CHECK(Uuid::from_bytes(value.bytes()) == value);
}

TEST_CASE("uuid: ordered like its bytes and like its text") {
  const std::vector<Uuid> values = telling_values();
  for (const Uuid& a : values) {
    const auto a_bytes = a.bytes();
    const std::string a_text = to_string(a);
    for (const Uuid& b : values) {
      const auto b_bytes = b.bytes();
      const int by_bytes = std::memcmp(a_bytes.data(), b_bytes.data(), 16);
      const int by_text = a_text.compare(to_string(b));
      const bool less = a < b;
      const bool equal = a == b;
      if (less != (by_bytes < 0) || less != (by_text < 0) || equal != (by_bytes == 0) ||
          equal != (by_text == 0) || (a > b) != (by_bytes > 0) || (a != b) == equal) {
        CAPTURE(a_text);
        CAPTURE(to_string(b));
        FAIL_CHECK("the orders disagree");
      }
    }
  }
  static_assert((Uuid(0, 1) <=> Uuid(1, 0)) == std::strong_ordering::less);
}

TEST_CASE("uuid: version and variant as they stand") {
  for (unsigned version = 0; version < 16; ++version) {
    for (unsigned top = 0; top < 16; ++top) {
      CAPTURE(version);
      CAPTURE(top);
      const Uuid id(0xffffffffffff0fff | std::uint64_t{version} << 12,
                    0x0fffffffffffffff | std::uint64_t{top} << 60);
      CHECK(id.version() == version);
      CHECK(id.is_rfc_variant() == (top >= 8 && top <= 11));
      for (unsigned wanted = 0; wanted < 16; ++wanted)
        CHECK(id.is_version(wanted) == (wanted == version && top >= 8 && top <= 11));
      CHECK_FALSE(id.is_version(16 + version));
    }
  }
  CHECK_FALSE(Uuid::nil().is_rfc_variant());
  CHECK_FALSE(Uuid::max().is_rfc_variant());
  CHECK_FALSE(Uuid::nil().is_version(0));
  CHECK_FALSE(Uuid::max().is_version(15));
}

TEST_CASE("uuid: the examples of RFC 9562") {
  const Uuid v4 = Uuid::parse("919108f7-52d1-4320-9bac-f847db4148a8").value();
  CHECK(v4.is_version(4));
  CHECK_FALSE(v4.is_version(7));
  CHECK_FALSE(v4.time().has_value());
  const Uuid v7 = Uuid::parse("017f22e2-79b0-7cc3-98c4-dc0c0c07398f").value();
  CHECK(v7.is_version(7));
  CHECK(milliseconds_of(v7) == 0x017F22E279B0);
  CHECK(milliseconds_of(v7) == 1'645'557'742'000);
  CHECK(v7 == Uuid::make_v7(0x017F22E279B0, 0xcc3, 0x18c4dc0c0c07398f));
  const Uuid v1 = Uuid::parse("c232ab00-9414-11ec-b3c8-9f6bdeced846").value();
  CHECK(v1.is_version(1));
  CHECK_FALSE(v1.time().has_value());
  CHECK(Uuid::parse("5c146b14-3c52-8afd-938a-375d0df1fbf6").value().is_version(8));
}

TEST_CASE("uuid: make_v4 keeps 122 bits and sets the other six") {
  CHECK(Uuid::make_v4(0, 0) == Uuid(0x4000, 0x8000000000000000));
  CHECK(Uuid::make_v4(all, all) == Uuid(0xffffffffffff4fff, 0xbfffffffffffffff));
  constexpr std::uint64_t hi_kept = 0xffffffffffff0fff;
  constexpr std::uint64_t lo_kept = 0x3fffffffffffffff;
  idem_test::Rng rng(32);
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t hi = rng.next();
    const std::uint64_t lo = rng.next();
    const Uuid id = Uuid::make_v4(hi, lo);
    REQUIRE(id.is_version(4));
    REQUIRE((id.hi() & hi_kept) == (hi & hi_kept));
    REQUIRE((id.lo() & lo_kept) == (lo & lo_kept));
  }
  static_assert(Uuid::make_v4(1, 2).is_version(4));
}

TEST_CASE("uuid: make_v7 keeps time and 74 bits and sets the other six") {
  CHECK(Uuid::make_v7(0, 0, 0) == Uuid(0x7000, 0x8000000000000000));
  constexpr std::uint64_t most = (std::uint64_t{1} << 48) - 1;
  CHECK(Uuid::make_v7(most, 0xffff, all) == Uuid(0xffffffffffff7fff, 0xbfffffffffffffff));
  idem_test::Rng rng(33);
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t milliseconds = rng.next() >> 16;
    const auto a = static_cast<std::uint16_t>(rng.next());
    const std::uint64_t b = rng.next();
    const Uuid id = Uuid::make_v7(milliseconds, a, b);
    REQUIRE(id.is_version(7));
    REQUIRE((id.hi() >> 16) == milliseconds);
    REQUIRE((id.hi() & 0xfff) == (a & 0xfffU));
    REQUIRE((id.lo() & (all >> 2)) == (b & (all >> 2)));
  }
  static_assert(Uuid::make_v7(5, 1, 2).is_version(7));
}

TEST_CASE("uuid: make_v7 refuses milliseconds the form cannot hold") {
  constexpr std::uint64_t limit = std::uint64_t{1} << 48;
  CHECK(idem_test::refusal([] { (void)Uuid::make_v7(limit - 1, 0, 0); }).empty());
  for (const std::uint64_t milliseconds : {limit, limit + 1, all}) {
    const std::string sentence =
        idem_test::refusal([&] { (void)Uuid::make_v7(milliseconds, 0, 0); });
    CHECK(idem_test::contains(sentence, "make_v7"));
    CHECK(idem_test::contains(sentence, "milliseconds"));
    CHECK(idem_test::contains(sentence, std::to_string(milliseconds)));
  }
}

TEST_CASE("uuid: the time of version 7, as far as an instant reaches") {
  for (const std::uint64_t milliseconds :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1'700'000'000'123},
        std::uint64_t{9'223'372'036'853}, std::uint64_t{9'223'372'036'854}}) {
    CAPTURE(milliseconds);
    const auto time = Uuid::make_v7(milliseconds, 0xabc, 0x123456789abcdef).time();
    REQUIRE(time.has_value());
    CHECK(time->since_epoch().count() == static_cast<std::int64_t>(milliseconds) * 1'000'000);
  }
  // In the year 2262 the nanoseconds leave 63 bits.
  for (const std::uint64_t milliseconds :
       {std::uint64_t{9'223'372'036'855}, std::uint64_t{18'446'744'073'709},
        std::uint64_t{18'446'744'073'710}, (std::uint64_t{1} << 48) - 1}) {
    CAPTURE(milliseconds);
    CHECK_FALSE(Uuid::make_v7(milliseconds, 0, 0).time().has_value());
  }
  CHECK_FALSE(Uuid::nil().time().has_value());
  CHECK_FALSE(Uuid::max().time().has_value());
  for (unsigned version = 0; version < 16; ++version) {
    const Uuid id(std::uint64_t{1000} << 16 | std::uint64_t{version} << 12, std::uint64_t{1} << 63);
    CHECK(id.time().has_value() == (version == 7));
    const Uuid other_variant(id.hi(), 0);
    CHECK_FALSE(other_variant.time().has_value());
  }
}

TEST_CASE("uuid: later version 7 ids come after earlier ones") {
  idem_test::Rng rng(34);
  Uuid before = Uuid::make_v7(1'000, 0xfff, all);
  for (std::uint64_t milliseconds = 1'001; milliseconds < 2'000; ++milliseconds) {
    const Uuid id = Uuid::make_v7(milliseconds, static_cast<std::uint16_t>(rng.next()), rng.next());
    REQUIRE(before < id);
    before = id;
  }
}

TEST_CASE("uuid: works in constants") {
  static_assert(Uuid().is_nil() && Uuid::max().is_max());
  static_assert(Uuid::from_bytes(Uuid(3, 4).bytes()) == Uuid(3, 4));
  static_assert(Uuid::make_v7(77, 0, 0).time()->since_epoch().count() == 77'000'000);
  constexpr auto text = [] {
    std::array<char, 36> out{};
    Uuid(0x0123456789abcdef, 0).to_chars(out);
    return out;
  }();
  static_assert(text[0] == '0' && text[8] == '-' && text[17] == 'f' && text[35] == '0');
}

TEST_CASE("uuid: keys of the standard's hashed containers") {
  std::unordered_set<Uuid> seen;
  for (const Uuid& id : telling_values()) seen.insert(id);
  std::vector<Uuid> sorted = telling_values();
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  CHECK(seen.size() == sorted.size());
  // Counters in either word spread.
  for (const bool in_hi : {false, true}) {
    std::unordered_set<std::size_t> hashes;
    for (std::uint64_t n = 0; n < 1'000; ++n)
      hashes.insert(std::hash<Uuid>{}(in_hi ? Uuid(n, 7) : Uuid(7, n)));
    CHECK(hashes.size() == 1'000);
  }
}
