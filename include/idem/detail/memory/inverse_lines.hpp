#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>

#include <idem/core/hash.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/filter_hash.hpp>
#include <idem/detail/memory/zeroed_lines.hpp>

namespace idem::inline IDEM_ABI::detail {

// A fixed set of whole ids: the hash chooses a line, a line holds the ids that came to it last, the
// youngest first, and a fresh one pushes the oldest out.
//
// A slot of zeros is empty, so the id of zeros is kept in a flag beside the array. Empty slots are
// behind the taken ones in every line.
template <class Id, HashPolicy Hash>
class InverseLines {
  static_assert(std::is_trivially_copyable_v<Id> && std::has_unique_object_representations_v<Id>);

 public:
  static constexpr std::size_t ways = ZeroedLines::line_bytes / sizeof(Id);

  explicit InverseLines(Hash hash) noexcept : hash_(hash) {}

  // By hand, for the counters of what is left.
  InverseLines(const InverseLines&) = default;
  InverseLines(InverseLines&& other) noexcept
      : lines_(std::move(other.lines_)),
        hash_(other.hash_),
        held_(std::exchange(other.held_, 0)),
        forgotten_(std::exchange(other.forgotten_, 0)),
        holds_zero_(std::exchange(other.holds_zero_, false)) {}
  InverseLines& operator=(const InverseLines& other) {
    if (this != &other) *this = InverseLines(other);
    return *this;
  }
  InverseLines& operator=(InverseLines&& other) noexcept {
    lines_ = std::move(other.lines_);
    hash_ = other.hash_;
    held_ = std::exchange(other.held_, 0);
    forgotten_ = std::exchange(other.forgotten_, 0);
    holds_zero_ = std::exchange(other.holds_zero_, false);
    return *this;
  }
  ~InverseLines() = default;

  // Takes the lines, once; false: there is no memory for them.
  [[nodiscard]] bool take(std::uint64_t count) noexcept { return lines_.take(count); }

  [[nodiscard]] Verdict insert(const Id& id) noexcept {
    if (lines_.count() == 0) return Verdict::full;
    return insert_into(line_of(id), id);
  }

  void insert(std::span<const Id> ids, Verdict* verdicts) noexcept {
    if (lines_.count() == 0) {
      for (std::size_t i = 0; i < ids.size(); ++i) verdicts[i] = Verdict::full;
      return;
    }
    constexpr std::size_t ahead = 32;
    std::array<std::uint64_t*, ahead> coming;
    const auto prepare = [&](std::size_t i) {
      std::uint64_t* const line = line_of(ids[i]);
      __builtin_prefetch(line, 1);
      coming[i % ahead] = line;
    };
    for (std::size_t i = 0; i < smaller(ahead, ids.size()); ++i) prepare(i);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      std::uint64_t* const line = coming[i % ahead];
      if (i + ahead < ids.size()) prepare(i + ahead);
      verdicts[i] = insert_into(line, ids[i]);
    }
  }

  [[nodiscard]] bool contains(const Id& id) const noexcept {
    if (id == Id{}) return holds_zero_;
    return lines_.count() != 0 && find(read(line_of(id)), id) != ways;
  }

  [[nodiscard]] bool erase(const Id& id) noexcept {
    if (id == Id{}) {
      held_ -= holds_zero_ ? 1 : 0;
      return std::exchange(holds_zero_, false);
    }
    if (lines_.count() == 0) return false;
    std::uint64_t* const line = line_of(id);
    Line slots = read(line);
    const std::size_t place = find(slots, id);
    if (place == ways) return false;
    for (std::size_t i = place; i + 1 < ways; ++i) slots[i] = slots[i + 1];
    slots[ways - 1] = Id{};
    write(line, slots);
    --held_;
    return true;
  }

  void clear() noexcept {
    lines_.clear();
    held_ = 0;
    holds_zero_ = false;
  }

  // Every slot of every line in turn, empty ones too.
  template <class Visit>
  void for_each_slot(Visit&& visit) const {
    for (std::size_t line = 0; line < lines_.count(); ++line) {
      for (const Id& id : read(lines_.data() + line * ZeroedLines::words_per_line)) visit(id);
    }
  }
  // Fills an empty line with ids, the youngest first; false: they cannot lie in this line, or not
  // like this.
  [[nodiscard]] bool fill_line(std::size_t line, const std::array<Id, ways>& slots) noexcept {
    std::uint64_t* const to = lines_.data() + line * ZeroedLines::words_per_line;
    std::size_t taken = 0;
    while (taken < ways && slots[taken] != Id{}) {
      if (line_of(slots[taken]) != to) return false;
      for (std::size_t i = 0; i < taken; ++i) {
        if (slots[i] == slots[taken]) return false;
      }
      ++taken;
    }
    for (std::size_t i = taken; i < ways; ++i) {
      if (slots[i] != Id{}) return false;
    }
    write(to, slots);
    held_ += taken;
    return true;
  }
  [[nodiscard]] bool holds_zero() const noexcept { return holds_zero_; }
  [[nodiscard]] std::size_t lines() const noexcept { return lines_.count(); }

  [[nodiscard]] std::uint64_t held() const noexcept { return held_; }
  [[nodiscard]] std::uint64_t forgotten() const noexcept { return forgotten_; }
  [[nodiscard]] std::size_t heap_bytes() const noexcept { return lines_.bytes(); }
  [[nodiscard]] const Hash& hash() const noexcept { return hash_; }

 private:
  using Line = std::array<Id, ways>;
  static_assert(sizeof(Line) == ZeroedLines::line_bytes);

  [[nodiscard]] std::uint64_t* line_of(const Id& id) const noexcept {
    const auto line =
        static_cast<std::size_t>(multiply_high(filter_hash(hash_, id), lines_.count()));
    // Const members only read through it.
    return const_cast<std::uint64_t*>(lines_.data()) + line * ZeroedLines::words_per_line;
  }
  [[nodiscard]] static Line read(const std::uint64_t* line) noexcept {
    Line slots;
    std::memcpy(static_cast<void*>(&slots), line, sizeof slots);
    return slots;
  }
  static void write(std::uint64_t* line, const Line& slots) noexcept {
    std::memcpy(line, &slots, sizeof slots);
  }
  [[nodiscard]] static std::size_t find(const Line& slots, const Id& id) noexcept {
    std::size_t place = ways;
    for (std::size_t i = 0; i < ways; ++i) place = slots[i] == id ? i : place;
    return place;
  }

  [[nodiscard]] Verdict insert_into(std::uint64_t* line, const Id& id) noexcept {
    if (id == Id{}) {
      held_ += holds_zero_ ? 0 : 1;
      return std::exchange(holds_zero_, true) ? Verdict::duplicate : Verdict::fresh;
    }
    const Line slots = read(line);
    if (find(slots, id) != ways) return Verdict::duplicate;
    Line shifted;
    shifted[0] = id;
    for (std::size_t i = 1; i < ways; ++i) shifted[i] = slots[i - 1];
    write(line, shifted);
    const std::uint64_t pushed_out = slots[ways - 1] == Id{} ? 0 : 1;
    forgotten_ += pushed_out;
    held_ += 1 - pushed_out;
    return Verdict::fresh;
  }

  ZeroedLines lines_;
  Hash hash_;
  std::uint64_t held_ = 0;
  std::uint64_t forgotten_ = 0;
  bool holds_zero_ = false;
};

}  // namespace idem::inline IDEM_ABI::detail
