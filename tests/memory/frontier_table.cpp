#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <idem/core/bytes.hpp>
#include <idem/core/hash.hpp>
#include <idem/core/uuid.hpp>
#include <idem/detail/core/simd.hpp>
#include <idem/detail/memory/ascending_ids.hpp>
#include <idem/detail/memory/block_order.hpp>
#include <idem/detail/memory/chunks.hpp>
#include <idem/detail/memory/id_bucket.hpp>
#include <idem/detail/memory/wide_table.hpp>
#include <idem/memory/uuid_set.hpp>

#include "memory/sets.hpp"
#include "support/ids.hpp"
#include "support/oracle.hpp"
#include "support/out_of_memory.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"

// The blocks behind sets of 128-bit ids: what the tests of small sets never reach.

using idem::Uuid;
using idem::UuidSet;
using idem::Verdict;
using idem_test::allocations;
using idem_test::BitmapOracle;
using idem_test::Rng;
using idem_test::spread_id;

namespace {

Uuid id(std::uint64_t i) { return spread_id<Uuid>(i); }

// Chunks that run out.
struct Chunks : idem::detail::SystemChunks {
  // Chunks that may still be taken, and how often one was refused.
  static inline std::uint64_t left = ~std::uint64_t{0};
  static inline std::uint64_t refused = 0;

