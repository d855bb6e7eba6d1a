#include <idem/idem.hpp>
#if defined(WITH_ABSEIL)
#include <idem/memory/exact_set.hpp>
#endif
#if defined(WITH_TESTING)
#include <idem/testing/testing.hpp>
#endif

#include <cstdio>
#include <string>

int main() {
  idem::Deduplicator<idem::Uuid> seen;
  const idem::Uuid id{0x01890a5dac96774b, 0xbcceb302099a8057};
  if (seen.insert(id) != idem::Verdict::fresh) return 1;
  if (seen.insert(id) != idem::Verdict::duplicate) return 2;
#if defined(WITH_ABSEIL)
  idem::ExactSet<std::string> names;
  if (names.insert("a name") != idem::Verdict::fresh) return 3;
  if (names.insert("a name") != idem::Verdict::duplicate) return 4;
#endif
#if defined(WITH_TESTING)
  idem::testing::ManualClock clock;
  idem::testing::DumbDeduplicator<int> dumb;
  if (dumb.claim(7, {.now = clock.now()}).commit(clock.now()) != idem::Verdict::fresh) return 5;
  if (dumb.insert(7) != idem::Verdict::duplicate) return 6;
#endif
  std::puts("idem " IDEM_VERSION_STRING " tells fresh from duplicate");
  return 0;
}
