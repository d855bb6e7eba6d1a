#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <idem/core/time.hpp>
#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::detail {

template <class K>
concept TextKey = std::same_as<K, std::string> || std::same_as<K, std::string_view>;

template <class T>
concept CharBuffer = std::is_array_v<T> && std::same_as < std::remove_extent_t<T>,
char > ;

// What is no number of the language but becomes one: an enumeration, an atomic, 128 bits. Not where
// the conversion narrows.
template <class T, class K>
concept NarrowsTo = !std::integral<T> && std::convertible_to<T, K> && !requires {
  K{std::declval<T>()};
};

// 42.9 would be the id 42, `true` the id 1, and 2^32 + 1 in 32 bits that too. A literal is an int, and
// passes for any integer.
template <class T, class K>
concept LossyNumber =
    std::integral<K> && !std::same_as<T, K> &&
    (std::floating_point<T> || std::same_as<T, bool> || std::same_as<T, char> ||
     (std::integral<T> && sizeof(T) > sizeof(K) && sizeof(T) > sizeof(int)) || NarrowsTo<T, K>);

// An argument (as a forwarding reference takes it) that would silently become another key: a number
// another one; a buffer the text up to its first zero byte, 0 a null pointer.
template <class T, class K>
concept LossyKey = LossyNumber<std::remove_cvref_t<T>, K> ||
    (TextKey<K> &&
     (CharBuffer<std::remove_reference_t<T>> || std::integral<std::remove_cvref_t<T>> ||
      std::same_as<std::remove_cvref_t<T>, std::nullptr_t>));

// Refuses calls with such arguments, and with {"a", "b"}, which would be the bytes between two
// pointers. For a class Self that takes keys first in its calls: it derives from this, and has a
// using-declaration for each of them. Those with an At stand for calls with {.now = t}, which no
// auto&& takes.
template <class Self, class K>
class NoLossyKeys {
 protected:
  template <LossyKey<K> T>
  void insert(T&&, auto&&...) = delete;
  template <LossyKey<K> T>
  void insert(T&&, At, auto&&...) = delete;
  template <LossyKey<K> T>
  void check(T&&, auto&&...) const = delete;
  template <LossyKey<K> T>
  void check(T&&, At, auto&&...) const = delete;
  template <LossyKey<K> T>
  void claim(T&&, auto&&...) = delete;
  template <LossyKey<K> T>
  void claim(T&&, At, auto&&...) = delete;
  template <LossyKey<K> T>
  void first_content(T&&, auto&&...) const = delete;
  template <LossyKey<K> T>
  void first_content(T&&, At) const = delete;
  template <LossyKey<K> T>
  void add(T&&, auto&&...) = delete;
  template <LossyKey<K> T>
  void add(T&&, At) = delete;
  template <LossyKey<K> T>
  void refute(T&&, auto&&...) = delete;
  template <LossyKey<K> T>
  void refute(T&&, At) = delete;
  template <LossyKey<K> T>
  void forget(T&&) = delete;
  template <LossyKey<K> T>
  void digest(T&&) const = delete;

  using Strings = std::initializer_list<const char*>;
  void insert(Strings, auto&&...) requires TextKey<K>
  = delete;
  void insert(Strings, At, auto&&...) requires TextKey<K>
  = delete;
  void check(Strings, auto&&...) const requires TextKey<K>
  = delete;
  void check(Strings, At, auto&&...) const requires TextKey<K>
  = delete;
  void claim(Strings, auto&&...) requires TextKey<K>
  = delete;
  void claim(Strings, At, auto&&...) requires TextKey<K>
  = delete;
  void first_content(Strings, auto&&...) const requires TextKey<K>
  = delete;
  void first_content(Strings, At) const requires TextKey<K>
  = delete;
  void refute(Strings, auto&&...) requires TextKey<K>
  = delete;
  void refute(Strings, At) requires TextKey<K>
  = delete;
  void forget(Strings) requires TextKey<K>
  = delete;
  void digest(Strings) const requires TextKey<K>
  = delete;
};

}  // namespace idem::inline IDEM_ABI::detail
