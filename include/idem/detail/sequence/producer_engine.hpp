#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <utility>

#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/sequence/claim_pool.hpp>
#include <idem/detail/sequence/producer_rules.hpp>
#include <idem/detail/sequence/producer_store.hpp>
#include <idem/sequence/producer_batch.hpp>

namespace idem::inline IDEM_ABI::detail {

// The tracker: rules, store and claims together.
//
// Claims of one producer form a chain in the order they were taken, epochs never falling. Within an
// epoch each continues the one before, so they commit in that order, and the abort of one undoes
// those behind it.
template <class Numbers, std::size_t look_back>
class ProducerEngine {
 public:
  using Rules = ProducerRules<Numbers, look_back>;
  using Record = ProducerRecord<Numbers, look_back>;
  using Rest = typename Record::Rest;
  using Store = ProducerStore<Record>;
  static constexpr std::uint32_t none = Store::none;

  ProducerEngine(const StoreLimits& limits, UnknownProducer unknown, std::uint32_t max_claims,
                 std::int64_t end_offset) noexcept
      : store_(limits), claims_(max_claims), unknown_(unknown), end_offset_(end_offset) {}

  [[nodiscard]] Store& store() noexcept { return store_; }
  [[nodiscard]] const Store& store() const noexcept { return store_; }
  [[nodiscard]] const ClaimPool& claims() const noexcept { return claims_; }
  [[nodiscard]] std::int64_t end_offset() const noexcept { return end_offset_; }
  void set_end_offset(std::int64_t offset) noexcept { end_offset_ = offset; }
  [[nodiscard]] std::uint64_t heap_bytes() const noexcept {
    return store_.heap_bytes() + claims_.heap_bytes();
  }

  [[nodiscard]] Judgement judge(const ProducerBatch& batch) const noexcept {
    if (!Rules::is_plain(batch)) [[unlikely]]
      return judge_odd(batch);
    return judge_plain(batch, store_.table().find(batch.producer_id));
  }

  void judge(std::span<const ProducerBatch> batches, std::span<Judgement> answers) const noexcept {
    require_equal_sizes(batches.size(), answers.size());
    // A batch's index line is fetched `ring` batches before it is judged, its record half as many.
    constexpr std::size_t ring = 32;
    std::array<std::uint64_t, ring> hashes;
    std::array<typename Store::Table::Likely, ring> likely;
    const auto& table = store_.table();
    for (std::size_t i = 0; i < batches.size() + ring; ++i) {
      if (i >= ring) {
        const ProducerBatch& batch = batches[i - ring];
        auto [slot, record] = likely[i % ring];
        if (slot == none || record->producer_id != batch.producer_id) [[unlikely]] {
          slot = table.find(batch.producer_id, hashes[i % ring]);
          record = slot == none ? nullptr : &table.at(slot);
        }
        // Built where it stays: see append().
        ::new (static_cast<void*>(&answers[i - ring]))
            Judgement(Rules::is_plain(batch) ? judge_plain(batch, slot, record) : judge_odd(batch));
      }
      if (i < batches.size()) {
        hashes[i % ring] = table.hash(batches[i].producer_id);
        table.prefetch_line(hashes[i % ring]);
      }
      if (i >= ring / 2 && i < batches.size() + ring / 2) {
        const std::size_t place = (i - ring / 2) % ring;
        likely[place] = table.prefetch_record(hashes[place]);
      }
    }
  }

  // One object is built and returned, whatever happens: a copy of it just after it was written in
  // pieces would wait for the stores.
  [[nodiscard]] Judgement append(const ProducerBatch& batch, OffsetRange offsets,
                                 Instant now) noexcept {
    const bool plain = Rules::is_plain(batch);
    const std::uint32_t slot = plain ? store_.table().find(batch.producer_id) : none;
    Judgement answer = plain ? judge_plain(batch, slot) : judge_odd(batch);
    if (answer.verdict == Verdict::fresh) {
      if (slot != none && store_.table().at(slot).claims == 0) [[likely]] {
        record_plain(batch, slot, offsets, now, answer);
      } else {
        record(batch, offsets, now, answer);
      }
    }
    return answer;
  }

