// The library's tracker against the dumb one: every small case, and long random runs at every edge.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "sequence/tracker_subjects.hpp"
#include "support/random.hpp"
#include "support/soak.hpp"

using idem::SequenceMode;
using idem::Verdict;
using idem_test::DumbAnswer;
using idem_test::DumbBatch;
using idem_test::DumbMarker;
using idem_test::DumbSubject;
using idem_test::DumbUnknown;
using idem_test::RealSubject;
using idem_test::Rng;
using idem_test::Setup;

namespace {

constexpr std::int64_t kafka_modulus = std::int64_t{1} << 31;

std::string text(const DumbAnswer& a) {
  return std::string(idem::name(a.verdict)) + '/' + a.reason + " epoch " + std::to_string(a.epoch) +
         " expected " + std::to_string(a.expected) + " offsets " + std::to_string(a.first_offset) +
         ".." + std::to_string(a.last_offset) + " time " + std::to_string(a.time) + " tail " +
         std::to_string(a.fresh_first) + ".." + std::to_string(a.fresh_last);
}

// Every history of `depth` + 1 batches of one to `longest` numbers, in order from every start, and
// then every range there is, in three epochs. Returns the number of judgements compared.
template <std::int64_t modulus, std::size_t depth>
std::uint64_t exhaust(std::int64_t longest, bool replicated_start) {
  using Real = RealSubject<SequenceMode::kafka, depth, modulus>;
  using Dumb = DumbSubject<modulus, depth>;
  std::uint64_t compared = 0;
  std::uint64_t histories = 1;
  for (std::size_t i = 0; i <= depth; ++i) histories *= static_cast<std::uint64_t>(longest) + 1;
  for (std::int64_t start = 0; start < (replicated_start ? modulus : 1); ++start) {
    for (std::uint64_t history = 0; history < histories; ++history) {
      Real real;
      Dumb dumb;
      std::int64_t first = start;
      std::int64_t offset = 0;
      std::uint64_t rest = history;
      for (std::size_t i = 0; i <= depth; ++i) {
        const auto length =
            static_cast<std::int64_t>(rest % (static_cast<std::uint64_t>(longest) + 1));
        rest /= static_cast<std::uint64_t>(longest) + 1;
        if (length == 0) continue;
        const std::int64_t last = (first + length - 1) % modulus;
        const DumbBatch batch{1, 1, first, last, 100 + offset, 'R'};
        real.append(batch, offset, offset + length - 1, 0);
        dumb.append(batch, offset, offset + length - 1, 0);
        first = (last + 1) % modulus;
        offset += length;
      }
      for (int epoch = 0; epoch <= 2; ++epoch) {
        for (std::int64_t a = -1; a <= modulus; ++a) {
          for (std::int64_t b = -1; b <= modulus; ++b) {
            const DumbBatch batch{1, epoch, a, b};
            const DumbAnswer expected = dumb.judge(batch);
            const DumbAnswer got = real.judge(batch);
            ++compared;
            if (got == expected) continue;
            FAIL("modulus ", modulus, " history ", history, " from ", start, " batch ", epoch, ':',
                 a, "..", b, " is ", text(got), ", not ", text(expected));
          }
        }
      }
    }
  }
  return compared;
}

template <class Real, class Dumb>
struct Pair {
  Real real;
  Dumb dumb;
  std::vector<std::pair<typename Real::Claim, typename Dumb::Claim>> claims{};

