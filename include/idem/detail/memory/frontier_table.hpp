#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include <idem/core/bytes.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/block_move.hpp>
#include <idem/detail/memory/chunks.hpp>
#include <idem/detail/memory/frontier_chunks.hpp>
#include <idem/detail/memory/frontier_layout.hpp>
#include <idem/detail/memory/id_bucket.hpp>
#include <idem/detail/memory/id_table.hpp>
#include <idem/detail/memory/wide_id.hpp>
#include <idem/memory/set_options.hpp>

namespace idem::inline IDEM_ABI::detail {

// The rules of growth and erase that a test can plant a wrong one of.
struct FrontierRules {
  // Where an id lies between the first bucket and the last: in proportion to its hash, or, with a
  // bend of 1 to 4, the nearer to each other the higher. x + bend / 16 * x * (1 - x), whose slope
  // falls from 1 + bend / 16 to 1 - bend / 16. The product falls by 1 at most from one hash to the
  // next, so the position never does.
  [[nodiscard, gnu::always_inline]] static inline std::uint64_t position(
      std::uint64_t hash, std::uint64_t bend) noexcept {
    return hash + (multiply_high(hash, ~hash) * bend >> 4);
  }
  // The last hash of the old layout, once block number `block` was emptied, which begins at
  // `first_hash`.
  [[nodiscard]] static std::uint64_t last_old(std::uint64_t first_hash, std::uint64_t,
                                              std::uint64_t) noexcept {
    return first_hash - 1;
  }
  // Whether the highest new block of a step has ids from the step before.
  [[nodiscard]] static bool is_shared(std::uint64_t highest, std::uint64_t initialised) noexcept {
    return highest >= initialised;
  }
  // Whether an id so far from home had to pass the bucket that lies `distance` before it.
  [[nodiscard]] static bool passed(unsigned from_home, unsigned distance) noexcept {
    return from_home >= distance;
  }
  // Whether the overflow must be looked through once a full block has lost an id.
  [[nodiscard]] static bool takes_back(bool was_full) noexcept { return was_full; }
};

// An exact set of hashed 128-bit ids that grows a block at a time. docs/decisions/0002.
//
// Blocks of 4 KiB: 32 buckets of 8 slots, two neighbouring lines each. Bucket number
// floor(hash * buckets / 2^64) is where an id belongs, so the table is in the order of the hashes; a
// full bucket sends it to the next one of the same block, round its end. A bucket fills from slot 0
// and a new id enters there, pushing the others up: an insert stores to addresses that follow from
// the hash alone, and the loads of the next one need not wait for this bucket to arrive.
//
// Growth gives the ids of `old` blocks to more `new` ones, from the highest hash downwards: the ids
// up to last_old_ still lie in the old layout. Chunks of blocks that were emptied are filled again
// at the new end, so what is held is what is used.
//
// An id whose block is full, and one whose hash is zero, goes to the overflow: an array under
// another seed. Whatever lies there has a full block (or hash zero), so no other look-up asks it.
template <class Hash, class Source = SystemChunks, class Rules = FrontierRules>
class FrontierTable {
 public:
  static constexpr unsigned bucket_slots = IdBucket::slots;
  static constexpr unsigned block_slots = IdBucket::block_slots;
  static constexpr unsigned block_buckets = IdBucket::block_buckets;
  static constexpr std::size_t block_bytes = IdBucket::block_bytes;

  FrontierTable(const Hash& hash, ByteSize byte_limit, bool huge_pages) noexcept
      : memory_(huge_pages),
        byte_limit_(byte_limit),
        overflow_(under_another_seed(hash), byte_limit) {}

  // Room taken in the other stays there.
  FrontierTable(const FrontierTable& other)
      : last_old_(other.last_old_),
        is_even_(other.is_even_),
        next_hash_(other.next_hash_),
        due_(other.due_),
        blocks_left_(other.blocks_left_),
        initialised_(other.initialised_),
        memory_(other.memory_.huge_pages()),
        byte_limit_(other.byte_limit_),
        work_(other.work_),
        overflow_(other.overflow_) {
    for (const std::size_t which : {std::size_t{0}, std::size_t{1}}) {
      if (which == 0 && other.layouts_[0].chunks == other.layouts_[1].chunks) continue;
      if (!copy_layout(layouts_[which], other.layouts_[which])) {
        release();
        throw_bad_alloc();
      }
    }
    if (layouts_[0].bytes == 0) layouts_[0] = layouts_[1];
    set_room(other.size());
  }
  FrontierTable(FrontierTable&& other) noexcept
      : memory_(other.memory_.huge_pages()),
        byte_limit_(other.byte_limit_),
        overflow_(std::move(other.overflow_)) {
    swap_state(other);
  }
  FrontierTable& operator=(const FrontierTable& other) {
    if (this != &other) *this = FrontierTable(other);
    return *this;
  }
  FrontierTable& operator=(FrontierTable&& other) noexcept {
    FrontierTable moved(std::move(other));
    std::swap(overflow_, moved.overflow_);
    std::swap(byte_limit_, moved.byte_limit_);
    swap_state(moved);
    return *this;
  }
  ~FrontierTable() { release(); }

