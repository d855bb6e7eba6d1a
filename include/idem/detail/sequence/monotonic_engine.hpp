#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/sequence/producer_store.hpp>
#include <idem/sequence/producer_batch.hpp>

namespace idem::inline IDEM_ABI::detail {

struct MonotonicRecord {
  struct Rest {
    std::int64_t last_active;
  };

  std::int64_t producer_id;
  std::int64_t pushed;
  std::int64_t persisted;
};

class MonotonicEngine {
 public:
  using Store = ProducerStore<MonotonicRecord>;

  explicit MonotonicEngine(const StoreLimits& limits) noexcept : store_(limits) {}

  [[nodiscard]] Store& store() noexcept { return store_; }
  [[nodiscard]] const Store& store() const noexcept { return store_; }

  [[nodiscard]] const MonotonicRecord* find(std::int64_t id) const noexcept {
    const std::uint32_t slot = id < 0 ? Store::none : store_.table().find(id);
    return slot == Store::none ? nullptr : &store_.table().at(slot);
  }

  [[nodiscard]] Verdict judge(std::int64_t id, std::int64_t first,
                              std::int64_t last) const noexcept {
    if (id < 0 || first < 0 || last < first) return Verdict::poisoned;
    const MonotonicRecord* const record = find(id);
    return record == nullptr ? Verdict::fresh
                             : judge(first, last, record->pushed, record->persisted);
  }

  void judge(std::int64_t id, std::span<const std::int64_t> sequences,
             std::span<Verdict> verdicts) const noexcept {
    require_equal_sizes(sequences.size(), verdicts.size());
    const MonotonicRecord* const record = find(id);
    std::int64_t pushed = record == nullptr ? -1 : record->pushed;
    const std::int64_t persisted = record == nullptr ? -1 : record->persisted;
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      const std::int64_t sequence = sequences[i];
      verdicts[i] =
          id < 0 || sequence < 0 ? Verdict::poisoned : judge(sequence, sequence, pushed, persisted);
      if (verdicts[i] == Verdict::fresh) pushed = sequence;
    }
  }

  [[nodiscard]] Verdict push(std::int64_t id, std::int64_t first, std::int64_t last,
                             Instant now) noexcept {
    const Verdict verdict = judge(id, first, last);
    if (verdict != Verdict::fresh) return verdict;
    const std::uint32_t slot = reach(id);
    if (slot == Store::none) return Verdict::full;
    store_.table().at(slot).pushed = last;
    store_.used(slot, now, 0);
    store_.pin(slot);
    store_.upkeep(now);
    return verdict;
  }

  [[nodiscard]] Verdict persist(std::int64_t id, std::int64_t sequence, Instant now) noexcept {
    if (id < 0 || sequence < 0) return Verdict::poisoned;
    const std::uint32_t slot = reach(id);
    if (slot == Store::none) return Verdict::full;
    MonotonicRecord& record = store_.table().at(slot);
    if (sequence <= record.persisted) return Verdict::duplicate;
    record.persisted = sequence;
    record.pushed = larger(record.pushed, sequence);
    if (record.pushed == record.persisted) store_.unpin(slot);
    store_.used(slot, now, 0);
    store_.upkeep(now);
    return Verdict::fresh;
  }

  bool fail(std::int64_t id) noexcept {
    const std::uint32_t slot = id < 0 ? Store::none : store_.table().find(id);
    if (slot == Store::none) return false;
    MonotonicRecord& record = store_.table().at(slot);
    if (record.pushed == record.persisted) return false;
    record.pushed = record.persisted;
    if (record.persisted < 0) {
      store_.drop(slot);
    } else {
      store_.unpin(slot);
    }
    return true;
  }

 private:
  [[nodiscard]] static Verdict judge(std::int64_t first, std::int64_t last, std::int64_t pushed,
                                     std::int64_t persisted) noexcept {
    if (first > pushed) return Verdict::fresh;
    if (last <= persisted) return Verdict::duplicate;
    if (first <= persisted && pushed == persisted) return Verdict::overlap;
    return Verdict::unknown;
  }

  // The producer's slot, made where there is none; a new one is in no list.
  [[nodiscard]] std::uint32_t reach(std::int64_t id) noexcept {
    std::uint32_t slot = store_.table().find(id);
    if (slot != Store::none) return slot;
    SequenceReason why = SequenceReason::none;
    slot = store_.acquire(id, why);
    if (slot != Store::none) {
      store_.table().at(slot) = {id, -1, -1};
      store_.table().rest(slot).last_active = 0;
    }
    return slot;
  }

  Store store_;
};

}  // namespace idem::inline IDEM_ABI::detail
