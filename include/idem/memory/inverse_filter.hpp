#pragma once

#include <array>
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
#include <idem/detail/memory/filter_size.hpp>
#include <idem/detail/memory/inverse_lines.hpp>

namespace idem::inline IDEM_ABI {

// The options of InverseFilter. There is no default size.
struct InverseFilterOptions {
  // The bytes of the array, rounded down to whole lines of 64; at least one.
  ByteSize size{};
  // Unset: drawn from the operating system.
  std::optional<Seed> seed = std::nullopt;
};

// Remembers recent ids in fixed memory, and never takes a fresh one for seen.
//
// Guarantee   `duplicate` is the truth: the whole id was compared, not a fingerprint of it. `fresh`
//             may be said twice, when the id was forgotten between. The safe choice where memory
//             must not grow and a second delivery costs less than a lost one.
// Forgetting  an id has a line of 64 bytes to go to, and is forgotten when as many fresh ids as a
//             line holds, 4 Uuids or 8 integers, have come to that line since; duplicates do not
//             count and do not renew it. remembered_after() tells the odds, forgotten() how often
//             it happened. The id of zeros has a place of its own and is never pushed out.
// Memory      fixed in the constructor.
// Complexity  O(1), one cache line.
// Threads     const members may run together; anything else needs a lock around it.
// Errors      options that are nonsense, and a size there is no memory for, throw
//             std::invalid_argument; copying throws std::bad_alloc. Everything else is noexcept.
//             One that was moved from answers `full`.
// Source      Jeff Hodges, "The Opposite of a Bloom Filter", 2012; here in sets of a line.
// Example     docs/filters.md
template <class Id, HashPolicy HashT = Xxh3Hash>
class InverseFilter : detail::NoLossyKeys<InverseFilter<Id, HashT>, Id> {
  using Guard = detail::NoLossyKeys<InverseFilter, Id>;

  static_assert(Key<Id> && std::is_same_v<typename KeyTraits<Id>::Stored, Id> &&
                    KeyTraits<Id>::exact,
                "idem::InverseFilter takes ids that are stored as they are: Uuid, std::uint64_t or "
                "Digest; other keys go through idem::Deduplicator, as Digest");

 public:
  using Stored = Id;
  using Options = InverseFilterOptions;
  using Hash = HashT;
  template <HashPolicy Other>
  using WithHash = InverseFilter<Id, Other>;

  static constexpr Errors errors{.may_miss = true};
  static constexpr bool needs_time = false;

  explicit InverseFilter(const Options& options)
      : lines_(Hash(options.seed ? *options.seed : Seed::random())) {
    if (options.size.count() < line_bytes) {
      detail::invalid_option("InverseFilterOptions.size", options.size.count(),
                             "at least 64 bytes, one line");
    }
    if (!lines_.take(options.size.count() / line_bytes)) {
      detail::invalid_option(
          "InverseFilterOptions.size", options.size.count(),
          "small enough for its " +
              detail::filter_bits_text(static_cast<double>(options.size.count()), 1) +
              " to fit the memory there is");
    }
  }

  // Records the id: `fresh` or `duplicate`.
  Verdict insert(const Id& id) noexcept { return lines_.insert(id); }
  Verdict insert(const Id& id, At) noexcept { return insert(id); }

  // As that many single inserts in order, with their cache misses overlapped.
  void insert(std::span<const Id> ids, std::span<Verdict> verdicts) noexcept {
    detail::require_equal_sizes(ids.size(), verdicts.size());
    lines_.insert(ids, verdicts.data());
  }
  void insert(std::span<const Id> ids, At, std::span<Verdict> verdicts) noexcept {
    insert(ids, verdicts);
  }

  // `fresh` or `duplicate`; records nothing.
  [[nodiscard]] Verdict check(const Id& id) const noexcept {
    return lines_.contains(id) ? Verdict::duplicate : Verdict::fresh;
  }
  [[nodiscard]] Verdict check(const Id& id, At) const noexcept { return check(id); }

  // Whether it was remembered; it is fresh again.
  bool forget(const Id& id) noexcept { return lines_.erase(id); }

  // Forgets every id and keeps the memory. O(size).
  void clear() noexcept { lines_.clear(); }

