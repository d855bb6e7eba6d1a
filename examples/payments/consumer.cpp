#include "consumer.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <idem/idem.hpp>

#include "append_file.hpp"
#include "journal.hpp"
#include "kafka/client.hpp"
#include "ledger.hpp"
#include "topic.hpp"

namespace payments {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// Remember every order for ever; claim it before charging.
using Seen =
    idem::Deduplicator<idem::Uuid, idem::Policy<idem::Remember<idem::UuidSet>, idem::Claims>>;

constexpr std::size_t max_batch = 500;
constexpr int poll_ms = 50;

// A message as an order, or why it is none.
struct Decoded {
  std::optional<Charge> order{};
  std::string problem{};
};

Decoded decode(const rd_kafka_message_t& message) {
  const auto key = kafka::key_of(message);
  if (!key) return {.problem = "no key"};
  const auto id = idem::Uuid::parse(*key);
  if (!id) return {.problem = "the key is no UUID"};

  const std::string_view payload = kafka::payload_of(message);
  const char* const end = payload.data() + payload.size();
  std::int64_t cents = 0;
  const auto [stop, error] = std::from_chars(payload.data(), end, cents);
  if (error != std::errc{} || cents <= 0 || end - stop < 2 || *stop != ' ') {
    return {.problem = "the payload has no amount"};
  }
  const std::string_view customer(stop + 1, static_cast<std::size_t>(end - stop - 1));
  if (customer.find_first_of(" \n") != std::string_view::npos) {
    return {.problem = "the payload has no customer"};
  }
  return {.order = Charge{*id, cents, std::string(customer)}};
}

// Bytes from outside must not break the lines of a text file.
std::string printable(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    if (c >= ' ' && c <= '~' && c != '\\') {
      text += c;
    } else {
      char code[5];
      std::snprintf(code, sizeof code, "\\x%02x",
                    static_cast<unsigned>(static_cast<unsigned char>(c)));
      text += code;
    }
  }
  return text;
}

bool parent_has_closed_our_input() {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  return ::poll(&input, 1, 0) > 0;  // nothing is ever written to it
}

std::uint64_t cost_of_reading_the_clock() {
  constexpr int readings = 1000;
  const auto begin = Clock::now();
  auto end = begin;
  for (int i = 0; i < readings; ++i) end = Clock::now();
  return static_cast<std::uint64_t>((end - begin) / std::chrono::nanoseconds(1)) / readings;
}

class Consumer {
 public:
  explicit Consumer(const ConsumerOptions& options);

  void run();

 private:
  void rebuild();
  std::vector<kafka::Message> poll();
  void handle(const rd_kafka_message_t& message);
  void charge_once(const Charge& order, const rd_kafka_message_t& message);
  void charge(const Charge& order);
  void reject(const rd_kafka_message_t& message, std::string_view problem);
  void finish_batch();
  void commit_offsets();
  [[noreturn]] void wait_for_the_end();

  ConsumerOptions options_;
  JournalWriter journal_;
  Ledger ledger_;
  AppendFile rejects_;
  Seen seen_;
  kafka::Client client_;
  std::map<std::int32_t, std::int64_t> next_offsets_;  // by partition, not yet committed
  std::uint64_t charged_ = 0;                          // lines in the ledger
  int charges_of_this_life_ = 0;
  std::uint64_t verdicts_ = 0;
  Clock::duration verdict_time_{};
};

Consumer::Consumer(const ConsumerOptions& options)
    : options_(options),
      journal_(Files{options.dir}.journal(options.life)),
      ledger_(Files{options.dir}.ledger()),
      rejects_(Files{options.dir}.rejects()),
      seen_({.memory = {.budget = idem::mebibytes(64)},
             .claims = {.lease = 30s, .max_in_flight = 1}}) {
  rebuild();
  client_ = kafka::make_client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", options_.brokers},
                                                   {"group.id", "payments"},
                                                   {"enable.auto.commit", "false"},
                                                   {"enable.auto.offset.store", "false"},
                                                   {"auto.offset.reset", "earliest"},
                                                   {"fetch.wait.max.ms", "10"}});
  rd_kafka_poll_set_consumer(client_.get());

  // Assigned, not subscribed: this consumer is alone in its group, and need not wait for a
  // rebalance to start.
  const kafka::Partitions all(rd_kafka_topic_partition_list_new(options_.partitions));
  for (std::int32_t partition = 0; partition < options_.partitions; ++partition) {
    rd_kafka_topic_partition_list_add(all.get(), topic, partition)->offset = RD_KAFKA_OFFSET_STORED;
  }
  if (const auto error = rd_kafka_assign(client_.get(), all.get())) {
    throw std::runtime_error(std::string("no partitions: ") + rd_kafka_err2str(error));
  }
}

// The ledger is the only memory that survives; what it does not hold was not charged.
void Consumer::rebuild() {
  charged_ = ledger_.recovered().size();
  if (options_.dedup) {
    for (const idem::Uuid& id : ledger_.recovered()) {
      if (const idem::Verdict verdict = seen_.insert(id); verdict != idem::Verdict::fresh) {
        throw std::runtime_error("the ledger cannot be rebuilt from: an id is " +
                                 std::string(idem::name(verdict)));
      }
    }
  }
  journal_.write({.kind = JournalEntry::Kind::started,
                  .charged = charged_,
                  .torn_bytes = ledger_.torn_bytes(),
                  .clock_ns = cost_of_reading_the_clock()});
}

