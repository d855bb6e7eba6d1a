#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/memory.hpp>
#include <idem/core/state.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/dedup/claim.hpp>
#include <idem/dedup/content.hpp>
#include <idem/dedup/counters.hpp>
#include <idem/dedup/policy.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/lossy_key.hpp>
#include <idem/detail/dedup/axes.hpp>
#include <idem/detail/dedup/claim_ticket.hpp>
#include <idem/detail/dedup/engine.hpp>
#include <idem/detail/dedup/insight.hpp>
#include <idem/detail/dedup/one_thread.hpp>
#include <idem/detail/dedup/shard_state.hpp>
#include <idem/detail/dedup/shards.hpp>
#include <idem/memory/id_map.hpp>
#include <idem/memory/id_set.hpp>

namespace idem::inline IDEM_ABI {

// The options of a Deduplicator: those of its memory, and those of each axis its policy names.
// Setting an option of an axis that is not named does not compile: its options are then of the type
// AxisNotNamed<axis>, which has none. Compilers name the field at fault when the options are
// spelled out as Deduplicator<...>::Options{...}.
template <class MemoryOptions, class ClaimsOptions>
struct DeduplicatorOptions {
  MemoryOptions memory{};
  [[no_unique_address]] ClaimsOptions claims{};
};

// Decides which delivery of a message is the first, under a Policy.
//
// Guarantee   of two messages with one key, exactly one is `fresh`: the one judged first. With
//             Claims: the one whose claim is committed. With CompareContent the other is a
//             `duplicate` where its content is the same, and a `conflict` otherwise. Which way the answer can be wrong is
//             `errors`, from the memory and the key together; where a fresh message could be
//             dropped the policy must say AcceptFalseDuplicates. Answers `full`, having changed
//             nothing, when there is no room.
// Memory      its memory's, which is what a budget bounds; with Claims on top of it max_in_flight
//             entries of about 64 bytes and, where max_attempts sets a limit, max_failed_keys of
//             them, taken in the constructor.
// Complexity  its memory's. Without Claims it adds nothing to a call.
// Threads     any number under Sharded. Without, one at a time; put a lock around it otherwise, and
//             around its claims, whose destructors touch it too.
// Lifetime    copied and moved like a value; with Claims neither, since open claims point at it,
//             nor under Sharded, since other threads may be in it.
// Errors      options that are nonsense throw std::invalid_argument, in the constructor. reserve() and
//             copying throw as the memory's do. All else is noexcept.
// Example     README.md
template <class K, class P = Policy<>>
class Deduplicator : detail::NoLossyKeys<Deduplicator<K, P>, K> {
  using Guard = detail::NoLossyKeys<Deduplicator, K>;

  static_assert(
      requires { typename KeyTraits<K>::Stored; },
      "idem::Deduplicator: no idem::KeyTraits for this key; derive one from "
      "idem::DigestOf<&Key::member, ...>");

  using Reading = detail::PolicyReading<IdSet<detail::IdStoredFor<K>>, P>;

 public:
  // What remembers.
  using Memory = typename Reading::Memory;

 private:
  using Stored = typename Memory::Stored;

  static constexpr bool stores_key_itself = std::is_same_v<Stored, K>;
  static constexpr bool short_digest =
      !stores_key_itself && !KeyTraits<K>::exact && sizeof(Stored) < sizeof(Digest);

  static_assert(
      stores_key_itself || idem::Key<K>,
      "idem::Deduplicator: idem::KeyTraits<Key> does not model idem::Key; store and route "
      "must be noexcept, and store must return Stored itself");
  static_assert(idem::Memory<Memory>,
                "idem::Deduplicator: what the policy remembers with does not model idem::Memory");
  static_assert(stores_key_itself || Hashing<Memory>,
                "idem::Deduplicator: a memory that stores digests of keys must have the hash that "
                "makes them (idem::Hashing)");
  static_assert(stores_key_itself || std::is_same_v<Stored, typename KeyTraits<K>::Stored>,
                "idem::Deduplicator: this memory stores other things than KeyTraits<Key> makes "
                "of the key; UuidSet takes Uuid, Id64Set std::uint64_t, ContentHashSet every key "
                "with a digest, ExactSet<Key> the key itself");

