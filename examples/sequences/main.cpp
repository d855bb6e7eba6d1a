// How a consumer gets a sequence at all: producers stamp what they send, and the consumer reads the
// stamps. See README.md.

#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "consumer.hpp"
#include "kafka/broker.hpp"
#include "outbox.hpp"
#include "sender.hpp"

namespace sequences {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t retries = 1;   // the producer whose batches librdkafka sends again
constexpr std::int64_t restarts = 2;  // the one that crashes and starts again
constexpr std::int64_t zombie = 3;    // the one whose old instance is not dead

constexpr auto patience = 30s;
constexpr int attempts = 5;  // at a fault that needs two requests to overlap

class Demonstration {
 public:
  explicit Demonstration(bool dedup)
      : broker_(topic, 1), consumer_(broker_.address(), dedup, [this](const std::string& payload) {
          ++processed_[payload];
        }) {}

  void play() {
    retry_batches();
    restart();
    replace_an_instance_that_lives();
    consume_everything();
  }

  // True: the run has shown what it is there to show.
  bool report(double seconds);

 private:
  void retry_batches();
  void restart();
  void replace_an_instance_that_lives();

  void consume_everything() {
    const auto deadline = Clock::now() + patience;
    while (delivered() < broker_.messages()) {
      consumer_.poll();
      if (Clock::now() > deadline) throw std::runtime_error("messages of the log do not arrive");
    }
  }

  std::int64_t delivered() {
    std::int64_t sum = consumer_.unstamped();
    for (const Outbox* const outbox : outboxes()) {
      sum += consumer_.counts(outbox->producer_id()).delivered;
    }
    return sum;
  }

  // Sends rows up to `end`, and waits until the log has them, acknowledged or not.
  void send_until_appended(Sender& sender, std::size_t end) {
    const std::int64_t wanted = broker_.messages() + static_cast<std::int64_t>(end - sender.next());
    const auto deadline = Clock::now() + patience;
    while (broker_.messages() < wanted) {
      sender.step(end);
      if (Clock::now() > deadline) throw std::runtime_error("the broker appends nothing any more");
    }
  }

  std::vector<const Outbox*> outboxes() const { return {&of_retries_, &of_restarts_, &of_zombie_}; }

