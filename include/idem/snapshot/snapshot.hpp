#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <idem/core/bytes.hpp>
#include <idem/core/error.hpp>
#include <idem/core/state.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/snapshot/frame.hpp>
#include <idem/detail/snapshot/loading.hpp>
#include <idem/detail/snapshot/saving.hpp>

namespace idem::inline IDEM_ABI {

// A component's whole state as bytes, together with the position in a log that it stands for.
//
// Guarantee   equal states under equal seeds give equal bytes, on every machine. What load() accepts
//             is what save() wrote, to the bit: a prefix, and any change that nobody crafted, is
//             refused, with an Error that says what and where. What was written by another kind of
//             component, over another key type, hash, mode or window, is refused too.
// Saved       what the component remembers, its clock and its seed. Open claims and what is pushed
//             and not persisted are not: their messages are to be delivered again. Counters are
//             not.
// Secret      a snapshot holds the seed. Keep it as you keep the keys.
// Format      docs/format.md; every version that was released can be loaded for ever.
// Example     docs/snapshots.md

// What load() may take at most. Beyond: ErrorCode::limit_exceeded, before anything is allocated.
struct LoadLimits {
  ByteSize bytes = ByteSize::unlimited();                              // of the snapshot
  std::uint64_t elements = std::numeric_limits<std::uint64_t>::max();  // keys, producers or lines
};

// A component that was loaded, and where in the log it stands.
template <class C>
struct Loaded {
  C state;
  std::vector<std::byte> position{};
};

// The most a position may have.
inline constexpr std::size_t max_position_bytes = detail::max_position_bytes;

// The bytes save() writes, exactly. Errors: a position of more than max_position_bytes throws
// std::invalid_argument here and in save().
template <detail::HasState C>
[[nodiscard]] std::uint64_t saved_size(const C& component, std::size_t position_bytes = 0) {
  return detail::frame_of(detail::state_holder(component), position_bytes).total_bytes();
}

// Writes the state to the front of `to`: how many bytes. `position` is opaque: topic, partition,
// offset, epoch, in whatever form the caller can read again.
//
// Errors  `write_failed`: not enough room, the position says where that was found. `out_of_memory`:
//         trackers and ExactSet put their elements in order, 16 bytes each, Sharded takes 13 KiB a
//         shard. `bad_length`: a component of the user's own wrote other than it said. `to` then
//         holds anything.
// Threads one at a time with anything that changes the component; Sharded locks all of its shards.
template <detail::HasState C>
[[nodiscard]] Result<std::uint64_t> save(const C& component, std::span<const std::byte> position,
                                         std::span<std::byte> to) {
  return detail::save_to_span(detail::state_holder(component), position, to);
}

// The same into a vector, which is replaced; on an error it is as it was.
template <detail::HasState C>
[[nodiscard]] Result<std::uint64_t> save(const C& component, std::span<const std::byte> position,
                                         std::vector<std::byte>& to) {
  return detail::save_to_vector(detail::state_holder(component), position, to);
}

// The same in pieces, in order, each of at most 64 KiB and some bytes: `bool sink(std::span<const
// std::byte>)`, false where it could not take the piece, which ends the saving. Takes a buffer of
// that size and what the errors above name, however large the state is. What the sink throws comes
// out.
template <detail::HasState C, class Sink>
requires std::is_invocable_r_v<bool, Sink&, std::span<const std::byte>>
[[nodiscard]] Result<std::uint64_t> save(const C& component, std::span<const std::byte> position,
                                         Sink&& sink) {
  return detail::save_to_sink(detail::state_holder(component), position, sink);
}

// The component of those bytes, under the options it is to have from now on. Nothing else needs to
// be checked afterwards.
//
//   options.seed    unset, or the one saved: under another the same keys would mean other bits
//   sizes           of filters: unset, or the one saved
//   window, granularity, limit   those it was saved under
//   OffsetLedger    `next` and `owner_epoch` are those saved; take_over() begins the next owner's
//   ProducerTracker `end_offset` is the one saved
//
// Memory  the component, which takes at most twice the bytes and 64 KiB, whatever the bytes say;
//         what the options ask for comes on top. An ExactSet takes its slots besides; a
//         TimeWindowRing whose options foretell many keys a chunk of 4,096 of them; Sharded a memory
//         a shard, and up to four times the bytes where keys were chosen that meet in one shard.
// Errors  an Error for every fault of the bytes and for memory that is not there; options that are
//         nonsense throw std::invalid_argument as in the constructor.
template <class C>
[[nodiscard]] Result<Loaded<C>> load(std::span<const std::byte> bytes,
                                     const typename C::Options& options = {},
                                     const LoadLimits& limits = {}) {
  return detail::load_from_span<C, Loaded<C>>(bytes, options, limits);
}

// The same from a source that is read in pieces: `std::size_t read(std::span<std::byte>)`, how many
// bytes it gave, none at the end or on a failure. Reads up to the end of the snapshot and no
// further. The header is believed up to `limits`, which are therefore to be given: a source that
// ends early may have cost the memory of what it promised. What it throws comes out.
template <class C, class Read>
requires std::is_invocable_r_v<std::size_t, Read&, std::span<std::byte>> &&
    (!std::convertible_to<Read&&, std::span<const std::byte>>)
        [[nodiscard]] Result<Loaded<C>> load(Read&& read, const typename C::Options& options,
                                             const LoadLimits& limits) {
  return detail::load_from_reader<C, Loaded<C>>(read, options, limits);
}

}  // namespace idem::inline IDEM_ABI
