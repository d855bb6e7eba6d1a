// The process dies after the charge and before the record of it. The broker delivers again, and to
// the next process the message is fresh: nobody wrote down that it was charged. A key that the gateway
// recognises is what makes the second call harmless.

#include "failures.hpp"

void failures::crash_between_effect_and_commit() {
  for (const bool with_key : {false, true}) {
    std::puts(with_key ? "  -- with an idempotency key" : "  -- without");
    Gateway gateway;
    for (const bool dies : {true, false}) {
      Seen seen;  // a new process, with an empty memory
      try {
        idem::Claim claim = seen.claim(order, {.now = at(0s)});
        std::printf("  delivered: %s\n", name(claim.verdict()).data());
        if (with_key) {
          gateway.charge(order);
        } else {
          gateway.charge();
        }
        if (dies) throw Crash{};
        if (claim.commit(at(1s)) == Verdict::fresh) std::puts("  committed and acknowledged");
      } catch (const Crash&) {
        std::puts("  crash");
      }
    }
    gateway.report();
  }
}
