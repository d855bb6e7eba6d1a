#include <idem/core/bytes.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

#include <doctest/doctest.h>

#include "support/thrown.hpp"

using idem::bytes;
using idem::ByteSize;
using idem::gibibytes;
using idem::kibibytes;
using idem::mebibytes;
using idem_test::contains;
using idem_test::refusal;

namespace {

constexpr std::uint64_t all = std::numeric_limits<std::uint64_t>::max();

}  // namespace

TEST_CASE("byte size: units are powers of 1024") {
  CHECK(bytes(1).count() == 1);
  CHECK(kibibytes(1).count() == 1024);
  CHECK(mebibytes(1).count() == 1048576);
  CHECK(gibibytes(1).count() == 1073741824);
  CHECK(bytes(0).count() == 0);
  CHECK(gibibytes(0).count() == 0);
  CHECK(mebibytes(512).count() == 536870912);
  CHECK(gibibytes(4).count() == 4294967296);
  CHECK(mebibytes(std::int8_t{127}).count() == 127 * 1048576);
  CHECK(mebibytes(std::uint16_t{65535}).count() == 65535ULL * 1048576);
  static_assert(gibibytes(3).count() == 3ULL << 30);
}

TEST_CASE("byte size: the largest count of each unit fits and one more does not") {
  CHECK(bytes(all).count() == all);
  CHECK(kibibytes(all >> 10).count() == all >> 10 << 10);
  CHECK(mebibytes(all >> 20).count() == all >> 20 << 20);
  CHECK(gibibytes(all >> 30).count() == all >> 30 << 30);

  const std::string kibi = refusal([] { (void)kibibytes((all >> 10) + 1); });
  CHECK(contains(kibi, "kibibytes"));
  CHECK(contains(kibi, std::to_string((all >> 10) + 1)));
  const std::string mebi = refusal([] { (void)mebibytes((all >> 20) + 1); });
  CHECK(contains(mebi, "mebibytes"));
  CHECK(contains(mebi, std::to_string((all >> 20) + 1)));
  const std::string gibi = refusal([] { (void)gibibytes((all >> 30) + 1); });
  CHECK(contains(gibi, "gibibytes"));
  CHECK(contains(gibi, std::to_string((all >> 30) + 1)));
  CHECK(contains(refusal([] { (void)gibibytes(all); }), std::to_string(all)));
}

TEST_CASE("byte size: a negative count is refused with its field and value") {
  const std::string one = refusal([] { (void)bytes(-1); });
  CHECK(contains(one, "bytes"));
  CHECK(contains(one, "-1"));
  const std::string kibi = refusal([] { (void)kibibytes(-17); });
  CHECK(contains(kibi, "kibibytes"));
  CHECK(contains(kibi, "-17"));
  const std::string mebi = refusal([] { (void)mebibytes(std::int8_t{-128}); });
  CHECK(contains(mebi, "mebibytes"));
  CHECK(contains(mebi, "-128"));
  const std::string gibi =
      refusal([] { (void)gibibytes(std::numeric_limits<std::int64_t>::min()); });
  CHECK(contains(gibi, "gibibytes"));
  CHECK(contains(gibi, "-9223372036854775808"));
}

TEST_CASE("byte size: only made on purpose, ordered by its count") {
  static_assert(!std::is_convertible_v<int, ByteSize>);
  static_assert(!std::is_convertible_v<std::uint64_t, ByteSize>);
  static_assert(!std::is_convertible_v<ByteSize, std::uint64_t>);
  CHECK(ByteSize{}.count() == 0);
  CHECK(ByteSize(5) == bytes(5));
  CHECK(bytes(1023) < kibibytes(1));
  CHECK(kibibytes(1024) == mebibytes(1));
  CHECK(ByteSize::unlimited().count() == all);
  CHECK(gibibytes(1000) < ByteSize::unlimited());
}
