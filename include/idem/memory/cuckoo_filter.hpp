#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include <idem/core/bytes.hpp>
#include <idem/core/error.hpp>
#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/state.hpp>
#include <idem/core/state_stream.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/id_codec.hpp>
#include <idem/detail/core/lossy_key.hpp>
#include <idem/detail/core/word_codec.hpp>
#include <idem/detail/memory/cuckoo_table.hpp>
#include <idem/detail/memory/filter_hash.hpp>
#include <idem/detail/memory/filter_size.hpp>

namespace idem::inline IDEM_ABI {

// The options of CuckooFilter. Its size is said in one of two ways, and not in both: expected_keys,
// or size. There is no default for it, and no rate to ask for: the width of the fingerprint is the
// rate.
struct CuckooFilterOptions {
  // How many different keys are to fit at once, at least 1; room is made for them at 95 % load.
  std::uint64_t expected_keys = 0;
  // The bytes of the table, rounded down to whole lines of 64; at least one.
  ByteSize size{};
  // Unset: drawn from the operating system.
  std::optional<Seed> seed = std::nullopt;
};

// Remembers ids as fingerprints of 8 or 16 bits, at the price of taking some fresh ones for seen,
// and can forget them again.
//
// Guarantee   an id that was inserted is `probable_duplicate` until it is forgotten. One that was
//             not is too, with the probability rate_at(load) says: at most 1.23 in 10,000 with 16
//             bits, 3.14 % with 8. Never answers `duplicate`. Answers `full`, with every byte as it
//             was, when no slot can be freed: not before 95 % of a table of a thousand slots or
//             more are taken. The rate is a promise about ids that nobody chose by the answers:
//             against people who do, take the hash SipHash, or HostileKeys in a policy.
// Forgetting  on request only, and only of what is there: forget(id) for an id that was not
//             answered `fresh` (or added) since it was last forgotten removes the fingerprint of
//             somebody else, who is then `fresh` a second time. Nothing can detect that.
// Memory      fixed in the constructor: 16.9 bits an id (16-bit), 8.5 (8-bit).
// Complexity  O(1): two cache lines. An insert into a nearly full table moves at most `most_moves`
//             fingerprints and looks at most at `most_looked_at` buckets.
// Values      the same table for the same seed and calls on every machine.
// Threads     const members may run together; anything else needs a lock around it.
// Errors      options that are nonsense, and a size there is no memory for, throw
//             std::invalid_argument; copying throws std::bad_alloc. Everything else is noexcept.
//             One that was moved from answers `full`.
// Source      Fan, Andersen, Kaminsky, Mitzenmacher, "Cuckoo Filter: Practically Better Than
//             Bloom", 2014; with a partner bucket by reflection, which suits any size, and a search
//             before the first move, which no failure can spoil.
// Example     docs/filters.md
template <class Id, class FingerprintT = std::uint16_t, HashPolicy HashT = Xxh3Hash>
class CuckooFilter : detail::NoLossyKeys<CuckooFilter<Id, FingerprintT, HashT>, Id> {
  using Guard = detail::NoLossyKeys<CuckooFilter, Id>;

  static_assert(Key<Id> && std::is_same_v<typename KeyTraits<Id>::Stored, Id>,
                "idem::CuckooFilter takes ids that are stored as they are: Uuid, std::uint64_t or "
                "Digest; other keys go through idem::Deduplicator, as Digest");
  static_assert(std::is_same_v<FingerprintT, std::uint8_t> ||
                    std::is_same_v<FingerprintT, std::uint16_t>,
                "idem::CuckooFilter has fingerprints of std::uint8_t or std::uint16_t");

  using Table = detail::CuckooTable<FingerprintT>;

 public:
  using Stored = Id;
  using Fingerprint = FingerprintT;
  using Options = CuckooFilterOptions;
  using Hash = HashT;
  template <HashPolicy Other>
  using WithHash = CuckooFilter<Id, Fingerprint, Other>;

