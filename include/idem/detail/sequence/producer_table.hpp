#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>

#include <idem/core/bytes.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/words.hpp>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace idem::inline IDEM_ABI::detail {

// Arrays of trivial things that answer a null pointer, not an exception, where there is no memory.
template <class T>
[[nodiscard]] T* allocate_array(std::size_t count) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  if (count > std::numeric_limits<std::ptrdiff_t>::max() / sizeof(T)) return nullptr;
  return static_cast<T*>(
      ::operator new(count * sizeof(T), std::align_val_t(alignof(T)), std::nothrow));
}
template <class T>
void release_array(T* array) noexcept {
  ::operator delete(array, std::align_val_t(alignof(T)));
}

// 64 bits of a producer id under a secret: two rounds of multiply and fold.
class IdMixer {
 public:
  explicit IdMixer(std::uint64_t seed) noexcept {
    for (std::uint64_t& word : secret_) {
      seed += 0x9e3779b97f4a7c15;
      word = seed;
      word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
      word = (word ^ word >> 27) * 0x94d049bb133111eb;
      word ^= word >> 31;
    }
    secret_[1] |= 1;
    secret_[3] |= 1;
  }

  [[nodiscard]] std::uint64_t operator()(std::int64_t id) const noexcept {
    const std::uint64_t once =
        folded_product(static_cast<std::uint64_t>(id) ^ secret_[0], secret_[1]);
    return folded_product(once ^ secret_[2], secret_[3]);
  }

 private:
  std::array<std::uint64_t, 4> secret_;
};

// Records by producer id: chunks of records, an index of cache lines, a list from the least to the
// most recently used, all linked by 32-bit slots. A record is two structures, the one that look-ups
// read together with its link, and the rest.
//
// A chunk holds the former upwards from its address and the rests downwards: look-ups in a large
// table then touch a third of the pages, and the address of neither depends on how many the chunk
// has room for. All chunks but the last have room for `chunk_records`; the last grows by a
// sixteenth of all there are, and its records move.
//
// An index line holds a byte of hash and a slot for each of twelve records; a record whose line is
// full goes to the next one, and each line passed counts it. No record is further than `reach`
// lines from its home, so a look-up reads a bounded number of lines. The index grows by a quarter
// beside the old one, and every insertion moves one line of the old: no call does more than a
// bounded amount of it.
//
// A record is trivially copyable and has a member `producer_id` and a type `Rest`.
template <class Record>
class ProducerTable {
  static_assert(std::is_trivially_copyable_v<Record>);

 public:
  using Rest = typename Record::Rest;
  static constexpr std::uint32_t none = 0xffffffff;
  static constexpr std::uint32_t chunk_records = 1'024;
  static constexpr std::uint32_t line_slots = 12;
  // At four fifths full the chance of a run of full lines falls by e every four: one as long as
  // this is never met unless somebody knows the seed.
  static constexpr std::uint32_t reach = 128;
  // What a table takes for its first record.
  [[nodiscard]] static constexpr std::size_t first_bytes() noexcept {
    return chunk_step * (sizeof(Entry) + sizeof(Rest)) + 4 * sizeof(Entry*) + sizeof(Line);
  }

  explicit ProducerTable(std::uint64_t seed, std::uint64_t byte_limit) noexcept
      : mixer_(seed), byte_limit_(byte_limit) {}

