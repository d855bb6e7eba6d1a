#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <idem/idem.hpp>

#include "support/ids.hpp"
#include "support/out_of_memory.hpp"
#include "support/snapshots.hpp"

// A subject from a kind: its component, options to make and to load it under, and step i of its
// history.

namespace idem_test {

inline constexpr idem::Seed seed{0x0123456789abcdef, 0xfedcba9876543210};
inline constexpr std::string_view position_text = "orders/3@18446744073709551615";

inline std::span<const std::byte> position() { return std::as_bytes(std::span(position_text)); }

inline idem::Instant at_ns(std::size_t ns) {
  return idem::Instant::at(idem::Duration::nanoseconds(static_cast<std::int64_t>(ns)));
}

template <class Kind>
typename Kind::Component make_component(std::size_t elements) {
  using Component = typename Kind::Component;
  Component component = [] {
    if constexpr (requires { Kind::fresh(); }) {
      return Kind::fresh();
    } else {
      return Component(Kind::options());
    }
  }();
  for (std::size_t i = 0; i < elements; ++i) Kind::step(component, i);
  return component;
}

template <class Component>
Bytes saved(const Component& component) {
  Bytes bytes;
  const auto size = idem::save(component, position(), bytes);
  if (!size || *size != bytes.size() || *size != idem::saved_size(component, position().size()))
    std::abort();
  return bytes;
}

template <class Kind>
Bytes make(std::size_t elements, unsigned history) {
  return history == 0 ? saved(make_component<Kind>(elements)) : saved(Kind::detour(elements));
}

template <class Kind>
Bytes resume(std::size_t elements) {
  const Bytes half = saved(make_component<Kind>(elements / 2));
  auto loaded = idem::load<typename Kind::Component>(half, Kind::options_to_load());
  if (!loaded) return {};
  if constexpr (requires { Kind::redeliver(loaded->state, elements); })
    Kind::redeliver(loaded->state, elements / 2);
  for (std::size_t i = elements / 2; i < elements; ++i) Kind::step(loaded->state, i);
  return saved(loaded->state);
}

template <class Component>
Loading outcome(const idem::Result<idem::Loaded<Component>>& loaded) {
  if (!loaded) return {.error = loaded.error()};
  Loading result;
  const auto size = idem::save(loaded->state, loaded->position, result.again);
  if (!size) std::abort();
  return result;
}

template <class Kind>
Loading load(std::span<const std::byte> bytes) {
  return outcome(idem::load<typename Kind::Component>(bytes, Kind::options_to_load()));
}
template <class Kind>
bool only_load(std::span<const std::byte> bytes) {
  return idem::load<typename Kind::Component>(bytes, Kind::options_to_load()).has_value();
}
template <class Kind>
Loading read(std::span<const std::byte> bytes, std::size_t piece) {
  const auto give = [&](std::span<std::byte> to) {
    const std::size_t count = std::min({piece, to.size(), bytes.size()});
    std::copy_n(bytes.begin(), count, to.begin());
    bytes = bytes.subspan(count);
    return count;
  };
  return outcome(idem::load<typename Kind::Component>(give, Kind::options_to_load(),
                                                      {.bytes = idem::mebibytes(16)}));
}
template <class Kind>
std::optional<idem::Error> save_into(std::size_t elements, std::size_t room, Bytes& taken) {
  const auto component = make_component<Kind>(elements);
  const auto result = idem::save(component, position(), [&](std::span<const std::byte> piece) {
    if (piece.size() > room - taken.size()) return false;
    taken.insert(taken.end(), piece.begin(), piece.end());
    return true;
  });
  if (!result) return result.error();
  if (*result != taken.size()) std::abort();
  return std::nullopt;
}

#if defined(__cpp_exceptions)
struct DiskGone {};

template <class Kind>
bool survives_a_throw(std::span<const std::byte> bytes, std::size_t after) {
  auto whole = idem::load<typename Kind::Component>(bytes, Kind::options_to_load());
  if (!whole) std::abort();
  const std::uint64_t live = allocations().live;
  int thrown = 0;
  std::size_t at = 0;
  try {
    (void)idem::save(whole->state, position(), [&](std::span<const std::byte> piece) {
      if ((at += piece.size()) > after) throw DiskGone();
      return true;
    });
  } catch (const DiskGone&) {
    ++thrown;
  }
  at = 0;
  try {
    (void)idem::load<typename Kind::Component>(
        [&](std::span<std::byte> to) {
          if (at + to.size() > after) throw DiskGone();
          std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), to.size(), to.begin());
          at += to.size();
          return to.size();
        },
        Kind::options_to_load(), {.bytes = idem::mebibytes(16)});
  } catch (const DiskGone&) {
    ++thrown;
  }
  return thrown == 2 && allocations().live == live;
}
#endif

template <class Kind, std::size_t elements>
constexpr SnapshotSubject subject(std::string_view name) {
  return {.name = name,
          .elements = elements,
          .make = make<Kind>,
          .resume = resume<Kind>,
          .load = load<Kind>,
          .only_load = only_load<Kind>,
          .read = read<Kind>,
          .survives_a_throw = survives_a_throw<Kind>,
          .save_into = [](std::size_t room, Bytes& taken) {
            return save_into<Kind>(elements, room, taken);
          }};
}

// The subjects by file, each in the order of the table of kinds.
[[nodiscard]] std::span<const SnapshotSubject> window_subjects();

}  // namespace idem_test