  // Begins an empty table with room for `count` ids; false: limit or memory, nothing changed.
  // One that will grow on begins as if it had grown.
  [[nodiscard]] bool begin(std::uint64_t count, bool grows_on) noexcept {
    if (!begin_unfilled(count, grows_on)) return false;
    Front front;
    empty_rest(front);
    return true;
  }
  // The same for ids that come in ascending order, by fill() alone and from that alone until
  // empty_rest(): what lies in the blocks up to then is anything.
  [[nodiscard]] bool begin_unfilled(std::uint64_t count, bool grows_on) noexcept {
    const std::uint64_t blocks = blocks_for(count);
    const unsigned bend = grows_on ? most_bend : 0;
    Layout layout;
    if (blocks == 0 || !may_hold_all(blocks) || !make_layout(layout, blocks, bend)) return false;
    bool is_whole = ensure_overflow(block_slots + taken_);
    for (std::uint64_t chunk = 0; is_whole && chunk < layout.chunk_count; ++chunk) {
      layout.chunks[chunk] = take_chunk(layout.has_slabs);
      is_whole = layout.chunks[chunk] != nullptr;
    }
    if (!is_whole) {
      memory_.give_layout(layout);
      release();
      overflow_ = Overflow(overflow_.hash(), byte_limit_);
      return false;
    }
    layouts_[0] = layouts_[1] = layout;
    set_due();
    due_ = larger(due_, count);
    set_room(0);
    return true;
  }
  // Counts the ids of an array that came here, and what it had cost.
  void moved_in(const SetWork& before) noexcept {
    work_.steps += before.steps;
    work_.ids_moved += before.ids_moved;
    work_.most_bytes = larger(work_.most_bytes, before.most_bytes);
    count_step(size());
  }
  [[nodiscard]] bool has_begun() const noexcept { return layouts_[1].bytes != 0; }
  // Back to what it was before begin().
  void end() noexcept {
    release();
    overflow_ = Overflow(overflow_.hash(), byte_limit_);
    FrontierTable fresh(overflow_.hash(), byte_limit_, memory_.huge_pages());
    swap_state(fresh);
  }

  [[nodiscard]] std::size_t size() const noexcept {
    return static_cast<std::size_t>(full_size_ - room_);
  }
  [[nodiscard]] std::size_t taken() const noexcept { return taken_; }
  [[nodiscard]] std::size_t heap_bytes() const noexcept {
    return memory_.bytes() + overflow_.heap_bytes();
  }
  [[nodiscard]] const SetWork& work() const noexcept { return work_; }
  void limit(ByteSize byte_limit) noexcept { byte_limit_ = byte_limit; }

  // Fetches what a call on the key will touch first.
  [[gnu::always_inline]] inline void prefetch(const Slot& key) const noexcept {
    IdBucket::prefetch(bucket_of(key.hash));
  }

  [[nodiscard]] bool contains(const Slot& key) const noexcept {
    if (key.hash != 0) {
      const Slot* bucket = bucket_of(key.hash);
      for (unsigned tries = 0; tries < block_buckets; ++tries) {
        if (IdBucket::index_in(bucket, key) < bucket_slots) return true;
        if (!IdBucket::is_full(bucket)) return false;
        bucket = IdBucket::next(bucket);
      }
    }
    return overflow_.contains(key);
  }

  [[nodiscard, gnu::always_inline]] inline Verdict insert(const Slot& key) noexcept {
    if (!has_room()) [[unlikely]]
      return insert_without_room(key.hash, key.rest);
    return insert_with_room(key);
  }
  [[nodiscard, gnu::always_inline]] inline Verdict insert_with_room(const Slot& key) noexcept {
    return insert_in_room(key, come_home(key.hash));
  }
  // Whether an insert needs no step of growth. False before begin().
  [[nodiscard]] bool has_room() const noexcept { return room_ != 0; }
  [[nodiscard, gnu::noinline]] Verdict insert_without_room(std::uint64_t hash,
                                                           std::uint64_t rest) noexcept {
    const Slot key{hash, rest};
    if (contains(key)) return Verdict::duplicate;
    return make_room() ? insert_in_room(key, bucket_of(key.hash)) : Verdict::full;
  }

  // key_of(i) is the i-th key.
  void insert(std::size_t count, Verdict* verdicts, const auto& key_of) noexcept {
    constexpr std::size_t ahead = 32, second = 8;
    struct Coming {
      Slot key;
      Slot* home = nullptr;
    };
    std::array<Coming, ahead> ring;
    const auto take = [&](std::size_t i) {
      const Slot key = key_of(i);
      Slot* const home = bucket_of(key.hash);
      ring[i % ahead] = {key, home};
      IdBucket::prefetch(home);
    };
    for (std::size_t i = 0; i < smaller(ahead, count); ++i) take(i);
    for (std::size_t i = 0; i < smaller(second, count); ++i) prefetch_rest(ring[i].home);
    for (std::size_t i = 0; i < count; ++i) {
      if (i + second < count) prefetch_rest(ring[(i + second) % ahead].home);
      const auto [key, home] = ring[i % ahead];
      if (i + ahead < count) take(i + ahead);
      if (!has_room()) [[unlikely]] {
        const std::uint64_t steps = work_.steps;
        verdicts[i] = insert_without_room(key.hash, key.rest);
        // A step moves the homes of some. A table that is as full as it may be takes none, and is
        // not to be slow at telling duplicates.
        if (work_.steps != steps)
          for (Coming& coming : ring) coming.home = bucket_of(coming.key.hash);
        continue;
      }
      prefetch_step();
      verdicts[i] = insert_in_room(key, home);
    }
  }