  static bool may() {
    if (left == 0) {
      ++refused;
      return false;
    }
    --left;
    return true;
  }
  static void* take() noexcept { return may() ? SystemChunks::take() : nullptr; }
  static void* take_slab(bool huge) noexcept {
    return may() ? SystemChunks::take_slab(huge) : nullptr;
  }
};

using Table = idem::detail::WideTable<Uuid, idem::Xxh3Hash, Chunks>;

// What an adversary who knows the seed would make of a hash: all ids belong to one block, but for
// some whose hash is zero and must not be taken for empty slots.
class OneBlockHash {
 public:
  explicit OneBlockHash(idem::Seed seed) noexcept : seed_(seed), good_(seed) {}
  [[nodiscard]] std::uint64_t slot(std::uint64_t id) const noexcept { return good_.slot(id); }
  [[nodiscard]] std::uint64_t slot(std::uint64_t hi, std::uint64_t lo) const noexcept {
    return seed_.first == 0 ? (lo % 7 == 0 ? 0 : lo % 1'000) : good_.slot(hi, lo);
  }
  [[nodiscard]] idem::Digest digest(std::span<const std::byte> bytes) const noexcept {
    return good_.digest(bytes);
  }
  [[nodiscard]] idem::Seed seed() const noexcept { return seed_; }
  using Stream = idem::Xxh3Hash::Stream;
  operator const idem::Xxh3Hash&() const noexcept { return good_; }  // NOLINT: for Stream

 private:
  idem::Seed seed_;
  idem::Xxh3Hash good_;
};

// Wrong rules, and how often they said something else than the right ones.
using Rules = idem::detail::FrontierRules;
std::uint64_t took_effect = 0;

template <class T>
T planted(T wrong, T right) {
  took_effect += wrong != right;
  return wrong;
}

struct FrontierOffByOne : Rules {
  static std::uint64_t last_old(std::uint64_t first_hash, std::uint64_t block,
                                std::uint64_t blocks) noexcept {
    const std::uint64_t right = Rules::last_old(first_hash, block, blocks);
    // One bucket too high; not where the memory of the old block is gone.
    return planted(block % 4 == 0 ? right : right + ~std::uint64_t{0} / blocks / 32, right);
  }
};
struct ProfileNotMonotone : Rules {
  static std::uint64_t position(std::uint64_t hash, std::uint64_t bend) noexcept {
    const std::uint64_t right = Rules::position(hash, bend);
    // Some lie before others that have lower hashes.
    const bool falls = bend != 0 && hash >> 58 == 5 && hash % 64 == 3;
    return planted(falls ? right - (std::uint64_t{1} << 56) : right, right);
  }
};
struct SharedBlockForgotten : Rules {
  static bool is_shared(std::uint64_t highest, std::uint64_t initialised) noexcept {
    return planted(false, Rules::is_shared(highest, initialised));
  }
};
struct ChainLeftBehind : Rules {
  static bool passed(unsigned from_home, unsigned distance) noexcept {
    return planted(from_home > distance, Rules::passed(from_home, distance));
  }
};
struct OverflowLeftBehind : Rules {
  static bool takes_back(bool was_full) noexcept {
    return planted(false, Rules::takes_back(was_full));
  }
};

// How many answers are wrong while 40,000 ids go in and out, a third of them to few blocks.
template <class WhichRules>
std::uint64_t wrong_answers() {
  using Planted =
      idem::detail::WideTable<Uuid, idem::Xxh3Hash, idem::detail::SystemChunks, WhichRules>;
  Planted table(idem::Xxh3Hash(idem::Seed{7, 8}), idem::ByteSize::unlimited(), true);
  std::vector<Uuid> ids;
  for (std::uint64_t i = 0; ids.size() < 40'000; ++i)
    if (ids.size() % 3 != 0 || table.slot(id(i)) >> 58 == 5) ids.push_back(id(i));
  std::uint64_t wrong = 0;
  std::vector<bool> is_in(ids.size());
  const auto judge = [&](std::size_t i, bool inserted) {
    const bool answer = inserted ? table.insert(ids[i]) == Verdict::duplicate : table.erase(ids[i]);
    wrong += answer != is_in[i];
    is_in[i] = inserted;
  };
  for (std::size_t i = 0; i < ids.size(); ++i) {
    judge(i, true);
    if (i > 100) judge(i - 100, i % 5 != 0);
    if (i > 5'000) judge(i / 2, i % 2 == 0);
  }
  for (std::size_t i = 0; i < ids.size(); ++i) wrong += table.contains(ids[i]) != is_in[i];
  return wrong;
}

// The ids in ascending order of (slot, id).
template <class WhichTable>
std::vector<Uuid> in_order(const WhichTable& table, std::vector<Uuid> ids) {
  std::ranges::sort(ids, [&](const Uuid& a, const Uuid& b) {
    return std::pair(table.slot(a), a) < std::pair(table.slot(b), b);
  });
  return ids;
}

// What a load does with ids, in pieces of every length; how many it took.
template <class WhichTable>
std::size_t loaded(WhichTable& table, const std::vector<Uuid>& ids, std::size_t room,
                   std::size_t piece) {
  idem::detail::AscendingIds<Uuid, WhichTable> into(table);
  if (!into.reserve(room)) return 0;
  for (std::size_t done = 0; done < ids.size();) {
    const std::size_t here = std::min(piece, ids.size() - done);
    bool has_room = false;
    const std::size_t taken = into.insert(
        here, [&](std::size_t i) { return ids[done + i]; }, has_room);
    done += taken;
    if (!has_room || taken != here) return done;
  }
  into.finish();
  return ids.size();
}

// Loaded, a table is as good as one that was inserted into.
template <class Hash>
void loads(const idem::Seed& seed, const std::vector<Uuid>& ids, std::size_t room) {
  using Loaded = idem::detail::WideTable<Uuid, Hash>;
  for (const std::size_t piece : {1U, 7U, 1'000U}) {
    if (ids.size() > 100'000 && piece != 1'000) continue;
    CAPTURE(piece);
    Loaded table(Hash(seed), idem::ByteSize::unlimited(), true);
    const std::vector<Uuid> row = in_order(table, ids);
    REQUIRE(loaded(table, row, room, piece) == row.size());
    REQUIRE(table.size() == row.size());
    std::size_t at = 0;
    table.for_each([&](const Uuid& one) { at += at < row.size() && one == row[at]; });
    REQUIRE(at == row.size());
    for (const Uuid& one : row)
      if (!table.contains(one)) FAIL("lost an id");
    for (std::uint64_t i = 0; i < 2'000; ++i)
      if (table.contains(Uuid(~i, i))) FAIL("an id from nowhere");
    for (std::size_t i = 0; i < row.size(); i += 2)
      if (!table.erase(row[i])) FAIL("not erased");
    for (std::uint64_t i = 0; i < 5'000; ++i)
      if (table.insert(Uuid(~i, i)) != Verdict::fresh) FAIL("not inserted");
    for (std::size_t i = 0; i < row.size(); ++i)
      if (table.contains(row[i]) != (i % 2 != 0)) FAIL("wrong after an erase");
  }
}

// A block as a FrontierTable fills it, its hashes from `low` on and less than `width` from there.
using Slot = idem::detail::Slot;
constexpr unsigned block_slots = 256, bucket_slots = 8, block_buckets = block_slots / bucket_slots;
std::vector<Slot> block_of(Rng& rng, std::uint64_t low, std::uint64_t width, unsigned count,
                           unsigned first_home) {
  std::vector<Slot> block(block_slots);
  for (unsigned i = 0; i < count; ++i) {
    const std::uint64_t at = first_home * (width / block_buckets) +
                             rng.below(width - first_home * (width / block_buckets));
    auto bucket = static_cast<unsigned>(idem::detail::smaller<std::uint64_t>(
        at / idem::detail::larger<std::uint64_t>(width / block_buckets, 1), block_buckets - 1));
    while (block[bucket * bucket_slots + bucket_slots - 1].hash != 0)
      bucket = (bucket + 1) % block_buckets;
    const auto begin = block.begin() + bucket * bucket_slots;
    std::move_backward(begin, begin + bucket_slots - 1, begin + bucket_slots);
    *begin = {idem::detail::larger<std::uint64_t>(low + at, 1), rng.next()};
  }
  return block;
}

// Random operations on a set of tens of thousands, through every kind of step.
template <class Set, class IdOf>
void equals_oracle(std::uint64_t seed, idem::Seed set_seed, std::size_t universe,
                   std::uint64_t operations, const IdOf& id) {
  Rng rng(seed);
  BitmapOracle oracle(universe);
  Set set({.seed = set_seed});
  std::vector<Uuid> ids;
  std::vector<Verdict> verdicts;
  std::vector<std::size_t> indices;
  std::uint64_t rooms = 0;
  for (std::uint64_t step = 0; step < operations; ++step) {
    const bool grows = step % 2'000 < 1'200;
    const std::uint64_t kind = rng.below(100);
    if (kind < 60) {
      ids.clear();
      indices.clear();
      for (std::uint64_t i = rng.below(200); i > 0; --i) {
        indices.push_back(rng.below(universe));
        ids.push_back(id(indices.back()));
      }
      if (grows) {
        verdicts.assign(ids.size(), Verdict::unknown);
        set.insert(ids, verdicts);
        for (std::size_t i = 0; i < ids.size(); ++i)
          REQUIRE(verdicts[i] == oracle.insert(indices[i]));
      } else {
        for (std::size_t i = 0; i < ids.size(); ++i)
          REQUIRE(set.forget(ids[i]) == oracle.forget(indices[i]));
      }
    } else if (kind < 90) {
      for (int i = 0; i < 20; ++i) {
        const std::size_t index = rng.below(universe);
        REQUIRE(set.check(id(index)) == oracle.check(index));
        REQUIRE(set.insert(id(index)) == oracle.insert(index));
      }
    } else if (kind < 94) {
      if (rooms < 500 && set.reserve_one(id(0))) ++rooms;
    } else if (kind < 97) {
      const std::size_t index = rng.below(universe);
      if (rooms > 0 && oracle.check(index) == Verdict::fresh) {
        --rooms;
        set.record(id(index), idem_test::some_time);
        (void)oracle.insert(index);
      }
    } else if (kind == 97 && rng.one_in(20)) {
      const Set copy(set);
      REQUIRE(copy.size() == oracle.size());
      for (std::size_t index = 0; index < universe; ++index)
        REQUIRE(copy.check(id(index)) == oracle.check(index));
    } else if (kind == 98 && rng.one_in(20)) {
      set.reserve(rng.below(2 * universe));
    } else if (kind == 99 && rng.one_in(200)) {
      set.clear();
      oracle.clear();
    }
    REQUIRE(set.size() == oracle.size());
  }
  std::size_t visited = 0;
  std::uint64_t last = 0;
  std::set<Uuid> seen;
  set.for_each([&](const Uuid& one) {
    REQUIRE(set.slot(one) >= last);
    last = set.slot(one);
    REQUIRE(set.check(one) == Verdict::duplicate);
    seen.insert(one);
    ++visited;
  });
  CHECK(visited == oracle.size());
  CHECK(seen.size() == visited);
  CHECK(set.work().steps > 8);
}

}  // namespace

TEST_CASE("blocks: random operations equal the oracle") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    CAPTURE(seed);
    equals_oracle<UuidSet>(seed, idem::Seed{seed, 2}, 60'000, idem_test::soaked(4'000), id);
  }
}

TEST_CASE_TEMPLATE("blocks: a planted mistake is noticed", Planted, FrontierOffByOne,
                   ProfileNotMonotone, SharedBlockForgotten, ChainLeftBehind, OverflowLeftBehind) {
  took_effect = 0;
  CHECK(wrong_answers<Planted>() > 0);
  // A plant that never took effect proves nothing.
  CHECK(took_effect > 0);
  CHECK(wrong_answers<Rules>() == 0);
}

TEST_CASE("a bucket: an id enters in front of the others, unless it may be there or all is full") {
  using idem::detail::IdBucket;
  using idem::detail::Slot;
  Rng rng(11);
  std::uint64_t entered = 0, full = 0, held = 0, alike = 0, zero = 0;
  for (int round = 0; round < 200'000; ++round) {
    alignas(IdBucket::bytes) Slot bucket[IdBucket::slots];
    const auto count = static_cast<unsigned>(rng.below(IdBucket::slots + 1));
    for (unsigned i = 0; i < count; ++i) bucket[i] = {rng.next() | 1, rng.next()};
    Slot key{rng.next(), rng.next()};
    const Slot& other = bucket[rng.below(IdBucket::slots)];
    const std::uint64_t kind = rng.below(8);
    if (kind == 0) key = other;
    if (kind == 1) key.hash = other.hash;
    if (kind == 2) key.hash = (key.hash >> 32 << 32) | (other.hash & 0xffffffff);
    if (kind == 3) key.hash = (other.hash >> 32 << 32) | (key.hash & 0xffffffff);
    if (kind == 4) key = {0, rng.below(2)};
    bool is_held = false, may_hold = false;
    unsigned index = IdBucket::slots;
    for (unsigned i = IdBucket::slots; i-- > 0;) {
      may_hold = may_hold || (bucket[i].hash & 0xffffffff) == (key.hash & 0xffffffff);
      if (!(bucket[i] == key)) continue;
      is_held = true;
      index = i;
    }
    const std::vector<Slot> before(bucket, bucket + IdBucket::slots);
    REQUIRE(IdBucket::ids_in(bucket) == count);
    REQUIRE(IdBucket::is_full(bucket) == (count == IdBucket::slots));
    REQUIRE(IdBucket::may_hold(bucket, key) == may_hold);
    REQUIRE(IdBucket::holds(bucket, key) == is_held);
    REQUIRE(IdBucket::index_in(bucket, key) == index);
    const bool enters = IdBucket::enter(bucket, key);
    REQUIRE(enters == (!may_hold && count < IdBucket::slots));
    if (enters) REQUIRE(bucket[0] == key);
    REQUIRE(std::equal(bucket + (enters ? 1 : 0), bucket + IdBucket::slots, before.begin()));
    if (key.hash == 0) REQUIRE_FALSE(enters);
    entered += enters;
    full += count == IdBucket::slots;
    held += is_held;
    alike += may_hold && !is_held;
    zero += key.hash == 0;
  }
  for (const std::uint64_t seen : {entered, full, held, alike, zero}) CHECK(seen > 1'000);
}

TEST_CASE("blocks: positions never fall, and reach from end to end") {
  Rng rng(5);
  for (std::uint64_t bend = 0; bend <= 4; ++bend) {
    CAPTURE(bend);
    REQUIRE(Rules::position(0, bend) == 0);
    REQUIRE(Rules::position(~std::uint64_t{0}, bend) == ~std::uint64_t{0});
    std::uint64_t widest = 0;
    const auto judge = [&](std::uint64_t hash) {
      const std::uint64_t step = Rules::position(hash + 1, bend) - Rules::position(hash, bend);
      if (step > 2) FAIL("falls, or leaps");
      widest = std::max(widest, step);
      // The mean slope of a parabola is that in the middle.
      if (hash >= std::uint64_t{15} << 60) return;
      const double rise =
          static_cast<double>(Rules::position(hash + (std::uint64_t{1} << 60), bend) -
                              Rules::position(hash, bend)) /
          static_cast<double>(std::uint64_t{1} << 60);
      const double middle = static_cast<double>(hash >> 11) / (std::uint64_t{1} << 53) + 1.0 / 32;
      const double slope = 1 + static_cast<double>(bend) / 16 * (1 - 2 * middle);
      if (std::abs(rise - slope) > 1e-9) FAIL("another slope");
    };
    for (std::uint64_t i = 0; i < 10'000; ++i) {
      judge(i);
      judge(~std::uint64_t{0} - 1 - i);
      judge((std::uint64_t{1} << 63) - 5'000 + i);
    }
    for (int i = 0; i < 200'000; ++i) judge(rng.next());
    CHECK(widest == (bend == 0 ? 1 : 2));
  }
}

TEST_CASE("blocks: exact where all ids belong to one block, or hash to zero") {
  const auto alike = [](std::uint64_t i) { return Uuid(0, i); };
  equals_oracle<idem::IdSet<Uuid, OneBlockHash>>(9, idem::Seed{0, 2}, 5'000,
                                                 idem_test::soaked(1'500), alike);
  idem::IdSet<Uuid, OneBlockHash> set({.seed = idem::Seed{0, 2}});
  for (std::uint64_t i = 0; i < 20'000; ++i) REQUIRE(set.insert(alike(i)) == Verdict::fresh);
  CHECK(set.work().overflowed > 15'000);
  CHECK(set.memory_bytes() < 20'000 * 80);
}

TEST_CASE("blocks: what has room neither allocates nor fails where its block is full") {
  // By what lies in the overflow before: at some counts it has no place left but those taken.
  for (const std::uint64_t before : {256U, 300U, 900U}) {
    for (std::uint64_t rooms = 1; rooms < 1'500; rooms += 1 + rooms / 300) {
      idem::IdSet<Uuid, OneBlockHash> set({.seed = idem::Seed{0, 2}});
      set.reserve(20'000);
      for (std::uint64_t i = 0; i < before; ++i) REQUIRE(set.insert(Uuid(0, i)) == Verdict::fresh);
      for (std::uint64_t i = 0; i < rooms; ++i) REQUIRE(set.reserve_one(Uuid(0, before + i)));
      {
        idem_test::FailAllocation failure(0, idem_test::Failing::from_then_on);
        for (std::uint64_t i = 0; i < rooms; ++i)
          set.record(Uuid(0, before + i), idem_test::some_time);
        REQUIRE(failure.fired() == 0);
      }
      REQUIRE(set.size() == before + rooms);
      REQUIRE(set.work().overflowed >= rooms);
      REQUIRE(set.check(Uuid(0, before + rooms - 1)) == Verdict::duplicate);
    }
  }
}

TEST_CASE("blocks: a block in order, by every kernel") {
  using idem::detail::Simd;
  Rng rng(11);
  // Of blocks' width, and of one so small that hashes meet or differ in their last bits only.
  constexpr std::uint64_t width = std::uint64_t{1} << 48;
  std::uint64_t with_equals = 0;
  for (const Simd simd : {Simd::portable, Simd::avx512}) {
    if (!idem::detail::processor_has(simd)) continue;
    idem::detail::BlockOrder<block_slots, bucket_slots> order(simd);
    for (std::uint64_t trial = 0; trial < idem_test::soaked(6'000); ++trial) {
      const std::uint64_t wide =
          trial % 3 == 0 ? 33 + rng.below(2'000) : width - rng.below(width / 8);
      const std::uint64_t low = trial % 5 == 0   ? 0
                                : trial % 5 == 1 ? ~std::uint64_t{0} - wide
                                                 : rng.next() >> 1;
      // As full as blocks are, and any; from the middle on too, and where all go round the end.
      const auto count =
          static_cast<unsigned>(trial % 2 == 0 ? 150 + rng.below(50) : rng.below(257));
      const auto first_home = static_cast<unsigned>(trial % 7 == 0   ? block_buckets - 1
                                                    : trial % 7 == 1 ? rng.below(block_buckets)
                                                                     : 0);
      // A promise that is not kept costs time alone.
      const auto spread_bits = static_cast<unsigned>(trial % 11 == 0 ? rng.below(50) : 14);
      const std::vector<Slot> block = block_of(rng, low, wide, count, first_home);
      std::vector<Slot> expected;
      for (const Slot& slot : block)
        if (slot.hash != 0) expected.push_back(slot);
      std::ranges::sort(expected);
      const bool equals = std::ranges::adjacent_find(expected, {}, &Slot::hash) != expected.end();
      with_equals += equals;
      const auto [slots, has_equals] = order.run(block.data(), spread_bits);
      REQUIRE(has_equals == equals);
      REQUIRE(std::ranges::is_sorted(slots, {}, &Slot::hash));
      std::vector<Slot> all(slots.begin(), slots.end());
      std::ranges::sort(all);
      REQUIRE(all == expected);
    }
  }
  CHECK(with_equals > 100);
}

TEST_CASE("blocks: filled in ascending order, full buckets and blocks and all") {
  const idem::Seed seed{7, 8};
  const idem::detail::WideTable<Uuid, idem::Xxh3Hash> hashes(idem::Xxh3Hash(seed),
                                                             idem::ByteSize::unlimited(), true);
  std::vector<Uuid> ids;
  for (std::uint64_t i = 0; ids.size() < 30'000; ++i) ids.push_back(id(i));
  loads<idem::Xxh3Hash>(seed, ids, ids.size());
  loads<idem::Xxh3Hash>(seed, ids, 200'000);
  // A third of them to few blocks: buckets that are full of others' ids, and the overflow.
  for (std::uint64_t i = 30'000; ids.size() < 45'000; ++i)
    if (hashes.slot(id(i)) >> 58 == 5) ids.push_back(id(i));
  loads<idem::Xxh3Hash>(seed, ids, ids.size());
  // Slabs.
  for (std::uint64_t i = 10'000'000; ids.size() < 360'000; ++i) ids.push_back(id(i));
  loads<idem::Xxh3Hash>(seed, ids, ids.size());
  ids.clear();
  for (std::uint64_t i = 0; i < 5'000; ++i) ids.emplace_back(0, i);
  loads<OneBlockHash>(idem::Seed{0, 2}, ids, ids.size());
}

TEST_CASE("blocks: filled up to an id that is out of order, and then given back") {
  using Hashes = idem::detail::WideTable<Uuid, OneBlockHash>;
  for (const bool meet : {false, true}) {
    // Under the second seed hashes are zero, or meet.
    const OneBlockHash hash(meet ? idem::Seed{0, 2} : idem::Seed{1, 2});
    std::vector<Uuid> ids;
    for (std::uint64_t i = 0; i < 6'000; ++i) ids.emplace_back(0, i);
    const std::vector<Uuid> row = in_order(Hashes(hash, idem::ByteSize::unlimited(), true), ids);
    for (const std::size_t wrong : {1U, 255U, 256U, 257U, 700U, 3'000U, 5'999U}) {
      for (const bool twice : {false, true}) {
        CAPTURE(wrong);
        CAPTURE(twice);
        std::vector<Uuid> bad = row;
        if (twice) {
          bad[wrong] = bad[wrong - 1];
        } else {
          std::swap(bad[wrong], bad[wrong - 1]);
        }
        Hashes table(hash, idem::ByteSize::unlimited(), true);
        REQUIRE(loaded(table, bad, bad.size(), 700) == wrong);
        REQUIRE(table.size() == 0);
        // As good as new.
        for (const Uuid& each : ids)
          if (table.contains(each) || table.insert(each) != Verdict::fresh) FAIL("not empty");
        for (const Uuid& each : ids)
          if (!table.contains(each)) FAIL("lost");
      }
    }
  }
}

// Where rules are asked for a position, an id is looked at.
struct CountingRules : idem::detail::FrontierRules {
  static inline std::uint64_t asked = 0;
  [[nodiscard]] static std::uint64_t position(std::uint64_t hash, std::uint64_t bend) noexcept {
    ++asked;
    return FrontierRules::position(hash, bend);
  }
};

// Memory that ends in the middle of a reserve leaves few old blocks and many new ones, and an overflow of
// thousands; what comes back from there at once is looked at once.
TEST_CASE("blocks: a reserve that ended midway loses nothing, and no insert looks at an id twice") {
  using Counted = idem::detail::WideTable<Uuid, idem::Xxh3Hash, Chunks, CountingRules>;
  std::uint64_t overflowed = 0;
  for (const std::uint64_t allowed : {1U, 3U, 8U}) {
    Chunks::left = ~std::uint64_t{0};
    Counted table(idem::Xxh3Hash(idem::Seed{5, 6}), idem::ByteSize::unlimited(), true);
    const auto id = [](std::uint64_t i) { return Uuid(i * 0x9e3779b97f4a7c15, i); };
    std::uint64_t count = 0;
    for (; count < 5'000; ++count) REQUIRE(table.insert(id(count)) == Verdict::fresh);
    Chunks::left = allowed;
    CHECK_FALSE(table.reserve(3'000'000));
    Chunks::left = ~std::uint64_t{0};
    for (; count < 160'000; ++count) {
      CountingRules::asked = 0;
      if (table.insert(id(count)) != Verdict::fresh) FAIL("not fresh");
      // Each once for its block and once for its place; a step asks for some hundreds besides.
      if (CountingRules::asked > 2 * count + 2'000) FAIL("looked at again and again");
    }
    overflowed = std::max(overflowed, table.work().overflowed);
    CHECK(table.size() == count);
    for (std::uint64_t i = 0; i < count; ++i)
      if (!table.contains(id(i))) FAIL("lost");
  }
  CHECK(overflowed > 10'000);
}

TEST_CASE("blocks: more than there is room for is told by the ids that went in") {
  Table table(idem::Xxh3Hash(idem::Seed{3, 4}), idem::ByteSize::unlimited(), true);
  std::vector<Uuid> ids;
  for (std::uint64_t i = 0; i < 6'000; ++i) ids.push_back(id(i));
  const std::vector<Uuid> row = in_order(table, ids);
  // 33 blocks of 153 ids, filled by groups of 256.
  const std::size_t went_in = loaded(table, row, 5'000, row.size());
  CHECK(went_in == 33 * 153 / 256 * 256);
}

TEST_CASE("blocks: without memory to fill nothing has begun") {
  for (const std::uint64_t allowed : {0U, 1U, 16U}) {
    Chunks::left = allowed;
    Table table(idem::Xxh3Hash(idem::Seed{3, 4}), idem::ByteSize::unlimited(), true);
    idem::detail::AscendingIds<Uuid, Table> into(table);
    for (const std::size_t room : {10'000U, 20'000'000U}) CHECK_FALSE(into.reserve(room));
    CHECK(table.size() == 0);
    CHECK(table.heap_bytes() == 0);
  }
  Chunks::left = ~std::uint64_t{0};
}

TEST_CASE("blocks: 24 bytes an id, small steps, and no second copy, at every size") {
  constexpr std::uint64_t count = 2'600'000;
  std::vector<Uuid> ids(512);
  std::vector<Verdict> verdicts(ids.size());
  const auto before = allocations();
  UuidSet set({.seed = idem::Seed{1, 2}});
  double most = 0;
  idem_test::reset_peak();
  for (std::uint64_t i = 0; i < count; i += ids.size()) {
    for (std::size_t j = 0; j < ids.size(); ++j) ids[j] = id(i + j);
    set.insert(ids, verdicts);
    const auto bytes = static_cast<double>(set.memory_bytes());
    const auto held = static_cast<double>(set.size());
    if (set.size() >= 1'000'000) most = std::max(most, bytes / held);
    if (set.size() >= 4'000) REQUIRE(bytes / held < 43);
  }
  CHECK(most <= 24.0);
  if (idem_test::counts_mappings()) {
    CHECK(set.memory_bytes() == sizeof(set) + (allocations().live_bytes - before.live_bytes));
    CHECK(static_cast<double>(allocations().peak_bytes - before.live_bytes) <=
          1.02 * static_cast<double>(set.memory_bytes()));
  }
  CHECK(set.work().most_bytes <= 64 * 1024);
  CHECK(set.work().steps > 20'000);
  CHECK(set.work().ids_moved < 3 * count);
  CHECK(set.work().overflowed < count / 500);
}

TEST_CASE("blocks: no insert takes more than one step") {
  UuidSet set({.seed = idem::Seed{1, 2}});
  std::uint64_t steps = 0;
  for (std::uint64_t i = 0; i < 1'300'000; ++i) {
    REQUIRE(set.insert(id(i)) == Verdict::fresh);
    const std::uint64_t now = set.work().steps;
    REQUIRE(now - steps <= 1);
    steps = now;
  }
}

TEST_CASE("blocks: without memory an insert answers full and changes nothing") {
  for (const std::uint64_t present : {3'071U, 3'072U, 5'000U, 40'000U, 200'000U}) {
    for (std::uint64_t allowed = 0; allowed < 6; ++allowed) {
      CAPTURE(present);
      CAPTURE(allowed);
      Chunks::left = ~std::uint64_t{0};
      Table table(idem::Xxh3Hash(idem::Seed{3, 4}), idem::ByteSize::unlimited(), true);
      for (std::uint64_t i = 0; i < present; ++i) REQUIRE(table.insert(id(i)) == Verdict::fresh);
      Chunks::left = allowed;
      Chunks::refused = 0;
      std::uint64_t size = present;
      while (table.insert(id(size)) == Verdict::fresh) ++size;
      REQUIRE(Chunks::refused > 0);
      REQUIRE(table.size() == size);
      const std::size_t held = table.heap_bytes();
      for (std::uint64_t i = 0; i < 50; ++i) REQUIRE(table.insert(id(size + i)) == Verdict::full);
      REQUIRE(table.heap_bytes() == held);
      for (std::uint64_t i = 0; i < size + 50; ++i) REQUIRE(table.contains(id(i)) == (i < size));
      for (std::uint64_t i = 0; i < size; i += 97)
        REQUIRE(table.insert(id(i)) == Verdict::duplicate);
      REQUIRE(table.erase(id(size / 2)));
      REQUIRE(table.insert(id(size)) == Verdict::fresh);
      REQUIRE(table.insert(id(size + 1)) == Verdict::full);
      Chunks::left = ~std::uint64_t{0};
      for (std::uint64_t i = 1; i < 9'000; ++i)
        REQUIRE(table.insert(id(size + i)) == Verdict::fresh);
      for (std::uint64_t i = 0; i < size + 9'000; ++i)
        REQUIRE(table.contains(id(i)) == (i != size / 2));
    }
  }
  Chunks::left = ~std::uint64_t{0};
}

TEST_CASE("blocks: every allocation while one leaves the array and grows on may fail") {
  for (const auto mode : {idem_test::Failing::once, idem_test::Failing::from_then_on}) {
    for (const std::uint64_t present : {3'072U, 3'400U, 4'591U}) {
      std::uint64_t next = 0;
      UuidSet set({.seed = idem::Seed{1, 2}});
      while (next < present) REQUIRE(set.insert(id(next++)) == Verdict::fresh);
      std::uint64_t injected = 0;
      for (std::uint64_t k = 0; next < present + 2'000; ++k) {
        const UuidSet copy(set);
        idem_test::FailAllocation failure(k % 9, mode);
        Verdict verdict = Verdict::fresh;
        std::uint64_t went_in = 0;
        while (went_in < 40 && verdict == Verdict::fresh) {
          verdict = set.insert(id(next + went_in));
          went_in += verdict == Verdict::fresh;
        }
        if (failure.fired() == 0 && verdict == Verdict::full) FAIL("full for no reason");
        injected += failure.fired();
        next += went_in;
        if (verdict == Verdict::full && mode == idem_test::Failing::from_then_on &&
            set.check(id(next)) != Verdict::fresh)
          FAIL("full, and recorded");
        if (set.size() != next) FAIL("size");
        for (std::uint64_t i = 0; i < next; i += 7)
          if (set.check(id(i)) != Verdict::duplicate) FAIL("lost an id");
        if (verdict == Verdict::full && k % 9 == 8) set.reserve(next + 1);
      }
      if (present == 3'072) CHECK(injected > 0);
    }
  }
}

TEST_CASE("blocks: warm makes room and touches it, under the budget") {
  for (const std::uint64_t count : {10U, 3'000U, 50'000U, 300'000U}) {
    UuidSet set({.budget = idem::mebibytes(16), .seed = idem::Seed{1, 2}});
    for (std::uint64_t i = 0; i < count; ++i) REQUIRE(set.insert(id(i)) == Verdict::fresh);
    const std::size_t held = set.memory_bytes();
    CHECK_FALSE(set.warm(2'000'000));
    CHECK_FALSE(set.warm(~std::size_t{0}));
    CHECK(set.memory_bytes() <= idem::mebibytes(16).count());
    CHECK(set.size() == count);
    REQUIRE(set.warm(40'000));
    CHECK(set.memory_bytes() >= held);
    const std::uint64_t steps = set.work().steps;
    const std::uint64_t allocated = allocations().count;
    for (std::uint64_t i = 0; i < 40'000; ++i) REQUIRE(set.insert(id(count + i)) == Verdict::fresh);
    CHECK(allocations().count == allocated);
    CHECK(set.work().steps == steps);
    for (std::uint64_t i = 0; i < count + 40'000; ++i)
      REQUIRE(set.check(id(i)) == Verdict::duplicate);
  }
}

TEST_CASE("blocks: room for many times more keeps every id, in the middle of growth too") {
  for (const std::uint64_t present : {3'100U, 3'700U, 5'000U, 20'000U}) {
    for (const std::uint64_t times : {2U, 3U, 4U, 5U, 9U, 30U}) {
      CAPTURE(present);
      CAPTURE(times);
      UuidSet set({.seed = idem::Seed{1, 2}});
      for (std::uint64_t i = 0; i < present; ++i) REQUIRE(set.insert(id(i)) == Verdict::fresh);
      set.reserve(present * times);
      for (std::uint64_t i = 0; i < present + 100; ++i)
        REQUIRE((set.check(id(i)) == Verdict::duplicate) == (i < present));
      std::size_t visited = 0;
      set.for_each([&](const Uuid&) { ++visited; });
      CHECK(visited == present);
    }
  }
}

TEST_CASE("blocks: copies and moves at every moment of growth") {
  UuidSet set({.seed = idem::Seed{5, 6}});
  std::uint64_t next = 0;
  for (int round = 0; round < 60; ++round) {
    for (std::uint64_t i = 0; i < 997; ++i) REQUIRE(set.insert(id(next++)) == Verdict::fresh);
    UuidSet copy(set);
    UuidSet moved(std::move(set));
    CHECK(set.size() == 0);
    CHECK(set.memory_bytes() == sizeof(set));
    REQUIRE(set.insert(id(1)) == Verdict::fresh);
    set = copy;
    REQUIRE(copy.forget(id(next / 2)));
    for (std::uint64_t i = 0; i < 500; ++i) REQUIRE(copy.insert(id(next + i)) == Verdict::fresh);
    REQUIRE(set.size() == next);
    REQUIRE(moved.size() == next);
    for (std::uint64_t i = 0; i < next + 20; i += 3) {
      REQUIRE((moved.check(id(i)) == Verdict::duplicate) == (i < next));
      REQUIRE((set.check(id(i)) == Verdict::duplicate) == (i < next));
    }
    if (round % 2 == 0) set = std::move(moved);
  }
}

TEST_CASE_TEMPLATE("merge: the union, or full and nothing changed", Set, UuidSet, idem::Id64Set) {
  using Id = typename Set::Stored;
  for (const std::uint64_t count : {0U, 10U, 4'000U, 30'000U}) {
    for (const std::uint64_t others : {0U, 10U, 4'000U, 30'000U}) {
      Set set({.seed = idem::Seed{1, 2}});
      Set other({.seed = idem::Seed{3, 4}});
      for (std::uint64_t i = 0; i < count; ++i) (void)set.insert(spread_id<Id>(i));
      for (std::uint64_t i = 0; i < others; ++i) (void)other.insert(spread_id<Id>(i + count / 2));
      REQUIRE(set.merge(set) == Verdict::fresh);
      REQUIRE(set.size() == count);
      REQUIRE(set.merge(other) == Verdict::fresh);
      const std::uint64_t all = std::max(count, count / 2 + others);
      REQUIRE(set.size() == all);
      REQUIRE(other.size() == others);
      for (std::uint64_t i = 0; i < all; ++i)
        REQUIRE(set.check(spread_id<Id>(i)) == Verdict::duplicate);
    }
  }
  for (const std::uint64_t budget : {100'000U, 3'000'000U}) {
    Set set({.budget = idem::bytes(budget), .seed = idem::Seed{1, 2}});
    Set other({.seed = idem::Seed{3, 4}});
    for (std::uint64_t i = 0; i < 1'000; ++i) (void)set.insert(spread_id<Id>(i));
    for (std::uint64_t i = 500; i < 400'000; ++i) (void)other.insert(spread_id<Id>(i));
    REQUIRE(set.merge(other) == Verdict::full);
    REQUIRE(set.size() == 1'000);
    REQUIRE(set.memory_bytes() <= budget);
    for (std::uint64_t i = 0; i < 2'000; ++i)
      REQUIRE((set.check(spread_id<Id>(i)) == Verdict::duplicate) == (i < 1'000));
  }
}

TEST_CASE("blocks: one order and the same answers whatever the history") {
  std::vector<Uuid> grown;
  std::vector<Uuid> reserved;
  UuidSet first({.seed = idem::Seed{1, 2}});
  UuidSet second({.expected_keys = 400'000, .seed = idem::Seed{1, 2}});
  for (std::uint64_t i = 0; i < 30'000; ++i) REQUIRE(first.insert(id(i)) == Verdict::fresh);
  for (std::uint64_t i = 60'000; i-- > 0;) REQUIRE(second.insert(id(i)) == Verdict::fresh);
  for (std::uint64_t i = 30'000; i < 60'000; ++i) REQUIRE(second.forget(id(i)));
  first.for_each([&](const Uuid& one) { grown.push_back(one); });
  second.for_each([&](const Uuid& one) { reserved.push_back(one); });
  CHECK(grown.size() == 30'000);
  CHECK(grown == reserved);
}
