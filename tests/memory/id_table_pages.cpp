#include <cstddef>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <idem/core/bytes.hpp>
#include <idem/core/uuid.hpp>
#include <idem/detail/memory/id_table.hpp>
#include <idem/detail/memory/page_map.hpp>
#include <idem/memory/uuid_set.hpp>

#include "memory/sets.hpp"
#include "support/ids.hpp"
#include "support/oracle.hpp"
#include "support/out_of_memory.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"

// The pages behind large sets of 128-bit ids: what the tests of small sets never reach.

using idem::Uuid;
using idem::UuidSet;
using idem::Verdict;
using idem::detail::PageMap;
using idem_test::allocations;
using idem_test::Rng;
using idem_test::spread_id;

namespace {

Uuid id(std::uint64_t i) { return spread_id<Uuid>(i); }

// A hash that hides nothing: the ids choose their places.
struct OpenHash : idem::Xxh3Hash {
  using Xxh3Hash::Xxh3Hash;
  std::uint64_t slot(std::uint64_t word) const noexcept {
    return seed().first == 0 ? 0 : Xxh3Hash::slot(word);
  }
  std::uint64_t slot(std::uint64_t hi, std::uint64_t lo) const noexcept {
    return Xxh3Hash::slot(hi, lo);
  }
};

// Chunks that run out.
struct ScarcePages : idem::detail::SystemPages {
  static inline std::uint64_t left = ~std::uint64_t{0};
  static inline std::uint64_t refused = 0;
  static bool may() noexcept {
    if (left == 0) {
      ++refused;
      return false;
    }
    --left;
    return true;
  }
  static void* take(std::size_t bytes) noexcept {
    return may() ? SystemPages::take(bytes) : nullptr;
  }
  static void* take_large(bool huge) noexcept {
    return may() ? SystemPages::take_large(huge) : nullptr;
  }
};

}  // namespace

TEST_CASE("pages: a new page takes its share of one group and touches no other") {
  for (const std::uint64_t pages :
       {16U, 17U, 19U, 20U, 27U, 28U, 31U, 32U, 33U, 100U, 511U, 512U}) {
    PageMap before = PageMap::of(pages);
    REQUIRE(before.pages() == pages);
    PageMap after = before;
    after.add_page();
    REQUIRE(after.pages() == pages + 1);
    REQUIRE(PageMap::of(pages + 1).page_of(12345) == after.page_of(12345));
    Rng rng(pages);
    const std::uint64_t keys = 40'000;
    std::vector<std::uint64_t> load(pages + 1);
    for (std::uint64_t i = 0; i < keys; ++i) {
      const std::uint64_t hash = rng.next();
      const std::uint64_t from = before.page_of(hash);
      const std::uint64_t to = after.page_of(hash);
      REQUIRE(from < pages);
      ++load[to];
      if (from == to) continue;
      REQUIRE(to == pages);
      REQUIRE(before.group_of(hash) == before.splitting());
      REQUIRE(before.moves(hash));
      bool is_of_group = false;
      for (unsigned place = 0; place < before.width(); ++place)
        is_of_group = is_of_group || before.page_at(before.splitting(), place) == from;
      REQUIRE(is_of_group);
    }
    const double mean = double(keys) / double(pages + 1);
    for (const std::uint64_t ids : load) {
      CHECK(double(ids) > 0.6 * mean);
      CHECK(double(ids) < 1.45 * mean);
    }
  }
}

