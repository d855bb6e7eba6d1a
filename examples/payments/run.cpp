#include "run.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "consumer_process.hpp"
#include "kafka/broker.hpp"
#include "outbox.hpp"
#include "producer.hpp"
#include "report.hpp"
#include "topic.hpp"

namespace payments {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto pause_between_looks = 1ms;
constexpr auto patience_at_the_end = 30s;
constexpr auto grace_of_last_resort = 60s;

// SIGINT and SIGTERM end the loop, so that destructors clean up.
volatile std::sig_atomic_t interrupted = 0;

void install_signal_handlers(std::chrono::seconds timeout) {
  struct sigaction on_interrupt {};
  on_interrupt.sa_handler = [](int number) { interrupted = number; };
  ::sigaction(SIGINT, &on_interrupt, nullptr);
  ::sigaction(SIGTERM, &on_interrupt, nullptr);
  ::sigaction(SIGHUP, &on_interrupt, nullptr);

  // The loop has its own deadline. This one is for a call that does not come back; the consumer
  // notices the end of this process by itself.
  struct sigaction on_alarm {};
  on_alarm.sa_handler = [](int) {
    constexpr char text[] = "\npayments: stuck, and past the deadline: gave up\n";
    static_cast<void>(!::write(STDERR_FILENO, text, sizeof text - 1));
    ::_exit(1);
  };
  ::sigaction(SIGALRM, &on_alarm, nullptr);
  ::alarm(static_cast<unsigned>((timeout + grace_of_last_resort).count()));
}

// The directory of the files: the one asked for, or a temporary one which goes away again.
class Directory {
 public:
  explicit Directory(const std::filesystem::path& wanted) : temporary_(wanted.empty()) {
    if (temporary_) {
      std::string pattern =
          (std::filesystem::temp_directory_path() / "idem-payments-XXXXXX").string();
      if (::mkdtemp(pattern.data()) == nullptr) {
        throw std::system_error(errno, std::generic_category(), "no temporary directory");
      }
      files_.dir = pattern;
    } else {
      std::error_code problem;
      std::filesystem::create_directories(wanted, problem);
      if (problem)
        throw UsageError("--dir " + wanted.string() + " cannot be made: " + problem.message());
      if (!std::filesystem::is_empty(wanted)) {
        throw UsageError("--dir " + wanted.string() +
                         " is not empty: this run would mix with an older one");
      }
      files_.dir = std::filesystem::absolute(wanted);
    }
  }

  ~Directory() {
    std::error_code ignored;
    if (temporary_) std::filesystem::remove_all(files_.dir, ignored);
  }

  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  const Files& files() const { return files_; }

 private:
  bool temporary_;
  Files files_;
};

struct PlannedKill {
  // At a random moment: as soon as so many messages were delivered, over all lives.
  std::int64_t after_places = 0;
  // Or at a chosen place, where the consumer itself stops.
  Pause pause{};
};

// All that is random about the run.
struct Plan {
  std::vector<PlannedKill> kills;
  ProducerPlan producer;
  std::int64_t max_backlog = 0;  // how far the producer may be ahead of the consumer
};

Plan make_plan(const Options& options, std::size_t messages, Random& random) {
  constexpr std::size_t most_in_the_air = 500;
  Plan plan;
  const auto lives = static_cast<std::size_t>(options.kills) + 3;
  const std::size_t share = messages / lives;  // of the messages, for one life
  // The producer stays so little ahead that no consumer can drain the topic before its kill.
  plan.max_backlog = static_cast<std::int64_t>(std::min(most_in_the_air, share / 2));

  for (std::size_t life = 0; life + 1 < lives; ++life) {
    plan.kills.push_back(
        {.after_places = static_cast<std::int64_t>(share * life + random.between(1, share - 1))});
  }
  const std::size_t mid_charge = random.between(0, plan.kills.size() - 1);
  const std::size_t step = random.between(1, plan.kills.size() - 1);
  const std::size_t before_commit = (mid_charge + step) % plan.kills.size();
  const int at_charge = static_cast<int>(random.between(2, share / 2));
  plan.kills[mid_charge].pause = {Pause::Where::mid_charge, at_charge};
  plan.kills[before_commit].pause = {Pause::Where::before_commit, at_charge};

  ProducerPlan& producer = plan.producer;
  producer.window = static_cast<std::size_t>(plan.max_backlog);
  producer.crash_at = messages * random.between(45, 60) / 100;
  producer.resume_from = producer.crash_at - messages * random.between(3, 8) / 100;
  // Two before the crash, two after it.
  for (const auto& [smallest, largest] : {std::pair{5, 20}, {25, 40}, {65, 75}, {80, 90}}) {
    producer.slow_acks.push_back(
        messages *
        random.between(static_cast<std::size_t>(smallest), static_cast<std::size_t>(largest)) /
        100);
  }
  return plan;
}

// One line that overwrites itself on a terminal, and a line now and then elsewhere.
class Progress {
 public:
  template <class Line>
  void show(Line line) {
    const auto now = Clock::now();
    if (now < next_) return;
    next_ = now + (terminal_ ? 100ms : 2000ms);
    if (terminal_) {
      std::cerr << "\r\x1b[K" << line() << std::flush;
    } else {
      std::cerr << line() << std::endl;
    }
  }

  void clear() {
    if (terminal_) std::cerr << "\r\x1b[K" << std::flush;
  }

