#pragma once

#include <cstdint>
#include <vector>

#include <idem/sequence/offset_ledger.hpp>

#include "kafka/client.hpp"
#include "snapshot_file.hpp"
#include "topic.hpp"

namespace payments {

/// What is delivered and what is done, partition by partition, and what of it may be committed.
class Offsets {
 public:
  /// Reads what the group has committed and assigns every partition from there. `owner` is higher
  /// in every life.
  Offsets(rd_kafka_t* client, int partitions, std::uint64_t owner);

  /// Assigns every partition from the offsets of a snapshot; what the group has committed is not
  /// looked at, and nothing will be.
  Offsets(rd_kafka_t* client, const Position& from, std::uint64_t owner);

  /// Of each partition the lowest offset not done.
  Position position() const;

  /// Whether the message has to be worked on: an earlier life may have done it out of order.
  idem::Verdict deliver(const Place& place);

  /// Its work is done. Returns whether that was out of order: before a lower offset.
  bool complete(const Place& place);

  /// Of each partition the lowest offset not done, and as metadata which ones beyond it are. What
  /// was completed until now must be durable.
  void commit();

 private:
  idem::OffsetLedger& ledger(const Place& place);

  rd_kafka_t* client_;
  std::uint64_t owner_;
  std::vector<idem::OffsetLedger> ledgers_;  // by partition
  std::vector<bool> changed_;                // by partition, since the last commit
};

}  // namespace payments
