#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

#include <idem/core/byte_cursor.hpp>
#include <idem/core/error.hpp>
#include <idem/core/state.hpp>
#include <idem/core/state_stream.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/state_part.hpp>

// The frame of a snapshot, byte by byte in docs/format.md: a header with the position and its
// checksum, the payload in checksummed blocks, an end mark.

namespace idem::inline IDEM_ABI::detail {

inline constexpr std::uint64_t frame_magic = 0x1a0a0d6d65646989;  // 89 "idem" 0d 0a 1a
inline constexpr std::uint64_t frame_end = 0x896964656d0d0a1a;    // the same backwards
inline constexpr std::size_t frame_fixed_bytes = 80;              // up to the position
inline constexpr std::size_t frame_end_bytes = 8;
inline constexpr std::size_t frame_total_at = 72;
inline constexpr std::size_t max_position_bytes = 65536;

struct Frame {
  StateShape shape{};
  std::size_t position_bytes = 0;

  [[nodiscard]] std::size_t padded_position() const noexcept {
    return (position_bytes + 7) / 8 * 8;
  }
  // Everything before the first block.
  [[nodiscard]] std::size_t header_bytes() const noexcept {
    return frame_fixed_bytes + padded_position() + state_checksum_bytes;
  }
  [[nodiscard]] std::uint64_t body_bytes() const noexcept {
    return shape.bytes + state_blocks(shape.bytes) * state_checksum_bytes;
  }
  [[nodiscard]] std::uint64_t total_bytes() const noexcept {
    return header_bytes() + body_bytes() + frame_end_bytes;
  }
};

// The fixed part of the header.
using FrameStart = std::array<std::byte, frame_fixed_bytes>;

[[nodiscard]] inline FrameStart write_frame_start(const Frame& frame) noexcept {
  FrameStart bytes{};
  ByteWriter out(bytes);
  out.u64(frame_magic);
  put_shape(out, frame.shape, static_cast<std::uint32_t>(frame.position_bytes));
  out.u64(frame.total_bytes());
  return bytes;
}

// What is wrong with the start of a header, as far as it can be told before its checksum: enough to
// read the rest.
[[nodiscard]] inline std::optional<Error> read_frame_start(std::span<const std::byte> bytes,
                                                           std::uint64_t most_bytes, Frame& frame,
                                                           std::uint64_t& total) noexcept {
  ByteReader in(bytes);
  std::uint64_t magic = 0;
  std::uint32_t position = 0;
  StateShape& shape = frame.shape;
  if (!in.u64(magic)) return Error{ErrorCode::truncated, bytes.size(), "header"};
  if (magic != frame_magic) return Error{ErrorCode::bad_magic, 0, "header"};
  if (const auto error = get_shape(in, shape, position)) {
    if (error->code != ErrorCode::truncated) return error;
    return Error{ErrorCode::truncated, bytes.size(), error->what};
  }
  if (!in.u64(total)) return Error{ErrorCode::truncated, bytes.size(), "header"};
  if (position > max_position_bytes)
    return Error{ErrorCode::bad_value, frame_position_at, "position"};
  frame.position_bytes = position;
  // Sizes that do not wrap from here on.
  if (shape.bytes > std::numeric_limits<std::uint64_t>::max() / 2)
    return Error{ErrorCode::bad_value, StateShape::bytes_at, "payload length"};
  if (total != frame.total_bytes())
    return Error{ErrorCode::bad_value, frame_total_at, "total length"};
  if (total > most_bytes) return Error{ErrorCode::limit_exceeded, frame_total_at, "total length"};
  return std::nullopt;
}

// Whether the header, whole and with its padding, is what was written.
[[nodiscard]] inline std::optional<Error> check_header(std::span<const std::byte> header,
                                                       const Frame& frame,
                                                       std::uint64_t& chain) noexcept {
  const std::size_t body = header.size() - state_checksum_bytes;
  chain = checksum(header.first(body), 0);
  if (chain != load_little<std::uint64_t>(header.data() + body))
    return Error{ErrorCode::bad_checksum, 0, "header"};
  for (std::size_t i = frame_fixed_bytes + frame.position_bytes; i < body; ++i) {
    if (header[i] != std::byte{0}) return Error{ErrorCode::bad_value, i, "position"};
  }
  return std::nullopt;
}

[[nodiscard]] inline bool is_end(std::span<const std::byte> bytes) noexcept {
  return load_little<std::uint64_t>(bytes.data()) == frame_end;
}

}  // namespace idem::inline IDEM_ABI::detail
