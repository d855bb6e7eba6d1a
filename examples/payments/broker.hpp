#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "kafka.hpp"

namespace payments {

/// librdkafka's mock cluster: one broker that speaks the Kafka protocol on 127.0.0.1 and lives in
/// this process.
class Broker {
 public:
  explicit Broker(int partitions);

  std::string address() const;

  /// The next batch sent by a producer is appended at once, but its acknowledgement waits for so
  /// long.
  void withhold_next_acknowledgement(std::chrono::milliseconds delay);

  /// How many messages the topic holds, over all partitions. Throws std::runtime_error if the
  /// broker does not answer or has dropped old messages for lack of room.
  std::int64_t messages();

 private:
  int partitions_;
  kafka::Client client_;  // the cluster needs a client to live in, which can also ask it questions
  kafka::Cluster cluster_;
};

}  // namespace payments
