#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
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
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/filter_hash.hpp>
#include <idem/detail/memory/filter_size.hpp>
#include <idem/detail/memory/generation_clock.hpp>
#include <idem/detail/memory/generation_cuckoo.hpp>
#include <idem/detail/memory/generation_rate.hpp>
#include <idem/detail/memory/generation_state.hpp>
#include <idem/detail/memory/zeroed_lines.hpp>
#include <idem/memory/time_window_options.hpp>
#include <idem/memory/window_filter_options.hpp>

namespace idem::inline IDEM_ABI {

// Remembers the ids of the last `window` of time as fingerprints of 13 bits, at the price of taking
// one fresh id in a thousand for seen, and can forget one again.
//
// Guarantee   an id that was recorded is `probable_duplicate` for the window: from the call that
//             answered `fresh` (fixed), or from any call (sliding), until it is forgotten. It may
//             stay so for up to granularity(), a sixth of the window, longer; never shorter. Any
//             other is too, with the probability rate_at(load) says: at most 9.8 in 10,000.
//             Otherwise it is `fresh`. Never answers `duplicate`. Answers `full`, with nothing
//             forgotten, when no slot can be freed. The rate is a promise about ids that nobody
//             chose by the answers: against people who do, take the hash SipHash, or HostileKeys.
// Time        by arrival, as in TimeWindowRing: one that goes back counts as the latest so far.
// Forgetting  by itself at the end of the window; what ended is cleared in each line when that is
//             next written to, no generation is ever swept. In a fixed window also on request, and only
//             of what is there: forget(id) for an id that was not answered `fresh` (or added) since
//             it was last forgotten, or whose window is over, may remove the fingerprint of somebody
//             else. A sliding window cannot: ids with one fingerprint renew each other's.
// Memory      fixed in the constructor: 27 bits a key of the window. A WindowBloomFilter of the same
//             rate takes 40 in as many lines.
// Complexity  O(1), two cache lines. An insert into a nearly full table moves at most `most_moves`
//             fingerprints and looks at most at `most_looked_at` buckets.
// Values      the same table for the same seed and calls on every machine.
// Threads     const members may run together; anything else needs a lock around it.
// Errors      options that are nonsense, and a size there is no memory for, throw
//             std::invalid_argument; copying throws std::bad_alloc. Everything else is noexcept.
//             One that was moved from answers `full`.
// Source      that of CuckooFilter, with a generation beside each fingerprint.
// Example     docs/time-windows.md
template <class Id, WindowMode window_mode = WindowMode::fixed, HashPolicy HashT = Xxh3Hash>
class WindowCuckooFilter : detail::NoLossyKeys<WindowCuckooFilter<Id, window_mode, HashT>, Id> {
  using Guard = detail::NoLossyKeys<WindowCuckooFilter, Id>;

  static_assert(Key<Id> && std::is_same_v<typename KeyTraits<Id>::Stored, Id>,
                "idem::WindowCuckooFilter takes ids that are stored as they are: Uuid, "
                "std::uint64_t or Digest; other keys go through idem::Deduplicator, as Digest");

  static constexpr bool sliding = window_mode == WindowMode::sliding;
  using Table = detail::GenerationCuckoo;
  using Clock = detail::GenerationClock<false>;
  using Held = Table::Held;
  static constexpr Held usual = sliding ? Held::renewed : Held::stays;

 public:
  using Stored = Id;
  using Options = WindowCuckooOptions;
  using Hash = HashT;
  template <HashPolicy Other>
  using WithHash = WindowCuckooFilter<Id, window_mode, Other>;

  static constexpr Errors errors{.may_miss = true, .may_drop = true};
  static constexpr bool needs_time = true;
  static constexpr WindowMode mode = window_mode;
  static constexpr WindowTime time = WindowTime::arrival;
  static constexpr unsigned most_moves = detail::cuckoo_most_moves;
  static constexpr std::size_t most_looked_at = detail::cuckoo_most_looked_at;

  explicit WindowCuckooFilter(const Options& options)
      : WindowCuckooFilter(options, options.seed ? *options.seed : Seed::random()) {
    const double lines = lines_for(options);
    if (lines <= static_cast<double>(detail::ZeroedLines::max_lines) &&
        table_.take(static_cast<std::uint64_t>(lines)))
      return;
    const std::string rule = "small enough for its " +
                             detail::filter_bits_text(lines, detail::ZeroedLines::line_bytes) +
                             " to fit the memory there is";
    if (options.size != ByteSize{})
      detail::invalid_option("WindowCuckooOptions.size", options.size.count(), rule);
    detail::invalid_option("WindowCuckooOptions.expected_keys", options.expected_keys, rule);
  }

