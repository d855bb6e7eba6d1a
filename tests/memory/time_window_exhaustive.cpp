// Every sequence of a few steps against the oracle, and wrong rules that this must notice.

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <string>
#include <type_traits>

#include <idem/core/hash.hpp>
#include <idem/detail/memory/time_window.hpp>

#include "memory/time_window_oracle.hpp"
#include "support/soak.hpp"

using idem::Verdict;
using idem_test::WindowOracle;
using idem_test::WindowShape;

namespace {

// Positions of eight bits and chunks of two, so that the ring goes over the end of the circle at its
// third key and through many chunks.
template <bool sliding, bool by_event, class Rules>
using SmallWindow = idem::detail::TimeWindow<std::uint64_t, sliding, by_event, 0, idem::Xxh3Hash,
                                             std::uint8_t, Rules>;

template <class Window>
Window make(const WindowShape& shape) {
  return Window(idem::Xxh3Hash({1, 2}), {.window = shape.window,
                                         .granularity = shape.granularity,
                                         .lateness = shape.window,
                                         .key_limit = Window::most_keys,
                                         .chunk_shift = 1});
}

struct Walker {
  WindowShape shape;
  std::array<std::int64_t, 6> steps{};
  std::uint64_t sequences = 0;
  std::uint64_t differences = 0;

  // Zero is the key that the ring keeps apart.
  static constexpr std::array<std::uint64_t, 2> keys{0, 7};

  template <class Window>
  void walk(const Window& window, const WindowOracle<std::uint64_t>& oracle, std::int64_t time,
            int depth) {
    if (depth == 0) {
      ++sequences;
      return;
    }
    for (const std::uint64_t key : keys) {
      for (const std::int64_t step : steps) {
        Window next(window);
        WindowOracle<std::uint64_t> expected(oracle);
        typename Window::Payload none{};
        const std::int64_t now = time + step;
        typename Window::Payload unread;
        const Verdict checked = next.check(key, now, unread);
        const Verdict answered = next.insert(key, now, none);
        if (checked != answered || answered != expected.insert(key, now)) {
          ++differences;
          continue;
        }
        walk(next, expected, now, depth - 1);
      }
    }
  }
};

template <bool sliding, bool by_event, class Rules = idem::detail::WindowRules>
Walker explore(std::int64_t window, std::int64_t granularity, std::int64_t start, int depth) {
  Walker walker;
  walker.shape = {window, granularity, sliding, by_event};
  const std::int64_t jump = 1000 * window;
  walker.steps = {-jump, -1, 0, 1, window, jump};
  const auto empty = make<SmallWindow<sliding, by_event, Rules>>(walker.shape);
  walker.walk(empty, WindowOracle<std::uint64_t>(walker.shape), start, depth);
  return walker;
}

// 5 in continuous integration; one more for each factor of ten of soaking.
int depth() {
  int deeper = 0;
  for (std::uint64_t factor = idem_test::soaked(1); factor >= 10; factor /= 10) ++deeper;
  return 5 + deeper;
}

struct FixedArrival : std::integral_constant<int, 0> {};
struct SlidingArrival : std::integral_constant<int, 1> {};
struct FixedEvent : std::integral_constant<int, 2> {};
struct SlidingEvent : std::integral_constant<int, 3> {};

}  // namespace

TEST_CASE_TEMPLATE("every short sequence of keys and clock steps", Mode, FixedArrival,
                   SlidingArrival, FixedEvent, SlidingEvent) {
  constexpr bool sliding = Mode::value % 2 == 1;
  constexpr bool by_event = Mode::value >= 2;
  struct Case {
    std::int64_t window, granularity, start;
  };
  for (const Case& c : {Case{4, 1, 0}, Case{4, 3, -3}, Case{6, 2, 100}, Case{1, 1, -1}}) {
    CAPTURE(c.window);
    CAPTURE(c.granularity);
    const Walker walker = explore<sliding, by_event>(c.window, c.granularity, c.start, depth());
    CHECK(walker.differences == 0);
    std::uint64_t all = 1;
    for (int i = 0; i < depth(); ++i) all *= 12;
    CHECK(walker.sequences == all);
  }
}

