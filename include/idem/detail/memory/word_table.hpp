#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include <idem/core/bytes.hpp>
#include <idem/core/hash.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/bucket.hpp>
#include <idem/detail/memory/page_map.hpp>
#include <idem/detail/memory/pages.hpp>
#include <idem/detail/memory/plain_table.hpp>

namespace idem::inline IDEM_ABI::detail {

// 128 bits as the caller has them.
struct Words {
  std::uint64_t hi = 0;
  std::uint64_t lo = 0;
};

// Calls a function of any type: a template here would ask for another one at each level of the
// tables inside tables.
template <class Item>
class Visitor {
 public:
  template <class F>
  explicit Visitor(F& visit) noexcept
      : context_(const_cast<void*>(static_cast<const void*>(&visit))),
        call_([](void* context, const Item& item) { return (*static_cast<F*>(context))(item); }) {}
  bool operator()(const Item& item) const { return call_(context_, item); }

 private:
  void* context_;
  bool (*call_)(void*, const Item&);
};

// The slot of a hashed id is its hash.
struct SlotHash {};
[[nodiscard]] inline std::uint64_t slot_of(const SlotHash&, const Slot& slot) noexcept {
  return slot.hash;
}

// The round function of the network that hashes an id: the hash policy's own, but for the default
// one, where two calls of XXH3 for 8 bytes are most of an insert's latency. There it is what XXH3
// does with 16 bytes in the end: one multiplication, both halves folded, under the seed.
template <class Hash>
class RoundFunction {
 public:
  explicit RoundFunction(const Hash& hash) noexcept : hash_(hash) {}
  [[nodiscard]] std::uint64_t operator()(std::uint64_t word) const noexcept {
    return hash_.slot(word);
  }

 private:
  Hash hash_;
};
template <>
class RoundFunction<Xxh3Hash> {
 public:
  explicit RoundFunction(const Xxh3Hash& hash) noexcept
      : flip_(hash.slot(1)), factor_(hash.slot(2) | 1) {}
  [[nodiscard]] std::uint64_t operator()(std::uint64_t word) const noexcept {
    const std::uint64_t flipped = word ^ flip_;
    return multiply_high(flipped, factor_) ^ flipped * factor_;
  }

 private:
  std::uint64_t flip_;
  std::uint64_t factor_;
};

template <class Hash, class Source>
class WordTable;

// The pages of a table, and how it grows: one page at a time, see PageMap. docs/decisions/0002.
//
// Two kinds of chunks hold the pages: small ones from operator new first, so that a table of a few
// megabytes is exact about its bytes, then large ones that a huge page can stand behind. A chunk
// never moves.
//
// An id whose page is full goes to the overflow: a table of its own under another seed, which
// undoes what made the page full, be it chance or somebody's intent. A bit for every page (shared
// by many in very large tables) says whether the overflow must be asked.
template <class Hash, class Source>
class PagedTable {
 public:
  using Overflow = WordTable<Hash, Source>;

  // Room is kept for this many ids a page, 70 in 100: the pages that wait longest for their group to
  // grow are then at most 88 in 100 full.
  static constexpr std::uint64_t ids_per_page = 180;

  static constexpr std::size_t small_chunk_pages = 8;
  static constexpr std::size_t large_chunk_pages = Source::large_bytes / Page::bytes;
  static constexpr std::size_t first_block_pages = PageMap::least_pages;
  static constexpr std::uint64_t small_pages_before_large = 12288;

  // Pages for `ids` ids; 0: more than there can be.
  [[nodiscard]] static constexpr std::uint64_t pages_for(std::uint64_t ids) noexcept {
    const std::uint64_t pages = ids / ids_per_page + (ids % ids_per_page != 0);
    return pages > PageMap::most_pages ? 0 : larger(pages, PageMap::least_pages);
  }

  PagedTable(const Hash& hash, std::uint64_t byte_limit, bool huge_pages) noexcept
      : hash_(hash), byte_limit_(byte_limit), huge_pages_(huge_pages) {}
  PagedTable(const PagedTable&) = delete;
  PagedTable& operator=(const PagedTable&) = delete;
  ~PagedTable() {
    drop_overflow();
    release_chunks(0);
    if (chunks_ != nullptr) Source::give(chunks_);
  }

  // An empty table of `pages` pages; null: limit or memory.
  [[nodiscard]] static PagedTable* make(const Hash& hash, std::uint64_t byte_limit, bool huge_pages,
                                        std::uint64_t pages) noexcept {
    PagedTable* const table = raw(hash, byte_limit, huge_pages);
    if (table == nullptr) return nullptr;
    if (huge_pages && pages * Page::bytes >= large_from_the_start) table->small_pages_ = 0;
    if (!table->extend(pages)) {
      destroy(table);
      return nullptr;
    }
    table->reshape(pages);
    return table;
  }