  [[nodiscard]] ClaimedRange claim(const ProducerBatch& batch) noexcept {
    if (const auto fault = Rules::fault(batch); fault != SequenceReason::none) {
      return {poisoned(fault), {}};
    }
    if (batch.producer_id < 0) return {unchecked(-1), {}};
    if (batch.origin == AppendOrigin::replication) {
      return {poisoned(SequenceReason::bad_origin), {}};
    }
    std::uint32_t slot = store_.table().find(batch.producer_id);
    Judgement answer =
        batch.origin == AppendOrigin::client ? judge_plain(batch, slot) : judge_odd(batch);
    if (answer.verdict != Verdict::fresh) return {answer, {}};
    if (slot != none && store_.table().at(slot).claims >= look_back) {
      return {full(SequenceReason::too_many_in_flight), {}};
    }
    SequenceReason why = SequenceReason::none;
    const std::uint32_t number = claims_.acquire(why);
    if (number == none) return {full(why), {}};
    if (slot == none) {
      slot = store_.acquire(batch.producer_id, why);
      if (slot == none) {
        claims_.release(number);
        return {full(why), {}};
      }
      store_.table().at(slot).make_unknown(store_.table().rest(slot));
      store_.table().at(slot).placeholder = true;
    }
    store_.pin(slot);
    Record& record = store_.table().at(slot);
    PendingRange& range = claims_.at(number);
    range.producer = slot;
    range.epoch = batch.epoch;
    range.first = batch.first_sequence;
    range.last = batch.last_sequence;
    range.timestamp_ms = batch.timestamp_ms;
    range.unknown_history = answer.reason == SequenceReason::unknown_history;
    range.next = none;
    (record.claims == 0 ? first_claim(slot) : claims_.at(last_claim(slot)).next) = number;
    ++record.claims;
    return {answer, {.serial = range.serial, .slot = number}};
  }

  [[nodiscard]] Judgement commit(const RangeClaim& claim, OffsetRange offsets,
                                 Instant now) noexcept {
    if (claim.serial == 0) {
      if (!Rules::offsets_fit(-1, offsets)) return poisoned(SequenceReason::bad_offsets);
      end_offset_ = larger(end_offset_, offsets.last + 1);
      return unchecked(-1);
    }
    if (!claims_.holds(claim)) return revoked();
    const PendingRange range = claims_.at(claim.slot);
    Record& record = store_.table().at(range.producer);
    for (std::uint32_t at = first_claim(range.producer); at != claim.slot;
         at = claims_.at(at).next) {
      const PendingRange& earlier = claims_.at(at);
      if (earlier.epoch == range.epoch) {
        return {.verdict = Verdict::gap,
                .reason = SequenceReason::ahead,
                .epoch = record.epoch,
                .expected = earlier.first};
      }
    }
    const std::int64_t length = range.first < 0 ? -1 : Numbers::distance(range.first, range.last);
    if (!Rules::offsets_fit(length, offsets)) return poisoned(SequenceReason::bad_offsets);
    Judgement answer{.verdict = Verdict::fresh,
                     .reason = SequenceReason::next,
                     .epoch = range.epoch,
                     .expected = Numbers::next(range.last)};
    if (range.unknown_history) {
      answer.reason = SequenceReason::unknown_history;
      ++store_.counters().unknown_history;
    }
    revoke_below(range.producer, range.epoch);
    first_claim(range.producer) = range.next;
    --record.claims;
    claims_.release(claim.slot);
    record.placeholder = false;
    write(range.producer, range.epoch, range.first, range.last, offsets, range.timestamp_ms, now);
    if (record.claims == 0) store_.unpin(range.producer);
    end_offset_ = larger(end_offset_, offsets.last + 1);
    store_.upkeep(now);
    return answer;
  }

  bool abort(const RangeClaim& claim) noexcept {
    if (claim.serial == 0 || !claims_.holds(claim)) return false;
    const PendingRange range = claims_.at(claim.slot);
    Record& record = store_.table().at(range.producer);
    std::uint32_t* link = &first_claim(range.producer);
    while (*link != claim.slot) link = &claims_.at(*link).next;
    // It and those behind it of its epoch; they stand together.
    while (*link != none && claims_.at(*link).epoch == range.epoch) {
      const std::uint32_t gone = *link;
      *link = claims_.at(gone).next;
      claims_.release(gone);
      --record.claims;
    }
    settle(range.producer);
    return true;
  }

