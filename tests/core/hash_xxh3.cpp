#include <idem/core/hash.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "support/random.hpp"

// The numbers come from xxHash's own library (libxxhash 0.8.1, XXH3_64bits_withSeed and
// XXH3_128bits_withSeed), called from another language.

using idem::Digest;
using idem::Seed;
using idem::Xxh3Hash;
using idem_test::mix;
using idem_test::Rng;

namespace {

constexpr std::uint64_t all = ~std::uint64_t{0};

std::vector<std::byte> input_of(std::size_t size) {
  std::vector<std::byte> input(size);
  for (std::size_t i = 0; i < size; ++i) input[i] = static_cast<std::byte>(mix(i) & 0xff);
  return input;
}

struct DigestRow {
  std::size_t length;
  std::uint64_t seed;
  std::uint64_t hi;
  std::uint64_t lo;
};

constexpr DigestRow digest_rows[] = {
    {0, 0, 0x99aa06d3014798d8, 0x6001c324468d497f},
    {0, 0x123456789abcdef, 0xa4cb05dbbf09907a, 0xaaa287af24a9bb3a},
    {1, 0, 0xa6cd5e9392000f6a, 0xc44bdff4074eecdb},
    {1, 0x123456789abcdef, 0xcfeda14808382ad3, 0xd5dd68911c7f195d},
    {2, 0, 0xe5b9f184e3a8fbe9, 0xe2b952c1391b5d2c},
    {2, 0x123456789abcdef, 0xa6b9c8f45ecf34a3, 0xea9df6981efdc876},
    {3, 0, 0x60e9054cae64ac6e, 0x85bbd47d8a04cfec},
    {3, 0x123456789abcdef, 0xd6d56ebdf8701882, 0xb50db74db0991b68},
    {4, 0, 0x3f487ba0770d052c, 0x23b519d7842268e9},
    {4, 0x123456789abcdef, 0x9c4bda286d8527a1, 0x66db1c875796c718},
    {5, 0, 0xc0d531f2d5506f4a, 0xeb27771542313a32},
    {5, 0x123456789abcdef, 0xb90dde41ddd1b4d9, 0xf6980a70ede86771},
    {8, 0, 0x02c2634e68fddd99, 0x908b9691d8660673},
    {8, 0x123456789abcdef, 0x390d0b0b8e578511, 0x1c4300dac8fbe893},
    {9, 0, 0xb1d50e8563f03ed1, 0x6e5ada3e395f18e1},
    {9, 0x123456789abcdef, 0x61d51b1532e6e0b2, 0x65178ce0a75066de},
    {15, 0, 0x905fe74b42fd8097, 0x835ce690f16d64b4},
    {15, 0x123456789abcdef, 0xfd9cbe7828822f87, 0x5416987845bd4120},
    {16, 0, 0xc9755fb5b691b147, 0xd5996a90002f9317},
    {16, 0x123456789abcdef, 0xa77b0f54daa23184, 0x27bfeded2b783e73},
    {17, 0, 0x8e2bfe5b445b1799, 0x1a57ec9f4e9bdcef},
    {17, 0x123456789abcdef, 0x11fa5ff477065c5d, 0xa455e75d2c2332c5},
    {31, 0, 0x63cd0b859d33c48a, 0x59955c2380f4ad0d},
    {31, 0x123456789abcdef, 0x0f861417829e6fd4, 0x515c20fb93cfd871},
    {32, 0, 0x0fac26a7e0dd502e, 0x7e38896135be1dd7},
    {32, 0x123456789abcdef, 0xe9cc5f3d710b0857, 0xe726537c503c2526},
    {63, 0, 0x3afd685077faf6e3, 0x3eca7a7d4ca38d63},
    {63, 0x123456789abcdef, 0x9474d7f343a41170, 0xffa9728d5edf9179},
    {64, 0, 0x0190f6befe9e5d09, 0xf2119d1f00b9192d},
    {64, 0x123456789abcdef, 0xbb6a2ec10798bb26, 0x871183147ba8be96},
    {127, 0, 0xaeb0418fc17c3573, 0xf57d70a6009a44d2},
    {127, 0x123456789abcdef, 0xf93292e11ed63650, 0x9e2ea459e488e89f},
    {128, 0, 0xf554eb3111917a76, 0xdc962f7fb338a868},
    {128, 0x123456789abcdef, 0xc510562cb1f2b4f0, 0x65613d27a28db3f8},
    {129, 0, 0x7b40d1a5180fd9f9, 0x48f0fb5e7d9dcb16},
    {129, 0x123456789abcdef, 0xc32da2642d012513, 0xb5b40cb4431cc5f7},
    {160, 0, 0xcfba2966c766d45f, 0x677ba95ee33eaf23},
    {160, 0x123456789abcdef, 0x10b533e057eb7efe, 0xbac103171a4f7e5a},
    {239, 0, 0xaf45d646f5e6a03d, 0x7645a6afd553c0f0},
    {239, 0x123456789abcdef, 0x527bc29a0db675f5, 0xcb050c2fab8a9276},
    {240, 0, 0xd2054e454a8ed1a5, 0x84813323abee6e77},
    {240, 0x123456789abcdef, 0x725a5456a0bbd16b, 0x1ef269ebf5621411},
    {241, 0, 0xcf9b947b00d57b71, 0x22ea6f0c1a7f6a10},
    {241, 0x123456789abcdef, 0x9af23ab630ecd29d, 0x7edeac0ff14cae5f},
    {256, 0, 0xede65d9c6c569504, 0xe26d49e449b161d4},
    {256, 0x123456789abcdef, 0x79ab1c3220d42a5c, 0xb1d710ea38b58c93},
    {257, 0, 0xfd9ee12528eee359, 0x6d742964adfa593a},
    {257, 0x123456789abcdef, 0xe3a7ad4db45749a4, 0xf7bb6fc59956e7b1},
    {511, 0, 0x747e6a75dc5d0ef0, 0xcaa6c2d5a46693ba},
    {511, 0x123456789abcdef, 0xc5a3a2973f5ee33a, 0x453769b5cdbe622b},
    {512, 0, 0xd9fa25816fe735aa, 0x8b32c6d9f315010b},
    {512, 0x123456789abcdef, 0x786941eed23cc786, 0x852aa3152ee37bca},
    {513, 0, 0x7b9e572770e362f4, 0x26b63a37fe206c35},
    {513, 0x123456789abcdef, 0xd357cd36264da3af, 0xc422b48182d9bd59},
    {1023, 0, 0xb06c8f9cea53adf6, 0xcdc9ba8670519971},
    {1023, 0x123456789abcdef, 0x79151b0ee567e62f, 0x80800ba3afc63839},
    {1024, 0, 0x19eb96fcd23eb57e, 0x2a4507ba7dbe5a14},
    {1024, 0x123456789abcdef, 0x27fc7b153342dba0, 0x315de4ea2118603b},
    {1025, 0, 0xf5a4f9d500ab4f17, 0x7d8edd9f53554515},
    {1025, 0x123456789abcdef, 0xe203644228892830, 0x541b051d4ede58a9},
    {2048, 0, 0xf13af155c96f812f, 0x75d784cbac3865a5},
    {2048, 0x123456789abcdef, 0xc92b265a26c06e34, 0x226a5d70a97d745b},
    {4096, 0, 0xbe9e3f3f410fbeb0, 0x275c25aee4a4b8ff},
    {4096, 0x123456789abcdef, 0xbf1890fb302c55a1, 0xd036081dee1590da},
};

struct WordRow {
  std::uint64_t seed;
  std::uint64_t word;
  std::uint64_t slot;
};

constexpr WordRow word_rows[] = {
    {0x0, 0x0, 0xc77b3abb6f87acd9},
    {0x0, 0x1, 0x2fbc593564db792e},
    {0x0, 0x8000000000000000, 0x828f2476789a0e5f},
    {0x0, 0x123456789abcdef, 0xb78df414284277a6},
    {0x0, all, 0x5111c7e47d784413},
    {0x123456789abcdef, 0x0, 0x84c4077b5ba88a78},
    {0x123456789abcdef, 0x1, 0x62da9b4ecf9e94bc},
    {0x123456789abcdef, 0x8000000000000000, 0x8cb9df8bf77df33d},
    {0x123456789abcdef, 0x123456789abcdef, 0x7b43d27938b9ff96},
    {0x123456789abcdef, all, 0x1c90f36d547002f0},
    {all, 0x0, 0x278ee7fde0ba32cc},
    {all, 0x1, 0x7928e38151286e3c},
    {all, 0x8000000000000000, 0xc91f577a3c1a4966},
    {all, 0x123456789abcdef, 0x515c4c5d8f7e70b5},
    {all, all, 0xda8f77a4d5c399ea},
};

struct PairRow {
  std::uint64_t seed;
  std::uint64_t hi;
  std::uint64_t lo;
  std::uint64_t slot;
};

constexpr PairRow pair_rows[] = {
    {0x0, 0x0, 0x0, 0xd0a66a65c7528968},
    {0x0, 0x0, 0x1, 0x26f2a1148cf52011},
    {0x0, 0x1, 0x0, 0x0cfbaea74a8cc0e5},
    {0x0, 0x123456789abcdef, 0xfedcba9876543210, 0x271f86d1006aada7},
    {0x0, all, all, 0x722a202f07a4b313},
    {0x123456789abcdef, 0x0, 0x0, 0xb209cf2b74b4002b},
    {0x123456789abcdef, 0x0, 0x1, 0x5024abf6e4abe074},
    {0x123456789abcdef, 0x1, 0x0, 0x1441972d3977dcbf},
    {0x123456789abcdef, 0x123456789abcdef, 0xfedcba9876543210, 0xee5741e09fa5ecc9},
    {0x123456789abcdef, all, all, 0x5a6dc50ccbc13766},
    {all, 0x0, 0x0, 0x6ca7f978e15828a6},
    {all, 0x0, 0x1, 0x0cfbaea74a8cc0e5},
    {all, 0x1, 0x0, 0x26f2a1148cf52011},
    {all, 0x123456789abcdef, 0xfedcba9876543210, 0x383633c453c0e0ee},
    {all, all, all, 0xeba04b131c4a828e},
};

Digest streamed(const Xxh3Hash& hash, std::span<const std::byte> input,
                std::span<const std::size_t> cuts) {
  Xxh3Hash::Stream stream(hash);
  std::size_t begin = 0;
  for (const std::size_t cut : cuts) {
    stream.update(input.subspan(begin, cut - begin));
    begin = cut;
  }
  stream.update(input.subspan(begin));
  return stream.finish();
}

}  // namespace