  // How far a table is that is filled in ascending order.
  struct Front {
    std::uint64_t emptied = 0;  // blocks
    std::uint64_t seen = 0;     // buckets, of which the last ones may hold ids already
  };
  static constexpr std::size_t most_to_fill = 256;

  // New keys in ascending order, all behind what is there, at most most_to_fill, with room reserved
  // and a layout that is even: blocks are emptied just before their ids come, while they are on
  // their way into the cache anyway. False: there was no room.
  [[nodiscard]] bool fill(Front& front, const Slot* keys, std::size_t count) noexcept {
    if (count > room_) return false;
    std::size_t i = 0;
    for (; i < count && keys[i].hash == 0; ++i)
      if (insert_overflow(keys[i]) != Verdict::fresh) return false;
    const Layout layout = layouts_[1];
    std::array<std::uint64_t, most_to_fill> homes;
    for (std::size_t k = i; k < count; ++k) homes[k] = layout.even_home(keys[k].hash);
    std::uint64_t number = ~std::uint64_t{0};
    std::uint64_t last = ~std::uint64_t{0};
    std::uint64_t place = 0;
    Slot* block = nullptr;
    room_ -= count - i;
    for (; i < count; ++i) {
      const std::uint64_t home = homes[i];
      if (home / block_buckets != number) {
        number = home / block_buckets;
        block = layout.block(number);
        empty_blocks(front, number + 1);
      }
      // No branch: how many ids a bucket gets is anybody's guess.
      const bool is_same = home == last;
      place = (place + 1) & (std::uint64_t{0} - is_same);
      last = home;
      Slot* const bucket = block + home % block_buckets * bucket_slots;
      if ((home < front.seen) | (place >= bucket_slots)) [[unlikely]] {
        if (!is_same) place = IdBucket::ids_in(bucket);
        if (place >= bucket_slots) {
          if (fill_past(front, keys[i], bucket, number)) continue;
          room_ += count - i;
          return false;
        }
      }
      bucket[place] = keys[i];
    }
    front.seen = larger(front.seen, last + 1);
    return true;
  }
  void empty_rest(Front& front) noexcept { empty_blocks(front, layouts_[1].blocks()); }

  [[nodiscard]] bool erase(const Slot& key) noexcept {
    if (key.hash != 0) {
      Slot* bucket = bucket_of(key.hash);
      for (unsigned tries = 0; tries < block_buckets; ++tries) {
        const unsigned index = IdBucket::index_in(bucket, key);
        if (index < bucket_slots) {
          const bool was_full = overflow_.size() != 0 && IdBucket::is_full_block(bucket);
          take_out(bucket, index);
          set_room(size() - 1);
          if (Rules::takes_back(was_full)) take_back();
          return true;
        }
        if (!IdBucket::is_full(bucket)) return false;
        bucket = IdBucket::next(bucket);
      }
    }
    if (!overflow_.erase(key)) return false;
    set_room(size() - 1);
    return true;
  }

  // Room for `count` ids in all without growing again; false: limit or memory, no id has changed.
  [[nodiscard]] bool reserve(std::size_t count) noexcept {
    if (count > std::numeric_limits<std::size_t>::max() - taken_) return false;
    const std::uint64_t wanted = std::uint64_t{count} + taken_;
    if (wanted <= due_) return true;
    const std::uint64_t blocks = blocks_for(wanted);
    if (blocks == 0) return false;
    if (!may_hold_all(blocks)) return false;
    while (blocks_left_ != 0)
      if (!step()) return false;
    if (wanted <= due_) return true;
    if (!begin_cycle(blocks, 0)) return false;
    while (blocks_left_ != 0)
      if (!step()) return false;
    due_ = larger(due_, wanted);
    set_room(size());
    return true;
  }

  [[nodiscard, gnu::always_inline]] inline bool take_room() noexcept {
    if (!has_room() || overflow_.room_left() <= taken_) [[unlikely]]
      return take_room_by_growing();
    ++taken_;
    --room_;
    --full_size_;
    return true;
  }
  // Rooms taken elsewhere, before any id is here.
  [[nodiscard]] bool take_rooms(std::size_t count) noexcept {
    if (!ensure_overflow(block_slots + count)) return false;
    taken_ = count;
    set_room(size());
    return true;
  }
  void release_room() noexcept {
    --taken_;
    set_room(size());
  }
  [[gnu::always_inline]] inline void record_in_room(const Slot& key) noexcept {
    --taken_;
    ++room_;
    ++full_size_;
    if (insert_in_room(key, bucket_of(key.hash)) != Verdict::fresh) [[unlikely]]
      set_room(size());
  }

