#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>

#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/window_room.hpp>
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

  using Room = WindowRoom<Id, sliding, by_event, payload_bytes, Hash, Position, Rules>;
  using Found = typename Room::Found;
  using Spot = typename Room::Spot;
  using Clock = typename Room::Clock;

 public:
  using Payload = typename Room::Payload;

  TimeWindow(Hash hash, const WindowSettings& settings) noexcept : room_(hash, settings) {}

  // ---- judging -----------------------------------------------------------------------------------

  // `payload` is what to keep beside a fresh id; a duplicate overwrites it with what is kept.
  [[nodiscard]] Verdict insert(const Id& id, std::int64_t time, Payload& payload) noexcept {
    return insert_hashed(id, slot_of(room_.hash(), id), time, payload);
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
        const std::uint64_t hash = slot_of(room_.hash(), ids[i]);
        hashes[i % (2 * group)] = hash;
        room_.index().prefetch(hash);
      }
    };
    const auto fetch_entry = [this](Position position) __attribute__((always_inline)) {
      __builtin_prefetch(room_.entries().ring().chunk_of(position) +
                         room_.entries().ring().place_in_chunk(position) * sizeof(Id));
    };
    if (!ids.empty()) fetch_lines(0);
    for (std::size_t begin = 0; begin < ids.size(); begin += group) {
      const std::size_t end = smaller(ids.size(), begin + group);
      if (end < ids.size()) fetch_lines(end);
      if (room_.index().lines() != 0) {
        for (std::size_t i = begin; i < end; ++i) {
          const std::uint64_t hash = hashes[i % (2 * group)];
          room_.index().for_candidates(hash, room_.entries().range(), fetch_entry);
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
    const std::uint64_t hash = slot_of(room_.hash(), id);
    room_.index().prefetch(hash);
  }

  // What insert would answer at that time, but for `full`. On a duplicate `first` becomes what is
  // kept beside it.
  [[nodiscard]] Verdict check(const Id& id, std::int64_t time, Payload& first) const noexcept {
    const Clock then = room_.clock().after(time, room_.settings());
    if (by_event && then.is_stale(time, room_.settings())) return Verdict::stale;
    const Found found = room_.find(id, slot_of(room_.hash(), id));
    if (found.is_there && room_.is_alive(found.position, then)) {
      if constexpr (payload_bytes != 0)
        std::memcpy(&first, room_.entries().payload_at(found.position), payload_bytes);
      return Verdict::duplicate;
    }
    return by_event && time < room_.clock().floor ? Verdict::stale : Verdict::fresh;
  }

  // Moves the clock without a key, and lets go of what that expires.
  void advance(std::int64_t time) noexcept {
    room_.move_to(time);
    room_.maintain();
  }

  // Whether it was remembered. Its place in the ring stays empty until the tail gets there.
  [[nodiscard]] bool forget(const Id& id) noexcept { return room_.forget(id); }
  void clear() noexcept { room_.clear(); }
  // As WindowRoom has them.
  [[nodiscard]] bool take_out(const Id& id) noexcept { return room_.take_out(id); }
  [[nodiscard]] bool close_holes(std::uint64_t entries) noexcept {
    return room_.close_holes(entries);
  }

  // From here on `now` means what the latest instant meant.
  void restart_clock(std::int64_t now) noexcept { room_.clock().restart(now); }
  [[nodiscard]] std::int64_t shifted(std::int64_t now) const noexcept {
    return room_.clock().shifted(now);
  }

  // ---- room --------------------------------------------------------------------------------------

  // Takes room for one id to come, so that record_in_room() cannot fail.
  [[nodiscard]] bool take_room() noexcept { return room_.take_room(); }
  void release_room() noexcept { room_.release_room(); }
  // Not counted as stale where the event is older than the horizon: the right to record it was
  // given, and a record that has expired already needs no place. One that was over when the room was
  // taken, and is not by this time, as the clock went back, gives way to this one.
  void record_in_room(const Id& id, std::int64_t time, const Payload& payload) noexcept {
    room_.release_room();
    const std::uint64_t stale = room_.counts().stale;
    Payload kept = payload;
    if (insert(id, time, kept) == Verdict::duplicate && forget(id)) {
      kept = payload;
      (void)insert(id, time, kept);
    }
    room_.counts().stale = stale;
  }

  // Readies an index for so many ids at once.
  [[nodiscard]] bool reserve(std::uint64_t count) noexcept { return room_.reserve(count); }

  // ---- what it is --------------------------------------------------------------------------------

  [[nodiscard]] std::uint64_t size() const noexcept { return room_.entries().size(); }
  [[nodiscard]] std::size_t heap_bytes() const noexcept { return room_.heap_bytes(); }
  [[nodiscard]] const Hash& hash() const noexcept { return room_.hash(); }
  [[nodiscard]] const WindowSettings& settings() const noexcept { return room_.settings(); }
  [[nodiscard]] const WindowCounts& counts() const noexcept { return room_.counts(); }
  [[nodiscard]] bool has_started() const noexcept { return room_.clock().started; }
  [[nodiscard]] std::int64_t latest() const noexcept { return room_.clock().latest; }
  // The first instant whose ids are all remembered, but for what was evicted.
  [[nodiscard]] std::int64_t begin_of_window() const noexcept {
    return room_.clock().begin_of_window(room_.settings());
  }
  [[nodiscard]] std::int64_t shift() const noexcept { return room_.clock().shift; }
  [[nodiscard]] std::int64_t floor() const noexcept { return room_.clock().floor; }
  void count_events_ahead(std::uint64_t messages) noexcept {
    room_.counts().events_ahead += messages;
  }

  // As WindowRoom has it.
  [[nodiscard]] static std::uint64_t bytes_for(std::uint64_t ids, std::uint64_t granules,
                                               unsigned chunk_shift) noexcept {
    return Room::bytes_for(ids, granules, chunk_shift);
  }
  static constexpr std::uint64_t most_keys = Room::most_keys;
  static constexpr std::uint64_t most_work_a_call = Room::most_work_a_call;

  // ---- snapshots and merging ---------------------------------------------------------------------

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
  [[nodiscard]] Walk begin_walk() const noexcept {
    return {room_.entries().tail(), room_.entries().mark_tail()};
  }
  [[nodiscard]] bool walk_on(Walk& walk, Entry& entry) const noexcept {
    for (; walk.place != room_.entries().head(); ++walk.place) {
      const Position p = walk.place;
      for (auto next = static_cast<Position>(walk.mark + 1);
           next != room_.entries().mark_head() &&
           !room_.entries().is_before(p, room_.entries().mark_at(next).first);
           ++next)
        walk.mark = next;
      if (room_.entries().is_hole(p) || !room_.is_alive(p, room_.clock())) continue;
      entry.mark = larger(room_.entries().mark_at(walk.mark).granule, room_.clock().first_alive);
      entry.stamp = stamped ? room_.stamp_of(p) : entry.mark;
      entry.id = room_.entries().id_at(p);
      if constexpr (payload_bytes != 0)
        std::memcpy(&entry.payload, room_.entries().payload_at(p), payload_bytes);
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
    if (started) room_.tell_time(latest);
    room_.clock().floor = floor;
    room_.clock().shift = shift;
  }
  // Whether an entry of this mark can have this stamp. Of an event that was refreshed the mark says
  // nothing.
  [[nodiscard]] bool may_have(const Entry& entry) const noexcept {
    if (entry.stamp < room_.clock().first_alive) return false;
    if (sliding && by_event) return true;
    return sliding ? entry.stamp >= room_.clock().first_alive : entry.stamp <= entry.mark;
  }
  // Appends an entry of another window whose clock is not ahead of this one's; entries come in order
  // of their marks. `fresh`, `duplicate` (an entry of that id came before; of two times sliding
  // keeps the later) or `full`.
  [[nodiscard]] Verdict restore(const Entry& entry) noexcept {
    room_.begin_call();
    room_.tidy();
    const std::uint64_t hash = slot_of(room_.hash(), entry.id);
    const Found found = room_.find(entry.id, hash);
    if (found.is_there) {
      if constexpr (sliding)
        room_.entries().set_stamp(found.position,
                                  larger(room_.stamp_of(found.position), entry.stamp));
      return Verdict::duplicate;
    }
    if (!room_.make_room()) return Verdict::full;
    room_.append(entry.id, room_.index().spot(hash), entry.mark, entry.stamp, entry.payload);
    return Verdict::fresh;
  }
  // What lies where a walk has been.
  [[nodiscard]] const Id& id_at(Position place) const noexcept {
    return room_.entries().id_at(place);
  }
  [[nodiscard]] Payload payload_at(Position place) const noexcept {
    return room_.payload_at(place);
  }
  [[nodiscard]] bool is_in_time(const Entry& entry) const noexcept {
    return (stamped ? entry.stamp : entry.mark) >= room_.clock().first_alive;
  }
  // Takes the contents of `merged`, and the room that was promised here with it.
  [[nodiscard]] bool take_over(TimeWindow& merged) noexcept {
    return room_.take_over(merged.room_);
  }

  [[nodiscard]] std::int64_t first_granule() const noexcept { return room_.clock().first_alive; }
  [[nodiscard]] std::int64_t last_granule() const noexcept { return room_.clock().granule; }

 private:
  [[nodiscard]] Verdict insert_hashed(const Id& id, std::uint64_t hash, std::int64_t time,
                                      Payload& payload) noexcept {
    room_.move_to(time);
    std::int64_t granule = room_.clock().granule;
    if constexpr (by_event) {
      if (room_.clock().is_stale(time, room_.settings())) {
        ++room_.counts().stale;
        return Verdict::stale;
      }
      if (time != room_.clock().latest)
        granule = Rules::granule(time, room_.settings().granularity);
    }
    room_.tidy();

    Spot spot = room_.index().spot(hash);
    const Found found = room_.find(id, hash, spot);
    if (found.is_there) {
      if (!stamped || room_.is_alive(found.position, room_.clock())) {
        if constexpr (sliding)
          room_.entries().set_stamp(found.position,
                                    larger(room_.stamp_of(found.position), granule));
        if constexpr (payload_bytes != 0)
          std::memcpy(&payload, room_.entries().payload_at(found.position), payload_bytes);
        return Verdict::duplicate;
      }
      room_.make_hole(found);
    }
    if constexpr (by_event) {
      if (time < room_.clock().floor) {
        ++room_.counts().stale;
        return Verdict::stale;
      }
    }
    if (!room_.has_room()) {
      if (!room_.make_room()) return Verdict::full;
      spot = room_.index().spot(hash);
    }
    room_.append(id, spot, room_.clock().granule, granule, payload);
    return Verdict::fresh;
  }

  Room room_;
};

}  // namespace idem::inline IDEM_ABI::detail
