#pragma once

#include <cstdint>
#include <optional>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/random.hpp>

namespace idem::inline IDEM_ABI {

// 128 bits that decide every hash of an object; XXH3 uses the first 64 of them, SipHash all. Keep it
// as secret as the traffic is hostile; never print it.
//
// A component that is given none draws one from the operating system when it is made, and keeps it.
struct Seed {
  std::uint64_t first = 0;
  std::uint64_t second = 0;

  // From the operating system's generator. Errors: none to be had aborts, since a guessable seed
  // would be worse.
  [[nodiscard]] static Seed random() {
    Seed seed;
    detail::fill_random(&seed, sizeof seed);
    return seed;
  }

  friend constexpr bool operator==(const Seed&, const Seed&) = default;
};

namespace detail {

[[nodiscard]] inline Seed given_or_random(const std::optional<Seed>& seed) {
  const bool is_given = seed.has_value();
  return is_given ? *seed : Seed::random();
}

}  // namespace detail

}  // namespace idem::inline IDEM_ABI