  // The table that takes over a plain one: its array of 4096 slots becomes the first pages. Null:
  // limit or memory, and nothing has changed.
  template <class Plain>
  [[nodiscard]] static PagedTable* take_over(Plain& plain, const Hash& hash,
                                             std::uint64_t byte_limit, bool huge_pages) noexcept {
    PagedTable* const table = raw(hash, byte_limit, huge_pages);
    if (table == nullptr) return nullptr;
    const std::uint64_t pages = pages_for(plain.size() + plain.taken() + 1);
    // Until it is certain, the block is the plain table's.
    table->first_block_ = reinterpret_cast<std::byte*>(const_cast<Slot*>(plain.array()));
    const bool certain = table->extend(pages) &&
                         table->prepare_take_over(plain, PageMap::of(pages)) &&
                         (plain.taken() == 0 || table->take_overflow_room(plain.taken()));
    if (!certain) {
      destroy(table);
      return nullptr;
    }
    table->reshape(pages);
    table->taken_ = plain.taken();
    table->owns_first_block_ = true;
    Slot slots[Plain::room_for(first_block_pages * Page::slots)];
    std::size_t count = 0;
    (void)plain.each([&](const Slot& slot) {
      slots[count++] = slot;
      return true;
    });
    std::memset(static_cast<void*>(plain.give_up()), 0, first_block_pages * Page::bytes);
    for (std::size_t i = 0; i < count; ++i) table->put_in_room(slots[i]);
    table->count_step(count);
    return table;
  }

  // As `other` is, room taken aside; null: no memory.
  [[nodiscard]] static PagedTable* copy(const PagedTable& other) noexcept {
    PagedTable* const table = raw(other.hash_, other.byte_limit_, other.huge_pages_);
    if (table == nullptr) return nullptr;
    table->small_pages_ = other.small_pages_;
    if (!table->extend(other.map_.pages()) ||
        (other.overflow_ != nullptr &&
         !(table->make_overflow() && table->overflow_->table.assign(other.overflow_->table)))) {
      destroy(table);
      return nullptr;
    }
    table->reshape(other.map_.pages());
    for (std::size_t i = 0; i < table->chunk_count_; ++i) {
      const std::uint64_t begin = table->first_page_of(i);
      const std::uint64_t end = smaller(table->first_page_of(i + 1), other.map_.pages());
      if (begin < end)
        std::memcpy(table->page(begin), other.page(begin),
                    static_cast<std::size_t>(end - begin) * Page::bytes);
    }
    if (other.overflow_ != nullptr)
      std::memcpy(table->overflow_->asked, other.overflow_->asked, sizeof other.overflow_->asked);
    table->filled_ = other.filled_;
    return table;
  }

  static void destroy(PagedTable* table) noexcept {
    table->~PagedTable();
    Source::give(table);
  }

  [[nodiscard]] std::size_t size() const noexcept {
    return filled_ + (overflow_ == nullptr ? 0 : overflow_->table.size());
  }
  [[nodiscard]] std::size_t heap_bytes() const noexcept {
    return own_bytes() + (overflow_ == nullptr ? 0 : overflow_->table.heap_bytes());
  }
  [[nodiscard]] TableWork work() const noexcept {
    TableWork total = work_;
    if (overflow_ != nullptr) total += overflow_->table.work();
    return total;
  }
  void limit(std::uint64_t byte_limit) noexcept { byte_limit_ = byte_limit; }
  [[nodiscard]] std::size_t taken() const noexcept { return taken_; }
  [[nodiscard]] const PageMap& map() const noexcept { return map_; }

  [[nodiscard]] bool contains(const Slot& key) const noexcept {
    const std::uint64_t number = map_.page_of(key.hash);
    if (key.hash != 0 && Page::find(page(number), key) != nullptr) return true;
    return must_ask_overflow(number, key) && overflow_->table.contains(words_of(key));
  }

  [[nodiscard]] Verdict insert(const Slot& key) noexcept {
    if (!has_room(1)) {
      if (contains(key)) return Verdict::duplicate;
      if (!grow()) return Verdict::full;
    }
    const std::uint64_t number = map_.page_of(key.hash);
    return insert_at<true>(page(number), number, key);
  }

