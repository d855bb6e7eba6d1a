#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/memory.hpp>
#include <idem/core/seed.hpp>
#include <idem/core/state.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/no_throw.hpp>
#include <idem/detail/dedup/identity_parts.hpp>
#include <idem/detail/dedup/insight.hpp>

namespace idem::inline IDEM_ABI {

// A row of values: the identities of one message, in the order they are asked in.
//
//   idem::Identities<Uuid, ProducerBatch> key(id, stamp);
//
// One that a message may lack is a std::optional, for a memory that is IfGiven.
template <class... K>
class Identities {
 public:
  constexpr Identities() = default;
  constexpr Identities(K... identity) requires(sizeof...(K) != 0)
      : row_{{std::move(identity)}...} {}

  template <std::size_t place>
  [[nodiscard]] constexpr const auto& get() const& noexcept {
    return detail::at_place<place>(row_);
  }
  template <std::size_t place>
  [[nodiscard]] constexpr auto& get() & noexcept {
    return detail::at_place<place>(row_);
  }

  friend constexpr bool operator==(const Identities&, const Identities&) = default;

 private:
  detail::Row<K...> row_{};
};
template <class... K>
Identities(K...) -> Identities<K...>;

template <class... K>
struct KeyTraits<Identities<K...>> {
  static_assert(
      (detail::IdentityTraits<K>::is_sure && ...),
      "idem::Identities: an identity that is known by a digest of less than 128 bits could "
      "take a fresh message for a duplicate; store it whole, or a longer digest of it");

  using Stored = Identities<typename detail::IdentityTraits<K>::Stored...>;
  static constexpr bool exact = (detail::IdentityTraits<K>::exact && ...);
  [[nodiscard]] static Stored store(const Identities<K...>& key,
                                    const HashPolicy auto& hash) noexcept {
    return [&]<std::size_t... place>(std::index_sequence<place...>) {
      return Stored(detail::IdentityTraits<K>::store(key.template get<place>(), hash)...);
    }
    (std::index_sequence_for<K...>());
  }
  template <class Any>
  [[nodiscard]] static std::uint64_t route(const Any&, const HashPolicy auto&) noexcept {
    static_assert(
        !sizeof(Any),
        "idem::Sharded: the identities of one message may be at home in different shards, "
        "and two threads could each find it fresh; give KeyTraits<Key> a route() by "
        "something that all deliveries of a message share");
    return 0;
  }
};

// KeyTraits for a struct of yours whose members are identities, each enough by itself to know the
// message by; unlike DigestOf, which makes one key of several members.
//
//   struct Order { Uuid id; ProducerBatch stamp; };
//   template <> struct idem::KeyTraits<Order> : idem::IdentitiesOf<&Order::id, &Order::stamp> {};
template <auto... Member>
struct IdentitiesOf {
 private:
  using Row = Identities<typename detail::MemberType<decltype(Member)>::type...>;
  using Traits = KeyTraits<Row>;

 public:
  using Stored = typename Traits::Stored;
  static constexpr bool exact = Traits::exact;
  template <class K>
  [[nodiscard]] static Stored store(const K& key, const HashPolicy auto& hash) noexcept {
    return Stored(
        detail::IdentityTraits<typename detail::MemberType<decltype(Member)>::type>::store(
            detail::member_of<Member>(key), hash)...);
  }
  template <class Any>
  [[nodiscard]] static std::uint64_t route(const Any& stored,
                                           const HashPolicy auto& hash) noexcept {
    return Traits::route(stored, hash);
  }
};

// A memory among those of an IdentityMemory whose identity a message may lack: it is asked, and
// records, only where there is one.
template <class M>
struct IfGiven {};

// What an IdentityMemory answers, and which identity decided: its place, from 0; no_identity where
// all of them said `fresh`.
inline constexpr std::size_t no_identity = std::numeric_limits<std::size_t>::max();
struct IdentityVerdict {
  Verdict verdict = Verdict::unknown;
  std::size_t identity = no_identity;

