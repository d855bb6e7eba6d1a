#pragma once

#include <stdexcept>
#include <string>

namespace idem_test {

// What std::invalid_argument says when the call throws one; empty when it throws nothing. Any other
// exception passes through and fails the test.
template <class Call>
[[nodiscard]] std::string refusal(Call&& call) {
  try {
    call();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return {};
}

[[nodiscard]] inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace idem_test
