// Bytes that nobody saved: cut, flipped, and forged with every checksum right.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>

#include "support/out_of_memory.hpp"
#include "support/random.hpp"
#include "support/reseal.hpp"
#include "support/snapshots.hpp"
#include "support/soak.hpp"

using idem::ErrorCode;
using idem_test::Bytes;
using idem_test::snapshot_subjects;
using idem_test::SnapshotSubject;

namespace {

// The promise about memory: the component and its position, for whatever bytes.
constexpr std::size_t memory_for(std::size_t input) { return 2 * input + 65536; }

// Refused, or a state that is saved as the same bytes; in bounded memory either way. Whether it was
// refused.
bool refused_or_the_same(const SnapshotSubject& subject, std::span<const std::byte> bytes) {
  idem_test::reset_peak();
  const std::size_t before = idem_test::allocations().live_bytes;
  const bool taken = subject.only_load(bytes);
  REQUIRE(idem_test::allocations().peak_bytes - before <= memory_for(bytes.size()));
  REQUIRE(idem_test::allocations().live_bytes == before);
  if (!taken) return true;
  const auto loaded = subject.load(bytes);
  REQUIRE(std::ranges::equal(loaded.again, bytes));
  return false;
}

constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();

}  // namespace

TEST_CASE("every prefix is refused") {
  for (const auto& subject : snapshot_subjects()) {
    INFO(subject.name);
    const Bytes bytes = subject.make(subject.elements, 0);
    REQUIRE(bytes.size() >= 4096);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const auto loaded = subject.load(std::span(bytes).first(size));
      REQUIRE(loaded.error);
      REQUIRE(loaded.error->code == ErrorCode::truncated);
      REQUIRE(loaded.error->position <= size);
    }
    for (std::size_t size = 0; size < bytes.size(); size += 13) {
      const auto read = subject.read(std::span(bytes).first(size), 1000);
      REQUIRE(read.error);
      REQUIRE(read.error->code == ErrorCode::truncated);
      REQUIRE(read.error->position <= size);
    }
    Bytes longer = bytes;
    longer.push_back(std::byte{0});
    CHECK(subject.load(longer).error->code == ErrorCode::trailing_bytes);
    CHECK(!subject.read(longer, 1000).error);  // a reader is left at the end
  }
}

TEST_CASE("every flipped bit is refused") {
  for (const auto& subject : snapshot_subjects()) {
    INFO(subject.name);
    Bytes bytes = subject.make(subject.elements, 0);
    std::size_t refused = 0;
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      const std::byte mask = std::byte{1} << (bit % 8);
      bytes[bit / 8] ^= mask;
      if (!subject.only_load(bytes)) ++refused;
      bytes[bit / 8] ^= mask;
    }
    CHECK(refused == bytes.size() * 8);
    CHECK(subject.only_load(bytes));
  }
}

TEST_CASE("bits flipped in a payload of many blocks are refused, by a reader too") {
  for (const auto& subject : snapshot_subjects()) {
    if (subject.name != "uuid_set" && subject.name != "bloom_filter") continue;
    Bytes bytes = subject.make(50 * subject.elements, 0);
    idem_test::Rng rng(7);
    for (int i = 0; i < 300; ++i) {
      const std::size_t at = rng.below(bytes.size());
      bytes[at] ^= std::byte{1};
      const auto loaded = subject.load(bytes);
      REQUIRE(loaded.error);
      REQUIRE((loaded.error->position <= at || at < 80));
      REQUIRE(subject.read(bytes, 5000).error == loaded.error);
      bytes[at] ^= std::byte{1};
    }
  }
}

