#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <idem/core/byte_cursor.hpp>
#include <idem/core/bytes.hpp>
#include <idem/core/error.hpp>
#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/memory.hpp>
#include <idem/core/state.hpp>
#include <idem/core/state_stream.hpp>
#include <idem/core/time.hpp>
#include <idem/core/uuid.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/id_codec.hpp>
#include <idem/detail/core/lossy_key.hpp>
#include <idem/detail/memory/time_window.hpp>
#include <idem/detail/memory/window_codec.hpp>
#include <idem/detail/memory/window_plan.hpp>
#include <idem/detail/memory/window_rules.hpp>
#include <idem/memory/time_window_options.hpp>

namespace idem::inline IDEM_ABI {

// Remembers fixed-width ids exactly over the last `window` of time, or the last `max_keys` of them.
//
// Guarantee   an id is a `duplicate` while the instant it was seen at (first in fixed mode, last in
//             sliding mode) lies inside the window: now - seen < window. It may stay so for up to
//             `granularity` longer, never shorter, unless the budget bites and when_full says
//             forget_oldest. An id never seen is never a `duplicate`.
// Time        by arrival: `now`; one that goes back counts as the latest so far. By event or id: the
//             event's own time, in any order; the window ends at the newest event. An event older
//             than allowed_lateness allows, or than what was forgotten early, is `stale`: never
//             `fresh`, and `duplicate` only where it is one for certain.
// Memory      16-byte ids by arrival and fixed: 22.3 to 24 bytes an id at any size from some
//             thousands on, 30.5 while the index grows. A sliding window or one of events adds 4, a
//             payload its size; ids of 8 bytes take 8 less. A sliding window may hold an id for one
//             window more before its room is used again. After a burst all but what is in use is
//             given back, a few chunks a call.
// Complexity  O(1), in the worst case too, but for the probes of the index, which are expected.
//             Expiry visits nothing. No call rehashes; see most_work_a_call.
// Threads     const members may run together; anything else needs a lock around it.
// Errors      options that are nonsense, and merging windows that do not fit together, throw
//             std::invalid_argument; copying throws std::bad_alloc. Everything else is noexcept.
// Example     docs/time-windows.md
template <class Id, WindowMode window_mode = WindowMode::fixed,
          WindowTime window_time = WindowTime::arrival, class PayloadT = void,
          HashPolicy HashT = Xxh3Hash>
class TimeWindowRing
    : public detail::PayloadNamed<PayloadT>,
      detail::NoLossyKeys<TimeWindowRing<Id, window_mode, window_time, PayloadT, HashT>, Id> {
  using Guard = detail::NoLossyKeys<TimeWindowRing, Id>;

  static_assert(Key<Id> && std::is_same_v<typename KeyTraits<Id>::Stored, Id> &&
                    KeyTraits<Id>::exact,
                "idem::TimeWindowRing remembers ids that are stored as they are: Uuid, "
                "std::uint64_t or Digest; other keys go through idem::Deduplicator");
  static_assert(window_time != WindowTime::id || std::is_same_v<Id, Uuid>,
                "idem::TimeWindowRing: only a Uuid carries a time of its own");

  static constexpr bool sliding = window_mode == WindowMode::sliding;
  static constexpr bool by_event = window_time != WindowTime::arrival;
  static constexpr bool stamped = sliding || by_event;
  static constexpr std::size_t payload_bytes = detail::payload_size<PayloadT>;
  static constexpr bool carries = payload_bytes != 0;
  static constexpr bool saveable = detail::PortableId<Id> && detail::is_portable<PayloadT>;
  // Stands for the payload where there is none.
  using Beside = typename detail::PayloadOr<PayloadT>::type;

  using Window = detail::TimeWindow<Id, sliding, by_event, payload_bytes, HashT>;
  using Bytes = typename Window::Payload;

 public:
  using Stored = Id;
  using Options = std::conditional_t<by_event, EventWindowOptions, TimeWindowOptions>;
  using Hash = HashT;
  template <HashPolicy Other>
  using WithHash = TimeWindowRing<Id, window_mode, window_time, PayloadT, Other>;
  template <class Other>
  using WithPayload = TimeWindowRing<Id, window_mode, window_time, Other, HashT>;

  static constexpr Errors errors{.may_miss = true};
  static constexpr bool needs_time = true;
  static constexpr WindowMode mode = window_mode;
  static constexpr WindowTime time = window_time;

  explicit TimeWindowRing(const Options& options)
      : lead_(detail::checked_lead(options)),
        window_(Hash(options.seed ? *options.seed : Seed::random()),
                detail::window_settings<Window>(options, sizeof(TimeWindowRing), stamped)) {
    if (options.expected_keys != 0 && !window_.reserve(options.expected_keys)) {
      detail::invalid_option("TimeWindowOptions.expected_keys", options.expected_keys,
                             "small enough to fit max_keys, the budget and the memory there is");
    }
  }

  // `fresh`, `duplicate` or `full`; by event or id also `stale`.
  Verdict insert(const Id& id, At at) noexcept {
    Bytes none{};
    return window_.insert(id, counted_time(id, at, 1), none);
  }

  // As that many single inserts in order, with their cache misses overlapped.
  void insert(std::span<const Id> ids, At at, std::span<Verdict> verdicts) noexcept {
    insert_all(
        ids, at, [](std::size_t) { return Bytes{}; }, [](std::size_t, const Bytes&) {}, verdicts);
  }

  // As insert, keeping `payload` beside a fresh id; on a duplicate, `first` becomes the payload that
  // came with the first.
  Verdict insert(const Id& id, At at, const Beside& payload, Beside& first) noexcept
      requires(carries) {
    Bytes bytes = to_bytes(payload);
    const Verdict verdict = window_.insert(id, counted_time(id, at, 1), bytes);
    if (verdict == Verdict::duplicate) from_bytes(bytes, first);
    return verdict;
  }
  // The same for a batch. The spans have one size; anything else aborts the program.
  void insert(std::span<const Id> ids, At at, std::span<const Beside> payloads,
              std::span<Beside> first, std::span<Verdict> verdicts) noexcept requires(carries) {
    detail::require_equal_sizes(ids.size(), payloads.size());
    detail::require_equal_sizes(ids.size(), first.size());
    insert_all(
        ids, at, [&](std::size_t i) { return to_bytes(payloads[i]); },
        [&](std::size_t i, const Bytes& bytes) { from_bytes(bytes, first[i]); }, verdicts);
  }

  // What insert would answer, but for `full`; records nothing and does not move the clock.
  [[nodiscard]] Verdict check(const Id& id, At at) const noexcept {
    bool ahead = false;
    Bytes unread;
    return window_.check(id, time_of(id, at, ahead), unread);
  }
  // The same, telling on a duplicate the payload that came with the first.
  [[nodiscard]] Verdict check(const Id& id, At at, Beside& first) const noexcept requires(carries) {
    bool ahead = false;
    Bytes bytes;
    const Verdict verdict = window_.check(id, time_of(id, at, ahead), bytes);
    if (verdict == Verdict::duplicate) from_bytes(bytes, first);
    return verdict;
  }

  // Fetches what the id's call will touch first, for a call that comes soon.
  __attribute__((always_inline)) void prefetch(const Id& id) const noexcept {
    window_.prefetch(id);
  }

  // Whether it was remembered; it is fresh again. The id's place in the ring is used again only when
  // no older id is remembered: a ring with a budget that forgets much may be `full` with few ids.
  bool forget(const Id& id) noexcept { return window_.forget(id); }

  // Moves the clock, or over event time the watermark, as a message of that time would: expires what
  // is due and gives back some of its memory.
  void advance(At at) noexcept {
    bool ahead = false;
    window_.advance(own_time(at, ahead));
    if (ahead) window_.count_events_ahead(1);
  }

  // After a clock that had been far ahead went back for good: from now on `now` means what the
  // latest instant meant. Nothing is forgotten, and keys live out their time.
  void restart_clock(Instant now) noexcept requires(!by_event) {
    window_.restart_clock(now.since_epoch().count());
  }

  // Forgets every id; the memory is given back by the calls that follow.
  void clear() noexcept { window_.clear(); }

  // The ids held, some whose time is over and whose room was not used again among them (none in
  // fixed mode by arrival).
  [[nodiscard]] std::size_t size() const noexcept {
    return static_cast<std::size_t>(window_.size());
  }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sizeof(*this) + window_.heap_bytes();
  }
  [[nodiscard]] const Hash& hash() const noexcept { return window_.hash(); }
  [[nodiscard]] Duration window() const noexcept {
    return Duration::nanoseconds(window_.settings().window);
  }
  [[nodiscard]] Duration granularity() const noexcept {
    return Duration::nanoseconds(window_.settings().granularity);
  }
  // The most keys it can hold under max_keys and the budget.
  [[nodiscard]] std::size_t capacity() const noexcept {
    return static_cast<std::size_t>(window_.settings().key_limit);
  }

