#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include <idem/testing/testing.hpp>

#include "guarantees/protocols.hpp"
#include "support/soak.hpp"

// Every protocol under every schedule of faults, and docs/guarantees.md compared with what came out.
//
//   IDEM_REPLAY="insert, then process: crash: crash@1"   prints the steps of one run of the table

namespace {

using namespace protocols;
using idem::testing::replay;
using idem::testing::Schedule;
using idem::testing::simulate;
using idem::testing::SimulationOptions;
using idem::testing::SimulationReport;
using idem::testing::Takeover;
using idem_test::soaked;

// What a protocol promises when only the process and the calls fail, and stores keep what they
// acknowledged.
enum class Promise { nothing, at_most_once, at_most_once_or_parked, at_least_once, exactly_once };

struct Protocol {
  std::string name;  // its line in the document begins with that
  Promise promise;
  Takeover takeover;  // in the column of the pause
  bool has_timer;
  std::function<SimulationReport(const SimulationOptions&)> run;
  std::function<std::string(const SimulationOptions&, const Schedule&)> steps;
};

template <class P>
Protocol protocol(std::string name, Promise promise, Takeover takeover = Takeover::process) {
  using Outside = typename P::Outside;
  return {name, promise, takeover, requires(P & process){process.on_timer();
}
, [](const SimulationOptions& with) { return simulate<Outside, P>(with); },
    [](const SimulationOptions& with, const Schedule& schedule) {
      return replay<Outside, P>(with, schedule);
    }
};
}

std::vector<Protocol> all_protocols() {
  return {
      protocol<NoDedup>("no deduplication", Promise::at_least_once),
      protocol<RecordThenProcess>("insert, then process", Promise::at_most_once),
      protocol<ClaimCommitThenProcess<>>("claim, commit, then process", Promise::at_most_once),
      protocol<ProcessThenRecord>("process, then insert", Promise::at_least_once),
      protocol<ClaimThenProcess<Effect::plain>>("claim, process, commit", Promise::at_least_once),
      protocol<ClaimThenProcess<Effect::checks_token>>("the same, the sink refuses older tokens",
                                                       Promise::at_least_once),
      protocol<ClaimThenProcess<Effect::plain, 1>>("the same, a claim that ran out is parked",
                                                   Promise::at_most_once_or_parked),
      protocol<ClaimThenProcess<Effect::idempotent>>("the same, the sink is idempotent by key",
                                                     Promise::exactly_once),
      protocol<Inbox>("inbox, one transaction", Promise::exactly_once),
      protocol<Outbox<false>>("outbox, downstream plain", Promise::at_least_once),
      protocol<Outbox<true>>("outbox, downstream deduplicates", Promise::exactly_once),
      protocol<InMemory<>>("claims in memory, nothing survives", Promise::at_least_once,
                           Takeover::thread),
      protocol<SnapshotByTimer<false>>("snapshot by a timer, offsets apart",
                                       Promise::at_least_once),
      protocol<SnapshotByTimer<true>>("the same, the key before its effect", Promise::nothing),
      protocol<SnapshotWithOffset<false>>("snapshot with its offset, seek", Promise::at_least_once),
      protocol<SnapshotWithOffset<true>>("the same, the sink idempotent by key",
                                         Promise::exactly_once),
      protocol<EffectLog<false>>("rebuilt from the effect log", Promise::at_least_once),
      protocol<EffectLog<true>>("the same, one owner, read again when in doubt",
                                Promise::exactly_once),
      protocol<OneTransaction<false>>("set, offset and effect in one transaction",
                                      Promise::at_least_once),
      protocol<OneTransaction<true>>("the same, the owner's epoch in it", Promise::exactly_once),
  };
}

struct Column {
  std::string name;
  std::vector<SimulationOptions> (*options)(const Protocol&);
};

// With one firing of the timer somewhere besides, where there is a timer.
std::vector<SimulationOptions> beside_timer(const Protocol& protocol,
                                            std::vector<SimulationOptions> all) {
  if (!protocol.has_timer) return all;
  for (std::size_t i = 0, count = all.size(); i < count; ++i) {
    SimulationOptions with = all[i];
    with.timers = 1;
    if (with.min_faults != 0) ++with.min_faults;
    ++with.max_faults;
    all.push_back(with);
  }
  return all;
}

const std::vector<Column>& columns() {
  static const std::vector<Column> all{
      {"crash",
       [](const Protocol& protocol) {
         if (protocol.has_timer) return std::vector{SimulationOptions{.crashes = 2, .timers = 2}};
         return std::vector{SimulationOptions{.crashes = 3}};
       }},
      {"pause",
       [](const Protocol& protocol) {
         return beside_timer(protocol, {{.copies = 1,
                                         .crashes = 0,
                                         .pauses = 1,
                                         .min_faults = 1,
                                         .takeover = protocol.takeover}});
       }},
      {"failed call",
       [](const Protocol& protocol) {
         return beside_timer(protocol, {{.copies = 1, .crashes = 0, .refusals = 1, .min_faults = 1},
                                        {.copies = 1, .crashes = 0, .lies = 1, .min_faults = 1}});
       }},
      {"forgetful store",
       [](const Protocol& protocol) {
         return beside_timer(protocol, {{.copies = 1, .crashes = 1, .amnesias = 1},
                                        {.copies = 2, .crashes = 1, .amnesias = 1}});
       }},
  };
  return all;
}

// All runs of a cell as if they were of one report, whose worst is that of the worst part.
SimulationReport report_of(const Protocol& protocol, const Column& column) {
  SimulationReport all;
  for (const SimulationOptions& options : column.options(protocol)) {
    const SimulationReport part = protocol.run(options);
    if (all.runs == 0) {
      all = part;
      continue;
    }
    if (part.lost + part.stuck + part.violations != 0 || part.max_effects > all.max_effects) {
      all.worst = part.worst;
    }
    all.runs += part.runs;
    all.steps += part.steps;
    all.min_effects = std::min(all.min_effects, part.min_effects);
    all.max_effects = std::max(all.max_effects, part.max_effects);
    all.lost += part.lost;
    all.parked += part.parked;
    all.stuck += part.stuck;
    all.violations += part.violations;
  }
  return all;
}

// The cells of the document's table by the name of their line.
std::map<std::string, std::vector<std::string>> cells_of_the_document() {
  std::ifstream file(IDEM_GUARANTEES_MD);
  std::map<std::string, std::vector<std::string>> lines;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() != '|') continue;
    std::vector<std::string> cells;
    std::istringstream text(line.substr(1));
    for (std::string item; std::getline(text, item, '|');) {
      std::string plain;
      for (const char c : item) {
        if (c != '*' && c != '`') plain += c;
      }
      const auto from = plain.find_first_not_of(' ');
      const auto to = plain.find_last_not_of(' ');
      cells.push_back(from == std::string::npos ? "" : plain.substr(from, to - from + 1));
    }
    if (cells.size() != columns().size() + 1) continue;
    lines[cells.front()] = {cells.begin() + 1, cells.end()};
  }
  return lines;
}

