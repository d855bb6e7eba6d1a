#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include <absl/container/flat_hash_set.h>

#include <idem/core/bytes.hpp>
#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/no_throw.hpp>
#include <idem/detail/core/words.hpp>

namespace idem::inline IDEM_ABI::detail {

// The bytes a copy of the key holds outside itself. Only copies are stored, and moved, so that a
// string's spare capacity never is.
template <class K>
[[nodiscard]] std::size_t heap_bytes_of(const K& key) noexcept {
  if constexpr (requires { KeyTraits<K>::heap_bytes(key); }) {
    return KeyTraits<K>::heap_bytes(key);
  } else if constexpr (std::is_same_v<K, std::string>) {
    return key.size() <= std::string().capacity() ? 0 : key.size() + 1;
  } else {
    static_assert(std::is_trivially_copyable_v<K>,
                  "idem::ExactSet must know what its keys hold outside themselves: give "
                  "KeyTraits<Key> a static "
                  "heap_bytes(const Key&)");
    return 0;
  }
}

// Counts what a container asks for. The count outlives the container.
template <class T>
struct CountingAllocator {
  using value_type = T;
  using propagate_on_container_swap = std::true_type;

  explicit CountingAllocator(std::size_t* counted) noexcept : count(counted) {}
  template <class U>
  CountingAllocator(const CountingAllocator<U>& other) noexcept : count(other.count) {}

  [[nodiscard]] T* allocate(std::size_t n) {
    T* const memory = std::allocator<T>().allocate(n);
    *count += n * sizeof(T);
    return memory;
  }
  void deallocate(T* memory, std::size_t n) noexcept {
    *count -= n * sizeof(T);
    std::allocator<T>().deallocate(memory, n);
  }

  friend bool operator==(const CountingAllocator& a, const CountingAllocator& b) noexcept {
    return a.count == b.count;
  }

  std::size_t* count;
};

// An exact set of keys on absl::flat_hash_set.
//
// That set is not safe against allocators that fail: one that throws while it grows leaves it
// broken. So it never grows here: at 25 of 32 slots, before it would, a larger one is built beside
// it, the keys are moved and the two swapped.
template <class K, HashPolicy Hash>
class KeyTable {
  static_assert(
      std::is_nothrow_move_constructible_v<K> && std::is_nothrow_move_assignable_v<K> &&
          std::is_default_constructible_v<K>,
      "idem::ExactSet needs keys that are default-constructible and moved without throwing");

  struct Hasher {
    Hash hash;
    [[nodiscard]] std::size_t operator()(const K& key) const noexcept {
      return static_cast<std::size_t>(slot_of(hash, KeyTraits<K>::store(key, hash)));
    }
  };
  using Allocator = CountingAllocator<K>;
  using Set = absl::flat_hash_set<K, Hasher, std::equal_to<K>, Allocator>;

  // One more than a power of two minus one is how abseil counts slots.
  static constexpr std::size_t min_capacity = 31;
  // At most: the slots, a control byte each, one group of control bytes more, and alignment.
  [[nodiscard]] static constexpr std::uint64_t bytes_for(std::size_t capacity) noexcept {
    return std::uint64_t{capacity} * (sizeof(K) + 1) + 64 + alignof(K);
  }
  [[nodiscard]] static constexpr std::size_t room_for(std::size_t capacity) noexcept {
    return capacity / 32 * 25 + capacity % 32 * 25 / 32;
  }

 public:
  static constexpr std::uint64_t min_bytes = bytes_for(min_capacity) + sizeof(std::size_t);

  KeyTable(Hash hash, ByteSize byte_limit) noexcept
      : hash_(hash), byte_limit_(byte_limit), set_(0, Hasher{hash}, {}, Allocator(nullptr)) {}

