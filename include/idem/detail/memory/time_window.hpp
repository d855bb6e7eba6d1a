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
#include <idem/detail/memory/growing_index.hpp>
#include <idem/detail/memory/window_clock.hpp>
#include <idem/detail/memory/window_entries.hpp>
#include <idem/detail/memory/window_rules.hpp>
#include <idem/detail/memory/window_settings.hpp>

namespace idem::inline IDEM_ABI::detail {

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
// An id whose bits are all zero is found by its place and never by the index.
template <class Id, bool sliding, bool by_event, std::size_t payload_bytes, HashPolicy Hash,
          class Position = std::uint32_t, class Rules = WindowRules>
class TimeWindow {
  static_assert(std::is_trivially_copyable_v<Id> && std::has_unique_object_representations_v<Id>);

  static constexpr bool stamped = sliding || by_event;

  using Growing = GrowingIndex<Position, Rules>;
  using Index = typename Growing::Index;
  using Phase = typename Growing::Phase;
  using Slot = typename Index::Slot;
  using Spot = typename Index::Spot;
  using Range = PositionRange<Position, Rules>;
  using Entries = WindowEntries<Id, stamped, payload_bytes, Position, Rules>;
  using Clock = WindowClock<by_event, Rules>;

 public:
  using Payload = typename Entries::Payload;

