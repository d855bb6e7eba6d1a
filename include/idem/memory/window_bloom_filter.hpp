#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include <idem/core/bytes.hpp>
#include <idem/core/error.hpp>
#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/seed.hpp>
#include <idem/core/state.hpp>
#include <idem/core/state_stream.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/id_codec.hpp>
#include <idem/detail/core/lossy_key.hpp>
#include <idem/detail/memory/filter_hash.hpp>
#include <idem/detail/memory/generation_filter.hpp>
#include <idem/detail/memory/generation_plan.hpp>
#include <idem/detail/memory/generation_state.hpp>
#include <idem/detail/memory/window_rules.hpp>
#include <idem/memory/time_window_options.hpp>
#include <idem/memory/window_filter_options.hpp>

namespace idem::inline IDEM_ABI {

// Remembers the ids of the last `window` of time, or the last so many of them, in a few bytes each,
// at the price of taking some fresh ones for seen.
//
// Guarantee   an id that was recorded is `probable_duplicate` for the window: from the call that
//             answered `fresh` (fixed), or from any call (sliding). It may stay so for up to
//             granularity(), a sixth of the window, longer; never shorter, unless when_crowded says
//             forget_oldest. Any other is too, with the probability that rate_for tells for the keys
//             of a full window; otherwise it is `fresh`. Never answers `duplicate`. The rate is a
//             promise about ids that nobody chose by the answers: against people who do, take the
//             hash SipHash, or HostileKeys in a policy.
// Time        as in TimeWindowRing. By arrival: `now`; one that goes back counts as the latest so
//             far. By event: the event's own time, in any order; the window ends at the newest, and
//             what is older than allowed_lateness allows is `stale`.
// Forgetting  by itself only. A generation ends in no time: what it leaves is cleared in each block
//             when that is touched next.
// Memory      fixed in the constructor: 31 bits a key of the window at 1 %, 58 at 0.1 %; with two
//             lines 24 and 40.
// Complexity  O(1), one or two cache lines, whatever the clock does; what is slower says so.
// Values      the same bits for the same seed and calls on every machine and instruction set.
// Threads     const members may run together; anything else needs a lock around it.
// Errors      options that are nonsense, and a size there is no memory for, throw
//             std::invalid_argument; copying throws std::bad_alloc. Everything else is noexcept.
//             One that was moved from answers `full`.
// Source      generations side by side in one block; sections of a register-blocked Bloom filter as
//             in Lang et al., "Performance-Optimal Filtering", VLDB 2019.
// Example     docs/time-windows.md
template <class Id, WindowMode window_mode = WindowMode::fixed,
          WindowTime window_time = WindowTime::arrival, HashPolicy HashT = Xxh3Hash>
class WindowBloomFilter
    : detail::NoLossyKeys<WindowBloomFilter<Id, window_mode, window_time, HashT>, Id> {
  using Guard = detail::NoLossyKeys<WindowBloomFilter, Id>;

  static_assert(Key<Id> && std::is_same_v<typename KeyTraits<Id>::Stored, Id>,
                "idem::WindowBloomFilter takes ids that are stored as they are: Uuid, "
                "std::uint64_t or Digest; other keys go through idem::Deduplicator, as Digest");
  static_assert(window_time != WindowTime::id,
                "idem::WindowBloomFilter goes by arrival or by event; give an id's own time as "
                "At::event");

  static constexpr bool by_event = window_time == WindowTime::event;
  using Filter = detail::GenerationFilter<window_mode == WindowMode::sliding, by_event>;

 public:
  using Stored = Id;
  using Options = std::conditional_t<by_event, EventWindowFilterOptions, WindowFilterOptions>;
  using Hash = HashT;
  template <HashPolicy Other>
  using WithHash = WindowBloomFilter<Id, window_mode, window_time, Other>;

  static constexpr Errors errors{.may_miss = true, .may_drop = true};
  static constexpr bool needs_time = true;
  static constexpr WindowMode mode = window_mode;
  static constexpr WindowTime time = window_time;

  explicit WindowBloomFilter(const Options& options)
      : WindowBloomFilter(options, detail::generation_plan(options),
                          options.seed ? *options.seed : Seed::random()) {
    const detail::GenerationPlan plan = detail::generation_plan(options);
    if (!filter_.take(plan.blocks)) detail::refuse_generation_size(options, plan);
  }

  // Judges the id, and records it if it is `fresh` or the window slides: `fresh`,
  // `probable_duplicate`, by event also `stale`, and `full` where when_crowded says refuse.
  Verdict insert(const Id& id, At at) noexcept {
    return filter_.insert(detail::filter_hash(hash_, id), counted_time(at, 1));
  }
  // As that many single inserts in order, with their cache misses overlapped.
  void insert(std::span<const Id> ids, At at, std::span<Verdict> verdicts) noexcept {
    detail::require_equal_sizes(ids.size(), verdicts.size());
    filter_.insert(ids.size(), hash_of(ids), counted_time(at, ids.size()), verdicts.data());
  }

  // What insert would answer, but for `full`; records nothing and does not move the clock.
  [[nodiscard]] Verdict check(const Id& id, At at) const noexcept {
    bool ahead = false;
    return filter_.check(detail::filter_hash(hash_, id), time_of(at, ahead));
  }
  void check(std::span<const Id> ids, At at, std::span<Verdict> verdicts) const noexcept {
    detail::require_equal_sizes(ids.size(), verdicts.size());
    bool ahead = false;
    filter_.check(ids.size(), hash_of(ids), time_of(at, ahead), verdicts.data());
  }

  // Records the id, there or not: for one that was answered `probable_duplicate` and turned out to
  // be new, which is remembered for the window only then. False: `stale` or `full`.
  [[nodiscard]] bool add(const Id& id, At at) noexcept {
    const Verdict verdict = filter_.record(detail::filter_hash(hash_, id), counted_time(at, 1));
    return verdict == Verdict::fresh || verdict == Verdict::probable_duplicate;
  }

  // Moves the clock, or over event time the watermark, as a message of that time would.
  void advance(At at) noexcept { filter_.clock().tell(counted_time(at, 1)); }

  // After a clock that had been far ahead went back for good: from now on `now` means what the
  // latest instant meant. Nothing is forgotten, and keys live out their time.
  void restart_clock(Instant now) noexcept requires(!by_event) {
    filter_.clock().restart(now.since_epoch().count());
  }

  // Forgets everything and keeps the memory. O(1).
  void clear() noexcept { filter_.clear(); }

  // The chance that the next fresh id is taken for seen, by the keys recorded in each generation.
  [[nodiscard]] double false_positive_rate() const noexcept {
    return filter_.rate_now(filter_.clock().now().latest);
  }
  // The same at the end of a full window whose keys came evenly, exact for the design and not a
  // bound: what was asked for, or less.
  [[nodiscard]] double rate_when_full() const noexcept {
    return rate_for(expected_keys_, size(), lines_a_key());
  }
  [[nodiscard]] static constexpr double rate_for(std::uint64_t keys, ByteSize size,
                                                 unsigned lines_a_key = 1) noexcept {
    return detail::generation_plan_rate(keys, size, lines_a_key);
  }
  // The size that (keys, rate) comes to; fit for constants, where what the constructor refuses does
  // not compile.
  [[nodiscard]] static constexpr ByteSize size_for(std::uint64_t keys, double rate,
                                                   unsigned lines_a_key = 0) {
    return detail::generation_plan_size(keys, rate, lines_a_key);
  }

  // Keys recorded in the generations there are; one that was recorded in two counts twice.
  [[nodiscard]] std::uint64_t recorded_keys() const noexcept {
    std::uint64_t sum = 0;
    for (const std::uint64_t keys : filter_.clock().keys()) sum += keys;
    return sum;
  }
  // The bytes of the bit array, and of the object with it.
  [[nodiscard]] ByteSize size() const noexcept { return ByteSize(filter_.blocks().heap_bytes()); }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sizeof(*this) + filter_.blocks().heap_bytes();
  }
  [[nodiscard]] unsigned lines_a_key() const noexcept { return filter_.blocks().lines_a_block(); }
  [[nodiscard]] const Hash& hash() const noexcept { return hash_; }
  [[nodiscard]] std::span<const std::uint64_t> words() const noexcept {
    return filter_.blocks().words();
  }