 public:
  using Key = K;
  // 0: one thread at a time.
  static constexpr std::size_t shards = Reading::shards;
  using Options = DeduplicatorOptions<
      typename Memory::Options,
      std::conditional_t<Reading::claims, ClaimOptions, detail::AxisNotNamed<Claims>>>;
  using Claim = idem::Claim<Deduplicator>;

  static constexpr Errors errors = Memory::errors | Errors{.may_drop = short_digest};
  // Whether insert and check must be told the time.
  static constexpr bool needs_time = Memory::needs_time;
  // Whether messages come with their content: the policy names CompareContent.
  static constexpr bool compares_content = Reading::compares_content;

  static_assert(
      !errors.may_drop || Reading::accepts_false_duplicates,
      "idem::Deduplicator: this memory, or a digest of less than 128 bits, can take a fresh "
      "message for a duplicate; add idem::AcceptFalseDuplicates to the policy if losing it is "
      "acceptable");
  static_assert(
      !compares_content || (detail::CarriesDigests<Memory> && Hashing<Memory> && !errors.may_drop),
      "idem::Deduplicator: CompareContent needs an exact memory that keeps a digest of 16 "
      "bytes beside each key (idem::Carrying, with idem::Digest as its Payload or a "
      "WithPayload<idem::Digest>) and a hash that makes it; a filter, a memory without "
      "payloads, and one that carries something else cannot tell a conflict");
  static_assert(!Reading::claims || (Settling<Memory> && !short_digest),
                "idem::Deduplicator: Claims need a memory that cannot drop a message and can "
                "hold room for a commit (idem::Settling); a filter cannot back a claim");
  static_assert(!Reading::claims || !compares_content || SettlingPayloads<Memory>,
                "idem::Deduplicator: Claims under CompareContent need a memory whose record takes "
                "the payload of the key (idem::SettlingPayloads)");

  Deduplicator() : Deduplicator(Options()) {}
  explicit Deduplicator(const Options& options) : access_(options.memory, options.claims) {}
  // What a snapshot of it is loaded as: the memory, or under Sharded those of all shards.
  using State = typename std::conditional_t<
      shards == 0, std::type_identity<Memory>,
      std::type_identity<detail::ShardMemories<K, Memory, shards>>>::type;
  // Goes on from a memory that was filled before, one that was loaded from a snapshot say. Of the
  // options its own are not looked at. Under Sharded, a state that was moved out of before throws
  // std::invalid_argument.
  explicit Deduplicator(State&& state, const Options& options = Options())
      : access_(std::move(state), options.claims) {}

  // The action that a verdict of this object permits; see idem::action.
  [[nodiscard]] static constexpr Action action(Verdict verdict) noexcept {
    if (Reading::accepts_false_duplicates && verdict == Verdict::probable_duplicate)
      return Action::skip;
    return idem::action(verdict);
  }

  // Judges and records in one step: `fresh`, `duplicate`, `full`, or what else the memory means. At
  // most once: a crash between this and the end of the work loses the message. Right where the
  // effect is the output itself, or to tell the object what is already done, as when it is rebuilt
  // from a log of effects. With Claims also `in_progress`, recording nothing, while a claim on the
  // key is open, its lease over or not, and `poisoned` once its attempts are exhausted.
  //
  // Here and below, `content` is one argument where the policy names CompareContent, anything that
  // converts to idem::Content, and none where it does not. Where it differs from what the key came
  // with first, or from that of an open claim on it, the answer is `conflict` and changes nothing.
  template <detail::ContentArgument... C>
  Verdict insert(const K& key, At at, C&&... content) noexcept {
    return access_.insert(key, at, digest_of(content...));
  }
  template <detail::ContentArgument... C>
  Verdict insert(const K& key, C&&... content) noexcept requires(!needs_time) {
    return insert(key, timeless, content...);
  }

