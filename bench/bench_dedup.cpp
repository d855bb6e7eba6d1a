// What a Deduplicator adds to the memory inside it: one-shot inserts against the bare set, and claim + commit against a
// bare insert. Compare rows of one run only.

#include <cstddef>
#include <cstdint>

#include <benchmark/benchmark.h>

#include <idem/idem.hpp>

namespace {

using OneShot = idem::Deduplicator<idem::Uuid>;
using Claiming = idem::Deduplicator<idem::Uuid, idem::Policy<idem::Claims>>;

constexpr idem::Seed seed{1, 2};

idem::Uuid nth(std::uint64_t n) {
  n *= 0x9e3779b97f4a7c15;
  return idem::Uuid(n ^ n >> 32, n * 0xbf58476d1ce4e5b9);
}

// Every key twice, so that one call in two is a duplicate; a fresh pre-sized object each round.
template <class Insert, class Seen>
void fill(benchmark::State& state, Insert insert, const Seen&) {
  const auto keys = static_cast<std::uint64_t>(state.range(0));
  for (auto _ : state) {
    state.PauseTiming();
    Seen seen({.memory = {.expected_keys = keys, .seed = seed}});
    state.ResumeTiming();
    std::uint64_t fresh = 0;
    for (std::uint64_t i = 0; i < 2 * keys; ++i) fresh += insert(seen, nth(i % keys));
    if (fresh != keys) state.SkipWithError("wrong verdicts");
  }
  state.SetItemsProcessed(state.iterations() * 2 * state.range(0));
}

void bare_insert(benchmark::State& state) {
  const auto keys = static_cast<std::uint64_t>(state.range(0));
  for (auto _ : state) {
    state.PauseTiming();
    idem::UuidSet seen({.expected_keys = keys, .seed = seed});
    state.ResumeTiming();
    std::uint64_t fresh = 0;
    for (std::uint64_t i = 0; i < 2 * keys; ++i) {
      fresh += seen.insert(nth(i % keys)) == idem::Verdict::fresh;
    }
    if (fresh != keys) state.SkipWithError("wrong verdicts");
  }
  state.SetItemsProcessed(state.iterations() * 2 * state.range(0));
}
BENCHMARK(bare_insert)->Arg(100'000)->Arg(4'000'000);

void one_shot_insert(benchmark::State& state) {
  fill(
      state,
      [](auto& seen, const idem::Uuid& id) -> std::uint64_t {
        return seen.insert(id) == idem::Verdict::fresh;
      },
      OneShot());
}
BENCHMARK(one_shot_insert)->Arg(100'000)->Arg(4'000'000);

void claim_and_commit(benchmark::State& state) {
  fill(
      state,
      [](auto& seen, const idem::Uuid& id) -> std::uint64_t {
        idem::Claim claim = seen.claim(id, {.now = idem::Instant()});
        return claim.verdict() == idem::Verdict::fresh &&
               claim.commit(idem::Instant()) == idem::Verdict::fresh;
      },
      Claiming());
}
BENCHMARK(claim_and_commit)->Arg(100'000)->Arg(4'000'000);

}  // namespace

BENCHMARK_MAIN();
