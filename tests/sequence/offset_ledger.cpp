#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <idem/sequence/offset_ledger.hpp>

#include "support/out_of_memory.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"
#include "support/thrown.hpp"

using idem::ErrorCode;
using idem::OffsetLedger;
using idem::Verdict;
using idem_test::Rng;

namespace {

idem::Instant at(std::int64_t ns) { return idem::Instant::at(idem::Duration::nanoseconds(ns)); }

std::vector<std::byte> saved(const OffsetLedger& ledger, std::int64_t& next) {
  std::vector<std::byte> bytes(ledger.checkpoint_bytes());
  const auto checkpoint = ledger.checkpoint(bytes, ledger.owner_epoch());
  REQUIRE(checkpoint.verdict == Verdict::fresh);
  REQUIRE(checkpoint.size == bytes.size());
  REQUIRE(checkpoint.next == ledger.next());
  next = checkpoint.next;
  return bytes;
}

// The rule itself: every offset delivered, and whether it is done.
struct Dumb {
  std::int64_t base = 0;
  std::int64_t end = 0;                      // one past the newest delivered
  std::map<std::int64_t, bool> delivered{};  // since the base
  std::map<std::int64_t, bool> inherited{};  // of an earlier owner, beyond `end`: done or not

  std::int64_t next() const {
    for (const auto& [offset, done] : delivered) {
      if (!done) return offset;
    }
    std::int64_t next = end;
    while (inherited.count(next) != 0 && inherited.at(next)) ++next;
    return next;
  }
  Verdict check(std::int64_t offset) const {
    if (offset >= end) {
      return inherited.count(offset) != 0 && inherited.at(offset) ? Verdict::duplicate
                                                                  : Verdict::fresh;
    }
    const auto found = delivered.find(offset);
    if (found != delivered.end() && !found->second) return Verdict::in_progress;
    if (found != delivered.end() || offset < lowest_open()) return Verdict::duplicate;
    return Verdict::stale;
  }
  std::int64_t lowest_open() const {
    for (const auto& [offset, done] : delivered) {
      if (!done) return offset;
    }
    return end;
  }
  Verdict deliver(std::int64_t offset) {
    const Verdict verdict = check(offset);
    if (offset < end) return verdict;
    if (verdict == Verdict::fresh) delivered[offset] = false;
    end = offset + 1;
    return verdict;
  }
  Verdict complete(std::int64_t offset) {
    const Verdict verdict = check(offset);
    if (verdict == Verdict::fresh) return Verdict::unknown;
    if (verdict != Verdict::in_progress) return verdict;
    delivered[offset] = true;
    return Verdict::fresh;
  }
  std::int64_t done_end() const {
    std::int64_t highest = base;
    for (const auto& [offset, done] : delivered) {
      if (done) highest = std::max(highest, offset + 1);
    }
    for (const auto& [offset, done] : inherited) {
      if (done) highest = std::max(highest, offset + 1);
    }
    return highest;
  }
  // What an owner after this one starts from.
  Dumb restored() const {
    Dumb later;
    later.base = later.end = next();
    for (std::int64_t offset = later.base; offset < done_end(); ++offset) {
      if (offset < end) {
        const auto found = delivered.find(offset);
        later.inherited[offset] = found == delivered.end() || found->second;
      } else {
        later.inherited[offset] = inherited.at(offset);
      }
    }
    return later;
  }
};

void compare(std::uint64_t seed, std::int64_t start, std::uint64_t gaps) {
  OffsetLedger real({.next = start});
  Dumb dumb{.base = start, .end = start};
  Rng rng(seed);
  std::uint64_t epoch = 0;
  for (std::uint64_t step = 0; step < idem_test::soaked(8'000); ++step) {
    INFO("step ", step);
    const auto pick = rng.below(100);
    std::int64_t offset =
        dumb.end + (rng.one_in(gaps) ? static_cast<std::int64_t>(rng.below(5)) : 0);
    if (pick < 45) {
      if (rng.one_in(10))
        offset = std::max(start, offset - static_cast<std::int64_t>(rng.below(20)));
      REQUIRE(real.check(offset) == dumb.check(offset));
      REQUIRE(real.deliver(offset, at(static_cast<std::int64_t>(step))) == dumb.deliver(offset));
    } else if (pick < 98) {
      offset = dumb.end - static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(
                              std::min<std::int64_t>(40, dumb.end - start + 1))));
      if (rng.one_in(3)) offset = dumb.next();
      REQUIRE(real.complete(offset, epoch) == dumb.complete(offset));
    } else if (rng.one_in(2)) {
      std::int64_t next = 0;
      const auto bytes = saved(real, next);
      auto restored = OffsetLedger::restore(next, bytes, {.owner_epoch = epoch});
      REQUIRE(restored.has_value());
      real = *std::move(restored);
      dumb = dumb.restored();
      REQUIRE(saved(real, next) == bytes);
    } else if (rng.one_in(4)) {
      REQUIRE(real.take_over(epoch) == Verdict::fenced);
      REQUIRE(real.take_over(++epoch) == Verdict::fresh);
      dumb = dumb.restored();
    }
    REQUIRE(real.next() == dumb.next());
    if (step % 16 == 0) {
      for (std::int64_t probe = std::max(start, dumb.next() - 3); probe < dumb.end + 60; ++probe) {
        if (real.check(probe) != dumb.check(probe)) FAIL("offset ", probe);
      }
    }
    // Keep the oracle small.
    while (dumb.delivered.size() > 200 && dumb.delivered.begin()->second) {
      dumb.delivered.erase(dumb.delivered.begin());
    }
  }
}

}  // namespace