  // encode(i) is the i-th key.
  template <class Encode>
  void insert(std::size_t keys, std::span<Verdict> verdicts, Encode&& encode) noexcept {
    struct Staged {
      Slot key;
      std::uint64_t number;
      Slot* page;
    };
    constexpr std::size_t depth = 16;
    Staged staged[2][depth];
    const auto aim = [&](Staged& at) {
      at.number = map_.page_of(at.key.hash);
      at.page = page(at.number);
      Bucket::prefetch(Page::bucket(at.page, Page::home(at.key.hash)));
    };
    const auto stage = [&](Staged* into, std::size_t begin) {
      const std::size_t count = smaller(depth, keys - begin);
      for (std::size_t i = 0; i < count; ++i) {
        into[i].key = encode(begin + i);
        aim(into[i]);
      }
      return count;
    };
    unsigned now = 0;
    std::size_t count = stage(staged[now], 0);
    for (std::size_t begin = 0; count != 0;) {
      bool is_settled = has_room(2 * depth);
      if (!is_settled && grow()) {
        is_settled = true;
        for (std::size_t i = 0; i < count; ++i) aim(staged[now][i]);
      }
      const std::size_t next = stage(staged[now ^ 1], begin + count);
      for (std::size_t i = 0; i < count; ++i) {
        const Staged& at = staged[now][i];
        verdicts[begin + i] =
            is_settled ? insert_at<false>(at.page, at.number, at.key) : insert(at.key);
      }
      now ^= 1;
      if (!is_settled)
        for (std::size_t i = 0; i < next; ++i) aim(staged[now][i]);
      begin += count;
      count = next;
    }
  }

  [[nodiscard]] bool erase(const Slot& key) noexcept {
    const std::uint64_t number = map_.page_of(key.hash);
    if (key.hash != 0) {
      Slot* const at = page(number);
      if (const Slot* const found = Page::find(at, key); found != nullptr) {
        Page::take(at, static_cast<std::size_t>(found - at));
        --filled_;
        return true;
      }
    }
    return must_ask_overflow(number, key) && overflow_->table.erase(words_of(key));
  }

  // Room for `count` ids in all; false: limit or memory, and no id has changed.
  [[nodiscard]] bool reserve(std::size_t count) noexcept {
    if (count <= size() + taken_) return true;
    const std::uint64_t pages = pages_for(count);
    // Of ids that come by chance, fewer than one in a thousand finds its page full.
    if (pages == 0 || !extend(pages) || !overflow_room_for(count / 512 + 12)) return false;
    if (filled_ == 0 && pages > map_.pages()) reshape(pages);
    while (map_.pages() < pages)
      if (!grow()) return false;
    return true;
  }

  [[nodiscard]] bool take_room(std::size_t count) noexcept {
    while (!has_room(count))
      if (!grow()) return false;
    if (!take_overflow_room(count)) return false;
    taken_ += count;
    return true;
  }
  void release_room(std::size_t count) noexcept {
    taken_ -= count;
    overflow_->table.release_room(count);
  }
  void record_in_room(const Slot& key) noexcept {
    release_room(1);
    (void)insert(key);
  }

  void count_step(std::size_t moved) noexcept { work_.count_step(moved * sizeof(Slot)); }

  // Takes and touches the memory that `more` further ids will need.
  [[nodiscard]] bool warm(std::size_t more) noexcept {
    const std::uint64_t ids = filled_ + taken_ + std::uint64_t{more};
    const std::uint64_t pages = ids < more ? 0 : pages_for(ids);
    if (pages == 0 || !extend(larger(pages, map_.pages()))) return false;
    for (std::size_t i = 0; i < chunk_count_; ++i) {
      if (first_page_of(i) < small_pages_) continue;
      for (std::size_t at = 0; at < Source::large_bytes; at += 4096) {
        volatile std::byte* const touched = chunks_[i] + at;
        *touched = *touched;
      }
    }
    return true;
  }

  void clear() noexcept {
    for (std::uint64_t i = 0; i < map_.pages(); ++i)
      std::memset(static_cast<void*>(page(i)), 0, Page::bytes);
    filled_ = 0;
    if (overflow_ == nullptr) return;
    overflow_->table.clear();
    std::memset(overflow_->asked, 0, sizeof overflow_->asked);
  }

  // Runs keep(slot) for every id until it says false, in no order.
  bool each(Visitor<Slot> keep) const {
    for (std::uint64_t number = 0; number < map_.pages(); ++number) {
      const Slot* const at = page(number);
      for (unsigned i = 0; i < Page::slots; ++i)
        if (at[i].hash != 0 && !keep(at[i])) return false;
    }
    return each_in_overflow(keep);
  }
  bool each_in_overflow(Visitor<Slot> keep) const {
    if (overflow_ == nullptr) return true;
    const auto visit = [&](const Words& words) { return keep(slot_of_words(words)); };
    return overflow_->table.each(Visitor<Words>(visit));
  }
  // The ids of one group, the overflow's aside; into has room for a group.
  std::size_t copy_group(std::uint64_t group, Slot* into) const noexcept {
    std::size_t count = 0;
    for (unsigned place = 0; place < map_.width_of(group); ++place) {
      const Slot* const at = page(map_.page_at(group, place));
      for (unsigned i = 0; i < Page::slots; ++i)
        if (at[i].hash != 0) into[count++] = at[i];
    }
    return count;
  }
  static constexpr std::size_t most_in_group = 8 * Page::slots;
  [[nodiscard]] std::size_t overflow_size() const noexcept {
    return overflow_ == nullptr ? 0 : overflow_->table.size();
  }

