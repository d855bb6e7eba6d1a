#pragma once

#include <cstddef>
#include <type_traits>

#include <idem/core/hash.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/dedup/axes.hpp>

namespace idem::inline IDEM_ABI {

// The axes of a policy. Each is named at most once, in any order; what is not named costs nothing.

// What remembers: UuidSet, ContentHashSet, Id64Set, ExactSet<Key>, or a class of yours that models
// Memory. Not named: the IdSet of whatever KeyTraits<Key> stores.
template <class M>
struct Remember {};

// Claims stand between "seen" and "done": a key is claimed, processed, and recorded by the commit;
// an abort, an exception or a lease that runs out gives it back. Brings the options `claims`.
struct Claims {};

// Every message comes with its content, and one whose key came before with another content is a
// `conflict`. The digest of the first content, 16 bytes, is kept beside its key; a Remember<M> stands
// for M with that payload.
struct CompareContent {};

// Keys are chosen by people who gain by collisions: SipHash takes the place of XXH3 everywhere.
struct HostileKeys {};

// A fresh message may be taken for a duplicate and lost, with the probability the memory states.
// Without this word no policy compiles whose memory may drop.
struct AcceptFalseDuplicates {};

// Counts what it answers and does: Deduplicator::counters().
struct Counters {};

// Any number of threads at once: every key is at home in one of N shards, each with a memory and a
// lock of its own, so that of the threads that bring one key exactly one gets `fresh`.
//
// Each shard has the options of the memory and of the claims whole: a budget, expected_keys,
// max_in_flight and max_failed_keys are N times what they say, and `full` is answered when the
// shard of the key is full, somewhat before the sum is. Several times as many shards as threads keep
// them out of each other's way; 1 to 1024.
template <std::size_t shards>
struct Sharded {};

// How a Deduplicator remembers and decides: a list of axes.
//
// Errors  an unknown axis, and one named twice, do not compile.
template <class... Axis>
struct Policy {};

}  // namespace idem::inline IDEM_ABI
