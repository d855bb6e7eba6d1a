#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/cuckoo_search.hpp>
#include <idem/detail/memory/filter_hash.hpp>
#include <idem/detail/memory/generation_clock.hpp>
#include <idem/detail/memory/zeroed_lines.hpp>

namespace idem::inline IDEM_ABI::detail {

// Generations of a cuckoo filter in one table. A slot of 16 bits is a fingerprint of 13, never zero,
// and above it the lane of its generation. A line is seven buckets of four slots, and before them a
// word that says up to which generation the line was brought: what was recorded in lanes that have
// begun since is cleared when the line is next written to, and does not count until then. So no
// generation is ever swept.
class GenerationCuckoo {
 public:
  using Word = std::uint64_t;
  using SearchLanes = CuckooLanes<16>;
  using Lanes = SearchLanes;

  static constexpr unsigned slots = Lanes::count;
  static constexpr std::uint64_t buckets_per_line = 7;
  static constexpr unsigned fingerprint_bits = 13;
  static constexpr std::uint64_t fingerprints = (1 << fingerprint_bits) - 1;
  static_assert(generation_lanes <= 1 << (16 - fingerprint_bits));

  GenerationCuckoo() = default;
  GenerationCuckoo(const GenerationCuckoo&) = default;
  GenerationCuckoo& operator=(const GenerationCuckoo& other) {
    if (this != &other) *this = GenerationCuckoo(other);
    return *this;
  }
  GenerationCuckoo(GenerationCuckoo&& other) noexcept
      : lines_(std::move(other.lines_)),
        buckets_(std::exchange(other.buckets_, 0)),
        moves_(std::exchange(other.moves_, 0)) {}
  GenerationCuckoo& operator=(GenerationCuckoo&& other) noexcept {
    lines_ = std::move(other.lines_);
    buckets_ = std::exchange(other.buckets_, 0);
    moves_ = std::exchange(other.moves_, 0);
    return *this;
  }
  ~GenerationCuckoo() = default;

  // Takes the lines, once; false: there is no memory for them.
  [[nodiscard]] bool take(std::uint64_t lines) noexcept {
    if (!lines_.take(lines)) return false;
    buckets_ = lines * buckets_per_line;
    return true;
  }

  struct Place {
    std::uint64_t first, second;
    Word pattern;  // the fingerprint in every lane
  };
  [[nodiscard]] Place place_of(std::uint64_t hash) const noexcept {
    const std::uint64_t first = multiply_high(hash, buckets_);
    const std::uint64_t fingerprint = multiply_high(filter_remix(hash), fingerprints) + 1;
    return {first, cuckoo_partner(first, fingerprint, buckets_), fingerprint * Lanes::ones};
  }
  [[gnu::always_inline]] inline void prefetch(const Place& place) const noexcept {
    __builtin_prefetch(lines_.data() + word_of(place.first), 1);
    __builtin_prefetch(lines_.data() + word_of(place.second), 1);
  }

  [[nodiscard]] bool contains(const Place& place, std::uint64_t generation) const noexcept {
    return (found(live_word(place.first, generation), place) |
            found(live_word(place.second, generation), place)) != 0;
  }

  // What becomes of a key that is held.
  enum class Held : std::uint8_t { stays, renewed, again };
  // What recording did: the lane the key was in before, or `nowhere`, or that there is no room.
  static constexpr unsigned nowhere = generation_lanes;
  static constexpr unsigned no_room = generation_lanes + 1;

  // Records the key in the newest generation. Where it is held it stays as it is, or moves there, or
  // is recorded once more.
  template <Held held>
  [[nodiscard]] unsigned insert(const Place& place, std::uint64_t generation) noexcept {
    const std::uint64_t lane = generation % generation_lanes;
    bring_up(place.first, generation);
    bring_up(place.second, generation);
    if constexpr (held != Held::again) {
      for (const std::uint64_t bucket : {place.first, place.second}) {
        const Word matches = found(word_at(bucket), place);
        if (matches == 0) continue;
        const unsigned shift = Lanes::lane_shift(matches);
        const unsigned before = generation_lane(word_at(bucket), shift);
        if (held == Held::renewed) set_lane(bucket, shift, slot_of(place, lane));
        return before;
      }
    }
    if (put_in_either(place, lane)) return nowhere;
    generation_ = generation;
    return cuckoo_make_room(*this, place.first, place.second, slot_of(place, lane)) ? nowhere
                                                                                    : no_room;
  }

