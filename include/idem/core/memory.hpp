#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <idem/core/hash.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>

// What a component must offer to be composed. A class of the user's own that models these works as
// well as ours.

namespace idem::inline IDEM_ABI {

// clang-format off

// Remembers keys.
//
//   Stored, Options              what it keeps (see KeyTraits), and its options
//   errors                       which way it can be wrong
//   needs_time                   false: the overloads without At exist too, and At is ignored
//   check(key, at)               the verdict insert would give, except `full`; changes nothing
//   insert(key, at)              judges and records
//   insert(keys, at, verdicts)   the same for a batch, in order, duplicates inside it included; the
//                                spans have one size, anything else aborts
//   memory_bytes()               every byte the object holds, itself included
//
// All are noexcept; a memory that cannot get room answers `full` and is unchanged.
template <class M>
concept Memory = std::constructible_from<M, typename M::Options> &&
    requires(M& memory, const M& constant, const typename M::Stored& key, At at,
             std::span<const typename M::Stored> keys, std::span<Verdict> verdicts) {
  { M::errors } -> std::convertible_to<Errors>;
  { M::needs_time } -> std::convertible_to<bool>;
  { constant.check(key, at) } noexcept -> std::same_as<Verdict>;
  { memory.insert(key, at) } noexcept -> std::same_as<Verdict>;
  { memory.insert(keys, at, verdicts) } noexcept -> std::same_as<void>;
  { constant.memory_bytes() } noexcept -> std::same_as<std::size_t>;
};

// A memory with a seeded hash, which KeyTraits::store is given: every one whose Stored is not the key
// itself.
//
//   Hash, hash()   the hash policy, and its object
template <class M>
concept Hashing = Memory<M> && HashPolicy<typename M::Hash> && requires(const M& constant) {
  { constant.hash() } noexcept -> std::convertible_to<typename M::Hash>;
};

// A memory that can take one key back; a Bloom filter cannot.
//
//   forget(key)   whether it was remembered; it is fresh again
template <class M>
concept Forgetting = Memory<M> && requires(M& memory, const typename M::Stored& key) {
  { memory.forget(key) } noexcept -> std::same_as<bool>;
};

// A memory in which room can be taken ahead, so that a later record cannot fail: what claims stand
// on.
//
//   reserve_one(key)   takes room for one key to come; false: there is none, nothing changed
//   record(key, at)    records a key with room taken by reserve_one; cannot fail
//   release_one(key)   gives that room back unused
//   slot(key)          64 well-mixed bits of the key, for tables beside the memory
template <class M>
concept Settling = Memory<M> && !M::errors.may_drop &&
                   requires(M & memory, const M& constant, typename M::Stored key, At at) {
  { memory.reserve_one(std::as_const(key)) } noexcept -> std::same_as<bool>;
  { memory.record(std::move(key), at) } noexcept -> std::same_as<void>;
  { memory.release_one(std::as_const(key)) } noexcept -> std::same_as<void>;
  { constant.slot(std::as_const(key)) } noexcept -> std::same_as<std::uint64_t>;
};

// A memory with a payload of 8 or 16 bytes beside each key, such as a digest of the content. What is
// kept is the payload that came with the fresh key; on a duplicate, `first` becomes that one, and is
// left alone otherwise.
//
//   insert(key, at, payload, first)              as insert
//   insert(keys, at, payloads, first, verdicts)  the same for a batch; the spans have one size
//   check(key, at, first)                        as check
template <class M>
concept Carrying = Memory<M> &&
                   (sizeof(typename M::Payload) == 8 || sizeof(typename M::Payload) == 16) &&
                   requires(M& memory, const M& constant, const typename M::Stored& key, At at,
                            const typename M::Payload& payload, typename M::Payload& first,
                            std::span<const typename M::Stored> keys,
                            std::span<const typename M::Payload> payloads,
                            std::span<typename M::Payload> firsts, std::span<Verdict> verdicts) {
  { memory.insert(key, at, payload, first) } noexcept -> std::same_as<Verdict>;
  { memory.insert(keys, at, payloads, firsts, verdicts) } noexcept -> std::same_as<void>;
  { constant.check(key, at, first) } noexcept -> std::same_as<Verdict>;
};

// One that is both: a record in room taken ahead brings its payload.
//
//   record(key, at, payload)   as Settling's record
template <class M>
concept SettlingPayloads = Settling<M> && Carrying<M> &&
                           requires(M& memory, typename M::Stored key, At at,
                                    const typename M::Payload& payload) {
  { memory.record(std::move(key), at, payload) } noexcept -> std::same_as<void>;
};

// clang-format on

}  // namespace idem::inline IDEM_ABI
