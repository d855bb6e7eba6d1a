#pragma once

#include <cstddef>
#include <type_traits>

#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/memory.hpp>
#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI {

template <class M>
struct Remember;
struct Claims;
struct CompareContent;
struct HostileKeys;
struct AcceptFalseDuplicates;
struct Counters;
template <std::size_t shards>
struct Sharded;
template <class... Axis>
struct Policy;

namespace detail {

// Two tags are the same axis when these are the same type: Remember<A> and Remember<B> are.
template <class Tag>
struct AxisOf {
  using type = Tag;
};
template <class M>
struct AxisOf<Remember<M>> {
  using type = Remember<void>;
};
template <std::size_t shards>
struct AxisOf<Sharded<shards>> {
  using type = Sharded<0>;
};

template <class Tag>
inline constexpr bool is_axis =
    std::is_same_v<Tag, Claims> || std::is_same_v<Tag, CompareContent> ||
    std::is_same_v<Tag, HostileKeys> || std::is_same_v<Tag, AcceptFalseDuplicates> ||
    std::is_same_v<Tag, Counters>;
template <class M>
inline constexpr bool is_axis<Remember<M>> = true;
template <std::size_t shards>
inline constexpr bool is_axis<Sharded<shards>> = true;

template <class Tag, class... Axis>
inline constexpr std::size_t times_named =
    (std::size_t{std::is_same_v<typename AxisOf<Tag>::type, typename AxisOf<Axis>::type>} + ... +
     0);

template <class Tag, class... Axis>
inline constexpr bool names_once = times_named<Tag, Axis...> == 1;

// The memory a list of axes names, or Fallback.
template <class Fallback, class... Axis>
struct MemoryNamed {
  using type = Fallback;
};
template <class Fallback, class M, class... Rest>
struct MemoryNamed<Fallback, Remember<M>, Rest...> {
  using type = M;
};
template <class Fallback, class First, class... Rest>
struct MemoryNamed<Fallback, First, Rest...> : MemoryNamed<Fallback, Rest...> {};

// The number of shards an axis names.
template <class Axis>
inline constexpr std::size_t shards_named = 0;
template <std::size_t shards>
inline constexpr std::size_t shards_named<Sharded<shards>> = shards;
template <class Axis>
inline constexpr bool is_good_number_of_shards = true;
template <std::size_t shards>
inline constexpr bool is_good_number_of_shards<Sharded<shards>> = shards >= 1 && shards <= 1024;

// The same memory under another hash.
template <class M, class Hash>
struct Rehashed {
  using type = M;
};
template <class M, class Hash>
requires requires { typename M::template WithHash<Hash>; }
struct Rehashed<M, Hash> {
  using type = typename M::template WithHash<Hash>;
};

// The same memory with a digest beside each key. One that carries something of its own, or nothing
// that can be replaced, stays as it is.
template <class M>
struct WithDigests {
  using type = M;
};
template <class M>
requires(
    !requires { typename M::Payload; } &&
    requires { typename M::template WithPayload<Digest>; }) struct WithDigests<M> {
  using type = typename M::template WithPayload<Digest>;
};

// What the default memory of a key stores; Digest where KeyTraits is missing, so that only the
// message about that shows.
template <class K>
struct IdStored {
  using type = Digest;
};
template <class K>
requires requires { typename KeyTraits<K>::Stored; }
struct IdStored<K> {
  using type = typename KeyTraits<K>::Stored;
};
template <class K>
using IdStoredFor = typename IdStored<K>::type;

template <class M>
concept CarriesDigests = Carrying<M> && std::is_same_v<typename M::Payload, Digest>;

// Stands where the options of an axis would, so that setting one names the axis that is missing.
template <class Axis>
struct AxisNotNamed {};

// What a call that an axis brings returns where the policy does not name it: it is deleted, and the
// compiler's sentence has this name in it.
template <class Axis>
struct AddToPolicy;
struct ContentsGoBetweenTimeAndVerdicts;

// What a policy says, worked out once.
template <class Fallback, class P>
struct PolicyReading {
  static_assert(!sizeof(P),
                "idem::Deduplicator: the second argument is a policy, idem::Policy<axes...>");
};
template <class Fallback, class... Axis>
struct PolicyReading<Fallback, Policy<Axis...>> {
  static_assert((is_axis<Axis> && ...),
                "idem::Policy<...> names something that is no axis; the axes are Remember<M>, "
                "Claims, CompareContent, HostileKeys, AcceptFalseDuplicates, Counters and "
                "Sharded<N>");
  static_assert((names_once<Axis, Axis...> && ...), "idem::Policy<...> names an axis twice");

  static_assert((is_good_number_of_shards<Axis> && ...),
                "idem::Sharded<N>: N is at least 1 and at most 1024");

  static constexpr bool claims = times_named<Claims, Axis...> != 0;
  static constexpr bool compares_content = times_named<CompareContent, Axis...> != 0;
  static constexpr bool hostile_keys = times_named<HostileKeys, Axis...> != 0;
  static constexpr bool accepts_false_duplicates = times_named<AcceptFalseDuplicates, Axis...> != 0;

  static constexpr bool counts = times_named<Counters, Axis...> != 0;
  // 0: one thread at a time.
  static constexpr std::size_t shards = (shards_named<Axis> + ... + std::size_t{0});

  using NamedMemory = typename MemoryNamed<Fallback, Axis...>::type;
  static_assert(std::is_class_v<NamedMemory>, "idem::Remember<M>: M is no memory");
  using HashedMemory = typename std::conditional_t<hostile_keys, Rehashed<NamedMemory, SipHash>,
                                                   std::type_identity<NamedMemory>>::type;
  using Memory = typename std::conditional_t<compares_content, WithDigests<HashedMemory>,
                                             std::type_identity<HashedMemory>>::type;
  static_assert(
      !hostile_keys || requires { requires std::is_same_v<typename Memory::Hash, SipHash>; },
      "idem: HostileKeys needs a memory whose hash can be replaced; this one has no "
      "WithHash<SipHash>");
};

}  // namespace detail
}  // namespace idem::inline IDEM_ABI
