#include "figures.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

namespace realdata {

void Figures::add(std::string_view name, std::uint64_t value) { rows_.emplace_back(name, value); }

void Figures::compare(idem::Verdict found, idem::Verdict wanted) { allow(found == wanted); }

void Figures::allow(bool allowed) {
  ++judged_;
  if (!allowed) ++wrong_;
}

int Figures::finish() {
  add("verdicts_compared", judged_);
  add("verdicts_wrong", wrong_);
  for (const auto& [name, value] : rows_)
    std::printf("%s %llu\n", name.c_str(), static_cast<unsigned long long>(value));
  return judged_ > 0 && wrong_ == 0 ? 0 : 1;
}

std::string contents_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) throw std::runtime_error(path + " cannot be read");
  return bytes;
}

std::vector<std::string> files_below(const std::vector<std::string>& directories) {
  namespace fs = std::filesystem;
  std::vector<std::string> paths;
  for (const std::string& directory : directories) {
    const auto options = fs::directory_options::skip_permission_denied;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(directory, options))
      if (entry.symlink_status().type() == fs::file_type::regular)
        paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace realdata