  [[nodiscard]] Duration window() const noexcept {
    return Duration::nanoseconds(filter_.clock().settings().window);
  }
  // A sixth of the window, rounded up: how much longer than the window a key may be remembered, save
  // the nanoseconds that the rounding adds. Duration::max() for a window by count.
  [[nodiscard]] Duration granularity() const noexcept {
    return filter_.clock().is_by_count() ? Duration::max()
                                         : Duration::nanoseconds(filter_.clock().length());
  }
  // Where the window begins, and the same with what was forgotten early: every id recorded here or
  // later is remembered. Instant::min() before the first call, and while a window by count has
  // forgotten nothing.
  [[nodiscard]] Instant horizon() const noexcept {
    return to_instant(filter_.clock().begin_of_window());
  }
  [[nodiscard]] Instant effective_horizon() const noexcept {
    return to_instant(detail::larger(filter_.clock().begin_of_window(), filter_.clock().floor()));
  }
  // The newest instant seen. Instant::min() before the first call.
  [[nodiscard]] Instant latest() const noexcept { return to_instant(filter_.clock().now().latest); }

  [[nodiscard]] WindowFilterCounters counters() const noexcept {
    const detail::GenerationCounts& counts = filter_.clock().counts();
    return {.clock_went_back = counts.clock_went_back,
            .early_evictions = counts.early_evictions,
            .overfull_keys = counts.overfull_keys,
            .stale = counts.stale,
            .events_ahead = counts.events_ahead,
            .rotations = counts.rotations};
  }

