#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <new>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <idem/core/bytes.hpp>
#include <idem/core/hash.hpp>
#include <idem/core/memory.hpp>
#include <idem/core/state.hpp>
#include <idem/core/uuid.hpp>
#include <idem/core/verdict.hpp>
#include <idem/memory/id_map.hpp>
#include <idem/memory/id_set.hpp>
#include <idem/snapshot/snapshot.hpp>

#include "support/ids.hpp"
#include "support/out_of_memory.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"
#include "support/thrown.hpp"

// IdMap against std::map, and what is its own: payloads, room of forgotten ids, the order it tells.

namespace {

using idem::Digest;
using idem::IdMap;
using idem::Seed;
using idem::Uuid;
using idem::Verdict;
using idem_test::Rng;
using idem_test::soaked;
using idem_test::spread_id;

using Map = IdMap<Uuid, Digest>;
using Small = IdMap<Uuid, std::uint64_t>;
using Narrow = IdMap<std::uint64_t, Digest>;

static_assert(idem::Memory<Map> && idem::SettlingPayloads<Map> && idem::Forgetting<Map> &&
              idem::Hashing<Map> && idem::Saveable<Map> && idem::SettlingPayloads<Narrow>);
static_assert(std::is_same_v<idem::IdSet<Uuid>::WithPayload<Digest>, Map>);
static_assert(std::is_same_v<Map::WithPayload<std::uint64_t>, Small>);
static_assert(std::is_same_v<Map::WithHash<idem::SipHash>, IdMap<Uuid, Digest, idem::SipHash>>);

template <class Payload>
Payload payload_of(std::uint64_t number) {
  if constexpr (std::is_same_v<Payload, std::uint64_t>) {
    return number;
  } else {
    return Payload{idem_test::mix(number), number};
  }
}

template <class M>
Verdict insert(M& map, std::uint64_t index, std::uint64_t payload) {
  typename M::Payload first{};
  return map.insert(spread_id<typename M::Stored>(index), payload_of<typename M::Payload>(payload),
                    first);
}

template <class M>
std::vector<std::pair<typename M::Stored, typename M::Payload>> contents_of(const M& map) {
  std::vector<std::pair<typename M::Stored, typename M::Payload>> all;
  REQUIRE(
      map.for_each([&](const auto& id, const auto& payload) { all.emplace_back(id, payload); }));
  return all;
}

// Every operation at random, among few or many ids, the id zero among them.
template <class M>
class Differential {
  using Id = typename M::Stored;
  using Payload = typename M::Payload;

 public:
  Differential(std::uint64_t seed, std::uint64_t universe, const idem::IdMapOptions& options)
      : rng_(seed), options_(options), map_(options) {
    for (std::uint64_t i = 0; i < universe; ++i) {
      ids_.push_back(i == 0 ? Id{} : spread_id<Id>(i));
    }
  }

  void run(std::uint64_t steps) {
    for (std::uint64_t step = 0; step < steps; ++step) {
      CAPTURE(step);
      const Id& id = ids_[rng_.below(ids_.size())];
      const std::uint64_t roll = rng_.below(100);
      if (roll < 30) {
        const Payload payload = payload_of<Payload>(rng_.next());
        Payload first = payload_of<Payload>(7);
        judge(id, payload, first, map_.insert(id, payload, first));
      } else if (roll < 40) {
        insert_batch();
      } else if (roll < 60) {
        Payload first = payload_of<Payload>(7);
        const auto known = wanted_.find(id);
        const Verdict wanted = known == wanted_.end() ? Verdict::fresh : Verdict::duplicate;
        if (map_.check(id, first) != wanted || map_.check(id) != wanted) FAIL("check");
        if (first != (known == wanted_.end() ? payload_of<Payload>(7) : known->second))
          FAIL("payload told by check");
      } else if (roll < 92) {
        const bool was_there = wanted_.erase(id) == 1;
        if (map_.forget(id) != was_there) FAIL("forget");
      } else if (roll < 95) {
        record(id);
      } else {
        rare();
      }
      if (map_.size() != wanted_.size()) FAIL("size");
      if (options_.budget != idem::ByteSize::unlimited() &&
          map_.memory_bytes() > options_.budget.count())
        FAIL("more bytes than the budget");
    }
    same_contents();
  }
  std::uint64_t full = 0, merges = 0, duplicates = 0;

