// What is saved is loaded, whatever the way; equal states have equal bytes.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>

#include "support/snapshots.hpp"

using idem_test::Bytes;
using idem_test::snapshot_subjects;

TEST_CASE("saved, loaded and saved again, in one piece and in many") {
  for (const auto& subject : snapshot_subjects()) {
    INFO(subject.name);
    for (const std::size_t elements : {std::size_t{0}, std::size_t{1}, std::size_t{5},
                                       subject.elements, 20 * subject.elements}) {
      INFO(elements);
      const Bytes bytes = subject.make(elements, 0);
      if (elements == subject.elements) CHECK(bytes.size() >= 4096);
      const auto loaded = subject.load(bytes);
      REQUIRE_MESSAGE(!loaded.error, idem::to_string(*loaded.error));
      REQUIRE(loaded.again == bytes);
      for (const std::size_t piece : {std::size_t{7}, std::size_t{4096}, std::size_t{1} << 20}) {
        const auto read = subject.read(bytes, piece);
        REQUIRE(!read.error);
        REQUIRE(read.again == bytes);
      }
    }
  }
}

TEST_CASE("equal states have equal bytes, whatever came before") {
  for (const auto& subject : snapshot_subjects()) {
    INFO(subject.name);
    CHECK(subject.make(subject.elements, 0) == subject.make(subject.elements, 1));
    CHECK(subject.make(9 * subject.elements, 0) == subject.make(9 * subject.elements, 1));
  }
}

TEST_CASE("what was loaded goes on as if nothing had happened") {
  for (const auto& subject : snapshot_subjects()) {
    INFO(subject.name);
    for (const std::size_t elements :
         {std::size_t{2}, std::size_t{40}, subject.elements, 7 * subject.elements})
      CHECK(subject.resume(elements) == subject.make(elements, 0));
  }
}

TEST_CASE("no kind is loaded as another") {
  for (const auto& from : snapshot_subjects()) {
    const Bytes bytes = from.make(from.elements, 0);
    for (const auto& to : snapshot_subjects()) {
      if (from.name == to.name) continue;
      const auto loaded = to.load(bytes);
      INFO(from.name << " as " << to.name);
      REQUIRE(loaded.error);
      CHECK(loaded.error->code == idem::ErrorCode::other_options);
    }
  }
}

TEST_CASE("a sink gets the same bytes, and one that stops is reported") {
  for (const auto& subject : snapshot_subjects()) {
    INFO(subject.name);
    const Bytes whole = subject.make(subject.elements, 0);
    Bytes taken;
    CHECK(!subject.save_into(whole.size(), taken));
    CHECK(taken == whole);
    for (std::size_t room = 0; room < whole.size(); room += 97) {
      Bytes part;
      const auto error = subject.save_into(room, part);
      REQUIRE(error);
      CHECK(error->code == idem::ErrorCode::write_failed);
      CHECK(error->position == part.size());
      REQUIRE(part.size() <= room);
      CHECK(std::equal(part.begin(), part.end(), whole.begin()));
    }
  }
}

TEST_CASE("sinks and sources that throw leave nothing behind") {
  for (const auto& subject : snapshot_subjects()) {
    INFO(subject.name);
    const Bytes bytes = subject.make(40 * subject.elements, 0);
    for (const std::size_t after :
         {std::size_t{10}, std::size_t{200}, bytes.size() / 2, bytes.size() - 1})
      CHECK(subject.survives_a_throw(bytes, after));
  }
}
