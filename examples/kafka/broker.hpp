#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "client.hpp"

namespace kafka {

/// librdkafka's mock cluster: one broker that speaks the Kafka protocol on 127.0.0.1 and lives in
/// this process.
class Broker {
 public:
  /// With one topic.
  Broker(std::string topic, int partitions);

  std::string address() const;

  /// The next batch sent by a producer is appended at once, but its acknowledgement waits for so
  /// long.
  void withhold_next_acknowledgement(std::chrono::milliseconds delay);

  /// The next batch sent by a producer is refused for now, and told so after that long; what the
  /// producer sends meanwhile is appended before it.
  void refuse_next_batch(std::chrono::milliseconds delay);

  /// How many messages the topic holds, over all partitions. Throws std::runtime_error if the
  /// broker does not answer or has dropped old messages for lack of room.
  std::int64_t messages();

 private:
  std::string topic_;
  int partitions_;
  Client client_;  // the cluster needs a client to live in, which can also ask it questions
  Cluster cluster_;
};

}  // namespace kafka
