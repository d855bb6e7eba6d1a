#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/chunk_ring.hpp>
#include <idem/detail/memory/position_index.hpp>

namespace idem::inline IDEM_ABI::detail {

// The ids of a window in order of arrival, each with its payload and stamp if it has them, and one
// mark for every granule of time in which ids arrived.
//
// An id whose bits are all zero is known by its place; every other all-zero place is a hole, left by
// an id that was forgotten or moved.
template <class Id, bool stamped, std::size_t payload_bytes, class Position, class Rules>
class WindowEntries {
 public:
  using Payload = std::array<std::byte, payload_bytes>;
  using Range = PositionRange<Position, Rules>;

  struct Mark {
    std::int64_t granule;
    Position first;  // of the ids that arrived in the granule
    Position holes;  // among them
  };

  static constexpr std::size_t stamp_bytes = stamped ? sizeof(std::uint32_t) : 0;
  static constexpr std::size_t entry_bytes = sizeof(Id) + payload_bytes + stamp_bytes;

  explicit WindowEntries(unsigned chunk_shift) noexcept
      : ring_(entry_bytes, chunk_shift, first_position(chunk_shift)),
        marks_(sizeof(Mark), mark_shift(chunk_shift), Position{0}),
        tail_(first_position(chunk_shift)),
        head_(tail_) {}

  [[nodiscard]] static std::uint64_t bytes_for(std::uint64_t ids, std::uint64_t granules,
                                               unsigned chunk_shift) noexcept {
    return ChunkRing<Position>::bytes_for(ids, entry_bytes, chunk_shift) +
           ChunkRing<Position>::bytes_for(smaller(ids, granules), sizeof(Mark),
                                          mark_shift(chunk_shift));
  }

  // ---- places -----------------------------------------------------------------------------------

  // [tail, head) are the places in use, and the marks likewise.
  [[nodiscard]] Position tail() const noexcept { return tail_; }
  [[nodiscard]] Position head() const noexcept { return head_; }
  [[nodiscard]] Position mark_tail() const noexcept { return mark_tail_; }
  [[nodiscard]] Position mark_head() const noexcept { return mark_head_; }
  [[nodiscard]] Range range() const noexcept {
    return {tail_, static_cast<Position>(head_ - tail_)};
  }
  // Of two positions in use or just past.
  [[nodiscard]] static bool is_before(Position a, Position b) noexcept {
    return static_cast<Position>(a - b) > half_circle;
  }
  static constexpr Position half_circle =
      static_cast<Position>(Position{1} << (std::numeric_limits<Position>::digits - 1));

  // The chunks they lie in.
  [[nodiscard]] ChunkRing<Position>& ring() noexcept { return ring_; }
  [[nodiscard]] const ChunkRing<Position>& ring() const noexcept { return ring_; }
  [[nodiscard]] ChunkRing<Position>& marks() noexcept { return marks_; }
  [[nodiscard]] const ChunkRing<Position>& marks() const noexcept { return marks_; }
  [[nodiscard]] std::size_t heap_bytes() const noexcept {
    return ring_.heap_bytes() + marks_.heap_bytes();
  }

  // ---- what lies there --------------------------------------------------------------------------

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] std::uint64_t holes() const noexcept { return holes_; }
  [[nodiscard]] bool holds_zero() const noexcept { return holds_zero_; }
  [[nodiscard]] Position zero_position() const noexcept { return zero_position_; }

  [[nodiscard]] Id& id_at(Position p) const noexcept {
    return reinterpret_cast<Id*>(ring_.chunk_of(p))[ring_.place_in_chunk(p)];
  }
  [[nodiscard]] std::byte* payload_at(Position p) const noexcept {
    return ring_.chunk_of(p) + ring_.entries_a_chunk() * sizeof(Id) +
           ring_.place_in_chunk(p) * payload_bytes;
  }
  // A stamp is the low half of a granule; all in the ring are within 2^31 of the latest.
  [[nodiscard]] std::int64_t stamp_of(Position p, std::int64_t latest) const noexcept {
    const auto age = static_cast<std::int32_t>(static_cast<std::uint32_t>(latest) - raw_stamp(p));
    return latest - age;
  }
  void set_stamp(Position p, std::int64_t granule) noexcept {
    raw_stamp(p) = static_cast<std::uint32_t>(granule);
  }
  [[nodiscard]] bool is_hole(Position p) const noexcept {
    return id_at(p) == Id{} && !(holds_zero_ && zero_position_ == p);
  }

