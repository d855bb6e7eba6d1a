// Mails that were collected: each with an id of its own, many with a body that came before.

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <idem/dedup/deduplicator.hpp>
#include <idem/memory/content_hash_set.hpp>

#include "figures.hpp"

namespace realdata {

using idem::Verdict;

namespace {

struct Mail {
  std::optional<std::string> id;
  std::string body;  // every run of white space is one blank
};

[[nodiscard]] bool is_blank(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

[[nodiscard]] std::string folded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (!is_blank(c)) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

// The value of the first header of that name, its continued lines included.
[[nodiscard]] std::optional<std::string> header(std::string_view head, std::string_view name) {
  for (std::size_t begin = 0; begin < head.size();) {
    std::size_t end = begin;
    do {
      end = std::min(head.find('\n', end == begin ? begin : end + 1), head.size());
    } while (end + 1 < head.size() && (head[end + 1] == ' ' || head[end + 1] == '\t'));
    const std::string_view field = head.substr(begin, end - begin);
    const auto same_letter = [](char a, char b) {
      return std::tolower(static_cast<unsigned char>(a)) == b;
    };
    if (field.size() > name.size() && field[name.size()] == ':' &&
        std::equal(name.begin(), name.end(), field.begin(),
                   [&](char b, char a) { return same_letter(a, b); }))
      return folded(field.substr(name.size() + 1));
    begin = end + 1;
  }
  return std::nullopt;
}

[[nodiscard]] Mail parse(std::string text) {
  std::erase(text, '\r');
  const std::size_t end = std::min(text.find("\n\n"), text.size());
  const std::string_view all = text;
  return {header(all.substr(0, end), "message-id"), folded(all.substr(end))};
}

}  // namespace

int mails(const std::vector<std::string>& names) {
  Figures figures;
  idem::Deduplicator<std::string> ids;
  idem::ContentHashSet bodies;
  std::map<idem::Digest, std::string> archive;  // to compare bodies whose digests are equal

  std::set<std::string> seen_ids;
  std::map<std::string, std::uint64_t> seen_bodies;
  std::uint64_t mails = 0, without_id = 0, id_duplicate = 0, body_duplicate = 0, disagree = 0;

  for (const std::string& path : files_below(names)) {
    if (!path.ends_with(".txt")) continue;
    const Mail mail = parse(contents_of(path));
    ++mails;
    Verdict of_id = Verdict::unknown;
    if (mail.id) {
      of_id = ids.insert(*mail.id);
      figures.compare(of_id,
                      seen_ids.insert(*mail.id).second ? Verdict::fresh : Verdict::duplicate);
      id_duplicate += of_id == Verdict::duplicate;
    } else {
      ++without_id;
    }
    const idem::Digest digest = bodies.digest(std::string_view(mail.body));
    const Verdict of_body = bodies.insert(
        digest, [&](const idem::Digest& known) { return archive.at(known) == mail.body; });
    if (of_body == Verdict::fresh) archive.emplace(digest, mail.body);
    const bool is_new = ++seen_bodies[mail.body] == 1;
    figures.compare(of_body, is_new ? Verdict::fresh : Verdict::duplicate);
    body_duplicate += of_body == Verdict::duplicate;
    disagree += of_id == Verdict::fresh && of_body == Verdict::duplicate;
  }
  std::uint64_t most = 0;
  for (const auto& [body, copies] : seen_bodies) most = std::max(most, copies);

  figures.add("mails", mails);
  figures.add("message_ids", mails - without_id);
  figures.add("message_ids_that_repeat", id_duplicate);
  figures.add("bodies_that_repeat", body_duplicate);
  figures.add("most_copies_of_one_body", most);
  figures.add("fresh_id_with_a_body_seen_before", disagree);
  return figures.finish();
}

}  // namespace realdata
