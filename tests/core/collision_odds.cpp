#include <idem/core/collision_odds.hpp>

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include <doctest/doctest.h>

#include "support/thrown.hpp"

using idem::collision_odds;
using idem::keys_for_odds;

namespace {

// What a program may say about itself.
static_assert(collision_odds(1'000'000'000'000) < 1.5e-15);
static_assert(keys_for_odds(1e-15) > 8e11);
static_assert(collision_odds(0, 64) == 0 && collision_odds(1, 64) == 0);
static_assert(collision_odds(2, 1) == 0.5 && collision_odds(3, 1) == 1);
static_assert(collision_odds(std::numeric_limits<std::uint64_t>::max(), 512) > 0);

// Term by term, in long double.
[[nodiscard]] long double by_terms(std::uint64_t keys, unsigned bits) {
  const long double values = std::pow(2.0L, static_cast<long double>(bits));
  if (static_cast<long double>(keys) > values) return 1;
  long double log_of_none = 0;
  for (std::uint64_t i = 1; i < keys; ++i)
    log_of_none += std::log1p(-static_cast<long double>(i) / values);
  return -std::expm1(log_of_none);
}

[[nodiscard]] double relative_error(double found, long double wanted) {
  return static_cast<double>(std::abs((static_cast<long double>(found) - wanted) / wanted));
}

TEST_CASE("odds: exact to one part in 10^12, term by term") {
  double worst = 0;
  for (const unsigned bits :
       {1U,  2U,  3U,  5U,  8U,  10U, 12U, 15U, 16U,  17U,  18U,  20U,  24U,
        31U, 32U, 33U, 40U, 63U, 64U, 65U, 96U, 128U, 160U, 256U, 511U, 512U}) {
    for (const std::uint64_t keys : {2U, 3U, 4U, 5U, 7U, 10U, 23U, 100U, 255U, 256U, 257U, 302U,
                                     1000U, 2047U, 4096U, 10'000U, 65'536U, 77'163U, 200'000U}) {
      const long double wanted = by_terms(keys, bits);
      CAPTURE(bits);
      CAPTURE(keys);
      const double error = relative_error(collision_odds(keys, bits), wanted);
      CHECK(error < 1e-12);
      worst = std::fmax(worst, error);
    }
  }
  CHECK(worst > 0);
}

struct Row {
  unsigned bits;
  double odds;
  double keys;
};

TEST_CASE("odds: where terms are too many, the first of the series, and known figures") {
  // 1e12 * (1e12 - 1) / 2 of 2^128; the rest is below one part in 10^14.
  CHECK(relative_error(collision_odds(1'000'000'000'000), 1.469367938526328e-15L) < 1e-12);
  CHECK(collision_odds(1'000'000'000'000) == doctest::Approx(1.5e-15).epsilon(0.03));
  const std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  // 2^64 of 2^128 values: 1 - e^-(1/2).
  CHECK(relative_error(collision_odds(most), 0.3934693402873665764L) < 1e-12);
  // 2^64 of 2^256 and of 2^512: 2^-129 and 2^-385.
  CHECK(relative_error(collision_odds(most, 256), 0x1p-129L) < 1e-12);
  CHECK(relative_error(collision_odds(most, 512), 0x1p-385L) < 1e-12);
  CHECK(collision_odds(most, 64) == 1);
  CHECK(collision_odds(most, 1) == 1);

  // The birthday paradox at 64 bits, and the table of the article "Birthday attack": two digits.
  CHECK(keys_for_odds(0.5, 64) == doctest::Approx(5.06e9).epsilon(0.002));
  for (const Row& row : {Row{16U, 0.01, 36.0},
                         {16U, 0.5, 300.0},
                         {16U, 0.75, 430.0},
                         {32U, 1e-6, 93.0},
                         {32U, 0.01, 9300.0},
                         {32U, 0.5, 77'000.0},
                         {64U, 1e-15, 190.0},
                         {64U, 1e-12, 6100.0},
                         {64U, 1e-9, 1.9e5},
                         {64U, 1e-6, 6.1e6},
                         {64U, 0.001, 1.9e8},
                         {64U, 0.25, 3.3e9},
                         {64U, 0.75, 7.2e9},
                         {128U, 1e-18, 2.6e10},
                         {128U, 1e-15, 8.2e11},
                         {128U, 0.01, 2.6e18},
                         {128U, 0.5, 2.2e19},
                         {256U, 1e-18, 4.8e29},
                         {512U, 0.5, 1.4e77}}) {
    CAPTURE(row.bits);
    CAPTURE(row.odds);
    CHECK(keys_for_odds(row.odds, row.bits) == doctest::Approx(row.keys).epsilon(0.03));
  }
}

TEST_CASE("odds: the most keys are the most") {
  for (const unsigned bits : {1U, 2U, 7U, 16U, 17U, 32U, 64U, 90U}) {
    for (const double odds : {1e-300, 1e-18, 1e-9, 0.001, 0.1, 0.5, 0.9, 0.999, 1 - 1e-9}) {
      const double most = keys_for_odds(odds, bits);
      CAPTURE(bits);
      CAPTURE(odds);
      REQUIRE(most >= 1);
      REQUIRE(most < 9e15);
      CHECK(most == std::floor(most));
      // Where registers keep more than a double, the same sum need not end the same way twice.
      if (FLT_EVAL_METHOD != 0) continue;
      CHECK(collision_odds(static_cast<std::uint64_t>(most), bits) <= odds);
      CHECK(collision_odds(static_cast<std::uint64_t>(most) + 1, bits) > odds);
    }
  }
}

TEST_CASE("odds: they rise with every key and fall with every bit") {
  for (unsigned bits = 1; bits < 512; ++bits) {
    double before = 0;
    for (std::uint64_t keys = 2; keys != 0; keys *= 2) {
      const double odds = collision_odds(keys, bits);
      CHECK(odds >= before);
      CHECK(odds <= 1);
      CHECK(odds > 0);
      CHECK(collision_odds(keys, bits + 1) <= odds);
      before = odds;
    }
  }
  // Where one way to work it out takes over from the other.
  for (std::uint64_t keys = 2; keys < 3000; ++keys) {
    const double ratio = collision_odds(keys, 16) / collision_odds(keys, 17);
    CHECK(ratio >= 1);
    CHECK(ratio <= 2.00002);
  }
}

TEST_CASE("odds: nonsense is refused by field and value") {
  using idem_test::contains;
  using idem_test::refusal;
  CHECK(contains(refusal([] { (void)collision_odds(5, 0); }), "bits is 0; it must be 1 to 512"));
  CHECK(contains(refusal([] { (void)collision_odds(5, 513); }), "bits is 513"));
  CHECK(contains(refusal([] { (void)keys_for_odds(0.1, 0); }), "bits is 0"));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double odds : {nan, 0.0, -0.0, -0.5, 1.0, 2.0, HUGE_VAL, -HUGE_VAL}) {
    const std::string sentence = refusal([&] { (void)keys_for_odds(odds); });
    CAPTURE(sentence);
    CHECK(contains(sentence, "keys_for_odds(odds, bits): odds is "));
    CHECK(contains(sentence, "more than 0 and less than 1"));
  }
}

}  // namespace