TEST_CASE("as many keys as positions allow, holes or not") {
  using Window = SmallWindow<false, false, idem::detail::WindowRules>;
  Window::Payload none{};
  for (const bool forget_oldest : {false, true}) {
    CAPTURE(forget_oldest);
    const auto made = [&] {
      return Window(idem::Xxh3Hash({1, 2}), {.window = 1000,
                                             .granularity = 1000,
                                             .lateness = 1000,
                                             .key_limit = Window::most_keys,
                                             .chunk_shift = 1,
                                             .forget_oldest = forget_oldest});
    };
    Window full = made();
    for (std::uint64_t key = 1; key <= Window::most_keys; ++key)
      REQUIRE(full.insert(key, 0, none) == Verdict::fresh);
    CHECK(full.size() == Window::most_keys);
    CHECK(full.insert(1000, 0, none) == (forget_oldest ? Verdict::fresh : Verdict::full));
    CHECK(full.size() == Window::most_keys);

    // The holes of erased keys take positions up to the oldest one that is still there.
    Window holed = made();
    REQUIRE(holed.insert(1, 0, none) == Verdict::fresh);
    std::uint64_t key = 2;
    for (; key < 1000; ++key) {
      if (holed.insert(key, 0, none) != Verdict::fresh) break;
      REQUIRE(holed.forget(key));
    }
    Window::Payload unread;
    CHECK(key >= Window::most_keys);
    if (forget_oldest) {
      CHECK(key == 1000);
      CHECK(holed.counts().early_evictions == 1);
      CHECK(holed.check(1, 0, unread) == Verdict::fresh);
    } else {
      CHECK(holed.insert(key, 0, none) == Verdict::full);
      CHECK(holed.check(1, 0, unread) == Verdict::duplicate);
      REQUIRE(holed.forget(1));
      CHECK(holed.insert(key, 0, none) == Verdict::fresh);
    }
  }
}

namespace {

std::uint64_t wrong_answers = 0;  // how often a planted rule said something else than the right one

template <class T>
T planted(T wrong, T right) {
  if (wrong != right) ++wrong_answers;
  return wrong;
}

struct ExpiresTooEarly : idem::detail::WindowRules {
  static std::int64_t first_alive(std::int64_t now, std::int64_t window, std::int64_t granularity) {
    return planted(WindowRules::granule(now - window + 2, granularity),
                   WindowRules::first_alive(now, window, granularity));
  }
};
struct ExpiresTooLate : idem::detail::WindowRules {
  static std::int64_t first_alive(std::int64_t now, std::int64_t window, std::int64_t granularity) {
    return planted(WindowRules::granule(now - window, granularity),
                   WindowRules::first_alive(now, window, granularity));
  }
};
struct RoundsTowardsZero : idem::detail::WindowRules {
  static std::int64_t granule(std::int64_t time, std::int64_t granularity) {
    return planted(time / granularity, WindowRules::granule(time, granularity));
  }
};
struct FollowsTheClockBack : idem::detail::WindowRules {
  static std::int64_t steady(std::int64_t latest, std::int64_t now) {
    return planted(now, WindowRules::steady(latest, now));
  }
};
struct ForgetsThatPositionsWrap : idem::detail::WindowRules {
  template <class Position>
  static bool holds(Position begin, Position length, Position position) {
    return planted(position >= begin && unsigned{position} < unsigned{begin} + length,
                   WindowRules::holds(begin, length, position));
  }
};

template <bool sliding, bool by_event, class Rules>
std::uint64_t differences_under(std::int64_t granularity = 1, std::int64_t start = 0) {
  wrong_answers = 0;
  const Walker walker = explore<sliding, by_event, Rules>(4, granularity, start, 4);
  // A plant that never took effect proves nothing.
  REQUIRE(wrong_answers != 0);
  return walker.differences;
}

}  // namespace

TEST_CASE("wrong rules are noticed") {
  CHECK(differences_under<false, false, ExpiresTooEarly>() != 0);
  CHECK(differences_under<true, false, ExpiresTooEarly>() != 0);
  CHECK(differences_under<false, true, ExpiresTooEarly>() != 0);
  CHECK(differences_under<true, true, ExpiresTooEarly>() != 0);
  CHECK(differences_under<false, false, ExpiresTooLate>() != 0);
  CHECK(differences_under<true, false, ExpiresTooLate>() != 0);
  CHECK(differences_under<true, true, ExpiresTooLate>() != 0);
  CHECK(differences_under<false, false, RoundsTowardsZero>(3, -3) != 0);
  CHECK(differences_under<true, false, FollowsTheClockBack>() != 0);
  CHECK(differences_under<false, false, ForgetsThatPositionsWrap>() != 0);
  CHECK(differences_under<true, false, ForgetsThatPositionsWrap>() != 0);
  CHECK(differences_under<false, true, ForgetsThatPositionsWrap>() != 0);
}
