#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <idem/core/error.hpp>
#include <idem/core/key_bytes.hpp>
#include <idem/core/state_stream.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/buffer.hpp>
#include <idem/detail/core/no_throw.hpp>

namespace idem::inline IDEM_ABI::detail {

// The payload of a set of whole keys: for each, in ascending order of (slot, length, bytes),
//
//   u32 length, the bytes
template <class K>
class KeyState {
 public:
  using Bytes = KeyBytes<K>;

  // What one key takes.
  [[nodiscard]] static std::uint64_t size_of(const K& key) {
    return 4 + std::uint64_t{Bytes::size(key)};
  }

  // Of a table that can be walked and tells the slot of a key. false: there is no memory to put the
  // keys in order, or to lay out one of them.
  template <class Table>
  [[nodiscard]] static bool write(const Table& table, StateWriter& out) {
    std::size_t count = table.size();
    if (count == 0) return true;
    if (count > std::numeric_limits<std::ptrdiff_t>::max() / sizeof(Place)) return false;
    const Buffer memory(count * sizeof(Place));
    if (!memory.is_there()) return false;
    auto* const places = reinterpret_cast<Place*>(memory.first(count * sizeof(Place)).data());
    count = 0;
    table.for_each([&](const K& key) { ::new (places + count++) Place{table.slot(key), &key}; });
    bool has_memory = true;
    std::sort(places, places + count, [&](const Place& a, const Place& b) {
      if (a.slot != b.slot) return a.slot < b.slot;
      return a.key != b.key && is_before(*a.key, *b.key, has_memory);
    });
    Buffer bytes(64);
    for (std::size_t i = 0; i < count && has_memory; ++i) {
      const std::size_t size = Bytes::size(*places[i].key);
      if (size > std::numeric_limits<std::uint32_t>::max() || !bytes.grow(size + 1)) return false;
      Bytes::write(*places[i].key, bytes.first(size));
      out.u32(static_cast<std::uint32_t>(size));
      if (!out.bytes(bytes.first(size))) return false;
    }
    return has_memory && out.ok();
  }

  // Into an empty table that has the seed.
  template <class Table>
  [[nodiscard]] static std::optional<Error> read(StateReader& in, const StateShape& shape,
                                                 Table& table, bool has_budget) {
    const auto no_room = has_budget ? ErrorCode::limit_exceeded : ErrorCode::out_of_memory;
    if (shape.elements > shape.bytes / 4)
      return Error{ErrorCode::bad_value, StateShape::elements_at, "keys"};
    if (!table.reserve(static_cast<std::size_t>(shape.elements)))
      return Error{no_room, StateShape::elements_at, "room for keys"};
    Buffer bytes[2] = {Buffer(64), Buffer(64)};
    Buffer again(64);
    std::size_t last_size = 0;
    std::uint64_t last_slot = 0;
    for (std::uint64_t i = 0; i < shape.elements; ++i) {
      const std::size_t at = in.position();
      std::uint32_t size = 0;
      if (!in.u32(size) || size > in.remaining()) return Error{ErrorCode::truncated, at, "key"};
      Buffer& own = bytes[i % 2];
      if (!own.grow(size + std::size_t{1}) || !again.grow(size + std::size_t{1}))
        return Error{ErrorCode::out_of_memory, at, "key"};
      if (!in.copy(own.first(size))) return Error{ErrorCode::truncated, at, "key"};
      K key{};
      bool is_key = false;
      if (!ran_without_throwing([&] { is_key = Bytes::read(own.first(size), key); }))
        return Error{ErrorCode::out_of_memory, at, "key"};
      if (!is_key || Bytes::size(key) != size) return Error{ErrorCode::bad_value, at, "key"};
      Bytes::write(key, again.first(size));
      if (!is_equal(own.first(size), again.first(size)))
        return Error{ErrorCode::bad_value, at, "key"};
      const std::uint64_t slot = table.slot(key);
      if (i != 0 &&
          (slot < last_slot ||
           (slot == last_slot && !is_before(bytes[1 - i % 2].first(last_size), own.first(size)))))
        return Error{ErrorCode::bad_value, at, "order of keys"};
      last_slot = slot;
      last_size = size;
      if (table.insert(key) != Verdict::fresh) return Error{no_room, at, "room for keys"};
    }
    return std::nullopt;
  }

 private:
  struct Place {
    std::uint64_t slot;
    const K* key;
  };

  [[nodiscard]] static bool is_equal(std::span<const std::byte> a,
                                     std::span<const std::byte> b) noexcept {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
  }
  [[nodiscard]] static bool is_before(std::span<const std::byte> a,
                                      std::span<const std::byte> b) noexcept {
    if (a.size() != b.size()) return a.size() < b.size();
    return !a.empty() && std::memcmp(a.data(), b.data(), a.size()) < 0;
  }
  // Of two keys in one slot, which hardly ever happens.
  [[nodiscard]] static bool is_before(const K& a, const K& b, bool& has_memory) {
    const Buffer first(Bytes::size(a) + 1);
    const Buffer second(Bytes::size(b) + 1);
    if (!first.is_there() || !second.is_there()) return has_memory = false;
    Bytes::write(a, first.first(Bytes::size(a)));
    Bytes::write(b, second.first(Bytes::size(b)));
    return is_before(first.first(Bytes::size(a)), second.first(Bytes::size(b)));
  }
};

}  // namespace idem::inline IDEM_ABI::detail
