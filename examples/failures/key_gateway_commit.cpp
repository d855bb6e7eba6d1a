// Often recommended: begin a transaction, insert the key, call the gateway, commit. The call is not in
// the transaction. If the worker dies after it, the database rolls the key back, and the redelivery
// charges again. What cures it is a claim that outlives the worker, and a gateway that takes a key.

#include "failures.hpp"

namespace failures {
namespace {

void with_a_transaction() {
  Gateway gateway;
  idem::UuidSet table;  // in a database, so it survives the worker
  for (const bool dies : {true, false}) {
    std::puts("  begin; insert the key");
    const bool is_new = table.insert(order) == Verdict::fresh;
    if (!is_new) continue;
    gateway.charge();
    if (dies) {
      table.forget(order);
      std::puts("  the worker dies; the database rolls back");
      continue;
    }
    std::puts("  commit");
  }
  gateway.report();
}

void with_a_claim() {
  Gateway gateway;
  Seen seen({.claims = {.lease = 30s}});  // of the process, so it survives the worker
  idem::Claim hung = seen.claim(order, {.now = at(0s)});
  std::printf("  claim: %s\n", name(hung.verdict()).data());
  gateway.charge(order);
  std::puts("  the worker hangs, and is given up; its claim stays");

  for (const auto now : {10s, 30s, 60s}) {
    idem::Claim claim = seen.claim(order, {.now = at(now)});
    std::printf("  delivered again after %d s: %s", static_cast<int>(now.count()),
                name(claim.verdict()).data());
    if (seen.action(claim.verdict()) != Action::process) {
      std::puts("");
      continue;
    }
    std::printf(", attempt %u\n", claim.attempt());
    gateway.charge(order);
    std::printf("  commit: %s\n", name(claim.commit(at(now))).data());
  }
  std::printf("  the hung worker comes back: %s\n", name(hung.commit(at(61s))).data());
  gateway.report();
}

}  // namespace

void key_gateway_commit() {
  std::puts("  -- insert the key, call the gateway, commit last");
  with_a_transaction();
  std::puts("  -- claim, call the gateway with the key, commit");
  with_a_claim();
}

}  // namespace failures
