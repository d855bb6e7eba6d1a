// The exact sets of UUIDs against others: insert one by one and in batches, growing from empty and
// pre-sized.
//
//   bench_sets [--keys N]... [--rounds R] [--batch B] [--pages huge|given] [--peer NAME]... [--tail|--memory] [--json FILE]
//
// --peer absl::flat_hash_set leaves out the other peers, which is faster and leaves the machine's memory to two.
// -DIDEM_PEER_ANKERL_DIR (the include directory of martinus/unordered_dense) adds a peer that Debian
// has not.
//
// --tail times every insert of a growing set by the wall clock instead, and prints the slowest ones
// beside those of an empty loop: on a machine with other work these are mostly the machine's.
// --memory grows each set to N keys once and tells what it holds, and the most it held, at sixteen sizes a decade.
//
// Not a Google Benchmark program: here all contenders take turns within a round, in another order each
// time, on thread CPU time, and ratios are taken within it, which matters more than what a framework
// offers. Every contender gets the same keys in the same batches and a seeded hash, and huge pages or
// what the system gives; absl::flat_hash_set once more with its own prefetch, 16 keys ahead. After the
// inserts every key comes once more, in another order: the duplicates. One contender runs twice under
// two names, and what lies between the two is the noise.

#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#if __has_include(<absl/container/flat_hash_set.h>)
#include <absl/container/flat_hash_set.h>
#define IDEM_BENCH_ABSL 1
#endif
#if __has_include(<boost/unordered/unordered_flat_set.hpp>)
#include <boost/unordered/unordered_flat_set.hpp>
#define IDEM_BENCH_BOOST 1
#endif
#if __has_include(<tsl/robin_set.h>)
#include <tsl/robin_set.h>
#define IDEM_BENCH_TSL 1
#endif
#if defined(IDEM_PEER_ANKERL)
#include <ankerl/unordered_dense.h>
#endif

#include <idem/core/hash.hpp>
#include <idem/core/uuid.hpp>
#include <idem/memory/uuid_set.hpp>

#include "fresh_memory.hpp"
#include "harness.hpp"

