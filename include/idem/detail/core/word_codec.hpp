#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <idem/core/state.hpp>
#include <idem/core/state_stream.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>

namespace idem::inline IDEM_ABI::detail {

// Arrays of words, little-endian.
template <class Word>
bool put_words(StateWriter& out, std::span<const Word> words) {
  if constexpr (std::endian::native == std::endian::little) {
    return out.bytes(std::as_bytes(words));
  } else {
    for (const Word word : words) {
      const Word little = reverse_bytes(word);
      if (!out.bytes(std::as_bytes(std::span(&little, 1)))) return false;
    }
    return true;
  }
}

template <class Word>
[[nodiscard]] bool get_words(StateReader& in, std::span<Word> words) {
  if (!in.copy(std::as_writable_bytes(words))) return false;
  if constexpr (std::endian::native == std::endian::big) {
    for (Word& word : words) word = reverse_bytes(word);
  }
  return true;
}

}  // namespace idem::inline IDEM_ABI::detail
