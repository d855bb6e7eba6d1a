#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <idem/core/error.hpp>
#include <idem/core/hash.hpp>
#include <idem/core/state.hpp>
#include <idem/core/state_stream.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/buffer.hpp>
#include <idem/detail/core/no_throw.hpp>
#include <idem/detail/core/state_part.hpp>
#include <idem/detail/snapshot/frame.hpp>
#include <idem/detail/snapshot/saving.hpp>

namespace idem::inline IDEM_ABI::detail {

// What may be loaded as a component of these options: decided by the header alone.
template <Saveable C, class Limits>
[[nodiscard]] std::optional<Error> check_shape(const StateShape& shape,
                                               const typename C::Options& options,
                                               const Limits& limits) {
  if (const auto error = check_options<C>(shape, options)) return error;
  if (shape.elements > limits.elements)
    return Error{ErrorCode::limit_exceeded, StateShape::elements_at, "elements"};
  return std::nullopt;
}

[[nodiscard]] inline bool copy_position(std::span<const std::byte> header, const Frame& frame,
                                        std::vector<std::byte>& to) {
  const auto position = header.subspan(frame_fixed_bytes, frame.position_bytes);
  return ran_without_throwing([&] { to.assign(position.begin(), position.end()); });
}

// What the decoder says, unless the input itself was at fault.
template <Saveable C>
[[nodiscard]] Result<C> read_payload(StateReader& in, const StateShape& shape,
                                     const typename C::Options& options) {
  if (!in.open()) return *in.fault();
  Result<C> state = C::read_state(in, shape, options);
  if (in.fault()) return *in.fault();
  if (state && in.remaining() != 0)
    return Error{ErrorCode::trailing_bytes, in.position(), "payload"};
  return state;
}

// A Deduplicator around its state. load_state(a pointer to nothing) gives a Result of what that
// points to.
template <class C, class Loaded>
[[nodiscard]] Result<Loaded> load_around_state(const typename C::Options& options,
                                               const auto& load_state) {
  static_assert(std::movable<C>,
                "idem::load: a Deduplicator with Claims, or Sharded, cannot be moved out; load its "
                "State and construct it with that, or take idem::Resumable");
  struct Part {
    typename C::State state;
    std::vector<std::byte> position;
  };
  auto part = load_state(static_cast<Part*>(nullptr));
  if (!part) return part.error();
  return Loaded{C(std::move(part->state), options), std::move(part->position)};
}

template <class C, class Loaded, class Limits>
[[nodiscard]] Result<Loaded> load_from_span(std::span<const std::byte> bytes,
                                            const typename C::Options& options,
                                            const Limits& limits) {
  if constexpr (!Saveable<C>) {
    return load_around_state<C, Loaded>(options, [&]<class Part>(Part*) {
      return load_from_span<typename C::State, Part>(bytes, options.memory, limits);
    });
  } else {
    Frame frame;
    std::uint64_t total = 0;
    if (const auto error = read_frame_start(bytes, limits.bytes.count(), frame, total))
      return *error;
    if (total > bytes.size()) return Error{ErrorCode::truncated, bytes.size(), "snapshot"};
    if (total < bytes.size())
      return Error{ErrorCode::trailing_bytes, static_cast<std::size_t>(total), "snapshot"};
    const std::size_t header = frame.header_bytes();
    std::uint64_t chain = 0;
    if (const auto error = check_header(bytes.first(header), frame, chain)) return *error;
    if (!is_end(bytes.last(frame_end_bytes)))
      return Error{ErrorCode::bad_value, bytes.size() - frame_end_bytes, "end mark"};
    if (const auto error = check_shape<C>(frame.shape, options, limits)) return *error;

    StateReader in(bytes.subspan(header, bytes.size() - header - frame_end_bytes),
                   frame.shape.bytes, chain, header);
    Result<C> state = read_payload<C>(in, frame.shape, options);
    if (!state) return state.error();
    std::vector<std::byte> position;
    if (!copy_position(bytes, frame, position))
      return Error{ErrorCode::out_of_memory, frame_fixed_bytes, "position"};
    return Loaded{*std::move(state), std::move(position)};
  }
}

template <class C, class Loaded, class Read, class Limits>
[[nodiscard]] Result<Loaded> load_from_reader(Read& read, const typename C::Options& options,
                                              const Limits& limits) {
  if constexpr (!Saveable<C>) {
    return load_around_state<C, Loaded>(options, [&]<class Part>(Part*) {
      return load_from_reader<typename C::State, Part>(read, options.memory, limits);
    });
  } else {
    struct Source {
      Read& read;
      std::uint64_t given;
      [[nodiscard]] bool fill(std::span<std::byte> to) {
        while (!to.empty()) {
          const std::size_t count = read(to);
          if (count == 0 || count > to.size()) return false;
          given += count;
          to = to.subspan(count);
        }
        return true;
      }
    } source{read, 0};
    const auto ended = [&](std::string_view what) {
      return Error{ErrorCode::truncated, static_cast<std::size_t>(source.given), what};
    };

    FrameStart start;
    if (!source.fill(start)) {
      // Something that is no snapshot may be shorter than a header.
      Frame frame;
      std::uint64_t total = 0;
      const auto given = std::span(start).first(static_cast<std::size_t>(source.given));
      return *read_frame_start(given, 0, frame, total);
    }
    Frame frame;
    std::uint64_t total = 0;
    if (const auto error = read_frame_start(start, limits.bytes.count(), frame, total))
      return *error;
    if (total > std::numeric_limits<std::size_t>::max())
      return Error{ErrorCode::limit_exceeded, frame_total_at, "total length"};
    const std::size_t header = frame.header_bytes();
    const auto block =
        static_cast<std::size_t>(smaller<std::uint64_t>(frame.shape.bytes, state_block_bytes)) +
        state_checksum_bytes;
    const Buffer buffer(larger(header, block));
    if (!buffer.is_there()) return Error{ErrorCode::out_of_memory, 0, "buffer"};
    std::memcpy(buffer.first(start.size()).data(), start.data(), start.size());
    if (!source.fill(buffer.first(header).subspan(start.size()))) return ended("header");
    std::uint64_t chain = 0;
    if (const auto error = check_header(buffer.first(header), frame, chain)) return *error;
    if (const auto error = check_shape<C>(frame.shape, options, limits)) return *error;
    std::vector<std::byte> position;
    if (!copy_position(buffer.first(header), frame, position))
      return Error{ErrorCode::out_of_memory, frame_fixed_bytes, "position"};

    StateReader in(
        buffer.first(block),
        [](void* context, std::span<std::byte> to) {
          return static_cast<Source*>(context)->fill(to);
        },
        &source, frame.shape.bytes, chain, header);
    Result<C> state = read_payload<C>(in, frame.shape, options);
    if (!state) return state.error();
    const auto end = buffer.first(frame_end_bytes);
    if (!source.fill(end)) return ended("end mark");
    if (!is_end(end))
      return Error{ErrorCode::bad_value, static_cast<std::size_t>(total) - frame_end_bytes,
                   "end mark"};
    return Loaded{*std::move(state), std::move(position)};
  }
}

}  // namespace idem::inline IDEM_ABI::detail
