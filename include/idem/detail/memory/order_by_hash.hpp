#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::detail {

// Memory for one task; null: there was none.
template <class T>
class Scratch {
 public:
  explicit Scratch(std::size_t count) noexcept
      : data_(static_cast<T*>(::operator new(count * sizeof(T), std::nothrow))) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { ::operator delete(data_); }
  [[nodiscard]] T* get() const noexcept { return data_; }

 private:
  T* data_;
};

// visit(place) for `count` places in ascending order of (hash, id), and among equal hashes by
// is_before(a, b). each(take) calls take(hash, place) for every one of them, twice the same way.
// False, and nothing was visited: there is no memory for the 18 bytes a place that this takes.
//
// By the highest bits of the hashes into bins of about eight, then each bin by itself: expected
// linear, and n log n for hashes that somebody made equal.
template <class Place>
[[nodiscard]] bool visit_by_hash(std::size_t count, const auto& each, const auto& is_before,
                                 auto&& visit) {
  if (count == 0) return true;
  struct Placed {
    std::uint64_t hash;
    Place place;
  };
  const auto comes_first = [&](const Placed& a, const Placed& b) {
    return a.hash != b.hash ? a.hash < b.hash : is_before(a.place, b.place);
  };
  const unsigned bits = static_cast<unsigned>(std::bit_width(count / 8));
  const auto bin_of = [&](std::uint64_t hash) {
    return bits == 0 ? 0 : static_cast<std::size_t>(hash >> (64 - bits));
  };
  const std::size_t bins = std::size_t{1} << bits;
  const Scratch<Placed> room_for_places(count);
  const Scratch<std::size_t> room_for_ends(bins + 1);
  Placed* const places = room_for_places.get();
  std::size_t* const ends = room_for_ends.get();
  if (places == nullptr || ends == nullptr) return false;

  std::memset(ends, 0, (bins + 1) * sizeof(std::size_t));
  each([&](std::uint64_t hash, Place) { ++ends[bin_of(hash) + 1]; });
  for (std::size_t bin = 0; bin < bins; ++bin) ends[bin + 1] += ends[bin];
  // From where a bin begins to where it ends, as it is filled.
  each([&](std::uint64_t hash, Place place) { places[ends[bin_of(hash)]++] = {hash, place}; });
  std::size_t begin = 0;
  for (std::size_t bin = 0; bin < bins; ++bin) {
    Placed* const of_bin = places + begin;
    const std::size_t size = ends[bin] - begin;
    begin = ends[bin];
    const auto sink = [&](std::size_t at, std::size_t end) {
      for (std::size_t child = 2 * at + 1; child < end; child = 2 * at + 1) {
        if (child + 1 < end && comes_first(of_bin[child], of_bin[child + 1])) ++child;
        if (!comes_first(of_bin[at], of_bin[child])) return;
        std::swap(of_bin[at], of_bin[child]);
        at = child;
      }
    };
    for (std::size_t at = size / 2; at-- > 0;) sink(at, size);
    for (std::size_t end = size; end > 1;) {
      --end;
      std::swap(of_bin[0], of_bin[end]);
      sink(0, end);
    }
    for (std::size_t i = 0; i < size; ++i) visit(of_bin[i].place);
  }
  return true;
}

}  // namespace idem::inline IDEM_ABI::detail
