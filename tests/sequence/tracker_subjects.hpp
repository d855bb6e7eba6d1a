#pragma once

// One face for the library's tracker and the dumb one, so that a scenario is written once and run
// against both.

#include <cstdint>
#include <string>

#include <idem/sequence/producer_tracker.hpp>

#include "dumb_producer_tracker.hpp"

namespace idem_test {

struct Setup {
  DumbUnknown unknown = DumbUnknown::any;
  std::uint32_t max_producers = 1'000'000;
  bool refuse = false;
  std::int64_t expire_after = -1;
  std::uint32_t max_claims = 1'000'000;
};

[[nodiscard]] inline idem::Instant instant(std::int64_t ns) {
  return idem::Instant::at(idem::Duration::nanoseconds(ns));
}

[[nodiscard]] inline idem::ProducerBatch to_batch(const DumbBatch& b) {
  return {.producer_id = b.id,
          .epoch = b.epoch,
          .origin = b.origin == 'C'   ? idem::AppendOrigin::client
                    : b.origin == 'R' ? idem::AppendOrigin::replication
                                      : idem::AppendOrigin::coordinator,
          .first_sequence = b.first,
          .last_sequence = b.last,
          .timestamp_ms = b.time};
}

[[nodiscard]] inline idem::ProducerMarker to_marker(const DumbMarker& m) {
  return {.producer_id = m.id,
          .epoch = m.epoch,
          .coordinator_epoch = m.coordinator,
          .origin = m.origin == 'C'   ? idem::AppendOrigin::client
                    : m.origin == 'R' ? idem::AppendOrigin::replication
                                      : idem::AppendOrigin::coordinator,
          .rule = m.must_rise ? idem::MarkerRule::higher : idem::MarkerRule::same_or_higher,
          .transaction_open = m.transaction_open,
          .empty = m.empty,
          .timestamp_ms = m.time};
}

[[nodiscard]] inline DumbAnswer to_answer(const idem::Judgement& j) {
  return {.verdict = j.verdict,
          .reason = std::string(idem::name(j.reason)),
          .epoch = j.epoch,
          .expected = j.expected,
          .first_offset = j.first_offset,
          .last_offset = j.last_offset,
          .time = j.timestamp_ms,
          .fresh_first = j.fresh_first,
          .fresh_last = j.fresh_last};
}

template <idem::SequenceMode mode, std::size_t depth, std::int64_t modulus>
class RealSubject {
 public:
  using Tracker = idem::BasicProducerTracker<mode, depth, modulus>;

  explicit RealSubject(const Setup& setup = {}) : tracker_(options(setup)) {}

  [[nodiscard]] static idem::ProducerTrackerOptions options(const Setup& setup) {
    return {
        .max_producers = setup.max_producers,
        .at_capacity = setup.refuse ? idem::AtCapacity::refuse : idem::AtCapacity::forget_oldest,
        .unknown_producer = setup.unknown == DumbUnknown::any ? idem::UnknownProducer::accept_any
                            : setup.unknown == DumbUnknown::zero
                                ? idem::UnknownProducer::require_zero
                                : idem::UnknownProducer::require_zero_if_log_empty,
        .expire_after = setup.expire_after < 0 ? idem::Duration::max()
                                               : idem::Duration::nanoseconds(setup.expire_after),
        .max_claims = setup.max_claims,
        .seed = 7};
  }

  DumbAnswer judge(const DumbBatch& b) const { return to_answer(tracker_.judge(to_batch(b))); }
  DumbAnswer append(const DumbBatch& b, std::int64_t first, std::int64_t last, std::int64_t now) {
    return to_answer(tracker_.append(to_batch(b), {first, last}, instant(now)));
  }
  DumbAnswer claim(const DumbBatch& b, idem::RangeClaim& claim) {
    const idem::ClaimedRange range = tracker_.claim(to_batch(b));
    claim = range.claim;
    return to_answer(range.judgement);
  }
  DumbAnswer commit(const idem::RangeClaim& claim, std::int64_t first, std::int64_t last,
                    std::int64_t now) {
    return to_answer(tracker_.commit(claim, {first, last}, instant(now)));
  }
  bool abort(const idem::RangeClaim& claim) { return tracker_.abort(claim); }
  DumbAnswer mark(const DumbMarker& m, std::int64_t now) {
    return to_answer(tracker_.mark(to_marker(m), instant(now)));
  }
  void expire(std::int64_t now, std::size_t limit) { tracker_.expire(instant(now), limit); }
  [[nodiscard]] std::int64_t end() const { return tracker_.end_offset(); }
  [[nodiscard]] std::size_t size() const { return tracker_.size(); }
  [[nodiscard]] bool knows(std::int64_t id) const { return tracker_.knows(id); }
  [[nodiscard]] std::size_t open() const { return tracker_.open_claims(); }
  [[nodiscard]] std::uint64_t evicted() const { return tracker_.counters().evicted; }
  [[nodiscard]] std::uint64_t expired() const { return tracker_.counters().expired; }
  [[nodiscard]] Tracker& tracker() { return tracker_; }

  using Claim = idem::RangeClaim;

 private:
  Tracker tracker_;
};

template <std::int64_t modulus, std::size_t depth>
class DumbSubject {
 public:
  explicit DumbSubject(const Setup& setup = {})
      : tracker_({.modulus = modulus,
                  .depth = depth,
                  .unknown = setup.unknown,
                  .max_producers = setup.max_producers,
                  .refuse = setup.refuse,
                  .expire_after = setup.expire_after,
                  .max_claims = setup.max_claims}) {}

  DumbAnswer judge(const DumbBatch& b) const { return tracker_.judge(b); }
  DumbAnswer append(const DumbBatch& b, std::int64_t first, std::int64_t last, std::int64_t now) {
    return tracker_.append(b, first, last, now);
  }
  DumbAnswer claim(const DumbBatch& b, std::uint64_t& claim) { return tracker_.claim(b, claim); }
  DumbAnswer commit(std::uint64_t claim, std::int64_t first, std::int64_t last, std::int64_t now) {
    return tracker_.commit(claim, first, last, now);
  }
  bool abort(std::uint64_t claim) { return tracker_.abort(claim); }
  DumbAnswer mark(const DumbMarker& m, std::int64_t now) { return tracker_.mark(m, now); }
  void expire(std::int64_t now, std::size_t limit) { tracker_.expire(now, limit); }
  [[nodiscard]] std::int64_t end() const { return tracker_.end(); }
  [[nodiscard]] std::size_t size() const { return tracker_.entries().size(); }
  [[nodiscard]] bool knows(std::int64_t id) const { return tracker_.entries().count(id) != 0; }
  [[nodiscard]] std::size_t open() const { return tracker_.open(); }
  [[nodiscard]] std::uint64_t evicted() const { return tracker_.evicted(); }
  [[nodiscard]] std::uint64_t expired() const { return tracker_.expired(); }
  [[nodiscard]] const DumbProducerTracker& tracker() const { return tracker_; }

  using Claim = std::uint64_t;

 private:
  DumbProducerTracker tracker_;
};

using RealKafka = RealSubject<idem::SequenceMode::kafka, 5, std::int64_t{1} << 31>;
using DumbKafka = DumbSubject<std::int64_t{1} << 31, 5>;

}  // namespace idem_test
