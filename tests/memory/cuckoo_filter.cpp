#include <idem/memory/cuckoo_filter.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <idem/core/memory.hpp>
#include <idem/dedup/deduplicator.hpp>

#include "filters.hpp"
#include "support/out_of_memory.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"
#include "support/thrown.hpp"

using idem::CuckooFilter;
using idem::CuckooFilterOptions;
using idem::Verdict;
using namespace idem_test;

namespace {

static_assert(idem::Memory<CuckooFilter<idem::Uuid>>);
static_assert(idem::Forgetting<CuckooFilter<idem::Uuid>>);
static_assert(idem::Memory<CuckooFilter<std::uint64_t, std::uint8_t, idem::SipHash>>);
static_assert(!idem::Settling<CuckooFilter<idem::Uuid>>);
static_assert(CuckooFilter<idem::Uuid>::errors == idem::Errors{.may_drop = true});
static_assert(!std::is_nothrow_copy_assignable_v<CuckooFilter<idem::Uuid>>);
static_assert(std::is_nothrow_move_assignable_v<CuckooFilter<idem::Uuid>>);

template <class Fingerprint>
using PlainCuckoo = CuckooFilter<std::uint64_t, Fingerprint, PlainHash>;

// What a cuckoo filter must remember whatever its layout: for each fingerprint and pair of buckets
// it can be in, how often it is there. Two keys are the same to the filter exactly when their names
// here are equal. Keys are known by index, and the names of all of them are worked out at the start.
template <class Fingerprint>
class CuckooOracle {
 public:
  CuckooOracle(std::uint64_t buckets, const std::vector<std::uint64_t>& hashes) {
    __extension__ using Wide = unsigned __int128;
    const auto scaled = [](std::uint64_t value, std::uint64_t n) {
      return static_cast<std::uint64_t>(Wide{value} * n / (Wide{1} << 64));
    };
    constexpr std::uint64_t fingerprints = std::numeric_limits<Fingerprint>::max();
    std::map<std::array<std::uint64_t, 3>, std::size_t> numbers;
    for (const std::uint64_t hash : hashes) {
      const std::uint64_t fingerprint = 1 + scaled(hash * 0xf1357aea2e62a9c5, fingerprints);
      const std::uint64_t first = scaled(hash, buckets);
      const std::uint64_t product = fingerprint * 0x9e3779b97f4a7c15;
      const std::uint64_t scattered = (product ^ product >> 32) * 0x94d049bb133111eb;
      const std::uint64_t second = (scaled(scattered, buckets) + buckets - first) % buckets;
      const std::array<std::uint64_t, 3> name{fingerprint, std::min(first, second),
                                              std::max(first, second)};
      number_.push_back(numbers.try_emplace(name, numbers.size()).first->second);
    }
    held_.assign(numbers.size(), 0);
  }