  friend constexpr bool operator==(const IdentityVerdict&, const IdentityVerdict&) = default;
};

// The options of an IdentityMemory: those of each memory in turn, and one seed.
template <class... Options>
struct IdentityOptions {
  Identities<Options...> memories{};
  // Of every memory whose own options have none, and of the digests. Unset: each draws its own, and
  // the first that hashes makes the digests.
  std::optional<Seed> seed = std::nullopt;
};

// Remembers messages by several identities, a memory for each: an id and a sequence number, an
// idempotency key and a digest of the content.
//
//   idem::Deduplicator<Order, idem::Policy<idem::Remember<idem::IdentityMemory<
//       idem::UuidSet, idem::SequenceMemory<>>>>>
//
// Guarantee   all memories are asked, in order; the first answer that is not `fresh` decides,
//             whatever the later ones would say: put first what you believe most. A message is
//             recorded under all of its identities or under none. `fresh` means that all were
//             `fresh` and are recorded; any other answer, that none was: a `duplicate` by its id
//             leaves its new sequence number unrecorded, and a tracker that refuses gaps answers
//             `gap` to the number behind it.
// Room        is taken in every memory before anything is recorded in one. So all but one must be
//             able to hold it (idem::Settling), and the one that is not, a filter or a
//             SequenceMemory, is recorded first and may still refuse.
// Claims      where every memory is Settling. While a claim is open, a message that shares any
//             identity with it is `in_progress`. One with the same identities all takes over a lease
//             that ran out; one that shares some waits until the claim has ended.
// Sharded     where KeyTraits<Key>::route goes by something that all deliveries of a message share.
// Errors      `errors` are those of the memories together. Nonsense in the options throws as in
//             theirs; copying throws std::bad_alloc; all else is noexcept.
// Memory      theirs, and 8 to 21 bytes for each identity that is claimed.
// Snapshots   part by part: save memory<i>(), and construct this from what was loaded.
// Complexity  theirs: each is asked, and once more where the message is fresh. In a batch misses are
//             not overlapped.
// Threads     const members may run together; anything else needs a lock around it.
// Example     docs/policies.md
template <class... M>
class IdentityMemory {
  template <std::size_t place>
  using Part = typename detail::TypeAt<place, detail::IdentityPart<M>...>::type;
  static constexpr std::size_t count = sizeof...(M);

  static_assert(
      count >= 2,
      "idem::IdentityMemory<M...>: two memories at least; where a message has one identity, "
      "remember with that one's memory itself");
  static_assert(
      (Memory<typename detail::IdentityPart<M>::Memory> && ...),
      "idem::IdentityMemory<M...>: each M models idem::Memory, or is idem::IfGiven of one "
      "that does");
  static_assert(
      (detail::IdentityPart<M>::is_always_given || ...),
      "idem::IdentityMemory: one identity at least is always given; a message without any "
      "could not be told from another. A digest of the content can be that one");
  static_assert(
      (std::size_t{!Settling<typename detail::IdentityPart<M>::Memory>} + ...) <= 1,
      "idem::IdentityMemory: all memories but one must be able to hold room for a key "
      "(idem::Settling), so that a message is recorded under all of its identities or under "
      "none; of filters and sequence trackers there can be one");

  static constexpr bool is_settling = (Settling<typename detail::IdentityPart<M>::Memory> && ...);
  static constexpr bool forgets = (Forgetting<typename detail::IdentityPart<M>::Memory> && ...);
  // The memory that is recorded in before the others: the one that holds no room, or the last.
  static constexpr std::size_t first_recorded = [] {
    constexpr std::array settling{Settling<typename detail::IdentityPart<M>::Memory>...};
    for (std::size_t i = 0; i < count; ++i) {
      if (!settling[i]) return i;
    }
    return count - 1;
  }();

