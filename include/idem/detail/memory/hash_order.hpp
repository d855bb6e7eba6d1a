#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>

namespace idem::inline IDEM_ABI::detail {

// Visits ids in ascending order of (hash, id). Meant for the few ids of a neighbourhood. Of more
// than its room, it keeps a heap of the smallest ones not yet visited, and every heapful looks at all
// of them again.
template <class Id>
class HashOrder {
 public:
  struct Entry {
    std::uint64_t hash;
    Id id;

    [[nodiscard]] friend bool operator<(const Entry& a, const Entry& b) noexcept {
      return a.hash != b.hash ? a.hash < b.hash : a.id < b.id;
    }
  };

  // The room for `most` entries, twice, and for where they begin in each of 2^bin_bits bins, most / 2
  // or so.
  HashOrder(Entry* entries, std::size_t most, std::uint32_t* begins, unsigned bin_bits) noexcept
      : heap_(entries),
        spread_(entries + most),
        most_(most),
        begins_(begins),
        bin_bits_(bin_bits) {}

  // each(take) calls take(Entry) for every entry, always for the same ones.
  template <class Each, class Visit>
  void run(const Each& each, Visit&& visit) {
    std::size_t there = 0;
    std::uint64_t lowest = ~std::uint64_t{0};
    std::uint64_t highest = 0;
    each([&](const Entry& entry) {
      if (there++ >= most_) return;
      heap_[there - 1] = entry;
      lowest = smaller(lowest, entry.hash);
      highest = larger(highest, entry.hash);
    });
    if (there > most_) return run_in_heapfuls(each, visit);
    Entry* const sorted = there <= few ? heap_ : spread(there, lowest, highest);
    put_in_order(sorted, there);
    for (std::size_t i = 0; i < there; ++i) visit(sorted[i]);
  }

 private:
  static constexpr std::size_t few = 16;

  // By the highest bits that differ: what is left to do is swap neighbours.
  [[nodiscard]] Entry* spread(std::size_t count, std::uint64_t lowest,
                              std::uint64_t highest) noexcept {
    const auto width = static_cast<unsigned>(std::bit_width(highest - lowest));
    const unsigned shift = width > bin_bits_ ? width - bin_bits_ : 0;
    const std::size_t bins = std::size_t{1} << bin_bits_;
    for (std::size_t bin = 0; bin <= bins; ++bin) begins_[bin] = 0;
    for (std::size_t i = 0; i < count; ++i) ++begins_[((heap_[i].hash - lowest) >> shift) + 1];
    for (std::size_t bin = 1; bin <= bins; ++bin) begins_[bin] += begins_[bin - 1];
    for (std::size_t i = 0; i < count; ++i)
      spread_[begins_[(heap_[i].hash - lowest) >> shift]++] = heap_[i];
    return spread_;
  }
  static void put_in_order(Entry* entries, std::size_t count) noexcept {
    for (std::size_t i = 1; i < count; ++i) {
      if (!(entries[i] < entries[i - 1])) continue;
      const Entry entry = entries[i];
      std::size_t at = i;
      for (; at != 0 && entry < entries[at - 1]; --at) entries[at] = entries[at - 1];
      entries[at] = entry;
    }
  }

  template <class Each, class Visit>
  void run_in_heapfuls(const Each& each, Visit&& visit) {
    bool is_first = true;
    Entry last{};
    for (;;) {
      std::size_t left = 0;
      count_ = 0;
      each([&](const Entry& entry) {
        if (!is_first && !(last < entry)) return;
        ++left;
        if (count_ < most_) {
          heap_[count_++] = entry;
          rise(count_ - 1);
        } else if (entry < heap_[0]) {
          heap_[0] = entry;
          sink(count_);
        }
      });
      const std::size_t found = count_;
      for (std::size_t end = found; end > 1;) {
        --end;
        std::swap(heap_[0], heap_[end]);
        sink(end);
      }
      for (std::size_t i = 0; i < found; ++i) visit(heap_[i]);
      if (left == found) return;
      last = heap_[found - 1];
      is_first = false;
    }
  }

  void rise(std::size_t at) noexcept {
    while (at != 0 && heap_[(at - 1) / 2] < heap_[at]) {
      std::swap(heap_[(at - 1) / 2], heap_[at]);
      at = (at - 1) / 2;
    }
  }
  void sink(std::size_t count) noexcept {
    for (std::size_t at = 0;;) {
      std::size_t child = 2 * at + 1;
      if (child >= count) return;
      if (child + 1 < count && heap_[child] < heap_[child + 1]) ++child;
      if (!(heap_[at] < heap_[child])) return;
      std::swap(heap_[at], heap_[child]);
      at = child;
    }
  }

  Entry* heap_;
  Entry* spread_;
  std::size_t most_;
  std::uint32_t* begins_;
  unsigned bin_bits_;
  std::size_t count_ = 0;
};

// With room of its own.
template <class Id>
class LocalHashOrder {
 public:
  template <class Each, class Visit>
  void run(const Each& each, Visit&& visit) {
    HashOrder<Id>(entries_.data(), most, begins_.data(), bin_bits).run(each, visit);
  }

 private:
  static constexpr std::size_t most = 320;  // at most 50,000 moves to put in order
  static constexpr unsigned bin_bits = 8;

  std::array<typename HashOrder<Id>::Entry, 2 * most> entries_;
  std::array<std::uint32_t, (std::size_t{1} << bin_bits) + 1> begins_;
};

}  // namespace idem::inline IDEM_ABI::detail
