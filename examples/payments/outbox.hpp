#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace payments {

/// Every random choice of the run comes from here, and from the seed of the command line alone.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  std::uint64_t bits() { return engine_(); }

  /// From smallest to largest, both possible. (The standard's distributions differ between
  /// libraries.)
  std::size_t between(std::size_t smallest, std::size_t largest) {
    return smallest + static_cast<std::size_t>(bits() % (largest - smallest + 1));
  }

 private:
  std::mt19937_64 engine_;
};

struct Order {
  std::string id;  // a UUID in its 36-character form
  std::int64_t cents = 0;
  std::string customer;
};

struct OutboxMessage {
  std::optional<std::string> key;
  std::string payload;
};

/// What the upstream service has to publish: the orders, and a few messages that are none.
struct Outbox {
  std::vector<Order> orders;
  std::vector<std::string> bad_payloads;  // of the messages that are no orders, one each
  std::vector<OutboxMessage> messages;    // all of them, in the order of sending
};

Outbox make_outbox(std::size_t orders, Random& random);

/// One line an order: id, cents, customer.
void write_published(const std::filesystem::path& path, const std::vector<Order>& orders);

}  // namespace payments
