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

  explicit ClaimTable(std::size_t entries) : entries_(entries), index_(2 * entries, none) {
    free_.reserve(entries);
    for (std::size_t i = entries; i > 0; --i) free_.push_back(static_cast<Number>(i - 1));
  }

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size() - free_.size(); }
  [[nodiscard]] bool is_empty() const noexcept { return size() == 0; }
  [[nodiscard]] bool is_full() const noexcept { return free_.empty(); }
  [[nodiscard]] std::size_t heap_bytes() const noexcept {
    return entries_.capacity() * sizeof(Entry) +
           (index_.capacity() + free_.capacity()) * sizeof(Number);
  }

  [[nodiscard]] Number find(const Stored& key, std::uint64_t slot) const noexcept {
    return is_empty() ? none : index_[place(key, slot)];
  }

  [[nodiscard]] Entry& entry(Number number) noexcept { return entries_[number]; }
  [[nodiscard]] const Entry& entry(Number number) const noexcept { return entries_[number]; }

  // A key that is not in the table, which is not full. The caller fills the rest of the entry.
  Number add(Stored&& key, std::uint64_t slot) noexcept {
    const Number number = free_.back();
    free_.pop_back();
    index_[place(key, slot)] = number;
    entries_[number].key = std::move(key);
    entries_[number].slot = slot;
    return number;
  }

  // Takes the entry out of the table and gives its key back.
  Stored remove(Number number) noexcept {
    std::size_t hole = place(entries_[number].key, entries_[number].slot);
    for (std::size_t next = after(hole); index_[next] != none; next = after(next)) {
      const std::size_t wanted = home(entries_[index_[next]].slot);
      const bool home_behind_hole =
          hole < next ? wanted <= hole || wanted > next : wanted <= hole && wanted > next;
      if (!home_behind_hole) continue;
      index_[hole] = index_[next];
      hole = next;
    }
    index_[hole] = none;
    free_.push_back(number);
    return std::exchange(entries_[number].key, Stored{});
  }

 private:
  [[nodiscard]] std::size_t home(std::uint64_t slot) const noexcept {
    return static_cast<std::size_t>(multiply_high(slot, index_.size()));
  }
  [[nodiscard]] std::size_t after(std::size_t at) const noexcept {
    return at + 1 == index_.size() ? 0 : at + 1;
  }

  // Where the key's number stands, or the empty place where it belongs.
  [[nodiscard]] std::size_t place(const Stored& key, std::uint64_t slot) const noexcept {
    std::size_t at = home(slot);
    while (index_[at] != none &&
           (entries_[index_[at]].slot != slot || entries_[index_[at]].key != key))
      at = after(at);
    return at;
  }

  std::vector<Entry> entries_;
  std::vector<Number> index_;
  std::vector<Number> free_;
};

}  // namespace idem::inline IDEM_ABI::detail
