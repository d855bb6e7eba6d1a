#include "journal.hpp"

#include <array>
#include <sstream>
#include <stdexcept>

namespace payments {
namespace {

JournalEntry parse(const std::string& line) {
  std::istringstream text(line);
  char kind = 0;
  std::size_t open = 0;
  text >> kind;
  JournalEntry entry{.kind = JournalEntry::Kind{kind}};
  switch (entry.kind) {
    case JournalEntry::Kind::started:
      text >> entry.charged >> entry.torn_bytes >> entry.clock_ns;
      break;
    case JournalEntry::Kind::order:
      text >> entry.partition >> entry.offset >> entry.id >> entry.run;
      break;
    case JournalEntry::Kind::reject:
      text >> entry.partition >> entry.offset;
      break;
    case JournalEntry::Kind::committing:
      text >> entry.charged >> entry.verdicts >> entry.verdict_ns >> entry.memory_bytes >>
          entry.out_of_order >> entry.known_done >> entry.redone >> open;
      for (Place place; open > 0 && text >> place.first >> place.second; --open) {
        entry.open.push_back(place);
      }
      break;
    case JournalEntry::Kind::paused:
      break;
    default:
      text.setstate(std::ios::failbit);
  }
  if (!text) throw std::runtime_error("a journal has a line that nobody understands: " + line);
  return entry;
}

}  // namespace

void JournalWriter::write(const JournalEntry& entry) {
  std::ostringstream line;
  line << static_cast<char>(entry.kind);
  switch (entry.kind) {
    case JournalEntry::Kind::started:
      line << ' ' << entry.charged << ' ' << entry.torn_bytes << ' ' << entry.clock_ns;
      break;
    case JournalEntry::Kind::order:
      line << ' ' << entry.partition << ' ' << entry.offset << ' ' << entry.id << ' ' << entry.run;
      break;
    case JournalEntry::Kind::reject:
      line << ' ' << entry.partition << ' ' << entry.offset;
      break;
    case JournalEntry::Kind::committing:
      line << ' ' << entry.charged << ' ' << entry.verdicts << ' ' << entry.verdict_ns << ' '
           << entry.memory_bytes << ' ' << entry.out_of_order << ' ' << entry.known_done << ' '
           << entry.redone << ' ' << entry.open.size();
      for (const auto& [partition, offset] : entry.open) line << ' ' << partition << ' ' << offset;
      break;
    case JournalEntry::Kind::paused:
      break;
  }
  line << '\n';
  file_.write(line.str());
}

std::vector<JournalEntry> JournalReader::read_new() {
  std::vector<JournalEntry> entries;
  if (!file_.is_open()) {
    file_.open(path_);
    if (!file_.is_open()) return entries;  // the consumer has not got so far yet
  }
  file_.clear();  // end of file was the end of what was written then
  std::array<char, 65536> block{};
  do {
    file_.read(block.data(), static_cast<std::streamsize>(block.size()));
    rest_.append(block.data(), static_cast<std::size_t>(file_.gcount()));
  } while (file_);

  std::size_t begin = 0;
  for (std::size_t end; (end = rest_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    entries.push_back(parse(rest_.substr(begin, end - begin)));
  }
  rest_.erase(0, begin);
  return entries;
}

}  // namespace payments
