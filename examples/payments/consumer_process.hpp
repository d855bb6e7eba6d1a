#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "append_file.hpp"
#include "journal.hpp"
#include "options.hpp"

namespace payments {

/// One life of the consumer, seen from the parent. The destructor kills it and waits for its end.
class ConsumerProcess {
 public:
  explicit ConsumerProcess(const ConsumerOptions& options);
  ~ConsumerProcess();

  ConsumerProcess(const ConsumerProcess&) = delete;
  ConsumerProcess& operator=(const ConsumerProcess&) = delete;

  /// What it wrote since the last call. Throws std::runtime_error if it has ended by itself.
  std::vector<JournalEntry> follow();

  /// It has written that it waits to be killed.
  bool paused() const { return paused_; }

  /// What was delivered to it and is not on its way to being committed: all of this will be
  /// delivered again if it dies now.
  const std::vector<Place>& in_flight() const { return in_flight_; }

  /// Freezes it (SIGSTOP), looks whether anything is in flight, and then either kills it (SIGKILL)
  /// or lets it go on. Appends what it had still written to `entries`. Returns whether it was
  /// killed.
  bool kill_if_in_flight(std::vector<JournalEntry>& entries);

  /// Asks it to end, waits for that and returns what it had still written. Throws
  /// std::runtime_error if it does not end well, and in time.
  std::vector<JournalEntry> finish(std::chrono::seconds patience);

 private:
  int wait_for_change(int flags);
  void read_journal(std::vector<JournalEntry>& entries);

  std::string name_;
  JournalReader journal_;
  Descriptor lifeline_;  // its standard input: closed, it ends
  pid_t pid_ = -1;
  bool paused_ = false;
  std::vector<Place> in_flight_;
};

}  // namespace payments
