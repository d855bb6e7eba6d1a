#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <type_traits>

#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI {

// What a message says, for a Deduplicator whose policy names CompareContent: its bytes, or a digest
// of them that the caller made.
//
// Digest    equal contents must come with equal digests. Take one way for all messages of a key: the
//           bytes, the digest that Deduplicator::digest or digest_fields made, or one of your own
//           (SHA-256, BLAKE3; its first 128 bits). Leave out what a retry changes, such as a send
//           time.
// Lifetime  a view: the bytes must outlive the call it is passed to.
class Content {
 public:
  template <class Bytes>
  requires std::convertible_to<const Bytes&, std::span<const std::byte>> Content(const Bytes& bytes)
  noexcept : bytes_(bytes) {}
  template <class Text>
  requires(std::convertible_to<const Text&, std::string_view> &&
           !std::convertible_to<const Text&, std::span<const std::byte>>) Content(const Text& text)
  noexcept : bytes_(std::as_bytes(std::span(std::string_view(text)))) {}
  Content(const Digest& digest) noexcept : digest_(digest), is_digest_(true) {}

  // The digest made by the caller, or that of the bytes under this hash.
  [[nodiscard]] Digest digest(const HashPolicy auto& hash) const noexcept {
    return is_digest_ ? digest_ : hash.digest(bytes_);
  }

  // A buffer would end at its first zero byte, a number would be no content, and {"a", "b"} the
  // bytes between two pointers; several fields go through Deduplicator::digest_fields.
  template <detail::LossyKey<std::string_view> T>
  Content(T&&) = delete;
  Content(std::nullptr_t) = delete;
  Content(std::initializer_list<const char*>) = delete;

 private:
  Digest digest_{};
  std::span<const std::byte> bytes_{};
  bool is_digest_ = false;
};

namespace detail {

// As a forwarding reference takes it, which tells a buffer from a literal.
template <class T>
concept ContentArgument = std::convertible_to<T, Content>;

// Where a content's digest would be, under a policy that compares none.
struct NoContent {
  friend constexpr bool operator==(NoContent, NoContent) noexcept { return true; }
};

}  // namespace detail
}  // namespace idem::inline IDEM_ABI
