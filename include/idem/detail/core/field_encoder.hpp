#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include <idem/core/hash.hpp>
#include <idem/core/uuid.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>

namespace idem::inline IDEM_ABI::detail {

template <class>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

// Arrays of char are left out: whether they end at a terminator or at their size is not in their type.
template <class T>
concept ByteRun = !std::is_same_v<std::remove_all_extents_t<T>, char> && requires(const T& run) {
  {std::span(run)};
  requires sizeof(typename decltype(std::span(run))::value_type) == 1;
};

// Digests the canonical encoding of a row of fields; the encoding is written down at
// digest_fields(). Short rows, which are nearly all, are gathered and hashed at once: the digest is
// the same as the stream's, at a fraction of its price.
template <HashPolicy Hash>
class FieldEncoder {
 public:
  explicit FieldEncoder(const Hash& hash) noexcept : hash_(hash) {}

  template <class T>
  void field(const T& value) noexcept {
    if constexpr (is_optional<T>) {
      integer(static_cast<std::uint8_t>(value.has_value()));
      if (value.has_value()) field(*value);
    } else if constexpr (std::same_as<T, bool>) {
      integer(static_cast<std::uint8_t>(value));
    } else if constexpr (std::is_enum_v<T>) {
      field(static_cast<std::underlying_type_t<T>>(value));
    } else if constexpr (std::is_integral_v<T>) {
      integer(static_cast<std::make_unsigned_t<T>>(value));
    } else if constexpr (std::same_as<T, Uuid>) {
      append(value.bytes());
    } else if constexpr (std::same_as<T, Digest>) {
      integer(value.hi);
      integer(value.lo);
    } else if constexpr (std::is_class_v<T> && std::convertible_to<const T&, std::string_view>) {
      run(std::as_bytes(std::span(std::string_view(value))));
    } else if constexpr (ByteRun<T>) {
      run(std::as_bytes(std::span(value)));
    } else {
      static_assert(!sizeof(T),
                    "idem: a key field must be a string, a run of bytes, an integer, an "
                    "enumeration, a bool, a Uuid, a Digest, or a std::optional of one of these; "
                    "wrap a char pointer or array in std::string_view");
    }
  }

  [[nodiscard]] Digest finish() noexcept {
    if (!stream_ && used_ == 0) return hash_.digest({});
    if (!stream_) return hash_.digest(gathered());
    stream_->update(gathered());
    return stream_->finish();
  }

 private:
  [[nodiscard]] std::span<const std::byte> gathered() const noexcept {
    return std::span(buffer_).first(used_);
  }

  void append(std::span<const std::byte> bytes) noexcept {
    if (bytes.empty()) return;
    if (bytes.size() <= buffer_.size() - used_) {
      std::memcpy(buffer_.data() + used_, bytes.data(), bytes.size());
      used_ += bytes.size();
      return;
    }
    if (!stream_) stream_.emplace(hash_);
    stream_->update(gathered());
    used_ = 0;
    stream_->update(bytes);
  }

  template <class T>
  void integer(T value) noexcept {
    std::array<std::byte, sizeof(T)> bytes;
    store_little(bytes.data(), value);
    append(bytes);
  }

  void run(std::span<const std::byte> bytes) noexcept {
    integer(static_cast<std::uint64_t>(bytes.size()));
    append(bytes);
  }

  const Hash& hash_;
  std::optional<typename Hash::Stream> stream_{};
  std::size_t used_ = 0;
  std::array<std::byte, 256> buffer_;
};

}  // namespace idem::inline IDEM_ABI::detail
