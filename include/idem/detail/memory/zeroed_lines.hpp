#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#if __has_include(<sys/mman.h>)
#include <sys/mman.h>
#endif

#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>

namespace idem::inline IDEM_ABI::detail {

// A fixed array of 64-byte cache lines, aligned and zeroed: what the filters lie in.
//
// A large array is aligned to and rounded for huge pages, and asks the system for them: a random
// access then misses the cache alone, not the page tables as well.
class ZeroedLines {
 public:
  static constexpr std::size_t line_bytes = 64;
  static constexpr std::size_t words_per_line = line_bytes / sizeof(std::uint64_t);
  static constexpr std::uint64_t max_lines =
      std::numeric_limits<std::ptrdiff_t>::max() / line_bytes / 2;

  ZeroedLines() = default;
  ZeroedLines(const ZeroedLines& other) {
    if (other.count_ == 0) return;
    words_ = allocate(other.count_);
    if (words_ == nullptr) throw_bad_alloc();
    count_ = other.count_;
    std::memcpy(words_, other.words_, bytes());
  }
  ZeroedLines(ZeroedLines&& other) noexcept
      : words_(std::exchange(other.words_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  ZeroedLines& operator=(const ZeroedLines& other) {
    if (this != &other) *this = ZeroedLines(other);
    return *this;
  }
  ZeroedLines& operator=(ZeroedLines&& other) noexcept {
    ZeroedLines moved(std::move(other));
    std::swap(words_, moved.words_);
    std::swap(count_, moved.count_);
    return *this;
  }
  ~ZeroedLines() { release(words_, count_); }

  // Takes the lines, once; false: there is no memory for them.
  [[nodiscard]] bool take(std::uint64_t count) noexcept {
    if (count > max_lines) return false;
    words_ = allocate(static_cast<std::size_t>(count));
    if (words_ == nullptr) return false;
    count_ = static_cast<std::size_t>(count);
    clear();
    return true;
  }

  void clear() noexcept {
    if (count_ != 0) std::memset(words_, 0, bytes());
  }

  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return count_ * line_bytes; }
  [[nodiscard]] std::size_t words() const noexcept { return count_ * words_per_line; }
  [[nodiscard]] std::uint64_t* data() noexcept { return words_; }
  [[nodiscard]] const std::uint64_t* data() const noexcept { return words_; }

 private:
  static constexpr std::size_t huge_page = std::size_t{1} << 21;

  [[nodiscard]] static std::align_val_t alignment(std::size_t count) noexcept {
    return std::align_val_t{count * line_bytes >= huge_page ? huge_page : line_bytes};
  }
  [[nodiscard]] static std::uint64_t* allocate(std::size_t count) noexcept {
    const std::size_t size = count * line_bytes;
    void* const raw = ::operator new(size, alignment(count), std::nothrow);
#if defined(MADV_HUGEPAGE)
    // Advice only: a system without huge pages is slower and as right.
    if (raw != nullptr && size >= huge_page)
      (void)::madvise(raw, size / huge_page * huge_page, MADV_HUGEPAGE);
#endif
    return static_cast<std::uint64_t*>(raw);
  }
  static void release(std::uint64_t* words, std::size_t count) noexcept {
    if (words != nullptr) ::operator delete(words, alignment(count));
  }

  std::uint64_t* words_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace idem::inline IDEM_ABI::detail
