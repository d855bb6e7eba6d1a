// What a Kafka broker does, case by case, run against the library and against the dumb tracker that
// the library is compared with elsewhere.

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>

#include "sequence/tracker_subjects.hpp"

using idem::Verdict;
using idem_test::DumbAnswer;
using idem_test::DumbBatch;
using idem_test::DumbKafka;
using idem_test::DumbUnknown;
using idem_test::RealKafka;
using idem_test::Setup;

namespace {

constexpr std::int64_t highest = 2147483647;
constexpr std::int64_t day_ns = 86'400'000'000'000;

// A partition: appends what is accepted at the end of its log, and answers as a broker would.
template <class Subject>
struct Partition {
  Subject tracker;
  std::int64_t end = 0;
  std::int64_t now = 0;

  explicit Partition(const Setup& setup = {}) : tracker(setup) {}

  DumbAnswer send(std::int64_t id, int epoch, std::int64_t first, std::int64_t last,
                  char origin = 'C', std::int64_t time = -1) {
    const std::int64_t count = first < 0       ? 1
                               : last >= first ? last - first + 1
                                               : last - first + 1 + highest + 1;
    DumbAnswer answer =
        tracker.append({id, epoch, first, last, time, origin}, end, end + count - 1, now);
    if (answer.verdict == Verdict::fresh) end += count;
    return answer;
  }
  Verdict one(std::int64_t id, int epoch, std::int64_t sequence, char origin = 'C') {
    return send(id, epoch, sequence, sequence, origin).verdict;
  }
  // The newest sequence of the producer in this epoch, as the expected one tells.
  std::int64_t expected(std::int64_t id, int epoch) {
    return tracker.judge({id, epoch, 1'000'000'007, 1'000'000'007}).expected;
  }
  int epoch(std::int64_t id) { return tracker.judge({id, 32767, 1, 1}).epoch; }
};

}  // namespace

#define BOTH(Name) TEST_CASE_TEMPLATE(Name, Subject, RealKafka, DumbKafka)

BOTH("one producer: in order, out of order, repeated, a new epoch, fenced") {
  Partition<Subject> p;
  CHECK(p.one(1, 0, 0) == Verdict::fresh);
  CHECK(p.one(1, 0, 1) == Verdict::fresh);
  CHECK(p.one(1, 0, 1) == Verdict::duplicate);
  CHECK(p.one(1, 0, 5) == Verdict::gap);
  CHECK(p.one(1, 1, 0) == Verdict::fresh);
  CHECK(p.one(1, 0, 0) == Verdict::fenced);
  CHECK(p.end == 3);
}

BOTH("a marker for an unknown producer: fences, and data starts at zero") {
  Partition<Subject> p;
  CHECK(p.tracker.mark({.id = 1, .epoch = 2, .coordinator = 1}, 0).verdict == Verdict::fresh);
  CHECK(p.one(1, 0, 0) == Verdict::fenced);
  CHECK(p.one(1, 2, 17) == Verdict::gap);
  CHECK(p.one(1, 2, 0) == Verdict::fresh);
  CHECK(p.expected(1, 2) == 1);
  CHECK(p.epoch(1) == 2);
}

BOTH("zero follows the highest sequence") {
  Partition<Subject> p;
  CHECK(p.one(1, 15, highest, 'R') == Verdict::fresh);
  CHECK(p.one(1, 15, 0) == Verdict::fresh);
  CHECK(p.expected(1, 15) == 1);
  CHECK(p.send(1, 15, highest, highest).first_offset == 0);
}

BOTH("a batch straddles the wrap") {
  Partition<Subject> p;
  CHECK(p.one(1, 0, highest - 2, 'R') == Verdict::fresh);
  CHECK(p.send(1, 0, highest - 1, 0).verdict == Verdict::fresh);  // three records
  CHECK(p.end == 4);
  CHECK(p.expected(1, 0) == 1);
  const DumbAnswer again = p.send(1, 0, highest - 1, 0);
  CHECK(again.verdict == Verdict::duplicate);
  CHECK(again.first_offset == 1);
  CHECK(again.last_offset == 3);
  CHECK(p.send(1, 0, highest, 0).verdict == Verdict::overlap);
  const DumbAnswer over = p.send(1, 0, highest, 4);
  CHECK(over.verdict == Verdict::overlap);
  CHECK(over.fresh_first == 1);
  CHECK(over.fresh_last == 4);
}

