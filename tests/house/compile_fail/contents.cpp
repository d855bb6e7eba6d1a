// What compares contents says so with a bool, a buffer is no content, and odds are of something.

#include <idem/idem.hpp>

#include <cstring>
#include <optional>

#if CASE == 0
static_assert(idem::collision_odds(1'000'000'000'000) < 1.5e-15);

idem::Verdict judge(idem::ContentHashSet& seen, std::string_view content, std::string_view stored) {
  (void)seen.insert(content, [&](const idem::Digest&) { return content == stored; });
  return seen.insert(content, [&](const idem::Digest&) -> std::optional<bool> {
    if (stored.empty()) return std::nullopt;
    return content == stored;
  });
}

#elif CASE == 1  // must-fail: memcmp answers 0 for them
idem::Verdict judge(idem::ContentHashSet& seen, std::string_view content, std::string_view stored) {
  return seen.insert(content, [&](const idem::Digest&) {
    return std::memcmp(content.data(), stored.data(), content.size());
  });
}

#elif CASE == 2  // must-fail: deleted
idem::Verdict judge(idem::ContentHashSet& seen, char (&buffer)[64]) {
  return seen.insert(buffer, [&](const idem::Digest&) { return true; });
}

#elif CASE == 3  // must-fail: invalid_option|not an integral constant expression
static_assert(idem::collision_odds(1'000, 0) < 1.5e-15);
#endif
