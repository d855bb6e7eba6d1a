#include "producer.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "topic.hpp"

namespace payments {
namespace {

constexpr std::chrono::milliseconds patience{1000};  // after which librdkafka sends a batch again
constexpr std::chrono::milliseconds withheld{3 * patience};

}  // namespace

Producer::Producer(const Outbox& outbox, kafka::Broker& broker, ProducerPlan plan)
    : outbox_(outbox), broker_(broker), plan_(std::move(plan)), run_("run-1") {
  start();
}

void Producer::start() {
  is_acknowledged_.assign(outbox_.messages.size(), false);
  unacknowledged_ = 0;
  client_ = kafka::make_client(
      RD_KAFKA_PRODUCER,
      {{"bootstrap.servers", broker_.address()},
       {"acks", "all"},
       {"linger.ms", "2"},
       {"socket.timeout.ms", std::to_string(patience.count())}},
      [](rd_kafka_t*, const rd_kafka_message_t* report, void* owner) {
        static_cast<Producer*>(owner)->on_report(*report);
      },
      this);
}

void Producer::step(std::size_t room) {
  rd_kafka_poll(client_.get(), 0);
  if (!problem_.empty()) throw std::runtime_error("a message could not be published: " + problem_);
  if (!resumed_ && acknowledged_ >= plan_.crash_at) crash_and_restart();
  for (; room > 0 && unacknowledged_ < plan_.window && next_ < outbox_.messages.size(); --room) {
    send_next();
  }
}

void Producer::send_next() {
  if (next_slow_ack_ < plan_.slow_acks.size() && plan_.slow_acks[next_slow_ack_] <= next_) {
    broker_.withhold_next_acknowledgement(withheld);
    ++next_slow_ack_;
  }
  const OutboxMessage& message = outbox_.messages[next_];
  kafka::send(client_.get(), {.topic = topic,
                              .key = message.key,
                              .payload = message.payload,
                              .header_name = run_header,
                              .header = run_,
                              .report_with = &message});
  ++unacknowledged_;
  ++next_;
  published_ = std::max(published_, next_);
}

void Producer::crash_and_restart() {
  // Nothing is flushed: what is still under way may or may not arrive.
  rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  client_.reset();
  resumed_ = true;
  run_ = "run-2";
  next_ = plan_.resume_from;
  acknowledged_ = plan_.resume_from;
  start();
}

void Producer::on_report(const rd_kafka_message_t& report) {
  if (report.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    if (problem_.empty()) problem_ = rd_kafka_err2str(report.err);
    return;
  }
  const auto partition = static_cast<std::size_t>(report.partition);
  if (ends_.size() <= partition) ends_.resize(partition + 1, 0);
  ends_[partition] = std::max(ends_[partition], report.offset + 1);

  const auto* const message = static_cast<const OutboxMessage*>(report._private);
  is_acknowledged_[static_cast<std::size_t>(message - outbox_.messages.data())] = true;
  --unacknowledged_;
  while (acknowledged_ < is_acknowledged_.size() && is_acknowledged_[acknowledged_])
    ++acknowledged_;
}

std::int64_t Producer::appended() const {
  return std::accumulate(ends_.begin(), ends_.end(), std::int64_t{0});
}

}  // namespace payments
