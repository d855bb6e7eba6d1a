#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/sequence/numbers.hpp>
#include <idem/sequence/producer_batch.hpp>

namespace idem::inline IDEM_ABI::detail {

inline constexpr std::int32_t highest_epoch = 32767;

// What is known of one producer: flat, trivially copyable, and in two parts. A judgement reads the
// first alone, which with its link is one cache line where numbers are 31 bits and the look-back is
// 5; only the answer to a repeat needs the rest. The newest `look_back` batches form a ring; an
// unused place has the last number -1, as a batch without sequence numbers has.
template <class Numbers, std::size_t look_back>
struct ProducerRecord {
  struct Range {
    typename Numbers::Number last;
    typename Numbers::Length length;  // less one
  };
  struct Rest {
    std::int64_t last_active;  // see ProducerStore
    std::int32_t coordinator_epoch;
    std::uint32_t first_claim;  // of the chain of those in flight
    std::int64_t last_offset[look_back];
    std::int64_t timestamp_ms[look_back];
  };

  std::int64_t producer_id;
  Range range[look_back];
  std::int16_t epoch;   // -1: none yet
  std::uint8_t newest;  // place in the ring
  std::uint8_t count;
  std::uint8_t claims;
  bool history_lost;  // what came before the oldest batch was never seen here
  bool placeholder;   // made for a claim, to vanish with it

  void clear_batches() noexcept {
    count = 0;
    newest = look_back - 1;
    history_lost = false;
    for (Range& unused : range) unused = {-1, 0};
  }

  void make_unknown(Rest& rest) noexcept {
    rest.last_active = 0;
    rest.coordinator_epoch = -1;
    rest.first_claim = 0xffffffff;
    for (std::size_t i = 0; i < look_back; ++i) rest.last_offset[i] = rest.timestamp_ms[i] = -1;
    epoch = -1;
    claims = 0;
    placeholder = false;
    clear_batches();
  }

  [[nodiscard]] static Range range_of(std::int64_t last, std::int64_t length) noexcept {
    return {static_cast<typename Numbers::Number>(last),
            static_cast<typename Numbers::Length>(length)};
  }
  [[nodiscard]] bool is_at(std::size_t at, Range wanted) const noexcept {
    if constexpr (sizeof(Range) == sizeof(std::uint64_t)) {
      return std::bit_cast<std::uint64_t>(range[at]) == std::bit_cast<std::uint64_t>(wanted);
    } else {
      return (range[at].last == wanted.last) & (range[at].length == wanted.length);
    }
  }
  // Of a range with numbers. All places are looked at, without a branch: that is quicker than to
  // stop.
  [[nodiscard]] bool holds(Range wanted) const noexcept {
    return holds(wanted, std::make_index_sequence<look_back>());
  }

  // The place of the batch that is `age` batches older than the newest.
  [[nodiscard]] std::size_t place(std::size_t age) const noexcept {
    return age <= newest ? newest - age : newest + look_back - age;
  }
  [[nodiscard]] std::int64_t newest_last() const noexcept { return range[newest].last; }
  [[nodiscard]] std::int64_t first_of(std::size_t at) const noexcept {
    return range[at].last < 0 ? -1 : Numbers::decrement(range[at].last, range[at].length);
  }

  void push(Rest& rest, std::int64_t first_sequence, std::int64_t last_sequence,
            OffsetRange offsets, std::int64_t timestamp) noexcept {
    if (count == 0) {
      history_lost = first_sequence > 0;
    } else if (count == look_back) {
      history_lost = false;
    }
    newest = static_cast<std::uint8_t>(newest + 1 == look_back ? 0 : newest + 1);
    if (count < look_back) ++count;
    range[newest] = range_of(last_sequence, offsets.last - offsets.first);
    rest.last_offset[newest] = offsets.last;
    rest.timestamp_ms[newest] = timestamp;
  }

 private:
  template <std::size_t... at>
  [[nodiscard]] bool holds(Range wanted, std::index_sequence<at...>) const noexcept {
    return (static_cast<unsigned>(is_at(at, wanted)) | ...) != 0;
  }
};

// The rules, without capacity, time or claims: one batch against one record.
template <class Numbers, std::size_t look_back>
struct ProducerRules {
  using Record = ProducerRecord<Numbers, look_back>;
  using Rest = typename Record::Rest;

