#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/growing_index.hpp>
#include <idem/detail/memory/window_clock.hpp>
#include <idem/detail/memory/window_entries.hpp>
#include <idem/detail/memory/window_settings.hpp>

namespace idem::inline IDEM_ABI::detail {

// What a TimeWindow keeps its ids in: the ring and its index, how they grow and are given back a
// little at a time, what expires as the clock moves, and what gives way where there is no room.
//
// A call begins with begin_call() or move_to(), and does what is due with tidy().
template <class Id, bool sliding, bool by_event, std::size_t payload_bytes, HashPolicy Hash,
          class Position, class Rules>
class WindowRoom {
  static constexpr bool stamped = sliding || by_event;

  using Growing = GrowingIndex<Position, Rules>;
  using Phase = typename Growing::Phase;
  using Slot = typename Growing::Slot;

 public:
  using Index = typename Growing::Index;
  using Spot = typename Growing::Spot;
  using Entries = WindowEntries<Id, stamped, payload_bytes, Position, Rules>;
  using Payload = typename Entries::Payload;
  using Clock = WindowClock<by_event, Rules>;

  WindowRoom(Hash hash, const WindowSettings& settings) noexcept
      : settings_(settings), hash_(hash), entries_(settings.chunk_shift) {}
  // Room taken for ids to come is not copied: it belongs to whoever took it.
  WindowRoom(const WindowRoom& other)
      : settings_(other.settings_),
        hash_(other.hash_),
        entries_(other.entries_),
        index_(other.index_),
        clock_(other.clock_),
        counts_(other.counts_),
        busy_(other.busy_) {
    refresh_soft_limit();
  }
  WindowRoom(WindowRoom&& other) noexcept : WindowRoom(other.hash_, other.settings_) {
    swap(other);
  }
  WindowRoom& operator=(const WindowRoom& other) {
    if (this != &other) *this = WindowRoom(other);
    return *this;
  }
  WindowRoom& operator=(WindowRoom&& other) noexcept {
    WindowRoom moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~WindowRoom() = default;

  [[nodiscard]] const WindowSettings& settings() const noexcept { return settings_; }
  [[nodiscard]] const Hash& hash() const noexcept { return hash_; }
  [[nodiscard]] Entries& entries() noexcept { return entries_; }
  [[nodiscard]] const Entries& entries() const noexcept { return entries_; }
  [[nodiscard]] Growing& index() noexcept { return index_; }
  [[nodiscard]] const Growing& index() const noexcept { return index_; }
  [[nodiscard]] Clock& clock() noexcept { return clock_; }
  [[nodiscard]] const Clock& clock() const noexcept { return clock_; }
  [[nodiscard]] WindowCounts& counts() noexcept { return counts_; }
  [[nodiscard]] const WindowCounts& counts() const noexcept { return counts_; }
  [[nodiscard]] std::size_t heap_bytes() const noexcept {
    return entries_.heap_bytes() + index_.heap_bytes();
  }

  // ---- time --------------------------------------------------------------------------------------

  void begin_call() noexcept { work_ = 0; }
  void move_to(std::int64_t time) noexcept {
    begin_call();
    tell_time(time);
  }
  // What is due, a little at a time.
  void tidy() noexcept {
    if (busy_) maintain();
  }
  void maintain() noexcept {
    if constexpr (sliding) retire(retired_a_call);
    step_over_holes();
    for (int i = 0; i < 2 && entries_.ring().has_chunk_before(entries_.tail()); ++i, ++work_)
      entries_.ring().release_oldest();
    for (int i = 0; i < 2 && entries_.marks().has_chunk_before(entries_.mark_tail()); ++i, ++work_)
      entries_.marks().release_oldest();
    if (index_.phase() == Phase::idle) shrink();
    step_resize();
    busy_ = index_.phase() != Phase::idle || has_to_retire() || begins_with_a_hole() ||
            entries_.ring().has_chunk_before(entries_.tail()) ||
            entries_.marks().has_chunk_before(entries_.mark_tail());
    refresh_soft_limit();
    note_work();
  }

  void tell_time(std::int64_t time) noexcept {
    if (clock_.started && time == clock_.latest) return;
    if (clock_.started && time < clock_.latest) {
      if (by_event) return;
      ++counts_.clock_went_back;
    }
    move_clock(time);
  }

  // ---- ids ---------------------------------------------------------------------------------------

  struct Found {
    Slot slot;
    Position position = 0;
    bool is_there = false;
  };

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

  [[nodiscard]] Payload payload_at(Position p) const noexcept {
    Payload payload{};
    if constexpr (payload_bytes != 0) std::memcpy(&payload, entries_.payload_at(p), payload_bytes);
    return payload;
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

  // ---- room --------------------------------------------------------------------------------------

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

  // Takes room for one id to come, so that append() cannot fail.
  [[nodiscard]] bool take_room() noexcept {
    begin_call();
    tidy();
    if (!make_room()) return false;
    ++taken_;
    return true;
  }
  void release_room() noexcept { --taken_; }

  // Readies an index for so many ids at once, and those that room was taken for.
  [[nodiscard]] bool reserve(std::uint64_t count) noexcept {
    if (count > settings_.key_limit || taken_ > settings_.key_limit - count) return false;
    const std::uint64_t wanted = count + taken_;
    if (wanted < trigger()) return true;
    finish_resize();
    if (!begin_resize(lines_below_trigger(wanted))) return false;
    finish_resize();
    return wanted <= room();
  }

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

  // Takes the contents of `merged`, and the room that was promised here with it.
  [[nodiscard]] bool take_over(WindowRoom& merged) noexcept {
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
    counts_.most_work = larger(counts_.most_work, before.most_work);
    counts_.longest_probe = larger(counts_.longest_probe, before.longest_probe);
    clock_.shift = shift;
    return true;
  }

  // The most a call may do besides its own key, in the units of WindowCounts::most_work: entries
  // moved or looked at, lines zeroed, chunks and segments given back. Holes left by forget() and a
  // batch of expired granules under it come on top.
  static constexpr std::uint64_t looked_at_a_call = Growing::looked_at_a_step;
  static constexpr std::uint64_t zeroed_a_call = Growing::zeroed_a_step;
  static constexpr std::uint64_t retired_a_call = 4;
  static constexpr std::uint64_t most_work_a_call =
      looked_at_a_call + zeroed_a_call + 2 * retired_a_call + 5;

 private:
  static constexpr std::uint64_t min_lines = 2;

  void swap(WindowRoom& other) noexcept {
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

  // At the tail, some a call.
  void step_over_holes() noexcept {
    for (std::uint64_t i = 0; i < looked_at_a_call && begins_with_a_hole(); ++i, ++work_)
      entries_.step_over_hole();
  }
  [[nodiscard]] bool begins_with_a_hole() const noexcept {
    return has_holes() && entries_.is_hole(entries_.tail());
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

  // ---- making room -------------------------------------------------------------------------------

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
    // Holes take places too, so that the ring can reach its limit with few ids in it, or none.
    while (!entries_.ring().has_chunk_before(entries_.tail())) {
      if (begins_with_a_hole()) {
        entries_.step_over_hole();
        ++work_;
      } else if (!evict_one()) {
        return false;
      }
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

  // ---- a little at a time ------------------------------------------------------------------------

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
    // It begins with that index full, and an id comes for every eight it moves.
    if (wanted < most && settings_.heap_limit != std::numeric_limits<std::uint64_t>::max()) {
      const std::uint64_t ids = Index::room_in(wanted);
      const std::uint64_t by_then = Entries::bytes_for(ids + ids / Growing::migrated_a_step,
                                                       settings_.granules, settings_.chunk_shift) +
                                    Index::bytes_for_lines(wanted) + Index::bytes_for_lines(most);
      if (by_then > settings_.heap_limit) wanted = most;
    }
    wanted = smaller(wanted, most);
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
