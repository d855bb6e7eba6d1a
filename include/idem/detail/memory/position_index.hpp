#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/words.hpp>

namespace idem::inline IDEM_ABI::detail {

// A run of positions that count modulo 2^bits.
template <class Position, class Rules>
struct PositionRange {
  Position begin = 0;
  Position length = 0;

  [[nodiscard]] bool holds(Position position) const noexcept {
    return Rules::template holds<Position>(begin, length, position);
  }
};

// One cache line: twelve slots of an 8-bit tag and a position, and for each quarter of the hashes the
// age of the newest id that found no slot here and went on to the next line.
//
// A look-up follows only while that id may be in use. Positions leave in the order
// they came, so when the newest is gone all are, and nobody has to count. One age for all hashes
// would not do: it outlives the crowding that caused it by a whole window.
template <class Position>
struct alignas(64) IndexLine {
  static constexpr unsigned slots = 12;
  static constexpr unsigned all_slots = (1U << slots) - 1;

  std::uint8_t tags[slots];  // 0: nothing here
  std::uint8_t passed[4];    // ages as PositionIndex counts them
  Position positions[slots];

  [[nodiscard]] unsigned matching(std::uint8_t tag) const noexcept {
#if defined(__SSE2__)
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(tags));
    const __m128i equal = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(static_cast<char>(tag)));
    return static_cast<unsigned>(_mm_movemask_epi8(equal)) & all_slots;
#else
    unsigned mask = 0;
    for (unsigned i = 0; i < slots; ++i) mask |= unsigned{tags[i] == tag} << i;
    return mask;
#endif
  }

  // The slots whose position is in use.
  template <class Range>
  [[nodiscard]] unsigned used(Range range) const noexcept {
#if defined(__SSE2__)
    if constexpr (sizeof(Position) == 4) {
      // Unsigned comparison by way of the signed one: both sides with the top bit turned.
      const __m128i top = _mm_set1_epi32(std::numeric_limits<int>::min());
      const __m128i begin = _mm_set1_epi32(static_cast<int>(range.begin));
      const __m128i length = _mm_xor_si128(_mm_set1_epi32(static_cast<int>(range.length)), top);
      const auto in_use = [&](unsigned first) {
        const __m128i four = _mm_loadu_si128(reinterpret_cast<const __m128i*>(positions + first));
        return _mm_cmpgt_epi32(length, _mm_xor_si128(_mm_sub_epi32(four, begin), top));
      };
      const __m128i low = _mm_packs_epi32(in_use(0), in_use(4));
      const __m128i high = _mm_packs_epi32(in_use(8), _mm_setzero_si128());
      const __m128i in_range = _mm_packs_epi16(low, high);
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(tags));
      const __m128i vacant = _mm_cmpeq_epi8(bytes, _mm_setzero_si128());
      return static_cast<unsigned>(_mm_movemask_epi8(_mm_andnot_si128(vacant, in_range))) &
             all_slots;
    }
#endif
    unsigned mask = 0;
    for (unsigned i = 0; i < slots; ++i)
      mask |= unsigned{tags[i] != 0 && range.holds(positions[i])} << i;
    return mask;
  }
};

// From hashes to the positions of the ids that have them: a hash table that holds no id and from
// which nothing needs to be erased.
//
// A slot whose position is out of use counts as free, so ids expire without a visit here. Positions
// and ages count on a circle, and what is long gone comes round again; sweep() goes over a line now
// and then and rewrites it, well before. What it misses does no harm but take a slot or a probe: a
// position found is always checked against the id itself.
//
// A position goes into the emptier of two lines that its hash names, which are read together; that
// keeps the lines so even that the chain behind a full one is hardly ever walked. Lines lie in
// segments of 64 KiB, so that none of building, filling and freeing a large index has to happen in
// one call.
template <class Position, class Rules>
class PositionIndex {
 public:
  using Line = IndexLine<Position>;
  using Range = PositionRange<Position, Rules>;

  struct Slot {
    Line* line = nullptr;
    unsigned number = 0;

    [[nodiscard]] Position position() const noexcept { return line->positions[number]; }
    void vacate() const noexcept { line->tags[number] = 0; }
  };

  // What a hash means here, worked out once. Good until the index is made anew.
  struct Spot {
    Line* first = nullptr;
    Line* second = nullptr;
    std::uint64_t number = 0;  // of the first
    std::uint8_t tag = 0;
    std::uint8_t group = 0;
  };