  // The state for idem::save and idem::load, as the concept Saveable says: the clock, the keys of
  // each generation, and its bits.
  static constexpr StateType state_type{.kind = StateKind::window_bloom_filter,
                                        .key = detail::key_number<Id>,
                                        .hash = detail::hash_number<Hash>,
                                        .variant = {static_cast<std::uint8_t>(window_mode),
                                                    static_cast<std::uint8_t>(window_time), 0, 0}};
  [[nodiscard]] StateShape state_shape() const noexcept requires(detail::PortableId<Id>) {
    const detail::GenerationBlocks& blocks = filter_.blocks();
    return {.type = state_type,
            .first = static_cast<std::uint64_t>(filter_.clock().settings().window),
            .second = expected_keys_,
            .seed = hash_.seed(),
            .elements = blocks.blocks(),
            .bytes = head_bytes(when_crowded()) +
                     std::uint64_t{blocks.lines()} * detail::generation_line_bytes};
  }
  bool write_state(StateWriter& out) const requires(detail::PortableId<Id>) {
    const auto clock = filter_.clock().saved();
    out.u8(static_cast<std::uint8_t>(lines_a_key()));
    out.u8(static_cast<std::uint8_t>(when_crowded()));
    out.u8(clock.started ? 1 : 0);
    for (int zeros = 0; zeros < 5; ++zeros) out.u8(0);
    out.i64(clock.latest);
    out.i64(clock.shift);
    for (const std::uint64_t keys : clock.keys) out.u64(keys);
    if (when_crowded() == WhenCrowded::forget_oldest) {
      out.i64(clock.floor);
      for (const std::int64_t newest : clock.newest) out.i64(newest);
    }
    return detail::put_generation_lines(out, filter_.blocks(), filter_.clock().now().generation);
  }
  [[nodiscard]] static Result<WindowBloomFilter> read_state(
      StateReader& in, const StateShape& shape,
      const Options& options) requires(detail::PortableId<Id>) {
    const std::size_t at = in.position();
    const auto bad = [&](std::size_t where, std::string_view what) {
      return Error{ErrorCode::bad_value, where, what};
    };
    std::uint8_t lines_a_block = 0, crowded = 0, started = 0;
    typename Filter::Clock::Saved clock;
    if (!in.u8(lines_a_block) || !in.u8(crowded) || !in.u8(started))
      return Error{ErrorCode::truncated, in.position(), "window filter"};
    if (lines_a_block != 1 && lines_a_block != 2) return bad(at, "lines a key");
    if (crowded > 2 || (by_event && crowded != 0)) return bad(at + 1, "when crowded");
    if (started > 1) return bad(at + 2, "window started");
    for (std::size_t i = 3; i < 8; ++i) {
      std::uint8_t zero = 0;
      if (!in.u8(zero)) return Error{ErrorCode::truncated, in.position(), "window filter"};
      if (zero != 0) return bad(at + i, "window filter");
    }
    const std::uint64_t head = head_bytes(WhenCrowded{crowded});
    const std::uint64_t block_bytes = lines_a_block * std::uint64_t{detail::generation_line_bytes};
    if (shape.bytes <= head || (shape.bytes - head) % block_bytes != 0 ||
        shape.elements != (shape.bytes - head) / block_bytes ||
        shape.elements > detail::GenerationBlocks::max_lines / lines_a_block)
      return bad(StateShape::elements_at, "blocks");
    if (shape.second == 0) return bad(StateShape::second_at, "expected keys");
    clock.started = started == 1;
    bool is_whole = in.i64(clock.latest) && in.i64(clock.shift);
    for (std::uint64_t& keys : clock.keys) is_whole = is_whole && in.u64(keys);
    if (WhenCrowded{crowded} == WhenCrowded::forget_oldest) {
      is_whole = is_whole && in.i64(clock.floor);
      for (std::int64_t& newest : clock.newest) is_whole = is_whole && in.i64(newest);
    }
    if (!is_whole) return Error{ErrorCode::truncated, in.position(), "window clock"};

    Options whole = options;
    if (options.size == ByteSize{} && options.expected_keys == 0 &&
        options.false_positive_rate == 0 && options.lines_a_key == 0) {
      whole.size = ByteSize(shape.elements * lines_a_block * detail::GenerationBlocks::line_bytes);
      whole.expected_keys = shape.second;
      whole.lines_a_key = lines_a_block;
    }
    const detail::GenerationPlan plan = detail::generation_plan(whole);
    constexpr auto other = ErrorCode::other_options;
    if (shape.first != static_cast<std::uint64_t>(plan.settings.window))
      return Error{other, StateShape::first_at, "window length"};
    if (shape.second != whole.expected_keys)
      return Error{other, StateShape::second_at, "expected keys"};
    if (lines_a_block != plan.lines_a_block) return Error{other, at, "lines a key"};
    if (shape.elements != plan.blocks) return Error{other, StateShape::elements_at, "size"};
    WindowBloomFilter filter(whole, plan, shape.seed);
    if (WhenCrowded{crowded} != filter.when_crowded()) return Error{other, at + 1, "when crowded"};
    if (!filter.filter_.clock().restore(clock)) return bad(at + 8, "window clock");
    if (!filter.filter_.take(plan.blocks))
      return Error{ErrorCode::out_of_memory, StateShape::elements_at, "blocks"};

    std::array<std::uint64_t, detail::generation_lanes> bits{};
    detail::GenerationBlocks& blocks = filter.filter_.blocks();
    const std::uint64_t generation = filter.filter_.clock().now().generation;
    const auto take = [&](std::size_t line, const auto& words) {
      for (unsigned age = 0; age < detail::generation_lanes; ++age) bits[age] |= words[age];
      blocks.fill_line(line, generation, words);
      return true;
    };
    if (const auto error = detail::get_generation_lines(in, blocks.lines(), take)) return *error;
    for (unsigned age = 0; age < detail::generation_lanes; ++age) {
      if ((bits[age] != 0) != (clock.keys[age] != 0)) return bad(at + 24 + 8 * age, "window keys");
    }
    return Result<WindowBloomFilter>(std::move(filter));
  }

