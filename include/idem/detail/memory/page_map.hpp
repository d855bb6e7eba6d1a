#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::detail {

// Which page a 64-bit hash belongs to, in a table that grows by one page at a time.
//
// The top `doublings` bits of a hash name its group. A group has `width` pages, 4 to 7, and those
// before `split` one more: the next page is made for group `split` and takes its share, one in
// width + 1, from each page of that group and from no other. When all groups have 8 pages, each
// becomes two groups of 4: the keys whose next bit is zero are in the first four pages already,
// the others in the last four. Pages are numbered in the order they are made and keep their number,
// so a table only ever grows at its end, and between growing by a quarter and by an eighth its
// pages differ in load by no more than that. This is linear hashing with partial expansions
// (Litwin 1980, Larson 1980), arranged so that the address is computed at once instead of by
// replaying the expansions.
//
// Which four pages: two bits of the hash, other ones at each doubling, chosen by `level`; the level
// of a group is the number of its last doubling that put it into the second half.
class PageMap {
 public:
  static constexpr std::uint64_t least_pages = 16;
  static constexpr unsigned most_doublings = 30;
  static constexpr std::uint64_t most_pages = std::uint64_t{8} << most_doublings;

  PageMap() = default;

  // The map a table of `pages` pages has, however it came to them.
  [[nodiscard]] static constexpr PageMap of(std::uint64_t pages) noexcept {
    PageMap map;
    map.doublings_ = static_cast<unsigned>(std::bit_width(pages / 4)) - 1;
    map.width_ = static_cast<unsigned>(pages >> map.doublings_);
    map.split_ = pages - (std::uint64_t{map.width_} << map.doublings_);
    return map;
  }

  [[nodiscard]] constexpr std::uint64_t pages() const noexcept {
    return (std::uint64_t{width_} << doublings_) + split_;
  }
  [[nodiscard]] constexpr unsigned doublings() const noexcept { return doublings_; }
  [[nodiscard]] constexpr std::uint64_t groups() const noexcept {
    return std::uint64_t{1} << doublings_;
  }
  [[nodiscard]] constexpr std::uint64_t group_of(std::uint64_t hash) const noexcept {
    return hash >> 1 >> (63 - doublings_);
  }
  [[nodiscard]] constexpr unsigned width_of(std::uint64_t group) const noexcept {
    return width_ + (group < split_);
  }

  [[nodiscard]] constexpr std::uint64_t page_of(std::uint64_t hash) const noexcept {
    const std::uint64_t group = group_of(hash);
    const unsigned width = width_of(group);
    const unsigned second_half = static_cast<unsigned>(hash >> (63 - doublings_)) & 1;
    const unsigned later = expansions[width - 4][share(hash, doublings_ + 1)] & (0U - second_half);
    const auto halvings =
        static_cast<unsigned>(std::countr_zero(group | std::uint64_t{1} << doublings_));
    const unsigned level = doublings_ - halvings;
    const std::uint64_t first_four =
        first_page(level, group >> halvings >> 1) +
        (std::uint64_t{quarter(hash, level)} << (level - (level != 0)));
    return later != 0 ? (std::uint64_t{later} << doublings_) + group : first_four;
  }

  // Page `place` of a group, 0 <= place < width_of(group).
  [[nodiscard]] constexpr std::uint64_t page_at(std::uint64_t group,
                                                unsigned place) const noexcept {
    if (place >= 4) return (std::uint64_t{place} << doublings_) + group;
    const auto halvings =
        static_cast<unsigned>(std::countr_zero(group | std::uint64_t{1} << doublings_));
    const unsigned level = doublings_ - halvings;
    return first_page(level, group >> halvings >> 1) +
           (std::uint64_t{place} << (level - (level != 0)));
  }

  // The group that gets the next page, and the pages it has.
  [[nodiscard]] constexpr std::uint64_t splitting() const noexcept { return split_; }
  [[nodiscard]] constexpr unsigned width() const noexcept { return width_; }
  // Whether a key of the splitting group moves to the next page.
  [[nodiscard]] constexpr bool moves(std::uint64_t hash) const noexcept {
    const bool second_half = (hash >> (63 - doublings_) & 1) != 0;
    return second_half & (expansions[width_ - 3][share(hash, doublings_ + 1)] == width_);
  }

  constexpr void add_page() noexcept {
    if (++split_ < groups()) return;
    split_ = 0;
    if (++width_ < 8) return;
    width_ = 4;
    ++doublings_;
  }

  // The shares, in 256ths of a group's second half, that move to page 4 + i when it is made: one in
  // 5 + i of every page there is then.
  struct Shares {
    std::array<std::uint16_t, 3> begin, end;
  };
  static constexpr std::array<Shares, 4> moving_shares = {{{{0, 140, 210}, {81, 152, 219}},
                                                           {{64, 201, 0}, {140, 210, 0}},
                                                           {{128, 0, 0}, {201, 0, 0}},
                                                           {{192, 0, 0}, {256, 0, 0}}}};

  // Two bits of the lower half of a hash, by pairs: ten disjoint pairs, then sums of two. Any two
  // levels choose independent ones, which is all that is asked: the keys of a page agree in the
  // bits of one earlier level.
  struct Shifts {
    std::uint8_t a, b;
  };
  [[nodiscard]] static constexpr Shifts shifts_of(unsigned level) noexcept { return shifts[level]; }

 private:
  [[nodiscard]] static constexpr unsigned quarter(std::uint64_t hash, unsigned level) noexcept {
    const std::uint64_t low = hash & 0xffffffff;
    return static_cast<unsigned>(low >> shifts[level].a ^ low >> shifts[level].b) & 3;
  }
  [[nodiscard]] static constexpr unsigned share(std::uint64_t hash, unsigned level) noexcept {
    return quarter(hash, level) << 6 | (static_cast<unsigned>(hash >> 6) & 63);
  }
  // Of the four pages with which a group of this level began.
  [[nodiscard]] static constexpr std::uint64_t first_page(unsigned level,
                                                          std::uint64_t parent) noexcept {
    return level == 0 ? 0 : (std::uint64_t{4} << (level - 1)) + parent;
  }

  static constexpr std::array<Shifts, most_doublings + 2> shifts = [] {
    std::array<Shifts, most_doublings + 2> table{};
    std::size_t level = 0;
    for (unsigned pair = 0; pair < 10; ++pair)
      table[level++] = {static_cast<std::uint8_t>(12 + 2 * pair), 32};
    for (unsigned apart = 1; level < table.size(); ++apart) {
      for (unsigned pair = 0; pair + apart < 10 && level < table.size(); ++pair) {
        table[level++] = {static_cast<std::uint8_t>(12 + 2 * pair),
                          static_cast<std::uint8_t>(12 + 2 * (pair + apart))};
      }
    }
    return table;
  }();

  // [width - 4][share]: the page past the fourth in which that share is, or 0.
  static constexpr std::array<std::array<std::uint8_t, 256>, 5> expansions = [] {
    std::array<std::array<std::uint8_t, 256>, 5> table{};
    for (unsigned step = 0; step < 4; ++step) {
      table[step + 1] = table[step];
      for (std::size_t i = 0; i < 3; ++i) {
        for (std::size_t v = moving_shares[step].begin[i]; v < moving_shares[step].end[i]; ++v)
          table[step + 1][v] = static_cast<std::uint8_t>(4 + step);
      }
    }
    return table;
  }();

  unsigned doublings_ = 2;
  unsigned width_ = 4;
  std::uint64_t split_ = 0;
};

}  // namespace idem::inline IDEM_ABI::detail