BOTH("the wrap is not one early and not one late") {
  Partition<Subject> p;
  CHECK(p.one(1, 0, highest - 1, 'R') == Verdict::fresh);
  CHECK(p.one(1, 0, 0) == Verdict::gap);
  CHECK(p.one(1, 0, highest) == Verdict::fresh);
  CHECK(p.one(1, 0, 1) == Verdict::gap);
  CHECK(p.one(1, 0, 0) == Verdict::fresh);
  CHECK(p.one(1, 0, 1) == Verdict::fresh);
}

BOTH("the first replicated batch of a producer is taken as it is") {
  Partition<Subject> p;
  p.end = 735;
  CHECK(p.one(1, 5, 16, 'R') == Verdict::fresh);
  const DumbAnswer again = p.send(1, 5, 16, 16);
  CHECK(again.verdict == Verdict::duplicate);
  CHECK(again.first_offset == 735);
  CHECK(again.last_offset == 735);
  CHECK(again.epoch == 5);
}

BOTH("a marker that raises the epoch forgets the batches") {
  Partition<Subject> p;
  CHECK(p.one(1, 0, 0) == Verdict::fresh);
  CHECK(p.tracker.mark({.id = 1, .epoch = 1, .coordinator = 0}, 0).expected == 0);
  CHECK(p.one(1, 0, 0) == Verdict::fenced);  // and not `duplicate`
  CHECK(p.one(1, 1, 0) == Verdict::fresh);
  CHECK(p.expected(1, 1) == 1);
}

BOTH("a marker of the same epoch keeps the batches") {
  Partition<Subject> p;
  CHECK(p.send(1, 0, 0, 4).verdict == Verdict::fresh);
  CHECK(p.tracker.mark({.id = 1, .epoch = 0, .coordinator = 3}, 0).verdict == Verdict::fresh);
  CHECK(p.send(1, 0, 0, 4).verdict == Verdict::duplicate);
  CHECK(p.one(1, 0, 5) == Verdict::fresh);
}

BOTH("judging and claiming change nothing that others see until the commit") {
  Partition<Subject> p;
  typename Subject::Claim claim{};
  CHECK(p.tracker.claim({1, 0, 0, 5}, claim).verdict == Verdict::fresh);
  CHECK(p.tracker.commit(claim, 15, 20, 0).verdict == Verdict::fresh);
  CHECK(p.expected(1, 0) == 6);
  CHECK(p.tracker.claim({1, 0, 6, 10}, claim).verdict == Verdict::fresh);
  CHECK(p.tracker.judge({1, 0, 0, 5}).expected == 6);
  CHECK(p.tracker.judge({1, 0, 0, 5}).last_offset == 20);
  CHECK(p.tracker.end() == 21);
  CHECK(p.tracker.commit(claim, 26, 30, 0).verdict == Verdict::fresh);
  CHECK(p.expected(1, 0) == 11);
  CHECK(p.tracker.judge({1, 0, 6, 10}).last_offset == 30);
}

BOTH("after expiry a producer is unknown, and any sequence is accepted") {
  Partition<Subject> p(Setup{.expire_after = day_ns});
  CHECK(p.one(1, 5, 0) == Verdict::fresh);
  p.tracker.expire(day_ns - 1, 10);
  CHECK(p.tracker.knows(1));
  p.tracker.expire(day_ns, 10);
  CHECK(!p.tracker.knows(1));
  const DumbAnswer answer = p.send(1, 5, 1, 1);
  CHECK(answer.verdict == Verdict::fresh);
  CHECK(answer.reason == "unknown_history");
  CHECK(p.tracker.size() == 1);
  CHECK(p.expected(1, 5) == 2);
}

BOTH("a coordinator's batches: epochs checked, sequences not") {
  Partition<Subject> p;
  CHECK(p.one(1, 0, -1, 'K') == Verdict::fresh);
  CHECK(p.one(1, 0, -1, 'K') == Verdict::fresh);
  CHECK(p.send(1, 1, 0, 0, 'K').verdict == Verdict::fresh);
  CHECK(p.send(1, 1, 0, 0, 'K').verdict == Verdict::fresh);
  CHECK(p.one(1, 0, -1, 'K') == Verdict::fenced);
  CHECK(p.tracker.end() == 4);
}

