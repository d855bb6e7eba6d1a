#pragma once

// The cold ends: every way idem stops short, in one place, with and without exceptions.

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::detail {

[[noreturn]] inline void abort_with(std::string_view sentence) noexcept {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(sentence.size()), sentence.data());
  std::abort();
}

[[noreturn]] inline void throw_invalid_argument(const std::string& sentence) {
#if defined(__cpp_exceptions)
  throw std::invalid_argument(sentence);
#else
  abort_with(sentence);
#endif
}

[[noreturn]] inline void throw_bad_alloc() {
#if defined(__cpp_exceptions)
  throw std::bad_alloc();
#else
  abort_with("idem: out of memory");
#endif
}

template <class T>
[[nodiscard]] std::string to_text(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    char text[64];
    std::snprintf(text, sizeof text, "%.17g", static_cast<double>(value));
    return text;
  } else if constexpr (std::is_arithmetic_v<T>) {
    return std::to_string(value);
  } else {
    return std::string(value);
  }
}

// "idem: SetOptions.budget is 10 bytes; it must be at least 96 bytes"
template <class Value>
[[noreturn]] void invalid_option(std::string_view field, Value value, std::string_view rule) {
  std::string sentence = "idem: ";
  sentence += field;
  sentence += " is ";
  sentence += to_text(value);
  sentence += "; it must be ";
  sentence += rule;
  throw_invalid_argument(sentence);
}

// A batch and its verdicts of different sizes are a bug of the caller that no verdict could report.
inline void require_equal_sizes(std::size_t keys, std::size_t verdicts) noexcept {
  if (keys == verdicts) return;
  abort_with("idem: a batch of " + std::to_string(keys) + " keys was given room for " +
             std::to_string(verdicts) + " verdicts");
}

}  // namespace idem::inline IDEM_ABI::detail
