#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/uuid.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>

namespace idem::inline IDEM_ABI::detail {

// The 64 bits by which a filter knows an id. Under SipHash they come from SipHash-2-4: a table gives
// away its order, but a filter gives away its answers, and they are what an attacker is after.
template <HashPolicy Hash>
[[nodiscard]] std::uint64_t filter_hash(const Hash& hash, const auto& id) noexcept {
  if constexpr (std::is_same_v<Hash, SipHash>) {
    std::byte bytes[16];
    std::size_t size = 8;
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(id)>, std::uint64_t>) {
      store_little(bytes, id);
    } else {
      if constexpr (requires { id.hi(); }) {
        store_little(bytes, id.lo());
        store_little(bytes + 8, id.hi());
      } else {
        store_little(bytes, id.lo);
        store_little(bytes + 8, id.hi);
      }
      size = 16;
    }
    return hash.digest(std::span<const std::byte>(bytes).first(size)).lo;
  } else {
    return slot_of(hash, id);
  }
}

// A second word of 64 bits. The place of a key is read off the top of its hash; whatever else is
// read must not be those bits again, so the hash is multiplied first and the top of the product,
// which depends on every bit of the hash, is used. The factor is one of Steele and Vigna,
// "Computationally easy, spectrally good multipliers for congruential pseudorandom number
// generators", 2021.
[[nodiscard]] constexpr std::uint64_t filter_remix(std::uint64_t hash) noexcept {
  return hash * 0xf1357aea2e62a9c5;
}

}  // namespace idem::inline IDEM_ABI::detail
