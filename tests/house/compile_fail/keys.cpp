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

#elif CASE == 1  // must-fail: names no member
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<> {};

#elif CASE == 2  // must-fail: field|constraint
// Equal numbers with unequal bytes: 0.0 and -0.0.
template <>
struct idem::KeyTraits<Order> : idem::DigestOf<&Order::tenant, &Order::amount> {};
#endif

idem::Deduplicator<Order> seen;
idem::Verdict judge(const Order& order) { return seen.insert(order); }
