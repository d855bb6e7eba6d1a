// Consumer A stops for a minute, the group gives its partition to B, B reads the same message, and
// then A wakes up and goes on as if nothing had happened. Two things stop it: a sink that refuses the
// token of an older owner, and offsets that are completed under the owner's epoch.

#include "failures.hpp"

namespace failures {
namespace {

// A table with "where token <= :token" in its update.
class Table {
 public:
  void write(const char* who, std::uint64_t token) {
    const bool is_older = token < newest_;
    std::printf("  %s writes with token %llx: %s\n", who, static_cast<unsigned long long>(token),
                is_older ? "refused" : "done");
    if (!is_older) newest_ = token;
  }

 private:
  std::uint64_t newest_ = 0;
};

// Each owner of the partition has an epoch of its own, in the upper bits of its tokens.
Seen::Options of_epoch(std::uint64_t epoch) { return {.claims = {.first_token = epoch << 32}}; }

}  // namespace

void rebalance_with_a_late_owner() {
  Table table;
  idem::OffsetLedger ledger({.next = 7, .owner_epoch = 1});
  if (ledger.deliver(7, at(0s)) != Verdict::fresh) return;

  Seen a(of_epoch(1));
  idem::Claim of_a = a.claim(order, {.now = at(0s)});
  std::puts("  A claims offset 7 and is paused; the partition goes to B");

  if (ledger.take_over(2) != Verdict::fresh || ledger.deliver(7, at(60s)) != Verdict::fresh) return;
  Seen b(of_epoch(2));
  idem::Claim of_b = b.claim(order, {.now = at(60s)});
  table.write("B", of_b.token());
  if (of_b.commit(at(61s)) != Verdict::fresh) return;
  std::printf("  B completes offset 7: %s\n", name(ledger.complete(7, 2)).data());

  std::puts("  A wakes up");
  table.write("A", of_a.token());
  std::printf("  A completes offset 7: %s\n", name(ledger.complete(7, 1)).data());
  std::printf("  A's own claim knows nothing of B: commit %s\n", name(of_a.commit(at(62s))).data());
}

}  // namespace failures
