// Writes the snapshots of tests/vectors/snapshots: one of each kind, by what is in
// tests/snapshot/subjects.cpp.
//
//   write_snapshots DIR
//
// Files of a version that was released are never written again.

#include <cstdio>
#include <fstream>
#include <ios>
#include <string>

#include "support/snapshots.hpp"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: write_snapshots DIR\n");
    return 2;
  }
  for (const auto& subject : idem_test::snapshot_subjects()) {
    const std::string path = std::string(argv[1]) + "/" + std::string(subject.name) + ".idem";
    const idem_test::Bytes bytes = subject.make(subject.elements, 0);
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) {
      std::fprintf(stderr, "cannot write %s\n", path.c_str());
      return 1;
    }
  }
  return 0;
}
