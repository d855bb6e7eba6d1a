#pragma once

#include <atomic>
#include <cstdint>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>

#if __has_include(<pthread.h>) && __has_include(<unistd.h>)
#include <pthread.h>
#define IDEM_HAS_FORK 1
#else
#define IDEM_HAS_FORK 0
#endif

namespace idem::inline IDEM_ABI::detail {

// How many forks lie between this process and the first in its line that asked: what tells a child
// from its parent without a call to the system each time. The one word that idem keeps outside its
// objects, as no object can see a fork.
//
// A process made by other means than fork(), such as a bare clone(), does not count.
[[nodiscard]] inline const std::atomic<std::uint32_t>& fork_count() {
  static constinit std::atomic<std::uint32_t> forks{0};
#if IDEM_HAS_FORK
  static const int refused =
      ::pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); });
  if (refused != 0) throw_bad_alloc();
#endif
  return forks;
}

}  // namespace idem::inline IDEM_ABI::detail

#undef IDEM_HAS_FORK