  ~Progress() { clear(); }

 private:
  bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  Clock::time_point next_{};
};

class Demonstration {
 public:
  Demonstration(const Options& options, const Files& files, const Outbox& outbox, Plan plan)
      : options_(options),
        files_(files),
        outbox_(outbox),
        plan_(std::move(plan)),
        broker_(topic, options.partitions),
        producer_(outbox, broker_, plan_.producer),
        deadline_(Clock::now() + options.timeout) {}

  void play() {
    start_consumer();
    while (!everything_was_delivered()) {
      check_the_time();
      producer_.step(room());
      take(consumer_->follow());
      if (kill_is_due()) kill();
      progress_.show([this] { return state(); });
      std::this_thread::sleep_for(pause_between_looks);
    }
    take(consumer_->finish(patience_at_the_end));
    progress_.clear();
  }

  const Deliveries& deliveries() const { return deliveries_; }
  const std::vector<Kill>& kills() const { return kills_; }

 private:
  void start_consumer() {
    ++life_;
    ConsumerOptions consumer{.brokers = broker_.address(),
                             .partitions = options_.partitions,
                             .dir = files_.dir,
                             .life = life_,
                             .seed = options_.seed + static_cast<std::uint64_t>(life_),
                             .dedup = options_.dedup,
                             .restart = options_.restart};
    if (const PlannedKill* const next = next_kill()) consumer.pause = next->pause;
    consumer_ = std::make_unique<ConsumerProcess>(consumer);
  }

  const PlannedKill* next_kill() const {
    return kills_.size() < plan_.kills.size() ? &plan_.kills[kills_.size()] : nullptr;
  }

  void take(const std::vector<JournalEntry>& entries) {
    for (const JournalEntry& entry : entries) deliveries_.add(life_, entry);
  }

  std::size_t room() const {
    const std::int64_t backlog = producer_.appended() - deliveries_.places();
    return static_cast<std::size_t>(std::max<std::int64_t>(0, plan_.max_backlog - backlog));
  }

  bool kill_is_due() const {
    const PlannedKill* const next = next_kill();
    if (next == nullptr) return false;
    return next->pause.where == Pause::Where::nowhere ? deliveries_.places() >= next->after_places
                                                      : consumer_->paused();
  }

  void kill() {
    std::vector<JournalEntry> entries;
    const bool killed = consumer_->kill_if_in_flight(entries);
    take(entries);
    if (!killed) return;
    kills_.push_back({life_, next_kill()->pause.where, consumer_->in_flight()});
    start_consumer();
  }

  bool everything_was_delivered() {
    if (!producer_.finished() || next_kill() != nullptr || !consumer_->in_flight().empty() ||
        deliveries_.places() < producer_.appended()) {
      return false;
    }
    // Copies whose acknowledgement never came are in the topic too: only the broker knows them all.
    return deliveries_.places() == broker_.messages();
  }

  void check_the_time() const {
    if (interrupted != 0) throw std::runtime_error("interrupted");
    if (Clock::now() < deadline_) return;
    throw std::runtime_error("not done after " + std::to_string(options_.timeout.count()) +
                             " s, gave up at: " + state());
  }

  // Fits on a terminal of 80 columns.
  std::string state() const {
    return "published " + grouped(static_cast<std::int64_t>(producer_.published())) + " of " +
           grouped(std::ssize(outbox_.messages)) + ", delivered " +
           grouped(deliveries_.counts().all()) + ", charged " +
           grouped(static_cast<std::int64_t>(deliveries_.counts().charged)) + ", killed " +
           std::to_string(kills_.size()) + " of " + std::to_string(plan_.kills.size());
  }

  const Options& options_;
  const Files& files_;
  const Outbox& outbox_;
  Plan plan_;
  kafka::Broker broker_;
  Producer producer_;
  Clock::time_point deadline_;
  Progress progress_;
  int life_ = 0;
  std::unique_ptr<ConsumerProcess> consumer_;
  Deliveries deliveries_;
  std::vector<Kill> kills_;
};

}  // namespace

bool run(const Options& options) {
  install_signal_handlers(options.timeout);
  const auto begin = Clock::now();
  const Directory directory(options.dir);
  const Files& files = directory.files();

  Random random(options.seed);
  const Outbox outbox = make_outbox(static_cast<std::size_t>(options.orders), random);
  write_published(files.published(), outbox.orders);

  Demonstration demonstration(options, files, outbox,
                              make_plan(options, outbox.messages.size(), random));
  demonstration.play();

  const Outcome outcome = read_outcome(files, outbox);
  const Run result{.options = options,
                   .outbox = outbox,
                   .deliveries = demonstration.deliveries(),
                   .kills = demonstration.kills(),
                   .outcome = outcome,
                   .seconds = std::chrono::duration<double>(Clock::now() - begin).count()};
  print(std::cout, result);
  const std::vector<std::string> faults = find_faults(result);
  std::cout << std::flush;
  for (const std::string& fault : faults) std::cerr << "FAILED: " << fault << '\n';
  if (faults.empty()) {
    std::cout << (options.dedup
                      ? "Every order was charged once."
                      : "As expected, orders were charged more than once: the duplicates are real.")
              << '\n';
  }
  if (!std::cout.flush()) throw std::runtime_error("the table could not be printed");
  return faults.empty();
}

}  // namespace payments
