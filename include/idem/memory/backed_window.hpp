#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include <idem/core/error.hpp>
#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/memory.hpp>
#include <idem/core/state.hpp>
#include <idem/core/state_stream.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/id_codec.hpp>
#include <idem/detail/core/lossy_key.hpp>
#include <idem/detail/core/state_part.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/backing_filter.hpp>
#include <idem/memory/time_window_ring.hpp>

namespace idem::inline IDEM_ABI {

// The options of a BackedWindow: those of its exact window and those of its filter.
template <class ExactOptions, class FilterOptions>
struct BackedWindowOptions {
  ExactOptions exact{};
  FilterOptions filter{};
};

// An exact window over what is recent, and behind it a filter over what is older: `duplicate` where
// it is certain, `probable_duplicate` where only the filter remembers, `fresh` where neither does.
//
// Guarantee   an id is a `duplicate` as long as the exact window says so, and a `probable_duplicate`
//             from then on for as long as the filter remembers. Ids enter the filter in the call
//             that answers `fresh`, so none falls between the two. An id that was never recorded is
//             never a `duplicate`, and a `probable_duplicate` at the filter's rate. Where the window
//             is fixed, an id answered `probable_duplicate` leaves no trace: sent again it is judged
//             the same way again, and never called a `duplicate` of a message that nobody processed.
// Filter      a WindowBloomFilter longer than the exact window, or a BloomFilter, which remembers for
//             ever and whose rate rises for ever; or a class of yours with insert and check as theirs.
// Time        by arrival, in both.
// Memory      that of the two. The filter holds the ids of its whole window, the exact ones too.
// Complexity  O(1): one filter line for an id that neither knows, and the exact window's own.
// Threads     const members may run together; anything else needs a lock around it.
// Errors      options that are nonsense, and a filter whose window is not longer, throw
//             std::invalid_argument; copying throws std::bad_alloc. Everything else is noexcept.
//             `full` from either of the two records nothing in both.
// Example     docs/time-windows.md
template <class ExactWindow, class Filter>
class BackedWindow
    : detail::NoLossyKeys<BackedWindow<ExactWindow, Filter>, typename ExactWindow::Stored> {
  using Guard = detail::NoLossyKeys<BackedWindow, typename ExactWindow::Stored>;

  static_assert(
      Memory<ExactWindow> && !ExactWindow::errors.may_drop &&
          requires { requires ExactWindow::time == WindowTime::arrival; },
      "idem::BackedWindow<Exact, Filter>: Exact is a TimeWindowRing by arrival");
  static_assert(
      detail::BackingFilter<Filter, ExactWindow>,
      "idem::BackedWindow<Exact, Filter>: Filter is a WindowBloomFilter by arrival, of the "
      "same ids and the same WindowMode, or a BloomFilter of the same ids");

  static constexpr bool sliding = ExactWindow::mode == WindowMode::sliding;

 public:
  using Stored = typename ExactWindow::Stored;
  using Options = BackedWindowOptions<typename ExactWindow::Options, typename Filter::Options>;
  using Hash = typename ExactWindow::Hash;
  template <HashPolicy Other>
  using WithHash = BackedWindow<typename ExactWindow::template WithHash<Other>,
                                typename detail::FilterWithHash<Filter, Other>::type>;

  static constexpr Errors errors = ExactWindow::errors | Filter::errors;
  static constexpr bool needs_time = true;
  static constexpr WindowMode mode = ExactWindow::mode;
  static constexpr WindowTime time = WindowTime::arrival;

  explicit BackedWindow(const Options& options) : exact_(options.exact), filter_(options.filter) {
    detail::require_longer_filter(exact_, filter_);
  }

  // `fresh`, `duplicate`, `probable_duplicate` or `full`.
  Verdict insert(const Stored& id, At at) noexcept {
    detail::advance_filter(filter_, at);
    if (filter_.check(id, at) == Verdict::fresh) {
      const Verdict verdict = exact_.insert(id, at);
      if (verdict == Verdict::fresh && !detail::remember(filter_, id, at)) {
        (void)exact_.forget(id);
        return Verdict::full;
      }
      // A duplicate here is one that the filter forgot early.
      if (sliding && verdict == Verdict::duplicate) (void)detail::remember(filter_, id, at);
      return verdict;
    }
    exact_.advance(at);
    if constexpr (sliding) {
      if (!detail::remember(filter_, id, at)) return Verdict::full;
      if (exact_.check(id, at) == Verdict::duplicate) return exact_.insert(id, at);
      return Verdict::probable_duplicate;
    } else {
      return exact_.check(id, at) == Verdict::duplicate ? Verdict::duplicate
                                                        : Verdict::probable_duplicate;
    }
  }

  // As that many single inserts in order, with their cache misses overlapped.
  void insert(std::span<const Stored> ids, At at, std::span<Verdict> verdicts) noexcept {
    detail::require_equal_sizes(ids.size(), verdicts.size());
    constexpr std::size_t ahead = 16;
    for (std::size_t i = 0; i < detail::smaller(ahead, ids.size()); ++i) prefetch(ids[i]);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (i + ahead < ids.size()) prefetch(ids[i + ahead]);
      verdicts[i] = insert(ids[i], at);
    }
  }

  // What insert would answer, but for `full`; records nothing and does not move the clock.
  [[nodiscard]] Verdict check(const Stored& id, At at) const noexcept {
    const Verdict verdict = exact_.check(id, at);
    return verdict == Verdict::fresh ? filter_.check(id, at) : verdict;
  }