TEST_CASE("completions in any order, the next offset waits for the lowest") {
  OffsetLedger ledger({.next = 10});
  CHECK(ledger.next() == 10);
  for (std::int64_t i = 10; i < 15; ++i) CHECK(ledger.deliver(i, at(i)) == Verdict::fresh);
  CHECK(ledger.complete(12, 0) == Verdict::fresh);
  CHECK(ledger.complete(11, 0) == Verdict::fresh);
  CHECK(ledger.next() == 10);
  CHECK(ledger.oldest_open()->offset == 10);
  CHECK(ledger.oldest_age(at(25)) == idem::Duration::nanoseconds(15));
  CHECK(ledger.complete(10, 0) == Verdict::fresh);
  CHECK(ledger.next() == 13);
  CHECK(ledger.complete(14, 0) == Verdict::fresh);
  CHECK(ledger.complete(13, 0) == Verdict::fresh);
  CHECK(ledger.next() == 15);
  CHECK(!ledger.oldest_open());
  CHECK(ledger.oldest_age(at(99)) == idem::Duration());
  CHECK(ledger.open() == 0);
}

TEST_CASE("offsets passed over do not exist") {
  OffsetLedger ledger({.next = 0});
  CHECK(ledger.deliver(5, {}) == Verdict::fresh);
  CHECK(ledger.next() == 5);
  CHECK(ledger.deliver(1'000'000'000'000, {}) == Verdict::fresh);
  CHECK(ledger.complete(5, 0) == Verdict::fresh);
  CHECK(ledger.next() == 1'000'000'000'000);
  CHECK(ledger.complete(1'000'000'000'000, 0) == Verdict::fresh);
  CHECK(ledger.next() == 1'000'000'000'001);
  CHECK(ledger.memory_bytes() < 1000);
  CHECK(ledger.complete(7, 0) == Verdict::duplicate);  // below the next: done or not there

  CHECK(ledger.deliver(1'000'000'000'005, {}) == Verdict::fresh);
  CHECK(ledger.deliver(1'000'000'000'009, {}) == Verdict::fresh);
  CHECK(ledger.complete(1'000'000'000'007, 0) == Verdict::stale);
  CHECK(ledger.deliver(1'000'000'000'007, {}) == Verdict::stale);
}

