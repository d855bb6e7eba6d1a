#pragma once

#include <concepts>
#include <string>

#include <idem/core/memory.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/memory/time_window_options.hpp>

// What a filter needs to stand behind an exact window.

namespace idem::inline IDEM_ABI::detail {

template <class Filter>
inline constexpr bool goes_by_arrival = true;
template <class Filter>
requires requires { Filter::time; }
inline constexpr bool goes_by_arrival<Filter> = Filter::time == WindowTime::arrival;

template <class Filter, class Exact>
inline constexpr bool counts_alike = true;
template <class Filter, class Exact>
requires requires { Filter::mode; }
inline constexpr bool counts_alike<Filter, Exact> = Filter::mode == Exact::mode;

template <class Filter, class Exact>
concept BackingFilter =
    Memory<Filter> &&
    Filter::errors.may_drop&& std::same_as<typename Filter::Stored, typename Exact::Stored>&&
        goes_by_arrival<Filter>&& counts_alike<Filter, Exact>&& requires(Filter& filter) {
  filter.clear();
};

// The filter under another hash; nothing for one that has none to replace.
template <class Filter, class Hash>
struct FilterWithHash {};
template <class Filter, class Hash>
requires requires { typename Filter::template WithHash<Hash>; }
struct FilterWithHash<Filter, Hash> {
  using type = typename Filter::template WithHash<Hash>;
};

// Records the id there, whether or not it seems to be there; false: no room.
template <class Filter>
[[nodiscard]] bool remember(Filter& filter, const typename Filter::Stored& id, At at) noexcept {
  if constexpr (requires {
                  { filter.add(id, at) } -> std::same_as<bool>;
                }) {
    return filter.add(id, at);
  } else {
    return filter.insert(id, at) != Verdict::full;
  }
}

template <class Filter>
void advance_filter(Filter& filter, At at) noexcept {
  if constexpr (requires { filter.advance(at); }) filter.advance(at);
}

template <class Exact, class Filter>
void require_longer_filter(const Exact& exact, const Filter& filter) {
  if constexpr (requires {
                  { filter.window() } -> std::same_as<Duration>;
                }) {
    if (filter.window() != Duration::max() && filter.window() <= exact.window()) {
      invalid_option(
          "BackedWindowOptions.filter.window", filter.window().count(),
          "longer than the exact window of " + std::to_string(exact.window().count()) + " ns");
    }
  }
}

}  // namespace idem::inline IDEM_ABI::detail
