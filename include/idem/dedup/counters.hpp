#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI {

// What a Deduplicator whose policy names Counters has done since it was made.
struct DeduplicatorCounters {
  // Answers given by insert and claim, by verdict; counters[Verdict::duplicate] reads one.
  std::array<std::uint64_t, 12> verdicts{};
  // Claims that were committed, and that were given back by abort() or their guard's end.
  std::uint64_t commits = 0;
  std::uint64_t aborts = 0;
  // Claims granted over one whose lease had run out. Each is counted as `fresh` too.
  std::uint64_t takeovers = 0;
  // Commits that came too late: answered `fenced`, as the claim was taken over or poisoned.
  std::uint64_t lost_claims = 0;
  // Keys whose failed attempts were forgotten to stay within max_failed_keys.
  std::uint64_t forgotten_failures = 0;
  // Fresh messages that were answered `probable_duplicate`, as refute() was told.
  std::uint64_t refuted = 0;
  // Keys that the memory forgot before their time since that was made or loaded, cleared or not, and
  // where it counts that; 0 otherwise. A Deduplicator that goes on from a memory goes on from its
  // count. What was pushed out of an InverseFilter is among them, and a producer that a tracker forgot
  // at its cap.
  std::uint64_t early_evictions = 0;

  [[nodiscard]] constexpr std::uint64_t operator[](Verdict verdict) const noexcept {
    return verdicts[static_cast<std::size_t>(verdict)];
  }
  // The share of the fresh messages that was taken for seen, where every `probable_duplicate` is
  // looked up in something exact and those that are new are refuted: what
  // Deduplicator::false_positive_rate() predicts. 0 before the first fresh one.
  [[nodiscard]] constexpr double observed_false_positive_rate() const noexcept {
    const std::uint64_t fresh = refuted + (*this)[Verdict::fresh];
    return fresh == 0 ? 0 : static_cast<double>(refuted) / static_cast<double>(fresh);
  }
  constexpr DeduplicatorCounters& operator+=(const DeduplicatorCounters& other) noexcept {
    for (std::size_t i = 0; i < verdicts.size(); ++i) verdicts[i] += other.verdicts[i];
    commits += other.commits;
    aborts += other.aborts;
    takeovers += other.takeovers;
    lost_claims += other.lost_claims;
    refuted += other.refuted;
    forgotten_failures += other.forgotten_failures;
    early_evictions += other.early_evictions;
    return *this;
  }
  friend constexpr bool operator==(const DeduplicatorCounters&,
                                   const DeduplicatorCounters&) = default;
};

}  // namespace idem::inline IDEM_ABI
