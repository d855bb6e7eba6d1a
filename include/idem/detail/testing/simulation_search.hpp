#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/testing/faults.hpp>
#include <idem/detail/testing/simulated_run.hpp>
#include <idem/testing/fault.hpp>
#include <idem/testing/simulation_options.hpp>
#include <idem/testing/simulation_report.hpp>

namespace idem::inline IDEM_ABI::detail {

// The runs that the options ask for, and what came of them.
template <class Outside, class Process>
class SimulationSearch {
 public:
  explicit SimulationSearch(const testing::SimulationOptions& options) : options_(options) {
    validate(options);
    budget_.of = {options.crashes,  options.amnesias, options.pauses,
                  options.refusals, options.lies,     options.timers};
    budget_.all = options.max_faults;
  }

  // The list of steps of one run.
  [[nodiscard]] static std::string replay(const testing::SimulationOptions& options,
                                          const testing::Schedule& schedule) {
    validate(options);
    FaultPlan plan(schedule);
    std::string trace = "schedule: " + to_string(schedule) + '\n';
    SimulatedRun<Outside, Process> run(options, plan, &trace);
    const RunOutcome outcome = run.go();
    for (std::size_t message = 0; message < outcome.effects.size(); ++message) {
      trace += "message " + std::to_string(message) + ": " +
               std::to_string(outcome.effects[message]) + " effects\n";
    }
    if (outcome.is_lost) trace += "LOST: acknowledged without an effect\n";
    if (outcome.is_stuck) trace += "STUCK: never acknowledged\n";
    if (!outcome.violation.empty()) trace += "VIOLATED: " + outcome.violation + '\n';
    return trace;
  }

  testing::SimulationReport result() {
    if (options_.seeds == 0) {
      explore({}, budget_);
    } else {
      for (std::uint64_t i = 0; i < options_.seeds; ++i) {
        const std::uint64_t seed = options_.first_seed + i;
        FaultPlan plan(seed, budget_, options_.steps_per_fault);
        const RunOutcome outcome = run(plan);
        add(outcome, plan.schedule(), seed);
      }
    }
    const testing::SimulatedCase& worst = report_.first_violation ? *report_.first_violation
                                          : report_.first_lost    ? *report_.first_lost
                                          : report_.first_stuck   ? *report_.first_stuck
                                                                  : report_.most;
    if (worst.seed != 0) report_.worst = "seed: " + std::to_string(worst.seed) + '\n';
    report_.worst += replay(options_, worst.schedule);
    return std::move(report_);
  }

 private:
  static void validate(const testing::SimulationOptions& options) {
    const auto at_least_1 = [](const char* field, std::uint64_t value) {
      if (value < 1) invalid_option(field, value, "at least 1");
    };
    at_least_1("SimulationOptions.messages", options.messages);
    at_least_1("SimulationOptions.copies", options.copies);
    at_least_1("SimulationOptions.workers", options.workers);
    at_least_1("SimulationOptions.steps_per_fault", options.steps_per_fault);
  }

  RunOutcome run(FaultPlan& plan) {
    return SimulatedRun<Outside, Process>(options_, plan, nullptr).go();
  }

  // This schedule, and every one that begins with it.
  void explore(const testing::Schedule& schedule, const FaultBudget& budget) {
    FaultPlan plan(schedule);
    const RunOutcome outcome = run(plan);
    add(outcome, schedule, 0);
    if (budget.all == 0) return;
    const std::vector<FaultSet>& possible = plan.possible();
    testing::Schedule longer = schedule;
    longer.push_back({});
    for (std::uint64_t step = schedule.empty() ? 0 : schedule.back().step + 1;
         step < possible.size(); ++step) {
      for (std::size_t kind = 0; kind < testing::fault_kinds; ++kind) {
        const auto fault = static_cast<testing::Fault>(kind);
        if (!possible[step].has(fault) || !budget.allows(fault)) continue;
        longer.back() = {fault, step};
        FaultBudget rest = budget;
        rest.take(fault);
        explore(longer, rest);
      }
    }
  }

  void add(const RunOutcome& outcome, const testing::Schedule& schedule, std::uint64_t seed) {
    if (schedule.size() < options_.min_faults) return;
    std::uint64_t fewest = outcome.effects.front(), most = fewest;
    for (const std::uint64_t effects : outcome.effects) {
      if (effects < fewest) fewest = effects;
      if (effects > most) most = effects;
    }
    const auto this_case = [&] { return testing::SimulatedCase{schedule, seed}; };
    if (report_.runs == 0 || fewest < report_.min_effects) {
      report_.min_effects = fewest;
      report_.fewest = this_case();
    }
    if (report_.runs == 0 || most > report_.max_effects) {
      report_.max_effects = most;
      report_.most = this_case();
    }
    ++report_.runs;
    report_.steps += outcome.steps;
    if (outcome.is_parked) ++report_.parked;
    if (outcome.is_lost && ++report_.lost == 1) report_.first_lost = this_case();
    if (outcome.is_stuck && ++report_.stuck == 1) report_.first_stuck = this_case();
    if (!outcome.violation.empty() && ++report_.violations == 1) {
      report_.first_violation = this_case();
      report_.violation = outcome.violation;
    }
  }

  testing::SimulationOptions options_;
  FaultBudget budget_{};
  testing::SimulationReport report_{};
};

}  // namespace idem::inline IDEM_ABI::detail
