#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include <idem/detail/abi.hpp>

#if defined(__linux__) && __has_include(<sys/mman.h>)
#include <sys/mman.h>
#define IDEM_MAPS_SLABS 1
#endif

namespace idem::inline IDEM_ABI::detail {

// Where the blocks of a growing table come from: small chunks, and slabs that a huge page can stand
// behind. A test may put its own in place of this one.
struct SystemChunks {
  static constexpr std::size_t alignment = 4096;  // of a block
  static constexpr std::size_t chunk_bytes = std::size_t{1} << 14;
  static constexpr std::size_t slab_bytes = std::size_t{1} << 21;

  [[nodiscard]] static void* take() noexcept {
    return ::operator new (chunk_bytes, std::align_val_t{alignment}, std::nothrow);
  }
  static void give(void* block) noexcept { ::operator delete (block, std::align_val_t{alignment}); }

#if defined(IDEM_MAPS_SLABS)
  // From the system itself: an allocator puts a header before the block, which costs a second huge
  // page.
  [[nodiscard]] static void* take_slab(bool huge_page) noexcept {
    void* const raw = ::mmap(nullptr, 2 * slab_bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (raw == MAP_FAILED) return nullptr;
    auto* const begin = static_cast<std::byte*>(raw);
    const std::size_t ahead =
        (slab_bytes - reinterpret_cast<std::uintptr_t>(raw) % slab_bytes) % slab_bytes;
    if (ahead != 0) (void)::munmap(begin, ahead);
    (void)::munmap(begin + ahead + slab_bytes, slab_bytes - ahead);
#if defined(MADV_HUGEPAGE)
    // Advice only: a system without huge pages is slower and as right.
    if (huge_page) (void)::madvise(begin + ahead, slab_bytes, MADV_HUGEPAGE);
#else
    (void)huge_page;
#endif
    return begin + ahead;
  }
  static void give_slab(void* block) noexcept { (void)::munmap(block, slab_bytes); }
#else
  [[nodiscard]] static void* take_slab(bool) noexcept {
    return ::operator new (slab_bytes, std::align_val_t{slab_bytes}, std::nothrow);
  }
  static void give_slab(void* block) noexcept {
    ::operator delete (block, std::align_val_t{slab_bytes});
  }
#endif
};

}  // namespace idem::inline IDEM_ABI::detail