 private:
  // A bit for each page, shared by pages a multiple of this apart.
  static constexpr std::uint64_t asked_bits = std::uint64_t{1} << 17;
  // A table reserved at once for this much has large chunks alone.
  static constexpr std::uint64_t large_from_the_start = std::uint64_t{32} << 20;

  struct Overflowing {
    Overflow table;
    std::uint64_t asked[asked_bits / 64];
  };

  [[nodiscard]] static Words words_of(const Slot& key) noexcept { return {key.hash, key.rest}; }
  [[nodiscard]] static Slot slot_of_words(const Words& words) noexcept {
    return {words.hi, words.lo};
  }

  [[nodiscard]] static PagedTable* raw(const Hash& hash, std::uint64_t byte_limit,
                                       bool huge_pages) noexcept {
    if (byte_limit < sizeof(PagedTable)) return nullptr;
    void* const block = Source::take(sizeof(PagedTable));
    return block == nullptr ? nullptr : ::new (block) PagedTable(hash, byte_limit, huge_pages);
  }

  [[nodiscard]] bool has_room(std::size_t count) const noexcept {
    return filled_ + taken_ <= limit_ && count <= limit_ - filled_ - taken_;
  }
  void reshape(std::uint64_t pages) noexcept {
    map_ = PageMap::of(pages);
    limit_ = static_cast<std::size_t>(pages * ids_per_page);
  }

  // ---- chunks

  [[nodiscard]] std::size_t chunk_of(std::uint64_t number) const noexcept {
    return static_cast<std::size_t>(number < small_pages_
                                        ? number / small_chunk_pages
                                        : small_pages_ / small_chunk_pages +
                                              (number - small_pages_) / large_chunk_pages);
  }
  [[nodiscard]] std::uint64_t first_page_of(std::size_t chunk) const noexcept {
    const std::uint64_t small_chunks = small_pages_ / small_chunk_pages;
    return chunk < small_chunks ? chunk * small_chunk_pages
                                : small_pages_ + (chunk - small_chunks) * large_chunk_pages;
  }
  [[nodiscard]] Slot* page(std::uint64_t number) const noexcept {
    const bool is_small = number < small_pages_;
    const std::uint64_t within =
        is_small ? number % small_chunk_pages : (number - small_pages_) % large_chunk_pages;
    return reinterpret_cast<Slot*>(chunks_[chunk_of(number)] + within * Page::bytes);
  }
  [[nodiscard]] std::uint64_t chunk_bytes(std::size_t chunks) const noexcept {
    return chunks == 0 ? 0 : first_page_of(chunks) * Page::bytes;
  }
  [[nodiscard]] std::size_t own_bytes() const noexcept {
    return static_cast<std::size_t>(sizeof(PagedTable) + chunk_bytes(chunk_count_) +
                                    chunk_room_ * sizeof(std::byte*) +
                                    (overflow_ == nullptr ? 0 : sizeof(Overflowing)));
  }

  // Chunks for `pages` pages in all; false: limit or memory, nothing changed. The first two small
  // chunks are one block, so that a plain table's array can become them.
  [[nodiscard]] bool extend(std::uint64_t pages) noexcept {
    const std::size_t wanted = chunk_of(pages - 1) + 1;
    if (wanted <= chunk_count_) return true;
    std::uint64_t bytes = heap_bytes() + chunk_bytes(wanted) - chunk_bytes(chunk_count_);
    const bool needs_directory = wanted > chunk_room_;
    const std::size_t room = larger(wanted, larger<std::size_t>(chunk_room_ + chunk_room_ / 2, 8));
    if (needs_directory) bytes += room * sizeof(std::byte*);
    if (bytes > byte_limit_) return false;

    std::byte** const old = chunks_;
    const std::size_t old_room = chunk_room_;
    const std::size_t old_count = chunk_count_;
    if (needs_directory) {
      void* const block = Source::take(room * sizeof(std::byte*));
      if (block == nullptr) return false;
      chunks_ = static_cast<std::byte**>(block);
      chunk_room_ = room;
      for (std::size_t i = 0; i < chunk_count_; ++i) chunks_[i] = old[i];
    }
    while (chunk_count_ < wanted && add_chunk()) {
    }
    if (chunk_count_ < wanted) {
      release_chunks(old_count);
      if (needs_directory) {
        Source::give(chunks_);
        chunks_ = old;
        chunk_room_ = old_room;
      }
      return false;
    }
    if (needs_directory && old != nullptr) Source::give(old);
    return true;
  }
  [[nodiscard]] bool add_chunk() noexcept {
    void* block = nullptr;
    const std::uint64_t first = first_page_of(chunk_count_);
    if (first >= small_pages_) {
      block = Source::take_large(huge_pages_);
    } else if (first == 0) {
      if (first_block_ == nullptr) {
        first_block_ = static_cast<std::byte*>(Source::take(first_block_pages * Page::bytes));
        owns_first_block_ = first_block_ != nullptr;
      }
      block = first_block_;
    } else if (first < first_block_pages) {
      block = first_block_ + first * Page::bytes;
    } else {
      block = Source::take(small_chunk_pages * Page::bytes);
    }
    if (block == nullptr) return false;
    chunks_[chunk_count_++] = static_cast<std::byte*>(block);
    return true;
  }
  void release_chunks(std::size_t down_to) noexcept {
    while (chunk_count_ > down_to) {
      const std::uint64_t first = first_page_of(--chunk_count_);
      if (first >= small_pages_) {
        Source::give_large(chunks_[chunk_count_]);
      } else if (first == 0) {
        if (owns_first_block_) Source::give(first_block_);
        first_block_ = nullptr;
      } else if (first >= first_block_pages) {
        Source::give(chunks_[chunk_count_]);
      }
    }
  }

