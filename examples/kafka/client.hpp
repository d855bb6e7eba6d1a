#pragma once

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

/// librdkafka's handles with an owner each, and what the examples do with them.
namespace kafka {

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

/// Throws std::runtime_error with librdkafka's own words.
Client make_client(rd_kafka_type_t type, Settings settings, OnReport on_report = nullptr,
                   void* owner = nullptr);

/// One message, with one header.
struct Outgoing {
  const char* topic = nullptr;
  std::optional<std::string_view> key{};
  std::string_view payload{};
  const char* header_name = nullptr;
  std::string_view header{};
  const void* report_with = nullptr;  // comes back as the report's _private
};

/// Copies the message into the client's queue. Throws std::runtime_error if that is refused.
void send(rd_kafka_t* client, const Outgoing& message);

std::string_view payload_of(const rd_kafka_message_t& message);
std::optional<std::string_view> key_of(const rd_kafka_message_t& message);
std::optional<std::string_view> header_of(const rd_kafka_message_t& message, const char* name);

/// What was committed beside the offset; empty where nothing was.
std::string_view metadata_of(const rd_kafka_topic_partition_t& partition);

/// Adds an offset to commit, and what is to be kept beside it.
void add_offset(rd_kafka_topic_partition_list_t* list, const char* topic, std::int32_t partition,
                std::int64_t offset, std::string_view metadata);

}  // namespace kafka
