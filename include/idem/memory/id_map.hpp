#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <idem/core/bytes.hpp>
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
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/ascending_ids.hpp>
#include <idem/detail/memory/bit_array.hpp>
#include <idem/detail/memory/order_by_hash.hpp>
#include <idem/detail/memory/set_shards.hpp>
#include <idem/detail/memory/time_window.hpp>
#include <idem/detail/memory/window_plan.hpp>

namespace idem::inline IDEM_ABI {

// The options of an IdMap.
struct IdMapOptions {
  // The map never holds more bytes than this, itself and what it grows by included. At least the
  // empty map with its first entries.
  ByteSize budget = ByteSize::unlimited();
  // Room made in the constructor, so that this many keys need no growth. Zero: none.
  std::size_t expected_keys = 0;
  // Unset: drawn from the operating system.
  std::optional<Seed> seed = std::nullopt;
};

// Remembers fixed-width ids exactly, for ever, each with the 8 or 16 bytes it came with first: a
// digest of its content, or the result that a repeat shall be answered with.
//
// Guarantee   an id is `fresh` the first time and `duplicate` ever after, until forget() or clear(),
//             and its payload stays that of the first time. Answers `full`, having changed nothing,
//             when the budget or the system has no room, or at 2^30 ids.
// Forgetting  never by itself.
// Memory      a ring of entries that no growth copies, and an index of places in it: 6.3 to 8 bytes an
//             id beside the id and its payload, 16 while the index grows. The room of a forgotten id
//             is used again: the oldest moves into it, or later a few to the front, where it was
//             forgotten while the index grew.
// Complexity  O(1) expected. No call rehashes; one does the work of some dozen entries at most.
//             for_each() and saving sort all ids, in 18 bytes an id of scratch memory.
// Lifetime    a value: copied, moved. What was moved from is empty, with the same options and seed.
// Threads     const members may run together; anything else needs a lock around it.
// Errors      options that are nonsense throw std::invalid_argument; reserve() that cannot be met
//             does too; copying throws std::bad_alloc. Everything else is noexcept.
// Example     docs/components.md
template <class Id, class PayloadT, HashPolicy HashT = Xxh3Hash>
class IdMap : detail::NoLossyKeys<IdMap<Id, PayloadT, HashT>, Id> {
  using Guard = detail::NoLossyKeys<IdMap, Id>;

  static_assert(Key<Id> && std::is_same_v<typename KeyTraits<Id>::Stored, Id> &&
                    KeyTraits<Id>::exact,
                "idem::IdMap remembers ids that are stored as they are: Uuid, std::uint64_t or "
                "Digest; other keys go through idem::Deduplicator");
  static_assert(std::is_trivially_copyable_v<PayloadT> &&
                    (sizeof(PayloadT) == 8 || sizeof(PayloadT) == 16),
                "idem::IdMap: a payload is 8 or 16 bytes that may be copied as bytes");

  // A window that never ends, and in which all happens at one time.
  using Window = detail::TimeWindow<Id, false, false, sizeof(PayloadT), HashT>;
  using Bytes = typename Window::Payload;
  static constexpr std::int64_t always = 0;
  static constexpr bool saveable = detail::PortableId<Id> && detail::PortableId<PayloadT>;
  static constexpr std::size_t row_bytes = sizeof(Id) + sizeof(PayloadT);

 public:
  using Stored = Id;
  using Payload = PayloadT;
  using Options = IdMapOptions;
  using Hash = HashT;
  template <HashPolicy Other>
  using WithHash = IdMap<Id, Payload, Other>;
  template <class Other>
  using WithPayload = IdMap<Id, Other, Hash>;

  static constexpr Errors errors{};
  static constexpr bool needs_time = false;

  IdMap() : IdMap(Options()) {}
  explicit IdMap(const Options& options)
      : window_(Hash(options.seed ? *options.seed : Seed::random()), settings_for(options)) {
    if (options.expected_keys != 0 && !window_.reserve(options.expected_keys)) {
      detail::invalid_option("IdMapOptions.expected_keys", options.expected_keys, no_room_sentence);
    }
  }

  // `fresh`, `duplicate` or `full`. `payload` is kept beside a fresh id; on a duplicate, `first`
  // becomes the one that came with the first, and is left alone otherwise.
  Verdict insert(const Id& id, const Payload& payload, Payload& first) noexcept {
    Bytes bytes = to_bytes(payload);
    Verdict verdict = window_.insert(id, always, bytes);
    if (verdict == Verdict::full && window_.close_holes(many)) {
      verdict = window_.insert(id, always, bytes);
    }
    if (verdict == Verdict::duplicate) from_bytes(bytes, first);
    return verdict;
  }
  Verdict insert(const Id& id, At, const Payload& payload, Payload& first) noexcept {
    return insert(id, payload, first);
  }
  // With a payload of zeros.
  Verdict insert(const Id& id) noexcept {
    Payload unread;
    return insert(id, Payload{}, unread);
  }
  Verdict insert(const Id& id, At) noexcept { return insert(id); }

