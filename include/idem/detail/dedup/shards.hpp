#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/memory.hpp>
#include <idem/core/seed.hpp>
#include <idem/core/state.hpp>
#include <idem/core/state_stream.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/dedup/content.hpp>
#include <idem/dedup/counters.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/dedup/claim_book.hpp>
#include <idem/detail/dedup/claim_ticket.hpp>
#include <idem/detail/dedup/shard_route.hpp>
#include <idem/detail/dedup/shard_state.hpp>
#include <idem/detail/dedup/word_lock.hpp>

namespace idem::inline IDEM_ABI::detail {

// Access for many threads: `count` engines, each with a lock, and every key at home in one of them.
// K is the key as the user has it. What is read without a lock never changes.
template <class K, class Engine, std::size_t count>
class Shards {
  using Memory = typename Engine::Memory;
  using Stored = typename Memory::Stored;
  using Route = ShardRoute<K, Memory, count>;
  using ContentDigest = typename Engine::ContentDigest;
  using Ticket = typename Engine::Ticket;
  static constexpr bool stores_key_itself = std::is_same_v<Stored, K>;
  static_assert(stores_key_itself || TakesSeed<typename Memory::Options>,
                "idem::Sharded: the options of a memory that stores digests of keys must have a "
                "std::optional<idem::Seed> seed, so that all shards make the same digest");

 public:
  Shards(const auto& memory, const auto& claims)
      : Shards(with_seed(memory), claims, std::make_index_sequence<count>()) {}
  // Goes on from memories that were loaded.
  Shards(ShardMemories<K, Memory, count>&& loaded, const auto& claims)
      : Shards(loaded.take(), loaded.route(), claims, std::make_index_sequence<count>()) {}
  Shards(const Shards&) = delete;
  Shards& operator=(const Shards&) = delete;

  [[nodiscard]] const auto& hash() const noexcept { return route_.hash(); }

  Verdict insert(const K& key, At at, ContentDigest content) noexcept {
    const auto& stored = route_.store(key);
    Shard& shard = shards_[route_.home(stored)];
    const Locked locked(shard.lock);
    return shard.engine.insert(stored, at, content);
  }

  // As OneThread's two.
  void insert(std::span<const K> keys, At at, const auto& contents,
              std::span<Verdict> verdicts) noexcept {
    in_groups(keys, contents, [&](const auto& group, const auto& stored, const auto& digests) {
      std::array<Verdict, std::remove_cvref_t<decltype(group)>::room> answers;
      const std::span<Verdict> answered = std::span<Verdict>(answers).first(group.size);
      {
        const Locked locked(group.shard.lock);
        group.shard.engine.insert(stored, at, digests, answered);
      }
      for (std::size_t i = 0; i < group.size; ++i) verdicts[group.at(i)] = answers[i];
    });
  }
  void claim(std::span<const K> keys, At at, const auto& contents, const auto& take) noexcept {
    in_groups(keys, contents, [&](const auto& group, const auto& stored, const auto& digests) {
      const Locked locked(group.shard.lock);
      group.shard.engine.claim(stored, at, digests, [&](std::size_t i, Ticket ticket) {
        ticket.shard = group.number;
        take(group.at(i), ticket);
      });
    });
  }

  [[nodiscard]] Verdict check(const K& key, At at, ContentDigest content) const noexcept {
    const auto& stored = route_.store(key);
    const Shard& shard = shards_[route_.home(stored)];
    const Locked locked(shard.lock);
    return shard.engine.check(stored, at, content);
  }
  [[nodiscard]] std::optional<Digest> first_content(const K& key, At at) const noexcept {
    const auto& stored = route_.store(key);
    const Shard& shard = shards_[route_.home(stored)];
    const Locked locked(shard.lock);
    return shard.engine.first_content(stored, at);
  }

  bool forget(const K& key) noexcept {
    const auto& stored = route_.store(key);
    Shard& shard = shards_[route_.home(stored)];
    const Locked locked(shard.lock);
    return shard.engine.forget(stored);
  }

  void clear() noexcept {
    for (Shard& shard : shards_) {
      const Locked locked(shard.lock);
      shard.engine.clear();
    }
  }

  [[nodiscard]] std::size_t size() const noexcept {
    return sum([](const Engine& engine) { return engine.memory().size(); });
  }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sizeof(*this) + sum([](const Engine& engine) { return engine.heap_bytes(); });
  }
  [[nodiscard]] std::size_t claims_in_flight() const noexcept {
    return sum([](const Engine& engine) { return engine.claims_in_flight(); });
  }
  bool refute(const K& key, At at) noexcept {
    const auto& stored = route_.store(key);
    Shard& shard = shards_[route_.home(stored)];
    const Locked locked(shard.lock);
    return shard.engine.refute(stored, at);
  }
  // What all shards can promise.
  [[nodiscard]] Instant effective_horizon() const noexcept {
    Instant latest = Instant::min();
    for (const Shard& shard : shards_) {
      const Locked locked(shard.lock);
      latest = larger(latest, shard.engine.memory().effective_horizon());
    }
    return latest;
  }
  // A fresh key is as likely to be at home in one as in another.
  [[nodiscard]] double false_positive_rate() const noexcept {
    double total = 0;
    for (const Shard& shard : shards_) {
      const Locked locked(shard.lock);
      total += shard.engine.memory().false_positive_rate();
    }
    return total / static_cast<double>(count);
  }
  [[nodiscard]] DeduplicatorCounters counters() const noexcept {
    DeduplicatorCounters all;
    for (const Shard& shard : shards_) {
      const Locked locked(shard.lock);
      all += shard.engine.counters();
    }
    return all;
  }