  void abort_all() noexcept {
    for (std::uint32_t i = 0; i < claims_.slots(); ++i) {
      if (claims_.at(i).serial == 0) continue;
      const std::uint32_t slot = claims_.at(i).producer;
      revoke_below(slot, all_epochs);
      settle(slot);
    }
  }

  [[nodiscard]] Judgement judge(const ProducerMarker& marker) const noexcept {
    return judge_marker(marker,
                        marker.producer_id < 0 ? none : store_.table().find(marker.producer_id));
  }

  [[nodiscard]] Judgement mark(const ProducerMarker& marker, Instant now) noexcept {
    std::uint32_t slot = marker.producer_id < 0 ? none : store_.table().find(marker.producer_id);
    Judgement answer = judge_marker(marker, slot);
    if (answer.verdict != Verdict::fresh) return answer;
    const bool created = slot == none;
    if (created) {
      slot = store_.acquire(marker.producer_id, answer.reason);
      if (slot == none) return full(answer.reason);
      store_.table().at(slot).make_unknown(store_.table().rest(slot));
      store_.unpin(slot);
    }
    Record& record = store_.table().at(slot);
    record.placeholder = false;
    if (!marker.empty) {
      if (record.epoch != marker.epoch) {
        revoke_below(slot, marker.origin == AppendOrigin::replication ? all_epochs : marker.epoch);
        record.epoch = static_cast<std::int16_t>(marker.epoch);
        record.clear_batches();
        if (record.claims == 0) store_.unpin(slot);
      }
      store_.table().rest(slot).coordinator_epoch = marker.coordinator_epoch;
    }
    if (created || !marker.empty) store_.used(slot, now, marker.timestamp_ms);
    answer.epoch = record.epoch;
    answer.expected = Numbers::next(record.newest_last());
    store_.upkeep(now);
    return answer;
  }

 private:
  static constexpr std::int32_t all_epochs = highest_epoch + 1;

  // What was judged fresh, of a producer that is known and has no claims; `answer` becomes what
  // stands against it.
  void record_plain(const ProducerBatch& batch, std::uint32_t slot, OffsetRange offsets,
                    Instant now, Judgement& answer) noexcept {
    if (!Rules::offsets_fit(Numbers::distance(batch.first_sequence, batch.last_sequence), offsets))
        [[unlikely]] {
      answer = poisoned(SequenceReason::bad_offsets);
      return;
    }
    if (answer.reason == SequenceReason::unknown_history) [[unlikely]]
      ++store_.counters().unknown_history;
    Record& record = store_.table().at(slot);
    if (record.epoch != batch.epoch) [[unlikely]] {
      record.epoch = static_cast<std::int16_t>(batch.epoch);
      record.clear_batches();
    }
    record.push(store_.table().rest(slot), batch.first_sequence, batch.last_sequence, offsets,
                batch.timestamp_ms);
    store_.used(slot, now, batch.timestamp_ms);
    end_offset_ = larger(end_offset_, offsets.last + 1);
    store_.upkeep(now);
  }

  // The same of any batch.
  [[gnu::noinline]] void record(const ProducerBatch& batch, OffsetRange offsets, Instant now,
                                Judgement& answer) noexcept {
    if (!Rules::offsets_fit(batch, offsets)) {
      answer = poisoned(SequenceReason::bad_offsets);
      return;
    }
    if (batch.producer_id >= 0) {
      std::uint32_t slot = store_.table().find(batch.producer_id);
      if (slot == none) {
        SequenceReason why = SequenceReason::none;
        slot = store_.acquire(batch.producer_id, why);
        if (slot == none) {
          answer = full(why);
          return;
        }
        store_.table().at(slot).make_unknown(store_.table().rest(slot));
        store_.unpin(slot);
      }
      const Record& producer = store_.table().at(slot);
      if (producer.claims != 0) {
        if (batch.origin == AppendOrigin::client &&
            claims_.at(last_claim(slot)).epoch == batch.epoch) {
          answer = in_flight(producer, answer.expected);
          return;
        }
        revoke_below(slot, batch.origin == AppendOrigin::replication ? all_epochs : batch.epoch);
      }
      if (answer.reason == SequenceReason::unknown_history) ++store_.counters().unknown_history;
      write(slot, batch.epoch, batch.first_sequence, batch.last_sequence, offsets,
            batch.timestamp_ms, now);
    }
    end_offset_ = larger(end_offset_, offsets.last + 1);
    store_.upkeep(now);
  }

