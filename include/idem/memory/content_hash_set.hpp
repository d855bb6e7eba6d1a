#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include <idem/core/error.hpp>
#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/state.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/lossy_key.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/memory/set_shards.hpp>
#include <idem/memory/id_set.hpp>
#include <idem/memory/set_options.hpp>

namespace idem::inline IDEM_ABI {

// Remembers contents by their 128-bit digest: for messages without an id, equal when their bytes
// are.
//
// Guarantee   a content is `fresh` the first time and `duplicate` ever after. Two different
//             contents share a digest by accident with the odds that collision_odds(count) tells,
//             which counts as exact; who keeps the contents can have them compared as well, and
//             then two that share a digest are a `conflict`. Against people who craft contents, the
//             default hash promises nothing; BasicContentHashSet<SipHash> does as long as its seed
//             is secret, and a digest of your own (SHA-256, BLAKE3; its first 128 bits) goes in
//             through insert(Digest). Equal content is not always a repeat: two sales of one coffee
//             are two sales. Leave that to ids.
// Memory      16-byte digests in an IdSet; the contents are not kept.
// Complexity  O(length), then as IdSet.
// Threads     const members may run together; anything else needs a lock around it.
// Errors      as IdSet.
// Example     docs/components.md
template <HashPolicy HashT = Xxh3Hash>
class BasicContentHashSet : detail::NoLossyKeys<BasicContentHashSet<HashT>, std::string_view> {
  using Guard = detail::NoLossyKeys<BasicContentHashSet, std::string_view>;

 public:
  using Stored = Digest;
  using Options = SetOptions;
  using Hash = HashT;
  template <HashPolicy Other>
  using WithHash = BasicContentHashSet<Other>;

  static constexpr Errors errors{};
  static constexpr bool needs_time = false;

  BasicContentHashSet() = default;
  explicit BasicContentHashSet(const Options& options) : digests_(options) {}

  // The digest of one content, under this set's seed.
  [[nodiscard]] Digest digest(std::span<const std::byte> content) const noexcept {
    return hash().digest(content);
  }
  [[nodiscard]] Digest digest(std::string_view content) const noexcept {
    return digest(std::as_bytes(std::span(content)));
  }
  // The digest of one content that lies in several pieces: the digest of their concatenation.
  [[nodiscard]] Digest digest_pieces(
      std::span<const std::span<const std::byte>> pieces) const noexcept {
    Stream stream(hash());
    for (const auto piece : pieces) stream.update(piece);
    return stream.finish();
  }
  // The digest of several fields, each told apart from its neighbours; see idem::digest_fields.
  template <class... Field>
  [[nodiscard]] Digest digest_fields(const Field&... field) const noexcept {
    return idem::digest_fields(hash(), field...);
  }
  // For a content that arrives over time: Stream(set.hash()), update(bytes)..., finish().
  using Stream = typename Hash::Stream;

  // `fresh`, `duplicate` or `full`.
  Verdict insert(std::span<const std::byte> content) noexcept { return insert(digest(content)); }
  Verdict insert(std::string_view content) noexcept { return insert(digest(content)); }
  Verdict insert(const Digest& digest) noexcept { return digests_.insert(digest); }
  Verdict insert(const Digest& digest, At at) noexcept { return digests_.insert(digest, at); }

  // The same, and where the digest is known already, same(digest) tells whether the bytes that you
  // keep under it are those of this content: true, false, or std::nullopt where you cannot tell, as
  // when they were never stored or the store does not answer. The verdict is then `duplicate`,
  // `conflict` or `unknown`. Neither of the latter two records anything: the first content stays
  // known, the other is a `conflict` as often as it comes. A fresh content is not compared: store it
  // under its digest before the next insert. What `same` throws passes through, and nothing has
  // changed.
  template <std::invocable<const Digest&> Same>
  Verdict insert(std::span<const std::byte> content, Same&& same) noexcept(is_quiet<Same>) {
    return insert(digest(content), same);
  }
  template <std::invocable<const Digest&> Same>
  Verdict insert(std::string_view content, Same&& same) noexcept(is_quiet<Same>) {
    return insert(digest(content), same);
  }
  template <std::invocable<const Digest&> Same>
  Verdict insert(const Digest& digest, Same&& same) noexcept(is_quiet<Same>) {
    return compared(digests_.insert(digest), digest, same);
  }

