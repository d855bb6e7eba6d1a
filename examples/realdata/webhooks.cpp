// GitHub's own examples of webhooks: an id that comes again may say something else.

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <idem/dedup/deduplicator.hpp>
#include <idem/memory/content_hash_set.hpp>

#include "figures.hpp"

namespace realdata {

// One id can name a sender and an issue: the kind is its scope.
struct ObjectId {
  std::string kind;
  std::string id;

  friend auto operator<=>(const ObjectId&, const ObjectId&) = default;
};

}  // namespace realdata

template <>
struct idem::KeyTraits<realdata::ObjectId>
    : idem::DigestOf<&realdata::ObjectId::kind, &realdata::ObjectId::id> {};

namespace realdata {

using idem::Verdict;

// Reads what flatten_webhooks.py writes: fields between tabs, contents as JSON with sorted keys.
//   payload EVENT JSON
//   object KIND ID JSON
int webhooks(const std::vector<std::string>& names) {
  if (names.size() != 1) throw std::invalid_argument("webhooks takes one file");
  std::ifstream lines(names[0]);
  if (!lines) throw std::runtime_error(names[0] + " cannot be read");

  Figures figures;
  idem::ContentHashSet payloads;
  // Another content under a known id is a conflict, however long ago the first one was.
  idem::Deduplicator<ObjectId, idem::Policy<idem::CompareContent>> objects;

  std::set<std::string> events, seen_payloads;
  std::map<ObjectId, std::string> first_content;
  std::set<ObjectId> conflicting;
  std::map<Verdict, std::uint64_t> of_payloads, of_objects;

  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> fields;
    for (std::size_t begin = 0; begin <= line.size();) {
      const std::size_t end = std::min(line.find('\t', begin), line.size());
      fields.push_back(line.substr(begin, end - begin));
      begin = end + 1;
    }
    if (fields.size() == 3 && fields[0] == "payload") {
      const std::string_view content = fields[2];
      const Verdict verdict = payloads.insert(content);
      const bool is_new = seen_payloads.insert(fields[2]).second;
      figures.compare(verdict, is_new ? Verdict::fresh : Verdict::duplicate);
      events.insert(fields[1]);
      ++of_payloads[verdict];
    } else if (fields.size() == 4 && fields[0] == "object") {
      const ObjectId key{fields[1], fields[2]};
      const Verdict verdict = objects.insert(key, fields[3]);
      const auto [first, is_new] = first_content.emplace(key, fields[3]);
      const Verdict wanted = is_new                       ? Verdict::fresh
                             : first->second == fields[3] ? Verdict::duplicate
                                                          : Verdict::conflict;
      figures.compare(verdict, wanted);
      if (wanted == Verdict::conflict) conflicting.insert(key);
      ++of_objects[verdict];
    } else {
      throw std::runtime_error(names[0] + " is not what flatten_webhooks.py writes");
    }
  }
  figures.add("events", events.size());
  figures.add("payloads", of_payloads[Verdict::fresh] + of_payloads[Verdict::duplicate]);
  figures.add("payloads_that_repeat_another", of_payloads[Verdict::duplicate]);
  figures.add("objects_with_an_id", first_content.size());
  figures.add("of_them_with_several_contents", conflicting.size());
  figures.add("object_fresh", of_objects[Verdict::fresh]);
  figures.add("object_duplicate", of_objects[Verdict::duplicate]);
  figures.add("object_conflict", of_objects[Verdict::conflict]);
  return figures.finish();
}

}  // namespace realdata