 public:
  using Stored = Identities<typename detail::IdentityPart<M>::Stored...>;
  using Options = IdentityOptions<typename detail::IdentityPart<M>::Memory::Options...>;
  // The hash of the first memory that has one; void where none has.
  using Hash = typename detail::FirstHash<typename detail::IdentityPart<M>::Memory...>::type;
  template <HashPolicy Other>
  requires(
      detail::Rehashable<typename detail::IdentityPart<M>::Memory, Other>&&...) using WithHash =
      IdentityMemory<typename detail::RehashedPart<M, Other>::type...>;

  static_assert((detail::hashes_with<typename detail::IdentityPart<M>::Memory, Hash> && ...),
                "idem::IdentityMemory: its memories have one hash, as it makes the digests of all "
                "identities; HostileKeys in the policy replaces that of each");

  static constexpr Errors errors = (detail::IdentityPart<M>::Memory::errors | ...);
  static constexpr bool needs_time = (detail::IdentityPart<M>::Memory::needs_time || ...);

  IdentityMemory() requires(
      std::is_default_constructible_v<typename detail::IdentityPart<M>::Memory>&&...)
      : IdentityMemory(Options()) {}
  explicit IdentityMemory(const Options& options)
      : IdentityMemory(options, std::index_sequence_for<M...>()) {}
  // Goes on from memories that were filled before, ones that were loaded from snapshots say.
  explicit IdentityMemory(typename detail::IdentityPart<M>::Memory... memory) requires(count >= 2)
      : memories_{{std::move(memory)}...}, claimed_(std::nullopt) {}

  IdentityMemory(const IdentityMemory&) = default;
  IdentityMemory(IdentityMemory&&) = default;
  // All or nothing: the copies are made before anything changes.
  IdentityMemory& operator=(const IdentityMemory& other) {
    if (this != &other) *this = IdentityMemory(other);
    return *this;
  }
  IdentityMemory& operator=(IdentityMemory&&) = default;

  // What insert would answer, `full` excepted, and which identity decides; changes nothing.
  [[nodiscard]] IdentityVerdict judge(const Stored& key, At at) const noexcept {
    IdentityVerdict answer{Verdict::fresh, no_identity};
    (void)each([&](auto place) {
      const Verdict verdict = ask<place>(key, at);
      if (verdict != Verdict::fresh) answer = {verdict, place};
      return verdict == Verdict::fresh;
    });
    return answer;
  }
  [[nodiscard]] Verdict check(const Stored& key, At at) const noexcept {
    return judge(key, at).verdict;
  }
  [[nodiscard]] Verdict check(const Stored& key) const noexcept requires(!needs_time) {
    return check(key, timeless);
  }

  // Judges, and records the message under all of its identities where it is `fresh`.
  IdentityVerdict judge_and_record(const Stored& key, At at) noexcept {
    IdentityVerdict answer{Verdict::fresh, no_identity};
    const bool are_fresh = each([&](auto place) {
      // The last one answers when it records.
      if constexpr (place == first_recorded && place == count - 1) {
        if (!is_claimed<place>(key)) return true;
        answer = {Verdict::in_progress, place};
        return false;
      } else {
        const Verdict verdict = ask<place>(key, at);
        if (verdict == Verdict::fresh) return true;
        answer = {told_again<place>(key, at, verdict), place};
        return false;
      }
    });
    if (!are_fresh) return answer;
    Stored own;
    if (!detail::assign_without_throwing(own, key)) return {Verdict::full, first_recorded};
    const std::size_t short_of = take_room_beside_first(own, at);
    if (short_of != count) {
      // What is no `fresh` message at all is no matter of room.
      if constexpr (first_recorded == count - 1) {
        const Verdict verdict = ask<first_recorded>(key, at);
        if (verdict != Verdict::fresh) return {verdict, first_recorded};
      }
      return {Verdict::full, short_of};
    }
    const Verdict verdict = record_first(own, at);
    if (verdict != Verdict::fresh) {
      give_back_beside_first(own, count);
      return {verdict, first_recorded};
    }
    record_beside_first(std::move(own), at);
    return answer;
  }
  Verdict insert(const Stored& key, At at) noexcept { return judge_and_record(key, at).verdict; }
  Verdict insert(const Stored& key) noexcept requires(!needs_time) { return insert(key, timeless); }

