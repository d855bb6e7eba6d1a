// Bytes as the snapshot of a window, exact, of filters or of both: refused, or a state that is saved
// as the same bytes and can be used.

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <idem/dedup/deduplicator.hpp>
#include <idem/memory/backed_window.hpp>
#include <idem/memory/bloom_filter.hpp>
#include <idem/memory/time_window_ring.hpp>
#include <idem/memory/window_bloom_filter.hpp>
#include <idem/memory/window_cuckoo_filter.hpp>

#include "support/fuzz_snapshot.hpp"

namespace {

using enum idem::WindowMode;
using enum idem::WindowTime;

template <class Ring>
void as(std::span<const std::byte> bytes) {
  const typename Ring::Options options{.window = idem::Duration::nanoseconds(100'000),
                                       .granularity = idem::Duration::nanoseconds(200)};
  idem_test::try_snapshot<Ring>(bytes, options, [](Ring& ring) {
    std::int64_t now = ring.latest().since_epoch().count();
    for (std::uint64_t i = 1; i < 5 && now < std::int64_t{1} << 62; ++i, now += 30'000) {
      const auto at = idem::Instant::at(idem::Duration::nanoseconds(now));
      const typename Ring::Stored id{i};
      const idem::Verdict before = ring.check(id, {.now = at, .event = at});
      idem_test::require(ring.insert(id, {.now = at, .event = at}) == before);
      if (before == idem::Verdict::stale) continue;
      idem_test::require(ring.check(id, {.now = at, .event = at}) == idem::Verdict::duplicate);
    }
  });
}

// Of what filters say only `fresh` is certain.
template <class Window>
void as_filter(std::span<const std::byte> bytes, const typename Window::Options& options) {
  idem_test::try_snapshot<Window>(bytes, options, [](Window& window) {
    std::int64_t now = 0;
    if constexpr (requires { window.latest(); }) now = window.latest().since_epoch().count();
    for (std::uint64_t i = 1; i < 6 && now < std::int64_t{1} << 62; ++i, now += 30'000) {
      const auto instant = idem::Instant::at(idem::Duration::nanoseconds(now));
      const idem::At at{.now = instant, .event = instant};
      const idem::Verdict before = window.check(i, at);
      const idem::Verdict inserted = window.insert(i, at);
      if (inserted == idem::Verdict::full) continue;
      idem_test::require(inserted == before);
      idem_test::require(window.check(i, at) != idem::Verdict::fresh);
      if constexpr (requires { window.forget(i); }) {
        if (i == 3) idem_test::require(window.forget(i));
      }
      if (i == 5) window.clear();
    }
  });
}

void as_shards(std::span<const std::byte> bytes) {
  using Ring = idem::TimeWindowRing<std::uint64_t>;
  using Sharded =
      idem::Deduplicator<std::uint64_t, idem::Policy<idem::Sharded<2>, idem::Remember<Ring>>>;
  using State = Sharded::State;
  constexpr auto window = idem::Duration::nanoseconds(100'000);
  idem_test::try_snapshot<State>(bytes, {.window = window}, [&](State& state) {
    Sharded seen(std::move(state));
    for (std::uint64_t i = 0; i < 4; ++i) {
      const idem::Verdict before = seen.check(i, {.now = idem::Instant()});
      idem_test::require(seen.insert(i, {.now = idem::Instant()}) == before);
      idem_test::require(seen.check(i, {.now = idem::Instant()}) == idem::Verdict::duplicate);
    }
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  as<idem::TimeWindowRing<std::uint64_t>>(bytes);
  as<idem::TimeWindowRing<std::uint64_t, sliding>>(bytes);
  as<idem::TimeWindowRing<std::uint64_t, fixed, event>>(bytes);
  as<idem::TimeWindowRing<std::uint64_t, sliding, event, std::uint64_t>>(bytes);
  constexpr auto window = idem::Duration::nanoseconds(100'000);
  constexpr auto oldest = idem::WhenCrowded::forget_oldest;
  using Bloom = idem::WindowBloomFilter<std::uint64_t>;
  as_filter<Bloom>(bytes, {.window = window});
  as_filter<Bloom>(bytes, {.window = window, .when_crowded = idem::WhenCrowded::refuse});
  as_filter<Bloom>(bytes, {.window = idem::Duration::max(), .when_crowded = oldest});
  as_filter<idem::WindowBloomFilter<std::uint64_t, sliding>>(
      bytes, {.window = window, .when_crowded = oldest});
  as_filter<idem::WindowBloomFilter<std::uint64_t, fixed, event>>(bytes, {.window = window});
  as_filter<idem::WindowCuckooFilter<std::uint64_t>>(bytes, {.window = window});
  as_filter<idem::WindowCuckooFilter<std::uint64_t, sliding>>(bytes, {.window = window});
  using Ring = idem::TimeWindowRing<std::uint64_t>;
  as_filter<idem::BackedWindow<Ring, Bloom>>(
      bytes,
      {.exact = {.window = idem::Duration::nanoseconds(20'000)}, .filter = {.window = window}});
  as_filter<idem::BackedWindow<Ring, idem::BloomFilter<std::uint64_t>>>(
      bytes, {.exact = {.window = window}, .filter = {}});
  as_shards(bytes);
  return 0;
}