TEST_CASE("xxh3: whatever the processor, the digest is the one of xxHash as it was compiled here") {
  const auto input = input_of(10'000);
  std::size_t different = 0;
  for (std::size_t size = 0; size < 5'000; ++size) {
    for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, mix(size), all}) {
      const std::byte* const from = input.data() + size % 67;
      const Digest digest = Xxh3Hash(Seed{seed, 1}).digest({from, size});
      const XXH128_hash_t wanted = XXH3_128bits_withSeed(from, size, seed);
      different += digest.hi != wanted.high64 || digest.lo != wanted.low64;
    }
  }
  CHECK(different == 0);
#if IDEM_XXH3_KERNELS
  // Called by themselves: the digest above takes one way.
  using idem::detail::Simd;
  for (std::size_t size = 241; size < 5'000; size += size % 64 < 2 ? 1 : 31) {
    const XXH128_hash_t xxh = XXH3_128bits_withSeed(input.data(), size, 7 + size);
    const std::pair<std::uint64_t, std::uint64_t> wanted{xxh.high64, xxh.low64};
    if (idem::detail::processor_has(Simd::avx2))
      CHECK(idem::detail::xxh3_long_avx2(input.data(), size, 7 + size) == wanted);
    if (idem::detail::processor_has(Simd::avx512))
      CHECK(idem::detail::xxh3_long_avx512(input.data(), size, 7 + size) == wanted);
  }
