// A key has one encoding, and every part of it counts.

#include <idem/idem.hpp>

#include <string>

struct Order {
  std::uint64_t tenant;
  std::string number;
  double amount;
};

#if CASE == 0
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant, &Order::number> {};
idem::Deduplicator<idem::Scoped<Order, std::string>, idem::Policy<idem::HostileKeys>> scoped;
// A literal is an int, and passes for any integer.
void literals(idem::TimeWindowRing<std::uint64_t>& window, idem::BloomFilter<std::uint64_t>& filter,
              idem::Deduplicator<std::uint16_t>& seen, idem::Instant now) {
  (void)window.insert(42, {.now = now});
  (void)filter.check(42);
  (void)seen.insert(42);
}
using Guess =
    idem::Policy<idem::Remember<idem::BloomFilter<idem::Digest>>, idem::AcceptFalseDuplicates>;
bool texts(idem::Deduplicator<std::string, Guess>& guessed,
           idem::Deduplicator<std::string, idem::Policy<idem::CompareContent>>& seen,
           idem::Instant now) {
  return guessed.refute("a") && guessed.refute("a", {.now = now}) && seen.first_content("a") &&
         seen.first_content("a", {.now = now});
}

#elif CASE == 1  // must-fail: names no member
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<> {};

#elif CASE == 2  // must-fail: field|constraint
// Equal numbers with unequal bytes: 0.0 and -0.0.
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant, &Order::amount> {};

#elif CASE == 3  // must-fail: keep a Deduplicator for each scope
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
idem::Digest stored(const idem::Scoped<idem::ProducerBatch>& batch, const idem::Xxh3Hash& hash) {
  return idem::KeyTraits<idem::Scoped<idem::ProducerBatch>>::store(batch, hash);
}

#elif CASE == 4  // must-fail: under a scope would pass for one of 128
struct Short {
  std::uint64_t number;
};
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
template <>
struct idem::KeyTraits<Short> {
  using Stored = std::uint64_t;
  static constexpr bool exact = false;
  static Stored store(const Short& key, const HashPolicy auto& hash) noexcept {
    return hash.slot(key.number);
  }
  static std::uint64_t route(Stored stored, const HashPolicy auto&) noexcept { return stored; }
};
idem::Deduplicator<idem::Scoped<Short>> scoped;

#elif CASE == 5  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
idem::Verdict lossy(idem::Deduplicator<std::uint64_t>& seen, idem::Instant now) {
  return seen.insert(42.9, {.now = now});
}

#elif CASE == 6  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
// A null pointer.
using Text = idem::Deduplicator<std::string, idem::Policy<idem::Claims>>;
Text::Claim lossy(Text& seen, idem::Instant now) { return seen.claim(0, {.now = now}); }

#elif CASE == 7  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
// The bytes between two pointers.
using Text = idem::Deduplicator<std::string, idem::Policy<idem::Claims>>;
Text::Claim lossy(Text& seen, idem::Instant now) { return seen.claim({"a", "b"}, {.now = now}); }

#elif CASE == 8  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
idem::Verdict lossy(idem::Id64Set& seen, idem::Instant now) {
  return seen.check(true, {.now = now});
}

#elif CASE == 9  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
bool lossy(
    idem::Deduplicator<std::uint64_t, idem::Policy<idem::Remember<idem::BloomFilter<std::uint64_t>>,
                                                   idem::AcceptFalseDuplicates>>& seen) {
  return seen.refute(42.9);
}

#elif CASE == 10  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
idem::Verdict lossy(idem::Resumable<idem::Deduplicator<std::uint64_t>>& seen, idem::Instant now) {
  return seen.insert(42.9, {.now = now});
}

#elif CASE == 11  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
using Seen = idem::TimeWindowRing<std::uint64_t>;
auto lossy(Seen& seen, idem::Instant now) {
  (void)now;
  return seen.insert(42.9, {.now = now});
}

#elif CASE == 12  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
using Seen = idem::WindowBloomFilter<std::uint64_t>;
auto lossy(Seen& seen, idem::Instant now) {
  (void)now;
  return seen.insert(42.9, {.now = now});
}

