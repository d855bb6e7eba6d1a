#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <idem/idem.hpp>

#include "support/ids.hpp"
#include "support/out_of_memory.hpp"
#include "support/snapshots.hpp"

namespace idem_test {
namespace {

constexpr idem::Seed seed{0x0123456789abcdef, 0xfedcba9876543210};
constexpr std::string_view position_text = "orders/3@18446744073709551615";

std::span<const std::byte> position() { return std::as_bytes(std::span(position_text)); }

idem::Instant at_ns(std::size_t ns) {
  return idem::Instant::at(idem::Duration::nanoseconds(static_cast<std::int64_t>(ns)));
}

// A kind: its component, options to make and to load it under, and step i of its history.
template <class Set>
struct IdsKind {
  using Component = Set;
  static typename Set::Options options() { return {.seed = seed}; }
  static typename Set::Options options_to_load() { return {}; }
  static void step(Set& set, std::size_t i) {
    const auto id = i == 3 ? typename Set::Stored{} : spread_id<typename Set::Stored>(i);
    if constexpr (requires { typename Set::Payload; }) {
      // Of 64-bit ids the first is zero, too.
      const typename Set::Payload payload{i == 3 ? 0 : i};
      typename Set::Payload first{};
      (void)set.insert(id, payload, first);
    } else {
      (void)set.insert(id);
    }
  }
  // The same ids backwards, with others that go again.
  static Set detour(std::size_t count) {
    auto more = options();
    more.expected_keys = 3 * count;
    Set set(more);
    for (std::size_t i = count; i-- != 0;) {
      step(set, i);
      (void)set.insert(spread_id<typename Set::Stored>(count + i));
    }
    for (std::size_t i = 0; i < count; ++i)
      (void)set.forget(spread_id<typename Set::Stored>(count + i));
    return set;
  }
};

template <class Filter>
struct FilterKind {
  using Component = Filter;
  static typename Filter::Options options() { return {.size = idem::bytes(4096), .seed = seed}; }
  static typename Filter::Options options_to_load() { return {}; }
  static void step(Filter& filter, std::size_t i) {
    (void)filter.insert(i == 3 ? typename Filter::Stored{} : spread_id<typename Filter::Stored>(i));
  }
  static Filter detour(std::size_t count) {
    Filter filter(options());
    std::vector<typename Filter::Stored> ids;
    for (std::size_t i = 0; i < count; ++i)
      ids.push_back(i == 3 ? typename Filter::Stored{} : spread_id<typename Filter::Stored>(i));
    std::vector<idem::Verdict> verdicts(count);
    filter.insert(ids, verdicts);
    return filter;
  }
};

template <class Ring>
struct RingKind {
  using Component = Ring;
  static typename Ring::Options options() {
    // Times inside ids are milliseconds, a step is 100 ns otherwise.
    const std::int64_t tick = Ring::time == idem::WindowTime::id ? 1'000'000 : 100;
    return {.window = idem::Duration::nanoseconds(1000 * tick),
            .granularity = idem::Duration::nanoseconds(2 * tick),
            .seed = seed};
  }
  static typename Ring::Options options_to_load() {
    auto same = options();
    same.seed.reset();
    return same;
  }
  static typename Ring::Stored id_of_step(std::size_t i) {
    const auto id = spread_id<typename Ring::Stored>(i);
    if constexpr (Ring::time == idem::WindowTime::id) {
      return idem::Uuid((i - i % 3) << 16 | 0x7000 | (id.hi() & 0x0fff),
                        id.lo() >> 2 | std::uint64_t{1} << 63);
    } else {
      return i == 3 ? typename Ring::Stored{} : id;
    }
  }
  static void step(Ring& ring, std::size_t i) {
    const idem::At at{.now = at_ns(100 * i), .event = at_ns(100 * i - i % 5 * 70)};
    const auto id = id_of_step(i);
    if constexpr (requires { typename Ring::Payload; }) {
      typename Ring::Payload payload{i};
      typename Ring::Payload first{};
      (void)ring.insert(id, at, payload, first);
    } else {
      (void)ring.insert(id, at);
    }
    if (i % 4 == 1) (void)ring.insert(id_of_step(i / 2), at);
  }
  // Twice as far with an id that goes again at every step, and with more room than needed.
  static Ring detour(std::size_t count) {
    auto more = options();
    more.expected_keys = 2000;
    Ring ring(more);
    for (std::size_t i = 0; i < count; ++i) {
      step(ring, i);
      auto id = spread_id<typename Ring::Stored>(1'000'000 + i);
      if constexpr (Ring::time == idem::WindowTime::id) {
        id = idem::Uuid((i - i % 3) << 16 | 0x7000, id.lo() >> 2 | std::uint64_t{1} << 63);
      }
      (void)ring.insert(id, {.now = at_ns(100 * i), .event = at_ns(100 * i - i % 5 * 70)});
      (void)ring.forget(id);
    }
    return ring;
  }
};

// A window over filters: a tick is 100 ns. `Where` tells the options.
template <class Filter, class Where>
struct WindowFilterKind {
  using Component = Filter;
  static typename Filter::Options options() {
    auto options = Where::options();
    options.seed = seed;
    return options;
  }
  static typename Filter::Options options_to_load() { return Where::options(); }
  static void step(Filter& filter, std::size_t i) {
    const auto tick = static_cast<std::int64_t>(i);
    const auto event = idem::Duration::nanoseconds(100 * tick - tick % 5 * 170);
    const idem::At at{.now = at_ns(100 * i), .event = idem::Instant::at(event)};
    const auto id = spread_id<typename Filter::Stored>(i);
    (void)filter.insert(i == 3 ? typename Filter::Stored{} : id, at);
    if (i % 4 == 1) (void)filter.insert(spread_id<typename Filter::Stored>(i / 2), at);
    if constexpr (requires { filter.restart_clock(at.now); }) {
      if (i == 5) filter.restart_clock(at_ns(100 * i - 100));
    }
  }
  // Begins some generations earlier with ids that are forgotten again.
  static Filter detour(std::size_t count) {
    Filter filter(options());
    const auto before = idem::Instant::at(idem::Duration::nanoseconds(-35'000));
    for (std::size_t i = 0; i < 3; ++i)
      (void)filter.insert(spread_id<typename Filter::Stored>(i), {.now = before, .event = before});
    filter.advance({.now = at_ns(0), .event = at_ns(0)});
    filter.clear();
    for (std::size_t i = 0; i < count; ++i) {
      step(filter, i);
      (void)filter.check(spread_id<typename Filter::Stored>(i), {.now = at_ns(100 * i + 1)});
    }
    return filter;
  }
};

constexpr idem::Duration ticks(std::int64_t count) {
  return idem::Duration::nanoseconds(100 * count);
}
struct RaisingRate {
  static auto options() {
    return idem::WindowFilterOptions{
        .window = ticks(600), .expected_keys = 600, .size = idem::bytes(80 * 64)};
  }
};
struct ForgettingOldest {
  static auto options() {
    return idem::WindowFilterOptions{.window = ticks(700),
                                     .expected_keys = 400,
                                     .size = idem::bytes(80 * 64),
                                     .lines_a_key = 2,
                                     .when_crowded = idem::WhenCrowded::forget_oldest};
  }
};
struct ByCount {
  static auto options() {
    return idem::WindowFilterOptions{.window = idem::Duration::max(),
                                     .expected_keys = 150,
                                     .size = idem::bytes(80 * 64),
                                     .when_crowded = idem::WhenCrowded::forget_oldest};
  }
};
struct ByEvent {
  static auto options() {
    return idem::EventWindowFilterOptions{
        .window = ticks(500), .expected_keys = 500, .size = idem::bytes(80 * 64)};
  }
};
struct CuckooTable {
  static auto options() {
    return idem::WindowCuckooOptions{.window = ticks(400), .expected_keys = 1500};
  }
};

struct BackedKind {
  using Component =
      idem::BackedWindow<idem::TimeWindowRing<idem::Uuid>, idem::WindowBloomFilter<idem::Uuid>>;
  static Component::Options options() {
    Component::Options options{.exact = {.window = ticks(100)}, .filter = RaisingRate::options()};
    options.exact.seed = seed;
    options.filter.seed = idem::Seed{7, 8};
    return options;
  }
  static Component::Options options_to_load() {
    return {.exact = {.window = ticks(100)}, .filter = RaisingRate::options()};
  }
  static void step(Component& window, std::size_t i) {
    (void)window.insert(spread_id<idem::Uuid>(i), {.now = at_ns(100 * i)});
    (void)window.insert(spread_id<idem::Uuid>(i / 2), {.now = at_ns(100 * i)});
  }
  static Component detour(std::size_t count) {
    Component window(options());
    (void)window.insert(spread_id<idem::Uuid>(1), {.now = at_ns(0)});
    window.clear();
    for (std::size_t i = 0; i < count; ++i) step(window, i);
    return window;
  }
};

// A Deduplicator of shards, which cannot be moved, so that it can be.
template <class Dedup>
class Boxed {
 public:
  using Options = typename Dedup::Memory::Options;

  explicit Boxed(const Options& options) : Boxed(new (std::nothrow) Dedup({.memory = options})) {}

  Dedup& operator*() { return *seen_; }

  static constexpr idem::StateType state_type = Dedup::State::state_type;
  [[nodiscard]] idem::StateShape state_shape() const { return seen_->locked_state().state_shape(); }
  bool write_state(idem::StateWriter& out) const { return seen_->locked_state().write_state(out); }
  [[nodiscard]] static idem::Result<Boxed> read_state(idem::StateReader& in,
                                                      const idem::StateShape& shape,
                                                      const Options& options) {
    auto state = Dedup::State::read_state(in, shape, options);
    if (!state) return state.error();
    Boxed boxed(new (std::nothrow) Dedup(*std::move(state), {.memory = options}));
    if (boxed.seen_ == nullptr) return idem::Error{idem::ErrorCode::out_of_memory, 0, "box"};
    return idem::Result<Boxed>(std::move(boxed));
  }

 private:
  explicit Boxed(Dedup* seen) : seen_(seen) {}
  std::unique_ptr<Dedup> seen_;
};

struct ShardsKind {
  using Ring = idem::TimeWindowRing<idem::Uuid>;
  using Component =
      Boxed<idem::Deduplicator<idem::Uuid, idem::Policy<idem::Sharded<3>, idem::Remember<Ring>>>>;
  static Ring::Options options() { return RingKind<Ring>::options(); }
  static Ring::Options options_to_load() { return RingKind<Ring>::options_to_load(); }
  static void step(Component& seen, std::size_t i) {
    (void)(*seen).insert(spread_id<idem::Uuid>(i), {.now = at_ns(100 * i)});
  }
  static Component detour(std::size_t count) {
    Component seen(options());
    for (std::size_t i = 0; i < count; ++i) {
      step(seen, i);
      (void)(*seen).check(spread_id<idem::Uuid>(i), {.now = at_ns(100 * i + 50)});
      (void)(*seen).insert(spread_id<idem::Uuid>(i), {.now = at_ns(100 * i)});
    }
    return seen;
  }
};

template <class Tracker>
struct ProducerKind {
  using Component = Tracker;
  static typename Tracker::Options options() {
    return {.expire_after = idem::Duration::max(), .seed = 1};
  }
  static typename Tracker::Options options_to_load() {
    return {.expire_after = idem::Duration::max()};
  }
  static void step(Tracker& tracker, std::size_t i) {
    const auto id = static_cast<std::int64_t>(i * 7 % 31 * 1000);
    const auto offset = tracker.end_offset();
    idem::ProducerBatch batch{.producer_id = id,
                              .epoch = static_cast<std::int32_t>(i / 200),
                              .timestamp_ms = static_cast<std::int64_t>(i)};
    batch.first_sequence = tracker.judge(batch).expected;
    if (batch.first_sequence < 0) batch.first_sequence = 0;
    batch.last_sequence = batch.first_sequence + 2;
    (void)tracker.append(batch, {offset, offset + 2}, at_ns(i));
  }
  static Tracker detour(std::size_t count) {
    auto other = options();
    other.seed = 99;
    Tracker tracker(other);
    for (std::size_t i = 0; i < count; ++i) {
      step(tracker, i);
      const auto claimed = tracker.claim({.producer_id = 5, .first_sequence = 0});
      tracker.abort(claimed.claim);
    }
    return tracker;
  }
};

struct MonotonicKind {
  using Component = idem::MonotonicTracker;
  static Component::Options options() { return {.seed = 1}; }
  static Component::Options options_to_load() { return {}; }
  static void step(Component& tracker, std::size_t i) {
    (void)tracker.persist(static_cast<std::int64_t>(i * 7 % 200 * 1000),
                          static_cast<std::int64_t>(i), at_ns(i));
  }
  static Component detour(std::size_t count) {
    Component tracker({.seed = 99});
    for (std::size_t i = 0; i < count; ++i) {
      step(tracker, i);
      (void)tracker.push(77, 1, 1, at_ns(i));
    }
    return tracker;
  }
};

struct LedgerKind {
  using Component = idem::OffsetLedger;
  static Component::Options options() { return {.next = 1000, .owner_epoch = 7}; }
  static Component::Options options_to_load() { return {}; }
  static void step(Component& ledger, std::size_t i) {
    const auto offset = static_cast<std::int64_t>(1000 + 2 * i);
    (void)ledger.deliver(offset, at_ns(i));
    (void)ledger.deliver(offset + 1, at_ns(i));
    if (i % 17 != 0) (void)ledger.complete(offset, 7);
    if (i < 20) (void)ledger.complete(offset + 1, 7);
  }
  // What was handed out and not done comes again.
  static void redeliver(Component& ledger, std::size_t steps) {
    const std::int64_t end = 1000 + 2 * static_cast<std::int64_t>(steps);
    for (std::int64_t offset = ledger.next(); offset < end; ++offset)
      (void)ledger.deliver(offset, at_ns(0));
  }
  // Completed from the end, with deliveries behind it that nobody completes.
  static Component detour(std::size_t count) {
    Component ledger(options());
    const auto base = std::int64_t{1000};
    for (std::size_t i = 0; i < 2 * count + 5; ++i)
      (void)ledger.deliver(base + static_cast<std::int64_t>(i), at_ns(0));
    for (std::size_t i = count; i-- != 0;) {
      if (i < 20) (void)ledger.complete(base + static_cast<std::int64_t>(2 * i + 1), 7);
      if (i % 17 != 0) (void)ledger.complete(base + static_cast<std::int64_t>(2 * i), 7);
    }
    return ledger;
  }
};

struct ReplayKind {
  using Component = idem::ReplayWindow<40'000>;
  static Component::Options options() { return {}; }
  static Component::Options options_to_load() { return {}; }
  static Component fresh() { return Component(); }
  static void step(Component& replay, std::size_t i) { (void)replay.record(i * i % 60'000 + i); }
  static Component detour(std::size_t count) {
    Component replay;
    for (std::size_t i = 0; i < count; ++i) {
      step(replay, i);
      step(replay, i / 2);
    }
    return replay;
  }
};

template <class Kind>
typename Kind::Component make_component(std::size_t elements) {
  using Component = typename Kind::Component;
  Component component = [] {
    if constexpr (requires { Kind::fresh(); }) {
      return Kind::fresh();
    } else {
      return Component(Kind::options());
    }
  }();
  for (std::size_t i = 0; i < elements; ++i) Kind::step(component, i);
  return component;
}

template <class Component>
Bytes saved(const Component& component) {
  Bytes bytes;
  const auto size = idem::save(component, position(), bytes);
  if (!size || *size != bytes.size() || *size != idem::saved_size(component, position().size()))
    std::abort();
  return bytes;
}

template <class Kind>
Bytes make(std::size_t elements, unsigned history) {
  return history == 0 ? saved(make_component<Kind>(elements)) : saved(Kind::detour(elements));
}

template <class Kind>
Bytes resume(std::size_t elements) {
  const Bytes half = saved(make_component<Kind>(elements / 2));
  auto loaded = idem::load<typename Kind::Component>(half, Kind::options_to_load());
  if (!loaded) return {};
  if constexpr (requires { Kind::redeliver(loaded->state, elements); })
    Kind::redeliver(loaded->state, elements / 2);
  for (std::size_t i = elements / 2; i < elements; ++i) Kind::step(loaded->state, i);
  return saved(loaded->state);
}

template <class Component>
Loading outcome(const idem::Result<idem::Loaded<Component>>& loaded) {
  if (!loaded) return {.error = loaded.error()};
  Loading result;
  const auto size = idem::save(loaded->state, loaded->position, result.again);
  if (!size) std::abort();
  return result;
}

template <class Kind>
Loading load(std::span<const std::byte> bytes) {
  return outcome(idem::load<typename Kind::Component>(bytes, Kind::options_to_load()));
}
template <class Kind>
bool only_load(std::span<const std::byte> bytes) {
  return idem::load<typename Kind::Component>(bytes, Kind::options_to_load()).has_value();
}
template <class Kind>
Loading read(std::span<const std::byte> bytes, std::size_t piece) {
  const auto give = [&](std::span<std::byte> to) {
    const std::size_t count = std::min({piece, to.size(), bytes.size()});
    std::copy_n(bytes.begin(), count, to.begin());
    bytes = bytes.subspan(count);
    return count;
  };
  return outcome(idem::load<typename Kind::Component>(give, Kind::options_to_load(),
                                                      {.bytes = idem::mebibytes(16)}));
}
template <class Kind>
std::optional<idem::Error> save_into(std::size_t elements, std::size_t room, Bytes& taken) {
  const auto component = make_component<Kind>(elements);
  const auto result = idem::save(component, position(), [&](std::span<const std::byte> piece) {
    if (piece.size() > room - taken.size()) return false;
    taken.insert(taken.end(), piece.begin(), piece.end());
    return true;
  });
  if (!result) return result.error();
  if (*result != taken.size()) std::abort();
  return std::nullopt;
}

#if defined(__cpp_exceptions)
struct DiskGone {};

template <class Kind>
bool survives_a_throw(std::span<const std::byte> bytes, std::size_t after) {
  auto whole = idem::load<typename Kind::Component>(bytes, Kind::options_to_load());
  if (!whole) std::abort();
  const std::uint64_t live = allocations().live;
  int thrown = 0;
  std::size_t at = 0;
  try {
    (void)idem::save(whole->state, position(), [&](std::span<const std::byte> piece) {
      if ((at += piece.size()) > after) throw DiskGone();
      return true;
    });
  } catch (const DiskGone&) {
    ++thrown;
  }
  at = 0;
  try {
    (void)idem::load<typename Kind::Component>(
        [&](std::span<std::byte> to) {
          if (at + to.size() > after) throw DiskGone();
          std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), to.size(), to.begin());
          at += to.size();
          return to.size();
        },
        Kind::options_to_load(), {.bytes = idem::mebibytes(16)});
  } catch (const DiskGone&) {
    ++thrown;
  }
  return thrown == 2 && allocations().live == live;
}
#endif

template <class Kind, std::size_t elements>
constexpr SnapshotSubject subject(std::string_view name) {
  return {.name = name,
          .elements = elements,
          .make = make<Kind>,
          .resume = resume<Kind>,
          .load = load<Kind>,
          .only_load = only_load<Kind>,
          .read = read<Kind>,
          .survives_a_throw = survives_a_throw<Kind>,
          .save_into = [](std::size_t room, Bytes& taken) {
            return save_into<Kind>(elements, room, taken);
          }};
}

using idem::Digest;
using idem::Uuid;
using enum idem::WindowMode;
using enum idem::WindowTime;

constexpr std::array subjects = {
    subject<IdsKind<idem::UuidSet>, 260>("uuid_set"),
    subject<IdsKind<idem::IdSet<Uuid, idem::SipHash>>, 260>("uuid_set_siphash"),
    subject<IdsKind<idem::Id64Set>, 520>("id64_set"),
    subject<IdsKind<idem::ContentHashSet>, 260>("content_hash_set"),
    subject<FilterKind<idem::BloomFilter<Uuid>>, 3000>("bloom_filter"),
    subject<FilterKind<idem::CuckooFilter<Uuid>>, 1500>("cuckoo_filter_16"),
    subject<FilterKind<idem::CuckooFilter<Uuid, std::uint8_t>>, 3000>("cuckoo_filter_8"),
    subject<FilterKind<idem::InverseFilter<Uuid>>, 300>("inverse_filter"),
    subject<FilterKind<idem::InverseFilter<std::uint64_t>>, 500>("inverse_filter_64"),
    subject<RingKind<idem::TimeWindowRing<Uuid>>, 240>("time_window"),
    subject<RingKind<idem::TimeWindowRing<Uuid, sliding>>, 240>("time_window_sliding"),
    subject<RingKind<idem::TimeWindowRing<Digest, fixed, event>>, 240>("time_window_event"),
    subject<RingKind<idem::TimeWindowRing<std::uint64_t, sliding, event, std::uint64_t>>, 240>(
        "time_window_sliding_event_payload"),
    subject<RingKind<idem::TimeWindowRing<Uuid, fixed, arrival, Digest>>, 240>(
        "time_window_payload"),
    subject<RingKind<idem::TimeWindowRing<Uuid, fixed, id>>, 240>("time_window_id"),
    subject<WindowFilterKind<idem::WindowBloomFilter<Uuid>, RaisingRate>, 900>(
        "window_bloom_filter"),
    subject<WindowFilterKind<idem::WindowBloomFilter<Digest, sliding>, ForgettingOldest>, 900>(
        "window_bloom_filter_sliding"),
    subject<WindowFilterKind<idem::WindowBloomFilter<std::uint64_t, fixed, arrival>, ByCount>, 900>(
        "window_bloom_filter_count"),
    subject<WindowFilterKind<idem::WindowBloomFilter<Uuid, fixed, event>, ByEvent>, 900>(
        "window_bloom_filter_event"),
    subject<WindowFilterKind<idem::WindowCuckooFilter<Uuid>, CuckooTable>, 900>(
        "window_cuckoo_filter"),
    subject<WindowFilterKind<idem::WindowCuckooFilter<std::uint64_t, sliding>, CuckooTable>, 900>(
        "window_cuckoo_filter_sliding"),
    subject<BackedKind, 200>("backed_window"),
    subject<ShardsKind, 240>("shards"),
    subject<IdsKind<idem::IdMap<Uuid, Digest>>, 150>("id_map"),
    subject<IdsKind<idem::IdMap<std::uint64_t, std::uint64_t>>, 260>("id_map_64"),
    subject<ProducerKind<idem::ProducerTracker>, 400>("producer_tracker"),
    subject<ProducerKind<idem::Strict64Tracker>, 400>("strict64_tracker"),
    subject<MonotonicKind, 300>("monotonic_tracker"),
    subject<LedgerKind, 300>("offset_ledger"),
    subject<ReplayKind, 3000>("replay_window"),
};

}  // namespace

std::span<const SnapshotSubject> snapshot_subjects() { return subjects; }

}  // namespace idem_test
