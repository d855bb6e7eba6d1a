#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "kafka/broker.hpp"
#include "kafka/client.hpp"
#include "outbox.hpp"

namespace payments {

/// What will go wrong at the upstream service.
struct ProducerPlan {
  // Before these messages, in ascending order, the broker is told to withhold an acknowledgement.
  std::vector<std::size_t> slow_acks;
  // The service crashes when every message before this one is acknowledged,
  std::size_t crash_at = 0;
  // and finds this older place in its saved notes when it is back.
  std::size_t resume_from = 0;
  // Unacknowledged messages at most: what one withheld acknowledgement can duplicate.
  std::size_t window = 1;
};

/// The upstream service: works through its outbox with a plain librdkafka producer, crashes once
/// and starts again. Everything happens in step(); there is no thread of its own.
class Producer {
 public:
  Producer(const Outbox& outbox, kafka::Broker& broker, ProducerPlan plan);

  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  /// Hears what was acknowledged and sends at most `room` messages.
  void step(std::size_t room);

  /// Every message of the outbox was acknowledged.
  bool finished() const { return resumed_ && acknowledged_ == outbox_.messages.size(); }

  /// Messages of the outbox that were sent at least once.
  std::size_t published() const { return published_; }

  /// Messages the topic is known to hold, every copy counted.
  std::int64_t appended() const;

 private:
  void start();
  void send_next();
  void crash_and_restart();
  void on_report(const rd_kafka_message_t& report);

  const Outbox& outbox_;
  kafka::Broker& broker_;
  ProducerPlan plan_;
  kafka::Client client_;
  std::string run_;  // which start of the service a message comes from; travels as a header
  bool resumed_ = false;
  std::size_t next_ = 0;
  std::size_t next_slow_ack_ = 0;
  std::size_t published_ = 0;
  std::size_t unacknowledged_ = 0;
  std::size_t acknowledged_ = 0;  // all messages before this one are
  std::vector<bool> is_acknowledged_;
  std::vector<std::int64_t> ends_;  // by partition: one past the highest offset reported
  std::string problem_;             // a callback of C must not throw
};

}  // namespace payments
