#pragma once

// Memory that nobody used before, and memory that the machine has at hand.

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace bench {

// run(memory) on so much memory fresh from the system, which gets it back.
template <class Run>
void with_fresh(std::size_t size, bool huge_pages, Run&& run) {
  constexpr std::size_t page = std::size_t{1} << 21;
  const std::size_t whole = size + page;
  void* const raw =
      ::mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) {
    std::perror("mmap");
    std::exit(1);
  }
  // Advice only: a system without huge pages gives others.
  (void)::madvise(raw, whole, huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  const std::size_t ahead = (page - reinterpret_cast<std::uintptr_t>(raw) % page) % page;
  auto* const to = static_cast<std::byte*>(raw) + ahead;
  run(to);
  asm volatile("" : : "r"(to) : "memory");
  (void)::munmap(raw, whole);
}

// So much memory is used and given back: what a virtual machine did not use for a while is its host's, and
// whoever takes it next would pay for that.
inline void have_at_hand(std::size_t size) {
  with_fresh(size, true, [&](std::byte* memory) {
    for (std::size_t at = 0; at < size; at += 4096) memory[at] = std::byte{1};
  });
}

}  // namespace bench
