// Open claims point at their Deduplicator, so nothing takes it from under them.

#include <idem/idem.hpp>

#include <cstddef>
#include <span>
#include <utility>

using Seen =
    idem::Deduplicator<idem::Uuid, idem::Policy<idem::Remember<idem::UuidSet>, idem::Claims>>;
using OneShot = idem::Deduplicator<idem::Uuid, idem::Policy<idem::Remember<idem::UuidSet>>>;

// And who asks is told that there is no such call.
template <class Dedup>
constexpr bool has_claim = requires(Dedup& seen, const idem::Uuid& id, idem::At at) {
  seen.claim(id, at);
};
static_assert(has_claim<Seen> && !has_claim<OneShot>);

void use(Seen& seen, OneShot& one_shot, const idem::Uuid& id, idem::At at) {
#if CASE == 0
  OneShot elsewhere(std::move(one_shot));
  idem::Claim claim = seen.claim(id, at);
  idem::Claim moved(std::move(claim));
  (void)elsewhere;
  auto loaded = idem::load<OneShot>(std::span<const std::byte>());

#elif CASE == 1  // must-fail: deleted
  Seen elsewhere(std::move(seen));

#elif CASE == 2  // must-fail: deleted
  Seen copy(seen);

#elif CASE == 3  // must-fail: deleted
  Seen other;
  other = std::move(seen);

#elif CASE == 4  // must-fail: deleted
  idem::Claim claim = seen.claim(id, at);
  idem::Claim copy(claim);

#elif CASE == 5  // must-fail: AddToPolicy<.*Claims>
  // Claims have to be named.
  auto claim = one_shot.claim(id, at);

#elif CASE == 6  // must-fail: AddToPolicy<.*Claims>
  auto claim = one_shot.claim(id, {.now = at.now}, "content");

#elif CASE == 7  // must-fail: AddToPolicy<.*Claims>
  auto open = one_shot.claims_in_flight();

#elif CASE == 8  // must-fail: cannot be moved out
  auto loaded = idem::load<Seen>(std::span<const std::byte>());
#endif
  (void)seen;
  (void)one_shot;
  (void)id;
  (void)at;
}