#endif
}

TEST_CASE("xxh3: the published digest of nothing") {
  CHECK(Xxh3Hash(Seed{}).digest({}) == Digest{0x99aa06d3014798d8, 0x6001c324468d497f});
}

TEST_CASE("xxh3: digests at every border between its internal forms") {
  const auto input = input_of(4096);
  for (const DigestRow& row : digest_rows) {
    CAPTURE(row.length);
    CAPTURE(row.seed);
    const Digest expected{row.hi, row.lo};
    CHECK(Xxh3Hash(Seed{.first = row.seed}).digest(std::span(input).first(row.length)) == expected);
    // The second word of the seed plays no part in this hash.
    CHECK(Xxh3Hash(Seed{row.seed, 77}).digest(std::span(input).first(row.length)) == expected);
  }
}

TEST_CASE("xxh3: digests of every length to 1300, folded into one number a seed") {
  struct Fold {
    std::uint64_t seed;
    std::uint64_t folded;
  };
  constexpr Fold folds[] = {{0, 0xb9e3186d31172edc},
                            {1, 0xd1ad4279c308861d},
                            {0x0123456789abcdef, 0xd02c0696dcdffef3},
                            {all, 0x1d19cc3d768f51b9}};
  const auto input = input_of(1300);
  for (const Fold& fold : folds) {
    const Xxh3Hash hash(Seed{.first = fold.seed});
    std::uint64_t folded = 0;
    for (std::size_t length = 0; length <= 1300; ++length) {
      const Digest digest = hash.digest(std::span(input).first(length));
      folded = mix(folded ^ digest.hi);
      folded = mix(folded + digest.lo);
    }
    CAPTURE(fold.seed);
    CHECK(folded == fold.folded);
  }
}