  static constexpr Errors errors{.may_drop = true};
  static constexpr bool needs_time = false;
  // Fingerprints of one key that fit, whoever put them there.
  static constexpr unsigned max_copies = 2 * Table::slots;
  static constexpr unsigned most_moves = Table::most_moves;
  static constexpr std::size_t most_looked_at = Table::most_looked_at;

  explicit CuckooFilter(const Options& options)
      : hash_(options.seed ? *options.seed : Seed::random()) {
    const std::uint64_t buckets = buckets_for(options);
    if (table_.take(buckets)) return;
    const std::string rule =
        "small enough for its " +
        detail::filter_bits_text(static_cast<double>(buckets), sizeof(typename Table::Word)) +
        " to fit the memory there is";
    if (options.size != ByteSize{})
      detail::invalid_option("CuckooFilterOptions.size", options.size.count(), rule);
    detail::invalid_option("CuckooFilterOptions.expected_keys", options.expected_keys, rule);
  }

  // Records the id unless it seems to be there: `fresh`, `probable_duplicate` or `full`.
  Verdict insert(const Id& id) noexcept { return table_.insert(detail::filter_hash(hash_, id)); }
  Verdict insert(const Id& id, At) noexcept { return insert(id); }

  // As that many single inserts in order, with their cache misses overlapped.
  void insert(std::span<const Id> ids, std::span<Verdict> verdicts) noexcept {
    detail::require_equal_sizes(ids.size(), verdicts.size());
    table_.insert(ids.size(), hash_of(ids), verdicts.data());
  }
  void insert(std::span<const Id> ids, At, std::span<Verdict> verdicts) noexcept {
    insert(ids, verdicts);
  }

  // False: the id is not remembered. True: it is, or it is one of the unlucky.
  [[nodiscard]] bool may_contain(const Id& id) const noexcept {
    return table_.contains(detail::filter_hash(hash_, id));
  }
  // The same as a verdict, for one id and for a batch; records nothing.
  [[nodiscard]] Verdict check(const Id& id) const noexcept {
    return may_contain(id) ? Verdict::probable_duplicate : Verdict::fresh;
  }
  [[nodiscard]] Verdict check(const Id& id, At) const noexcept { return check(id); }
  void check(std::span<const Id> ids, std::span<Verdict> verdicts) const noexcept {
    detail::require_equal_sizes(ids.size(), verdicts.size());
    table_.contains(ids.size(), hash_of(ids), verdicts.data());
  }

  // Removes one fingerprint of the id, and says whether there was one. Only for an id that insert
  // answered `fresh` or add() took, and once for each time: see Forgetting.
  bool forget(const Id& id) noexcept { return table_.erase(detail::filter_hash(hash_, id)); }

  // Records the id once more, there or not, for owners who each forget it once. False: there is no
  // room, or max_copies of it are there (half of that for the few ids whose two buckets are one).
  [[nodiscard]] bool add(const Id& id) noexcept {
    return table_.add(detail::filter_hash(hash_, id));
  }
  // How many fingerprints of the id are there; other ids' that are alike are counted too.
  [[nodiscard]] unsigned copies(const Id& id) const noexcept {
    return table_.copies(detail::filter_hash(hash_, id));
  }

  // Forgets everything and keeps the memory. O(size).
  void clear() noexcept { table_.clear(); }

  // The fingerprints held, the slots there are, and the one divided by the other.
  [[nodiscard]] std::uint64_t size() const noexcept { return table_.size(); }
  [[nodiscard]] std::uint64_t capacity() const noexcept { return table_.buckets() * Table::slots; }
  [[nodiscard]] double load() const noexcept {
    return capacity() == 0 ? 0 : static_cast<double>(size()) / static_cast<double>(capacity());
  }
  // The chance that the next fresh id is taken for seen.
  [[nodiscard]] double false_positive_rate() const noexcept { return rate_at(load()); }
  // The same at any load from 0 to 1: eight slots are looked at, and what is held in both buckets of a
  // key is different, as insert() adds no fingerprint twice. Copies that add() made only lower it.
  [[nodiscard]] static constexpr double rate_at(double load) noexcept {
    return 8 * load / static_cast<double>(static_cast<Fingerprint>(-1));
  }