  // As that many single inserts in order, with their cache misses overlapped. The spans have one
  // size; anything else aborts the program.
  void insert(std::span<const Id> ids, std::span<const Payload> payloads, std::span<Payload> first,
              std::span<Verdict> verdicts) noexcept {
    detail::require_equal_sizes(ids.size(), payloads.size());
    detail::require_equal_sizes(ids.size(), first.size());
    insert_all(
        ids, [&](std::size_t i) { return to_bytes(payloads[i]); },
        [&](std::size_t i, const Bytes& bytes) { from_bytes(bytes, first[i]); }, verdicts);
  }
  void insert(std::span<const Id> ids, At, std::span<const Payload> payloads,
              std::span<Payload> first, std::span<Verdict> verdicts) noexcept {
    insert(ids, payloads, first, verdicts);
  }
  void insert(std::span<const Id> ids, std::span<Verdict> verdicts) noexcept {
    insert_all(
        ids, [](std::size_t) { return to_bytes(Payload{}); }, [](std::size_t, const Bytes&) {},
        verdicts);
  }
  void insert(std::span<const Id> ids, At, std::span<Verdict> verdicts) noexcept {
    insert(ids, verdicts);
  }

  // `fresh` or `duplicate`; records nothing. On a duplicate `first` becomes the payload that came
  // with the first.
  [[nodiscard]] Verdict check(const Id& id, Payload& first) const noexcept {
    Bytes bytes;
    const Verdict verdict = window_.check(id, always, bytes);
    if (verdict == Verdict::duplicate) from_bytes(bytes, first);
    return verdict;
  }
  [[nodiscard]] Verdict check(const Id& id, At, Payload& first) const noexcept {
    return check(id, first);
  }
  [[nodiscard]] Verdict check(const Id& id) const noexcept {
    Bytes unread;
    return window_.check(id, always, unread);
  }
  [[nodiscard]] Verdict check(const Id& id, At) const noexcept { return check(id); }

  // Fetches what the id's call will touch first, for a call that comes soon.
  [[gnu::always_inline]] inline void prefetch(const Id& id) const noexcept { window_.prefetch(id); }

  // Whether it was remembered; it is fresh again.
  bool forget(const Id& id) noexcept { return window_.take_out(id); }

  // Forgets every id; the memory is given back by the calls that follow.
  void clear() noexcept { window_.clear(); }

  // Makes room for `count` ids in all, on top of what reserve_one() took.
  void reserve(std::size_t count) {
    if (!window_.reserve(count))
      detail::invalid_option("IdMap::reserve(count)", count, no_room_sentence);
  }

  // Remembers all that `other` does, too: `fresh`, or `full` and no id has changed. An id that both
  // know keeps the payload it has here.
  [[nodiscard]] Verdict merge(const IdMap& other) noexcept {
    if (this == &other) return Verdict::fresh;
    const detail::BitArray is_new(other.size());
    if (!is_new) return Verdict::full;
    auto walk = other.window_.begin_walk();
    typename Window::Entry entry;
    std::size_t seen = 0;
    while (other.window_.walk_on(walk, entry)) {
      Payload unread;
      Payload payload;
      from_bytes(entry.payload, payload);
      const Verdict verdict = insert(entry.id, payload, unread);
      if (verdict == Verdict::full) {
        take_back(other, is_new, seen);
        return Verdict::full;
      }
      if (verdict == Verdict::fresh) is_new.set(seen);
      ++seen;
    }
    return Verdict::fresh;
  }

  // visit(id, payload) for every id, in ascending order of (slot(id), id): what the ids and the seed
  // alone decide, whatever the history. The visitor must not change the map. False, and nothing was
  // visited: there is no memory to put them in order.
  template <class Visit>
  [[nodiscard]] bool for_each(Visit&& visit) const {
    const std::array<const IdMap*, 1> alone{this};
    return visit_all(alone, visit);
  }

  [[nodiscard]] std::size_t size() const noexcept {
    return static_cast<std::size_t>(window_.size());
  }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sizeof(*this) + window_.heap_bytes();
  }
  [[nodiscard]] const Hash& hash() const noexcept { return window_.hash(); }

