#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>

// The words ProducerTracker is spoken to in: what a batch is, what is answered about it, and the
// error code a Kafka broker would send in its place.

namespace idem::inline IDEM_ABI {

// Who appends.
enum class AppendOrigin : std::uint8_t {
  client,       // every check
  replication,  // a leader's log being copied or replayed: nothing is refused, state follows it
  coordinator,  // group and transaction coordinators: epochs are checked, sequences are not
};

// A producer's batch, named by its range of sequence numbers. Two batches with the same producer,
// epoch and range are the same batch: contents are never compared.
//
// The range is inclusive and, where the numbers wrap, may straddle the wrap: last_sequence is then
// below first_sequence. Both are -1 in a batch without sequence numbers.
struct ProducerBatch {
  std::int64_t producer_id = -1;  // -1: none, and then nothing is checked
  std::int32_t epoch = -1;        // 0 .. 32767 with a producer id
  AppendOrigin origin = AppendOrigin::client;
  std::int64_t first_sequence = -1;
  std::int64_t last_sequence = -1;
  std::int64_t timestamp_ms = -1;  // the newest record's; -1: none

  friend constexpr bool operator==(const ProducerBatch&, const ProducerBatch&) = default;
};

// Where the log put a batch, inclusive. Its length is that of the sequence range: compaction
// removes records and keeps both ranges.
struct OffsetRange {
  std::int64_t first = -1;
  std::int64_t last = -1;

  friend constexpr bool operator==(const OffsetRange&, const OffsetRange&) = default;
};

// What is done with the first batch of a producer that is not known. With no state nobody can tell
// "first ever" from "state lost": accepting any sequence lets a later batch overtake an earlier one
// that must still be retried, and demanding zero refuses producers whose state has expired. Kafka's
// rule has changed with time, and each era has its name here.
enum class UnknownProducer : std::uint8_t {
  accept_any,                 // 2.5 to 4.4: any first sequence; other than 0 is `unknown_history`
  require_zero,               // to 2.4: 0, or the answer is `unknown`
  require_zero_if_log_empty,  // from 4.5: 0 where the log never held a record, any otherwise
};

// Which clock makes an idle producer expire.
enum class ExpireBy : std::uint8_t {
  arrival,      // the caller's clock when it last appended
  record_time,  // its newest batch's timestamp_ms, as Kafka does: data older than the limit expires
                // at once, data from the future never
};

// What happens when a new producer meets the cap on producers or bytes.
enum class AtCapacity : std::uint8_t {
  forget_oldest,  // the least recently active one that has nothing in flight; counted
  refuse,         // `full`
};

struct ProducerCounters {
  std::uint64_t evicted = 0;  // forgotten for the cap
  std::uint64_t expired = 0;  // forgotten for their age
  // Forgotten and then seen again: each is a broken promise. At least so many, as only the newest
  // of those forgotten are remembered (remember_forgotten).
  std::uint64_t returned = 0;
  std::uint64_t unknown_history = 0;  // accepted with unknown history

  friend constexpr bool operator==(const ProducerCounters&, const ProducerCounters&) = default;
};

// How the epoch of a marker compares with the producer's.
enum class MarkerRule : std::uint8_t {
  same_or_higher,  // transactions version 0 and 1; what followers use, who do not know the version
  higher,          // version 2, where each end of a transaction bumps the epoch
};

// A transaction marker, as far as it fences: it raises the producer's epoch and the coordinator's.
struct ProducerMarker {
  std::int64_t producer_id = -1;
  std::int32_t epoch = -1;                          // 0 .. 32767
  std::int32_t coordinator_epoch = -1;              // 0 or more; an empty marker needs none
  AppendOrigin origin = AppendOrigin::coordinator;  // not `client`
  MarkerRule rule = MarkerRule::same_or_higher;
  // Whether the producer has a transaction open; the tracker does not follow transactions. Asked by
  // the rule `higher` alone: without one, a marker of the current epoch is the retry of one already
  // written.
  bool transaction_open = false;
  // A control batch whose record was compacted away: accepted, does nothing but make the producer
  // known.
  bool empty = false;
  std::int64_t timestamp_ms = -1;
};

// Why a verdict was given; what Kafka answers with one code is kept apart here.
enum class SequenceReason : std::uint8_t {
  none = 0,
  // fresh
  next,             // follows the newest batch
  new_producer,     // never seen, starts at zero
  unknown_history,  // never seen, does not start at zero: what came before it is not known
  new_epoch,        // a higher epoch, starts at zero
  unchecked,        // the origin, or the lack of a producer id, switches the checks off
  marker,           // a marker that takes effect
  // duplicate
  repeated,        // exactly a batch in the look-back
  marker_written,  // a marker that took effect before
  // in_progress
  in_flight,  // depends on a claim that is neither committed nor aborted
  // gap
  ahead,  // beyond the expected sequence
  // overlap
  partly_seen,  // begins in the look-back, ends beyond the newest
  regrouped,    // every number is in the look-back, in batches cut elsewhere
  // stale
  older_than_look_back,  // was there once, most likely: too old to tell whether as this batch
  // unknown
  lost_state,  // the history that could tell is not here
  // fenced
  old_epoch,
  old_coordinator,
  revoked,  // the claim was undone: an earlier one was aborted, or a newer epoch took over
  // full
  too_many_producers,  // all of them busy, or the cap refuses
  too_many_in_flight,
  no_memory,
  // poisoned: the batch contradicts itself; `bad_...` names the field
  bad_producer_id,
  bad_epoch,
  bad_sequence,
  bad_range,    // last before first, or longer than half the numbers
  bad_offsets,  // negative, last before first, or not as long as the sequence range
  bad_origin,
};

// The answer about one batch. Fields that do not apply are -1.
struct [[nodiscard]] Judgement {
  Verdict verdict = Verdict::unknown;
  SequenceReason reason = SequenceReason::none;
  std::int32_t epoch = -1;     // the producer's current epoch; -1: the producer is not known
  std::int64_t expected = -1;  // the sequence that would be next in the batch's epoch
  // duplicate: where and when the original went
  std::int64_t first_offset = -1;
  std::int64_t last_offset = -1;
  std::int64_t timestamp_ms = -1;
  // The part beyond the newest batch, of an overlap and of a stale batch that has one.
  std::int64_t fresh_first = -1;
  std::int64_t fresh_last = -1;

