#pragma once

#include <atomic>

#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::detail {

// A lock of one word, for sections of some hundred nanoseconds: spins for about as long, then
// sleeps. std::mutex would bring <chrono> into every program that includes idem.
class WordLock {
 public:
  void lock() noexcept {
    int expected = open;
    if (!word_.compare_exchange_strong(expected, locked, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
      wait_for_it();
    }
  }
  void unlock() noexcept {
    if (word_.exchange(open, std::memory_order_release) == awaited) word_.notify_one();
  }

 private:
  static constexpr int open = 0;
  static constexpr int locked = 1;
  static constexpr int awaited = 2;  // locked, and somebody may be asleep

  [[gnu::noinline, gnu::cold]] void wait_for_it() noexcept {
    for (int turn = 0; turn < 64; ++turn) {
      relax();
      int expected = open;
      if (word_.load(std::memory_order_relaxed) == open &&
          word_.compare_exchange_strong(expected, locked, std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
        return;
      }
    }
    // Whoever wakes cannot know whether others still sleep, so it takes the word as awaited.
    while (word_.exchange(awaited, std::memory_order_acquire) != open) {
      word_.wait(awaited, std::memory_order_relaxed);
    }
  }

  static void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
  }

  std::atomic<int> word_{open};
};

// Holds a lock to the end of its scope.
class [[nodiscard]] Locked {
 public:
  explicit Locked(WordLock& lock) noexcept : lock_(lock) { lock_.lock(); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
  ~Locked() { lock_.unlock(); }

 private:
  WordLock& lock_;
};

}  // namespace idem::inline IDEM_ABI::detail
