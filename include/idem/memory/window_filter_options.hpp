#pragma once

#include <cstdint>
#include <optional>

#include <idem/core/bytes.hpp>
#include <idem/core/hash.hpp>
#include <idem/core/time.hpp>
#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI {

// What happens when more keys come in a sixth of the window than a sixth of expected_keys.
enum class WhenCrowded : std::uint8_t {
  raise_rate,     // they are taken, and the false-positive rate rises above what was asked for;
                  // counted in overfull_keys, and told by false_positive_rate()
  forget_oldest,  // the oldest sixth is forgotten early, and the rate is kept; counted in
                  // early_evictions, and told by effective_horizon()
  refuse,         // `full`: neither the rate nor the window gives way
};

// The options of a filter over a window by arrival.
struct WindowFilterOptions {
  // How long a key is remembered. More than zero, there is no default; Duration::max() sets no bound
  // in time, for a window over the last expected_keys keys, and needs WhenCrowded::forget_oldest.
  Duration window{};
  // How many different keys are in a window, at least 1. In a sliding window a key counts once for
  // every sixth of the window it is seen in.
  std::uint64_t expected_keys = 0;
  // The share of fresh keys that may be taken for seen with so many in the window, evenly spread. It
  // is either this, more than 0 and less than 1, or `size`.
  double false_positive_rate = 0;
  // The bytes of the bit array, rounded down to whole blocks.
  ByteSize size{};
  // The cache lines a call touches, 1 or 2. Two need a fifth less memory at 1 % and a third less at
  // 0.1 %. 0: one, or two where one would need more than one and a half times the memory; one where
  // `size` is given.
  unsigned lines_a_key = 0;
  WhenCrowded when_crowded = WhenCrowded::raise_rate;
  // Unset: drawn from the operating system.
  std::optional<Seed> seed = std::nullopt;
};

// The same over event time. When crowded the rate rises.
struct EventWindowFilterOptions {
  // How long a key is remembered, measured back from the newest event seen.
  Duration window{};
  std::uint64_t expected_keys = 0;
  double false_positive_rate = 0;
  ByteSize size{};
  unsigned lines_a_key = 0;
  // An event this much older than the newest, or more, is `stale`. More than zero and at most the
  // window; Duration::max() means the window.
  Duration allowed_lateness = Duration::max();
  // An event further ahead of At::now than this is taken to be that far ahead and no more, and
  // counted. Duration::max(): any event time is believed.
  Duration allowed_lead = Duration::max();
  std::optional<Seed> seed = std::nullopt;
};

// The options of a cuckoo filter over a window. Its size is said in one of two ways, and not in both:
// expected_keys, or size. There is no rate to ask for: the width of the fingerprint is the rate.
struct WindowCuckooOptions {
  // How long a key is remembered. More than zero, there is no default.
  Duration window{};
  // How many different keys are in a window, at least 1; there is room for as many in the sixth of a
  // window more that may be remembered, at 80 % load.
  std::uint64_t expected_keys = 0;
  // The bytes of the table, rounded down to whole lines of 64; at least one.
  ByteSize size{};
  std::optional<Seed> seed = std::nullopt;
};

// What a filter over a window counts since it was made.
struct WindowFilterCounters {
  // Calls whose `now` was before the latest: answered as at the latest. By arrival only.
  std::uint64_t clock_went_back = 0;
  // Keys forgotten before their window ended: promises broken under WhenCrowded::forget_oldest.
  std::uint64_t early_evictions = 0;
  // Keys beyond those a generation was planned for, for which the rate rose.
  std::uint64_t overfull_keys = 0;
  // Messages answered `stale`, and events further ahead of `now` than allowed_lead.
  std::uint64_t stale = 0;
  std::uint64_t events_ahead = 0;
  // Generations begun.
  std::uint64_t rotations = 0;
};

}  // namespace idem::inline IDEM_ABI
