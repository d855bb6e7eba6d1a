#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include "memory/sets.hpp"
#include "support/ids.hpp"
#include "support/out_of_memory.hpp"
#include "support/thrown.hpp"

using idem::bytes;
using idem::ByteSize;
using idem::Verdict;
using idem_test::allocations;
using idem_test::contains;
using idem_test::id_bytes;
using idem_test::least_budget;
using idem_test::refusal;

namespace {

constexpr std::size_t most = std::numeric_limits<std::size_t>::max();

// Counts whose slots overflow 64 bits in one step of the arithmetic or another, or fit no machine.
constexpr std::size_t impossible_counts[] = {most,
                                             most - 1,
                                             most / 2,
                                             most / 2 + 2,
                                             most / 4 * 3,
                                             most / 4 * 3 + 1,
                                             most / 8 + 1,
                                             most / 16,
                                             most / 16 + 1,
                                             (most / 16 + 1) / 4 * 3,
                                             std::size_t{1} << 63,
                                             std::size_t{3} << 62,
                                             std::size_t{1} << 60,
                                             std::size_t{3} << 58,
                                             std::size_t{1} << 40};

}  // namespace

TEST_CASE_TEMPLATE("set options: a budget below the empty set is refused by field and value", Set,
                   IDEM_TEST_LAYOUTS) {
  const std::uint64_t least = least_budget<Set>();
  for (const std::uint64_t budget :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{sizeof(Set)}, least - 1}) {
    const std::string sentence = refusal([&] { Set set({.budget = bytes(budget)}); });
    CAPTURE(sentence);
    CHECK(contains(sentence, "SetOptions.budget"));
    CHECK(contains(sentence, std::string(" ").append(std::to_string(budget))));
    CHECK(contains(sentence, std::to_string(least)));
  }
  CHECK(refusal([&] { Set set({.budget = bytes(least)}); }).empty());
}

TEST_CASE_TEMPLATE("set options: more expected keys than the budget holds", Set,
                   IDEM_TEST_LAYOUTS) {
  const std::string sentence = refusal([] {
    Set set({.budget = idem::kibibytes(64), .expected_keys = 64 * 1024 / id_bytes<Set> + 1});
  });
  CHECK(contains(sentence, "SetOptions.expected_keys"));
  CHECK(contains(sentence, std::to_string(64 * 1024 / id_bytes<Set> + 1)));
  for (const std::size_t count : impossible_counts) {
    const std::string refused =
        refusal([&] { Set set({.budget = idem::kibibytes(64), .expected_keys = count}); });
    CAPTURE(count);
    CHECK(contains(refused, "SetOptions.expected_keys"));
    CHECK(contains(refused, std::to_string(count)));
  }
}

TEST_CASE_TEMPLATE("set options: more expected keys than any memory holds", Set,
                   IDEM_TEST_LAYOUTS) {
  for (const std::size_t count : impossible_counts) {
    const auto before = allocations();
    bool right = false;
    {
      const std::string sentence = refusal([&] { Set set({.expected_keys = count}); });
      right = contains(sentence, "SetOptions.expected_keys") &&
              contains(sentence, std::to_string(count)) && contains(sentence, " bits, to fit");
    }
    const std::uint64_t live = allocations().live;
    CAPTURE(count);
    CHECK(right);
    CHECK(live == before.live);
  }
}

TEST_CASE_TEMPLATE("set options: reserve of the impossible is refused and changes nothing", Set,
                   IDEM_TEST_LAYOUTS) {
  Set set;
  for (std::uint64_t i = 0; i < 100; ++i)
    REQUIRE(set.insert(idem_test::spread_id<typename Set::Stored>(i)) == Verdict::fresh);
  const std::size_t before = set.memory_bytes();
  for (const std::size_t count : impossible_counts) {
    const std::string sentence = refusal([&] { set.reserve(count); });
    CAPTURE(count);
    CHECK(contains(sentence, "reserve"));
    CHECK(contains(sentence, std::to_string(count)));
    CHECK(set.memory_bytes() == before);
    CHECK(set.size() == 100);
  }
  for (std::uint64_t i = 0; i < 100; ++i)
    REQUIRE(set.check(idem_test::spread_id<typename Set::Stored>(i)) == Verdict::duplicate);
  CHECK(set.insert(idem_test::spread_id<typename Set::Stored>(100)) == Verdict::fresh);
}

TEST_CASE_TEMPLATE("set options: the defaults are no budget, no room ahead and a seed of its own",
                   Set, IDEM_TEST_LAYOUTS) {
  const typename Set::Options options;
  CHECK(options.budget == ByteSize::unlimited());
  CHECK(options.expected_keys == 0);
  CHECK_FALSE(options.seed.has_value());
  const auto before = allocations();
  const Set set;
  CHECK(allocations().count == before.count);
  CHECK(set.memory_bytes() == sizeof(Set));
  CHECK(set.size() == 0);
}

TEST_CASE_TEMPLATE("set options: one seed, one behaviour; no seed, another every time", Set,
                   IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  const idem::Seed seed{11, 12};
  const auto budget = bytes(least_budget<Set>() + 60 * id_bytes<Set>);
  Set a({.budget = budget, .seed = seed});
  Set b({.budget = budget, .seed = seed});
  idem_test::Rng rng(81);
  for (int i = 0; i < 20'000; ++i) {
    const Id id = idem_test::spread_id<Id>(rng.below(80));
    if (rng.one_in(3)) {
      REQUIRE(a.forget(id) == b.forget(id));
    } else {
      REQUIRE(a.insert(id) == b.insert(id));
    }
    REQUIRE(a.memory_bytes() == b.memory_bytes());
  }
  CHECK(a.hash().seed() == seed);
  const Set c;
  const Set d;
  CHECK(c.hash().seed() != d.hash().seed());
  CHECK(c.hash().seed() != idem::Seed{});
  CHECK(c.slot(idem_test::spread_id<Id>(1)) != d.slot(idem_test::spread_id<Id>(1)));
}
