#pragma once

#include <cstdint>

namespace idem_test {

// How often a planted mistake came out otherwise than what is right. One that never did has shown
// nothing, and its test fails.
inline std::uint64_t plant_took_effect = 0;

template <class T>
[[nodiscard]] T planted(T wrong, T right) noexcept {
  plant_took_effect += wrong != right;
  return wrong;
}

}  // namespace idem_test