namespace {

using bench::median;
using bench::mix;

using idem::Uuid;
using idem::Verdict;

std::size_t keys = 4'000'000;
int rounds = 3;
std::size_t batch = 512;
bool huge_pages = true;
std::vector<std::string> chosen_peers;  // none: all
bool takes_turns = true;                // rounds of all contenders
bool touches = false;  // memory when it is taken, as our sets do when they are reserved

// What a peer holds, and the most it held.
std::size_t held = 0;
std::size_t peak = 0;

constexpr std::size_t huge_page = std::size_t{1} << 21;
// From here on a set is far larger than any cache, and what its memory costs is the machine's.
constexpr std::size_t many_keys = 4'000'000;

// Counts what peers hold, and asks for huge pages behind large arrays as our sets do.
template <class T>
struct Counted {
  using value_type = T;
  Counted() = default;
  template <class U>
  Counted(const Counted<U>&) {}  // NOLINT: containers convert allocators
  T* allocate(std::size_t n) {
    const std::size_t bytes = n * sizeof(T);
    const bool is_large = huge_pages && bytes >= huge_page;
    const std::size_t alignment = is_large ? huge_page : alignof(std::max_align_t);
    void* const block =
        std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (block == nullptr) std::abort();
    if (is_large) (void)madvise(block, bytes / huge_page * huge_page, MADV_HUGEPAGE);
    if (touches) std::memset(block, 0, bytes);
    held += bytes;
    peak = std::max(peak, held);
    return static_cast<T*>(block);
  }
  void deallocate(T* block, std::size_t n) {
    held -= n * sizeof(T);
    std::free(block);
  }
  friend bool operator==(Counted, Counted) { return true; }
};

struct SeededHash {
  using is_avalanching = void;  // spares those that ask a second mixing
  idem::Xxh3Hash hash{idem::Seed{1, 2}};
  std::size_t operator()(const Uuid& id) const {
    return static_cast<std::size_t>(hash.slot(id.hi(), id.lo()));
  }
};

struct Result {
  double most_moved = 0;  // bytes, by one insert
  double ns = 0;
  double duplicate_ns = 0;
  double bytes = 0;
  double peak_bytes = 0;
  std::size_t fresh = 0;
  std::size_t repeats_taken_for_fresh = 0;
};

Uuid nth(std::uint64_t n) { return Uuid::make_v4(mix(n + 1), mix((n + 1) ^ 0x5555555500000000)); }

// insert(ids) returns how many were fresh. Nanoseconds a key that nth_of(i) makes.
template <class Insert, class NthOf>
double pass(Insert& insert, std::size_t& fresh, const NthOf& nth_of) {
  std::vector<Uuid> ids(batch);
  double ns = 0;
  for (std::size_t done = 0; done < keys; done += batch) {
    const std::size_t count = std::min(batch, keys - done);
    for (std::size_t i = 0; i < count; ++i) ids[i] = nth_of(done + i);
    const std::span<const Uuid> given(ids.data(), count);
    const double begin = bench::thread_ns();
    fresh += insert(given);
    ns += bench::thread_ns() - begin;
  }
  return ns / static_cast<double>(keys);
}

template <class Insert>
Result run(Insert&& insert) {
  Result result;
  result.ns = pass(insert, result.fresh, [](std::size_t i) { return nth(i); });
  // A prime, so that every key comes once.
  constexpr std::uint64_t stride = 2'654'435'761;
  std::size_t again = 0;
  result.duplicate_ns = pass(insert, again, [](std::size_t i) { return nth(i * stride % keys); });
  result.repeats_taken_for_fresh = again;
  return result;
}

template <class Set>
Result run_peer(bool sized, std::size_t prefetched_ahead = 0) {
  held = peak = 0;
  Set set;
  touches = sized;
  if (sized) set.reserve(keys);
  touches = false;
  Result result = run([&](std::span<const Uuid> ids) {
    std::size_t fresh = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if constexpr (requires { set.prefetch(ids[i]); }) {
        if (prefetched_ahead != 0 && i + prefetched_ahead < ids.size())
          set.prefetch(ids[i + prefetched_ahead]);
      }
      fresh += set.insert(ids[i]).second;
    }
    return fresh;
  });
  result.bytes = static_cast<double>(held) / static_cast<double>(keys);
  result.peak_bytes = static_cast<double>(peak) / static_cast<double>(keys);
  return result;
}

idem::SetOptions options_of_ours(bool sized) {
  return {.expected_keys = sized ? keys : 0,
          .seed = idem::Seed{1, 2},
          .pages = huge_pages ? idem::PagePolicy::huge_when_large : idem::PagePolicy::as_given};
}

// The plant: every batch into two sets, which must come out at twice the time.
Result run_plant(bool sized) {
  idem::UuidSet first(options_of_ours(sized)), second(options_of_ours(sized));
  std::vector<Verdict> verdicts(batch);
  return run([&](std::span<const Uuid> ids) {
    std::size_t fresh = 0;
    first.insert(ids, std::span(verdicts).first(ids.size()));
    second.insert(ids, std::span(verdicts).first(ids.size()));
    for (std::size_t i = 0; i < ids.size(); ++i) fresh += verdicts[i] == Verdict::fresh;
    return fresh;
  });
}

Result run_ours(bool sized, bool batched) {
  idem::UuidSet set(options_of_ours(sized));
  std::vector<Verdict> verdicts(batch);
  double most = 0;
  Result result = run([&](std::span<const Uuid> ids) {
    std::size_t fresh = 0;
    if (batched) {
      set.insert(ids, std::span(verdicts).first(ids.size()));
      for (std::size_t i = 0; i < ids.size(); ++i) fresh += verdicts[i] == Verdict::fresh;
    } else {
      for (const Uuid& id : ids) fresh += set.insert(id) == Verdict::fresh;
    }
    most = std::max(most, static_cast<double>(set.memory_bytes()));
    return fresh;
  });
  result.bytes = static_cast<double>(set.memory_bytes()) / static_cast<double>(keys);
  result.peak_bytes = most / static_cast<double>(keys);
  result.most_moved = static_cast<double>(set.work().most_bytes);
  return result;
}

