#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include <idem/core/time.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>

namespace idem::inline IDEM_ABI::detail {

// A claim in flight. ContentDigest: of the message's content, or NoContent.
template <class Key, class ContentDigest>
struct OpenClaim {
  using Stored = Key;
  Stored key{};
  std::uint64_t slot = 0;   // the key's hash
  std::uint64_t token = 0;  // of the current owner
  Instant lease_end{};
  std::uint32_t attempt = 0;
  std::uint32_t place = 0;  // the table's
  [[no_unique_address]] ContentDigest content{};
};

// A fixed number of entries that never move, found by key through an index of their numbers.
//
// The index is open addressing with linear probing and backward-shift erase, at most half full, so
// every loop over it ends. All memory is taken in the constructor.
template <class EntryType>
class ClaimTable {
 public:
  using Entry = EntryType;
  using Stored = typename Entry::Stored;
  using Number = std::uint32_t;
  static constexpr Number none = std::numeric_limits<Number>::max();
  static constexpr std::size_t max_entries = std::size_t{1} << 30;

  explicit ClaimTable(std::size_t entries)
      : capacity_(entries),
        places_(2 * entries),
        entries_(entries),
        index_(places_, none),
        free_(entries) {
    for (std::size_t i = 0; i < entries; ++i) free_[i] = static_cast<Number>(i);
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool is_empty() const noexcept { return size_ == 0; }
  [[nodiscard]] bool is_full() const noexcept { return size_ == capacity_; }
  [[nodiscard]] std::size_t heap_bytes() const noexcept {
    return capacity_ * sizeof(Entry) + (places_ + capacity_) * sizeof(Number);
  }

  [[nodiscard]] Number find(const Stored& key, std::uint64_t slot) const noexcept {
    return is_empty() ? none : index_[place(key, slot)];
  }

  [[nodiscard]] Entry& entry(Number number) noexcept { return entries_[number]; }
  [[nodiscard]] const Entry& entry(Number number) const noexcept { return entries_[number]; }

  // A key that is not in the table, which is not full. The caller fills the rest of the entry.
  Number add(Stored&& key, std::uint64_t slot) noexcept {
    const Number number = free_[size_];
    ++size_;
    std::size_t at = home(slot);
    while (index_[at] != none) at = after(at);
    put(number, at);
    entries_[number].key = std::move(key);
    entries_[number].slot = slot;
    return number;
  }

  // Takes the entry out of the table and gives its key back.
  Stored remove(Number number) noexcept {
    std::size_t hole = entries_[number].place;
    for (std::size_t next = after(hole); index_[next] != none; next = after(next)) {
      const std::size_t wanted = home(entries_[index_[next]].slot);
      const bool home_behind_hole =
          hole < next ? wanted <= hole || wanted > next : wanted <= hole && wanted > next;
      if (!home_behind_hole) continue;
      put(index_[next], hole);
      hole = next;
    }
    index_[hole] = none;
    --size_;
    free_[size_] = number;
    return std::exchange(entries_[number].key, Stored{});
  }

 private:
  [[nodiscard]] std::size_t home(std::uint64_t slot) const noexcept {
    return static_cast<std::size_t>(multiply_high(slot, places_));
  }
  [[nodiscard]] std::size_t after(std::size_t at) const noexcept {
    return at + 1 == places_ ? 0 : at + 1;
  }

  // Where the key's number stands, or the empty place where it belongs.
  [[nodiscard]] std::size_t place(const Stored& key, std::uint64_t slot) const noexcept {
    std::size_t at = home(slot);
    while (index_[at] != none &&
           (entries_[index_[at]].slot != slot || entries_[index_[at]].key != key))
      at = after(at);
    return at;
  }
  void put(Number number, std::size_t at) noexcept {
    index_[at] = number;
    entries_[number].place = static_cast<std::uint32_t>(at);
  }

  // Vectors work their sizes out anew at every call, and a claim asks a dozen times.
  std::size_t size_ = 0;
  std::size_t capacity_;
  std::size_t places_;
  std::vector<Entry> entries_;
  std::vector<Number> index_;
  std::vector<Number> free_;  // numbers, from size_ on
};

}  // namespace idem::inline IDEM_ABI::detail
