// Every sequence of a few steps of a window filter against an oracle that keeps every instant, and
// wrong rules that this must notice.

#include <array>
#include <cstdint>

#include <doctest/doctest.h>

#include <idem/detail/memory/generation_filter.hpp>

#include "memory/window_filter_oracle.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"

using idem::Verdict;
using idem_test::Expected;
using idem_test::FilterWindowOracle;

namespace {

Verdict word(Expected expected) {
  switch (expected) {
    case Expected::held:
      return Verdict::probable_duplicate;
    case Expected::gone:
      return Verdict::fresh;
    case Expected::stale:
      break;
  }
  return Verdict::stale;
}

// One block, so that every step meets what the steps before it left there. Two keys: the chance that
// one is taken for the other is 8^-8, and the hashes are fixed.
struct Walker {
  std::array<std::int64_t, 7> steps{};
  std::uint64_t sequences = 0;
  std::uint64_t differences = 0;

  template <class Filter>
  void walk(const Filter& filter, const FilterWindowOracle& oracle, std::int64_t time, int depth) {
    if (depth == 0) {
      ++sequences;
      return;
    }
    for (const std::size_t key : {std::size_t{0}, std::size_t{1}}) {
      for (const std::int64_t step : steps) {
        Filter next(filter);
        FilterWindowOracle expected(oracle);
        const std::int64_t now = time + step;
        const std::uint64_t hash = idem_test::mix(key + 1);
        const Verdict checked = next.check(hash, now);
        const Verdict answered = next.insert(hash, now);
        if (checked != answered || answered != word(expected.insert(key, now))) {
          ++differences;
          continue;
        }
        walk(next, expected, now, depth - 1);
      }
    }
  }
};

template <bool sliding, bool by_event, class Rules = idem::detail::GenerationRules>
Walker explore(std::int64_t window, std::int64_t start, int depth, unsigned lines = 1) {
  Walker walker;
  const std::int64_t jump = 1000 * window;
  walker.steps = {-jump, -1, 0, 1, window - 1, window, jump};
  idem::detail::GenerationFilter<sliding, by_event, Rules> empty(
      {.window = window, .lateness = window, .planned = 100}, lines);
  REQUIRE(empty.take(1));
  walker.walk(empty, FilterWindowOracle({window, sliding, by_event}, 2), start, depth);
  return walker;
}

// 4 in continuous integration; one more for each factor of twenty of soaking.
int depth() {
  int deeper = 0;
  for (std::uint64_t factor = idem_test::soaked(1); factor >= 20; factor /= 20) ++deeper;
  return 4 + deeper;
}

template <bool sliding, bool by_event>
void explore_all() {
  struct Case {
    std::int64_t window, start;
    unsigned lines;
  };
  for (const Case& c : {Case{6, 0, 1}, Case{12, -3, 2}, Case{7, -20, 1}, Case{1, -1, 1}}) {
    CAPTURE(c.window);
    const Walker walker = explore<sliding, by_event>(c.window, c.start, depth(), c.lines);
    CHECK(walker.differences == 0);
    std::uint64_t all = 1;
    for (int i = 0; i < depth(); ++i) all *= 14;
    CHECK(walker.sequences == all);
  }
}

}  // namespace

TEST_CASE("window filter: every short sequence of keys and clock steps") {
  explore_all<false, false>();
  explore_all<true, false>();
  explore_all<false, true>();
  explore_all<true, true>();
}

namespace {

std::uint64_t wrong_answers = 0;  // how often a planted rule said something else than the right one

template <class T>
T planted(T wrong, T right) {
  if (wrong != right) ++wrong_answers;
  return wrong;
}

using idem::detail::GenerationRules;

struct RoundsTheLengthDown : GenerationRules {
  static std::int64_t length(std::int64_t window) {
    return planted(window / 6, GenerationRules::length(window));
  }
};
struct LetsGoTooEarly : GenerationRules {
  static std::uint64_t steps(std::int64_t from, std::int64_t to) {
    const std::uint64_t right = GenerationRules::steps(from, to);
    return planted(right == 0 ? 0 : right + 1, right);
  }
};
struct LetsGoTooLate : GenerationRules {
  static std::uint64_t steps(std::int64_t from, std::int64_t to) {
    const std::uint64_t right = GenerationRules::steps(from, to);
    return planted(right == 0 ? 0 : right - 1, right);
  }
};
struct ForgetsTheLastLane : GenerationRules {
  static std::uint64_t steps(std::int64_t from, std::int64_t to) {
    const std::uint64_t right = GenerationRules::steps(from, to);
    return planted(right == 7 ? 6 : right, right);
  }
};
struct RoundsTowardsZero : GenerationRules {
  static std::int64_t granule(std::int64_t time, std::int64_t length) {
    return planted(time / length, GenerationRules::granule(time, length));
  }
};
struct FollowsTheClockBack : GenerationRules {
  static std::int64_t steady(std::int64_t latest, std::int64_t now) {
    return planted(now, GenerationRules::steady(latest, now));
  }
};

template <bool sliding, bool by_event, class Rules>
std::uint64_t differences_under(std::int64_t window = 12, std::int64_t start = 0) {
  wrong_answers = 0;
  const Walker walker = explore<sliding, by_event, Rules>(window, start, 3);
  // A plant that never took effect proves nothing.
  REQUIRE(wrong_answers != 0);
  return walker.differences;
}

}  // namespace

TEST_CASE("window filter: wrong rules are noticed") {
  CHECK(differences_under<false, false, RoundsTheLengthDown>(11) != 0);
  CHECK(differences_under<false, false, LetsGoTooEarly>() != 0);
  CHECK(differences_under<true, true, LetsGoTooEarly>() != 0);
  CHECK(differences_under<false, false, LetsGoTooLate>() != 0);
  CHECK(differences_under<false, true, LetsGoTooLate>() != 0);
  CHECK(differences_under<true, false, ForgetsTheLastLane>() != 0);
  CHECK(differences_under<false, false, RoundsTowardsZero>(12, -3) != 0);
  CHECK(differences_under<true, false, FollowsTheClockBack>() != 0);
}
