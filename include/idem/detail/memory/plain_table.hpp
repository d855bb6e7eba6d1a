#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>

#include <idem/core/bytes.hpp>
#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/pages.hpp>

namespace idem::inline IDEM_ABI::detail {

// What growth has cost so far; exact.
struct TableWork {
  std::uint64_t growth_steps = 0;      // new arrays and new pages
  std::uint64_t moved_bytes = 0;       // of ids, by all of them
  std::uint64_t most_moved_bytes = 0;  // by one of them
  std::uint64_t reseeded = 0;          // ids whose page was full, kept under another seed

  void count_step(std::uint64_t bytes) noexcept {
    ++growth_steps;
    moved_bytes += bytes;
    most_moved_bytes = larger(most_moved_bytes, bytes);
  }
  TableWork& operator+=(const TableWork& other) noexcept {
    growth_steps += other.growth_steps;
    moved_bytes += other.moved_bytes;
    most_moved_bytes = larger(most_moved_bytes, other.most_moved_bytes);
    reseeded += other.reseeded;
    return *this;
  }
};

// In place, and without <algorithm>.
template <class T, class Less>
void heap_sort(T* items, std::size_t count, const Less& is_less) noexcept {
  const auto sink = [&](std::size_t at, std::size_t end) {
    for (std::size_t child = 2 * at + 1; child < end; child = 2 * at + 1) {
      if (child + 1 < end && is_less(items[child], items[child + 1])) ++child;
      if (!is_less(items[at], items[child])) return;
      std::swap(items[at], items[child]);
      at = child;
    }
  };
  for (std::size_t i = count / 2; i-- > 0;) sink(i, count);
  for (std::size_t end = count; end-- > 1;) {
    std::swap(items[0], items[end]);
    sink(0, end);
  }
}

// Memory for sorting; null when there is none.
template <class T, class Source>
struct Scratch {
  explicit Scratch(std::size_t count) noexcept
      : slots(static_cast<T*>(Source::take(count * sizeof(T)))) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    if (slots != nullptr) Source::give(slots);
  }

  T* slots;
};

// An exact set of fixed-width ids in one array: open addressing, linear probing, backward-shift
// erase, growth by copying. For ids of 64 bits, and for the first few of 128 bits.
//
// A slot holds the id itself and the all-zero id means "empty", so that id is kept in a flag beside
// the array. The home of an id is its hash scaled to the capacity, so any capacity will do and
// growth keeps the order. `room taken` counts the ids promised to record(); every bound below
// counts them as if they were there.
template <class Id, class Hash, class Source = SystemPages>
class PlainTable {
  static_assert(std::is_trivially_copyable_v<Id> && std::has_unique_object_representations_v<Id>);

 public:
  PlainTable(Hash hash, ByteSize byte_limit) noexcept : hash_(hash), byte_limit_(byte_limit) {}

