#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>

namespace idem::inline IDEM_ABI::testing {

// What can happen at a step of a simulated process.
enum class Fault : std::uint8_t {
  crash,    // the process dies before the step: Crash is thrown, and what it held in memory is gone
  amnesia,  // the same, and every store that may forget has lost the last write it acknowledged
  pause,    // it stops before the step, longer than any lease; a second worker does what is there
  refuse,   // the call fails: CallFailed is thrown, nothing was done
  lie,      // the call is done, and then reports failure: CallFailed is thrown all the same
  timer,    // its timer fires before the step: on_timer() is called
};
inline constexpr std::size_t fault_kinds = 6;

[[nodiscard]] constexpr std::string_view name(Fault fault) noexcept {
  constexpr std::string_view names[fault_kinds] = {"crash",  "amnesia", "pause",
                                                   "refuse", "lie",     "timer"};
  return static_cast<std::size_t>(fault) < fault_kinds ? names[static_cast<std::size_t>(fault)]
                                                       : "invalid";
}

// Thrown where the process dies. Not a std::exception, so that a handler of errors does not survive
// it by accident; one that catches everything dies at its next step.
struct Crash {};

// A call to something outside reported failure. Nobody knows whether it was done.
class CallFailed : public std::runtime_error {
 public:
  explicit CallFailed(std::string_view what)
      : std::runtime_error("the call failed: " + std::string(what)) {}
};

struct FaultAt {
  Fault fault;
  std::uint64_t step;

  friend bool operator==(const FaultAt&, const FaultAt&) = default;
};

// The faults of one run, in the order of their steps. The same schedule gives the same run.
using Schedule = std::vector<FaultAt>;

// As in "crash@3 pause@7"; "no fault" for none.
[[nodiscard]] inline std::string to_string(const Schedule& schedule) {
  std::string text;
  for (const FaultAt& at : schedule) {
    if (!text.empty()) text += ' ';
    text += std::string(name(at.fault)) + '@' + std::to_string(at.step);
  }
  return text.empty() ? "no fault" : text;
}

// Reads it back. Errors: what is no such list throws std::invalid_argument.
[[nodiscard]] inline Schedule parse_schedule(std::string_view text) {
  Schedule schedule;
  if (text == "no fault") return schedule;
  const auto refuse = [&] {
    detail::throw_invalid_argument(
        "idem: a schedule is a list as in 'crash@3 pause@7' with rising steps, not '" +
        std::string(text) + "'");
  };
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == ' ') {
      ++at;
      continue;
    }
    std::size_t end = text.find(' ', at);
    if (end == std::string_view::npos) end = text.size();
    const std::string_view item = text.substr(at, end - at);
    at = end;
    const std::size_t sign = item.find('@');
    if (sign == std::string_view::npos || sign + 1 == item.size() || item.size() - sign > 10) {
      refuse();
    }
    std::size_t kind = 0;
    while (kind < fault_kinds && name(static_cast<Fault>(kind)) != item.substr(0, sign)) ++kind;
    std::uint64_t step = 0;
    for (const char digit : item.substr(sign + 1)) {
      if (digit < '0' || digit > '9') refuse();
      step = step * 10 + static_cast<std::uint64_t>(digit - '0');
    }
    if (kind == fault_kinds || (!schedule.empty() && schedule.back().step >= step)) refuse();
    schedule.push_back({static_cast<Fault>(kind), step});
  }
  return schedule;
}

}  // namespace idem::inline IDEM_ABI::testing
