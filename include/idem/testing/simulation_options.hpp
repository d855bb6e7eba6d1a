#pragma once

#include <cstdint>

#include <idem/core/time.hpp>
#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::testing {

// Who goes on while a worker is paused: another process, with a memory of its own (a rebalance), or
// another thread of the same process, with the same objects.
enum class Takeover : std::uint8_t { process, thread };

struct SimulationOptions {
  // Messages in the topic, at least 1, and how often the producer sent each: at least 1; 2 is a retry.
  std::uint64_t messages = 1;
  unsigned copies = 2;

  // Up to so many faults of each kind in one run. Every combination of that many, at every
  // combination of steps, is tried.
  unsigned crashes = 2;
  unsigned amnesias = 0;
  unsigned pauses = 0;
  unsigned refusals = 0;
  unsigned lies = 0;
  unsigned timers = 0;
  // How many of all kinds together: runs with fewer are not counted, with more not tried.
  unsigned min_faults = 0;
  unsigned max_faults = 1000;

  Takeover takeover = Takeover::process;
  // At work at once, each but the last one paused: at least 1.
  unsigned workers = 2;
  // How long a pause lasts, and until what was not acknowledged comes again: longer than any lease.
  Duration patience = Duration::nanoseconds(600'000'000'000);

  // Not 0: so many random runs in place of all combinations, with faults as above, one in
  // `steps_per_fault` steps. Every seed is a run of its own, the same on every machine.
  std::uint64_t seeds = 0;
  std::uint64_t first_seed = 1;
  std::uint32_t steps_per_fault = 6;

  // A message that is not acknowledged after so many redeliveries is stuck, and so is a run of so
  // many steps.
  unsigned max_passes = 20;
  std::uint64_t max_steps = 10'000;
};

}  // namespace idem::inline IDEM_ABI::testing