  // As that many single inserts, one after the other. The spans have one size; anything else aborts
  // the program.
  void insert(std::span<const Stored> keys, At at, std::span<Verdict> verdicts) noexcept {
    detail::require_equal_sizes(keys.size(), verdicts.size());
    for (std::size_t i = 0; i < keys.size(); ++i) verdicts[i] = insert(keys[i], at);
  }
  void insert(std::span<const Stored> keys, std::span<Verdict> verdicts) noexcept
      requires(!needs_time) {
    insert(keys, timeless, verdicts);
  }

  // Records a message that a filter among the memories took for seen and that is new, under all of
  // its identities, whatever the memories think of them. False: there is no room, and nothing was
  // recorded.
  [[nodiscard]] bool add(const Stored& key, At at_time) noexcept requires(errors.may_drop) {
    Stored own;
    if (!detail::assign_without_throwing(own, key)) return false;
    if (take_room_beside_first(own, at_time) != count) return false;
    if (is_given<first_recorded>(own) &&
        !detail::record_refuted(at<first_recorded>(), given<first_recorded>(own), at_time)) {
      give_back_beside_first(own, count);
      return false;
    }
    record_beside_first(std::move(own), at_time);
    return true;
  }

  // Forgets all identities of the message, each with whatever message it was recorded. Whether there
  // was one.
  bool forget(const Stored& key) noexcept requires(forgets) {
    bool remembered = false;
    (void)each([&](auto place) {
      if (!Part<place>::is_given(key.template get<place>())) return true;
      remembered = at<place>().forget(given<place>(key)) || remembered;
      return true;
    });
    return remembered;
  }

  // Forgets every message and keeps the memory.
  void clear() noexcept requires(detail::Clearing<typename detail::IdentityPart<M>::Memory>&&...) {
    (void)each([&](auto place) {
      at<place>().clear();
      return true;
    });
  }

  // Moves the clocks of the windows as a message of that time would.
  void advance(At at_time) noexcept requires(needs_time) {
    (void)each([&](auto place) {
      advance_one<place>(at_time);
      return true;
    });
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    std::size_t bytes = sizeof(*this) + claimed_.heap_bytes();
    (void)each([&](auto place) {
      bytes += at<place>().memory_bytes() - sizeof(at<place>());
      return true;
    });
    return bytes;
  }

  // What the memories forgot before its time, together.
  [[nodiscard]] std::uint64_t early_evictions() const noexcept {
    std::uint64_t sum = 0;
    (void)each([&](auto place) {
      sum += detail::early_evictions_of(at<place>());
      return true;
    });
    return sum;
  }
  // Every message recorded here or later is still known by one identity at least: that of the
  // longest memory among those that are always given. Not to be had where one of those never forgets.
  [[nodiscard]] Instant effective_horizon() const noexcept
      requires((!detail::IdentityPart<M>::is_always_given ||
                detail::TellsHorizon<typename detail::IdentityPart<M>::Memory>)&&...) {
    Instant earliest = Instant::max();
    (void)each([&](auto place) {
      if constexpr (Part<place>::is_always_given) {
        const Instant horizon = at<place>().effective_horizon();
        if (horizon < earliest) earliest = horizon;
      }
      return true;
    });
    return earliest;
  }
  // The chance that a filter among the memories takes the next fresh message for seen.
  [[nodiscard]] double false_positive_rate() const noexcept
      requires(detail::TellsRate<typename detail::IdentityPart<M>::Memory> || ...) {
    double passes = 1;
    (void)each([&](auto place) {
      if constexpr (detail::TellsRate<typename Part<place>::Memory>) {
        passes *= 1 - at<place>().false_positive_rate();
      }
      return true;
    });
    return 1 - passes;
  }