  // As that many single inserts in order, with their cache misses overlapped. The spans have one
  // size; anything else aborts the program.
  void insert(std::span<const Digest> digests, std::span<Verdict> verdicts) noexcept {
    digests_.insert(digests, verdicts);
  }
  void insert(std::span<const Digest> digests, At at, std::span<Verdict> verdicts) noexcept {
    digests_.insert(digests, at, verdicts);
  }

  // The same of contents. Their own cache misses are overlapped as well: the first 2 KiB of each are fetched
  // while those before it are hashed.
  void insert(std::span<const std::span<const std::byte>> contents,
              std::span<Verdict> verdicts) noexcept {
    insert_contents(contents, verdicts);
  }
  void insert(std::span<const std::string_view> contents, std::span<Verdict> verdicts) noexcept {
    insert_contents(contents, verdicts);
  }

  // `fresh` or `duplicate`; records nothing.
  [[nodiscard]] Verdict check(std::span<const std::byte> content) const noexcept {
    return check(digest(content));
  }
  [[nodiscard]] Verdict check(std::string_view content) const noexcept {
    return check(digest(content));
  }
  [[nodiscard]] Verdict check(const Digest& digest) const noexcept {
    return digests_.check(digest);
  }
  [[nodiscard]] Verdict check(const Digest& digest, At at) const noexcept {
    return digests_.check(digest, at);
  }
  // The same, with contents compared as insert() does.
  template <std::invocable<const Digest&> Same>
  [[nodiscard]] Verdict check(std::span<const std::byte> content, Same&& same) const
      noexcept(is_quiet<Same>) {
    return check(digest(content), same);
  }
  template <std::invocable<const Digest&> Same>
  [[nodiscard]] Verdict check(std::string_view content, Same&& same) const
      noexcept(is_quiet<Same>) {
    return check(digest(content), same);
  }
  template <std::invocable<const Digest&> Same>
  [[nodiscard]] Verdict check(const Digest& digest, Same&& same) const noexcept(is_quiet<Same>) {
    return compared(digests_.check(digest), digest, same);
  }

  // Whether it was remembered; it is fresh again.
  bool forget(std::span<const std::byte> content) noexcept { return forget(digest(content)); }
  bool forget(std::string_view content) noexcept { return forget(digest(content)); }
  bool forget(const Digest& digest) noexcept { return digests_.forget(digest); }

  [[gnu::always_inline]] inline void prefetch(const Digest& digest) const noexcept {
    digests_.prefetch(digest);
  }

  // Forgets every content and keeps the memory.
  void clear() noexcept { digests_.clear(); }
  // Makes room for `count` contents in all, on top of what reserve_one() took.
  void reserve(std::size_t count) { digests_.reserve(count); }
  // As IdSet has them.
  [[nodiscard]] bool warm(std::size_t more) noexcept { return digests_.warm(more); }
  [[nodiscard]] Verdict merge(const BasicContentHashSet& other) noexcept {
    return digests_.merge(other.digests_);
  }
  [[nodiscard]] SetWork work() const noexcept { return digests_.work(); }

  // visit(digest) for every content, in an order that the contents and the seed alone decide. See
  // IdSet::for_each.
  template <class Visit>
  void for_each(Visit&& visit) const {
    digests_.for_each(visit);
  }

  [[nodiscard]] std::size_t size() const noexcept { return digests_.size(); }
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return digests_.memory_bytes(); }
  [[nodiscard]] const Hash& hash() const noexcept { return digests_.hash(); }

  // Room for keys to come, as the concept Settling says; what Claims stand on.
  [[nodiscard]] bool reserve_one(const Digest& digest) noexcept {
    return digests_.reserve_one(digest);
  }
  void record(const Digest& digest, At at) noexcept { digests_.record(digest, at); }
  void release_one(const Digest& digest) noexcept { digests_.release_one(digest); }
  [[nodiscard]] std::uint64_t slot(const Digest& digest) const noexcept {
    return digests_.slot(digest);
  }

  // The state for idem::save and idem::load, as the concept Saveable says: an IdSet<Digest>'s.
  static constexpr StateType state_type = IdSet<Digest, Hash>::state_type;
  [[nodiscard]] StateShape state_shape() const noexcept { return digests_.state_shape(); }
  bool write_state(StateWriter& out) const { return digests_.write_state(out); }
  [[nodiscard]] static Result<BasicContentHashSet> read_state(StateReader& in,
                                                              const StateShape& shape,
                                                              const Options& options) {
    auto digests = IdSet<Digest, Hash>::read_state(in, shape, options);
    if (!digests) return digests.error();
    return Result<BasicContentHashSet>(BasicContentHashSet(*std::move(digests)));
  }