  // The lane of the fingerprint removed, the oldest of several: keys with one fingerprint live
  // longer by that, never shorter. Or `nowhere`.
  [[nodiscard]] unsigned erase(const Place& place, std::uint64_t generation) noexcept {
    bring_up(place.first, generation);
    bring_up(place.second, generation);
    std::uint64_t oldest = 0, age_of_oldest = 0, bucket_of_oldest = buckets_;
    for (const std::uint64_t bucket : {place.first, place.second}) {
      const Word word = word_at(bucket);
      for (Word matches = found(word, place); matches != 0; matches &= matches - 1) {
        const unsigned shift = Lanes::lane_shift(matches);
        const std::uint64_t age =
            (generation - generation_lane(word, shift)) % generation_lanes + 1;
        if (age <= age_of_oldest) continue;
        age_of_oldest = age;
        oldest = shift;
        bucket_of_oldest = bucket;
      }
    }
    if (age_of_oldest == 0) return nowhere;
    const auto shift = static_cast<unsigned>(oldest);
    const unsigned lane = generation_lane(word_at(bucket_of_oldest), shift);
    set_lane(bucket_of_oldest, shift, 0);
    return lane;
  }

  [[nodiscard]] std::uint64_t buckets() const noexcept { return buckets_; }
  [[nodiscard]] std::uint64_t moves() const noexcept { return moves_; }
  [[nodiscard]] std::size_t heap_bytes() const noexcept { return lines_.bytes(); }

  // ---- as a state --------------------------------------------------------------------------------

  using Line = std::array<Word, buckets_per_line>;

  [[nodiscard]] std::size_t lines() const noexcept { return lines_.count(); }

  // visit(buckets) for each line: what is left in them, with the age of its generation above each
  // fingerprint in place of the lane.
  template <class Visit>
  void for_each_line(std::uint64_t generation, Visit&& visit) const {
    Line buckets;
    for (std::size_t line = 0; line < lines_.count(); ++line) {
      for (unsigned i = 0; i < buckets_per_line; ++i)
        buckets[i] = turned(live_word(line * buckets_per_line + i, generation), generation);
      visit(buckets);
    }
  }
  // Fills an empty line, and adds the fingerprints of each age to `keys`. false: there is no such
  // line.
  [[nodiscard]] bool fill_line(std::size_t line, std::uint64_t generation, const Line& buckets,
                               std::array<std::uint64_t, generation_lanes>& keys) noexcept {
    std::uint64_t* const to = lines_.data() + line * ZeroedLines::words_per_line;
    for (unsigned i = 0; i < buckets_per_line; ++i) {
      for (unsigned shift = 0; shift < slots * Lanes::width; shift += Lanes::width) {
        const Word slot = (buckets[i] >> shift) & Lanes::mask;
        if (slot == 0) continue;
        const unsigned age = generation_lane(slot, 0);
        if ((slot & fingerprints) == 0 || age >= generation_lanes) return false;
        ++keys[age];
      }
      to[1 + i] = turned(buckets[i], generation);
    }
    to[0] = generation;
    return true;
  }

  // ---- what cuckoo_make_room asks for ------------------------------------------------------------

  // Brought up, so that what has ended counts as room. What moves needs no more: both lines of a
  // fingerprint were brought up when it was recorded, so it never moves to one from before its time.
  [[nodiscard]] Word opened(std::uint64_t bucket) noexcept {
    bring_up(bucket, generation_);
    return word_at(bucket);
  }
  [[nodiscard]] std::uint64_t partner(std::uint64_t bucket, Word slot) const noexcept {
    return cuckoo_partner(bucket, slot & fingerprints, buckets_);
  }
  [[gnu::always_inline]] inline void fetch(std::uint64_t bucket) const noexcept {
    __builtin_prefetch(lines_.data() + word_of(bucket), 1);
  }
  [[nodiscard]] Word& word_at(std::uint64_t bucket) noexcept {
    return lines_.data()[word_of(bucket)];
  }
  void set_lane(std::uint64_t bucket, unsigned shift, Word slot) noexcept {
    word_at(bucket) = Lanes::with(word_at(bucket), shift, slot);
  }
  void move_to(std::uint64_t bucket, unsigned shift, Word slot) noexcept {
    set_lane(bucket, shift, slot);
    ++moves_;
  }

