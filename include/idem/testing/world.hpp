#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <idem/core/time.hpp>
#include <idem/core/uuid.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/testing/faults.hpp>
#include <idem/testing/fault.hpp>
#include <idem/testing/manual_clock.hpp>

namespace idem::inline IDEM_ABI {
namespace detail {

template <class Outside, class Process>
class SimulatedRun;

// Something that may forget the last write it acknowledged.
class Forgetful {
 public:
  [[nodiscard]] virtual bool has_something_to_forget() const noexcept = 0;
  virtual void forget_last() = 0;

 protected:
  ~Forgetful() = default;
};

// A run that takes more steps than any handler needs. Not a std::exception, like Crash.
struct EndlessRun {};

}  // namespace detail

namespace testing {

class World;

// One delivery of a message. The broker delivers it again until it is acknowledged or parked.
class Delivery {
 public:
  std::uint64_t message;  // which of the topic's messages, from 0 on
  std::int64_t offset;    // where in the topic this copy of it stands

  // What the producer gave the message: the same for every copy.
  [[nodiscard]] Uuid id() const noexcept { return Uuid(0x1de0, message); }

  // Each is a call that may fail like any other: CallFailed.
  void acknowledge() const;
  // To the dead-letter queue: acknowledged, and somebody will look at it.
  void park() const;

 private:
  template <class Outside, class Process>
  friend class detail::SimulatedRun;

  Delivery(std::uint64_t of, std::int64_t at, World& world) noexcept
      : message(of), offset(at), world_(&world) {}

  World* world_;
};

// Where a simulated process lives: a clock, a broker with one topic, and the steps at which it may
// die, be paused, or be told of a failure.
//
// A step is any call to something outside the process: those of Durable, Sink and SimulatedStore, of
// a Delivery and of this class. What happens between two steps is memory, and a crash anywhere in it
// is the crash before the next step. Where a pause between two things in memory would matter (a claim
// that is over before its commit), put a step() there.
//
// After a crash, until the process is gone, nothing it calls (in a destructor, say) has an effect.
class World {
 public:
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Each step takes a millisecond.
  [[nodiscard]] Instant now() const noexcept { return clock_.now(); }
  [[nodiscard]] ManualClock& clock() noexcept { return clock_; }

  // A place where the process may die or be paused. `what` is a literal, for the list of steps.
  void step(std::string_view what) { (void)arrive(what, false, true); }

  // A call to the outside: one step. `effect()` is what it does there, at once and for good. What it
  // returns. Throws CallFailed where the call reports failure, done or not.
  template <class Effect>
  auto call(std::string_view what, Effect&& effect) {
    const Answer answer = arrive(what, true, true);
    using Result = decltype(effect());
    if constexpr (std::is_void_v<Result>) {
      if (is_dead_) return;
      if (answer == Answer::refuse) throw CallFailed(what);
      effect();
      if (answer == Answer::lie) throw CallFailed(what);
    } else {
      if (is_dead_) return Result{};
      if (answer == Answer::refuse) throw CallFailed(what);
      Result result = effect();
      if (answer == Answer::lie) throw CallFailed(what);
      return result;
    }
  }

  // For consumers that keep their own position: from here on deliveries begin at `offset`, whatever
  // was acknowledged; what a handler returned from counts as consumed, until the next process seeks.
  // An exception out of the handler then ends the process, as nothing would deliver again.
  void seek(std::int64_t offset) {
    call("seek", [&] {
      is_positioned_ = true;
      for (std::size_t i = 0; i < topic_.size(); ++i) {
        topic_[i].is_settled = static_cast<std::int64_t>(i) < offset;
      }
      cursor_ = static_cast<std::size_t>(offset);
    });
  }
  // As a commit of offsets: everything below is acknowledged.
  void acknowledge_below(std::int64_t offset) {
    call("commit offset", [&] {
      for (std::int64_t i = 0; i < offset; ++i)
        topic_[static_cast<std::size_t>(i)].is_settled = true;
    });
  }
  [[nodiscard]] std::int64_t end_offset() const noexcept {
    return static_cast<std::int64_t>(topic_.size());
  }

  // A fault of the run when it does not hold: what never may be, whatever failed.
  void require(bool holds, std::string_view sentence) {
    if (!holds && violation_.empty()) violation_ = sentence;
  }

