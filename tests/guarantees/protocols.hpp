#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include <idem/idem.hpp>
#include <idem/testing/testing.hpp>

// The protocols of docs/guarantees.md, each as a consumer over idem's classes: what is outside and
// survives, and the process that dies.

namespace protocols {

using idem::Action;
using idem::Claims;
using idem::Deduplicator;
using idem::Policy;
using idem::Uuid;
using idem::Verdict;
using idem::testing::Delivery;
using idem::testing::Durable;
using idem::testing::Keeps;
using idem::testing::SimulatedStore;
using idem::testing::Sink;
using idem::testing::World;

using Seen = Deduplicator<Uuid, Policy<Claims>>;
using Bytes = std::vector<std::byte>;

// Of the real one, of the dumb one, and of those with a bug planted.
template <class Dedup = Seen>
typename Dedup::Options options(std::uint32_t max_attempts = idem::unlimited_attempts) {
  typename Dedup::Options options;
  options.claims.max_in_flight = 16;
  options.claims.max_attempts = max_attempts;
  options.claims.max_failed_keys = 16;
  if constexpr (requires { options.memory.seed; }) options.memory.seed = idem::Seed{1, 2};
  return options;
}

constexpr auto forgetful = Keeps::all_but_the_last_write;

// ---- the record in a store that survives the process ------------------------------------------

struct WithSink {
  explicit WithSink(World& world) : sink(world) {}
  [[nodiscard]] std::uint64_t effects(std::uint64_t message) const { return sink.effects(message); }

  Sink sink;
};

struct WithStore : WithSink {
  explicit WithStore(World& world) : WithSink(world), store(world, options(), forgetful) {}

  SimulatedStore<Seen> store;
};

// Process, acknowledge.
struct NoDedup {
  using Outside = WithSink;
  NoDedup(World&, Outside& made) : outside(made) {}

  void handle(const Delivery& delivery) {
    outside.sink.apply(delivery.message);
    delivery.acknowledge();
  }

  Outside& outside;
};

// Insert, process, acknowledge.
struct RecordThenProcess {
  using Outside = WithStore;
  RecordThenProcess(World&, Outside& made) : outside(made) {}

  void handle(const Delivery& delivery) {
    switch (idem::action(outside.store.insert(delivery.id()))) {
      case Action::process:
        outside.sink.apply(delivery.message);
        delivery.acknowledge();
        break;
      case Action::skip:
        delivery.acknowledge();
        break;
      case Action::retry:
        break;
      case Action::inspect:
        delivery.park();
        break;
    }
  }

  Outside& outside;
};

// Look, process, insert, acknowledge.
struct ProcessThenRecord {
  using Outside = WithStore;
  ProcessThenRecord(World&, Outside& made) : outside(made) {}

  void handle(const Delivery& delivery) {
    if (outside.store.check(delivery.id()) == Verdict::fresh) {
      outside.sink.apply(delivery.message);
      if (idem::action(outside.store.insert(delivery.id())) == Action::retry) return;
    }
    delivery.acknowledge();
  }

  Outside& outside;
};

// Claim, process, commit, acknowledge. Seen: the real one, or one with a bug. An expired claim is
// done again, or with max_attempts 1 parked.
enum class Effect { plain, checks_token, idempotent };

template <class Dedup>
struct WithClaims : WithSink {
  WithClaims(World& world, const typename Dedup::Options& with)
      : WithSink(world), store(world, with, forgetful) {}

  SimulatedStore<Dedup> store;
};

template <Effect effect, std::uint32_t max_attempts = idem::unlimited_attempts, class Dedup = Seen>
struct ClaimThenProcess {
  struct Outside : WithClaims<Dedup> {
    explicit Outside(World& world) : WithClaims<Dedup>(world, options<Dedup>(max_attempts)) {}
  };
  ClaimThenProcess(World&, Outside& made) : outside(made) {}

