#include "consumer.hpp"

#include <chrono>
#include <stdexcept>

#include "sender.hpp"
#include "stamp.hpp"

namespace sequences {
namespace {

constexpr int poll_ms = 20;
constexpr std::size_t max_waiting = 1000;

}  // namespace

// require_zero: a history that begins in the middle is not taken for a beginning. A message that
// overtook the producer's very first one waits for it, instead of locking it out.
Consumer::Consumer(const std::string& brokers, bool dedup, Process process)
    : client_(kafka::make_client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", brokers},
                                                     {"group.id", "sequences"},
                                                     {"enable.auto.commit", "false"},
                                                     {"fetch.wait.max.ms", "10"}})),
      dedup_(dedup),
      process_(std::move(process)),
      seen_({.memory = {.max_producers = 1000,
                        .unknown_producer = idem::UnknownProducer::require_zero}}) {
  rd_kafka_poll_set_consumer(client_.get());
  const kafka::Partitions all(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(all.get(), topic, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
  if (const auto error = rd_kafka_assign(client_.get(), all.get())) {
    throw std::runtime_error(std::string("no partition: ") + rd_kafka_err2str(error));
  }
}

std::size_t Consumer::poll() {
  std::size_t handled = 0;
  for (;;) {
    const kafka::Message message(rd_kafka_consumer_poll(client_.get(), handled == 0 ? poll_ms : 0));
    if (!message || message->err != RD_KAFKA_RESP_ERR_NO_ERROR) return handled;
    ++handled;
    const auto stamp = kafka::header_of(*message, stamp_header);
    const auto batch = stamp ? from_stamp(*stamp) : std::nullopt;
    if (batch && batch->producer_id >= 0) {
      handle(*batch, std::string(kafka::payload_of(*message)));
    } else {
      ++unstamped_;
    }
  }
}

void Consumer::handle(const idem::ProducerBatch& batch, const std::string& payload) {
  ++counts_[batch.producer_id].delivered;
  if (!dedup_) {
    process_(payload);
    return;
  }
  if (settle(batch, payload)) {
    settle_waiting();
    return;
  }
  // Its predecessor comes later in the log, for the producer sends it until it is acknowledged.
  ++counts_[batch.producer_id].held_back;
  const bool first_copy =
      waiting_.emplace(Stamp{batch.producer_id, batch.epoch, batch.first_sequence}, payload).second;
  if (!first_copy) ++counts_[batch.producer_id].duplicate;
  if (waiting_.size() > max_waiting) throw std::runtime_error("too many messages wait for others");
}

// Check, process, record: a crash or an exception while processing leaves the message fresh.
// Recorded first, it would be lost. False: it has to wait.
bool Consumer::settle(const idem::ProducerBatch& batch, const std::string& payload) {
  Counts& counts = counts_[batch.producer_id];
  const idem::At now{.now = std::chrono::steady_clock::now()};
  const idem::Verdict verdict = seen_.check(batch, now);
  switch (Seen::action(verdict)) {
    case idem::Action::process:
      process_(payload);
      if (seen_.insert(batch, now) != idem::Verdict::fresh) {
        throw std::runtime_error("no room to remember a message that is processed");
      }
      ++counts.fresh;
      return true;
    case idem::Action::skip:
      ++counts.duplicate;
      return true;
    case idem::Action::retry:
      return false;
    case idem::Action::inspect:
      // Fenced can be dropped here and needs no inspection: the instance that took over the outbox
      // has sent every row of it.
      ++(verdict == idem::Verdict::fenced ? counts.fenced : counts.other);
      return true;
  }
  return false;
}

// In the order of producer, epoch and sequence, so that one pass is enough.
void Consumer::settle_waiting() {
  for (auto next = waiting_.begin(); next != waiting_.end();) {
    const auto& [stamp, payload] = *next;
    const auto& [producer_id, epoch, sequence] = stamp;
    const idem::ProducerBatch batch{.producer_id = producer_id,
                                    .epoch = epoch,
                                    .first_sequence = sequence,
                                    .last_sequence = sequence};
    next = settle(batch, payload) ? waiting_.erase(next) : std::next(next);
  }
}

}  // namespace sequences
