#pragma once

#include <idem/core/time.hpp>
#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::testing {

// A clock that stands still until it is told to move, for tests of what depends on time.
class ManualClock {
 public:
  constexpr ManualClock() = default;
  constexpr explicit ManualClock(Instant start) noexcept : now_(start) {}

  [[nodiscard]] constexpr Instant now() const noexcept { return now_; }
  // Also backwards, by a negative duration: clocks do that.
  constexpr void advance(Duration by) noexcept { now_ = now_ + by; }
  constexpr void set(Instant to) noexcept { now_ = to; }

 private:
  Instant now_{};
};

}  // namespace idem::inline IDEM_ABI::testing
