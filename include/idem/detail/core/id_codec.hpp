#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <idem/core/hash.hpp>
#include <idem/core/uuid.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>

namespace idem::inline IDEM_ABI::detail {

// Fixed-width ids as bytes: integers and the words of a digest (high first) little-endian, a Uuid
// as its own 16 bytes. 0: no type of ours.
template <class Id>
inline constexpr std::uint8_t key_number = 0;
template <>
inline constexpr std::uint8_t key_number<std::uint64_t> = 1;
template <>
inline constexpr std::uint8_t key_number<Uuid> = 2;
template <>
inline constexpr std::uint8_t key_number<Digest> = 3;

// The hash policy; 255: the user's own.
template <class H>
inline constexpr std::uint8_t hash_number = 255;
template <>
inline constexpr std::uint8_t hash_number<Xxh3Hash> = 1;
template <>
inline constexpr std::uint8_t hash_number<SipHash> = 2;

template <class Id>
concept PortableId = key_number<Id>
!= 0;

inline void store_id(std::byte* to, std::uint64_t id) noexcept { store_little(to, id); }
inline void store_id(std::byte* to, const Digest& id) noexcept {
  store_little(to, id.hi);
  store_little(to + 8, id.lo);
}
inline void store_id(std::byte* to, const Uuid& id) noexcept {
  store_little(to, __builtin_bswap64(id.hi()));
  store_little(to + 8, __builtin_bswap64(id.lo()));
}

inline void load_id(const std::byte* from, std::uint64_t& id) noexcept {
  id = load_little<std::uint64_t>(from);
}
inline void load_id(const std::byte* from, Digest& id) noexcept {
  id = {load_little<std::uint64_t>(from), load_little<std::uint64_t>(from + 8)};
}
inline void load_id(const std::byte* from, Uuid& id) noexcept {
  id = Uuid(__builtin_bswap64(load_little<std::uint64_t>(from)),
            __builtin_bswap64(load_little<std::uint64_t>(from + 8)));
}

template <class Out, PortableId Id>
bool put(Out& out, const Id& id) {
  std::array<std::byte, sizeof(Id)> bytes;
  store_id(bytes.data(), id);
  return out.bytes(bytes);
}
template <class In, PortableId Id>
[[nodiscard]] bool get(In& in, Id& id) {
  std::array<std::byte, sizeof(Id)> bytes;
  if (!in.copy(bytes)) return false;
  load_id(bytes.data(), id);
  return true;
}

}  // namespace idem::inline IDEM_ABI::detail
