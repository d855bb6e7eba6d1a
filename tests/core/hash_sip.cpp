#include <idem/core/hash.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "support/hex.hpp"
#include "support/random.hpp"

// SipHash-2-4-128: the vectors of the reference implementation (key 00 01 .. 0f, inputs of 0 to 63
// counting bytes). The other numbers come from OpenSSL's SIPHASH.

using idem::Digest;
using idem::Seed;
using idem::SipHash;
using idem_test::counting_bytes;
using idem_test::from_hex;
using idem_test::Rng;

namespace {

constexpr Seed counting_key{0x0706050403020100, 0x0f0e0d0c0b0a0908};
constexpr Seed other_key{0x0123456789abcdef, 0xfedcba9876543210};
constexpr std::uint64_t all = ~std::uint64_t{0};

constexpr std::string_view vectors[64] = {
    "a3817f04ba25a8e66df67214c7550293", "da87c1d86b99af44347659119b22fc45",
    "8177228da4a45dc7fca38bdef60affe4", "9c70b60c5267a94e5f33b6b02985ed51",
    "f88164c12d9c8faf7d0f6e7c7bcd5579", "1368875980776f8854527a07690e9627",
    "14eeca338b208613485ea0308fd7a15e", "a1f1ebbed8dbc153c0b84aa61ff08239",
    "3b62a9ba6258f5610f83e264f31497b4", "264499060ad9baabc47f8b02bb6d71ed",
    "00110dc378146956c95447d3f3d0fbba", "0151c568386b6677a2b4dc6f81e5dc18",
    "d626b266905ef35882634df68532c125", "9869e247e9c08b10d029934fc4b952f7",
    "31fcefac66d7de9c7ec7485fe4494902", "5493e99933b0a8117e08ec0f97cfc3d9",
    "6ee2a4ca67b054bbfd3315bf85230577", "473d06e8738db89854c066c47ae47740",
    "a426e5e423bf4885294da481feaef723", "78017731cf65fab074d5208952512eb1",
    "9e25fc833f2290733e9344a5e83839eb", "568e495abe525a218a2214cd3e071d12",
    "4a29b54552d16b9a469c10528eff0aae", "c9d184ddd5a9f5e0cf8ce29a9abf691c",
    "2db479ae78bd50d8882a8a178a6132ad", "8ece5f042d5e447b5051b9eacb8d8f6f",
    "9c0b53b4b3c307e87eaee08678141f66", "abf248af69a6eae4bfd3eb2f129eeb94",
    "0664da1668574b88b935f3027358aef4", "aa4b9dc4bf337de90cd4fd3c467c6ab7",
    "ea5c7f471faf6bde2b1ad7d4686d2287", "2939b0183223fafc1723de4f52c43d35",
    "7c3956ca5eeafc3e363e9d556546eb68", "77c6077146f01c32b6b69d5f4ea9ffcf",
    "37a6986cb8847edf0925f0f1309b54de", "a705f0e69da9a8f907241a2e923c8cc8",
    "3dc47d1f29c448461e9e76ed904f6711", "0d62bf01e6fc0e1a0d3c4751c5d3692b",
    "8c03468bca7c669ee4fd5e084bbee7b5", "528a5bb93baf2c9c4473cce5d0d22bd9",
    "df6a301e95c95dad97ae0cc8c6913bd8", "801189902c857f39e73591285e70b6db",
    "e617346ac9c231bb3650ae34ccca0c5b", "27d93437efb721aa401821dcec5adf89",
    "89237d9ded9c5e78d8b1c9b166cc7342", "4a6d8091bf5e7d651189fa94a250b14c",
    "0e33f96055e7ae893ffc0e3dcf492902", "e61c432b720b19d18ec8d84bdc63151b",
    "f7e5aef549f782cf379055a608269b16", "438d030fd0b7a54fa837f2ad201a6403",
    "a590d3ee4fbf04e3247e0d27f286423f", "5fe2c1a172fe93c4b15cd37caef9f538",
    "2c97325cbd06b36eb2133dd08b3a017c", "92c814227a6bca949ff0659f002ad39e",
    "dce850110bd8328cfbd50841d6911d87", "67f14984c7da791248e32bb5922583da",
    "1938f2cf72d54ee97e94166fa91d2a36", "74481e9646ed49fe0f6224301604698e",
    "57fca5de98a9d6d8006438d0583d8a1d", "9fecde1cefdc1cbed4763674d9575359",
    "e3040c00eb28f15366ca73cbd872e740", "7697009a6a831dfecca91c5993670f7a",
    "5853542321f567a005d547a4f04759bd", "5150d1772f50834a503e069a973fbd7c",
};

struct LongRow {
  std::size_t length;
  std::string_view digest;
};

constexpr LongRow long_rows[] = {
    {64, "81769ec09f2e41a506178bc0a6117655"},  {65, "64c38a0aec9ed7dd0a48cb79d7badcae"},
    {255, "40ab69d891f42ea0428896ca72880e64"}, {256, "b4c67109c659b82bcd51ba3e7fa95d0a"},
    {257, "8cde8f32e8d7e3c8a9076e38c8ed9e22"}, {1000, "d45916de17303ba28ad5629cebb1869f"},
};

struct WordRow {
  std::uint64_t first;
  std::uint64_t second;
  std::uint64_t word;
  std::uint64_t slot;
};

constexpr WordRow word_rows[] = {
    {0x0706050403020100, 0x0f0e0d0c0b0a0908, 0x0000000000000000, 0x5cb96f6ba2a4fcfc},
    {0x0706050403020100, 0x0f0e0d0c0b0a0908, 0x0000000000000001, 0x32c5ea5ce472f19b},
    {0x0706050403020100, 0x0f0e0d0c0b0a0908, 0x8000000000000000, 0x937d8b71e8c9000d},
    {0x0706050403020100, 0x0f0e0d0c0b0a0908, 0x0706050403020100, 0x369095118d299a8e},
    {0x0706050403020100, 0x0f0e0d0c0b0a0908, all, 0x823f307311453347},
    {0x0123456789abcdef, 0xfedcba9876543210, 0x0000000000000000, 0x51aedd7d19cf65e0},
    {0x0123456789abcdef, 0xfedcba9876543210, 0x0000000000000001, 0x5a8f8a5953eca3e5},
    {0x0123456789abcdef, 0xfedcba9876543210, 0x8000000000000000, 0xe817b5f4c55c308a},
    {0x0123456789abcdef, 0xfedcba9876543210, 0x0706050403020100, 0x7c8374fbbf3e9596},
    {0x0123456789abcdef, 0xfedcba9876543210, all, 0xa3209259e542f69a},
    {0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0xbd60acb658c79e45},
    {0x0000000000000000, 0x0000000000000000, 0x0000000000000001, 0x1e9f734161d62dd9},
    {0x0000000000000000, 0x0000000000000000, 0x8000000000000000, 0xef0826fa9ec09086},
    {0x0000000000000000, 0x0000000000000000, 0x0706050403020100, 0xead411e67ebe2eea},
    {0x0000000000000000, 0x0000000000000000, all, 0x2f205be2fec8e38d},
};

struct PairRow {
  std::uint64_t first;
  std::uint64_t second;
  std::uint64_t hi;
  std::uint64_t lo;
  std::uint64_t slot;
};

constexpr PairRow pair_rows[] = {
    {0x0706050403020100, 0x0f0e0d0c0b0a0908, 0x0000000000000000, 0x0000000000000000,
     0x403e4b0d4f19f787},
    {0x0706050403020100, 0x0f0e0d0c0b0a0908, 0x0000000000000000, 0x0000000000000001,
     0x36e9aab469051c67},
    {0x0706050403020100, 0x0f0e0d0c0b0a0908, 0x0000000000000001, 0x0000000000000000,
     0x2b5f47df9b73acc0},
    {0x0706050403020100, 0x0f0e0d0c0b0a0908, 0x0f0e0d0c0b0a0908, 0x0706050403020100,
     0xcc4fdd1a7d908b66},
    {0x0706050403020100, 0x0f0e0d0c0b0a0908, all, all, 0x04c3a2db341281ec},
    {0x0123456789abcdef, 0xfedcba9876543210, 0x0000000000000000, 0x0000000000000000,
     0x401fa95095db6124},
    {0x0123456789abcdef, 0xfedcba9876543210, 0x0000000000000000, 0x0000000000000001,
     0xe382a7bcfcfe8f02},
    {0x0123456789abcdef, 0xfedcba9876543210, 0x0000000000000001, 0x0000000000000000,
     0xc49e3f456a04a345},
    {0x0123456789abcdef, 0xfedcba9876543210, 0x0f0e0d0c0b0a0908, 0x0706050403020100,
     0xff601b860af555ab},
    {0x0123456789abcdef, 0xfedcba9876543210, all, all, 0x7a551d82c3488c2a},
    {0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
     0x76be999e3e25b2a0},
    {0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000001,
     0x8934f5f0a51fbffa},
    {0x0000000000000000, 0x0000000000000000, 0x0000000000000001, 0x0000000000000000,
     0x7359aa1156ce877a},
    {0x0000000000000000, 0x0000000000000000, 0x0f0e0d0c0b0a0908, 0x0706050403020100,
     0x8972188433a5c5b7},
    {0x0000000000000000, 0x0000000000000000, all, all, 0x35029a3b6274a39b},
};

// The vectors' 16 bytes: the low word first, each little-endian.
Digest from_vector(std::string_view text) {
  const auto bytes = from_hex(text);
  REQUIRE(bytes.size() == 16);
  Digest digest;
  for (std::size_t i = 8; i-- > 0;) {
    digest.lo = digest.lo << 8 | std::to_integer<std::uint64_t>(bytes[i]);
    digest.hi = digest.hi << 8 | std::to_integer<std::uint64_t>(bytes[i + 8]);
  }
  return digest;
}

}  // namespace