// visit_chosen<Set>(name) for every chosen peer there is, absl first; missing_chosen(name, why) for the others.
template <class Visit, class Missing>
void for_each_peer(const Visit& visit_chosen, const Missing& missing_chosen) {
  const auto is_chosen = [](const char* name) {
    return chosen_peers.empty() ||
           std::find(chosen_peers.begin(), chosen_peers.end(), name) != chosen_peers.end();
  };
  const auto visit = [&]<class Set>(const char* name) {
    if (is_chosen(name)) visit_chosen.template operator()<Set>(name);
  };
  [[maybe_unused]] const auto missing = [&](const char* name, const char* why) {
    if (is_chosen(name)) missing_chosen(name, why);
  };
  using Equal = std::equal_to<Uuid>;
  using Heap = Counted<Uuid>;
#if defined(IDEM_BENCH_ABSL)
  visit.template operator()<absl::flat_hash_set<Uuid, SeededHash, Equal, Heap>>(
      "absl::flat_hash_set");
#else
  missing("absl::flat_hash_set", "needs libabsl-dev");
#endif
#if defined(IDEM_BENCH_BOOST)
  visit.template operator()<boost::unordered_flat_set<Uuid, SeededHash, Equal, Heap>>(
      "boost::unordered_flat_set");
#else
  missing("boost::unordered_flat_set", "needs Boost 1.81 (libboost1.81-dev)");
#endif
#if defined(IDEM_BENCH_TSL)
  visit.template operator()<tsl::robin_set<Uuid, SeededHash, Equal, Heap>>("tsl::robin_set");
#else
  missing("tsl::robin_set", "needs robin-map-dev");
#endif
#if defined(IDEM_PEER_ANKERL)
  visit.template operator()<ankerl::unordered_dense::set<Uuid, SeededHash, Equal, Heap>>(
      "ankerl::unordered_dense::set");
#else
  missing("ankerl::unordered_dense::set", "needs -DIDEM_PEER_ANKERL_DIR");
#endif
  // The slow one. Of many keys it would leave the machine's memory to no other for half a minute a round.
  if (keys < many_keys || !takes_turns || !chosen_peers.empty()) {
    visit.template operator()<std::unordered_set<Uuid, SeededHash, Equal, Heap>>(
        "std::unordered_set (slow)");
  }
}

struct Contender {
  const char* name;
  std::function<Result()> run;
  std::vector<Result> results = {};

  [[nodiscard]] std::vector<double> all(double Result::*time) const {
    std::vector<double> times;
    for (const Result& result : results) times.push_back(result.*time);
    return times;
  }
};

// Every contender once, in an order of the round's own. False: one counted wrongly.
bool take_turns(std::vector<Contender>& contenders, bool sized, std::uint64_t round) {
  std::vector<Contender*> order;
  for (Contender& contender : contenders) order.push_back(&contender);
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[mix(round * 64 + i) % i]);
  for (Contender* const contender : order) {
    // What the one before leaves is not to be paid for by this one: pages that a virtual machine got from
    // its host, or gave back. As much as the hungriest holds at once.
    if (keys >= many_keys) {
      (void)malloc_trim(0);
      if (!sized) bench::have_at_hand(keys * 76);
    }
    contender->results.push_back(contender->run());
    const Result& result = contender->results.back();
    if (result.fresh != keys || result.repeats_taken_for_fresh != 0) {
      std::printf("%s counted %zu fresh ids, and %zu once more\n", contender->name, result.fresh,
                  result.repeats_taken_for_fresh);
      return false;
    }
  }
  return true;
}

