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
#include <idem/detail/memory/bloom_blocks.hpp>
#include <idem/detail/memory/bloom_rate.hpp>
#include <idem/detail/memory/filter_hash.hpp>
#include <idem/detail/memory/filter_size.hpp>

namespace idem::inline IDEM_ABI {

// The options of BloomFilter. Its size is said in one of two ways, and not in both: expected_keys
// and false_positive_rate, or size. There is no default for it.
struct BloomFilterOptions {
  // How many different keys will come, at least 1.
  std::uint64_t expected_keys = 0;
  // The share of fresh keys that may be taken for seen once so many have come. More than 0, less
  // than 1, and at least expected_keys / 2^60, since keys are known by 64 bits.
  double false_positive_rate = 0;
  // The bytes of the bit array, rounded down to whole blocks of 64; at least one.
  ByteSize size{};
  // Unset: drawn from the operating system. Filters to be merged need the same one.
  std::optional<Seed> seed = std::nullopt;
};

// Remembers ids in about ten bits each, at the price of taking some fresh ones for seen.
//
// Guarantee   an id that was inserted is `probable_duplicate` ever after, until clear(). One that
//             was not is too, with the probability rate_for(keys, size) says; otherwise it is
//             `fresh`. Never answers `duplicate`. The rate is a promise about ids that nobody chose
//             by the answers: against people who do, take BloomFilter<Id, SipHash>, or HostileKeys
//             in a policy.
// Forgetting  none: neither by itself nor on request.
// Memory      fixed in the constructor: 10.1 bits a key at 1 %, 15.7 at 0.1 %, 23.6 at 0.01 %. More
//             keys than expected raise the rate, as rate_for says, and nothing else.
// Complexity  O(1), one cache line; what scans the array says so.
// Values      the same bits for the same seed and ids on every machine and instruction set.
// Threads     const members may run together; anything else needs a lock around it.
// Errors      options that are nonsense, and a size there is no memory for, throw
//             std::invalid_argument, as does merge() of filters that differ; copying throws
//             std::bad_alloc. Everything else is noexcept. One that was moved from answers `full`.
// Source      block of eight words: Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient
//             Bloom Filters", 2007; Apache Parquet's split block.
// Example     docs/filters.md
template <class Id, HashPolicy HashT = Xxh3Hash>
class BloomFilter : detail::NoLossyKeys<BloomFilter<Id, HashT>, Id> {
  using Guard = detail::NoLossyKeys<BloomFilter, Id>;

  static_assert(Key<Id> && std::is_same_v<typename KeyTraits<Id>::Stored, Id>,
                "idem::BloomFilter takes ids that are stored as they are: Uuid, std::uint64_t or "
                "Digest; other keys go through idem::Deduplicator, as Digest");

 public:
  using Stored = Id;
  using Options = BloomFilterOptions;
  using Hash = HashT;
  template <HashPolicy Other>
  using WithHash = BloomFilter<Id, Other>;

  static constexpr Errors errors{.may_drop = true};
  static constexpr bool needs_time = false;

  explicit BloomFilter(const Options& options)
      : hash_(options.seed ? *options.seed : Seed::random()) {
    const double blocks = blocks_for(options);
    if (!(blocks <= static_cast<double>(Blocks::max_blocks)) ||
        !blocks_.take(static_cast<std::uint64_t>(blocks))) {
      refuse_size(options, blocks);
    }
  }

  // Records the id: `fresh` or `probable_duplicate`.
  Verdict insert(const Id& id) noexcept { return blocks_.insert(detail::filter_hash(hash_, id)); }
  Verdict insert(const Id& id, At) noexcept { return insert(id); }

  // As that many single inserts in order, with their cache misses overlapped.
  void insert(std::span<const Id> ids, std::span<Verdict> verdicts) noexcept {
    detail::require_equal_sizes(ids.size(), verdicts.size());
    blocks_.insert(ids.size(), hash_of(ids), verdicts.data());
  }
  void insert(std::span<const Id> ids, At, std::span<Verdict> verdicts) noexcept {
    insert(ids, verdicts);
  }

