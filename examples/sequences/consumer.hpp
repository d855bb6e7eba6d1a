#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>

#include <idem/idem.hpp>

#include "kafka/client.hpp"

namespace sequences {

/// What became of the deliveries of one producer. Each is counted once, a message held back by what
/// became of it in the end.
struct Counts {
  std::int64_t delivered = 0;
  std::int64_t fresh = 0;
  std::int64_t duplicate = 0;
  std::int64_t fenced = 0;
  std::int64_t other = 0;      // stale, overlap, poisoned: nothing here may lead to them
  std::int64_t held_back = 0;  // came before its predecessor
};

/// Processes the messages of one partition in the order of their stamps, each once.
class Consumer {
 public:
  using Process = std::function<void(const std::string& payload)>;

  /// Without `dedup` it processes whatever comes.
  Consumer(const std::string& brokers, bool dedup, Process process);

  /// Takes what is there now; how many messages were handled.
  std::size_t poll();

  const Counts& counts(std::int64_t producer_id) { return counts_[producer_id]; }

  /// Messages without a stamp that can be read.
  std::int64_t unstamped() const { return unstamped_; }
  /// Messages that still wait for a predecessor.
  std::size_t waiting() const { return waiting_.size(); }
  std::size_t memory_bytes() const { return seen_.memory_bytes(); }

 private:
  // One partition, as a tracker is. With several partitions: a tracker each, and stamps counted by
  // producer and partition.
  using Seen =
      idem::Deduplicator<idem::ProducerBatch, idem::Policy<idem::Remember<idem::SequenceMemory<>>>>;
  // Producer, epoch, sequence.
  using Stamp = std::tuple<std::int64_t, std::int32_t, std::int64_t>;

  void handle(const idem::ProducerBatch& batch, const std::string& payload);
  bool settle(const idem::ProducerBatch& batch, const std::string& payload);
  void settle_waiting();

  kafka::Client client_;
  bool dedup_;
  Process process_;
  Seen seen_;
  std::map<Stamp, std::string> waiting_;
  std::map<std::int64_t, Counts> counts_;
  std::int64_t unstamped_ = 0;
};

}  // namespace sequences
