#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include "memory/sets.hpp"
#include "support/hex.hpp"
#include "support/random.hpp"

using idem::Digest;
using idem::Verdict;
using idem_test::counting_bytes;
using namespace std::string_view_literals;

namespace {

constexpr idem::Seed seed{0x0123456789abcdef, 0xfedcba9876543210};

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

}  // namespace

TEST_CASE_TEMPLATE("content: bytes, text and digest are one key", Set, idem::ContentHashSet,
                   idem_test::HostileContentSet) {
  Set set({.seed = seed});
  CHECK(set.insert("payload"sv) == Verdict::fresh);
  CHECK(set.insert(as_bytes("payload")) == Verdict::duplicate);
  CHECK(set.insert(set.digest("payload"sv)) == Verdict::duplicate);
  CHECK(set.check("payload"sv) == Verdict::duplicate);
  CHECK(set.check(as_bytes("payload")) == Verdict::duplicate);
  CHECK(set.check("payloaD"sv) == Verdict::fresh);
  CHECK(set.size() == 1);
  CHECK(set.forget(as_bytes("payload")));
  CHECK_FALSE(set.forget("payload"sv));
  CHECK(set.insert(as_bytes("payload")) == Verdict::fresh);
  CHECK(set.forget(set.digest(as_bytes("payload"))));
  CHECK(set.size() == 0);
}

TEST_CASE_TEMPLATE("content: the empty one and those with zero bytes are contents too", Set,
                   idem::ContentHashSet, idem_test::HostileContentSet) {
  Set set({.seed = seed});
  CHECK(set.insert(""sv) == Verdict::fresh);
  CHECK(set.insert(std::span<const std::byte>()) == Verdict::duplicate);
  for (std::size_t length = 1; length < 50; ++length) {
    const std::vector<std::byte> zeros(length);
    REQUIRE(set.insert(std::span<const std::byte>(zeros)) == Verdict::fresh);
  }
  CHECK(set.insert("a\0b"sv) == Verdict::fresh);
  CHECK(set.check("a\0c"sv) == Verdict::fresh);
  CHECK(set.check("a"sv) == Verdict::fresh);
}

