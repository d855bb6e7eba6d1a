// The broker took the message, its acknowledgement was lost, the producer sends it again. To the
// broker these are two messages, at two offsets; what makes them one is the id the producer gave it.

#include "failures.hpp"

void failures::producer_retry() {
  struct Message {
    int offset;
    Uuid id;
  };
  const Uuid new_id(0x018f4e2a7c1c7a10, 0x8b7d0c1d2e3f4a5b);
  // The last one is a retry that mints a new id: no consumer can know that it is one.
  const Message topic[] = {{100, order}, {101, order}, {102, new_id}};

  Gateway gateway;
  Seen seen;
  for (const Message& message : topic) {
    idem::Claim claim = seen.claim(message.id, {.now = at(0s)});
    std::printf("  offset %d: %s\n", message.offset, name(claim.verdict()).data());
    if (seen.action(claim.verdict()) != Action::process) continue;
    gateway.charge();
    if (claim.commit(at(1s)) != Verdict::fresh) std::puts("  never");
  }
  gateway.report();
}