  void handle(const Delivery& delivery) {
    auto claim = outside.store.claim(delivery.id());
    switch (idem::action(claim.verdict())) {
      case Action::process:
        if constexpr (effect == Effect::plain) outside.sink.apply(delivery.message);
        if constexpr (effect == Effect::idempotent) outside.sink.apply_once(delivery.message);
        if constexpr (effect == Effect::checks_token) {
          if (!outside.sink.apply_with_token(delivery.message, claim.token())) return;
        }
        if (claim.commit() == Verdict::fresh) delivery.acknowledge();
        break;
      case Action::skip:
        delivery.acknowledge();
        break;
      case Action::retry:
        break;
      case Action::inspect:
        delivery.park();
        break;
    }
  }

  Outside& outside;
};

// Claim, commit, process, acknowledge: as RecordThenProcess, and nobody but the owner may go on.
template <class Dedup = Seen>
struct ClaimCommitThenProcess {
  struct Outside : WithClaims<Dedup> {
    explicit Outside(World& world) : WithClaims<Dedup>(world, options<Dedup>()) {}
  };
  ClaimCommitThenProcess(World&, Outside& made) : outside(made) {}

  void handle(const Delivery& delivery) {
    auto claim = outside.store.claim(delivery.id());
    switch (idem::action(claim.verdict())) {
      case Action::process:
        if (claim.commit() != Verdict::fresh) return;
        outside.sink.apply(delivery.message);
        delivery.acknowledge();
        break;
      case Action::skip:
        delivery.acknowledge();
        break;
      case Action::retry:
        break;
      case Action::inspect:
        delivery.park();
        break;
    }
  }

  Outside& outside;
};

// ---- the record in the database of the effect ---------------------------------------------------

// The set of what was done, as bytes beside the rows it belongs to.
using Done = Deduplicator<Uuid>;

inline Done load_done(const Bytes& bytes) {
  if (bytes.empty()) return Done(Done::Options{.memory = {.seed = idem::Seed{1, 2}}});
  auto loaded = idem::load<Done>(bytes);
  if (!loaded) throw std::logic_error(to_string(loaded.error()));
  return std::move(loaded->state);
}

template <class State>
Bytes saved(const State& state, std::int64_t position = 0) {
  Bytes bytes;
  const auto written =
      idem::save(state, std::as_bytes(std::span<const std::int64_t>(&position, 1)), bytes);
  if (!written) throw std::logic_error(to_string(written.error()));
  return bytes;
}

inline std::int64_t position_of(std::span<const std::byte> bytes) {
  std::int64_t position = 0;
  if (bytes.size() != sizeof position) throw std::logic_error("a position of another size");
  std::copy(bytes.begin(), bytes.end(), std::as_writable_bytes(std::span(&position, 1)).begin());
  return position;
}

// T{record, effect}, acknowledge.
struct Inbox {
  struct Database {
    Bytes done{};
    std::map<std::uint64_t, std::uint64_t> rows{};
  };
  struct Outside {
    explicit Outside(World& world) : database(world, {}, forgetful) {}
    [[nodiscard]] std::uint64_t effects(std::uint64_t message) const {
      const auto row = database.value().rows.find(message);
      return row == database.value().rows.end() ? 0 : row->second;
    }

    Durable<Database> database;
  };
  Inbox(World&, Outside& made) : outside(made) {}

  void handle(const Delivery& delivery) {
    outside.database.transact("insert key and row", [&](Database& database) {
      Done done = load_done(database.done);
      if (done.insert(delivery.id()) != Verdict::fresh) return;
      database.done = saved(done);
      ++database.rows[delivery.message];
    });
    delivery.acknowledge();
  }

  Outside& outside;
};

// T{record, outbox row}, acknowledge; a relay publishes the rows and marks them.
template <bool downstream_dedups>
struct Outbox {
  struct Database {
    Bytes done{};
    std::vector<std::uint64_t> outbox{};
  };
  struct Outside {
    explicit Outside(World& world) : database(world, {}, forgetful), topic(world, "publish") {}
    [[nodiscard]] std::uint64_t effects(std::uint64_t message) const {
      return topic.effects(message);
    }

    Durable<Database> database;
    Sink topic;
  };
  Outbox(World&, Outside& made) : outside(made) {}

