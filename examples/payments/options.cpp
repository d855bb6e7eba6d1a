#include "options.hpp"

#include <charconv>
#include <limits>
#include <system_error>

namespace payments {
namespace {

// The mock broker keeps at most 5 MiB a partition and silently drops the oldest beyond that. A
// message takes about 120 bytes there, and every copy counts.
constexpr int max_orders_per_partition = 15'000;

// Fewer, and there is nothing in flight left to be killed over.
constexpr int min_orders_per_life = 50;

class Cursor {
 public:
  explicit Cursor(const std::vector<std::string>& arguments) : arguments_(arguments) {}

  bool done() const { return next_ == arguments_.size(); }

  const std::string& take() { return arguments_[next_++]; }

  const std::string& value_of(const std::string& option) {
    if (done()) throw UsageError(option + " needs a value");
    return take();
  }

  template <class Number>
  Number number_of(const std::string& option, Number smallest, Number largest) {
    const std::string& text = value_of(option);
    Number number{};
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || stop != end || number < smallest || number > largest) {
      throw UsageError(option + " must be a whole number from " + std::to_string(smallest) +
                       " to " + std::to_string(largest) + ", not \"" + text + "\"");
    }
    return number;
  }

 private:
  const std::vector<std::string>& arguments_;
  std::size_t next_ = 0;
};

void check(const Options& options) {
  if (!options.dedup && options.restart == Restart::snapshot)
    throw UsageError("--restart snapshot needs something to save: not with --no-dedup");
  const int least_orders = min_orders_per_life * (options.kills + 3);
  if (options.orders < least_orders) {
    throw UsageError("--orders " + std::to_string(options.orders) + " is too few for --kills " +
                     std::to_string(options.kills) + ": at least " + std::to_string(least_orders) +
                     " are needed, so that messages are in flight at every kill");
  }
  const int most_orders = max_orders_per_partition * options.partitions;
  if (options.orders > most_orders) {
    throw UsageError("--orders " + std::to_string(options.orders) +
                     " is too many for --partitions " + std::to_string(options.partitions) +
                     ": the in-process broker holds about " +
                     std::to_string(max_orders_per_partition) + " orders a partition");
  }
}

Restart parse_restart(const std::string& text) {
  if (text == "log") return Restart::log;
  if (text == "snapshot") return Restart::snapshot;
  throw UsageError("--restart must be log or snapshot, not \"" + text + "\"");
}

constexpr const char* pause_names[] = {"nowhere", "mid-charge", "before-commit"};

}  // namespace

std::string usage() {
  return "Charges every order once, over the Kafka protocol, while the consumer is killed again "
         "and again.\n"
         "\n"
         "usage: payments [options]\n"
         "  --orders N      orders to publish (default 20000)\n"
         "  --partitions N  partitions of the topic, 1 to 64 (default 4)\n"
         "  --kills N       SIGKILLs of the consumer at random moments, 0 to 100 (default 10); two "
         "come on top:\n"
         "                  one between a charge and the offset commit, one in the middle of "
         "writing a charge\n"
         "  --seed N        seed of the orders, the faults and the kills (default 1)\n"
         "  --restart HOW   what a restarted consumer goes on from: log (default), the ledger; or\n"
         "                  snapshot, the set as it was saved with its offsets, and the messages "
         "since\n"
         "  --no-dedup      charge whatever is delivered; fails if that does no damage\n"
         "  --dir DIR       put the files there and keep them; also spelled --keep\n"
         "                  (default: a temporary directory, removed afterwards)\n"
         "  --timeout N     give up after N seconds (default 300)\n"
         "  --help          this text\n"
         "\n"
         "exit status: 0 every order was charged once (with --no-dedup: the expected damage was "
         "seen),\n"
         "             1 it was not, or the run itself failed, 2 the options make no sense\n";
}

