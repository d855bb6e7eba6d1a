#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

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
#include <idem/detail/memory/bit_array.hpp>
#include <idem/detail/memory/filter_size.hpp>
#include <idem/detail/memory/id_state.hpp>
#include <idem/detail/memory/id_table.hpp>
#include <idem/detail/memory/set_shards.hpp>
#include <idem/detail/memory/wide_table.hpp>
#include <idem/memory/set_options.hpp>

namespace idem::inline IDEM_ABI {

template <class Id, class PayloadT, HashPolicy HashT>
class IdMap;

// Remembers fixed-width ids exactly, for ever.
//
// Guarantee   an id is `fresh` the first time and `duplicate` ever after, until forget() or
//             clear(). Answers `full`, having changed nothing, when the budget or the system has no
//             room; what is remembered is still answered.
// Forgetting  never by itself.
// Memory      128-bit ids: 24 bytes an id at every size from 1,000,000 on, while it grows too; from
//             3,073 to there 27 to 39; below, one array that doubles, 21 to 43 and half as much
//             again while it grows. 64-bit ids: that array at every size. Under a budget below 1 MiB
//             the array stays, and as old and new must fit the budget together, a third of it stays
//             unused after the last growth; expected_keys can spend all of it.
// Complexity  O(1) expected. An insert of a 128-bit id that grows the set moves 4 KiB of ids, once in
//             its life 48 KiB; an insert of a 64-bit one moves them all. See work().
// Lifetime    a value: copied, moved. What was moved from is empty, with the same options and seed.
// Threads     const members may run together; anything else needs a lock around it.
// Errors      options that are nonsense throw std::invalid_argument; reserve() that cannot be met
//             does too; copying throws std::bad_alloc. Everything else is noexcept.
// Example     docs/components.md
template <class Id, HashPolicy HashT = Xxh3Hash>
class IdSet : detail::NoLossyKeys<IdSet<Id, HashT>, Id> {
  using Guard = detail::NoLossyKeys<IdSet, Id>;

  static_assert(Key<Id> && std::is_same_v<typename KeyTraits<Id>::Stored, Id> &&
                    KeyTraits<Id>::exact,
                "idem::IdSet remembers ids that are stored as they are: Uuid, std::uint64_t or "
                "Digest; other keys go through idem::Deduplicator, ContentHashSet or ExactSet");

 public:
  using Stored = Id;
  using Options = SetOptions;
  using Hash = HashT;
  template <HashPolicy Other>
  using WithHash = IdSet<Id, Other>;
  // Another engine; include memory/id_map.hpp.
  template <class Payload>
  using WithPayload = IdMap<Id, Payload, HashT>;

  static constexpr Errors errors{};
  static constexpr bool needs_time = false;

  IdSet() : IdSet(Options{.seed = Seed::random()}) {}
  explicit IdSet(const Options& options)
      : table_(Hash(detail::given_or_random(options.seed)), table_budget(options.budget),
               options.pages == PagePolicy::huge_when_large) {
    if (!table_.reserve(options.expected_keys))
      refuse_count("SetOptions.expected_keys", options.expected_keys);
  }

  // `fresh`, `duplicate` or `full`.
  Verdict insert(const Id& id) noexcept { return table_.insert(id); }
  Verdict insert(const Id& id, At) noexcept { return insert(id); }

  // As that many single inserts in order, with their cache misses overlapped. The spans have one
  // size; anything else aborts the program.
  void insert(std::span<const Id> ids, std::span<Verdict> verdicts) noexcept {
    detail::require_equal_sizes(ids.size(), verdicts.size());
    table_.insert(ids.size(), verdicts.data(), [&](std::size_t i) { return ids[i]; });
  }
  void insert(std::span<const Id> ids, At, std::span<Verdict> verdicts) noexcept {
    insert(ids, verdicts);
  }

  // `fresh` or `duplicate`; records nothing.
  [[nodiscard]] Verdict check(const Id& id) const noexcept {
    return table_.contains(id) ? Verdict::duplicate : Verdict::fresh;
  }
  [[nodiscard]] Verdict check(const Id& id, At) const noexcept { return check(id); }

  // Fetches what the id's call will touch first, for a call that comes soon.
  [[gnu::always_inline]] inline void prefetch(const Id& id) const noexcept { table_.prefetch(id); }

  // Whether it was remembered; it is fresh again.
  bool forget(const Id& id) noexcept { return table_.erase(id); }

  // Forgets every id and keeps the memory.
  void clear() noexcept { table_.clear(); }

  // Makes room for `count` ids in all, on top of what reserve_one() took.
  void reserve(std::size_t count) {
    if (!table_.reserve(count)) refuse_count("IdSet::reserve(count)", count);
  }

  // Makes room for `more` further ids and touches it, so that their inserts meet no memory of the
  // system's that was never used: on a fresh page that costs more than the insert. Best called where
  // nobody waits. False: the budget or the system has no room, and no id has changed.
  [[nodiscard]] bool warm(std::size_t more) noexcept { return table_.warm(more); }