  // ---- overflow

  [[nodiscard]] bool must_ask_overflow(std::uint64_t number, const Slot& key) const noexcept {
    if (overflow_ == nullptr) return false;
    return is_asked(number) || key.hash == 0;
  }
  [[nodiscard]] bool is_asked(std::uint64_t number) const noexcept {
    const std::uint64_t bit = number % asked_bits;
    return (overflow_->asked[bit / 64] >> bit % 64 & 1) != 0;
  }
  void ask_for(std::uint64_t number) noexcept {
    const std::uint64_t bit = number % asked_bits;
    overflow_->asked[bit / 64] |= std::uint64_t{1} << bit % 64;
  }
  [[nodiscard]] bool make_overflow() noexcept {
    if (overflow_ != nullptr) return true;
    if (byte_limit_ < heap_bytes() + sizeof(Overflowing)) return false;
    void* const block = Source::take(sizeof(Overflowing));
    if (block == nullptr) return false;
    const Seed other{.first = hash_.slot(1, 2), .second = hash_.slot(2, 1)};
    overflow_ = static_cast<Overflowing*>(block);
    ::new (static_cast<void*>(&overflow_->table)) Overflow(Hash(other), ByteSize(0), false);
    return true;
  }
  // What the pages leave of the limit is the overflow's.
  [[nodiscard]] Overflow& shared_overflow() noexcept {
    const std::uint64_t own = own_bytes();
    overflow_->table.limit(ByteSize(byte_limit_ - smaller(byte_limit_, own)));
    return overflow_->table;
  }
  void drop_overflow() noexcept {
    if (overflow_ == nullptr) return;
    overflow_->table.~Overflow();
    Source::give(overflow_);
    overflow_ = nullptr;
  }
  [[nodiscard]] bool overflow_room_for(std::size_t count) noexcept {
    return make_overflow() && shared_overflow().reserve(count);
  }
  [[nodiscard]] bool take_overflow_room(std::size_t count) noexcept {
    return make_overflow() && shared_overflow().take_room(count);
  }
  [[nodiscard]] Verdict put_in_overflow(std::uint64_t number, const Slot& key) noexcept {
    if (!make_overflow()) return Verdict::full;
    const Verdict verdict = shared_overflow().insert(words_of(key));
    if (verdict != Verdict::fresh) return verdict;
    ask_for(number);
    ++work_.reseeded;
    return verdict;
  }

  // ---- insert

  // There is room, and page `number` is at `at`. In a batch the lines are there already, and a plain
  // store is the cheapest.
  template <bool alone>
  [[nodiscard]] Verdict insert_at(Slot* at, std::uint64_t number, const Slot& key) noexcept {
    if (must_ask_overflow(number, key) && overflow_->table.contains(words_of(key)))
      return Verdict::duplicate;
    if (key.hash == 0) return put_in_overflow(number, key);
    const unsigned first = Page::home(key.hash);
    for (unsigned i = 0; i < Page::buckets; ++i) {
      Slot* const here = Page::bucket(at, first + i);
      const Bucket::Match found = Bucket::match(here, key);
      if (found.equal != 0) return Verdict::duplicate;
      if constexpr (alone) Bucket::put_alone(here, found.empty, key);
      if (found.empty != 0) {
        if constexpr (!alone) here[Bucket::index(found.empty)] = key;
        ++filled_;
        return Verdict::fresh;
      }
    }
    return put_in_overflow(number, key);
  }
  // For keys that are not there, whose room is certain.
  void put_in_room(const Slot& key) noexcept {
    const std::uint64_t number = map_.page_of(key.hash);
    if (key.hash != 0 && Page::put(page(number), key)) {
      ++filled_;
    } else {
      (void)put_in_overflow(number, key);
    }
  }