  PlainTable(const PlainTable& other)
      : size_(other.size_),
        holds_zero_(other.holds_zero_),
        hash_(other.hash_),
        byte_limit_(other.byte_limit_) {
    if (other.capacity_ == 0) return;
    slots_ = allocate(other.capacity_);
    if (slots_ == nullptr) throw_bad_alloc();
    capacity_ = other.capacity_;
    std::memcpy(static_cast<void*>(slots_), other.slots_, capacity_ * sizeof(Id));
  }
  PlainTable(PlainTable&& other) noexcept
      : slots_(std::exchange(other.slots_, nullptr)),
        capacity_(std::exchange(other.capacity_, 0)),
        size_(std::exchange(other.size_, 0)),
        taken_(std::exchange(other.taken_, 0)),
        holds_zero_(std::exchange(other.holds_zero_, false)),
        hash_(other.hash_),
        byte_limit_(other.byte_limit_),
        work_(std::exchange(other.work_, TableWork{})) {}
  PlainTable& operator=(const PlainTable& other) {
    if (this != &other) *this = PlainTable(other);
    return *this;
  }
  PlainTable& operator=(PlainTable&& other) noexcept {
    PlainTable moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~PlainTable() { release(slots_); }

  // Makes this empty table a copy; false: no memory, nothing changed.
  [[nodiscard]] bool copy(const PlainTable& other) noexcept {
    if (other.capacity_ != 0) {
      slots_ = allocate(other.capacity_);
      if (slots_ == nullptr) return false;
      capacity_ = other.capacity_;
      std::memcpy(static_cast<void*>(slots_), other.slots_, capacity_ * sizeof(Id));
    }
    size_ = other.size_;
    holds_zero_ = other.holds_zero_;
    return true;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t taken() const noexcept { return taken_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] bool has_room() const noexcept { return size_ + taken_ < room_for(capacity_); }
  // Of the next array, when this one is full.
  [[nodiscard]] std::size_t wanted_capacity() const noexcept { return next_capacity(); }
  [[nodiscard]] const TableWork& work() const noexcept { return work_; }
  void limit(ByteSize byte_limit) noexcept { byte_limit_ = byte_limit; }

  // Runs keep(id) for every id, in the order of the array, until it says false.
  template <class F>
  bool each(F&& keep) const {
    if (holds_zero_ && !keep(Id{})) return false;
    for (std::size_t i = 0; i < capacity_; ++i)
      if (slots_[i] != Id{} && !keep(slots_[i])) return false;
    return true;
  }

  // Runs run(id) for every id in the order of their hashes. False: no memory, nothing was run.
  template <class F>
  [[nodiscard]] bool each_in_order(F&& run) const {
    if (size_ == 0) return true;
    const Scratch<Id, Source> scratch(size_);
    if (scratch.slots == nullptr) return false;
    std::size_t count = 0;
    (void)each([&](const Id& id) {
      scratch.slots[count++] = id;
      return true;
    });
    heap_sort(scratch.slots, count, [&](const Id& a, const Id& b) {
      const std::uint64_t hash_a = slot_of(hash_, a), hash_b = slot_of(hash_, b);
      return hash_a != hash_b ? hash_a < hash_b : a < b;
    });
    for (std::size_t i = 0; i < count; ++i) run(scratch.slots[i]);
    return true;
  }

  [[nodiscard]] bool warm(std::size_t more) noexcept {
    return more <= max_capacity && reserve(size_ + taken_ + more);
  }

  // Gives the array away, and is empty.
  [[nodiscard]] Id* give_up() noexcept {
    capacity_ = size_ = taken_ = 0;
    holds_zero_ = false;
    return std::exchange(slots_, nullptr);
  }
  [[nodiscard]] const Id* array() const noexcept { return slots_; }
  [[nodiscard]] std::size_t heap_bytes() const noexcept { return capacity_ * sizeof(Id); }
  [[nodiscard]] const Hash& hash() const noexcept { return hash_; }

  [[nodiscard]] bool contains(const Id& id) const noexcept {
    if (id == Id{}) return holds_zero_;
    return capacity_ != 0 && slots_[find(id, slot_of(hash_, id))] == id;
  }

  [[nodiscard]] Verdict insert(const Id& id) noexcept { return insert(id, slot_of(hash_, id)); }

  void insert(std::span<const Id> ids, std::span<Verdict> verdicts) noexcept {
    require_equal_sizes(ids.size(), verdicts.size());
    constexpr std::size_t chunk = 32;
    std::array<std::uint64_t, chunk> hashes;
    for (std::size_t begin = 0; begin < ids.size(); begin += chunk) {
      const std::size_t count = smaller(chunk, ids.size() - begin);
      for (std::size_t i = 0; i < count; ++i) {
        hashes[i] = slot_of(hash_, ids[begin + i]);
        if (capacity_ != 0) __builtin_prefetch(slots_ + home(hashes[i]), 1);
      }
      for (std::size_t i = 0; i < count; ++i)
        verdicts[begin + i] = insert(ids[begin + i], hashes[i]);
    }
  }

  [[nodiscard]] bool erase(const Id& id) noexcept {
    if (id == Id{}) {
      if (!holds_zero_) return false;
      holds_zero_ = false;
      --size_;
      return true;
    }
    if (capacity_ == 0) return false;
    std::size_t hole = find(id, slot_of(hash_, id));
    if (slots_[hole] != id) return false;
    for (std::size_t next = after(hole); slots_[next] != Id{}; next = after(next)) {
      const std::size_t wanted = home(slot_of(hash_, slots_[next]));
      // An id may fill the hole unless its home lies, cyclically, in (hole, next].
      const bool home_behind_hole =
          hole < next ? wanted <= hole || wanted > next : wanted <= hole && wanted > next;
      if (!home_behind_hole) continue;
      slots_[hole] = slots_[next];
      hole = next;
    }
    slots_[hole] = Id{};
    --size_;
    return true;
  }

  // Room for `count` ids in all without growing again; false: limit or memory, nothing changed.
  [[nodiscard]] bool reserve(std::size_t count) noexcept {
    if (count <= room_for(capacity_)) return true;
    return count <= room_for(max_capacity) && resize(capacity_for(count));
  }

  // To exactly this many slots, which are more; false: limit or memory, nothing changed.
  [[nodiscard]] bool grow_to(std::size_t capacity) noexcept { return resize(capacity); }

  [[nodiscard]] bool take_room(std::size_t count = 1) noexcept {
    if (!make_room(count)) return false;
    taken_ += count;
    return true;
  }
  void release_room(std::size_t count = 1) noexcept { taken_ -= count; }
  void record_in_room(const Id& id) noexcept {
    --taken_;
    (void)insert(id);
  }

  void clear() noexcept {
    if (capacity_ != 0) std::memset(static_cast<void*>(slots_), 0, capacity_ * sizeof(Id));
    size_ = 0;
    holds_zero_ = false;
  }

  // The slots that hold `count` ids at a load of at most three quarters.
  [[nodiscard]] static constexpr std::size_t capacity_for(std::size_t count) noexcept {
    return larger(min_capacity, count + count / 3 + 1);
  }
  [[nodiscard]] static constexpr std::size_t room_for(std::size_t capacity) noexcept {
    return capacity - capacity / 4 - (capacity % 4 != 0);
  }

  static constexpr std::size_t min_capacity = 16;
  // A power of two, so that every step to it is one when no limit is near.
  static constexpr std::size_t max_capacity =
      std::bit_floor(std::numeric_limits<std::ptrdiff_t>::max() / sizeof(Id));

 private:
  void swap(PlainTable& other) noexcept {
    std::swap(slots_, other.slots_);
    std::swap(capacity_, other.capacity_);
    std::swap(size_, other.size_);
    std::swap(taken_, other.taken_);
    std::swap(holds_zero_, other.holds_zero_);
    std::swap(hash_, other.hash_);
    std::swap(byte_limit_, other.byte_limit_);
    std::swap(work_, other.work_);
  }

  [[nodiscard]] std::size_t home(std::uint64_t hash) const noexcept {
    return static_cast<std::size_t>(multiply_high(hash, capacity_));
  }
  [[nodiscard]] std::size_t after(std::size_t slot) const noexcept {
    return slot + 1 == capacity_ ? 0 : slot + 1;
  }

  // The slot of the id, or the empty one where it belongs. Ends because a quarter of the slots is
  // empty.
  [[nodiscard]] std::size_t find(const Id& id, std::uint64_t hash) const noexcept {
    std::size_t slot = home(hash);
    while (slots_[slot] != id && slots_[slot] != Id{}) slot = after(slot);
    return slot;
  }

  [[nodiscard]] Verdict insert(const Id& id, std::uint64_t hash) noexcept {
    if (id == Id{}) {
      if (holds_zero_) return Verdict::duplicate;
      if (!make_room()) return Verdict::full;
      holds_zero_ = true;
      ++size_;
      return Verdict::fresh;
    }
    if (capacity_ != 0) {
      const std::size_t slot = find(id, hash);
      if (slots_[slot] == id) return Verdict::duplicate;
      if (size_ + taken_ < room_for(capacity_)) {
        slots_[slot] = id;
        ++size_;
        return Verdict::fresh;
      }
    }
    if (!make_room()) return Verdict::full;
    slots_[find(id, hash)] = id;
    ++size_;
    return Verdict::fresh;
  }

  [[nodiscard]] bool make_room(std::size_t count = 1) noexcept {
    if (count <= room_for(capacity_) - size_ - taken_) return true;
    if (count > 1) return reserve(size_ + taken_ + count);
    const std::size_t wanted = next_capacity();
    return wanted >= larger(min_capacity, capacity_ + capacity_ / 8) && resize(wanted);
  }

  // Twice the slots, by steps that end at two thirds of the byte limit: the last copy then just
  // fits beside its source. Past the last step, whatever is left.
  [[nodiscard]] std::size_t next_capacity() const noexcept {
    const std::uint64_t last =
        smaller<std::uint64_t>(byte_limit_.count() / 3 * 2 / sizeof(Id), max_capacity);
    const std::size_t doubled = larger(min_capacity, capacity_ * 2);
    if (last < doubled)
      return static_cast<std::size_t>(smaller<std::uint64_t>(doubled, bytes_left() / sizeof(Id)));
    std::uint64_t step = last;
    while (step / 2 >= doubled) step /= 2;
    return static_cast<std::size_t>(byte_limit_ == ByteSize::unlimited() ? doubled : step);
  }

  [[nodiscard]] std::uint64_t bytes_left() const noexcept {
    return byte_limit_.count() - smaller<std::uint64_t>(byte_limit_.count(), heap_bytes());
  }

  // To a larger capacity; false: limit or memory, nothing changed.
  [[nodiscard]] bool resize(std::size_t capacity) noexcept {
    if (capacity > bytes_left() / sizeof(Id)) return false;
    Id* const fresh = allocate(capacity);
    if (fresh == nullptr) return false;
    Id* const old = std::exchange(slots_, fresh);
    const std::size_t old_capacity = std::exchange(capacity_, capacity);
    for (std::size_t i = 0; i < old_capacity; ++i) {
      if (old[i] != Id{}) slots_[find(old[i], slot_of(hash_, old[i]))] = old[i];
    }
    release(old);
    work_.count_step(static_cast<std::uint64_t>(size_) * sizeof(Id));
    return true;
  }

  [[nodiscard]] static Id* allocate(std::size_t capacity) noexcept {
    return static_cast<Id*>(Source::take(capacity * sizeof(Id)));
  }
  static void release(Id* slots) noexcept {
    if (slots != nullptr) Source::give(slots);
  }

  Id* slots_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
  std::size_t taken_ = 0;
  bool holds_zero_ = false;
  Hash hash_;
  ByteSize byte_limit_;
  TableWork work_;
};

}  // namespace idem::inline IDEM_ABI::detail