  // Fetches the id's cache line, for a call that comes soon.
  __attribute__((always_inline)) void prefetch(const Id& id) const noexcept {
    filter_.blocks().prefetch(detail::filter_hash(hash_, id));
  }

  // Arguments that would silently become another key are refused.
  using Guard::add;
  using Guard::check;
  using Guard::insert;

 private:
  // Without its blocks.
  WindowBloomFilter(const Options& options, const detail::GenerationPlan& plan, Seed seed)
      : filter_(plan.settings, plan.lines_a_block),
        hash_(seed),
        lead_(detail::generation_lead(options)),
        expected_keys_(options.expected_keys) {}

  // Of the payload, up to the blocks.
  [[nodiscard]] static constexpr std::uint64_t head_bytes(WhenCrowded crowded) noexcept {
    constexpr std::uint64_t words = 1 + 2 + detail::generation_lanes;
    return 8 *
           (crowded == WhenCrowded::forget_oldest ? words + 1 + detail::generation_lanes : words);
  }
  [[nodiscard]] WhenCrowded when_crowded() const noexcept {
    const detail::GenerationSettings& settings = filter_.clock().settings();
    if (settings.rotates_early) return WhenCrowded::forget_oldest;
    return settings.refuses ? WhenCrowded::refuse : WhenCrowded::raise_rate;
  }

  [[nodiscard]] auto hash_of(std::span<const Id> ids) const noexcept {
    return [this, ids](std::size_t i) noexcept { return detail::filter_hash(hash_, ids[i]); };
  }

  [[nodiscard]] Instant to_instant(std::int64_t internal) const noexcept {
    constexpr std::int64_t lowest = Instant::min().since_epoch().count();
    return Instant::at(Duration::nanoseconds(
        internal == lowest ? lowest
                           : detail::saturating_subtract(internal, filter_.clock().shift())));
  }
  [[nodiscard]] std::int64_t time_of(At at, bool& ahead) const noexcept {
    if constexpr (!by_event) {
      return filter_.clock().shifted(at.now.since_epoch().count());
    } else {
      return detail::led(at.event, at.now, lead_, ahead);
    }
  }
  [[nodiscard]] std::int64_t counted_time(At at, std::size_t messages) noexcept {
    bool ahead = false;
    const std::int64_t instant = time_of(at, ahead);
    if (ahead) filter_.clock().count_events_ahead(messages);
    return instant;
  }

  // In this order: an assignment that has no memory for the blocks must leave the rest as it was.
  Filter filter_;
  Hash hash_;
  Duration lead_;
  std::uint64_t expected_keys_;
};

}  // namespace idem::inline IDEM_ABI
