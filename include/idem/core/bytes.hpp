#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>

namespace idem::inline IDEM_ABI {

// A number of bytes, as its own type so that `budget = 512` cannot mean 512 bytes where 512 MiB was
// meant.
class ByteSize {
 public:
  constexpr ByteSize() = default;
  constexpr explicit ByteSize(std::uint64_t count) noexcept : count_(count) {}

  [[nodiscard]] static constexpr ByteSize unlimited() noexcept {
    return ByteSize(std::numeric_limits<std::uint64_t>::max());
  }

  [[nodiscard]] constexpr std::uint64_t count() const noexcept { return count_; }

  friend constexpr auto operator<=>(const ByteSize&, const ByteSize&) = default;

 private:
  std::uint64_t count_ = 0;
};

namespace detail {

template <std::integral N>
[[nodiscard]] constexpr ByteSize checked_byte_size(N n, std::uint64_t unit,
                                                   std::string_view field) {
  if constexpr (std::signed_integral<N>) {
    if (n < 0) invalid_option(field, n, "zero or more");
  }
  const auto count = static_cast<std::uint64_t>(n);  // NOLINT(bugprone-signed-char-misuse)
  if (count > std::numeric_limits<std::uint64_t>::max() / unit) {
    invalid_option(field, n, "small enough for its bytes to fit 64 bits");
  }
  return ByteSize(count * unit);
}

}  // namespace detail

// Sizes that cannot overflow in silence, as `512 << 20` does in an int.
//
// Errors  a negative count, or one whose bytes exceed 64 bits, throws std::invalid_argument; in a
//         constant it does not compile.
template <std::integral N>
[[nodiscard]] constexpr ByteSize bytes(N n) {
  return detail::checked_byte_size(n, 1, "bytes(n)");
}
template <std::integral N>
[[nodiscard]] constexpr ByteSize kibibytes(N n) {
  return detail::checked_byte_size(n, std::uint64_t{1} << 10, "kibibytes(n)");
}
template <std::integral N>
[[nodiscard]] constexpr ByteSize mebibytes(N n) {
  return detail::checked_byte_size(n, std::uint64_t{1} << 20, "mebibytes(n)");
}
template <std::integral N>
[[nodiscard]] constexpr ByteSize gibibytes(N n) {
  return detail::checked_byte_size(n, std::uint64_t{1} << 30, "gibibytes(n)");
}

}  // namespace idem::inline IDEM_ABI
