#include "kafka.hpp"

#include <array>
#include <stdexcept>

namespace payments::kafka {

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

}  // namespace payments::kafka
