#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/sequence/numbers.hpp>
#include <idem/sequence/producer_batch.hpp>

namespace idem::inline IDEM_ABI::detail {

inline constexpr std::int32_t highest_epoch = 32767;

// What is known of one producer: flat, trivially copyable, and laid out so that a judgement reads
// its first bytes only. The newest `look_back` batches form a ring; an unused place holds a last
// number that no batch can have.
template <class Numbers, std::size_t look_back>
struct ProducerRecord {
  static constexpr std::int32_t unused = -2;

  std::int64_t producer_id;
  std::int64_t last_active;  // see Upkeep
  std::int32_t coordinator_epoch;
  std::uint32_t first_claim;  // of the chain of those in flight
  std::int16_t epoch;         // -1: none yet
  std::uint8_t newest;        // place in the ring
  std::uint8_t count;
  std::uint8_t claims;
  bool history_lost;  // what came before the oldest batch was never seen here
  bool placeholder;   // made for a claim, to vanish with it
  typename Numbers::Number last[look_back];
  typename Numbers::Length length[look_back];  // less one
  std::int64_t last_offset[look_back];
  std::int64_t timestamp_ms[look_back];

  void clear_batches() noexcept {
    count = 0;
    newest = look_back - 1;
    history_lost = false;
    std::fill_n(last, look_back, typename Numbers::Number{unused});
  }

  void make_unknown() noexcept {
    last_active = 0;
    coordinator_epoch = -1;
    first_claim = 0xffffffff;
    epoch = -1;
    claims = 0;
    placeholder = false;
    std::fill_n(length, look_back, typename Numbers::Length{0});
    std::fill_n(last_offset, look_back, std::int64_t{-1});
    std::fill_n(timestamp_ms, look_back, std::int64_t{-1});
    clear_batches();
  }

  // The place of the batch that is `age` batches older than the newest.
  [[nodiscard]] std::size_t place(std::size_t age) const noexcept {
    return age <= newest ? newest - age : newest + look_back - age;
  }
  [[nodiscard]] std::int64_t newest_last() const noexcept {
    return count == 0 ? -1 : std::int64_t{last[newest]};
  }
  [[nodiscard]] std::int64_t first_of(std::size_t at) const noexcept {
    return last[at] < 0 ? -1 : Numbers::decrement(last[at], length[at]);
  }

  void push(std::int64_t first_sequence, std::int64_t last_sequence, OffsetRange offsets,
            std::int64_t timestamp) noexcept {
    if (count == 0) {
      history_lost = first_sequence > 0;
    } else if (count == look_back) {
      history_lost = false;
    }
    newest = static_cast<std::uint8_t>(newest + 1 == look_back ? 0 : newest + 1);
    if (count < look_back) ++count;
    last[newest] = static_cast<typename Numbers::Number>(last_sequence);
    length[newest] = static_cast<typename Numbers::Length>(offsets.last - offsets.first);
    last_offset[newest] = offsets.last;
    timestamp_ms[newest] = timestamp;
  }
};

// The rules, without capacity, time or claims: one batch against one record.
template <class Numbers, std::size_t look_back>
struct ProducerRules {
  using Record = ProducerRecord<Numbers, look_back>;

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

  // The place of the oldest batch in the ring with exactly this range, or look_back.
  [[nodiscard]] static std::size_t find(const Record& record, std::int64_t last_sequence,
                                        std::int64_t length) noexcept {
    const auto wanted = static_cast<typename Numbers::Number>(last_sequence);
    const auto wanted_length = static_cast<typename Numbers::Length>(length);
    std::uint32_t agree = 0;
    for (std::size_t i = 0; i < look_back; ++i) {
      agree |= static_cast<std::uint32_t>((record.last[i] == wanted) &
                                          (record.length[i] == wanted_length))
               << i;
    }
    if (agree == 0) return look_back;
    for (std::size_t age = record.count; age-- != 0;) {
      if ((agree >> record.place(age) & 1) != 0) return record.place(age);
    }
    return look_back;
  }

  [[nodiscard]] static Judgement duplicate(const Record& record, std::size_t at) noexcept {
    return {.verdict = Verdict::duplicate,
            .reason = SequenceReason::repeated,
            .epoch = record.epoch,
            .expected = Numbers::next(record.newest_last()),
            .first_offset = record.last_offset[at] - std::int64_t{record.length[at]},
            .last_offset = record.last_offset[at],
            .timestamp_ms = record.timestamp_ms[at]};
  }

  [[nodiscard]] static Judgement old_epoch(const Record& record) noexcept {
    return {.verdict = Verdict::fenced, .reason = SequenceReason::old_epoch, .epoch = record.epoch};
  }

  // A client's batch, the producer's record existing and nothing of it in flight.
  [[nodiscard]] static Judgement settled(const ProducerBatch& batch, const Record& record,
                                         UnknownProducer rule, bool log_empty) noexcept {
    if (batch.epoch == record.epoch) {
      const std::int64_t length = Numbers::distance(batch.first_sequence, batch.last_sequence);
      const std::size_t at = find(record, batch.last_sequence, length);
      if (at != look_back) return duplicate(record, at);
      const std::int64_t expected = Numbers::next(record.newest_last());
      if (batch.first_sequence == expected) {
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
  [[nodiscard]] static Judgement out_of_order(const ProducerBatch& batch, std::int64_t length,
                                              const Record& record,
                                              std::int64_t expected) noexcept {
    Judgement answer{.epoch = record.epoch, .expected = expected};
    // "Behind" has a meaning only where there is a batch to be behind of.
    if (record.newest_last() < 0 || !Numbers::is_behind(batch.first_sequence, expected)) {
      answer.verdict = Verdict::gap;
      answer.reason = SequenceReason::ahead;
      return answer;
    }
    // How many of the batch's numbers lie before the expected one: all, or the tail is fresh.
    const std::int64_t before =
        expected < 0 ? length + 1 : Numbers::distance(batch.first_sequence, expected);
    const bool has_tail = before <= length;
    if (has_tail) {
      answer.fresh_first = expected;
      answer.fresh_last = batch.last_sequence;
    }
    if (seen(record, batch.first_sequence, has_tail ? before : length + 1)) {
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
                                 std::int64_t count) noexcept {
    for (std::size_t pass = 0; pass < look_back; ++pass) {
      bool advanced = false;
      for (std::size_t age = record.count; age-- != 0;) {
        const std::size_t at = record.place(age);
        if (record.last[at] < 0) continue;
        // Distances from the start of the batch; a number outside lies beyond its length.
        const std::int64_t into = Numbers::distance(record.first_of(at), first);
        if (into < 0 || into > record.length[at]) continue;
        const std::int64_t covered = record.length[at] - into;  // less one
        if (covered >= count - 1) return true;
        first = Numbers::increment(first, covered + 1);
        count -= covered + 1;
        advanced = true;
      }
      if (!advanced) return false;
    }
    return false;
  }
};

}  // namespace idem::inline IDEM_ABI::detail
