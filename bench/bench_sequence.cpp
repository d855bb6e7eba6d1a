// Sequence numbers: the tracker beside the way it is usually written (a hash map of deques of five),
// beside one that does nothing and one that is slow by intent; then the ledger and the replay window.
//
// Without arguments, or with `--rounds=N`: the table of ratios alone, with `--json FILE` for
// scripts/scorecard too. With any of Google Benchmark's:
// the rest. Where transparent huge pages are to be had for the asking, GLIBC_TUNABLES=
// glibc.malloc.hugetlb=1 asks for them, for all contenders alike.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <idem/sequence/monotonic_tracker.hpp>
#include <idem/sequence/offset_ledger.hpp>
#include <idem/sequence/producer_tracker.hpp>
#include <idem/sequence/replay_window.hpp>

#include "harness.hpp"

namespace {

using bench::median;

using idem::Instant;
using idem::Judgement;
using idem::OffsetRange;
using idem::ProducerBatch;
using idem::ProducerTracker;
using idem::Verdict;

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t x = state_;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
  }
  std::uint64_t below(std::uint64_t n) { return (next() >> 32) * n >> 32; }

 private:
  std::uint64_t state_;
};

// As brokers and proxies write it.
class MapOfDeques {
 public:
  struct Batch {
    std::int64_t first, last, first_offset, last_offset, timestamp_ms;
  };
  struct Producer {
    std::int32_t epoch = -1;
    std::deque<Batch> batches;
  };

  Judgement judge(const ProducerBatch& b) const {
    const auto found = producers_.find(b.producer_id);
    if (found == producers_.end()) return {.verdict = Verdict::fresh};
    const Producer& p = found->second;
    if (b.epoch < p.epoch) return {.verdict = Verdict::fenced, .epoch = p.epoch};
    if (b.epoch > p.epoch) {
      return {.verdict = b.first_sequence == 0 ? Verdict::fresh : Verdict::gap, .epoch = p.epoch};
    }
    for (const Batch& batch : p.batches) {
      if (batch.first == b.first_sequence && batch.last == b.last_sequence) {
        return {.verdict = Verdict::duplicate,
                .epoch = p.epoch,
                .first_offset = batch.first_offset,
                .last_offset = batch.last_offset,
                .timestamp_ms = batch.timestamp_ms};
      }
    }
    const std::int64_t last = p.batches.empty() ? -1 : p.batches.back().last;
    const std::int64_t expected = last == 2147483647 ? 0 : last + 1;
    return {.verdict = b.first_sequence == expected ? Verdict::fresh : Verdict::gap,
            .epoch = p.epoch,
            .expected = expected};
  }
  Judgement append(const ProducerBatch& b, OffsetRange offsets, Instant) {
    const Judgement answer = judge(b);
    if (answer.verdict != Verdict::fresh) return answer;
    Producer& p = producers_[b.producer_id];
    if (p.epoch != b.epoch) {
      p.epoch = b.epoch;
      p.batches.clear();
    }
    p.batches.push_back(
        {b.first_sequence, b.last_sequence, offsets.first, offsets.last, b.timestamp_ms});
    if (p.batches.size() > 5) p.batches.pop_front();
    return answer;
  }

 private:
  std::unordered_map<std::int64_t, Producer> producers_;
};

// The floor: what reading the input and writing the answers takes.
struct Nothing {
  Judgement judge(const ProducerBatch& b) const {
    return {.verdict = Verdict::fresh, .expected = b.first_sequence};
  }
  Judgement append(const ProducerBatch& b, OffsetRange, Instant) { return judge(b); }
};

// Half as quick as the map by intent: shows that the table below can tell.
class MapAskedTwice : public MapOfDeques {
 public:
  Judgement judge(const ProducerBatch& b) const {
    benchmark::DoNotOptimize(MapOfDeques::judge(b));
    return MapOfDeques::judge(b);
  }
  Judgement append(const ProducerBatch& b, OffsetRange offsets, Instant now) {
    benchmark::DoNotOptimize(MapOfDeques::judge(b));
    return MapOfDeques::append(b, offsets, now);
  }
};

