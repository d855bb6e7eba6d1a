// ExactSet as a snapshot.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <idem/memory/exact_set.hpp>
#include <idem/snapshot/snapshot.hpp>

#include "support/ids.hpp"
#include "support/reseal.hpp"

using idem::ErrorCode;
using idem::Verdict;

TEST_CASE_TEMPLATE("a set of whole keys comes back", Hash, idem::Xxh3Hash, idem::SipHash) {
  using Set = idem::ExactSet<std::string, Hash>;
  Set set({.seed = idem::Seed{3, 4}});
  Set other({.expected_keys = 5000, .seed = idem::Seed{3, 4}});
  for (int i = 0; i < 2000; ++i) {
    REQUIRE(set.insert(std::string(static_cast<std::size_t>(i % 97), 'x') + std::to_string(i)) ==
            Verdict::fresh);
    const int j = 1999 - i;
    REQUIRE(other.insert(std::string(static_cast<std::size_t>(j % 97), 'x') + std::to_string(j)) ==
            Verdict::fresh);
  }
  std::vector<std::byte> bytes;
  std::vector<std::byte> of_other;
  REQUIRE(idem::save(set, {}, bytes));
  REQUIRE(idem::save(other, {}, of_other));
  CHECK(bytes == of_other);
  const auto loaded = idem::load<Set>(bytes);
  REQUIRE(loaded);
  CHECK(loaded->state.size() == 2000);
  CHECK(loaded->state.check("xx2") == Verdict::duplicate);
  CHECK(loaded->state.check("xx3") == Verdict::fresh);
  std::vector<std::byte> again;
  REQUIRE(idem::save(loaded->state, {}, again));
  CHECK(again == bytes);
  CHECK(idem::load<idem::ExactSet<idem::Uuid, Hash>>(bytes).error().code ==
        ErrorCode::other_options);
  CHECK(idem::load<Set>(bytes, {.budget = idem::kibibytes(20)}).error().code ==
        ErrorCode::limit_exceeded);
}

TEST_CASE("a set of whole ids comes back") {
  idem::ExactSet<idem::Uuid> set;
  for (std::uint64_t i = 0; i < 300; ++i)
    REQUIRE(set.insert(idem_test::spread_id<idem::Uuid>(i)) == Verdict::fresh);
  std::vector<std::byte> bytes;
  REQUIRE(idem::save(set, {}, bytes));
  const auto loaded = idem::load<idem::ExactSet<idem::Uuid>>(bytes);
  REQUIRE(loaded);
  CHECK(loaded->state.size() == 300);
  for (std::uint64_t i = 0; i < 600; ++i) {
    const bool was_there = i < 300;
    CHECK(loaded->state.check(idem_test::spread_id<idem::Uuid>(i)) ==
          (was_there ? Verdict::duplicate : Verdict::fresh));
  }
}

TEST_CASE("whole keys out of order, or twice, are refused") {
  using Set = idem::ExactSet<std::string>;
  constexpr std::string_view keys[] = {"the first key", "another key..", "and one more."};
  Set set;
  for (const auto key : keys) REQUIRE(set.insert(std::string(key)) == Verdict::fresh);
  std::vector<std::byte> bytes;
  REQUIRE(idem::save(set, {}, bytes));
  const auto place = [&](std::string_view key) {
    const auto text = std::as_bytes(std::span(key));
    return std::search(bytes.begin(), bytes.end(), text.begin(), text.end()) - bytes.begin();
  };
  std::vector<std::ptrdiff_t> places;
  for (const auto key : keys) places.push_back(place(key));
  std::sort(places.begin(), places.end());
  const auto size = static_cast<std::ptrdiff_t>(keys[0].size());
  REQUIRE(places.back() + size <= static_cast<std::ptrdiff_t>(bytes.size()));

  auto swapped = bytes;
  std::swap_ranges(swapped.begin() + places[0], swapped.begin() + places[0] + size,
                   swapped.begin() + places[1]);
  auto twice = bytes;
  std::copy_n(bytes.begin() + places[0], size, twice.begin() + places[1]);
  for (auto* const damaged : {&swapped, &twice}) {
    idem_test::reseal(*damaged);
    const auto loaded = idem::load<Set>(*damaged);
    REQUIRE(!loaded);
    CHECK(loaded.error().code == ErrorCode::bad_value);
    CHECK(std::string_view(loaded.error().what) == "order of keys");
  }
}
