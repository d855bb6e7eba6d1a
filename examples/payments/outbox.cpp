#include "outbox.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <unordered_set>

namespace payments {
namespace {

std::string make_uuid(Random& random) {
  const std::uint64_t hi = (random.bits() & ~0xF000ULL) | 0x4000ULL;        // version 4
  const std::uint64_t lo = (random.bits() & ~(3ULL << 62)) | (2ULL << 62);  // variant 10
  std::array<char, 37> text{};
  std::snprintf(
      text.data(), text.size(), "%08llx-%04llx-%04llx-%04llx-%012llx",
      static_cast<unsigned long long>(hi >> 32), static_cast<unsigned long long>(hi >> 16 & 0xFFFF),
      static_cast<unsigned long long>(hi & 0xFFFF), static_cast<unsigned long long>(lo >> 48),
      static_cast<unsigned long long>(lo & 0xFFFF'FFFF'FFFF));
  return text.data();
}

// Messages that no consumer can take for an order.
std::vector<OutboxMessage> make_bad_messages(Random& random) {
  const std::string id = make_uuid(random);
  std::string bad_digit = id;
  bad_digit.back() = 'g';
  std::vector<OutboxMessage> bad = {
      {std::nullopt, "1999"},         // no key
      {"", "1999"},                   // an empty one
      {"order 66", "1999"},           // not a UUID
      {id.substr(1), "1999"},         // 35 characters
      {"{" + id + "}", "1999"},       // braces
      {bad_digit, "1999"},            // not hexadecimal
      {"two\nlines\t\x01", "1999"},   // would break a careless text file
      {make_uuid(random), "plenty"},  // a good key, but no amount
  };
  for (std::size_t i = 0; i < bad.size(); ++i) bad[i].payload += " bad-" + std::to_string(i + 1);
  return bad;
}

}  // namespace

Outbox make_outbox(std::size_t orders, Random& random) {
  Outbox outbox;
  std::unordered_set<std::string> ids;
  while (outbox.orders.size() < orders) {
    Order order{.id = make_uuid(random),
                .cents = static_cast<std::int64_t>(random.between(1, 50'000)),
                .customer = "c-" + std::to_string(random.between(1, 5'000))};
    if (ids.insert(order.id).second) outbox.orders.push_back(std::move(order));
  }

  std::vector<OutboxMessage> bad = make_bad_messages(random);
  std::vector<std::size_t> places;  // a bad message goes before the order with this number
  for (const OutboxMessage& message : bad) {
    outbox.bad_payloads.push_back(message.payload);
    places.push_back(random.between(0, orders - 1));
  }
  std::sort(places.begin(), places.end());

  std::size_t next_bad = 0;
  for (std::size_t i = 0; i < orders; ++i) {
    while (next_bad < bad.size() && places[next_bad] == i) {
      outbox.messages.push_back(std::move(bad[next_bad++]));
    }
    const Order& order = outbox.orders[i];
    outbox.messages.push_back({order.id, std::to_string(order.cents) + ' ' + order.customer});
  }
  return outbox;
}

void write_published(const std::filesystem::path& path, const std::vector<Order>& orders) {
  std::ofstream file(path);
  for (const Order& order : orders) {
    file << order.id << ' ' << order.cents << ' ' << order.customer << '\n';
  }
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

}  // namespace payments