  // Remembers all that `other` does: `fresh`, or `full` and no id has changed.
  [[nodiscard]] Verdict merge(const IdSet& other) noexcept {
    if (this == &other) return Verdict::fresh;
    const detail::BitArray is_new(other.size());
    if (!is_new) return Verdict::full;
    std::size_t seen = 0;
    Verdict verdict = Verdict::fresh;
    other.table_.each([&](const Id& id) {
      verdict = table_.insert(id);
      if (verdict == Verdict::full) return false;
      if (verdict == Verdict::fresh) is_new.set(seen);
      ++seen;
      return true;
    });
    if (verdict != Verdict::full) return Verdict::fresh;
    std::size_t undone = 0;
    other.table_.each([&](const Id& id) {
      if (undone == seen) return false;
      if (is_new[undone]) (void)table_.erase(id);
      ++undone;
      return true;
    });
    return Verdict::full;
  }

  // visit(id) for every id, in ascending order of (slot(id), id): what the ids and the seed alone
  // decide, whatever the history and the capacity. Needs no memory. The visitor must not change the
  // set. Inserted in this order, under the same seed, into a set with room for them, ids walk
  // through memory from one end to the other.
  template <class Visit>
  void for_each(Visit&& visit) const {
    table_.for_each(visit);
  }

  // What growth has cost so far.
  [[nodiscard]] SetWork work() const noexcept { return table_.work(); }

  [[nodiscard]] std::size_t size() const noexcept { return table_.size(); }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sizeof(*this) + table_.heap_bytes();
  }
  [[nodiscard]] const Hash& hash() const noexcept { return table_.hash(); }

  // Room for keys to come, as the concept Settling says; what Claims stand on.
  [[nodiscard]] bool reserve_one(const Id&) noexcept { return table_.take_room(); }
  void record(const Id& id, At) noexcept { table_.record_in_room(id); }
  void release_one(const Id&) noexcept { table_.release_room(); }
  [[nodiscard]] std::uint64_t slot(const Id& id) const noexcept { return table_.slot(id); }

  // The state for idem::save and idem::load, as the concept Saveable says.
  static constexpr StateType state_type{
      .kind = StateKind::id_set, .key = detail::key_number<Id>, .hash = detail::hash_number<Hash>};
  [[nodiscard]] StateShape state_shape() const noexcept requires(detail::PortableId<Id>) {
    return detail::ids_shape<Id>(state_type, hash().seed(), size());
  }
  bool write_state(StateWriter& out) const requires(detail::PortableId<Id>) {
    return detail::write_ids<Id>(table_, out);
  }
  [[nodiscard]] static Result<IdSet> read_state(
      StateReader& in, const StateShape& shape,
      const Options& options) requires(detail::PortableId<Id>) {
    IdSet set(Options{.budget = options.budget, .seed = shape.seed, .pages = options.pages});
    const std::size_t room = detail::larger(options.expected_keys, detail::ids_in<Id>(shape));
    const bool has_budget = options.budget != ByteSize::unlimited();
    if (const auto error = detail::read_ids<Id>(in, shape, set.table_, room, has_budget))
      return *error;
    return Result<IdSet>(std::move(set));
  }

  // The same of sets under one seed that have no id in common, as of one set: what the shards of a
  // Deduplicator are saved as, and loaded from into any number of them. home(id) names the set.
  [[nodiscard]] static StateShape joined_shape(std::span<const IdSet* const> sets) noexcept
      requires(detail::PortableId<Id>) {
    std::size_t count = 0;
    for (const IdSet* const set : sets) count += set->size();
    return detail::ids_shape<Id>(state_type, sets[0]->hash().seed(), count);
  }
  [[nodiscard]] static bool write_joined(std::span<const IdSet* const> sets,
                                         StateWriter& out) requires(detail::PortableId<Id>) {
    detail::JoinedTables<const Table> tables;
    if (!tables.take(sets.size())) return false;
    for (const IdSet* const set : sets) tables.add(set->table_);
    return detail::write_joined_ids<Id, Table>(tables.tables(), out);
  }
  template <class Home>
  [[nodiscard]] static std::optional<Error> read_joined(
      StateReader& in, const StateShape& shape, const Options& options,
      std::span<IdSet* const> sets, const Home& home) requires(detail::PortableId<Id>) {
    detail::JoinedTables<Table> tables;
    if (!tables.take(sets.size()))
      return Error{ErrorCode::out_of_memory, StateShape::elements_at, "sets"};
    for (IdSet* const set : sets) tables.add(set->table_);
    detail::SplitTables split(tables, home, options.expected_keys);
    return detail::read_ids<Id>(in, shape, split, detail::ids_in<Id>(shape),
                                options.budget != ByteSize::unlimited());
  }

  // Arguments that would silently become another key are refused.
  using Guard::check;
  using Guard::forget;
  using Guard::insert;

 private:
  using Table = std::conditional_t<sizeof(Id) == 16, detail::WideTable<Id, Hash>,
                                   detail::NarrowTable<Id, Hash>>;

  [[noreturn]] static void refuse_count(std::string_view field, std::size_t count) {
    detail::invalid_option(field, count,
                           "small enough for its slots, at least " +
                               detail::filter_bits_text(static_cast<double>(count), sizeof(Id)) +
                               ", to fit the budget and the memory there is");
  }

  [[nodiscard]] static ByteSize table_budget(ByteSize budget) {
    constexpr std::uint64_t least = sizeof(IdSet) + Table::min_capacity * sizeof(Id);
    if (budget.count() < least) {
      detail::invalid_option("SetOptions.budget", budget.count(),
                             "at least " + std::to_string(least) + " bytes");
    }
    return ByteSize(budget.count() - sizeof(IdSet));
  }

  Table table_;
};

// Ids of 64 bits. See IdSet.
using Id64Set = IdSet<std::uint64_t>;

}  // namespace idem::inline IDEM_ABI