  [[nodiscard]] unsigned copies(std::size_t index) const { return held_[number_[index]]; }
  void add(std::size_t index) { ++held_[number_[index]], ++size_; }
  bool forget(std::size_t index) {
    if (copies(index) == 0) return false;
    --held_[number_[index]], --size_;
    return true;
  }
  void clear() { held_.assign(held_.size(), 0), size_ = 0; }
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  std::vector<std::size_t> number_;
  std::vector<unsigned> held_;
  std::uint64_t size_ = 0;
};

[[nodiscard]] std::vector<std::byte> copy_of(std::span<const std::byte> bytes) {
  return {bytes.begin(), bytes.end()};
}

TEST_CASE_TEMPLATE("cuckoo: agrees with a list of fingerprints and buckets", Fingerprint,
                   std::uint8_t, std::uint16_t) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    const std::uint64_t lines = std::array<std::uint64_t, 8>{1, 2, 3, 5, 10, 33, 100, 200}[seed];
    PlainCuckoo<Fingerprint> filter({.size = idem::bytes(lines * 64)});
    // Every other table gets more keys than fit. A refusal is a search to its end, so fewer steps.
    const bool overfull = seed % 2 == 1;
    const std::uint64_t universe = filter.capacity() * (overfull ? 3 : 1);
    const std::uint64_t steps = soaked(overfull ? 100'000 : 1'000'000);
    std::vector<std::uint64_t> hashes;
    for (std::uint64_t i = 0; i < universe; ++i) hashes.push_back(mix(i + seed));
    CuckooOracle<Fingerprint> oracle(filter.capacity() / 4, hashes);
    std::uint64_t mismatches = 0, refused = 0;
    const auto judge = [&](Verdict verdict, std::size_t index) {
      const bool held = oracle.copies(index) != 0;
      if (held) {
        mismatches += verdict != Verdict::probable_duplicate;
      } else if (verdict == Verdict::full) {
        ++refused;
        mismatches += oracle.size() * 2 < filter.capacity();
      } else {
        mismatches += verdict != Verdict::fresh;
        oracle.add(index);
      }
    };
    for (std::uint64_t step = 0; step < steps; ++step) {
      const std::uint64_t dice = rng.below(100'000);
      const auto index = static_cast<std::size_t>(rng.below(universe));
      const std::uint64_t hash = hashes[index];
      if (dice < 45'000) {
        judge(filter.insert(hash), index);
      } else if (dice < 65'000) {
        mismatches += filter.may_contain(hash) != (oracle.copies(index) != 0);
        mismatches += filter.copies(hash) != oracle.copies(index);
      } else if (dice < 85'000) {
        mismatches += filter.forget(hash) != oracle.forget(index);
      } else if (dice < 86'000) {
        if (filter.add(hash)) oracle.add(index);
      } else if (dice < 99'980) {
        std::array<std::size_t, 5> indices{};
        std::array<std::uint64_t, 5> batch{};
        for (std::size_t i = 0; i < batch.size(); ++i) {
          indices[i] = static_cast<std::size_t>(rng.below(universe));
          batch[i] = hashes[indices[i]];
        }
        std::array<Verdict, 5> verdicts{};
        filter.insert(batch, verdicts);
        for (std::size_t i = 0; i < batch.size(); ++i) judge(verdicts[i], indices[i]);
      } else if (dice < 99'990) {
        PlainCuckoo<Fingerprint> copy(filter);
        PlainCuckoo<Fingerprint> moved(std::move(filter));
        mismatches += filter.size() != 0 || filter.insert(hash) != Verdict::full ||  // NOLINT
                      filter.may_contain(hash) || filter.forget(hash) || filter.add(hash);
        filter = copy;
        filter = std::move(moved);
      } else if (dice < 99'992) {
        filter.clear();
        oracle.clear();
      }
      mismatches += filter.size() != oracle.size();
    }
    CHECK(mismatches == 0);
    if (overfull) CHECK(refused > 0);
    // Everything it should hold can be taken out, and nothing is left.
    for (std::size_t i = 0; i < universe; ++i) {
      while (oracle.forget(i)) mismatches += !filter.forget(hashes[i]);
    }
    CHECK(mismatches == 0);
    CHECK(filter.size() == 0);
    CHECK(std::all_of(filter.bytes().begin(), filter.bytes().end(),
                      [](std::byte byte) { return byte == std::byte{0}; }));
  }
}

TEST_CASE("cuckoo: a batch is as many single inserts in order, whatever its size") {
  for (std::size_t size = 0; size < 200; ++size) {
    const CuckooFilterOptions options{.size = idem::bytes(128), .seed = idem::Seed{1, size}};
    CuckooFilter<std::uint64_t> batch(options), single(options);
    std::vector<std::uint64_t> ids(size);
    for (std::size_t i = 0; i < size; ++i) ids[i] = nth_id<std::uint64_t>(i % 97);
    std::vector<Verdict> verdicts(size), wanted;
    batch.insert(ids, verdicts);
    for (const std::uint64_t id : ids) wanted.push_back(single.insert(id));
    CHECK(verdicts == wanted);
    CHECK(copy_of(batch.bytes()) == copy_of(single.bytes()));
    batch.check(ids, verdicts);
    wanted.clear();
    for (const std::uint64_t id : ids) wanted.push_back(single.check(id));
    CHECK(verdicts == wanted);
  }
}

TEST_CASE_TEMPLATE("cuckoo: at least 95 % are taken before the first refusal, for any bucket count",
                   Fingerprint, std::uint8_t, std::uint16_t) {
  for (const std::uint64_t keys : {1000ULL, 1001ULL, 4099ULL, 65'537ULL, 1'000'000ULL}) {
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      CAPTURE(keys);
      CAPTURE(seed);
      CuckooFilter<std::uint64_t, Fingerprint> filter(
          {.expected_keys = keys, .seed = idem::Seed{seed, keys}});
      std::uint64_t index = 0;
      while (filter.insert(nth_id<std::uint64_t>(index)) != Verdict::full) ++index;
      CHECK(filter.load() >= 0.95);
      CHECK(filter.size() >= keys);
    }
  }
}

TEST_CASE_TEMPLATE("cuckoo: the keys that were expected fit, few or many", Fingerprint,
                   std::uint8_t, std::uint16_t) {
  std::uint64_t refused = 0;
  for (std::uint64_t keys = 1; keys < 3000; keys += 1 + keys / 20) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      CuckooFilter<std::uint64_t, Fingerprint> filter(
          {.expected_keys = keys, .seed = idem::Seed{seed, keys}});
      for (std::uint64_t i = 0; filter.size() < keys; ++i) {
        if (filter.insert(nth_id<std::uint64_t>(i)) == Verdict::full) {
          ++refused;
          break;
        }
      }
    }
  }
  CHECK(refused == 0);
}

