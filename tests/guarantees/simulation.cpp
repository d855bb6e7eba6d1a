#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <idem/idem.hpp>
#include <idem/testing/testing.hpp>

#include "support/random.hpp"
#include "support/soak.hpp"
#include "support/thrown.hpp"

// idem::testing itself.

namespace {

using idem::Duration;
using idem::Instant;
using idem::Uuid;
using idem::Verdict;
using idem::testing::Delivery;
using idem::testing::DumbDeduplicator;
using idem::testing::Durable;
using idem::testing::Fault;
using idem::testing::Keeps;
using idem::testing::ManualClock;
using idem::testing::parse_schedule;
using idem::testing::replay;
using idem::testing::Schedule;
using idem::testing::simulate;
using idem::testing::SimulationOptions;
using idem::testing::Sink;
using idem::testing::Takeover;
using idem::testing::World;
using idem_test::Rng;
using idem_test::soaked;

TEST_CASE("the clock stands still until it is moved") {
  ManualClock clock;
  CHECK(clock.now() == Instant());
  clock.advance(Duration::nanoseconds(5));
  clock.advance(Duration::nanoseconds(-2));
  CHECK(clock.now() == Instant::at(Duration::nanoseconds(3)));
  clock.set(Instant::max());
  clock.advance(Duration::nanoseconds(1));
  CHECK(clock.now() == Instant::max());
}

// The same random calls to both. What came of each, so that a test in which nothing happened fails.
TEST_CASE("the dumb deduplicator and the real one answer the same to random calls") {
  using Real = idem::Deduplicator<Uuid, idem::Policy<idem::Claims>>;
  using Dumb = DumbDeduplicator<Uuid>;
  std::vector<std::uint64_t> answered(256);
  std::uint64_t fenced = 0;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    const idem::ClaimOptions claims{
        .lease = seed % 4 == 0 ? Duration::max() : Duration::nanoseconds(20),
        .max_in_flight = 6,
        .max_attempts = seed % 2 == 0 ? 3 : idem::unlimited_attempts,
        .max_failed_keys = 4,
        .first_token = seed};
    Real real({.claims = claims});
    Dumb dumb({.claims = claims});
    std::vector<std::pair<Real::Claim, Dumb::Claim>> held;
    Rng rng(seed);
    ManualClock clock;
    for (std::uint64_t step = 0; step < soaked(5'000); ++step) {
      clock.advance(Duration::nanoseconds(static_cast<std::int64_t>(rng.below(4))));
      const Uuid id(1, rng.below(12));
      const auto at = held.begin() + static_cast<std::ptrdiff_t>(rng.below(held.size() + 1));
      switch (rng.below(8)) {
        case 0:
        case 1:
        case 2: {
          auto one = real.claim(id, {.now = clock.now()});
          auto other = dumb.claim(id, {.now = clock.now()});
          REQUIRE(one.verdict() == other.verdict());
          REQUIRE(one.token() == other.token());
          REQUIRE(one.attempt() == other.attempt());
          ++answered[static_cast<std::size_t>(one.verdict())];
          if (one.holds()) held.emplace_back(std::move(one), std::move(other));
          break;
        }
        case 3:
        case 4:
          if (at == held.end()) break;
          REQUIRE(at->first.holds() == at->second.holds());
          if (rng.one_in(2)) {
            const Verdict verdict = at->first.commit(clock.now());
            REQUIRE(verdict == at->second.commit(clock.now()));
            fenced += verdict == Verdict::fenced ? 1U : 0U;
          }
          held.erase(at);
          break;
        case 5:
          if (at == held.end()) break;
          REQUIRE(at->first.renew(clock.now()) == at->second.renew(clock.now()));
          break;
        case 6:
          REQUIRE(real.insert(id) == dumb.insert(id));
          break;
        default:
          REQUIRE(real.forget(id) == dumb.forget(id));
      }
      REQUIRE(real.check(id) == dumb.check(id));
      REQUIRE(real.claims_in_flight() == dumb.claims_in_flight());
      REQUIRE(real.size() == dumb.size());
    }
  }
  for (const Verdict verdict : {Verdict::fresh, Verdict::duplicate, Verdict::in_progress,
                                Verdict::full, Verdict::poisoned}) {
    CAPTURE(idem::name(verdict));
    CHECK(answered[static_cast<std::size_t>(verdict)] > 10);
  }
  CHECK(fenced > 10);
}

TEST_CASE("schedules are written and read") {
  const Schedule schedule{{Fault::crash, 0}, {Fault::pause, 7}, {Fault::lie, 1'000'000}};
  CHECK(to_string(schedule) == "crash@0 pause@7 lie@1000000");
  CHECK(parse_schedule(to_string(schedule)) == schedule);
  CHECK(to_string(Schedule()) == "no fault");
  CHECK(parse_schedule("no fault").empty());
  for (std::size_t kind = 0; kind < idem::testing::fault_kinds; ++kind) {
    const Schedule one{{static_cast<Fault>(kind), 3}};
    CHECK(parse_schedule(to_string(one)) == one);
  }
  for (const char* const nonsense :
       {"crash", "crash@", "crsh@1", "crash@1x", "crash@-1", "crash@2 pause@2", "crash@3 pause@2",
        "@1", "crash@99999999999999999999"}) {
    CAPTURE(nonsense);
    CHECK_THROWS_AS((void)parse_schedule(nonsense), std::invalid_argument);
  }
}

// ---- small worlds ---------------------------------------------------------------------------------

struct Outside {
  explicit Outside(World& world) : sink(world), number(world, 0, Keeps::all_but_the_last_write) {}
  [[nodiscard]] std::uint64_t effects(std::uint64_t message) const { return sink.effects(message); }