  PositionIndex() = default;
  PositionIndex(const PositionIndex& other)
      : lines_(other.lines_),
        age_shift_(other.age_shift_),
        age_base_(other.age_base_),
        sweep_(other.sweep_) {
    if (lines_ == 0) return;
    segments_ = allocate_directory(lines_);
    bool whole = segments_ != nullptr;
    while (whole && ready_ < lines_) {
      whole = add_segment();
      if (!whole) break;
      const std::size_t segment = held_ - 1;
      std::memcpy(static_cast<void*>(segments_[segment]), other.segments_[segment],
                  lines_in(segment) * sizeof(Line));
      ready_ += lines_in(segment);
    }
    if (!whole) {
      release_all();
      throw_bad_alloc();
    }
  }
  PositionIndex(PositionIndex&& other) noexcept { swap(other); }
  PositionIndex& operator=(PositionIndex&& other) noexcept {
    PositionIndex moved(std::move(other));
    swap(moved);
    return *this;
  }
  PositionIndex& operator=(const PositionIndex&) = delete;
  ~PositionIndex() { release_all(); }

  void swap(PositionIndex& other) noexcept {
    std::swap(segments_, other.segments_);
    std::swap(lines_, other.lines_);
    std::swap(ready_, other.ready_);
    std::swap(held_, other.held_);
    std::swap(freed_, other.freed_);
    std::swap(age_shift_, other.age_shift_);
    std::swap(age_base_, other.age_base_);
    std::swap(sweep_, other.sweep_);
  }

  // Begins an index of so many lines whose positions start at `tail`. It may be used once prepare()
  // has been called until is_ready().
  [[nodiscard]] bool begin(std::uint64_t lines, Position tail, std::uint64_t allowance) noexcept {
    if (bytes_for_lines(lines) > allowance) return false;
    segments_ = allocate_directory(lines);
    if (segments_ == nullptr) return false;
    lines_ = lines;
    age_shift_ = age_shift_for(room_in(lines));
    // So that an age of zero, as in a zeroed line, is that of an id long gone.
    age_base_ = static_cast<std::uint8_t>((tail >> age_shift_) - 64);
    return true;
  }
  [[nodiscard]] bool is_ready() const noexcept { return ready_ == lines_; }
  // Readies up to `lines` more lines; false: memory is out.
  [[nodiscard]] bool prepare(std::uint64_t lines) noexcept {
    while (lines != 0 && ready_ < lines_) {
      const std::size_t segment = static_cast<std::size_t>(ready_ / segment_lines);
      if (segment == held_ && !add_segment()) return false;
      const std::uint64_t place = ready_ % segment_lines;
      const std::uint64_t count = smaller(lines, lines_in(segment) - place);
      std::memset(static_cast<void*>(segments_[segment] + place), 0, count * sizeof(Line));
      ready_ += count;
      lines -= count;
    }
    return true;
  }

  [[nodiscard]] std::uint64_t lines() const noexcept { return lines_; }
  [[nodiscard]] std::size_t heap_bytes() const noexcept {
    if (segments_ == nullptr) return 0;
    std::uint64_t lines = 0;
    if (held_ != 0) {
      lines = (held_ - freed_) * segment_lines;
      if (held_ == segments_for(lines_) && freed_ != held_)
        lines -= segment_lines - lines_in(held_ - 1);
    }
    return static_cast<std::size_t>(lines * sizeof(Line)) + segments_for(lines_) * sizeof(Line*);
  }

  [[nodiscard]] Spot spot(std::uint64_t hash) const noexcept {
    const std::uint64_t number = home(hash);
    return {&line(number), &line(other_home(hash)), number, tag_of(hash),
            static_cast<std::uint8_t>(group_of(hash))};
  }

  // Inlined by force: g++ takes a function that only prefetches for one without effect, and drops the
  // call.
  [[gnu::always_inline]] inline void prefetch(std::uint64_t hash) const noexcept {
    __builtin_prefetch(&line(home(hash)), 1);
    __builtin_prefetch(&line(other_home(hash)), 1);
  }