TEST_CASE("xxh3: slots of words and pairs") {
  for (const WordRow& row : word_rows) {
    CAPTURE(row.seed);
    CAPTURE(row.word);
    CHECK(Xxh3Hash(Seed{.first = row.seed}).slot(row.word) == row.slot);
    CHECK(Xxh3Hash(Seed{row.seed, all}).slot(row.word) == row.slot);
  }
  for (const PairRow& row : pair_rows) {
    CAPTURE(row.seed);
    CAPTURE(row.hi);
    CAPTURE(row.lo);
    CHECK(Xxh3Hash(Seed{.first = row.seed}).slot(row.hi, row.lo) == row.slot);
  }
  std::uint64_t folded = 0;
  for (std::uint64_t i = 0; i < 2'000; ++i) {
    const Xxh3Hash hash(Seed{.first = mix(3 * i)});
    folded = mix(folded ^ hash.slot(mix(3 * i + 1)));
    folded = mix(folded + hash.slot(mix(3 * i + 1), mix(3 * i + 2)));
  }
  CHECK(folded == 0x8c31d796fa9349d8);
}

TEST_CASE("xxh3: a stream in two pieces, cut at every place, equals one shot") {
  const auto input = input_of(1300);
  const Xxh3Hash hash(Seed{.first = 5});
  for (const std::size_t length :
       {0UL,   1UL,   2UL,   16UL,  17UL,  128UL, 129UL, 240UL,  241UL,  255UL,
        256UL, 257UL, 300UL, 511UL, 512UL, 513UL, 768UL, 1024UL, 1025UL, 1300UL}) {
    const auto piece = std::span(input).first(length);
    const Digest expected = hash.digest(piece);
    for (std::size_t cut = 0; cut <= length; ++cut) {
      const std::size_t cuts[] = {cut};
      if (streamed(hash, piece, cuts) != expected) {
        CAPTURE(length);
        CAPTURE(cut);
        FAIL("the stream's digest differs");
      }
    }
  }
}