  // Where the window begins: every id whose time is here or later is remembered, save those that
  // were refused, forgotten by hand, or forgotten early. Instant::min() before the first call.
  [[nodiscard]] Instant horizon() const noexcept { return to_instant(window_.begin_of_window()); }
  // The same with those forgotten early: what can be relied on at this moment.
  [[nodiscard]] Instant effective_horizon() const noexcept {
    return to_instant(detail::larger(window_.begin_of_window(), window_.floor()));
  }
  // The newest instant seen. Instant::min() before the first call.
  [[nodiscard]] Instant latest() const noexcept { return to_instant(window_.latest()); }

  [[nodiscard]] TimeWindowCounters counters() const noexcept {
    const detail::WindowCounts& counts = window_.counts();
    return {.clock_went_back = counts.clock_went_back,
            .early_evictions = counts.early_evictions,
            .stale = counts.stale,
            .events_ahead = counts.events_ahead,
            .index_resizes = counts.index_resizes,
            .most_work = counts.most_work,
            .longest_probe = counts.longest_probe};
  }
  // What TimeWindowCounters::most_work stays under, so long as nothing is forgotten by hand. Each
  // hole that forget() leaves may be stepped over once more, and the granules that expire in one
  // call are then counted one by one.
  static constexpr std::uint64_t most_work_a_call = Window::most_work_a_call;