// --- contenders in turns
//
// In each round all get the same input, made before the clock starts, one after another and in a
// new order; what they answer is added up, and must be the same. Times are of the thread, and a
// ratio is one of times of the same round, so that a busy machine spreads it but does not shift it.

enum class Task { judge, judge_in_batches, append };

struct Work {
  std::vector<ProducerBatch> batches;
  std::vector<OffsetRange> offsets;
};

std::size_t heap_in_use() {
#if defined(__GLIBC__)
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
#else
  return 0;
#endif
}

// A random producer; 90 % the next batch, 5 % a repeat, 5 % a gap or an old epoch. Batches of ten.
class Input {
 public:
  explicit Input(std::size_t producers) : next_(producers, 0) {}

  // Six batches for each, which makes every look-back full.
  template <class Tracker>
  void fill(Tracker& tracker) const {
    std::int64_t offset = 0;
    for (std::int64_t first = 0; first < 60; first += 10) {
      for (std::size_t id = 0; id < next_.size(); ++id, offset += 10) {
        benchmark::DoNotOptimize(
            tracker.append({.producer_id = static_cast<std::int64_t>(id) * 7919,
                            .epoch = 1,
                            .first_sequence = first,
                            .last_sequence = first + 9},
                           {offset, offset + 9}, Instant{}));
      }
    }
  }
  void filled() {
    for (std::int64_t& next : next_) next = 60;
    offset_ = static_cast<std::int64_t>(next_.size()) * 60;
  }

  void make(Work& work, std::size_t count, bool recorded) {
    work.batches.resize(count);
    work.offsets.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t id = random_.below(next_.size());
      const auto pick = random_.below(40);
      ProducerBatch batch{.producer_id = static_cast<std::int64_t>(id) * 7919,
                          .epoch = pick == 39 ? 0 : 1,
                          .first_sequence = next_[id]};
      if (pick == 36 || pick == 37) batch.first_sequence -= 10;
      if (pick == 38) batch.first_sequence += 30;
      batch.last_sequence = batch.first_sequence + 9;
      work.batches[i] = batch;
      work.offsets[i] = {offset_, offset_ + 9};
      if (recorded && pick < 36) {
        next_[id] += 10;
        offset_ += 10;
      }
    }
  }

 private:
  std::vector<std::int64_t> next_;
  std::int64_t offset_ = 0;
  Random random_{7};
};

class Contender {
 public:
  explicit Contender(const char* called) : name(called) {}
  Contender(const Contender&) = delete;
  Contender& operator=(const Contender&) = delete;
  virtual ~Contender() = default;
  // The sum of the answers.
  virtual std::uint64_t run(Task task, const Work& work) = 0;

  const char* name;
  double bytes = 0;
  std::vector<double> times;
};

template <class Tracker>
class Of : public Contender {
 public:
  Of(const char* called, const Input& input, std::size_t producers)
      : Contender(called), tracker_(make()) {
    const std::size_t before = heap_in_use();
    input.fill(tracker_);
    bytes = static_cast<double>(heap_in_use() - before) / static_cast<double>(producers);
    if constexpr (is_idem) {
      bytes = static_cast<double>(tracker_.memory_bytes()) / static_cast<double>(producers);
    }
  }

