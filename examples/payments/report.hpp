#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <unordered_map>
#include <vector>

#include "consumer_process.hpp"
#include "journal.hpp"
#include "options.hpp"
#include "outbox.hpp"

namespace payments {

/// What was delivered, and what the consumers said on the way.
struct DeliveryCounts {
  // Each delivery is counted in exactly one of these.
  std::int64_t first_copies = 0;  // of an order
  std::int64_t redelivered = 0;   // its partition and offset again: the consumer had been killed
  std::int64_t resent = 0;        // same run of the producer, other offset: librdkafka tried again
  std::int64_t restarted = 0;     // other run: the producer began its outbox again
  std::int64_t rejects = 0;       // no orders, each time they came

  std::int64_t orders() const { return first_copies + redelivered + resent + restarted; }
  std::int64_t all() const { return orders() + rejects; }

  std::uint64_t out_of_order = 0;  // completions before one of a lower offset
  std::uint64_t redone = 0;        // charges made a second time, and refused by the ledger
  std::uint64_t known_done = 0;    // redelivered, and skipped by the committed map

  std::uint64_t charged = 0;
  std::uint64_t clock_ns = 0;
  std::uint64_t memory_bytes = 0;
  std::vector<double> ns_per_verdict{};  // one for each poll that was finished
  std::vector<int> found_torn_line{};    // the lives that cut one off the ledger
};

/// Reads the consumers' journals, with containers of the standard library and no idem.
class Deliveries {
 public:
  void add(int life, const JournalEntry& entry);

  const DeliveryCounts& counts() const { return counts_; }

  /// Places of the log that were delivered at least once.
  std::int64_t places() const { return places_; }

  /// Something in `places` was delivered to a life after this one.
  bool again_after(int life, const std::vector<Place>& places) const;

 private:
  bool first_time_here(int life, const JournalEntry& entry);

  DeliveryCounts counts_;
  std::int64_t places_ = 0;
  std::vector<std::vector<int>> last_life_;  // by partition and offset; 0: never delivered
  // Where the copies of an order came from.
  std::unordered_map<std::string, std::vector<std::string>> runs_;
};

/// One SIGKILL.
struct Kill {
  int life = 0;
  Pause::Where where = Pause::Where::nowhere;
  std::vector<Place> in_flight;
};

/// What the files say after the run.
struct Outcome {
  std::int64_t charges = 0;               // lines in the ledger
  std::int64_t charged_twice = 0;         // orders with more than one line
  std::int64_t missing = 0;               // orders with none
  std::int64_t unknown = 0;               // lines of orders that nobody published
  std::vector<std::string> lost_rejects;  // no orders, and not among the rejects either
};

Outcome read_outcome(const Files& files, const Outbox& outbox);

struct Run {
  const Options& options;
  const Outbox& outbox;
  const Deliveries& deliveries;
  const std::vector<Kill>& kills;
  const Outcome& outcome;
  double seconds = 0;
};

/// The table.
void print(std::ostream& out, const Run& run);

/// What is wrong, a sentence each. Empty: the run has shown what it is there to show.
std::vector<std::string> find_faults(const Run& run);

/// 1234567 as "1,234,567".
std::string grouped(std::int64_t number);

}  // namespace payments