  // As that many single inserts in order, with their cache misses overlapped. The spans have one
  // size; anything else aborts the program. Under Sharded the order holds for each key; the lock of
  // a shard is taken once for up to 512 keys, and other threads' calls may come between.
  void insert(std::span<const K> keys, At at, std::span<Verdict> verdicts) noexcept
      requires(!compares_content) {
    detail::require_equal_sizes(keys.size(), verdicts.size());
    access_.insert(keys, at, detail::NoContent{}, verdicts);
  }
  void insert(std::span<const K> keys, std::span<Verdict> verdicts) noexcept
      requires(!needs_time && !compares_content) {
    insert(keys, timeless, verdicts);
  }
  void insert(std::span<const K> keys, At at, std::span<const Content> contents,
              std::span<Verdict> verdicts) noexcept requires(compares_content) {
    insert_all(keys, at, contents, verdicts);
  }
  void insert(std::span<const K> keys, At at, std::span<const Digest> contents,
              std::span<Verdict> verdicts) noexcept requires(compares_content) {
    insert_all(keys, at, contents, verdicts);
  }
  void insert(std::span<const K> keys, std::span<const Content> contents,
              std::span<Verdict> verdicts) noexcept requires(compares_content && !needs_time) {
    insert_all(keys, timeless, contents, verdicts);
  }
  void insert(std::span<const K> keys, std::span<const Digest> contents,
              std::span<Verdict> verdicts) noexcept requires(compares_content && !needs_time) {
    insert_all(keys, timeless, contents, verdicts);
  }

  // What insert would answer, except `full`; records nothing.
  template <detail::ContentArgument... C>
  [[nodiscard]] Verdict check(const K& key, At at, C&&... content) const noexcept {
    return access_.check(key, at, digest_of(content...));
  }
  template <detail::ContentArgument... C>
  [[nodiscard]] Verdict check(const K& key, C&&... content) const noexcept requires(!needs_time) {
    return check(key, timeless, content...);
  }

  // The digest of the content that the key stands for at that time, to go with a `conflict` to whoever
  // looks into it: of the claim that is open on it, or as recorded. Nothing where it stands for none.
  [[nodiscard]] std::optional<Digest> first_content(const K& key, At at) const noexcept
      requires(compares_content) {
    return access_.first_content(key, at);
  }
  [[nodiscard]] std::optional<Digest> first_content(const K& key) const noexcept
      requires(compares_content && !needs_time) {
    return first_content(key, timeless);
  }

  // The digest that stands for a content here; it depends on the object's seed. digest_fields: of
  // several fields, each told apart from its neighbours, see idem::digest_fields.
  [[nodiscard]] Digest digest(const Content& content) const noexcept requires(compares_content) {
    return content.digest(access_.hash());
  }
  template <class... Field>
  [[nodiscard]] Digest digest_fields(const Field&... field) const noexcept
      requires(compares_content) {
    return idem::digest_fields(access_.hash(), field...);
  }

  // Forgets the key and its failed attempts, for a redrive say: it is fresh again, poisoned or not.
  // Whether there was something to forget. An open claim on it stays.
  bool forget(const K& key) noexcept requires Forgetting<Memory> { return access_.forget(key); }

  // Claims the key for the length of the lease. The verdict of the claim is `fresh` where the
  // caller shall process the message and then commit, also when it takes over a claim whose lease
  // has run out by `at.now`; `in_progress` while another claim holds it; `duplicate` once one was
  // committed; `poisoned` once max_attempts of them ended without a commit, the last one's owner
  // being fenced with that answer; `full` when max_in_flight claims are open or the memory has no
  // room, in which case nothing was recorded.
  template <detail::ContentArgument... C>
  [[nodiscard]] Claim claim(const K& key, At at, C&&... content) noexcept
      requires(Reading::claims) {
    return Claim(*this, access_.claim(key, at, digest_of(content...)));
  }

