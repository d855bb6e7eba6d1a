// Bytes as the snapshot of a time window: refused, or a state that is saved as the same bytes and
// can be used.

#include <cstddef>
#include <cstdint>
#include <span>

#include <idem/memory/time_window_ring.hpp>

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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  as<idem::TimeWindowRing<std::uint64_t>>(bytes);
  as<idem::TimeWindowRing<std::uint64_t, sliding>>(bytes);
  as<idem::TimeWindowRing<std::uint64_t, fixed, event>>(bytes);
  as<idem::TimeWindowRing<std::uint64_t, sliding, event, std::uint64_t>>(bytes);
  return 0;
}
