#include <cstddef>
#include <cstdint>
#include <string>

#include <doctest/doctest.h>

#include <idem/memory/exact_set.hpp>

namespace {

using idem::Verdict;

std::string nth(std::uint64_t n) { return "a key too long for its object " + std::to_string(n); }

// A buffer would end at its first zero byte, and 42.9 be the key 42.
template <class Set, class Key>
constexpr bool takes = requires(Set& set, Key key) {
  set.insert(key);
};
using Texts = idem::ExactSet<std::string>;
using Numbers = idem::ExactSet<std::uint32_t>;
static_assert(takes<Texts, const char (&)[4]> && !takes<Texts, char (&)[4]>);
static_assert(takes<Numbers, int> && !takes<Numbers, double> && !takes<Numbers, std::uint64_t>);

TEST_CASE("ExactSet: fresh once, forgotten on request, a copy is apart") {
  idem::ExactSet<std::string> seen;
  for (std::uint64_t n = 0; n < 5'000; ++n) REQUIRE(seen.insert(nth(n)) == Verdict::fresh);
  for (std::uint64_t n = 0; n < 5'000; ++n) REQUIRE(seen.insert(nth(n)) == Verdict::duplicate);
  auto copy = seen;
  CHECK(copy.forget(nth(7)));
  CHECK_FALSE(copy.forget(nth(7)));
  CHECK(copy.check(nth(7)) == Verdict::fresh);
  CHECK(seen.check(nth(7)) == Verdict::duplicate);
  CHECK(seen.size() == 5'000);
}

TEST_CASE("ExactSet: the budget holds, full changes nothing") {
  constexpr std::size_t limit = std::size_t{1} << 20;
  idem::ExactSet<std::string> seen({.budget = idem::mebibytes(1)});
  std::uint64_t n = 0;
  while (seen.insert(nth(n)) == Verdict::fresh) {
    ++n;
    REQUIRE(seen.memory_bytes() <= limit);
  }
  CHECK(n > 1'000);
  CHECK(seen.check(nth(n)) == Verdict::fresh);
  for (std::uint64_t i = 0; i < n; ++i) REQUIRE(seen.check(nth(i)) == Verdict::duplicate);
}

TEST_CASE("ExactSet: room that a key did not need is given back") {
  idem::ExactSet<std::string> seen({.budget = idem::kibibytes(16)});
  REQUIRE(seen.insert(nth(0)) == Verdict::fresh);
  const std::size_t bytes = seen.memory_bytes();
  for (int i = 0; i < 1'000; ++i) {
    REQUIRE(seen.reserve_one(nth(0)));
    seen.record(nth(0), idem::At{.now = idem::Instant::at(idem::Duration())});
  }
  CHECK(seen.memory_bytes() == bytes);
  CHECK(seen.size() == 1);
}

TEST_CASE("ExactSet: reserve comes on top of the room that was taken") {
  idem::ExactSet<std::uint64_t> seen;
  for (std::uint64_t n = 0; n < 1'000; ++n) REQUIRE(seen.reserve_one(n));
  seen.reserve(1'000);
  const std::size_t bytes = seen.memory_bytes();
  for (std::uint64_t n = 1'000; n < 2'000; ++n) REQUIRE(seen.insert(n) == Verdict::fresh);
  CHECK(seen.memory_bytes() == bytes);
}

}  // namespace
