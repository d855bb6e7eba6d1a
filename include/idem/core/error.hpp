#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>

namespace idem::inline IDEM_ABI {

// Why bytes or text from outside were refused, or could not be written.
enum class ErrorCode : std::uint8_t {
  bad_length,      // the input as a whole has a size it cannot have
  bad_character,   // a character that may not stand where it stands
  truncated,       // the input ends before the value does
  trailing_bytes,  // the value ends before the input does
  bad_magic,       // not this kind of data at all
  bad_version,     // a format version this build does not know
  bad_checksum,    // the bytes are not those that were written
  bad_value,       // a field contradicts its range, another field, or the canonical form
  other_options,   // written by an object with other options; loading it would change what its
                   // verdicts mean
  limit_exceeded,  // larger than the caller allows
  out_of_memory,   // valid, but there was no memory to hold it
  write_failed,    // of saving: what the bytes were to go to did not take them all
};

[[nodiscard]] constexpr std::string_view name(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::bad_length:
      return "bad_length";
    case ErrorCode::bad_character:
      return "bad_character";
    case ErrorCode::truncated:
      return "truncated";
    case ErrorCode::trailing_bytes:
      return "trailing_bytes";
    case ErrorCode::bad_magic:
      return "bad_magic";
    case ErrorCode::bad_version:
      return "bad_version";
    case ErrorCode::bad_checksum:
      return "bad_checksum";
    case ErrorCode::bad_value:
      return "bad_value";
    case ErrorCode::other_options:
      return "other_options";
    case ErrorCode::limit_exceeded:
      return "limit_exceeded";
    case ErrorCode::out_of_memory:
      return "out_of_memory";
    case ErrorCode::write_failed:
      return "write_failed";
  }
  return "invalid";
}

// What is wrong with an input, and where. Holds no byte of the input, so it may be logged.
struct Error {
  ErrorCode code{};
  std::size_t position = 0;  // offset of the first byte or character at fault
  std::string_view what{};   // the field or thing being read, a string literal

  friend constexpr bool operator==(const Error&, const Error&) = default;
};

// "uuid: bad_character at position 8"
[[nodiscard]] inline std::string to_string(const Error& error) {
  std::string text(error.what);
  text += ": ";
  text += name(error.code);
  text += " at position ";
  text += std::to_string(error.position);
  return text;
}

// A value, or the reason there is none: what every parser and decoder of idem returns.
//
// Errors  value() without a value throws std::invalid_argument with the error's sentence (aborts
//         with it where exceptions are off); operator* and -> without a value are undefined, as for
//         std::optional; error() with a value is a default Error. A temporary gives its value away
//         by value, so that no reference to it is left dangling.
template <class T>
class [[nodiscard]] Result {
 public:
  constexpr Result(T value) : value_(std::move(value)) {}
  constexpr Result(Error error) noexcept : error_(error) {}

  [[nodiscard]] constexpr bool has_value() const noexcept { return value_.has_value(); }
  constexpr explicit operator bool() const noexcept { return has_value(); }

  [[nodiscard]] constexpr T& operator*() & noexcept { return *value_; }
  [[nodiscard]] constexpr const T& operator*() const& noexcept { return *value_; }
  [[nodiscard]] constexpr T operator*() && { return *std::move(value_); }
  [[nodiscard]] constexpr T* operator->() noexcept { return &*value_; }
  [[nodiscard]] constexpr const T* operator->() const noexcept { return &*value_; }

  [[nodiscard]] constexpr T& value() & {
    require_value();
    return *value_;
  }
  [[nodiscard]] constexpr const T& value() const& {
    require_value();
    return *value_;
  }
  [[nodiscard]] constexpr T value() && {
    require_value();
    return *std::move(value_);
  }

  [[nodiscard]] constexpr const Error& error() const noexcept { return error_; }

 private:
  constexpr void require_value() const {
    if (!has_value()) detail::throw_invalid_argument("idem: " + to_string(error_));
  }

  std::optional<T> value_{};
  Error error_{};
};

}  // namespace idem::inline IDEM_ABI
