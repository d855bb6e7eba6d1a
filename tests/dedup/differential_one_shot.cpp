#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <idem/core/key.hpp>
#include <idem/dedup/deduplicator.hpp>
#include <idem/memory/content_hash_set.hpp>
#include <idem/memory/uuid_set.hpp>

#include "support/ids.hpp"
#include "support/oracle.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"

using idem::At;
using idem::Instant;
using idem::Verdict;
using idem_test::BitmapOracle;
using idem_test::Rng;

namespace {

struct Event {
  std::uint32_t tenant = 0;
  std::string name;
};

template <class Key>
Key make_key(std::uint64_t index) {
  if constexpr (std::is_same_v<Key, std::string>) {
    // Lengths from 0 to 300, and texts that begin alike.
    return index == 0 ? std::string() : std::string(index % 300, 'k') + std::to_string(index / 300);
  } else if constexpr (std::is_same_v<Key, Event>) {
    return Event{static_cast<std::uint32_t>(index % 7), std::to_string(index / 7)};
  } else {
    return index == 0 ? idem_test::id_of<Key>(0, 0) : idem_test::spread_id<Key>(index);
  }
}

// A Deduplicator without claims is a set: the same random steps on it and on the oracle.
template <class Dedup>
void run(std::uint64_t seed, std::size_t key_count, std::uint64_t steps, std::uint64_t budget) {
  using Key = typename Dedup::Key;
  CAPTURE(seed);
  const typename Dedup::Options options{
      .memory = {.budget = budget == 0 ? idem::ByteSize::unlimited() : idem::bytes(budget),
                 .seed = idem::Seed{seed, seed + 1}}};
  Dedup dedup(options);
  std::vector<Key> keys;
  for (std::uint64_t i = 0; i < key_count; ++i) keys.push_back(make_key<Key>(i));
  BitmapOracle oracle(key_count);
  Rng rng(seed);
  bool saw_full = false;
  // At least these go in: a quarter of the budget in 16-byte ids, see IdSet.
  const std::uint64_t must_fit = budget == 0 ? ~std::uint64_t{0} : (budget - 600) / 64;
  const auto some_time = [&] {
    return At{.now =
                  Instant::at(idem::Duration::nanoseconds(static_cast<std::int64_t>(rng.next())))};
  };

  const auto judge = [&](std::size_t index, Verdict verdict) {
    const Verdict expected = oracle.check(index);
    if (verdict == Verdict::full && expected == Verdict::fresh) {
      saw_full = true;
      if (oracle.size() < must_fit) FAIL("full too early, with ", oracle.size());
      return;
    }
    if (verdict != expected) FAIL("insert of key ", index);
    (void)oracle.insert(index);
  };

  std::vector<std::size_t> indices;
  std::vector<Key> batch;
  std::vector<Verdict> verdicts;
  for (std::uint64_t step = 0; step < steps; ++step) {
    const std::size_t index = rng.below(key_count);
    const std::uint64_t roll = rng.below(100);
    const bool shrinking = step / (4 * key_count + 10) % 2 == 1;
    if (roll < (shrinking ? 10U : 40U)) {
      judge(index,
            rng.one_in(2) ? dedup.insert(keys[index]) : dedup.insert(keys[index], some_time()));
    } else if (roll < 60) {
      const Verdict verdict =
          rng.one_in(2) ? dedup.check(keys[index]) : dedup.check(keys[index], some_time());
      if (verdict != oracle.check(index)) FAIL("check of key ", index);
    } else if (roll < 95) {
      if (dedup.forget(keys[index]) != oracle.forget(index)) FAIL("forget of key ", index);
    } else if (rng.one_in(4)) {
      indices.clear();
      batch.clear();
      for (std::uint64_t i = rng.below(200); i != 0; --i) {
        indices.push_back((index + rng.below(100)) % key_count);
        batch.push_back(keys[indices.back()]);
      }
      verdicts.assign(batch.size(), Verdict::poisoned);
      if (rng.one_in(2)) {
        dedup.insert(batch, verdicts);
      } else {
        dedup.insert(batch, some_time(), verdicts);
      }
      for (std::size_t i = 0; i < batch.size(); ++i) judge(indices[i], verdicts[i]);
      step += batch.size();
    } else if (rng.one_in(1 + key_count / 20)) {
      Dedup copy(dedup);
      Dedup moved(std::move(dedup));
      dedup = rng.one_in(2) ? std::move(copy) : std::move(moved);
    }
    if (budget != 0 && dedup.memory_bytes() > budget + sizeof(Dedup))
      FAIL("more bytes than the budget");
  }
  REQUIRE(dedup.memory().size() == oracle.size());
  for (std::size_t i = 0; i < key_count; ++i) REQUIRE(dedup.check(keys[i]) == oracle.check(i));
  CHECK(saw_full == (budget != 0));
}

template <class Dedup>
void run_seeds(std::uint64_t steps) {
  const std::uint64_t soaked = idem_test::soaked(steps);
  run<Dedup>(1, 3, soaked, 0);
  run<Dedup>(2, 50, soaked, 0);
  run<Dedup>(3, 1'000, soaked, 0);
  run<Dedup>(4, 30'000, soaked, 0);
  run<Dedup>(5, 100, soaked, 1'000);
  run<Dedup>(6, 1'000, soaked, 10'000);
  run<Dedup>(7, 5'000, soaked, 40'000);
  run<Dedup>(8, 200, soaked, 2'000);
}

}  // namespace

template <>
struct idem::KeyTraits<Event> : idem::DigestOf<&Event::tenant, &Event::name> {};

TEST_CASE("one-shot: a million random steps on each of eight seeds equal the oracle") {
  run_seeds<idem::Deduplicator<idem::Uuid>>(1'000'000);
}

TEST_CASE("one-shot: the same for other keys, memories and hashes") {
  using idem::Deduplicator;
  using idem::HostileKeys;
  using idem::Policy;
  using idem::Remember;
  run_seeds<Deduplicator<std::uint64_t>>(100'000);
  run_seeds<Deduplicator<std::uint64_t, Policy<HostileKeys>>>(100'000);
  run_seeds<Deduplicator<std::string>>(100'000);
  run_seeds<Deduplicator<std::string, Policy<HostileKeys, Remember<idem::ContentHashSet>>>>(
      100'000);
  run_seeds<Deduplicator<Event>>(100'000);
  run_seeds<Deduplicator<idem::Digest, Policy<Remember<idem::ContentHashSet>>>>(100'000);
  run_seeds<Deduplicator<idem::Uuid, Policy<Remember<idem::UuidSet>, HostileKeys>>>(100'000);
}
