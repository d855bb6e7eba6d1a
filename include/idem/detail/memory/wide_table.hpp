#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

#include <idem/core/bytes.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/ascending_ids.hpp>
#include <idem/detail/memory/block_order.hpp>
#include <idem/detail/memory/frontier_table.hpp>
#include <idem/detail/memory/hash_order.hpp>
#include <idem/detail/memory/id_table.hpp>
#include <idem/detail/memory/wide_id.hpp>
#include <idem/memory/set_options.hpp>

namespace idem::inline IDEM_ABI::detail {

// An exact set of 128-bit ids: one array while it is small, then a FrontierTable. Both keep hashed
// ids. Under a budget of less than a mebibyte the array stays.
template <class Id, class Hash, class Source = SystemChunks, class Rules = FrontierRules>
class WideTable {
 public:
  static constexpr std::size_t min_capacity = 16;

  WideTable(const Hash& hash, ByteSize byte_limit, bool huge_pages) noexcept
      : hash_(hash),
        byte_limit_(byte_limit),
        array_(SlotHash{}, stays_array(byte_limit) ? byte_limit : ByteSize::unlimited()),
        blocks_(hash, byte_limit, huge_pages) {}

  WideTable(const WideTable&) = default;
  WideTable(WideTable&&) = default;
  WideTable& operator=(const WideTable& other) {
    if (this != &other) *this = WideTable(other);
    return *this;
  }
  WideTable& operator=(WideTable&&) = default;
  ~WideTable() = default;

  [[nodiscard]] std::size_t size() const noexcept { return array_.size() + blocks_.size(); }
  [[nodiscard]] std::size_t heap_bytes() const noexcept {
    return array_.heap_bytes() + blocks_.heap_bytes();
  }
  [[nodiscard]] const Hash& hash() const noexcept { return hash_.hash(); }
  [[nodiscard]] std::uint64_t slot(const Id& id) const noexcept { return hash_.slot(id).hash; }
  [[nodiscard]] SetWork work() const noexcept {
    return blocks_.has_begun() ? blocks_.work() : array_.work();
  }

  // Fetches what a call on the id will touch first; a small table is in the cache.
  [[gnu::always_inline]] inline void prefetch(const Id& id) const noexcept {
    if (blocks_.has_begun()) blocks_.prefetch(hash_.slot(id));
  }

  [[nodiscard]] bool contains(const Id& id) const noexcept {
    const Slot key = hash_.slot(id);
    return blocks_.has_begun() ? blocks_.contains(key) : array_.contains(key);
  }

  [[nodiscard, gnu::always_inline]] inline Verdict insert(const Id& id) noexcept {
    const Slot key = hash_.slot(id);
    if (!blocks_.has_room()) [[unlikely]]
      return insert_elsewhere(key.hash, key.rest);
    return blocks_.insert_with_room(key);
  }

  // id_of(i) is the i-th id.
  void insert(std::size_t count, Verdict* verdicts, const auto& id_of) noexcept {
    std::size_t done = 0;
    while (done < count && !blocks_.has_begun()) {
      if (array_room() == 0) {
        const Slot key = hash_.slot(id_of(done));
        verdicts[done] = insert_elsewhere(key.hash, key.rest);
        ++done;
        continue;
      }
      const std::size_t here = smaller(count - done, array_room());
      array_.insert(here, verdicts + done,
                    [&](std::size_t i) { return hash_.slot(id_of(done + i)); });
      done += here;
    }
    if (done < count) {
      blocks_.insert(count - done, verdicts + done,
                     [&](std::size_t i) { return hash_.slot(id_of(done + i)); });
    }
  }

  [[nodiscard]] bool erase(const Id& id) noexcept {
    const Slot key = hash_.slot(id);
    return blocks_.has_begun() ? blocks_.erase(key) : array_.erase(key);
  }

  [[nodiscard]] bool reserve(std::size_t count) noexcept {
    if (blocks_.has_begun()) return blocks_.reserve(count);
    return fits_array(count) ? array_.reserve(count) : leave_array(count);
  }
  [[nodiscard]] bool warm(std::size_t more) noexcept {
    const std::size_t count = size();
    return more <= static_cast<std::size_t>(-1) - count && reserve(count + more);
  }

  [[nodiscard]] bool take_room() noexcept {
    if (!blocks_.has_begun()) {
      if (array_room() != 0) return array_.take_room();
      if (!leave_array(0)) return false;
    }
    return blocks_.take_room();
  }
  void release_room() noexcept {
    blocks_.has_begun() ? blocks_.release_room() : array_.release_room();
  }
  void record_in_room(const Id& id) noexcept {
    const Slot key = hash_.slot(id);
    blocks_.has_begun() ? blocks_.record_in_room(key) : array_.record_in_room(key);
  }

