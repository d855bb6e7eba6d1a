#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include <idem/core/bytes.hpp>
#include <idem/core/hash.hpp>
#include <idem/core/time.hpp>
#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI {

// From which sighting a key's time in the window counts.
enum class WindowMode : std::uint8_t {
  fixed,    // the first: a duplicate changes nothing
  sliding,  // the last: every duplicate starts the time anew
};

// What a key's time is.
enum class WindowTime : std::uint8_t {
  arrival,  // At::now: when the message was seen here
  event,    // At::event: the time the message carries, in any order
  id,       // the time inside a version 7 UUID; At::event for ids that carry none
};

// What happens when there is no room before the window has ended.
enum class WhenFull : std::uint8_t {
  refuse,         // `full`, and nothing is forgotten
  forget_oldest,  // the key that came first goes early; counted, and told by effective_horizon()
};

// The options of TimeWindowRing by arrival.
struct TimeWindowOptions {
  // How long a key is remembered. More than zero, there is no default; Duration::max() sets no bound
  // in time, for a window over the last max_keys keys.
  Duration window{};
  // A key may be remembered up to so much longer, never shorter. Zero: window / 1024, and one
  // granule for all where the window is Duration::max(). At most the window; where keys have a time
  // of their own (sliding, event, id) at least window / 65536. Finer costs 16 bytes for every granule
  // in which keys arrive.
  Duration granularity{};
  // The ring never holds more bytes than this, itself and an index being made included.
  ByteSize budget = ByteSize::unlimited();
  // It never remembers more keys than this, 2^30 at most in any case.
  std::size_t max_keys = std::numeric_limits<std::size_t>::max();
  WhenFull when_full = WhenFull::refuse;
  // Room made in the constructor, and kept: the index does not grow below this many keys.
  std::size_t expected_keys = 0;
  // Unset: drawn from the operating system.
  std::optional<Seed> seed = std::nullopt;
};

// The same for windows over event time.
struct EventWindowOptions {
  // How long a key is remembered, measured back from the newest event seen.
  Duration window{};
  Duration granularity{};
  // An event this much older than the newest, or more, is `stale`. More than zero and at most the
  // window; Duration::max() means the window.
  Duration allowed_lateness = Duration::max();
  // An event further ahead of At::now than this is taken to be that far ahead and no more, and
  // counted, so that one wrong clock cannot make everybody else stale. Duration::max(): any event
  // time is believed.
  Duration allowed_lead = Duration::max();
  ByteSize budget = ByteSize::unlimited();
  std::size_t max_keys = std::numeric_limits<std::size_t>::max();
  WhenFull when_full = WhenFull::refuse;
  std::size_t expected_keys = 0;
  std::optional<Seed> seed = std::nullopt;
};

// What a TimeWindowRing counts since it was made.
struct TimeWindowCounters {
  // Calls whose `now` was before the latest: answered as at the latest. By arrival only.
  std::uint64_t clock_went_back = 0;
  // Keys forgotten before their window ended: promises broken under WhenFull::forget_oldest.
  std::uint64_t early_evictions = 0;
  // Messages answered `stale`.
  std::uint64_t stale = 0;
  // Events further ahead of `now` than allowed_lead.
  std::uint64_t events_ahead = 0;
  // Times the index was made anew, larger or smaller.
  std::uint64_t index_resizes = 0;
  // The most one call did besides judging its own key: entries moved or looked at, index lines
  // zeroed, chunks of memory given back. See TimeWindowRing::most_work_a_call.
  std::uint64_t most_work = 0;
  // The most index lines one new key met before it found a place.
  std::uint64_t longest_probe = 0;
};

}  // namespace idem::inline IDEM_ABI
