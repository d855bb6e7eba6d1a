// Runs a fuzz target on every file of the folders named on the command line, and on some 256 beginnings of each, so that what a fuzzer once found stays found in builds without one. Nothing here but the C library and templates:
// under the memory sanitizer everything else would have to be instrumented too.

#include <dirent.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Path = std::vector<char>;  // with the zero at its end

Path path_of(const char* folder, const char* name) {
  Path path(folder, folder + std::strlen(folder));
  path.push_back('/');
  path.insert(path.end(), name, name + std::strlen(name) + 1);
  return path;
}

bool read_file(const Path& path, std::vector<std::uint8_t>& bytes) {
  std::FILE* const file = std::fopen(path.data(), "rb");
  if (file == nullptr) return false;
  bytes.clear();
  std::uint8_t part[4096];
  for (std::size_t n = 0; (n = std::fread(part, 1, sizeof part, file)) > 0;) {
    bytes.insert(bytes.end(), part, part + n);
  }
  return std::fclose(file) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<Path> files;
  for (int i = 1; i < argc; ++i) {
    DIR* const folder = opendir(argv[i]);
    if (folder == nullptr) {
      std::perror(argv[i]);
      return 1;
    }
    while (const dirent* const entry =
               readdir(folder)) {  // NOLINT(concurrency-mt-unsafe): one thread
      if (entry->d_name[0] != '.') files.push_back(path_of(argv[i], entry->d_name));
    }
    closedir(folder);
  }
  std::sort(files.begin(), files.end());

  std::vector<std::uint8_t> bytes;
  for (const Path& path : files) {
    std::puts(path.data());
    std::fflush(stdout);
    if (!read_file(path, bytes)) {
      std::perror(path.data());
      return 1;
    }
    const std::size_t step = bytes.size() / 256 + 1;
    for (std::size_t left_out = 0; left_out <= bytes.size(); left_out += step) {
      // A copy of exactly so many bytes, so that a sanitizer sees a step beyond them.
      const std::vector<std::uint8_t> begun(bytes.begin(),
                                            bytes.end() - static_cast<std::ptrdiff_t>(left_out));
      LLVMFuzzerTestOneInput(begun.data(), begun.size());
    }
  }
  std::printf("%zu inputs and what they begin with\n", files.size());
  return files.empty() ? 1 : 0;
}
