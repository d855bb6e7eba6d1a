#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/memory.hpp>
#include <idem/core/seed.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>

namespace idem::inline IDEM_ABI::detail {

// Options that can tell every shard one seed.
template <class Options>
concept TakesSeed = requires(Options& options) {
  { options.seed } -> std::same_as<std::optional<Seed>&>;
};

// The hash of a memory, or one for those that have none.
template <class Memory>
struct HashOf {
  using type = Xxh3Hash;
};
template <Hashing Memory>
struct HashOf<Memory> {
  using type = typename Memory::Hash;
};

// What keys K are stored as, and which of `count` shards they are at home in.
//
// That is told by a hash under a seed of its own, so that the keys of a shard are as well mixed in
// its memory as they would be alone.
template <class K, class Memory, std::size_t count>
class ShardRoute {
  using Stored = typename Memory::Stored;
  using Hash = typename HashOf<Memory>::type;
  static constexpr bool stores_key_itself = std::is_same_v<Stored, K>;

 public:
  // The seed is that of the memories, where they have one and share it.
  explicit ShardRoute(Seed seed) noexcept
      : hash_(seed),
        route_hash_(Seed{seed.first ^ 0x9e3779b97f4a7c15, seed.second ^ 0xbf58476d1ce4e5b9}) {}

  [[nodiscard]] Seed seed() const noexcept { return hash_.seed(); }
  // What makes keys into what the memories store.
  [[nodiscard]] const Hash& hash() const noexcept { return hash_; }

  // As in OneThread.
  [[nodiscard]] decltype(auto) store(const K& key) const noexcept {
    if constexpr (stores_key_itself) {
      return (key);
    } else {
      return Stored(KeyTraits<K>::store(key, hash_));
    }
  }
  // By what is stored of a key.
  [[nodiscard]] std::size_t home(const Stored& stored) const noexcept {
    std::uint64_t route;
    if constexpr (std::is_same_v<Stored, typename KeyTraits<K>::Stored>) {
      route = KeyTraits<K>::route(stored, route_hash_);
    } else {
      route = KeyTraits<K>::route(KeyTraits<K>::store(stored, hash_), route_hash_);
    }
    return static_cast<std::size_t>(multiply_high(route, count));
  }

 private:
  Hash hash_;
  Hash route_hash_;  // what tells their shard
};

}  // namespace idem::inline IDEM_ABI::detail
