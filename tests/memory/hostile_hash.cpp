#include <cstddef>
#include <cstdint>
#include <span>

#include <doctest/doctest.h>

#include "memory/differential.hpp"
#include "memory/sets.hpp"
#include "support/ids.hpp"
#include "support/soak.hpp"

using idem_test::Differential;
using idem_test::Scenario;
using idem_test::Universe;

namespace {

// What an adversary who knows the seed would make of a hash: under a seed whose first word is zero
// it hides nothing, and ids choose their places. Under other seeds it is as good as any.
class OpenHash {
 public:
  explicit OpenHash(idem::Seed seed) noexcept : seed_(seed), good_(seed) {}

  [[nodiscard]] std::uint64_t slot(std::uint64_t id) const noexcept {
    return seed_.first == 0 ? id : good_.slot(id);
  }
  [[nodiscard]] std::uint64_t slot(std::uint64_t hi, std::uint64_t lo) const noexcept {
    return seed_.first == 0 ? hi : good_.slot(hi, lo);
  }
  [[nodiscard]] idem::Digest digest(std::span<const std::byte> bytes) const noexcept {
    return good_.digest(bytes);
  }
  [[nodiscard]] idem::Seed seed() const noexcept { return seed_; }

  class Stream {
   public:
    explicit Stream(const OpenHash& hash) noexcept : stream_(hash.good_) {}
    void update(std::span<const std::byte> bytes) noexcept { stream_.update(bytes); }
    [[nodiscard]] idem::Digest finish() const noexcept { return stream_.finish(); }

   private:
    idem::Xxh3Hash::Stream stream_;
  };

 private:
  idem::Seed seed_;
  idem::Xxh3Hash good_;
};
static_assert(idem::HashPolicy<OpenHash>);

// All ids fall on one slot or few, so that a step walks through all of them.
constexpr Scenario scenarios[] = {
    {Universe::counting, 300, 0, 0},
    {Universe::high_bits, 300, 100, 0},
    {Universe::low_word, 300, 0, 200},
};

template <class Set>
void run_scenarios() {
  std::uint64_t seed = 100;
  for (const Scenario& scenario : scenarios) {
    ++seed;
    CAPTURE(seed);
    Differential<Set> differential(scenario, seed, idem::Seed{0, seed});
    differential.run(idem_test::soaked(50'000));
    CHECK(differential.most_remembered() >= 100);
  }
}

}  // namespace

TEST_CASE("memory: exact even where the hash hides nothing from an adversary") {
  run_scenarios<idem::IdSet<idem::Uuid, OpenHash>>();
  run_scenarios<idem::IdSet<std::uint64_t, OpenHash>>();
  run_scenarios<idem::BasicContentHashSet<OpenHash>>();
}
