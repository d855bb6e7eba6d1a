#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <idem/core/hash.hpp>
#include <idem/core/scoped.hpp>

namespace {

struct Payment {
  std::uint64_t account;
  std::string number;
};
enum class Region : std::uint8_t { north = 1, south = 2 };

template <class K>
idem::Digest stored(const K& key, const auto& hash) {
  return idem::KeyTraits<K>::store(key, hash);
}
template <class K>
idem::Digest stored(const K& key) {
  return stored(key, idem::Xxh3Hash({1, 2}));
}

}  // namespace

template <>
struct idem::KeyTraits<Payment> : idem::DigestOf<&Payment::account, &Payment::number> {};

namespace {

using idem::Scoped;
using idem::Uuid;

static_assert(idem::Key<Scoped<Uuid>> && idem::Key<Scoped<std::string, std::string>> &&
              idem::Key<Scoped<Payment, Region>> && idem::Key<Scoped<idem::Digest, Uuid>>);
static_assert(idem::KeyTraits<Scoped<std::uint64_t>>::exact);
static_assert(idem::KeyTraits<Scoped<int, Region>>::exact);
static_assert(!idem::KeyTraits<Scoped<Uuid>>::exact);
static_assert(!idem::KeyTraits<Scoped<std::uint64_t, std::string>>::exact);
static_assert(std::is_same_v<decltype(Scoped{Region::north, Uuid()}), Scoped<Uuid, Region>>);

TEST_CASE("two numbers are kept whole, whatever the hash") {
  for (const std::uint64_t scope : {0ULL, 1ULL, ~0ULL}) {
    for (const std::uint64_t key : {0ULL, 1ULL, ~0ULL}) {
      CHECK(stored(Scoped<std::uint64_t>{scope, key}) == idem::Digest{scope, key});
      CHECK(stored(Scoped<std::uint64_t>{scope, key}, idem::SipHash({7, 8})) ==
            idem::Digest{scope, key});
    }
  }
  CHECK(stored(Scoped<int, Region>{Region::south, -1}) == idem::Digest{2, ~std::uint64_t{0}});
}

TEST_CASE("other keys are a digest of both, each told apart from the other") {
  const idem::Xxh3Hash hash({1, 2});
  CHECK(stored(Scoped<std::string, std::string>{"ab", "c"}) ==
        idem::digest_fields(hash, std::string("ab"), std::string("c")));
  CHECK(stored(Scoped<Uuid>{7, Uuid(1, 2)}) ==
        idem::digest_fields(hash, std::uint64_t{7}, Uuid(1, 2)));
  // A string is the same key however it is held.
  CHECK(stored(Scoped<std::string_view, std::string_view>{"ab", "c"}) ==
        stored(Scoped<std::string, std::string>{"ab", "c"}));

  std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
  std::size_t count = 0;
  const auto differs = [&](const auto& key) {
    const idem::Digest digest = stored(key);
    seen.emplace(digest.hi, digest.lo);
    ++count;
  };
  using Text = Scoped<std::string, std::string>;
  for (const Text& key : {Text{"ab", "c"}, Text{"a", "bc"}, Text{"", "abc"}, Text{"abc", ""},
                          Text{"", ""}, Text{"c", "ab"}}) {
    differs(key);
  }
  for (const std::uint64_t scope : {1U, 2U}) {
    differs(Scoped<Uuid>{scope, Uuid(1, 1)});
    differs(Scoped<Uuid>{scope, Uuid(2, 1)});
    differs(Scoped<Payment>{scope, {1, "x"}});
    differs(Scoped<Payment>{scope, {2, "x"}});
  }
  using Optional = Scoped<std::uint64_t, std::optional<std::uint64_t>>;
  differs(Optional{std::nullopt, 5});
  differs(Optional{0, 5});
  CHECK(seen.size() == count);
}

TEST_CASE("the digest is under the memory's hash and seed") {
  const Scoped<std::string> key{1, "k"};
  const idem::Digest plain = stored(key, idem::Xxh3Hash({1, 2}));
  CHECK(plain == stored(key, idem::Xxh3Hash({1, 2})));
  CHECK(plain != stored(key, idem::Xxh3Hash({3, 2})));
  CHECK(plain != stored(key, idem::SipHash({1, 2})));
}

}  // namespace
