// What a key costs before the memory is asked: slots of ids and digests of bytes, under both hashes.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <benchmark/benchmark.h>

#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/uuid.hpp>

namespace {

constexpr idem::Seed seed{0x0123456789abcdef, 0xfedcba9876543210};

// The loop and the consuming alone: subtract it from the others.
void nothing(benchmark::State& state) {
  std::uint64_t word = 1;
  for (auto _ : state) benchmark::DoNotOptimize(word += 0x9e3779b97f4a7c15);
}
BENCHMARK(nothing);

template <class Hash>
void slot_of_uuid(benchmark::State& state) {
  const Hash hash(seed);
  std::uint64_t word = 1;
  for (auto _ : state) {
    word += 0x9e3779b97f4a7c15;
    benchmark::DoNotOptimize(hash.slot(word, ~word));
  }
}
BENCHMARK(slot_of_uuid<idem::Xxh3Hash>);
BENCHMARK(slot_of_uuid<idem::SipHash>);

template <class Hash>
void digest_of_bytes(benchmark::State& state) {
  const Hash hash(seed);
  std::vector<std::byte> content(static_cast<std::size_t>(state.range(0)), std::byte{7});
  for (auto _ : state) {
    content[0] ^= std::byte{1};
    benchmark::DoNotOptimize(hash.digest(content));
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(digest_of_bytes<idem::Xxh3Hash>)->Arg(16)->Arg(64)->Arg(256)->Arg(1024)->Arg(16384);
BENCHMARK(digest_of_bytes<idem::SipHash>)->Arg(16)->Arg(64)->Arg(256)->Arg(1024)->Arg(16384);

// XXH3 called directly: what digest_of_bytes<Xxh3Hash> may not be slower than.
void xxh3_itself(benchmark::State& state) {
  std::vector<std::byte> content(static_cast<std::size_t>(state.range(0)), std::byte{7});
  for (auto _ : state) {
    content[0] ^= std::byte{1};
    benchmark::DoNotOptimize(XXH3_128bits_withSeed(content.data(), content.size(), seed.first));
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(xxh3_itself)->Arg(16)->Arg(64)->Arg(256)->Arg(1024)->Arg(16384);

void parse_uuid(benchmark::State& state) {
  char text[] = "018f4e2a-7c1b-7d3e-9f00-5a2b3c4d5e6f";
  for (auto _ : state) {
    text[7] = text[7] == 'a' ? 'b' : 'a';
    benchmark::DoNotOptimize(idem::Uuid::parse({text, 36}));
  }
}
BENCHMARK(parse_uuid);

}  // namespace

BENCHMARK_MAIN();