  void clear() noexcept {
    overflow_.clear();
    each_block([&](Slot* block) { std::memset(static_cast<void*>(block), 0, block_bytes); });
    set_room(0);
  }

  // keep(slot) for every id until it says false, in no order; false if it did.
  template <class Keep>
  bool each(Keep&& keep) const {
    bool goes_on = overflow_.each(keep);
    each_block([&](const Slot* block) {
      for (unsigned i = 0; goes_on && i < block_slots; ++i)
        if (block[i].hash != 0) goes_on = keep(block[i]);
    });
    return goes_on;
  }

  // In ascending order of the hashes: sort_block(block, spread_bits) for each block that has all its
  // ids, whose hashes lie less than 2^(63 - spread_bits) from each other, and sort_slots(each_slot)
  // for any other range of hashes.
  template <class SortBlock, class SortSlots>
  void each_range(SortBlock&& sort_block, SortSlots&& sort_slots) const {
    if (overflow_.size() != 0) {
      sort_slots([&](const auto& take) {
        overflow_.each([&](const Slot& slot) {
          if (slot.hash == 0) take(slot);
          return true;
        });
      });
    }
    const auto sort = [&](const Layout& layout, std::uint64_t number) {
      const Slot* const block = layout.block(number);
      if (overflow_.size() == 0 || !IdBucket::is_full_block(block))
        return sort_block(block, layout.spread_bits());
      sort_slots([&](const auto& take) {
        for (unsigned i = 0; i < block_slots; ++i) take(block[i]);
        overflow_.each([&](const Slot& slot) {
          if (slot.hash != 0 && block_of(slot.hash) == block) take(slot);
          return true;
        });
      });
    };
    for (std::uint64_t i = 0; i < blocks_left_; ++i) sort(layouts_[0], i);
    for (std::uint64_t i = initialised_; i < layouts_[1].blocks(); ++i) sort(layouts_[1], i);
  }

  // take(slot) for every id whose hash is at least `first` and at most `last`, in no order.
  template <class Take>
  void each_between(std::uint64_t first, std::uint64_t last, Take&& take) const {
    const auto give = [&](const Slot& slot) {
      if (slot.hash >= first && slot.hash <= last) take(slot);
      return true;
    };
    bool overflows = first == 0;
    const auto visit = [&](const Layout& layout, std::uint64_t from, std::uint64_t to) {
      for (std::uint64_t number = layout.block_of(from); number <= layout.block_of(to); ++number) {
        const Slot* const block = layout.block(number);
        for (unsigned i = 0; i < block_slots; ++i)
          if (block[i].hash != 0) (void)give(block[i]);
        overflows = overflows || (overflow_.size() != 0 && IdBucket::is_full_block(block));
      }
    };
    if (first <= last_old_) visit(layouts_[0], first, smaller(last, last_old_));
    if (last > last_old_) visit(layouts_[1], larger(first, last_old_ + 1), last);
    if (overflows) (void)overflow_.each(give);
  }

  // The buckets an id lies from home, counted over all ids; the last entry: those in the overflow.
  [[nodiscard]] std::array<std::uint64_t, block_buckets + 1> probe_lengths() const noexcept {
    std::array<std::uint64_t, block_buckets + 1> lengths{};
    lengths[block_buckets] = overflow_.size();
    each_block([&](const Slot* block) {
      for (unsigned i = 0; i < block_slots; ++i) {
        if (block[i].hash == 0) continue;
        ++lengths[(i / bucket_slots - home_in_block(block[i].hash)) % block_buckets];
      }
    });
    return lengths;
  }

 private:
  using Overflow = IdTable<Slot, Hash>;
  using Layout = FrontierLayout<Rules>;
  using Memory = FrontierChunks<Source>;

  // Small tables are roomier, and grow by half instead of a quarter: 26.7 bytes an id, and in cache
  // nobody counts them. Larger ones keep 24 bytes at every size.
  static constexpr std::uint64_t large_table_blocks = 5000;
  static constexpr std::uint64_t block_ids_small = 153;
  static constexpr std::uint64_t block_ids_large = 173;
  static constexpr std::uint64_t block_ids_most = 190;
  static constexpr std::uint64_t least_to_ask_for = std::uint64_t{1} << 26;
  static constexpr std::uint64_t slab_table_blocks = 2048;
  static constexpr std::uint64_t slab_blocks = Source::slab_bytes / block_bytes;
  // Limits every product of sizes here to 64 bits.
  static constexpr std::uint64_t most_blocks = std::uint64_t{1} << 44;

  [[nodiscard]] static constexpr std::uint64_t block_ids(std::uint64_t blocks) noexcept {
    return blocks < large_table_blocks ? block_ids_small : block_ids_large;
  }
  // Zero: more than there can be.
  [[nodiscard]] static constexpr std::uint64_t blocks_for(std::uint64_t ids) noexcept {
    std::uint64_t blocks = ids / block_ids_large + 1;
    if (blocks < large_table_blocks) blocks = larger<std::uint64_t>(8, ids / block_ids_small + 1);
    if (blocks > most_blocks) return 0;
    // The last slab is not begun for a few.
    const std::uint64_t whole = blocks / slab_blocks * slab_blocks;
    return whole >= large_table_blocks && whole * block_ids_most >= ids ? whole : blocks;
  }
  [[nodiscard]] static Hash under_another_seed(const Hash& hash) noexcept {
    return Hash(Seed{hash.slot(5), hash.slot(6)});
  }