 private:
  static constexpr Word fingerprint_lanes = fingerprints * Lanes::ones;

  [[nodiscard]] static std::uint64_t word_of(std::uint64_t bucket) noexcept {
    return bucket + bucket / buckets_per_line + 1;
  }
  [[nodiscard]] static std::uint64_t stamp_of(std::uint64_t bucket) noexcept {
    return bucket / buckets_per_line * ZeroedLines::words_per_line;
  }
  [[nodiscard]] static Word slot_of(const Place& place, std::uint64_t lane) noexcept {
    return (place.pattern & fingerprints) | lane << fingerprint_bits;
  }
  [[nodiscard]] static unsigned generation_lane(Word word, unsigned shift) noexcept {
    return static_cast<unsigned>((word >> (shift + fingerprint_bits)) & 7);
  }
  [[nodiscard]] static Word found(Word word, const Place& place) noexcept {
    return Lanes::zeros((word ^ place.pattern) & fingerprint_lanes);
  }

  // Lanes into ages and back, which is the same.
  [[nodiscard]] static Word turned(Word word, std::uint64_t generation) noexcept {
    Word to = word & fingerprint_lanes;
    for (unsigned shift = 0; shift < slots * Lanes::width; shift += Lanes::width) {
      if ((to >> shift & fingerprints) == 0) continue;
      const std::uint64_t other =
          (generation + generation_lanes - generation_lane(word, shift)) % generation_lanes;
      to |= other << (shift + fingerprint_bits);
    }
    return to;
  }

  // The word without what was recorded in the lanes that have begun since the stamp. An empty slot
  // looks like one of lane 0 and stays empty.
  [[nodiscard]] static Word live(Word word, std::uint64_t stamp,
                                 std::uint64_t generation) noexcept {
    const std::uint64_t begun = smaller<std::uint64_t>(generation - stamp, generation_lanes);
    const Word lanes = (word >> fingerprint_bits) & 7 * Lanes::ones;
    for (std::uint64_t i = 0; i < begun; ++i) {
      const Word ended = Lanes::zeros(lanes ^ (generation - i) % generation_lanes * Lanes::ones);
      word &= ~((ended >> (Lanes::width - 1)) * Lanes::mask);
    }
    return word;
  }
  [[nodiscard]] Word live_word(std::uint64_t bucket, std::uint64_t generation) const noexcept {
    const std::uint64_t stamp = lines_.data()[stamp_of(bucket)];
    const Word word = lines_.data()[word_of(bucket)];
    return stamp == generation ? word : live(word, stamp, generation);
  }
  void bring_up(std::uint64_t bucket, std::uint64_t generation) noexcept {
    std::uint64_t* const line = lines_.data() + stamp_of(bucket);
    if (line[0] == generation) [[likely]]
      return;
    for (unsigned i = 1; i <= buckets_per_line; ++i) line[i] = live(line[i], line[0], generation);
    line[0] = generation;
  }

  // Into the emptier of the two buckets, which leaves room for longest.
  [[nodiscard]] bool put_in_either(const Place& place, std::uint64_t lane) noexcept {
    const Word first_free = Lanes::zeros(word_at(place.first));
    const Word second_free = Lanes::zeros(word_at(place.second));
    if ((first_free | second_free) == 0) return false;
    const bool take_second = Lanes::count_of(second_free) > Lanes::count_of(first_free);
    set_lane(take_second ? place.second : place.first,
             Lanes::lane_shift(take_second ? second_free : first_free), slot_of(place, lane));
    return true;
  }

  ZeroedLines lines_;
  std::uint64_t buckets_ = 0;
  std::uint64_t moves_ = 0;
  std::uint64_t generation_ = 0;  // that a search brings lines up to
};

}  // namespace idem::inline IDEM_ABI::detail