TEST_CASE("pages: random operations equal the oracle") {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    constexpr std::size_t universe = 60'000;
    idem_test::BitmapOracle oracle(universe);
    UuidSet set({.seed = idem::Seed{seed, 2}});
    std::vector<Uuid> ids;
    std::vector<Verdict> verdicts;
    std::vector<std::size_t> indices;
    std::uint64_t rooms = 0;
    const std::uint64_t operations = idem_test::soaked(6'000);
    for (std::uint64_t step = 0; step < operations; ++step) {
      const bool grows = step / 1'500 % 2 == 0;
      const std::uint64_t kind = rng.below(100);
      if (kind < 60) {
        ids.clear();
        indices.clear();
        for (std::uint64_t i = rng.below(80); i > 0; --i) {
          indices.push_back(rng.below(universe));
          ids.push_back(id(indices.back()));
        }
        if (grows || kind < 10) {
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
        if (rooms < 50 && set.reserve_one(id(0))) ++rooms;
      } else if (kind < 97 && rooms > 0) {
        --rooms;
        const std::size_t index = rng.below(universe);
        set.record(id(index), idem_test::some_time);
        (void)oracle.insert(index);
      } else if (kind == 97 && rooms == 0) {
        UuidSet copy(set);
        REQUIRE(copy.size() == oracle.size());
        set = std::move(copy);
      } else if (kind == 98) {
        REQUIRE(set.warm(rng.below(5'000)));
        set.reserve(set.size() + rng.below(3'000));
      } else if (kind == 99 && rng.one_in(10)) {
        set.clear();
        oracle.clear();
      }
      REQUIRE(set.size() == oracle.size());
    }
    for (std::size_t i = 0; i < universe; ++i) REQUIRE(set.check(id(i)) == oracle.check(i));
  }
}

TEST_CASE("pages: bytes an id, bytes moved by one insert, and no peak") {
  const auto before = allocations();
  UuidSet set({.seed = idem::Seed{1, 2}});
  idem_test::reset_peak();
  for (std::uint64_t i = 0; i < 1'100'000; ++i) {
    REQUIRE(set.insert(id(i)) == Verdict::fresh);
    if (i >= 50'000 && i % 1'000 == 0) {
      REQUIRE(set.memory_bytes() <= 24 * set.size());
      REQUIRE(allocations().peak_bytes - before.live_bytes <= set.memory_bytes() + 20'000);
    }
  }
  CHECK(set.work().most_moved_bytes <= 64 * 1024);
  CHECK(set.work().moved_bytes < 30 * set.size());
  CHECK(set.work().reseeded < set.size() / 1'000);
}

TEST_CASE("pages: the order of for_each is the contents' and the seed's alone") {
  UuidSet grown({.seed = idem::Seed{1, 2}});
  UuidSet reserved({.expected_keys = 30'000, .seed = idem::Seed{1, 2}});
  UuidSet shrunk({.seed = idem::Seed{1, 2}});
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    REQUIRE(grown.insert(id(i)) == Verdict::fresh);
    REQUIRE(reserved.insert(id(19'999 - i)) == Verdict::fresh);
  }
  for (std::uint64_t i = 0; i < 50'000; ++i) REQUIRE(shrunk.insert(id(i)) == Verdict::fresh);
  for (std::uint64_t i = 20'000; i < 50'000; ++i) REQUIRE(shrunk.forget(id(i)));
  const auto order = [](const UuidSet& set) {
    std::vector<Uuid> ids;
    set.for_each([&](const Uuid& each) { ids.push_back(each); });
    return ids;
  };
  const std::vector<Uuid> expected = order(grown);
  CHECK(expected.size() == 20'000);
  CHECK(std::set<Uuid>(expected.begin(), expected.end()).size() == 20'000);
  CHECK(order(reserved) == expected);
  CHECK(order(shrunk) == expected);
  UuidSet small({.seed = idem::Seed{1, 2}});
  UuidSet small_reserved({.expected_keys = 5'000, .seed = idem::Seed{1, 2}});
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    REQUIRE(small.insert(id(i)) == Verdict::fresh);
    REQUIRE(small_reserved.insert(id(i)) == Verdict::fresh);
  }
  CHECK(order(small) == order(small_reserved));
}

TEST_CASE("pages: merge is all or nothing") {
  UuidSet one({.seed = idem::Seed{1, 2}});
  UuidSet other({.seed = idem::Seed{3, 4}});
  for (std::uint64_t i = 0; i < 6'000; ++i) REQUIRE(one.insert(id(i)) == Verdict::fresh);
  for (std::uint64_t i = 3'000; i < 20'000; ++i) REQUIRE(other.insert(id(i)) == Verdict::fresh);
  UuidSet small({.budget = idem::kibibytes(200), .seed = idem::Seed{5, 6}});
  for (std::uint64_t i = 0; i < 4'000; ++i) REQUIRE(small.insert(id(i)) == Verdict::fresh);
  CHECK(small.merge(other) == Verdict::full);
  CHECK(small.size() == 4'000);
  for (std::uint64_t i = 0; i < 20'000; ++i)
    REQUIRE(small.check(id(i)) == (i < 4'000 ? Verdict::duplicate : Verdict::fresh));
  CHECK(one.merge(other) == Verdict::fresh);
  CHECK(one.merge(one) == Verdict::fresh);
  CHECK(one.size() == 20'000);
  for (std::uint64_t i = 0; i < 20'000; ++i) REQUIRE(one.check(id(i)) == Verdict::duplicate);
}

TEST_CASE("pages: ids that all choose one page get another seed, and cost memory in proportion") {
  using Table = idem::detail::IdTable<Uuid, OpenHash>;
  Table table(OpenHash(idem::Seed{0, 0}), idem::ByteSize::unlimited(), true);
  // With this hash the low word is the hash and the high word the rest.
  const auto same_page = [](std::uint64_t i) { return Uuid(i, 0x123456789abcdef0); };
  for (std::uint64_t i = 0; i < 20'000; ++i) REQUIRE(table.insert(same_page(i)) == Verdict::fresh);
  CHECK(table.size() == 20'000);
  CHECK(table.heap_bytes() < 30 * 20'000);
  CHECK(table.work().reseeded > 15'000);
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    REQUIRE(table.insert(same_page(i)) == Verdict::duplicate);
    REQUIRE_FALSE(table.contains(same_page(20'000 + i)));
  }
  // The id whose hash is zero has no place in a page.
  for (std::uint64_t i = 0; i < 300; ++i) {
    REQUIRE(table.insert(Uuid(i, 0)) == Verdict::fresh);
    REQUIRE(table.insert(Uuid(i, 0)) == Verdict::duplicate);
  }
  Table copy(table);
  for (std::uint64_t i = 0; i < 20'000; i += 2) REQUIRE(table.erase(same_page(i)));
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    REQUIRE(table.contains(same_page(i)) == (i % 2 == 1));
    REQUIRE(copy.contains(same_page(i)));
  }
  REQUIRE(table.erase(Uuid(7, 0)));
  REQUIRE_FALSE(table.contains(Uuid(7, 0)));
  std::uint64_t seen = 0;
  REQUIRE(table.each_in_order([&](const Uuid&) { ++seen; }));
  CHECK(seen == table.size());
}

TEST_CASE("pages: any chunk that is not given leaves the set as it was, and the id full") {
  using Table = idem::detail::IdTable<Uuid, idem::Xxh3Hash, ScarcePages>;
  std::uint64_t refused_in_all = 0;
  for (const std::uint64_t ids : {3'071U, 3'072U, 3'073U, 4'000U, 9'000U}) {
    for (std::uint64_t k = 0;; ++k) {
      ScarcePages::left = ~std::uint64_t{0};
      Table table(idem::Xxh3Hash(idem::Seed{1, 2}), idem::ByteSize::unlimited(), true);
      for (std::uint64_t i = 0; i < ids; ++i) REQUIRE(table.insert(id(i)) == Verdict::fresh);
      ScarcePages::left = k;
      ScarcePages::refused = 0;
      std::uint64_t inserted = ids;
      bool was_refused = false;
      for (; inserted < ids + 2'500; ++inserted) {
        const std::size_t held = table.heap_bytes();
        const Verdict verdict = table.insert(id(inserted));
        if (verdict == Verdict::full) {
          REQUIRE(table.heap_bytes() == held);
          was_refused = true;
          break;
        }
        REQUIRE(verdict == Verdict::fresh);
      }
      if (was_refused) {
        REQUIRE_FALSE(table.reserve(50'000));
        REQUIRE(table.size() == inserted);
        std::vector<Uuid> batch;
        for (std::uint64_t i = inserted - 50; i < inserted + 50; ++i) batch.push_back(id(i));
        std::vector<Verdict> verdicts(batch.size());
        table.insert(batch, verdicts);
        for (std::size_t i = 0; i < 100; ++i)
          REQUIRE(verdicts[i] == (i < 50 ? Verdict::duplicate : Verdict::full));
      }
      refused_in_all += ScarcePages::refused;
      for (std::uint64_t i = 0; i < ids + 2'600; ++i)
        REQUIRE(table.contains(id(i)) == (i < inserted));
      ScarcePages::left = ~std::uint64_t{0};
      REQUIRE(table.insert(id(inserted)) == Verdict::fresh);
      if (!was_refused) break;
    }
  }
  CHECK(refused_in_all > 20);
}

TEST_CASE("pages: room taken while the array becomes pages is there") {
  using Table = idem::detail::IdTable<Uuid, idem::Xxh3Hash, ScarcePages>;
  ScarcePages::left = ~std::uint64_t{0};
  Table table(idem::Xxh3Hash(idem::Seed{1, 2}), idem::ByteSize::unlimited(), true);
  for (std::uint64_t i = 0; i < 3'000; ++i) REQUIRE(table.insert(id(i)) == Verdict::fresh);
  for (std::uint64_t i = 0; i < 1'000; ++i) REQUIRE(table.take_room());
  ScarcePages::left = 0;
  std::uint64_t others = 0;
  while (table.insert(id(10'000 + others)) == Verdict::fresh) ++others;
  const std::size_t held = table.heap_bytes();
  for (std::uint64_t i = 0; i < 1'000; ++i) table.record_in_room(id(5'000 + i));
  CHECK(table.size() == 4'000 + others);
  CHECK(table.heap_bytes() == held);
  for (std::uint64_t i = 0; i < 1'000; ++i) REQUIRE(table.contains(id(5'000 + i)));
  ScarcePages::left = ~std::uint64_t{0};
}

TEST_CASE("pages: large chunks hold, forget, copy and warm like small ones") {
  UuidSet set({.expected_keys = 1'600'000, .seed = idem::Seed{1, 2}});
  std::vector<Uuid> ids;
  for (std::uint64_t i = 0; i < 200'000; ++i) ids.push_back(id(i));
  std::vector<Verdict> verdicts(ids.size());
  set.insert(ids, verdicts);
  for (const Verdict verdict : verdicts) REQUIRE(verdict == Verdict::fresh);
  const UuidSet copy(set);
  REQUIRE(set.warm(1'000'000));
  for (std::uint64_t i = 0; i < 200'000; i += 3) REQUIRE(set.forget(id(i)));
  for (std::uint64_t i = 0; i < 200'000; ++i) {
    REQUIRE(set.check(id(i)) == (i % 3 == 0 ? Verdict::fresh : Verdict::duplicate));
    REQUIRE(copy.check(id(i)) == Verdict::duplicate);
  }
  set.clear();
  REQUIRE(set.check(id(1)) == Verdict::fresh);
}