  [[nodiscard]] const Layout& layout_of(std::uint64_t hash) const noexcept {
    return layouts_[hash > last_old_ ? 1 : 0];
  }
  [[nodiscard, gnu::always_inline]] inline Slot* bucket_of(std::uint64_t hash) const noexcept {
    return is_even_ ? layouts_[1].even_home_of(hash) : layout_of(hash).home_of(hash);
  }
  // The home of an id that is inserted next, with all that is to be fetched.
  [[nodiscard, gnu::always_inline]] inline Slot* come_home(std::uint64_t hash) noexcept {
    Slot* home;
    if (is_even_) {
      home = layouts_[1].even_home_of(hash);
    } else {
      prefetch_step();
      home = layout_of(hash).home_of(hash);
      // A quarter are full where the table grows, and the next one is as far away.
      IdBucket::prefetch_behind(home);
    }
    // Keeps what follows from standing there twice, which costs as much as this saves.
    asm("" : "+r"(home));
    return home;
  }
  [[nodiscard]] Slot* block_of(std::uint64_t hash) const noexcept {
    const Layout& layout = layout_of(hash);
    return layout.block(layout.block_of(hash));
  }
  [[nodiscard]] unsigned home_in_block(std::uint64_t hash) const noexcept {
    return static_cast<unsigned>(layout_of(hash).home(hash) % block_buckets);
  }

  [[nodiscard, gnu::noinline]] bool take_room_by_growing() noexcept {
    if (!has_room() && !make_room()) return false;
    if (!ensure_overflow(taken_ + 1)) return false;
    ++taken_;
    set_room(size());
    return true;
  }

  // There is room for the key, and the bucket is its home. A hash of zero is that of an empty slot,
  // so it comes to the overflow by either way.
  [[nodiscard, gnu::always_inline]] inline Verdict insert_in_room(const Slot& key,
                                                                  Slot* home) noexcept {
    if (!IdBucket::enter(home, key)) [[unlikely]]
      return insert_past(key.hash, key.rest, home);
    --room_;
    return Verdict::fresh;
  }
  // From the bucket on. The key comes as two words: as one that is stored in halves and loaded whole
  // it would wait until the call before has ended, and with it for that one's bucket.
  [[nodiscard, gnu::noinline]] Verdict insert_past(std::uint64_t hash, std::uint64_t rest,
                                                   Slot* bucket) noexcept {
    for (unsigned tries = 0; tries < block_buckets; ++tries) {
      if (hash == 0) [[unlikely]]
        break;
      if (IdBucket::holds(bucket, {hash, rest})) return Verdict::duplicate;
      if (!IdBucket::is_full(bucket)) {
        IdBucket::push(bucket, {hash, rest});
        --room_;
        return Verdict::fresh;
      }
      bucket = IdBucket::next(bucket);
    }
    return insert_overflow({hash, rest});
  }
  [[nodiscard, gnu::noinline]] Verdict insert_overflow(Slot key) noexcept {
    if (overflow_.contains(key)) return Verdict::duplicate;
    if (!ensure_overflow(taken_ + 1)) return Verdict::full;
    (void)overflow_.insert(key);
    ++work_.overflowed;
    --room_;
    return Verdict::fresh;
  }

  void empty_blocks(Front& front, std::uint64_t end) noexcept {
    for (; front.emptied < end; ++front.emptied)
      std::memset(static_cast<void*>(layouts_[1].block(front.emptied)), 0, block_bytes);
  }
  // A key that counts already, behind its home, which is full, in block number `number`.
  [[nodiscard, gnu::noinline]] bool fill_past(Front& front, Slot key, Slot* home,
                                              std::uint64_t number) noexcept {
    Slot* bucket = IdBucket::next(home);
    for (; bucket != home; bucket = IdBucket::next(bucket)) {
      if (IdBucket::is_full(bucket)) continue;
      bucket[IdBucket::ids_in(bucket)] = key;
      front.seen =
          larger(front.seen, number * block_buckets + IdBucket::number_in_block(bucket) + 1);
      return true;
    }
    ++room_;
    const bool has_room = insert_overflow(key) == Verdict::fresh;
    if (!has_room) --room_;
    return has_room;
  }

  // An id that is not there, where it belongs in that layout or into the overflow, which has room.
  void put(const Slot& key, const Layout& layout) noexcept {
    Slot* bucket = layout.home_of(key.hash);
    for (unsigned tries = 0; tries < block_buckets; ++tries) {
      if (!IdBucket::is_full(bucket)) {
        IdBucket::push(bucket, key);
        return;
      }
      bucket = IdBucket::next(bucket);
    }
    put_in_overflow(key);
  }
  void put_in_overflow(const Slot& key) noexcept {
    (void)overflow_.insert(key);
    ++work_.overflowed;
  }