  // Since the last clear(): fingerprints moved, and buckets looked at to find room for one more.
  [[nodiscard]] std::uint64_t moves() const noexcept { return table_.moves(); }
  [[nodiscard]] std::uint64_t looked_at() const noexcept { return table_.looked_at(); }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sizeof(*this) + table_.heap_bytes();
  }
  [[nodiscard]] const Hash& hash() const noexcept { return hash_; }
  // The table as it lies in memory, in the byte order of this machine.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return table_.bytes(); }

  // The state for idem::save and idem::load, as the concept Saveable says: the buckets.
  static constexpr StateType state_type{.kind = StateKind::cuckoo_filter,
                                        .key = detail::key_number<Id>,
                                        .hash = detail::hash_number<Hash>,
                                        .variant = {8 * sizeof(Fingerprint), 0, 0, 0}};
  [[nodiscard]] StateShape state_shape() const noexcept {
    return {.type = state_type,
            .first = table_.buckets(),
            .seed = hash_.seed(),
            .elements = size(),
            .bytes = table_.buckets() * sizeof(typename Table::Word)};
  }
  bool write_state(StateWriter& out) const { return detail::put_words(out, table_.words()); }
  [[nodiscard]] static Result<CuckooFilter> read_state(StateReader& in, const StateShape& shape,
                                                       const Options& options) {
    constexpr std::uint64_t bucket_bytes = sizeof(typename Table::Word);
    if (shape.first == 0 || shape.first != shape.bytes / bucket_bytes ||
        shape.bytes % bucket_bytes != 0)
      return Error{ErrorCode::bad_value, StateShape::first_at, "buckets"};
    if (shape.second != 0) return Error{ErrorCode::bad_value, StateShape::second_at, "buckets"};
    const bool is_sized = options.size != ByteSize{} || options.expected_keys != 0;
    if (is_sized && buckets_for(options) != shape.first)
      return Error{ErrorCode::other_options, StateShape::first_at, "size"};
    CuckooFilter filter{Hash(shape.seed)};
    if (!filter.table_.take(shape.first))
      return Error{ErrorCode::out_of_memory, StateShape::first_at, "buckets"};
    if (!detail::get_words(in, filter.table_.words()))
      return Error{ErrorCode::truncated, in.position(), "buckets"};
    filter.table_.recount();
    if (filter.size() != shape.elements)
      return Error{ErrorCode::bad_value, StateShape::elements_at, "fingerprints"};
    return Result<CuckooFilter>(std::move(filter));
  }

  // Arguments that would silently become another key are refused.
  using Guard::add;
  using Guard::check;
  using Guard::forget;
  using Guard::insert;

 private:
  explicit CuckooFilter(Hash hash) noexcept : hash_(hash) {}

  [[nodiscard]] auto hash_of(std::span<const Id> ids) const noexcept {
    return [this, ids](std::size_t i) noexcept { return detail::filter_hash(hash_, ids[i]); };
  }

  [[nodiscard]] static constexpr std::uint64_t buckets_for(const Options& options) {
    if (options.size == ByteSize{}) {
      const std::uint64_t keys = options.expected_keys;
      if (keys == 0) {
        detail::invalid_option("CuckooFilterOptions.expected_keys", keys,
                               "at least 1, unless size is given instead");
      }
      // 4 slots, 95 % of them: 5 / 19 of a bucket a key. A small table fills less evenly.
      return keys / 4 + keys / 76 + 8;
    }
    if (options.expected_keys != 0) {
      detail::invalid_option("CuckooFilterOptions.size", options.size.count(),
                             "left out when expected_keys is given");
    }
    constexpr std::uint64_t line = detail::ZeroedLines::line_bytes;
    if (options.size.count() < line) {
      detail::invalid_option("CuckooFilterOptions.size", options.size.count(),
                             "at least 64 bytes, one line");
    }
    return options.size.count() / line * Table::buckets_per_line;
  }

  // In this order: an assignment that has no memory for the table must leave the hash as it was.
  Table table_;
  Hash hash_;
};

}  // namespace idem::inline IDEM_ABI
