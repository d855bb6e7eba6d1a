#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <idem/core/verdict.hpp>
#include <idem/dedup/counters.hpp>
#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI::detail {

// Counts for a policy with Counters.
class Tally {
 public:
  Verdict answered(Verdict verdict) noexcept {
    ++counts_.verdicts[static_cast<std::size_t>(verdict)];
    return verdict;
  }
  void answered(std::span<const Verdict> verdicts) noexcept {
    for (const Verdict verdict : verdicts) (void)answered(verdict);
  }
  void committed() noexcept { ++counts_.commits; }
  void aborted() noexcept { ++counts_.aborts; }
  void took_over() noexcept { ++counts_.takeovers; }
  void lost_claim() noexcept { ++counts_.lost_claims; }
  void refuted() noexcept { ++counts_.refuted; }
  void forgot_failures(bool forgot) noexcept { counts_.forgotten_failures += forgot ? 1 : 0; }

  [[nodiscard]] const DeduplicatorCounters& counts() const noexcept { return counts_; }

 private:
  DeduplicatorCounters counts_;
};

// The same for a policy without: nothing.
struct NoTally {
  static constexpr Verdict answered(Verdict verdict) noexcept { return verdict; }
  static constexpr void answered(std::span<const Verdict>) noexcept {}
  static constexpr void committed() noexcept {}
  static constexpr void aborted() noexcept {}
  static constexpr void took_over() noexcept {}
  static constexpr void lost_claim() noexcept {}
  static constexpr void refuted() noexcept {}
  static constexpr void forgot_failures(bool) noexcept {}
};

}  // namespace idem::inline IDEM_ABI::detail
