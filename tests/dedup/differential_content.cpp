#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <idem/idem.hpp>

#include "support/ids.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"

// CompareContent against an oracle, with and without claims, one by one and in batches; and memories
// with planted bugs, which it must notice.

namespace {

using idem::At;
using idem::Claims;
using idem::CompareContent;
using idem::Content;
using idem::Deduplicator;
using idem::Digest;
using idem::Duration;
using idem::Instant;
using idem::Policy;
using idem::Remember;
using idem::Sharded;
using idem::Uuid;
using idem::Verdict;
using idem_test::Rng;
using idem_test::soaked;
using idem_test::spread_id;

constexpr std::int64_t lease = 20;

Instant instant(std::int64_t nanoseconds) {
  return Instant::at(Duration::nanoseconds(nanoseconds));
}

// Keys and contents are numbers here. Nothing is ever full.
class Oracle {
 public:
  Verdict check(int key, int content) const {
    const auto open = open_.find(key);
    if (open != open_.end()) {
      return open->second.content == content ? Verdict::in_progress : Verdict::conflict;
    }
    const auto done = done_.find(key);
    if (done == done_.end()) return Verdict::fresh;
    return done->second == content ? Verdict::duplicate : Verdict::conflict;
  }
  Verdict insert(int key, int content) {
    const Verdict verdict = check(key, content);
    if (verdict == Verdict::fresh) done_[key] = content;
    return verdict;
  }
  // `grant` numbers the claim.
  Verdict claim(int key, int content, std::int64_t now, std::uint64_t grant) {
    Verdict verdict = check(key, content);
    if (verdict == Verdict::in_progress && now >= open_[key].lease_end) verdict = Verdict::fresh;
    if (verdict == Verdict::fresh) open_[key] = {content, grant, now + lease};
    return verdict;
  }
  bool holds(int key, std::uint64_t grant) const {
    const auto open = open_.find(key);
    return open != open_.end() && open->second.grant == grant;
  }
  Verdict commit(int key, std::uint64_t grant) {
    if (!holds(key, grant)) return Verdict::fenced;
    done_[key] = open_[key].content;
    open_.erase(key);
    return Verdict::fresh;
  }
  void abort(int key, std::uint64_t grant) {
    if (holds(key, grant)) open_.erase(key);
  }
  bool forget(int key) { return done_.erase(key) == 1; }
  std::optional<int> first_content(int key) const {
    if (const auto open = open_.find(key); open != open_.end()) return open->second.content;
    if (const auto done = done_.find(key); done != done_.end()) return done->second;
    return std::nullopt;
  }
  std::size_t in_flight() const { return open_.size(); }
  std::size_t remembered() const { return done_.size(); }

 private:
  struct Open {
    int content;
    std::uint64_t grant;
    std::int64_t lease_end;
  };
  std::map<int, Open> open_;
  std::map<int, int> done_;
};

struct Seen {
  std::array<std::uint64_t, 12> answers{};
  std::uint64_t fenced = 0, takeovers = 0, conflicts_with_open = 0, batches = 0;

  std::uint64_t& operator[](Verdict verdict) { return answers[static_cast<std::size_t>(verdict)]; }
};

// How many answers differ from the oracle's.
template <class Dedup>
class Differential {
  using Key = typename Dedup::Key;
  static constexpr bool has_claims = requires(Dedup & seen) { seen.claims_in_flight(); };

 public:
  Differential(const typename Dedup::Options& options, std::uint64_t seed, int keys)
      : rng_(seed), dedup_(options), key_count_(keys) {
    for (int i = 0; i < keys; ++i) {
      if constexpr (std::is_same_v<Key, std::string>) {
        keys_.push_back("key " + std::to_string(i));
      } else {
        keys_.push_back(i == 0 ? Key{} : spread_id<Key>(static_cast<std::uint64_t>(i)));
      }
    }
  }