void Consumer::run() {
  while (!parent_has_closed_our_input()) {
    const std::vector<kafka::Message> batch = poll();
    for (const kafka::Message& message : batch) handle(*message);
    if (!batch.empty()) finish_batch();
  }
  rd_kafka_consumer_close(client_.get());
}

std::vector<kafka::Message> Consumer::poll() {
  std::vector<kafka::Message> batch;
  while (batch.size() < max_batch) {
    kafka::Message message(rd_kafka_consumer_poll(client_.get(), batch.empty() ? poll_ms : 0));
    if (!message) break;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      // librdkafka goes on trying by itself; a person may want to know.
      std::cerr << "payments consumer: " << rd_kafka_message_errstr(message.get()) << '\n';
      break;
    }
    batch.push_back(std::move(message));
  }
  return batch;
}

void Consumer::handle(const rd_kafka_message_t& message) {
  const Decoded decoded = decode(message);
  next_offsets_[message.partition] = message.offset + 1;
  if (!decoded.order) {
    journal_.write({.kind = JournalEntry::Kind::reject,
                    .partition = message.partition,
                    .offset = message.offset});
    reject(message, decoded.problem);
    return;
  }
  journal_.write({.kind = JournalEntry::Kind::order,
                  .partition = message.partition,
                  .offset = message.offset,
                  .id = std::string(*kafka::key_of(message)),
                  .run = std::string(kafka::header_of(message, run_header).value_or("unknown"))});
  if (options_.dedup) {
    charge_once(*decoded.order, message);
  } else {
    charge(*decoded.order);
  }
}

void Consumer::charge_once(const Charge& order, const rd_kafka_message_t& message) {
  const auto asked = Clock::now();
  Seen::Claim claim = seen_.claim(order.id, {.now = asked});
  verdict_time_ += Clock::now() - asked;
  ++verdicts_;

  switch (idem::action(claim.verdict())) {
    case idem::Action::process: {
      charge(order);  // a throw gives the claim back
      const auto charged = Clock::now();
      const idem::Verdict outcome = claim.commit(charged);
      verdict_time_ += Clock::now() - charged;
      // The charge is in the ledger, and our right to make it had run out: let the next life read
      // what is true.
      if (outcome != idem::Verdict::fresh)
        throw std::runtime_error("a charge took longer than its lease");
      break;
    }
    case idem::Action::skip:
      break;
    case idem::Action::retry:
      // Not committed, so it will be delivered again.
      throw std::runtime_error("nobody can say now whether an order was charged: " +
                               std::string(idem::name(claim.verdict())));
    case idem::Action::inspect:
      reject(message, idem::name(claim.verdict()));
      break;
  }
}

void Consumer::charge(const Charge& order) {
  ++charges_of_this_life_;
  if (options_.pause.where == Pause::Where::mid_charge &&
      charges_of_this_life_ == options_.pause.at_charge) {
    ledger_.charge_half(order);
    wait_for_the_end();
  }
  ledger_.charge(order);
  ++charged_;
}

void Consumer::reject(const rd_kafka_message_t& message, std::string_view problem) {
  const auto bytes = kafka::key_of(message);
  const std::string key = bytes ? '"' + printable(*bytes) + '"' : "none";
  rejects_.write(std::to_string(message.partition) + ' ' + std::to_string(message.offset) + ' ' +
                 std::string(problem) + ": key " + key + ", payload \"" +
                 printable(kafka::payload_of(message)) + "\"\n");
}

void Consumer::finish_batch() {
  ledger_.sync();
  rejects_.sync();
  if (options_.pause.where == Pause::Where::before_commit &&
      charges_of_this_life_ >= options_.pause.at_charge) {
    wait_for_the_end();
  }
  journal_.write(
      {.kind = JournalEntry::Kind::committing,
       .charged = charged_,
       .verdicts = verdicts_,
       .verdict_ns = static_cast<std::uint64_t>(verdict_time_ / std::chrono::nanoseconds(1)),
       .memory_bytes = seen_.memory_bytes()});
  verdicts_ = 0;
  verdict_time_ = {};
  commit_offsets();
}

void Consumer::commit_offsets() {
  const kafka::Partitions offsets(
      rd_kafka_topic_partition_list_new(static_cast<int>(next_offsets_.size())));
  for (const auto& [partition, offset] : next_offsets_) {
    rd_kafka_topic_partition_list_add(offsets.get(), topic, partition)->offset = offset;
  }
  const auto error = rd_kafka_commit(client_.get(), offsets.get(), 0);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    next_offsets_.clear();
  } else {
    // The next commit includes these offsets. Death comes first? Then there are more duplicates.
    std::cerr << "payments consumer: offsets not committed: " << rd_kafka_err2str(error) << '\n';
  }
}

void Consumer::wait_for_the_end() {
  journal_.write({.kind = JournalEntry::Kind::paused});
  while (!parent_has_closed_our_input()) ::usleep(1000);
  throw std::runtime_error("paused for a kill that never came");
}

}  // namespace

void consume(const ConsumerOptions& options) { Consumer(options).run(); }

}  // namespace payments
