#pragma once

// The public names that take no default template argument, declared only: for headers that mention
// idem without using it.

#include <cstddef>
#include <cstdint>

#include <idem/detail/abi.hpp>
#include <idem/detail/verdict.hpp>

namespace idem::inline IDEM_ABI {

// core/
enum class Action : std::uint8_t;
enum class ErrorCode : std::uint8_t;
struct Errors;
struct Error;
template <class T>
class Result;
class Duration;
class Instant;
struct At;
class ByteSize;
class ByteReader;
class ByteWriter;
class Uuid;
struct Seed;
struct Digest;
class Xxh3Hash;
class SipHash;
template <class K>
struct KeyTraits;

// memory/
struct SetOptions;
struct IdMapOptions;
struct TimeWindowOptions;
struct EventWindowOptions;
struct TimeWindowCounters;
struct RetrySchedule;
struct BloomFilterOptions;
struct CuckooFilterOptions;
struct InverseFilterOptions;
struct WindowFilterOptions;
struct EventWindowFilterOptions;
struct WindowFilterCounters;

// dedup/
template <class M>
struct Remember;
struct Claims;
struct CompareContent;
struct HostileKeys;
struct AcceptFalseDuplicates;
struct Counters;
template <std::size_t shards>
struct Sharded;
struct DeduplicatorCounters;
template <class... K>
class Identities;
template <class M>
struct IfGiven;
template <class... M>
class IdentityMemory;
struct IdentityVerdict;
template <class... Axis>
struct Policy;
struct ClaimOptions;
class Content;
template <class Dedup>
class Claim;

}  // namespace idem::inline IDEM_ABI
