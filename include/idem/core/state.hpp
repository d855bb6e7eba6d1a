#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>

#include <idem/core/error.hpp>
#include <idem/core/seed.hpp>
#include <idem/detail/abi.hpp>

// What a component must offer to be saved and loaded by snapshot/. A class of the user's own that
// models Saveable is framed, checksummed and limited like ours. What its bytes go through is in
// core/state_stream.hpp.

namespace idem::inline IDEM_ABI {

// What a state is of. The values stand in files and never change; from 0x8000 on they are the
// user's.
enum class StateKind : std::uint16_t {
  id_set = 1,
  exact_set = 2,
  bloom_filter = 3,
  cuckoo_filter = 4,
  inverse_filter = 5,
  time_window = 6,
  producer_tracker = 7,
  monotonic_tracker = 8,
  offset_ledger = 9,
  replay_window = 10,
  window_bloom_filter = 11,
  window_cuckoo_filter = 12,
  backed_window = 13,
  shards = 14,
  id_map = 15,
};

// What a type of component is, as far as it decides what its bytes mean; docs/format.md lists the
// values.
struct StateType {
  StateKind kind{};
  std::uint8_t key = 0;   // what is stored of a message; 0: nothing that has a type
  std::uint8_t hash = 0;  // the hash policy; 0: none
  std::array<std::uint8_t, 4> variant{};

  friend constexpr bool operator==(const StateType&, const StateType&) = default;
};

// What the frame says about one state.
struct StateShape {
  StateType type{};
  std::uint64_t first = 0;  // configuration, by kind
  std::uint64_t second = 0;
  Seed seed{};
  std::uint64_t elements = 0;  // keys, producers or blocks: what a caller may set a limit to
  std::uint64_t bytes = 0;     // of the payload

  // Where these stand in the frame, for errors.
  static constexpr std::size_t kind_at = 10;
  static constexpr std::size_t key_at = 12;
  static constexpr std::size_t hash_at = 13;
  static constexpr std::size_t variant_at = 16;
  static constexpr std::size_t first_at = 24;
  static constexpr std::size_t second_at = 32;
  static constexpr std::size_t seed_at = 40;
  static constexpr std::size_t elements_at = 56;
  static constexpr std::size_t bytes_at = 64;
};

class StateWriter;
class StateReader;

// A component whose state can become bytes.
//
//   state_type          what it is
//   state_shape()       what its state is like at this moment, `bytes` exactly
//   write_state(out)    writes the payload; equal states write equal bytes, on every machine. false:
//                       there was no memory to put it in order, or `out` failed
//   read_state(in, shape, options)
//                       the component of that payload, under these options; `shape` is as
//                       untrusted as the payload, but for its type. Takes what write_state writes
//                       and nothing else; allocates when all counts have been found to agree with
//                       the bytes there are, and at most twice as much
template <class C>
concept Saveable = std::movable<C> &&
    requires(const C& constant, StateWriter& out, StateReader& in, const StateShape& shape,
             const typename C::Options& options) {
  { C::state_type } -> std::convertible_to<StateType>;
  { constant.state_shape() } -> std::same_as<StateShape>;
  { constant.write_state(out) } -> std::same_as<bool>;
  { C::read_state(in, shape, options) } -> std::same_as<Result<C>>;
};

}  // namespace idem::inline IDEM_ABI