TEST_CASE("what is delivered or completed twice") {
  OffsetLedger ledger;
  CHECK(ledger.deliver(0, {}) == Verdict::fresh);
  CHECK(ledger.deliver(0, {}) == Verdict::in_progress);
  CHECK(ledger.deliver(1, {}) == Verdict::fresh);
  CHECK(ledger.complete(1, 0) == Verdict::fresh);
  CHECK(ledger.complete(1, 0) == Verdict::duplicate);
  CHECK(ledger.deliver(1, {}) == Verdict::duplicate);
  CHECK(ledger.complete(2, 0) == Verdict::unknown);
  CHECK(ledger.complete(0, 0) == Verdict::fresh);
  CHECK(ledger.deliver(0, {}) == Verdict::duplicate);
}

TEST_CASE("nonsense") {
  OffsetLedger ledger;
  constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
  CHECK(ledger.deliver(-1, {}) == Verdict::poisoned);
  CHECK(ledger.deliver(highest, {}) == Verdict::poisoned);
  CHECK(ledger.complete(-1, 0) == Verdict::poisoned);
  CHECK(ledger.check(std::numeric_limits<std::int64_t>::min()) == Verdict::poisoned);
  CHECK(ledger.next() == 0);
  CHECK(
      idem_test::contains(idem_test::refusal([] { OffsetLedger l({.next = -1}); }), "next is -1"));
  CHECK(idem_test::contains(idem_test::refusal([] { OffsetLedger l({.max_held = 0}); }),
                            "max_held is 0"));
  CHECK(!OffsetLedger::restore(-5, {}).has_value());
}

TEST_CASE("a committed offset that there cannot be is a bad value, whatever comes with it") {
  constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
  const std::vector<std::byte> bytes(20);
  for (const std::int64_t committed :
       {std::numeric_limits<std::int64_t>::min(), std::int64_t{-1}, highest}) {
    CAPTURE(committed);
    CHECK(OffsetLedger::restore(committed, {}).error().code == ErrorCode::bad_value);
    CHECK(OffsetLedger::restore(committed, bytes).error().code == ErrorCode::bad_value);
    CHECK(OffsetLedger::restore_text(committed, "").error().code == ErrorCode::bad_value);
    CHECK(OffsetLedger::restore_text(committed, "AAAA").error().code == ErrorCode::bad_value);
  }
  CHECK(OffsetLedger::restore(highest - 2, {}, {.next = -1})->next() == highest - 2);
}

TEST_CASE("a former owner is fenced") {
  OffsetLedger ledger({.owner_epoch = 3});
  for (std::int64_t i = 0; i < 6; ++i) CHECK(ledger.deliver(i, {}) == Verdict::fresh);
  CHECK(ledger.complete(2, 3) == Verdict::fresh);
  CHECK(ledger.complete(4, 3) == Verdict::fresh);
  CHECK(ledger.take_over(3) == Verdict::fenced);
  CHECK(ledger.take_over(4) == Verdict::fresh);
  CHECK(ledger.complete(0, 3) == Verdict::fenced);
  std::array<std::byte, 64> room{};
  CHECK(ledger.checkpoint(room, 3).verdict == Verdict::fenced);
  CHECK(ledger.checkpoint(room, 3).size == 0);
  CHECK(ledger.next() == 0);
  CHECK(ledger.deliver(0, {}) == Verdict::fresh);
  CHECK(ledger.deliver(1, {}) == Verdict::fresh);
  CHECK(ledger.deliver(2, {}) == Verdict::duplicate);
  CHECK(ledger.complete(5, 4) == Verdict::unknown);
  CHECK(ledger.complete(0, 4) == Verdict::fresh);
  CHECK(ledger.complete(1, 4) == Verdict::fresh);
  CHECK(ledger.next() == 3);
  CHECK(ledger.deliver(3, {}) == Verdict::fresh);
  CHECK(ledger.complete(3, 4) == Verdict::fresh);
  CHECK(ledger.next() == 5);  // 4 was done by the owner before
}

TEST_CASE("against the rule, enumerated") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    compare(seed, 0, 1'000'000);
    compare(seed, 100, 5);
    compare(seed, (std::int64_t{1} << 40), 2);
  }
}

