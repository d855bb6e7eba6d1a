#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#include <idem/detail/abi.hpp>

#if defined(__linux__) && __has_include(<sys/mman.h>)
#include <sys/mman.h>
#define IDEM_HAS_LARGE_CHUNKS 1
#endif

namespace idem::inline IDEM_ABI::detail {

// Where the arrays of a table come from. All memory it gives is zero. A test may put its own in
// place of this one.
struct SystemPages {
  static constexpr std::size_t alignment = 128;
  static constexpr std::size_t large_bytes = std::size_t{1} << 21;

  [[nodiscard]] static void* take(std::size_t bytes) noexcept {
    void* const raw = ::operator new (bytes, std::align_val_t{alignment}, std::nothrow);
    if (raw != nullptr) std::memset(raw, 0, bytes);
    return raw;
  }
  static void give(void* block) noexcept { ::operator delete (block, std::align_val_t{alignment}); }

  // large_bytes at a multiple of large_bytes, so that one huge page can stand behind them.
#if defined(IDEM_HAS_LARGE_CHUNKS)
  // From the system itself: an allocator puts a header before the block, which costs a second huge
  // page, and zeroes what is zero.
  [[nodiscard]] static void* take_large(bool huge_page) noexcept {
    void* const raw = ::mmap(nullptr, 2 * large_bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (raw == MAP_FAILED) return nullptr;
    auto* const begin = static_cast<std::byte*>(raw);
    const std::size_t ahead =
        (large_bytes - reinterpret_cast<std::uintptr_t>(raw) % large_bytes) % large_bytes;
    if (ahead != 0) ::munmap(begin, ahead);
    ::munmap(begin + ahead + large_bytes, large_bytes - ahead);
#if defined(MADV_HUGEPAGE)
    if (huge_page) ::madvise(begin + ahead, large_bytes, MADV_HUGEPAGE);
#else
    (void)huge_page;
#endif
    return begin + ahead;
  }
  static void give_large(void* block) noexcept { ::munmap(block, large_bytes); }
#else
  [[nodiscard]] static void* take_large(bool) noexcept {
    void* const raw = ::operator new (large_bytes, std::align_val_t{large_bytes}, std::nothrow);
    if (raw != nullptr) std::memset(raw, 0, large_bytes);
    return raw;
  }
  static void give_large(void* block) noexcept {
    ::operator delete (block, std::align_val_t{large_bytes});
  }
#endif
};

}  // namespace idem::inline IDEM_ABI::detail
