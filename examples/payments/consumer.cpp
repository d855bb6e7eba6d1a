#include "consumer.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <idem/idem.hpp>

#include "append_file.hpp"
#include "journal.hpp"
#include "kafka/client.hpp"
#include "ledger.hpp"
#include "offsets.hpp"
#include "outbox.hpp"
#include "snapshot_file.hpp"
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
constexpr int batches_a_snapshot = 5;
constexpr std::size_t max_left = 32;  // messages still in work when offsets are committed

Place place_of(const rd_kafka_message_t& message) { return {message.partition, message.offset}; }

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
  void restore();
  void save();
  std::vector<kafka::Message> poll();
  void deliver(kafka::Message message);
  void work(std::size_t leave);
  void handle(const rd_kafka_message_t& message);
  void charge_once(const Charge& order, const rd_kafka_message_t& message);
  void charge(const Charge& order);
  void reject(const rd_kafka_message_t& message, std::string_view problem);
  void finish_batch();
  [[noreturn]] void wait_for_the_end();

  ConsumerOptions options_;
  JournalWriter journal_;
  Ledger ledger_;
  AppendFile rejects_;
  idem::Resumable<Seen> seen_;
  kafka::Client client_;
  std::optional<Offsets> offsets_;
  std::vector<kafka::Message> in_work_;
  Random random_;
  std::uint64_t charged_ = 0;  // lines in the ledger
  int batches_ = 0;            // since the last snapshot
  int charges_of_this_life_ = 0;
  // Since the last commit:
  std::uint64_t out_of_order_ = 0;
  std::uint64_t known_done_ = 0;
  std::uint64_t redone_ = 0;
  std::uint64_t verdicts_ = 0;
  Clock::duration verdict_time_{};
};

Consumer::Consumer(const ConsumerOptions& options)
    : options_(options),
      journal_(Files{options.dir}.journal(options.life)),
      ledger_(Files{options.dir}.ledger()),
      rejects_(Files{options.dir}.rejects()),
      seen_({.memory = {.budget = idem::mebibytes(64)},
             .claims = {.lease = 30s, .max_in_flight = 1}}),
      random_(options.seed) {
  if (options_.restart == Restart::log) rebuild();
  client_ = kafka::make_client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", options_.brokers},
                                                   {"group.id", "payments"},
                                                   {"enable.auto.commit", "false"},
                                                   {"enable.auto.offset.store", "false"},
                                                   {"auto.offset.reset", "earliest"},
                                                   {"fetch.wait.max.ms", "10"}});
  rd_kafka_poll_set_consumer(client_.get());
  if (options_.restart == Restart::log) {
    offsets_.emplace(client_.get(), options_.partitions, static_cast<std::uint64_t>(options_.life));
  } else {
    restore();
  }
}