  std::uint64_t run(Task task, const Work& work) override {
    constexpr std::size_t group = 512;
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < work.batches.size(); i += group) {
      const auto batches = std::span<const ProducerBatch>(work.batches).subspan(i, group);
      if (task == Task::append) {
        for (std::size_t k = 0; k < group; ++k) {
          ::new (static_cast<void*>(&answers_[k]))
              Judgement(tracker_.append(batches[k], work.offsets[i + k], Instant{}));
        }
      } else if (task == Task::judge || !is_idem) {
        for (std::size_t k = 0; k < group; ++k) {
          ::new (static_cast<void*>(&answers_[k])) Judgement(tracker_.judge(batches[k]));
        }
      } else if constexpr (is_idem) {
        tracker_.judge(batches, answers_);
      }
      for (const Judgement& answer : answers_) {
        sum += static_cast<std::uint64_t>(answer.verdict) * 7919 +
               static_cast<std::uint64_t>(answer.last_offset);
      }
    }
    return sum;
  }

 private:
  static constexpr bool is_idem = std::is_same_v<Tracker, ProducerTracker>;

  static Tracker make() {
    if constexpr (is_idem) {
      return ProducerTracker({.max_producers = 2'000'000, .seed = 1});
    } else {
      return Tracker();
    }
  }

  Tracker tracker_;
  std::array<Judgement, 512> answers_{};
};

bench::Rows* json = nullptr;

// False: two that should agree do not.
bool compare(Task task, const char* title, std::size_t producers, std::size_t rounds) {
  constexpr std::size_t count = std::size_t{1} << 16;
  Input input(producers);
  std::vector<std::unique_ptr<Contender>> contenders;
  contenders.push_back(std::make_unique<Of<MapOfDeques>>("map + deque", input, producers));
  contenders.push_back(std::make_unique<Of<ProducerTracker>>("ProducerTracker", input, producers));
  contenders.push_back(std::make_unique<Of<Nothing>>("nothing", input, producers));
  if (producers <= 1000) {
    contenders.push_back(std::make_unique<Of<MapAskedTwice>>("map asked twice", input, producers));
  }
  input.filled();
  Work work;
  bool agreed = true;
  for (std::size_t round = 0; round <= rounds; ++round) {
    input.make(work, count, task == Task::append);
    std::uint64_t expected = 0;
    for (std::size_t turn = 0; turn < contenders.size(); ++turn) {
      Contender& contender = *contenders[(turn + round) % contenders.size()];
      const double start = bench::thread_ns();
      const std::uint64_t sum = contender.run(task, work);
      const double time = bench::thread_ns() - start;
      if (round != 0) contender.times.push_back(time / static_cast<double>(count));
      if (contender.name == std::string_view("nothing")) continue;
      if (expected != 0 && sum != expected) agreed = false;
      expected = sum;
    }
  }
  std::printf("\n%s, %zu producers; %zu rounds\n", title, producers, rounds);
  std::printf("  %-16s %28s %9s %24s %10s\n", "", "ns a batch (least - most)", "M/s",
              "times the map's speed", "B/producer");
  const std::vector<double>& map = contenders[0]->times;
  for (const auto& contender : contenders) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < map.size(); ++i) ratios.push_back(map[i] / contender->times[i]);
    const auto [least, most] =
        std::minmax_element(contender->times.begin(), contender->times.end());
    const auto [slowest, fastest] = std::minmax_element(ratios.begin(), ratios.end());
    std::printf("  %-16s %8.1f (%7.1f - %7.1f) %9.1f %8.2f (%5.2f - %6.2f) %10.1f\n",
                contender->name, median(contender->times), *least, *most,
                1e3 / median(contender->times), median(ratios), *slowest, *fastest,
                contender->bytes);
    json->add(title, static_cast<double>(producers), contender->name, contender->times,
              {{"bytes", contender->bytes}});
  }
  if (!agreed) std::printf("  the answers differ\n");
  std::fflush(stdout);
  return agreed;
}

bool compare_all(std::size_t rounds) {
  bool agreed = compare(Task::judge, "judged one by one", 1000, rounds);
  agreed &= compare(Task::judge_in_batches, "judged in batches of 512", 1000, rounds);
  agreed &= compare(Task::append, "judged and recorded one by one", 1000, rounds);
  agreed &= compare(Task::judge_in_batches, "judged in batches of 512", 1'000'000, rounds);
  return agreed;
}

