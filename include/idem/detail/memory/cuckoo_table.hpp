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
#include <idem/detail/memory/cuckoo_search.hpp>
#include <idem/detail/memory/filter_hash.hpp>
#include <idem/detail/memory/zeroed_lines.hpp>

namespace idem::inline IDEM_ABI::detail {

// What counts of a hash, and what becomes of a fingerprint that is moved; apart, so that a test can
// plant others.
struct CuckooRules {
  [[nodiscard]] static constexpr std::uint64_t bits(std::uint64_t hash) noexcept { return hash; }
  [[nodiscard]] static constexpr auto victim(auto fingerprint) noexcept { return fingerprint; }
};

// Buckets of four fingerprints, each bucket one word.
//
// A fingerprint f of bucket b may also live in bucket s(f) - b, modulo their number: a reflection,
// so it is its own inverse for every number of buckets, and needs nothing but the fingerprint. A
// fingerprint is never zero; zero is an empty slot.
//
// An object that was moved from has no bucket; inserting then answers `full`.
template <class Fingerprint, class Rules = CuckooRules>
class CuckooTable {
  static_assert(std::is_same_v<Fingerprint, std::uint8_t> ||
                std::is_same_v<Fingerprint, std::uint16_t>);

  using Lanes = CuckooLanes<8 * sizeof(Fingerprint)>;

 public:
  using Word = typename Lanes::Word;

  static constexpr unsigned slots = Lanes::count;
  static constexpr std::uint64_t buckets_per_line = ZeroedLines::line_bytes / sizeof(Word);
  static constexpr std::size_t most_looked_at = cuckoo_most_looked_at;
  static constexpr unsigned most_moves = cuckoo_most_moves;

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
    return put(place);
  }

  // The slots that hold the key's fingerprint where the key could be.
  [[nodiscard]] unsigned copies(std::uint64_t hash) const noexcept {
    if (buckets_ == 0) return 0;
    const Place place = place_of(hash);
    const unsigned first = Lanes::count_of(Lanes::zeros(word_at(place.first) ^ place.pattern));
    return place.first == place.second
               ? first
               : first + Lanes::count_of(Lanes::zeros(word_at(place.second) ^ place.pattern));
  }

  [[nodiscard]] bool erase(std::uint64_t hash) noexcept {
    if (buckets_ == 0) return false;
    const Place place = place_of(hash);
    for (const std::uint64_t bucket : {place.first, place.second}) {
      Word& word = word_at(bucket);
      const Word held = Lanes::zeros(word ^ place.pattern);
      if (held == 0) continue;
      word &= static_cast<Word>(~(lane_mask << Lanes::lane_shift(held)));
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
    for (const Word word : words()) size_ += slots - Lanes::count_of(Lanes::zeros(word));
  }
  // The buckets as they lie in memory, in the byte order of this machine.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    return {reinterpret_cast<const std::byte*>(lines_.data()), lines_.bytes()};
  }

 private:
  static constexpr Word lane_mask = Lanes::mask;
  static constexpr Word ones = Lanes::ones;
  static constexpr std::uint64_t fingerprints = lane_mask;  // 1 ... 255 or 65535

  struct Place {
    std::uint64_t first, second;
    Word pattern;  // the fingerprint in every lane
  };

  [[nodiscard]] Place place_of(std::uint64_t given) const noexcept {
    const std::uint64_t hash = Rules::bits(given);
    const std::uint64_t first = multiply_high(hash, buckets_);
    const std::uint64_t fingerprint = multiply_high(filter_remix(hash), fingerprints) + 1;
    return {first, other_bucket(first, fingerprint), static_cast<Word>(fingerprint * ones)};
  }
  [[nodiscard]] std::uint64_t other_bucket(std::uint64_t bucket,
                                           std::uint64_t fingerprint) const noexcept {
    return cuckoo_partner(bucket, fingerprint, buckets_);
  }

  // Word is the type the buckets are accessed by, alone, from the moment the lines are taken.
  [[nodiscard]] Word& word_at(std::uint64_t bucket) noexcept {
    return reinterpret_cast<Word*>(lines_.data())[bucket];
  }
  [[nodiscard]] Word word_at(std::uint64_t bucket) const noexcept {
    return reinterpret_cast<const Word*>(lines_.data())[bucket];
  }

