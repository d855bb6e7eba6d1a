#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/id_codec.hpp>

namespace idem::inline IDEM_ABI {

// How a key that is kept whole, by ExactSet, stands in a snapshot. Ready for ids and std::string;
// for a struct of your own:
//
//   template <> struct idem::KeyBytes<Payment> {
//     static constexpr std::uint64_t layout = 1;          // another number whenever the bytes change
//     static std::size_t size(const Payment& key);        // at most 4 GiB
//     static void write(const Payment& key, std::span<std::byte> to);      // exactly `size` bytes
//     static bool read(std::span<const std::byte> from, Payment& key);     // false: these are none
//   };
//
// write() gives the same bytes for equal keys on every machine. read() may throw std::bad_alloc.
template <class K>
struct KeyBytes;

template <detail::PortableId Id>
struct KeyBytes<Id> {
  static constexpr std::uint64_t layout = 0;
  [[nodiscard]] static std::size_t size(const Id&) noexcept { return sizeof(Id); }
  static void write(const Id& key, std::span<std::byte> to) noexcept {
    detail::store_id(to.data(), key);
  }
  [[nodiscard]] static bool read(std::span<const std::byte> from, Id& key) noexcept {
    if (from.size() != sizeof(Id)) return false;
    detail::load_id(from.data(), key);
    return true;
  }
};

template <>
struct KeyBytes<std::string> {
  static constexpr std::uint64_t layout = 0;
  [[nodiscard]] static std::size_t size(const std::string& key) noexcept { return key.size(); }
  static void write(const std::string& key, std::span<std::byte> to) noexcept {
    if (!key.empty()) std::memcpy(to.data(), key.data(), key.size());
  }
  [[nodiscard]] static bool read(std::span<const std::byte> from, std::string& key) {
    key.assign(reinterpret_cast<const char*>(from.data()), from.size());
    return true;
  }
};

template <class K>
concept HasKeyBytes = requires(const K& key, K& to, std::span<std::byte> room,
                               std::span<const std::byte> from) {
  { KeyBytes<K>::layout } -> std::convertible_to<std::uint64_t>;
  { KeyBytes<K>::size(key) } -> std::convertible_to<std::size_t>;
  {KeyBytes<K>::write(key, room)};
  { KeyBytes<K>::read(from, to) } -> std::same_as<bool>;
};

namespace detail {

// In a header; 255: the user's own.
template <class K>
inline constexpr std::uint8_t whole_key_number = PortableId<K> ? key_number<K> : 255;
template <>
inline constexpr std::uint8_t whole_key_number<std::string> = 4;

}  // namespace detail
}  // namespace idem::inline IDEM_ABI
