// "Commit first, so that nothing happens twice": the key is recorded, the process dies, and every
// redelivery is a duplicate of something that never happened. A claim is recorded only by its commit;
// an open one is in no snapshot, so the next process is given the message.

#include "failures.hpp"

void failures::commit_before_effect() {
  for (const bool with_claim : {false, true}) {
    std::puts(with_claim ? "  -- claim, charge, commit" : "  -- insert, then charge");
    Gateway gateway;
    std::vector<std::byte> snapshot;  // what survives
    {
      Seen seen;
      std::optional<Seen::Claim> claim;
      if (with_claim) {
        claim = seen.claim(order, {.now = at(0s)});
      } else if (seen.insert(order) != Verdict::fresh) {
        return;
      }
      if (!idem::save(seen, {}, snapshot)) return;
      std::puts("  crash before the charge");
    }
    idem::Resumable<Seen> seen;
    if (!seen.load(snapshot)) return;
    idem::Claim claim = seen.claim(order, {.now = at(60s)});
    std::printf("  delivered again: %s\n", name(claim.verdict()).data());
    if (Seen::action(claim.verdict()) == Action::process) {
      gateway.charge();
      if (claim.commit(at(61s)) == Verdict::fresh) std::puts("  committed and acknowledged");
    } else {
      std::puts("  acknowledged without a charge: lost");
    }
    gateway.report();
  }
}
