#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include <idem/core/error.hpp>
#include <idem/core/seed.hpp>
#include <idem/core/state.hpp>
#include <idem/core/state_stream.hpp>
#include <idem/detail/abi.hpp>

// A state as part of another's payload: what its header would say of it, then its own payload.

namespace idem::inline IDEM_ABI::detail {

inline constexpr std::uint16_t state_version = 1;
// Where these fields begin in the frame of a snapshot.
inline constexpr std::size_t state_version_at = 8;
inline constexpr std::size_t frame_position_at = 20;
inline constexpr std::size_t part_header_bytes = StateShape::bytes_at + 8 - state_version_at;

template <class Out>
void put_shape(Out& out, const StateShape& shape, std::uint32_t position_bytes) {
  out.u16(state_version);
  out.u16(static_cast<std::uint16_t>(shape.type.kind));
  out.u8(shape.type.key);
  out.u8(shape.type.hash);
  out.u16(0);
  for (const std::uint8_t part : shape.type.variant) out.u8(part);
  out.u32(position_bytes);
  out.u64(shape.first);
  out.u64(shape.second);
  out.u64(shape.seed.first);
  out.u64(shape.seed.second);
  out.u64(shape.elements);
  out.u64(shape.bytes);
}

// What put_shape wrote.
template <class In>
[[nodiscard]] std::optional<Error> get_shape(In& in, StateShape& shape,
                                             std::uint32_t& position_bytes) {
  const std::size_t at = in.position();
  std::uint16_t version = 0;
  std::uint16_t kind = 0;
  std::uint16_t zero = 0;
  if (!in.u16(version)) return Error{ErrorCode::truncated, in.position(), "header"};
  if (version != state_version) return Error{ErrorCode::bad_version, at, "format version"};
  if (!in.u16(kind) || !in.u8(shape.type.key) || !in.u8(shape.type.hash) || !in.u16(zero) ||
      !in.u8(shape.type.variant[0]) || !in.u8(shape.type.variant[1]) ||
      !in.u8(shape.type.variant[2]) || !in.u8(shape.type.variant[3]) || !in.u32(position_bytes) ||
      !in.u64(shape.first) || !in.u64(shape.second) || !in.u64(shape.seed.first) ||
      !in.u64(shape.seed.second) || !in.u64(shape.elements) || !in.u64(shape.bytes))
    return Error{ErrorCode::truncated, in.position(), "header"};
  shape.type.kind = StateKind{kind};
  if (zero != 0) return Error{ErrorCode::bad_value, at + 6, "header"};
  return std::nullopt;
}

// Whether a state of one type may be loaded as another.
[[nodiscard]] inline std::optional<Error> check_type(const StateType& is,
                                                     const StateType& wanted) noexcept {
  constexpr auto other = ErrorCode::other_options;
  if (is.kind != wanted.kind) return Error{other, StateShape::kind_at, "component kind"};
  if (is.key != wanted.key) return Error{other, StateShape::key_at, "key type"};
  if (is.hash != wanted.hash) return Error{other, StateShape::hash_at, "hash"};
  for (std::size_t i = 0; i < is.variant.size(); ++i) {
    if (is.variant[i] != wanted.variant[i])
      return Error{other, StateShape::variant_at + i, "component variant"};
  }
  return std::nullopt;
}

// Whether such a state may be loaded under those options, as far as every kind has them.
template <Saveable C>
[[nodiscard]] std::optional<Error> check_options(const StateShape& shape,
                                                 const typename C::Options& options) {
  if (const auto error = check_type(shape.type, C::state_type)) return error;
  if constexpr (requires { requires std::same_as<decltype(options.seed), std::optional<Seed>>; }) {
    if (options.seed && *options.seed != shape.seed)
      return Error{ErrorCode::other_options, StateShape::seed_at, "seed"};
  }
  return std::nullopt;
}

[[nodiscard]] inline std::uint64_t part_bytes(const StateShape& shape) noexcept {
  return part_header_bytes + shape.bytes;
}

// false: as write_state.
template <Saveable C>
[[nodiscard]] bool write_part(StateWriter& out, const C& component) {
  put_shape(out, component.state_shape(), 0);
  return component.write_state(out);
}

// `elements_left` is what the state around this one says it has and has not given out yet.
template <Saveable C>
[[nodiscard]] Result<C> read_part(StateReader& in, const typename C::Options& options,
                                  StateShape& shape, std::uint64_t& elements_left) {
  const std::size_t at = in.position();
  // Faults of a header are told by their place in a frame.
  const auto here = [&](Error error) {
    if (error.position < StateShape::bytes_at + 8) error.position += at - state_version_at;
    return error;
  };
  std::uint32_t position_bytes = 0;
  if (const auto error = get_shape(in, shape, position_bytes)) return *error;
  if (position_bytes != 0)
    return here({ErrorCode::bad_value, frame_position_at, "position of a part"});
  if (const auto error = check_options<C>(shape, options)) return here(*error);
  if (shape.bytes > in.remaining())
    return here({ErrorCode::bad_value, StateShape::bytes_at, "length of a part"});
  if (shape.elements > elements_left)
    return here({ErrorCode::bad_value, StateShape::elements_at, "elements of a part"});
  elements_left -= shape.elements;
  const std::uint64_t outer = in.enter(shape.bytes);
  Result<C> state = C::read_state(in, shape, options);
  if (!state) return here(state.error());
  if (in.remaining() != 0) return Error{ErrorCode::trailing_bytes, in.position(), "part"};
  in.leave(outer);
  return state;
}

}  // namespace idem::inline IDEM_ABI::detail
