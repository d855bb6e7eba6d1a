#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/memory.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/no_throw.hpp>
#include <idem/memory/id_set.hpp>

namespace idem::inline IDEM_ABI {

template <class M>
struct IfGiven;

namespace detail {

// A row of values of different types, trivially copyable where they are, which std::tuple is not.
template <std::size_t place, class T>
struct Placed {
  T value{};
  friend bool operator==(const Placed&, const Placed&) = default;
};
template <class Places, class... T>
struct PlacedRow;
template <std::size_t... place, class... T>
struct PlacedRow<std::index_sequence<place...>, T...> : Placed<place, T>... {
  friend bool operator==(const PlacedRow&, const PlacedRow&) = default;
};
template <class... T>
using Row = PlacedRow<std::index_sequence_for<T...>, T...>;

template <std::size_t place, class T>
[[nodiscard]] constexpr const T& at_place(const Placed<place, T>& placed) noexcept {
  return placed.value;
}
template <std::size_t place, class T>
[[nodiscard]] constexpr T& at_place(Placed<place, T>& placed) noexcept {
  return placed.value;
}

// The type at a place of a row.
template <std::size_t place, class First, class... Rest>
struct TypeAt : TypeAt<place - 1, Rest...> {};
template <class First, class... Rest>
struct TypeAt<0, First, Rest...> {
  using type = First;
};

// How one identity becomes what its memory stores.
template <class K>
struct IdentityTraits {
  using Stored = typename KeyTraits<K>::Stored;
  static constexpr bool exact = KeyTraits<K>::exact;
  static constexpr bool is_sure = exact || sizeof(Stored) >= sizeof(Digest);
  [[nodiscard]] static Stored store(const K& key, const HashPolicy auto& hash) noexcept {
    return Stored(KeyTraits<K>::store(key, hash));
  }
};
template <class K>
struct IdentityTraits<std::optional<K>> {
  using Stored = std::optional<typename IdentityTraits<K>::Stored>;
  static constexpr bool exact = IdentityTraits<K>::exact;
  static constexpr bool is_sure = IdentityTraits<K>::is_sure;
  [[nodiscard]] static Stored store(const std::optional<K>& key,
                                    const HashPolicy auto& hash) noexcept {
    return key ? Stored(IdentityTraits<K>::store(*key, hash)) : Stored();
  }
};

// The type of a member, or of what a const member function returns.
template <class Member>
struct MemberType;
template <class T, class Class>
struct MemberType<T Class::*> {
  using type = std::remove_cvref_t<std::invoke_result_t<T Class::*, const Class&>>;
};

// One memory among several, asked with one identity of the message.
template <class M>
struct IdentityPart {
  using Memory = M;
  using Stored = typename M::Stored;
  static constexpr bool is_always_given = true;
  [[nodiscard]] static constexpr bool is_given(const Stored&) noexcept { return true; }
  [[nodiscard]] static constexpr const Stored& given(const Stored& key) noexcept { return key; }
  [[nodiscard]] static constexpr Stored&& given(Stored&& key) noexcept { return std::move(key); }
};
template <class M>
struct IdentityPart<IfGiven<M>> {
  using Memory = M;
  using Stored = std::optional<typename M::Stored>;
  static constexpr bool is_always_given = false;
  [[nodiscard]] static constexpr bool is_given(const Stored& key) noexcept {
    return key.has_value();
  }
  [[nodiscard]] static constexpr const typename M::Stored& given(const Stored& key) noexcept {
    return *key;
  }
  [[nodiscard]] static constexpr typename M::Stored&& given(Stored&& key) noexcept {
    return *std::move(key);
  }
};

template <class M, class Hash>
concept Rehashable = requires {
  typename M::template WithHash<Hash>;
};
template <class M, class Hash>
struct RehashedPart {
  using type = typename M::template WithHash<Hash>;
};
template <class M, class Hash>
struct RehashedPart<IfGiven<M>, Hash> {
  using type = IfGiven<typename M::template WithHash<Hash>>;
};

template <class M>
concept Clearing = requires(M& memory) {
  memory.clear();
};

// The hash of the first memory that has one; void: none has.
template <class... M>
struct FirstHash {
  using type = void;
};
template <class M, class... Rest>
struct FirstHash<M, Rest...> : FirstHash<Rest...> {};
template <Hashing M, class... Rest>
struct FirstHash<M, Rest...> {
  using type = typename M::Hash;
};
template <class M, class Hash>
inline constexpr bool hashes_with = true;
template <Hashing M, class Hash>
inline constexpr bool hashes_with<M, Hash> = std::is_same_v<typename M::Hash, Hash>;

// Those options under this seed, where they can be told one and have none. Not inlined, as g++ 12
// takes the copy of an empty optional for a read of what is not there.
template <class Options>
[[nodiscard]] [[gnu::noinline]] Options seeded(const Options& given,
                                               const std::optional<Seed>& seed) {
  Options options = given;
  if constexpr (requires {
                  requires std::is_same_v < decltype((options.seed)), std::optional<Seed>
                  & > ;
                }) {
    if (!options.seed && seed) options.seed = *seed;
  }
  return options;
}

// The identities of messages that are claimed: by 64 bits each, since what one stranger's identity in
// 2^64 meets is `in_progress`, and later it is asked again.
//
// A copy has none: as the room they took, they belong to whoever claimed.
class ClaimedIdentities {
 public:
  explicit ClaimedIdentities(const std::optional<Seed>& seed)
      : marks_(SetOptions{.seed = given_or_random(seed)}) {}
  ClaimedIdentities(const ClaimedIdentities& other)
      : ClaimedIdentities(other.marks_.hash().seed()) {}
  ClaimedIdentities(ClaimedIdentities&&) noexcept = default;
  ClaimedIdentities& operator=(const ClaimedIdentities&) = delete;
  ClaimedIdentities& operator=(ClaimedIdentities&&) noexcept = default;
  ~ClaimedIdentities() = default;

  [[nodiscard]] bool is_empty() const noexcept { return marks_.size() == 0; }
  [[nodiscard]] bool holds(std::uint64_t mark) const noexcept {
    return marks_.check(mark) == Verdict::duplicate;
  }
  // False: there is no memory.
  [[nodiscard]] bool add(std::uint64_t mark) noexcept {
    return marks_.insert(mark) != Verdict::full;
  }
  void remove(std::uint64_t mark) noexcept { (void)marks_.forget(mark); }
  [[nodiscard]] std::size_t heap_bytes() const noexcept {
    return marks_.memory_bytes() - sizeof marks_;
  }

 private:
  Id64Set marks_;
};
// The same where no claims can be.
struct NoClaimedIdentities {
  explicit constexpr NoClaimedIdentities(const std::optional<Seed>&) noexcept {}
  [[nodiscard]] static constexpr bool is_empty() noexcept { return true; }
  [[nodiscard]] static constexpr std::size_t heap_bytes() noexcept { return 0; }
};

}  // namespace detail
}  // namespace idem::inline IDEM_ABI
