#include <idem/memory/inverse_filter.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <idem/core/memory.hpp>
#include <idem/dedup/deduplicator.hpp>

#include "filters.hpp"
#include "support/out_of_memory.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"
#include "support/thrown.hpp"

using idem::InverseFilter;
using idem::Verdict;
using namespace idem_test;

namespace {

static_assert(idem::Memory<InverseFilter<idem::Uuid>>);
static_assert(idem::Forgetting<InverseFilter<idem::Uuid>>);
static_assert(idem::Memory<InverseFilter<std::uint64_t, idem::SipHash>>);
static_assert(idem::Memory<InverseFilter<idem::Digest>>);
static_assert(!idem::Settling<InverseFilter<idem::Uuid>>);
static_assert(InverseFilter<idem::Uuid>::errors == idem::Errors{.may_miss = true});
static_assert(!std::is_nothrow_copy_assignable_v<InverseFilter<idem::Uuid>>);
static_assert(std::is_nothrow_move_assignable_v<InverseFilter<idem::Uuid>>);

[[nodiscard]] std::uint64_t plain_hash(std::uint64_t id) { return id; }
[[nodiscard]] std::uint64_t plain_hash(const idem::Uuid& id) { return id.hi(); }
[[nodiscard]] std::uint64_t plain_hash(const idem::Digest& id) { return id.hi; }

// A queue a line, under PlainHash.
template <class Id>
class InverseOracle {
 public:
  explicit InverseOracle(std::uint64_t lines) : queues_(lines) {}

  Verdict insert(const Id& id) {
    if (check(id) == Verdict::duplicate) return Verdict::duplicate;
    if (id == Id{}) {
      zero_ = true;
    } else {
      auto& queue = queue_of(id);
      queue.push_back(id);
      if (queue.size() > 64 / sizeof(Id)) {
        queue.pop_front();
        ++forgotten_;
      }
    }
    return Verdict::fresh;
  }
  [[nodiscard]] Verdict check(const Id& id) {
    const auto& queue = queue_of(id);
    const bool held = id == Id{} ? zero_ : std::find(queue.begin(), queue.end(), id) != queue.end();
    return held ? Verdict::duplicate : Verdict::fresh;
  }
  bool forget(const Id& id) {
    if (id == Id{}) return std::exchange(zero_, false);
    return std::erase(queue_of(id), id) == 1;
  }
  void clear() {
    for (auto& queue : queues_) queue.clear();
    zero_ = false;
  }
  [[nodiscard]] std::uint64_t size() const {
    std::uint64_t sum = zero_ ? 1 : 0;
    for (const auto& queue : queues_) sum += queue.size();
    return sum;
  }
  [[nodiscard]] std::uint64_t forgotten() const { return forgotten_; }

 private:
  std::deque<Id>& queue_of(const Id& id) {
    __extension__ using Wide = unsigned __int128;
    return queues_[static_cast<std::size_t>(Wide{plain_hash(id)} * queues_.size() /
                                            (Wide{1} << 64))];
  }

  std::vector<std::deque<Id>> queues_;
  std::uint64_t forgotten_ = 0;
  bool zero_ = false;
};

template <class Id>
[[nodiscard]] Id drawn(Rng& rng, std::uint64_t universe) {
  const std::uint64_t index = rng.below(universe);
  if constexpr (sizeof(Id) == 8) {
    return index == 0 ? 0 : mix(index);
  } else {
    return index == 0 ? Id{} : Id{mix(index / 3), index % 3};
  }
}

TEST_CASE_TEMPLATE("inverse: agrees with a queue a line", Id, idem::Uuid, std::uint64_t,
                   idem::Digest) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    const std::uint64_t lines = std::array<std::uint64_t, 8>{1, 2, 3, 10, 50, 127, 400, 1000}[seed];
    InverseFilter<Id, PlainHash> filter({.size = idem::bytes(lines * 64 + seed)});
    InverseOracle<Id> oracle(lines);
    const std::uint64_t universe = lines * 25;
    std::uint64_t mismatches = 0;
    for (std::uint64_t step = 0; step < soaked(1'000'000); ++step) {
      const std::uint64_t dice = rng.below(100'000);
      const Id id = drawn<Id>(rng, universe);
      if (dice < 50'000) {
        mismatches += filter.insert(id) != oracle.insert(id);
      } else if (dice < 80'000) {
        mismatches += filter.check(id) != oracle.check(id);
      } else if (dice < 90'000) {
        mismatches += filter.forget(id) != oracle.forget(id);
      } else if (dice < 99'980) {
        std::vector<Id> ids(rng.below(8) == 0 ? 80 : 5);
        for (Id& each : ids) each = drawn<Id>(rng, universe);
        std::vector<Verdict> verdicts(ids.size());
        filter.insert(ids, verdicts);
        for (std::size_t i = 0; i < ids.size(); ++i)
          mismatches += verdicts[i] != oracle.insert(ids[i]);
      } else if (dice < 99'990) {
        InverseFilter<Id, PlainHash> copy(filter);
        InverseFilter<Id, PlainHash> moved(std::move(filter));
        mismatches += filter.size() != 0 || filter.insert(id) != Verdict::full;  // NOLINT
        filter = copy;
        filter = std::move(moved);
      } else if (dice < 99'992) {
        filter.clear();
        oracle.clear();
      }
    }
    CHECK(mismatches == 0);
    CHECK(filter.size() == oracle.size());
    CHECK(filter.forgotten() == oracle.forgotten());
  }
}

