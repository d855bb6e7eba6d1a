#include <idem/core/key.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "support/hex.hpp"
#include "support/random.hpp"

using idem::Digest;
using idem::digest_fields;
using idem::KeyTraits;
using idem::Seed;
using idem::SipHash;
using idem::Uuid;
using idem::Xxh3Hash;
using idem_test::from_hex;
using idem_test::Rng;
using namespace std::string_view_literals;

namespace {

enum class Region : std::uint16_t { north = 0x0102 };
enum class Level : std::int8_t { low = -2 };
enum Plain : std::uint32_t { plain_value = 0x12345678 };

struct Payment {
  std::uint64_t tenant = 0;
  std::string key;
  std::int64_t sent_at = 0;  // no part of the identity
  [[nodiscard]] std::string_view region() const noexcept { return region_; }
  std::string region_;
};

// The encoding again, from its description alone.
class Encoding {
 public:
  Encoding& number(std::uint64_t value, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i)
      bytes_.push_back(static_cast<std::byte>(value >> (8 * i) & 0xff));
    return *this;
  }
  Encoding& string(std::string_view text) {
    number(text.size(), 8);
    for (const char c : text) bytes_.push_back(static_cast<std::byte>(c));
    return *this;
  }
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

constexpr Seed seed{0x0123456789abcdef, 0xfedcba9876543210};
const Xxh3Hash xxh3(seed);
const SipHash sip(seed);

// One kind of field under both hashes.
template <class... Field>
void check_golden(Digest by_xxh3, Digest by_sip, const Field&... field) {
  CHECK(digest_fields(xxh3, field...) == by_xxh3);
  CHECK(digest_fields(sip, field...) == by_sip);
}

}  // namespace

template <>
struct idem::KeyTraits<Payment>
    : idem::DigestOf<&Payment::tenant, &Payment::key, &Payment::region> {};

TEST_CASE("fields: golden digests of every kind of field") {
  check_golden({0x9304cb90447faac9, 0x09cd0558955c643e}, {0x73b510fbf95a443c, 0x5fdcfde810d7ef78},
               std::uint8_t{0xab});
  check_golden({0x28ec76ac556c91b0, 0xfa171af883d322b5}, {0x69f6af68979f6c64, 0x8b133b3453c98a25},
               std::int8_t{-2});
  check_golden({0x5e84690274572734, 0x571835794c70f475}, {0x6ef40ddd039bbf1e, 0xdd3c7be1409828bc},
               std::uint16_t{0x1234});
  check_golden({0xdcfb201997882b6a, 0xc1b86e4e0d160a6c}, {0x25c5e090db40cdd4, 0x0a854cae507893e3},
               std::int16_t{-2});
  check_golden({0x199b57f98be23f30, 0x78a114298511e2b9}, {0xb0ae224df4781377, 0x51a073f4659161c3},
               std::uint32_t{0x12345678});
  check_golden({0x70249617a0c0f0a4, 0xb21bd50980d58c9a}, {0x2bbaff2286c672ce, 0x5fe2693b3437f5f7},
               std::int32_t{-2});
  check_golden({0xe70a1b6104db2f5c, 0x93f6289089022ae2}, {0xd4512b4cdf7f34b9, 0xc8080ece7f9e65d3},
               std::uint64_t{0x0123456789abcdef});
  check_golden({0x6159beecfd3d9648, 0x507cfcafcc508fb3}, {0xa1938afb615d6c1b, 0x5c0a1fce0579d55b},
               std::int64_t{-2});
  check_golden({0x9808eabf42523073, 0x8e096f7a79580cfc}, {0xd6444c80783c57ed, 0x63592aebb231e42d},
               Region::north);
  check_golden({0x28ec76ac556c91b0, 0xfa171af883d322b5}, {0x69f6af68979f6c64, 0x8b133b3453c98a25},
               Level::low);
  check_golden({0x199b57f98be23f30, 0x78a114298511e2b9}, {0xb0ae224df4781377, 0x51a073f4659161c3},
               plain_value);
  check_golden({0x33149f1e7833b3fa, 0xd2736045b9a2490d}, {0xb067f167b4182d9f, 0xc8d1449fc2ed7c4a},
               true);
  check_golden({0xcfeda14808382ad3, 0xd5dd68911c7f195d}, {0x23ea2e9a601c42c3, 0x206979a9fee195b3},
               false);
  check_golden({0xb556731c1457240d, 0xd68bbebffbc4edd9}, {0xfafd758bb2204b10, 0x7ad96a0a3573e892},
               Uuid(0x0011223344556677, 0x8899aabbccddeeff));
  check_golden({0x3905aaa385b4d7f6, 0x0c0b6527769dc13b}, {0x50734eff9e2b4655, 0xa94b69b8c9c5787b},
               Digest{0x0011223344556677, 0x8899aabbccddeeff});
  check_golden({0xaffd998372e73050, 0xaf39f735f5284344}, {0x5986277c4703b0c3, 0x4c463236252275da},
               "idem"sv);
  check_golden({0xaffd998372e73050, 0xaf39f735f5284344}, {0x5986277c4703b0c3, 0x4c463236252275da},
               std::string("idem"));
  check_golden({0x84b8daee8addcdfd, 0xfcbda853db6e261f}, {0xe2ce0c08a35e7e3a, 0x41a7c729cad3c644},
               ""sv);
  check_golden({0xb126ec3da6eed2c3, 0xb8163325c0ca0634}, {0x1933bba2aa8ca861, 0x8a30d163f8e046ae},
               "\0a"sv);
  const auto run = from_hex("00ff");
  check_golden({0x1c1bcb513f7f3764, 0x2e38a05bb37609f9}, {0x79e066a980f9df63, 0x80689c457e9988a4},
               std::span<const std::byte>(run));
  check_golden({0xcfeda14808382ad3, 0xd5dd68911c7f195d}, {0x23ea2e9a601c42c3, 0x206979a9fee195b3},
               std::optional<std::uint32_t>());
  check_golden({0x21f3f7f47676e860, 0x97202d5c48135cce}, {0x865c4cc2c2760d0a, 0xdb0d732a7d1b16ef},
               std::optional<std::uint32_t>(7));
  check_golden({0x3d8757309308ff3c, 0xe64cb01523fb88c8}, {0xa5ef709c41894860, 0xab450cf2b1ade34a},
               std::optional<std::string>("x"));
}

