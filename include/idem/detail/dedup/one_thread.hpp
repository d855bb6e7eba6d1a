#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/dedup/content.hpp>
#include <idem/dedup/counters.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/dedup/claim_ticket.hpp>

namespace idem::inline IDEM_ABI::detail {

// Access for one thread at a time: one engine, no lock. K is the key as the user has it.
template <class K, class Engine>
class OneThread {
  using Memory = typename Engine::Memory;
  using Stored = typename Memory::Stored;
  using ContentDigest = typename Engine::ContentDigest;
  using Ticket = typename Engine::Ticket;
  static constexpr bool stores_key_itself = std::is_same_v<Stored, K>;

 public:
  OneThread(const auto& memory, const auto& claims) : engine_(memory, claims) {}
  OneThread(Memory&& memory, const auto& claims) : engine_(std::move(memory), claims) {}

  [[nodiscard]] const Memory& memory() const noexcept { return engine_.memory(); }
  [[nodiscard]] Memory& memory() noexcept { return engine_.memory(); }

  [[nodiscard]] auto hash() const noexcept { return engine_.memory().hash(); }

  Verdict insert(const K& key, At at, ContentDigest content) noexcept {
    return engine_.insert(store(key), at, content);
  }

  // contents: a span of digests or of Content, or NoContent. This and the next: the spans have one
  // size.
  void insert(std::span<const K> keys, At at, const auto& contents,
              std::span<Verdict> verdicts) noexcept {
    in_chunks(keys, contents, [&](std::size_t begin, const auto& stored, const auto& digests) {
      engine_.insert(stored, at, digests, verdicts.subspan(begin, stored.size()));
    });
  }
  // take(i, ticket) gets what was answered to the i-th key.
  void claim(std::span<const K> keys, At at, const auto& contents, const auto& take) noexcept {
    in_chunks(keys, contents, [&](std::size_t begin, const auto& stored, const auto& digests) {
      engine_.claim(stored, at, digests,
                    [&](std::size_t i, const Ticket& ticket) { take(begin + i, ticket); });
    });
  }

  [[nodiscard]] Verdict check(const K& key, At at, ContentDigest content) const noexcept {
    return engine_.check(store(key), at, content);
  }
  [[nodiscard]] std::optional<Digest> first_content(const K& key, At at) const noexcept {
    return engine_.first_content(store(key), at);
  }
  bool forget(const K& key) noexcept { return engine_.forget(store(key)); }
  void clear() noexcept { engine_.clear(); }
  [[nodiscard]] std::size_t size() const noexcept { return engine_.memory().size(); }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sizeof(*this) + engine_.heap_bytes();
  }
  [[nodiscard]] DeduplicatorCounters counters() const noexcept { return engine_.counters(); }
  bool refute(const K& key, At at) noexcept { return engine_.refute(store(key), at); }
  [[nodiscard]] Instant effective_horizon() const noexcept {
    return engine_.memory().effective_horizon();
  }
  [[nodiscard]] double false_positive_rate() const noexcept {
    return engine_.memory().false_positive_rate();
  }

  [[nodiscard]] Ticket claim(const K& key, At at, ContentDigest content) noexcept {
    return engine_.claim(store(key), at, content);
  }
  [[nodiscard]] std::size_t claims_in_flight() const noexcept { return engine_.claims_in_flight(); }
  [[nodiscard]] bool owns(const ClaimTicket& ticket) const noexcept {
    return engine_.is_ours(ticket) && engine_.owns(ticket);
  }
  [[nodiscard]] Verdict commit(const ClaimTicket& ticket, At at) noexcept {
    return engine_.is_ours(ticket) ? engine_.commit(ticket, at) : Verdict::fenced;
  }
  [[nodiscard]] Verdict renew(const ClaimTicket& ticket, Instant now) noexcept {
    return engine_.is_ours(ticket) ? engine_.renew(ticket, now) : Verdict::fenced;
  }
  void abort(const ClaimTicket& ticket) noexcept {
    if (engine_.is_ours(ticket)) engine_.abort(ticket);
  }

 private:
  // The key itself where the memory stores keys, a new value otherwise.
  [[nodiscard]] decltype(auto) store(const K& key) const noexcept {
    if constexpr (stores_key_itself) {
      return (key);
    } else {
      return Stored(KeyTraits<K>::store(key, engine_.memory().hash()));
    }
  }

  // run(begin, stored, digests) on the keys as the memory stores them and the digests of their
  // contents, some at a time where they have to be made.
  template <class Contents>
  void in_chunks(std::span<const K> keys, const Contents& contents, const auto& run) noexcept {
    constexpr bool makes_digests = std::is_same_v<Contents, std::span<const Content>>;
    if constexpr (stores_key_itself && !makes_digests) {
      run(std::size_t{0}, keys, contents);
    } else {
      constexpr std::size_t chunk = 64;
      [[maybe_unused]] std::array<Stored, stores_key_itself ? 0 : chunk> stored;
      [[maybe_unused]] std::array<Digest, makes_digests ? chunk : 0> digests;
      for (std::size_t begin = 0; begin < keys.size(); begin += chunk) {
        const std::size_t count = smaller(chunk, keys.size() - begin);
        std::span<const Stored> stored_keys;
        if constexpr (stores_key_itself) {
          stored_keys = keys.subspan(begin, count);
        } else {
          for (std::size_t i = 0; i < count; ++i) stored[i] = store(keys[begin + i]);
          stored_keys = std::span<const Stored>(stored).first(count);
        }
        if constexpr (makes_digests) {
          for (std::size_t i = 0; i < count; ++i) digests[i] = contents[begin + i].digest(hash());
          run(begin, stored_keys, std::span<const Digest>(digests).first(count));
        } else if constexpr (std::is_same_v<Contents, NoContent>) {
          run(begin, stored_keys, contents);
        } else {
          run(begin, stored_keys, contents.subspan(begin, count));
        }
      }
    }
  }

  Engine engine_;
};

}  // namespace idem::inline IDEM_ABI::detail