  // ---- growth

  // Makes sure that the ids of a plain table go in: those that a page cannot take must find room in
  // the overflow.
  template <class Plain>
  [[nodiscard]] bool prepare_take_over(const Plain& plain, const PageMap& map) noexcept {
    std::uint16_t counts[2 * first_block_pages] = {};
    std::size_t too_many = 0;
    (void)plain.each([&](const Slot& slot) {
      too_many += slot.hash == 0 || counts[map.page_of(slot.hash)]++ >= Page::slots;
      return true;
    });
    return too_many == 0 || overflow_room_for(too_many);
  }

  // Makes one page more; false: limit or memory, no id has changed.
  [[nodiscard]] bool grow() noexcept {
    const std::uint64_t made = map_.pages();
    if (made == PageMap::most_pages || !extend(made + 1)) return false;
    const std::uint64_t group = map_.splitting();
    const unsigned width = map_.width();
    Slot* from[7];
    bool was_asked = false;
    for (unsigned place = 0; place < width; ++place) {
      const std::uint64_t number = map_.page_at(group, place);
      was_asked = was_asked || (overflow_ != nullptr && is_asked(number));
      from[place] = page(number);
    }
    for (unsigned place = 0; place < width; ++place)
      for (unsigned i = 0; i < Page::slots; i += 4) __builtin_prefetch(from[place] + i, 1);

    // Judging all before moving any: a store whose address hangs on a load would keep the loads
    // after it waiting, and an overflow without room must leave everything as it is.
    Page::Bits moving[7], displaced[7];
    std::size_t moved = 0;
    for (unsigned place = 0; place < width; ++place) {
      Page::sort_out(from[place], map_, moving[place], displaced[place]);
      for (const std::uint64_t bits : moving[place])
        moved += static_cast<std::size_t>(std::popcount(bits));
    }
    const std::size_t too_many = moved - smaller<std::size_t>(moved, Page::slots);
    if (too_many != 0 && !take_overflow_room(too_many)) return false;

    Slot* const to = page(made);
    std::size_t misplaced = 0;
    Slot misplaced_slots[Page::slots];
    for (unsigned place = 0; place < width; ++place) {
      Slot* const at = from[place];
      misplaced = 0;
      for (unsigned word = 0; word < Page::slots / 64; ++word) {
        for (std::uint64_t bits = moving[place][word]; bits != 0; bits &= bits - 1) {
          Slot& slot = at[word * 64 + static_cast<unsigned>(std::countr_zero(bits))];
          if (!Page::put(to, slot)) {
            overflow_->table.release_room(1);
            (void)put_in_overflow(made, slot);
            --filled_;
          }
          slot = Slot{};
        }
        for (std::uint64_t bits = displaced[place][word]; bits != 0; bits &= bits - 1) {
          Slot& slot = at[word * 64 + static_cast<unsigned>(std::countr_zero(bits))];
          misplaced_slots[misplaced++] = std::exchange(slot, Slot{});
        }
      }
      // Nothing is left but keys at home, so first fit restores the rule of Page.
      for (std::size_t i = 0; i < misplaced; ++i) (void)Page::put(at, misplaced_slots[i]);
      moved += misplaced;
    }
    if (was_asked) ask_for(made);
    map_.add_page();
    limit_ = static_cast<std::size_t>(map_.pages() * ids_per_page);
    work_.count_step(moved * sizeof(Slot));
    return true;
  }

  PageMap map_;
  std::byte** chunks_ = nullptr;
  std::uint64_t small_pages_ = small_pages_before_large;
  Overflowing* overflow_ = nullptr;
  std::size_t filled_ = 0;
  std::size_t taken_ = 0;
  std::size_t limit_ = 0;
  std::size_t chunk_count_ = 0;
  std::size_t chunk_room_ = 0;
  std::byte* first_block_ = nullptr;
  bool owns_first_block_ = false;
  Hash hash_;
  std::uint64_t byte_limit_;
  bool huge_pages_;
  TableWork work_;
};

// An exact set of 128-bit words: a plain table until it has 4096 slots, pages from then on, unless
// the limit is so small that the grain of the chunks would cost too much of it.
template <class Hash, class Source = SystemPages>
class WordTable {
  using Plain = PlainTable<Slot, SlotHash, Source>;
  using Paged = PagedTable<Hash, Source>;

 public:
  static constexpr std::size_t min_capacity = Plain::min_capacity;
  static constexpr std::size_t last_plain_capacity = Paged::first_block_pages * Page::slots;
  static constexpr std::uint64_t least_limit_for_pages = std::uint64_t{2} << 20;