  void clear() noexcept { blocks_.has_begun() ? blocks_.clear() : array_.clear(); }

  // keep(id) for every id until it says false, in no order.
  template <class Keep>
  void each(Keep&& keep) const {
    const auto visit = [&](const Slot& slot) { return keep(id_of(slot)); };
    (void)(blocks_.has_begun() ? blocks_.each(visit) : array_.each(visit));
  }

  // Visits every id in ascending order of (slot(id), id).
  template <class Visit>
  void for_each(Visit&& visit) const {
    for_each_run([&](std::size_t count, const auto& id_at) {
      for (std::size_t i = 0; i < count; ++i) visit(id_at(i));
    });
  }
  // The same in runs: visit(count, id_at), of which id_at(i) is the i-th.
  template <class Visit>
  void for_each_run(Visit&& visit) const {
    const auto one = [&](const Id& id) { visit(1, [&](std::size_t) { return id; }); };
    if (!blocks_.has_begun()) {
      array_.template for_each<Id>([&](const Slot& slot) { return id_of(slot); }, one);
      return;
    }
    BlockOrder<Blocks::block_slots, Blocks::bucket_slots> block_order;
    LocalHashOrder<Id> slot_order;
    const auto by_slots = [&](const auto& each) {
      slot_order.run(
          [&](const auto& take) {
            each([&](const Slot& slot) { take({slot.hash, id_of(slot)}); });
          },
          [&](const auto& entry) { one(entry.id); });
    };
    const WideHash<Hash> hash = hash_;
    const auto by_run = [&](std::span<const Slot> slots) {
      visit(slots.size(), [&](std::size_t i) {
        Id id;
        hash.id(slots[i], id);
        return id;
      });
    };
    const auto by_block = [&](const Slot* block, unsigned spread_bits) {
      const auto sorted = block_order.run(block, spread_bits);
      const std::span<const Slot> slots = sorted.slots;
      if (!sorted.has_equals) [[likely]]
        return by_run(slots);
      for (std::size_t begin = 0, end = 0; begin < slots.size(); begin = end) {
        while (end < slots.size() && slots[end].hash == slots[begin].hash) ++end;
        by_slots([&](const auto& take) {
          for (const Slot& slot : slots.subspan(begin, end - begin)) take(slot);
        });
      }
    };
    blocks_.each_range(by_block, by_slots);
  }

  // take(id, slot(id)) for every id whose slot is at least `first` and at most `last`, in no order.
  template <class Take>
  void each_between(std::uint64_t first, std::uint64_t last, Take&& take) const {
    if (blocks_.has_begun()) {
      blocks_.each_between(first, last, [&](const Slot& slot) { take(id_of(slot), slot.hash); });
    } else {
      array_.each_between(first, last,
                          [&](const Slot& slot, std::uint64_t) { take(id_of(slot), slot.hash); });
    }
  }

  [[nodiscard]] auto probe_lengths() const noexcept { return blocks_.probe_lengths(); }

 private:
  friend class AscendingIds<Id, WideTable>;
  using Array = IdTable<Slot, SlotHash>;
  using Blocks = FrontierTable<Hash, Source, Rules>;

  // Leaving an array of so many moves 48 KiB.
  static constexpr std::size_t array_ids = Array::room_for(4096);
  static constexpr std::uint64_t least_bytes_of_blocks = std::uint64_t{1} << 20;

  [[nodiscard]] static constexpr bool stays_array(ByteSize byte_limit) noexcept {
    return byte_limit.count() < least_bytes_of_blocks;
  }

  [[nodiscard]] Id id_of(const Slot& slot) const noexcept {
    Id id;
    hash_.id(slot, id);
    return id;
  }

  [[nodiscard]] bool fits_array(std::size_t count) const noexcept {
    return stays_array(byte_limit_) || (count <= array_ids && array_.taken() <= array_ids - count);
  }
  // Ids that may go into the array one after the other.
  [[nodiscard]] std::size_t array_room() const noexcept {
    if (stays_array(byte_limit_)) return static_cast<std::size_t>(-1);
    const std::size_t used = array_.size() + array_.taken();
    return used < array_ids ? array_ids - used : 0;
  }
  // Where the blocks have no room, or have not begun.
  // Two words, as FrontierTable's insert_past() takes them: a set that is exactly as full as was
  // reserved for it comes here with every duplicate.
  [[nodiscard, gnu::noinline]] Verdict insert_elsewhere(std::uint64_t hash,
                                                        std::uint64_t rest) noexcept {
    if (blocks_.has_begun()) return blocks_.insert_without_room(hash, rest);
    const Slot key{hash, rest};
    if (array_room() != 0) return array_.insert(key);
    if (array_.contains(key)) return Verdict::duplicate;
    if (!leave_array(0)) return Verdict::full;
    return blocks_.insert(key);
  }

