#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/words.hpp>

namespace idem::inline IDEM_ABI::detail {

// Entries in the order of their positions, in chunks that are allocated at the front end and given
// back at the far end one by one, so that neither growth nor a burst's end moves an entry.
//
// Positions count modulo 2^bits and never cover more than half of their circle at once. Which of
// them are in use is the owner's business; this holds the chunks they lie in. One chunk that became
// free is kept for the next need.
template <class Position>
class ChunkRing {
  static_assert(std::is_unsigned_v<Position>);

 public:
  ChunkRing(std::size_t entry_bytes, unsigned shift, Position first_position) noexcept
      : entry_bytes_(entry_bytes),
        shift_(shift),
        first_(static_cast<Position>(first_position >> shift)) {}

  ChunkRing(const ChunkRing& other)
      : entry_bytes_(other.entry_bytes_), shift_(other.shift_), first_(other.first_) {
    while (count_ != other.count_) {
      if (!add_chunk(std::numeric_limits<std::uint64_t>::max())) throw_bad_alloc_after_release();
      const auto number = static_cast<Position>(first_ + count_ - 1);
      std::memcpy(chunk(number), other.chunk(number), chunk_bytes());
    }
  }
  ChunkRing(ChunkRing&& other) noexcept
      : chunks_(std::exchange(other.chunks_, nullptr)),
        places_(std::exchange(other.places_, 0)),
        spare_(std::exchange(other.spare_, nullptr)),
        entry_bytes_(other.entry_bytes_),
        shift_(other.shift_),
        first_(other.first_),
        count_(std::exchange(other.count_, std::size_t{0})) {}
  ChunkRing& operator=(ChunkRing&& other) noexcept {
    if (this == &other) return *this;
    release_all();
    chunks_ = std::exchange(other.chunks_, nullptr);
    places_ = std::exchange(other.places_, 0);
    spare_ = std::exchange(other.spare_, nullptr);
    entry_bytes_ = other.entry_bytes_;
    shift_ = other.shift_;
    first_ = other.first_;
    count_ = std::exchange(other.count_, std::size_t{0});
    return *this;
  }
  ChunkRing& operator=(const ChunkRing&) = delete;
  ~ChunkRing() { release_all(); }

  [[nodiscard]] std::size_t entries_a_chunk() const noexcept { return std::size_t{1} << shift_; }
  [[nodiscard]] std::size_t chunk_bytes() const noexcept { return entry_bytes_ << shift_; }
  [[nodiscard]] std::size_t heap_bytes() const noexcept {
    return (count_ + (spare_ != nullptr)) * chunk_bytes() + places_ * sizeof(std::byte*);
  }

  // The chunk an entry lies in, and its number there.
  [[nodiscard]] std::byte* chunk_of(Position position) const noexcept {
    return chunk(static_cast<Position>(position >> shift_));
  }
  [[nodiscard]] std::size_t place_in_chunk(Position position) const noexcept {
    return position & (entries_a_chunk() - 1);
  }

  // How many positions from `head` on have a chunk. `head` is in, or just behind, the last one.
  [[nodiscard]] std::size_t room_from(Position head) const noexcept {
    return static_cast<Position>(((first_ + count_) << shift_) - head);
  }

  // One more chunk behind the last; false when it costs more than `allowance` or memory is out.
  [[nodiscard]] bool add_chunk(std::uint64_t allowance) noexcept {
    if (count_ == places_) {
      const std::size_t places = larger<std::size_t>(8, places_ * 2);
      const std::uint64_t cost = places * sizeof(std::byte*);
      if (cost > allowance) return false;
      allowance -= cost;
      auto** const fresh = static_cast<std::byte**>(::operator new(cost, std::nothrow));
      if (fresh == nullptr) return false;
      for (std::size_t i = 0; i < count_; ++i) {
        const auto number = static_cast<Position>(first_ + i);
        fresh[number & (places - 1)] = chunk(number);
      }
      ::operator delete(chunks_);
      chunks_ = fresh;
      places_ = places;
    }
    std::byte* added = std::exchange(spare_, nullptr);
    if (added == nullptr) {
      if (chunk_bytes() > allowance) return false;
      added = static_cast<std::byte*>(::operator new(chunk_bytes(), std::nothrow));
      if (added == nullptr) return false;
    }
    chunks_[static_cast<Position>(first_ + count_) & (places_ - 1)] = added;
    ++count_;
    return true;
  }
  // What add_chunk would take of the allowance.
  [[nodiscard]] std::uint64_t next_chunk_cost() const noexcept {
    return (spare_ == nullptr ? chunk_bytes() : 0) +
           (count_ == places_ ? larger<std::size_t>(8, places_ * 2) * sizeof(std::byte*) : 0);
  }

  // Whether the oldest chunk lies before `tail` whole.
  [[nodiscard]] bool has_chunk_before(Position tail) const noexcept {
    if (count_ == 0) return false;
    const auto begin = static_cast<Position>(first_ << shift_);
    return static_cast<Position>(tail - begin) >= entries_a_chunk();
  }
  void release_oldest() noexcept {
    std::byte* const freed = chunk(first_);
    first_ = static_cast<Position>(static_cast<Position>(first_ + 1) & last_number());
    --count_;
    if (spare_ == nullptr) {
      spare_ = freed;
    } else {
      ::operator delete(freed);
    }
  }

  // What `entries` entries cost at most, wherever in a chunk they begin.
  [[nodiscard]] static std::uint64_t bytes_for(std::uint64_t entries, std::size_t entry_bytes,
                                               unsigned shift) noexcept {
    const std::uint64_t chunks = (entries >> shift) + 3;
    std::uint64_t places = 8;
    while (places < chunks) places *= 2;
    return chunks * (static_cast<std::uint64_t>(entry_bytes) << shift) +
           (places + places / 2) * sizeof(std::byte*);
  }

 private:
  [[nodiscard]] Position last_number() const noexcept {
    return static_cast<Position>(std::numeric_limits<Position>::max() >> shift_);
  }
  [[nodiscard]] std::byte* chunk(Position number) const noexcept {
    return chunks_[number & (places_ - 1)];
  }

  [[noreturn]] void throw_bad_alloc_after_release() {
    release_all();
    throw_bad_alloc();
  }
  void release_all() noexcept {
    for (std::size_t i = 0; i < count_; ++i)
      ::operator delete(chunk(static_cast<Position>(first_ + i)));
    ::operator delete(spare_);
    ::operator delete(chunks_);
    chunks_ = nullptr;
    spare_ = nullptr;
    count_ = places_ = 0;
  }

  std::byte** chunks_ = nullptr;  // by chunk number modulo places_, a power of two
  std::size_t places_ = 0;
  std::byte* spare_ = nullptr;
  std::size_t entry_bytes_;
  unsigned shift_;
  Position first_;  // number of the oldest chunk, modulo 2^(bits - shift)
  std::size_t count_ = 0;
};

}  // namespace idem::inline IDEM_ABI::detail