  [[nodiscard]] Mark& mark_at(Position number) const noexcept {
    return reinterpret_cast<Mark*>(marks_.chunk_of(number))[marks_.place_in_chunk(number)];
  }
  // The number of the last mark that begins at or before p.
  [[nodiscard]] Position mark_of(Position p) const noexcept {
    Position low = mark_tail_;
    auto count = static_cast<Position>(mark_head_ - mark_tail_);
    while (count > 1) {
      const auto half = static_cast<Position>(count / 2);
      const auto middle = static_cast<Position>(low + half);
      if (is_before(p, mark_at(middle).first)) {
        count = half;
      } else {
        low = middle;
        count = static_cast<Position>(count - half);
      }
    }
    return low;
  }
  // The number of the first mark of that granule or a later one; mark_head() if there is none.
  [[nodiscard]] Position first_mark_from(std::int64_t granule) const noexcept {
    Position low = mark_tail_;
    auto count = static_cast<Position>(mark_head_ - mark_tail_);
    while (count != 0) {
      const auto half = static_cast<Position>(count / 2);
      const auto middle = static_cast<Position>(low + half);
      if (mark_at(middle).granule < granule) {
        low = static_cast<Position>(middle + 1);
        count = static_cast<Position>(count - half - 1);
      } else {
        count = half;
      }
    }
    return low;
  }

  // ---- coming and going -------------------------------------------------------------------------

  // Writes the next entry and answers its place, which is in use from extend() on. There is room.
  [[nodiscard]] Position write(const Id& id, std::int64_t mark, std::int64_t stamp,
                               const Payload& payload) noexcept {
    const Position p = head_;
    id_at(p) = id;
    if constexpr (payload_bytes != 0) std::memcpy(payload_at(p), &payload, payload_bytes);
    if constexpr (stamped) set_stamp(p, stamp);
    if (mark_tail_ == mark_head_ || mark_at(static_cast<Position>(mark_head_ - 1)).granule < mark) {
      mark_at(mark_head_) = Mark{mark, p, 0};
      ++mark_head_;
    }
    if (id == Id{}) {
      zero_position_ = p;
      holds_zero_ = true;
    }
    return p;
  }
  void extend() noexcept {
    ++head_;
    ++size_;
  }

  void make_hole(Position p) noexcept {
    if (holds_zero_ && zero_position_ == p) holds_zero_ = false;
    id_at(p) = Id{};
    ++mark_at(mark_of(p)).holes;
    ++holes_;
    --size_;
  }

  // The id at the tail goes, or the hole there.
  void leave_tail() noexcept {
    if (holds_zero_ && zero_position_ == tail_) holds_zero_ = false;
    --size_;
    step();
  }
  void step_over_hole() noexcept {
    --mark_at(mark_tail_).holes;
    --holes_;
    step();
  }

  // Moves the id at the tail into the hole at p, a place in use.
  void fill_hole(Position p) noexcept {
    id_at(p) = id_at(tail_);
    if constexpr (payload_bytes != 0) std::memcpy(payload_at(p), payload_at(tail_), payload_bytes);
    if (holds_zero_ && zero_position_ == tail_) zero_position_ = p;
    --mark_at(mark_of(p)).holes;
    --holes_;
    step();
  }

  // Lets go of all marks before that one; answers how many had to be looked at.
  [[nodiscard]] std::uint64_t drop_before(Position mark) noexcept {
    if (mark == mark_tail_) return 0;
    if (mark == mark_head_) {
      drop_all();
      return 0;
    }
    const Position tail = mark_at(mark).first;
    std::uint64_t holes = 0;
    std::uint64_t looked = 0;
    if (holes_ != 0) {
      for (Position m = mark_tail_; m != mark; ++m) {
        holes += mark_at(m).holes;
        ++looked;
      }
    }
    size_ -= static_cast<Position>(tail - tail_) - holes;
    holes_ -= holes;
    tail_ = tail;
    mark_tail_ = mark;
    if (holds_zero_ && !range().holds(zero_position_)) holds_zero_ = false;
    return looked;
  }
  void drop_all() noexcept {
    tail_ = head_;
    mark_tail_ = mark_head_;
    size_ = holes_ = 0;
    holds_zero_ = false;
  }

 private:
  // The circle of positions is entered just before its end, so that every window that fills more
  // than one chunk has been round it.
  [[nodiscard]] static Position first_position(unsigned chunk_shift) noexcept {
    return static_cast<Position>(Position{0} - (Position{1} << chunk_shift));
  }
  [[nodiscard]] static unsigned mark_shift(unsigned chunk_shift) noexcept {
    return smaller(chunk_shift, 8U);
  }
  [[nodiscard]] std::uint32_t& raw_stamp(Position p) const noexcept {
    return reinterpret_cast<std::uint32_t*>(
        ring_.chunk_of(p) +
        ring_.entries_a_chunk() * (sizeof(Id) + payload_bytes))[ring_.place_in_chunk(p)];
  }

  void step() noexcept {
    ++tail_;
    const auto next = static_cast<Position>(mark_tail_ + 1);
    if (tail_ == head_) {
      mark_tail_ = mark_head_;
    } else if (next != mark_head_ && mark_at(next).first == tail_) {
      mark_tail_ = next;
    }
  }

  ChunkRing<Position> ring_;
  ChunkRing<Position> marks_;
  Position tail_;
  Position head_;
  Position mark_tail_ = 0;
  Position mark_head_ = 0;
  Position zero_position_ = 0;
  bool holds_zero_ = false;
  std::uint64_t size_ = 0;   // ids
  std::uint64_t holes_ = 0;  // places without one
};

}  // namespace idem::inline IDEM_ABI::detail