TEST_CASE("a checkpoint is of one moment, and no other offset's") {
  OffsetLedger ledger({.next = 100});
  for (std::int64_t i = 100; i < 120; ++i) CHECK(ledger.deliver(i, {}) == Verdict::fresh);
  for (const std::int64_t i : {103, 107, 111}) CHECK(ledger.complete(i, 0) == Verdict::fresh);
  std::int64_t next = 0;
  const auto bytes = saved(ledger, next);
  CHECK(next == 100);
  CHECK(ledger.complete(100, 0) == Verdict::fresh);
  // The offset of now with the map of then.
  CHECK(OffsetLedger::restore(ledger.next(), bytes).error().code == ErrorCode::bad_value);
  const auto restored = OffsetLedger::restore(next, bytes);
  REQUIRE(restored.has_value());
  for (std::int64_t i = 100; i < 130; ++i) {
    CHECK((restored->check(i) == Verdict::duplicate) == (i == 103 || i == 107 || i == 111));
  }
}

TEST_CASE("the smaller of runs and bits is written") {
  OffsetLedger ledger;
  for (std::int64_t i = 0; i < 4000; ++i) CHECK(ledger.deliver(i, {}) == Verdict::fresh);
  CHECK(ledger.checkpoint_bytes() == 7);
  CHECK(ledger.complete(3999, 0) == Verdict::fresh);
  CHECK(ledger.checkpoint_bytes() == 7 + 1 + 2 + 1);  // length of two bytes; runs 3999 and 1
  for (std::int64_t i = 1; i < 3999; i += 2) CHECK(ledger.complete(i, 0) == Verdict::fresh);
  CHECK(ledger.checkpoint_bytes() == 7 + 1 + 500);  // one bit an offset
  CHECK(ledger.checkpoint_characters() == 680);
  std::int64_t next = 0;
  const auto bytes = saved(ledger, next);
  const auto restored = OffsetLedger::restore(next, bytes);
  REQUIRE(restored.has_value());
  for (std::int64_t i = 0; i < 4000; ++i) {
    CHECK((restored->check(i) == Verdict::duplicate) == (i % 2 == 1));
  }
}

TEST_CASE("without room for the map the offset is given alone") {
  OffsetLedger ledger;
  for (std::int64_t i = 0; i < 100; ++i) CHECK(ledger.deliver(i, {}) == Verdict::fresh);
  for (std::int64_t i = 1; i < 100; i += 3) CHECK(ledger.complete(i, 0) == Verdict::fresh);
  std::vector<std::byte> room(ledger.checkpoint_bytes() - 1);
  CHECK(ledger.checkpoint(room, 0).verdict == Verdict::fresh);
  CHECK(ledger.checkpoint(room, 0).size == 0);
  CHECK(ledger.checkpoint(room, 0).next == 0);
}