  void handle(const Delivery& delivery) {
    outside.database.transact("insert key and outbox row", [&](Database& database) {
      Done done = load_done(database.done);
      if (done.insert(delivery.id()) != Verdict::fresh) return;
      database.done = saved(done);
      database.outbox.push_back(delivery.message);
    });
    delivery.acknowledge();
  }
  void idle() {
    while (!outside.database.value().outbox.empty()) {
      const std::uint64_t row = outside.database.value().outbox.front();
      if (downstream_dedups) {
        outside.topic.apply_once(row);
      } else {
        outside.topic.apply(row);
      }
      outside.database.transact("mark as published",
                                [&](Database& database) { std::erase(database.outbox, row); });
    }
  }

  Outside& outside;
};

// ---- the record in memory, and what of it survives ------------------------------------------------

// Claim, process, commit, acknowledge; nothing survives.
template <class Dedup = Seen>
struct InMemory {
  using Outside = WithSink;
  InMemory(World& in, Outside& made) : world(in), outside(made) {}

  void handle(const Delivery& delivery) {
    auto claim = seen.claim(delivery.id(), {.now = world.now()});
    switch (Dedup::action(claim.verdict())) {
      case Action::process:
        outside.sink.apply(delivery.message);
        world.step("before the commit");
        if (claim.commit(world.now()) == Verdict::fresh) delivery.acknowledge();
        break;
      case Action::skip:
        delivery.acknowledge();
        break;
      case Action::retry:
        break;
      case Action::inspect:
        delivery.park();
        break;
    }
  }

  World& world;
  Outside& outside;
  Dedup seen{options<Dedup>()};
};

struct WithSnapshot : WithSink {
  explicit WithSnapshot(World& world) : WithSink(world), snapshot(world, {}, forgetful) {}

  Durable<Bytes> snapshot;
};

// The set is saved when a timer fires, and loaded at the start; the broker's offsets go their own
// way. The key is recorded after its effect, or put in before it.
template <bool key_first>
struct SnapshotByTimer {
  using Outside = WithSnapshot;
  SnapshotByTimer(World& in, Outside& made) : world(in), outside(made), seen(options()) {
    if (outside.snapshot.value().empty()) {
      seen.start_empty();
    } else if (const auto position = seen.load(outside.snapshot.value()); !position) {
      throw std::logic_error(to_string(position.error()));
    }
  }

  void handle(const Delivery& delivery) {
    if constexpr (key_first) {
      if (seen.insert(delivery.id()) == Verdict::fresh) outside.sink.apply(delivery.message);
      delivery.acknowledge();
    } else {
      idem::Claim claim = seen.claim(delivery.id(), {.now = world.now()});
      if (claim.verdict() == Verdict::fresh) {
        outside.sink.apply(delivery.message);
        world.step("before the commit");
        if (claim.commit(world.now()) != Verdict::fresh) return;
      }
      delivery.acknowledge();
    }
  }
  void on_timer() { outside.snapshot.write("save the snapshot", saved(*seen)); }

  World& world;
  Outside& outside;
  idem::Resumable<Seen> seen;
};

// The set is saved with the offset it stands for, and the start seeks to that.
template <bool idempotent>
struct SnapshotWithOffset {
  using Outside = WithSnapshot;
  SnapshotWithOffset(World& in, Outside& made) : world(in), outside(made), seen(options()) {
    std::int64_t next = 0;
    if (outside.snapshot.value().empty()) {
      seen.start_empty();
    } else {
      const auto position = seen.load(outside.snapshot.value());
      if (!position) throw std::logic_error(to_string(position.error()));
      next = position_of(*position);
    }
    ledger = idem::OffsetLedger({.next = next});
    world.seek(next);
  }

  void handle(const Delivery& delivery) {
    (void)ledger.deliver(delivery.offset, world.now());
    idem::Claim claim = seen.claim(delivery.id(), {.now = world.now()});
    if (claim.verdict() == Verdict::fresh) {
      if (idempotent) {
        outside.sink.apply_once(delivery.message);
      } else {
        outside.sink.apply(delivery.message);
      }
      world.step("before the commit");
      if (claim.commit(world.now()) != Verdict::fresh) return;
    }
    (void)ledger.complete(delivery.offset, 0);
  }
  void on_timer() { outside.snapshot.write("save the snapshot", saved(*seen, ledger.next())); }

