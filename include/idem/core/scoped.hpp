#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/uuid.hpp>
#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI {

// A key in the space it lives in: a tenant, a topic, an endpoint. The same key in two scopes is two
// keys. A scope is anything that may be a field of digest_fields: an integer, an enumeration, a
// string, a Uuid, or a std::optional of these.
//
//   idem::Deduplicator<idem::Scoped<idem::Uuid>> seen;
//   seen.insert({.scope = tenant, .key = id});
//
// Guarantee   two numbers (integers or enumerations) are kept whole, scope and key in 128 bits:
//             exact. All else is one keyed 128-bit digest of both, each told apart from the other,
//             which counts as exact within the bound stated at Digest.
// Forgetting  key by key. What was digested does not tell its scope any more, so no memory can forget
//             one scope alone. Where that is needed, keep a Deduplicator for each scope, or make a
//             generation part of the scope and count it up: what was recorded under the old one meets
//             nothing any more, and its room comes back when the window has moved past it.
// Example     docs/keys.md
template <class K, class Scope = std::uint64_t>
struct Scoped {
  Scope scope{};
  K key{};

  friend bool operator==(const Scoped&, const Scoped&) = default;
};
template <class Scope, class K>
Scoped(Scope, K) -> Scoped<K, Scope>;

namespace detail {

template <class T>
concept Number = (std::is_integral_v<T> || std::is_enum_v<T>)&&sizeof(T) <= sizeof(std::uint64_t);

template <class Stored>
inline constexpr bool is_id = std::is_same_v<Stored, std::uint64_t> ||
                              std::is_same_v<Stored, Uuid> || std::is_same_v<Stored, Digest>;

}  // namespace detail

template <class K, class Scope>
struct KeyTraits<Scoped<K, Scope>> : detail::RouteBySlot {
  static_assert(
      detail::is_id<typename KeyTraits<K>::Stored>,
      "idem::Scoped: this key is not stored as an id or a digest, so a scope cannot be made "
      "part of it; keep a Deduplicator for each scope");
  static_assert(
      KeyTraits<K>::exact || std::is_same_v<typename KeyTraits<K>::Stored, Digest>,
      "idem::Scoped: the key is known by a digest of less than 128 bits, and under a scope "
      "would pass for one of 128; store it whole, or a longer digest of it");

  using Stored = Digest;
  static constexpr bool exact = detail::Number<K> && detail::Number<Scope>;
  [[nodiscard]] static Digest store(const Scoped<K, Scope>& scoped,
                                    const HashPolicy auto& hash) noexcept {
    if constexpr (exact) {
      return {.hi = static_cast<std::uint64_t>(scoped.scope),
              .lo = static_cast<std::uint64_t>(scoped.key)};
    } else if constexpr (detail::TextKey<K>) {
      return digest_fields(hash, scoped.scope, std::string_view(scoped.key));
    } else {
      return digest_fields(hash, scoped.scope, KeyTraits<K>::store(scoped.key, hash));
    }
  }
};

}  // namespace idem::inline IDEM_ABI
