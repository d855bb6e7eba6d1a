#pragma once

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

/// librdkafka's handles with an owner each.
namespace payments::kafka {

template <auto destroy>
struct Destroy {
  template <class T>
  void operator()(T* handle) const noexcept {
    destroy(handle);
  }
};

using Client = std::unique_ptr<rd_kafka_t, Destroy<rd_kafka_destroy>>;
using Cluster = std::unique_ptr<rd_kafka_mock_cluster_t, Destroy<rd_kafka_mock_cluster_destroy>>;
using Message = std::unique_ptr<rd_kafka_message_t, Destroy<rd_kafka_message_destroy>>;
using Partitions = std::unique_ptr<rd_kafka_topic_partition_list_t,
                                   Destroy<rd_kafka_topic_partition_list_destroy>>;
using Error = std::unique_ptr<rd_kafka_error_t, Destroy<rd_kafka_error_destroy>>;

using Settings = std::initializer_list<std::pair<const char*, std::string>>;
using OnReport = void (*)(rd_kafka_t*, const rd_kafka_message_t*, void* owner);

inline constexpr const char* topic = "orders";
inline constexpr const char* run_header = "run";

/// Throws std::runtime_error with librdkafka's own words.
Client make_client(rd_kafka_type_t type, Settings settings, OnReport on_report = nullptr,
                   void* owner = nullptr);

}  // namespace payments::kafka
