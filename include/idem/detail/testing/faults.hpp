#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <idem/detail/abi.hpp>
#include <idem/testing/fault.hpp>

namespace idem::inline IDEM_ABI::detail {

// SplitMix64.
class TestRandom {
 public:
  explicit TestRandom(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t next() noexcept {
    std::uint64_t x = state_ += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
  }
  // 0 <= result < bound.
  std::uint64_t below(std::uint32_t bound) noexcept { return (next() >> 32) * bound >> 32; }

 private:
  std::uint64_t state_;
};

// A set of faults.
struct FaultSet {
  std::uint8_t bits = 0;

  void add(testing::Fault fault) noexcept {
    bits = static_cast<std::uint8_t>(bits | 1U << static_cast<unsigned>(fault));
  }
  [[nodiscard]] bool has(testing::Fault fault) const noexcept {
    return (bits >> static_cast<unsigned>(fault) & 1U) != 0;
  }
};

// How many faults of each kind a run may still have, and how many in all.
struct FaultBudget {
  std::array<unsigned, testing::fault_kinds> of{};
  unsigned all = 0;

  [[nodiscard]] bool allows(testing::Fault fault) const noexcept {
    return all != 0 && of[static_cast<std::size_t>(fault)] != 0;
  }
  void take(testing::Fault fault) noexcept {
    --of[static_cast<std::size_t>(fault)];
    --all;
  }
};

// Says at each step which fault comes: those of a schedule, or random ones; and keeps what it said.
class FaultPlan {
 public:
  // Exactly these.
  explicit FaultPlan(const testing::Schedule& schedule) : schedule_(schedule) {}
  // One step in `rate` has one, while the budget lasts.
  FaultPlan(std::uint64_t seed, const FaultBudget& budget, std::uint32_t rate)
      : random_(seed), budget_(budget), rate_(rate) {}

  // Whether a fault comes at this step, of those that are possible there.
  [[nodiscard]] bool at(std::uint64_t step, FaultSet possible, testing::Fault& fault) {
    if (rate_ == 0) {
      possible_.push_back(possible);
      if (next_ == schedule_.size() || schedule_[next_].step != step) return false;
      fault = schedule_[next_++].fault;
      return possible.has(fault);
    }
    if (random_.below(rate_) != 0) return false;
    std::array<testing::Fault, testing::fault_kinds> choice{};
    std::uint32_t choices = 0;
    for (std::size_t kind = 0; kind < testing::fault_kinds; ++kind) {
      const auto one = static_cast<testing::Fault>(kind);
      if (possible.has(one) && budget_.allows(one)) choice[choices++] = one;
    }
    if (choices == 0) return false;
    fault = choice[random_.below(choices)];
    budget_.take(fault);
    schedule_.push_back({fault, step});
    return true;
  }

  [[nodiscard]] const testing::Schedule& schedule() const noexcept { return schedule_; }
  // What could have happened at each step of a run under a schedule.
  [[nodiscard]] const std::vector<FaultSet>& possible() const noexcept { return possible_; }

 private:
  testing::Schedule schedule_;
  std::size_t next_ = 0;
  std::vector<FaultSet> possible_{};
  TestRandom random_{0};
  FaultBudget budget_{};
  std::uint32_t rate_ = 0;  // 0: the schedule
};

}  // namespace idem::inline IDEM_ABI::detail
