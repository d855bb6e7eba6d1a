#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <idem/idem.hpp>

#include "snapshot/subjects.hpp"
#include "support/ids.hpp"

// Sets, filters and trackers; windows have a file of their own, so that two may be compiled at once.

namespace idem_test {
namespace {

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

using idem::Digest;
using idem::Uuid;

constexpr std::array sets_and_filters = {
    subject<IdsKind<idem::UuidSet>, 260>("uuid_set"),
    subject<IdsKind<idem::IdSet<Uuid, idem::SipHash>>, 260>("uuid_set_siphash"),
    subject<IdsKind<idem::Id64Set>, 520>("id64_set"),
    subject<IdsKind<idem::ContentHashSet>, 260>("content_hash_set"),
    subject<FilterKind<idem::BloomFilter<Uuid>>, 3000>("bloom_filter"),
    subject<FilterKind<idem::CuckooFilter<Uuid>>, 1500>("cuckoo_filter_16"),
    subject<FilterKind<idem::CuckooFilter<Uuid, std::uint8_t>>, 3000>("cuckoo_filter_8"),
    subject<FilterKind<idem::InverseFilter<Uuid>>, 300>("inverse_filter"),
    subject<FilterKind<idem::InverseFilter<std::uint64_t>>, 500>("inverse_filter_64"),
};
constexpr std::array maps_and_trackers = {
    subject<IdsKind<idem::IdMap<Uuid, Digest>>, 150>("id_map"),
    subject<IdsKind<idem::IdMap<std::uint64_t, std::uint64_t>>, 260>("id_map_64"),
    subject<ProducerKind<idem::ProducerTracker>, 400>("producer_tracker"),
    subject<ProducerKind<idem::Strict64Tracker>, 400>("strict64_tracker"),
    subject<MonotonicKind, 300>("monotonic_tracker"),
    subject<LedgerKind, 300>("offset_ledger"),
    subject<ReplayKind, 3000>("replay_window"),
};

}  // namespace

std::span<const SnapshotSubject> snapshot_subjects() {
  static const std::vector<SnapshotSubject> all = [] {
    std::vector<SnapshotSubject> sum;
    for (const std::span<const SnapshotSubject> some :
         {std::span<const SnapshotSubject>(sets_and_filters), window_subjects(),
          std::span<const SnapshotSubject>(maps_and_trackers)}) {
      sum.insert(sum.end(), some.begin(), some.end());
    }
    return sum;
  }();
  return all;
}

}  // namespace idem_test