  Sink sink;
  Durable<int> number;
};

struct Plain {
  Plain(World&, Outside& made) : outside(made) {}
  void handle(const Delivery& delivery) {
    outside.sink.apply(delivery.message);
    delivery.acknowledge();
  }
  Outside& outside;
};

TEST_CASE("every combination of steps is tried, once each, and no other") {
  // Two steps and the end: with up to two crashes 1 + 3 + (of the lives after a crash) runs.
  SimulationOptions options{.copies = 1, .crashes = 0};
  CHECK(simulate<Outside, Plain>(options).runs == 1);
  options.crashes = 1;
  auto report = simulate<Outside, Plain>(options);
  CHECK(report.runs == 1 + 3);
  CHECK(effects(report) == "1..2");
  CHECK(to_string(report.most.schedule) == "crash@1");
  options.min_faults = 1;
  CHECK(simulate<Outside, Plain>(options).runs == 3);
  options = {.copies = 1, .crashes = 2};
  // After a crash at step 0, 1 or 2 the next life has 3, 3 or 1 steps in which it may crash.
  CHECK(simulate<Outside, Plain>(options).runs == 1 + 3 + 3 + 3 + 1);
  options.max_faults = 1;
  CHECK(simulate<Outside, Plain>(options).runs == 1 + 3);
  // A refusal and a lie are possible at the two calls, not at the end.
  CHECK(simulate<Outside, Plain>({.copies = 1, .crashes = 0, .refusals = 1}).runs == 1 + 2);
}

TEST_CASE("the same options give the same report, to the letter") {
  const SimulationOptions options{.messages = 2, .pauses = 2, .lies = 2, .workers = 3, .seeds = 50};
  const auto one = simulate<Outside, Plain>(options), other = simulate<Outside, Plain>(options);
  CHECK(to_string(one) == to_string(other));
  CHECK(one.worst.find("seed: ") == 0);
  auto later = options;
  later.first_seed = one.most.seed;
  later.seeds = 1;
  CHECK(simulate<Outside, Plain>(later).max_effects == one.max_effects);
  CHECK(replay<Outside, Plain>(options, one.most.schedule) ==
        one.worst.substr(one.worst.find('\n') + 1));
}

TEST_CASE("a handler that never acknowledges is stuck, one that never ends too") {
  struct Silent {
    Silent(World&, Outside&) {}
    void handle(const Delivery&) {}
  };
  const auto silent = simulate<Outside, Silent>({.crashes = 0});
  CHECK(silent.stuck == 1);
  CHECK(silent.lost == 0);
  CHECK(silent.worst.find("STUCK") != std::string::npos);

  struct Endless {
    Endless(World& in, Outside&) : world(in) {}
    void handle(const Delivery&) {
      for (;;) world.step("once more");
    }
    World& world;
  };
  CHECK(simulate<Outside, Endless>({.crashes = 0, .max_steps = 100}).stuck == 1);

  // Even one that survives everything that is thrown at it; and it dies of a crash like any other.
  struct Stubborn {
    Stubborn(World& in, Outside& made) : world(in), outside(made) {}
    void handle(const Delivery& delivery) {
      for (int i = 0; i < 5; ++i) {
        try {
          world.step("once more");
        } catch (...) {
        }
      }
      outside.sink.apply(delivery.message);
      delivery.acknowledge();
    }
    void idle() {
      try {
        world.step("idle");
      } catch (...) {
      }
    }
    World& world;
    Outside& outside;
  };
  CHECK(effects(simulate<Outside, Stubborn>({.copies = 1, .crashes = 2})) == "1..3");
  CHECK(simulate<Outside, Stubborn>({.copies = 1, .crashes = 1, .max_steps = 4}).stuck > 0);
}

TEST_CASE("what a dead process does has no effect, in destructors and in handlers that catch all") {
  struct Tidy {
    Tidy(World& in, Outside& made) : world(in), outside(made) {}
    ~Tidy() {
      try {
        outside.sink.apply(0);
      } catch (...) {
      }
    }
    void handle(const Delivery& delivery) {
      struct Guard {
        ~Guard() { tidy.outside.sink.apply(0); }  // while a crash passes by
        Tidy& tidy;
      };
      try {
        const Guard guard{*this};
        world.step("work");
      } catch (...) {
        delivery.acknowledge();  // dies here
      }
      delivery.acknowledge();
    }
    World& world;
    Outside& outside;
  };
  const std::string steps = replay<Outside, Tidy>({.copies = 1}, parse_schedule("crash@0"));
  // Once by the guard of the second life, once by the end of it.
  CHECK(steps.find("message 0: 2 effects") != std::string::npos);
  CHECK(steps.find("STUCK") == std::string::npos);
}

TEST_CASE("a Durable keeps what was acknowledged, or all but the last of it, whole or not at all") {
  struct Writer {
    Writer(World& in, Outside& made) : world(in), outside(made) {}
    void handle(const Delivery& delivery) {
      outside.number.write("one", 1);
      try {
        outside.number.transact("two, and an error", [](int& number) {
          number = 2;
          throw std::runtime_error("no");
        });
      } catch (const std::runtime_error&) {
      }
      world.require(outside.number.value() == 1, "a transaction that threw left something behind");
      const int before =
          outside.number.transact("three", [](int& number) { return std::exchange(number, 3); });
      world.require(before == 1, "a transaction does not see the value");
      outside.sink.apply(delivery.message);
      delivery.acknowledge();
    }
    void idle() { seen.push_back(outside.number.value()); }
    World& world;
    Outside& outside;
    std::vector<int> seen{};
  };
  CHECK(simulate<Outside, Writer>({.copies = 1, .crashes = 2}).violations == 0);

  struct Reader {
    Reader(World& in, Outside& made) : world(in), outside(made) {
      if (outside.number.value() != 0)
        world.require(outside.number.value() == 1, "not the one before");
    }
    void handle(const Delivery& delivery) {
      outside.number.write("one", 1);
      outside.number.write("two", 2);
      world.step("here it forgets");
      outside.sink.apply(delivery.message);
      delivery.acknowledge();
    }
    World& world;
    Outside& outside;
  };
  CHECK(replay<Outside, Reader>({.copies = 1}, parse_schedule("amnesia@2")).find("VIOLATED") ==
        std::string::npos);
  CHECK(replay<Outside, Reader>({.copies = 1}, parse_schedule("crash@2")).find("VIOLATED") !=
        std::string::npos);
}

TEST_CASE("positions: seek reads again, commits of offsets acknowledge all below") {
  struct Reads {
    explicit Reads(World& world) : read(world, {}) {}
    [[nodiscard]] std::uint64_t effects(std::uint64_t message) const {
      std::uint64_t count = 0;
      for (const std::uint64_t one : read.value()) count += one == message ? 1U : 0U;
      return count;
    }
    Durable<std::vector<std::uint64_t>> read;
  };
  struct Seeks {
    Seeks(World& world, Reads& made) : outside(made) { world.seek(1); }
    void handle(const Delivery& delivery) {
      outside.read.transact("read", [&](auto& read) { read.push_back(delivery.message); });
    }
    Reads& outside;
  };
  const auto seeks = simulate<Reads, Seeks>({.messages = 3, .copies = 1, .crashes = 1});
  CHECK(seeks.min_effects == 0);  // message 0, below the position
  CHECK(seeks.max_effects == 2);
  CHECK(seeks.stuck == 0);

  struct Commits {
    Commits(World& in, Reads& made) : world(in), outside(made) {}
    void handle(const Delivery& delivery) {
      outside.read.transact("read", [&](auto& read) { read.push_back(delivery.message); });
      if (delivery.offset + 1 == world.end_offset()) world.acknowledge_below(world.end_offset());
    }
    World& world;
    Reads& outside;
  };
  CHECK(effects(simulate<Reads, Commits>({.messages = 3, .copies = 1, .crashes = 1})) == "1..2");
}

TEST_CASE("options that are nonsense say which, and so do faults of a program's own") {
  CHECK_THROWS_WITH_AS((void)(simulate<Outside, Plain>({.messages = 0})),
                       "idem: SimulationOptions.messages is 0; it must be at least 1",
                       std::invalid_argument);
  CHECK_THROWS_AS((void)(simulate<Outside, Plain>({.copies = 0})), std::invalid_argument);
  CHECK_THROWS_AS((void)(simulate<Outside, Plain>({.workers = 0})), std::invalid_argument);
  // One run is asked for in the same words.
  const Schedule pause = parse_schedule("pause@0");
  CHECK_THROWS_WITH_AS((void)(replay<Outside, Plain>({.workers = 0}, pause)),
                       "idem: SimulationOptions.workers is 0; it must be at least 1",
                       std::invalid_argument);
  CHECK_THROWS_AS((void)(replay<Outside, Plain>({.messages = 0}, pause)), std::invalid_argument);
  CHECK_THROWS_AS((void)(replay<Outside, Plain>({.copies = 0}, pause)), std::invalid_argument);
  struct Broken {
    Broken(World&, Outside&) { throw std::logic_error("a fault of my own"); }
    void handle(const Delivery&) {}
  };
  CHECK_THROWS_WITH_AS((void)(simulate<Outside, Broken>({})), "a fault of my own",
                       std::logic_error);
}

TEST_CASE("the worker that was paused goes on after the others, and finds itself replaced") {
  const SimulationOptions options{.copies = 1, .pauses = 2, .workers = 3};
  const std::string steps = replay<Outside, Plain>(options, parse_schedule("pause@0 pause@1"));
  CHECK(steps.find("message 0: 3 effects") != std::string::npos);
  CHECK(steps.find("worker 3") != std::string::npos);
  // No more workers than were asked for.
  CHECK(effects(simulate<Outside, Plain>({.copies = 1, .crashes = 0, .pauses = 2, .workers = 1})) ==
        "1..1");
  // A thread is not replaced, and dies with its process.
  SimulationOptions threads{.copies = 1, .pauses = 1};
  threads.takeover = Takeover::thread;
  const std::string both = replay<Outside, Plain>(threads, parse_schedule("pause@0 crash@1"));
  CHECK(both.find("message 0: 1 effects") != std::string::npos);
}

}  // namespace
