// ExactSet as a snapshot.

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <vector>

#include <idem/memory/exact_set.hpp>
#include <idem/snapshot/snapshot.hpp>

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
