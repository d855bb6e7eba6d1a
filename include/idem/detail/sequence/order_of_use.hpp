#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <idem/detail/abi.hpp>
#include <idem/detail/sequence/producer_table.hpp>

namespace idem::inline IDEM_ABI::detail {

// An array of allocate_array that goes with its scope, whatever a sink or a source throws.
template <class T>
class ScopedArray {
 public:
  explicit ScopedArray(std::size_t count) noexcept : array_(allocate_array<T>(count)) {}
  ScopedArray(const ScopedArray&) = delete;
  ScopedArray& operator=(const ScopedArray&) = delete;
  ~ScopedArray() { release_array(array_); }

  [[nodiscard]] T* get() const noexcept { return array_; }
  [[nodiscard]] T* release() noexcept { return std::exchange(array_, nullptr); }

 private:
  T* array_;
};

// Where a producer stands, by id and from the least to the most recently used.
struct ProducerPlace {
  std::int64_t id;
  std::uint32_t slot;
  std::uint32_t rank;
};

// A heap sort: <algorithm> would double the price of the header.
inline void sort_by_id(ProducerPlace* places, std::uint32_t count) noexcept {
  const auto sink = [places](std::uint64_t hole, std::uint64_t end) {
    const ProducerPlace sinking = places[hole];
    for (std::uint64_t child = 2 * hole + 1; child < end; child = 2 * hole + 1) {
      if (child + 1 < end && places[child].id < places[child + 1].id) ++child;
      if (places[child].id <= sinking.id) break;
      places[hole] = places[child];
      hole = child;
    }
    places[hole] = sinking;
  };
  for (std::uint64_t i = count / 2; i-- != 0;) sink(i, count);
  for (std::uint64_t end = count; end > 1; --end) {
    std::swap(places[0], places[end - 1]);
    sink(0, end - 1);
  }
}

// All producers that `is_state(slot)` by id. Those in no list count as the most recently used, by
// id. `places` has room for all of them; how many there are.
template <class Record, class IsState>
[[nodiscard]] std::uint32_t collect_places(const ProducerTable<Record>& table,
                                           ProducerPlace* places, IsState&& is_state) noexcept {
  std::uint32_t count = 0;
  for (std::uint32_t slot = table.oldest(); slot != table.none; slot = table.newer(slot)) {
    if (!is_state(slot)) continue;
    places[count] = {table.at(slot).producer_id, slot, count};
    ++count;
  }
  const std::uint32_t listed = count;
  for (std::uint32_t slot = 0; slot < table.slots(); ++slot) {
    if (!table.holds(slot) || table.is_listed(slot) || !is_state(slot)) continue;
    places[count++] = {table.at(slot).producer_id, slot, 0};
  }
  sort_by_id(places + listed, count - listed);
  for (std::uint32_t i = listed; i < count; ++i) places[i].rank = i;
  sort_by_id(places, count);
  return count;
}

}  // namespace idem::inline IDEM_ABI::detail
