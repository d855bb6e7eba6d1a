#include <cstddef>
#include <cstdint>
#include <exception>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "memory/sets.hpp"
#include "support/ids.hpp"
#include "support/out_of_memory.hpp"
#include "support/random.hpp"

using idem::Verdict;
using idem_test::allocations;
using idem_test::spread_id;

TEST_CASE_TEMPLATE("reserve: no allocation until the count is exceeded", Set, IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  for (std::size_t count :
       {0UL,     1UL,     2UL,     11UL,    12UL,    13UL,    23UL,     24UL,
        25UL,    48UL,    49UL,    96UL,    97UL,    191UL,   192UL,    193UL,
        1'000UL, 1'536UL, 1'537UL, 3'071UL, 3'072UL, 3'073UL, 10'000UL, 100'000UL}) {
    for (const bool in_constructor : {true, false}) {
      for (const bool batched : {true, false}) {
        CAPTURE(count);
        Set set({.expected_keys = in_constructor ? count : 0});
        if (!in_constructor) set.reserve(count);
        const std::size_t bytes = set.memory_bytes();
        CHECK(bytes >= sizeof(Set) + count * idem_test::id_bytes<Set>);
        std::vector<Id> ids;
        for (std::uint64_t i = 0; i < count; ++i) ids.push_back(spread_id<Id>(i));
        std::vector<Verdict> verdicts(count);
        const std::uint64_t before = allocations().count;
        if (batched) {
          set.insert(ids, verdicts);
        } else {
          for (std::size_t i = 0; i < count; ++i) verdicts[i] = set.insert(ids[i]);
        }
        REQUIRE(allocations().count == before);
        REQUIRE(set.memory_bytes() == bytes);
        for (const Verdict verdict : verdicts) REQUIRE(verdict == Verdict::fresh);
        // Asking for what is there already does nothing.
        set.reserve(count);
        set.reserve(0);
        REQUIRE(allocations().count == before);
        // Double the count cannot fit without growth.
        for (std::uint64_t i = count; i < 2 * count + 20; ++i)
          REQUIRE(set.insert(spread_id<Id>(i)) == Verdict::fresh);
        REQUIRE(allocations().count > before);
        for (const Id& id : ids) REQUIRE(set.check(id) == Verdict::duplicate);
      }
    }
  }
}

TEST_CASE_TEMPLATE("reserve: counts the ids that are there", Set, IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  for (std::uint64_t present = 0; present < 150; ++present) {
    Set set;
    for (std::uint64_t i = 0; i < present; ++i)
      REQUIRE(set.insert(spread_id<Id>(i)) == Verdict::fresh);
    set.reserve(present + 50);
    const std::uint64_t before = allocations().count;
    for (std::uint64_t i = 0; i < 50; ++i)
      REQUIRE(set.insert(spread_id<Id>(1'000 + i)) == Verdict::fresh);
    REQUIRE(allocations().count == before);
    for (std::uint64_t i = 0; i < present; ++i)
      REQUIRE(set.check(spread_id<Id>(i)) == Verdict::duplicate);
  }
}

TEST_CASE_TEMPLATE("reserve: forgotten ids give their room back", Set, IDEM_TEST_LAYOUTS) {
  using Id = typename Set::Stored;
  constexpr std::size_t room = 300;
  Set set({.expected_keys = room});
  std::vector<std::uint64_t> present;
  present.reserve(room);
  idem_test::Rng rng(91);
  const std::uint64_t before = allocations().count;
  std::uint64_t next = 0;
  for (int i = 0; i < 100'000; ++i) {
    if (present.size() < room && !rng.one_in(3)) {
      REQUIRE(set.insert(spread_id<Id>(next)) == Verdict::fresh);
      present.push_back(next++);
    } else if (!present.empty()) {
      std::swap(present[rng.below(present.size())], present.back());
      REQUIRE(set.forget(spread_id<Id>(present.back())));
      present.pop_back();
    }
  }
  CHECK(next > 10'000);
  CHECK(allocations().count == before);
}

// A reserve that would only end at the limit would leave most ids in the few blocks that they had.
TEST_CASE("reserve: what a budget has no room for is refused before anything is moved") {
  constexpr std::size_t table = std::size_t{8} << 20;
  for (const std::size_t more : {0UL, 1'000UL, 10'000UL, 100'000UL, 2'200'000UL}) {
    const idem::SetOptions options{.budget = idem::bytes(table + sizeof(idem::UuidSet) + more),
                                   .seed = idem::Seed{1, 2}};
    const auto fill = [](idem::UuidSet& set) {
      std::uint64_t i = set.size();
      while (set.insert(spread_id<idem::Uuid>(i)) == Verdict::fresh) ++i;
      return i;
    };
    idem::UuidSet plain(options), refused(options);
    for (std::uint64_t i = 0; i < 5'000; ++i) {
      REQUIRE(plain.insert(spread_id<idem::Uuid>(i)) == Verdict::fresh);
      REQUIRE(refused.insert(spread_id<idem::Uuid>(i)) == Verdict::fresh);
    }
    const std::size_t bytes = refused.memory_bytes();
    bool was_refused = false;
    try {
      refused.reserve(313'000);  // 2,048 blocks
    } catch (const std::exception&) {
      was_refused = true;
    }
    CAPTURE(more);
    CHECK(was_refused == (more < 100'000));
    if (was_refused) CHECK(refused.memory_bytes() == bytes);
    CHECK(refused.memory_bytes() <= options.budget.count());
    const std::uint64_t without = fill(plain), with = fill(refused);
    CHECK(with >= without - without / 10);
    CHECK(refused.memory_bytes() <= options.budget.count());
  }
}