  explicit Pair(const Setup& setup) : real(setup), dumb(setup) {}
};

// Numbers that do not wrap end at the highest.
std::int64_t plus(std::int64_t n, std::int64_t by) {
  constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
  return by > 0 && n > highest - by ? highest : n + by;
}

// Random operations near `around`, answers compared one by one.
template <class Real, class Dumb>
void run(const Setup& setup, std::uint64_t seed, std::int64_t around, std::int64_t modulus,
         std::uint64_t operations, std::int64_t producers) {
  Pair<Real, Dumb> pair(setup);
  Rng rng(seed);
  std::int64_t now = 0;
  std::int64_t offset = 0;
  for (std::uint64_t step = 0; step < operations; ++step) {
    const auto pick = rng.below(100);
    now += static_cast<std::int64_t>(rng.below(4));
    DumbBatch batch;
    batch.id = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(producers)));
    batch.epoch = static_cast<int>(rng.below(24)) == 0 ? 1 + static_cast<int>(rng.below(3)) : 0;
    batch.time = static_cast<std::int64_t>(rng.below(1000));
    // Mostly at what the tracker expects, or near.
    const std::int64_t hint = pair.dumb.judge({batch.id, batch.epoch, around, around}).expected;
    std::int64_t first = hint;
    const auto kind = rng.below(10);
    if (kind == 0 || hint < 0) first = plus(around, static_cast<std::int64_t>(rng.below(6)));
    if (kind == 1) first = plus(hint, static_cast<std::int64_t>(rng.below(5)) - 2);
    if (kind >= 2 && kind <= 4) first = hint - static_cast<std::int64_t>(rng.below(9));
    if (kind == 5) first = 0;
    const auto length = static_cast<std::int64_t>(rng.below(rng.one_in(8) ? 8 : 3));
    batch.first = first;
    if (modulus != 0) {
      batch.first = ((first % modulus) + modulus) % modulus;
      batch.last = (batch.first + length) % modulus;
    } else {
      if (batch.first < 0) batch.first = 0;
      batch.last = batch.first > std::numeric_limits<std::int64_t>::max() - length
                       ? std::numeric_limits<std::int64_t>::max()
                       : batch.first + length;
    }
    if (rng.one_in(40)) batch.origin = rng.one_in(2) ? 'R' : 'K';
    if (batch.origin == 'K' && rng.one_in(2)) batch.first = batch.last = -1;
    if (rng.one_in(200)) batch.last = batch.first - 1;
    std::int64_t count = batch.last - batch.first;
    if (modulus != 0 && batch.first >= 0) count = (count + modulus) % modulus;
    if (rng.one_in(200)) ++count;
    INFO("step ", step, " pick ", pick, " batch ", batch.id, '/', batch.epoch, ' ', batch.origin,
         ' ', batch.first, "..", batch.last, " now ", now);

    DumbAnswer expected;
    DumbAnswer got;
    if (pick < 20) {
      expected = pair.dumb.judge(batch);
      got = pair.real.judge(batch);
    } else if (pick < 70) {
      expected = pair.dumb.append(batch, offset, offset + count, now);
      got = pair.real.append(batch, offset, offset + count, now);
    } else if (pick < 82) {
      typename Real::Claim real_claim{};
      typename Dumb::Claim dumb_claim{};
      expected = pair.dumb.claim(batch, dumb_claim);
      got = pair.real.claim(batch, real_claim);
      if (expected.verdict == Verdict::fresh) pair.claims.emplace_back(real_claim, dumb_claim);
    } else if (pick < 95 && !pair.claims.empty()) {
      const std::size_t which = rng.below(pair.claims.size());
      const auto claim = pair.claims[which];
      if (rng.one_in(5)) {
        const bool was_open = pair.dumb.abort(claim.second);
        REQUIRE(pair.real.abort(claim.first) == was_open);
      } else {
        const auto more = static_cast<std::int64_t>(rng.below(3));
        expected = pair.dumb.commit(claim.second, offset, offset + more, now);
        got = pair.real.commit(claim.first, offset, offset + more, now);
        offset += more + 1;
      }
      if (rng.one_in(3))
        pair.claims.erase(pair.claims.begin() + static_cast<std::ptrdiff_t>(which));
    } else if (pick < 98) {
      DumbMarker marker;
      marker.id = batch.id;
      marker.epoch = batch.epoch + (rng.one_in(4) ? 1 : 0);
      marker.coordinator = static_cast<int>(rng.below(3));
      marker.origin = rng.one_in(8) ? 'R' : 'K';
      marker.must_rise = rng.one_in(2);
      marker.transaction_open = rng.one_in(2);
      marker.empty = rng.one_in(6);
      expected = pair.dumb.mark(marker, now);
      got = pair.real.mark(marker, now);
    } else {
      const std::size_t limit = rng.below(3);
      pair.dumb.expire(now, limit);
      pair.real.expire(now, limit);
    }
    if (expected.verdict == Verdict::fresh) offset += count + 1;
    if (!(got == expected)) FAIL(text(got), ", not ", text(expected));
    REQUIRE(pair.real.size() == pair.dumb.size());
    REQUIRE(pair.real.open() == pair.dumb.open());
    REQUIRE(pair.real.end() == pair.dumb.end());
    REQUIRE(pair.real.evicted() == pair.dumb.evicted());
    REQUIRE(pair.real.expired() == pair.dumb.expired());
    if (step % 64 == 0) {
      for (std::int64_t id = 0; id < producers; ++id) {
        REQUIRE(pair.real.knows(id) == pair.dumb.knows(id));
      }
    }
  }
}

