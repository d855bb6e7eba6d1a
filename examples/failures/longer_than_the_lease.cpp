// The work takes longer than the lease, so another worker is given the message. The first one's commit
// is fenced: it learns that it was replaced, and must not acknowledge. Work that may take long renews.

#include "failures.hpp"

void failures::longer_than_the_lease() {
  for (const bool renews : {false, true}) {
    std::puts(renews ? "  -- the worker renews every 20 s" : "  -- the worker does not renew");
    Seen seen({.claims = {.lease = 30s}});
    idem::Claim slow = seen.claim(order, {.now = at(0s)});
    if (renews) {
      for (const auto now : {20s, 40s}) {
        std::printf("  renewed: %s\n", name(slow.renew(at(now))).data());
      }
    }
    idem::Claim second = seen.claim(order, {.now = at(45s)});
    std::printf("  a second worker after 45 s: %s\n", name(second.verdict()).data());
    std::printf("  the first one is done after 50 s: %s\n", name(slow.commit(at(50s))).data());
    if (second.holds()) {
      std::printf("  the second one, attempt %u: %s\n", second.attempt(),
                  name(second.commit(at(55s))).data());
    }
  }
}