// The ledger is the only memory that survives; what it does not hold was not charged.
void Consumer::rebuild() {
  charged_ = ledger_.recovered().size();
  seen_.start_empty();
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

// The set as it was some time before the end, with the offsets of that moment. Reading goes on
// there: orders charged since are charged again, and the ledger refuses them by their id.
void Consumer::restore() {
  charged_ = ledger_.recovered().size();
  Position position(static_cast<std::size_t>(options_.partitions), 0);
  if (const auto bytes = read_file(Files{options_.dir}.snapshot())) {
    const auto loaded = seen_.load(*bytes);
    if (!loaded) {
      throw std::runtime_error("the snapshot cannot be loaded: " + idem::to_string(loaded.error()));
    }
    position = to_position(*loaded, options_.partitions);
  } else {
    seen_.start_empty();
  }
  offsets_.emplace(client_.get(), position, static_cast<std::uint64_t>(options_.life));
  journal_.write({.kind = JournalEntry::Kind::started,
                  .charged = charged_,
                  .torn_bytes = ledger_.torn_bytes(),
                  .clock_ns = cost_of_reading_the_clock()});
}

// The ledger is on the disk, no claim is open, and the position is no further than what the set
// holds: whoever goes on from here misses nothing.
void Consumer::save() {
  const auto position = to_bytes(offsets_->position());
  replace_file(Files{options_.dir}.snapshot(),
               [&](const Sink& sink) { return idem::save(*seen_, position, sink).has_value(); });
}

void Consumer::run() {
  while (!parent_has_closed_our_input()) {
    std::vector<kafka::Message> batch = poll();
    for (kafka::Message& message : batch) deliver(std::move(message));
    const bool idle = batch.empty();
    if (idle && in_work_.empty()) continue;
    work(idle ? 0 : std::min(in_work_.size() / 4, max_left));
    finish_batch();
  }
  if (!in_work_.empty()) {
    work(0);
    finish_batch();
  }
  in_work_.clear();
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

void Consumer::deliver(kafka::Message message) {
  const Place place = place_of(*message);
  const bool is_order = decode(*message).order.has_value();
  journal_.write(is_order
                     ? JournalEntry{.kind = JournalEntry::Kind::order,
                                    .partition = place.first,
                                    .offset = place.second,
                                    .id = std::string(*kafka::key_of(*message)),
                                    .run = std::string(
                                        kafka::header_of(*message, run_header).value_or("unknown"))}
                     : JournalEntry{.kind = JournalEntry::Kind::reject,
                                    .partition = place.first,
                                    .offset = place.second});
  const idem::Verdict verdict = offsets_->deliver(place);
  switch (idem::action(verdict)) {
    case idem::Action::process:
      in_work_.push_back(std::move(message));
      break;
    case idem::Action::skip:
      ++known_done_;
      break;
    case idem::Action::retry:
    case idem::Action::inspect:
      throw std::runtime_error("librdkafka delivered an offset that is " +
                               std::string(idem::name(verdict)));
  }
}

// As a pool of workers would, in any order, but for `leave` messages that are not done yet. Without
// the deduplicator in the order of delivery, and all.
void Consumer::work(std::size_t leave) {
  if (options_.dedup) {
    for (std::size_t i = in_work_.size(); i > 1; --i) {
      std::swap(in_work_[i - 1], in_work_[random_.between(0, i - 1)]);
    }
  } else {
    leave = 0;
  }
  const std::size_t count = in_work_.size() - leave;
  for (std::size_t i = 0; i < count; ++i) {
    handle(*in_work_[i]);
    if (offsets_->complete(place_of(*in_work_[i]))) ++out_of_order_;
  }
  in_work_.erase(in_work_.begin(), in_work_.begin() + static_cast<std::ptrdiff_t>(count));
}

void Consumer::handle(const rd_kafka_message_t& message) {
  const Decoded decoded = decode(message);
  if (!decoded.order) {
    reject(message, decoded.problem);
  } else if (options_.dedup) {
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
  if (options_.restart == Restart::log) {
    ledger_.charge(order);
  } else if (!ledger_.charge_if_new(order)) {
    ++redone_;
    return;
  }
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
  JournalEntry entry{.kind = JournalEntry::Kind::committing,
                     .charged = charged_,
                     .verdicts = std::exchange(verdicts_, 0),
                     .verdict_ns = static_cast<std::uint64_t>(std::exchange(verdict_time_, {}) /
                                                              std::chrono::nanoseconds(1)),
                     .memory_bytes = seen_->memory_bytes(),
                     .out_of_order = std::exchange(out_of_order_, 0),
                     .known_done = std::exchange(known_done_, 0),
                     .redone = std::exchange(redone_, 0)};
  for (const kafka::Message& message : in_work_) entry.open.push_back(place_of(*message));
  journal_.write(entry);
  if (options_.restart == Restart::log) {
    offsets_->commit();
  } else if (++batches_ == batches_a_snapshot) {
    save();
    batches_ = 0;
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