Options parse_options(const std::vector<std::string>& arguments) {
  Options options;
  Cursor cursor(arguments);
  while (!cursor.done()) {
    const std::string option = cursor.take();
    if (option == "--orders") {
      options.orders = cursor.number_of(option, 1, 1'000'000);
    } else if (option == "--partitions") {
      options.partitions = cursor.number_of(option, 1, 64);
    } else if (option == "--kills") {
      options.kills = cursor.number_of(option, 0, 100);
    } else if (option == "--seed") {
      options.seed =
          cursor.number_of<std::uint64_t>(option, 0, std::numeric_limits<std::uint64_t>::max());
    } else if (option == "--timeout") {
      options.timeout = std::chrono::seconds(cursor.number_of(option, 1, 86'400));
    } else if (option == "--dir" || option == "--keep") {
      options.dir = cursor.value_of(option);
      if (options.dir.empty()) throw UsageError(option + " needs a directory");
    } else if (option == "--restart") {
      options.restart = parse_restart(cursor.value_of(option));
    } else if (option == "--no-dedup") {
      options.dedup = false;
    } else if (option == "--help" || option == "-h") {
      options.help = true;
    } else {
      throw UsageError("there is no option \"" + option + "\"; --help lists them all");
    }
  }
  if (!options.help) check(options);
  return options;
}

std::vector<std::string> to_arguments(const ConsumerOptions& options) {
  std::vector<std::string> arguments = {
      consume_command,
      "--brokers",
      options.brokers,
      "--partitions",
      std::to_string(options.partitions),
      "--dir",
      options.dir.string(),
      "--life",
      std::to_string(options.life),
      "--seed",
      std::to_string(options.seed),
  };
  if (!options.dedup) arguments.emplace_back("--no-dedup");
  if (options.restart == Restart::snapshot) {
    arguments.emplace_back("--restart");
    arguments.emplace_back("snapshot");
  }
  if (options.pause.where != Pause::Where::nowhere) {
    arguments.emplace_back("--pause");
    arguments.emplace_back(pause_names[static_cast<int>(options.pause.where)]);
    arguments.emplace_back("--at-charge");
    arguments.emplace_back(std::to_string(options.pause.at_charge));
  }
  return arguments;
}

ConsumerOptions parse_consumer_options(const std::vector<std::string>& arguments) {
  constexpr int any = std::numeric_limits<int>::max();
  ConsumerOptions options;
  Cursor cursor(arguments);
  while (!cursor.done()) {
    const std::string option = cursor.take();
    if (option == "--brokers") {
      options.brokers = cursor.value_of(option);
    } else if (option == "--partitions") {
      options.partitions = cursor.number_of(option, 1, any);
    } else if (option == "--dir") {
      options.dir = cursor.value_of(option);
    } else if (option == "--life") {
      options.life = cursor.number_of(option, 1, any);
    } else if (option == "--seed") {
      options.seed =
          cursor.number_of<std::uint64_t>(option, 0, std::numeric_limits<std::uint64_t>::max());
    } else if (option == "--no-dedup") {
      options.dedup = false;
    } else if (option == "--restart") {
      options.restart = parse_restart(cursor.value_of(option));
    } else if (option == "--pause") {
      const std::string& where = cursor.value_of(option);
      if (where == pause_names[1]) {
        options.pause.where = Pause::Where::mid_charge;
      } else if (where == pause_names[2]) {
        options.pause.where = Pause::Where::before_commit;
      } else {
        throw UsageError("no consumer can pause at \"" + where + "\"");
      }
    } else if (option == "--at-charge") {
      options.pause.at_charge = cursor.number_of(option, 1, any);
    } else {
      throw UsageError("a consumer has no option \"" + option + "\"");
    }
  }
  if (options.brokers.empty() || options.partitions == 0 || options.dir.empty() ||
      options.life == 0) {
    throw UsageError("a consumer is started by payments itself");
  }
  return options;
}

std::filesystem::path Files::journal(int life) const {
  return dir / ("journal-" + std::to_string(life) + ".txt");
}

}  // namespace payments