  // As IdSet has them.
  [[nodiscard]] static StateShape joined_shape(
      std::span<const BasicContentHashSet* const> sets) noexcept {
    std::size_t count = 0;
    for (const BasicContentHashSet* const set : sets) count += set->size();
    return detail::ids_shape<Digest>(state_type, sets[0]->hash().seed(), count);
  }
  [[nodiscard]] static bool write_joined(std::span<const BasicContentHashSet* const> sets,
                                         StateWriter& out) {
    detail::JoinedTables<const IdSet<Digest, Hash>> digests;
    if (!digests.take(sets.size())) return false;
    for (const BasicContentHashSet* const set : sets) digests.add(set->digests_);
    return IdSet<Digest, Hash>::write_joined(digests.tables(), out);
  }
  template <class Home>
  [[nodiscard]] static std::optional<Error> read_joined(StateReader& in, const StateShape& shape,
                                                        const Options& options,
                                                        std::span<BasicContentHashSet* const> sets,
                                                        const Home& home) {
    detail::JoinedTables<IdSet<Digest, Hash>> digests;
    if (!digests.take(sets.size()))
      return Error{ErrorCode::out_of_memory, StateShape::elements_at, "sets"};
    for (BasicContentHashSet* const set : sets) digests.add(set->digests_);
    return IdSet<Digest, Hash>::read_joined(in, shape, options, digests.tables(), home);
  }

  // Arguments that would silently become another key are refused.
  using Guard::check;
  using Guard::digest;
  using Guard::forget;
  using Guard::insert;

 private:
  template <class Same>
  static constexpr bool is_quiet = std::is_nothrow_invocable_v<Same&, const Digest&>;

  template <class Same>
  [[nodiscard]] static Verdict compared(Verdict verdict, const Digest& digest,
                                        Same& same) noexcept(is_quiet<Same>) {
    using Answer = std::invoke_result_t<Same&, const Digest&>;
    static_assert(std::is_same_v<Answer, bool> || std::is_same_v<Answer, std::optional<bool>>,
                  "idem: what compares two contents answers bool or std::optional<bool>, true for "
                  "the same bytes; memcmp answers 0 for them");
    if (verdict != Verdict::duplicate) return verdict;
    const std::optional<bool> is_same = same(digest);
    if (!is_same) return Verdict::unknown;
    return *is_same ? Verdict::duplicate : Verdict::conflict;
  }

  void insert_contents(auto contents, std::span<Verdict> verdicts) noexcept {
    detail::require_equal_sizes(contents.size(), verdicts.size());
    constexpr std::size_t group = 64, ahead = 4;
    std::array<Digest, group> digests;
    for (std::size_t i = 1; i < detail::smaller(ahead, contents.size()); ++i)
      prefetch_content(contents[i]);
    for (std::size_t begin = 0; begin < contents.size(); begin += group) {
      const std::size_t count = detail::smaller(group, contents.size() - begin);
      for (std::size_t i = 0; i < count; ++i) {
        if (begin + i + ahead < contents.size()) prefetch_content(contents[begin + i + ahead]);
        digests[i] = digest(contents[begin + i]);
      }
      insert(std::span<const Digest>(digests).first(count), verdicts.subspan(begin, count));
    }
  }
  // The processor looks ahead by itself, but not before it has seen where a content goes on.
  [[gnu::always_inline]] static inline void prefetch_content(const auto& content) noexcept {
    constexpr std::size_t most = 2048, line = 64;
    const auto* const bytes = reinterpret_cast<const std::byte*>(content.data());
    const std::size_t size = detail::smaller(most, content.size());
    for (std::size_t at = 0; at < size; at += line) __builtin_prefetch(bytes + at);
  }

  explicit BasicContentHashSet(IdSet<Digest, Hash>&& digests) noexcept
      : digests_(std::move(digests)) {}

  IdSet<Digest, Hash> digests_;
};

using ContentHashSet = BasicContentHashSet<>;

}  // namespace idem::inline IDEM_ABI