 private:
  void judge(const Id& id, const Payload& payload, const Payload& first, Verdict verdict) {
    if (verdict == Verdict::full) {
      ++full;
      if (options_.budget == idem::ByteSize::unlimited()) FAIL("full without a budget");
      if (wanted_.count(id) != 0) FAIL("full for an id that is there");
      return;
    }
    const auto [known, is_new] = wanted_.emplace(id, payload);
    if (verdict != (is_new ? Verdict::fresh : Verdict::duplicate)) FAIL("insert");
    if (!is_new && first != known->second) FAIL("payload told by insert");
    duplicates += is_new ? 0 : 1;
  }

  void insert_batch() {
    const std::size_t size = rng_.below(rng_.one_in(20) ? 300 : 30);
    std::vector<Id> ids;
    std::vector<Payload> payloads, first(size);
    for (std::size_t i = 0; i < size; ++i) {
      ids.push_back(ids_[rng_.below(ids_.size())]);
      payloads.push_back(payload_of<Payload>(rng_.next()));
    }
    std::vector<Verdict> verdicts(size, Verdict::unknown);
    map_.insert(ids, payloads, first, verdicts);
    for (std::size_t i = 0; i < size; ++i) judge(ids[i], payloads[i], first[i], verdicts[i]);
  }

  void record(const Id& id) {
    if (wanted_.count(id) != 0 || !map_.reserve_one(id)) return;
    if (rng_.one_in(2)) return map_.release_one(id);
    const Payload payload = payload_of<Payload>(rng_.next());
    map_.record(id, {.now = idem::Instant()}, payload);
    wanted_[id] = payload;
  }

  void rare() {
    switch (rng_.below(80)) {
      case 0:
        map_.clear();
        wanted_.clear();
        break;
      case 1: {
        M copy(map_);
        map_ = copy;
        break;
      }
      case 2: {
        M moved(std::move(map_));
        map_ = std::move(moved);
        break;
      }
      case 3:
        merge();
        break;
      case 4:
        same_contents();
        break;
      default:
        break;
    }
  }

  void merge() {
    M other(idem::IdMapOptions{.seed = Seed{9, 9}});
    std::map<Id, Payload> theirs;
    for (std::uint64_t i = rng_.below(200); i != 0; --i) {
      const Id& id = ids_[rng_.below(ids_.size())];
      const Payload payload = payload_of<Payload>(rng_.next());
      Payload first{};
      if (other.insert(id, payload, first) == Verdict::fresh) theirs[id] = payload;
      if (rng_.one_in(3) && other.forget(id)) theirs.erase(id);
    }
    if (map_.merge(other) == Verdict::full) {
      ++full;
    } else {
      wanted_.insert(theirs.begin(), theirs.end());
      ++merges;
    }
    same_contents();
  }

  void same_contents() {
    std::map<Id, Payload> there;
    std::uint64_t last_slot = 0;
    Id last{};
    REQUIRE(map_.for_each([&](const Id& id, const Payload& payload) {
      const std::uint64_t slot = map_.slot(id);
      if (!there.empty() && (slot < last_slot || (slot == last_slot && !(last < id))))
        FAIL("order of for_each");
      last_slot = slot;
      last = id;
      there.emplace(id, payload);
    }));
    if (there != wanted_) FAIL("contents");
  }