TEST_CASE("siphash: the 64 vectors of SipHash-2-4-128") {
  const SipHash hash(counting_key);
  for (std::size_t length = 0; length < 64; ++length) {
    CAPTURE(length);
    CHECK(hash.digest(counting_bytes(length)) == from_vector(vectors[length]));
  }
}

TEST_CASE("siphash: longer inputs, whose length passes 255, under another key") {
  const SipHash hash(other_key);
  for (const LongRow& row : long_rows) {
    CAPTURE(row.length);
    CHECK(hash.digest(counting_bytes(row.length)) == from_vector(row.digest));
  }
}

TEST_CASE("siphash: slots are SipHash-1-3 of 8 and of 16 bytes") {
  for (const WordRow& row : word_rows) {
    CAPTURE(row.first);
    CAPTURE(row.word);
    CHECK(SipHash(Seed{row.first, row.second}).slot(row.word) == row.slot);
  }
  for (const PairRow& row : pair_rows) {
    CAPTURE(row.first);
    CAPTURE(row.hi);
    CAPTURE(row.lo);
    CHECK(SipHash(Seed{row.first, row.second}).slot(row.hi, row.lo) == row.slot);
  }
}

TEST_CASE("siphash: both words of the seed count") {
  CHECK(SipHash(Seed{1, 2}).slot(3) != SipHash(Seed{1, 3}).slot(3));
  CHECK(SipHash(Seed{1, 2}).slot(3) != SipHash(Seed{0, 2}).slot(3));
  CHECK(SipHash(Seed{1, 2}).slot(3, 4) != SipHash(Seed{1, 3}).slot(3, 4));
  CHECK(SipHash(Seed{1, 2}).digest({}) != SipHash(Seed{1, 3}).digest({}));
  CHECK(SipHash(Seed{1, 2}).seed() == Seed{1, 2});
}

