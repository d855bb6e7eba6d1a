#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include <idem/core/error.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/id_codec.hpp>

namespace idem::inline IDEM_ABI::detail {

// A window as bytes, little-endian:
//
//   u8 version = 1, u8 mode, u8 time, u8 bytes an id, u8 bytes a payload, u8 started, u16 zero
//   i64 window, i64 granularity, i64 clock shift, i64 latest, i64 floor
//   u64 ids, u64 groups
//   each group, one for every granule in which ids arrived that are still in time, ascending:
//     i64 granule, u64 ids in it (not 0), then for each in order of arrival:
//       the id, the payload, and where ids have a stamp a u32: how many granules older than the
//       latest it is
//
// Only ids in time are written, so equal windows have equal bytes however they came to be.
struct WindowShape {
  std::uint8_t mode = 0;
  std::uint8_t time = 0;
  std::uint8_t id_bytes = 0;
  std::uint8_t payload_bytes = 0;
  bool stamped = false;

  [[nodiscard]] std::size_t entry_bytes() const noexcept {
    return std::size_t{id_bytes} + payload_bytes + (stamped ? 4 : 0);
  }
};

inline constexpr std::size_t window_header_bytes = 8 + 5 * 8 + 2 * 8;
inline constexpr std::size_t window_group_bytes = 16;

struct WindowExtent {
  std::uint64_t ids = 0;
  std::uint64_t groups = 0;

