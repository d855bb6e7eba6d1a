// What threads cost and gain: a sharded Deduplicator with one thread and with two, one key at a time and in batches,
// against the concurrent sets of Debian (oneTBB, libcuckoo) and the usual hand-written ways: one set under one mutex,
// and 64 sets of abseil under a mutex each. Every key comes twice, with two threads once from either.
//
//   bench_sharded [--keys N] [--rounds R] [--json FILE]       default: 1000000 keys, 9 rounds
//
// All take turns within a round, a new object each time. Two figures: the wall clock from the start of both threads to
// the end of the last, which says something only where two processors are free, and the processor time of the thread
// that took more, which does not count a thread asleep before a mutex. No Google Benchmark program for it would run
// one contender to its end before the next.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <thread>
#include <unordered_set>
#include <vector>

#include <idem/idem.hpp>

#include "harness.hpp"

#if __has_include(<absl/container/flat_hash_set.h>)
#include <absl/container/flat_hash_set.h>
#define IDEM_BENCH_ABSL 1
#endif
#if __has_include(<libcuckoo/cuckoohash_map.hh>)
#include <libcuckoo/cuckoohash_map.hh>
#define IDEM_BENCH_LIBCUCKOO 1
#endif
#if defined(IDEM_PEER_TBB)
#include <tbb/concurrent_hash_map.h>
#endif

namespace {

using idem::Uuid;
using idem::Verdict;

constexpr std::size_t batch = 256;
constexpr idem::Seed seed{1, 2};

std::size_t keys = 1'000'000;

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
  std::size_t insert(std::span<const Uuid> ids) {
    std::array<Verdict, batch> verdicts;
    seen.insert(ids, std::span(verdicts).first(ids.size()));
    std::size_t fresh = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) fresh += verdicts[i] == Verdict::fresh;
    return fresh;
  }
  idem::Deduplicator<Uuid, idem::Policy<idem::Sharded<shards>>> seen{
      {.memory = {.expected_keys = keys / shards * 5 / 4, .seed = seed}}};
};

// The plant: must come out at twice the time of its one.
struct ShardedTwice {
  bool insert(const Uuid& id) {
    const bool fresh = first.insert(id);
    second.insert(id);
    return fresh;
  }
  Sharded<16> first, second;
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

#if defined(IDEM_BENCH_ABSL)
struct AbslShards {
  AbslShards() {
    for (Shard& shard : shards) shard.seen.reserve(keys / 64 * 5 / 4);
  }
  bool insert(const Uuid& id) {
    Shard& shard = shards[SlotHash()(id) >> 58];
    const std::scoped_lock locked(shard.mutex);
    return shard.seen.insert(id).second;
  }
  struct alignas(64) Shard {
    std::mutex mutex;
    absl::flat_hash_set<Uuid, SlotHash> seen;
  };
  std::array<Shard, 64> shards;
};
#endif

#if defined(IDEM_BENCH_LIBCUCKOO)
struct Libcuckoo {
  Libcuckoo() { seen.reserve(keys); }
  bool insert(const Uuid& id) { return seen.insert(id, char{}); }
  libcuckoo::cuckoohash_map<Uuid, char, SlotHash> seen;
};
#endif

#if defined(IDEM_PEER_TBB)
struct Tbb {
  bool insert(const Uuid& id) { return seen.insert({id, char{}}); }
  tbb::concurrent_hash_map<Uuid, char, SlotHash> seen{keys};
};
#endif

// Makes the keys, counts as fresh those of each thread's first half.
struct Nothing {
  bool insert(const Uuid& id) { return id.lo() != 1; }
};

struct Times {
  double wall = 0;       // of all calls together, divided by them
  double processor = 0;  // of the busier thread, divided by its calls
  std::size_t fresh = 0;
};

// Each thread brings the keys of its own half and, half a round later, those of the other.
template <class Seen, std::size_t together = 1>
Times run(std::size_t threads) {
  const auto seen = std::make_unique<Seen>();
  struct alignas(64) Part {
    double begin = 0, end = 0, processor = 0;
    std::size_t fresh = 0;
  };
  std::array<Part, 2> parts;
  std::atomic<std::size_t> ready{0};
  const std::size_t calls = 2 * keys / threads;
  const auto work = [&](std::size_t thread) {
    ready.fetch_add(1);
    while (ready.load() != threads) std::this_thread::yield();
    std::size_t fresh = 0;
    std::size_t next = thread * keys / 2;
    const double begin = bench::wall_ns(), processor = bench::thread_ns();
    if constexpr (together == 1) {
      for (std::size_t i = 0; i < calls; ++i) {
        fresh += seen->insert(nth(next)) ? 1U : 0U;
        next = next + 1 == keys ? 0 : next + 1;
      }
    } else {
      std::array<Uuid, together> ids;
      for (std::size_t i = 0; i < calls; i += together) {
        const std::size_t size = calls - i < together ? calls - i : together;
        for (std::size_t k = 0; k < size; ++k) {
          ids[k] = nth(next);
          next = next + 1 == keys ? 0 : next + 1;
        }
        fresh += seen->insert(std::span<const Uuid>(ids).first(size));
      }
    }
    parts[thread] = {begin, bench::wall_ns(), bench::thread_ns() - processor, fresh};
  };
  std::vector<std::thread> others;
  for (std::size_t thread = 1; thread < threads; ++thread) others.emplace_back(work, thread);
  work(0);
  for (std::thread& other : others) other.join();

  double begin = parts[0].begin, end = parts[0].end, processor = parts[0].processor;
  std::size_t fresh = parts[0].fresh;
  if (threads == 2) {
    begin = std::min(begin, parts[1].begin);
    end = std::max(end, parts[1].end);
    processor = std::max(processor, parts[1].processor);
    fresh += parts[1].fresh;
  }
  const auto all = static_cast<double>(2 * keys);
  return {(end - begin) / all, processor / static_cast<double>(calls), fresh};
}

struct Contender {
  const char* name;
  std::function<Times(std::size_t)> run;
  bool judges = true;
  std::size_t most_threads = 2;
  std::array<std::vector<double>, 2> wall{}, processor{};
};

}  // namespace

