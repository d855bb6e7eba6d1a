// A policy says what it means, or it does not compile.

#include <idem/idem.hpp>

#if CASE == 0
idem::Deduplicator<idem::Uuid,
                   idem::Policy<idem::Claims, idem::HostileKeys, idem::Remember<idem::UuidSet>>>
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
#endif