  TimeWindow(Hash hash, const WindowSettings& settings) noexcept
      : settings_(settings), hash_(hash), entries_(settings.chunk_shift) {}
  // Room taken for ids to come is not copied: it belongs to whoever took it.
  TimeWindow(const TimeWindow& other)
      : settings_(other.settings_),
        hash_(other.hash_),
        entries_(other.entries_),
        index_(other.index_),
        clock_(other.clock_),
        counts_(other.counts_),
        busy_(other.busy_) {
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

  // All at one time, or each at the time that `time_of` tells. payload_of(i) is what to keep beside
  // the i-th id, and tell_first(i, payload) is told what is kept where that is a duplicate.
  // makes_way() is asked whether one that is full is to be judged again.
  template <class TimeOf, class PayloadOf, class TellFirst, class MakesWay>
  void insert(std::span<const Id> ids, TimeOf&& time_of, PayloadOf&& payload_of,
              TellFirst&& tell_first, MakesWay&& makes_way, std::span<Verdict> verdicts) noexcept {
    require_equal_sizes(ids.size(), verdicts.size());
    constexpr std::size_t group = 16;
    std::array<std::uint64_t, 2 * group> hashes;
    // The lines of a group are on their way while the group before is judged.
    const auto fetch_lines = [&](std::size_t begin) __attribute__((always_inline)) {
      const std::size_t end = smaller(ids.size(), begin + group);
      for (std::size_t i = begin; i < end; ++i) {
        const std::uint64_t hash = slot_of(hash_, ids[i]);
        hashes[i % (2 * group)] = hash;
        index_.prefetch(hash);
      }
    };
    const auto fetch_entry = [this](Position position) __attribute__((always_inline)) {
      __builtin_prefetch(entries_.ring().chunk_of(position) +
                         entries_.ring().place_in_chunk(position) * sizeof(Id));
    };
    if (!ids.empty()) fetch_lines(0);
    for (std::size_t begin = 0; begin < ids.size(); begin += group) {
      const std::size_t end = smaller(ids.size(), begin + group);
      if (end < ids.size()) fetch_lines(end);
      if (index_.lines() != 0) {
        for (std::size_t i = begin; i < end; ++i) {
          const std::uint64_t hash = hashes[i % (2 * group)];
          index_.for_candidates(hash, entries_.range(), fetch_entry);
        }
      }
      for (std::size_t i = begin; i < end; ++i) {
        Payload payload = payload_of(i);
        const std::uint64_t hash = hashes[i % (2 * group)];
        verdicts[i] = insert_hashed(ids[i], hash, time_of(ids[i]), payload);
        if (verdicts[i] == Verdict::full && makes_way()) [[unlikely]]
          verdicts[i] = insert_hashed(ids[i], hash, time_of(ids[i]), payload);
        if constexpr (payload_bytes != 0) {
          if (verdicts[i] == Verdict::duplicate) tell_first(i, payload);
        }
      }
    }
  }

  // Fetches the lines of the index that a look-up begins with.
  __attribute__((always_inline)) void prefetch(const Id& id) const noexcept {
    const std::uint64_t hash = slot_of(hash_, id);
    index_.prefetch(hash);
  }

  // What insert would answer at that time, but for `full`. On a duplicate `first` becomes what is
  // kept beside it.
  [[nodiscard]] Verdict check(const Id& id, std::int64_t time, Payload& first) const noexcept {
    const Clock then = clock_.after(time, settings_);
    if (by_event && then.is_stale(time, settings_)) return Verdict::stale;
    const Found found = find(id, slot_of(hash_, id));
    if (found.is_there && is_alive(found.position, then)) {
      if constexpr (payload_bytes != 0)
        std::memcpy(&first, entries_.payload_at(found.position), payload_bytes);
      return Verdict::duplicate;
    }
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
    entries_.drop_all();
    busy_ = true;
  }

  // forget() for a window whose front never expires: the oldest id moves into the place. While the
  // index is made anew the place stays empty, and close_holes() gets at it later.
  [[nodiscard]] bool take_out(const Id& id) noexcept {
    static_assert(!stamped);
    const Found found = find(id, slot_of(hash_, id));
    if (!found.is_there) return false;
    work_ = 0;
    make_hole(found);
    if (index_.phase() != Phase::migrating) fill_hole(found.position);
    (void)close_holes(2);
    busy_ = true;
    maintain();
    return true;
  }
  // Moves up to `entries` ids from the tail to the head, so that the tail comes to the holes between
  // them. Whether there were any.
  [[nodiscard]] bool close_holes(std::uint64_t entries) noexcept {
    if (!has_holes()) return false;
    for (; has_holes() && entries != 0; --entries, ++work_) {
      step_over_holes();
      if (!has_holes() || entries_.is_hole(entries_.tail()) || !can_append()) break;
      requeue();
    }
    busy_ = true;
    return true;
  }
  [[nodiscard]] bool has_holes() const noexcept { return entries_.holes() != 0; }

  // From here on `now` means what the latest instant meant.
  void restart_clock(std::int64_t now) noexcept { clock_.restart(now); }
  [[nodiscard]] std::int64_t shifted(std::int64_t now) const noexcept {
    return clock_.shifted(now);
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
  // given, and a record that has expired already needs no place. One that was over when the room was
  // taken, and is not by this time, as the clock went back, gives way to this one.
  void record_in_room(const Id& id, std::int64_t time, const Payload& payload) noexcept {
    --taken_;
    const std::uint64_t stale = counts_.stale;
    Payload kept = payload;
    if (insert(id, time, kept) == Verdict::duplicate && forget(id)) {
      kept = payload;
      (void)insert(id, time, kept);
    }
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

  [[nodiscard]] std::uint64_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] std::size_t heap_bytes() const noexcept {
    return entries_.heap_bytes() + index_.heap_bytes();
  }
  [[nodiscard]] const Hash& hash() const noexcept { return hash_; }
  [[nodiscard]] const WindowSettings& settings() const noexcept { return settings_; }
  [[nodiscard]] const WindowCounts& counts() const noexcept { return counts_; }
  [[nodiscard]] bool has_started() const noexcept { return clock_.started; }
  [[nodiscard]] std::int64_t latest() const noexcept { return clock_.latest; }
  // The first instant whose ids are all remembered, but for what was evicted.
  [[nodiscard]] std::int64_t begin_of_window() const noexcept {
    return clock_.begin_of_window(settings_);
  }
  [[nodiscard]] std::int64_t shift() const noexcept { return clock_.shift; }
  [[nodiscard]] std::int64_t floor() const noexcept { return clock_.floor; }
  void count_event_ahead() noexcept { ++counts_.events_ahead; }

  // The bytes that so many ids need at most, the marks of `granules` granules included; without the
  // second index that is there while one replaces the other.
  [[nodiscard]] static std::uint64_t bytes_for(std::uint64_t ids, std::uint64_t granules,
                                               unsigned chunk_shift) noexcept {
    return Entries::bytes_for(ids, granules, chunk_shift) +
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
  [[nodiscard]] Walk begin_walk() const noexcept { return {entries_.tail(), entries_.mark_tail()}; }
  [[nodiscard]] bool walk_on(Walk& walk, Entry& entry) const noexcept {
    for (; walk.place != entries_.head(); ++walk.place) {
      const Position p = walk.place;
      for (auto next = static_cast<Position>(walk.mark + 1);
           next != entries_.mark_head() && !entries_.is_before(p, entries_.mark_at(next).first);
           ++next)
        walk.mark = next;
      if (entries_.is_hole(p) || !is_alive(p, clock_)) continue;
      entry.mark = larger(entries_.mark_at(walk.mark).granule, clock_.first_alive);
      entry.stamp = stamped ? stamp_of(p) : entry.mark;
      entry.id = entries_.id_at(p);
      if constexpr (payload_bytes != 0)
        std::memcpy(&entry.payload, entries_.payload_at(p), payload_bytes);
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

  // Whether test(entry) is true of every one of them.
  [[nodiscard]] bool all_of(const auto& test) const noexcept {
    Walk walk = begin_walk();
    Entry entry;
    while (walk_on(walk, entry)) {
      if (!test(std::as_const(entry))) return false;
    }
    return true;
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
        entries_.set_stamp(found.position, larger(stamp_of(found.position), entry.stamp));
      return Verdict::duplicate;
    }
    if (!make_room()) return Verdict::full;
    append(entry.id, index_.spot(hash), entry.mark, entry.stamp, entry.payload);
    return Verdict::fresh;
  }
  // What lies where a walk has been.
  [[nodiscard]] const Id& id_at(Position place) const noexcept { return entries_.id_at(place); }
  [[nodiscard]] Payload payload_at(Position place) const noexcept {
    Payload payload{};
    if constexpr (payload_bytes != 0)
      std::memcpy(&payload, entries_.payload_at(place), payload_bytes);
    return payload;
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
  static constexpr std::uint64_t looked_at_a_call = Growing::looked_at_a_step;
  static constexpr std::uint64_t zeroed_a_call = Growing::zeroed_a_step;
  static constexpr std::uint64_t retired_a_call = 4;
  static constexpr std::uint64_t most_work_a_call =
      looked_at_a_call + zeroed_a_call + 2 * retired_a_call + 5;

 private:
  struct Found {
    Slot slot;
    Position position = 0;
    bool is_there = false;
  };

  static constexpr std::uint64_t min_lines = 2;

  void swap(TimeWindow& other) noexcept {
    std::swap(settings_, other.settings_);
    std::swap(hash_, other.hash_);
    std::swap(entries_, other.entries_);
    index_.swap(other.index_);
    std::swap(clock_, other.clock_);
    std::swap(counts_, other.counts_);
    std::swap(busy_, other.busy_);
    std::swap(taken_, other.taken_);
    std::swap(soft_limit_, other.soft_limit_);
    std::swap(attempts_to_skip_, other.attempts_to_skip_);
    std::swap(work_, other.work_);
  }

  // ---- entries ----------------------------------------------------------------------------------

  [[nodiscard]] std::int64_t stamp_of(Position p) const noexcept {
    return entries_.stamp_of(p, clock_.granule);
  }
  // Whether the id at p is in time when the clock says so; its position is in use.
  [[nodiscard]] bool is_alive(Position p, const Clock& then) const noexcept {
    if constexpr (stamped) {
      return stamp_of(p) >= then.first_alive;
    } else {
      return entries_.mark_at(entries_.mark_tail()).granule >= then.first_alive ||
             entries_.mark_at(entries_.mark_of(p)).granule >= then.first_alive;
    }
  }

  [[nodiscard]] Found find(const Id& id, std::uint64_t hash) const noexcept {
    return find(id, hash, index_.spot(hash));
  }
  [[nodiscard]] Found find(const Id& id, std::uint64_t hash, const Spot& spot) const noexcept {
    if (id == Id{}) return {{}, entries_.zero_position(), entries_.holds_zero()};
    const auto is_it = [&](Position p) { return entries_.id_at(p) == id; };
    const Slot slot = index_.find(hash, spot, entries_.range(), is_it);
    if (slot.line == nullptr) return {};
    return {slot, slot.position(), true};
  }

  // ---- the clock --------------------------------------------------------------------------------

  void move_clock(std::int64_t time) noexcept {
    const Clock then = clock_.after(time, settings_);
    const std::int64_t before = clock_.granule;
    const bool started_before = clock_.started;
    const bool expires = then.first_alive > clock_.first_alive;
    clock_ = then;
    if (!expires || entries_.mark_tail() == entries_.mark_head()) return;
    busy_ = true;
    if (started_before && before < then.first_alive) {
      entries_.drop_all();
    } else if constexpr (!sliding) {
      work_ += entries_.drop_before(entries_.first_mark_from(clock_.first_alive));
    }
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
      if (clock_.is_stale(time, settings_)) {
        ++counts_.stale;
        return Verdict::stale;
      }
      if (time != clock_.latest) granule = Rules::granule(time, settings_.granularity);
    }
    if (busy_) maintain();

    Spot spot = index_.spot(hash);
    const Found found = find(id, hash, spot);
    if (found.is_there) {
      if (!stamped || is_alive(found.position, clock_)) {
        if constexpr (sliding)
          entries_.set_stamp(found.position, larger(stamp_of(found.position), granule));
        if constexpr (payload_bytes != 0)
          std::memcpy(&payload, entries_.payload_at(found.position), payload_bytes);
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
    const Position p = entries_.write(id, mark, stamp, payload);
    if (!(id == Id{})) {
      const std::uint64_t probe = index_.place(spot, p, entries_.range());
      if (probe > counts_.longest_probe) counts_.longest_probe = probe;
    }
    entries_.extend();
    index_.sweep(p, entries_.range());
  }

  void make_hole(const Found& found) noexcept {
    if (found.slot.line != nullptr) found.slot.vacate();
    entries_.make_hole(found.position);
  }

  // At the tail, some a call.
  void step_over_holes() noexcept {
    for (std::uint64_t i = 0; i < looked_at_a_call && has_holes(); ++i, ++work_) {
      if (!entries_.is_hole(entries_.tail())) return;
      entries_.step_over_hole();
    }
  }
  // Moves the id at the tail into the hole, if one lies between.
  void fill_hole(Position hole) noexcept {
    step_over_holes();
    if (!entries_.range().holds(hole) || entries_.is_hole(entries_.tail())) return;
    const Id id = entries_.id_at(entries_.tail());
    const std::uint64_t hash = slot_of(hash_, id);
    if (!(id == Id{})) find(id, hash).slot.vacate();
    entries_.fill_hole(hole);
    if (!(id == Id{})) (void)index_.place(index_.spot(hash), hole, entries_.range());
  }

  // ---- making room ------------------------------------------------------------------------------

  [[nodiscard]] std::uint64_t allowance() const noexcept {
    const std::uint64_t spoken_for = heap_bytes() + index_.bytes_to_come();
    return settings_.heap_limit - smaller(settings_.heap_limit, spoken_for);
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
    soft_limit_ = smaller(settings_.key_limit, index_.phase() == Phase::idle ? trigger() : room());
  }
  void note_work() noexcept {
    if (work_ > counts_.most_work) counts_.most_work = work_;
  }

  // Room for one id more, besides those it was promised for.
  [[nodiscard]] bool has_room() const noexcept {
    return entries_.size() + taken_ < soft_limit_ &&
           entries_.ring().room_from(entries_.head()) > taken_ &&
           entries_.marks().room_from(entries_.mark_head()) > taken_;
  }
  [[nodiscard]] bool make_room() noexcept {
    if (has_room()) return true;
    const bool made = make_room_slowly();
    note_work();
    return made;
  }

  [[nodiscard]] bool make_room_slowly() noexcept {
    if (entries_.size() + taken_ >= settings_.key_limit) {
      if constexpr (sliding) retire(looked_at_a_call);
      if (entries_.size() + taken_ >= settings_.key_limit && !evict_one()) return false;
    }
    if (entries_.size() + taken_ >= trigger()) {
      if (index_.phase() == Phase::idle) grow();
      // Memory ran out when the index was to grow, and there is some again.
      for (int i = 0;
           i < 16 && entries_.size() + taken_ >= room() && index_.phase() == Phase::preparing; ++i)
        step_resize();
      if (entries_.size() + taken_ >= room() && !evict_one()) return false;
    }
    while (entries_.ring().room_from(entries_.head()) <= taken_) {
      if (!add_ring_chunk()) return false;
    }
    while (entries_.marks().room_from(entries_.mark_head()) <= taken_) {
      if (entries_.marks().has_chunk_before(entries_.mark_tail()))
        entries_.marks().release_oldest();
      if (!entries_.marks().add_chunk(allowance())) return false;
    }
    refresh_soft_limit();
    return true;
  }

  [[nodiscard]] bool positions_allow_a_chunk() const noexcept {
    return static_cast<Position>(entries_.head() - entries_.tail()) +
               entries_.ring().room_from(entries_.head()) <=
           most_keys + 2 * entries_.ring().entries_a_chunk();
  }
  [[nodiscard]] bool add_ring_chunk() noexcept {
    if (entries_.ring().has_chunk_before(entries_.tail())) {
      entries_.ring().release_oldest();
      ++work_;
    }
    if (positions_allow_a_chunk() && entries_.ring().next_chunk_cost() <= allowance())
      return entries_.ring().add_chunk(allowance());
    // Holes take places too, so that the ring can reach its limit with few ids in it.
    while (!entries_.ring().has_chunk_before(entries_.tail())) {
      if (!evict_one()) return false;
    }
    entries_.ring().release_oldest();
    return entries_.ring().add_chunk(allowance());
  }

  // Forgets the id that has been in the ring for longest, if that is what the options say and there
  // is one. Of ids that slide, one refreshed since gets a second chance, a few times a call.
  [[nodiscard]] bool evict_one() noexcept {
    if (!settings_.forget_oldest) return false;
    std::uint64_t chances = retired_a_call;
    while (entries_.tail() != entries_.head()) {
      ++work_;
      if (entries_.is_hole(entries_.tail())) {
        entries_.step_over_hole();
        continue;
      }
      const std::int64_t mark = entries_.mark_at(entries_.mark_tail()).granule;
      const std::int64_t stamp = stamped ? stamp_of(entries_.tail()) : mark;
      if (stamp < clock_.first_alive) {
        entries_.leave_tail();
        return true;
      }
      if (sliding && stamp > mark && chances != 0 && can_append()) {
        --chances;
        requeue();
        continue;
      }
      const bool by_count =
          entries_.size() + taken_ >= settings_.key_limit && settings_.count_is_the_promise;
      if (!by_count) ++counts_.early_evictions;
      const std::int64_t next =
          saturating_add(smaller(clock_.latest, Rules::end_of(stamp, settings_.granularity)), 1);
      clock_.floor = larger(clock_.floor, next);
      entries_.leave_tail();
      busy_ = true;
      return true;
    }
    return false;
  }

  [[nodiscard]] bool can_append() noexcept {
    if (entries_.ring().room_from(entries_.head()) <= taken_ &&
        (!positions_allow_a_chunk() || !entries_.ring().add_chunk(allowance())))
      return false;
    return entries_.marks().room_from(entries_.mark_head()) > taken_ ||
           entries_.marks().add_chunk(allowance());
  }
  // From the tail to the head, with its stamp.
  void requeue() noexcept {
    const Position p = entries_.tail();
    const Id id = entries_.id_at(p);
    const std::int64_t stamp = stamped ? stamp_of(p) : clock_.granule;
    const Payload payload = payload_at(p);
    const std::uint64_t hash = slot_of(hash_, id);
    if (!(id == Id{})) find(id, hash).slot.vacate();
    entries_.leave_tail();
    append(id, index_.spot(hash), clock_.granule, stamp, payload);
  }

  [[nodiscard]] bool has_to_retire() const noexcept {
    return sliding && entries_.mark_tail() != entries_.mark_head() &&
           entries_.mark_at(entries_.mark_tail()).granule < clock_.first_alive;
  }
  // Looks at what lies under marks that have expired. A stamp must not get 2^31 granules old.
  void retire(std::uint64_t entries) noexcept {
    std::uint64_t holes = looked_at_a_call;
    while (has_to_retire()) {
      const bool must =
          clock_.granule - entries_.mark_at(entries_.mark_tail()).granule >= std::int64_t{1} << 30;
      if (!must && (entries == 0 || holes == 0)) return;
      ++work_;
      if (entries_.is_hole(entries_.tail())) {
        entries_.step_over_hole();
        if (holes != 0) --holes;
        continue;
      }
      if (stamp_of(entries_.tail()) < clock_.first_alive) {
        entries_.leave_tail();
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
    for (int i = 0; i < 2 && entries_.ring().has_chunk_before(entries_.tail()); ++i, ++work_)
      entries_.ring().release_oldest();
    for (int i = 0; i < 2 && entries_.marks().has_chunk_before(entries_.mark_tail()); ++i, ++work_)
      entries_.marks().release_oldest();
    if (index_.phase() == Phase::idle) shrink();
    step_resize();
    busy_ = index_.phase() != Phase::idle || has_to_retire() ||
            entries_.ring().has_chunk_before(entries_.tail()) ||
            entries_.marks().has_chunk_before(entries_.mark_tail());
    refresh_soft_limit();
    note_work();
  }

  void grow() noexcept {
    // After a failure there is time to wait, until there is none.
    if (attempts_to_skip_ != 0 && entries_.size() + taken_ < room()) {
      --attempts_to_skip_;
      return;
    }
    const std::uint64_t most = larger(min_lines, lines_below_trigger(settings_.key_limit));
    const std::uint64_t lines = index_.lines();
    if (lines >= most) return;
    std::uint64_t wanted =
        larger(Index::lines_for(entries_.size() + taken_ + 16), lines + lines / 4);
    // Where the step after this one would not fit beside what there is by then, this is the last.
    if (wanted < most && settings_.heap_limit != std::numeric_limits<std::uint64_t>::max()) {
      const std::uint64_t by_then = Index::room_in(wanted) * Entries::entry_bytes +
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
      while (index_.phase() != Phase::idle) step_resize();
    }
  }

  void shrink() noexcept {
    const std::uint64_t needed = entries_.size() + taken_;
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
    if (!index_.begin(lines, entries_.tail(), allowance())) return false;
    busy_ = true;
    ++counts_.index_resizes;
    return true;
  }
  void finish_resize() noexcept {
    while (index_.phase() != Phase::idle) step_resize();
    refresh_soft_limit();
  }

  void step_resize() noexcept {
    const auto hash_at = [this](Position p, std::uint64_t& hash) {
      const Id& id = entries_.id_at(p);
      hash = slot_of(hash_, id);
      return !(id == Id{});
    };
    if (!index_.step(entries_.range(), entries_.size() + taken_, hash_at, work_))
      attempts_to_skip_ = 64;
  }

  WindowSettings settings_;
  Hash hash_;
  Entries entries_;
  Growing index_;
  Clock clock_;
  WindowCounts counts_;
  bool busy_ = false;             // maintain() has something to do
  std::uint64_t taken_ = 0;       // promised by take_room()
  std::uint64_t soft_limit_ = 0;  // below it an id has room in the index
  std::uint64_t attempts_to_skip_ = 0;
  std::uint64_t work_ = 0;  // of this call
};

}  // namespace idem::inline IDEM_ABI::detail