  // Records an id that was answered `probable_duplicate` and turned out to be new: it is a
  // `duplicate` from now on. False: `full`, and nothing was recorded.
  [[nodiscard]] bool add(const Stored& id, At at) noexcept {
    detail::advance_filter(filter_, at);
    const Verdict verdict = exact_.insert(id, at);
    if (verdict == Verdict::full) return false;
    if (detail::remember(filter_, id, at)) return true;
    if (verdict == Verdict::fresh) (void)exact_.forget(id);
    return false;
  }

  // Moves both clocks as a message of that time would.
  void advance(At at) noexcept {
    detail::advance_filter(filter_, at);
    exact_.advance(at);
  }
  // As TimeWindowRing::restart_clock, for both.
  void restart_clock(Instant now) noexcept {
    if constexpr (requires { filter_.restart_clock(now); }) filter_.restart_clock(now);
    exact_.restart_clock(now);
  }
  // Forgets every id.
  void clear() noexcept {
    exact_.clear();
    filter_.clear();
  }

  // Fetches what the id's call will touch first, for a call that comes soon.
  __attribute__((always_inline)) void prefetch(const Stored& id) const noexcept {
    if constexpr (requires { filter_.prefetch(id); }) filter_.prefetch(id);
    exact_.prefetch(id);
  }

  // The ids held exactly.
  [[nodiscard]] std::size_t size() const noexcept { return exact_.size(); }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sizeof(*this) - sizeof(exact_) - sizeof(filter_) + exact_.memory_bytes() +
           filter_.memory_bytes();
  }
  [[nodiscard]] const Hash& hash() const noexcept { return exact_.hash(); }

  // Ids recorded here or later are answered `duplicate`; those recorded between the two
  // `probable_duplicate`. A filter that never forgets has no horizon: Instant::min().
  [[nodiscard]] Instant exact_horizon() const noexcept { return exact_.effective_horizon(); }
  [[nodiscard]] Instant filter_horizon() const noexcept {
    if constexpr (requires { filter_.effective_horizon(); }) {
      return filter_.effective_horizon();
    } else {
      return Instant::min();
    }
  }

  // The state for idem::save and idem::load, as the concept Saveable says: those of the two.
  static constexpr StateType state_type{.kind = StateKind::backed_window,
                                        .key = detail::key_number<Stored>,
                                        .hash = detail::hash_number<Hash>};
  [[nodiscard]] StateShape state_shape() const requires Saveable<ExactWindow> && Saveable<Filter> {
    const StateShape exact = exact_.state_shape(), filter = filter_.state_shape();
    return {.type = state_type,
            .seed = exact.seed,
            .elements = exact.elements + filter.elements,
            .bytes = detail::part_bytes(exact) + detail::part_bytes(filter)};
  }
  bool write_state(StateWriter& out) const requires Saveable<ExactWindow> && Saveable<Filter> {
    return detail::write_part(out, exact_) && detail::write_part(out, filter_);
  }
  [[nodiscard]] static Result<BackedWindow> read_state(
      StateReader& in, const StateShape& shape,
      const Options& options) requires Saveable<ExactWindow> && Saveable<Filter> {
    constexpr auto bad = ErrorCode::bad_value;
    if (shape.first != 0) return Error{bad, StateShape::first_at, "backed window"};
    if (shape.second != 0) return Error{bad, StateShape::second_at, "backed window"};
    std::uint64_t elements_left = shape.elements;
    StateShape part;
    auto exact = detail::read_part<ExactWindow>(in, options.exact, part, elements_left);
    if (!exact) return exact.error();
    if (part.seed != shape.seed) return Error{bad, StateShape::seed_at, "backed window"};
    auto filter = detail::read_part<Filter>(in, options.filter, part, elements_left);
    if (!filter) return filter.error();
    if (elements_left != 0) return Error{bad, StateShape::elements_at, "backed window"};
    detail::require_longer_filter(*exact, *filter);
    return Result<BackedWindow>(BackedWindow(*std::move(exact), *std::move(filter)));
  }

  // Whether test(id) is true of every id held exactly; a filter has none to show.
  [[nodiscard]] bool all_of(const auto& test) const noexcept requires
      requires(const ExactWindow& window) {
    window.all_of(test);
  }
  { return exact_.all_of(test); }

  // The same for both together, as the Deduplicator asks: what is remembered at all, the chance that
  // the filter takes the next fresh id for seen, and what either of the two forgot before its time.
  [[nodiscard]] Instant effective_horizon() const noexcept { return filter_horizon(); }
  [[nodiscard]] double false_positive_rate() const noexcept {
    return filter_.false_positive_rate();
  }
  [[nodiscard]] std::uint64_t early_evictions() const noexcept {
    std::uint64_t sum = exact_.counters().early_evictions;
    if constexpr (requires { filter_.counters().early_evictions; }) {
      sum += filter_.counters().early_evictions;
    }
    return sum;
  }

  // The two, for what only they can tell: counters, rates.
  [[nodiscard]] const ExactWindow& exact() const noexcept { return exact_; }
  [[nodiscard]] const Filter& filter() const noexcept { return filter_; }

  // Arguments that would silently become another key are refused.
  using Guard::add;
  using Guard::check;
  using Guard::insert;

 private:
  BackedWindow(ExactWindow&& exact, Filter&& filter) noexcept
      : exact_(std::move(exact)), filter_(std::move(filter)) {}

  ExactWindow exact_;
  Filter filter_;
};

}  // namespace idem::inline IDEM_ABI