// All contenders in turns, pre-sized and growing. False: one counted wrongly.
bool compare(bench::Rows& json) {
  for (const bool sized : {false, true}) {
    const char* const compared = sized ? "pre-sized" : "growing";
    std::vector<Contender> contenders;
    for_each_peer(
        [&]<class Set>(const char* name) {
          contenders.push_back({name, [=] { return run_peer<Set>(sized); }});
          if constexpr (requires(const Set& set) { set.prefetch(Uuid()); })
            contenders.push_back(
                {"absl::flat_hash_set, prefetched", [=] { return run_peer<Set>(sized, 16); }});
        },
        [&](const char* name, const char* why) {
          json.not_run(compared, static_cast<double>(keys), name, why);
        });
    contenders.push_back({"UuidSet, batches", [=] { return run_ours(sized, true); }});
    contenders.push_back({"UuidSet, single", [=] { return run_ours(sized, false); }});
    contenders.push_back({"UuidSet, batches, once more", [=] { return run_ours(sized, true); }});
    contenders.push_back({"plant: two UuidSets", [=] { return run_plant(sized); }});
    contenders.push_back({"nothing", [] {
                            std::uint64_t sum = 0;
                            std::size_t left = keys;  // to be called fresh
                            return run([&](std::span<const Uuid> ids) {
                              for (const Uuid& id : ids) sum ^= id.lo();
                              asm volatile("" : : "r"(sum));
                              const std::size_t fresh = std::min(left, ids.size());
                              left -= fresh;
                              return fresh;
                            });
                          }});
    // The first round warms up and is not counted; of many keys it would only cost time.
    for (int round = keys < many_keys ? -1 : 0; round < rounds; ++round) {
      if (!take_turns(contenders, sized, static_cast<std::uint64_t>(round + 1))) return false;
      if (round < 0)
        for (Contender& contender : contenders) contender.results.clear();
    }
    std::printf("\n%s, %zu keys\n%-32s %8s %17s %7s %10s %8s %8s\n", compared, keys, "", "ns/key",
                "min - max", "ratio", "duplicate", "B/key", "peak");
    for (const Contender& contender : contenders) {
      const std::vector<double> times = contender.all(&Result::ns);
      const std::vector<double> again = contender.all(&Result::duplicate_ns);
      std::vector<double> ratios;
      for (std::size_t i = 0; i < times.size(); ++i)
        ratios.push_back(contenders.front().results[i].ns / times[i]);
      const Result& last = contender.results.back();
      std::printf("%-32s %8.1f %8.1f-%8.1f %7.2f %10.1f %8.2f %8.2f\n", contender.name,
                  median(times), *std::min_element(times.begin(), times.end()),
                  *std::max_element(times.begin(), times.end()), median(ratios), median(again),
                  last.bytes, last.peak_bytes);
      json.add(compared, static_cast<double>(keys), contender.name, times,
               {{"bytes", last.bytes},
                {"peak_bytes", last.peak_bytes},
                {"most_moved", last.most_moved}});
      // The same set once more would say the same.
      if (sized) json.add("duplicates", static_cast<double>(keys), contender.name, again);
    }
  }
  return true;
}

// insert(id), and bytes() that are held now, of one contender.
template <class Insert, class Bytes>
void print_memory(bench::Rows& json, const char* name, Insert&& insert, Bytes&& bytes) {
  constexpr double step = 1.154781984689458;  // the sixteenth root of ten
  double next = 1000, most = 0, most_a_key = 0;
  for (std::size_t i = 0; i < keys; ++i) {
    (void)insert(nth(i));
    const auto now = static_cast<double>(bytes());
    most = std::max({most, now, static_cast<double>(peak)});
    const auto size = static_cast<double>(i + 1);
    if (size < next && i + 1 != keys) continue;
    while (next <= size) next *= step;
    json.add("memory", size, name, {}, {{"bytes", now / size}, {"peak_bytes", most / size}});
    if (size >= 1e6) most_a_key = std::max(most_a_key, now / size);
  }
  std::printf("%-28s %12.2f", name, static_cast<double>(bytes()) / static_cast<double>(keys));
  if (most_a_key > 0) std::printf(" %24.2f", most_a_key);
  std::printf("\n");
}

void compare_memory(bench::Rows& json) {
  std::printf("\nbytes a key of a set growing to %zu keys\n%-28s %12s %24s\n", keys, "",
              "at the end", "the most, from a million");
  {
    held = peak = 0;
    idem::UuidSet set(options_of_ours(false));
    print_memory(
        json, "UuidSet", [&](const Uuid& id) { return set.insert(id) == Verdict::fresh; },
        [&] { return set.memory_bytes(); });
  }
  for_each_peer(
      [&]<class Set>(const char* name) {
        held = peak = 0;
        Set set;
        print_memory(
            json, name, [&](const Uuid& id) { return set.insert(id).second; }, [] { return held; });
      },
      [](const char*, const char*) {});
}