  // False: the id was never inserted. True: it was, or it is one of the unlucky.
  [[nodiscard]] bool may_contain(const Id& id) const noexcept {
    return blocks_.contains(detail::filter_hash(hash_, id));
  }
  // The same as a verdict, for one id and for a batch; records nothing.
  [[nodiscard]] Verdict check(const Id& id) const noexcept {
    return detail::bloom_verdict(may_contain(id));
  }
  [[nodiscard]] Verdict check(const Id& id, At) const noexcept { return check(id); }
  void check(std::span<const Id> ids, std::span<Verdict> verdicts) const noexcept {
    detail::require_equal_sizes(ids.size(), verdicts.size());
    blocks_.contains(ids.size(), hash_of(ids), verdicts.data());
  }

  // Fetches the id's cache line, for a call that comes soon.
  __attribute__((always_inline)) void prefetch(const Id& id) const noexcept {
    blocks_.prefetch(detail::filter_hash(hash_, id));
  }

  // Forgets everything and keeps the memory. O(size).
  void clear() noexcept { blocks_.clear(); }

  // From now on whatever either of the two has seen counts as seen. O(size).
  //
  // Errors  another seed or another number of blocks throws std::invalid_argument.
  void merge(const BloomFilter& other) {
    if (other.hash_.seed() != hash_.seed()) {
      detail::throw_invalid_argument(
          "idem: BloomFilter::merge(other) got a filter with another seed; their bits mean "
          "different things");
    }
    if (other.blocks_.blocks() != blocks_.blocks()) {
      detail::invalid_option("BloomFilter::merge(other): other.size().count()",
                             other.size().count(),
                             std::to_string(size().count()) + ", as many bytes as this filter has");
    }
    blocks_.merge(other.blocks_);
  }

  // The share of the bits that are set. O(size).
  [[nodiscard]] double fill() const noexcept {
    return size().count() == 0 ? 0
                               : static_cast<double>(blocks_.set_bits()) /
                                     (8 * static_cast<double>(size().count()));
  }
  // How many different ids were inserted, as far as the bits tell; infinity when all are set. The
  // standard error is below one part in a hundred from a few thousand keys on. O(size).
  [[nodiscard]] double estimated_keys() const noexcept {
    return detail::bloom_keys_behind(fill(), static_cast<double>(blocks_.blocks()));
  }
  // The chance that the next fresh id is taken for seen, by the bits as they are now. O(size).
  [[nodiscard]] double false_positive_rate() const noexcept { return blocks_.rate_now(); }

  // The bytes of the bit array.
  [[nodiscard]] ByteSize size() const noexcept { return ByteSize(blocks_.heap_bytes()); }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sizeof(*this) + blocks_.heap_bytes();
  }
  [[nodiscard]] const Hash& hash() const noexcept { return hash_; }
  // The bits, eight words to a block.
  [[nodiscard]] std::span<const std::uint64_t> words() const noexcept { return blocks_.words(); }

  // The state for idem::save and idem::load, as the concept Saveable says: the words.
  static constexpr StateType state_type{.kind = StateKind::bloom_filter,
                                        .key = detail::key_number<Id>,
                                        .hash = detail::hash_number<Hash>};
  [[nodiscard]] StateShape state_shape() const noexcept {
    return {.type = state_type,
            .first = blocks_.blocks(),
            .seed = hash_.seed(),
            .elements = blocks_.blocks(),
            .bytes = blocks_.heap_bytes()};
  }
  bool write_state(StateWriter& out) const { return detail::put_words(out, words()); }
  [[nodiscard]] static Result<BloomFilter> read_state(StateReader& in, const StateShape& shape,
                                                      const Options& options) {
    if (shape.first == 0 || shape.first > Blocks::max_blocks ||
        shape.bytes != shape.first * Blocks::block_bytes)
      return Error{ErrorCode::bad_value, StateShape::first_at, "blocks"};
    if (shape.second != 0) return Error{ErrorCode::bad_value, StateShape::second_at, "blocks"};
    if (shape.elements != shape.first)
      return Error{ErrorCode::bad_value, StateShape::elements_at, "blocks"};
    const bool is_sized = options.size != ByteSize{} || options.expected_keys != 0 ||
                          options.false_positive_rate != 0;
    if (is_sized && blocks_for(options) != static_cast<double>(shape.first))
      return Error{ErrorCode::other_options, StateShape::first_at, "size"};
    BloomFilter filter{Hash(shape.seed)};
    if (!filter.blocks_.take(shape.first))
      return Error{ErrorCode::out_of_memory, StateShape::first_at, "blocks"};
    if (!detail::get_words(in, filter.blocks_.words()))
      return Error{ErrorCode::truncated, in.position(), "words"};
    return Result<BloomFilter>(std::move(filter));
  }