TEST_CASE_TEMPLATE("content: the digest is the policy's, under the set's seed", Set,
                   idem::ContentHashSet, idem_test::HostileContentSet) {
  const Set set({.seed = seed});
  const typename Set::Hash hash(seed);
  for (const std::size_t length : {0UL, 1UL, 16UL, 100UL, 240UL, 241UL, 5'000UL}) {
    const auto content = counting_bytes(length);
    CHECK(set.digest(std::span<const std::byte>(content)) == hash.digest(content));
  }
  CHECK(set.digest("idem"sv) == (std::is_same_v<Set, idem::ContentHashSet>
                                     ? Digest{0xc1f3526809ca460f, 0x05753d8cc2411a08}
                                     : Digest{0x5bd0d4ca079a8429, 0xfd8ed9184f590f8d}));
  const Set other({.seed = idem::Seed{1, 2}});
  CHECK(other.digest("idem"sv) != set.digest("idem"sv));
}

// Contents of 0 to 5,000 bytes, a third of them repeats, in batches of 0 to 200.
TEST_CASE_TEMPLATE("content: a batch of contents answers as they would one by one", Set,
                   idem::ContentHashSet, idem_test::HostileContentSet) {
  idem_test::Rng random(29);
  std::vector<std::vector<std::byte>> contents;
  for (std::size_t i = 0; i < 600; ++i) {
    if (i != 0 && random.below(3) == 0) {
      contents.push_back(contents[random.below(i)]);
    } else {
      contents.emplace_back(random.below(random.below(8) == 0 ? 5'000 : 300));
      for (std::byte& byte : contents.back()) byte = static_cast<std::byte>(random.below(256));
    }
  }
  std::vector<std::span<const std::byte>> spans(contents.begin(), contents.end());
  std::vector<std::string_view> texts;
  for (const auto bytes : spans)
    texts.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());

  Set single({.seed = seed}), batched({.seed = seed}), of_texts({.seed = seed});
  std::size_t duplicates = 0;
  for (std::size_t begin = 0; begin < spans.size();) {
    const std::size_t count =
        std::min(spans.size() - begin, static_cast<std::size_t>(random.below(201)));
    std::vector<Verdict> verdicts(count, Verdict::unknown), same = verdicts;
    batched.insert(std::span<const std::span<const std::byte>>(spans).subspan(begin, count),
                   verdicts);
    of_texts.insert(std::span<const std::string_view>(texts).subspan(begin, count), same);
    for (std::size_t i = 0; i < count; ++i) {
      const Verdict verdict = single.insert(spans[begin + i]);
      REQUIRE(verdicts[i] == verdict);
      REQUIRE(same[i] == verdict);
      duplicates += verdict == Verdict::duplicate;
    }
    begin += count;
  }
  CHECK(duplicates > 150);
  CHECK(duplicates < 300);
  CHECK(batched.size() == spans.size() - duplicates);
}

TEST_CASE_TEMPLATE("content: in pieces or as a stream it is the same", Set, idem::ContentHashSet,
                   idem_test::HostileContentSet) {
  Set set({.seed = seed});
  const auto content = counting_bytes(1'000);
  const std::span<const std::byte> whole(content);
  idem_test::Rng rng(5);
  for (int round = 0; round < 200; ++round) {
    const std::size_t a = rng.below(1'001);
    const std::size_t b = a + rng.below(1'001 - a);
    const std::array<std::span<const std::byte>, 4> pieces = {
        whole.first(a), whole.subspan(a, b - a), std::span<const std::byte>(), whole.subspan(b)};
    REQUIRE(set.digest_pieces(pieces) == set.digest(whole));
    typename Set::Stream stream(set.hash());
    for (const auto piece : pieces) stream.update(piece);
    REQUIRE(stream.finish() == set.digest(whole));
  }
  CHECK(set.digest_pieces({}) == set.digest(""sv));
  // Pieces are one content: where they are cut tells nothing. Fields are for that.
  const std::array<std::span<const std::byte>, 2> ab_c = {as_bytes("ab"), as_bytes("c")};
  const std::array<std::span<const std::byte>, 2> a_bc = {as_bytes("a"), as_bytes("bc")};
  CHECK(set.digest_pieces(ab_c) == set.digest_pieces(a_bc));
  CHECK(set.digest_fields("ab"sv, "c"sv) != set.digest_fields("a"sv, "bc"sv));
  CHECK(set.digest_fields("ab"sv, 7U) == idem::digest_fields(set.hash(), "ab"sv, 7U));
}

TEST_CASE_TEMPLATE("content: contents that differ in one bit are different", Set,
                   idem::ContentHashSet, idem_test::HostileContentSet) {
  for (const std::size_t length : {1UL, 3UL, 8UL, 16UL, 17UL, 64UL, 128UL, 129UL, 241UL, 500UL}) {
    Set set({.seed = seed});
    auto content = counting_bytes(length);
    REQUIRE(set.insert(std::span<const std::byte>(content)) == Verdict::fresh);
    for (std::size_t bit = 0; bit < 8 * length; ++bit) {
      content[bit / 8] ^= std::byte{1} << bit % 8;
      REQUIRE(set.insert(std::span<const std::byte>(content)) == Verdict::fresh);
      content[bit / 8] ^= std::byte{1} << bit % 8;
    }
    REQUIRE(set.insert(std::span<const std::byte>(content)) == Verdict::duplicate);
    REQUIRE(set.size() == 8 * length + 1);
  }
}

TEST_CASE("content: a digest of one's own goes in as it is") {
  idem::ContentHashSet set;
  CHECK(set.insert(Digest{1, 2}) == Verdict::fresh);
  CHECK(set.insert(Digest{2, 1}) == Verdict::fresh);
  CHECK(set.insert(Digest{0, 0}) == Verdict::fresh);
  CHECK(set.insert(Digest{1, 2}, idem_test::some_time) == Verdict::duplicate);
  CHECK(set.check(Digest{2, 1}, idem_test::some_time) == Verdict::duplicate);
}

namespace {

// A digest of two bits: contents meet all the time, as nobody could wait for under a good hash.
struct NarrowHash {
  explicit NarrowHash(idem::Seed seed) noexcept : xxh3(seed) {}
  [[nodiscard]] std::uint64_t slot(std::uint64_t id) const noexcept { return xxh3.slot(id); }
  [[nodiscard]] std::uint64_t slot(std::uint64_t hi, std::uint64_t lo) const noexcept {
    return xxh3.slot(hi, lo);
  }
  [[nodiscard]] Digest digest(std::span<const std::byte> bytes) const noexcept {
    return {0, xxh3.digest(bytes).lo & 3};
  }
  [[nodiscard]] idem::Seed seed() const noexcept { return xxh3.seed(); }
  struct Stream {
    explicit Stream(const NarrowHash& hash) noexcept : inner(hash.xxh3) {}
    void update(std::span<const std::byte> bytes) noexcept { inner.update(bytes); }
    [[nodiscard]] Digest finish() const noexcept { return {0, inner.finish().lo & 3}; }
    idem::Xxh3Hash::Stream inner;
  };
  idem::Xxh3Hash xxh3;
};

}  // namespace

TEST_CASE("content: one that only shares the digest is a conflict, against a map of contents") {
  idem::BasicContentHashSet<NarrowHash> set({.seed = seed});
  std::map<Digest, std::string> stored;  // the caller's
  std::map<Digest, std::string> first;   // the oracle's
  std::array<std::uint64_t, 4> answers{};
  idem_test::Rng rng(11);
  for (int step = 0; step < 20'000; ++step) {
    const std::string content = std::to_string(rng.below(12));
    const Digest digest = set.digest(std::string_view(content));
    std::uint64_t asked = 0;
    const auto same = [&](const Digest& known) noexcept -> std::optional<bool> {
      ++asked;
      if (known != digest) return std::nullopt;
      const auto found = stored.find(known);
      if (found == stored.end()) return std::nullopt;
      return found->second == content;
    };
    const auto known = first.find(digest);
    const Verdict wanted = known == first.end()       ? Verdict::fresh
                           : !stored.contains(digest) ? Verdict::unknown
                           : known->second == content ? Verdict::duplicate
                                                      : Verdict::conflict;
    const std::size_t size = set.size();
    CHECK(set.check(std::string_view(content), same) == wanted);
    CHECK(set.check(digest, same) == wanted);
    CHECK(set.check(as_bytes(content), same) == wanted);
    Verdict verdict{};
    switch (rng.below(3)) {
      case 0:
        verdict = set.insert(std::string_view(content), same);
        break;
      case 1:
        verdict = set.insert(as_bytes(content), same);
        break;
      default:
        verdict = set.insert(digest, same);
    }
    REQUIRE(verdict == wanted);
    // A content that is fresh is compared with nothing, and only it is recorded.
    CHECK(asked == (wanted == Verdict::fresh ? 0 : 4));
    CHECK(set.size() == size + (wanted == Verdict::fresh));
    if (wanted == Verdict::fresh) {
      first[digest] = content;
      if (!rng.one_in(3)) stored[digest] = content;  // or the process dies before it could
    }
    answers[wanted == Verdict::fresh       ? 0
            : wanted == Verdict::duplicate ? 1
            : wanted == Verdict::conflict  ? 2
                                           : 3] += 1;
    if (rng.one_in(50)) {
      (void)set.forget(digest);
      first.erase(digest);
      stored.erase(digest);
    }
  }
  for (const std::uint64_t times : answers) CHECK(times > 100);
}

TEST_CASE("content: what a comparison throws passes through and changes nothing") {
  idem::ContentHashSet set({.seed = seed});
  const auto broken = [](const Digest&) -> bool { throw std::runtime_error("the store is away"); };
  static_assert(!noexcept(set.insert("a"sv, broken)));
  static_assert(noexcept(set.insert("a"sv, [](const Digest&) noexcept { return true; })));
  static_assert(noexcept(set.insert("a"sv)));
  CHECK(set.insert("a"sv, broken) == Verdict::fresh);
  CHECK_THROWS_AS((void)set.insert("a"sv, broken), std::runtime_error);
  CHECK_THROWS_AS((void)set.check("a"sv, broken), std::runtime_error);
  CHECK(set.size() == 1);
  CHECK(set.insert("a"sv, [](const Digest&) { return true; }) == Verdict::duplicate);
  CHECK(set.insert("a"sv, [](const Digest&) { return false; }) == Verdict::conflict);
  CHECK(set.insert("a"sv) == Verdict::duplicate);

  // `full` is no match either.
  idem::ContentHashSet small({.budget = idem::kibibytes(1), .seed = seed});
  std::uint64_t taken = 0;
  while (small.insert(Digest{1, taken}, broken) == Verdict::fresh) ++taken;
  CHECK(taken > 10);
  CHECK(small.insert(Digest{1, taken}, broken) == Verdict::full);
}
