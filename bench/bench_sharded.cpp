// What threads cost and gain: a sharded Deduplicator against one std::unordered_set under one mutex and, where oneTBB is
// installed (libtbb-dev), tbb::concurrent_hash_map; with one thread and with two, one key at a time and in
// batches. Every key comes twice. Compare rows of one run only; a row of two threads says something where two processors
// are free.

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <unordered_set>

#include <benchmark/benchmark.h>

#include <idem/idem.hpp>

#if defined(IDEM_PEER_TBB)
#include <tbb/concurrent_hash_map.h>
#endif

namespace {

using idem::Uuid;
using idem::Verdict;

constexpr std::uint64_t keys = 1'000'000;
constexpr std::size_t batch = 256;
constexpr idem::Seed seed{1, 2};

Uuid nth(std::uint64_t n) {
  n *= 0x9e3779b97f4a7c15;
  return Uuid(n ^ n >> 32, n * 0xbf58476d1ce4e5b9);
}

// The hash is the same work for all.
struct SlotHash {
  std::size_t operator()(const Uuid& id) const noexcept { return hash_.slot(id.hi(), id.lo()); }
  static std::size_t hash(const Uuid& id) noexcept { return SlotHash()(id); }
  static bool equal(const Uuid& a, const Uuid& b) noexcept { return a == b; }

 private:
  idem::Xxh3Hash hash_{seed};
};

struct OneThread {
  bool insert(const Uuid& id) { return seen.insert(id) == Verdict::fresh; }
  idem::Deduplicator<Uuid> seen{{.memory = {.expected_keys = keys, .seed = seed}}};
};

template <std::size_t shards>
struct Sharded {
  bool insert(const Uuid& id) { return seen.insert(id) == Verdict::fresh; }
  std::uint64_t insert(std::span<const Uuid> ids) {
    std::array<Verdict, batch> verdicts;
    seen.insert(ids, std::span(verdicts).first(ids.size()));
    std::uint64_t fresh = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) fresh += verdicts[i] == Verdict::fresh;
    return fresh;
  }
  idem::Deduplicator<Uuid, idem::Policy<idem::Sharded<shards>>> seen{
      {.memory = {.expected_keys = keys / shards * 5 / 4, .seed = seed}}};
};

struct StdMutex {
  StdMutex() { seen.reserve(keys); }
  bool insert(const Uuid& id) {
    const std::scoped_lock locked(mutex);
    return seen.insert(id).second;
  }
  std::mutex mutex;
  std::unordered_set<Uuid, SlotHash> seen;
};

#if defined(IDEM_PEER_TBB)
struct Tbb {
  bool insert(const Uuid& id) { return seen.insert({id, char{}}); }
  tbb::concurrent_hash_map<Uuid, char, SlotHash> seen{keys};
};
#endif

// Each thread brings the keys of its own half and, half a round later, those of the other: every key
// comes twice, from two threads where there are two.
template <class Seen, std::size_t together = 1>
void fill(benchmark::State& state) {
  static Seen* seen = nullptr;
  const auto threads = static_cast<std::uint64_t>(state.threads());
  const auto thread = static_cast<std::uint64_t>(state.thread_index());
  if (thread == 0) seen = new Seen;
  const std::uint64_t calls = 2 * keys / threads;
  std::uint64_t mine = 0;
  for (auto _ : state) {
    std::uint64_t next = thread * keys / 2;
    if constexpr (together == 1) {
      for (std::uint64_t i = 0; i < calls; ++i) {
        mine += seen->insert(nth(next)) ? 1U : 0U;
        next = next + 1 == keys ? 0 : next + 1;
      }
    } else {
      std::array<Uuid, together> ids;
      for (std::uint64_t i = 0; i < calls; i += together) {
        const std::size_t size =
            calls - i < together ? static_cast<std::size_t>(calls - i) : together;
        for (std::size_t k = 0; k < size; ++k) {
          ids[k] = nth(next);
          next = next + 1 == keys ? 0 : next + 1;
        }
        mine += seen->insert(std::span<const Uuid>(ids).first(size));
      }
    }
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(calls));
  if (thread == 0) {
    if (threads == 1 && mine != keys) state.SkipWithError("wrong verdicts");
    delete seen;
  }
}

// One pass a run, as a second one would meet duplicates alone; medians over the repetitions.
#define IDEM_ROW(...) BENCHMARK(__VA_ARGS__)->Iterations(1)->Repetitions(9)->UseRealTime()
IDEM_ROW(fill<OneThread>);
IDEM_ROW(fill<Sharded<16>>)->Threads(1)->Threads(2);
IDEM_ROW(fill<Sharded<64>>)->Threads(1)->Threads(2);
IDEM_ROW(fill<Sharded<16>, batch>)->Threads(1)->Threads(2);
IDEM_ROW(fill<StdMutex>)->Threads(1)->Threads(2);
#if defined(IDEM_PEER_TBB)
IDEM_ROW(fill<Tbb>)->Threads(1)->Threads(2);
#endif

}  // namespace

BENCHMARK_MAIN();