  // Adds what the other window remembers: afterwards an id is remembered if either did. Of two times
  // for one id sliding keeps the later, and fixed that of the earlier arrival, as one window would
  // that had been told both, though its event may be the later one; of two that arrived in one granule
  // its own. The payload is that of the earlier arrival, and an id that outlived a window by being
  // refreshed counts as having arrived since. The clock is the later of both. false: there is no
  // room, or no memory, and nothing has changed.
  //
  // Errors  windows of different length or granularity, or whose clocks were restarted differently,
  //         throw std::invalid_argument.
  [[nodiscard]] bool merge(const TimeWindowRing& other) {
    detail::require_same_shape(window_, other.window_);
    return detail::merge_windows(window_, other.window_);
  }

  // The bytes encode() writes. Both look at every id.
  [[nodiscard]] std::size_t encoded_size() const noexcept requires(detail::is_portable<PayloadT>) {
    return static_cast<std::size_t>(detail::extent_of(window_).bytes(shape()));
  }
  // The state as bytes, the same on every machine for the same history and whatever the seed:
  // docs/time-windows.md. Counters and room promised to claims are not part of it.
  void encode(ByteWriter& out) const noexcept requires(detail::is_portable<PayloadT>) {
    write_payload(out);
  }
  // The window those bytes describe, under these options; window and granularity must be those it
  // was written under.
  //
  // Errors  bytes that encode() does not write, ids beyond the limits, or no memory: an Error that
  //         tells where. Allocates at most twice the bytes and 128 KiB.
  [[nodiscard]] static Result<TimeWindowRing> decode(
      std::span<const std::byte> bytes,
      const Options& options) requires(detail::is_portable<PayloadT>) {
    TimeWindowRing ring(options);
    ByteReader in(bytes);
    if (const Error error = ring.read_payload(in); !error.what.empty()) return error;
    return ring;
  }

  // The same for idem::save and idem::load, as the concept Saveable says.
  static constexpr StateType state_type{
      .kind = StateKind::time_window,
      .key = detail::key_number<Id>,
      .hash = detail::hash_number<Hash>,
      .variant = {static_cast<std::uint8_t>(window_mode), static_cast<std::uint8_t>(window_time),
                  detail::key_number<PayloadT>, 0}};
  [[nodiscard]] StateShape state_shape() const noexcept requires(saveable) {
    const detail::WindowExtent extent = detail::extent_of(window_);
    return {.type = state_type,
            .first = static_cast<std::uint64_t>(window_.settings().window),
            .second = static_cast<std::uint64_t>(window_.settings().granularity),
            .seed = hash().seed(),
            .elements = extent.ids,
            .bytes = extent.bytes(shape())};
  }
  bool write_state(StateWriter& out) const requires(saveable) {
    write_payload(out);
    return out.ok();
  }
  [[nodiscard]] static Result<TimeWindowRing> read_state(
      StateReader& in, const StateShape& saved, const Options& options) requires(saveable) {
    Options seeded = options;
    seeded.seed = saved.seed;
    TimeWindowRing ring(seeded);
    const auto& settings = ring.window_.settings();
    constexpr auto other = ErrorCode::other_options;
    if (saved.first != static_cast<std::uint64_t>(settings.window))
      return Error{other, StateShape::first_at, "window length"};
    if (saved.second != static_cast<std::uint64_t>(settings.granularity))
      return Error{other, StateShape::second_at, "window granularity"};
    if (const Error error = ring.read_payload(in); !error.what.empty()) return error;
    if (saved.elements != ring.size())
      return Error{ErrorCode::bad_value, StateShape::elements_at, "window ids"};
    return Result<TimeWindowRing>(std::move(ring));
  }