int main(int argc, char** argv) {
  bench::Rows json(argc, argv);
  std::size_t rounds = 9;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--keys") keys = std::strtoull(argv[i + 1], nullptr, 10);
    if (option == "--rounds") rounds = std::strtoull(argv[i + 1], nullptr, 10);
  }
  std::vector<Contender> contenders;
  contenders.push_back({"Deduplicator, no shards", run<OneThread>, true, 1});
  contenders.push_back({"Sharded<16>, single", run<Sharded<16>>});
  contenders.push_back({"Sharded<64>, single", run<Sharded<64>>});
  contenders.push_back({"Sharded<16>, batches of 256", run<Sharded<16>, batch>});
  contenders.push_back({"plant: two Sharded<16>, single", run<ShardedTwice>});
  contenders.push_back({"std::unordered_set, one mutex", run<StdMutex>});
  [[maybe_unused]] const auto left_out = [&](const char* name, const char* why) {
    for (const char* const compared : {"1 thread", "2 threads", "2 threads, processor"})
      json.not_run(compared, static_cast<double>(keys), name, why);
    std::printf("%s: not run, %s\n", name, why);
  };
#if defined(IDEM_BENCH_ABSL)
  contenders.push_back({"64 absl::flat_hash_set, 64 mutexes", run<AbslShards>});
#else
  left_out("64 absl::flat_hash_set, 64 mutexes", "needs abseil (libabsl-dev)");
#endif
#if defined(IDEM_BENCH_LIBCUCKOO)
  contenders.push_back({"libcuckoo::cuckoohash_map", run<Libcuckoo>});
#else
  left_out("libcuckoo::cuckoohash_map", "needs libcuckoo-dev");
#endif
#if defined(IDEM_PEER_TBB)
  contenders.push_back({"tbb::concurrent_hash_map", run<Tbb>});
#else
  left_out("tbb::concurrent_hash_map", "needs libtbb-dev");
#endif
  contenders.push_back({"nothing", run<Nothing>, false});

  for (std::size_t round = 0; round < rounds; ++round) {
    for (std::size_t turn = 0; turn < contenders.size(); ++turn) {
      Contender& contender = contenders[(turn + round) % contenders.size()];
      for (std::size_t threads = 1; threads <= contender.most_threads; ++threads) {
        const Times times = contender.run(threads);
        if (contender.judges && times.fresh != keys) {
          std::printf("%s: %zu fresh, not %zu\n", contender.name, times.fresh, keys);
          return 1;
        }
        contender.wall[threads - 1].push_back(times.wall);
        contender.processor[threads - 1].push_back(times.processor);
      }
    }
  }
  std::printf("\n%zu keys, each twice, %zu rounds; millions of calls a second, medians\n", keys,
              rounds);
  std::printf("%-36s %10s %10s %8s %18s\n", "", "1 thread", "2 threads", "gain", "gain, processor");
  for (const Contender& contender : contenders) {
    const double one = bench::median(contender.wall[0]);
    std::printf("%-36s %10.2f", contender.name, 1e3 / one);
    json.add("1 thread", static_cast<double>(keys), contender.name, contender.wall[0]);
    json.add("1 thread, processor", static_cast<double>(keys), contender.name,
             contender.processor[0]);
    if (contender.most_threads == 2) {
      const double two = bench::median(contender.wall[1]);
      std::printf(
          " %10.2f %8.2f %18.2f", 1e3 / two, one / two,
          2 * bench::median(contender.processor[0]) / bench::median(contender.processor[1]));
      json.add("2 threads", static_cast<double>(keys), contender.name, contender.wall[1]);
      json.add("2 threads, processor", static_cast<double>(keys), contender.name,
               contender.processor[1]);
    }
    std::printf("\n");
  }
  return 0;
}