BOTH("after a batch without sequence only zero is next") {
  Partition<Subject> p;
  CHECK(p.one(1, 0, -1, 'K') == Verdict::fresh);
  CHECK(p.one(1, 0, 4) == Verdict::gap);
  CHECK(p.one(1, 0, highest) == Verdict::gap);
  CHECK(p.one(1, 0, 0) == Verdict::fresh);
}

BOTH("coordinators fence each other") {
  Partition<Subject> p;
  CHECK(p.one(1, 5, 0) == Verdict::fresh);
  const auto mark = [&](int coordinator, char origin = 'K') {
    return p.tracker.mark({.id = 1, .epoch = 5, .coordinator = coordinator, .origin = origin}, 0);
  };
  CHECK(mark(1).verdict == Verdict::fresh);
  CHECK(mark(1).verdict == Verdict::fresh);
  CHECK(mark(2).verdict == Verdict::fresh);
  CHECK(mark(1).verdict == Verdict::fenced);
  CHECK(mark(1).reason == "old_coordinator");
  CHECK(mark(1, 'R').verdict == Verdict::fresh);  // a follower takes what it gets
  CHECK(mark(1).verdict == Verdict::fresh);
}

BOTH("a marker of an older epoch is fenced, and only logged by a follower") {
  Partition<Subject> p;
  CHECK(p.tracker.mark({.id = 1, .epoch = 5, .coordinator = 0}, 0).verdict == Verdict::fresh);
  CHECK(p.tracker.mark({.id = 1, .epoch = 4, .coordinator = 0}, 0).verdict == Verdict::fenced);
  CHECK(p.tracker.mark({.id = 1, .epoch = 4, .coordinator = 0, .origin = 'R'}, 0).verdict ==
        Verdict::fresh);
  CHECK(p.epoch(1) == 4);
}

BOTH("an empty control batch makes the producer known and does no more") {
  Partition<Subject> p;
  CHECK(p.tracker.mark({.id = 23423, .epoch = -1, .coordinator = -1, .empty = true}, 0).verdict ==
        Verdict::fresh);
  CHECK(p.tracker.knows(23423));
  CHECK(p.epoch(23423) == -1);
  CHECK(p.send(23423, 3, 9, 9).reason == "unknown_history");  // no epoch yet: still unknown
  CHECK(p.tracker.mark({.id = 23423, .epoch = -1, .coordinator = -1, .empty = true}, 0).epoch == 3);
  CHECK(p.expected(23423, 3) == 10);
}

BOTH("markers that must raise the epoch") {
  Partition<Subject> p;
  CHECK(p.send(1, 3, 0, 0).verdict == Verdict::fresh);
  const auto mark = [&](int epoch, bool open, char origin = 'K') {
    return p.tracker.mark({.id = 1,
                           .epoch = epoch,
                           .coordinator = 0,
                           .origin = origin,
                           .must_rise = true,
                           .transaction_open = open},
                          0);
  };
  CHECK(mark(3, true).verdict == Verdict::fenced);
  CHECK(mark(2, true).verdict == Verdict::fenced);
  CHECK(mark(3, false).verdict == Verdict::duplicate);  // the retry of one already written
  CHECK(mark(2, false).verdict == Verdict::fenced);
  CHECK(mark(4, true).verdict == Verdict::fresh);
  CHECK(p.one(1, 3, 0) == Verdict::fenced);
  CHECK(p.one(1, 4, 0) == Verdict::fresh);
  CHECK(mark(4, true, 'R').verdict == Verdict::fresh);
  CHECK(mark(32767, true).verdict == Verdict::fresh);
  CHECK(mark(32767, true).verdict == Verdict::fresh);  // epochs have run out: let through
}

BOTH("the look-back of five, and what lies around it") {
  Partition<Subject> p;
  for (std::int64_t i = 0; i <= 5; ++i) CHECK(p.one(1, 0, i) == Verdict::fresh);
  CHECK(p.send(1, 0, 6, 8).verdict == Verdict::fresh);
  const DumbAnswer again = p.send(1, 0, 6, 8);
  CHECK(again.verdict == Verdict::duplicate);
  CHECK(again.first_offset == 6);
  CHECK(again.last_offset == 8);
  CHECK(p.tracker.end() == 9);
  CHECK(p.send(1, 0, 7, 8).verdict == Verdict::overlap);
  CHECK(p.send(1, 0, 7, 8).reason == "regrouped");
  CHECK(p.send(1, 0, 2, 2).verdict == Verdict::duplicate);  // the fifth from the end
  CHECK(p.send(1, 0, 2, 2).first_offset == 2);
  CHECK(p.send(1, 0, 1, 1).verdict == Verdict::stale);  // the sixth
  CHECK(p.one(1, 0, 9) == Verdict::fresh);
  CHECK(p.send(1, 0, 9, 9).first_offset == 9);
  CHECK(p.send(1, 0, 9, 9).last_offset == 9);
}

