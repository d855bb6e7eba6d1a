#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
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
#include <idem/detail/memory/hash_order.hpp>
#include <idem/memory/set_options.hpp>

namespace idem::inline IDEM_ABI::detail {

// An exact set of fixed-width ids: open addressing, linear probing, backward-shift erase, one array
// of ids.
//
// A slot holds the id itself and the all-zero id means "empty", so that id is kept in a flag beside
// the array. The home of an id is its hash scaled to the capacity, so any capacity will do and
// growth keeps the order. `room taken` counts the ids promised to record(); every bound below
// counts them as if they were there.
template <class Id, class Hash>
class IdTable {
  static_assert(std::is_trivially_copyable_v<Id> && std::has_unique_object_representations_v<Id>);

 public:
  IdTable(Hash hash, ByteSize byte_limit) noexcept : hash_(hash), byte_limit_(byte_limit) {}

  IdTable(const IdTable& other)
      : size_(other.size_),
        holds_zero_(other.holds_zero_),
        hash_(other.hash_),
        byte_limit_(other.byte_limit_),
        work_(other.work_) {
    if (other.capacity_ == 0) return;
    slots_ = allocate(other.capacity_);
    if (slots_ == nullptr) throw_bad_alloc();
    capacity_ = other.capacity_;
    std::memcpy(slots_, other.slots_, capacity_ * sizeof(Id));
  }
  IdTable(IdTable&& other) noexcept
      : slots_(std::exchange(other.slots_, nullptr)),
        capacity_(std::exchange(other.capacity_, 0)),
        size_(std::exchange(other.size_, 0)),
        taken_(std::exchange(other.taken_, 0)),
        holds_zero_(std::exchange(other.holds_zero_, false)),
        hash_(other.hash_),
        byte_limit_(other.byte_limit_),
        work_(std::exchange(other.work_, {})) {}
  IdTable& operator=(const IdTable& other) {
    if (this != &other) *this = IdTable(other);
    return *this;
  }
  IdTable& operator=(IdTable&& other) noexcept {
    IdTable moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~IdTable() { release(slots_); }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t heap_bytes() const noexcept { return capacity_ * sizeof(Id); }
  [[nodiscard]] const Hash& hash() const noexcept { return hash_; }
  [[nodiscard]] std::size_t taken() const noexcept { return taken_; }
  // Ids that fit without growing.
  [[nodiscard]] std::size_t room_left() const noexcept {
    return room_for(capacity_) - smaller(room_for(capacity_), size_ + taken_);
  }
  void limit(ByteSize byte_limit) noexcept { byte_limit_ = byte_limit; }
  [[nodiscard]] std::uint64_t slot(const Id& id) const noexcept { return slot_of(hash_, id); }
  [[nodiscard]] const SetWork& work() const noexcept { return work_; }

  // Fetches what a call on the id will touch first.
  [[gnu::always_inline]] inline void prefetch(const Id& id) const noexcept {
    if (capacity_ != 0) __builtin_prefetch(slots_ + home(slot_of(hash_, id)), 1);
  }

  [[nodiscard]] bool contains(const Id& id) const noexcept {
    if (id == Id{}) return holds_zero_;
    return capacity_ != 0 && slots_[find(id, slot_of(hash_, id))] == id;
  }

  [[nodiscard]] Verdict insert(const Id& id) noexcept { return insert(id, slot_of(hash_, id)); }
  // Of an id whose slot is known.
  [[nodiscard]] Verdict insert_at(const Id& id, std::uint64_t slot) noexcept {
    return insert(id, slot);
  }

  // id_of(i) is the i-th id.
  void insert(std::size_t count, Verdict* verdicts, const auto& id_of) noexcept {
    constexpr std::size_t chunk = 32;
    std::array<Id, chunk> ids;
    std::array<std::uint64_t, chunk> hashes;
    for (std::size_t begin = 0; begin < count; begin += chunk) {
      const std::size_t here = smaller(chunk, count - begin);
      for (std::size_t i = 0; i < here; ++i) {
        ids[i] = id_of(begin + i);
        hashes[i] = slot_of(hash_, ids[i]);
        if (capacity_ != 0) __builtin_prefetch(slots_ + home(hashes[i]), 1);
      }
      for (std::size_t i = 0; i < here; ++i) verdicts[begin + i] = insert(ids[i], hashes[i]);
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

  // Erases every id but zero that wanted(id) says yes to, and gives it to took(id). What was not wanted
  // must not be wanted later.
  void take_out(const auto& wanted, const auto& took) noexcept {
    for (std::size_t slot = 0; slot < capacity_;) {
      const Id id = slots_[slot];
      if (id == Id{} || !wanted(id)) {
        ++slot;
        continue;
      }
      // What that moves comes to this slot or behind it.
      (void)erase(id);
      took(id);
    }
  }

  // Room for `more` further ids, all of whose memory was touched; false: limit or memory, nothing
  // changed.
  [[nodiscard]] bool warm(std::size_t more) noexcept {
    return more <= room_for(max_capacity) - size_ && reserve(size_ + more);
  }

  // Room for `count` ids in all, and what was taken, without growing again; false: limit or memory,
  // nothing changed.
  [[nodiscard]] bool reserve(std::size_t count) noexcept {
    if (count > room_for(max_capacity) - taken_) return false;
    const std::size_t wanted = count + taken_;
    return wanted <= room_for(capacity_) || resize(capacity_for(wanted));
  }

  [[nodiscard]] bool take_room() noexcept {
    if (!make_room()) return false;
    ++taken_;
    return true;
  }
  void release_room() noexcept { --taken_; }
  void record_in_room(const Id& id) noexcept {
    --taken_;
    (void)insert(id);
  }

  void clear() noexcept {
    if (capacity_ != 0) std::memset(static_cast<void*>(slots_), 0, capacity_ * sizeof(Id));
    size_ = 0;
    holds_zero_ = false;
  }

  // keep(id) for every id until it says false, in no order; false if it did.
  template <class Keep>
  bool each(Keep&& keep) const {
    if (holds_zero_ && !keep(Id{})) return false;
    for (std::size_t slot = 0; slot < capacity_; ++slot)
      if (slots_[slot] != Id{} && !keep(slots_[slot])) return false;
    return true;
  }

  // take(id, hash) for every id whose hash is at least `first` and at most `last`, in no order.
  template <class Take>
  void each_between(std::uint64_t first, std::uint64_t last, Take&& take) const {
    const auto give = [&](const Id& id, std::uint64_t hash) {
      if (hash >= first && hash <= last) take(id, hash);
    };
    if (holds_zero_) give(Id{}, slot_of(hash_, Id{}));
    if (capacity_ == 0) return;
    // No empty slot lies between an id and its home; some went round the end.
    const auto look = [&](std::size_t slot, bool wants_wrapped) {
      if (slots_[slot] == Id{}) return;
      const std::uint64_t hash = slot_of(hash_, slots_[slot]);
      if ((home(hash) > slot) == wants_wrapped) give(slots_[slot], hash);
    };
    const std::size_t end = home(last);
    std::size_t slot = home(first);
    for (; slot < capacity_ && (slot <= end || slots_[slot] != Id{}); ++slot) look(slot, false);
    if (slot < capacity_) return;
    for (slot = 0; slots_[slot] != Id{}; ++slot) look(slot, true);
  }

  // Visits every id in ascending order of (hash, id). Ids between two empty slots have no home
  // outside, so it is enough to sort these; those that went round the end come last.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for_each<Id>([](const Id& id) { return id; }, visit);
  }
  // As WideTable's, in runs of one.
  template <class Visit>
  void for_each_run(Visit&& visit) const {
    for_each([&](const Id& id) { visit(1, [&](std::size_t) { return id; }); });
  }
  // The same for ids that stand for others: by (hash, outer(id)).
  template <class Outer, class Visit>
  void for_each(const auto& outer, Visit&& visit) const {
    using Order = HashOrder<Outer>;
    LocalHashOrder<Outer> order;
    bool is_zero_due = holds_zero_;
    const typename Order::Entry zero{slot_of(hash_, Id{}), outer(Id{})};
    const auto emit = [&](const typename Order::Entry& entry) {
      if (is_zero_due && zero < entry) {
        is_zero_due = false;
        visit(zero.id);
      }
      visit(entry.id);
    };
    std::size_t first_gap = 0;
    while (first_gap < capacity_ && slots_[first_gap] != Id{}) ++first_gap;
    for (std::size_t begin = 0; begin < capacity_;) {
      std::size_t end = begin;
      while (end < capacity_ && slots_[end] != Id{}) ++end;
      const auto each = [&](const auto& take) {
        const auto give = [&](std::size_t first, std::size_t last, bool wants_wrapped) {
          for (std::size_t slot = first; slot < last; ++slot) {
            const std::uint64_t hash = slot_of(hash_, slots_[slot]);
            if ((home(hash) > slot) == wants_wrapped) take({hash, outer(slots_[slot])});
          }
        };
        give(begin, end, false);
        if (end == capacity_) give(0, first_gap, true);
      };
      if (begin != end) order.run(each, emit);
      begin = end + 1;
    }
    if (is_zero_due) visit(zero.id);
  }

  // The slots that hold `count` ids at a load of at most three quarters.
  [[nodiscard]] static constexpr std::size_t capacity_for(std::size_t count) noexcept {
    return larger(min_capacity, count + count / 3 + 1);
  }
  [[nodiscard]] static constexpr std::size_t room_for(std::size_t capacity) noexcept {
    return capacity - capacity / 4 - (capacity % 4 != 0);
  }

  static constexpr std::size_t min_capacity = 16;
  static constexpr std::size_t max_capacity =
      std::numeric_limits<std::ptrdiff_t>::max() / sizeof(Id);

 private:
  void swap(IdTable& other) noexcept {
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

  [[nodiscard]] bool make_room() noexcept {
    if (size_ + taken_ < room_for(capacity_)) return true;
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
    if (old_capacity != 0) {
      ++work_.steps;
      work_.ids_moved += size_;
      work_.most_bytes = larger<std::uint64_t>(work_.most_bytes, size_ * sizeof(Id));
    }
    return true;
  }

  [[nodiscard]] static Id* allocate(std::size_t capacity) noexcept {
    void* const raw = ::operator new(capacity * sizeof(Id), std::nothrow);
    if (raw != nullptr) std::memset(raw, 0, capacity * sizeof(Id));
    return static_cast<Id*>(raw);
  }
  static void release(Id* slots) noexcept { ::operator delete(slots); }

  Id* slots_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
  std::size_t taken_ = 0;
  bool holds_zero_ = false;
  Hash hash_;
  ByteSize byte_limit_;
  SetWork work_;
};

}  // namespace idem::inline IDEM_ABI::detail