  friend constexpr bool operator==(const Judgement&, const Judgement&) = default;
};

// The right to append one range, from claim() to commit() or abort(). A value: it may be copied and
// carried anywhere; the first use settles it. The empty one belongs to batches without a producer.
struct RangeClaim {
  std::uint64_t serial = 0;
  std::uint32_t slot = 0;

  friend constexpr bool operator==(const RangeClaim&, const RangeClaim&) = default;
};

struct [[nodiscard]] ClaimedRange {
  Judgement judgement;
  RangeClaim claim;  // meaningful where the verdict is `fresh`
};

// The error code of Kafka's protocol that a broker answers in this case; 0 is success, which a
// duplicate is too. Three verdicts have no Kafka counterpart and take a code that clients retry:
// in_progress REQUEST_TIMED_OUT, full THROTTLING_QUOTA_EXCEEDED; a revoked claim
// NOT_LEADER_OR_FOLLOWER.
[[nodiscard]] constexpr std::int16_t kafka_error(const Judgement& judgement) noexcept {
  switch (judgement.verdict) {
    case Verdict::fresh:
    case Verdict::duplicate:
      return 0;
    case Verdict::in_progress:
      return 7;  // REQUEST_TIMED_OUT
    case Verdict::gap:
    case Verdict::overlap:
    case Verdict::stale:
      return 45;  // OUT_OF_ORDER_SEQUENCE_NUMBER
    case Verdict::unknown:
      // UNKNOWN_PRODUCER_ID where there is no state at all.
      return judgement.epoch < 0 ? std::int16_t{59} : std::int16_t{45};
    case Verdict::fenced:
      if (judgement.reason == SequenceReason::old_coordinator) {
        return 52;  // TRANSACTION_COORDINATOR_FENCED
      }
      if (judgement.reason == SequenceReason::revoked) return 6;  // NOT_LEADER_OR_FOLLOWER
      return 47;                                                  // INVALID_PRODUCER_EPOCH
    case Verdict::full:
      return 89;  // THROTTLING_QUOTA_EXCEEDED
    case Verdict::poisoned:
    case Verdict::probable_duplicate:
    case Verdict::conflict:
      return 87;  // INVALID_RECORD
  }
  return -1;  // UNKNOWN_SERVER_ERROR
}

// The enumerator's spelling; "invalid" for a value outside the enumeration.
[[nodiscard]] constexpr std::string_view name(SequenceReason reason) noexcept {
  constexpr std::string_view names[] = {"none",
                                        "next",
                                        "new_producer",
                                        "unknown_history",
                                        "new_epoch",
                                        "unchecked",
                                        "marker",
                                        "repeated",
                                        "marker_written",
                                        "in_flight",
                                        "ahead",
                                        "partly_seen",
                                        "regrouped",
                                        "older_than_look_back",
                                        "lost_state",
                                        "old_epoch",
                                        "old_coordinator",
                                        "revoked",
                                        "too_many_producers",
                                        "too_many_in_flight",
                                        "no_memory",
                                        "bad_producer_id",
                                        "bad_epoch",
                                        "bad_sequence",
                                        "bad_range",
                                        "bad_offsets",
                                        "bad_origin"};
  const auto index = static_cast<std::size_t>(reason);
  return index < sizeof names / sizeof names[0] ? names[index] : std::string_view("invalid");
}

}  // namespace idem::inline IDEM_ABI