TEST_CASE("the table of docs/guarantees.md, cell by cell") {
  const auto document = cells_of_the_document();
  std::uint64_t runs = 0;
  std::string table;
  for (const Protocol& protocol : all_protocols()) {
    CAPTURE(protocol.name);
    const auto line = document.find(protocol.name);
    CHECK(line != document.end());
    table += "| " + protocol.name;
    for (std::size_t i = 0; i < columns().size(); ++i) {
      CAPTURE(columns()[i].name);
      const SimulationReport report = report_of(protocol, columns()[i]);
      const std::string found = effects(report);
      runs += report.runs;
      table += " | " + found;
      CAPTURE(to_string(report));
      if (line != document.end()) CHECK(found == line->second[i]);
    }
    table += " |\n";
  }
  std::cout << table << runs << " runs\n";
  CHECK(runs > 5'000);
}

void check_promise(const Protocol& protocol, const SimulationReport& report) {
  const bool stands = report.violations == 0 && report.stuck == 0;
  switch (protocol.promise) {
    case Promise::nothing:
      CHECK(stands);
      break;
    case Promise::at_most_once:
      CHECK(stands);
      CHECK(report.max_effects <= 1);
      break;
    case Promise::at_most_once_or_parked:
      CHECK(stands);
      CHECK(report.max_effects <= 1);
      CHECK(report.lost == 0);
      break;
    case Promise::at_least_once:
      CHECK(report.is_at_least_once());
      break;
    case Promise::exactly_once:
      CHECK(report.is_exactly_once());
      break;
  }
}

SimulationOptions random_faults() {
  return {.messages = 3,
          .copies = 2,
          .crashes = 3,
          .pauses = 3,
          .refusals = 2,
          .lies = 2,
          .timers = 2,
          .workers = 4,
          .seeds = soaked(1'000)};
}

TEST_CASE("random faults of every kind, three messages, four workers, each a process") {
  for (const Protocol& protocol : all_protocols()) {
    const SimulationReport report = protocol.run(random_faults());
    CAPTURE(protocol.name);
    CAPTURE(to_string(report));
    check_promise(protocol, report);
    CHECK(report.runs == soaked(1'000));
    // The faults bite where nothing is there against them.
    if (protocol.promise == Promise::at_least_once) CHECK(report.max_effects > 2);
    if (protocol.promise == Promise::at_most_once) CHECK(report.lost > 0);
    if (protocol.promise == Promise::at_most_once_or_parked) CHECK(report.parked > 0);
  }
}

TEST_CASE("claims in memory: threads of one process are told apart, other processes are not") {
  using InMemory = protocols::InMemory<>;
  SimulationOptions options{.copies = 1, .crashes = 0, .pauses = 1, .min_faults = 1};
  options.takeover = Takeover::thread;
  CHECK(effects(simulate<InMemory::Outside, InMemory>(options)) == "1..2");
  options.takeover = Takeover::process;
  CHECK(effects(simulate<InMemory::Outside, InMemory>(options)) == "2..2");
}

TEST_CASE("the effect log under threads: a lease that runs out lets another thread append too") {
  SimulationOptions options{.copies = 1, .crashes = 1, .pauses = 1};
  options.takeover = Takeover::thread;
  using WithLease = EffectLog<true>;
  CHECK(effects(simulate<WithLease::Outside, WithLease>(options)) == "1..2");
  using WithoutEnd = EffectLog<true, true>;
  CHECK(effects(simulate<WithoutEnd::Outside, WithoutEnd>(options)) == "1..1");
  options.takeover = Takeover::process;
  CHECK(effects(simulate<WithoutEnd::Outside, WithoutEnd>(options)) == "1..1");
}

// As asked for by IDEM_REPLAY.
TEST_CASE("replay of one run") {
  const char* const asked = std::getenv("IDEM_REPLAY");
  if (asked == nullptr) return;
  const std::string text = asked;
  const auto first = text.find(": "), second = text.find(": ", first + 1);
  if (second == std::string::npos) {
    throw std::invalid_argument("IDEM_REPLAY is 'PROTOCOL: COLUMN: SCHEDULE'");
  }
  for (const Protocol& protocol : all_protocols()) {
    if (protocol.name != text.substr(0, first)) continue;
    const std::string name = text.substr(first + 2, second - first - 2);
    const Schedule schedule = idem::testing::parse_schedule(text.substr(second + 2));
    if (name == "random") {
      std::cout << protocol.steps(random_faults(), schedule);
      return;
    }
    for (const Column& column : columns()) {
      if (column.name != name) continue;
      for (const SimulationOptions& options : column.options(protocol)) {
        std::cout << protocol.steps(options, schedule);
      }
      return;
    }
  }
  throw std::invalid_argument("IDEM_REPLAY names no protocol or column of the table");
}

}  // namespace
