#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/filter_hash.hpp>
#include <idem/detail/memory/zeroed_lines.hpp>

namespace idem::inline IDEM_ABI::detail {

// Buckets of four fingerprints, each bucket one word.
//
// A fingerprint f of bucket b may also live in bucket s(f) - b, modulo their number: a reflection,
// so it is its own inverse for every number of buckets, and needs nothing but the fingerprint. A
// fingerprint is never zero; zero is an empty slot.
//
// When both buckets of a key are full, the nearest empty slot is looked for breadth first, without
// touching anything; only when one was found are the fingerprints on the way to it moved, last one
// first. So no fingerprint is ever out of the table, and what is refused leaves no trace.
//
// An object that was moved from has no bucket; inserting then answers `full`.
template <class Fingerprint>
class CuckooTable {
  static_assert(std::is_same_v<Fingerprint, std::uint8_t> ||
                std::is_same_v<Fingerprint, std::uint16_t>);

 public:
  using Word = std::conditional_t<sizeof(Fingerprint) == 1, std::uint32_t, std::uint64_t>;

  static constexpr unsigned slots = 4;
  static constexpr std::uint64_t buckets_per_line = ZeroedLines::line_bytes / sizeof(Word);
  // The buckets a search may look at, and so the work of the worst insert; and the moves a path
  // among them can have.
  static constexpr std::size_t most_looked_at = 512;
  static constexpr unsigned most_moves = 5;

  CuckooTable() = default;
  CuckooTable(const CuckooTable&) = default;
  CuckooTable& operator=(const CuckooTable& other) {
    if (this != &other) *this = CuckooTable(other);
    return *this;
  }
  CuckooTable(CuckooTable&& other) noexcept
      : lines_(std::move(other.lines_)),
        buckets_(std::exchange(other.buckets_, 0)),
        size_(std::exchange(other.size_, 0)),
        moves_(std::exchange(other.moves_, 0)),
        looked_at_(std::exchange(other.looked_at_, 0)) {}
  CuckooTable& operator=(CuckooTable&& other) noexcept {
    lines_ = std::move(other.lines_);
    buckets_ = std::exchange(other.buckets_, 0);
    size_ = std::exchange(other.size_, 0);
    moves_ = std::exchange(other.moves_, 0);
    looked_at_ = std::exchange(other.looked_at_, 0);
    return *this;
  }
  ~CuckooTable() = default;

  // Takes the buckets, once; false: there is no memory for them.
  [[nodiscard]] bool take(std::uint64_t buckets) noexcept {
    if (!lines_.take(buckets / buckets_per_line + (buckets % buckets_per_line != 0 ? 1 : 0)))
      return false;
    buckets_ = buckets;
    return true;
  }

  [[nodiscard]] Verdict insert(std::uint64_t hash) noexcept {
    if (buckets_ == 0) return Verdict::full;
    return insert_at(place_of(hash));
  }

  // The hash of key i is hash_of(i); verdict i goes to verdicts[i].
  void insert(std::size_t count, const auto& hash_of, Verdict* verdicts) noexcept {
    if (buckets_ == 0) {
      for (std::size_t i = 0; i < count; ++i) verdicts[i] = Verdict::full;
      return;
    }
    in_ring(count, hash_of,
            [&](const Place& place, std::size_t i) { verdicts[i] = insert_at(place); });
  }

  [[nodiscard]] bool contains(std::uint64_t hash) const noexcept {
    return buckets_ != 0 && contains_at(place_of(hash));
  }
  void contains(std::size_t count, const auto& hash_of, Verdict* verdicts) const noexcept {
    if (buckets_ == 0) {
      for (std::size_t i = 0; i < count; ++i) verdicts[i] = Verdict::fresh;
      return;
    }
    in_ring(count, hash_of, [&](const Place& place, std::size_t i) {
      verdicts[i] = contains_at(place) ? Verdict::probable_duplicate : Verdict::fresh;
    });
  }

  // Adds a copy, there or not; false: no room, nothing changed.
  [[nodiscard]] bool add(std::uint64_t hash) noexcept {
    if (buckets_ == 0) return false;
    const Place place = place_of(hash);
    return put_in_either(place) || make_room(place);
  }

  // The slots that hold the key's fingerprint where the key could be.
  [[nodiscard]] unsigned copies(std::uint64_t hash) const noexcept {
    if (buckets_ == 0) return 0;
    const Place place = place_of(hash);
    const unsigned first = count_of(zeros(word_at(place.first) ^ place.pattern));
    return place.first == place.second
               ? first
               : first + count_of(zeros(word_at(place.second) ^ place.pattern));
  }