TEST_CASE("siphash: a stream in up to three pieces, cut at every two places, equals one shot") {
  const SipHash hash(other_key);
  for (std::size_t length = 0; length <= 40; ++length) {
    const auto input = counting_bytes(length);
    const auto whole = std::span<const std::byte>(input);
    const Digest expected = hash.digest(whole);
    for (std::size_t first = 0; first <= length; ++first) {
      for (std::size_t second = first; second <= length; ++second) {
        SipHash::Stream stream(hash);
        stream.update(whole.first(first));
        stream.update(whole.subspan(first, second - first));
        stream.update(whole.subspan(second));
        if (stream.finish() != expected) {
          CAPTURE(length);
          CAPTURE(first);
          CAPTURE(second);
          FAIL("the stream's digest differs");
        }
      }
    }
  }
}

TEST_CASE("siphash: a stream in many random pieces, empty ones too, equals one shot") {
  const auto input = counting_bytes(3'000);
  Rng rng(52);
  for (int round = 0; round < 300; ++round) {
    const SipHash hash(Seed{rng.next(), rng.next()});
    const auto whole = std::span(input).first(rng.below(3'001));
    SipHash::Stream stream(hash);
    for (std::size_t begin = 0; begin < whole.size();) {
      const std::size_t size = std::min<std::size_t>(rng.below(40), whole.size() - begin);
      stream.update(whole.subspan(begin, size));
      begin += size;
    }
    REQUIRE(stream.finish() == hash.digest(whole));
  }
}

TEST_CASE("siphash: finish may be asked more than once and between updates") {
  const SipHash hash(counting_key);
  const auto input = counting_bytes(64);
  SipHash::Stream stream(hash);
  for (std::size_t length = 0; length < 64; ++length) {
    CHECK(stream.finish() == from_vector(vectors[length]));
    CHECK(stream.finish() == from_vector(vectors[length]));
    stream.update(std::span(input).subspan(length, 1));
  }
}
