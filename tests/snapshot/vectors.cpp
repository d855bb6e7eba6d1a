// The files of tests/vectors: snapshots that were written once and are read for ever, and hostile
// ones.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <ios>
#include <iterator>
#include <sstream>
#include <string>

#include "support/hex.hpp"
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
