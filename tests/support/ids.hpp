#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include <idem/core/hash.hpp>
#include <idem/core/uuid.hpp>

#include "support/random.hpp"

namespace idem_test {

// An id of either width from two words; a 64-bit id takes the low one.
template <class Id>
[[nodiscard]] constexpr Id id_of(std::uint64_t hi, std::uint64_t lo) noexcept {
  if constexpr (std::is_same_v<Id, std::uint64_t>) {
    return lo;
  } else {
    return Id{hi, lo};
  }
}

// Different ids for different indices.
template <class Id>
[[nodiscard]] constexpr Id spread_id(std::uint64_t index) noexcept {
  return id_of<Id>(mix(index ^ 0x5bd1e995), mix(index));
}

// Which ids a test draws from. All universes but `colliding` hold the id zero.
enum class Universe {
  spread,     // as random ids; among them zero and all ones
  counting,   // 0, 1, 2, ...
  high_bits,  // equal in their low 40 bits; the low word of a wide id is always zero
  low_word,   // equal in their high word and in the low 40 bits
  colliding,  // slots that agree in their top and in their bottom six bits, all ones
  near_end,   // slots that agree in their top two bits, both ones
};

template <class Set>
[[nodiscard]] std::vector<typename Set::Stored> make_universe(const Set& set, Universe universe,
                                                              std::size_t count) {
  using Id = typename Set::Stored;
  std::vector<Id> ids;
  ids.reserve(count);
  for (std::uint64_t index = 0; ids.size() < count; ++index) {
    switch (universe) {
      case Universe::spread:
        if (index == 0) {
          ids.push_back(id_of<Id>(0, 0));
        } else if (index == 1) {
          ids.push_back(id_of<Id>(~std::uint64_t{0}, ~std::uint64_t{0}));
        } else {
          ids.push_back(spread_id<Id>(index));
        }
        break;
      case Universe::counting:
        ids.push_back(id_of<Id>(0, index));
        break;
      case Universe::high_bits:
        if constexpr (std::is_same_v<Id, std::uint64_t>) {
          ids.push_back(index << 40);
        } else {
          ids.push_back(Id{index << 40, 0});
        }
        break;
      case Universe::low_word:
        ids.push_back(id_of<Id>(0, index << 40));
        break;
      case Universe::colliding: {
        const Id id = spread_id<Id>(index);
        const std::uint64_t slot = set.slot(id);
        if ((slot >> 58) == 63 && (slot & 63) == 63) ids.push_back(id);
        break;
      }
      case Universe::near_end: {
        const Id id = spread_id<Id>(index);
        if ((set.slot(id) >> 62) == 3) ids.push_back(id);
        break;
      }
    }
  }
  return ids;
}

}  // namespace idem_test