TEST_CASE("as text, and only as that text") {
  for (std::int64_t count = 0; count < 40; ++count) {
    OffsetLedger ledger({.next = 5'000'000'000});
    for (std::int64_t i = 0; i < count; ++i) {
      CHECK(ledger.deliver(5'000'000'000 + i, {}) == Verdict::fresh);
    }
    for (std::int64_t i = 1; i < count; i += 2 + i % 3) {
      CHECK(ledger.complete(5'000'000'000 + i, 0) == Verdict::fresh);
    }
    for (std::size_t spare = 0; spare < 6; ++spare) {
      std::string text(ledger.checkpoint_characters() + spare, '#');
      const auto checkpoint = ledger.checkpoint_text(text, 0);
      REQUIRE(checkpoint.size == ledger.checkpoint_characters());
      text.resize(checkpoint.size);
      REQUIRE(
          text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                 "+/=") == std::string::npos);
      const auto restored = OffsetLedger::restore_text(checkpoint.next, text);
      REQUIRE(restored.has_value());
      CHECK(restored->checkpoint_bytes() == ledger.checkpoint_bytes());
      for (std::int64_t i = 0; i < count + 3; ++i) {
        CHECK((restored->check(5'000'000'000 + i) == Verdict::duplicate) ==
              (ledger.check(5'000'000'000 + i) == Verdict::duplicate));
      }
      for (std::size_t cut = 1; cut < text.size(); ++cut) {
        CHECK(!OffsetLedger::restore_text(checkpoint.next, text.substr(0, cut)).has_value());
      }
      for (std::size_t i = 0; i < text.size(); ++i) {
        std::string wrong = text;
        wrong[i] = wrong[i] == 'A' ? 'B' : 'A';
        CHECK(!OffsetLedger::restore_text(checkpoint.next, wrong).has_value());
        wrong[i] = '*';
        CHECK(!OffsetLedger::restore_text(checkpoint.next, wrong).has_value());
      }
    }
    std::string little(ledger.checkpoint_characters() - 1, '#');
    CHECK(ledger.checkpoint_text(little, 0).size == 0);
  }
}

TEST_CASE("every prefix and every flipped bit is refused") {
  OffsetLedger ledger({.next = 77});
  for (std::int64_t i = 77; i < 400; ++i) CHECK(ledger.deliver(i, {}) == Verdict::fresh);
  for (const bool dense : {false, true}) {
    for (std::int64_t i = 80; i < 400; i += dense ? 2 : 41) (void)ledger.complete(i, 0);
    std::int64_t next = 0;
    const auto bytes = saved(ledger, next);
    for (std::size_t size = 1; size < bytes.size(); ++size) {
      CHECK(!OffsetLedger::restore(next, std::span(bytes).first(size)).has_value());
    }
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      auto wrong = bytes;
      wrong[bit / 8] ^= std::byte{1} << (bit % 8);
      CHECK(!OffsetLedger::restore(next, wrong).has_value());
    }
    auto longer = bytes;
    longer.push_back(std::byte{0});
    CHECK(!OffsetLedger::restore(next, longer).has_value());
  }
  CHECK(OffsetLedger::restore(77, {}).has_value());
  const std::vector<std::byte> large(70'000);
  CHECK(OffsetLedger::restore(77, large).error().code == ErrorCode::limit_exceeded);
}

TEST_CASE("the limit on a checkpoint, as bytes and as text, to the byte and without one") {
  OffsetLedger ledger;
  for (std::int64_t i = 0; i < 40; ++i) CHECK(ledger.deliver(i, {}) == Verdict::fresh);
  for (std::int64_t i = 1; i < 40; i += 3) CHECK(ledger.complete(i, 0) == Verdict::fresh);
  std::int64_t next = 0;
  const auto bytes = saved(ledger, next);
  std::string text(ledger.checkpoint_characters(), '#');
  REQUIRE(ledger.checkpoint_text(text, 0).size == text.size());
  constexpr std::size_t none = std::numeric_limits<std::size_t>::max();
  for (const std::size_t limit : {bytes.size(), bytes.size() + 1, none - 5, none - 4, none}) {
    CAPTURE(limit);
    CHECK(OffsetLedger::restore(next, bytes, {.max_checkpoint_bytes = limit}).has_value());
    CHECK(OffsetLedger::restore_text(next, text, {.max_checkpoint_bytes = limit}).has_value());
  }
  for (const std::size_t limit : {std::size_t{0}, std::size_t{1}, bytes.size() - 1}) {
    CAPTURE(limit);
    CHECK(OffsetLedger::restore(next, bytes, {.max_checkpoint_bytes = limit}).error().code ==
          ErrorCode::limit_exceeded);
    CHECK(OffsetLedger::restore_text(next, text, {.max_checkpoint_bytes = limit}).error().code ==
          ErrorCode::limit_exceeded);
  }
}

TEST_CASE("what still fits: exactly for one, and never too much for many") {
  Rng rng(11);
  for (int round = 0; round < 60; ++round) {
    OffsetLedger ledger({.next = 120});
    std::vector<std::int64_t> open;
    std::int64_t offset = 120;
    for (std::uint64_t i = 0; i < 40 + rng.below(500); ++i) {
      if (rng.one_in(9)) offset += static_cast<std::int64_t>(rng.below(200));
      REQUIRE(ledger.deliver(offset, {}) == Verdict::fresh);
      open.push_back(offset++);
    }
    const std::size_t limit = 24 + rng.below(60);
    std::size_t promised = ledger.completions_left(limit);
    while (!open.empty()) {
      const std::size_t which = rng.below(open.size());
      const std::size_t expected = ledger.checkpoint_bytes_with(open[which]);
      REQUIRE(ledger.complete(open[which], 0) == Verdict::fresh);
      REQUIRE(ledger.checkpoint_bytes() == expected);
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(which));
      if (promised != 0) {
        --promised;
        REQUIRE(expected <= limit);
        REQUIRE(ledger.completions_left(limit) >= promised);
      } else {
        promised = ledger.completions_left(limit);
      }
    }
  }
}

TEST_CASE("the promise of room is tight where every second one completes") {
  OffsetLedger ledger;
  for (std::int64_t i = 0; i < 120; ++i) CHECK(ledger.deliver(i, {}) == Verdict::fresh);
  const std::size_t limit = 19;  // one byte less than the bits of all would take
  const std::size_t promised = ledger.completions_left(limit);
  std::size_t done = 0;
  for (std::int64_t i = 1; i < 120; i += 2) {
    if (ledger.checkpoint_bytes_with(i) > limit) break;
    CHECK(ledger.complete(i, 0) == Verdict::fresh);
    ++done;
  }
  CHECK(promised >= 5);
  CHECK(promised <= done);
}

TEST_CASE("held deliveries are capped") {
  OffsetLedger ledger({.max_held = 20});
  for (std::int64_t i = 0; i < 20; ++i) CHECK(ledger.deliver(i, {}) == Verdict::fresh);
  CHECK(ledger.deliver(20, {}) == Verdict::full);
  CHECK(ledger.complete(5, 0) == Verdict::fresh);
  CHECK(ledger.deliver(20, {}) == Verdict::full);
  CHECK(ledger.complete(0, 0) == Verdict::fresh);
  CHECK(ledger.deliver(20, {}) == Verdict::fresh);
}

TEST_CASE("failing allocations change nothing") {
  for (const auto mode : {idem_test::Failing::once, idem_test::Failing::from_then_on}) {
    OffsetLedger ledger;
    std::int64_t end = 0;
    std::uint64_t failed = 0;
    for (int i = 0; i < 300; ++i) {
      failed += idem_test::for_each_failing_allocation(
          mode, [] {},
          [&] {
            const Verdict verdict = ledger.deliver(end, {});
            if (verdict == Verdict::fresh)
              ++end;
            else
              CHECK(verdict == Verdict::full);
          },
          [](bool) {});
      CHECK(ledger.open() == static_cast<std::size_t>(end));
    }
    CHECK(failed >= 5);
    for (std::int64_t i = 3; i < end; i += 5) (void)ledger.complete(i, 0);
    std::uint64_t epoch = 0;
    CHECK(idem_test::for_each_failing_allocation(
              mode, [] {},
              [&] {
                if (ledger.take_over(epoch + 1) == Verdict::fresh)
                  ++epoch;
                else
                  CHECK(ledger.open() > 0);
              },
              [](bool) {}) == 1);
    CHECK(ledger.next() == 0);
    CHECK(ledger.check(3) == Verdict::duplicate);

    std::int64_t next = 0;
    const auto bytes = saved(ledger, next);
    CHECK(idem_test::for_each_failing_allocation(
              mode, [] {},
              [&] {
                const auto restored = OffsetLedger::restore(next, bytes);
                if (!restored) CHECK(restored.error().code == ErrorCode::out_of_memory);
              },
              [](bool) {}) >= 1);
  }
}

TEST_CASE("a ledger is a value") {
  OffsetLedger a;
  for (std::int64_t i = 0; i < 50; ++i) CHECK(a.deliver(i, {}) == Verdict::fresh);
  CHECK(a.complete(7, 0) == Verdict::fresh);
  OffsetLedger b = a;
  CHECK(b.complete(0, 0) == Verdict::fresh);
  CHECK(a.next() == 0);
  CHECK(b.next() == 1);
  const OffsetLedger c = std::move(b);
  CHECK(c.next() == 1);
  CHECK(c.check(7) == Verdict::duplicate);
  a = c;
  CHECK(a.next() == 1);
}