  // Whether test(id) is true of every id held, in no order; what is asked of a shard that was loaded.
  [[nodiscard]] bool all_of(const auto& test) const noexcept {
    return window_.all_of([&](const auto& entry) { return test(entry.id); });
  }

  // Room for keys to come, as the concept Settling says; what Claims stand on.
  [[nodiscard]] bool reserve_one(const Id&) noexcept { return window_.take_room(); }
  void record(const Id& id, At at) noexcept {
    window_.record_in_room(id, counted_time(id, at, 1), {});
  }
  void record(const Id& id, At at, const Beside& payload) noexcept requires(carries) {
    window_.record_in_room(id, counted_time(id, at, 1), to_bytes(payload));
  }
  void release_one(const Id&) noexcept { window_.release_room(); }
  [[nodiscard]] std::uint64_t slot(const Id& id) const noexcept {
    return detail::slot_of(hash(), id);
  }

  // Arguments that would silently become another key are refused.
  using Guard::check;
  using Guard::forget;
  using Guard::insert;

 private:
  [[nodiscard]] static Bytes to_bytes(const Beside& payload) noexcept requires(carries) {
    Bytes bytes;
    std::memcpy(&bytes, &payload, sizeof bytes);
    return bytes;
  }
  static void from_bytes(const Bytes& bytes, Beside& payload) noexcept requires(carries) {
    std::memcpy(static_cast<void*>(&payload), &bytes, sizeof bytes);
  }

  void insert_all(std::span<const Id> ids, At at, const auto& payload_of, const auto& tell_first,
                  std::span<Verdict> verdicts) noexcept {
    if constexpr (window_time == WindowTime::id) {
      const auto when = [&](const Id& id) { return counted_time(id, at, 1); };
      window_.insert(
          ids, when, payload_of, tell_first, [] { return false; }, verdicts);
    } else {
      if (ids.empty()) return detail::require_equal_sizes(ids.size(), verdicts.size());
      const std::int64_t instant = counted_time(ids.front(), at, ids.size());
      const auto when = [&](const Id&) { return instant; };
      window_.insert(
          ids, when, payload_of, tell_first, [] { return false; }, verdicts);
    }
  }

  template <class Out>
  void write_payload(Out& out) const {
    detail::encode_window(window_, shape(), out, [](Out& to, const Bytes& bytes) {
      if constexpr (carries) {
        Beside payload;
        from_bytes(bytes, payload);
        detail::put(to, payload);
      }
    });
  }
  template <class In>
  [[nodiscard]] Error read_payload(In& in) {
    return detail::decode_window(in, shape(), window_, [](In& from, Bytes& to) {
      if constexpr (carries) {
        Beside payload{};
        if (!detail::get(from, payload)) return false;
        to = to_bytes(payload);
      }
      return true;
    });
  }

  [[nodiscard]] static constexpr detail::WindowShape shape() noexcept {
    return {.mode = static_cast<std::uint8_t>(window_mode),
            .time = static_cast<std::uint8_t>(window_time),
            .id_bytes = sizeof(Id),
            .payload_bytes = payload_bytes,
            .stamped = stamped};
  }

  [[nodiscard]] Instant to_instant(std::int64_t internal) const noexcept {
    constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
    return Instant::at(Duration::nanoseconds(
        internal == lowest ? lowest : detail::saturating_subtract(internal, window_.shift())));
  }

  [[nodiscard]] std::int64_t own_time(At at, bool& ahead) const noexcept {
    if constexpr (!by_event) {
      return window_.shifted(at.now.since_epoch().count());
    } else {
      return detail::led(at.event, at.now, lead_, ahead);
    }
  }
  [[nodiscard]] std::int64_t time_of(const Id& id, At at, bool& ahead) const noexcept {
    if constexpr (window_time == WindowTime::id) {
      const auto carried = id.time();
      return detail::led(carried ? *carried : at.event, at.now, lead_, ahead);
    } else {
      return own_time(at, ahead);
    }
  }
  [[nodiscard]] std::int64_t counted_time(const Id& id, At at, std::size_t messages) noexcept {
    bool ahead = false;
    const std::int64_t instant = time_of(id, at, ahead);
    if (ahead) window_.count_events_ahead(messages);
    return instant;
  }

  Duration lead_;
  Window window_;
};

}  // namespace idem::inline IDEM_ABI