  // The size that (keys, rate) comes to; fit for constants, where what the constructor refuses does
  // not compile.
  [[nodiscard]] static constexpr ByteSize size_for(std::uint64_t keys, double rate) {
    const double blocks = blocks_for_keys(keys, rate);
    if (!(blocks <= static_cast<double>(Blocks::max_blocks)))
      refuse_size({.expected_keys = keys, .false_positive_rate = rate}, blocks);
    return ByteSize(static_cast<std::uint64_t>(blocks) * Blocks::block_bytes);
  }
  // The share of fresh ids that a filter of this size takes for seen after so many different ones:
  // exact for the design, not a bound. 1 for a size of less than a block.
  [[nodiscard]] static constexpr double rate_for(std::uint64_t keys, ByteSize size) noexcept {
    if (size.count() < Blocks::block_bytes) return 1;
    return detail::bloom_rate(static_cast<double>(keys),
                              static_cast<double>(size.count() / Blocks::block_bytes));
  }

  // Arguments that would silently become another key are refused.
  using Guard::check;
  using Guard::insert;

 private:
  using Blocks = detail::BloomBlocks;

  explicit BloomFilter(Hash hash) noexcept : hash_(hash) {}

  [[nodiscard]] auto hash_of(std::span<const Id> ids) const noexcept {
    return [this, ids](std::size_t i) noexcept { return detail::filter_hash(hash_, ids[i]); };
  }

  [[nodiscard]] static constexpr double blocks_for(const Options& options) {
    const bool by_size = options.size != ByteSize{};
    const bool by_keys = options.expected_keys != 0 || options.false_positive_rate != 0;
    if (!by_size) return blocks_for_keys(options.expected_keys, options.false_positive_rate);
    if (by_keys) {
      detail::invalid_option("BloomFilterOptions.size", options.size.count(),
                             "left out when expected_keys or false_positive_rate is given");
    }
    if (options.size.count() < Blocks::block_bytes) {
      detail::invalid_option("BloomFilterOptions.size", options.size.count(),
                             "at least 64 bytes, one block");
    }
    return static_cast<double>(options.size.count() / Blocks::block_bytes);
  }

  [[nodiscard]] static constexpr double blocks_for_keys(std::uint64_t keys, double rate) {
    if (keys == 0) {
      detail::invalid_option("BloomFilterOptions.expected_keys", keys,
                             "at least 1, unless size is given instead");
    }
    if (!(rate > 0 && rate < 1)) {
      detail::invalid_option("BloomFilterOptions.false_positive_rate", rate,
                             "more than 0 and less than 1");
    }
    const auto count = static_cast<double>(keys);
    const double by_hash = detail::bloom_hash_rate(count);
    if (rate < 16 * by_hash) {
      const std::string rest =
          ", since keys are known by 64 bits; the array would need " +
          detail::filter_bits_text(detail::bloom_blocks_for(count, rate), Blocks::block_bytes);
      if (16 * by_hash >= 1)
        detail::invalid_option("BloomFilterOptions.expected_keys", keys, "less than 2^60" + rest);
      detail::invalid_option("BloomFilterOptions.false_positive_rate", rate,
                             "at least " + detail::to_text(16 * by_hash) + " for " +
                                 detail::to_text(keys) + " keys" + rest);
    }
    return detail::bloom_blocks_for(count, rate - by_hash);
  }

  [[noreturn]] static void refuse_size(const Options& options, double blocks) {
    const std::string rule = "small enough for its " +
                             detail::filter_bits_text(blocks, Blocks::block_bytes) +
                             " to fit the memory there is";
    if (options.size != ByteSize{})
      detail::invalid_option("BloomFilterOptions.size", options.size.count(), rule);
    detail::invalid_option("BloomFilterOptions.expected_keys", options.expected_keys, rule);
  }

  // In this order: an assignment that has no memory for the blocks must leave the hash as it was.
  Blocks blocks_;
  Hash hash_;
};

}  // namespace idem::inline IDEM_ABI