  // One of the memories, by the place of its identity.
  template <std::size_t place>
  [[nodiscard]] const auto& memory() const noexcept {
    return at<place>();
  }

  // What makes the digests of identities that are stored as such.
  [[nodiscard]] auto hash() const noexcept requires(!std::is_void_v<Hash>) {
    return hash_from<0>();
  }

  // Saving the whole does not compile.
  [[nodiscard]] StateShape state_shape() const noexcept {
    static_assert(count == 0,
                  "idem::save: a snapshot has one memory, an idem::IdentityMemory several; save "
                  "memory<0>(), memory<1>() ... each by itself, under one position");
    return {};
  }
  [[nodiscard]] bool write_state(StateWriter&) const noexcept { return false; }

  // Room for a message to come, as the concept Settling says; what Claims stand on. Until record()
  // or release_one() its identities are answered `in_progress`.
  [[nodiscard]] bool reserve_one(const Stored& key) noexcept requires(is_settling) {
    std::size_t taken = 0;
    std::size_t marked = 0;
    const bool whole = each([&](auto place) {
                         if (!take_room_for<place>(key)) return false;
                         ++taken;
                         return true;
                       }) &&
                       each([&](auto place) {
                         if (!mark<place>(key)) return false;
                         ++marked;
                         return true;
                       });
    if (whole) return true;
    (void)each([&](auto place) {
      if (place < marked) unmark<place>(key);
      if (place < taken) give_back<place>(key);
      return place < taken;
    });
    return false;
  }
  void record(Stored key, At at_time) noexcept requires(is_settling) {
    (void)each([&](auto place) {
      unmark<place>(key);
      record_one<place>(std::move(key), at_time);
      return true;
    });
  }
  void release_one(const Stored& key) noexcept requires(is_settling) {
    (void)each([&](auto place) {
      unmark<place>(key);
      give_back<place>(key);
      return true;
    });
  }
  [[nodiscard]] std::uint64_t slot(const Stored& key) const noexcept requires(is_settling) {
    std::uint64_t sum = 0;
    (void)each([&](auto place) {
      if (Part<place>::is_given(key.template get<place>())) sum += mark_of<place>(key);
      return true;
    });
    return sum;
  }

 private:
  static constexpr At timeless{.now = Instant()};

  template <std::size_t... place>
  IdentityMemory(const Options& options, std::index_sequence<place...>)
      : memories_{{typename Part<place>::Memory(
            detail::seeded(options.memories.template get<place>(), options.seed))}...},
        claimed_(options.seed) {}

  // f(place) for one memory after the other, as long as it says true; whether it did to the end.
  template <class F>
  static bool each(F&& f) noexcept {
    return [&]<std::size_t... place>(std::index_sequence<place...>) {
      return (f(std::integral_constant<std::size_t, place>()) && ...);
    }
    (std::index_sequence_for<M...>());
  }

  template <std::size_t place>
  [[nodiscard]] const auto& at() const noexcept {
    return detail::at_place<place>(memories_);
  }
  template <std::size_t place>
  [[nodiscard]] auto& at() noexcept {
    return detail::at_place<place>(memories_);
  }
  template <std::size_t place>
  [[nodiscard]] static const auto& given(const Stored& key) noexcept {
    return Part<place>::given(key.template get<place>());
  }
  template <std::size_t place>
  [[nodiscard]] static bool is_given(const Stored& key) noexcept {
    return Part<place>::is_given(key.template get<place>());
  }

  template <std::size_t place>
  [[nodiscard]] Verdict ask(const Stored& key, At at_time) const noexcept {
    if (!is_given<place>(key)) return Verdict::fresh;
    if (is_claimed<place>(key)) return Verdict::in_progress;
    return at<place>().check(given<place>(key), at_time);
  }
  // A window learns from an answer of its own: that a sliding one was asked, and that time passed.
  template <std::size_t place>
  [[nodiscard]] Verdict told_again(const Stored& key, At at_time, Verdict verdict) noexcept {
    if constexpr (Part<place>::Memory::needs_time) {
      if (verdict != Verdict::in_progress) return at<place>().insert(given<place>(key), at_time);
    }
    return verdict;
  }

