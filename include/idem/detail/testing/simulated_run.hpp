#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <idem/detail/abi.hpp>
#include <idem/detail/testing/faults.hpp>
#include <idem/testing/simulation_options.hpp>
#include <idem/testing/world.hpp>

namespace idem::inline IDEM_ABI::detail {

// How one run ended.
struct RunOutcome {
  std::vector<std::uint64_t> effects;  // of each message
  std::uint64_t steps = 0;
  bool is_lost = false;    // a message is acknowledged, not parked, and had no effect
  bool is_parked = false;  // a message was parked
  bool is_stuck = false;   // a message is never acknowledged
  std::string violation;
};

// One life of everything: processes are made, handed deliveries, killed and made again until the
// broker has nothing more to deliver.
template <class Outside, class Process>
class SimulatedRun {
 public:
  SimulatedRun(const testing::SimulationOptions& options, FaultPlan& plan, std::string* trace)
      : options_(options),
        world_(plan, trace, options.max_steps,
               {.run = this,
                .pause = [](void* run) { static_cast<SimulatedRun*>(run)->pause(); },
                .timer = [](void* run) { static_cast<SimulatedRun*>(run)->fire_timer(); },
                .has_timer = has_timer}) {
    for (unsigned copy = 0; copy < options.copies; ++copy) {
      for (std::uint64_t message = 0; message < options.messages; ++message) {
        world_.topic_.push_back({.message = message});
      }
    }
    world_.workers_left_ = options.workers - 1;
  }

  RunOutcome go() {
    RunOutcome outcome;
    Outside outside(world_);
    outside_ = &outside;
    try {
      live();
    } catch (const EndlessRun&) {
      world_.remark("this never ends");
      outcome.is_stuck = true;
    }
    end_process(process_);
    for (std::uint64_t message = 0; message < options_.messages; ++message) {
      outcome.effects.push_back(outside.effects(message));
      bool parked = false, settled = true;
      for (const auto& copy : world_.topic_) {
        if (copy.message != message) continue;
        parked = parked || copy.is_parked;
        settled = settled && copy.is_settled;
      }
      if (!settled) outcome.is_stuck = true;
      if (parked) outcome.is_parked = true;
      if (settled && !parked && outcome.effects.back() == 0) outcome.is_lost = true;
    }
    outcome.steps = world_.steps_;
    outcome.violation = world_.violation_;
    return outcome;
  }

 private:
  using Maybe = std::optional<Process>;
  static constexpr bool has_timer = requires(Process & process) { process.on_timer(); };
  static constexpr bool has_idle = requires(Process & process) { process.idle(); };

  void live() {
    unsigned passes = 0;
    for (;;) {
      if (world_.steps_ >= options_.max_steps) throw EndlessRun{};
      try {
        if (!process_) start(process_);
        const bool quiet = pass(process_);
        if (is_replaced_) {
          is_replaced_ = false;
          world_.remark("the worker that was paused finds itself replaced, and ends");
          end_process(process_);
          continue;
        }
        if (quiet && all_settled()) {
          (void)world_.arrive("at rest", false, false);
          return;
        }
        if (++passes > options_.max_passes) return;
        world_.clock_.advance(options_.patience);
        world_.cursor_ = 0;
        world_.remark("what is not acknowledged is delivered again");
      } catch (const testing::Crash&) {
        bury(process_);
      }
    }
  }

  void start(Maybe& process) {
    world_.is_positioned_ = false;
    world_.cursor_ = 0;
    try {
      Handling handling(*this);
      process.emplace(world_, *outside_);
      end_if_dead();
      failed_starts_ = 0;
    } catch (const std::exception& error) {
      if (world_.trace_ != nullptr) world_.remark(std::string("the start threw: ") + error.what());
      if (++failed_starts_ > options_.max_passes) throw;  // a fault of the program's own
      world_.is_dead_ = true;
      throw testing::Crash{};
    }
  }

  // Hands out what there is, once. Whether nothing was left undone on the way.
  bool pass(Maybe& process) {
    bool quiet = true;
    while (process && !is_replaced_ && world_.cursor_ < world_.topic_.size()) {
      const std::size_t at = world_.cursor_++;
      if (world_.topic_[at].is_settled) continue;
      quiet = hand_out(process, at) && quiet;
      if (process) quiet = be_idle(*process) && quiet;
    }
    if (process && !is_replaced_) quiet = be_idle(*process) && quiet;
    return quiet;
  }

