#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <optional>
#include <span>

#include <idem/core/error.hpp>
#include <idem/core/state.hpp>
#include <idem/core/state_stream.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/buffer.hpp>
#include <idem/detail/core/id_codec.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/ascending_ids.hpp>
#include <idem/detail/memory/hash_order.hpp>

namespace idem::inline IDEM_ABI::detail {

// The payload of a set of ids: the ids, in ascending order of (slot, id).

template <PortableId Id>
[[nodiscard]] StateShape ids_shape(const StateType& type, const Seed& seed,
                                   std::size_t count) noexcept {
  return {
      .type = type, .seed = seed, .elements = count, .bytes = std::uint64_t{count} * sizeof(Id)};
}

// What the bytes have room for, whatever the header says.
template <PortableId Id>
[[nodiscard]] std::size_t ids_in(const StateShape& shape) noexcept {
  return static_cast<std::size_t>(
      smaller<std::uint64_t>(shape.bytes / sizeof(Id), std::numeric_limits<std::size_t>::max()));
}

template <PortableId Id, class Table>
[[nodiscard]] bool write_ids(const Table& table, StateWriter& out) {
  table.for_each_run([&](std::size_t count, const auto& id_at) {
    for (std::size_t done = 0; done < count;) {
      // In place: the writer's checks are dearer than an id.
      const std::span<std::byte> room = out.room((count - done) * sizeof(Id));
      const std::size_t here = room.size() / sizeof(Id);
      for (std::size_t i = 0; i < here; ++i)
        store_id(room.data() + i * sizeof(Id), id_at(done + i));
      out.wrote(here * sizeof(Id));
      done += here;
      // One that lies across the end of a block, or for which there is no room.
      if (done < count && !put(out, id_at(done++))) return;
    }
  });
  return out.ok();
}

// The same of several tables that have no id in common. false: there is no memory to put their ids in
// order.
template <class Id, class Table>
[[nodiscard]] bool write_joined_ids(std::span<const Table* const> tables, StateWriter& out) {
  std::size_t largest = 0;
  for (const Table* const table : tables) largest = larger(largest, table->size());
  // Ranges of hashes of about this many ids in the largest table, and room for twice as many of each.
  constexpr std::size_t ids_a_range = 128;
  const auto range_bits = static_cast<unsigned>(std::bit_width(largest / ids_a_range));
  using Order = HashOrder<Id>;
  using Entry = typename Order::Entry;
  const std::size_t most = tables.size() * 2 * ids_a_range;
  const auto bin_bits = static_cast<unsigned>(std::bit_width(most) - 1);
  const std::size_t bins = (std::size_t{1} << bin_bits) + 1;
  const Buffer memory(2 * most * sizeof(Entry) + bins * sizeof(std::uint32_t));
  if (!memory.is_there()) return false;
  std::byte* const room = memory.first(0).data();
  auto* const entries = reinterpret_cast<Entry*>(room);
  for (std::size_t i = 0; i < 2 * most; ++i) ::new (entries + i) Entry;
  auto* const begins = reinterpret_cast<std::uint32_t*>(room + 2 * most * sizeof(Entry));
  for (std::size_t i = 0; i < bins; ++i) ::new (begins + i) std::uint32_t;
  Order order(entries, most, begins, bin_bits);
  for (std::uint64_t range = 0; range >> range_bits == 0; ++range) {
    const std::uint64_t first = range_bits == 0 ? 0 : range << (64 - range_bits);
    const std::uint64_t last = first + (~std::uint64_t{0} >> range_bits);
    order.run(
        [&](const auto& take) {
          for (const Table* const table : tables) {
            table->each_between(first, last, [&](const Id& id, std::uint64_t hash) {
              take(Entry{hash, id});
            });
          }
        },
        [&](const Entry& entry) { put(out, entry.id); });
    if (!out.ok()) return false;
  }
  return out.ok();
}

// Into an empty table that has the seed and may have room for more than are coming.
template <PortableId Id, class Table>
[[nodiscard]] std::optional<Error> read_ids(StateReader& in, const StateShape& shape, Table& table,
                                            std::size_t room, bool has_budget) {
  if (shape.first != 0) return Error{ErrorCode::bad_value, StateShape::first_at, "ids"};
  if (shape.second != 0) return Error{ErrorCode::bad_value, StateShape::second_at, "ids"};
  if (shape.elements != shape.bytes / sizeof(Id) || shape.bytes % sizeof(Id) != 0)
    return Error{ErrorCode::bad_value, StateShape::elements_at, "ids"};
  const auto no_room = has_budget ? ErrorCode::limit_exceeded : ErrorCode::out_of_memory;
  AscendingIds<Id, Table> into(table);
  if (!into.reserve(room)) return Error{no_room, StateShape::elements_at, "room for ids"};
  while (in.remaining() != 0) {
    const std::size_t at = in.position();
    const std::span<const std::byte> bytes = in.take(state_block_bytes);
    const std::size_t count = bytes.size() / sizeof(Id);
    if (count == 0) return Error{ErrorCode::truncated, at, "ids"};
    const auto id_of = [&](std::size_t i) {
      Id id;
      load_id(bytes.data() + i * sizeof(Id), id);
      return id;
    };
    bool has_room = true;
    const std::size_t taken = into.insert(count, id_of, has_room);
    const std::size_t where = at + taken * sizeof(Id);
    if (!has_room) return Error{no_room, where, "room for ids"};
    if (taken != count) return Error{ErrorCode::bad_value, where, "order of ids"};
  }
  into.finish();
  return std::nullopt;
}

}  // namespace idem::inline IDEM_ABI::detail