  // The ids remembered now.
  [[nodiscard]] std::uint64_t size() const noexcept { return lines_.held(); }
  // The most it can remember, the id of zeros apart.
  [[nodiscard]] std::uint64_t capacity() const noexcept { return lines_.heap_bytes() / sizeof(Id); }
  // The ids pushed out since it was made, cleared or not: promises that could not be kept.
  [[nodiscard]] std::uint64_t forgotten() const noexcept { return lines_.forgotten(); }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sizeof(*this) + lines_.heap_bytes();
  }
  [[nodiscard]] const Hash& hash() const noexcept { return lines_.hash(); }

  // The chance that an id is still remembered after so many other fresh ones, in a filter of this
  // size: those that come to its line are Poisson. 0 for a size of less than a line.
  [[nodiscard]] static double remembered_after(std::uint64_t fresh_ids, ByteSize size) noexcept {
    if (size.count() < line_bytes) return 0;
    const double mean =
        static_cast<double>(fresh_ids) / static_cast<double>(size.count() / line_bytes);
    double term = __builtin_exp(-mean), sum = 0;
    for (std::size_t came = 0; came < Lines::ways; ++came) {
      sum += term;
      term *= mean / static_cast<double>(came + 1);
    }
    return sum;
  }

  // The state for idem::save and idem::load, as the concept Saveable says: every slot of every line,
  // then whether the id of zeros is there.
  static constexpr StateType state_type{.kind = StateKind::inverse_filter,
                                        .key = detail::key_number<Id>,
                                        .hash = detail::hash_number<Hash>};
  [[nodiscard]] StateShape state_shape() const noexcept requires(detail::PortableId<Id>) {
    return {.type = state_type,
            .first = lines_.lines(),
            .seed = hash().seed(),
            .elements = size(),
            .bytes = std::uint64_t{lines_.heap_bytes()} + 8};
  }
  bool write_state(StateWriter& out) const requires(detail::PortableId<Id>) {
    lines_.for_each_slot([&](const Id& id) { detail::put(out, id); });
    return out.u64(lines_.holds_zero() ? 1 : 0);
  }
  [[nodiscard]] static Result<InverseFilter> read_state(
      StateReader& in, const StateShape& shape,
      const Options& options) requires(detail::PortableId<Id>) {
    if (shape.first == 0 || shape.bytes < 8 || shape.first != (shape.bytes - 8) / line_bytes ||
        shape.bytes % line_bytes != 8)
      return Error{ErrorCode::bad_value, StateShape::first_at, "lines"};
    if (shape.second != 0) return Error{ErrorCode::bad_value, StateShape::second_at, "lines"};
    if (options.size != ByteSize{} && options.size.count() / line_bytes != shape.first)
      return Error{ErrorCode::other_options, StateShape::first_at, "size"};
    InverseFilter filter{Hash(shape.seed)};
    if (!filter.lines_.take(shape.first))
      return Error{ErrorCode::out_of_memory, StateShape::first_at, "lines"};
    std::array<Id, Lines::ways> slots;
    for (std::size_t line = 0; line < filter.lines_.lines(); ++line) {
      const std::size_t at = in.position();
      for (Id& id : slots) {
        if (!detail::get(in, id)) return Error{ErrorCode::truncated, at, "line"};
      }
      if (!filter.lines_.fill_line(line, slots)) return Error{ErrorCode::bad_value, at, "line"};
    }
    const std::size_t at = in.position();
    std::uint64_t holds_zero = 0;
    if (!in.u64(holds_zero)) return Error{ErrorCode::truncated, at, "id of zeros"};
    if (holds_zero > 1) return Error{ErrorCode::bad_value, at, "id of zeros"};
    if (holds_zero == 1) (void)filter.lines_.insert(Id{});
    if (filter.size() != shape.elements)
      return Error{ErrorCode::bad_value, StateShape::elements_at, "ids"};
    return Result<InverseFilter>(std::move(filter));
  }

  // Arguments that would silently become another key are refused.
  using Guard::check;
  using Guard::forget;
  using Guard::insert;

 private:
  using Lines = detail::InverseLines<Id, Hash>;

  static constexpr std::uint64_t line_bytes = detail::ZeroedLines::line_bytes;

  explicit InverseFilter(Hash hash) noexcept : lines_(hash) {}

  Lines lines_;
};

}  // namespace idem::inline IDEM_ABI
