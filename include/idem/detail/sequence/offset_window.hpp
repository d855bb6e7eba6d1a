#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include <idem/core/byte_cursor.hpp>
#include <idem/core/error.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/sequence/producer_table.hpp>
#include <idem/detail/sequence/varint.hpp>

namespace idem::inline IDEM_ABI::detail {

// Deliveries between the next offset to commit and the newest, as a ring in order of offset; and
// beyond it what an earlier owner had completed. Offsets that were passed over take no place: in a
// log that is compacted or holds markers they do not exist.
class OffsetWindow {
 public:
  OffsetWindow(std::int64_t base, std::size_t max_held) noexcept
      : max_held_(max_held), delivered_end_(base), done_end_(base) {}
  OffsetWindow(const OffsetWindow& other)
      : max_held_(other.max_held_),
        delivered_end_(other.delivered_end_),
        done_end_(other.done_end_),
        run_(other.run_) {
    if (!copy_from(other)) {
      release();
      throw_bad_alloc();
    }
  }
  OffsetWindow(OffsetWindow&& other) noexcept : OffsetWindow(0, other.max_held_) { swap(other); }
  OffsetWindow& operator=(const OffsetWindow& other) {
    if (this != &other) *this = OffsetWindow(other);
    return *this;
  }
  OffsetWindow& operator=(OffsetWindow&& other) noexcept {
    OffsetWindow moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~OffsetWindow() { release(); }

  [[nodiscard]] std::size_t open() const noexcept { return open_; }
  [[nodiscard]] std::size_t held() const noexcept { return count_; }
  [[nodiscard]] std::uint64_t heap_bytes() const noexcept {
    return room_ * sizeof(Delivery) + bounds_ * sizeof(std::int64_t);
  }

  // The lowest offset that is not done.
  [[nodiscard]] std::int64_t next() const noexcept {
    if (count_ != 0) return at(0).offset();
    return in_done_run(delivered_end_, run_) ? bound_[run_ + 1] : delivered_end_;
  }
  [[nodiscard]] std::int64_t oldest_time() const noexcept { return at(0).time; }

  [[nodiscard]] Verdict check(std::int64_t offset) const noexcept {
    if (offset >= delivered_end_) {
      return in_done_run(offset, run_of(offset)) ? Verdict::duplicate : Verdict::fresh;
    }
    if (count_ == 0 || offset < at(0).offset()) return Verdict::duplicate;
    const std::size_t index = find(offset);
    if (index == count_) return Verdict::stale;
    return at(index).done() ? Verdict::duplicate : Verdict::in_progress;
  }

  [[nodiscard]] Verdict deliver(std::int64_t offset, std::int64_t time) noexcept {
    const Verdict verdict = check(offset);
    if (offset < delivered_end_) return verdict;
    if (verdict == Verdict::fresh) {
      if (count_ >= max_held_ || (count_ == room_ && !grow())) return Verdict::full;
      Delivery& delivery = ring_[(head_ + count_) & (room_ - 1)];
      delivery = {static_cast<std::uint64_t>(offset) << 1, time};
      ++count_;
      ++open_;
    }
    delivered_end_ = offset + 1;
    run_ = run_of(delivered_end_);
    return verdict;
  }

  // `fresh`: done now, by this call.
  [[nodiscard]] Verdict complete(std::int64_t offset) noexcept {
    if (count_ == 0 || offset >= delivered_end_ || offset < at(0).offset()) {
      return offset >= delivered_end_ && check(offset) == Verdict::fresh ? Verdict::unknown
                                                                         : Verdict::duplicate;
    }
    const std::size_t index = find(offset);
    if (index == count_) return Verdict::stale;
    Delivery& delivery = at(index);
    if (delivery.done()) return Verdict::duplicate;
    delivery.word |= 1;
    --open_;
    done_end_ = larger(done_end_, offset + 1);
    while (count_ != 0 && at(0).done()) {
      ++head_;
      --count_;
    }
    return Verdict::fresh;
  }

  // One past the highest offset that is done.
  [[nodiscard]] std::int64_t done_end() const noexcept { return done_end_; }
  // One past all that is known of.
  [[nodiscard]] std::int64_t known_end() const noexcept {
    return larger(delivered_end_, done_end_);
  }

  // Calls visit(begin, end) for each run of offsets not done in [next(), limit), in order, adjoining
  // ones joined; `besides` counts as done.
  template <class Visit>
  void for_each_open_run(std::int64_t limit, std::int64_t besides, Visit&& visit) const {
    std::int64_t begin = 0;
    std::int64_t end = -1;  // of the run being gathered; -1: none
    const auto gather = [&](std::int64_t from, std::int64_t to) {
      to = smaller(to, limit);
      if (from >= to) return;
      if (from == end) {
        end = to;
        return;
      }
      if (end != -1) visit(begin, end);
      begin = from;
      end = to;
    };
    for (std::size_t i = 0; i < count_; ++i) {
      const Delivery& delivery = at(i);
      if (!delivery.done() && delivery.offset() != besides) {
        gather(delivery.offset(), delivery.offset() + 1);
      }
    }
    for (std::size_t run = 0; run + 1 < bounds_; run += 2) {
      gather(larger(bound_[run], delivered_end_), bound_[run + 1]);
    }
    if (end != -1) visit(begin, end);
  }

  // Takes over what was completed above `base`: bounds[0] == base, then the ends of runs not done
  // and done in turn. Owns the array, of allocate_array.
  void adopt(std::int64_t base, std::int64_t* bounds, std::size_t count) noexcept {
    release_array(std::exchange(bound_, bounds));
    bounds_ = count;
    head_ = 0;
    count_ = 0;
    open_ = 0;
    run_ = 0;
    delivered_end_ = base;
    done_end_ = count == 0 ? base : bounds[count - 1];
  }

 private:
  struct Delivery {
    std::uint64_t word;  // the offset, and done in the lowest bit
    std::int64_t time;

    [[nodiscard]] std::int64_t offset() const noexcept {
      return static_cast<std::int64_t>(word >> 1);
    }
    [[nodiscard]] bool done() const noexcept { return (word & 1) != 0; }
  };

  [[nodiscard]] Delivery& at(std::size_t index) noexcept {
    return ring_[(head_ + index) & (room_ - 1)];
  }
  [[nodiscard]] const Delivery& at(std::size_t index) const noexcept {
    return ring_[(head_ + index) & (room_ - 1)];
  }

  // The index of an offset in [front, delivered_end), or count_. Where no offset is missing it is
  // the distance from the front; where some are it is less.
  [[nodiscard]] std::size_t find(std::int64_t offset) const noexcept {
    const auto distance = static_cast<std::uint64_t>(offset - at(0).offset());
    std::size_t high = static_cast<std::size_t>(smaller<std::uint64_t>(distance, count_ - 1));
    if (at(high).offset() == offset) return high;
    std::size_t low = 0;
    while (low < high) {
      const std::size_t middle = low + (high - low) / 2;
      if (at(middle).offset() < offset) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return at(low).offset() == offset ? low : count_;
  }

  // The run of the earlier owner's map that an offset lies in, from run_ on; past the map, the last
  // bound.
  [[nodiscard]] std::size_t run_of(std::int64_t offset) const noexcept {
    if (bounds_ == 0) return 0;
    // The first bound beyond the offset lies in [low, high].
    std::size_t low = run_, high = bounds_;
    while (low < high) {
      const std::size_t middle = low + (high - low) / 2;
      if (bound_[middle] <= offset) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low == 0 ? 0 : low - 1;
  }
  [[nodiscard]] bool in_done_run(std::int64_t offset, std::size_t run) const noexcept {
    return run + 1 < bounds_ && run % 2 == 1 && offset < bound_[run + 1];
  }

  [[nodiscard]] bool grow() noexcept {
    const std::size_t wanted = larger<std::size_t>(16, room_ * 2);
    Delivery* const ring = allocate_array<Delivery>(wanted);
    if (ring == nullptr) return false;
    for (std::size_t i = 0; i < count_; ++i) ring[i] = at(i);
    release_array(std::exchange(ring_, ring));
    room_ = wanted;
    head_ = 0;
    return true;
  }

  [[nodiscard]] bool copy_from(const OffsetWindow& other) noexcept {
    if (other.room_ != 0) {
      ring_ = allocate_array<Delivery>(other.room_);
      if (ring_ == nullptr) return false;
      room_ = other.room_;
      count_ = other.count_;
      open_ = other.open_;
      for (std::size_t i = 0; i < count_; ++i) ring_[i] = other.at(i);
    }
    if (other.bounds_ != 0) {
      bound_ = allocate_array<std::int64_t>(other.bounds_);
      if (bound_ == nullptr) return false;
      bounds_ = other.bounds_;
      std::memcpy(bound_, other.bound_, bounds_ * sizeof *bound_);
    }
    return true;
  }

  void release() noexcept {
    release_array(ring_);
    release_array(bound_);
  }

  void swap(OffsetWindow& other) noexcept {
    std::swap(ring_, other.ring_);
    std::swap(room_, other.room_);
    std::swap(head_, other.head_);
    std::swap(count_, other.count_);
    std::swap(open_, other.open_);
    std::swap(max_held_, other.max_held_);
    std::swap(delivered_end_, other.delivered_end_);
    std::swap(done_end_, other.done_end_);
    std::swap(bound_, other.bound_);
    std::swap(bounds_, other.bounds_);
    std::swap(run_, other.run_);
  }

  Delivery* ring_ = nullptr;
  std::size_t room_ = 0;
  std::size_t head_ = 0;
  std::size_t count_ = 0;
  std::size_t open_ = 0;
  std::size_t max_held_;
  std::int64_t delivered_end_;
  std::int64_t done_end_;
  std::int64_t* bound_ = nullptr;
  std::size_t bounds_ = 0;
  std::size_t run_ = 0;  // of delivered_end_
};

// The bytes of a checkpoint: a kind, the next offset, the length of the map, the map, a CRC-32C.
//
// The map covers [next, done end). As runs: lengths of offsets not done and done in turn. As bits:
// one an offset, done is 1, least significant first. The smaller is written; runs where they tie.
struct CheckpointCodec {
  static constexpr std::uint8_t runs_kind = 'r';
  static constexpr std::uint8_t bits_kind = 'b';
  static constexpr std::size_t checksum_size = 4;

  struct Size {
    std::int64_t base = 0;
    std::uint64_t length = 0;
    std::uint64_t runs_bytes = 0;
    std::uint64_t longest_run = 0;  // of those not done

    [[nodiscard]] std::uint64_t bits_bytes() const noexcept {
      return length / 8 + (length % 8 != 0);
    }
    [[nodiscard]] bool as_runs() const noexcept { return runs_bytes <= bits_bytes(); }
    [[nodiscard]] std::uint64_t header_bytes() const noexcept {
      return 1 + varint_size(static_cast<std::uint64_t>(base)) + varint_size(length) +
             checksum_size;
    }
    [[nodiscard]] std::uint64_t total() const noexcept {
      return header_bytes() + smaller(runs_bytes, bits_bytes());
    }
  };

  // Of the map up to `end`, as if `besides` were done.
  [[nodiscard]] static Size measure(const OffsetWindow& window, std::int64_t end,
                                    std::int64_t besides) noexcept {
    Size size;
    std::int64_t at = -1;
    window.for_each_open_run(end, besides, [&](std::int64_t from, std::int64_t to) {
      if (at == -1) {
        size.base = from;
      } else {
        size.runs_bytes += varint_size(static_cast<std::uint64_t>(from - at));
      }
      const auto run = static_cast<std::uint64_t>(to - from);
      size.runs_bytes += varint_size(run);
      size.longest_run = larger(size.longest_run, run);
      at = to;
    });
    if (at == -1) {
      size.base = end;
      return size;
    }
    if (end > at) size.runs_bytes += varint_size(static_cast<std::uint64_t>(end - at));
    size.length = static_cast<std::uint64_t>(end - size.base);
    return size;
  }

  // What measure() said, in exactly so many bytes.
  static void write(const OffsetWindow& window, const Size& size, std::int64_t end,
                    std::span<std::byte> to) noexcept {
    ByteWriter out(to);
    out.u8(size.as_runs() ? runs_kind : bits_kind);
    write_varint(out, static_cast<std::uint64_t>(size.base));
    write_varint(out, size.length);
    if (size.length != 0 && size.as_runs()) {
      std::int64_t at = size.base;
      window.for_each_open_run(end, -1, [&](std::int64_t from, std::int64_t to_offset) {
        if (from != at) write_varint(out, static_cast<std::uint64_t>(from - at));
        write_varint(out, static_cast<std::uint64_t>(to_offset - from));
        at = to_offset;
      });
      write_varint(out, static_cast<std::uint64_t>(end - at));
    } else if (size.length != 0) {
      const std::size_t begin = out.written().size();
      const std::span<std::byte> bits =
          to.subspan(begin, static_cast<std::size_t>(size.bits_bytes()));
      for (std::byte& byte : bits) byte = std::byte{0xff};
      const auto clear = [&](std::uint64_t bit) {
        bits[static_cast<std::size_t>(bit / 8)] &= ~(std::byte{1} << (bit % 8));
      };
      window.for_each_open_run(end, -1, [&](std::int64_t from, std::int64_t to_offset) {
        for (std::int64_t offset = from; offset < to_offset; ++offset) {
          clear(static_cast<std::uint64_t>(offset - size.base));
        }
      });
      for (std::uint64_t bit = size.length; bit % 8 != 0; ++bit) clear(bit);
    }
    const std::size_t body = to.size() - checksum_size;
    ByteWriter(to.subspan(body)).u32(crc32c(to.first(body)));
  }

  // Calls run(length) for each run in turn, the first of offsets not done. False: malformed.
  template <class Run>
  [[nodiscard]] static bool read_map(std::span<const std::byte> map, bool as_runs,
                                     std::uint64_t length, Run&& run) noexcept {
    if (as_runs) {
      ByteReader in(map);
      std::uint64_t covered = 0;
      bool done = true;
      while (in.remaining() != 0) {
        std::uint64_t next = 0;
        if (!read_varint(in, next) || next == 0 || next > length - covered) return false;
        covered += next;
        done = !done;
        run(next);
      }
      return covered == length && done;
    }
    if (map.size() != length / 8 + (length % 8 != 0) || length == 0) return false;
    const auto bit = [&](std::uint64_t i) {
      return (map[static_cast<std::size_t>(i / 8)] >> (i % 8) & std::byte{1}) != std::byte{0};
    };
    for (std::uint64_t i = length; i % 8 != 0; ++i) {
      if (bit(i)) return false;
    }
    if (bit(0) || !bit(length - 1)) return false;
    std::uint64_t begin = 0;
    for (std::uint64_t i = 1; i < length; ++i) {
      if (bit(i) == bit(begin)) continue;
      run(i - begin);
      begin = i;
    }
    run(length - begin);
    return true;
  }
};

}  // namespace idem::inline IDEM_ABI::detail
