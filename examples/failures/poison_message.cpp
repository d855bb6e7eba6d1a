// A message whose work throws every time comes again for ever, and nothing behind it in the partition
// is done. max_attempts ends that: the claim after the last attempt is `poisoned`, the message goes
// to the dead-letter queue, and the partition moves on.

#include "failures.hpp"

void failures::poison_message() {
  Seen seen({.claims = {.max_attempts = 3}});
  for (int delivery = 1; delivery <= 4; ++delivery) {
    try {
      idem::Claim claim = seen.claim(order, {.now = at(0s)});
      switch (seen.action(claim.verdict())) {
        case Action::process:
          std::printf("  delivery %d, attempt %u: ", delivery, claim.attempt());
          throw std::runtime_error("no such currency");
        case Action::inspect:
          std::printf("  delivery %d: %s, to the dead-letter queue, acknowledged\n", delivery,
                      name(claim.verdict()).data());
          break;
        case Action::skip:
        case Action::retry:
          break;
      }
    } catch (const std::exception& error) {
      std::printf("%s, not acknowledged\n", error.what());
    }
  }
}