TEST_CASE("xxh3: a stream in many random pieces, empty ones too, equals one shot") {
  const auto input = input_of(20'000);
  Rng rng(51);
  for (int round = 0; round < 300; ++round) {
    const Xxh3Hash hash(Seed{.first = rng.next()});
    const auto piece = std::span(input).first(rng.below(rng.one_in(10) ? 20'000 : 2'000));
    std::vector<std::size_t> cuts;
    for (std::uint64_t i = rng.below(30); i != 0; --i) cuts.push_back(rng.below(piece.size() + 1));
    std::sort(cuts.begin(), cuts.end());
    REQUIRE(streamed(hash, piece, cuts) == hash.digest(piece));
  }
}

TEST_CASE("xxh3: finish may be asked more than once and between updates") {
  const auto input = input_of(700);
  const Xxh3Hash hash(Seed{.first = 9});
  Xxh3Hash::Stream stream(hash);
  CHECK(stream.finish() == hash.digest({}));
  for (std::size_t end = 100; end <= 700; end += 100) {
    stream.update(std::span(input).subspan(end - 100, 100));
    CHECK(stream.finish() == hash.digest(std::span(input).first(end)));
    CHECK(stream.finish() == hash.digest(std::span(input).first(end)));
  }
  Xxh3Hash::Stream other(hash);
  other.update(std::span(input).first(300));
  Xxh3Hash::Stream copy = other;
  copy.update(std::span(input).subspan(300));
  CHECK(other.finish() == hash.digest(std::span(input).first(300)));
  CHECK(copy.finish() == hash.digest(input));
}

TEST_CASE("xxh3: a stream does not depend on what its storage held") {
  const auto input = input_of(1'000);
  constexpr std::uint64_t seed = 0x5eed;
  const Xxh3Hash hash(Seed{.first = seed});
  using Stream = Xxh3Hash::Stream;
  alignas(Stream) unsigned char storage[sizeof(Stream)];
  for (std::size_t word = 0; word < sizeof(Stream) / 8; ++word) {
    // Written through volatile, or the optimiser drops what the constructor should not read.
    volatile unsigned char* const bytes = storage;
    for (std::size_t i = 0; i < sizeof(Stream); ++i) bytes[i] = 0;
    for (std::size_t i = 0; i < 8; ++i)
      bytes[8 * word + i] = static_cast<unsigned char>(seed >> (8 * i) & 0xff);
    auto* const stream = new (storage) Stream(hash);
    stream->update(input);
    const Digest digest = stream->finish();
    stream->~Stream();
    CAPTURE(word);
    CHECK(digest == hash.digest(input));
  }
}

TEST_CASE("hash: a seed from the system is not the last one") {
  const Seed a = Seed::random();
  const Seed b = Seed::random();
  CHECK(a != b);
  CHECK(a.first != b.first);
  CHECK(a.second != b.second);
  CHECK(a.first != a.second);
  CHECK(Seed{} == Seed{0, 0});
  CHECK(Seed{1, 2} != Seed{1, 3});
  CHECK(Seed{1, 2} != Seed{2, 2});
  CHECK(Xxh3Hash(Seed{3, 4}).seed() == Seed{3, 4});
}

TEST_CASE("digest: ordered by hi, then lo") {
  CHECK(Digest{} == Digest{0, 0});
  CHECK(Digest{0, all} < Digest{1, 0});
  CHECK(Digest{1, 0} < Digest{1, 1});
  CHECK(Digest{1, 1} != Digest{1, 0});
  CHECK(Digest{1, 1} != Digest{0, 1});
  static_assert(Digest{2, 0} > Digest{1, 9});
}

TEST_CASE("hash policy: both hashes model it") {
  static_assert(idem::HashPolicy<Xxh3Hash> && idem::HashPolicy<idem::SipHash>);
  static_assert(!idem::HashPolicy<Seed> && !idem::HashPolicy<std::uint64_t>);
}
