#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <idem/core/error.hpp>
#include <idem/core/memory.hpp>
#include <idem/core/state.hpp>
#include <idem/core/state_stream.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/no_throw.hpp>
#include <idem/detail/core/state_part.hpp>
#include <idem/detail/dedup/shard_route.hpp>

namespace idem::inline IDEM_ABI::detail {

// Memories of which several can be saved as the one that they would be together.
template <class Memory>
concept Joinable = Saveable<Memory> &&
    requires(std::span<const Memory* const> memories, StateWriter& out) {
  { Memory::joined_shape(memories) } -> std::same_as<StateShape>;
  { Memory::write_joined(memories, out) } -> std::same_as<bool>;
};

// The memories of a sharded Deduplicator as a state. Joined where they can be, the state is that of
// one memory, and so one that any number of shards, or none, may load. Otherwise it is the states of
// all of them, as parts, and their number is part of what must agree.
template <Saveable Memory, std::size_t count>
struct ShardState {
  using Views = std::array<const Memory*, count>;

  static constexpr bool is_joined = Joinable<Memory>;
  static constexpr StateType type = [] {
    StateType type = Memory::state_type;
    if (!is_joined) {
      type.kind = StateKind::shards;
      type.variant = {};
    }
    return type;
  }();

  [[nodiscard]] static StateShape shape(const Views& views, Seed seed) {
    if constexpr (is_joined) {
      return Memory::joined_shape(views);
    } else {
      StateShape shape{.type = type, .first = count, .seed = seed};
      for (const Memory* const memory : views) {
        const StateShape part = memory->state_shape();
        shape.elements += part.elements;
        shape.bytes += part_bytes(part);
      }
      return shape;
    }
  }
  [[nodiscard]] static bool write(const Views& views, StateWriter& out) {
    if constexpr (is_joined) {
      return Memory::write_joined(views, out);
    } else {
      for (const Memory* const memory : views) {
        if (!write_part(out, *memory)) return false;
      }
      return true;
    }
  }
};

// The memories of all shards, as they are loaded.
template <class K, class M, std::size_t count>
class ShardMemories {
 public:
  using Memory = M;
  using Route = ShardRoute<K, Memory, count>;
  using Options = typename Memory::Options;
  using Stored = typename Memory::Stored;

  [[nodiscard]] const Route& route() const noexcept { return route_; }
  // Moves them out, once. Errors: a second time throws std::invalid_argument, as saving does then.
  [[nodiscard]] std::vector<Memory> take() {
    require_there();
    return std::move(memories_);
  }

  // As the concept Saveable says.
  static constexpr StateType state_type = [] {
    if constexpr (Saveable<Memory>) {
      return ShardState<Memory, count>::type;
    } else {
      return StateType{};
    }
  }();
  [[nodiscard]] StateShape state_shape() const requires Saveable<Memory> {
    return ShardState<Memory, count>::shape(views(), route_.seed());
  }
  bool write_state(StateWriter& out) const requires Saveable<Memory> {
    return ShardState<Memory, count>::write(views(), out);
  }
  [[nodiscard]] static Result<ShardMemories> read_state(
      StateReader& in, const StateShape& shape, const Options& options) requires Saveable<Memory> {
    ShardMemories all(shape.seed);
    std::vector<Memory>& memories = all.memories_;
    if (!ran_without_throwing([&] { memories.reserve(count); }))
      return Error{ErrorCode::out_of_memory, StateShape::first_at, "shards"};
    if constexpr (ShardState<Memory, count>::is_joined) {
      Options empty = options;
      empty.seed = shape.seed;
      empty.expected_keys = 0;
      std::array<Memory*, count> views;
      for (Memory*& view : views) view = &memories.emplace_back(empty);
      const auto home = [&](const typename Memory::Stored& key) { return all.route_.home(key); };
      if (const auto error =
              Memory::read_joined(in, shape, options, std::span<Memory* const>(views), home))
        return *error;
    } else {
      if (shape.first != count)
        return Error{ErrorCode::other_options, StateShape::first_at, "number of shards"};
      if (shape.second != 0) return Error{ErrorCode::bad_value, StateShape::second_at, "shards"};
      std::uint64_t elements_left = shape.elements;
      for (std::size_t i = 0; i < count; ++i) {
        const std::size_t at = in.position();
        StateShape part;
        auto memory = read_part<Memory>(in, options, part, elements_left);
        if (!memory) return memory.error();
        // The digests of all shards are made by one hash.
        if ((i == 0 ? Hashing<Memory> : TakesSeed<Options> && Hashing<Memory>)&&part.seed !=
            shape.seed)
          return Error{ErrorCode::bad_value, at + StateShape::seed_at - state_version_at, "shards"};
        // A key elsewhere than at home would never be found again.
        const auto is_at_home = [&](const Stored& key) { return all.route_.home(key) == i; };
        if constexpr (requires { memory->all_of(is_at_home); }) {
          if (!memory->all_of(is_at_home))
            return Error{ErrorCode::bad_value, at + part_header_bytes, "key of another shard"};
        }
        memories.push_back(*std::move(memory));
      }
      if (elements_left != 0) return Error{ErrorCode::bad_value, StateShape::elements_at, "shards"};
    }
    return Result<ShardMemories>(std::move(all));
  }

 private:
  explicit ShardMemories(Seed seed) noexcept : route_(seed) {}

  void require_there() const {
    if (memories_.size() != count) {
      throw_invalid_argument(
          "idem::Deduplicator: the state it is to go on from was moved out before");
    }
  }
  [[nodiscard]] std::array<const Memory*, count> views() const {
    require_there();
    std::array<const Memory*, count> views;
    for (std::size_t i = 0; i < count; ++i) views[i] = &memories_[i];
    return views;
  }

  Route route_;
  std::vector<Memory> memories_{};
};

}  // namespace idem::inline IDEM_ABI::detail
