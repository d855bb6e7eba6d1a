// A verdict is never an accidental yes, and nothing that answers may be ignored.

#include <idem/idem.hpp>

#include <utility>

using Seen =
    idem::Deduplicator<idem::Uuid, idem::Policy<idem::Remember<idem::UuidSet>, idem::Claims>>;

void use(Seen& seen, const idem::Uuid& id, idem::Instant now) {
#if CASE == 0
  if (seen.insert(id) == idem::Verdict::duplicate) return;
  const auto parsed = idem::Uuid::parse("01890a5d-ac96-774b-bcce-b302099a8057");
  if (!parsed) return;
  idem::Claim claim = seen.claim(*parsed, {.now = now});
  idem::Claim moved = std::move(claim);
  if (moved.commit(now) == idem::Verdict::fresh) return;

#elif CASE == 1  // must-fail: convert
  if (seen.insert(id)) return;

#elif CASE == 2  // must-fail: convert|argument
  if (!seen.insert(id)) return;

#elif CASE == 3  // must-fail: conver|initialize
  const bool is_new = seen.insert(id);
  (void)is_new;

#elif CASE == 4  // must-fail: conver|initialize
  const int verdict = seen.insert(id);
  (void)verdict;

#elif CASE == 5  // must-fail: convert
  if (idem::action(seen.insert(id))) return;

#elif CASE == 6  // must-fail: nodiscard|discarded
  seen.claim(id, {.now = now});

#elif CASE == 7  // must-fail: nodiscard|discarded
  idem::Claim claim = seen.claim(id, {.now = now});
  claim.commit(now);

#elif CASE == 8  // must-fail: delete
  idem::Claim claim = seen.claim(id, {.now = now});
  idem::Claim copy = claim;

#elif CASE == 9  // must-fail: delete
  idem::Claim first = seen.claim(id, {.now = now});
  idem::Claim second = seen.claim(id, {.now = now});
  second = first;

#elif CASE == 10  // must-fail: nodiscard|discarded
  seen.check(id);

#elif CASE == 11  // must-fail: nodiscard|discarded
  idem::Uuid::parse("01890a5d-ac96-774b-bcce-b302099a8057");

#elif CASE == 12  // must-fail: conver|initialize
  const idem::Uuid parsed = idem::Uuid::parse("01890a5d-ac96-774b-bcce-b302099a8057");
  (void)parsed;

#elif CASE == 13  // must-fail: no matching|conversion|convert
  // A number is not a UUID.
  const idem::Uuid number = 7;
  (void)number;

#elif CASE == 14  // must-fail: delete
  // Open claims point at their deduplicator.
  Seen copy(seen);
#endif
  (void)seen, (void)id, (void)now;
}
