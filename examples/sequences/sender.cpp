#include "sender.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "stamp.hpp"

namespace sequences {
namespace {

constexpr std::chrono::seconds patience{30};

}  // namespace

Sender::Sender(Outbox& outbox, kafka::Broker& broker)
    : outbox_(outbox),
      epoch_(outbox.take_over()),
      acknowledged_(outbox.first_unacknowledged()),
      next_(acknowledged_),
      client_(kafka::make_client(
          RD_KAFKA_PRODUCER,
          {{"bootstrap.servers", broker.address()},
           {"acks", "all"},
           {"linger.ms", "0"},
           {"socket.timeout.ms", "1000"}},  // after which librdkafka sends a batch again
          [](rd_kafka_t*, const rd_kafka_message_t* report, void* owner) {
            static_cast<Sender*>(owner)->on_report(*report);
          },
          this)) {}

bool Sender::add(std::size_t messages) {
  for (std::size_t i = 0; i < messages; ++i) {
    if (!outbox_.add(epoch_)) return false;
  }
  return true;
}

void Sender::step(std::size_t end) {
  rd_kafka_poll(client_.get(), 1);
  if (!problem_.empty()) throw std::runtime_error("a message could not be published: " + problem_);
  const std::size_t stop = std::min({end, outbox_.size(), acknowledged_ + window});
  for (; next_ < stop; ++next_) {
    Row& row = outbox_[next_];
    kafka::send(client_.get(), {.topic = topic,
                                .payload = row.payload,
                                .header_name = stamp_header,
                                .header = to_stamp(row.stamp),
                                .report_with = &row});
  }
}

void Sender::drain() {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  do {
    step(outbox_.size());
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("the broker acknowledges nothing any more");
    }
  } while (acknowledged_ < outbox_.size());
}

void Sender::crash() {
  rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  client_.reset();
}

void Sender::on_report(const rd_kafka_message_t& report) {
  if (report.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (problem_.empty()) problem_ = rd_kafka_err2str(report.err);
    return;
  }
  static_cast<Row*>(report._private)->acknowledged = true;
  while (acknowledged_ < outbox_.size() && outbox_[acknowledged_].acknowledged) ++acknowledged_;
}

}  // namespace sequences
