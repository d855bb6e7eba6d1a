#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <idem/core/memory.hpp>

#include "memory/sets.hpp"
#include "support/ids.hpp"
#include "support/oracle.hpp"

using idem::Verdict;
using idem_test::id_of;
using idem_test::spread_id;
using idem_test::Universe;

TEST_CASE_TEMPLATE("memory: an id is fresh once", Set, IDEM_TEST_ALL_SETS) {
  Set set;
  const auto id = spread_id<typename Set::Stored>(7);
  const auto other = spread_id<typename Set::Stored>(8);
  CHECK(set.size() == 0);
  CHECK(set.check(id) == Verdict::fresh);
  CHECK(set.check(id) == Verdict::fresh);
  CHECK(set.size() == 0);
  CHECK(set.insert(id) == Verdict::fresh);
  CHECK(set.insert(id) == Verdict::duplicate);
  CHECK(set.insert(id, idem_test::some_time) == Verdict::duplicate);
  CHECK(set.check(id) == Verdict::duplicate);
  CHECK(set.check(id, idem_test::some_time) == Verdict::duplicate);
  CHECK(set.check(other) == Verdict::fresh);
  CHECK(set.size() == 1);
  CHECK(set.insert(other, idem_test::some_time) == Verdict::fresh);
  CHECK(set.size() == 2);
}

TEST_CASE_TEMPLATE("memory: a forgotten id is fresh again", Set, IDEM_TEST_ALL_SETS) {
  Set set;
  const auto id = spread_id<typename Set::Stored>(7);
  const auto other = spread_id<typename Set::Stored>(8);
  CHECK_FALSE(set.forget(id));
  REQUIRE(set.insert(id) == Verdict::fresh);
  REQUIRE(set.insert(other) == Verdict::fresh);
  CHECK(set.forget(id));
  CHECK_FALSE(set.forget(id));
  CHECK(set.size() == 1);
  CHECK(set.check(id) == Verdict::fresh);
  CHECK(set.check(other) == Verdict::duplicate);
  CHECK(set.insert(id) == Verdict::fresh);
  CHECK(set.size() == 2);
}

