#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::detail {

// Bits for one task; false: there was no memory for them.
class BitArray {
 public:
  explicit BitArray(std::size_t count) noexcept {
    const std::size_t bytes = (count / 64 + 1) * sizeof(std::uint64_t);
    void* const raw = ::operator new(bytes, std::nothrow);
    if (raw != nullptr) std::memset(raw, 0, bytes);
    words_ = static_cast<std::uint64_t*>(raw);
  }
  BitArray(const BitArray&) = delete;
  BitArray& operator=(const BitArray&) = delete;
  ~BitArray() { ::operator delete(words_); }

  explicit operator bool() const noexcept { return words_ != nullptr; }
  [[nodiscard]] bool operator[](std::size_t bit) const noexcept {
    return (words_[bit / 64] >> bit % 64 & 1) != 0;
  }
  void set(std::size_t bit) const noexcept { words_[bit / 64] |= std::uint64_t{1} << bit % 64; }

 private:
  std::uint64_t* words_;
};

}  // namespace idem::inline IDEM_ABI::detail
