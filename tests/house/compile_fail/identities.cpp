// Several identities of one message: recorded under all or under none, or it does not compile.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <idem/idem.hpp>

using idem::Identities;
using idem::IdentityMemory;
using idem::IfGiven;
using idem::Remember;
using idem::Uuid;

#if CASE == 0
idem::Deduplicator<
    Identities<Uuid, std::optional<std::string>>,
    idem::Policy<Remember<IdentityMemory<idem::UuidSet, IfGiven<idem::ContentHashSet>>>,
                 idem::Claims, idem::Counters, idem::HostileKeys>>
    seen;
idem::Deduplicator<Identities<idem::ProducerBatch, Uuid>,
                   idem::Policy<Remember<IdentityMemory<idem::SequenceMemory<>, idem::UuidSet>>>>
    numbered;
idem::Deduplicator<Identities<Uuid, std::uint64_t>,
                   idem::Policy<Remember<IdentityMemory<idem::BloomFilter<Uuid>, idem::Id64Set>>,
                                idem::AcceptFalseDuplicates>>
    filtered({.memory = {.memories = {{.expected_keys = 1'000, .false_positive_rate = 0.01}, {}}}});
void use(std::vector<std::byte>& to) { (void)idem::save(seen.memory().memory<0>(), {}, to); }

#elif CASE == 1  // must-fail: two memories at least
IdentityMemory<idem::UuidSet> seen;

#elif CASE == 2  // must-fail: all memories but one must be able to hold room
IdentityMemory<idem::BloomFilter<Uuid>, idem::SequenceMemory<>> seen({});

#elif CASE == 3  // must-fail: one identity at least is always given
IdentityMemory<IfGiven<idem::UuidSet>, IfGiven<idem::Id64Set>> seen;

#elif CASE == 4  // must-fail: identities of one message may be at home in different shards
idem::Deduplicator<
    Identities<Uuid, std::uint64_t>,
    idem::Policy<Remember<IdentityMemory<idem::UuidSet, idem::Id64Set>>, idem::Sharded<4>>>
    seen;
auto verdict = seen.insert({Uuid(1, 1), 1});

#elif CASE == 5  // must-fail: known by a digest of less than 128 bits
struct ShortKey {
  std::uint64_t number;
};
template <>
struct idem::KeyTraits<ShortKey> {
  using Stored = std::uint64_t;
  static constexpr bool exact = false;
  static Stored store(const ShortKey& key, const HashPolicy auto& hash) noexcept {
    return hash.slot(key.number);
  }
  static std::uint64_t route(Stored stored, const HashPolicy auto&) noexcept { return stored; }
};
idem::Deduplicator<Identities<ShortKey, Uuid>,
                   idem::Policy<Remember<IdentityMemory<idem::Id64Set, idem::UuidSet>>>>
    seen;

#elif CASE == 6  // must-fail: HostileKeys needs a memory whose hash can be replaced
idem::Deduplicator<Identities<Uuid, idem::ProducerBatch>,
                   idem::Policy<Remember<IdentityMemory<idem::UuidSet, idem::SequenceMemory<>>>,
                                idem::HostileKeys>>
    seen;

#elif CASE == 7  // must-fail: Claims need a memory that cannot drop a message
idem::Deduplicator<
    Identities<Uuid, idem::ProducerBatch>,
    idem::Policy<Remember<IdentityMemory<idem::UuidSet, idem::SequenceMemory<>>>, idem::Claims>>
    seen;

#elif CASE == 8  // must-fail: add idem::AcceptFalseDuplicates to the policy
idem::Deduplicator<Identities<Uuid, std::uint64_t>,
                   idem::Policy<Remember<IdentityMemory<idem::BloomFilter<Uuid>, idem::Id64Set>>>>
    seen({});

#elif CASE == 9  // must-fail: its memories have one hash
IdentityMemory<idem::UuidSet, idem::IdSet<std::uint64_t, idem::SipHash>> seen;

#elif CASE == 10  // must-fail: a snapshot has one memory
IdentityMemory<idem::UuidSet, idem::Id64Set> seen;
void use(std::vector<std::byte>& to) { (void)idem::save(seen, {}, to); }

#elif CASE == 11  // must-fail: this memory stores other things than KeyTraits
idem::Deduplicator<Identities<Uuid, std::uint64_t>,
                   idem::Policy<Remember<IdentityMemory<idem::UuidSet, idem::ContentHashSet>>>>
    seen;
#endif