  Rng rng_;
  idem::IdMapOptions options_;
  M map_;
  std::vector<Id> ids_;
  std::map<Id, Payload> wanted_;
};

template <class M>
void equals_std_map(std::uint64_t steps) {
  const idem::IdMapOptions options[] = {
      {.seed = Seed{1, 2}},
      {.budget = idem::kibibytes(16), .seed = Seed{3, 4}},
      {.budget = idem::kibibytes(200), .expected_keys = 100, .seed = Seed{5, 6}}};
  for (std::uint64_t seed = 1; const auto& option : options) {
    for (const std::uint64_t universe : {2U, 60U, 4'000U}) {
      CAPTURE(seed);
      CAPTURE(universe);
      Differential<M> differential(++seed, universe, option);
      differential.run(soaked(steps));
      CHECK(differential.duplicates > 100);
      CHECK(differential.merges > 0);
      if (universe == 4'000 && option.budget == idem::kibibytes(16)) CHECK(differential.full > 100);
    }
  }
}

}  // namespace

TEST_CASE("IdMap: random steps equal std::map, for payloads and ids of both widths") {
  equals_std_map<Map>(30'000);
  equals_std_map<Small>(30'000);
  equals_std_map<Narrow>(30'000);
  equals_std_map<IdMap<Digest, Uuid, idem::SipHash>>(10'000);
}

TEST_CASE("IdMap: the first payload stays") {
  Map map;
  Digest first{9, 9};
  CHECK(map.insert(Uuid(1, 1), {1, 2}, first) == Verdict::fresh);
  CHECK(first == Digest{9, 9});
  CHECK(map.insert(Uuid(1, 1), {3, 4}, first) == Verdict::duplicate);
  CHECK(first == Digest{1, 2});
  CHECK(map.insert(Uuid(1, 1)) == Verdict::duplicate);
  first = {};
  CHECK(map.check(Uuid(1, 1), first) == Verdict::duplicate);
  CHECK(first == Digest{1, 2});
  CHECK(map.insert(Uuid(2, 2)) == Verdict::fresh);
  CHECK(map.check(Uuid(2, 2), first) == Verdict::duplicate);
  CHECK(first == Digest{});
  CHECK(map.forget(Uuid(1, 1)));
  CHECK(map.insert(Uuid(1, 1), {3, 4}, first) == Verdict::fresh);
}

TEST_CASE("IdMap: bytes an id, grown and pre-sized, are as documented") {
  const auto grown = [](auto map, std::uint64_t ids, double least, double most, double peak) {
    const std::size_t payload = sizeof(typename decltype(map)::Payload);
    const std::size_t id = sizeof(typename decltype(map)::Stored);
    double worst = 0;
    for (std::uint64_t i = 0; i < ids; ++i) {
      REQUIRE(insert(map, i, i) == Verdict::fresh);
      if (i > 20'000) {
        worst =
            std::max(worst, static_cast<double>(map.memory_bytes()) / static_cast<double>(i + 1));
      }
    }
    const double bytes = static_cast<double>(map.memory_bytes()) / static_cast<double>(ids);
    CHECK(bytes >= static_cast<double>(id + payload) + least);
    CHECK(bytes <= static_cast<double>(id + payload) + most);
    CHECK(worst <= static_cast<double>(id + payload) + peak);
  };
  grown(Map(), 900'000, 6.0, 16, 16);
  grown(Small(), 900'000, 6.0, 16, 16);
  grown(Map({.expected_keys = 900'000}), 900'000, 6.0, 6.5, 1e9);
}

TEST_CASE("IdMap: room of forgotten ids is used again, whatever the order") {
  for (const bool oldest_first : {true, false}) {
    CAPTURE(oldest_first);
    Map map;
    constexpr std::uint64_t held = 20'000;
    for (std::uint64_t i = 0; i < held; ++i) REQUIRE(insert(map, i, i) == Verdict::fresh);
    std::size_t most = 0;
    for (std::uint64_t i = held; i < 20 * held; ++i) {
      // The newest all the time, which lie at the head, or the oldest.
      const std::uint64_t gone = oldest_first ? i - held : (i == held ? 0 : i - 1);
      REQUIRE(map.forget(spread_id<Uuid>(gone)));
      REQUIRE(insert(map, i, i) == Verdict::fresh);
      if (i > 2 * held) most = std::max(most, map.memory_bytes());
    }
    CHECK(map.size() == held);
    CHECK(most < 2 * held * 40);
  }
}

TEST_CASE("IdMap: a budget that is spent lets new ids in where others were forgotten") {
  Map map({.budget = idem::kibibytes(100)});
  std::uint64_t next = 0;
  const auto fill = [&] {
    while (insert(map, next, next) == Verdict::fresh) ++next;
    return map.size();
  };
  const std::size_t whole = fill();
  CHECK(whole > 100 * 1024 / 50);
  for (int round = 0; round < 20; ++round) {
    // Every second one that is there, so that no chunk is free as a whole.
    std::vector<Uuid> there;
    for (const auto& [id, payload] : contents_of(map)) there.push_back(id);
    for (std::size_t i = 0; i < there.size(); i += 2) REQUIRE(map.forget(there[i]));
    CHECK(fill() >= whole * 9 / 10);
    CHECK(map.memory_bytes() <= 100 * 1024);
  }
}

TEST_CASE("IdMap: what is reserved comes on top of the room taken") {
  using Numbers = IdMap<std::uint64_t, std::uint64_t>;
  const auto accepts = [](Numbers& map, std::size_t count) {
    try {
      map.reserve(count);
      return true;
    } catch (const std::invalid_argument&) {
      return false;
    }
  };
  const idem::IdMapOptions options{.budget = idem::kibibytes(64), .seed = Seed{1, 2}};
  std::size_t most = 1, refused = 100'000;
  while (refused - most > 1) {
    const std::size_t count = (most + refused) / 2;
    Numbers map(options);
    (accepts(map, count) ? most : refused) = count;
  }
  REQUIRE(most > 1'000);
  Numbers map(options);
  for (int i = 0; i < 100; ++i) REQUIRE(map.reserve_one(0));
  CHECK_FALSE(accepts(map, most));
  CHECK_FALSE(accepts(map, ~std::size_t{0}));
  CHECK_FALSE(accepts(map, ~std::size_t{0} - 99));
  CHECK(accepts(map, most - 100));
}

// Seed 2637: a merge takes for ids what an index in preparation was promised.
TEST_CASE("IdMap: a budget holds while an index is made, rooms are taken and maps merged") {
  using Numbers = IdMap<std::uint64_t, std::uint64_t>;
  for (std::uint64_t seed = 2637; seed < 2637 + idem_test::soaked(40); ++seed) {
    Rng rng(seed);
    // All of the 64 bits, as the seed was found with them.
    const auto below = [&](std::uint64_t bound) { return rng.next() % bound; };
    const std::uint64_t universe = 100 + (std::uint64_t{1} << below(13));
    const std::uint64_t budget = 7100 + below(30 * universe + 1);
    Numbers map({.budget = idem::ByteSize(budget), .seed = Seed{seed, 2}});
    std::size_t rooms = 0;
    bool exceeded = false;
    for (int step = 0; step < 300; ++step) {
      const std::uint64_t kind = below(14);
      std::uint64_t first = 0;
      if (kind < 5) {
        for (std::uint64_t i = 0; i < 100; ++i) {
          (void)map.insert(below(universe), i, first);
          exceeded |= map.memory_bytes() > budget;
        }
      } else if (kind < 9) {
        for (int i = 0; i < 75; ++i) (void)map.forget(below(universe));
      } else if (kind < 11) {
        Numbers other({.seed = Seed{9, 9}});
        const std::uint64_t count = below(universe);
        for (std::uint64_t i = 0; i < count; ++i) (void)other.insert(below(universe), i, first);
        (void)map.merge(other);
      } else if (kind == 11) {
        if (map.reserve_one(0)) ++rooms;
      } else if (kind == 12) {
        if (rooms != 0) {
          map.release_one(0);
          --rooms;
        }
      } else if (below(3) == 0) {
        try {
          map.reserve(below(2 * universe));
        } catch (const std::invalid_argument&) {
        }
      }
      exceeded |= map.memory_bytes() > budget;
    }
    CAPTURE(seed);
    CHECK_FALSE(exceeded);
  }
}

TEST_CASE("IdMap: a batch at a spent budget is its ids one by one, the first copy the fresh one") {
  using Numbers = IdMap<std::uint64_t, std::uint64_t>;
  std::uint64_t found_full = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    Numbers map({.budget = idem::bytes(60'000 + 4'000 * seed), .seed = Seed{seed, 2}});
    std::vector<std::uint64_t> ids, payloads, first;
    std::vector<Verdict> verdicts;
    for (int round = 0; round < 60; ++round) {
      ids.clear();
      for (std::uint64_t i = 0; i < 200; ++i) ids.push_back(rng.below(8'000));
      payloads.clear();
      for (std::size_t i = 0; i < ids.size(); ++i) payloads.push_back(rng.next());
      first.assign(ids.size(), 0);
      verdicts.assign(ids.size(), Verdict::unknown);
      Numbers one_by_one(map);
      map.insert(ids, payloads, first, verdicts);
      for (std::size_t i = 0; i < ids.size(); ++i) {
        std::uint64_t wanted = 0;
        REQUIRE(one_by_one.insert(ids[i], payloads[i], wanted) == verdicts[i]);
        REQUIRE(wanted == first[i]);
        found_full += verdicts[i] == Verdict::full;
      }
      for (std::uint64_t i = 0; i < 100; ++i) (void)map.forget(rng.below(8'000));
    }
  }
  CHECK(found_full > 0);
}

TEST_CASE("IdMap: the order does not tell the history, and equal slots go by id") {
  const idem::IdMapOptions options{.seed = Seed{1, 2}};
  Map forwards(options), backwards(options);
  for (std::uint64_t i = 0; i < 5'000; ++i) {
    REQUIRE(insert(forwards, i, i) == Verdict::fresh);
    REQUIRE(insert(backwards, 4'999 - i, 4'999 - i) == Verdict::fresh);
    REQUIRE(insert(backwards, 10'000 + i, 1) == Verdict::fresh);
  }
  for (std::uint64_t i = 0; i < 5'000; ++i) REQUIRE(backwards.forget(spread_id<Uuid>(10'000 + i)));
  CHECK(contents_of(forwards) == contents_of(backwards));
  std::vector<std::byte> one, other;
  REQUIRE(idem::save(forwards, {}, one));
  REQUIRE(idem::save(backwards, {}, other));
  CHECK(one == other);
  const auto loaded = idem::load<Map>(one);
  REQUIRE(loaded);
  CHECK(contents_of(loaded->state) == contents_of(forwards));
  CHECK(!idem::load<Small>(one));
  CHECK(!idem::load<IdMap<Uuid, Uuid>>(one));
  CHECK(!idem::load<Map>(one, {.budget = idem::kibibytes(100)}));
}

TEST_CASE("IdMap: out of memory anywhere, nothing changes") {
  using idem_test::Failing;
  for (const Failing mode : {Failing::once, Failing::from_then_on}) {
    // Ids one by one: whatever fails, what was fresh is there and nothing else.
    std::vector<std::pair<Uuid, Digest>> wanted;
    Map map({.seed = Seed{1, 2}});
    std::uint64_t refused = 0;
    const std::uint64_t runs = idem_test::for_each_failing_allocation(
        mode,
        [&] {
          map = Map({.seed = Seed{1, 2}}), refused = 0;
        },
        [&] {
          for (std::uint64_t i = 0; i < 3'000; ++i) {
            refused += insert(map, i, i) == Verdict::full ? 1U : 0U;
          }
        },
        [&](bool fired) {
          CHECK(map.size() == 3'000 - refused);
          if (!fired) CHECK(refused == 0);
          std::uint64_t there = 0;
          for (std::uint64_t i = 0; i < 3'000; ++i) {
            Digest first{};
            if (map.check(spread_id<Uuid>(i), first) != Verdict::duplicate) continue;
            ++there;
            REQUIRE(first == payload_of<Digest>(i));
          }
          CHECK(there == map.size());
        });
    CHECK(runs > 5);
    // Copying, ordering, merging.
    const auto before = contents_of(map);
    Map other({.seed = Seed{7, 7}});
    for (std::uint64_t i = 2'500; i < 6'000; ++i) REQUIRE(insert(other, i, 0) == Verdict::fresh);
    Map mine(map);
    Verdict merged = Verdict::unknown;
    CHECK(idem_test::for_each_failing_allocation(
              mode, [&] { mine = map; }, [&] { merged = mine.merge(other); },
              [&](bool fired) {
                if (merged == Verdict::full) {
                  CHECK(fired);
                  CHECK(contents_of(mine) == before);
                } else {
                  CHECK(mine.size() == 6'000);
                }
              }) > 1);
    bool visited = false, told = false;
    CHECK(idem_test::for_each_failing_allocation(
              mode, [&] { visited = false; },
              [&] { told = map.for_each([&](const auto&, const auto&) { visited = true; }); },
              [&](bool fired) {
                CHECK(told != fired);
                CHECK(visited == told);
              }) == 2);
#if defined(__cpp_exceptions)
    bool threw = false;
    CHECK(idem_test::for_each_failing_allocation(
              mode, [&] { threw = false; },
              [&] {
                try {
                  const Map copy(map);
                  CHECK(copy.size() == map.size());
                } catch (const std::bad_alloc&) {
                  threw = true;
                }
              },
              [&](bool fired) { CHECK(threw == fired); }) > 1);
#endif
  }
}

#if defined(__cpp_exceptions)
TEST_CASE("IdMap: nonsense is refused, field and value in the sentence") {
  using idem_test::contains;
  using idem_test::refusal;
  CHECK(contains(refusal([] { Map map({.budget = idem::bytes(10)}); }), "IdMapOptions.budget"));
  CHECK(contains(
      refusal([] { Map map({.budget = idem::kibibytes(64), .expected_keys = 1'000'000}); }),
      "IdMapOptions.expected_keys"));
  CHECK(contains(refusal([] { Map map({.expected_keys = ~std::size_t{0}}); }),
                 "IdMapOptions.expected_keys"));
  Map map;
  CHECK_THROWS_AS(map.reserve(~std::size_t{0}), std::invalid_argument);
  map.reserve(10'000);
  const std::size_t bytes = map.memory_bytes();
  for (std::uint64_t i = 0; i < 10'000; ++i) REQUIRE(insert(map, i, i) == Verdict::fresh);
  CHECK(map.memory_bytes() - bytes < 10'000 * 34);
}
#endif