  World& world;
  Outside& outside;
  idem::Resumable<Seen> seen;
  idem::OffsetLedger ledger{};
};

// The effect is a line in a log, and the set is what the log says. Careful: the log takes lines of
// the last one who opened it only, as a lock on the file or an epoch would; and a process that does
// not know whether its line stands ends, so that the next one reads the log.
template <bool careful, bool endless_lease = false>
struct EffectLog {
  struct Log {
    std::vector<std::uint64_t> lines{};
    std::uint64_t epoch = 0;
  };
  struct Outside {
    explicit Outside(World& world) : log(world, {}, forgetful) {}
    [[nodiscard]] std::uint64_t effects(std::uint64_t message) const {
      std::uint64_t count = 0;
      for (const std::uint64_t line : log.value().lines) count += line == message ? 1 : 0;
      return count;
    }

    Durable<Log> log;
  };
  EffectLog(World& in, Outside& made) : world(in), outside(made) {
    if (careful) {
      epoch = outside.log.transact("open the log", [](Log& log) { return ++log.epoch; });
    }
    for (const std::uint64_t line : outside.log.value().lines) {
      (void)seen.insert(Uuid(0x1de0, line));
    }
  }

  void handle(const Delivery& delivery) {
    idem::Claim claim = seen.claim(delivery.id(), {.now = world.now()});
    if (claim.verdict() == Verdict::fresh) {
      if (!append(delivery.message)) return;
      world.step("before the commit");
      if (claim.commit(world.now()) != Verdict::fresh) return;
    }
    if (claim.verdict() != Verdict::in_progress) delivery.acknowledge();
  }

  static Seen::Options with_lease() {
    auto with = options();
    if (endless_lease) with.claims.lease = idem::Duration::max();
    return with;
  }

  bool append(std::uint64_t message) try {
    return outside.log.transact("append the effect", [&](Log& log) {
      if (log.epoch != epoch) return false;
      log.lines.push_back(message);
      return true;
    });
  } catch (const idem::testing::CallFailed&) {
    if (careful) throw idem::testing::Crash{};
    throw;
  }

  World& world;
  Outside& outside;
  std::uint64_t epoch = 0;
  Seen seen{with_lease()};
};

// T{set, offset, effect}: all in one database, and the start seeks to the offset.
template <bool one_owner>
struct OneTransaction {
  struct Database {
    Bytes set_and_offset{};
    std::map<std::uint64_t, std::uint64_t> rows{};
    std::uint64_t epoch = 0;
  };
  struct Outside {
    explicit Outside(World& world) : database(world, {}, forgetful) {}
    [[nodiscard]] std::uint64_t effects(std::uint64_t message) const {
      const auto row = database.value().rows.find(message);
      return row == database.value().rows.end() ? 0 : row->second;
    }

    Durable<Database> database;
  };
  OneTransaction(World& in, Outside& made) : world(in), outside(made) {
    if (one_owner) {
      epoch = outside.database.transact("take over",
                                        [](Database& database) { return ++database.epoch; });
    }
    std::int64_t next = 0;
    const Bytes& bytes = outside.database.value().set_and_offset;
    if (!bytes.empty()) {
      auto state = idem::load<Done>(bytes);
      if (!state) throw std::logic_error(to_string(state.error()));
      next = position_of(state->position);
      done = std::move(state->state);
    }
    world.seek(next);
  }

  void handle(const Delivery& delivery) {
    const Verdict verdict = done.insert(delivery.id());
    const bool written = outside.database.transact("set, offset and effect", [&](Database& all) {
      if (all.epoch != epoch) return false;
      all.set_and_offset = saved(done, delivery.offset + 1);
      if (verdict == Verdict::fresh) ++all.rows[delivery.message];
      return true;
    });
    // The set here may be ahead of the database: begin again from there.
    if (!written) throw std::runtime_error("another process has taken over");
  }

  World& world;
  Outside& outside;
  std::uint64_t epoch = 0;
  Done done = load_done({});
};

}  // namespace protocols