  // Crashed, and not gone yet.
  [[nodiscard]] bool is_dead() const noexcept { return is_dead_; }

  // For stores: see Durable.
  void add_forgetful(detail::Forgetful& store) { forgetful_.push_back(&store); }

 private:
  friend Delivery;
  template <class Outside, class Process>
  friend class detail::SimulatedRun;

  enum class Answer : std::uint8_t { none, refuse, lie };

  struct Copy {
    std::uint64_t message = 0;
    bool is_settled = false;
    bool is_parked = false;
  };
  struct Hooks {
    void* run;
    void (*pause)(void*);
    void (*timer)(void*);
    bool has_timer;
  };

  World(detail::FaultPlan& plan, std::string* trace, std::uint64_t step_limit, const Hooks& hooks)
      : plan_(plan), trace_(trace), step_limit_(step_limit), hooks_(hooks) {}

  Answer arrive(std::string_view what, bool is_call, bool in_process) {
    for (;;) {
      if (is_dead_) {
        if (std::uncaught_exceptions() == 0) throw Crash{};
        return Answer::none;
      }
      clock_.advance(Duration::nanoseconds(1'000'000));
      const std::uint64_t step = steps_++;
      if (step >= step_limit_) {
        is_dead_ = true;
        throw detail::EndlessRun{};
      }
      Fault fault{};
      const bool happens = plan_.at(step, possible(is_call, in_process), fault);
      if (trace_ != nullptr) note(step, what, happens ? name(fault) : std::string_view());
      if (!happens) return Answer::none;
      switch (fault) {
        case Fault::amnesia:
          for (detail::Forgetful* const store : forgetful_) {
            if (store->has_something_to_forget()) store->forget_last();
          }
          [[fallthrough]];
        case Fault::crash:
          is_dead_ = true;
          throw Crash{};
        case Fault::pause:
          hooks_.pause(hooks_.run);
          break;
        case Fault::timer:
          hooks_.timer(hooks_.run);
          break;
        case Fault::refuse:
          return Answer::refuse;
        case Fault::lie:
          return Answer::lie;
      }
    }
  }

  [[nodiscard]] detail::FaultSet possible(bool is_call, bool in_process) const noexcept {
    detail::FaultSet set;
    set.add(Fault::crash);
    set.add(Fault::amnesia);  // a crash, where there is nothing to forget
    if (is_call) {
      set.add(Fault::refuse);
      set.add(Fault::lie);
    }
    if (in_process && is_handling_) {
      if (workers_left_ != 0) set.add(Fault::pause);
      if (hooks_.has_timer && !in_timer_) set.add(Fault::timer);
    }
    return set;
  }

  void note(std::uint64_t step, std::string_view what, std::string_view fault) {
    *trace_ += "step " + std::to_string(step) + ", worker " + std::to_string(worker_) + ": ";
    *trace_ += what;
    if (!fault.empty()) {
      *trace_ += "  <- ";
      *trace_ += fault;
    }
    *trace_ += '\n';
  }
  void remark(std::string_view text) {
    if (trace_ == nullptr) return;
    *trace_ += text;
    *trace_ += '\n';
  }

  ManualClock clock_;
  detail::FaultPlan& plan_;
  std::string* trace_;
  std::uint64_t step_limit_;
  Hooks hooks_;
  std::uint64_t steps_ = 0;
  std::vector<Copy> topic_{};
  std::size_t cursor_ = 0;  // where the next delivery is looked for
  std::vector<detail::Forgetful*> forgetful_{};
  std::string violation_{};
  unsigned worker_ = 1;
  unsigned workers_left_ = 0;
  bool is_dead_ = false;
  bool is_positioned_ = false;
  bool is_handling_ = false;
  bool in_timer_ = false;
};

inline void Delivery::acknowledge() const {
  world_->call("acknowledge",
               [&] { world_->topic_[static_cast<std::size_t>(offset)].is_settled = true; });
}
inline void Delivery::park() const {
  world_->call("park", [&] {
    world_->topic_[static_cast<std::size_t>(offset)].is_settled = true;
    world_->topic_[static_cast<std::size_t>(offset)].is_parked = true;
  });
}

}  // namespace testing
}  // namespace idem::inline IDEM_ABI