  kafka::Broker broker_;
  std::map<std::string, int> processed_;  // the effects, counted by hand
  Consumer consumer_;
  Outbox of_retries_{retries};
  Outbox of_restarts_{restarts};
  Outbox of_zombie_{zombie};
  std::int64_t sent_by_zombie_ = 0;
  std::int64_t unacknowledged_at_crash_ = 0;
};

void Demonstration::retry_batches() {
  Sender sender(of_retries_, broker_);
  sender.add(200);
  sender.drain();
  // The broker appends the next batch and says so too late: librdkafka sends it again.
  broker_.withhold_next_acknowledgement(3s);
  sender.add(Sender::window);
  sender.drain();
  consume_everything();
  // The broker refuses one batch, and appends those behind it before the refusal is heard: what
  // comes again comes too late.
  for (int i = 0; i < attempts && consumer_.counts(retries).held_back == 0; ++i) {
    broker_.refuse_next_batch(300ms);
    sender.add(1);
    sender.step(of_retries_.size());
    std::this_thread::sleep_for(100ms);  // the batch leaves by itself
    sender.add(Sender::window - 1);
    sender.drain();
    consume_everything();
  }
  sender.add(100);
  sender.drain();
}

void Demonstration::restart() {
  Sender first(of_restarts_, broker_);
  first.add(200);
  first.drain();
  broker_.withhold_next_acknowledgement(3s);
  first.add(3);
  send_until_appended(first, of_restarts_.size());
  first.add(20);  // stored, and not sent any more
  first.crash();
  unacknowledged_at_crash_ = static_cast<std::int64_t>(first.next()) -
                             static_cast<std::int64_t>(of_restarts_.first_unacknowledged());

  // The second instance sends the rest of the outbox under the first one's stamps, and then its
  // own.
  Sender second(of_restarts_, broker_);
  second.add(100);
  second.drain();
}

void Demonstration::replace_an_instance_that_lives() {
  Sender old(of_zombie_, broker_);
  old.add(200);
  old.drain();
  old.add(20);  // stops just here: a long pause, a lost lease
  const std::size_t end_of_old = of_zombie_.size();

  // Whoever watches takes it for dead and starts another one.
  Sender next(of_zombie_, broker_);
  next.add(100);
  next.drain();

  // It was not.
  if (old.add(1)) throw std::logic_error("the outbox took a row of an instance that is replaced");
  sent_by_zombie_ = static_cast<std::int64_t>(Sender::window);
  send_until_appended(old, end_of_old - 20 + Sender::window);
  old.crash();
}

bool Demonstration::report(double seconds) {
  std::int64_t twice = 0;
  std::int64_t never = 0;
  std::int64_t published = 0;
  for (const Outbox* const outbox : outboxes()) {
    published += static_cast<std::int64_t>(outbox->size());
    for (std::size_t i = 0; i < outbox->size(); ++i) {
      const auto found = processed_.find((*outbox)[i].payload);
      if (found == processed_.end()) ++never;
      if (found != processed_.end() && found->second > 1) ++twice;
    }
  }

  const Counts& one = consumer_.counts(retries);
  const Counts& two = consumer_.counts(restarts);
  const Counts& three = consumer_.counts(zombie);
  const auto row = [&](const char* what, std::int64_t Counts::*count) {
    std::printf("  %-24s %10lld %10lld %10lld\n", what, static_cast<long long>(one.*count),
                static_cast<long long>(two.*count), static_cast<long long>(three.*count));
  };
  std::printf("\n  %-24s %10s %10s %10s\n", "producer", "retries", "restarts", "zombie");
  std::printf("  %-24s %10zu %10zu %10zu\n", "published", of_retries_.size(), of_restarts_.size(),
              of_zombie_.size());
  row("delivered", &Counts::delivered);
  row("  fresh", &Counts::fresh);
  row("  duplicate", &Counts::duplicate);
  row("  fenced", &Counts::fenced);
  row("  stale or worse", &Counts::other);
  row("held back for a gap", &Counts::held_back);
  std::printf("\n  processed twice %lld, missing %lld, still waiting %zu; %zu bytes for %zu ",
              static_cast<long long>(twice), static_cast<long long>(never), consumer_.waiting(),
              consumer_.memory_bytes(), outboxes().size());
  std::printf("producers; %.1f s\n\n", seconds);
  std::fflush(stdout);

  bool good = true;
  const auto expect = [&](bool holds, const std::string& fault) {
    if (holds) return;
    good = false;
    std::cerr << "FAILED: " << fault << '\n';
  };
  expect(twice == 0, std::to_string(twice) + " messages were processed twice");
  expect(never == 0, std::to_string(never) + " messages were never processed");
  expect(static_cast<std::int64_t>(processed_.size()) == published - never,
         "something was processed that nobody published");
  expect(consumer_.waiting() == 0 && consumer_.unstamped() == 0,
         "messages wait for others, or have no stamp");
  expect(one.duplicate > 0, "librdkafka never sent a batch again");
  expect(one.held_back > 0, "no batch was overtaken");
  expect(unacknowledged_at_crash_ > 0 && two.duplicate >= unacknowledged_at_crash_,
         "the restart duplicated nothing");
  expect(three.fenced == sent_by_zombie_, "not everything that the old instance sent was fenced");
  for (const Counts* const counts : {&one, &two, &three}) {
    expect(counts->other == 0, "a message was neither fresh, duplicate nor fenced");
    expect(counts->delivered == counts->fresh + counts->duplicate + counts->fenced + counts->other,
           "the verdicts do not add up to the deliveries");
  }
  return good;
}

int run(bool dedup) {
  const auto begin = Clock::now();
  Demonstration demonstration(dedup);
  demonstration.play();
  const bool good =
      demonstration.report(std::chrono::duration<double>(Clock::now() - begin).count());
  if (good) std::cout << "Every message was processed once.\n";
  return good ? 0 : 1;
}

}  // namespace
}  // namespace sequences

int main(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  const bool dedup = arguments.empty();
  if (!dedup && (arguments.size() != 1 || arguments[0] != "--no-dedup")) {
    std::cerr << "usage: sequences [--no-dedup]\n";
    return 2;
  }
  try {
    return sequences::run(dedup);
  } catch (const std::exception& error) {
    std::cerr << "sequences: " << error.what() << '\n';
    return 1;
  }
}