TEST_CASE("inverse: a duplicate is always the truth, however full it is") {
  InverseFilter<idem::Uuid> filter({.size = idem::kibibytes(64), .seed = idem::Seed{5, 6}});
  std::uint64_t lies = 0;
  for (std::uint64_t i = 0; i < soaked(2'000'000); ++i)
    lies += filter.insert(nth_id<idem::Uuid>(i + 1)) != Verdict::fresh;
  CHECK(lies == 0);
  CHECK(filter.size() == filter.capacity());
  CHECK(filter.forgotten() + filter.size() == soaked(2'000'000));
}

TEST_CASE("inverse: the id of zeros is an id like any other") {
  InverseFilter<idem::Uuid> filter({.size = idem::bytes(64)});
  CHECK(filter.check(idem::Uuid{}) == Verdict::fresh);
  CHECK_FALSE(filter.forget(idem::Uuid{}));
  CHECK(filter.insert(idem::Uuid{}) == Verdict::fresh);
  CHECK(filter.size() == 1);
  for (std::uint64_t i = 0; i < 100; ++i) (void)filter.insert(nth_id<idem::Uuid>(i + 1));
  CHECK(filter.insert(idem::Uuid{}) == Verdict::duplicate);
  CHECK(filter.size() == 5);
  CHECK(filter.forget(idem::Uuid{}));
  CHECK(filter.check(idem::Uuid{}) == Verdict::fresh);
  (void)filter.insert(idem::Uuid{});
  filter.clear();
  CHECK(filter.check(idem::Uuid{}) == Verdict::fresh);
  CHECK(filter.size() == 0);
}

TEST_CASE_TEMPLATE("inverse: forgets as often as computed", Id, idem::Uuid, std::uint64_t) {
  constexpr std::uint64_t lines = 1 << 14;
  constexpr idem::ByteSize size(lines * 64);
  CHECK(InverseFilter<Id>::remembered_after(0, size) == 1);
  CHECK(InverseFilter<Id>::remembered_after(~0ULL, idem::bytes(64)) == 0);
  CHECK(InverseFilter<Id>::remembered_after(1, idem::bytes(63)) == 0);
  for (const std::uint64_t later : {lines / 2, lines * 2, lines * 4, lines * 8}) {
    CAPTURE(later);
    InverseFilter<Id> filter({.size = size, .seed = idem::Seed{later, 1}});
    constexpr std::uint64_t asked = 50'000;
    std::uint64_t held = 0, lies = 0;
    for (std::uint64_t i = 0; i < asked + later; ++i) {
      lies += filter.insert(nth_id<Id>(i)) != Verdict::fresh;
      if (i >= later) held += filter.check(nth_id<Id>(i - later)) == Verdict::duplicate;
    }
    const double odds = InverseFilter<Id>::remembered_after(later, size);
    CHECK(lies == 0);
    // Ids that share a line share their fate, so the spread is wider than that of single draws.
    CHECK(static_cast<double>(held) / asked == doctest::Approx(odds).epsilon(0.03));
  }
}

TEST_CASE("inverse: memory_bytes is what was taken, and nothing is taken later") {
  const std::size_t before = allocations().live_bytes;
  InverseFilter<idem::Uuid> filter({.size = idem::bytes(100'000)});
  CHECK(allocations().live_bytes - before + sizeof filter == filter.memory_bytes());
  CHECK(filter.memory_bytes() == sizeof filter + 100'000 / 64 * 64);
  CHECK(filter.capacity() == 100'000 / 64 * 4);
  const std::uint64_t count = allocations().count;
  for (std::uint64_t i = 0; i < 30'000; ++i) (void)filter.insert(nth_id<idem::Uuid>(i));
  CHECK(allocations().count == count);
}

TEST_CASE("inverse: no memory is an exception, and changes nothing") {
  idem_test::check_memory_that_runs_out<InverseFilter<idem::Uuid>, InverseFilter<std::uint64_t>>(
      {.size = idem::kibibytes(1)}, {.size = idem::kibibytes(1)}, {.size = idem::bytes(64)});
}

TEST_CASE("inverse: options that are nonsense are refused in a sentence") {
  const auto refused = [](idem::ByteSize size) {
    return refusal([&] { InverseFilter<idem::Uuid> filter({.size = size}); });
  };
  CHECK(
      contains(refused(idem::bytes(0)), "InverseFilterOptions.size is 0; it must be at least 64"));
  CHECK(contains(refused(idem::bytes(63)), "size is 63"));
  CHECK(contains(refused(idem::ByteSize::unlimited()), "1.48e+20 bits to fit the memory"));
  CHECK(contains(refused(idem::gibibytes(1 << 30)), "9.22e+18 bits"));
}

TEST_CASE("inverse: remembers for a Deduplicator without a word about false duplicates") {
  idem::Deduplicator<std::string, idem::Policy<idem::Remember<InverseFilter<idem::Digest>>>> seen(
      {.memory = {.size = idem::kibibytes(4)}});
  static_assert(decltype(seen)::errors == idem::Errors{.may_miss = true});
  CHECK(seen.insert("a") == Verdict::fresh);
  CHECK(seen.insert("a") == Verdict::duplicate);
  CHECK(seen.forget("a"));
  CHECK(seen.insert("a") == Verdict::fresh);

  idem::Deduplicator<idem::Uuid,
                     idem::Policy<idem::HostileKeys, idem::Remember<InverseFilter<idem::Uuid>>>>
      hostile({.memory = {.size = idem::kibibytes(4)}});
  CHECK(hostile.insert(idem::Uuid{1, 2}) == Verdict::fresh);
  CHECK(hostile.check(idem::Uuid{1, 2}) == Verdict::duplicate);
}

}  // namespace
