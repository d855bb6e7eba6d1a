#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <idem/core/error.hpp>
#include <idem/core/state.hpp>
#include <idem/core/state_stream.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/buffer.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/no_throw.hpp>
#include <idem/detail/snapshot/frame.hpp>

namespace idem::inline IDEM_ABI::detail {

template <class C>
concept HoldsState = requires(const C& component, StateWriter& out) {
  { component.state_shape() } -> std::same_as<StateShape>;
  { component.write_state(out) } -> std::same_as<bool>;
};
// Several memories behind locks.
template <class C>
concept LocksState = requires(const C& component) {
  requires HoldsState<std::remove_cvref_t<decltype(component.locked_state())>>;
};
// A component, or what remembers for it: the state of a Deduplicator is its memory's.
template <class C>
concept HasState = HoldsState<C> || LocksState<C> || requires(const C& component) {
  requires HoldsState<std::remove_cvref_t<decltype(component.memory())>>;
};

// Where that has locks, it is to live as long as the save.
template <HasState C>
[[nodiscard]] decltype(auto) state_holder(const C& component) noexcept {
  if constexpr (HoldsState<C>) {
    return (component);
  } else if constexpr (LocksState<C>) {
    return component.locked_state();
  } else {
    return component.memory();
  }
}

template <class C>
[[nodiscard]] Frame frame_of(const C& component, std::size_t position_bytes) {
  if (position_bytes > max_position_bytes)
    invalid_option("position.size()", position_bytes, "at most 65536 bytes");
  return Frame{.shape = component.state_shape(), .position_bytes = position_bytes};
}

// The header into `to`, which has its size; its checksum, which begins the chain.
[[nodiscard]] inline std::uint64_t write_header(const Frame& frame,
                                                std::span<const std::byte> position,
                                                std::span<std::byte> to) noexcept {
  const FrameStart start = write_frame_start(frame);
  std::memcpy(to.data(), start.data(), start.size());
  if (!position.empty()) std::memcpy(to.data() + start.size(), position.data(), position.size());
  const std::size_t padding = frame.padded_position() - position.size();
  if (padding != 0) std::memset(to.data() + start.size() + position.size(), 0, padding);
  const std::size_t body = to.size() - state_checksum_bytes;
  const std::uint64_t chain = checksum(to.first(body), 0);
  store_little(to.data() + body, chain);
  return chain;
}

// What it means that a component's write_state() came back with false, where no sink failed: the
// writer fails for more than was said, and is as it was where there is no memory.
[[nodiscard]] inline ErrorCode unwritten(const StateWriter& out) noexcept {
  return out.ok() ? ErrorCode::out_of_memory : ErrorCode::bad_length;
}

template <class C>
[[nodiscard]] Result<std::uint64_t> save_framed(const C& component, const Frame& frame,
                                                std::span<const std::byte> position,
                                                std::span<std::byte> to) {
  const std::size_t header = frame.header_bytes();
  const auto body = static_cast<std::size_t>(frame.body_bytes());
  StateWriter out(to.subspan(header, body), frame.shape.bytes,
                  write_header(frame, position, to.first(header)));
  if (!component.write_state(out)) return Error{unwritten(out), header, "payload"};
  if (!out.finish()) return Error{ErrorCode::bad_length, header, "payload"};
  store_little(to.data() + header + body, frame_end);
  return frame.total_bytes();
}

template <class C>
[[nodiscard]] Result<std::uint64_t> save_to_span(const C& component,
                                                 std::span<const std::byte> position,
                                                 std::span<std::byte> to) {
  const Frame frame = frame_of(component, position.size());
  if (frame.total_bytes() > to.size()) return Error{ErrorCode::write_failed, to.size(), "room"};
  return save_framed(component, frame, position, to);
}

template <class C>
[[nodiscard]] Result<std::uint64_t> save_to_vector(const C& component,
                                                   std::span<const std::byte> position,
                                                   std::vector<std::byte>& to) {
  const Frame frame = frame_of(component, position.size());
  std::vector<std::byte> bytes;
  if (frame.total_bytes() > bytes.max_size() ||
      !ran_without_throwing([&] { bytes.resize(static_cast<std::size_t>(frame.total_bytes())); }))
    return Error{ErrorCode::out_of_memory, 0, "room"};
  auto saved = save_framed(component, frame, position, bytes);
  if (saved) to = std::move(bytes);
  return saved;
}

template <class C, class Sink>
[[nodiscard]] Result<std::uint64_t> save_to_sink(const C& component,
                                                 std::span<const std::byte> position, Sink& sink) {
  const Frame frame = frame_of(component, position.size());
  const std::size_t header = frame.header_bytes();
  const auto block =
      static_cast<std::size_t>(smaller<std::uint64_t>(frame.shape.bytes, state_block_bytes)) +
      state_checksum_bytes;
  const Buffer buffer(larger(header, block));
  if (!buffer.is_there()) return Error{ErrorCode::out_of_memory, 0, "buffer"};

  struct Target {
    Sink& sink;
    std::uint64_t taken;
    bool failed;
    [[nodiscard]] bool take(std::span<const std::byte> bytes) {
      if (failed || !static_cast<bool>(sink(bytes))) {
        failed = true;
        return false;
      }
      taken += bytes.size();
      return true;
    }
  } target{sink, 0, false};
  const auto failure = [&](ErrorCode code) {
    return Error{code, static_cast<std::size_t>(target.taken), "sink"};
  };

  const std::uint64_t chain = write_header(frame, position, buffer.first(header));
  if (!target.take(buffer.first(header))) return failure(ErrorCode::write_failed);
  StateWriter out(
      buffer.first(block), frame.shape.bytes, chain,
      [](void* context, std::span<const std::byte> bytes) {
        return static_cast<Target*>(context)->take(bytes);
      },
      &target);
  const bool written = component.write_state(out);
  const bool finished = written && out.finish();
  if (target.failed) return failure(ErrorCode::write_failed);
  if (!written) return Error{unwritten(out), header, "payload"};
  if (!finished) return Error{ErrorCode::bad_length, header, "payload"};
  store_little(buffer.first(frame_end_bytes).data(), frame_end);
  if (!target.take(buffer.first(frame_end_bytes))) return failure(ErrorCode::write_failed);
  return target.taken;
}

}  // namespace idem::inline IDEM_ABI::detail
