// A policy says what it means, or it does not compile.

#include <idem/idem.hpp>

#include <utility>

#if CASE == 0
idem::Deduplicator<idem::Uuid,
                   idem::Policy<idem::Claims, idem::HostileKeys, idem::Remember<idem::UuidSet>,
                                idem::Counters, idem::Sharded<4>>>
    seen;

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

#elif CASE == 12  // must-fail: constraint|no matching|invalid reference
// Counters have to be named.
idem::Deduplicator<idem::Uuid> seen;
auto counters = seen.counters();
#endif