TEST_CASE("fields: golden digests of several fields and of a long one") {
  check_golden({0x0daf5e916668a388, 0x2f1a8013637f0c26}, {0xdc84ab25c91e95dc, 0x14d35a79a571df19},
               std::uint64_t{42}, std::string("order-7"),
               Uuid(0x0011223344556677, 0x8899aabbccddeeff), true,
               std::optional<std::int16_t>(std::int16_t{-3}), std::optional<std::string>());
  check_golden({0x20962ede7af5d46c, 0x4f8d8251568b93bd}, {0x10197924b3d90bb8, 0x01ec2106848b823a},
               std::string(1'000, 'x'));
  check_golden({0xa4cb05dbbf09907a, 0xaaa287af24a9bb3a}, {0xe9f1becf387b4a45, 0x4f80402369e69a6b});
}

TEST_CASE("fields: neighbours are told apart") {
  const auto differ = [](const Digest& a, const Digest& b) { CHECK(a != b); };
  differ(digest_fields(xxh3, "ab"sv, "c"sv), digest_fields(xxh3, "a"sv, "bc"sv));
  differ(digest_fields(xxh3, "ab"sv, ""sv), digest_fields(xxh3, ""sv, "ab"sv));
  differ(digest_fields(xxh3, "ab"sv), digest_fields(xxh3, "ab"sv, ""sv));
  differ(digest_fields(xxh3, "ab"sv, "c"sv), digest_fields(xxh3, "c"sv, "ab"sv));
  differ(digest_fields(xxh3, std::optional<int>()), digest_fields(xxh3, std::optional<int>(0)));
  differ(digest_fields(xxh3, std::optional<int>(), std::optional<int>(1)),
         digest_fields(xxh3, std::optional<int>(1), std::optional<int>()));
  differ(digest_fields(xxh3, std::optional<std::string>()),
         digest_fields(xxh3, std::optional<std::string>("")));
  differ(digest_fields(xxh3, std::uint16_t{1}), digest_fields(xxh3, std::uint32_t{1}));
  differ(digest_fields(xxh3, std::uint32_t{1}, std::uint32_t{2}),
         digest_fields(xxh3, std::uint32_t{2}, std::uint32_t{1}));
  differ(digest_fields(xxh3, "idem"sv), digest_fields(Xxh3Hash(Seed{1, 2}), "idem"sv));
  differ(digest_fields(xxh3, "idem"sv), digest_fields(sip, "idem"sv));
}

TEST_CASE("fields: all ways to spread ten letters over three strings differ") {
  std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
  const auto text = "aaaaaaaaaa"sv;
  std::size_t ways = 0;
  for (std::size_t first = 0; first <= 10; ++first) {
    for (std::size_t second = first; second <= 10; ++second) {
      const Digest digest = digest_fields(xxh3, text.substr(0, first),
                                          text.substr(first, second - first), text.substr(second));
      seen.emplace(digest.hi, digest.lo);
      ++ways;
    }
  }
  CHECK(ways == 66);
  CHECK(seen.size() == ways);
}

TEST_CASE("fields: the digest is that of the encoded bytes, whatever their number") {
  for (std::size_t first = 0; first <= 600; ++first) {
    const std::string text(first, 'q');
    for (const std::size_t second : {std::size_t{0}, std::size_t{1}, first, std::size_t{700}}) {
      const std::string other(second, 'r');
      Encoding encoding;
      encoding.number(first, 4).string(text).number(0xfe, 1).string(other).number(second, 8);
      const Digest by_xxh3 =
          digest_fields(xxh3, static_cast<std::uint32_t>(first), text, std::int8_t{-2},
                        std::string_view(other), std::uint64_t{second});
      const Digest by_sip = digest_fields(sip, static_cast<std::uint32_t>(first), text,
                                          std::int8_t{-2}, other, std::uint64_t{second});
      if (by_xxh3 != xxh3.digest(encoding.bytes()) || by_sip != sip.digest(encoding.bytes())) {
        CAPTURE(first);
        CAPTURE(second);
        FAIL("not the digest of the encoded bytes");
      }
    }
  }
}

TEST_CASE("fields: many short fields, past any buffer") {
  Rng rng(61);
  for (int round = 0; round < 200; ++round) {
    const std::uint64_t a = rng.next();
    const std::uint64_t b = rng.next();
    const Uuid id(a, b);
    Encoding encoding;
    for (int i = 0; i < 20; ++i) {
      encoding.number(a, 8).number(b, 1);
      for (const std::byte byte : id.bytes()) encoding.number(std::to_integer<unsigned>(byte), 1);
    }
    const auto c = static_cast<std::uint8_t>(b);
    const Digest got =
        digest_fields(xxh3, a, c, id, a, c, id, a, c, id, a, c, id, a, c, id, a, c, id, a, c, id, a,
                      c, id, a, c, id, a, c, id, a, c, id, a, c, id, a, c, id, a, c, id, a, c, id,
                      a, c, id, a, c, id, a, c, id, a, c, id, a, c, id);
    REQUIRE(got == xxh3.digest(encoding.bytes()));
  }
}

TEST_CASE("key traits: fixed-width ids are stored as they are") {
  const Uuid id(5, 6);
  CHECK(KeyTraits<Uuid>::store(id, xxh3) == id);
  CHECK(KeyTraits<std::uint64_t>::store(7, xxh3) == 7);
  CHECK(KeyTraits<Digest>::store(Digest{8, 9}, xxh3) == Digest{8, 9});
  static_assert(KeyTraits<Uuid>::exact && KeyTraits<std::uint64_t>::exact &&
                KeyTraits<Digest>::exact);
  static_assert(std::is_same_v<KeyTraits<Uuid>::Stored, Uuid>);
  static_assert(std::is_same_v<KeyTraits<std::uint64_t>::Stored, std::uint64_t>);
  CHECK(KeyTraits<Uuid>::route(id, xxh3) == xxh3.slot(5, 6));
  CHECK(KeyTraits<std::uint64_t>::route(std::uint64_t{7}, xxh3) == xxh3.slot(7));
  CHECK(KeyTraits<Digest>::route(Digest{8, 9}, sip) == sip.slot(8, 9));
}

TEST_CASE("key traits: strings are stored as their digest") {
  CHECK(KeyTraits<std::string>::store("idem", xxh3) ==
        Digest{0xc1f3526809ca460f, 0x05753d8cc2411a08});
  CHECK(KeyTraits<std::string_view>::store("idem", sip) ==
        Digest{0x5bd0d4ca079a8429, 0xfd8ed9184f590f8d});
  CHECK(KeyTraits<std::string>::store("id\0em"sv, xxh3) !=
        KeyTraits<std::string>::store("id", xxh3));
  static_assert(!KeyTraits<std::string>::exact && !KeyTraits<std::string_view>::exact);
  static_assert(std::is_same_v<KeyTraits<std::string>::Stored, Digest>);
}

TEST_CASE("key traits: a struct by the members it names") {
  const Payment payment{42, "order-7", 1'000, "north"};
  const Digest digest = KeyTraits<Payment>::store(payment, xxh3);
  CHECK(digest == digest_fields(xxh3, std::uint64_t{42}, "order-7"sv, "north"sv));
  CHECK(digest == xxh3.digest(Encoding().number(42, 8).string("order-7").string("north").bytes()));
  CHECK(KeyTraits<Payment>::store(Payment{42, "order-7", 2'000, "north"}, xxh3) == digest);
  CHECK(KeyTraits<Payment>::store(Payment{43, "order-7", 1'000, "north"}, xxh3) != digest);
  CHECK(KeyTraits<Payment>::store(Payment{42, "order-8", 1'000, "north"}, xxh3) != digest);
  CHECK(KeyTraits<Payment>::store(Payment{42, "order-7", 1'000, "south"}, xxh3) != digest);
  CHECK(KeyTraits<Payment>::store(Payment{42, "order-7n", 1'000, "orth"}, xxh3) != digest);
  CHECK(KeyTraits<Payment>::route(digest, xxh3) == xxh3.slot(digest.hi, digest.lo));
  static_assert(!KeyTraits<Payment>::exact);
}

TEST_CASE("key: which types are keys") {
  static_assert(idem::Key<Uuid> && idem::Key<std::uint64_t> && idem::Key<Digest> &&
                idem::Key<std::string> && idem::Key<std::string_view> && idem::Key<Payment> &&
                idem::Key<Region> && idem::Key<std::int32_t> && idem::Key<unsigned long long>);
  static_assert(!idem::Key<double> && !idem::Key<std::vector<int>>);
  CHECK(KeyTraits<std::int32_t>::store(-1, xxh3) == ~std::uint64_t{0});
}