  // Empties a slot and moves back what had to pass its bucket.
  void take_out(Slot* bucket, unsigned index) noexcept {
    for (;;) {
      const bool was_full = IdBucket::is_full(bucket);
      unsigned last = bucket_slots - 1;
      while (bucket[last].hash == 0) --last;
      bucket[index] = bucket[last];
      bucket[last] = Slot{};
      if (!was_full) return;
      const unsigned here = IdBucket::number_in_block(bucket);
      Slot* from = bucket;
      unsigned found = bucket_slots;
      for (unsigned distance = 1; distance < block_buckets && found == bucket_slots; ++distance) {
        from = IdBucket::next(from);
        for (unsigned i = 0; i < bucket_slots && from[i].hash != 0; ++i) {
          const unsigned from_home =
              (here + distance - home_in_block(from[i].hash)) % block_buckets;
          if (Rules::passed(from_home, distance)) found = i;
        }
        if (!IdBucket::is_full(from)) break;
      }
      if (found == bucket_slots) return;
      bucket[bucket_slots - 1] = from[found];
      bucket = from;
      index = found;
    }
  }
  // Ids of the overflow whose block has room go there.
  void take_back() noexcept {
    overflow_.take_out(
        [&](const Slot& slot) {
          return slot.hash != 0 && !IdBucket::is_full_block(bucket_of(slot.hash));
        },
        [&](const Slot& slot) { put(slot, layout_of(slot.hash)); });
  }

  [[nodiscard]] bool ensure_overflow(std::size_t free) noexcept {
    if (overflow_.room_left() >= free) return true;
    const std::size_t wanted = overflow_.size() + free;
    const std::uint64_t own = memory_.bytes();
    overflow_.limit(ByteSize(byte_limit_.count() - smaller(own, byte_limit_.count())));
    return overflow_.reserve(wanted + wanted / 8) || overflow_.reserve(wanted);
  }

  [[nodiscard]] std::uint64_t bytes_left() const noexcept {
    return byte_limit_.count() - smaller<std::uint64_t>(heap_bytes(), byte_limit_.count());
  }

  // Whether the limit and, as far as it can be known ahead, the system have room for a table of so
  // many blocks: a reserve() that stopped midway would leave most ids in the few blocks of the old
  // layout. Slabs are mapped one by one, and a system that promises more than it has would only
  // tell when they are touched; it is asked for all of them at once first.
  [[nodiscard]] bool may_hold_all(std::uint64_t blocks) const noexcept {
    const bool has_slabs = blocks >= slab_table_blocks;
    const std::uint64_t unit = has_slabs ? Source::slab_bytes : Source::chunk_bytes;
    const std::uint64_t bytes = (blocks * block_bytes + unit - 1) / unit * unit;
    // With both directories, the list of slabs while it grows, and the overflow while it does.
    const std::uint64_t overflow =
        overflow_.heap_bytes() +
        2 * sizeof(Slot) * Overflow::capacity_for(overflow_.size() + block_slots + taken_);
    const std::uint64_t directory =
        (blocks * block_bytes / Memory::chunk_bytes(has_slabs) + 1) * sizeof(void*);
    const std::uint64_t all_bytes =
        larger(bytes + memory_.directory_bytes(), memory_.bytes() + unit) + directory +
        (has_slabs ? Memory::list_bytes(bytes / unit) : 0) + overflow;
    if (all_bytes > byte_limit_.count()) return false;
    if (bytes < least_to_ask_for) return true;
    void* const all = ::operator new(static_cast<std::size_t>(bytes), std::nothrow);
    ::operator delete(all);
    return all != nullptr;
  }

  [[nodiscard]] std::byte* take_chunk(bool of_slab) noexcept {
    return memory_.take(of_slab, bytes_left());
  }
  // An emptied one. Those of a table that was too small for slabs are given back.
  void spare_chunk(std::byte* chunk, bool of_slab) noexcept {
    of_slab || !layouts_[1].has_slabs ? memory_.spare(chunk) : memory_.give(chunk);
  }

  [[nodiscard]] bool make_layout(Layout& layout, std::uint64_t blocks,
                                 std::uint64_t bend) noexcept {
    const bool has_slabs = blocks >= slab_table_blocks;
    layout = Layout::of(blocks, bend, Memory::chunk_bytes(has_slabs), has_slabs);
    return memory_.take_directory(layout, bytes_left());
  }
  [[nodiscard]] bool copy_layout(Layout& layout, const Layout& from) noexcept {
    if (from.bytes == 0) return true;
    if (!make_layout(layout, from.blocks(), from.bend)) return false;
    for (std::uint64_t i = 0; i < from.chunk_count; ++i) {
      if (from.chunks[i] == nullptr) continue;
      layout.chunks[i] = take_chunk(layout.has_slabs);
      if (layout.chunks[i] == nullptr) return false;
      std::memcpy(layout.chunks[i], from.chunks[i], layout.chunk_bytes());
    }
    return true;
  }
  void release() noexcept {
    if (layouts_[0].chunks != layouts_[1].chunks && layouts_[0].chunks != nullptr)
      memory_.give_layout(layouts_[0]);
    if (layouts_[1].chunks != nullptr) memory_.give_layout(layouts_[1]);
    layouts_[0] = layouts_[1] = Layout{};
    memory_.give_all();
  }