TEST_CASE_TEMPLATE("cuckoo: a refused insert changes no byte, and work is bounded", Fingerprint,
                   std::uint8_t, std::uint16_t) {
  CuckooFilter<std::uint64_t, Fingerprint> filter(
      {.size = idem::kibibytes(4), .seed = idem::Seed{1, 2}});
  std::vector<std::uint64_t> taken;
  std::uint64_t refusals = 0, changed = 0, longest = 0, most = 0;
  for (std::uint64_t i = 0; refusals < 1000; ++i) {
    const auto before = copy_of(filter.bytes());
    const std::uint64_t size = filter.size(), moves = filter.moves(), looked = filter.looked_at();
    const std::uint64_t id = nth_id<std::uint64_t>(i);
    const Verdict verdict = filter.insert(id);
    longest = std::max(longest, filter.moves() - moves);
    most = std::max<std::uint64_t>(most, filter.looked_at() - looked);
    if (verdict == Verdict::fresh) {
      taken.push_back(id);
      continue;
    }
    changed += before != copy_of(filter.bytes()) || size != filter.size();
    if (verdict != Verdict::full) continue;
    ++refusals;
    changed += moves != filter.moves();
    changed += filter.may_contain(id);
  }
  CHECK(changed == 0);
  CHECK(longest >= 2);
  CHECK(longest <= filter.most_moves);
  CHECK(most > 100);
  CHECK(most <= filter.most_looked_at);
  CHECK(std::all_of(taken.begin(), taken.end(),
                    [&](std::uint64_t id) { return filter.may_contain(id); }));

  // Once something was forgotten there is room again.
  REQUIRE(filter.forget(taken.back()));
  CHECK(filter.insert(taken.back()) == Verdict::fresh);
}