template <std::int64_t modulus, std::size_t depth>
void run_kafka(const Setup& setup, std::uint64_t seed, std::int64_t around,
               std::int64_t producers = 6) {
  run<RealSubject<SequenceMode::kafka, depth, modulus>, DumbSubject<modulus, depth>>(
      setup, seed, around, modulus, idem_test::soaked(20'000), producers);
}

}  // namespace

TEST_CASE("sequence arithmetic on a small circle, exhaustively") {
  using N = idem::detail::WrappingNumbers<16>;
  for (std::int64_t n = 0; n < 16; ++n) {
    CHECK(N::next(n) == (n + 1) % 16);
    for (std::int64_t by = 0; by < 16; ++by) {
      CHECK(N::increment(n, by) == (n + by) % 16);
      CHECK(N::decrement(n, by) == (n + 16 - by) % 16);
      CHECK(N::decrement(N::increment(n, by), by) == n);
      CHECK(N::distance(n, N::increment(n, by)) == by);
      CHECK(N::valid_range(n, N::increment(n, by)) == (by < 8));
      CHECK(N::is_behind(N::increment(n, by), n) == (by >= 8));
    }
  }
  CHECK(N::next(-1) == 0);
}

TEST_CASE("sequence arithmetic at the edge of 31 bits") {
  using N = idem::detail::WrappingNumbers<kafka_modulus>;
  constexpr std::int64_t highest = 2147483647;
  CHECK(N::increment(5, 5) == 10);
  CHECK(N::increment(highest, 1) == 0);
  CHECK(N::increment(highest - 5, 10) == 4);
  CHECK(N::increment(highest, highest) == highest - 1);
  CHECK(N::decrement(5, 5) == 0);
  CHECK(N::decrement(0, 1) == highest);
  CHECK(N::decrement(0, highest) == 1);
  CHECK(N::next(highest) == 0);
  CHECK(N::next(-1) == 0);
  CHECK(N::increment(highest - 1, 2) == 0);  // a batch of three: highest - 1, highest, 0
}

TEST_CASE("sequence arithmetic at the edge of 63 bits") {
  using N = idem::detail::PlainNumbers;
  CHECK(N::next(-1) == 0);
  CHECK(N::next(N::highest) == -1);
  CHECK(N::next(N::highest - 1) == N::highest);
  CHECK(N::is_behind(N::highest, -1));
  CHECK(!N::valid_range(1, 0));
  CHECK(N::valid_range(0, N::highest));
}

TEST_CASE("every range against every history, on small circles") {
  CHECK(exhaust<4, 1>(2, true) == 4u * 9 * 3 * 36);
  CHECK(exhaust<8, 2>(4, true) == 8u * 125 * 3 * 100);
  CHECK(exhaust<8, 3>(3, true) == 8u * 256 * 3 * 100);
  CHECK(exhaust<16, 2>(3, false) == 64u * 3 * 324);
}

TEST_CASE("random operations on small circles") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    run_kafka<8, 1>({}, seed, 6);
    run_kafka<16, 2>({}, seed, 14);
    run_kafka<64, 5>({}, seed, 60);
    run_kafka<64, 5>({.unknown = DumbUnknown::zero}, seed, 60);
  }
}

TEST_CASE("random operations about the wrap of 31 bits") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    run_kafka<kafka_modulus, 5>({}, seed, kafka_modulus - 4);
    run_kafka<kafka_modulus, 3>({.unknown = DumbUnknown::zero_if_empty}, seed, kafka_modulus - 40);
  }
}

TEST_CASE("random operations with caps, expiry and few claims") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    run_kafka<kafka_modulus, 5>({.max_producers = 4}, seed, 100, 12);
    run_kafka<kafka_modulus, 5>({.max_producers = 3, .refuse = true}, seed, 100, 5);
    run_kafka<kafka_modulus, 2>({.expire_after = 30}, seed, 100, 12);
    run_kafka<kafka_modulus, 5>({.max_producers = 20, .expire_after = 90, .max_claims = 3}, seed,
                                100, 40);
  }
}

TEST_CASE("random operations on numbers that do not wrap") {
  constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    for (const std::int64_t around : {std::int64_t{0}, std::int64_t{1} << 31, highest - 12}) {
      run<RealSubject<SequenceMode::strict64, 5, kafka_modulus>, DumbSubject<0, 5>>(
          {}, seed, around, 0, idem_test::soaked(20'000), 6);
    }
  }
}

TEST_CASE("a batch of judgements equals single ones") {
  idem::ProducerTracker tracker({.seed = 3});
  Rng rng(5);
  std::vector<idem::ProducerBatch> batches;
  for (std::int64_t i = 0; i < 2000; ++i) {
    const auto id = static_cast<std::int64_t>(rng.below(700)) - 2;
    const auto first = static_cast<std::int64_t>(rng.below(4));
    const idem::ProducerBatch batch{
        .producer_id = id, .epoch = 0, .first_sequence = first, .last_sequence = first + 1};
    if (i % 2 == 0) (void)tracker.append(batch, {2 * i, 2 * i + 1}, idem::Instant{});
    batches.push_back(batch);
  }
  std::vector<idem::Judgement> answers(batches.size());
  tracker.judge(batches, answers);
  for (std::size_t i = 0; i < batches.size(); ++i) CHECK(answers[i] == tracker.judge(batches[i]));
}