BOTH("a follower takes the same sequences twice") {
  Partition<Subject> p;
  CHECK(p.send(1, 0, 0, 1, 'R').verdict == Verdict::fresh);
  CHECK(p.send(1, 0, 0, 1, 'R').verdict == Verdict::fresh);
  CHECK(p.tracker.end() == 4);
  CHECK(p.send(1, 0, 0, 1).first_offset == 0);  // the oldest match answers
}

BOTH("a follower takes gaps and lower epochs, and forgets the batches when the epoch changes") {
  Partition<Subject> p;
  CHECK(p.send(1, 4, 0, 1, 'R').verdict == Verdict::fresh);
  CHECK(p.send(1, 4, 90, 91, 'R').verdict == Verdict::fresh);
  CHECK(p.expected(1, 4) == 92);
  CHECK(p.send(1, 3, 7, 7, 'R').verdict == Verdict::fresh);
  CHECK(p.epoch(1) == 3);
  CHECK(p.expected(1, 3) == 8);
  CHECK(p.send(1, 3, 0, 1).verdict == Verdict::unknown);
}

BOTH("an old epoch is fenced even where it repeats a batch") {
  Partition<Subject> p;
  CHECK(p.one(1, 1, 0) == Verdict::fresh);
  CHECK(p.one(1, 0, 0) == Verdict::fenced);
  CHECK(p.one(1, 2, 0) == Verdict::fresh);
  CHECK(p.one(1, 1, 0) == Verdict::fenced);
}

BOTH("a higher epoch must start at zero") {
  Partition<Subject> p;
  CHECK(p.send(1, 0, 0, 6).verdict == Verdict::fresh);
  CHECK(p.one(1, 1, 7) == Verdict::gap);
  CHECK(p.one(1, 1, 1) == Verdict::gap);
  CHECK(p.send(1, 1, 7, 7).expected == 0);
  CHECK(p.send(1, 0, 0, 6).verdict == Verdict::duplicate);  // refused, so nothing was cleared
  CHECK(p.send(1, 1, 0, 2).verdict == Verdict::fresh);
  CHECK(p.one(1, 1, 3) == Verdict::fresh);
}

BOTH("zero is no reset within an epoch") {
  Partition<Subject> p;
  for (std::int64_t i = 0; i < 7; ++i) CHECK(p.one(1, 0, i) == Verdict::fresh);
  CHECK(p.one(1, 0, 0) == Verdict::stale);
}

BOTH("no producer id: no check, the log goes on") {
  Partition<Subject> p;
  CHECK(p.one(-1, -1, -1) == Verdict::fresh);
  CHECK(p.one(-1, -1, -1) == Verdict::fresh);
  CHECK(p.tracker.end() == 2);
  CHECK(p.tracker.size() == 0);
}

BOTH("two producers do not know of each other") {
  Partition<Subject> p;
  CHECK(p.send(1, 5, 0, 4).verdict == Verdict::fresh);
  CHECK(p.send(2, 5, 0, 2).verdict == Verdict::fresh);
  CHECK(p.expected(1, 5) == 5);
  CHECK(p.expected(2, 5) == 3);
  CHECK(p.tracker.size() == 2);
}

BOTH("offsets rise by the batch, and ten batches of five keep the last five") {
  Partition<Subject> p;
  for (std::int64_t i = 0; i < 10; ++i) {
    CHECK(p.send(1, 0, 5 * i, 5 * i + 4).verdict == Verdict::fresh);
  }
  for (std::int64_t i = 5; i < 10; ++i) {
    const DumbAnswer again = p.send(1, 0, 5 * i, 5 * i + 4, 'C', 99);
    CHECK(again.verdict == Verdict::duplicate);
    CHECK(again.first_offset == 5 * i);
    CHECK(again.last_offset == 5 * i + 4);
    CHECK(again.time == -1);  // the original's
  }
  for (std::int64_t i = 0; i < 5; ++i) {
    CHECK(p.send(1, 0, 5 * i, 5 * i + 4).verdict == Verdict::stale);
  }
}