TEST_CASE_TEMPLATE("cuckoo: copies of one key are bounded and told", Fingerprint, std::uint8_t,
                   std::uint16_t) {
  CuckooFilter<std::uint64_t, Fingerprint> filter(
      {.expected_keys = 10'000, .seed = idem::Seed{3, 4}});
  for (std::uint64_t i = 0; i < 100; ++i) {
    CAPTURE(i);
    const std::uint64_t id = nth_id<std::uint64_t>(i);
    CHECK(filter.copies(id) == 0);
    for (unsigned n = 1; n <= filter.max_copies; ++n) {
      CHECK(filter.add(id));
      CHECK(filter.copies(id) == n);
    }
    const auto before = copy_of(filter.bytes());
    CHECK_FALSE(filter.add(id));
    CHECK(filter.insert(id) == Verdict::probable_duplicate);
    CHECK(before == copy_of(filter.bytes()));
    for (unsigned n = filter.max_copies; n-- > 0;) {
      CHECK(filter.forget(id));
      CHECK(filter.copies(id) == n);
    }
    CHECK_FALSE(filter.forget(id));
    CHECK(filter.insert(id) == Verdict::fresh);
    CHECK(filter.insert(id) == Verdict::probable_duplicate);
    CHECK(filter.copies(id) == 1);
    CHECK(filter.forget(id));
  }
  CHECK(filter.size() == 0);
}

TEST_CASE_TEMPLATE("cuckoo: the rate measured is the rate computed", Fingerprint, std::uint8_t,
                   std::uint16_t) {
  double pooled_hits = 0, pooled_mean = 0;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    CAPTURE(seed);
    constexpr std::uint64_t keys = 100'000;
    CuckooFilter<std::uint64_t, Fingerprint> filter(
        {.expected_keys = keys, .seed = idem::Seed{seed, ~seed}});
    std::uint64_t index = 0;
    std::uint64_t full = 0;
    while (filter.size() + full < keys)
      full += filter.insert(nth_id<std::uint64_t>((seed << 40) + index++)) == Verdict::full;
    REQUIRE(full == 0);
    const double rate = filter.false_positive_rate();
    CHECK(rate < filter.rate_at(1));
    CHECK(rate == doctest::Approx(8 * filter.load() / std::numeric_limits<Fingerprint>::max()));
    std::vector<std::uint64_t> ids(1000);
    std::vector<Verdict> verdicts(ids.size());
    const auto queries = soaked(static_cast<std::uint64_t>(1300 / rate));
    std::uint64_t hits = 0, trials = 0;
    for (; trials < queries; trials += ids.size()) {
      for (std::size_t i = 0; i < ids.size(); ++i)
        ids[i] = nth_id<std::uint64_t>((seed << 40) + index + trials + i);
      std::as_const(filter).check(ids, verdicts);
      hits += static_cast<std::uint64_t>(
          std::count(verdicts.begin(), verdicts.end(), Verdict::probable_duplicate));
    }
    CHECK(std::abs(deviation(hits, trials, rate)) <= 6);
    pooled_hits += static_cast<double>(hits);
    pooled_mean += static_cast<double>(trials) * rate;
  }
  CHECK(std::abs(pooled_hits - pooled_mean) / std::sqrt(pooled_mean) <= 5);
  CHECK(CuckooFilter<idem::Uuid, Fingerprint>::rate_at(0) == 0);
}

TEST_CASE("cuckoo: no key that is held is ever fresh, moves or not") {
  const std::uint64_t keys = soaked(10'000'000);
  CuckooFilter<idem::Uuid> filter({.expected_keys = keys, .seed = idem::Seed{1, 2}});
  std::vector<idem::Uuid> ids(1000);
  std::vector<Verdict> verdicts(ids.size());
  const auto each_batch = [&](const auto& work) {
    for (std::uint64_t begin = 0; begin < keys; begin += ids.size()) {
      for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = nth_id<idem::Uuid>(begin + i);
      work();
    }
  };
  std::uint64_t full = 0, lost = 0;
  each_batch([&] {
    filter.insert(ids, verdicts);
    full += static_cast<std::uint64_t>(std::count(verdicts.begin(), verdicts.end(), Verdict::full));
  });
  each_batch([&] {
    std::as_const(filter).check(ids, verdicts);
    lost +=
        static_cast<std::uint64_t>(std::count(verdicts.begin(), verdicts.end(), Verdict::fresh));
  });
  CHECK(full == 0);
  CHECK(lost == 0);
  CHECK(filter.moves() > 0);
}

TEST_CASE_TEMPLATE("cuckoo: keys that share half of their hash are still different keys",
                   Fingerprint, std::uint8_t, std::uint16_t) {
  for (const std::uint64_t size : {64ULL, 65'536ULL, 1'000'000ULL}) {
    CAPTURE(size);
    PlainCuckoo<Fingerprint> filter({.size = idem::bytes(size)});
    const std::uint64_t hash = mix(size);
    REQUIRE(filter.insert(hash) == Verdict::fresh);
    std::uint64_t low_shared = 0, high_shared = 0;
    for (std::uint64_t i = 1; i <= 100'000; ++i) {
      low_shared += filter.may_contain(hash ^ (mix(i) << 32));
      high_shared += filter.may_contain(hash ^ (mix(i) >> 32));
    }
    // One fingerprint is held: one key in so many has the same, if all of the hash counts.
    const std::uint64_t most = sizeof(Fingerprint) == 1 ? 800 : 20;
    CHECK(low_shared <= most);
    CHECK(high_shared <= most);
  }
}

TEST_CASE("cuckoo: golden tables, the same on every machine") {
  // Low byte first, whatever the machine: fingerprints are whole words of their own width.
  const auto digest = [](const auto& filter) {
    std::vector<std::uint64_t> lanes;
    using Fingerprint = typename std::remove_cvref_t<decltype(filter)>::Fingerprint;
    using Word = std::conditional_t<sizeof(Fingerprint) == 1, std::uint32_t, std::uint64_t>;
    for (std::size_t at = 0; at < filter.bytes().size(); at += sizeof(Word)) {
      Word word;
      std::memcpy(&word, filter.bytes().data() + at, sizeof word);
      lanes.push_back(word);
    }
    return digest_of(lanes);
  };
  CuckooFilter<idem::Uuid> wide({.expected_keys = 10'000, .seed = idem::Seed{7, 9}});
  CuckooFilter<idem::Uuid, std::uint8_t> narrow(
      {.expected_keys = 10'000, .seed = idem::Seed{7, 9}});
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    REQUIRE(wide.insert(nth_id<idem::Uuid>(i)) != Verdict::full);
    REQUIRE(narrow.insert(nth_id<idem::Uuid>(i)) != Verdict::full);
  }
  CHECK(wide.moves() > 100);
  CHECK(digest(wide) == 4288529807558196145ULL);
  CHECK(digest(narrow) == 9901318619667164581ULL);
}

TEST_CASE("cuckoo: memory_bytes is what was taken, and nothing is taken later") {
  const std::size_t before = allocations().live_bytes;
  CuckooFilter<idem::Uuid> filter({.expected_keys = 30'000});
  CHECK(allocations().live_bytes - before + sizeof filter == filter.memory_bytes());
  const std::uint64_t count = allocations().count;
  for (std::uint64_t i = 0; i < 40'000; ++i) (void)filter.insert(nth_id<idem::Uuid>(i));
  CHECK(allocations().count == count);
}

TEST_CASE("cuckoo: no memory is an exception, and changes nothing") {
  idem_test::check_memory_that_runs_out<CuckooFilter<idem::Uuid>, CuckooFilter<std::uint64_t>>(
      {.expected_keys = 1000}, {.size = idem::kibibytes(1)}, {.size = idem::bytes(64)});
}

TEST_CASE("cuckoo: options that are nonsense are refused in a sentence") {
  const auto refused = [](const CuckooFilterOptions& options) {
    return refusal([&] { CuckooFilter<idem::Uuid> filter(options); });
  };
  CHECK(contains(refused({}), "CuckooFilterOptions.expected_keys is 0"));
  CHECK(contains(refused({.size = idem::bytes(63)}), "size is 63; it must be at least 64"));
  CHECK(contains(refused({.expected_keys = 5, .size = idem::bytes(64)}), "left out"));
  CHECK(contains(refused({.expected_keys = std::numeric_limits<std::uint64_t>::max()}),
                 "3.11e+20 bits to fit the memory there is"));
  CHECK(contains(refused({.expected_keys = std::uint64_t{1} << 55}), "e+17 bits"));
  CHECK(contains(refused({.size = idem::ByteSize::unlimited()}), "1.48e+20 bits"));
}

template <class Seen, class Key>
void deduplicate(const std::vector<Key>& keys) {
  Seen seen({.memory = {.expected_keys = 1'000'000}});
  for (const Key& key : keys) CHECK(seen.insert(key) == Verdict::fresh);
  std::vector<Verdict> verdicts(keys.size());
  seen.insert(keys, verdicts);
  for (const Verdict verdict : verdicts) CHECK(verdict == Verdict::probable_duplicate);
  for (const Key& key : keys) CHECK(seen.forget(key));
  for (const Key& key : keys) CHECK(seen.check(key) == Verdict::fresh);
}

TEST_CASE("cuckoo: remembers for a Deduplicator of ids and of strings") {
  using namespace idem;
  deduplicate<Deduplicator<Uuid, Policy<Remember<CuckooFilter<Uuid>>, AcceptFalseDuplicates>>>(
      std::vector<Uuid>{Uuid{1, 2}, Uuid{3, 4}, Uuid{}});
  deduplicate<Deduplicator<std::string, Policy<Remember<CuckooFilter<Digest, std::uint16_t>>,
                                               AcceptFalseDuplicates, HostileKeys>>>(
      std::vector<std::string>{"", "a", "order-17"});
}

}  // namespace