  [[nodiscard]] std::uint64_t bytes(const WindowShape& shape) const noexcept {
    return window_header_bytes + groups * window_group_bytes + ids * shape.entry_bytes();
  }
};

template <class Window>
[[nodiscard]] WindowExtent extent_of(const Window& window) noexcept {
  WindowExtent extent;
  std::int64_t granule = 0;
  window.for_each([&](const typename Window::Entry& entry) {
    if (extent.ids++ == 0 || entry.mark != granule) ++extent.groups;
    granule = entry.mark;
  });
  return extent;
}

// `put_payload(out, bytes)` writes what lies beside an id.
template <class Window, class Out, class PutPayload>
void encode_window(const Window& window, const WindowShape& shape, Out& out,
                   PutPayload&& put_payload) {
  const WindowExtent extent = extent_of(window);
  out.u8(1);
  out.u8(shape.mode);
  out.u8(shape.time);
  out.u8(shape.id_bytes);
  out.u8(shape.payload_bytes);
  out.u8(window.has_started() ? 1 : 0);
  out.u16(0);
  out.i64(window.settings().window);
  out.i64(window.settings().granularity);
  out.i64(window.shift());
  out.i64(window.latest());
  out.i64(window.floor());
  out.u64(extent.ids);
  out.u64(extent.groups);
  // The number of ids stands before them, so each group is counted first, by a walker one group
  // ahead.
  auto ahead = window.begin_walk();
  auto walk = window.begin_walk();
  typename Window::Entry entry;
  typename Window::Entry next;
  bool more = window.walk_on(ahead, next);
  while (more) {
    const std::int64_t granule = next.mark;
    std::uint64_t count = 0;
    while (more && next.mark == granule) {
      ++count;
      more = window.walk_on(ahead, next);
    }
    out.i64(granule);
    out.u64(count);
    for (; count != 0 && window.walk_on(walk, entry); --count) {
      put(out, entry.id);
      put_payload(out, entry.payload);
      if (shape.stamped) out.u32(static_cast<std::uint32_t>(window.last_granule() - entry.stamp));
    }
  }
}

// Fills an empty window. What it returns has ErrorCode{} and an empty `what` where all is well; on
// any error the window is to be thrown away. Allocates nothing before the counts have been found to
// agree with the bytes there are.
template <class Window, class In, class GetPayload>
[[nodiscard]] Error decode_window(In& in, const WindowShape& shape, Window& window,
                                  GetPayload&& get_payload) {
  const std::size_t start_at = in.position();
  const std::uint64_t size = in.remaining();
  const auto error = [&](ErrorCode code, std::string_view what) {
    return Error{code, in.position(), what};
  };
  std::uint8_t version = 0, mode = 0, time = 0, id_bytes = 0, payload_bytes = 0, started = 0;
  std::uint16_t zero = 0;
  std::int64_t span = 0, granularity = 0, shift = 0, latest = 0, floor = 0;
  WindowExtent extent;
  if (!in.u8(version)) return error(ErrorCode::truncated, "window version");
  if (version != 1) return Error{ErrorCode::bad_version, start_at, "window version"};
  if (!in.u8(mode) || !in.u8(time) || !in.u8(id_bytes) || !in.u8(payload_bytes) ||
      !in.u8(started) || !in.u16(zero) || !in.i64(span) || !in.i64(granularity) || !in.i64(shift) ||
      !in.i64(latest) || !in.i64(floor) || !in.u64(extent.ids) || !in.u64(extent.groups))
    return error(ErrorCode::truncated, "window header");
  if (mode != shape.mode) return Error{ErrorCode::other_options, start_at + 1, "window mode"};
  if (time != shape.time) return Error{ErrorCode::other_options, start_at + 2, "window time"};
  if (id_bytes != shape.id_bytes)
    return Error{ErrorCode::other_options, start_at + 3, "window id size"};
  if (payload_bytes != shape.payload_bytes)
    return Error{ErrorCode::other_options, start_at + 4, "window payload size"};
  if (started > 1) return Error{ErrorCode::bad_value, start_at + 5, "window started"};
  if (zero != 0) return Error{ErrorCode::bad_value, start_at + 6, "window header"};
  if (span != window.settings().window)
    return Error{ErrorCode::other_options, start_at + 8, "window length"};
  if (granularity != window.settings().granularity)
    return Error{ErrorCode::other_options, start_at + 16, "window granularity"};

  constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
  const bool blank = shift == 0 && latest == lowest && floor == lowest && extent.ids == 0;
  if (started == 0 && !blank) return Error{ErrorCode::bad_value, start_at + 24, "window clock"};
  if (floor > latest && floor - 1 > latest)
    return Error{ErrorCode::bad_value, start_at + 40, "window floor"};

  const std::uint64_t left = in.remaining();
  if (extent.ids > left / shape.entry_bytes() || extent.groups > left / window_group_bytes ||
      extent.bytes(shape) > size)
    return Error{ErrorCode::truncated, start_at + static_cast<std::size_t>(size), "window ids"};
  if (extent.bytes(shape) < size)
    return Error{ErrorCode::trailing_bytes,
                 start_at + static_cast<std::size_t>(extent.bytes(shape)), "window ids"};
  if (extent.groups > extent.ids)
    return Error{ErrorCode::bad_value, start_at + 56, "window groups"};
  if (extent.ids > window.settings().key_limit)
    return Error{ErrorCode::limit_exceeded, start_at + 48, "window ids"};
  if (!window.reserve(extent.ids))
    return Error{ErrorCode::out_of_memory, start_at + 48, "window ids"};
  window.restore_clock(started == 1, latest, floor, shift);

  typename Window::Entry entry;
  std::uint64_t ids_left = extent.ids;
  for (std::uint64_t group = 0; group < extent.groups; ++group) {
    const std::size_t at = in.position();
    std::int64_t granule = 0;
    std::uint64_t count = 0;
    if (!in.i64(granule) || !in.u64(count)) return error(ErrorCode::truncated, "window group");
    const bool ascends = group == 0 || granule > entry.mark;
    if (!ascends || granule < window.first_granule() || granule > window.last_granule())
      return Error{ErrorCode::bad_value, at, "window granule"};
    if (count == 0 || count > ids_left) return Error{ErrorCode::bad_value, at + 8, "window group"};
    ids_left -= count;
    entry.mark = granule;
    for (; count != 0; --count) {
      const std::size_t start = in.position();
      std::uint32_t age = 0;
      if (!get(in, entry.id) || !get_payload(in, entry.payload) || (shape.stamped && !in.u32(age)))
        return error(ErrorCode::truncated, "window id");
      entry.stamp = granule;
      if (shape.stamped) {
        const bool fits = window.last_granule() >= lowest + std::int64_t{age};
        if (fits) entry.stamp = window.last_granule() - age;
        if (!fits || !window.may_have(entry))
          return Error{ErrorCode::bad_value, in.position() - 4, "window stamp"};
      }
      switch (window.restore(entry)) {
        case Verdict::fresh:
          break;
        case Verdict::duplicate:
          return Error{ErrorCode::bad_value, start, "window id"};
        default:
          return Error{ErrorCode::out_of_memory, start, "window ids"};
      }
    }
  }
  if (ids_left != 0) return error(ErrorCode::bad_value, "window groups");
  return {};
}

}  // namespace idem::inline IDEM_ABI::detail