  // As that many single claims in order, one for each key that one poll returned, with their cache
  // misses overlapped where the memory can fetch ahead, as ours can. A claim that `claims` still
  // holds is given back first. A second copy of a key in the batch is `in_progress`, as the first
  // one's claim is open. The spans have one size; anything else aborts the program. Under Sharded
  // as for insert.
  void claim(std::span<const K> keys, At at, std::span<Claim> claims) noexcept
      requires(Reading::claims && !compares_content) {
    claim_all(keys, at, detail::NoContent{}, claims);
  }
  void claim(std::span<const K> keys, At at, std::span<const Content> contents,
             std::span<Claim> claims) noexcept requires(Reading::claims&& compares_content) {
    detail::require_equal_sizes(keys.size(), contents.size());
    claim_all(keys, at, contents, claims);
  }
  void claim(std::span<const K> keys, At at, std::span<const Digest> contents,
             std::span<Claim> claims) noexcept requires(Reading::claims&& compares_content) {
    detail::require_equal_sizes(keys.size(), contents.size());
    claim_all(keys, at, contents, claims);
  }

  // A claim that is none, with that verdict: what to answer in place of claim() while nobody can
  // tell.
  [[nodiscard]] static Claim no_claim(Verdict verdict) noexcept requires(Reading::claims) {
    return Claim(verdict);
  }

  // The claims that are open, taken over or not ended yet.
  [[nodiscard]] std::size_t claims_in_flight() const noexcept requires(Reading::claims) {
    return access_.claims_in_flight();
  }

  // Keys remembered; claims that are open are not.
  [[nodiscard]] std::size_t size() const noexcept requires requires(const Memory& m) {
    { m.size() } -> std::convertible_to<std::size_t>;
  }
  { return access_.size(); }

  // Makes room for `count` keys in all, ahead of a rebuild say. Errors: as the memory's. Shards have
  // expected_keys.
  void reserve(std::size_t count) requires(shards == 0) && requires(Memory& m) { m.reserve(count); }
  { access_.memory().reserve(count); }

  // Forgets every key and every failed attempt, and keeps the memory; open claims stay open.
  void clear() noexcept requires requires(Memory& m) { m.clear(); }
  { access_.clear(); }

  // Every byte the object holds, itself included.
  [[nodiscard]] std::size_t memory_bytes() const noexcept { return access_.memory_bytes(); }

  // What was answered and done since the object was made. Under Sharded the shards are read one
  // after the other, as by the other sums here: other threads' calls may come between.
  [[nodiscard]] DeduplicatorCounters counters() const noexcept requires(Reading::counts) {
    return access_.counters();
  }

  // A message was answered `probable_duplicate`, and something exact, a store or a log, says that it is
  // new: counts that, where there are Counters, and records it where the filter keeps that apart from
  // what made it think so, as a window must; beside an IdentityMemory's filter under the other
  // identities too. False: there was no room to.
  [[nodiscard]] bool refute(const K& key, At at) noexcept requires(errors.may_drop) {
    return access_.refute(key, at);
  }
  [[nodiscard]] bool refute(const K& key) noexcept requires(errors.may_drop && !needs_time) {
    return refute(key, timeless);
  }

  // What a window can be relied on for at this moment: every key recorded here or later is
  // remembered, early evictions counted in; under Sharded in every shard. Instant::min() before the
  // first call.
  [[nodiscard]] Instant effective_horizon() const noexcept requires detail::TellsHorizon<Memory> {
    return access_.effective_horizon();
  }
  // The chance that the filter takes the next fresh message for seen, predicted from what is in it;
  // under Sharded the mean of the shards. As its memory's this may look at all of it.
  [[nodiscard]] double false_positive_rate() const noexcept requires detail::TellsRate<Memory> {
    return access_.false_positive_rate();
  }

  // The memory itself, for what only it can tell.
  [[nodiscard]] const Memory& memory() const noexcept requires(shards == 0) {
    return access_.memory();
  }

  // What idem::save writes under Sharded: every shard locked as long as this lives, so that calls of
  // other threads wait and none is saved by half. A call from the thread itself would wait for ever.
  [[nodiscard]] auto locked_state() const noexcept requires(shards != 0) && Saveable<Memory> {
    return typename Access::AllLocked(access_);
  }

  // Arguments that would silently become another key are refused.
  using Guard::check;
  using Guard::claim;
  using Guard::first_content;
  using Guard::forget;
  using Guard::insert;
  using Guard::refute;