  std::uint64_t run(std::uint64_t steps) {
    for (std::uint64_t step = 0; step < steps; ++step) {
      now_ += static_cast<std::int64_t>(rng_.below(4));
      const int key = some_key(), content = some_content();
      const std::uint64_t roll = rng_.below(20);
      if (roll < 5) {
        const Verdict wanted = oracle_.insert(key, content);
        expect(insert(key, content) == wanted);
        ++seen_[wanted];
      } else if (roll < 7) {
        expect(dedup_.check(keys_[index(key)], at(), text(content)) == oracle_.check(key, content));
      } else if (roll < 8) {
        insert_batch();
      } else if (roll < 10) {
        expect(dedup_.forget(keys_[index(key)]) == oracle_.forget(key));
      } else if (roll < 11) {
        const auto first = dedup_.first_content(keys_[index(key)], at());
        const auto wanted = oracle_.first_content(key);
        expect(first.has_value() == wanted.has_value() &&
               (!first || *first == dedup_.digest(text(*wanted))));
      } else if constexpr (has_claims) {
        if (roll < 14) {
          claim(key, content);
        } else if (roll < 15) {
          claim_batch();
        } else {
          end_one();
        }
      }
      expect(dedup_.size() == oracle_.remembered());
      if constexpr (has_claims) expect(dedup_.claims_in_flight() == oracle_.in_flight());
    }
    if constexpr (has_claims) {
      while (!held_.empty()) end_one();
      expect(dedup_.claims_in_flight() == 0);
    }
    return mismatches_;
  }

  Seen& seen() { return seen_; }

 private:
  [[nodiscard]] int some_key() {
    return static_cast<int>(rng_.below(static_cast<std::uint64_t>(key_count_)));
  }
  // Mostly the one that all agree on.
  [[nodiscard]] int some_content() { return rng_.one_in(3) ? static_cast<int>(rng_.below(3)) : 0; }
  [[nodiscard]] static std::size_t index(int key) { return static_cast<std::size_t>(key); }
  // Contents of every length class that the hash has.
  [[nodiscard]] static std::string text(int content) {
    return std::string(static_cast<std::size_t>(content) * 150, 'x') + std::to_string(content);
  }
  [[nodiscard]] At at() const { return {.now = instant(now_)}; }

  void expect(bool equal) { mismatches_ += equal ? 0 : 1; }

  Verdict insert(int key, int content) {
    if constexpr (!Dedup::needs_time) {
      if (rng_.one_in(2)) return dedup_.insert(keys_[index(key)], text(content));
    }
    if (rng_.one_in(2)) return dedup_.insert(keys_[index(key)], at(), dedup_.digest(text(content)));
    return dedup_.insert(keys_[index(key)], at(), text(content));
  }

  struct Batch {
    std::vector<int> key, content;
    std::vector<Key> keys;
    std::vector<std::string> texts;
    std::vector<Content> contents;
    std::vector<Digest> digests;
  };
  [[nodiscard]] Batch some_batch() {
    Batch batch;
    constexpr std::uint64_t bounds[] = {5, 40, 70, 700};
    const std::uint64_t size = rng_.below(bounds[rng_.below(rng_.one_in(10) ? 4 : 2)]);
    for (std::uint64_t i = 0; i < size; ++i) {
      batch.key.push_back(some_key());
      batch.content.push_back(some_content());
      batch.keys.push_back(keys_[index(batch.key.back())]);
      batch.texts.push_back(text(batch.content.back()));
    }
    for (const std::string& one : batch.texts) {
      batch.contents.push_back(one);
      batch.digests.push_back(dedup_.digest(one));
    }
    ++seen_.batches;
    return batch;
  }

  void insert_batch() {
    const Batch batch = some_batch();
    std::vector<Verdict> verdicts(batch.keys.size(), Verdict::unknown);
    if (rng_.one_in(2)) {
      dedup_.insert(batch.keys, at(), batch.contents, verdicts);
    } else {
      dedup_.insert(batch.keys, at(), batch.digests, verdicts);
    }
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
      const Verdict wanted = oracle_.insert(batch.key[i], batch.content[i]);
      expect(verdicts[i] == wanted);
      ++seen_[wanted];
    }
  }

