// What share/gdb/idem.py is shown: tests/gdb/printers.py stops in stop() and prints these.

#include <idem/idem.hpp>

#include <cstdlib>

[[gnu::noinline]] void stop() { asm volatile("" ::: "memory"); }

int main() {
  const idem::Uuid id(0x0189'0a5d'ac96'774b, 0xbcce'b302'099a'8057);
  const idem::Digest digest{1, 2};
  const idem::Seed seed{3, 4};
  const idem::Duration lease = idem::Duration::nanoseconds(30'000'000'000);
  const idem::Duration short_one = idem::Duration::nanoseconds(1'500'000);
  const idem::Duration for_ever = idem::Duration::max();
  const idem::At at{.now = idem::Instant::at(lease)};
  const idem::ByteSize budget = idem::mebibytes(64);
  const idem::Verdict verdict = idem::Verdict::probable_duplicate;
  const auto good = idem::Uuid::parse("01890a5d-ac96-774b-bcce-b302099a8057");
  const auto bad = idem::Uuid::parse("01890a5d-ac96-774b-bcce-b302099a80");

  idem::UuidSet few;
  idem::UuidSet many;
  idem::Id64Set numbers;
  for (std::uint64_t n = 0; n < 10'000; ++n) {
    if (n < 3 && few.insert(idem::Uuid(1, n)) != idem::Verdict::fresh) return 1;
    if (many.insert(idem::Uuid(1, n)) != idem::Verdict::fresh) return 1;
  }
  if (numbers.insert(7) != idem::Verdict::fresh) return 1;

  idem::Deduplicator<idem::Uuid, idem::Policy<idem::Claims>> seen({.claims = {.first_token = 40}});
  const auto claim = seen.claim(id, {.now = idem::Instant()});
  const auto second = seen.claim(id, {.now = idem::Instant()});
  stop();
  // All of them are looked at after the stop, so that none is gone by then.
  const bool all = digest.lo == 2 && seed.first == 3 && short_one < lease && lease < for_ever &&
                   at.now == idem::Instant::at(lease) && budget.count() > 0 &&
                   verdict == idem::Verdict::probable_duplicate && good && !bad &&
                   few.size() + many.size() + numbers.size() == 10'004 && claim.holds() &&
                   !second.holds();
  return all ? EXIT_SUCCESS : EXIT_FAILURE;
}
