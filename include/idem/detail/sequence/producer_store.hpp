#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include <idem/core/time.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/sequence/producer_table.hpp>
#include <idem/sequence/producer_batch.hpp>

namespace idem::inline IDEM_ABI::detail {

struct StoreLimits {
  std::uint32_t max_producers;
  std::uint64_t byte_limit;
  AtCapacity at_capacity;
  Duration expire_after;
  ExpireBy expire_by;
  std::uint32_t remember_forgotten;  // a power of two, or zero
  std::uint64_t seed;
};

// Producers under a cap: who is forgotten when, and how often that was too early.
//
// The rest of a record has `last_active`, in the units of ExpireBy: nanoseconds of the caller's clock or
// milliseconds of record time. Pinned producers are in no list, so nothing here can forget them.
template <class Record>
class ProducerStore {
 public:
  using Table = ProducerTable<Record>;
  static constexpr std::uint32_t none = Table::none;
  // Producers looked at by one call that records something.
  static constexpr std::size_t steps_per_call = 2;

  explicit ProducerStore(const StoreLimits& limits) noexcept
      : table_(limits.seed, limits.byte_limit), limits_(limits) {}
  ProducerStore(const ProducerStore& other)
      : table_(other.table_),
        limits_(other.limits_),
        counters_(other.counters_),
        next_due_(other.next_due_),
        next_(other.next_),
        sweep_(other.sweep_) {
    if (other.forgotten_ == nullptr) return;
    forgotten_ = allocate_array<std::int64_t>(limits_.remember_forgotten);
    if (forgotten_ == nullptr) throw_bad_alloc();
    for (std::uint32_t i = 0; i < limits_.remember_forgotten; ++i) {
      forgotten_[i] = other.forgotten_[i];
    }
  }
  ProducerStore(ProducerStore&& other) noexcept
      : table_(std::move(other.table_)),
        limits_(other.limits_),
        counters_(std::exchange(other.counters_, {})),
        forgotten_(std::exchange(other.forgotten_, nullptr)),
        next_due_(std::exchange(other.next_due_, 0)),
        next_(std::exchange(other.next_, none)),
        sweep_(std::exchange(other.sweep_, 0)) {}
  ProducerStore& operator=(const ProducerStore& other) {
    if (this != &other) *this = ProducerStore(other);
    return *this;
  }
  ProducerStore& operator=(ProducerStore&& other) noexcept {
    ProducerStore moved(std::move(other));
    table_ = std::move(moved.table_);
    limits_ = moved.limits_;
    counters_ = moved.counters_;
    std::swap(forgotten_, moved.forgotten_);
    next_due_ = moved.next_due_;
    next_ = moved.next_;
    sweep_ = moved.sweep_;
    return *this;
  }
  ~ProducerStore() { release_array(forgotten_); }

  [[nodiscard]] Table& table() noexcept { return table_; }
  [[nodiscard]] const Table& table() const noexcept { return table_; }
  [[nodiscard]] const StoreLimits& limits() const noexcept { return limits_; }
  [[nodiscard]] const ProducerCounters& counters() const noexcept { return counters_; }
  [[nodiscard]] ProducerCounters& counters() noexcept { return counters_; }
  [[nodiscard]] std::uint64_t heap_bytes() const noexcept {
    return table_.heap_bytes() +
           (forgotten_ == nullptr ? 0 : limits_.remember_forgotten * sizeof(std::int64_t));
  }

  // A slot for a producer that is not there, unlisted, the record to be filled in; `none`: why says
  // what stands in the way (left as it is
  // otherwise), and nothing has changed.
  [[nodiscard]] std::uint32_t acquire(std::int64_t id, SequenceReason& why) noexcept {
    bool limited = table_.size() >= limits_.max_producers;
    std::uint32_t slot = limited ? none : table_.insert(id, limited);
    if (slot == none) {
      const auto cause = limited ? SequenceReason::too_many_producers : SequenceReason::no_memory;
      if (limited && limits_.at_capacity == AtCapacity::forget_oldest && table_.oldest() != none) {
        ++counters_.evicted;
        forget(table_.oldest());
        slot = table_.insert(id, limited);  // into the slot just freed: no memory is asked for
      }
      if (slot == none) {
        why = cause;
        return none;
      }
    }
    note_return(id);
    return slot;
  }