  // Judges the id, and records it if it is `fresh` or the window slides: `fresh`,
  // `probable_duplicate` or `full`.
  Verdict insert(const Id& id, At at) noexcept {
    if (table_.buckets() == 0) return Verdict::full;
    tell(at);
    return insert_at<usual>(table_.place_of(detail::filter_hash(hash_, id)));
  }
  // As that many single inserts in order, with their cache misses overlapped.
  void insert(std::span<const Id> ids, At at, std::span<Verdict> verdicts) noexcept {
    detail::require_equal_sizes(ids.size(), verdicts.size());
    if (ids.empty()) return;
    if (table_.buckets() == 0) {
      for (Verdict& verdict : verdicts) verdict = Verdict::full;
      return;
    }
    tell(at, ids.size());
    in_ring(ids, [&](const Table::Place& place, std::size_t i) {
      verdicts[i] = insert_at<usual>(place);
    });
  }

  // What insert would answer, but for `full`; records nothing and does not move the clock.
  [[nodiscard]] Verdict check(const Id& id, At at) const noexcept {
    if (table_.buckets() == 0) return Verdict::fresh;
    return verdict_of(
        table_.contains(table_.place_of(detail::filter_hash(hash_, id)), generation_at(at)));
  }
  void check(std::span<const Id> ids, At at, std::span<Verdict> verdicts) const noexcept {
    detail::require_equal_sizes(ids.size(), verdicts.size());
    if (table_.buckets() == 0) {
      for (Verdict& verdict : verdicts) verdict = Verdict::fresh;
      return;
    }
    const std::uint64_t generation = generation_at(at);
    in_ring(ids, [&](const Table::Place& place, std::size_t i) {
      verdicts[i] = verdict_of(table_.contains(place, generation));
    });
  }

  // Records the id, there or not, from this moment on: for one that was answered
  // `probable_duplicate` and turned out to be new. In a fixed window it takes a slot of its own.
  // False: `full`.
  [[nodiscard]] bool add(const Id& id, At at) noexcept {
    if (table_.buckets() == 0) return false;
    tell(at);
    return insert_at < sliding
               ? Held::renewed
               : Held::again > (table_.place_of(detail::filter_hash(hash_, id))) != Verdict::full;
  }

  // Removes one fingerprint of the id, and says whether there was one: see Forgetting.
  bool forget(const Id& id) noexcept requires(!sliding) {
    if (table_.buckets() == 0) return false;
    const unsigned lane =
        table_.erase(table_.place_of(detail::filter_hash(hash_, id)), clock_.now().generation);
    if (lane == Table::nowhere) return false;
    clock_.take_back(lane);
    return true;
  }

  // Moves the clock as a message of that time would.
  void advance(At at) noexcept { tell(at); }
  // After a clock that had been far ahead went back for good: from now on `now` means what the
  // latest instant meant. Nothing is forgotten, and keys live out their time.
  void restart_clock(Instant now) noexcept { clock_.restart(now.since_epoch().count()); }
  // Forgets everything and keeps the memory. O(1).
  void clear() noexcept { clock_.forget_all(); }

  // The fingerprints of the window, the slots there are, and the one divided by the other. Where two
  // ids have one fingerprint it counts once.
  [[nodiscard]] std::uint64_t size() const noexcept {
    std::uint64_t sum = 0;
    for (const std::uint64_t keys : clock_.keys()) sum += keys;
    return sum;
  }
  [[nodiscard]] std::uint64_t capacity() const noexcept { return table_.buckets() * Table::slots; }
  [[nodiscard]] double load() const noexcept {
    return capacity() == 0 ? 0 : static_cast<double>(size()) / static_cast<double>(capacity());
  }
  // The chance that the next fresh id is taken for seen: eight slots are looked at, and what is held
  // in both buckets of an id is different, each one of 8191.
  [[nodiscard]] double false_positive_rate() const noexcept { return rate_at(load()); }
  [[nodiscard]] static constexpr double rate_at(double load) noexcept {
    return 8 * load / static_cast<double>(Table::fingerprints);
  }

  // Fingerprints moved since it was made.
  [[nodiscard]] std::uint64_t moves() const noexcept { return table_.moves(); }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sizeof(*this) + table_.heap_bytes();
  }
  [[nodiscard]] const Hash& hash() const noexcept { return hash_; }

