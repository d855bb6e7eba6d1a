// Sequence numbers: the tracker beside the way it is usually written (a hash map of deques of five),
// a contender that does nothing, the ledger, and the replay window.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <idem/sequence/monotonic_tracker.hpp>
#include <idem/sequence/offset_ledger.hpp>
#include <idem/sequence/producer_tracker.hpp>
#include <idem/sequence/replay_window.hpp>

namespace {

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

struct Nothing {
  Judgement append(const ProducerBatch& b, OffsetRange, Instant) {
    return {.verdict = Verdict::fresh, .expected = b.first_sequence};
  }
};

template <class Tracker>
Tracker make_tracker() {
  if constexpr (std::is_same_v<Tracker, ProducerTracker>) {
    return ProducerTracker({.max_producers = 2'000'000, .seed = 1});
  } else {
    return Tracker();
  }
}

// A random producer; 90 % the next batch, 5 % a repeat, 5 % a gap or an old epoch. Batches of ten.
template <class Tracker>
void judge_and_record(benchmark::State& state) {
  const auto producers = static_cast<std::size_t>(state.range(0));
  constexpr std::size_t prepared = std::size_t{1} << 20;
  Random random(7);
  std::vector<std::uint32_t> who(prepared);
  std::vector<std::uint8_t> what(prepared);
  for (std::size_t i = 0; i < prepared; ++i) {
    who[i] = static_cast<std::uint32_t>(random.below(producers));
    const auto pick = random.below(40);
    what[i] = pick < 36 ? 0 : pick < 38 ? 1 : pick == 38 ? 2 : 3;
  }
  Tracker tracker = make_tracker<Tracker>();
  std::vector<std::int64_t> next(producers, 0);
  std::int64_t offset = 0;
  for (std::size_t id = 0; id < producers; ++id) {
    for (; next[id] < 60; next[id] += 10, offset += 10) {
      benchmark::DoNotOptimize(tracker.append({.producer_id = static_cast<std::int64_t>(id) * 7919,
                                               .epoch = 1,
                                               .first_sequence = next[id],
                                               .last_sequence = next[id] + 9},
                                              {offset, offset + 9}, Instant{}));
    }
  }
  std::size_t i = 0;
  std::uint64_t fresh = 0;
  for (auto _ : state) {
    const std::uint32_t id = who[i];
    ProducerBatch batch{.producer_id = std::int64_t{id} * 7919,
                        .epoch = what[i] == 3 ? 0 : 1,
                        .first_sequence = next[id]};
    if (what[i] == 1) batch.first_sequence -= 10;
    if (what[i] == 2) batch.first_sequence += 30;
    batch.last_sequence = batch.first_sequence + 9;
    const Judgement answer = tracker.append(batch, {offset, offset + 9}, Instant{});
    benchmark::DoNotOptimize(answer.expected);
    if (what[i] == 0) next[id] += 10;
    if (answer.verdict == Verdict::fresh) {
      offset += 10;
      ++fresh;
    }
    i = (i + 1) & (prepared - 1);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
  state.counters["fresh"] = static_cast<double>(fresh) / static_cast<double>(state.iterations());
}

// The same mix judged only, in batches of 512.
template <class Tracker>
void judge_in_batches(benchmark::State& state) {
  const auto producers = static_cast<std::size_t>(state.range(0));
  constexpr std::size_t prepared = std::size_t{1} << 20;
  constexpr std::size_t group = 512;
  Tracker tracker = make_tracker<Tracker>();
  std::int64_t offset = 0;
  for (std::int64_t round = 0; round < 6; ++round) {
    for (std::size_t id = 0; id < producers; ++id, offset += 10) {
      benchmark::DoNotOptimize(tracker.append({.producer_id = static_cast<std::int64_t>(id) * 7919,
                                               .epoch = 1,
                                               .first_sequence = round * 10,
                                               .last_sequence = round * 10 + 9},
                                              {offset, offset + 9}, Instant{}));
    }
  }
  Random random(7);
  std::vector<ProducerBatch> batches(prepared);
  for (ProducerBatch& batch : batches) {
    const auto pick = random.below(40);
    batch = {.producer_id = static_cast<std::int64_t>(random.below(producers)) * 7919,
             .epoch = pick == 39 ? 0 : 1,
             .first_sequence = pick < 36   ? 60
                               : pick < 38 ? 50
                                           : 90};
    batch.last_sequence = batch.first_sequence + 9;
  }
  std::vector<Judgement> answers(group);
  std::size_t begin = 0;
  for (auto _ : state) {
    const std::span<const ProducerBatch> part(batches.data() + begin, group);
    if constexpr (std::is_same_v<Tracker, ProducerTracker>) {
      tracker.judge(part, answers);
    } else {
      for (std::size_t i = 0; i < group; ++i) answers[i] = tracker.judge(part[i]);
    }
    benchmark::DoNotOptimize(answers.data());
    benchmark::ClobberMemory();
    begin = (begin + group) & (prepared - 1);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(group));
  if constexpr (std::is_same_v<Tracker, ProducerTracker>) {
    state.counters["bytes_a_producer"] =
        static_cast<double>(tracker.memory_bytes()) / static_cast<double>(producers);
  }
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

BENCHMARK(judge_and_record<Nothing>)->Arg(1000);
BENCHMARK(judge_and_record<ProducerTracker>)->Arg(1000);
BENCHMARK(judge_and_record<MapOfDeques>)->Arg(1000);
BENCHMARK(judge_in_batches<ProducerTracker>)->Arg(1000)->Arg(1'000'000);
BENCHMARK(judge_in_batches<MapOfDeques>)->Arg(1000)->Arg(1'000'000);
BENCHMARK(claim_and_commit);
BENCHMARK(evict);
BENCHMARK(ledger_in_order);
BENCHMARK(ledger_at_random)->Arg(0)->Arg(3);
BENCHMARK(replay_window);
BENCHMARK(monotonic);
BENCHMARK_MAIN();