  // To blocks with room for `count` ids and what is here; false: limit or memory, nothing changed.
  [[nodiscard, gnu::noinline]] bool leave_array(std::size_t count) noexcept {
    const std::size_t rooms = array_.taken();
    if (count > std::numeric_limits<std::size_t>::max() - rooms) return false;
    const std::uint64_t wanted = larger<std::uint64_t>(count, array_.size() + 1) + rooms;
    blocks_.limit(ByteSize(byte_limit_.count() - array_.heap_bytes()));
    bool is_whole = blocks_.begin(wanted, count == 0) && blocks_.take_rooms(rooms);
    is_whole = is_whole && array_.each([&](const Slot& slot) {
      return blocks_.insert(slot) == Verdict::fresh;
    });
    if (is_whole) {
      blocks_.moved_in(array_.work());
      array_ = Array(SlotHash{}, ByteSize::unlimited());
    } else if (blocks_.has_begun()) {
      blocks_.end();
    }
    blocks_.limit(byte_limit_);
    return is_whole;
  }

  // The same where nothing is here, for Blocks::fill().
  [[nodiscard, gnu::noinline]] bool begin_unfilled(std::size_t count) noexcept {
    blocks_.limit(ByteSize(byte_limit_.count() - array_.heap_bytes()));
    const bool has_begun = blocks_.begin_unfilled(count, false);
    if (has_begun) array_ = Array(SlotHash{}, ByteSize::unlimited());
    blocks_.limit(byte_limit_);
    return has_begun;
  }

  WideHash<Hash> hash_;
  ByteSize byte_limit_;
  Array array_;
  Blocks blocks_;
};

// A group at a time, and into blocks that are only then emptied. Nothing else is done to the table
// before the end of this. Blocks that were not finished are given back, without a look at them.
template <class Id, class Hash, class Source, class Rules>
class AscendingIds<Id, WideTable<Id, Hash, Source, Rules>> {
  using Table = WideTable<Id, Hash, Source, Rules>;
  using Blocks = typename Table::Blocks;

 public:
  explicit AscendingIds(Table& table) noexcept : table_(table) {}
  AscendingIds(const AscendingIds&) = delete;
  AscendingIds& operator=(const AscendingIds&) = delete;
  ~AscendingIds() {
    if (!is_finished_ && table_.blocks_.has_begun()) table_.blocks_.end();
  }

  [[nodiscard]] bool reserve(std::size_t count) noexcept {
    return table_.fits_array(count) ? table_.array_.reserve(count) : table_.begin_unfilled(count);
  }
  [[nodiscard]] std::size_t insert(std::size_t count, const auto& id_of, bool& has_room) noexcept {
    for (std::size_t done = 0; done < count;) {
      const std::size_t here = smaller(keys_.size(), count - done);
      const std::size_t good = in_order(here, [&](std::size_t i) { return id_of(done + i); });
      has_room = fill(good);
      if (!has_room) return done;
      done += good;
      if (good < here) return done;
    }
    return count;
  }
  void finish() noexcept {
    if (table_.blocks_.has_begun()) table_.blocks_.empty_rest(front_);
    is_finished_ = true;
  }

 private:
  // Makes keys of them, and counts those in order.
  [[nodiscard]] std::size_t in_order(std::size_t count, const auto& id_of) noexcept {
    const WideHash<Hash> hash = table_.hash_;
    std::uint64_t last = order_.last_slot();
    bool rises = true;
    for (std::size_t i = 0; i < count; ++i) {
      const Slot key = hash.slot(id_of(i));
      keys_[i] = key;
      rises &= key.hash > last;
      last = key.hash;
    }
    if (rises) [[likely]] {
      order_.took(last, id_of(count - 1));
      return count;
    }
    // Falling, or ids whose hashes meet, or the first one has a hash of zero.
    std::size_t good = 0;
    while (good < count && order_.takes(keys_[good].hash, id_of(good))) ++good;
    return good;
  }
  [[nodiscard]] bool fill(std::size_t count) noexcept {
    if (table_.blocks_.has_begun()) return table_.blocks_.fill(front_, keys_.data(), count);
    for (std::size_t i = 0; i < count; ++i)
      if (table_.array_.insert(keys_[i]) != Verdict::fresh) return false;
    return true;
  }

  Table& table_;
  AscendingOrder<Id> order_;
  typename Blocks::Front front_{};
  bool is_finished_ = false;
  std::array<Slot, Blocks::most_to_fill> keys_;
};

// The table of an IdSet of 64-bit ids: one array that doubles.
template <class Id, class Hash>
class NarrowTable : public IdTable<Id, Hash> {
 public:
  NarrowTable(const Hash& hash, ByteSize byte_limit, bool) noexcept
      : IdTable<Id, Hash>(hash, byte_limit) {}
};

}  // namespace idem::inline IDEM_ABI::detail