  // Every shard, locked as long as this lives: no call of another thread comes between its parts.
  class [[nodiscard]] AllLocked {
    using State = ShardState<Memory, count>;

   public:
    explicit AllLocked(const Shards& shards) noexcept : shards_(shards) {
      // In one order, and nobody else holds two.
      for (const Shard& shard : shards_.shards_) shard.lock.lock();
    }
    AllLocked(const AllLocked&) = delete;
    AllLocked& operator=(const AllLocked&) = delete;
    ~AllLocked() {
      for (const Shard& shard : shards_.shards_) shard.lock.unlock();
    }
    [[nodiscard]] StateShape state_shape() const {
      return State::shape(views(), shards_.route_.seed());
    }
    [[nodiscard]] bool write_state(StateWriter& out) const { return State::write(views(), out); }

   private:
    [[nodiscard]] typename State::Views views() const noexcept {
      typename State::Views views;
      for (std::size_t i = 0; i < count; ++i) views[i] = &shards_.shards_[i].engine.memory();
      return views;
    }

    const Shards& shards_;
  };

  [[nodiscard]] Ticket claim(const K& key, At at, ContentDigest content) noexcept {
    const auto& stored = route_.store(key);
    const std::size_t number = route_.home(stored);
    Shard& shard = shards_[number];
    const Locked locked(shard.lock);
    Ticket ticket = shard.engine.claim(stored, at, content);
    ticket.shard = static_cast<std::uint16_t>(number);
    return ticket;
  }
  // A guard that came over a fork asks for no lock: a thread that the child does not have may have
  // held it.
  [[nodiscard]] bool owns(const ClaimTicket& ticket) const noexcept {
    const Shard& shard = shards_[ticket.shard];
    if (!shard.engine.is_ours(ticket)) return false;
    const Locked locked(shard.lock);
    return shard.engine.owns(ticket);
  }
  [[nodiscard]] Verdict commit(const ClaimTicket& ticket, At at) noexcept {
    Shard& shard = shards_[ticket.shard];
    if (!shard.engine.is_ours(ticket)) return Verdict::fenced;
    const Locked locked(shard.lock);
    return shard.engine.commit(ticket, at);
  }
  [[nodiscard]] Verdict renew(const ClaimTicket& ticket, Instant now) noexcept {
    Shard& shard = shards_[ticket.shard];
    if (!shard.engine.is_ours(ticket)) return Verdict::fenced;
    const Locked locked(shard.lock);
    return shard.engine.renew(ticket, now);
  }
  void abort(const ClaimTicket& ticket) noexcept {
    Shard& shard = shards_[ticket.shard];
    if (!shard.engine.is_ours(ticket)) return;
    const Locked locked(shard.lock);
    shard.engine.abort(ticket);
  }

 private:
  static constexpr std::size_t chunk = 512;
  static constexpr std::size_t small_chunk = 32;

  // On lines of its own: a thread in one shard does not slow one in another.
  struct alignas(64) Shard {
    template <class From>
    Shard(From&& memory, const auto& claims, TokenLane lane)
        : engine(std::forward<From>(memory), claims, lane) {}

    mutable WordLock lock;
    Engine engine;
  };

  template <std::size_t... number>
  Shards(const auto& memory, const auto& claims, std::index_sequence<number...>)
      : shards_{Shard(memory, claims, TokenLane{.offset = number, .step = count})...},
        route_(seed_of(shards_[0].engine.memory())) {}
  template <std::size_t... number>
  Shards(std::vector<Memory> memories, const Route& route, const auto& claims,
         std::index_sequence<number...>)
      : shards_{Shard(std::move(memories[number]), claims,
                      TokenLane{.offset = number, .step = count})...},
        route_(route) {}

  template <class Options>
  [[nodiscard]] static Options with_seed(const Options& options) {
    Options seeded = options;
    if constexpr (TakesSeed<Options>) {
      if (!seeded.seed) seeded.seed = Seed::random();
    }
    return seeded;
  }
  [[nodiscard]] static Seed seed_of(const Memory& memory) {
    if constexpr (Hashing<Memory>) {
      return memory.hash().seed();
    } else {
      return Seed::random();
    }
  }

