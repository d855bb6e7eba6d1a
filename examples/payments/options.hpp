#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace payments {

/// What a consumer knows of its predecessors when it starts.
enum class Restart {
  log,       // the ledger, read from its beginning
  snapshot,  // the set and the offsets as they were some time before the end
};

/// What the person who typed the command asked for.
struct Options {
  int orders = 20'000;
  int partitions = 4;
  int kills = 10;  // at random moments; two placed ones come on top
  std::uint64_t seed = 1;
  bool dedup = true;
  Restart restart = Restart::log;
  std::filesystem::path dir;  // empty: a temporary directory, removed afterwards
  std::chrono::seconds timeout{300};
  bool help = false;
};

/// A place where a consumer stops and waits for its death.
struct Pause {
  enum class Where { nowhere, mid_charge, before_commit };
  Where where = Where::nowhere;
  int at_charge = 0;  // counted from 1 in every life
};

/// What the parent tells a consumer process.
struct ConsumerOptions {
  std::string brokers;
  int partitions = 0;
  std::filesystem::path dir;
  int life = 0;
  std::uint64_t seed = 0;  // of the order in which messages are worked on
  bool dedup = true;
  Restart restart = Restart::log;
  Pause pause{};
};

/// Holds one sentence for the person who typed the command.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

constexpr const char* consume_command = "consume";

std::string usage();
Options parse_options(const std::vector<std::string>& arguments);

std::vector<std::string> to_arguments(const ConsumerOptions& options);
ConsumerOptions parse_consumer_options(const std::vector<std::string>& arguments);

/// The files of one run.
struct Files {
  std::filesystem::path dir;

  std::filesystem::path published() const { return dir / "published.txt"; }
  std::filesystem::path ledger() const { return dir / "ledger.txt"; }
  std::filesystem::path rejects() const { return dir / "rejects.txt"; }
  std::filesystem::path snapshot() const { return dir / "snapshot.idem"; }
  std::filesystem::path journal(int life) const;
};

}  // namespace payments
