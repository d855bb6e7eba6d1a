#pragma once

#include <cstddef>
#include <cstring>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>

#if __has_include(<sys/random.h>)
#include <sys/random.h>
#include <unistd.h>
#else
#include <random>
#endif

namespace idem::inline IDEM_ABI::detail {

// At most 256 bytes, the operating system's limit for one call.
inline void fill_random(void* to, std::size_t count) {
#if __has_include(<sys/random.h>)
  if (getentropy(to, count) != 0) abort_with("idem: the operating system gives no random bytes");
#else
  std::random_device source;
  auto* bytes = static_cast<unsigned char*>(to);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<unsigned char>(source());
#endif
}

}  // namespace idem::inline IDEM_ABI::detail
