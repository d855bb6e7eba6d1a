#include "broker.hpp"

#include <stdexcept>
#include <utility>

namespace kafka {
namespace {

constexpr std::int32_t broker_id = 1;
constexpr std::int16_t produce_request = 0;  // the ApiKey of the Kafka protocol
constexpr int answer_ms = 10'000;

void check(rd_kafka_resp_err_t error, const char* what) {
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw std::runtime_error(std::string(what) + ": " + rd_kafka_err2str(error));
  }
}

rd_kafka_resp_err_t answer_next_batch(rd_kafka_mock_cluster_t* cluster, rd_kafka_resp_err_t answer,
                                      std::chrono::milliseconds delay) {
  return rd_kafka_mock_broker_push_request_error_rtts(cluster, broker_id, produce_request, 1,
                                                      answer, static_cast<int>(delay.count()));
}

}  // namespace

Broker::Broker(std::string topic, int partitions)
    : topic_(std::move(topic)),
      partitions_(partitions),
      client_(make_client(RD_KAFKA_PRODUCER, {})),
      cluster_(rd_kafka_mock_cluster_new(client_.get(), 1)) {
  if (!cluster_) throw std::runtime_error("librdkafka's mock cluster does not start");
  check(rd_kafka_mock_topic_create(cluster_.get(), topic_.c_str(), partitions, 1),
        "the topic cannot be created");
  rd_kafka_brokers_add(client_.get(), address().c_str());
}

std::string Broker::address() const { return rd_kafka_mock_cluster_bootstraps(cluster_.get()); }

void Broker::withhold_next_acknowledgement(std::chrono::milliseconds delay) {
  check(answer_next_batch(cluster_.get(), RD_KAFKA_RESP_ERR_NO_ERROR, delay),
        "the acknowledgement cannot be withheld");
}

void Broker::refuse_next_batch(std::chrono::milliseconds delay) {
  check(answer_next_batch(cluster_.get(), RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, delay),
        "the next batch cannot be refused");
}

std::int64_t Broker::messages() {
  std::int64_t sum = 0;
  for (std::int32_t partition = 0; partition < partitions_; ++partition) {
    std::int64_t first = 0;
    std::int64_t end = 0;
    check(rd_kafka_query_watermark_offsets(client_.get(), topic_.c_str(), partition, &first, &end,
                                           answer_ms),
          "the broker does not say how many messages it holds");
    if (first != 0) {
      throw std::runtime_error("the mock broker dropped old messages of partition " +
                               std::to_string(partition) + ": use more partitions");
    }
    sum += end;
  }
  return sum;
}

}  // namespace kafka