  // Whether a batch is a client's, has a producer id and is without fault: what nearly all are,
  // told with one branch.
  [[nodiscard]] static bool is_plain(const ProducerBatch& batch) noexcept {
    constexpr auto highest = static_cast<std::uint64_t>(Numbers::highest);
    const bool odd = (batch.producer_id < 0) |
                     (static_cast<std::uint32_t>(batch.epoch) > std::uint32_t{highest_epoch}) |
                     (batch.origin != AppendOrigin::client) |
                     (static_cast<std::uint64_t>(batch.first_sequence) > highest) |
                     (static_cast<std::uint64_t>(batch.last_sequence) > highest);
    return !odd && Numbers::valid_range(batch.first_sequence, batch.last_sequence);
  }

  // `none` where the batch is one that can be judged. Of a batch without a producer id nothing else
  // is read.
  [[nodiscard]] static SequenceReason fault(const ProducerBatch& batch) noexcept {
    if (batch.producer_id < 0) {
      return batch.producer_id == -1 ? SequenceReason::none : SequenceReason::bad_producer_id;
    }
    if (batch.epoch < 0 || batch.epoch > highest_epoch) return SequenceReason::bad_epoch;
    if (batch.origin > AppendOrigin::coordinator) return SequenceReason::bad_origin;
    if (batch.first_sequence == -1 && batch.last_sequence == -1 &&
        batch.origin != AppendOrigin::client) {
      return SequenceReason::none;
    }
    if (batch.first_sequence < 0 || batch.last_sequence < 0 ||
        batch.first_sequence > Numbers::highest || batch.last_sequence > Numbers::highest) {
      return SequenceReason::bad_sequence;
    }
    return Numbers::valid_range(batch.first_sequence, batch.last_sequence)
               ? SequenceReason::none
               : SequenceReason::bad_range;
  }

  [[nodiscard]] static bool offsets_fit(const ProducerBatch& batch, OffsetRange offsets) noexcept {
    return offsets_fit(batch.producer_id >= 0 && batch.first_sequence >= 0
                           ? Numbers::distance(batch.first_sequence, batch.last_sequence)
                           : -1,
                       offsets);
  }
  // A length of -1 is any.
  [[nodiscard]] static bool offsets_fit(std::int64_t length, OffsetRange offsets) noexcept {
    if (offsets.first < 0 || offsets.last < offsets.first ||
        offsets.last == std::numeric_limits<std::int64_t>::max()) {
      return false;
    }
    const std::int64_t span = offsets.last - offsets.first;
    return length < 0 ? span <= std::numeric_limits<typename Numbers::Length>::max()
                      : span == length;
  }

  [[nodiscard]] static Judgement unknown_producer(const ProducerBatch& batch, UnknownProducer rule,
                                                  bool log_empty) noexcept {
    if (batch.first_sequence == 0) {
      return {.verdict = Verdict::fresh, .reason = SequenceReason::new_producer, .expected = 0};
    }
    if (rule == UnknownProducer::require_zero) {
      return {.verdict = Verdict::unknown, .reason = SequenceReason::lost_state, .expected = 0};
    }
    if (rule == UnknownProducer::require_zero_if_log_empty && log_empty) {
      return {.verdict = Verdict::gap, .reason = SequenceReason::ahead, .expected = 0};
    }
    return {.verdict = Verdict::fresh,
            .reason = SequenceReason::unknown_history,
            .expected = batch.first_sequence};
  }

  // Of a range that the record holds; its oldest place answers.
  [[nodiscard]] static Judgement duplicate(const Record& record, const Rest& rest,
                                           typename Record::Range range) noexcept {
    std::size_t age = record.count - std::size_t{1};
    while (!record.is_at(record.place(age), range)) --age;
    const std::size_t at = record.place(age);
    return {.verdict = Verdict::duplicate,
            .reason = SequenceReason::repeated,
            .epoch = record.epoch,
            .expected = Numbers::next(record.newest_last()),
            .first_offset = rest.last_offset[at] - std::int64_t{range.length},
            .last_offset = rest.last_offset[at],
            .timestamp_ms = rest.timestamp_ms[at]};
  }

  [[nodiscard]] static Judgement old_epoch(const Record& record) noexcept {
    return {.verdict = Verdict::fenced, .reason = SequenceReason::old_epoch, .epoch = record.epoch};
  }