TEST_CASE_TEMPLATE("memory: clear forgets all and keeps the memory", Set, IDEM_TEST_ALL_SETS) {
  Set set;
  set.clear();
  CHECK(set.size() == 0);
  for (std::uint64_t i = 0; i < 1'000; ++i)
    REQUIRE(set.insert(spread_id<typename Set::Stored>(i)) == Verdict::fresh);
  const std::size_t bytes = set.memory_bytes();
  set.clear();
  CHECK(set.size() == 0);
  CHECK(set.memory_bytes() == bytes);
  for (std::uint64_t i = 0; i < 1'000; ++i)
    REQUIRE(set.check(spread_id<typename Set::Stored>(i)) == Verdict::fresh);
  for (std::uint64_t i = 0; i < 1'000; ++i)
    REQUIRE(set.insert(spread_id<typename Set::Stored>(i)) == Verdict::fresh);
  CHECK(set.memory_bytes() == bytes);
}

TEST_CASE_TEMPLATE("memory: the id zero is an id like others", Set, IDEM_TEST_ALL_SETS) {
  using Id = typename Set::Stored;
  // Around every size of the array, so that growth carries it along.
  for (std::uint64_t before = 0; before < 200; ++before) {
    Set set;
    for (std::uint64_t i = 0; i < before; ++i)
      REQUIRE(set.insert(spread_id<Id>(i + 2)) == Verdict::fresh);
    const Id zero = id_of<Id>(0, 0);
    REQUIRE(set.check(zero) == Verdict::fresh);
    REQUIRE_FALSE(set.forget(zero));
    REQUIRE(set.insert(zero) == Verdict::fresh);
    REQUIRE(set.insert(zero) == Verdict::duplicate);
    REQUIRE(set.size() == before + 1);
    for (std::uint64_t i = 0; i < 200; ++i)
      REQUIRE(set.insert(spread_id<Id>(i + 1'000)) == Verdict::fresh);
    REQUIRE(set.check(zero) == Verdict::duplicate);
    REQUIRE(set.forget(zero));
    REQUIRE(set.check(zero) == Verdict::fresh);
    REQUIRE_FALSE(set.forget(zero));
    REQUIRE(set.size() == before + 200);
    REQUIRE(set.insert(zero) == Verdict::fresh);
    set.clear();
    REQUIRE(set.check(zero) == Verdict::fresh);
  }
}

TEST_CASE_TEMPLATE("memory: the id zero in batches", Set, IDEM_TEST_ALL_SETS) {
  using Id = typename Set::Stored;
  Set set;
  const std::vector<Id> ids(5, id_of<Id>(0, 0));
  std::vector<Verdict> verdicts(5, Verdict::poisoned);
  set.insert(ids, verdicts);
  CHECK(verdicts[0] == Verdict::fresh);
  for (std::size_t i = 1; i < 5; ++i) CHECK(verdicts[i] == Verdict::duplicate);
  CHECK(set.size() == 1);
  set.insert(ids, verdicts);
  for (const Verdict verdict : verdicts) CHECK(verdict == Verdict::duplicate);
}

TEST_CASE_TEMPLATE("memory: ids that differ in one bit anywhere are different", Set,
                   IDEM_TEST_ALL_SETS) {
  using Id = typename Set::Stored;
  Set set;
  std::vector<Id> ids;
  for (const std::uint64_t base : {std::uint64_t{0}, ~std::uint64_t{0}, idem_test::mix(5)}) {
    ids.push_back(id_of<Id>(base, base));
    for (unsigned bit = 0; bit < 64; ++bit) {
      ids.push_back(id_of<Id>(base, base ^ std::uint64_t{1} << bit));
      if (idem_test::id_bytes<Set> == 16) {
        ids.push_back(id_of<Id>(base ^ std::uint64_t{1} << bit, base));
      }
    }
  }
  for (const Id& id : ids) REQUIRE(set.insert(id) == Verdict::fresh);
  for (const Id& id : ids) REQUIRE(set.insert(id) == Verdict::duplicate);
  CHECK(set.size() == ids.size());
}

TEST_CASE_TEMPLATE("memory: every id stays through every growth", Set, IDEM_TEST_ALL_SETS) {
  for (const Universe universe : {Universe::spread, Universe::counting, Universe::high_bits}) {
    Set set({.seed = idem::Seed{1, 2}});
    const auto ids = idem_test::make_universe(set, universe, 5'000);
    std::size_t bytes = 0;
    std::size_t checked = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      REQUIRE(set.insert(ids[i]) == Verdict::fresh);
      const bool grew = set.memory_bytes() != bytes;
      bytes = set.memory_bytes();
      if (!grew && i % 500 != 0) continue;
      for (std::size_t k = 0; k < ids.size(); ++k) {
        const Verdict expected = k <= i ? Verdict::duplicate : Verdict::fresh;
        if (set.check(ids[k]) != expected) {
          CAPTURE(i);
          CAPTURE(k);
          FAIL("lost or invented by growth");
        }
      }
      ++checked;
    }
    CHECK(checked > 15);
  }
}

TEST_CASE_TEMPLATE("memory: forgetting from every place of a chain keeps the others", Set,
                   IDEM_TEST_ALL_SETS) {
  // Ids that all want the same slot, and ids that want one of the last few: both lie in one run that
  // goes on at the beginning of the array.
  for (const Universe universe : {Universe::colliding, Universe::near_end}) {
    const Set any({.seed = idem::Seed{3, 4}});
    const auto ids = idem_test::make_universe(any, universe, 24);
    for (std::size_t count = 1; count <= ids.size(); ++count) {
      for (std::size_t first = 0; first < count; ++first) {
        for (std::size_t second = 0; second < count; ++second) {
          Set set({.seed = idem::Seed{3, 4}});
          for (std::size_t i = 0; i < count; ++i) REQUIRE(set.insert(ids[i]) == Verdict::fresh);
          REQUIRE(set.forget(ids[first]));
          REQUIRE(set.forget(ids[second]) == (first != second));
          for (std::size_t i = 0; i < count; ++i) {
            const bool gone = i == first || i == second;
            REQUIRE(set.check(ids[i]) == (gone ? Verdict::fresh : Verdict::duplicate));
          }
          REQUIRE(set.insert(ids[first]) == Verdict::fresh);
          for (std::size_t i = 0; i < count; ++i) {
            const bool gone = i == second && first != second;
            REQUIRE(set.check(ids[i]) == (gone ? Verdict::fresh : Verdict::duplicate));
          }
        }
      }
    }
  }
}

TEST_CASE_TEMPLATE("memory: what it is, to those who compose it", Set, IDEM_TEST_ALL_SETS) {
  static_assert(idem::Memory<Set> && idem::Settling<Set> && !idem::Carrying<Set>);
  static_assert(Set::errors == idem::Errors{} && !Set::needs_time);
  static_assert(std::is_nothrow_move_constructible_v<Set> &&
                std::is_nothrow_move_assignable_v<Set>);
  static_assert(std::is_copy_constructible_v<Set> && std::is_copy_assignable_v<Set>);
  static_assert(!std::is_convertible_v<typename Set::Options, Set>);
  static_assert(idem::Memory<typename Set::template WithHash<idem::SipHash>>);
  static_assert(
      std::is_same_v<typename Set::template WithHash<idem::SipHash>::Hash, idem::SipHash>);
  static_assert(std::is_same_v<typename Set::template WithHash<typename Set::Hash>, Set>);
  Set set({.seed = idem::Seed{5, 6}});
  CHECK(set.hash().seed() == idem::Seed{5, 6});
  const auto id = spread_id<typename Set::Stored>(3);
  // A slot is of the set and its seed; a wide id's is not what routes it to a shard.
  CHECK(set.slot(id) == Set({.seed = idem::Seed{5, 6}}).slot(id));
  CHECK(set.slot(id) != Set({.seed = idem::Seed{6, 6}}).slot(id));
  CHECK((set.slot(id) == idem::KeyTraits<typename Set::Stored>::route(id, set.hash())) ==
        (sizeof(id) == 8));
}
