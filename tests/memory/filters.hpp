#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <span>
#include <vector>

#include <doctest/doctest.h>

#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/uuid.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/core/simd.hpp>

#include "support/out_of_memory.hpp"
#include "support/random.hpp"

namespace idem_test {

// A hash that leaves an id as it is: a test then chooses all 64 bits that a filter sees.
struct PlainHash {
  explicit PlainHash(idem::Seed seed) noexcept : seed_(seed) {}
  [[nodiscard]] std::uint64_t slot(std::uint64_t id) const noexcept { return id; }
  [[nodiscard]] std::uint64_t slot(std::uint64_t hi, std::uint64_t) const noexcept { return hi; }
  [[nodiscard]] idem::Digest digest(std::span<const std::byte> bytes) const noexcept {
    return idem::Xxh3Hash(seed_).digest(bytes);
  }
  [[nodiscard]] idem::Seed seed() const noexcept { return seed_; }
  struct Stream {
    explicit Stream(const PlainHash& hash) noexcept : inner(idem::Xxh3Hash(hash.seed_)) {}
    void update(std::span<const std::byte> bytes) noexcept { inner.update(bytes); }
    [[nodiscard]] idem::Digest finish() const noexcept { return inner.finish(); }
    idem::Xxh3Hash::Stream inner;
  };

 private:
  idem::Seed seed_;
};
static_assert(idem::HashPolicy<PlainHash>);

// Different indices, different ids.
template <class Id>
[[nodiscard]] Id nth_id(std::uint64_t index);
template <>
[[nodiscard]] inline std::uint64_t nth_id(std::uint64_t index) {
  return mix(index + 0x9e3779b97f4a7c15);
}
template <>
[[nodiscard]] inline idem::Uuid nth_id(std::uint64_t index) {
  return idem::Uuid{mix(index), index};
}
template <>
[[nodiscard]] inline idem::Digest nth_id(std::uint64_t index) {
  return {mix(index), index};
}

// The instruction sets this processor can run.
[[nodiscard]] inline std::vector<idem::detail::Simd> simd_paths() {
  using idem::detail::Simd;
  std::vector<Simd> paths;
  for (const Simd simd : {Simd::portable, Simd::avx2, Simd::avx512}) {
    if (idem::detail::processor_has(simd)) paths.push_back(simd);
  }
  return paths;
}

// FNV-1a over the words, low byte first: a digest that shares nothing with the library.
[[nodiscard]] inline std::uint64_t digest_of(std::span<const std::uint64_t> words) {
  std::uint64_t sum = 0xcbf29ce484222325;
  for (const std::uint64_t word : words) {
    for (unsigned byte = 0; byte < 8; ++byte) {
      sum ^= (word >> (8 * byte)) & 0xff;
      sum *= 0x100000001b3;
    }
  }
  return sum;
}

// How many standard deviations `hits` of `trials` are above what the rate lets expect.
[[nodiscard]] inline double deviation(std::uint64_t hits, std::uint64_t trials, double rate) {
  const double mean = static_cast<double>(trials) * rate;
  return (static_cast<double>(hits) - mean) / std::sqrt(mean * (1 - rate));
}

// Without memory the constructor and the copy throw, nothing is left behind, and what was to be
// assigned to is as it was.
template <class OfUuids, class OfNumbers>
void check_memory_that_runs_out(const typename OfUuids::Options& of_uuids,
                                const typename OfNumbers::Options& of_source,
                                const typename OfNumbers::Options& of_target) {
  const auto holds = [](const OfNumbers& filter, std::uint64_t id) {
    return filter.check(id) != idem::Verdict::fresh;
  };
  const std::size_t live = allocations().live;
  for (const Failing mode : {Failing::once, Failing::from_then_on}) {
    bool made = false;
    CHECK(for_each_failing_allocation(
              mode, [&] { made = false; },
              [&] {
                try {
                  OfUuids filter(of_uuids);
                  made = true;
                } catch (const std::exception&) {
                }
              },
              [&](bool fired) {
                CHECK(made != fired);
                CHECK(allocations().live == live);
              }) >= 1);
    OfNumbers source(of_source), target(of_target);
    (void)source.insert(1);
    (void)target.insert(2);
    bool failed = false;
    CHECK(for_each_failing_allocation(
              mode, [&] { failed = false; },
              [&] {
                try {
                  target = source;
                } catch (const std::bad_alloc&) {
                  failed = true;
                }
              },
              [&](bool fired) {
                CHECK(failed == fired);
                CHECK((holds(source, 1) && !holds(source, 2)));
                CHECK((holds(target, 1) != fired && holds(target, 2) == fired));
                CHECK((target.hash().seed() == source.hash().seed()) == !fired);
              }) >= 1);
  }
  CHECK(allocations().live == live);
}

}  // namespace idem_test
