#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/position_index.hpp>

namespace idem::inline IDEM_ABI::detail {

// A PositionIndex that is made anew, larger or smaller, a little at a time and while it is used: the
// new one is zeroed, then filled in order of position while look-ups ask both, then the old one is
// given back by segments.
template <class Position, class Rules>
class GrowingIndex {
 public:
  using Index = PositionIndex<Position, Rules>;
  using Slot = typename Index::Slot;
  using Spot = typename Index::Spot;
  using Range = PositionRange<Position, Rules>;

  enum class Phase : std::uint8_t { idle, preparing, migrating, freeing };

  // The most a step does.
  static constexpr std::uint64_t migrated_a_step = 8;
  static constexpr std::uint64_t looked_at_a_step = 64;
  static constexpr std::uint64_t zeroed_a_step = 64;

  GrowingIndex() = default;
  // What is being zeroed or given back is not copied.
  GrowingIndex(const GrowingIndex& other)
      : index_(other.index_),
        old_(other.phase_ == Phase::migrating ? Index(other.old_) : Index()),
        cursor_(other.cursor_),
        boundary_(other.boundary_),
        phase_(other.phase_ == Phase::migrating ? Phase::migrating : Phase::idle) {}
  GrowingIndex& operator=(const GrowingIndex&) = delete;
  ~GrowingIndex() = default;
  void swap(GrowingIndex& other) noexcept {
    index_.swap(other.index_);
    old_.swap(other.old_);
    next_.swap(other.next_);
    std::swap(cursor_, other.cursor_);
    std::swap(boundary_, other.boundary_);
    std::swap(phase_, other.phase_);
  }

  // ---- use --------------------------------------------------------------------------------------

  [[nodiscard]] Phase phase() const noexcept { return phase_; }
  [[nodiscard]] std::uint64_t lines() const noexcept { return index_.lines(); }
  [[nodiscard]] std::size_t heap_bytes() const noexcept {
    return index_.heap_bytes() + old_.heap_bytes() + next_.heap_bytes();
  }
  // What the one in preparation was promised and has not taken yet.
  [[nodiscard]] std::uint64_t bytes_to_come() const noexcept {
    if (phase_ != Phase::preparing) return 0;
    const std::uint64_t held = next_.heap_bytes();
    return larger(Index::bytes_for_lines(next_.lines()), held) - held;
  }

  [[nodiscard]] Spot spot(std::uint64_t hash) const noexcept {
    return index_.lines() == 0 ? Spot() : index_.spot(hash);
  }
  // `range` is that of the positions in use, here and below.
  template <class Equal>
  [[nodiscard]] Slot find(std::uint64_t hash, const Spot& spot, Range range,
                          Equal&& equal) const noexcept {
    if (spot.first == nullptr) return {};
    Slot slot = index_.find(spot, range, equal);
    if (slot.line == nullptr && phase_ == Phase::migrating)
      slot = old_.find(old_.spot(hash), waiting(range.begin), equal);
    return slot;
  }
  std::uint64_t place(const Spot& spot, Position position, Range range) noexcept {
    return index_.place(spot, position, range);
  }
  void sweep(Position position, Range range) noexcept { index_.sweep(position, range); }

  // By force: g++ takes a function that does nothing but prefetch for one without effect.
  [[gnu::always_inline]] inline void prefetch(std::uint64_t hash) const noexcept {
    if (index_.lines() != 0) index_.prefetch(hash);
    if (phase_ == Phase::migrating) old_.prefetch(hash);
  }
  // Once those lines are there: tells `fetch` the positions that find() will compare.
  template <class Fetch>
  [[gnu::always_inline]] inline void for_candidates(std::uint64_t hash, Range range,
                                                    Fetch&& fetch) const noexcept {
    index_.for_candidates(hash, range, fetch);
    if (phase_ == Phase::migrating) old_.for_candidates(hash, waiting(range.begin), fetch);
  }