#elif CASE == 13  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
using Seen = idem::WindowCuckooFilter<std::uint64_t>;
auto lossy(Seen& seen, idem::Instant now) {
  (void)now;
  return seen.check(true, {.now = now});
}

#elif CASE == 14  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
using Seen = idem::BloomFilter<std::uint64_t>;
auto lossy(Seen& seen, idem::Instant now) {
  (void)now;
  return seen.insert(42.9);
}

#elif CASE == 15  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
using Seen = idem::CuckooFilter<std::uint64_t>;
auto lossy(Seen& seen, idem::Instant now) {
  (void)now;
  return seen.forget(42.9);
}

#elif CASE == 16  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
using Seen = idem::InverseFilter<std::uint64_t>;
auto lossy(Seen& seen, idem::Instant now) {
  (void)now;
  return seen.check('1');
}

#elif CASE == 17  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
using Seen = idem::IdMap<std::uint64_t, std::uint64_t>;
auto lossy(Seen& seen, idem::Instant now) {
  (void)now;
  return seen.insert(42.9);
}

#elif CASE == 18  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
using Seen =
    idem::BackedWindow<idem::TimeWindowRing<std::uint64_t>, idem::WindowBloomFilter<std::uint64_t>>;
auto lossy(Seen& seen, idem::Instant now) {
  (void)now;
  return seen.add(42.9, {.now = now});
}

#elif CASE == 19  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
using Seen = idem::ContentHashSet;
auto lossy(Seen& seen, idem::Instant now) {
  (void)now;
  return seen.forget({"a", "b"});
}

#elif CASE == 20  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
using Seen = idem::Deduplicator<std::uint32_t>;
// The lower half of a number.
auto lossy(Seen& seen, idem::Instant now) {
  (void)now;
  return seen.insert(now.since_epoch().count());
}

#elif CASE == 21  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
enum Wide : std::uint64_t { one };
// The lower half of an enumeration.
auto lossy(idem::Deduplicator<std::uint32_t>& seen, Wide wide) { return seen.insert(wide); }

#elif CASE == 22  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
struct Price {
  operator double() const { return 1.5; }
};
auto lossy(idem::Id64Set& seen, Price price) { return seen.insert(price); }

#elif CASE == 23  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
auto lossy(idem::Deduplicator<std::string>& seen) { return seen.insert(nullptr); }

#elif CASE == 24  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
using Text =
    idem::Deduplicator<std::string, idem::Policy<idem::Remember<idem::BloomFilter<idem::Digest>>,
                                                 idem::AcceptFalseDuplicates>>;
auto lossy(Text& seen, idem::Instant now) {
  (void)now;
  return seen.refute({"a", "b"});
}

#elif CASE == 25  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
using Text =
    idem::Deduplicator<std::string, idem::Policy<idem::Remember<idem::BloomFilter<idem::Digest>>,
                                                 idem::AcceptFalseDuplicates>>;
auto lossy(Text& seen, idem::Instant now) {
  (void)now;
  return seen.refute({"a", "b"}, {.now = now});
}

#elif CASE == 26  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
using Text = idem::Deduplicator<std::string, idem::Policy<idem::CompareContent>>;
auto lossy(Text& seen, idem::Instant now) {
  (void)now;
  return seen.first_content({"a", "b"});
}

#elif CASE == 27  // must-fail: deleted
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
using Text = idem::Deduplicator<std::string, idem::Policy<idem::CompareContent>>;
auto lossy(Text& seen, idem::Instant now) {
  (void)now;
  return seen.first_content({"a", "b"}, {.now = now});
}

#elif CASE == 28  // must-fail: nodiscard|discarded
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant> {};
// False is not recorded.
using Text =
    idem::Deduplicator<std::string, idem::Policy<idem::Remember<idem::BloomFilter<idem::Digest>>,
                                                 idem::AcceptFalseDuplicates>>;
void ignored(Text& seen) { seen.refute("a"); }
#endif

idem::Deduplicator<Order> seen;
idem::Verdict judge(const Order& order) { return seen.insert(order); }
