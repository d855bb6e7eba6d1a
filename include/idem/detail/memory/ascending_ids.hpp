#pragma once

#include <cstddef>
#include <cstdint>

#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::detail {

// The order of (slot, id).
template <class Id>
[[nodiscard]] bool comes_after(std::uint64_t slot, const Id& id, std::uint64_t last_slot,
                               const Id& last) noexcept {
  return slot > last_slot || (slot == last_slot && id > last);
}

// Whether ids come in ascending order of (slot, id).
template <class Id>
class AscendingOrder {
 public:
  [[nodiscard]] bool takes(std::uint64_t slot, const Id& id) noexcept {
    if (any_ && !comes_after(slot, id, slot_, id_)) return false;
    took(slot, id);
    return true;
  }
  // One whose slot is above last_slot().
  void took(std::uint64_t slot, const Id& id) noexcept {
    any_ = true;
    slot_ = slot;
    id_ = id;
  }
  [[nodiscard]] std::uint64_t last_slot() const noexcept { return slot_; }

 private:
  bool any_ = false;
  std::uint64_t slot_ = 0;
  Id id_{};
};

// The ids of a state on their way into an empty table, in ascending order of (slot, id), one by one.
template <class Id, class Table>
class AscendingIds {
 public:
  explicit AscendingIds(Table& table) noexcept : table_(table) {}

  // Room for so many, before anything else; false: limit or memory.
  [[nodiscard]] bool reserve(std::size_t count) noexcept { return table_.reserve(count); }
  // id_of(i) is the i-th of the ids that come next. How many are in order; `has_room`: whether they
  // were taken.
  [[nodiscard]] std::size_t insert(std::size_t count, const auto& id_of, bool& has_room) noexcept {
    has_room = true;
    for (std::size_t i = 0; i < count; ++i) {
      const Id id = id_of(i);
      const std::uint64_t slot = table_.slot(id);
      if (!order_.takes(slot, id)) return i;
      has_room = table_.insert_at(id, slot) == Verdict::fresh;
      if (!has_room) return i;
    }
    return count;
  }
  // All have come. A table without this is good for nothing but to be destroyed.
  void finish() noexcept {}

 private:
  Table& table_;
  AscendingOrder<Id> order_;
};

}  // namespace idem::inline IDEM_ABI::detail