TEST_CASE("blocks that change places are refused") {
  for (const auto& subject : snapshot_subjects()) {
    if (subject.name != "uuid_set") continue;
    Bytes bytes = subject.make(20'000, 0);
    const std::size_t first = bytes.size() - 320'000 - 5 * 8 - 8;
    constexpr std::ptrdiff_t block = 65536 + 8;
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(first);
    std::swap_ranges(begin, begin + block, begin + block);
    CHECK(subject.load(bytes).error == idem::Error{ErrorCode::bad_checksum, first, "payload"});
  }
}

TEST_CASE("forged headers: every field, hostile values, checksums right") {
  struct Field {
    std::size_t at, size;
  };
  constexpr Field fields[] = {{8, 2},  {10, 2}, {12, 1}, {13, 1}, {14, 2}, {16, 1},
                              {17, 1}, {18, 1}, {19, 1}, {20, 4}, {24, 8}, {32, 8},
                              {40, 8}, {48, 8}, {56, 8}, {64, 8}, {72, 8}};
  for (const auto& subject : snapshot_subjects()) {
    INFO(subject.name);
    const Bytes good = subject.make(subject.elements, 0);
    for (const Field field : fields) {
      INFO(field.at);
      const std::uint64_t was = idem_test::word_at(good, field.at, field.size);
      for (const std::uint64_t value : {std::uint64_t{0},
                                        std::uint64_t{1},
                                        std::uint64_t{2},
                                        std::uint64_t{7},
                                        std::uint64_t{8},
                                        std::uint64_t{255},
                                        std::uint64_t{65535},
                                        std::uint64_t{65536},
                                        std::uint64_t{1} << 20,
                                        std::uint64_t{1} << 31,
                                        std::uint64_t{1} << 32,
                                        std::uint64_t{1} << 40,
                                        std::uint64_t{1} << 59,
                                        std::uint64_t{1} << 60,
                                        std::uint64_t{1} << 62,
                                        most >> 1,
                                        most - 7,
                                        most - 1,
                                        most,
                                        was + 1,
                                        was - 1,
                                        was + 8,
                                        was - 8,
                                        was + 16,
                                        was - 16,
                                        was * 2,
                                        was / 2,
                                        was + (std::uint64_t{1} << 32)}) {
        Bytes forged = good;
        idem_test::set_word(forged, field.at, value, field.size);
        if (forged == good) continue;
        idem_test::reseal(forged);
        const bool refused = refused_or_the_same(subject, forged);
        // Only ids in their order can tell that the seed is another one, and only by its length
        // does a position differ from one with a zero more.
        const bool is_open = field.at == 40 || field.at == 48 || field.at == 20;
        if (!is_open) REQUIRE(refused);
        REQUIRE(subject.read(forged, 4096).error.has_value() == refused);
      }
    }
    // Lengths that agree with each other, and with nothing else.
    for (const std::uint64_t payload : {std::uint64_t{0}, std::uint64_t{8}, std::uint64_t{1} << 30,
                                        std::uint64_t{1} << 40, std::uint64_t{1} << 62}) {
      Bytes forged = good;
      const std::uint64_t position = (idem_test::word_at(good, 20, 4) + 7) / 8 * 8;
      const std::uint64_t blocks = payload / 65536 + (payload % 65536 != 0);
      idem_test::set_word(forged, 64, payload);
      idem_test::set_word(forged, 72, 80 + position + 8 + payload + 8 * blocks + 8);
      for (const std::uint64_t elements : {payload / 16, payload / 8, payload, most}) {
        idem_test::set_word(forged, 56, elements);
        idem_test::reseal(forged);
        REQUIRE(refused_or_the_same(subject, forged));
        REQUIRE(subject.read(forged, 4096).error);
      }
    }
  }
}

TEST_CASE("forged payloads: every word, hostile values, checksums right") {
  for (const auto& subject : snapshot_subjects()) {
    INFO(subject.name);
    const Bytes good = subject.make(subject.elements / 8, 0);
    const std::size_t header = 80 + (idem_test::word_at(good, 20, 4) + 7) / 8 * 8 + 8;
    const std::size_t end = std::min(good.size() - 16, header + 400);
    std::size_t refused = 0;
    for (std::size_t at = header; at + 8 <= end; at += 4) {
      const std::uint64_t was = idem_test::word_at(good, at);
      for (const std::size_t size : {std::size_t{1}, std::size_t{4}, std::size_t{8}}) {
        for (const std::uint64_t value :
             {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0x80}, std::uint64_t{1} << 31,
              std::uint64_t{1} << 32, std::uint64_t{1} << 63, most >> 1, most - 1, most, was + 1,
              was - 1, ~was}) {
          Bytes forged = good;
          idem_test::set_word(forged, at, value, size);
          if (forged == good) continue;
          idem_test::reseal(forged);
          if (refused_or_the_same(subject, forged)) ++refused;
        }
      }
    }
    CHECK((refused > 0 || subject.name.starts_with("bloom") || subject.name.starts_with("cuckoo")));
  }
}

TEST_CASE("forged at random, checksums right") {
  idem_test::Rng rng(11);
  for (const auto& subject : snapshot_subjects()) {
    INFO(subject.name);
    const Bytes good = subject.make(subject.elements / 8, 0);
    for (std::uint64_t round = 0; round < idem_test::soaked(400); ++round) {
      Bytes forged = good;
      for (std::uint64_t i = 0; i <= rng.below(4); ++i) {
        const std::size_t at = rng.below(forged.size());
        switch (rng.below(4)) {
          case 0:
            forged[at] ^= std::byte{1} << rng.below(8);
            break;
          case 1:
            forged[at] = static_cast<std::byte>(rng.below(256));
            break;
          case 2: {  // a run from elsewhere
            const std::size_t from = rng.below(forged.size());
            const std::size_t size =
                std::min({std::size_t{16}, forged.size() - from, forged.size() - at});
            std::copy_n(good.begin() + static_cast<std::ptrdiff_t>(from), size,
                        forged.begin() + static_cast<std::ptrdiff_t>(at));
            break;
          }
          default:
            idem_test::set_word(forged, std::min(at, forged.size() - 8), rng.next());
            break;
        }
      }
      idem_test::reseal(forged);
      (void)refused_or_the_same(subject, forged);
    }
  }
}

TEST_CASE("without memory: refused, and nothing is left behind") {
  for (const auto& subject : snapshot_subjects()) {
    INFO(subject.name);
    const Bytes bytes = subject.make(subject.elements, 0);
    for (const auto mode : {idem_test::Failing::once, idem_test::Failing::from_then_on}) {
      const std::uint64_t live = idem_test::allocations().live;
      bool taken = false;
      const std::uint64_t allocations = idem_test::for_each_failing_allocation(
          mode, [] {}, [&] { taken = subject.only_load(bytes); },
          [&](bool fired) {
            // A cache of memory may do without; nothing else does.
            if (!fired) CHECK(taken);
            CHECK(idem_test::allocations().live == live);
          });
      CHECK(allocations >= 1);
    }
  }
}
