// A policy says what it means, or it does not compile.

#include <idem/idem.hpp>

#include <utility>

#if CASE == 0
idem::Deduplicator<idem::Uuid,
                   idem::Policy<idem::Claims, idem::HostileKeys, idem::Remember<idem::UuidSet>,
                                idem::Counters, idem::Sharded<4>>>
    seen;
// Over a memory that never errs the word changes nothing, and code that is generic may say it.
idem::Deduplicator<idem::Uuid, idem::Policy<idem::AcceptFalseDuplicates>> generous;
idem::Deduplicator<idem::Uuid, idem::Extend<idem::MayRepeatAFew<idem::Uuid>, idem::Sharded<4>>>
    extended({.memory = {.size = idem::bytes(64)}});

#elif CASE == 1  // must-fail: names something that is no axis
struct Gadgets {};
idem::Deduplicator<idem::Uuid, idem::Policy<idem::Remember<idem::UuidSet>, Gadgets>> seen;

#elif CASE == 2  // must-fail: names something that is no axis
// A memory is not an axis: it stands in Remember<>.
idem::Deduplicator<idem::Uuid, idem::Policy<idem::UuidSet>> seen;

#elif CASE == 3  // must-fail: names an axis twice
idem::Deduplicator<idem::Uuid, idem::Policy<idem::Claims, idem::HostileKeys, idem::Claims>> seen;

#elif CASE == 4  // must-fail: names an axis twice
idem::Deduplicator<
    idem::Uuid, idem::Policy<idem::Remember<idem::UuidSet>, idem::Remember<idem::ContentHashSet>>>
    seen;

#elif CASE == 5  // must-fail: this memory stores other things than KeyTraits
idem::Deduplicator<idem::Uuid, idem::Policy<idem::Remember<idem::Id64Set>>> seen;

#elif CASE == 6  // must-fail: no idem::KeyTraits for this key
struct Payment {
  int tenant;
};
idem::Deduplicator<Payment> seen;

#elif CASE == 7  // must-fail: does not model idem::Memory
struct Amnesia {};
idem::Deduplicator<idem::Uuid, idem::Policy<idem::Remember<Amnesia>>> seen;

#elif CASE == 8  // must-fail: names an axis twice
idem::Deduplicator<idem::Uuid, idem::Policy<idem::Sharded<2>, idem::Sharded<4>>> seen;

#elif CASE == 9  // must-fail: N is at least 1 and at most 1024
idem::Deduplicator<idem::Uuid, idem::Policy<idem::Sharded<0>>> seen;

#elif CASE == 10  // must-fail: N is at least 1 and at most 1024
idem::Deduplicator<idem::Uuid, idem::Policy<idem::Sharded<2048>>> seen;

#elif CASE == 11  // must-fail: deleted
// Other threads may be in it.
idem::Deduplicator<idem::Uuid, idem::Policy<idem::Sharded<2>>> seen;
auto elsewhere = std::move(seen);

#elif CASE == 12  // must-fail: AddToPolicy<.*Counters>
// Counters have to be named.
idem::Deduplicator<idem::Uuid> seen;
auto counters = seen.counters();

#elif CASE == 13  // must-fail: HostileKeys needs a memory whose hash can be replaced
idem::Deduplicator<idem::ProducerBatch, idem::Extend<idem::OnceInSequence, idem::HostileKeys>> seen;

#elif CASE == 14  // must-fail: Claims need a memory that cannot drop a message
idem::Deduplicator<idem::ProducerBatch, idem::Extend<idem::OnceInSequence, idem::Claims>> seen;

#elif CASE == 15  // must-fail: Claims need a memory that cannot drop a message
idem::Deduplicator<idem::Uuid, idem::Extend<idem::MayLoseAFew<idem::Uuid>, idem::Claims>> seen({});

#elif CASE == 16  // must-fail: Claims need a memory that cannot drop a message
// It forgets when it must, and cannot hold room.
idem::Deduplicator<idem::Uuid, idem::Extend<idem::MayRepeatAFew<idem::Uuid>, idem::Claims>> seen(
    {});

#elif CASE == 17  // must-fail: names an axis twice
idem::Deduplicator<idem::Uuid, idem::Extend<idem::RecordedWhenDone<idem::Uuid>, idem::Claims>> seen(
    {});

#elif CASE == 18  // must-fail: constraint|no matching|invalid reference
// There is no guess to refute.
idem::Deduplicator<idem::Uuid> seen;
bool refuted = seen.refute(idem::Uuid(1, 1));
#endif
