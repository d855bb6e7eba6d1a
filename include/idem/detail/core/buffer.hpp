#pragma once

#include <cstddef>
#include <new>
#include <span>

#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::detail {

// Bytes from operator new that may not be there.
class Buffer {
 public:
  explicit Buffer(std::size_t size) noexcept
      : bytes_(static_cast<std::byte*>(::operator new(size, std::nothrow))), size_(size) {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { ::operator delete(bytes_); }

  // At least so many bytes, what was there lost; false: there are none now.
  [[nodiscard]] bool grow(std::size_t size) noexcept {
    if (size <= size_ && bytes_ != nullptr) return true;
    ::operator delete(bytes_);
    bytes_ = static_cast<std::byte*>(::operator new(size, std::nothrow));
    size_ = bytes_ == nullptr ? 0 : size;
    return bytes_ != nullptr;
  }
  [[nodiscard]] bool is_there() const noexcept { return bytes_ != nullptr; }
  [[nodiscard]] std::span<std::byte> first(std::size_t count) const noexcept {
    return std::span(bytes_, size_).first(count);
  }

 private:
  std::byte* bytes_;
  std::size_t size_;
};

}  // namespace idem::inline IDEM_ABI::detail
