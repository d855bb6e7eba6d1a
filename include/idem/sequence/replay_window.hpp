#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include <idem/core/error.hpp>
#include <idem/core/seed.hpp>
#include <idem/core/state.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/sequence/replay_ring.hpp>

namespace idem::inline IDEM_ABI {

struct ReplayWindowOptions {
  // Numbers 0 .. limit - 1 are used. At least 1.
  std::uint64_t limit = std::numeric_limits<std::uint64_t>::max();
};

// Remembers which of one sender's numbers have come, in any order, within a window below the
// highest.
//
// Guarantee   of the `window` numbers up to the highest recorded, each is `fresh` until recorded
//             and `duplicate` ever after; older ones are `stale`, newer ones `fresh`. A number at
//             or above the limit is `poisoned`: a sender that runs out of numbers needs a new
//             window, never the old numbers again.
// Check       apart from record, so that a number counts only once its message has proved genuine
//             or its work is done: record what is merely claimed, and anybody can push the window
//             past the true sender.
// Forgetting  whatever falls behind the window.
// Memory      one bit a number: window / 8 bytes, rounded up to a power of two of blocks.
// Complexity  O(1); a record that jumps ahead clears at most the window, however far it jumps.
// Threads     const members may run together; anything else needs a lock around it.
// Errors      a limit of 0 throws std::invalid_argument. Everything else is noexcept; nothing
//             allocates.
// Source      RFC 6479
// Example     docs/sequences.md
template <std::uint64_t window = 1024>
class ReplayWindow {
  static_assert(window >= 1 && window <= (std::uint64_t{1} << 32), "a window is 1 to 2^32 numbers");

 public:
  using Options = ReplayWindowOptions;

  // Numbers 0 .. limit - 1 are used; by default all but the highest.
  constexpr explicit ReplayWindow(std::uint64_t limit = std::numeric_limits<std::uint64_t>::max())
      : limit_(limit) {
    if (limit == 0) detail::invalid_option("ReplayWindow(limit)", limit, "at least 1");
  }

  // `fresh`, `duplicate`, `stale` or `poisoned`; records nothing.
  [[nodiscard]] constexpr Verdict check(std::uint64_t number) const noexcept {
    return number >= limit_ ? Verdict::poisoned : ring_.check(number);
  }

  // What check() answers; and a fresh number is a duplicate from now on.
  constexpr Verdict record(std::uint64_t number) noexcept {
    const Verdict verdict = check(number);
    if (verdict == Verdict::fresh) ring_.record(number);
    return verdict;
  }

  // One past the highest number recorded; 0: none yet.
  [[nodiscard]] constexpr std::uint64_t end() const noexcept { return ring_.end(); }
  [[nodiscard]] constexpr std::uint64_t limit() const noexcept { return limit_; }
  [[nodiscard]] static constexpr std::size_t memory_bytes() noexcept {
    return sizeof(ReplayWindow);
  }

  // The highest number and the bits of the window, for idem::save and idem::load as the concept
  // Saveable says.
  static constexpr StateType state_type{.kind = StateKind::replay_window};
  [[nodiscard]] StateShape state_shape() const noexcept {
    return {.type = state_type,
            .first = window,
            .second = limit_,
            .elements = ring_.words(),
            .bytes = 8 + 8 * ring_.words()};
  }
  bool write_state(auto& out) const {
    out.u64(ring_.end());
    for (std::uint64_t i = 0; i < ring_.words(); ++i) out.u64(ring_.word(i));
    return out.ok();
  }
  [[nodiscard]] static Result<ReplayWindow> read_state(auto& in, const StateShape& shape,
                                                       const Options& options) {
    if (shape.first != window)
      return Error{ErrorCode::other_options, StateShape::first_at, "window"};
    if (shape.second != options.limit)
      return Error{ErrorCode::other_options, StateShape::second_at, "limit"};
    if (shape.seed != Seed{}) return Error{ErrorCode::bad_value, StateShape::seed_at, "seed"};
    ReplayWindow result(options.limit);
    const std::size_t at = in.position();
    std::uint64_t end = 0;
    if (!in.u64(end)) return Error{ErrorCode::truncated, at, "highest number"};
    if (end > options.limit) return Error{ErrorCode::bad_value, at, "highest number"};
    result.ring_.set_end(end);
    const std::uint64_t words = result.ring_.words();
    if (shape.elements != words)
      return Error{ErrorCode::bad_value, StateShape::elements_at, "words"};
    if (in.remaining() != 8 * words)
      return Error{ErrorCode::bad_value, StateShape::bytes_at, "words"};
    for (std::uint64_t i = 0; i < words; ++i) {
      const std::size_t word_at = in.position();
      std::uint64_t word = 0;
      if (!in.u64(word)) return Error{ErrorCode::truncated, word_at, "word"};
      if (!result.ring_.set_word(i, word)) return Error{ErrorCode::bad_value, word_at, "word"};
    }
    return Result<ReplayWindow>(result);
  }

 private:
  detail::ReplayRing<window> ring_;
  std::uint64_t limit_;
};

}  // namespace idem::inline IDEM_ABI
