#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include <idem/core/bytes.hpp>
#include <idem/core/hash.hpp>
#include <idem/core/time.hpp>
#include <idem/core/uuid.hpp>
#include <idem/core/verdict.hpp>
#include <idem/memory/content_hash_set.hpp>
#include <idem/memory/id_set.hpp>
#include <idem/memory/uuid_set.hpp>

// The exact sets of fixed-width ids, under both hashes: what every test of this folder runs on.

namespace idem_test {

using DigestSet = idem::IdSet<idem::Digest>;
using HostileUuidSet = idem::IdSet<idem::Uuid, idem::SipHash>;
using HostileId64Set = idem::IdSet<std::uint64_t, idem::SipHash>;
using HostileContentSet = idem::BasicContentHashSet<idem::SipHash>;

// Every width and every front; a set that differs in its hash alone allocates no other way.
#define IDEM_TEST_LAYOUTS idem::UuidSet, idem::Id64Set, idem::ContentHashSet
#define IDEM_TEST_PLAIN_SETS IDEM_TEST_LAYOUTS, idem_test::DigestSet
#define IDEM_TEST_ALL_SETS                                                    \
  IDEM_TEST_PLAIN_SETS, idem_test::HostileUuidSet, idem_test::HostileId64Set, \
      idem_test::HostileContentSet

// These sets have no use for the time.
inline constexpr idem::At some_time{.now = idem::Instant{}};

template <class Set>
inline constexpr std::size_t id_bytes = sizeof(typename Set::Stored);

// The fewest bytes a set may be given: itself and its first 16 slots.
template <class Set>
[[nodiscard]] constexpr std::uint64_t least_budget() {
  return sizeof(Set) + 16 * id_bytes<Set>;
}

// The ids a set must take, one by one from empty, before it may answer `full` under a budget: it is
// at least three quarters full when it must double, and has no room for three times its array then.
template <class Set>
[[nodiscard]] constexpr std::uint64_t ids_that_must_fit(std::uint64_t budget) {
  return (budget - sizeof(Set)) / (4 * id_bytes<Set>);
}

// Whether the set remembers exactly those of the universe that the oracle does.
template <class Set, class Oracle>
[[nodiscard]] bool same_contents(const Set& set, const std::vector<typename Set::Stored>& universe,
                                 const Oracle& oracle) {
  if (set.size() != oracle.size()) return false;
  for (std::size_t index = 0; index < universe.size(); ++index)
    if (set.check(universe[index]) != oracle.check(index)) return false;
  return true;
}

}  // namespace idem_test

TYPE_TO_STRING(idem::UuidSet);
TYPE_TO_STRING(idem::Id64Set);
TYPE_TO_STRING(idem_test::DigestSet);
TYPE_TO_STRING(idem::ContentHashSet);
TYPE_TO_STRING(idem_test::HostileUuidSet);
TYPE_TO_STRING(idem_test::HostileId64Set);
TYPE_TO_STRING(idem_test::HostileContentSet);
