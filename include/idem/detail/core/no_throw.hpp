#pragma once

#include <type_traits>

#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::detail {

// Runs what may run out of memory, and says whether it ran to its end.
template <class F>
[[nodiscard]] bool ran_without_throwing(F&& run) noexcept {
#if defined(__cpp_exceptions)
  try {
    run();
    return true;
  } catch (...) {
    return false;
  }
#else
  run();
  return true;
#endif
}

// to = from, unless copying has no memory; then `to` is as it was.
template <class T>
[[nodiscard]] bool assign_without_throwing(T& to, const T& from) noexcept {
  if constexpr (std::is_nothrow_copy_assignable_v<T>) {
    to = from;
    return true;
  } else {
    return ran_without_throwing([&] { to = T(from); });
  }
}

}  // namespace idem::inline IDEM_ABI::detail
