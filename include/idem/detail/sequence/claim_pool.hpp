#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/sequence/producer_table.hpp>
#include <idem/sequence/producer_batch.hpp>

namespace idem::inline IDEM_ABI::detail {

// A range between claim and commit.
struct PendingRange {
  std::uint64_t serial;  // 0: free
  std::int64_t first;
  std::int64_t last;
  std::int64_t timestamp_ms;
  std::uint32_t producer;
  std::uint32_t next;
  std::int32_t epoch;
  bool unknown_history;
};

// Claims by number. A serial is handed out once in the life of the process, so a claim kept too long
// is never taken for a later one in its place, nor for one that another pool gave; a copy has the
// claims of what it was copied from.
class ClaimPool {
 public:
  static constexpr std::uint32_t none = 0xffffffff;

  explicit ClaimPool(std::uint32_t most) noexcept : most_(most) {}
  ClaimPool(const ClaimPool& other)
      : used_(other.used_), held_(other.held_), free_(other.free_), most_(other.most_) {
    if (other.room_ == 0) return;
    ranges_ = allocate_array<PendingRange>(other.room_);
    if (ranges_ == nullptr) throw_bad_alloc();
    room_ = other.room_;
    for (std::uint32_t i = 0; i < used_; ++i) ranges_[i] = other.ranges_[i];
  }
  ClaimPool(ClaimPool&& other) noexcept : ClaimPool(other.most_) { swap(other); }
  ClaimPool& operator=(const ClaimPool& other) {
    if (this != &other) *this = ClaimPool(other);
    return *this;
  }
  ClaimPool& operator=(ClaimPool&& other) noexcept {
    ClaimPool moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~ClaimPool() { release_array(ranges_); }

  // Claims held now, and numbers ever used.
  [[nodiscard]] std::uint32_t held() const noexcept { return held_; }
  [[nodiscard]] std::uint32_t slots() const noexcept { return used_; }
  [[nodiscard]] std::uint64_t heap_bytes() const noexcept {
    return std::uint64_t{room_} * sizeof(PendingRange);
  }

  [[nodiscard]] PendingRange& at(std::uint32_t number) noexcept { return ranges_[number]; }
  [[nodiscard]] const PendingRange& at(std::uint32_t number) const noexcept {
    return ranges_[number];
  }
  [[nodiscard]] bool holds(const RangeClaim& claim) const noexcept {
    return claim.slot < used_ && ranges_[claim.slot].serial == claim.serial;
  }

  // A number with a fresh serial; `none`: why says what stands in the way.
  [[nodiscard]] std::uint32_t acquire(SequenceReason& why) noexcept {
    std::uint32_t number = free_;
    if (number != none) {
      free_ = ranges_[number].next;
    } else {
      if (used_ == room_ && !grow(why)) return none;
      number = used_++;
    }
    ++held_;
    if (serials_left_ == 0) [[unlikely]]
      take_serials();
    --serials_left_;
    ranges_[number].serial = next_serial_++;
    return number;
  }

  void release(std::uint32_t number) noexcept {
    ranges_[number].serial = 0;
    ranges_[number].next = free_;
    free_ = number;
    --held_;
  }

 private:
  static constexpr std::uint32_t serials_at_once = 1 << 20;

  // Counted in blocks: 64 bits at once take a library on some machines of 32. By the builtin: <atomic>
  // would be a tenth of what a tracker's header costs.
  [[gnu::noinline]] void take_serials() noexcept {
    static std::uint32_t next = 1;
    next_serial_ = std::uint64_t{__atomic_fetch_add(&next, 1U, __ATOMIC_RELAXED)} * serials_at_once;
    serials_left_ = serials_at_once;
  }

  [[nodiscard]] bool grow(SequenceReason& why) noexcept {
    why = SequenceReason::too_many_in_flight;
    if (room_ >= most_) return false;
    why = SequenceReason::no_memory;
    const std::uint32_t wanted = smaller(most_, larger(std::uint32_t{8}, room_ * 2));
    PendingRange* const ranges = allocate_array<PendingRange>(wanted);
    if (ranges == nullptr) return false;
    for (std::uint32_t i = 0; i < used_; ++i) ranges[i] = ranges_[i];
    release_array(std::exchange(ranges_, ranges));
    room_ = wanted;
    return true;
  }

  void swap(ClaimPool& other) noexcept {
    std::swap(ranges_, other.ranges_);
    std::swap(room_, other.room_);
    std::swap(used_, other.used_);
    std::swap(held_, other.held_);
    std::swap(free_, other.free_);
    std::swap(most_, other.most_);
    std::swap(next_serial_, other.next_serial_);
    std::swap(serials_left_, other.serials_left_);
  }

  PendingRange* ranges_ = nullptr;
  std::uint32_t room_ = 0;
  std::uint32_t used_ = 0;
  std::uint32_t held_ = 0;
  std::uint32_t free_ = none;
  std::uint32_t most_;
  std::uint32_t serials_left_ = 0;
  std::uint64_t next_serial_ = 0;
};

}  // namespace idem::inline IDEM_ABI::detail
