#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <idem/core/key.hpp>
#include <idem/dedup/deduplicator.hpp>
#include <idem/memory/exact_set.hpp>

#include "dedup/claims_differential.hpp"
#include "support/oracle.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"

using idem::ExactSet;
using idem::Uuid;
using idem::Verdict;

namespace {

struct Order {
  std::uint32_t shop = 0;
  std::string number;

  friend bool operator==(const Order&, const Order&) = default;
};

}  // namespace

template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::shop, &Order::number> {
  static std::size_t heap_bytes(const Order& order) {
    return order.number.size() <= std::string().capacity() ? 0 : order.number.size() + 1;
  }
};

namespace {

// A hash under which keys collide by the thousand: only == tells them apart.
class NarrowHash : public idem::Xxh3Hash {
 public:
  using Xxh3Hash::Xxh3Hash;

  [[nodiscard]] std::uint64_t slot(std::uint64_t id) const noexcept {
    return Xxh3Hash::slot(id) & 7;
  }
  [[nodiscard]] std::uint64_t slot(std::uint64_t hi, std::uint64_t lo) const noexcept {
    return Xxh3Hash::slot(hi, lo) & 7;
  }
  [[nodiscard]] idem::Digest digest(std::span<const std::byte> bytes) const noexcept {
    return {Xxh3Hash::digest(bytes).hi & 7, 0};
  }
};

template <class Key>
Key make_key(std::uint64_t index) {
  if constexpr (std::is_same_v<Key, std::string>) {
    // Lengths from 0 to 300, and texts that begin alike.
    return index == 0 ? std::string() : std::string(index % 300, 'k') + std::to_string(index / 300);
  } else if constexpr (std::is_same_v<Key, Order>) {
    return Order{static_cast<std::uint32_t>(index % 7),
                 std::string(index % 40, '0') + std::to_string(index / 7)};
  } else if constexpr (std::is_same_v<Key, Uuid>) {
    return index == 0 ? Uuid{} : Uuid{idem_test::mix(index), index};
  } else {
    return static_cast<Key>(index);
  }
}

template <class Set>
class Differential {
  using Key = typename Set::Stored;

 public:
  Differential(std::size_t keys, std::uint64_t budget, std::uint64_t seed)
      : rng_(seed),
        budget_(budget),
        options_{.budget = budget == 0 ? idem::ByteSize::unlimited() : idem::bytes(budget),
                 .seed = idem::Seed{seed, ~seed}},
        set_(options_),
        oracle_(keys) {
    for (std::uint64_t i = 0; i < keys; ++i) keys_.push_back(make_key<Key>(i));
  }

  void run(std::uint64_t steps) {
    const std::uint64_t phase = 6 * keys_.size() + 50;
    for (step_ = 0; step_ < steps; ++step_) {
      growing_ = step_ / phase % 2 == 0;
      step();
      if (set_.size() != oracle_.size()) fail("size()");
      if (budget_ != 0 && set_.memory_bytes() > budget_) fail("more bytes than the budget");
    }
    compare(set_);
  }

  [[nodiscard]] bool saw_full() const { return saw_full_; }
  [[nodiscard]] unsigned rare_seen() const { return rare_seen_; }
  static constexpr unsigned rare_kinds = 6;

