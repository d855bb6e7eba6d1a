#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <idem/core/verdict.hpp>

namespace realdata {

// What one kind of input showed: counts by name, and how often a verdict of idem was another than
// the standard library's containers give.
class Figures {
 public:
  void add(std::string_view name, std::uint64_t value);
  // The two must be equal.
  void compare(idem::Verdict found, idem::Verdict wanted);
  // For what may be wrong in one direction only: `allowed` says whether this verdict can be.
  void allow(bool allowed);
  // Prints "name value" lines. 0: no verdict was wrong, and there were some.
  [[nodiscard]] int finish();

 private:
  std::vector<std::pair<std::string, std::uint64_t>> rows_{};
  std::uint64_t judged_ = 0;
  std::uint64_t wrong_ = 0;
};

// The kinds of input; each takes the names of what it reads and returns Figures::finish().
[[nodiscard]] int webhooks(const std::vector<std::string>& names);
[[nodiscard]] int mails(const std::vector<std::string>& names);
[[nodiscard]] int packages(const std::vector<std::string>& names);
[[nodiscard]] int files(const std::vector<std::string>& names);

// All bytes of a file; throws std::runtime_error where it cannot be read.
[[nodiscard]] std::string contents_of(const std::string& path);

// Every regular file below these directories, in the order of their paths; links are not followed.
[[nodiscard]] std::vector<std::string> files_below(const std::vector<std::string>& directories);

}  // namespace realdata
