#pragma once

#include <concepts>
#include <cstdint>

#include <idem/core/time.hpp>
#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::detail {

// What memories tell of themselves, each in its own words.

template <class M>
concept TellsHorizon = requires(const M& memory) {
  { memory.effective_horizon() } -> std::same_as<Instant>;
};
template <class M>
concept TellsRate = requires(const M& memory) {
  { memory.false_positive_rate() } -> std::same_as<double>;
};

// Keys forgotten before their time; 0 where a memory forgets none, or does not count them.
template <class M>
[[nodiscard]] std::uint64_t early_evictions_of(const M& memory) noexcept {
  if constexpr (requires { memory.early_evictions(); }) {
    return memory.early_evictions();
  } else if constexpr (requires { memory.counters().early_evictions; }) {
    return memory.counters().early_evictions;
  } else if constexpr (requires { memory.forgotten(); }) {
    return memory.forgotten();
  } else {
    return 0;
  }
}

// Records a key that was taken for seen and is new. True too where the memory has nothing to add to
// what made it think so. False: no room.
template <class M>
[[nodiscard]] bool record_refuted(M& memory, const auto& key, At at) noexcept {
  if constexpr (requires { memory.add(key, at); }) {
    return memory.add(key, at);
  } else if constexpr (requires { memory.add(key); }) {
    return memory.add(key);
  } else {
    return true;
  }
}

}  // namespace idem::inline IDEM_ABI::detail