  [[nodiscard]] static Judgement poisoned(SequenceReason why) noexcept {
    return {.verdict = Verdict::poisoned, .reason = why};
  }
  [[nodiscard]] static Judgement full(SequenceReason why) noexcept {
    return {.verdict = Verdict::full, .reason = why};
  }
  [[nodiscard]] static Judgement unchecked(std::int32_t epoch) noexcept {
    return {.verdict = Verdict::fresh, .reason = SequenceReason::unchecked, .epoch = epoch};
  }
  [[nodiscard]] static Judgement revoked() noexcept {
    return {.verdict = Verdict::fenced, .reason = SequenceReason::revoked};
  }
  [[nodiscard]] static Judgement in_flight(const Record& record, std::int64_t expected) noexcept {
    return {.verdict = Verdict::in_progress,
            .reason = SequenceReason::in_flight,
            .epoch = record.epoch,
            .expected = expected};
  }

  // Of a batch that is_plain(); `slot` is its producer's.
  [[nodiscard]] Judgement judge_plain(const ProducerBatch& batch,
                                      std::uint32_t slot) const noexcept {
    return judge_plain(batch, slot, slot == none ? nullptr : &store_.table().at(slot));
  }
  [[nodiscard]] Judgement judge_plain(const ProducerBatch& batch, std::uint32_t slot,
                                      const Record* record) const noexcept {
    if (slot == none) [[unlikely]]
      return Rules::unknown_producer(batch, unknown_, end_offset_ == 0);
    if (record->claims != 0) [[unlikely]]
      return judge_with_claims(batch, slot);
    const auto rest = [&]() noexcept -> const Rest& { return store_.table().rest(slot); };
    return Rules::settled(batch, *record, rest, unknown_, end_offset_ == 0);
  }

  // Of one that is not.
  [[nodiscard, gnu::noinline]] Judgement judge_odd(const ProducerBatch& batch) const noexcept {
    if (const auto fault = Rules::fault(batch); fault != SequenceReason::none) {
      return poisoned(fault);
    }
    if (batch.producer_id < 0) return unchecked(-1);
    const std::uint32_t slot = store_.table().find(batch.producer_id);
    if (slot == none) return unchecked(-1);
    const Record& record = store_.table().at(slot);
    if (batch.origin == AppendOrigin::coordinator) {
      if (batch.epoch < record.epoch) return Rules::old_epoch(record);
      if (record.claims != 0 && batch.epoch < claims_.at(last_claim(slot)).epoch) {
        return in_flight(record, -1);
      }
    }
    return unchecked(record.epoch);
  }

  // No answer that the fate of a claim could still change is final.
  [[nodiscard, gnu::noinline]] Judgement judge_with_claims(const ProducerBatch& batch,
                                                           std::uint32_t slot) const noexcept {
    const Record& record = store_.table().at(slot);
    const Rest& rest = store_.table().rest(slot);
    const PendingRange& last = claims_.at(last_claim(slot));
    if (batch.epoch < record.epoch) return Rules::old_epoch(record);
    if (batch.epoch == record.epoch) {
      const auto range = Record::range_of(
          batch.last_sequence, Numbers::distance(batch.first_sequence, batch.last_sequence));
      if (record.holds(range)) return Rules::duplicate(record, rest, range);
    }
    if (batch.epoch < last.epoch) return in_flight(record, -1);
    if (batch.epoch > last.epoch) {
      // Undone, those claims would leave a producer nobody knows, and another rule.
      if (record.epoch < 0 && batch.first_sequence != 0) return in_flight(record, 0);
      return Rules::newer_epoch(batch, record.epoch);
    }
    const std::int64_t expected = Numbers::next(last.last);
    for (std::uint32_t at = rest.first_claim; at != none; at = claims_.at(at).next) {
      const PendingRange& range = claims_.at(at);
      if (range.epoch == batch.epoch && range.first == batch.first_sequence &&
          range.last == batch.last_sequence) {
        return in_flight(record, expected);
      }
    }
    if (batch.first_sequence == expected) {
      return {.verdict = Verdict::fresh,
              .reason = SequenceReason::next,
              .epoch = record.epoch,
              .expected = expected};
    }
    if (last.last < 0 || !Numbers::is_behind(batch.first_sequence, expected)) {
      return {.verdict = Verdict::gap,
              .reason = SequenceReason::ahead,
              .epoch = record.epoch,
              .expected = expected};
    }
    // Behind the last claim. All of it behind the first one too, and its epoch is settled: judged
    // by what is committed.
    std::uint32_t at = rest.first_claim;
    while (claims_.at(at).epoch != batch.epoch) at = claims_.at(at).next;
    const std::int64_t settled = claims_.at(at).first;
    if (batch.epoch != record.epoch || record.newest_last() < 0 || settled < 0 ||
        Numbers::next(record.newest_last()) != settled ||
        !Numbers::is_behind(batch.first_sequence, settled) ||
        !Numbers::is_behind(batch.last_sequence, settled)) {
      return in_flight(record, expected);
    }
    return Rules::settled(
        batch, record, [&]() noexcept -> const Rest& { return rest; }, unknown_, false);
  }