  void judge_claim(auto&& guard, int key, int content) {
    const std::uint64_t grant = ++grants_;
    const bool was_open = oracle_.in_flight() != 0 && oracle_.check(key, content) != Verdict::fresh;
    const std::size_t in_flight = oracle_.in_flight();
    const auto first = oracle_.first_content(key);
    const Verdict wanted = oracle_.claim(key, content, now_, grant);
    expect(guard.verdict() == wanted);
    ++seen_[wanted];
    expect(guard.first_content() == dedup_.digest(text(first.value_or(content))));
    if (wanted == Verdict::conflict && was_open) ++seen_.conflicts_with_open;
    if (wanted != Verdict::fresh) return;
    if (oracle_.in_flight() == in_flight) ++seen_.takeovers;
    if (guard.verdict() == Verdict::fresh) {
      held_.push_back({std::forward<decltype(guard)>(guard), key, grant});
    } else {
      oracle_.abort(key, grant);
    }
  }
  void claim(int key, int content) {
    judge_claim(dedup_.claim(keys_[index(key)], at(), text(content)), key, content);
  }
  void claim_batch() {
    const Batch batch = some_batch();
    std::vector<typename Dedup::Claim> claims(batch.keys.size());
    if (rng_.one_in(2)) {
      dedup_.claim(batch.keys, at(), batch.contents, claims);
    } else {
      dedup_.claim(batch.keys, at(), batch.digests, claims);
    }
    for (std::size_t i = 0; i < claims.size(); ++i) {
      judge_claim(std::move(claims[i]), batch.key[i], batch.content[i]);
    }
  }

  void end_one() {
    if (held_.empty()) return;
    const std::size_t which = rng_.below(held_.size());
    auto& [guard, key, grant] = held_[which];
    expect(guard.holds() == oracle_.holds(key, grant));
    if (!rng_.one_in(3)) {
      const Verdict wanted = oracle_.commit(key, grant);
      expect(guard.commit(at()) == wanted);
      seen_.fenced += wanted == Verdict::fenced ? 1 : 0;
    } else {
      oracle_.abort(key, grant);
    }
    if (which + 1 != held_.size()) held_[which] = std::move(held_.back());
    held_.pop_back();
  }

  template <class D, bool>
  struct HeldOf {
    struct type {};
  };
  template <class D>
  struct HeldOf<D, true> {
    struct type {
      typename D::Claim guard;
      int key;
      std::uint64_t grant;
    };
  };

  Rng rng_;
  Dedup dedup_;
  Oracle oracle_;
  int key_count_;
  std::vector<Key> keys_;
  std::vector<typename HeldOf<Dedup, has_claims>::type> held_;
  std::int64_t now_ = 0;
  std::uint64_t grants_ = 0;
  std::uint64_t mismatches_ = 0;
  Seen seen_;
};

template <class Dedup>
void equals_oracle(std::uint64_t steps, const auto& memory) {
  for (const int keys : {3, 40, 900}) {
    CAPTURE(keys);
    typename Dedup::Options options{.memory = memory};
    if constexpr (requires { options.claims.lease; }) {
      options.claims.lease = Duration::nanoseconds(lease);
    }
    Differential<Dedup> differential(options, static_cast<std::uint64_t>(keys), keys);
    REQUIRE(differential.run(soaked(steps)) == 0);
    Seen& seen = differential.seen();
    CHECK(seen[Verdict::fresh] > 100);
    CHECK(seen[Verdict::duplicate] > 100);
    CHECK(seen[Verdict::conflict] > 100);
    CHECK(seen.batches > 100);
    if constexpr (requires { options.claims.lease; }) {
      CHECK(seen[Verdict::in_progress] > 100);
      CHECK(seen.fenced > 0);
      CHECK(seen.takeovers > 10);
      CHECK(seen.conflicts_with_open > 100);
    }
  }
}

