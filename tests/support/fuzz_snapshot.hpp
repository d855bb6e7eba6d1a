#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include <idem/snapshot/snapshot.hpp>

#include "support/reseal.hpp"

// What the fuzz targets of snapshots share: bytes are loaded as they are, and what loads must be
// saved as the same bytes. Where libFuzzer mutates, all checksums are made right afterwards, and
// most of the time the lengths too, or nothing would ever get past them.

namespace idem_test {

inline void require(bool condition) {
  if (!condition) std::abort();
}

// Loads as Component; use(state) then tries it out.
template <class Component, class Use>
void try_snapshot(std::span<const std::byte> bytes, const typename Component::Options& options,
                  Use&& use) {
  auto loaded = idem::load<Component>(bytes, options);
  if (!loaded) {
    require(loaded.error().position <= bytes.size() && !loaded.error().what.empty());
    return;
  }
  std::vector<std::byte> again;
  require(idem::save(loaded->state, loaded->position, again).has_value());
  require(std::ranges::equal(again, bytes));
  use(loaded->state);
}

// Makes a header's lengths those of the input, where there is room for a header.
inline void fit_lengths(std::span<std::byte> bytes) {
  if (bytes.size() < 96) return;
  const std::uint64_t position = word_at(bytes, 20, 4);
  const std::uint64_t around = 80 + (position + 7) / 8 * 8 + 8 + 8;
  if (position > 65536 || around > bytes.size()) return;
  // Less than one block, so one checksum, or none behind an empty payload.
  const std::uint64_t left = bytes.size() - around;
  if (left > 8 && left - 8 <= 65536) {
    set_word(bytes, 64, left - 8);
    set_word(bytes, 72, bytes.size());
  }
  constexpr unsigned char end[8] = {0x1a, 0x0a, 0x0d, 0x6d, 0x65, 0x64, 0x69, 0x89};
  std::memcpy(bytes.data() + bytes.size() - 8, end, 8);
}

}  // namespace idem_test

#if defined(IDEM_FUZZING)
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  const std::size_t mutated = LLVMFuzzerMutate(data, size, most);
  const auto bytes = std::as_writable_bytes(std::span(data, mutated));
  if (seed % 8 != 0) idem_test::fit_lengths(bytes);
  if (seed % 64 != 0) idem_test::reseal(bytes);
  return mutated;
}
#endif
