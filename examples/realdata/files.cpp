// Files of this machine: equal contents under other names.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <idem/memory/content_hash_set.hpp>

#include "figures.hpp"

namespace realdata {

using idem::Verdict;

int files(const std::vector<std::string>& names) {
  Figures figures;
  idem::ContentHashSet contents;
  std::map<idem::Digest, std::string> first_path;  // where the bytes behind a digest can be read

  // Files that could be equal, by size and the standard library's hash; then every byte.
  std::unordered_map<std::size_t, std::vector<std::string>> alike;
  std::uint64_t files = 0, bytes = 0, repeats = 0, conflicts = 0;

  for (const std::string& path : files_below(names)) {
    const std::string content = contents_of(path);
    ++files;
    bytes += content.size();

    const idem::Digest digest = contents.digest(std::string_view(content));
    const Verdict verdict = contents.insert(digest, [&](const idem::Digest& known) {
      return contents_of(first_path.at(known)) == content;
    });
    if (verdict == Verdict::fresh) first_path.emplace(digest, path);

    std::vector<std::string>& others = alike[std::hash<std::string>()(content) ^ content.size()];
    bool is_new = true;
    for (const std::string& other : others) is_new = is_new && contents_of(other) != content;
    if (is_new) others.push_back(path);

    figures.compare(verdict, is_new ? Verdict::fresh : Verdict::duplicate);
    repeats += verdict == Verdict::duplicate;
    conflicts += verdict == Verdict::conflict;
  }
  figures.add("files", files);
  figures.add("bytes", bytes);
  figures.add("different_contents", contents.size());
  figures.add("contents_that_repeat_another", repeats);
  figures.add("digests_with_two_contents", conflicts);
  return figures.finish();
}

}  // namespace realdata
