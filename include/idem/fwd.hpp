#pragma once

// The classes and enumerations of namespace idem that take no default template argument, declared
// only: for headers that mention idem without using it.

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
template <auto... Member>
struct DigestOf;
template <class K>
struct KeyBytes;
enum class StateKind : std::uint16_t;
struct StateType;
struct StateShape;
class StateWriter;
class StateReader;

// memory/
enum class PagePolicy : std::uint8_t;
struct SetOptions;
struct SetWork;
struct IdMapOptions;
enum class WindowMode : std::uint8_t;
enum class WindowTime : std::uint8_t;
enum class WhenFull : std::uint8_t;
struct TimeWindowOptions;
struct EventWindowOptions;
struct TimeWindowCounters;
struct RetrySchedule;
struct BloomFilterOptions;
struct CuckooFilterOptions;
struct InverseFilterOptions;
enum class WhenCrowded : std::uint8_t;
struct WindowFilterOptions;
struct EventWindowFilterOptions;
struct WindowCuckooOptions;
struct WindowFilterCounters;
template <class ExactOptions, class FilterOptions>
struct BackedWindowOptions;
template <class ExactWindow, class Filter>
class BackedWindow;

// sequence/
enum class AppendOrigin : std::uint8_t;
struct ProducerBatch;
struct OffsetRange;
enum class UnknownProducer : std::uint8_t;
enum class ExpireBy : std::uint8_t;
enum class AtCapacity : std::uint8_t;
struct ProducerCounters;
enum class MarkerRule : std::uint8_t;
struct ProducerMarker;
enum class SequenceReason : std::uint8_t;
struct Judgement;
struct RangeClaim;
struct ClaimedRange;
enum class SequenceMode : std::uint8_t;
struct ProducerTrackerOptions;
struct MonotonicTrackerOptions;
struct SequenceMarks;
class MonotonicTracker;
struct OffsetLedgerOptions;
struct OpenDelivery;
struct LedgerCheckpoint;
class OffsetLedger;
struct ReplayWindowOptions;

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
template <class MemoryOptions, class ClaimsOptions>
struct DeduplicatorOptions;
template <class... K>
class Identities;
template <auto... Member>
struct IdentitiesOf;
template <class M>
struct IfGiven;
template <class... Options>
struct IdentityOptions;
template <class... M>
class IdentityMemory;
struct IdentityVerdict;
template <class... Axis>
struct Policy;
struct ClaimOptions;
class Content;
template <class Dedup>
class Claim;

// snapshot/
struct LoadLimits;
template <class C>
struct Loaded;
template <class Dedup>
class Resumable;

}  // namespace idem::inline IDEM_ABI
