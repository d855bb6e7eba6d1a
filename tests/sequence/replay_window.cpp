#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <set>

#include <idem/sequence/replay_window.hpp>

#include "support/random.hpp"
#include "support/soak.hpp"
#include "support/thrown.hpp"

using idem::ReplayWindow;
using idem::Verdict;

namespace {

// The rule itself: a set, and the highest number.
template <std::uint64_t window>
struct Dumb {
  std::set<std::uint64_t> seen;

  Verdict check(std::uint64_t number) const {
    if (!seen.empty() && number < *seen.rbegin() && *seen.rbegin() - number >= window) {
      return Verdict::stale;
    }
    return seen.count(number) != 0 ? Verdict::duplicate : Verdict::fresh;
  }
  void record(std::uint64_t number) {
    if (check(number) == Verdict::fresh) seen.insert(number);
  }
};

template <std::uint64_t window>
void compare(std::uint64_t seed, std::uint64_t start) {
  ReplayWindow<window> real;
  Dumb<window> dumb;
  idem_test::Rng rng(seed);
  std::uint64_t at = start;
  for (std::uint64_t i = 0; i < idem_test::soaked(20'000); ++i) {
    std::uint64_t number = at - rng.below(at < 3 * window ? at + 1 : 3 * window);
    if (rng.one_in(3)) number = at + rng.below(4);
    if (rng.one_in(500)) number = at + rng.below(5 * window + 200);
    if (number < at && at > std::numeric_limits<std::uint64_t>::max() - 6 * window) number = at;
    const Verdict expected = dumb.check(number);
    REQUIRE(real.check(number) == expected);
    REQUIRE(real.record(number) == expected);
    dumb.record(number);
    at = real.end();
    REQUIRE(at == *dumb.seen.rbegin() + 1);
    if (dumb.seen.size() > 4 * window + 64) dumb.seen.erase(dumb.seen.begin());
  }
}

}  // namespace

TEST_CASE("every short history of a small window") {
  // Six steps of -4 .. 4 and one jump, from each place within a block.
  constexpr std::uint64_t window = 3;
  for (std::uint64_t start = 60; start < 68; ++start) {
    for (std::uint64_t history = 0; history < 1'000'000; ++history) {
      ReplayWindow<window> real;
      Dumb<window> dumb;
      std::uint64_t rest = history;
      std::uint64_t number = start;
      bool equal = true;
      for (int step = 0; step < 6; ++step, rest /= 10) {
        number = rest % 10 == 9 ? number + 1000 : number + rest % 10 - 4;
        equal = equal && real.check(number) == dumb.check(number);
        (void)real.record(number);
        dumb.record(number);
      }
      if (!equal) FAIL("history ", history, " from ", start);
      if (history % 10 == 9) history += idem_test::soaked(1) > 1 ? 0u : 90u;  // a tenth of them
    }
  }
}

TEST_CASE("long random histories") {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    compare<1>(seed, 0);
    compare<64>(seed, 5);
    compare<65>(seed, 1000);
    compare<100>(seed, (std::uint64_t{1} << 32) - 50);
    compare<1024>(seed, (std::uint64_t{1} << 63) - 500);
  }
}

TEST_CASE("the window is exact") {
  ReplayWindow<128> window;
  CHECK(window.record(1000) == Verdict::fresh);
  CHECK(window.check(1000 - 127) == Verdict::fresh);
  CHECK(window.check(1000 - 128) == Verdict::stale);
  CHECK(window.check(0) == Verdict::stale);
  CHECK(window.record(1000) == Verdict::duplicate);
}

TEST_CASE("a check records nothing") {
  ReplayWindow<64> window;
  CHECK(window.check(5) == Verdict::fresh);
  CHECK(window.check(5) == Verdict::fresh);
  CHECK(window.end() == 0);
  CHECK(window.record(5) == Verdict::fresh);
  CHECK(window.check(5) == Verdict::duplicate);
  CHECK(window.end() == 6);
}

TEST_CASE("zero is a number like any other") {
  ReplayWindow<64> window;
  CHECK(window.record(0) == Verdict::fresh);
  CHECK(window.record(0) == Verdict::duplicate);
}

TEST_CASE("a huge jump forgets the window and nothing is left in the ring") {
  ReplayWindow<128> window;
  for (std::uint64_t n = 0; n < 500; ++n) CHECK(window.record(n) == Verdict::fresh);
  const std::uint64_t far = std::uint64_t{1} << 60;
  CHECK(window.record(far) == Verdict::fresh);
  for (std::uint64_t n = far - 127; n < far; ++n) CHECK(window.check(n) == Verdict::fresh);
  CHECK(window.check(499) == Verdict::stale);
}

TEST_CASE("numbers end at the limit") {
  ReplayWindow<64> window(100);
  CHECK(window.record(99) == Verdict::fresh);
  CHECK(window.record(100) == Verdict::poisoned);
  CHECK(window.check(std::numeric_limits<std::uint64_t>::max()) == Verdict::poisoned);
  CHECK(window.end() == 100);
  ReplayWindow<64> whole;
  constexpr std::uint64_t highest = std::numeric_limits<std::uint64_t>::max() - 1;
  CHECK(whole.record(highest) == Verdict::fresh);
  CHECK(whole.record(highest) == Verdict::duplicate);
  CHECK(whole.record(highest - 63) == Verdict::fresh);
  CHECK(whole.record(highest + 1) == Verdict::poisoned);
  CHECK(idem_test::contains(idem_test::refusal([] { ReplayWindow<64> none(0); }), "limit"));
}

TEST_CASE("a window is a value") {
  static_assert(sizeof(ReplayWindow<960>) == 16 + 128);
  ReplayWindow<960> a;
  CHECK(a.record(7) == Verdict::fresh);
  ReplayWindow<960> b = a;
  CHECK(b.record(7) == Verdict::duplicate);
  CHECK(b.record(8) == Verdict::fresh);
  CHECK(a.check(8) == Verdict::fresh);
}