  template <std::size_t place>
  void advance_one(At at_time) noexcept {
    if constexpr (requires(typename Part<place>::Memory & memory) { memory.advance(at_time); }) {
      at<place>().advance(at_time);
    }
  }
  template <std::size_t place>
  [[nodiscard]] bool take_room_for(const Stored& key) noexcept {
    return !is_given<place>(key) || at<place>().reserve_one(given<place>(key));
  }
  template <std::size_t place>
  void give_back(const Stored& key) noexcept {
    if (is_given<place>(key)) at<place>().release_one(given<place>(key));
  }
  template <std::size_t place>
  void record_one(Stored&& key, At at_time) noexcept {
    auto& identity = key.template get<place>();
    if (Part<place>::is_given(identity)) {
      at<place>().record(Part<place>::given(std::move(identity)), at_time);
    }
  }

  // Room in all memories but the one recorded in first; the place of the one that has none, with
  // nothing taken, or `count`.
  [[nodiscard]] std::size_t take_room_beside_first(const Stored& key, At at_time) noexcept {
    std::size_t taken = 0;
    (void)each([&](auto place) {
      if constexpr (place != first_recorded) {
        if (!take_room_for<place>(key)) {
          advance_one<place>(at_time);
          if (!take_room_for<place>(key)) return false;
        }
      }
      ++taken;
      return true;
    });
    if (taken != count) give_back_beside_first(key, taken);
    return taken;
  }
  void give_back_beside_first(const Stored& key, std::size_t taken) noexcept {
    (void)each([&](auto place) {
      if (place == taken) return false;
      if constexpr (place != first_recorded) give_back<place>(key);
      return true;
    });
  }
  [[nodiscard]] Verdict record_first(const Stored& key, At at_time) noexcept {
    if (!is_given<first_recorded>(key)) return Verdict::fresh;
    return at<first_recorded>().insert(given<first_recorded>(key), at_time);
  }

  void record_beside_first(Stored&& key, At at_time) noexcept {
    (void)each([&](auto place) {
      if constexpr (place != first_recorded) record_one<place>(std::move(key), at_time);
      return true;
    });
  }

  // One value in two memories has two marks.
  template <std::size_t place>
  [[nodiscard]] std::uint64_t mark_of(const Stored& key) const noexcept {
    return at<place>().slot(given<place>(key)) * (2 * place + 0x9e3779b97f4a7c15);
  }
  template <std::size_t place>
  [[nodiscard]] bool is_claimed(const Stored& key) const noexcept {
    if constexpr (is_settling) {
      return !claimed_.is_empty() && is_given<place>(key) && claimed_.holds(mark_of<place>(key));
    } else {
      return false;
    }
  }
  template <std::size_t place>
  [[nodiscard]] bool mark(const Stored& key) noexcept {
    return !is_given<place>(key) || claimed_.add(mark_of<place>(key));
  }
  template <std::size_t place>
  void unmark(const Stored& key) noexcept {
    if (is_given<place>(key)) claimed_.remove(mark_of<place>(key));
  }

  template <std::size_t place>
  [[nodiscard]] auto hash_from() const noexcept {
    if constexpr (Hashing<typename Part<place>::Memory>) {
      return at<place>().hash();
    } else {
      return hash_from<place + 1>();
    }
  }

  detail::Row<typename detail::IdentityPart<M>::Memory...> memories_;
  [[no_unique_address]] std::conditional_t<is_settling, detail::ClaimedIdentities,
                                           detail::NoClaimedIdentities>
      claimed_;
};

}  // namespace idem::inline IDEM_ABI
