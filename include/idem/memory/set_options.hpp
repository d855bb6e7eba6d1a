#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include <idem/core/bytes.hpp>
#include <idem/core/hash.hpp>
#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI {

// Which pages of the system stand behind large sets.
enum class PagePolicy : std::uint8_t {
  huge_when_large,  // huge pages are asked for from 8 MiB on; the system may decline
  as_given,         // whatever the system does by itself
};

// The options of the exact sets: IdSet, ContentHashSet and ExactSet.
struct SetOptions {
  // The set never holds more bytes than this, itself and the copy made while it grows included. At
  // least the empty set with its first few slots.
  ByteSize budget = ByteSize::unlimited();
  // Room made in the constructor, so that this many keys need no growth. Zero: none.
  std::size_t expected_keys = 0;
  // Unset: drawn from the operating system.
  std::optional<Seed> seed = std::nullopt;
  // Sets of 128-bit ids only.
  PagePolicy pages = PagePolicy::huge_when_large;
};

// What the growth of a set has cost so far.
struct SetWork {
  std::uint64_t steps = 0;       // arrays copied, or blocks emptied
  std::uint64_t ids_moved = 0;   // by all of them
  std::uint64_t most_bytes = 0;  // moved by one of them
  std::uint64_t overflowed = 0;  // ids that met a full block and went under another seed
};

}  // namespace idem::inline IDEM_ABI
