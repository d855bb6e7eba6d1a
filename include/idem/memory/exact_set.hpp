#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
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
#include <idem/core/key_bytes.hpp>
#include <idem/core/state.hpp>
#include <idem/core/state_stream.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/lossy_key.hpp>
#include <idem/detail/memory/key_state.hpp>
#include <idem/detail/memory/key_table.hpp>
#include <idem/detail/memory/set_shards.hpp>
#include <idem/memory/set_options.hpp>

namespace idem::inline IDEM_ABI {

// Remembers keys of any type by the keys themselves, for ever: where even the odds of a 128-bit
// digest are too many, or where the keys are short. Stands on abseil's flat_hash_set: link
// idem::abseil.
//
// Key         copyable, comparable with ==, default-constructible, moved without throwing, with
//             KeyTraits that agree with ==; they serve as its hash. A key type with memory of its
//             own, other than std::string, tells how much in `static std::size_t
//             KeyTraits<Key>::heap_bytes(const Key&)`.
// Guarantee   a key is `fresh` the first time and `duplicate` ever after, until forget() or
//             clear(). Answers `full`, having changed nothing, when the budget or the system has no
//             room; what is remembered is still answered.
// Forgetting  never by itself.
// Memory      sizeof(Key) + 1 bytes a slot, 39 to 78 percent full, and what the keys hold outside
//             themselves; half as much again while it grows by copying. memory_bytes() counts what
//             is asked of the allocator, not what the allocator adds.
// Complexity  O(key length) expected. An insert that grows moves every key.
// Lifetime    a value: copied, moved. What was moved from is empty, with the same options and seed.
// Threads     const members may run together; anything else needs a lock around it.
// Errors      options that are nonsense throw std::invalid_argument; reserve() that cannot be met
//             does too; copying throws std::bad_alloc. Everything else is noexcept. Built without
//             exceptions, a failed allocation ends the program inside the allocator instead of
//             answering `full`.
template <class K, HashPolicy HashT = Xxh3Hash>
class ExactSet : detail::NoLossyKeys<ExactSet<K, HashT>, K> {
  using Guard = detail::NoLossyKeys<ExactSet, K>;

  static_assert(!std::is_same_v<K, std::string_view>,
                "idem::ExactSet keeps its keys: take ExactSet<std::string>, a view would dangle");
  static_assert(std::copyable<K> && std::equality_comparable<K>,
                "idem::ExactSet copies its keys and compares them with ==");
  static_assert(
      Key<K>,
      "idem::ExactSet: no idem::KeyTraits for this key; derive one from idem::DigestOf<...>");

 public:
  using Stored = K;
  using Options = SetOptions;
  using Hash = HashT;
  template <HashPolicy Other>
  using WithHash = ExactSet<K, Other>;

  static constexpr Errors errors{};
  static constexpr bool needs_time = false;

  ExactSet() : ExactSet(Options{.seed = Seed::random()}) {}
  explicit ExactSet(const Options& options)
      : table_(Hash(detail::given_or_random(options.seed)), table_budget(options.budget)) {
    if (!table_.reserve(options.expected_keys)) {
      detail::invalid_option("SetOptions.expected_keys", options.expected_keys, no_room_sentence);
    }
  }

  // `fresh`, `duplicate` or `full`.
  Verdict insert(const K& key) noexcept { return table_.insert(key); }
  Verdict insert(const K& key, At) noexcept { return insert(key); }

  // As that many single inserts in order, with their cache misses overlapped. The spans have one
  // size; anything else aborts the program.
  void insert(std::span<const K> keys, std::span<Verdict> verdicts) noexcept {
    table_.insert(keys, verdicts);
  }
  void insert(std::span<const K> keys, At, std::span<Verdict> verdicts) noexcept {
    insert(keys, verdicts);
  }

  // `fresh` or `duplicate`; records nothing.
  [[nodiscard]] Verdict check(const K& key) const noexcept {
    return table_.contains(key) ? Verdict::duplicate : Verdict::fresh;
  }
  [[nodiscard]] Verdict check(const K& key, At) const noexcept { return check(key); }

  // Whether it was remembered; it is fresh again.
  bool forget(const K& key) noexcept { return table_.erase(key); }

  // Forgets every key and keeps the slots.
  void clear() noexcept { table_.clear(); }

  // Makes room for `count` keys in all, as far as slots go.
  void reserve(std::size_t count) {
    if (!table_.reserve(count))
      detail::invalid_option("ExactSet::reserve(count)", count, no_room_sentence);
  }

  [[nodiscard]] std::size_t size() const noexcept { return table_.size(); }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sizeof(*this) + table_.heap_bytes();
  }
  [[nodiscard]] const Hash& hash() const noexcept { return table_.hash(); }