  [[nodiscard]] Duration window() const noexcept {
    return Duration::nanoseconds(clock_.settings().window);
  }
  // A sixth of the window, rounded up: how much longer than the window a key may be remembered.
  [[nodiscard]] Duration granularity() const noexcept {
    return Duration::nanoseconds(clock_.length());
  }
  // Every id recorded here or later is remembered. Instant::min() before the first call.
  [[nodiscard]] Instant effective_horizon() const noexcept {
    return to_instant(clock_.begin_of_window());
  }
  // The newest instant seen. Instant::min() before the first call.
  [[nodiscard]] Instant latest() const noexcept { return to_instant(clock_.now().latest); }

  [[nodiscard]] WindowFilterCounters counters() const noexcept {
    const detail::GenerationCounts& counts = clock_.counts();
    return {.clock_went_back = counts.clock_went_back,
            .overfull_keys = counts.overfull_keys,
            .rotations = counts.rotations};
  }

  // The state for idem::save and idem::load, as the concept Saveable says: the clock, and every slot
  // of every bucket.
  static constexpr StateType state_type{
      .kind = StateKind::window_cuckoo_filter,
      .key = detail::key_number<Id>,
      .hash = detail::hash_number<Hash>,
      .variant = {static_cast<std::uint8_t>(window_mode), 0, 0, 0}};
  [[nodiscard]] StateShape state_shape() const noexcept requires(detail::PortableId<Id>) {
    return {.type = state_type,
            .first = static_cast<std::uint64_t>(clock_.settings().window),
            .second = table_.lines(),
            .seed = hash_.seed(),
            .elements = size(),
            .bytes = head_bytes + std::uint64_t{table_.lines()} * detail::generation_line_bytes};
  }
  bool write_state(StateWriter& out) const requires(detail::PortableId<Id>) {
    const Clock::Saved clock = clock_.saved();
    out.u64(clock.started ? 1 : 0);
    out.i64(clock.latest);
    out.i64(clock.shift);
    return detail::put_generation_lines(out, table_, clock_.now().generation);
  }
  [[nodiscard]] static Result<WindowCuckooFilter> read_state(
      StateReader& in, const StateShape& shape,
      const Options& options) requires(detail::PortableId<Id>) {
    const std::size_t at = in.position();
    if (shape.bytes <= head_bytes ||
        shape.second != (shape.bytes - head_bytes) / detail::generation_line_bytes ||
        (shape.bytes - head_bytes) % detail::generation_line_bytes != 0 ||
        shape.second > detail::ZeroedLines::max_lines)
      return Error{ErrorCode::bad_value, StateShape::second_at, "lines"};
    std::uint64_t started = 0;
    Clock::Saved clock;
    if (!in.u64(started) || !in.i64(clock.latest) || !in.i64(clock.shift))
      return Error{ErrorCode::truncated, in.position(), "window clock"};
    if (started > 1) return Error{ErrorCode::bad_value, at, "window started"};
    clock.started = started == 1;

    Options whole = options;
    if (options.size == ByteSize{} && options.expected_keys == 0)
      whole.size = ByteSize(shape.second * detail::ZeroedLines::line_bytes);
    WindowCuckooFilter filter(whole, shape.seed);
    constexpr auto other = ErrorCode::other_options;
    if (shape.first != static_cast<std::uint64_t>(filter.clock_.settings().window))
      return Error{other, StateShape::first_at, "window length"};
    if (static_cast<double>(shape.second) != lines_for(whole))
      return Error{other, StateShape::second_at, "size"};
    if (!filter.table_.take(shape.second))
      return Error{ErrorCode::out_of_memory, StateShape::second_at, "lines"};

    const std::uint64_t generation = filter.clock_.now().generation;
    const auto take = [&](std::size_t line, const Table::Line& buckets) {
      return filter.table_.fill_line(line, generation, buckets, clock.keys);
    };
    if (const auto error = detail::get_generation_lines(in, shape.second, take)) return *error;
    if (!filter.clock_.restore(clock)) return Error{ErrorCode::bad_value, at + 8, "window clock"};
    if (filter.size() != shape.elements)
      return Error{ErrorCode::bad_value, StateShape::elements_at, "fingerprints"};
    return Result<WindowCuckooFilter>(std::move(filter));
  }

  // Fetches the id's cache lines, for a call that comes soon.
  [[gnu::always_inline]] inline void prefetch(const Id& id) const noexcept {
    if (table_.buckets() != 0) table_.prefetch(table_.place_of(detail::filter_hash(hash_, id)));
  }