 private:
  void step() {
    const std::size_t index = rng_.below(keys_.size());
    const Key& key = keys_[index];
    const std::uint64_t roll = rng_.below(1'000);
    const std::uint64_t inserts = growing_ ? 500 : 120;
    const std::uint64_t forgets = growing_ ? 100 : 480;
    if (roll < inserts) {
      judge(index, set_.insert(key));
    } else if (roll < inserts + forgets) {
      if (set_.forget(key) != oracle_.forget(index)) fail("forget");
    } else if (roll < 900) {
      if (set_.check(key) != oracle_.check(index)) fail("check");
    } else if (roll < 930) {
      insert_batch();
    } else if (roll < 990) {
      move_room(index);
    } else if (rng_.one_in(1 + keys_.size() / 100)) {
      rare();
    }
  }

  void judge(std::size_t index, Verdict verdict) {
    const Verdict expected = oracle_.check(index);
    if (verdict == Verdict::full && expected == Verdict::fresh) {
      saw_full_ = true;
      if (budget_ == 0) fail("full without a budget");
    } else if (verdict != oracle_.insert(index)) {
      fail("insert");
    }
  }

  void insert_batch() {
    std::vector<std::size_t> indices(rng_.below(60));
    std::vector<Key> batch;
    for (std::size_t& index : indices) {
      index = rng_.below(1 + keys_.size() / 2);
      batch.push_back(keys_[index]);
    }
    std::vector<Verdict> verdicts(batch.size(), Verdict::poisoned);
    set_.insert(batch, verdicts);
    for (std::size_t i = 0; i < batch.size(); ++i) judge(indices[i], verdicts[i]);
  }

  void move_room(std::size_t index) {
    if (rooms_.size() < 20 && rng_.one_in(2)) {
      if (set_.reserve_one(keys_[index])) {
        rooms_.push_back(index);
      } else {
        saw_full_ = true;
        if (budget_ == 0) fail("no room without a budget");
      }
    } else if (!rooms_.empty()) {
      std::swap(rooms_[rng_.below(rooms_.size())], rooms_.back());
      const std::size_t taken = rooms_.back();
      rooms_.pop_back();
      if (oracle_.check(taken) == Verdict::duplicate || rng_.one_in(3)) {
        set_.release_one(keys_[taken]);
      } else {
        Key key = keys_[taken];
        set_.record(std::move(key), {.now = idem::Instant{}});
        (void)oracle_.insert(taken);
      }
    }
  }

  void rare() {
    const std::uint64_t which = rng_.below(rare_kinds);
    rare_seen_ |= 1U << which;
    switch (which) {
      case 0:
        set_.clear();
        oracle_.clear();
        break;
      case 1: {
        const Set copy(set_);
        compare(copy);
        break;
      }
      case 2: {
        Set moved(std::move(set_));
        if (set_.size() != 0 || set_.check(keys_[0]) != Verdict::fresh) fail("moved from");
        set_ = std::move(moved);
        break;
      }
      case 3:
        if (rooms_.empty()) {
          Set other(options_);
          (void)other.insert(keys_[0]);
          other = set_;
          std::swap(other, set_);
          compare(other);
        }
        break;
      case 4:
        try {
          set_.reserve(rng_.below(2 * keys_.size()));
        } catch (const std::invalid_argument&) {
          if (budget_ == 0) fail("reserve refused without a budget");
        }
        break;
      default:
        compare(set_);
    }
  }

  void compare(const Set& set) {
    if (set.size() != oracle_.size()) fail("size of a copy");
    for (std::size_t i = 0; i < keys_.size(); ++i)
      if (set.check(keys_[i]) != oracle_.check(i)) fail("contents");
  }

  [[noreturn]] void fail(const char* what) {
    CAPTURE(step_);
    CAPTURE(oracle_.size());
    FAIL("differs from the oracle: ", std::string(what));
    throw std::logic_error(what);
  }

  idem_test::Rng rng_;
  std::uint64_t budget_;
  typename Set::Options options_;
  Set set_;
  std::vector<Key> keys_;
  idem_test::BitmapOracle oracle_;
  std::vector<std::size_t> rooms_;
  std::uint64_t step_ = 0;
  bool growing_ = true;
  bool saw_full_ = false;
  unsigned rare_seen_ = 0;
};

template <class Set>
void run(std::size_t keys, std::uint64_t budget, std::uint64_t steps) {
  unsigned rare_seen = 0;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    Differential<Set> differential(keys, budget, seed);
    differential.run(idem_test::soaked(steps));
    CHECK(differential.saw_full() == (budget != 0));
    rare_seen |= differential.rare_seen();
  }
  CHECK(rare_seen == (1U << Differential<Set>::rare_kinds) - 1);
}

using Claiming =
    idem::Deduplicator<std::string,
                       idem::Policy<idem::Remember<ExactSet<std::string>>, idem::Claims>>;

}  // namespace

TEST_CASE("ExactSet: random operations equal the oracle, for every kind of key") {
  run<ExactSet<std::string>>(2'000, 0, 200'000);
  run<ExactSet<Order>>(500, 0, 100'000);
  run<ExactSet<Uuid>>(20'000, 0, 200'000);
  run<ExactSet<std::uint64_t, idem::SipHash>>(3, 0, 50'000);
}

TEST_CASE("ExactSet: random operations under a budget equal the oracle, and the budget holds") {
  run<ExactSet<std::string>>(2'000, 200'000, 200'000);
  run<ExactSet<Order>>(500, 12'000, 100'000);
  run<ExactSet<std::uint64_t>>(400, 5'000, 100'000);
}

TEST_CASE("ExactSet: keys whose hashes collide are told apart") {
  run<ExactSet<std::string, NarrowHash>>(300, 0, 50'000);
  run<ExactSet<std::uint64_t, NarrowHash>>(300, 0, 50'000);
}

TEST_CASE("ExactSet: claims over it equal the oracle") {
  idem_test::run_claims_scenarios<Claiming>(300'000, {.scale = 3, .fixed = 700, .per_key = 400});
}