  // visit(block) in the order of the hashes.
  template <class Visit>
  void each_block(Visit&& visit) const {
    for (std::uint64_t i = 0; i < blocks_left_; ++i) visit(layouts_[0].block(i));
    for (std::uint64_t i = initialised_; i < layouts_[1].blocks(); ++i) visit(layouts_[1].block(i));
  }

  // Room for one more, by one step of growth or more; false: limit or memory, no id has changed.
  // Steps that came due together, with the memory for them, are spread over the inserts that follow,
  // so that each finds its memory fetched.
  [[nodiscard, gnu::noinline]] bool make_room() noexcept {
    const std::uint64_t ids = size(), count = ids + taken_;
    do {
      bool has_grown = blocks_left_ != 0 || begin_cycle(next_blocks(), next_bend());
      if (has_grown && count < due_) return true;
      has_grown = has_grown && step();
      if (!has_grown) {
        due_ = larger(due_, count);
        set_room(ids);
        return false;
      }
    } while (count > live_blocks() * block_ids_most);
    due_ = larger(due_, count + prefetches);
    set_room(ids);
    return true;
  }

  // A table that was made evenly comes to its bend in three cycles of less growth.
  static constexpr std::uint64_t most_bend = 3;
  [[nodiscard]] std::uint64_t next_bend() const noexcept {
    return smaller(layouts_[1].bend + 1, most_bend);
  }
  [[nodiscard]] std::uint64_t next_blocks() const noexcept {
    constexpr std::array<std::uint64_t, most_bend + 1> more{25, 30, 40, 46};  // in 100
    return layouts_[1].blocks() * (100 + more[layouts_[1].bend]) / 100;
  }
  // Emptied blocks do not count, nor new ones that nothing has come to.
  [[nodiscard]] std::uint64_t live_blocks() const noexcept {
    return blocks_left_ + layouts_[1].blocks() - initialised_;
  }

  [[nodiscard]] bool begin_cycle(std::uint64_t blocks, std::uint64_t bend) noexcept {
    Layout layout;
    if (blocks > most_blocks || !make_layout(layout, blocks, bend)) return false;
    layouts_[0] = layouts_[1];
    layouts_[1] = layout;
    if (layout.has_slabs && !memory_.has_slabs()) memory_.give_spares();
    blocks_left_ = layouts_[0].blocks();
    initialised_ = blocks;
    last_old_ = ~std::uint64_t{0};
    next_hash_ = layouts_[0].first_hash_of(blocks_left_ - 1);
    set_due();
    return true;
  }

  // The ids of the highest old block go to the new ones; false: limit or memory, no id has changed.
  [[nodiscard]] bool step() noexcept {
    Layout& old = layouts_[0];
    Layout& fresh = layouts_[1];
    const std::uint64_t number = blocks_left_ - 1;
    const std::uint64_t first_hash = next_hash_;
    const std::uint64_t lowest = fresh.block_of(first_hash);
    const std::uint64_t highest = fresh.block_of(last_old_);
    if (!ensure_overflow(block_slots + taken_) || !take_chunks(lowest)) return false;
    const bool highest_has_ids = Rules::is_shared(highest, initialised_);

    GatheredIds ids;
    const unsigned count = gather_ids(old.block(number), ids);
    while (initialised_ > lowest) {
      --initialised_;
      std::memset(static_cast<void*>(fresh.block(initialised_)), 0, block_bytes);
    }
    blocks_left_ = number;
    last_old_ = Rules::last_old(first_hash, number, old.blocks());
    if (highest - lowest < most_scattered_blocks) {
      scatter_ids(ids, count, Layout(fresh), lowest, highest, highest_has_ids,
                  [&](const Slot& id) { put_in_overflow(id); });
    } else {
      for (unsigned i = 0; i < count; ++i) put(ids[i], fresh);
    }
    if (number % old.chunk_blocks() == 0) {
      std::byte*& chunk = old.chunks[number / old.chunk_blocks()];
      spare_chunk(std::exchange(chunk, nullptr), old.has_slabs);
    }
    if (number == 0) {
      memory_.give_directory(old);
      old = fresh;
      last_old_ = ~std::uint64_t{0};
    } else {
      next_hash_ = old.first_hash_of(number - 1);
    }
    if (count == block_slots && overflow_.size() != 0) take_back();
    count_step(count);
    set_due();
    aim_prefetch();
    return true;
  }

  void count_step(std::size_t ids) noexcept {
    ++work_.steps;
    work_.ids_moved += ids;
    work_.most_bytes = larger<std::uint64_t>(work_.most_bytes, ids * sizeof(Slot));
  }

