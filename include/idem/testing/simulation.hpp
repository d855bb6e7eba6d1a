#pragma once

#include <string>

#include <idem/detail/abi.hpp>
#include <idem/detail/testing/simulation_search.hpp>
#include <idem/testing/fault.hpp>
#include <idem/testing/simulation_options.hpp>
#include <idem/testing/simulation_report.hpp>
#include <idem/testing/world.hpp>

namespace idem::inline IDEM_ABI::testing {

// Runs a handler against everything that can go wrong, in one thread, and tells how often each
// message took effect.
//
//   Outside   what survives a crash: Durable, Sink, SimulatedStore, as members. Made once a run by
//             Outside(World&). `effects(message)`: how many effects that message has had, when all is
//             over.
//   Process   your consumer: what dies. Made by Process(World&, Outside&) at the start and after each
//             crash. `handle(const Delivery&)` is given one message; returning without acknowledging
//             it, and throwing, have it delivered again. `idle()`, where there is one, is called
//             after each delivery and when there is none, for relays; `on_timer()`, where there is
//             one, at the steps the schedule says.
//
// Guarantee   every combination of up to that many faults, at every combination of steps, or the
//             random ones of `seeds`. The same options give the same report, provided that Process
//             and Outside depend on nothing else: give a Deduplicator a seed, the time is now().
// Errors      options that are nonsense throw std::invalid_argument, here and in replay().
// Example     docs/guarantees.md
template <class Outside, class Process>
[[nodiscard]] SimulationReport simulate(const SimulationOptions& options = {}) {
  return detail::SimulationSearch<Outside, Process>(options).result();
}

// The list of steps of one run, as a report's schedule or parse_schedule() gives it. Takes the same
// options.
template <class Outside, class Process>
[[nodiscard]] std::string replay(const SimulationOptions& options, const Schedule& schedule) {
  return detail::SimulationSearch<Outside, Process>::replay(options, schedule);
}

}  // namespace idem::inline IDEM_ABI::testing
