#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include <idem/core/hash.hpp>
#include <idem/core/uuid.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/field_encoder.hpp>
#include <idem/detail/core/lossy_key.hpp>

namespace idem::inline IDEM_ABI {

// How a key of type K becomes what a memory stores. Specialise it for your own type, at namespace
// scope outside your own namespaces and before the first use; most need one line, see DigestOf.
//
//   using Stored                 what the memory keeps: Uuid, std::uint64_t or Digest
//   static constexpr bool exact  true: equal stored values mean equal keys. false: Stored is a
//                                digest; one of at least 128 bits counts as exact within the bound
//                                stated at Digest, a shorter one makes every memory over it
//                                `may_drop`
//   store(key, hash)             the stored value, noexcept; the same for the same key and seed,
//                                always
//   route(stored, hash)          64 well-mixed bits that choose a shard; what must be judged
//                                together routes together
template <class K>
struct KeyTraits;

namespace detail {

[[nodiscard]] std::uint64_t slot_of(const HashPolicy auto& hash, const Uuid& id) noexcept {
  return hash.slot(id.hi(), id.lo());
}
[[nodiscard]] std::uint64_t slot_of(const HashPolicy auto& hash, const Digest& id) noexcept {
  return hash.slot(id.hi, id.lo);
}
[[nodiscard]] std::uint64_t slot_of(const HashPolicy auto& hash, std::uint64_t id) noexcept {
  return hash.slot(id);
}

struct RouteBySlot {
  [[nodiscard]] static std::uint64_t route(const auto& stored,
                                           const HashPolicy auto& hash) noexcept {
    return slot_of(hash, stored);
  }
};

// What a pointer to a data member or to a const member function says of the key.
template <auto Member>
[[nodiscard]] decltype(auto) member_of(const auto& key) noexcept {
  if constexpr (std::is_member_object_pointer_v<decltype(Member)>) {
    return (key.*Member);
  } else {
    return (key.*Member)();
  }
}

// Keys that are stored as they are.
template <class Id>
struct IdentityKey : RouteBySlot {
  using Stored = Id;
  static constexpr bool exact = true;
  [[nodiscard]] static const Id& store(const Id& key, const HashPolicy auto&) noexcept {
    return key;
  }
};

}  // namespace detail

template <>
struct KeyTraits<Uuid> : detail::IdentityKey<Uuid> {};
template <>
struct KeyTraits<std::uint64_t> : detail::IdentityKey<std::uint64_t> {};
// Other integers and enumerations: the 64-bit number, negative ones as two's complement.
template <class N>
requires(std::is_integral_v<N> || std::is_enum_v<N>) struct KeyTraits<N> : detail::RouteBySlot {
  static_assert(sizeof(N) <= sizeof(std::uint64_t));
  using Stored = std::uint64_t;
  static constexpr bool exact = true;
  [[nodiscard]] static std::uint64_t store(N key, const HashPolicy auto&) noexcept {
    return static_cast<std::uint64_t>(key);
  }
};
// A digest the caller made, with SHA-256 or BLAKE3 say: as exact as that function is.
template <>
struct KeyTraits<Digest> : detail::IdentityKey<Digest> {};

// Strings: a 128-bit digest under the memory's hash. ExactSet stores the strings themselves.
template <detail::TextKey S>
struct KeyTraits<S> : detail::RouteBySlot {
  using Stored = Digest;
  static constexpr bool exact = false;
  [[nodiscard]] static Digest store(std::string_view key, const HashPolicy auto& hash) noexcept {
    return hash.digest(std::as_bytes(std::span(key)));
  }
};

// The 128-bit digest of several fields, each told apart from its neighbours: ("ab", "c") and ("a",
// "bc") differ.
//
// A field is a string, a run of bytes, an integer, an enumeration, a bool, a Uuid, a Digest, or a
// std::optional of one of these; anything else does not compile. Left out on purpose: floating
// point, whose equal values have unequal bytes, and pointers to and arrays of char, which do not
// say where they end; wrap those in std::string_view.
//
// Encoding  integers and enumerations in their own width, little-endian two's complement; bool one
//           byte; Uuid 16 bytes in network order; Digest hi and lo; strings and bytes a 64-bit
//           length, then the bytes; optional one byte, 0 or 1, then the value.
//           Types whose width differs between machines (long, std::size_t) give digests that do.
template <class... Field>
[[nodiscard]] Digest digest_fields(const HashPolicy auto& hash, const Field&... field) noexcept {
  detail::FieldEncoder encoder(hash);
  (encoder.field(field), ...);
  return encoder.finish();
}

// KeyTraits for a struct of yours, by the members that make two messages the same, in this order:
//
//   struct IdempotencyKey { std::uint64_t tenant; std::string key; };
//   template <> struct idem::KeyTraits<IdempotencyKey>
//       : idem::DigestOf<&IdempotencyKey::tenant, &IdempotencyKey::key> {};
//
// A member may be a data member or a const member function. Leave out what a retry changes, such as
// a send time.
template <auto... Member>
struct DigestOf : detail::RouteBySlot {
  static_assert(sizeof...(Member) > 0,
                "idem::DigestOf<...> names no member: every key would be the same key");

  using Stored = Digest;
  static constexpr bool exact = false;
  template <class K>
  [[nodiscard]] static Digest store(const K& key, const HashPolicy auto& hash) noexcept {
    return digest_fields(hash, detail::member_of<Member>(key)...);
  }
};

// A type that KeyTraits knows.
// clang-format off
template <class K>
concept Key = requires(const K& key, const typename KeyTraits<K>::Stored& stored,
                       const Xxh3Hash& hash) {
  { KeyTraits<K>::exact } -> std::convertible_to<bool>;
  { KeyTraits<K>::store(key, hash) } noexcept;
  requires std::same_as<std::remove_cvref_t<decltype(KeyTraits<K>::store(key, hash))>,
                        typename KeyTraits<K>::Stored>;
  { KeyTraits<K>::route(stored, hash) } noexcept -> std::same_as<std::uint64_t>;
};
// clang-format on

}  // namespace idem::inline IDEM_ABI
