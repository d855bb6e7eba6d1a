#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <idem/detail/abi.hpp>
#include <idem/testing/fault.hpp>

namespace idem::inline IDEM_ABI::testing {

// One run among those tried.
struct SimulatedCase {
  Schedule schedule{};
  std::uint64_t seed = 0;  // 0: not a random run
};

// What came of all runs.
struct SimulationReport {
  std::uint64_t runs = 0;
  std::uint64_t steps = 0;
  // Of one message, in the run where it had the fewest and in that where it had the most.
  std::uint64_t min_effects = 0;
  std::uint64_t max_effects = 0;
  std::uint64_t lost = 0;    // runs in which a message was acknowledged, not parked, without effect
  std::uint64_t parked = 0;  // runs in which a message was parked
  std::uint64_t stuck = 0;   // runs in which a message was never acknowledged
  std::uint64_t violations = 0;  // runs in which something did not hold that was required
  std::string violation{};       // the first one's sentence

  // A run of each kind, for replay().
  SimulatedCase fewest{}, most{};
  std::optional<SimulatedCase> first_lost{}, first_stuck{}, first_violation{};
  // The worst of them (a violation, a loss, a message stuck, else that with the most effects), step
  // by step.
  std::string worst{};

  [[nodiscard]] bool is_at_most_once() const noexcept {
    return max_effects <= 1 && violations == 0;
  }
  [[nodiscard]] bool is_at_least_once() const noexcept {
    return lost == 0 && stuck == 0 && parked == 0 && violations == 0;
  }
  [[nodiscard]] bool is_exactly_once() const noexcept {
    return is_at_most_once() && is_at_least_once();
  }
};

// "1..3", with what else there is to say.
[[nodiscard]] inline std::string effects(const SimulationReport& report) {
  std::string text = std::to_string(report.min_effects) + ".." + std::to_string(report.max_effects);
  if (report.lost != 0) text += " lost";
  if (report.parked != 0) text += " parked";
  if (report.stuck != 0) text += " stuck";
  if (report.violations != 0) text += " VIOLATED";
  return text;
}

[[nodiscard]] inline std::string to_string(const SimulationReport& report) {
  std::string text = effects(report) + " effects a message in " + std::to_string(report.runs) +
                     " runs of " + std::to_string(report.steps) + " steps\n";
  if (!report.violation.empty()) text += "violated: " + report.violation + '\n';
  return text + report.worst;
}

}  // namespace idem::inline IDEM_ABI::testing
