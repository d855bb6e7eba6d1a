#include "xxh3_native.hpp"

// All of xxHash is static here: it shares no symbol with what is compiled for any processor.
#define XXH_INLINE_ALL
#include <xxhash.h>

std::uint64_t xxh3_native(const void* bytes, std::size_t size, std::uint64_t seed) {
  return XXH3_128bits_withSeed(bytes, size, seed).low64;
}
