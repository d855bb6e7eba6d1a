#pragma once

#include <cstdint>
#include <limits>

#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::detail {

// What a window counts, apart from what it remembers.
struct WindowCounts {
  std::uint64_t clock_went_back = 0;
  std::uint64_t early_evictions = 0;
  std::uint64_t stale = 0;
  std::uint64_t events_ahead = 0;
  std::uint64_t index_resizes = 0;
  std::uint64_t most_work = 0;
  std::uint64_t longest_probe = 0;
};

// What a window is told once.
struct WindowSettings {
  std::int64_t window = 0;
  std::int64_t granularity = 1;
  std::int64_t lateness = std::numeric_limits<std::int64_t>::max();
  std::uint64_t key_limit = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t heap_limit = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t granules = std::numeric_limits<std::uint64_t>::max();  // in the ring at once
  std::uint64_t expected_keys = 0;
  unsigned chunk_shift = 10;
  bool forget_oldest = false;
  bool count_is_the_promise = false;  // evictions by key_limit break none
};

}  // namespace idem::inline IDEM_ABI::detail
