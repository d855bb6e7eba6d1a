#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "kafka/broker.hpp"
#include "kafka/client.hpp"
#include "outbox.hpp"

namespace sequences {

inline constexpr const char* topic = "orders";

/// One instance of a producer: sends its outbox from the first row that is not acknowledged, each
/// row under the stamp it was stored with.
class Sender {
 public:
  // As many messages may be unacknowledged, first to last. A retry or a restart repeats at most so
  // many, and the tracker's look-back has to cover them.
  static constexpr std::size_t window = 5;

  Sender(Outbox& outbox, kafka::Broker& broker);

  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  /// Stores new messages. False: another instance has taken over the outbox.
  bool add(std::size_t messages);

  /// Reads the acknowledgements and sends what the window allows of the rows before `end`.
  void step(std::size_t end);

  /// Sends all there is, and waits until it is acknowledged.
  void drain();

  /// Dies as it stands: nothing is flushed, no acknowledgement is heard any more.
  void crash();

  std::size_t next() const { return next_; }

 private:
  void on_report(const rd_kafka_message_t& report);

  Outbox& outbox_;
  std::int32_t epoch_;
  std::size_t acknowledged_;  // all rows before this one are
  std::size_t next_;
  std::string problem_;  // a callback of C must not throw
  kafka::Client client_;
};

}  // namespace sequences