  template <class F>
  [[nodiscard]] std::size_t sum(const F& of) const noexcept {
    std::size_t total = 0;
    for (const Shard& shard : shards_) {
      const Locked locked(shard.lock);
      total += of(shard.engine);
    }
    return total;
  }

  // Where the keys of each shard stand in `order`, which keeps those of one shard as they came.
  template <std::size_t room>
  struct Groups {
    std::array<std::uint16_t, room> home;
    std::array<std::uint16_t, room> order;
    std::array<std::uint16_t, count + 1> begin{};

    void sort(std::size_t size) noexcept {
      for (std::size_t i = 0; i < size; ++i) ++begin[home[i] + 1U];
      for (std::size_t s = 0; s < count; ++s) {
        begin[s + 1] = static_cast<std::uint16_t>(begin[s + 1] + begin[s]);
      }
      std::array<std::uint16_t, count + 1> next = begin;
      for (std::size_t i = 0; i < size; ++i) order[next[home[i]]++] = static_cast<std::uint16_t>(i);
    }
  };

  // The keys of a batch that are at home in one shard, in the order they came.
  template <std::size_t most>
  struct Group {
    static constexpr std::size_t room = most;

    // Where the i-th stands in the batch.
    [[nodiscard]] std::size_t at(std::size_t i) const noexcept { return begin + order[i]; }

    Shard& shard;
    std::uint16_t number;
    std::size_t begin;
    const std::uint16_t* order;
    std::size_t size;
  };
  // Keys that stay where they are.
  struct Scattered {
    [[nodiscard]] std::size_t size() const noexcept { return count_of; }
    [[nodiscard]] const Stored& operator[](std::size_t i) const noexcept { return keys[order[i]]; }

    const Stored* keys;
    const std::uint16_t* order;
    std::size_t count_of;
  };

  // run(group, stored, digests) for every shard that some of the next keys are at home in.
  void in_groups(std::span<const K> keys, const auto& contents, const auto& run) noexcept {
    // The room for a small batch costs little to set up.
    if (keys.size() <= small_chunk) return in_groups_of<small_chunk>(keys, 0, contents, run);
    for (std::size_t begin = 0; begin < keys.size(); begin += chunk) {
      const std::size_t size = smaller(chunk, keys.size() - begin);
      in_groups_of<chunk>(keys.subspan(begin, size), begin, contents, run);
    }
  }

  template <std::size_t room, class Contents>
  void in_groups_of(std::span<const K> keys, std::size_t begin, const Contents& contents,
                    const auto& run) noexcept {
    constexpr bool copied =
        std::is_trivially_copyable_v<Stored> && std::is_default_constructible_v<Stored>;
    constexpr bool compares = !std::is_same_v<Contents, NoContent>;
    Groups<room> groups;
    [[maybe_unused]] std::array<Stored, stores_key_itself ? 0 : room> made;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if constexpr (stores_key_itself) {
        groups.home[i] = static_cast<std::uint16_t>(route_.home(keys[i]));
      } else {
        made[i] = route_.store(keys[i]);
        groups.home[i] = static_cast<std::uint16_t>(route_.home(made[i]));
      }
    }
    groups.sort(keys.size());
    [[maybe_unused]] std::array<Stored, copied ? room : 0> grouped;
    if constexpr (copied) {
      for (std::size_t i = 0; i < keys.size(); ++i) {
        if constexpr (stores_key_itself) {
          grouped[i] = keys[groups.order[i]];
        } else {
          grouped[i] = made[groups.order[i]];
        }
      }
    }
    [[maybe_unused]] std::array<Digest, compares ? room : 0> digests;
    if constexpr (compares) {
      for (std::size_t i = 0; i < keys.size(); ++i) {
        digests[i] = digest_of(contents[begin + groups.order[i]]);
      }
    }
    for (std::size_t s = 0; s < count; ++s) {
      const std::size_t first = groups.begin[s];
      const std::size_t size = groups.begin[s + 1] - first;
      if (size == 0) continue;
      const Group<room> group{.shard = shards_[s],
                              .number = static_cast<std::uint16_t>(s),
                              .begin = begin,
                              .order = groups.order.data() + first,
                              .size = size};
      const auto run_on = [&](const auto& stored) {
        if constexpr (compares) {
          run(group, stored, std::span<const Digest>(digests).subspan(first, size));
        } else {
          run(group, stored, NoContent{});
        }
      };
      if constexpr (copied) {
        run_on(std::span<const Stored>(grouped).subspan(first, size));
      } else if constexpr (stores_key_itself) {
        run_on(Scattered{keys.data(), group.order, size});
      } else {
        run_on(Scattered{made.data(), group.order, size});
      }
    }
  }

  [[nodiscard]] static const Digest& digest_of(const Digest& digest) noexcept { return digest; }
  [[nodiscard]] Digest digest_of(const Content& content) const noexcept {
    return content.digest(hash());
  }

  std::array<Shard, count> shards_;
  Route route_;
};

}  // namespace idem::inline IDEM_ABI::detail
