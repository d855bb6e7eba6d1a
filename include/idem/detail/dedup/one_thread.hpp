#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

#include <idem/core/key.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
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
  static constexpr bool stores_key_itself = std::is_same_v<Stored, K>;

 public:
  OneThread(const auto& memory, const auto& claims) : engine_(memory, claims) {}
  OneThread(Memory&& memory, const auto& claims) : engine_(std::move(memory), claims) {}

  [[nodiscard]] const Memory& memory() const noexcept { return engine_.memory(); }
  [[nodiscard]] Memory& memory() noexcept { return engine_.memory(); }

  Verdict insert(const K& key, At at) noexcept { return engine_.insert(store(key), at); }

  void insert(std::span<const K> keys, At at, std::span<Verdict> verdicts) noexcept {
    if constexpr (stores_key_itself) {
      engine_.insert(keys, at, verdicts);
    } else {
      constexpr std::size_t chunk = 64;
      std::array<Stored, chunk> stored;
      for (std::size_t begin = 0; begin < keys.size(); begin += chunk) {
        const std::size_t count = smaller(chunk, keys.size() - begin);
        for (std::size_t i = 0; i < count; ++i) stored[i] = store(keys[begin + i]);
        engine_.insert(std::span<const Stored>(stored).first(count), at,
                       verdicts.subspan(begin, count));
      }
    }
  }

  [[nodiscard]] Verdict check(const K& key, At at) const noexcept {
    return engine_.check(store(key), at);
  }
  bool forget(const K& key) noexcept { return engine_.forget(store(key)); }
  void clear() noexcept { engine_.clear(); }
  [[nodiscard]] std::size_t size() const noexcept { return engine_.memory().size(); }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sizeof(*this) + engine_.heap_bytes();
  }
  [[nodiscard]] DeduplicatorCounters counters() const noexcept { return engine_.counters(); }

  [[nodiscard]] ClaimTicket claim(const K& key, At at) noexcept {
    return engine_.claim(store(key), at);
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

  Engine engine_;
};

}  // namespace idem::inline IDEM_ABI::detail