  [[nodiscard]] Judgement judge_marker(const ProducerMarker& marker,
                                       std::uint32_t slot) const noexcept {
    if (marker.producer_id < 0) return poisoned(SequenceReason::bad_producer_id);
    if (marker.origin > AppendOrigin::coordinator || marker.origin == AppendOrigin::client) {
      return poisoned(SequenceReason::bad_origin);
    }
    Judgement answer{.verdict = Verdict::fresh, .reason = SequenceReason::marker};
    if (slot != none) answer.epoch = store_.table().at(slot).epoch;
    if (marker.empty) return answer;
    if (marker.epoch < 0 || marker.epoch > highest_epoch || marker.coordinator_epoch < 0 ||
        marker.rule > MarkerRule::higher) {
      return poisoned(SequenceReason::bad_epoch);
    }
    if (slot == none || marker.origin == AppendOrigin::replication) return answer;
    const Record& record = store_.table().at(slot);
    if (marker.epoch < record.epoch) return Rules::old_epoch(record);
    // An epoch that cannot rise any more is let through, or the coordinator could not rotate the
    // id.
    if (marker.rule == MarkerRule::higher && marker.epoch == record.epoch &&
        marker.epoch != highest_epoch) {
      if (marker.transaction_open) return Rules::old_epoch(record);
      answer.verdict = Verdict::duplicate;
      answer.reason = SequenceReason::marker_written;
    } else if (marker.coordinator_epoch < store_.table().rest(slot).coordinator_epoch) {
      answer.verdict = Verdict::fenced;
      answer.reason = SequenceReason::old_coordinator;
    }
    return answer;
  }

  // Of the producer's chain.
  [[nodiscard]] std::uint32_t& first_claim(std::uint32_t slot) noexcept {
    return store_.table().rest(slot).first_claim;
  }
  [[nodiscard]] std::uint32_t last_claim(std::uint32_t slot) const noexcept {
    std::uint32_t at = store_.table().rest(slot).first_claim;
    while (claims_.at(at).next != none) at = claims_.at(at).next;
    return at;
  }

  // Undoes the claims at the front of the chain whose epoch is below `epoch`.
  void revoke_below(std::uint32_t slot, std::int32_t epoch) noexcept {
    Record& record = store_.table().at(slot);
    while (record.claims != 0 && claims_.at(first_claim(slot)).epoch < epoch) {
      const std::uint32_t gone = first_claim(slot);
      first_claim(slot) = claims_.at(gone).next;
      claims_.release(gone);
      --record.claims;
    }
  }

  // After claims went away without a commit.
  void settle(std::uint32_t slot) noexcept {
    const Record& record = store_.table().at(slot);
    if (record.claims != 0) return;
    if (record.placeholder) {
      store_.drop(slot);
    } else {
      store_.unpin(slot);
    }
  }

  void write(std::uint32_t slot, std::int32_t epoch, std::int64_t first, std::int64_t last,
             OffsetRange offsets, std::int64_t timestamp_ms, Instant now) noexcept {
    Record& record = store_.table().at(slot);
    if (record.epoch != epoch) {
      record.epoch = static_cast<std::int16_t>(epoch);
      record.clear_batches();
    }
    record.push(store_.table().rest(slot), first, last, offsets, timestamp_ms);
    record.placeholder = false;
    if (record.claims == 0) store_.unpin(slot);
    store_.used(slot, now, timestamp_ms);
  }

  Store store_;
  ClaimPool claims_;
  UnknownProducer unknown_;
  std::int64_t end_offset_;
};

}  // namespace idem::inline IDEM_ABI::detail