BOTH("a gap of one") {
  Partition<Subject> p;
  CHECK(p.send(1, 0, 0, 4).verdict == Verdict::fresh);
  const DumbAnswer answer = p.send(1, 0, 6, 10);
  CHECK(answer.verdict == Verdict::gap);
  CHECK(answer.expected == 5);
}

BOTH("two senders of the same batch at once: one append, both get its offsets") {
  Partition<Subject> p;
  typename Subject::Claim first{};
  typename Subject::Claim second{};
  CHECK(p.tracker.claim({1, 0, 0, 4}, first).verdict == Verdict::fresh);
  CHECK(p.tracker.claim({1, 0, 0, 4}, second).verdict == Verdict::in_progress);
  CHECK(p.tracker.commit(first, 10, 14, 0).verdict == Verdict::fresh);
  const DumbAnswer answer = p.tracker.claim({1, 0, 0, 4}, second);
  CHECK(answer.verdict == Verdict::duplicate);
  CHECK(answer.first_offset == 10);
  CHECK(answer.last_offset == 14);
}

BOTH("a duplicate refreshes nothing") {
  Partition<Subject> p(Setup{.expire_after = 100});
  CHECK(p.send(1, 0, 0, 4, 'C', 50).verdict == Verdict::fresh);
  p.now = 99;
  CHECK(p.send(1, 0, 0, 4, 'C', 70).time == 50);
  p.tracker.expire(100, 1);
  CHECK(!p.tracker.knows(1));
}

BOTH("unknown producers: any sequence, said so") {
  Partition<Subject> p;
  CHECK(p.send(1, 0, 0, 3).reason == "new_producer");
  const DumbAnswer answer = p.send(2, 7, 17, 21);
  CHECK(answer.verdict == Verdict::fresh);
  CHECK(answer.reason == "unknown_history");
  CHECK(answer.epoch == -1);
  // The batch that was overtaken: nobody can tell, and it is not called a duplicate.
  const DumbAnswer late = p.send(2, 7, 0, 16);
  CHECK(late.verdict == Verdict::unknown);
  CHECK(late.reason == "lost_state");
  CHECK(late.expected == 22);
  for (std::int64_t i = 22; i < 27; ++i) CHECK(p.one(2, 7, i) == Verdict::fresh);
  CHECK(p.send(2, 7, 0, 16).verdict == Verdict::stale);
}

BOTH("unknown producers: zero required") {
  Partition<Subject> p(Setup{.unknown = DumbUnknown::zero});
  CHECK(p.one(-1, -1, -1) == Verdict::fresh);
  const DumbAnswer refused = p.send(1, 0, 1, 1);
  CHECK(refused.verdict == Verdict::unknown);
  CHECK(refused.reason == "lost_state");
  CHECK(refused.expected == 0);
  CHECK(!p.tracker.knows(1));
  CHECK(p.one(1, 0, 0) == Verdict::fresh);
  CHECK(p.one(1, 0, 1) == Verdict::fresh);
  CHECK(p.one(2, 0, 5, 'R') == Verdict::fresh);  // replay is not refused
}

BOTH("unknown producers: zero required while the log never held a record") {
  Partition<Subject> p(Setup{.unknown = DumbUnknown::zero_if_empty});
  const DumbAnswer refused = p.send(1, 0, 17, 21);
  CHECK(refused.verdict == Verdict::gap);
  CHECK(refused.expected == 0);
  CHECK(p.send(1, 0, 0, 16).verdict == Verdict::fresh);
  CHECK(p.send(1, 0, 17, 21).verdict == Verdict::fresh);
  CHECK(p.send(2, 0, 17, 21).reason == "unknown_history");
}