  // Whether test(id) is true of every id, in no order; what is asked of a shard that was loaded.
  [[nodiscard]] bool all_of(const auto& test) const noexcept {
    return window_.all_of([&](const auto& entry) { return test(entry.id); });
  }

  // Room for keys to come, as the concepts Settling and SettlingPayloads say; what Claims stand on.
  [[nodiscard]] bool reserve_one(const Id&) noexcept {
    return window_.take_room() || (window_.close_holes(many) && window_.take_room());
  }
  void record(const Id& id, At, const Payload& payload) noexcept {
    window_.record_in_room(id, always, to_bytes(payload));
  }
  void record(const Id& id, At at) noexcept { record(id, at, Payload{}); }
  void release_one(const Id&) noexcept { window_.release_room(); }
  [[nodiscard]] std::uint64_t slot(const Id& id) const noexcept {
    return detail::slot_of(hash(), id);
  }

  // The state for idem::save and idem::load, as the concept Saveable says: each id with its payload,
  // in the order of for_each.
  static constexpr StateType state_type{.kind = StateKind::id_map,
                                        .key = detail::key_number<Id>,
                                        .hash = detail::hash_number<Hash>,
                                        .variant = {detail::key_number<Payload>, 0, 0, 0}};
  [[nodiscard]] StateShape state_shape() const noexcept requires(saveable) {
    const std::array<const IdMap*, 1> alone{this};
    return joined_shape(alone);
  }
  bool write_state(StateWriter& out) const requires(saveable) {
    const std::array<const IdMap*, 1> alone{this};
    return write_joined(alone, out);
  }
  [[nodiscard]] static Result<IdMap> read_state(StateReader& in, const StateShape& shape,
                                                const Options& options) requires(saveable) {
    IdMap map(Options{.budget = options.budget, .seed = shape.seed});
    const std::array<IdMap*, 1> alone{&map};
    if (const auto error =
            read_joined(in, shape, options, alone, [](const Id&) { return std::size_t{0}; }))
      return *error;
    return Result<IdMap>(std::move(map));
  }

  // The same of maps under one seed that have no id in common, as of one map: as IdSet has it.
  [[nodiscard]] static StateShape joined_shape(std::span<const IdMap* const> maps) noexcept
      requires(saveable) {
    const std::uint64_t count = size_of_all(maps);
    return {.type = state_type,
            .seed = maps[0]->hash().seed(),
            .elements = count,
            .bytes = count * row_bytes};
  }
  [[nodiscard]] static bool write_joined(std::span<const IdMap* const> maps,
                                         StateWriter& out) requires(saveable) {
    const bool has_memory = visit_all(maps, [&](const Id& id, const Payload& payload) {
      std::array<std::byte, row_bytes> row;
      detail::store_id(row.data(), id);
      detail::store_id(row.data() + sizeof(Id), payload);
      out.bytes(row);
    });
    return has_memory && out.ok();
  }
  template <class Home>
  [[nodiscard]] static std::optional<Error> read_joined(StateReader& in, const StateShape& shape,
                                                        const Options& options,
                                                        std::span<IdMap* const> maps,
                                                        const Home& home) requires(saveable) {
    constexpr auto bad = ErrorCode::bad_value;
    if (shape.first != 0) return Error{bad, StateShape::first_at, "ids"};
    if (shape.second != 0) return Error{bad, StateShape::second_at, "ids"};
    if (shape.elements != shape.bytes / row_bytes || shape.bytes % row_bytes != 0)
      return Error{bad, StateShape::elements_at, "ids"};
    const auto no_room = options.budget != ByteSize::unlimited() ? ErrorCode::limit_exceeded
                                                                 : ErrorCode::out_of_memory;
    const std::uint64_t each = detail::most_of_each(shape.elements, maps.size());
    for (IdMap* const map : maps) {
      if (!map->window_.reserve(detail::larger<std::uint64_t>(options.expected_keys, each)))
        return Error{no_room, StateShape::elements_at, "room for ids"};
    }
    detail::AscendingOrder<Id> order;
    for (std::uint64_t i = 0; i < shape.elements; ++i) {
      const std::size_t at = in.position();
      std::array<std::byte, row_bytes> row;
      if (!in.copy(row)) return Error{ErrorCode::truncated, at, "ids"};
      Id id{};
      Payload payload{}, first{};
      detail::load_id(row.data(), id);
      detail::load_id(row.data() + sizeof(Id), payload);
      if (!order.takes(maps[0]->slot(id), id)) return Error{bad, at, "order of ids"};
      if (maps[home(id)]->insert(id, payload, first) != Verdict::fresh)
        return Error{no_room, at, "room for ids"};
    }
    return std::nullopt;
  }