  // Calls that an axis brings, where the policy does not name it.
  detail::AddToPolicy<Claims> claim(auto&&...) requires(!Reading::claims) = delete;
  detail::AddToPolicy<Claims> claim(auto&&, At, auto&&...) requires(!Reading::claims) = delete;
  detail::AddToPolicy<Claims> claims_in_flight() const requires(!Reading::claims) = delete;
  detail::AddToPolicy<Counters> counters() const requires(!Reading::counts) = delete;
  detail::AddToPolicy<CompareContent> first_content(auto&&...) const
      requires(!compares_content) = delete;
  detail::AddToPolicy<CompareContent> first_content(auto&&, At) const
      requires(!compares_content) = delete;
  detail::AddToPolicy<CompareContent> digest(auto&&...) const requires(!compares_content) = delete;
  detail::AddToPolicy<CompareContent> digest_fields(auto&&...) const
      requires(!compares_content) = delete;
  detail::AddToPolicy<CompareContent> insert(
      std::span<const K>, At, auto&&, std::span<Verdict>) requires(!compares_content) = delete;
  detail::AddToPolicy<CompareContent> claim(std::span<const K>, At, auto&&,
                                            std::span<Claim>) requires(Reading::claims &&
                                                                       !compares_content) = delete;
  detail::ContentsGoBetweenTimeAndVerdicts insert(
      std::span<const K>, At, std::span<Verdict>) requires(compares_content) = delete;
  detail::ContentsGoBetweenTimeAndVerdicts claim(std::span<const K>, At, std::span<Claim>) requires(
      Reading::claims&& compares_content) = delete;

 private:
  friend Claim;

  using Engine = detail::DedupEngine<Memory, Reading, short_digest>;
  using Access = typename std::conditional_t<
      Reading::shards == 0, std::type_identity<detail::OneThread<K, Engine>>,
      std::type_identity<detail::Shards<K, Engine, Reading::shards>>>::type;

  using Ticket = typename Engine::Ticket;

  static constexpr At timeless{.now = Instant()};

  template <class... C>
  [[nodiscard]] typename Engine::ContentDigest digest_of(const C&... content) const noexcept {
    static_assert(compares_content || sizeof...(C) == 0,
                  "idem::Deduplicator: a content was passed, and nobody would compare it; add "
                  "idem::CompareContent to the policy");
    static_assert(!compares_content || sizeof...(C) == 1,
                  "idem::Deduplicator: under idem::CompareContent every message comes with its "
                  "content, as the last argument: insert(key, at, content)");
    if constexpr (compares_content && sizeof...(C) == 1) {
      return (Content(content).digest(access_.hash()), ...);
    } else {
      return {};
    }
  }
  void insert_all(std::span<const K> keys, At at, const auto& contents,
                  std::span<Verdict> verdicts) noexcept {
    detail::require_equal_sizes(keys.size(), contents.size());
    detail::require_equal_sizes(keys.size(), verdicts.size());
    access_.insert(keys, at, contents, verdicts);
  }
  void claim_all(std::span<const K> keys, At at, const auto& contents,
                 std::span<Claim> claims) noexcept {
    detail::require_equal_sizes(keys.size(), claims.size());
    // Before any shard is locked, as giving one back locks its shard.
    for (Claim& claim : claims) claim.abort();
    access_.claim(keys, at, contents,
                  [&](std::size_t i, const Ticket& ticket) { claims[i] = Claim(*this, ticket); });
  }

  // For the guards.
  [[nodiscard]] bool owns(const detail::ClaimTicket& ticket) const noexcept {
    return access_.owns(ticket);
  }
  [[nodiscard]] Verdict commit_claim(const detail::ClaimTicket& ticket, At at) noexcept {
    return access_.commit(ticket, at);
  }
  [[nodiscard]] Verdict renew_claim(const detail::ClaimTicket& ticket, Instant now) noexcept {
    return access_.renew(ticket, now);
  }
  void abort_claim(const detail::ClaimTicket& ticket) noexcept { access_.abort(ticket); }

  Access access_;
};

}  // namespace idem::inline IDEM_ABI