  ProducerTable(const ProducerTable& other) : ProducerTable(0, other.byte_limit_) {
    mixer_ = other.mixer_;
    if (!copy_from(other)) throw_bad_alloc();  // the destructor runs: the object is complete
  }
  ProducerTable(ProducerTable&& other) noexcept : ProducerTable(0, other.byte_limit_) {
    mixer_ = other.mixer_;
    swap(other);
  }
  ProducerTable& operator=(const ProducerTable& other) {
    if (this != &other) *this = ProducerTable(other);
    return *this;
  }
  ProducerTable& operator=(ProducerTable&& other) noexcept {
    ProducerTable moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~ProducerTable() { release(); }

  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  // Slots ever used: all records are below it.
  [[nodiscard]] std::uint32_t slots() const noexcept { return used_; }
  [[nodiscard]] std::uint64_t heap_bytes() const noexcept {
    return std::uint64_t{slots_held_} * (sizeof(Entry) + sizeof(Rest)) +
           std::uint64_t{chunk_room_} * sizeof(Entry*) + (new_.count + old_.count) * sizeof(Line);
  }

  [[nodiscard]] Record& at(std::uint32_t slot) noexcept { return entry(slot).record; }
  [[nodiscard]] const Record& at(std::uint32_t slot) const noexcept { return entry(slot).record; }
  [[nodiscard]] Rest& rest(std::uint32_t slot) noexcept {
    const auto place = static_cast<std::ptrdiff_t>(slot % chunk_records);
    return rests_end(chunk_[slot / chunk_records])[-1 - place];
  }
  [[nodiscard]] const Rest& rest(std::uint32_t slot) const noexcept {
    const auto place = static_cast<std::ptrdiff_t>(slot % chunk_records);
    return rests_end(chunk_[slot / chunk_records])[-1 - place];
  }

  [[nodiscard]] std::uint64_t hash(std::int64_t id) const noexcept { return mixer_(id); }

  // The slot of a producer, or `none`.
  [[nodiscard]] std::uint32_t find(std::int64_t id) const noexcept { return find(id, hash(id)); }
  [[nodiscard]] std::uint32_t find(std::int64_t id, std::uint64_t hash) const noexcept {
    if (new_.count == 0) [[unlikely]]
      return none;
    const Line& line = new_.lines[home(new_, hash)];
    for (std::uint32_t mask = matches(line, tag_of(hash)); mask != 0; mask &= mask - 1) {
      const std::uint32_t slot = line.slot[lowest_bit(mask)];
      if (at(slot).producer_id == id) [[likely]]
        return slot;
    }
    if (line.passed == 0 && old_.count == 0) return none;
    return find_anywhere(id, hash);
  }

  // Inlined by force: g++ takes a function that only prefetches for one without effect, and may drop
  // the call.
  [[gnu::always_inline]] inline void prefetch_line(std::uint64_t hash) const noexcept {
    if (new_.count != 0) __builtin_prefetch(new_.lines + home(new_, hash));
  }
  // The record a look-up will most likely read, the first whose byte of hash agrees, fetched; slot
  // `none` if there is none.
  struct Likely {
    std::uint32_t slot;
    const Record* record;
  };
  [[nodiscard, gnu::always_inline]] inline Likely prefetch_record(
      std::uint64_t hash) const noexcept {
    if (new_.count == 0) [[unlikely]]
      return {none, nullptr};
    const Line& line = new_.lines[home(new_, hash)];
    const std::uint32_t mask = matches(line, tag_of(hash));
    if (mask == 0) return {none, nullptr};
    const std::uint32_t slot = line.slot[lowest_bit(mask)];
    const Record* const record = &at(slot);
    __builtin_prefetch(record);
    return {slot, record};
  }

  // Takes a slot for a producer that is not there, its record uninitialised but for the id, in no
  // list; `none`, and nothing has changed, where there is no memory or, with `limited` set, the
  // bytes would pass the limit.
  [[nodiscard]] std::uint32_t insert(std::int64_t id, bool& limited) noexcept {
    limited_ = false;
    const std::uint32_t slot = take(id);
    limited = limited_;
    return slot;
  }

  void erase(std::uint32_t slot) noexcept {
    if (is_listed(slot)) unlist(slot);
    const std::uint64_t h = hash(at(slot).producer_id);
    if (!displace(new_, h, slot)) (void)displace(old_, h, slot);
    link(slot) = {free_, free_mark};
    free_ = slot;
    --size_;
  }

  // Whether the slot holds a record.
  [[nodiscard]] bool holds(std::uint32_t slot) const noexcept {
    return link(slot).previous != free_mark;
  }

  // The list of those that may be forgotten, least recently used first.
  [[nodiscard]] std::uint32_t oldest() const noexcept { return oldest_; }
  [[nodiscard]] std::uint32_t newer(std::uint32_t slot) const noexcept { return link(slot).next; }
  [[nodiscard]] bool is_listed(std::uint32_t slot) const noexcept {
    return link(slot).previous - free_mark > detached - free_mark;
  }
  // As the most recently used.
  void list(std::uint32_t slot) noexcept {
    link(slot) = {none, newest_};
    (newest_ == none ? oldest_ : link(newest_).next) = slot;
    newest_ = slot;
  }
  void unlist(std::uint32_t slot) noexcept {
    const Link here = link(slot);
    (here.previous == none ? oldest_ : link(here.previous).next) = here.next;
    (here.next == none ? newest_ : link(here.next).previous) = here.previous;
    link(slot) = {detached, detached};
  }
  void touch(std::uint32_t slot) noexcept {
    if (slot == newest_) return;
    Link& here = link(slot);
    const Link was = here;
    (was.previous == none ? oldest_ : link(was.previous).next) = was.next;
    link(was.next).previous = was.previous;  // there is one, or it would be the newest
    here = {none, newest_};
    link(newest_).next = slot;
    newest_ = slot;
  }

  void swap(ProducerTable& other) noexcept {
    std::swap(chunk_, other.chunk_);
    std::swap(slots_held_, other.slots_held_);
    std::swap(chunk_room_, other.chunk_room_);
    std::swap(used_, other.used_);
    std::swap(size_, other.size_);
    std::swap(free_, other.free_);
    std::swap(oldest_, other.oldest_);
    std::swap(newest_, other.newest_);
    std::swap(new_, other.new_);
    std::swap(old_, other.old_);
    std::swap(moved_, other.moved_);
    std::swap(mixer_, other.mixer_);
    std::swap(byte_limit_, other.byte_limit_);
  }

 private:
  static constexpr std::uint32_t detached = 0xfffffffe;   // in use, in no list
  static constexpr std::uint32_t free_mark = 0xfffffffd;  // `previous` of a slot not in use
  static_assert(free_mark + 1 == detached && detached + 1 == none);
  static constexpr std::uint32_t max_slots = 0xffffff00;
  static constexpr std::uint32_t lines_moved_per_insert = 1;

  struct Link {
    std::uint32_t next;
    std::uint32_t previous;
  };
  struct Entry {
    Record record;
    Link link;
  };
  // The rests of a step fill whole cache lines, so that the entries above them begin with one.
  static constexpr std::uint32_t chunk_step = 32;
  static constexpr std::align_val_t chunk_alignment{64};
  static_assert(chunk_records % chunk_step == 0 && chunk_step * sizeof(Rest) % 64 == 0);
  [[nodiscard]] static Rest* rests_end(Entry* chunk) noexcept {
    return reinterpret_cast<Rest*>(chunk);
  }
  [[nodiscard]] static Entry* allocate_chunk(std::uint32_t records) noexcept {
    const std::size_t rests = records * sizeof(Rest);
    void* const memory =
        ::operator new(rests + records * sizeof(Entry), chunk_alignment, std::nothrow);
    return memory == nullptr ? nullptr
                             : reinterpret_cast<Entry*>(static_cast<std::byte*>(memory) + rests);
  }
  static void release_chunk(Entry* chunk, std::uint32_t records) noexcept {
    ::operator delete(rests_end(chunk) - records, chunk_alignment);
  }
  // The first `used` records of a chunk.
  static void copy_chunk(Entry* from, Entry* to, std::uint32_t used) noexcept {
    std::memcpy(static_cast<void*>(to), from, used * sizeof(Entry));
    std::memcpy(static_cast<void*>(rests_end(to) - used), rests_end(from) - used,
                used * sizeof(Rest));
  }
  struct alignas(64) Line {
    std::byte tag[line_slots];  // 0: free
    std::uint32_t passed;       // records that belong here or before and went on to a later line
    std::uint32_t slot[line_slots];
  };
  static_assert(sizeof(Line) == 64);
  struct Index {
    Line* lines = nullptr;
    std::uint64_t count = 0;
    std::uint64_t held = 0;
  };

  [[nodiscard]] std::uint32_t take(std::int64_t id) noexcept {
    if (!make_index_room()) return none;
    std::uint32_t slot = free_;
    if (slot == none) {
      if (used_ == slots_held_ && !grow_chunks()) return none;
      slot = used_;
    }
    const std::uint64_t h = hash(id);
    if (!place(new_, h, slot)) return none;
    if (slot == free_) {
      free_ = link(slot).next;
    } else {
      ++used_;
    }
    link(slot) = {detached, detached};
    at(slot).producer_id = id;
    ++size_;
    move_some_lines(lines_moved_per_insert);
    return slot;
  }

  [[nodiscard]] Entry& entry(std::uint32_t slot) noexcept {
    return chunk_[slot / chunk_records][slot % chunk_records];
  }
  [[nodiscard]] const Entry& entry(std::uint32_t slot) const noexcept {
    return chunk_[slot / chunk_records][slot % chunk_records];
  }
  [[nodiscard]] Link& link(std::uint32_t slot) noexcept { return entry(slot).link; }
  [[nodiscard]] const Link& link(std::uint32_t slot) const noexcept { return entry(slot).link; }

  [[nodiscard]] static std::uint64_t home(const Index& index, std::uint64_t hash) noexcept {
    return multiply_high(hash, index.count);
  }
  [[nodiscard]] static std::uint64_t tag_of(std::uint64_t hash) noexcept {
    // Of the low bits, as the home is made of the high ones; never 0.
    const std::uint64_t low = hash & 0xff;
    return low + (low == 0 ? 1 : 0);
  }
  // Bit i for each entry i whose tag may agree; no agreeing one is left out.
  [[nodiscard]] static std::uint32_t matches(const Line& line, std::uint64_t tag) noexcept {
#if defined(__SSE2__)
    const __m128i tags = _mm_load_si128(reinterpret_cast<const __m128i*>(line.tag));
    const __m128i same = _mm_cmpeq_epi8(tags, _mm_set1_epi8(static_cast<char>(tag)));
    return static_cast<std::uint32_t>(_mm_movemask_epi8(same)) & ((1u << line_slots) - 1);
#else
    const std::uint64_t first =
        zero_bytes(load_little<std::uint64_t>(line.tag) ^ tag * 0x0101010101010101);
    const std::uint64_t rest = zero_bytes(load_little<std::uint32_t>(line.tag + 8) ^
                                          (tag * 0x01010101 | 0xffffffff00000000));
    return gather(first) | gather(rest & 0xffffffff) << 8;
#endif
  }
  // 0x80 in each byte that is zero, exactly.
  [[nodiscard]] static std::uint64_t zero_bytes(std::uint64_t x) noexcept {
    constexpr std::uint64_t low = 0x7f7f7f7f7f7f7f7f;
    return ~(((x & low) + low) | x | low);
  }
  // The top bits of eight bytes as eight bits.
  [[nodiscard]] static std::uint32_t gather(std::uint64_t x) noexcept {
    return static_cast<std::uint32_t>((x >> 7) * 0x0102040810204080 >> 56);
  }
  [[nodiscard]] static std::uint32_t lowest_bit(std::uint32_t mask) noexcept {
    return static_cast<std::uint32_t>(__builtin_ctz(mask));
  }

  // What find() does where the first line does not answer.
  [[nodiscard]] std::uint32_t find_anywhere(std::int64_t id, std::uint64_t hash) const noexcept {
    const std::uint32_t slot = find_in(new_, id, hash);
    if (slot != none || old_.count == 0) return slot;
    return find_in(old_, id, hash);
  }
  [[nodiscard]] std::uint32_t find_in(const Index& index, std::int64_t id,
                                      std::uint64_t hash) const noexcept {
    if (index.count == 0) return none;
    std::uint64_t number = home(index, hash);
    const std::uint64_t steps = smaller<std::uint64_t>(reach, index.count);
    for (std::uint64_t step = 0; step < steps; ++step) {
      const Line& line = index.lines[number];
      for (std::uint32_t mask = matches(line, tag_of(hash)); mask != 0; mask &= mask - 1) {
        const std::uint32_t slot = line.slot[lowest_bit(mask)];
        if (at(slot).producer_id == id) return slot;
      }
      if (line.passed == 0) return none;
      if (++number == index.count) number = 0;
    }
    return none;
  }

  // False: nothing within reach is free.
  [[nodiscard]] static bool place(Index& index, std::uint64_t hash, std::uint32_t slot) noexcept {
    const std::uint64_t start = home(index, hash);
    std::uint64_t number = start;
    const std::uint64_t steps = smaller<std::uint64_t>(reach, index.count);
    for (std::uint64_t step = 0; step < steps; ++step) {
      Line& line = index.lines[number];
      const std::uint32_t mask = matches(line, 0);
      if (mask != 0) {
        const std::uint32_t entry = lowest_bit(mask);
        line.tag[entry] = static_cast<std::byte>(tag_of(hash));
        line.slot[entry] = slot;
        for (std::uint64_t passed = start; passed != number;) {
          ++index.lines[passed].passed;
          if (++passed == index.count) passed = 0;
        }
        ++index.held;
        return true;
      }
      if (++number == index.count) number = 0;
    }
    return false;
  }

  // False: it is not in this index.
  static bool displace(Index& index, std::uint64_t hash, std::uint32_t slot) noexcept {
    if (index.count == 0) return false;
    const std::uint64_t start = home(index, hash);
    std::uint64_t number = start;
    const std::uint64_t steps = smaller<std::uint64_t>(reach, index.count);
    for (std::uint64_t step = 0; step < steps; ++step) {
      Line& line = index.lines[number];
      for (std::uint32_t mask = matches(line, tag_of(hash)); mask != 0; mask &= mask - 1) {
        const std::uint32_t entry = lowest_bit(mask);
        if (line.slot[entry] != slot) continue;
        line.tag[entry] = std::byte{0};
        for (std::uint64_t passed = start; passed != number;) {
          --index.lines[passed].passed;
          if (++passed == index.count) passed = 0;
        }
        --index.held;
        return true;
      }
      if (line.passed == 0) return false;
      if (++number == index.count) number = 0;
    }
    return false;
  }

  // Records an index of so many lines is let hold.
  [[nodiscard]] static std::uint64_t room_of(std::uint64_t lines) noexcept {
    return lines * line_slots * 4 / 5;
  }

  [[nodiscard]] bool make_index_room() noexcept {
    if (new_.count != 0 && std::uint64_t{size_} < room_of(new_.count)) return true;
    move_some_lines(old_.count);  // in general all are moved long before
    if (old_.count != 0) return false;
    const std::uint64_t wanted = new_.count == 0 ? 1 : new_.count + (new_.count + 3) / 4;
    if (!fits(wanted * sizeof(Line))) return false;
    Line* const lines = allocate_array<Line>(static_cast<std::size_t>(wanted));
    if (lines == nullptr) return false;
    std::memset(static_cast<void*>(lines), 0, static_cast<std::size_t>(wanted) * sizeof(Line));
    old_ = std::exchange(new_, Index{lines, wanted, 0});
    moved_ = 0;
    return true;
  }

  // From the old index to the new one. A record without a place in reach stays in the old index and
  // is tried again when the rest has moved.
  void move_some_lines(std::uint64_t lines) noexcept {
    for (; lines != 0 && old_.count != 0; --lines) {
      if (old_.held != 0 && moved_ < old_.count) {
        Line& line = old_.lines[moved_];
        for (std::uint32_t entry = 0; entry < line_slots; ++entry) {
          if (line.tag[entry] == std::byte{0}) continue;
          const std::uint32_t slot = line.slot[entry];
          const std::uint64_t h = hash(at(slot).producer_id);
          if (place(new_, h, slot)) (void)displace(old_, h, slot);
        }
        ++moved_;
      }
      if (old_.held == 0) {
        release_array(old_.lines);
        old_ = {};
      } else if (moved_ == old_.count) {
        moved_ = 0;
      }
    }
  }

  // Records that chunk `number` has room for.
  [[nodiscard]] std::uint32_t room_of_chunk(std::uint32_t number) const noexcept {
    return smaller(chunk_records, slots_held_ - number * chunk_records);
  }

  // Called when all slots are used.
  [[nodiscard]] bool grow_chunks() noexcept {
    if (used_ >= max_slots) return false;
    const std::uint32_t last = slots_held_ % chunk_records;  // 0: it is whole, a new one is begun
    if (last == 0 && slots_held_ / chunk_records == chunk_room_ && !grow_chunk_room()) return false;
    const std::uint32_t step = larger(chunk_step, slots_held_ / 16 / chunk_step * chunk_step);
    const std::uint32_t records = smaller(chunk_records, last + step);
    if (!fits(records * (sizeof(Entry) + sizeof(Rest)))) return false;
    Entry* const chunk = allocate_chunk(records);
    if (chunk == nullptr) return false;
    Entry*& place = chunk_[slots_held_ / chunk_records];
    if (last != 0) {
      copy_chunk(place, chunk, last);
      release_chunk(place, last);
    }
    place = chunk;
    slots_held_ += records - last;
    return true;
  }
  [[nodiscard]] bool grow_chunk_room() noexcept {
    const std::uint32_t wanted = chunk_room_ == 0 ? 4 : chunk_room_ + chunk_room_ / 2;
    // The two arrays are there together for a moment.
    if (!fits(wanted * sizeof(Entry*))) return false;
    Entry** const table = allocate_array<Entry*>(wanted);
    if (table == nullptr) return false;
    for (std::uint32_t i = 0; i < chunk_room_; ++i) table[i] = chunk_[i];
    release_array(std::exchange(chunk_, table));
    chunk_room_ = wanted;
    return true;
  }

  [[nodiscard]] bool fits(std::uint64_t more) noexcept {
    limited_ = more > byte_limit_ - smaller(byte_limit_, heap_bytes());
    return !limited_;
  }

  [[nodiscard]] static bool copy_index(const Index& from, Index& to) noexcept {
    if (from.count == 0) return true;
    Line* const lines = allocate_array<Line>(static_cast<std::size_t>(from.count));
    if (lines == nullptr) return false;
    std::memcpy(static_cast<void*>(lines), from.lines,
                static_cast<std::size_t>(from.count) * sizeof(Line));
    to = {lines, from.count, from.held};
    return true;
  }

  [[nodiscard]] bool copy_from(const ProducerTable& other) noexcept {
    if (!copy_index(other.new_, new_) || !copy_index(other.old_, old_)) return false;
    if (other.chunk_room_ != 0) {
      chunk_ = allocate_array<Entry*>(other.chunk_room_);
      if (chunk_ == nullptr) return false;
      chunk_room_ = other.chunk_room_;
    }
    while (slots_held_ != other.slots_held_) {
      const std::uint32_t number = slots_held_ / chunk_records;
      const std::uint32_t records = other.room_of_chunk(number);
      chunk_[number] = allocate_chunk(records);
      if (chunk_[number] == nullptr) return false;
      copy_chunk(other.chunk_[number], chunk_[number],
                 smaller(records, other.used_ - number * chunk_records));
      slots_held_ += records;
    }
    used_ = other.used_;
    size_ = other.size_;
    free_ = other.free_;
    oldest_ = other.oldest_;
    newest_ = other.newest_;
    moved_ = other.moved_;
    return true;
  }

  void release() noexcept {
    for (std::uint32_t i = 0; i * chunk_records < slots_held_; ++i) {
      release_chunk(chunk_[i], room_of_chunk(i));
    }
    release_array(chunk_);
    release_array(new_.lines);
    release_array(old_.lines);
  }

  Entry** chunk_ = nullptr;
  std::uint32_t slots_held_ = 0;  // records the chunks have room for
  std::uint32_t chunk_room_ = 0;
  std::uint32_t used_ = 0;
  std::uint32_t size_ = 0;
  std::uint32_t free_ = none;
  std::uint32_t oldest_ = none;
  std::uint32_t newest_ = none;
  Index new_;
  Index old_;
  std::uint64_t moved_ = 0;
  IdMixer mixer_;
  std::uint64_t byte_limit_;
  bool limited_ = false;
};

}  // namespace idem::inline IDEM_ABI::detail