  // A client's batch, the producer's record existing and nothing of it in flight. rest() is asked
  // for a repeat only: it lies in other cache lines.
  [[nodiscard]] static Judgement settled(const ProducerBatch& batch, const Record& record,
                                         const auto& rest, UnknownProducer rule,
                                         bool log_empty) noexcept {
    if (batch.epoch == record.epoch) [[likely]] {
      const std::int64_t length = Numbers::distance(batch.first_sequence, batch.last_sequence);
      const auto range = Record::range_of(batch.last_sequence, length);
      if (record.holds(range)) return duplicate(record, rest(), range);
      const std::int64_t expected = Numbers::next(record.newest_last());
      if (batch.first_sequence == expected) [[likely]] {
        return {.verdict = Verdict::fresh,
                .reason = SequenceReason::next,
                .epoch = record.epoch,
                .expected = expected};
      }
      return out_of_order(batch, length, record, expected);
    }
    if (record.epoch < 0) return unknown_producer(batch, rule, log_empty);
    if (batch.epoch < record.epoch) return old_epoch(record);
    return newer_epoch(batch, record.epoch);
  }

  [[nodiscard]] static Judgement newer_epoch(const ProducerBatch& batch,
                                             std::int32_t current) noexcept {
    const bool starts = batch.first_sequence == 0;
    return {.verdict = starts ? Verdict::fresh : Verdict::gap,
            .reason = starts ? SequenceReason::new_epoch : SequenceReason::ahead,
            .epoch = current,
            .expected = 0};
  }

  // Not a repeat and not the next: everything Kafka answers with one code.
  [[nodiscard, gnu::noinline]] static Judgement out_of_order(const ProducerBatch& batch,
                                                             std::int64_t length,
                                                             const Record& record,
                                                             std::int64_t expected) noexcept {
    Judgement answer{.epoch = record.epoch, .expected = expected};
    // "Behind" has a meaning only where there is a batch to be behind of.
    if (record.newest_last() < 0 || !Numbers::is_behind(batch.first_sequence, expected)) {
      answer.verdict = Verdict::gap;
      answer.reason = SequenceReason::ahead;
      return answer;
    }
    // How many of the batch's numbers lie before the expected one: all, or the tail is fresh. All the
    // numbers there are would be one too many for a signed count.
    const auto steps = static_cast<std::uint64_t>(length);
    const std::uint64_t before =
        expected < 0
            ? steps + 1
            : static_cast<std::uint64_t>(Numbers::distance(batch.first_sequence, expected));
    const bool has_tail = before <= steps;
    if (has_tail) {
      answer.fresh_first = expected;
      answer.fresh_last = batch.last_sequence;
    }
    if (seen(record, batch.first_sequence, has_tail ? before : steps + 1)) {
      answer.verdict = Verdict::overlap;
      answer.reason = has_tail ? SequenceReason::partly_seen : SequenceReason::regrouped;
    } else if (record.history_lost) {
      answer.verdict = Verdict::unknown;
      answer.reason = SequenceReason::lost_state;
    } else {
      answer.verdict = Verdict::stale;
      answer.reason = SequenceReason::older_than_look_back;
    }
    return answer;
  }

  // Whether `count` numbers from `first` on are all in batches of the ring.
  [[nodiscard]] static bool seen(const Record& record, std::int64_t first,
                                 std::uint64_t count) noexcept {
    for (std::size_t pass = 0; pass < look_back; ++pass) {
      bool advanced = false;
      for (std::size_t age = record.count; age-- != 0;) {
        const std::size_t at = record.place(age);
        if (record.range[at].last < 0) continue;
        // Distances from the start of the batch; a number outside lies beyond its length.
        const std::int64_t into = Numbers::distance(record.first_of(at), first);
        if (into < 0 || into > record.range[at].length) continue;
        const std::int64_t covered = record.range[at].length - into;  // less one
        if (static_cast<std::uint64_t>(covered) >= count - 1) return true;
        first = Numbers::increment(first, covered + 1);
        count -= static_cast<std::uint64_t>(covered) + 1;
        advanced = true;
      }
      if (!advanced) return false;
    }
    return false;
  }
};

}  // namespace idem::inline IDEM_ABI::detail