  bool hand_out(Maybe& process, std::size_t at) {
    const testing::Delivery delivery(world_.topic_[at].message, static_cast<std::int64_t>(at),
                                     world_);
    try {
      Handling handling(*this);
      process->handle(delivery);
      end_if_dead();
      if (world_.is_positioned_) world_.topic_[at].is_settled = true;
      return true;
    } catch (const std::exception& error) {
      if (world_.trace_ != nullptr)
        world_.remark(std::string("the handler threw: ") + error.what());
      // A consumer that keeps its own position has nobody to give the message back to.
      if (world_.is_positioned_) {
        world_.is_dead_ = true;
        throw testing::Crash{};
      }
      return false;
    }
  }

  // It may have caught everything that was thrown at it.
  void end_if_dead() const {
    if (!world_.is_dead_) return;
    if (world_.steps_ >= options_.max_steps) throw EndlessRun{};
    throw testing::Crash{};
  }

  bool be_idle(Process& process) {
    if constexpr (has_idle) {
      try {
        Handling handling(*this);
        process.idle();
        end_if_dead();
      } catch (const std::exception&) {
        return false;
      }
    }
    (void)process;
    return true;
  }

  // The worker at work stops here; somebody else goes on in its place.
  void pause() {
    const unsigned worker = std::exchange(world_.worker_, ++last_worker_);
    --world_.workers_left_;
    world_.clock_.advance(options_.patience);
    const std::size_t cursor = std::exchange(world_.cursor_, 0);
    if (options_.takeover == testing::Takeover::thread) {
      world_.remark("another thread of the process takes what is not acknowledged");
      (void)pass(process_in_charge());
      world_.cursor_ = cursor;
    } else {
      world_.remark("another process takes over");
      Maybe second;
      Maybe* const before = std::exchange(in_charge_, &second);
      try {
        start(second);
        (void)pass(second);
        is_replaced_ = false;
        end_process(second);
      } catch (const testing::Crash&) {
        bury(second);
      }
      in_charge_ = before;
      is_replaced_ = true;
    }
    world_.worker_ = worker;
    ++world_.workers_left_;
    world_.remark("the worker that was paused goes on");
  }

  void fire_timer() {
    if constexpr (has_timer) {
      if (!process_in_charge()) return;  // not made yet
      world_.in_timer_ = true;
      try {
        process_in_charge()->on_timer();
      } catch (const std::exception&) {
      } catch (...) {
        world_.in_timer_ = false;
        throw;
      }
      world_.in_timer_ = false;
    }
  }

  [[nodiscard]] Maybe& process_in_charge() {
    return in_charge_ == nullptr ? process_ : *in_charge_;
  }

  [[nodiscard]] bool all_settled() const {
    for (const auto& copy : world_.topic_) {
      if (!copy.is_settled) return false;
    }
    return true;
  }

  // It stops as it likes: its destructors work.
  static void end_process(Maybe& process) { process.reset(); }
  // It died: what its destructors say nobody hears.
  void bury(Maybe& process) {
    world_.remark("the process is dead; the next one starts");
    world_.is_dead_ = true;
    process.reset();
    world_.is_dead_ = false;
    is_replaced_ = false;
  }

  // While the code of a process runs.
  class Handling {
   public:
    explicit Handling(SimulatedRun& run)
        : run_(run), before_(std::exchange(run.world_.is_handling_, true)) {}
    Handling(const Handling&) = delete;
    Handling& operator=(const Handling&) = delete;
    ~Handling() { run_.world_.is_handling_ = before_; }

   private:
    SimulatedRun& run_;
    bool before_;
  };

  testing::SimulationOptions options_;
  testing::World world_;
  Outside* outside_ = nullptr;
  Maybe process_{};
  Maybe* in_charge_ = nullptr;
  unsigned last_worker_ = 1;
  unsigned failed_starts_ = 0;
  bool is_replaced_ = false;
};

}  // namespace idem::inline IDEM_ABI::detail