  WordTable(const Hash& hash, ByteSize byte_limit, bool huge_pages) noexcept
      : plain_(SlotHash{}, byte_limit),
        hash_(hash),
        mix_(hash),
        byte_limit_(byte_limit),
        huge_pages_(huge_pages) {}
  WordTable(const WordTable& other) : WordTable(other.hash_, other.byte_limit_, other.huge_pages_) {
    if (!assign(other)) throw_bad_alloc();
  }
  WordTable(WordTable&& other) noexcept
      : plain_(std::move(other.plain_)),
        paged_(std::exchange(other.paged_, nullptr)),
        hash_(other.hash_),
        mix_(other.mix_),
        byte_limit_(other.byte_limit_),
        huge_pages_(other.huge_pages_) {}
  WordTable& operator=(const WordTable& other) {
    if (this != &other) *this = WordTable(other);
    return *this;
  }
  WordTable& operator=(WordTable&& other) noexcept {
    WordTable moved(std::move(other));
    std::swap(plain_, moved.plain_);
    std::swap(paged_, moved.paged_);
    std::swap(hash_, moved.hash_);
    std::swap(mix_, moved.mix_);
    std::swap(byte_limit_, moved.byte_limit_);
    std::swap(huge_pages_, moved.huge_pages_);
    return *this;
  }
  ~WordTable() {
    if (paged_ != nullptr) Paged::destroy(paged_);
  }

  // Makes this table, which holds nothing, a copy of the contents; false: no memory.
  [[nodiscard]] bool assign(const WordTable& other) noexcept {
    if (other.paged_ == nullptr) return plain_.copy(other.plain_);
    paged_ = Paged::copy(*other.paged_);
    return paged_ != nullptr;
  }

  [[nodiscard]] std::size_t size() const noexcept {
    return paged_ != nullptr ? paged_->size() : plain_.size();
  }
  [[nodiscard]] std::size_t heap_bytes() const noexcept {
    return paged_ != nullptr ? paged_->heap_bytes() : plain_.heap_bytes();
  }
  [[nodiscard]] const Hash& hash() const noexcept { return hash_; }
  [[nodiscard]] TableWork work() const noexcept {
    TableWork total = plain_.work();
    if (paged_ != nullptr) total += paged_->work();
    return total;
  }
  void limit(ByteSize byte_limit) noexcept {
    byte_limit_ = byte_limit;
    plain_.limit(byte_limit);
    if (paged_ != nullptr) paged_->limit(byte_limit.count());
  }

  [[nodiscard]] bool contains(const Words& words) const noexcept {
    const Slot key = encode(words);
    return paged_ != nullptr ? paged_->contains(key) : plain_.contains(key);
  }

  [[nodiscard]] Verdict insert(const Words& words) noexcept { return insert_slot(encode(words)); }

  // words(i) is the i-th of them.
  template <class GetWords>
  void insert(GetWords&& words, std::span<Verdict> verdicts) noexcept {
    std::size_t i = 0;
    while (i < verdicts.size() && paged_ == nullptr) {
      verdicts[i] = insert(words(i));
      ++i;
    }
    if (i == verdicts.size()) return;
    paged_->insert(verdicts.size() - i, verdicts.subspan(i),
                   [&](std::size_t at) { return encode(words(i + at)); });
  }

  [[nodiscard]] bool erase(const Words& words) noexcept {
    const Slot key = encode(words);
    return paged_ != nullptr ? paged_->erase(key) : plain_.erase(key);
  }

  [[nodiscard]] bool reserve(std::size_t count) noexcept {
    if (paged_ != nullptr) return paged_->reserve(count);
    if (count <= Plain::room_for(last_plain_capacity) || !may_have_pages())
      return plain_.reserve(count);
    const std::uint64_t pages = Paged::pages_for(count);
    if (pages == 0) return false;
    const std::uint64_t beside =
        byte_limit_.count() - smaller<std::uint64_t>(byte_limit_.count(), plain_.heap_bytes());
    Paged* const paged = Paged::make(hash_, beside, huge_pages_, pages);
    if (paged == nullptr) return false;
    const bool all_in =
        paged->reserve(count) && (plain_.taken() == 0 || paged->take_room(plain_.taken())) &&
        plain_.each([&](const Slot& slot) { return paged->insert(slot) == Verdict::fresh; });
    if (!all_in) {
      Paged::destroy(paged);
      return false;
    }
    paged->count_step(plain_.size());
    if (Slot* const array = plain_.give_up(); array != nullptr) Source::give(array);
    paged->limit(byte_limit_.count());
    paged_ = paged;
    return true;
  }

  [[nodiscard]] bool take_room(std::size_t count = 1) noexcept {
    if (paged_ == nullptr && !make_plain_room(count)) return false;
    return paged_ != nullptr ? paged_->take_room(count) : plain_.take_room(count);
  }
  void release_room(std::size_t count = 1) noexcept {
    if (paged_ != nullptr) {
      paged_->release_room(count);
    } else {
      plain_.release_room(count);
    }
  }
  void record_in_room(const Words& words) noexcept {
    const Slot key = encode(words);
    if (paged_ != nullptr) {
      paged_->record_in_room(key);
    } else {
      plain_.record_in_room(key);
    }
  }

