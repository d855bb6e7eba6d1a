#pragma once

#include <cstddef>
#include <optional>

#include <idem/core/bytes.hpp>
#include <idem/core/hash.hpp>
#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI {

// The options of the exact sets: IdSet, ContentHashSet and ExactSet.
struct SetOptions {
  // The set never holds more bytes than this, itself and the copy made while it grows included. At
  // least the empty set with its first few slots.
  ByteSize budget = ByteSize::unlimited();
  // Room made in the constructor, so that this many keys need no growth. Zero: none.
  std::size_t expected_keys = 0;
  // Unset: drawn from the operating system.
  std::optional<Seed> seed = std::nullopt;
};

}  // namespace idem::inline IDEM_ABI
