#pragma once

#include <cstdint>
#include <cstdlib>

namespace idem_test {

// IDEM_SOAK_FACTOR=100 in the environment makes the random tests a hundred times longer.
[[nodiscard]] inline std::uint64_t soaked(std::uint64_t operations) {
  const char* const text = std::getenv("IDEM_SOAK_FACTOR");
  const std::uint64_t factor = text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
  return operations * (factor == 0 ? 1 : factor);
}

}  // namespace idem_test
