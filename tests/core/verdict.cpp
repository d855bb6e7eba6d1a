#include <idem/core/verdict.hpp>

#include <string_view>
#include <type_traits>

#include <doctest/doctest.h>

using idem::Action;
using idem::Errors;
using idem::Verdict;

namespace {

struct Row {
  Verdict verdict;
  Action action;
  std::string_view name;
};

// The whole table, by value: the numbers are part of what is tested, since they may be stored.
constexpr Row rows[] = {
    {static_cast<Verdict>(0), Action::retry, "unknown"},
    {static_cast<Verdict>(1), Action::process, "fresh"},
    {static_cast<Verdict>(2), Action::skip, "duplicate"},
    {static_cast<Verdict>(3), Action::inspect, "probable_duplicate"},
    {static_cast<Verdict>(4), Action::retry, "in_progress"},
    {static_cast<Verdict>(5), Action::inspect, "conflict"},
    {static_cast<Verdict>(6), Action::inspect, "stale"},
    {static_cast<Verdict>(7), Action::retry, "gap"},
    {static_cast<Verdict>(8), Action::inspect, "overlap"},
    {static_cast<Verdict>(9), Action::inspect, "fenced"},
    {static_cast<Verdict>(10), Action::retry, "full"},
    {static_cast<Verdict>(11), Action::inspect, "poisoned"},
};

}  // namespace

TEST_CASE("verdict: every byte has an action and a name, and only fresh is processed") {
  for (int byte = 0; byte < 256; ++byte) {
    CAPTURE(byte);
    const auto verdict = static_cast<Verdict>(byte);
    if (byte < 12) {
      const Row& row = rows[byte];
      REQUIRE(row.verdict == verdict);
      CHECK(idem::action(verdict) == row.action);
      CHECK(idem::name(verdict) == row.name);
    } else {
      CHECK(idem::action(verdict) == Action::inspect);
      CHECK(idem::name(verdict) == "invalid");
    }
    CHECK((idem::action(verdict) == Action::process) == (verdict == Verdict::fresh));
    CHECK((idem::action(verdict) == Action::skip) == (verdict == Verdict::duplicate));
  }
}

TEST_CASE("verdict: each enumerator stands where it is expected") {
  CHECK(Verdict::unknown == rows[0].verdict);
  CHECK(Verdict::fresh == rows[1].verdict);
  CHECK(Verdict::duplicate == rows[2].verdict);
  CHECK(Verdict::probable_duplicate == rows[3].verdict);
  CHECK(Verdict::in_progress == rows[4].verdict);
  CHECK(Verdict::conflict == rows[5].verdict);
  CHECK(Verdict::stale == rows[6].verdict);
  CHECK(Verdict::gap == rows[7].verdict);
  CHECK(Verdict::overlap == rows[8].verdict);
  CHECK(Verdict::fenced == rows[9].verdict);
  CHECK(Verdict::full == rows[10].verdict);
  CHECK(Verdict::poisoned == rows[11].verdict);
}

TEST_CASE("verdict: a value nobody wrote is no yes") {
  CHECK(Verdict{} == Verdict::unknown);
  CHECK(Action{} == Action::retry);
  CHECK(idem::action(Verdict{}) == Action::retry);
  static_assert(sizeof(Verdict) == 1 && sizeof(Action) == 1);
  static_assert(!std::is_convertible_v<Verdict, bool> && !std::is_convertible_v<Action, bool>);
  static_assert(!std::is_convertible_v<Verdict, int> && !std::is_convertible_v<Action, int>);
  static_assert(!std::is_convertible_v<bool, Verdict> && !std::is_convertible_v<Verdict, Action>);
}

TEST_CASE("action: every byte has a name") {
  constexpr std::string_view names[] = {"retry", "process", "skip", "inspect"};
  for (int byte = 0; byte < 256; ++byte) {
    CAPTURE(byte);
    CHECK(idem::name(static_cast<Action>(byte)) == (byte < 4 ? names[byte] : "invalid"));
  }
  CHECK(idem::name(Action::retry) == "retry");
  CHECK(idem::name(Action::process) == "process");
  CHECK(idem::name(Action::skip) == "skip");
  CHECK(idem::name(Action::inspect) == "inspect");
}

TEST_CASE("verdict: usable in constants and without exceptions") {
  static_assert(idem::action(Verdict::full) == Action::retry);
  static_assert(idem::name(Verdict::stale) == "stale");
  static_assert(idem::name(Action::inspect) == "inspect");
  static_assert(noexcept(idem::action(Verdict::full))&& noexcept(
      idem::name(Verdict::full))&& noexcept(idem::name(Action::skip)));
}

TEST_CASE("errors: composed by or, in both bits") {
  for (int a = 0; a < 4; ++a) {
    for (int b = 0; b < 4; ++b) {
      CAPTURE(a);
      CAPTURE(b);
      const Errors left{.may_miss = (a & 1) != 0, .may_drop = (a & 2) != 0};
      const Errors right{.may_miss = (b & 1) != 0, .may_drop = (b & 2) != 0};
      const Errors both = left | right;
      CHECK(both.may_miss == (((a | b) & 1) != 0));
      CHECK(both.may_drop == (((a | b) & 2) != 0));
      CHECK((left == right) == (a == b));
    }
  }
  static_assert(Errors{} == Errors{.may_miss = false, .may_drop = false});
  static_assert((Errors{} | Errors{.may_drop = true}) == Errors{.may_drop = true});
}