  KeyTable(const KeyTable& other) : KeyTable(other.hash_, other.byte_limit_) {
    Set copy = sized_set(other.set_.bucket_count());
    for (const K& key : other.set_) key_bytes_ += heap_bytes_of(*copy.insert(key).first);
    set_.swap(copy);
  }
  KeyTable(KeyTable&& other) noexcept : KeyTable(other.hash_, other.byte_limit_) { swap(other); }
  KeyTable& operator=(const KeyTable& other) {
    if (this != &other) *this = KeyTable(other);
    return *this;
  }
  KeyTable& operator=(KeyTable&& other) noexcept {
    KeyTable moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~KeyTable() = default;

  [[nodiscard]] std::size_t size() const noexcept { return set_.size(); }
  [[nodiscard]] std::size_t heap_bytes() const noexcept {
    return (slot_bytes_ ? sizeof *slot_bytes_ + *slot_bytes_ : 0) + key_bytes_;
  }
  [[nodiscard]] const Hash& hash() const noexcept { return hash_; }
  [[nodiscard]] std::uint64_t slot(const K& key) const noexcept { return Hasher{hash_}(key); }

  [[nodiscard]] bool contains(const K& key) const noexcept { return set_.contains(key); }

  [[nodiscard]] Verdict insert(const K& key) noexcept {
    if (contains(key)) return Verdict::duplicate;
    if (heap_bytes_of(key) > bytes_left()) return Verdict::full;
    K copy{};  // made first: a table that has grown cannot be told to have changed nothing
    if (!assign_without_throwing(copy, key) || !take_room(key)) return Verdict::full;
    record_in_room(std::move(copy));
    return Verdict::fresh;
  }

  void insert(std::span<const K> keys, std::span<Verdict> verdicts) noexcept {
    require_equal_sizes(keys.size(), verdicts.size());
    constexpr std::size_t chunk = 16;
    for (std::size_t begin = 0; begin < keys.size(); begin += chunk) {
      const std::size_t end = begin + smaller(chunk, keys.size() - begin);
      for (std::size_t i = begin; i < end; ++i) set_.prefetch(keys[i]);
      for (std::size_t i = begin; i < end; ++i) verdicts[i] = insert(keys[i]);
    }
  }

  [[nodiscard]] bool erase(const K& key) noexcept {
    const auto found = set_.find(key);
    if (found == set_.end()) return false;
    key_bytes_ -= heap_bytes_of(*found);
    set_.erase(found);
    return true;
  }

  // Besides the room that was taken.
  [[nodiscard]] bool reserve(std::size_t count) noexcept {
    if (count > std::numeric_limits<std::size_t>::max() - taken_) return false;
    std::size_t capacity = set_.bucket_count();
    while (room_for(capacity) < count + taken_) {
      if (capacity > std::numeric_limits<std::size_t>::max() / 4 / (sizeof(K) + 1)) return false;
      capacity = next_capacity(capacity);
    }
    return capacity == set_.bucket_count() || grow(capacity);
  }

  [[nodiscard]] bool take_room(const K& key) noexcept {
    const std::size_t bytes = heap_bytes_of(key);
    if (bytes > bytes_left()) return false;
    key_bytes_ += bytes;
    if (set_.size() + taken_ >= room_for(set_.bucket_count()) &&
        !grow(next_capacity(set_.bucket_count()))) {
      key_bytes_ -= bytes;
      return false;
    }
    ++taken_;
    return true;
  }
  void release_room(const K& key) noexcept {
    key_bytes_ -= heap_bytes_of(key);
    --taken_;
  }
  void record_in_room(K&& key) noexcept {
    const std::size_t bytes = heap_bytes_of(key);
    if (!set_.insert(std::move(key)).second) key_bytes_ -= bytes;
    --taken_;
  }

  // In no order.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const K& key : set_) visit(key);
  }

  void clear() noexcept {
    for (auto key = set_.begin(); key != set_.end();) {
      key_bytes_ -= heap_bytes_of(*key);
      set_.erase(key++);
    }
  }

 private:
  [[nodiscard]] Set sized_set(std::size_t capacity) {
    if (!slot_bytes_) slot_bytes_ = std::make_unique<std::size_t>(0);
    return Set(capacity, Hasher{hash_}, {}, Allocator(slot_bytes_.get()));
  }

  [[nodiscard]] static std::size_t next_capacity(std::size_t capacity) noexcept {
    return larger(min_capacity, 2 * capacity + 1);
  }
  [[nodiscard]] std::uint64_t bytes_left() const noexcept {
    return byte_limit_.count() - smaller<std::uint64_t>(byte_limit_.count(), heap_bytes());
  }

  [[nodiscard]] bool grow(std::size_t capacity) noexcept {
    if (bytes_for(capacity) > bytes_left()) return false;
    const bool grown = ran_without_throwing([&] {
      Set larger_set = sized_set(capacity);
      for (auto key = set_.begin(); key != set_.end();) larger_set.insert(set_.extract(key++));
      set_.swap(larger_set);
    });
    if (set_.bucket_count() == 0) slot_bytes_.reset();
    return grown;
  }

  void swap(KeyTable& other) noexcept {
    std::swap(hash_, other.hash_);
    std::swap(byte_limit_, other.byte_limit_);
    std::swap(key_bytes_, other.key_bytes_);
    std::swap(taken_, other.taken_);
    std::swap(slot_bytes_, other.slot_bytes_);
    set_.swap(other.set_);
  }

  Hash hash_;
  ByteSize byte_limit_;
  std::size_t key_bytes_ = 0;
  std::size_t taken_ = 0;
  std::unique_ptr<std::size_t>
      slot_bytes_;  // what set_ has asked for, where its allocator finds it after a move
  Set set_;
};

}  // namespace idem::inline IDEM_ABI::detail