  // The slot of the first position in `range` whose id `equal` accepts; line is null if there is
  // none.
  template <class Equal>
  [[nodiscard]] Slot find(const Spot& spot, Range range, Equal&& equal) const noexcept {
    const std::uint8_t tag = spot.tag;
    Line& first = *spot.first;
    Line& second = *spot.second;
    // Both lines in one go: of the bits, those from 16 up are the second line's.
    for (unsigned left = first.matching(tag) | second.matching(tag) << 16; left != 0;
         left &= left - 1) {
      const auto bit = static_cast<unsigned>(std::countr_zero(left));
      const Slot slot{bit < 16 ? &first : &second, bit % 16};
      const Position position = slot.position();
      if (range.holds(position) && equal(position)) return slot;
    }
    const Ages ages = ages_of(range);
    const unsigned group = spot.group;
    if (!ages.holds(first.passed[group])) return {};
    std::uint64_t number = spot.number;
    for (std::uint64_t i = 1; i < lines_; ++i) {
      number = after(number);
      Line& tried = line(number);
      for (unsigned left = tried.matching(tag); left != 0; left &= left - 1) {
        const Slot slot{&tried, static_cast<unsigned>(std::countr_zero(left))};
        const Position position = slot.position();
        if (range.holds(position) && equal(position)) return slot;
      }
      if (!ages.holds(tried.passed[group])) break;
    }
    return {};
  }

  // Once the lines of prefetch() are there: tells `fetch` the positions that find() will compare.
  template <class Fetch>
  [[gnu::always_inline]] inline void for_candidates(std::uint64_t hash, Range range,
                                                    Fetch&& fetch) const noexcept {
    const std::uint8_t tag = tag_of(hash);
    const Line& first = line(home(hash));
    const Line& second = line(other_home(hash));
    for (unsigned left = first.matching(tag) | second.matching(tag) << 16; left != 0;
         left &= left - 1) {
      const auto bit = static_cast<unsigned>(std::countr_zero(left));
      const Position position = (bit < 16 ? first : second).positions[bit % 16];
      if (range.holds(position)) fetch(position);
    }
  }

  // Puts a position that is not in the index into it: into the emptier of its two lines, or behind
  // the first where both are full. Returns the lines tried. Ends because the owner keeps to
  // room_in().
  std::uint64_t place(const Spot& spot, Position position, Range range) noexcept {
    Line& first = *spot.first;
    Line& second = *spot.second;
    const unsigned first_used = first.used(range);
    const unsigned second_used = second.used(range);
    const bool to_second = slots_in(second_used) < slots_in(first_used);
    Line* chosen = to_second ? &second : &first;
    unsigned used = to_second ? second_used : first_used;
    std::uint64_t tried = 2;
    if (used == Line::all_slots) {
      const Ages ages = ages_of(range);
      const std::uint8_t age = age_of(position);
      std::uint64_t number = spot.number;
      chosen = &first;
      do {
        std::uint8_t& passed = chosen->passed[spot.group];
        if (!ages.holds(passed) || ages.since_begin(passed) < ages.since_begin(age)) passed = age;
        number = after(number);
        chosen = &line(number);
        used = chosen->used(range);
        ++tried;
      } while (used == Line::all_slots);
    }
    const auto free = static_cast<unsigned>(std::countr_one(used));
    chosen->tags[free] = spot.tag;
    chosen->positions[free] = position;
    return tried;
  }

  // To be called for every position given out: now and then goes over one line.
  void sweep(Position position, Range range) noexcept {
    if ((position & (sweep_interval - 1)) != 0) return;
    if (++sweep_ >= lines_) sweep_ = 0;
    Line& swept = line(sweep_);
    const unsigned used = swept.used(range);
    for (unsigned i = 0; i < Line::slots; ++i) {
      if ((used >> i & 1) == 0) swept.tags[i] = 0;
    }
    const Ages ages = ages_of(range);
    for (std::uint8_t& passed : swept.passed) {
      if (!ages.holds(passed)) passed = static_cast<std::uint8_t>(ages.begin + 192);
    }
  }

  // Gives back one segment, and the rest with the last; false: nothing is left.
  [[nodiscard]] bool release_segment() noexcept {
    if (freed_ < held_) release(segments_[freed_++]);
    if (freed_ < held_) return true;
    release_all();
    return false;
  }

  // How many ids an index of so many lines takes: seven slots of eight.
  [[nodiscard]] static constexpr std::uint64_t room_in(std::uint64_t lines) noexcept {
    return lines * Line::slots - lines * Line::slots / 8;
  }
  // The fewest lines that hold `count` ids, or one more.
  [[nodiscard]] static constexpr std::uint64_t lines_for(std::uint64_t count) noexcept {
    return (count + count / 7 + 2) / Line::slots + 1;
  }
  [[nodiscard]] static constexpr std::uint64_t bytes_for_lines(std::uint64_t lines) noexcept {
    return lines * sizeof(Line) + segments_for(lines) * sizeof(Line*);
  }

  static constexpr std::uint64_t segment_lines = 1024;

 private:
  static constexpr Position sweep_interval = 16;

