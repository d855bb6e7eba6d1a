#include "report.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <ostream>
#include <stdexcept>

namespace payments {
namespace {

std::ifstream open(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return file;
}

void row(std::ostream& out, const std::string& what, const std::string& number,
         const std::string& note = "") {
  std::array<char, 200> line{};
  std::snprintf(line.data(), line.size(), "  %-35s %9s%s%s", what.c_str(), number.c_str(),
                note.empty() ? "" : "  ", note.c_str());
  out << line.data() << '\n';
}

std::string fraction(double number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", number);
  return text.data();
}

double ratio(std::uint64_t dividend, std::uint64_t divisor) {
  return divisor == 0 ? 0 : static_cast<double>(dividend) / static_cast<double>(divisor);
}

double median(std::vector<double> numbers) {
  if (numbers.empty()) return 0;
  const auto middle = numbers.begin() + std::ssize(numbers) / 2;
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

}  // namespace

std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  const std::ptrdiff_t first_digit = number < 0 ? 1 : 0;
  for (std::ptrdiff_t at = std::ssize(text) - 3; at > first_digit; at -= 3) {
    text.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return text;
}

bool Deliveries::first_time_here(int life, const JournalEntry& entry) {
  const auto partition = static_cast<std::size_t>(entry.partition);
  const auto offset = static_cast<std::size_t>(entry.offset);
  if (last_life_.size() <= partition) last_life_.resize(partition + 1);
  std::vector<int>& log = last_life_[partition];
  if (log.size() <= offset) log.resize(offset + 1, 0);
  const bool first = log[offset] == 0;
  if (first) ++places_;
  log[offset] = life;
  return first;
}

void Deliveries::add(int life, const JournalEntry& entry) {
  switch (entry.kind) {
    case JournalEntry::Kind::started:
      counts_.charged = entry.charged;
      counts_.clock_ns = entry.clock_ns;
      if (entry.torn_bytes != 0) counts_.found_torn_line.push_back(life);
      break;
    case JournalEntry::Kind::order: {
      if (!first_time_here(life, entry)) {
        ++counts_.redelivered;
        break;
      }
      std::vector<std::string>& runs = runs_[entry.id];
      if (runs.empty()) {
        ++counts_.first_copies;
      } else if (std::find(runs.begin(), runs.end(), entry.run) != runs.end()) {
        ++counts_.resent;
        break;
      } else {
        ++counts_.restarted;
      }
      runs.push_back(entry.run);
      break;
    }
    case JournalEntry::Kind::reject:
      first_time_here(life, entry);
      ++counts_.rejects;
      break;
    case JournalEntry::Kind::committing:
      counts_.charged = entry.charged;
      if (entry.verdicts != 0) {
        counts_.ns_per_verdict.push_back(ratio(entry.verdict_ns, entry.verdicts));
      }
      counts_.memory_bytes = entry.memory_bytes;
      counts_.out_of_order += entry.out_of_order;
      counts_.known_done += entry.known_done;
      counts_.redone += entry.redone;
      break;
    case JournalEntry::Kind::paused:
      break;
  }
}

bool Deliveries::again_after(int life, const std::vector<Place>& places) const {
  return std::any_of(places.begin(), places.end(), [&](const Place& place) {
    const auto& [partition, offset] = place;
    return last_life_[static_cast<std::size_t>(partition)][static_cast<std::size_t>(offset)] > life;
  });
}

Outcome read_outcome(const Files& files, const Outbox& outbox) {
  Outcome outcome;
  std::unordered_map<std::string, std::int64_t> charges;
  for (const Order& order : outbox.orders) charges.emplace(order.id, 0);
  std::ifstream ledger = open(files.ledger());
  for (std::string line; std::getline(ledger, line);) {
    ++outcome.charges;
    const auto found = charges.find(line.substr(0, line.find(' ')));
    if (found == charges.end()) {
      ++outcome.unknown;
    } else {
      ++found->second;
    }
  }
  for (const auto& [id, times] : charges) {
    if (times == 0) ++outcome.missing;
    if (times > 1) ++outcome.charged_twice;
  }

  outcome.lost_rejects = outbox.bad_payloads;
  std::ifstream rejects = open(files.rejects());
  for (std::string line; std::getline(rejects, line);) {
    std::erase_if(outcome.lost_rejects, [&](const std::string& payload) {
      return line.find('"' + payload + '"') != std::string::npos;
    });
  }
  return outcome;
}

void print(std::ostream& out, const Run& run) {
  const Options& options = run.options;
  const DeliveryCounts& counts = run.deliveries.counts();
  const Outcome& outcome = run.outcome;
  const std::int64_t orders = std::ssize(run.outbox.orders);

  out << '\n'
      << grouped(orders) << " orders, " << options.partitions
      << (options.partitions == 1 ? " partition" : " partitions") << ", seed " << options.seed
      << ", " << fraction(run.seconds) << " s" << (options.dedup ? "" : ", WITHOUT idem") << "\n\n";
  row(out, "published", grouped(orders), "distinct orders");
  row(out, "delivered", grouped(counts.all()), "messages");
  row(out, "  first copies", grouped(counts.first_copies));
  row(out, "  duplicates", grouped(counts.orders() - counts.first_copies));
  row(out, "    librdkafka sent a batch again", grouped(counts.resent),
      "same order and run, other offset");
  row(out, "    the producer restarted", grouped(counts.restarted), "same order, other run");
  row(out, "    the consumer was killed", grouped(counts.redelivered), "same partition and offset");
  row(out, "  rejects", grouped(counts.rejects),
      std::to_string(run.outbox.bad_payloads.size()) + " messages that are no orders");
  out << '\n';
  row(out, "consumer killed with SIGKILL", grouped(std::ssize(run.kills)),
      std::to_string(options.kills) + " at random, 1 in mid-charge, 1 before a commit");
  row(out, "torn last lines cut off the ledger", grouped(std::ssize(counts.found_torn_line)));
  if (options.dedup) {
    row(out, "completed out of order", grouped(static_cast<std::int64_t>(counts.out_of_order)),
        "before a lower offset of the partition");
    if (options.restart == Restart::log) {
      row(out, "redeliveries known by the offsets",
          grouped(static_cast<std::int64_t>(counts.known_done)),
          "done beyond the committed offset");
    } else {
      row(out, "charges redone after a snapshot", grouped(static_cast<std::int64_t>(counts.redone)),
          "refused by the ledger, which knew the id");
    }
  }
  out << '\n';
  if (options.dedup) {
    row(out, "charged without idem", grouped(counts.orders()), "every delivery of an order");
    row(out, "charged with idem", grouped(outcome.charges), "lines in the ledger");
  } else {
    row(out, "charged without idem", grouped(outcome.charges), "lines in the ledger");
  }
  row(out, "orders charged more than once", grouped(outcome.charged_twice));
  row(out, "orders missing", grouped(outcome.missing));
  if (options.dedup) {
    out << '\n';
    row(out, "ns per verdict", fraction(median(counts.ns_per_verdict)),
        "claim and commit; 1 or 2 readings of the clock (" + std::to_string(counts.clock_ns) +
            " ns) included");
    row(out, "bytes per id", fraction(ratio(counts.memory_bytes, counts.charged)));
  }
  out << '\n';
}

std::vector<std::string> find_faults(const Run& run) {
  const DeliveryCounts& counts = run.deliveries.counts();
  const Outcome& outcome = run.outcome;
  std::vector<std::string> faults;
  const auto expect = [&](bool holds, const std::string& fault) {
    if (!holds) faults.push_back(fault);
  };

  // The orders.
  expect(outcome.missing == 0, grouped(outcome.missing) + " orders were never charged");
  expect(outcome.unknown == 0,
         grouped(outcome.unknown) + " charges are of orders that nobody published");
  if (run.options.dedup) {
    expect(outcome.charged_twice == 0,
           grouped(outcome.charged_twice) + " orders were charged more than once");
    expect(counts.out_of_order > 0, "nothing was completed out of order");
    if (run.options.restart == Restart::snapshot && !run.kills.empty())
      expect(counts.redone > 0, "no charge was redone after a snapshot: the run shows nothing");
  } else {
    expect(outcome.charged_twice > 0,
           "without idem no order was charged twice: this run can show nothing");
  }
  for (const std::string& payload : outcome.lost_rejects) {
    faults.push_back("the message \"" + payload +
                     "\" is neither an order nor among the rejects: it was lost");
  }

  // That the run was as hard as it claims to be.
  expect(counts.first_copies == std::ssize(run.outbox.orders), "not every order was delivered");
  expect(counts.resent > 0, "librdkafka never sent a batch again");
  expect(counts.restarted > 0, "the restart of the producer duplicated nothing");
  for (const Kill& kill : run.kills) {
    const std::string which = "the kill of consumer " + std::to_string(kill.life);
    expect(run.deliveries.again_after(kill.life, kill.in_flight), which + " led to no redelivery");
    if (kill.where == Pause::Where::mid_charge) {
      const std::vector<int>& finders = counts.found_torn_line;
      expect(std::find(finders.begin(), finders.end(), kill.life + 1) != finders.end(),
             which + " left no torn line in the ledger");
    }
  }
  return faults;
}

}  // namespace payments
