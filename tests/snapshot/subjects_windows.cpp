#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <utility>

#include <idem/idem.hpp>

#include "snapshot/subjects.hpp"
#include "support/ids.hpp"

namespace idem_test {
namespace {

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

using idem::Digest;
using idem::Uuid;
using enum idem::WindowMode;
using enum idem::WindowTime;

constexpr std::array subjects = {
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
};

}  // namespace

std::span<const SnapshotSubject> window_subjects() { return subjects; }

}  // namespace idem_test