  [[nodiscard]] static constexpr std::size_t segments_for(std::uint64_t lines) noexcept {
    return static_cast<std::size_t>((lines + segment_lines - 1) / segment_lines);
  }
  [[nodiscard]] std::uint64_t lines_in(std::size_t segment) const noexcept {
    return smaller(segment_lines, lines_ - segment * segment_lines);
  }

  [[nodiscard]] std::uint64_t home(std::uint64_t hash) const noexcept {
    return multiply_high(hash, lines_);
  }
  // std::popcount of twelve bits, which without the instruction for it is a call.
  [[nodiscard]] static unsigned slots_in(unsigned mask) noexcept {
    mask -= mask >> 1 & 0x555;
    mask = (mask & 0x333) + (mask >> 2 & 0x333);
    return ((mask + (mask >> 4)) & 0xf0f) * 0x101 >> 8 & 0xf;
  }

  // From the half of the hash that the home depends on least.
  [[nodiscard]] std::uint64_t other_home(std::uint64_t hash) const noexcept {
    return multiply_high(std::rotl(hash, 32), lines_);
  }
  [[nodiscard]] std::uint64_t after(std::uint64_t number) const noexcept {
    return number + 1 == lines_ ? 0 : number + 1;
  }
  [[nodiscard]] Line& line(std::uint64_t number) const noexcept {
    return segments_[number / segment_lines][number % segment_lines];
  }
  [[nodiscard]] static std::uint8_t tag_of(std::uint64_t hash) noexcept {
    const auto tag = static_cast<std::uint8_t>(hash);
    return tag == 0 ? std::uint8_t{1} : tag;
  }

  // Ages count in epochs, of which a full index spans about 64, modulo 256. What is in use is always
  // seen to be; what is long gone may look in use, which costs a probe and no more.
  struct Ages {
    std::uint8_t begin = 0;
    std::uint8_t last = 0;

    [[nodiscard]] std::uint8_t since_begin(std::uint8_t age) const noexcept {
      return static_cast<std::uint8_t>(age - begin);
    }
    [[nodiscard]] bool holds(std::uint8_t age) const noexcept { return since_begin(age) <= last; }
  };
  [[nodiscard]] std::uint8_t age_of(Position position) const noexcept {
    return static_cast<std::uint8_t>((position >> age_shift_) - age_base_);
  }
  [[nodiscard]] Ages ages_of(Range range) const noexcept {
    const auto end = static_cast<Position>(range.begin + range.length);
    const bool countable = (range.length >> age_shift_) < 255;
    const std::uint8_t begin = age_of(range.begin);
    return {begin, countable ? static_cast<std::uint8_t>(age_of(end) - begin) : std::uint8_t{255}};
  }
  [[nodiscard]] static unsigned age_shift_for(std::uint64_t room) noexcept {
    const auto wanted = static_cast<unsigned>(std::bit_width(room / 64));
    return smaller(wanted, static_cast<unsigned>(std::numeric_limits<Position>::digits) - 8);
  }
  [[nodiscard]] static unsigned group_of(std::uint64_t hash) noexcept {
    return static_cast<unsigned>(hash >> 8) & 3;
  }

  [[nodiscard]] static Line** allocate_directory(std::uint64_t lines) noexcept {
    return static_cast<Line**>(::operator new(segments_for(lines) * sizeof(Line*), std::nothrow));
  }
  [[nodiscard]] bool add_segment() noexcept {
    const std::size_t bytes = static_cast<std::size_t>(lines_in(held_)) * sizeof(Line);
    void* const raw = ::operator new (bytes, std::align_val_t{alignof(Line)}, std::nothrow);
    if (raw == nullptr) return false;
    segments_[held_++] = static_cast<Line*>(raw);
    return true;
  }
  static void release(Line* segment) noexcept {
    ::operator delete (segment, std::align_val_t{alignof(Line)});
  }
  void release_all() noexcept {
    while (freed_ < held_) release(segments_[freed_++]);
    ::operator delete(segments_);
    segments_ = nullptr;
    lines_ = ready_ = sweep_ = 0;
    held_ = freed_ = 0;
  }

  Line** segments_ = nullptr;
  std::uint64_t lines_ = 0;
  std::uint64_t ready_ = 0;  // lines that prepare() has zeroed
  std::size_t held_ = 0;     // segments allocated so far
  std::size_t freed_ = 0;    // of these, given back
  unsigned age_shift_ = 0;
  std::uint8_t age_base_ = 0;
  std::uint64_t sweep_ = 0;
};

}  // namespace idem::inline IDEM_ABI::detail