BOTH("an overlap names its fresh tail") {
  Partition<Subject> p;
  CHECK(p.send(1, 0, 0, 4).verdict == Verdict::fresh);
  CHECK(p.send(1, 0, 5, 9).verdict == Verdict::fresh);
  const DumbAnswer tail = p.send(1, 0, 3, 12);
  CHECK(tail.verdict == Verdict::overlap);
  CHECK(tail.reason == "partly_seen");
  CHECK(tail.fresh_first == 10);
  CHECK(tail.fresh_last == 12);
  const DumbAnswer inside = p.send(1, 0, 0, 9);  // both, in one batch
  CHECK(inside.verdict == Verdict::overlap);
  CHECK(inside.reason == "regrouped");
  CHECK(inside.fresh_first == -1);
  CHECK(p.send(1, 0, 10, 12).verdict == Verdict::fresh);
}

BOTH("a stale batch with a fresh tail is not an overlap") {
  Partition<Subject> p;
  for (std::int64_t i = 0; i < 7; ++i) CHECK(p.one(1, 0, i) == Verdict::fresh);
  const DumbAnswer answer = p.send(1, 0, 1, 9);
  CHECK(answer.verdict == Verdict::stale);
  CHECK(answer.fresh_first == 7);
  CHECK(answer.fresh_last == 9);
}

BOTH("claims follow one another; the order of commits is theirs") {
  Partition<Subject> p;
  typename Subject::Claim a{};
  typename Subject::Claim b{};
  typename Subject::Claim c{};
  CHECK(p.tracker.claim({1, 0, 0, 4}, a).verdict == Verdict::fresh);
  CHECK(p.tracker.claim({1, 0, 6, 9}, b).verdict == Verdict::gap);
  CHECK(p.tracker.claim({1, 0, 5, 9}, b).verdict == Verdict::fresh);
  CHECK(p.tracker.judge({1, 0, 3, 6}).verdict == Verdict::in_progress);
  CHECK(p.tracker.judge({1, 0, 9, 11}).verdict == Verdict::in_progress);
  CHECK(p.tracker.judge({1, 0, 11, 11}).verdict == Verdict::gap);
  CHECK(p.tracker.judge({1, 0, 11, 11}).expected == 10);
  CHECK(p.tracker.commit(b, 5, 9, 0).verdict == Verdict::gap);
  CHECK(p.tracker.commit(a, 0, 4, 0).verdict == Verdict::fresh);
  CHECK(p.tracker.judge({1, 0, 0, 4}).verdict == Verdict::duplicate);
  CHECK(p.tracker.judge({1, 0, 1, 4}).verdict == Verdict::overlap);
  CHECK(p.tracker.judge({1, 0, 1, 7}).verdict == Verdict::in_progress);
  CHECK(p.tracker.commit(b, 5, 9, 0).verdict == Verdict::fresh);
  CHECK(p.tracker.commit(b, 5, 9, 0).verdict == Verdict::fenced);
  CHECK(p.tracker.claim({1, 0, 10, 10}, c).verdict == Verdict::fresh);
  CHECK(p.tracker.open() == 1);
}

BOTH("an abort gives the range back, and takes those behind it along") {
  Partition<Subject> p;
  typename Subject::Claim a{};
  typename Subject::Claim b{};
  CHECK(p.tracker.claim({1, 0, 0, 4}, a).verdict == Verdict::fresh);
  CHECK(p.tracker.claim({1, 0, 5, 9}, b).verdict == Verdict::fresh);
  CHECK(p.tracker.abort(a));
  CHECK(!p.tracker.abort(a));
  CHECK(!p.tracker.knows(1));  // it was only there for the claims
  CHECK(p.tracker.commit(b, 5, 9, 0).reason == "revoked");
  CHECK(p.tracker.claim({1, 0, 0, 4}, a).verdict == Verdict::fresh);
  CHECK(p.tracker.commit(a, 0, 4, 0).verdict == Verdict::fresh);
  CHECK(p.tracker.claim({1, 0, 5, 9}, b).verdict == Verdict::fresh);
  CHECK(p.tracker.abort(b));
  CHECK(p.expected(1, 0) == 5);
}