  // ---- being made anew --------------------------------------------------------------------------

  // Begins one of so many lines; false: there is no memory. Only while idle.
  [[nodiscard]] bool begin(std::uint64_t lines, Position tail, std::uint64_t allowance) noexcept {
    if (!next_.begin(lines, tail, allowance)) return false;
    phase_ = Phase::preparing;
    return true;
  }
  // A step further, towards one that holds `used` entries or it is given up, which answers false.
  // hash_at(position, hash) tells whether there is an entry that belongs into the index, and its
  // hash. Adds what it did to `work`.
  template <class HashAt>
  [[nodiscard]] bool step(Range range, std::uint64_t used, HashAt&& hash_at,
                          std::uint64_t& work) noexcept {
    switch (phase_) {
      case Phase::idle:
        return true;
      case Phase::preparing:
        work += zeroed_a_step;
        if (!next_.prepare(zeroed_a_step)) return give_up();
        if (!next_.is_ready()) return true;
        if (used >= Index::room_in(next_.lines())) return give_up();
        old_ = std::move(index_);
        index_ = std::move(next_);
        cursor_ = range.begin;
        boundary_ = static_cast<Position>(range.begin + range.length);
        phase_ = Phase::migrating;
        return true;
      case Phase::migrating:
        migrate(range, used, hash_at, work);
        return true;
      case Phase::freeing:
        ++work;
        if (!old_.release_segment()) phase_ = Phase::idle;
        return true;
    }
    return true;
  }

 private:
  static constexpr Position half_circle =
      static_cast<Position>(Position{1} << (std::numeric_limits<Position>::digits - 1));

  // What is found through the index that is being replaced: what has not been moved yet.
  [[nodiscard]] Range waiting(Position tail) const noexcept {
    Position from = cursor_;
    const auto left = static_cast<Position>(boundary_ - cursor_);
    const auto gone = static_cast<Position>(tail - cursor_);
    if (gone <= half_circle) from = static_cast<Position>(from + smaller(gone, left));
    return {from, static_cast<Position>(boundary_ - from)};
  }

  [[nodiscard]] bool give_up() noexcept {
    next_ = Index();
    phase_ = Phase::idle;
    return false;
  }

  // Moves the next entries into the new index: eight, unless holes would make that too slow for
  // those that arrive meanwhile.
  template <class HashAt>
  void migrate(Range range, std::uint64_t used, HashAt&& hash_at, std::uint64_t& work) noexcept {
    const Range left = waiting(range.begin);
    cursor_ = left.begin;
    const std::uint64_t room = Index::room_in(index_.lines());
    const std::uint64_t room_left = room - smaller(room, used);
    const std::uint64_t quota =
        larger<std::uint64_t>(migrated_a_step, left.length / (room_left + 1) + 1);
    const std::uint64_t looks = larger<std::uint64_t>(looked_at_a_step, quota);
    std::uint64_t moved = 0;
    std::uint64_t hash = 0;
    for (std::uint64_t looked = 0; looked < looks && moved < quota && cursor_ != boundary_;
         ++looked, ++cursor_, ++work) {
      if (!hash_at(cursor_, hash)) continue;
      (void)index_.place(index_.spot(hash), cursor_, range);
      ++moved;
    }
    if (cursor_ == boundary_) {
      phase_ = Phase::freeing;
      return;
    }
    // What the next step will touch.
    Position ahead = cursor_;
    for (std::uint64_t i = 0; i < migrated_a_step && ahead != boundary_; ++i, ++ahead) {
      if (hash_at(ahead, hash)) index_.prefetch(hash);
    }
  }

  Index index_;
  Index old_;   // while migrating: finds what lies in [cursor_, boundary_)
  Index next_;  // while preparing
  Position cursor_ = 0;
  Position boundary_ = 0;
  Phase phase_ = Phase::idle;
};

}  // namespace idem::inline IDEM_ABI::detail