constexpr idem::TimeWindowOptions for_ever{.window = Duration::max(), .max_keys = 10'000};
template <class... Axis>
using OfRing = Policy<Remember<idem::TimeWindowRing<Uuid>>, CompareContent, Axis...>;

TEST_CASE(
    "contents: random steps equal the oracle, one-shot and with claims, in shards and without") {
  equals_oracle<Deduplicator<Uuid, OfRing<>>>(100'000, for_ever);
  equals_oracle<Deduplicator<Uuid, OfRing<Claims>>>(100'000, for_ever);
  equals_oracle<Deduplicator<Uuid, OfRing<Sharded<4>>>>(30'000, for_ever);
  equals_oracle<Deduplicator<Uuid, OfRing<Claims, Sharded<4>, idem::HostileKeys>>>(30'000,
                                                                                   for_ever);
  equals_oracle<Deduplicator<Uuid, Policy<CompareContent, Claims>>>(50'000, idem::IdMapOptions{});
  equals_oracle<Deduplicator<std::uint64_t, Policy<CompareContent, Claims, Sharded<4>>>>(
      30'000, idem::IdMapOptions{});
  equals_oracle<Deduplicator<std::string, Policy<CompareContent>>>(30'000, idem::IdMapOptions{});
  equals_oracle<Deduplicator<std::string, Policy<Remember<idem::TimeWindowRing<Digest>>,
                                                 CompareContent, Claims, Sharded<3>>>>(30'000,
                                                                                       for_ever);
}

enum class Bug { none, keeps_last, records_conflicts, commits_nothing, checks_nothing };

// A memory of a user's own that carries digests, with a bug.
template <Bug bug>
class Buggy {
 public:
  using Stored = Uuid;
  using Options = struct {};
  using Payload = Digest;
  using Hash = idem::Xxh3Hash;
  static constexpr idem::Errors errors{};
  static constexpr bool needs_time = false;
  static inline std::uint64_t fired = 0;

  explicit Buggy(const Options&) {}

  Verdict insert(const Uuid& id, At at) noexcept {
    Digest first;
    return insert(id, at, Digest{}, first);
  }
  Verdict insert(const Uuid& id, At, const Digest& payload, Digest& first) noexcept {
    const auto [place, is_new] = kept_.try_emplace(id, payload);
    if (is_new) return Verdict::fresh;
    first = place->second;
    if (first != payload && bug == Bug::keeps_last) {
      ++fired;
      place->second = payload;
    }
    if (first != payload && bug == Bug::records_conflicts) {
      ++fired;
      kept_.erase(place);
    }
    return Verdict::duplicate;
  }
  void insert(std::span<const Uuid> ids, At at, std::span<Verdict> verdicts) noexcept {
    for (std::size_t i = 0; i < ids.size(); ++i) verdicts[i] = insert(ids[i], at);
  }
  void insert(std::span<const Uuid> ids, At at, std::span<const Digest> payloads,
              std::span<Digest> first, std::span<Verdict> verdicts) noexcept {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      verdicts[i] = insert(ids[i], at, payloads[i], first[i]);
    }
  }
  Verdict check(const Uuid& id, At) const noexcept {
    return kept_.count(id) == 0 ? Verdict::fresh : Verdict::duplicate;
  }
  Verdict check(const Uuid& id, At, Digest& first) const noexcept {
    const auto place = kept_.find(id);
    if (place == kept_.end()) return Verdict::fresh;
    if (bug == Bug::checks_nothing) {
      ++fired;
      return Verdict::duplicate;
    }
    first = place->second;
    return Verdict::duplicate;
  }
  bool forget(const Uuid& id) noexcept { return kept_.erase(id) == 1; }
  bool reserve_one(const Uuid&) noexcept { return true; }
  void release_one(const Uuid&) noexcept {}
  void record(const Uuid& id, At) noexcept { kept_[id] = {}; }
  void record(const Uuid& id, At, const Digest& payload) noexcept {
    if (bug == Bug::commits_nothing) ++fired;
    kept_[id] = bug == Bug::commits_nothing ? Digest{} : payload;
  }
  std::uint64_t slot(const Uuid& id) const noexcept { return hash().slot(id.hi(), id.lo()); }
  Hash hash() const noexcept { return Hash(idem::Seed{1, 2}); }
  std::size_t size() const noexcept { return kept_.size(); }
  std::size_t memory_bytes() const noexcept { return sizeof *this; }

 private:
  std::map<Uuid, Digest> kept_;
};

template <Bug bug>
std::uint64_t mismatches() {
  using Memory = Buggy<bug>;
  using Dedup = Deduplicator<Uuid, Policy<Remember<Memory>, CompareContent, Claims>>;
  Differential<Dedup> differential({.claims = {.lease = Duration::nanoseconds(lease)}}, 1, 40);
  return differential.run(20'000);
}

TEST_CASE("contents: planted bugs are noticed, and none without") {
  static_assert(idem::SettlingPayloads<Buggy<Bug::none>>);
  CHECK(mismatches<Bug::none>() == 0);
  CHECK(mismatches<Bug::keeps_last>() > 0);
  CHECK(Buggy<Bug::keeps_last>::fired > 0);
  CHECK(mismatches<Bug::records_conflicts>() > 0);
  CHECK(Buggy<Bug::records_conflicts>::fired > 0);
  CHECK(mismatches<Bug::commits_nothing>() > 0);
  CHECK(Buggy<Bug::commits_nothing>::fired > 0);
  CHECK(mismatches<Bug::checks_nothing>() > 0);
  CHECK(Buggy<Bug::checks_nothing>::fired > 0);
}

}  // namespace