  // Arguments that would silently become another key are refused.
  using Guard::add;
  using Guard::check;
  using Guard::forget;
  using Guard::insert;

 private:
  // Without its table.
  WindowCuckooFilter(const Options& options, Seed seed)
      : clock_(settings_of(options)), hash_(seed) {}

  static constexpr std::uint64_t head_bytes = 24;

  [[nodiscard]] static Verdict verdict_of(bool held) noexcept {
    return held ? Verdict::probable_duplicate : Verdict::fresh;
  }
  void tell(At at, std::size_t messages = 1) noexcept {
    clock_.tell(clock_.shifted(at.now.since_epoch().count()), messages);
  }
  [[nodiscard]] std::uint64_t generation_at(At at) const noexcept {
    return clock_.after(clock_.shifted(at.now.since_epoch().count())).generation;
  }
  template <Held held>
  [[nodiscard]] Verdict insert_at(const Table::Place& place) noexcept {
    const unsigned newest = clock_.now().lane();
    const unsigned before = table_.insert<held>(place, clock_.now().generation);
    if (before == Table::no_room) return Verdict::full;
    if (before == Table::nowhere) {
      clock_.note(newest, 1, 0);
      return Verdict::fresh;
    }
    if (held == Held::renewed && before != newest) {
      clock_.take_back(before);
      clock_.note(newest, 1, 0);
    }
    return Verdict::probable_duplicate;
  }

  void in_ring(std::span<const Id> ids, const auto& work) const noexcept {
    constexpr std::size_t ahead = 32;
    std::array<Table::Place, ahead> coming;
    const auto prepare = [&](std::size_t i) {
      const Table::Place place = table_.place_of(detail::filter_hash(hash_, ids[i]));
      table_.prefetch(place);
      coming[i % ahead] = place;
    };
    for (std::size_t i = 0; i < detail::smaller(ahead, ids.size()); ++i) prepare(i);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      work(coming[i % ahead], i);
      if (i + ahead < ids.size()) prepare(i + ahead);
    }
  }

  [[nodiscard]] Instant to_instant(std::int64_t internal) const noexcept {
    constexpr std::int64_t lowest = Instant::min().since_epoch().count();
    return Instant::at(Duration::nanoseconds(
        internal == lowest ? lowest : detail::saturating_subtract(internal, clock_.shift())));
  }

  [[nodiscard]] static detail::GenerationSettings settings_of(const Options& options) {
    const std::int64_t window = options.window.count();
    if (window <= 0) detail::invalid_option("WindowCuckooOptions.window", window, "more than 0 ns");
    if (options.window == Duration::max()) {
      detail::invalid_option("WindowCuckooOptions.window", window,
                             "less than Duration::max(): that is a CuckooFilter");
    }
    detail::GenerationSettings settings;
    settings.window = window;
    const std::uint64_t keys = options.size == ByteSize{}
                                   ? options.expected_keys
                                   : static_cast<std::uint64_t>(keys_for(lines_for(options)));
    settings.planned = detail::larger<std::uint64_t>(1, detail::keys_a_generation(keys));
    return settings;
  }
  // Lines for seven sixths of the keys at 80 % of their 28 slots: nearer to full, searches for room take most of the time. A small table fills less evenly.
  [[nodiscard]] static double lines_for(const Options& options) {
    if (options.size == ByteSize{}) {
      if (options.expected_keys == 0) {
        detail::invalid_option("WindowCuckooOptions.expected_keys", options.expected_keys,
                               "at least 1, unless size is given instead");
      }
      const auto keys = static_cast<double>(options.expected_keys);
      return static_cast<double>(
          static_cast<std::uint64_t>(detail::smaller(keys * (7.0 / 6 / 0.8 / 28) + 3, 0x1p60)));
    }
    if (options.expected_keys != 0) {
      detail::invalid_option("WindowCuckooOptions.size", options.size.count(),
                             "left out when expected_keys is given");
    }
    constexpr std::uint64_t line = detail::ZeroedLines::line_bytes;
    if (options.size.count() < line) {
      detail::invalid_option("WindowCuckooOptions.size", options.size.count(),
                             "at least 64 bytes, one line");
    }
    return static_cast<double>(options.size.count() / line);
  }
  [[nodiscard]] static double keys_for(double lines) noexcept { return lines * (28 * 0.8 * 6 / 7); }

  // In this order: an assignment that has no memory for the table must leave the rest as it was.
  Table table_;
  Clock clock_;
  Hash hash_;
};

}  // namespace idem::inline IDEM_ABI
