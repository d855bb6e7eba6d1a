#pragma once

#include <chrono>
#include <cstdio>
#include <map>
#include <optional>
#include <stdexcept>
#include <vector>

#include <idem/idem.hpp>

namespace failures {

using namespace std::chrono_literals;
using idem::Action;
using idem::Uuid;
using idem::Verdict;
using Seen = idem::Deduplicator<Uuid, idem::Policy<idem::Claims>>;

inline idem::Instant at(std::chrono::seconds time) { return idem::Instant::at(time); }

inline const Uuid order(0x018f4e2a7c1b7d3e, 0x9f005a2b3c4d5e6f);

// The process is gone: thrown in place of SIGKILL.
struct Crash {};

// Somebody else's service: what it has done it has done.
class Gateway {
 public:
  void charge() {
    ++charges_;
    std::puts("  the card is charged");
  }
  // With an idempotency key: the second time it answers what it answered the first time.
  void charge(const Uuid& key) {
    if (known_.count(key) != 0) {
      std::puts("  the gateway knows the key: the charge stands, nothing more is taken");
      return;
    }
    known_[key] = true;
    charge();
  }
  void report() const { std::printf("  charges: %d\n", charges_); }

 private:
  int charges_ = 0;
  std::map<Uuid, bool> known_{};
};

void producer_retry();
void crash_between_effect_and_commit();
void commit_before_effect();
void rebalance_with_a_late_owner();
void longer_than_the_lease();
void poison_message();
void redrive();
void key_gateway_commit();

}  // namespace failures