BOTH("a newer epoch takes over from claims in flight when it commits, not before") {
  Partition<Subject> p;
  typename Subject::Claim old_one{};
  typename Subject::Claim new_one{};
  typename Subject::Claim behind{};
  CHECK(p.one(1, 0, 0) == Verdict::fresh);
  CHECK(p.tracker.claim({1, 0, 1, 1}, old_one).verdict == Verdict::fresh);
  CHECK(p.tracker.claim({1, 1, 0, 2}, new_one).verdict == Verdict::fresh);
  CHECK(p.tracker.claim({1, 0, 2, 2}, behind).verdict == Verdict::in_progress);
  CHECK(p.tracker.judge({1, 0, 0, 0}).verdict == Verdict::duplicate);
  CHECK(p.tracker.claim({1, 1, 3, 3}, behind).verdict == Verdict::fresh);
  CHECK(p.tracker.commit(new_one, 1, 3, 0).verdict == Verdict::fresh);
  CHECK(p.tracker.commit(old_one, 4, 4, 0).verdict == Verdict::fenced);
  CHECK(p.tracker.judge({1, 0, 0, 0}).verdict == Verdict::fenced);
  CHECK(p.tracker.commit(behind, 4, 4, 0).verdict == Verdict::fresh);
  CHECK(p.expected(1, 1) == 4);
}

BOTH("a marker that raises the epoch revokes claims of older ones") {
  Partition<Subject> p;
  typename Subject::Claim claim{};
  CHECK(p.tracker.claim({1, 0, 0, 4}, claim).verdict == Verdict::fresh);
  CHECK(p.tracker.mark({.id = 1, .epoch = 1, .coordinator = 0}, 0).verdict == Verdict::fresh);
  CHECK(p.tracker.commit(claim, 0, 4, 0).verdict == Verdict::fenced);
  CHECK(p.tracker.open() == 0);
  CHECK(p.one(1, 1, 0) == Verdict::fresh);
}

BOTH("no more in flight than the look-back can answer for") {
  Partition<Subject> p;
  typename Subject::Claim claim{};
  for (std::int64_t i = 0; i < 5; ++i) {
    CHECK(p.tracker.claim({1, 0, i, i}, claim).verdict == Verdict::fresh);
  }
  CHECK(p.tracker.claim({1, 0, 5, 5}, claim).verdict == Verdict::full);
  CHECK(p.tracker.open() == 5);
}

BOTH("nonsense is poisoned and changes nothing") {
  Partition<Subject> p;
  CHECK(p.send(1, 0, 0, 4).verdict == Verdict::fresh);
  const auto reason = [&](const DumbBatch& b) {
    const DumbAnswer answer = p.tracker.append(b, 5, 5, 0);
    CHECK(answer.verdict == Verdict::poisoned);
    CHECK(p.tracker.judge(b) == answer);
    return answer.reason;
  };
  CHECK(reason({-2, 0, 5, 5}) == "bad_producer_id");
  CHECK(reason({std::numeric_limits<std::int64_t>::min(), 0, 5, 5}) == "bad_producer_id");
  CHECK(reason({1, -1, 5, 5}) == "bad_epoch");
  CHECK(reason({1, 32768, 5, 5}) == "bad_epoch");
  CHECK(reason({1, 0, -2, 5}) == "bad_sequence");
  CHECK(reason({1, 0, -1, -1}) == "bad_sequence");  // a client with an id must number its batches
  CHECK(reason({1, 0, 5, -1}) == "bad_sequence");
  CHECK(reason({1, 0, -1, 5}) == "bad_sequence");
  CHECK(reason({1, 0, 5, highest + 1}) == "bad_sequence");
  CHECK(reason({1, 0, highest + 1, 5}) == "bad_sequence");
  CHECK(reason({1, 0, std::numeric_limits<std::int64_t>::min(),
                std::numeric_limits<std::int64_t>::max()}) == "bad_sequence");
  CHECK(reason({1, 0, 5, 4}) == "bad_range");
  CHECK(reason({1, 0, 0, highest}) == "bad_range");
  CHECK(reason({1, 0, 0, (highest + 1) / 2}) == "bad_range");
  CHECK(reason({1, 0, -3, -3, -1, 'R'}) == "bad_sequence");

  const auto offsets = [&](std::int64_t first, std::int64_t last) {
    return p.tracker.append({1, 0, 5, 6}, first, last, 0).reason;
  };
  CHECK(offsets(-1, 0) == "bad_offsets");
  CHECK(offsets(6, 5) == "bad_offsets");
  CHECK(offsets(5, 5) == "bad_offsets");
  CHECK(offsets(5, 7) == "bad_offsets");
  CHECK(offsets(std::numeric_limits<std::int64_t>::max() - 1,
                std::numeric_limits<std::int64_t>::max()) == "bad_offsets");
  CHECK(p.tracker.append({-1, -1, -1, -1}, 9, 8, 0).reason == "bad_offsets");
  CHECK(p.tracker.mark({.id = -1}, 0).reason == "bad_producer_id");
  CHECK(p.tracker.mark({.id = 1, .epoch = 40000}, 0).reason == "bad_epoch");
  CHECK(p.tracker.mark({.id = 1, .epoch = 1, .coordinator = -1}, 0).reason == "bad_epoch");
  CHECK(p.tracker.mark({.id = 1, .epoch = 1, .origin = 'C'}, 0).reason == "bad_origin");

  typename Subject::Claim claim{};
  CHECK(p.tracker.claim({1, 0, 5, 6, -1, 'R'}, claim).reason == "bad_origin");
  CHECK(p.tracker.claim({1, 0, 5, 6}, claim).verdict == Verdict::fresh);
  CHECK(p.tracker.commit(claim, 5, 5, 0).reason == "bad_offsets");
  CHECK(p.tracker.commit(claim, 5, 6, 0).verdict == Verdict::fresh);
  CHECK(p.tracker.end() == 7);
  CHECK(p.tracker.size() == 1);
}

