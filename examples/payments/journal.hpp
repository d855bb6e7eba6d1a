#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "append_file.hpp"
#include "topic.hpp"

namespace payments {

/// One line of a consumer's journal.
struct JournalEntry {
  enum class Kind : char {
    started = 'S',     // the ledger is read, the deduplicator rebuilt
    order = 'D',       // an order was delivered; written before anything is done about it
    reject = 'R',      // so was something that is no order
    committing = 'C',  // all of the above but `open` is dealt with and durable; the offset commit
                       // comes next
    paused = 'P',      // waits to be killed
  };
  Kind kind{};
  std::int32_t partition = 0;  // order, reject
  std::int64_t offset = 0;
  std::string id{};                // order
  std::string run{};               // order: which start of the producer sent this copy
  std::uint64_t charged = 0;       // started, committing: whole lines in the ledger
  std::uint64_t torn_bytes = 0;    // started: what was cut off the ledger
  std::uint64_t clock_ns = 0;      // started: what reading the clock costs
  std::uint64_t verdicts = 0;      // committing: since the last time
  std::uint64_t verdict_ns = 0;    // committing: likewise
  std::uint64_t memory_bytes = 0;  // committing: of the deduplicator
  std::uint64_t out_of_order = 0;  // committing: completed before a lower offset, since last time
  std::uint64_t known_done = 0;    // committing: delivered and done by an earlier life, likewise
  std::uint64_t redone = 0;        // committing: charges the ledger refused, likewise
  std::vector<Place> open{};       // committing: delivered and not done yet
};

/// A consumer's diary of one life. It is what the demonstration counts; the consumer itself never
/// reads it.
class JournalWriter {
 public:
  explicit JournalWriter(const std::filesystem::path& path) : file_(path) {}

  void write(const JournalEntry& entry);

 private:
  AppendFile file_;
};

/// Follows a journal while it is written.
class JournalReader {
 public:
  explicit JournalReader(std::filesystem::path path) : path_(std::move(path)) {}

  /// The entries that became whole since the last call. A torn last line is no entry.
  std::vector<JournalEntry> read_new();

 private:
  std::filesystem::path path_;
  std::ifstream file_;
  std::string rest_;
};

}  // namespace payments
