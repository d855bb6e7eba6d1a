#include "client.hpp"

#include <array>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>

namespace kafka {
namespace {

std::string_view bytes_of(const void* data, std::size_t size) {
  return data == nullptr ? std::string_view{}
                         : std::string_view(static_cast<const char*>(data), size);
}

// librdkafka takes writable pointers, and with RD_KAFKA_MSG_F_COPY only reads them.
rd_kafka_vu_t bytes_field(rd_kafka_vtype_t type, std::string_view bytes) {
  rd_kafka_vu_t field{};
  field.vtype = type;
  field.u.mem.ptr = const_cast<char*>(bytes.data());
  field.u.mem.size = bytes.size();
  return field;
}

}  // namespace

Client make_client(rd_kafka_type_t type, Settings settings, OnReport on_report, void* owner) {
  std::unique_ptr<rd_kafka_conf_t, Destroy<rd_kafka_conf_destroy>> configuration(
      rd_kafka_conf_new());
  std::array<char, 512> problem{};
  const auto set = [&](const char* name, const std::string& value) {
    if (rd_kafka_conf_set(configuration.get(), name, value.c_str(), problem.data(),
                          problem.size()) != RD_KAFKA_CONF_OK) {
      throw std::runtime_error(std::string("librdkafka refuses ") + name + ": " + problem.data());
    }
  };
  // Timeouts and lost connections are what this program makes on purpose: they need not be told on
  // the terminal.
  set("log_level", "2");
  for (const auto& [name, value] : settings) set(name, value);
  if (on_report != nullptr) rd_kafka_conf_set_dr_msg_cb(configuration.get(), on_report);
  rd_kafka_conf_set_opaque(configuration.get(), owner);

  Client client(rd_kafka_new(type, configuration.get(), problem.data(), problem.size()));
  if (!client)
    throw std::runtime_error(std::string("librdkafka does not start: ") + problem.data());
  static_cast<void>(configuration.release());  // the client owns it now
  return client;
}

void send(rd_kafka_t* client, const Outgoing& message) {
  rd_kafka_vu_t topic{};
  topic.vtype = RD_KAFKA_VTYPE_TOPIC;
  topic.u.cstr = message.topic;
  rd_kafka_vu_t copy{};
  copy.vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  copy.u.i = RD_KAFKA_MSG_F_COPY;
  rd_kafka_vu_t report_with{};
  report_with.vtype = RD_KAFKA_VTYPE_OPAQUE;
  report_with.u.ptr = const_cast<void*>(message.report_with);
  rd_kafka_vu_t header{};
  header.vtype = RD_KAFKA_VTYPE_HEADER;
  header.u.header.name = message.header_name;
  header.u.header.val = message.header.data();
  header.u.header.size = static_cast<ssize_t>(message.header.size());

  std::array<rd_kafka_vu_t, 6> fields = {topic, copy, report_with, header,
                                         bytes_field(RD_KAFKA_VTYPE_VALUE, message.payload)};
  std::size_t used = 5;
  if (message.key) fields[used++] = bytes_field(RD_KAFKA_VTYPE_KEY, *message.key);
  const Error error(rd_kafka_produceva(client, fields.data(), used));
  if (error) {
    throw std::runtime_error(std::string("a message could not be sent: ") +
                             rd_kafka_error_string(error.get()));
  }
}

std::string_view payload_of(const rd_kafka_message_t& message) {
  return bytes_of(message.payload, message.len);
}

std::optional<std::string_view> key_of(const rd_kafka_message_t& message) {
  if (message.key == nullptr) return std::nullopt;
  return bytes_of(message.key, message.key_len);
}

std::optional<std::string_view> header_of(const rd_kafka_message_t& message, const char* name) {
  rd_kafka_headers_t* headers = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
      rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return std::nullopt;
  }
  return bytes_of(value, size);
}

std::string_view metadata_of(const rd_kafka_topic_partition_t& partition) {
  return bytes_of(partition.metadata, partition.metadata_size);
}

void add_offset(rd_kafka_topic_partition_list_t* list, const char* topic, std::int32_t partition,
                std::int64_t offset, std::string_view metadata) {
  rd_kafka_topic_partition_t* const added =
      rd_kafka_topic_partition_list_add(list, topic, partition);
  added->offset = offset;
  if (metadata.empty()) return;
  // The list frees it with free().
  added->metadata = std::malloc(metadata.size());
  if (added->metadata == nullptr) throw std::bad_alloc();
  std::memcpy(added->metadata, metadata.data(), metadata.size());
  added->metadata_size = metadata.size();
}

}  // namespace kafka