BOTH("at the cap the least recently active goes, and never one with a claim") {
  Partition<Subject> p(Setup{.max_producers = 3});
  typename Subject::Claim claim{};
  CHECK(p.one(1, 0, 0) == Verdict::fresh);
  CHECK(p.tracker.claim({1, 0, 1, 1}, claim).verdict == Verdict::fresh);
  CHECK(p.one(2, 0, 0) == Verdict::fresh);
  CHECK(p.one(3, 0, 0) == Verdict::fresh);
  CHECK(p.one(2, 0, 1) == Verdict::fresh);
  CHECK(p.one(4, 0, 0) == Verdict::fresh);
  CHECK(!p.tracker.knows(3));
  CHECK(p.one(5, 0, 0) == Verdict::fresh);
  CHECK(!p.tracker.knows(2));
  CHECK(p.tracker.knows(1));
  CHECK(p.tracker.evicted() == 2);
  CHECK(p.tracker.commit(claim, p.end, p.end, 0).verdict == Verdict::fresh);
  CHECK(p.one(6, 0, 0) == Verdict::fresh);
  CHECK(p.tracker.knows(1));
  CHECK(!p.tracker.knows(4));
  CHECK(p.tracker.size() == 3);
}

BOTH("at the cap, where all are busy or the cap refuses, nothing changes") {
  Partition<Subject> busy(Setup{.max_producers = 1});
  typename Subject::Claim claim{};
  typename Subject::Claim other{};
  CHECK(busy.tracker.claim({1, 0, 0, 0}, claim).verdict == Verdict::fresh);
  CHECK(busy.send(2, 0, 0, 0).verdict == Verdict::full);
  CHECK(busy.tracker.claim({2, 0, 0, 0}, other).reason == "too_many_producers");
  CHECK(busy.tracker.open() == 1);
  CHECK(busy.tracker.commit(claim, 0, 0, 0).verdict == Verdict::fresh);
  CHECK(busy.one(2, 0, 0) == Verdict::fresh);

  Partition<Subject> refusing(Setup{.max_producers = 1, .refuse = true});
  CHECK(refusing.one(1, 0, 0) == Verdict::fresh);
  CHECK(refusing.one(2, 0, 0) == Verdict::full);
  CHECK(refusing.tracker.mark({.id = 2, .epoch = 0}, 0).verdict == Verdict::full);
  CHECK(refusing.one(1, 0, 1) == Verdict::fresh);
  CHECK(refusing.one(-1, -1, -1) == Verdict::fresh);
}

BOTH(
    "a producer whose state is gone is accepted where it stands, from a client and from a leader") {
  for (const char origin : {'C', 'R'}) {
    Partition<Subject> p(Setup{.expire_after = 60'000});
    CHECK(p.one(1, 0, 0) == Verdict::fresh);
    p.now = 1;
    CHECK(p.one(1, 0, 1) == Verdict::fresh);
    p.tracker.expire(70'000, 10);
    CHECK(!p.tracker.knows(1));
    p.now = 70'001;
    CHECK(p.one(1, 0, 2, origin) == Verdict::fresh);
    CHECK(p.tracker.size() == 1);
    CHECK(p.expected(1, 0) == 3);
    CHECK(p.tracker.end() == 3);
  }
}
