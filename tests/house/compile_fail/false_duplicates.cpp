// A memory that may drop a fresh message is used by those who say so.

#include <idem/idem.hpp>

// A memory that remembers 64 bits of a longer key.
struct ShortKey {
  std::uint64_t account;
  std::uint64_t number;
};
template <>
struct idem::KeyTraits<ShortKey> {
  using Stored = std::uint64_t;
  static constexpr bool exact = false;
  static Stored store(const ShortKey& key, const HashPolicy auto& hash) noexcept {
    return hash.slot(key.account, key.number);
  }
  static std::uint64_t route(Stored stored, const HashPolicy auto& hash) noexcept {
    return hash.slot(stored);
  }
};

#if CASE == 0
idem::Deduplicator<ShortKey,
                   idem::Policy<idem::Remember<idem::Id64Set>, idem::AcceptFalseDuplicates>>
    seen;

#elif CASE == 1  // must-fail: add idem::AcceptFalseDuplicates to the policy
idem::Deduplicator<ShortKey, idem::Policy<idem::Remember<idem::Id64Set>>> seen;

#elif CASE == 2  // must-fail: Claims need a memory that cannot drop a message
idem::Deduplicator<ShortKey, idem::Policy<idem::Remember<idem::Id64Set>,
                                          idem::AcceptFalseDuplicates, idem::Claims>>
    seen;

#elif CASE == 3  // must-fail: add idem::AcceptFalseDuplicates to the policy
idem::Deduplicator<idem::Uuid, idem::Policy<idem::Remember<idem::WindowBloomFilter<idem::Uuid>>>>
    seen({.memory = {.window = idem::Duration::nanoseconds(1),
                     .expected_keys = 1,
                     .false_positive_rate = 0.01}});

#elif CASE == 4  // must-fail: Claims need a memory that cannot drop a message
idem::Deduplicator<idem::Uuid, idem::Policy<idem::Remember<idem::WindowBloomFilter<idem::Uuid>>,
                                            idem::AcceptFalseDuplicates, idem::Claims>>
    seen({.memory = {.window = idem::Duration::nanoseconds(1),
                     .expected_keys = 1,
                     .false_positive_rate = 0.01}});

#elif CASE == 5  // must-fail: add idem::AcceptFalseDuplicates to the policy
using Backed = idem::BackedWindow<idem::TimeWindowRing<idem::Uuid>, idem::BloomFilter<idem::Uuid>>;
idem::Deduplicator<idem::Uuid, idem::Policy<idem::Remember<Backed>>> seen({});

#elif CASE == 6  // must-fail: Claims need a memory that cannot drop a message
using Backed = idem::BackedWindow<idem::TimeWindowRing<idem::Uuid>, idem::BloomFilter<idem::Uuid>>;
idem::Deduplicator<idem::Uuid,
                   idem::Policy<idem::Remember<Backed>, idem::AcceptFalseDuplicates, idem::Claims>>
    seen({});

#elif CASE == 7  // must-fail: Filter is a WindowBloomFilter by arrival
idem::BackedWindow<idem::TimeWindowRing<idem::Uuid>,
                   idem::WindowBloomFilter<idem::Uuid, idem::WindowMode::sliding>>
    seen({});

#elif CASE == 8  // must-fail: Exact is a TimeWindowRing by arrival
idem::BackedWindow<idem::WindowBloomFilter<idem::Uuid>, idem::BloomFilter<idem::Uuid>> seen({});

#elif CASE == 9  // must-fail: goes by arrival or by event
idem::WindowBloomFilter<idem::Uuid, idem::WindowMode::fixed, idem::WindowTime::id> seen({});
#endif