void claim_and_commit(benchmark::State& state) {
  ProducerTracker tracker({.seed = 1});
  std::vector<std::int64_t> next(1000, 0);
  std::int64_t offset = 0;
  Random random(3);
  for (auto _ : state) {
    const std::size_t id = random.below(1000);
    const auto range = tracker.claim({.producer_id = static_cast<std::int64_t>(id),
                                      .epoch = 0,
                                      .first_sequence = next[id],
                                      .last_sequence = next[id] + 9});
    benchmark::DoNotOptimize(tracker.commit(range.claim, {offset, offset + 9}, Instant{}));
    next[id] += 10;
    offset += 10;
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

// A stream of new producers at the cap: each call forgets one.
void evict(benchmark::State& state) {
  ProducerTracker tracker({.max_producers = 1'000'000, .seed = 1});
  std::int64_t id = 0;
  const auto add = [&] {
    benchmark::DoNotOptimize(
        tracker.append({.producer_id = id, .epoch = 0, .first_sequence = 0, .last_sequence = 0},
                       {id, id}, Instant{}));
    ++id;
  };
  while (id < 1'000'000) add();
  for (auto _ : state) add();
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
  state.counters["evicted"] = static_cast<double>(tracker.counters().evicted);
}

void ledger_in_order(benchmark::State& state) {
  idem::OffsetLedger ledger;
  std::int64_t offset = 0;
  for (auto _ : state) {
    (void)ledger.deliver(offset, Instant{});
    benchmark::DoNotOptimize(ledger.complete(offset, 0));
    ++offset;
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

// Ten thousand delivered, then completed in random order, again and again; one offset in `every`
// missing from the log, if any.
void ledger_at_random(benchmark::State& state) {
  constexpr std::size_t window = 10'000;
  idem::OffsetLedger ledger;
  Random random(5);
  std::vector<std::uint32_t> order(window);
  for (std::size_t i = 0; i < window; ++i) order[i] = static_cast<std::uint32_t>(i);
  for (std::size_t i = window; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  std::vector<std::int64_t> open(window);
  const std::int64_t every = state.range(0);
  std::int64_t offset = 0;
  std::size_t i = 0;
  for (auto _ : state) {
    if (i == 0) {
      for (std::int64_t& delivered : open) {
        if (every != 0 && offset % every == 0) ++offset;
        (void)ledger.deliver(offset, Instant{});
        delivered = offset++;
      }
    }
    benchmark::DoNotOptimize(ledger.complete(open[order[i]], 0));
    i = i + 1 == window ? 0 : i + 1;
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

void replay_window(benchmark::State& state) {
  idem::ReplayWindow<2048> window;
  Random random(5);
  std::uint64_t highest = 5000;
  for (auto _ : state) {
    const std::uint64_t number = highest - random.below(100);
    benchmark::DoNotOptimize(window.record(number));
    ++highest;
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

void monotonic(benchmark::State& state) {
  idem::MonotonicTracker tracker({.seed = 1});
  Random random(5);
  std::int64_t sequence = 0;
  for (auto _ : state) {
    const auto id = static_cast<std::int64_t>(random.below(1000));
    ++sequence;
    benchmark::DoNotOptimize(tracker.push(id, sequence, sequence, Instant{}));
    benchmark::DoNotOptimize(tracker.persist(id, sequence, Instant{}));
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

}  // namespace

BENCHMARK(claim_and_commit);
BENCHMARK(evict);
BENCHMARK(ledger_in_order);
BENCHMARK(ledger_at_random)->Arg(0)->Arg(3);
BENCHMARK(replay_window);
BENCHMARK(monotonic);

int main(int argc, char** argv) {
  bench::Rows rows(argc, argv);
  json = &rows;
  std::size_t rounds = 21;
  bool table = argc == 1;
  if (argc == 2 && std::strncmp(argv[1], "--rounds=", 9) == 0) {
    rounds = std::strtoul(argv[1] + 9, nullptr, 10);
    table = rounds != 0;
  }
  if (table) return compare_all(rounds) ? 0 : 1;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