// insert(id) alone between two looks at the clock, `keys` times.
template <class Insert>
void print_tail(bench::Rows& json, const char* name, Insert&& insert) {
  std::vector<float> times(keys);
  std::size_t fresh = 0;
  for (std::size_t i = 0; i < keys; ++i) {
    const Uuid id = nth(i);
    const double begin = bench::wall_ns();
    fresh += insert(id);
    times[i] = static_cast<float>(bench::wall_ns() - begin);
  }
  if (fresh != keys) std::printf("%s counted %zu fresh ids\n", name, fresh);
  std::sort(times.begin(), times.end());
  const auto at = [&](double share) {
    const auto place = static_cast<std::size_t>(share * static_cast<double>(keys));
    return static_cast<double>(times[std::min(place, keys - 1)]);
  };
  std::printf("%-28s", name);
  for (const double share : {0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 1.0}) {
    std::printf(" %11.0f", at(share));
  }
  std::printf("\n");
  json.add("tail", static_cast<double>(keys), name, {},
           {{"p50", at(0.5)},
            {"p90", at(0.9)},
            {"p99", at(0.99)},
            {"p99.9", at(0.999)},
            {"p99.99", at(0.9999)},
            {"p99.999", at(0.99999)},
            {"max", at(1)}});
}

void compare_tails(bench::Rows& json) {
  std::printf("\n%zu inserts into a growing set, ns\n%-28s %11s %11s %11s %11s %11s %11s %11s\n",
              keys, "", "p50", "p90", "p99", "p99.9", "p99.99", "p99.999", "max");
  print_tail(json, "nothing", [](const Uuid& id) { return id.lo() != 0; });
  {
    idem::UuidSet set(options_of_ours(false));
    print_tail(json, "UuidSet, single",
               [&](const Uuid& id) { return set.insert(id) == Verdict::fresh; });
    std::printf("  at most %zu bytes moved by one insert\n",
                static_cast<std::size_t>(set.work().most_bytes));
  }
  for_each_peer(
      [&]<class Set>(const char* name) {
        Set set;
        print_tail(json, name, [&](const Uuid& id) { return set.insert(id).second; });
      },
      [](const char*, const char*) {});
}

}  // namespace

int main(int count, char** arguments) {
  bench::Rows json(count, arguments);
  std::vector<std::size_t> sizes;
  bool tail = false, memory = false;
  for (int i = 1; i < count; ++i) {
    const std::string name = arguments[i];
    if (name == "--tail" || name == "--memory") {
      (name == "--tail" ? tail : memory) = true;
      continue;
    }
    if (i + 1 == count) break;
    const char* const value = arguments[++i];
    if (name == "--keys") sizes.push_back(std::strtoull(value, nullptr, 10));
    if (name == "--rounds") rounds = std::atoi(value);
    if (name == "--peer") chosen_peers.emplace_back(value);
    if (name == "--pages") huge_pages = std::string(value) != "given";
    if (name == "--batch") batch = std::strtoull(value, nullptr, 10);
  }
  if (sizes.empty()) sizes = {keys};
  takes_turns = !tail && !memory;
#if defined(__clang__)
  std::printf("clang %s", __clang_version__);
#else
  std::printf("g++ %s", __VERSION__);
#endif
  std::printf(", %s, batches of %zu, %d rounds, %s\n",
#if defined(__AVX512F__)
              "AVX-512",
#elif defined(__AVX2__)
              "AVX2",
#else
              "plain",
#endif
              batch, rounds, huge_pages ? "huge pages" : "pages as given");

  for (const std::size_t size : sizes) {
    keys = size;
    if (tail) {
      compare_tails(json);
    } else if (memory) {
      compare_memory(json);
    } else if (!compare(json)) {
      return 1;
    }
  }
  return 0;
}
