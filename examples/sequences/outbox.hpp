#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include <idem/sequence/producer_batch.hpp>

namespace sequences {

/// A message and its stamp, which never change once they are in the outbox.
struct Row {
  idem::ProducerBatch stamp;
  std::string payload;
  bool acknowledged = false;
};

/// What one producer has to send: a table in the service's database. It outlives the instances that
/// send from it.
class Outbox {
 public:
  explicit Outbox(std::int64_t producer_id) : producer_id_(producer_id) {}

  /// A new instance begins: epochs rise by one, and each counts its messages from 0.
  std::int32_t take_over();

  /// Stamps and stores the next message, in one transaction. False: the instance was replaced.
  bool add(std::int32_t epoch);

  std::int64_t producer_id() const { return producer_id_; }
  std::size_t size() const { return rows_.size(); }
  Row& operator[](std::size_t index) { return rows_[index]; }
  const Row& operator[](std::size_t index) const { return rows_[index]; }
  std::size_t first_unacknowledged() const;

 private:
  std::int64_t producer_id_;
  std::int32_t epoch_ = -1;
  std::int64_t next_sequence_ = 0;
  std::deque<Row> rows_;  // references stay good while it grows
};

}  // namespace sequences