  [[nodiscard]] bool contains_at(const Place& place) const noexcept {
    return (Lanes::zeros(word_at(place.first) ^ place.pattern) |
            Lanes::zeros(word_at(place.second) ^ place.pattern)) != 0;
  }

  [[nodiscard]] Verdict insert_at(const Place& place) noexcept {
    if (contains_at(place)) return Verdict::probable_duplicate;
    return put(place) ? Verdict::fresh : Verdict::full;
  }

  [[nodiscard]] bool put(const Place& place) noexcept {
    if (put_in_either(place)) return true;
    const bool found = cuckoo_make_room(*this, place.first, place.second,
                                        static_cast<Word>(place.pattern & lane_mask));
    size_ += found ? 1 : 0;
    return found;
  }

  // Into the emptier of the two buckets, which leaves room for longest.
  [[nodiscard]] bool put_in_either(const Place& place) noexcept {
    const Word first_free = Lanes::zeros(word_at(place.first));
    const Word second_free = Lanes::zeros(word_at(place.second));
    if ((first_free | second_free) == 0) return false;
    // Chosen by masks: a branch here would be guessed wrong every other time.
    const std::uint64_t take_second =
        0 - std::uint64_t{Lanes::count_of(second_free) > Lanes::count_of(first_free)};
    const Word free = static_cast<Word>(first_free ^ ((first_free ^ second_free) & take_second));
    word_at(place.first ^ ((place.first ^ place.second) & take_second)) |=
        static_cast<Word>((place.pattern & lane_mask) << Lanes::lane_shift(free));
    ++size_;
    return true;
  }

  // What cuckoo_make_room asks for.
  template <class Table>
  friend bool cuckoo_make_room(Table& table, std::uint64_t first, std::uint64_t second,
                               typename Table::Word slot) noexcept;
  using SearchLanes = Lanes;
  [[nodiscard]] Word opened(std::uint64_t bucket) noexcept {
    ++looked_at_;
    return word_at(bucket);
  }
  [[nodiscard]] std::uint64_t partner(std::uint64_t bucket, Word slot) const noexcept {
    return other_bucket(bucket, slot);
  }
  // By force: g++ takes a function that does nothing but prefetch for one without effect.
  [[gnu::always_inline]] inline void fetch(std::uint64_t bucket) const noexcept {
    __builtin_prefetch(reinterpret_cast<const Word*>(lines_.data()) + bucket, 1);
  }
  void set_lane(std::uint64_t bucket, unsigned shift, Word slot) noexcept {
    word_at(bucket) = Lanes::with(word_at(bucket), shift, slot);
  }
  void move_to(std::uint64_t bucket, unsigned shift, Word slot) noexcept {
    set_lane(bucket, shift, Rules::victim(slot));
    ++moves_;
  }

  void in_ring(std::size_t count, const auto& hash_of, const auto& work) const noexcept {
    constexpr std::size_t ahead = 32;
    // Three arrays and not one of Places: g++ copies a Place as a vector, and reading in one piece
    // what was just written in two waits for the store.
    std::array<std::uint64_t, ahead> firsts, seconds;
    std::array<Word, ahead> patterns;
    const auto prepare = [&](std::size_t i) {
      const Place place = place_of(hash_of(i));
      fetch(place.first);
      fetch(place.second);
      firsts[i % ahead] = place.first;
      seconds[i % ahead] = place.second;
      patterns[i % ahead] = place.pattern;
    };
    for (std::size_t i = 0; i < smaller(ahead, count); ++i) prepare(i);
    for (std::size_t i = 0; i < count; ++i) {
      const Place place{firsts[i % ahead], seconds[i % ahead], patterns[i % ahead]};
      if (i + ahead < count) prepare(i + ahead);
      work(place, i);
    }
  }

  ZeroedLines lines_;
  std::uint64_t buckets_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t moves_ = 0;
  std::uint64_t looked_at_ = 0;
};

}  // namespace idem::inline IDEM_ABI::detail