  [[nodiscard]] bool erase(std::uint64_t hash) noexcept {
    if (buckets_ == 0) return false;
    const Place place = place_of(hash);
    for (const std::uint64_t bucket : {place.first, place.second}) {
      Word& word = word_at(bucket);
      const Word held = zeros(word ^ place.pattern);
      if (held == 0) continue;
      word &= static_cast<Word>(~(lane_mask << lane_shift(held)));
      --size_;
      return true;
    }
    return false;
  }

  void clear() noexcept {
    lines_.clear();
    size_ = 0;
    moves_ = 0;
    looked_at_ = 0;
  }

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] std::uint64_t buckets() const noexcept { return buckets_; }
  [[nodiscard]] std::uint64_t moves() const noexcept { return moves_; }
  [[nodiscard]] std::uint64_t looked_at() const noexcept { return looked_at_; }
  [[nodiscard]] std::size_t heap_bytes() const noexcept { return lines_.bytes(); }
  [[nodiscard]] std::span<const Word> words() const noexcept {
    return {reinterpret_cast<const Word*>(lines_.data()), static_cast<std::size_t>(buckets_)};
  }
  // For filling an empty table, all at once; recount() then.
  [[nodiscard]] std::span<Word> words() noexcept {
    return {reinterpret_cast<Word*>(lines_.data()), static_cast<std::size_t>(buckets_)};
  }
  void recount() noexcept {
    size_ = 0;
    for (const Word word : words()) size_ += slots - count_of(zeros(word));
  }
  // The buckets as they lie in memory, in the byte order of this machine.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    return {reinterpret_cast<const std::byte*>(lines_.data()), lines_.bytes()};
  }

 private:
  static constexpr unsigned bits = 8 * sizeof(Fingerprint);
  static constexpr Word lane_mask = static_cast<Fingerprint>(-1);
  static constexpr Word ones = static_cast<Word>(Word(-1) / lane_mask);  // 1 in every lane
  static constexpr Word tops = static_cast<Word>(ones << (bits - 1));
  static constexpr std::uint64_t fingerprints = lane_mask;  // 1 ... 255 or 65535

  struct Place {
    std::uint64_t first, second;
    Word pattern;  // the fingerprint in every lane
  };

  [[nodiscard]] Place place_of(std::uint64_t hash) const noexcept {
    const std::uint64_t first = multiply_high(hash, buckets_);
    const std::uint64_t fingerprint = multiply_high(filter_remix(hash), fingerprints) + 1;
    return {first, other_bucket(first, fingerprint), static_cast<Word>(fingerprint * ones)};
  }
  [[nodiscard]] std::uint64_t other_bucket(std::uint64_t bucket,
                                           std::uint64_t fingerprint) const noexcept {
    // Scattered well: sums of few fingerprints must not meet, or a search goes round in circles.
    std::uint64_t scattered = fingerprint * 0x9e3779b97f4a7c15;
    scattered = (scattered ^ scattered >> 32) * 0x94d049bb133111eb;
    const std::uint64_t sum = multiply_high(scattered, buckets_);
    return sum >= bucket ? sum - bucket : sum + buckets_ - bucket;
  }

  // Word is the type the buckets are accessed by, alone, from the moment the lines are taken.
  [[nodiscard]] Word& word_at(std::uint64_t bucket) noexcept {
    return reinterpret_cast<Word*>(lines_.data())[bucket];
  }
  [[nodiscard]] Word word_at(std::uint64_t bucket) const noexcept {
    return reinterpret_cast<const Word*>(lines_.data())[bucket];
  }

  // The top bit of each lane that is zero.
  [[nodiscard]] static constexpr Word zeros(Word word) noexcept {
    const Word low = static_cast<Word>(~tops);
    return static_cast<Word>(~(((word & low) + low) | word | low));
  }
  [[nodiscard]] static constexpr unsigned lane_shift(Word found) noexcept {
    return static_cast<unsigned>(std::countr_zero(found)) - (bits - 1);
  }
  // How many lanes were found. The product sums them in its top lane; popcount is a call where the
  // processor's own is not compiled in.
  [[nodiscard]] static constexpr unsigned count_of(Word found) noexcept {
    return static_cast<unsigned>(static_cast<Word>((found >> (bits - 1)) * ones) >>
                                 (bits * (slots - 1)));
  }

  [[nodiscard]] bool contains_at(const Place& place) const noexcept {
    return (zeros(word_at(place.first) ^ place.pattern) |
            zeros(word_at(place.second) ^ place.pattern)) != 0;
  }

  [[nodiscard]] Verdict insert_at(const Place& place) noexcept {
    if (contains_at(place)) return Verdict::probable_duplicate;
    return put_in_either(place) || make_room(place) ? Verdict::fresh : Verdict::full;
  }

  // Into the emptier of the two buckets, which leaves room for longest.
  [[nodiscard]] bool put_in_either(const Place& place) noexcept {
    const Word first_free = zeros(word_at(place.first));
    const Word second_free = zeros(word_at(place.second));
    if ((first_free | second_free) == 0) return false;
    const bool take_second = count_of(second_free) > count_of(first_free);
    const Word free = take_second ? second_free : first_free;
    word_at(take_second ? place.second : place.first) |=
        static_cast<Word>((place.pattern & lane_mask) << lane_shift(free));
    ++size_;
    return true;
  }

  struct Looked {
    std::uint64_t bucket;
    std::uint32_t parent;  // the index of the bucket whose fingerprint would move here
    std::uint16_t shift;   // and where in that bucket it lies
    std::uint16_t depth;   // moves from there to the key's own bucket
  };

  // Both buckets of the place are full. Buckets at the edge of the search are fetched long before
  // they are looked at.
  [[nodiscard]] __attribute__((noinline)) bool make_room(const Place& place) noexcept {
    std::array<Looked, most_looked_at> looked;
    std::uint32_t known = 0;
    looked[known++] = {place.first, 0, 0, 0};
    if (place.second != place.first) looked[known++] = {place.second, 1, 0, 0};
    for (std::uint32_t at = 0; at < known; ++at) {
      const Looked here = looked[at];
      const Word word = word_at(here.bucket);
      ++looked_at_;
      if (const Word free = zeros(word); free != 0) {
        move_along(looked.data(), at, lane_shift(free), place);
        return true;
      }
      if (here.depth == most_moves) continue;
      for (unsigned lane = 0; lane < slots && known < most_looked_at; ++lane) {
        const unsigned shift = lane * bits;
        const std::uint64_t other = other_bucket(here.bucket, (word >> shift) & lane_mask);
        if (other == here.bucket) continue;
        __builtin_prefetch(&word_at(other), 1);
        looked[known++] = {other, at, static_cast<std::uint16_t>(shift),
                           static_cast<std::uint16_t>(here.depth + 1)};
      }
    }
    return false;
  }

  // Bucket `at` has a free lane: every fingerprint on the way there moves one bucket on, the last
  // one first, and the new one takes the lane that the first one leaves.
  //
  // No bucket is met twice, or the moves would disturb each other: the search is breadth first, so
  // what is behind a bucket was found from the first time it was looked at.
  void move_along(const Looked* looked, std::uint32_t at, unsigned free_shift,
                  const Place& place) noexcept {
    unsigned shift = free_shift;
    while (looked[at].depth != 0) {
      const Looked& here = looked[at];
      set_lane(here.bucket, shift, (word_at(looked[here.parent].bucket) >> here.shift) & lane_mask);
      shift = here.shift;
      at = here.parent;
      ++moves_;
    }
    set_lane(looked[at].bucket, shift, place.pattern & lane_mask);
    ++size_;
  }
  void set_lane(std::uint64_t bucket, unsigned shift, Word fingerprint) noexcept {
    Word& word = word_at(bucket);
    word = static_cast<Word>((word & ~(lane_mask << shift)) | (fingerprint << shift));
  }

  void in_ring(std::size_t count, const auto& hash_of, const auto& work) const noexcept {
    constexpr std::size_t ahead = 32;
    std::array<Place, ahead> coming;
    const auto prepare = [&](std::size_t i) {
      const Place place = place_of(hash_of(i));
      prefetch(place.first);
      prefetch(place.second);
      coming[i % ahead] = place;
    };
    for (std::size_t i = 0; i < smaller(ahead, count); ++i) prepare(i);
    for (std::size_t i = 0; i < count; ++i) {
      const Place place = coming[i % ahead];
      if (i + ahead < count) prepare(i + ahead);
      work(place, i);
    }
  }
  // By force: g++ takes a function that does nothing but prefetch for one without effect.
  __attribute__((always_inline)) void prefetch(std::uint64_t bucket) const noexcept {
    __builtin_prefetch(reinterpret_cast<const Word*>(lines_.data()) + bucket, 1);
  }

  ZeroedLines lines_;
  std::uint64_t buckets_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t moves_ = 0;
  std::uint64_t looked_at_ = 0;
};

}  // namespace idem::inline IDEM_ABI::detail