  [[nodiscard]] bool warm(std::size_t more) noexcept {
    if (paged_ == nullptr) {
      const std::size_t present = plain_.size() + plain_.taken();
      if (more > std::numeric_limits<std::size_t>::max() - present) return false;
      if (!reserve(present + more)) return false;
    }
    return paged_ == nullptr || paged_->warm(more);
  }

  void clear() noexcept {
    if (paged_ != nullptr) {
      paged_->clear();
    } else {
      plain_.clear();
    }
  }

  // Runs keep(words) for every id until it says false, in no order.
  bool each(Visitor<Words> keep) const {
    const auto visit = [&](const Slot& slot) { return keep(decode(slot)); };
    return paged_ != nullptr ? paged_->each(Visitor<Slot>(visit)) : plain_.each(visit);
  }

  // Runs run(words) for every id in the order of their hashes, which the contents and the seed
  // alone decide. False: no memory for the sorting, and nothing was run.
  template <class F>
  [[nodiscard]] bool each_in_order(F&& run) const {
    const std::size_t aside = paged_ == nullptr ? plain_.size() : paged_->overflow_size();
    const std::size_t room = 2 * aside + (paged_ == nullptr ? 0 : Paged::most_in_group);
    if (room == 0) return true;
    const Scratch<Slot, Source> scratch(room);
    if (scratch.slots == nullptr) return false;

    std::size_t count = 0;
    const auto collect = [&](const Slot& slot) {
      scratch.slots[count++] = slot;
      return true;
    };
    (void)(paged_ == nullptr ? plain_.each(collect)
                             : paged_->each_in_overflow(Visitor<Slot>(collect)));
    sort(scratch.slots, count);
    if (paged_ == nullptr) {
      for (std::size_t i = 0; i < count; ++i) run(decode(scratch.slots[i]));
      return true;
    }
    Slot* const together = scratch.slots + aside;
    std::size_t next = 0;
    for (std::uint64_t group = 0; group < paged_->map().groups(); ++group) {
      std::size_t held = paged_->copy_group(group, together);
      while (next < aside && paged_->map().group_of(scratch.slots[next].hash) == group)
        together[held++] = scratch.slots[next++];
      sort(together, held);
      for (std::size_t i = 0; i < held; ++i) run(decode(together[i]));
    }
    return true;
  }

 private:
  // A Feistel network of two rounds: a bijection, so both words together are the id, and the first
  // of them a hash of all of it. So growth never hashes again.
  [[nodiscard]] Slot encode(const Words& words) const noexcept {
    const std::uint64_t rest = words.hi ^ mix_(words.lo);
    return {words.lo ^ mix_(rest), rest};
  }
  [[nodiscard]] Words decode(const Slot& slot) const noexcept {
    const std::uint64_t lo = slot.hash ^ mix_(slot.rest);
    return {slot.rest ^ mix_(lo), lo};
  }

  [[nodiscard]] bool may_have_pages() const noexcept {
    return byte_limit_.count() >= least_limit_for_pages;
  }

  [[nodiscard]] Verdict insert_slot(const Slot& key) noexcept {
    if (paged_ != nullptr) return paged_->insert(key);
    if (plain_.has_room()) return plain_.insert(key);
    if (plain_.contains(key)) return Verdict::duplicate;
    if (!make_plain_room(1)) return Verdict::full;
    return paged_ != nullptr ? paged_->insert(key) : plain_.insert(key);
  }

  // Room in the plain table, or pages instead of it.
  [[nodiscard]] bool make_plain_room(std::size_t count) noexcept {
    const std::size_t wanted = plain_.size() + plain_.taken() + count;
    if (wanted <= Plain::room_for(plain_.capacity())) return true;
    if (!may_have_pages() || plain_.wanted_capacity() <= last_plain_capacity) return true;
    if (plain_.capacity() < last_plain_capacity && !plain_.grow_to(last_plain_capacity))
      return false;
    if (wanted <= Plain::room_for(last_plain_capacity)) return true;
    paged_ = Paged::take_over(plain_, hash_, byte_limit_.count(), huge_pages_);
    return paged_ != nullptr;
  }

  static void sort(Slot* slots, std::size_t count) noexcept {
    heap_sort(slots, count, [](const Slot& a, const Slot& b) {
      return a.hash != b.hash ? a.hash < b.hash : a.rest < b.rest;
    });
  }

  Plain plain_;
  Paged* paged_ = nullptr;
  Hash hash_;
  RoundFunction<Hash> mix_;
  ByteSize byte_limit_;
  bool huge_pages_;
};

}  // namespace idem::inline IDEM_ABI::detail
