#pragma once

#include <cstdint>

#include <idem/detail/abi.hpp>

// Kernels for several instruction sets in one plain build: each is compiled for its own set by a
// `target` attribute. The processor is asked once, when an object is made, but by Xxh3Hash, which
// holds its seed alone and asks at each long digest. They are written with vector types rather than
// intrinsics, whose header costs more than all of idem.
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define IDEM_X86_KERNELS 1
#define IDEM_TARGET_AVX2 __attribute__((target("avx2")))
#define IDEM_TARGET_AVX512 __attribute__((target("avx512f")))
#else
#define IDEM_X86_KERNELS 0
#endif

namespace idem::inline IDEM_ABI::detail {

enum class Simd : std::uint8_t { portable, avx2, avx512 };

[[nodiscard]] inline bool processor_has(Simd simd) noexcept {
#if IDEM_X86_KERNELS
  switch (simd) {
    case Simd::portable:
      return true;
    case Simd::avx2:
      return __builtin_cpu_supports("avx2") != 0;
    case Simd::avx512:
      return __builtin_cpu_supports("avx512f") != 0;
  }
  return false;
#else
  return simd == Simd::portable;
#endif
}

[[nodiscard]] inline Simd best_simd() noexcept {
  if (processor_has(Simd::avx512)) return Simd::avx512;
  return processor_has(Simd::avx2) ? Simd::avx2 : Simd::portable;
}

}  // namespace idem::inline IDEM_ABI::detail