  // Arguments that would silently become another key are refused.
  using Guard::check;
  using Guard::forget;
  using Guard::insert;

 private:
  // Ids moved on by a call that finds no room, to get at that of forgotten ones.
  static constexpr std::uint64_t many = 64;
  static constexpr std::string_view no_room_sentence =
      "small enough for its ids to fit the budget, the memory there is and 2^30";

  [[nodiscard]] static detail::WindowSettings settings_for(const Options& options) {
    constexpr std::int64_t for_ever = std::numeric_limits<std::int64_t>::max();
    const std::uint64_t budget = options.budget.count();
    const bool has_budget = options.budget != ByteSize::unlimited();
    detail::WindowSettings settings{.window = for_ever,
                                    .granularity = for_ever,
                                    .key_limit = Window::most_keys,
                                    .granules = 1,
                                    .expected_keys = options.expected_keys};
    std::uint64_t foretold = options.expected_keys;
    if (has_budget) {
      const std::uint64_t fits = budget / (row_bytes + 8) + 1;
      foretold = foretold == 0 ? fits : detail::smaller(fits, foretold);
    }
    settings.chunk_shift = detail::chunk_shift_for(foretold);
    if (!has_budget) return settings;
    const auto needed = [&](std::uint64_t ids) {
      return sizeof(IdMap) + Window::bytes_for(ids, settings.granules, settings.chunk_shift);
    };
    if (needed(1) > budget) {
      detail::invalid_option("IdMapOptions.budget", budget,
                             "at least " + std::to_string(needed(1)) + " bytes");
    }
    settings.heap_limit = budget - sizeof(IdMap);
    std::uint64_t fits = 1;
    std::uint64_t above = settings.key_limit + 1;
    while (fits + 1 < above) {
      const std::uint64_t middle = fits + (above - fits) / 2;
      (needed(middle) <= budget ? fits : above) = middle;
    }
    settings.key_limit = fits;
    return settings;
  }

  [[nodiscard]] static Bytes to_bytes(const Payload& payload) noexcept {
    Bytes bytes;
    std::memcpy(&bytes, &payload, sizeof bytes);
    return bytes;
  }
  static void from_bytes(const Bytes& bytes, Payload& payload) noexcept {
    std::memcpy(static_cast<void*>(&payload), &bytes, sizeof bytes);
  }

  void insert_all(std::span<const Id> ids, const auto& payload_of, const auto& tell_first,
                  std::span<Verdict> verdicts) noexcept {
    const auto when = [](const Id&) { return always; };
    // Each in its turn, or a later copy of an id would be the fresh one.
    const auto makes_way = [this] { return window_.close_holes(many); };
    window_.insert(ids, when, payload_of, tell_first, makes_way, verdicts);
  }

  [[nodiscard]] static std::uint64_t size_of_all(std::span<const IdMap* const> maps) noexcept {
    std::uint64_t sum = 0;
    for (const IdMap* const map : maps) sum += map->size();
    return sum;
  }
  // for_each of maps under one seed that have no id in common, as if they were one.
  template <class Visit>
  [[nodiscard]] static bool visit_all(std::span<const IdMap* const> maps, Visit&& visit) {
    struct Place {
      std::uint32_t map;
      decltype(Window::Walk::place) entry;
    };
    const auto each = [&](const auto& take) {
      typename Window::Entry entry;
      for (std::uint32_t i = 0; i < maps.size(); ++i) {
        const Window& window = maps[i]->window_;
        auto walk = window.begin_walk();
        while (window.walk_on(walk, entry)) take(maps[i]->slot(entry.id), Place{i, walk.place - 1});
      }
    };
    const auto id_at = [&](Place place) { return maps[place.map]->window_.id_at(place.entry); };
    const auto is_before = [&](Place a, Place b) { return id_at(a) < id_at(b); };
    const auto count = static_cast<std::size_t>(size_of_all(maps));
    return detail::visit_by_hash<Place>(count, each, is_before, [&](Place place) {
      Payload payload;
      from_bytes(maps[place.map]->window_.payload_at(place.entry), payload);
      visit(id_at(place), std::as_const(payload));
    });
  }

  // The first `count` of the other's ids, as far as they were new here.
  void take_back(const IdMap& other, const detail::BitArray& is_new, std::size_t count) noexcept {
    auto walk = other.window_.begin_walk();
    typename Window::Entry entry;
    for (std::size_t i = 0; i < count && other.window_.walk_on(walk, entry); ++i) {
      if (is_new[i]) (void)forget(entry.id);
    }
  }

  Window window_;
};

}  // namespace idem::inline IDEM_ABI
