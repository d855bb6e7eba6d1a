#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>

#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/chunk_ring.hpp>
#include <idem/detail/memory/position_index.hpp>
#include <idem/detail/memory/window_rules.hpp>

namespace idem::inline IDEM_ABI::detail {

// What a window counts, apart from what it remembers.
struct WindowCounts {
  std::uint64_t clock_went_back = 0;
  std::uint64_t early_evictions = 0;
  std::uint64_t stale = 0;
  std::uint64_t events_ahead = 0;
  std::uint64_t index_resizes = 0;
  std::uint64_t most_work = 0;
  std::uint64_t longest_probe = 0;
};

// What a window is told once.
struct WindowSettings {
  std::int64_t window = 0;
  std::int64_t granularity = 1;
  std::int64_t lateness = std::numeric_limits<std::int64_t>::max();
  std::uint64_t key_limit = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t heap_limit = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t expected_keys = 0;
  unsigned chunk_shift = 10;
  bool forget_oldest = false;
  bool count_is_the_promise = false;  // evictions by key_limit break none
};

// The ids of a time window: a ring of ids in order of arrival, an index from hashes to places in
// the ring, and one mark for every granule of time in which ids arrived.
//
// Fixed and by arrival, an id's time is that of its mark, so the whole front of the ring expires by
// moving its tail to the first mark in time: nothing is visited. When events arrive out of order
// (`by_event`) or sightings refresh an id (`sliding`), each id has a stamp of its own. An event is
// never later than its mark, so the front expires in the same way. An id that was refreshed may
// outlive its mark: when that expires, each id under it is looked at, a few a call, and one in time
// moves to the head.
//
// An id whose bits are all zero is found by `zero_position_` and never by the index; every other
// all-zero place in the ring is a hole, left by an id that was forgotten or moved.
template <class Id, bool sliding, bool by_event, std::size_t payload_bytes, HashPolicy Hash,
          class Position = std::uint32_t, class Rules = WindowRules>
class TimeWindow {
  static_assert(std::is_trivially_copyable_v<Id> && std::has_unique_object_representations_v<Id>);

  static constexpr bool stamped = sliding || by_event;

  using Index = PositionIndex<Position, Rules>;
  using Slot = typename Index::Slot;
  using Spot = typename Index::Spot;
  using Range = PositionRange<Position, Rules>;

 public:
  using Payload = std::array<std::byte, payload_bytes>;

