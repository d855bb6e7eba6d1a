#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <idem/core/error.hpp>

// Every kind of snapshot behind one face.

namespace idem_test {

using Bytes = std::vector<std::byte>;

// What came of loading some bytes, as one kind of component under its usual options.
struct Loading {
  std::optional<idem::Error> error{};
  Bytes again{};  // what was loaded, saved again
};

struct SnapshotSubject {
  std::string_view name;
  std::size_t elements;  // for a snapshot of 4 to 6 KiB
  // A state that every build makes the same. `history` 0 is the plainest way there, 1 a detour.
  Bytes (*make)(std::size_t elements, unsigned history);
  // Builds half of it, saves, loads, and goes on to the end.
  Bytes (*resume)(std::size_t elements);
  Loading (*load)(std::span<const std::byte> bytes);
  // Nothing but the load; for counting what it allocates.
  bool (*only_load)(std::span<const std::byte> bytes);
  // Through a reader that gives at most `piece` bytes at a time.
  Loading (*read)(std::span<const std::byte> bytes, std::size_t piece);
  // Whether a sink or a source that throws after so many bytes leaves nothing behind.
  bool (*survives_a_throw)(std::span<const std::byte> bytes, std::size_t after);
  // Into a sink that takes so many bytes and then no more.
  std::optional<idem::Error> (*save_into)(std::size_t room, Bytes& taken);
};

[[nodiscard]] std::span<const SnapshotSubject> snapshot_subjects();

}  // namespace idem_test