  // The list has it as the most recently used, whether it was pinned or not.
  void used(std::uint32_t slot, Instant now, std::int64_t record_time_ms) noexcept {
    table_.rest(slot).last_active =
        limits_.expire_by == ExpireBy::arrival ? now.since_epoch().count() : record_time_ms;
    if (slot == next_) next_ = none;
    if (table_.is_listed(slot)) table_.touch(slot);
  }
  void pin(std::uint32_t slot) noexcept {
    if (table_.is_listed(slot)) table_.unlist(slot);
  }
  void unpin(std::uint32_t slot) noexcept {
    if (!table_.is_listed(slot)) table_.list(slot);
  }

  void set_max_producers(std::uint32_t count) noexcept { limits_.max_producers = count; }

  // Looks at `limit` producers at most; forgets those too many and those idle for too long.
  std::size_t expire(Instant now, std::size_t limit) noexcept {
    std::size_t gone = 0;
    while (limit != 0 && table_.size() > limits_.max_producers && table_.oldest() != none) {
      ++counters_.evicted;
      forget(table_.oldest());
      --limit;
      ++gone;
    }
    if (limits_.expire_after == Duration::max()) return gone;
    if (limits_.expire_by == ExpireBy::arrival) {
      for (; limit != 0 && table_.oldest() != none && is_idle(table_.oldest(), now); --limit) {
        ++counters_.expired;
        forget(table_.oldest());
        ++gone;
      }
      next_ = table_.oldest();
      if (next_ != none) {
        next_due_ = saturating_add(table_.rest(next_).last_active, limits_.expire_after.count());
      }
      return gone;
    }
    // Record times come in no order: sweep over all, a few at a time.
    for (; limit != 0 && table_.slots() != 0; --limit) {
      if (sweep_ >= table_.slots()) sweep_ = 0;
      if (table_.holds(sweep_) && table_.is_listed(sweep_) && is_idle(sweep_, now)) {
        ++counters_.expired;
        forget(sweep_);
        ++gone;
      }
      ++sweep_;
    }
    return gone;
  }

  void upkeep(Instant now) noexcept {
    if (table_.size() <= limits_.max_producers) {
      if (limits_.expire_after == Duration::max()) return;
      if (next_ != none && next_ == table_.oldest() && now.since_epoch().count() < next_due_)
        return;
    }
    (void)expire(now, steps_per_call);
  }

  // Not counted: for records that never held anything.
  void drop(std::uint32_t slot) noexcept {
    next_ = none;
    table_.erase(slot);
  }

 private:
  static constexpr std::int64_t nanoseconds_a_millisecond = 1'000'000;

  [[nodiscard]] bool is_idle(std::uint32_t slot, Instant now) const noexcept {
    const std::int64_t since = table_.rest(slot).last_active;
    const std::int64_t now_ns = now.since_epoch().count();
    const std::int64_t limit_ns = limits_.expire_after.count();
    if (limits_.expire_by == ExpireBy::arrival) {
      return saturating_subtract(now_ns, since) >= limit_ns;
    }
    const std::int64_t now_ms =
        now_ns / nanoseconds_a_millisecond - (now_ns % nanoseconds_a_millisecond < 0 ? 1 : 0);
    return saturating_subtract(now_ms, since) >= limit_ns / nanoseconds_a_millisecond;
  }

  void forget(std::uint32_t slot) noexcept {
    const std::int64_t id = table_.at(slot).producer_id;
    if (limits_.remember_forgotten != 0) {
      if (forgotten_ == nullptr) {
        forgotten_ = allocate_array<std::int64_t>(limits_.remember_forgotten);
        if (forgotten_ != nullptr) {
          for (std::uint32_t i = 0; i < limits_.remember_forgotten; ++i) forgotten_[i] = -1;
        }
      }
      if (forgotten_ != nullptr) forgotten_[place(id)] = id;
    }
    drop(slot);
  }

  void note_return(std::int64_t id) noexcept {
    if (forgotten_ == nullptr || forgotten_[place(id)] != id) return;
    forgotten_[place(id)] = -1;
    ++counters_.returned;
  }

  [[nodiscard]] std::size_t place(std::int64_t id) const noexcept {
    return static_cast<std::size_t>(table_.hash(id) >> 8) & (limits_.remember_forgotten - 1);
  }

  Table table_;
  StoreLimits limits_;
  ProducerCounters counters_{};
  std::int64_t* forgotten_ = nullptr;
  // As long as this one stands at the end of the list, none expires before this instant.
  std::int64_t next_due_ = 0;
  std::uint32_t next_ = none;
  std::uint32_t sweep_ = 0;
};

}  // namespace idem::inline IDEM_ABI::detail
