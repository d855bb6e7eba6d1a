// The files of tests/vectors: snapshots that were written once and are read for ever, and hostile
// ones.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <ios>
#include <iterator>
#include <sstream>
#include <string>

#include "support/snapshots.hpp"

using idem_test::Bytes;
using idem_test::snapshot_subjects;

namespace {

Bytes read_file(const std::string& name) {
  std::ifstream file(IDEM_VECTORS_DIR "/" + name, std::ios::binary);
  REQUIRE_MESSAGE(file.is_open(), name);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  Bytes bytes(text.size());
  std::transform(text.begin(), text.end(), bytes.begin(),
                 [](char c) { return static_cast<std::byte>(c); });
  return bytes;
}

}  // namespace

TEST_CASE("snapshots of version 1 are written as ever, and load") {
  for (const auto& subject : snapshot_subjects()) {
    INFO(subject.name);
    const Bytes golden = read_file("snapshots/" + std::string(subject.name) + ".idem");
    CHECK(subject.make(subject.elements, 0) == golden);
    const auto loaded = subject.load(golden);
    REQUIRE(!loaded.error);
    CHECK(loaded.again == golden);
  }
}

// The manifest says for every file what it is read as, and why that fails, by code and place.
TEST_CASE("hostile snapshots are refused for the reason that is theirs") {
  const Bytes manifest = read_file("hostile/manifest.tsv");
  std::istringstream lines(
      std::string(reinterpret_cast<const char*>(manifest.data()), manifest.size()));
  std::string line;
  std::getline(lines, line);
  std::size_t files = 0;
  while (std::getline(lines, line)) {
    INFO(line);
    std::istringstream columns(line);
    std::string file;
    std::string kind;
    std::string code;
    std::size_t position = 0;
    REQUIRE((columns >> file >> kind >> code >> position));
    const auto subjects = snapshot_subjects();
    const auto subject =
        std::ranges::find_if(subjects, [&](const auto& one) { return one.name == kind; });
    REQUIRE(subject != subjects.end());
    const Bytes bytes = read_file("hostile/" + file);
    const auto loaded = subject->load(bytes);
    REQUIRE(loaded.error);
    CHECK(idem::name(loaded.error->code) == code);
    CHECK(loaded.error->position == position);
    // What stands behind the end is no business of a reader.
    const auto read = subject->read(bytes, 1000);
    REQUIRE(read.error.has_value() ==
            (code != "trailing_bytes" || loaded.error->what != "snapshot"));
    ++files;
  }
  CHECK(files >= 100);
}