  TimeWindow(Hash hash, const WindowSettings& settings) noexcept
      : settings_(settings),
        hash_(hash),
        ring_(entry_bytes, settings.chunk_shift, first_position(settings)),
        marks_(sizeof(Mark), smaller(settings.chunk_shift, 8U), Position{0}),
        tail_(first_position(settings)),
        head_(tail_) {}
  // Room taken for ids to come is not copied: it belongs to whoever took it.
  TimeWindow(const TimeWindow& other)
      : settings_(other.settings_),
        hash_(other.hash_),
        ring_(other.ring_),
        marks_(other.marks_),
        index_(other.index_),
        old_(other.phase_ == Phase::migrating ? Index(other.old_) : Index()),
        clock_(other.clock_),
        counts_(other.counts_),
        tail_(other.tail_),
        head_(other.head_),
        mark_tail_(other.mark_tail_),
        mark_head_(other.mark_head_),
        zero_position_(other.zero_position_),
        cursor_(other.cursor_),
        boundary_(other.boundary_),
        holds_zero_(other.holds_zero_),
        busy_(other.busy_),
        phase_(other.phase_ == Phase::migrating ? Phase::migrating : Phase::idle),
        size_(other.size_),
        holes_(other.holes_) {
    refresh_soft_limit();
  }
  TimeWindow(TimeWindow&& other) noexcept : TimeWindow(other.hash_, other.settings_) {
    swap(other);
  }
  TimeWindow& operator=(const TimeWindow& other) {
    if (this != &other) *this = TimeWindow(other);
    return *this;
  }
  TimeWindow& operator=(TimeWindow&& other) noexcept {
    TimeWindow moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~TimeWindow() = default;

  // ---- judging ----------------------------------------------------------------------------------

  // `payload` is what to keep beside a fresh id; a duplicate overwrites it with what is kept.
  [[nodiscard]] Verdict insert(const Id& id, std::int64_t time, Payload& payload) noexcept {
    return insert_hashed(id, slot_of(hash_, id), time, payload);
  }

  // All at one time, or each at the time that `time_of` tells.
  template <class TimeOf>
  void insert(std::span<const Id> ids, TimeOf&& time_of, std::span<Verdict> verdicts) noexcept {
    require_equal_sizes(ids.size(), verdicts.size());
    constexpr std::size_t group = 16;
    std::array<std::uint64_t, 2 * group> hashes;
    // The lines of a group are on their way while the group before is judged.
    const auto fetch_lines = [&](std::size_t begin) __attribute__((always_inline)) {
      const std::size_t end = smaller(ids.size(), begin + group);
      for (std::size_t i = begin; i < end; ++i) {
        const std::uint64_t hash = slot_of(hash_, ids[i]);
        hashes[i % (2 * group)] = hash;
        if (index_.lines() != 0) index_.prefetch(hash);
        if (phase_ == Phase::migrating) old_.prefetch(hash);
      }
    };
    const auto fetch_entry = [this](Position position) __attribute__((always_inline)) {
      __builtin_prefetch(ring_.chunk_of(position) + ring_.place_in_chunk(position) * sizeof(Id));
    };
    if (!ids.empty()) fetch_lines(0);
    for (std::size_t begin = 0; begin < ids.size(); begin += group) {
      const std::size_t end = smaller(ids.size(), begin + group);
      if (end < ids.size()) fetch_lines(end);
      if (index_.lines() != 0) {
        for (std::size_t i = begin; i < end; ++i) {
          const std::uint64_t hash = hashes[i % (2 * group)];
          index_.for_candidates(hash, range(), fetch_entry);
          if (phase_ == Phase::migrating) old_.for_candidates(hash, old_range(), fetch_entry);
        }
      }
      for (std::size_t i = begin; i < end; ++i) {
        Payload none{};
        verdicts[i] = insert_hashed(ids[i], hashes[i % (2 * group)], time_of(ids[i]), none);
      }
    }
  }

  // Fetches the lines of the index that a look-up begins with.
  __attribute__((always_inline)) void prefetch(const Id& id) const noexcept {
    const std::uint64_t hash = slot_of(hash_, id);
    if (index_.lines() != 0) index_.prefetch(hash);
    if (phase_ == Phase::migrating) old_.prefetch(hash);
  }

  // What insert would answer at that time, but for `full`.
  [[nodiscard]] Verdict check(const Id& id, std::int64_t time) const noexcept {
    const Clock then = clock_after(time);
    if (by_event && is_stale(then, time)) return Verdict::stale;
    const Found found = find(id, slot_of(hash_, id));
    if (found.is_there && is_alive(found.position, then)) return Verdict::duplicate;
    return by_event && time < clock_.floor ? Verdict::stale : Verdict::fresh;
  }

  // Moves the clock without a key, and lets go of what that expires.
  void advance(std::int64_t time) noexcept {
    work_ = 0;
    tell_time(time);
    maintain();
  }

  // Whether it was remembered. Its place in the ring stays empty until the tail gets there.
  [[nodiscard]] bool forget(const Id& id) noexcept {
    const Found found = find(id, slot_of(hash_, id));
    if (!found.is_there || !is_alive(found.position, clock_)) return false;
    make_hole(found);
    busy_ = true;
    return true;
  }

  void clear() noexcept {
    drop_all();
    busy_ = true;
  }

  // From here on `now` means what the latest instant meant.
  void restart_clock(std::int64_t now) noexcept {
    if (clock_.started) clock_.shift = saturating_subtract(clock_.latest, now);
  }
  [[nodiscard]] std::int64_t shifted(std::int64_t now) const noexcept {
    return clock_.shift == 0 ? now : saturating_add(now, clock_.shift);
  }

  // ---- room -------------------------------------------------------------------------------------

  // Takes room for one id to come, so that record() cannot fail.
  [[nodiscard]] bool take_room() noexcept {
    work_ = 0;
    if (busy_) maintain();
    if (!make_room()) return false;
    ++taken_;
    return true;
  }
  void release_room() noexcept { --taken_; }
  // Not counted as stale where the event is older than the horizon: the right to record it was
  // given, and a record that has expired already needs no place.
  void record_in_room(const Id& id, std::int64_t time) noexcept {
    --taken_;
    const std::uint64_t stale = counts_.stale;
    Payload none{};
    (void)insert(id, time, none);
    counts_.stale = stale;
  }

  // Readies an index for so many ids at once.
  [[nodiscard]] bool reserve(std::uint64_t count) noexcept {
    if (count > settings_.key_limit) return false;
    if (count < trigger()) return true;
    finish_resize();
    if (!begin_resize(lines_below_trigger(count))) return false;
    finish_resize();
    return count <= room();
  }

  // ---- what it is -------------------------------------------------------------------------------

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t heap_bytes() const noexcept {
    return ring_.heap_bytes() + marks_.heap_bytes() + index_.heap_bytes() + old_.heap_bytes() +
           next_.heap_bytes();
  }
  [[nodiscard]] const Hash& hash() const noexcept { return hash_; }
  [[nodiscard]] const WindowSettings& settings() const noexcept { return settings_; }
  [[nodiscard]] const WindowCounts& counts() const noexcept { return counts_; }
  [[nodiscard]] bool has_started() const noexcept { return clock_.started; }
  [[nodiscard]] std::int64_t latest() const noexcept { return clock_.latest; }
  // The first instant whose ids are all remembered, but for what was evicted.
  [[nodiscard]] std::int64_t begin_of_window() const noexcept {
    constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
    if (!clock_.started || settings_.window == std::numeric_limits<std::int64_t>::max() ||
        clock_.latest < lowest + settings_.window)
      return lowest;
    return clock_.latest - settings_.window + 1;
  }
  [[nodiscard]] std::int64_t shift() const noexcept { return clock_.shift; }
  [[nodiscard]] std::int64_t floor() const noexcept { return clock_.floor; }
  void count_event_ahead() noexcept { ++counts_.events_ahead; }

  // The bytes that so many ids need at most, the marks of `granules` granules included; without the
  // second index that is there while one replaces the other.
  [[nodiscard]] static std::uint64_t bytes_for(std::uint64_t ids, std::uint64_t granules,
                                               unsigned chunk_shift) noexcept {
    return ChunkRing<Position>::bytes_for(ids, entry_bytes, chunk_shift) +
           ChunkRing<Position>::bytes_for(smaller(ids, granules), sizeof(Mark),
                                          smaller(chunk_shift, 8U)) +
           Index::bytes_for_lines(larger(min_lines, lines_below_trigger(ids)));
  }
  // More ids than this would make positions ambiguous.
  static constexpr std::uint64_t most_keys = std::uint64_t{1}
                                             << (std::numeric_limits<Position>::digits - 2);

  // ---- snapshots and merging --------------------------------------------------------------------

  struct Entry {
    std::int64_t mark = 0;   // granule in which it took its place in the ring
    std::int64_t stamp = 0;  // granule of its own time; the same where nothing is stamped
    Id id{};
    Payload payload{};
  };

  // Walks over every id in time, in order of arrival.
  struct Walk {
    Position place = 0;
    Position mark = 0;
  };
  [[nodiscard]] Walk begin_walk() const noexcept { return {tail_, mark_tail_}; }
  [[nodiscard]] bool walk_on(Walk& walk, Entry& entry) const noexcept {
    for (; walk.place != head_; ++walk.place) {
      const Position p = walk.place;
      for (auto next = static_cast<Position>(walk.mark + 1);
           next != mark_head_ && !is_before(p, mark_at(next).first); ++next)
        walk.mark = next;
      if (is_hole(p) || !is_alive(p, clock_)) continue;
      entry.mark = larger(mark_at(walk.mark).granule, clock_.first_alive);
      entry.stamp = stamped ? stamp_of(p) : entry.mark;
      entry.id = id_at(p);
      if constexpr (payload_bytes != 0) std::memcpy(&entry.payload, payload_at(p), payload_bytes);
      ++walk.place;
      return true;
    }
    return false;
  }
  template <class Visit>
  void for_each(Visit&& visit) const {
    Walk walk = begin_walk();
    Entry entry;
    while (walk_on(walk, entry)) visit(std::as_const(entry));
  }

  // Sets the clock of an empty window.
  void restore_clock(bool started, std::int64_t latest, std::int64_t floor,
                     std::int64_t shift) noexcept {
    if (started) tell_time(latest);
    clock_.floor = floor;
    clock_.shift = shift;
  }
  // Whether an entry of this mark can have this stamp. Of an event that was refreshed the mark says
  // nothing.
  [[nodiscard]] bool may_have(const Entry& entry) const noexcept {
    if (entry.stamp < clock_.first_alive) return false;
    if (sliding && by_event) return true;
    return sliding ? entry.stamp >= clock_.first_alive : entry.stamp <= entry.mark;
  }
  // Appends an entry of another window whose clock is not ahead of this one's; entries come in order
  // of their marks. `fresh`, `duplicate` (an entry of that id came before; of two times sliding
  // keeps the later) or `full`.
  [[nodiscard]] Verdict restore(const Entry& entry) noexcept {
    work_ = 0;
    if (busy_) maintain();
    const std::uint64_t hash = slot_of(hash_, entry.id);
    const Found found = find(entry.id, hash);
    if (found.is_there) {
      if constexpr (sliding)
        set_stamp(found.position, larger(stamp_of(found.position), entry.stamp));
      return Verdict::duplicate;
    }
    if (!make_room()) return Verdict::full;
    append(entry.id, index_.spot(hash), entry.mark, entry.stamp, entry.payload);
    return Verdict::fresh;
  }
  [[nodiscard]] bool is_in_time(const Entry& entry) const noexcept {
    return (stamped ? entry.stamp : entry.mark) >= clock_.first_alive;
  }
  // Takes the contents of `merged`, and the room that was promised here with it.
  [[nodiscard]] bool take_over(TimeWindow& merged) noexcept {
    while (merged.taken_ != taken_) {
      if (!merged.take_room()) return false;
    }
    const WindowCounts before = counts_;
    const std::int64_t shift = clock_.shift;
    swap(merged);
    counts_.clock_went_back += before.clock_went_back;
    counts_.early_evictions += before.early_evictions;
    counts_.stale += before.stale;
    counts_.events_ahead += before.events_ahead;
    counts_.index_resizes += before.index_resizes;
    clock_.shift = shift;
    return true;
  }

  [[nodiscard]] std::int64_t first_granule() const noexcept { return clock_.first_alive; }
  [[nodiscard]] std::int64_t last_granule() const noexcept { return clock_.granule; }

  // The most a call may do besides its own key, in the units of WindowCounts::most_work: entries
  // moved or looked at, lines zeroed, chunks and segments given back. Holes left by forget() and a
  // batch of expired granules under it come on top.
  static constexpr std::uint64_t migrated_a_call = 8;
  static constexpr std::uint64_t looked_at_a_call = 64;
  static constexpr std::uint64_t zeroed_a_call = 64;
  static constexpr std::uint64_t retired_a_call = 4;
  static constexpr std::uint64_t most_work_a_call =
      looked_at_a_call + zeroed_a_call + 2 * retired_a_call + 5;

 private:
  struct Mark {
    std::int64_t granule;
    Position first;  // of the ids that arrived in the granule
    Position holes;  // among them
  };
  struct Clock {
    std::int64_t latest = std::numeric_limits<std::int64_t>::min();
    std::int64_t granule = std::numeric_limits<std::int64_t>::min();      // of `latest`
    std::int64_t first_alive = std::numeric_limits<std::int64_t>::min();  // granule
    std::int64_t floor = std::numeric_limits<std::int64_t>::min();  // what was evicted is older
    std::int64_t shift = 0;
    bool started = false;
  };
  struct Found {
    Slot slot;
    Position position = 0;
    bool is_there = false;
  };
  enum class Phase : std::uint8_t { idle, preparing, migrating, freeing };

  static constexpr std::size_t stamp_bytes = stamped ? sizeof(std::uint32_t) : 0;
  static constexpr std::size_t entry_bytes = sizeof(Id) + payload_bytes + stamp_bytes;
  static constexpr std::uint64_t min_lines = 2;

  // The circle of positions is entered just before its end, so that every window that fills more
  // than one chunk has been round it.
  [[nodiscard]] static Position first_position(const WindowSettings& settings) noexcept {
    return static_cast<Position>(Position{0} - (Position{1} << settings.chunk_shift));
  }

  void swap(TimeWindow& other) noexcept {
    std::swap(settings_, other.settings_);
    std::swap(hash_, other.hash_);
    std::swap(ring_, other.ring_);
    std::swap(marks_, other.marks_);
    index_.swap(other.index_);
    old_.swap(other.old_);
    next_.swap(other.next_);
    std::swap(clock_, other.clock_);
    std::swap(counts_, other.counts_);
    std::swap(tail_, other.tail_);
    std::swap(head_, other.head_);
    std::swap(mark_tail_, other.mark_tail_);
    std::swap(mark_head_, other.mark_head_);
    std::swap(zero_position_, other.zero_position_);
    std::swap(cursor_, other.cursor_);
    std::swap(boundary_, other.boundary_);
    std::swap(holds_zero_, other.holds_zero_);
    std::swap(busy_, other.busy_);
    std::swap(phase_, other.phase_);
    std::swap(size_, other.size_);
    std::swap(holes_, other.holes_);
    std::swap(taken_, other.taken_);
    std::swap(soft_limit_, other.soft_limit_);
    std::swap(attempts_to_skip_, other.attempts_to_skip_);
    std::swap(work_, other.work_);
  }

  // ---- entries ----------------------------------------------------------------------------------

  [[nodiscard]] Range range() const noexcept {
    return {tail_, static_cast<Position>(head_ - tail_)};
  }
  // What is found through the index that is being replaced: what has not been moved yet.
  [[nodiscard]] Range old_range() const noexcept {
    Position from = cursor_;
    const auto left = static_cast<Position>(boundary_ - cursor_);
    const auto gone = static_cast<Position>(tail_ - cursor_);
    if (gone <= half_circle) from = static_cast<Position>(from + smaller(gone, left));
    return {from, static_cast<Position>(boundary_ - from)};
  }
  static constexpr Position half_circle =
      static_cast<Position>(Position{1} << (std::numeric_limits<Position>::digits - 1));

  // Of two positions in use or just past.
  [[nodiscard]] bool is_before(Position a, Position b) const noexcept {
    return static_cast<Position>(a - b) > half_circle;
  }

  [[nodiscard]] Id& id_at(Position p) const noexcept {
    return reinterpret_cast<Id*>(ring_.chunk_of(p))[ring_.place_in_chunk(p)];
  }
  [[nodiscard]] std::byte* payload_at(Position p) const noexcept {
    return ring_.chunk_of(p) + ring_.entries_a_chunk() * sizeof(Id) +
           ring_.place_in_chunk(p) * payload_bytes;
  }
  [[nodiscard]] std::uint32_t& raw_stamp(Position p) const noexcept {
    return reinterpret_cast<std::uint32_t*>(
        ring_.chunk_of(p) +
        ring_.entries_a_chunk() * (sizeof(Id) + payload_bytes))[ring_.place_in_chunk(p)];
  }
  // A stamp is the low half of a granule; all in the ring are within 2^31 of the latest.
  [[nodiscard]] std::int64_t stamp_of(Position p) const noexcept {
    const auto age =
        static_cast<std::int32_t>(static_cast<std::uint32_t>(clock_.granule) - raw_stamp(p));
    return clock_.granule - age;
  }
  void set_stamp(Position p, std::int64_t granule) noexcept {
    raw_stamp(p) = static_cast<std::uint32_t>(granule);
  }
  [[nodiscard]] Mark& mark_at(Position number) const noexcept {
    return reinterpret_cast<Mark*>(marks_.chunk_of(number))[marks_.place_in_chunk(number)];
  }

  [[nodiscard]] bool is_hole(Position p) const noexcept {
    return id_at(p) == Id{} && !(holds_zero_ && zero_position_ == p);
  }

  // The number of the last mark that begins at or before p.
  [[nodiscard]] Position mark_of(Position p) const noexcept {
    Position low = mark_tail_;
    auto count = static_cast<Position>(mark_head_ - mark_tail_);
    while (count > 1) {
      const auto half = static_cast<Position>(count / 2);
      const auto middle = static_cast<Position>(low + half);
      if (is_before(p, mark_at(middle).first)) {
        count = half;
      } else {
        low = middle;
        count = static_cast<Position>(count - half);
      }
    }
    return low;
  }

  // Whether the id at p is in time when the clock says so; its position is in use.
  [[nodiscard]] bool is_alive(Position p, const Clock& then) const noexcept {
    if constexpr (stamped) {
      return stamp_of(p) >= then.first_alive;
    } else {
      return mark_at(mark_tail_).granule >= then.first_alive ||
             mark_at(mark_of(p)).granule >= then.first_alive;
    }
  }

  [[nodiscard]] Spot spot_of(std::uint64_t hash) const noexcept {
    return index_.lines() == 0 ? Spot() : index_.spot(hash);
  }
  [[nodiscard]] Found find(const Id& id, std::uint64_t hash) const noexcept {
    return find(id, hash, spot_of(hash));
  }
  [[nodiscard]] Found find(const Id& id, std::uint64_t hash, const Spot& spot) const noexcept {
    if (id == Id{}) return {{}, zero_position_, holds_zero_};
    if (spot.first == nullptr) return {};
    const auto is_it = [&](Position p) { return id_at(p) == id; };
    Slot slot = index_.find(spot, range(), is_it);
    if (slot.line == nullptr && phase_ == Phase::migrating)
      slot = old_.find(old_.spot(hash), old_range(), is_it);
    if (slot.line == nullptr) return {};
    return {slot, slot.position(), true};
  }

  // ---- the clock --------------------------------------------------------------------------------

  [[nodiscard]] Clock clock_after(std::int64_t time) const noexcept {
    Clock then = clock_;
    std::int64_t steady = time;
    if (clock_.started) {
      steady = by_event ? larger(clock_.latest, time) : Rules::steady(clock_.latest, time);
      if (steady == clock_.latest) return then;
    }
    then.started = true;
    then.latest = steady;
    then.granule = Rules::granule(steady, settings_.granularity);
    then.first_alive = Rules::first_alive(steady, settings_.window, settings_.granularity);
    return then;
  }

  [[nodiscard]] bool is_stale(const Clock& then, std::int64_t event) const noexcept {
    return then.latest > event && settings_.lateness != std::numeric_limits<std::int64_t>::max() &&
           saturating_subtract(then.latest, event) >= settings_.lateness;
  }

  void move_clock(std::int64_t time) noexcept {
    const Clock then = clock_after(time);
    const std::int64_t before = clock_.granule;
    const bool started_before = clock_.started;
    const bool expires = then.first_alive > clock_.first_alive;
    clock_ = then;
    if (!expires || mark_tail_ == mark_head_) return;
    busy_ = true;
    if (started_before && before < then.first_alive) {
      drop_all();
    } else if constexpr (!sliding) {
      drop_before(first_mark_in_time());
    }
  }

  // The number of the first mark that is in time; mark_head_ if there is none.
  [[nodiscard]] Position first_mark_in_time() const noexcept {
    Position low = mark_tail_;
    auto count = static_cast<Position>(mark_head_ - mark_tail_);
    while (count != 0) {
      const auto half = static_cast<Position>(count / 2);
      const auto middle = static_cast<Position>(low + half);
      if (mark_at(middle).granule < clock_.first_alive) {
        low = static_cast<Position>(middle + 1);
        count = static_cast<Position>(count - half - 1);
      } else {
        count = half;
      }
    }
    return low;
  }

  void drop_before(Position mark) noexcept {
    if (mark == mark_tail_) return;
    if (mark == mark_head_) return drop_all();
    const Position tail = mark_at(mark).first;
    std::uint64_t holes = 0;
    if (holes_ != 0) {
      for (Position m = mark_tail_; m != mark; ++m) {
        holes += mark_at(m).holes;
        ++work_;
      }
    }
    size_ -= static_cast<Position>(tail - tail_) - holes;
    holes_ -= holes;
    tail_ = tail;
    mark_tail_ = mark;
    if (holds_zero_ && !range().holds(zero_position_)) holds_zero_ = false;
  }
  void drop_all() noexcept {
    tail_ = head_;
    mark_tail_ = mark_head_;
    size_ = holes_ = 0;
    holds_zero_ = false;
  }

  // ---- insert -----------------------------------------------------------------------------------

  void tell_time(std::int64_t time) noexcept {
    if (clock_.started && time == clock_.latest) return;
    if (clock_.started && time < clock_.latest) {
      if (by_event) return;
      ++counts_.clock_went_back;
    }
    move_clock(time);
  }

  [[nodiscard]] Verdict insert_hashed(const Id& id, std::uint64_t hash, std::int64_t time,
                                      Payload& payload) noexcept {
    work_ = 0;
    tell_time(time);
    std::int64_t granule = clock_.granule;
    if constexpr (by_event) {
      if (is_stale(clock_, time)) {
        ++counts_.stale;
        return Verdict::stale;
      }
      if (time != clock_.latest) granule = Rules::granule(time, settings_.granularity);
    }
    if (busy_) maintain();

    Spot spot = spot_of(hash);
    const Found found = find(id, hash, spot);
    if (found.is_there) {
      if (!stamped || is_alive(found.position, clock_)) {
        if constexpr (sliding) set_stamp(found.position, larger(stamp_of(found.position), granule));
        if constexpr (payload_bytes != 0)
          std::memcpy(&payload, payload_at(found.position), payload_bytes);
        return Verdict::duplicate;
      }
      make_hole(found);
    }
    if constexpr (by_event) {
      if (time < clock_.floor) {
        ++counts_.stale;
        return Verdict::stale;
      }
    }
    if (!has_room()) {
      if (!make_room()) return Verdict::full;
      spot = index_.spot(hash);
    }
    append(id, spot, clock_.granule, granule, payload);
    return Verdict::fresh;
  }

  // There is room.
  void append(const Id& id, const Spot& spot, std::int64_t mark, std::int64_t stamp,
              const Payload& payload) noexcept {
    const Position p = head_;
    id_at(p) = id;
    if constexpr (payload_bytes != 0) std::memcpy(payload_at(p), &payload, payload_bytes);
    if constexpr (stamped) set_stamp(p, stamp);
    if (mark_tail_ == mark_head_ || mark_at(static_cast<Position>(mark_head_ - 1)).granule < mark) {
      mark_at(mark_head_) = Mark{mark, p, 0};
      ++mark_head_;
    }
    if (id == Id{}) {
      zero_position_ = p;
      holds_zero_ = true;
    } else {
      const std::uint64_t probe = index_.place(spot, p, range());
      if (probe > counts_.longest_probe) counts_.longest_probe = probe;
    }
    ++head_;
    ++size_;
    index_.sweep(p, range());
  }

  void make_hole(const Found& found) noexcept {
    if (found.slot.line == nullptr) {
      holds_zero_ = false;
    } else {
      found.slot.vacate();
    }
    id_at(found.position) = Id{};
    ++mark_at(mark_of(found.position)).holes;
    ++holes_;
    --size_;
  }

  // ---- making room ------------------------------------------------------------------------------

  [[nodiscard]] std::uint64_t allowance() const noexcept {
    return settings_.heap_limit - smaller<std::uint64_t>(settings_.heap_limit, heap_bytes());
  }
  [[nodiscard]] std::uint64_t room() const noexcept { return Index::room_in(index_.lines()); }
  // From here on a larger index is made, early enough to be ready in time.
  [[nodiscard]] std::uint64_t trigger() const noexcept {
    return room() - smaller(room(), room() / 32 + 3);
  }
  // The lines at which so many ids do not yet ask for more.
  [[nodiscard]] static std::uint64_t lines_below_trigger(std::uint64_t count) noexcept {
    return Index::lines_for(count + count / 24 + 5);
  }
  void refresh_soft_limit() noexcept {
    soft_limit_ = smaller(settings_.key_limit, phase_ == Phase::idle ? trigger() : room());
  }
  void note_work() noexcept {
    if (work_ > counts_.most_work) counts_.most_work = work_;
  }

  // Room for one id more, besides those it was promised for.
  [[nodiscard]] bool has_room() const noexcept {
    return size_ + taken_ < soft_limit_ && ring_.room_from(head_) > taken_ &&
           marks_.room_from(mark_head_) > taken_;
  }
  [[nodiscard]] bool make_room() noexcept {
    if (has_room()) return true;
    const bool made = make_room_slowly();
    note_work();
    return made;
  }

  [[nodiscard]] bool make_room_slowly() noexcept {
    if (size_ + taken_ >= settings_.key_limit) {
      if constexpr (sliding) retire(looked_at_a_call);
      if (size_ + taken_ >= settings_.key_limit && !evict_one()) return false;
    }
    if (size_ + taken_ >= trigger()) {
      if (phase_ == Phase::idle) grow();
      // Memory ran out when the index was to grow, and there is some again.
      for (int i = 0; i < 16 && size_ + taken_ >= room() && phase_ == Phase::preparing; ++i)
        step_resize();
      if (size_ + taken_ >= room() && !evict_one()) return false;
    }
    while (ring_.room_from(head_) <= taken_) {
      if (!add_ring_chunk()) return false;
    }
    while (marks_.room_from(mark_head_) <= taken_) {
      if (marks_.has_chunk_before(mark_tail_)) marks_.release_oldest();
      if (!marks_.add_chunk(allowance())) return false;
    }
    refresh_soft_limit();
    return true;
  }

  [[nodiscard]] bool positions_allow_a_chunk() const noexcept {
    return static_cast<Position>(head_ - tail_) + ring_.room_from(head_) <=
           most_keys + 2 * ring_.entries_a_chunk();
  }
  [[nodiscard]] bool add_ring_chunk() noexcept {
    if (ring_.has_chunk_before(tail_)) {
      ring_.release_oldest();
      ++work_;
    }
    if (positions_allow_a_chunk() && ring_.next_chunk_cost() <= allowance())
      return ring_.add_chunk(allowance());
    // Holes take places too, so that the ring can reach its limit with few ids in it.
    while (!ring_.has_chunk_before(tail_)) {
      if (!evict_one()) return false;
    }
    ring_.release_oldest();
    return ring_.add_chunk(allowance());
  }

  // Forgets the id that has been in the ring for longest, if that is what the options say and there
  // is one. Of ids that slide, one refreshed since gets a second chance, a few times a call.
  [[nodiscard]] bool evict_one() noexcept {
    if (!settings_.forget_oldest) return false;
    std::uint64_t chances = retired_a_call;
    while (tail_ != head_) {
      ++work_;
      if (is_hole(tail_)) {
        step_over_hole();
        continue;
      }
      const std::int64_t mark = mark_at(mark_tail_).granule;
      const std::int64_t stamp = stamped ? stamp_of(tail_) : mark;
      if (stamp < clock_.first_alive) {
        leave(tail_);
        return true;
      }
      if (sliding && stamp > mark && chances != 0 && can_append()) {
        --chances;
        requeue();
        continue;
      }
      const bool by_count = size_ + taken_ >= settings_.key_limit && settings_.count_is_the_promise;
      if (!by_count) ++counts_.early_evictions;
      const std::int64_t next =
          saturating_add(smaller(clock_.latest, Rules::end_of(stamp, settings_.granularity)), 1);
      clock_.floor = larger(clock_.floor, next);
      leave(tail_);
      busy_ = true;
      return true;
    }
    return false;
  }

  // The tail's id goes.
  void leave(Position p) noexcept {
    if (holds_zero_ && zero_position_ == p) holds_zero_ = false;
    --size_;
    step();
  }
  void step_over_hole() noexcept {
    --mark_at(mark_tail_).holes;
    --holes_;
    step();
  }
  void step() noexcept {
    ++tail_;
    const auto next = static_cast<Position>(mark_tail_ + 1);
    if (tail_ == head_) {
      mark_tail_ = mark_head_;
    } else if (next != mark_head_ && mark_at(next).first == tail_) {
      mark_tail_ = next;
    }
  }

  [[nodiscard]] bool can_append() noexcept {
    if (ring_.room_from(head_) <= taken_ &&
        (!positions_allow_a_chunk() || !ring_.add_chunk(allowance())))
      return false;
    return marks_.room_from(mark_head_) > taken_ || marks_.add_chunk(allowance());
  }
  // From the tail to the head, with its stamp.
  void requeue() noexcept {
    const Position p = tail_;
    const Id id = id_at(p);
    const std::int64_t stamp = stamp_of(p);
    Payload payload{};
    if constexpr (payload_bytes != 0) std::memcpy(&payload, payload_at(p), payload_bytes);
    const std::uint64_t hash = slot_of(hash_, id);
    if (!(id == Id{})) find(id, hash).slot.vacate();
    leave(p);
    append(id, index_.spot(hash), clock_.granule, stamp, payload);
  }

  [[nodiscard]] bool has_to_retire() const noexcept {
    return sliding && mark_tail_ != mark_head_ && mark_at(mark_tail_).granule < clock_.first_alive;
  }
  // Looks at what lies under marks that have expired. A stamp must not get 2^31 granules old.
  void retire(std::uint64_t entries) noexcept {
    std::uint64_t holes = looked_at_a_call;
    while (has_to_retire()) {
      const bool must = clock_.granule - mark_at(mark_tail_).granule >= std::int64_t{1} << 30;
      if (!must && (entries == 0 || holes == 0)) return;
      ++work_;
      if (is_hole(tail_)) {
        step_over_hole();
        if (holes != 0) --holes;
        continue;
      }
      if (stamp_of(tail_) < clock_.first_alive) {
        leave(tail_);
      } else {
        if (!can_append()) return;
        requeue();
      }
      if (entries != 0) --entries;
    }
  }

  // ---- a little at a time -----------------------------------------------------------------------

  void maintain() noexcept {
    if constexpr (sliding) retire(retired_a_call);
    for (int i = 0; i < 2 && ring_.has_chunk_before(tail_); ++i, ++work_) ring_.release_oldest();
    for (int i = 0; i < 2 && marks_.has_chunk_before(mark_tail_); ++i, ++work_)
      marks_.release_oldest();
    if (phase_ == Phase::idle) shrink();
    step_resize();
    busy_ = phase_ != Phase::idle || has_to_retire() || ring_.has_chunk_before(tail_) ||
            marks_.has_chunk_before(mark_tail_);
    refresh_soft_limit();
    note_work();
  }

  void grow() noexcept {
    // After a failure there is time to wait, until there is none.
    if (attempts_to_skip_ != 0 && size_ + taken_ < room()) {
      --attempts_to_skip_;
      return;
    }
    const std::uint64_t most = larger(min_lines, lines_below_trigger(settings_.key_limit));
    const std::uint64_t lines = index_.lines();
    if (lines >= most) return;
    std::uint64_t wanted = larger(Index::lines_for(size_ + taken_ + 16), lines + lines / 4);
    // Where the step after this one would not fit beside what there is by then, this is the last.
    if (wanted < most && settings_.heap_limit != std::numeric_limits<std::uint64_t>::max()) {
      const std::uint64_t by_then = Index::room_in(wanted) * entry_bytes +
                                    Index::bytes_for_lines(wanted) + Index::bytes_for_lines(most);
      if (by_then > settings_.heap_limit) wanted = most;
    }
    wanted = smaller(wanted, most);
    const std::uint64_t fitting = allowance() / (sizeof(typename Index::Line) + 1);
    if (wanted > fitting && fitting > lines + lines / 16) wanted = fitting;
    if (!begin_resize(wanted)) {
      attempts_to_skip_ = 64;
      return;
    }
    // The first index is small enough to be had at once.
    if (lines == 0) {
      while (phase_ != Phase::idle) step_resize();
    }
  }

  void shrink() noexcept {
    const std::uint64_t needed = size_ + taken_;
    const std::uint64_t wanted =
        lines_below_trigger(larger(needed + needed / 4 + 16, settings_.expected_keys));
    if (index_.lines() == 0 || wanted > index_.lines() / 2) return;
    if (attempts_to_skip_ != 0) {
      --attempts_to_skip_;
      return;
    }
    if (!begin_resize(wanted)) attempts_to_skip_ = 64;
  }

  [[nodiscard]] bool begin_resize(std::uint64_t lines) noexcept {
    if (!next_.begin(lines, tail_, allowance())) return false;
    phase_ = Phase::preparing;
    busy_ = true;
    ++counts_.index_resizes;
    return true;
  }
  void abandon_resize() noexcept {
    next_ = Index();
    phase_ = Phase::idle;
    attempts_to_skip_ = 64;
  }
  void finish_resize() noexcept {
    while (phase_ != Phase::idle) step_resize();
    refresh_soft_limit();
  }

  void step_resize() noexcept {
    switch (phase_) {
      case Phase::idle:
        return;
      case Phase::preparing:
        work_ += zeroed_a_call;
        if (!next_.prepare(zeroed_a_call)) return abandon_resize();
        if (!next_.is_ready()) return;
        if (size_ + taken_ >= Index::room_in(next_.lines())) return abandon_resize();
        old_ = std::move(index_);
        index_ = std::move(next_);
        cursor_ = tail_;
        boundary_ = head_;
        phase_ = Phase::migrating;
        return;
      case Phase::migrating:
        migrate();
        return;
      case Phase::freeing:
        ++work_;
        if (!old_.release_segment()) phase_ = Phase::idle;
        return;
    }
  }

  // Moves the next ids of the ring into the new index: eight, unless holes would make that too slow
  // for the ids that arrive meanwhile.
  void migrate() noexcept {
    const Range waiting = old_range();
    cursor_ = waiting.begin;
    const std::uint64_t room_left = room() - smaller(room(), size_ + taken_);
    const std::uint64_t quota =
        larger<std::uint64_t>(migrated_a_call, waiting.length / (room_left + 1) + 1);
    const std::uint64_t looks = larger<std::uint64_t>(looked_at_a_call, quota);
    std::uint64_t moved = 0;
    for (std::uint64_t looked = 0; looked < looks && moved < quota && cursor_ != boundary_;
         ++looked, ++cursor_, ++work_) {
      const Id& id = id_at(cursor_);
      if (id == Id{}) continue;
      (void)index_.place(index_.spot(slot_of(hash_, id)), cursor_, range());
      ++moved;
    }
    if (cursor_ == boundary_) {
      phase_ = Phase::freeing;
      return;
    }
    // What the next call will touch.
    Position ahead = cursor_;
    for (std::uint64_t i = 0; i < migrated_a_call && ahead != boundary_; ++i, ++ahead)
      index_.prefetch(slot_of(hash_, id_at(ahead)));
  }

  WindowSettings settings_;
  Hash hash_;
  ChunkRing<Position> ring_;
  ChunkRing<Position> marks_;
  Index index_;
  Index old_;   // while migrating: finds what lies in [cursor_, boundary_)
  Index next_;  // while preparing
  Clock clock_;
  WindowCounts counts_;
  Position tail_;  // [tail_, head_) are the places in use
  Position head_;
  Position mark_tail_ = 0;
  Position mark_head_ = 0;
  Position zero_position_ = 0;
  Position cursor_ = 0;
  Position boundary_ = 0;
  bool holds_zero_ = false;
  bool busy_ = false;  // maintain() has something to do
  Phase phase_ = Phase::idle;
  std::uint64_t size_ = 0;        // ids in the ring
  std::uint64_t holes_ = 0;       // places without one
  std::uint64_t taken_ = 0;       // promised by take_room()
  std::uint64_t soft_limit_ = 0;  // below it an id has room in the index
  std::uint64_t attempts_to_skip_ = 0;
  std::uint64_t work_ = 0;  // of this call
};

}  // namespace idem::inline IDEM_ABI::detail
