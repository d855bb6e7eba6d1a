#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <idem/core/error.hpp>
#include <idem/core/state_stream.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/word_codec.hpp>
#include <idem/detail/memory/generation_clock.hpp>

// How a filter of generations becomes bytes.

namespace idem::inline IDEM_ABI::detail {

// A line without its stamp.
inline constexpr std::size_t generation_line_bytes = generation_lanes * sizeof(std::uint64_t);

template <class Lines>
[[nodiscard]] bool put_generation_lines(StateWriter& out, const Lines& lines,
                                        std::uint64_t generation) {
  std::array<std::uint64_t, 64 * generation_lanes> words;
  std::size_t used = 0;
  lines.for_each_line(generation, [&](const auto& line) {
    for (const std::uint64_t word : line) words[used++] = word;
    if (used != words.size()) return;
    put_words(out, std::span<const std::uint64_t>(words));
    used = 0;
  });
  return put_words(out, std::span<const std::uint64_t>(words).first(used));
}

// take(line, words) for each of so many lines; where one is not there, or is refused, and why.
template <class Take>
[[nodiscard]] std::optional<Error> get_generation_lines(StateReader& in, std::uint64_t lines,
                                                        Take&& take) {
  std::array<std::uint64_t, generation_lanes> words;
  for (std::size_t line = 0; line < lines; ++line) {
    const std::size_t at = in.position();
    if (!get_words(in, std::span<std::uint64_t>(words)))
      return Error{ErrorCode::truncated, at, "line"};
    if (!take(line, words)) return Error{ErrorCode::bad_value, at, "line"};
  }
  return std::nullopt;
}

}  // namespace idem::inline IDEM_ABI::detail
