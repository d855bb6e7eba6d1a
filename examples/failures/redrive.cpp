// What is in the dead-letter queue is sent again after a repair. Its key is still poisoned: forget()
// lets it through. A message that was done in the meantime, by another way, is a duplicate all the
// same: redriving the whole queue does no harm.

#include "failures.hpp"

void failures::redrive() {
  Seen seen({.claims = {.max_attempts = 1}});
  const Uuid other(0x018f4e2a7c1c7a10, 0x8b7d0c1d2e3f4a5b);
  for (const Uuid& id : {order, other}) {
    idem::Claim failed = seen.claim(id, {.now = at(0s)});  // the guard's end is a failed attempt
  }
  Gateway gateway;
  seen.forget(other);
  if (seen.insert(other) != Verdict::fresh) return;
  std::puts("  two messages are in the dead-letter queue; one of them was settled by hand");

  for (const bool repaired : {false, true}) {
    std::puts(repaired ? "  -- redrive, the keys forgotten first" : "  -- redrive");
    for (const Uuid& id : {order, other}) {
      if (repaired && seen.check(id) == Verdict::poisoned) seen.forget(id);
      idem::Claim claim = seen.claim(id, {.now = at(1h)});
      std::printf("  %s\n", name(claim.verdict()).data());
      if (seen.action(claim.verdict()) != Action::process) continue;
      gateway.charge();
      if (claim.commit(at(1h)) != Verdict::fresh) std::puts("  never");
    }
  }
  gateway.report();
}
