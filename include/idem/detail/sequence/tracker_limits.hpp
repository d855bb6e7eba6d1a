#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <idem/core/bytes.hpp>
#include <idem/core/time.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/random.hpp>
#include <idem/detail/sequence/producer_store.hpp>

namespace idem::inline IDEM_ABI::detail {

inline void check_max_producers(std::string_view owner, std::uint32_t count) {
  if (count == 0 || count > 0xffffff00) {
    invalid_option(std::string(owner) + ".max_producers", count, "1 to 4294967040");
  }
}

// What the options of both trackers share, checked. `aside` are bytes of the budget that are not
// for producers; `first` what the first of those takes.
template <class Options>
[[nodiscard]] StoreLimits store_limits(std::string_view owner, const Options& options,
                                       std::uint64_t aside, std::uint64_t first) {
  const auto field = [&](std::string_view name) {
    return std::string(owner) + "." + std::string(name);
  };
  check_max_producers(owner, options.max_producers);
  aside += std::uint64_t{options.remember_forgotten} * sizeof(std::int64_t);
  if (options.budget.count() < aside + first) {
    invalid_option(field("budget"), options.budget.count(),
                   "at least " + std::to_string(aside + first) + " bytes");
  }
  if (options.expire_after <= Duration()) {
    invalid_option(field("expire_after"), options.expire_after.count(),
                   "more than zero nanoseconds");
  }
  if ((options.remember_forgotten & (options.remember_forgotten - 1)) != 0) {
    invalid_option(field("remember_forgotten"), options.remember_forgotten,
                   "a power of two or zero");
  }
  std::uint64_t seed = 0;
  if (options.seed) {
    seed = *options.seed;
  } else {
    fill_random(&seed, sizeof seed);
  }
  return {.max_producers = options.max_producers,
          .byte_limit = options.budget.count() - aside,
          .at_capacity = options.at_capacity,
          .expire_after = options.expire_after,
          .expire_by = ExpireBy::arrival,
          .remember_forgotten = options.remember_forgotten,
          .seed = seed};
}

}  // namespace idem::inline IDEM_ABI::detail