  // The chunks of new blocks from `lowest` on; false: limit or memory, nothing changed.
  [[nodiscard]] bool take_chunks(std::uint64_t lowest) noexcept {
    Layout& fresh = layouts_[1];
    const std::uint64_t first = lowest / fresh.chunk_blocks();
    // Chunks are taken from the top downwards, so the first one there ends the search.
    std::uint64_t missing = first;
    while (missing < fresh.chunk_count && fresh.chunks[missing] == nullptr) ++missing;
    for (std::uint64_t i = missing; i-- > first;) {
      fresh.chunks[i] = take_chunk(fresh.has_slabs);
      if (fresh.chunks[i] == nullptr) {
        while (++i < missing) spare_chunk(std::exchange(fresh.chunks[i], nullptr), fresh.has_slabs);
        return false;
      }
    }
    return true;
  }

  // Whenever the ids, the rooms or what is due change otherwise than by an insert.
  void set_room(std::uint64_t ids) noexcept {
    const std::uint64_t count = ids + taken_;
    room_ = due_ > count ? due_ - count : 0;
    full_size_ = ids + room_;
  }
  // Whenever the layouts change.
  void set_due() noexcept {
    const std::uint64_t ids = size();
    is_even_ = blocks_left_ == 0 && layouts_[1].bend == 0;
    due_ = next_due();
    set_room(ids);
  }
  // When the next step is due.
  [[nodiscard]] std::uint64_t next_due() const noexcept {
    const std::uint64_t blocks = live_blocks();
    const Layout& fresh = layouts_[1];
    const std::uint64_t due = blocks * block_ids(fresh.blocks());
    if (fresh.blocks() < large_table_blocks || blocks_left_ == 0) return due;
    // A slab is taken when the ids are there that pay for it.
    const std::uint64_t lowest = fresh.block_of(next_hash_);
    if (memory_.has_spare() || fresh.chunks[lowest / fresh.chunk_blocks()] != nullptr) return due;
    const std::uint64_t bytes = heap_bytes() + Source::slab_bytes;
    return larger(due, smaller(bytes / 239 * 10, blocks * block_ids_most));
  }

  // Inserts that fetch, four lines each: a block takes so many.
  static constexpr unsigned block_prefetches = block_slots * sizeof(Slot) / 64 / 4;
  static constexpr unsigned prefetches = 3 * block_prefetches;

  // Growth's memory is fetched ahead of it: the block to be emptied, and the new ones it begins.
  void aim_prefetch() noexcept {
    prefetches_left_ = 0;
    if (blocks_left_ == 0) return;
    const Layout& fresh = layouts_[1];
    const std::uint64_t lowest = fresh.block_of(next_hash_);
    unsigned count = 0;
    for (std::uint64_t number = lowest; number < initialised_ && count + 1 < ahead_.size();
         ++number)
      if (fresh.chunks[number / fresh.chunk_blocks()] != nullptr)
        ahead_[count++] = fresh.block(number);
    ahead_[count++] = layouts_[0].block(blocks_left_ - 1);
    prefetches_left_ = count * block_prefetches;
  }
  [[gnu::always_inline]] inline void prefetch_step() noexcept {
    if (prefetches_left_ == 0) return;
    const unsigned at = --prefetches_left_;
    const Slot* const lines = ahead_[at / block_prefetches] + at % block_prefetches * 16;
    for (unsigned i = 0; i < 4; ++i) __builtin_prefetch(lines + i * 4, 1, 2);
  }

  // Once the home bucket is there: the next one, where it is full.
  [[gnu::always_inline]] static inline void prefetch_rest(const Slot* home) noexcept {
    if (IdBucket::is_full(home)) IdBucket::prefetch(IdBucket::next(home));
  }

  void swap_state(FrontierTable& other) noexcept {
    std::swap(layouts_, other.layouts_);
    std::swap(last_old_, other.last_old_);
    std::swap(next_hash_, other.next_hash_);
    std::swap(blocks_left_, other.blocks_left_);
    std::swap(initialised_, other.initialised_);
    std::swap(room_, other.room_);
    std::swap(full_size_, other.full_size_);
    std::swap(is_even_, other.is_even_);
    std::swap(taken_, other.taken_);
    std::swap(due_, other.due_);
    memory_.swap(other.memory_);
    std::swap(ahead_, other.ahead_);
    std::swap(prefetches_left_, other.prefetches_left_);
    std::swap(work_, other.work_);
  }

  // First what every insert reads.
  std::array<Layout, 2> layouts_;  // the old one and the new; the same but while growing
  std::uint64_t last_old_ = ~std::uint64_t{0};
  std::uint64_t room_ = 0;  // ids until the next step of growth is due; all that an insert counts
  std::uint64_t full_size_ = 0;  // ids there will be then
  bool is_even_ = false;         // not growing, and no bend
  unsigned prefetches_left_ = 0;
  std::array<const Slot*, 3> ahead_{};
  std::uint64_t next_hash_ = 0;    // the first one of the old block to be emptied next
  std::uint64_t due_ = 0;          // ids and rooms at which the next step of growth is due
  std::size_t taken_ = 0;          // rooms; the overflow always has as many free
  std::uint64_t blocks_left_ = 0;  // of the old layout; zero: not growing
  std::uint64_t initialised_ = 0;  // the lowest new block that ids may be in
  Memory memory_;
  ByteSize byte_limit_;
  SetWork work_;
  Overflow overflow_;
};

}  // namespace idem::inline IDEM_ABI::detail