  // Room for keys to come, as the concept Settling says; what Claims stand on.
  [[nodiscard]] bool reserve_one(const K& key) noexcept { return table_.take_room(key); }
  void record(K&& key, At) noexcept { table_.record_in_room(std::move(key)); }
  void release_one(const K& key) noexcept { table_.release_room(key); }
  [[nodiscard]] std::uint64_t slot(const K& key) const noexcept { return table_.slot(key); }

  // The state for idem::save and idem::load, as the concept Saveable says: every key as its
  // idem::KeyBytes. Loading takes the memory of the set besides that of the keys' bytes, up to 2.6
  // slots a key: mind LoadLimits::elements or the budget where short keys come from strangers.
  static constexpr StateType state_type{.kind = StateKind::exact_set,
                                        .key = detail::whole_key_number<K>,
                                        .hash = detail::hash_number<Hash>};
  [[nodiscard]] StateShape state_shape() const requires HasKeyBytes<K> {
    std::uint64_t bytes = 0;
    table_.for_each([&](const K& key) { bytes += detail::KeyState<K>::size_of(key); });
    return {.type = state_type,
            .first = KeyBytes<K>::layout,
            .seed = hash().seed(),
            .elements = size(),
            .bytes = bytes};
  }
  bool write_state(StateWriter& out) const requires HasKeyBytes<K> {
    return detail::KeyState<K>::write(table_, out);
  }
  [[nodiscard]] static Result<ExactSet> read_state(StateReader& in, const StateShape& shape,
                                                   const Options& options) requires HasKeyBytes<K> {
    if (shape.first != KeyBytes<K>::layout)
      return Error{ErrorCode::other_options, StateShape::first_at, "key layout"};
    if (shape.second != 0) return Error{ErrorCode::bad_value, StateShape::second_at, "keys"};
    ExactSet set(Options{.budget = options.budget, .seed = shape.seed});
    const bool has_budget = options.budget != ByteSize::unlimited();
    if (const auto error = detail::KeyState<K>::read(in, shape, set.table_, has_budget))
      return *error;
    if (!set.table_.reserve(options.expected_keys)) {
      return Error{has_budget ? ErrorCode::limit_exceeded : ErrorCode::out_of_memory,
                   StateShape::elements_at, "room for keys"};
    }
    return Result<ExactSet>(std::move(set));
  }

  // As IdSet has them.
  [[nodiscard]] static StateShape joined_shape(std::span<const ExactSet* const> sets) requires
      HasKeyBytes<K> {
    StateShape shape = sets[0]->state_shape();
    for (const ExactSet* const set : sets.subspan(1)) {
      const StateShape more = set->state_shape();
      shape.elements += more.elements;
      shape.bytes += more.bytes;
    }
    return shape;
  }
  [[nodiscard]] static bool write_joined(std::span<const ExactSet* const> sets,
                                         StateWriter& out) requires HasKeyBytes<K> {
    detail::JoinedTables<const Table> tables;
    if (!tables.take(sets.size())) return false;
    for (const ExactSet* const set : sets) tables.add(set->table_);
    return detail::KeyState<K>::write(tables, out);
  }
  template <class Home>
  [[nodiscard]] static std::optional<Error> read_joined(StateReader& in, const StateShape& shape,
                                                        const Options& options,
                                                        std::span<ExactSet* const> sets,
                                                        const Home& home) requires HasKeyBytes<K> {
    if (shape.first != KeyBytes<K>::layout)
      return Error{ErrorCode::other_options, StateShape::first_at, "key layout"};
    if (shape.second != 0) return Error{ErrorCode::bad_value, StateShape::second_at, "keys"};
    detail::JoinedTables<Table> tables;
    if (!tables.take(sets.size()))
      return Error{ErrorCode::out_of_memory, StateShape::elements_at, "sets"};
    for (ExactSet* const set : sets) tables.add(set->table_);
    detail::SplitTables split(tables, home, options.expected_keys);
    return detail::KeyState<K>::read(in, shape, split, options.budget != ByteSize::unlimited());
  }

  // Arguments that would silently become another key are refused.
  using Guard::check;
  using Guard::forget;
  using Guard::insert;

 private:
  using Table = detail::KeyTable<K, Hash>;

  static constexpr std::string_view no_room_sentence =
      "small enough for its slots to fit the budget and the memory there is";

  [[nodiscard]] static ByteSize table_budget(ByteSize budget) {
    constexpr std::uint64_t least = sizeof(ExactSet) + Table::min_bytes;
    if (budget.count() < least) {
      detail::invalid_option("SetOptions.budget", budget.count(),
                             "at least " + std::to_string(least) + " bytes");
    }
    return ByteSize(budget.count() - sizeof(ExactSet));
  }

  Table table_;
};

}  // namespace idem::inline IDEM_ABI
