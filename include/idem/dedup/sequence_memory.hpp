#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

#include <idem/core/error.hpp>
#include <idem/core/key.hpp>
#include <idem/core/memory.hpp>
#include <idem/core/state.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/sequence/producer_batch.hpp>
#include <idem/sequence/producer_tracker.hpp>

namespace idem::inline IDEM_ABI {

// A batch is stored as it is. Batches of one producer are judged together, so the producer id alone
// chooses the shard.
template <>
struct KeyTraits<ProducerBatch> {
  using Stored = ProducerBatch;
  static constexpr bool exact = true;
  [[nodiscard]] static const ProducerBatch& store(const ProducerBatch& batch,
                                                  const HashPolicy auto&) noexcept {
    return batch;
  }
  [[nodiscard]] static std::uint64_t route(const ProducerBatch& batch,
                                           const HashPolicy auto& hash) noexcept {
    return hash.slot(static_cast<std::uint64_t>(batch.producer_id));
  }
};

// A sequence tracker as the memory of a Deduplicator, where producers stamp their messages with
// (producer, epoch, sequence) and the consumer sees the stamp: in headers, or on a transport of its
// own. Kafka's consumer API shows neither producer id nor sequence; see docs/sequences.md.
//
//   idem::Deduplicator<idem::ProducerBatch, idem::Policy<idem::Remember<idem::SequenceMemory<>>>>
//
// Guarantee   as the tracker's judgements, whose verdict is the answer. insert() records what is
//             `fresh`, in the order of the calls.
// Offsets     batches are recorded at offsets counted up from the tracker's end offset, one a
//             sequence number: the order of arrival, not the log's. memory().tracker() tells the
//             rest.
// Memory, Complexity, Threads, Errors   as the tracker's
template <class Tracker = ProducerTracker>
class SequenceMemory {
 public:
  using Stored = ProducerBatch;
  using Options = typename Tracker::Options;

  static constexpr Errors errors{.may_miss = true};
  static constexpr bool needs_time = true;

  SequenceMemory() = default;
  explicit SequenceMemory(const Options& options) : tracker_(options) {}
  // Goes on from a tracker that was loaded or decoded.
  explicit SequenceMemory(Tracker tracker) noexcept : tracker_(std::move(tracker)) {}

  // The verdict insert would give, except `full`; changes nothing.
  [[nodiscard]] Verdict check(const ProducerBatch& batch, At) const noexcept {
    return tracker_.judge(batch).verdict;
  }

  // Judges, and records what is `fresh`. `at.now` is when the producer was last heard of.
  Verdict insert(const ProducerBatch& batch, At at) noexcept {
    return tracker_.append(batch, next_offsets(batch), at.now).verdict;
  }
  // As that many single inserts in order. The spans have one size; anything else aborts the program.
  void insert(std::span<const ProducerBatch> batches, At at, std::span<Verdict> verdicts) noexcept {
    detail::require_equal_sizes(batches.size(), verdicts.size());
    for (std::size_t i = 0; i < batches.size(); ++i) verdicts[i] = insert(batches[i], at);
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept { return tracker_.memory_bytes(); }

  // Producers forgotten at the cap.
  [[nodiscard]] std::uint64_t early_evictions() const noexcept {
    return tracker_.counters().evicted;
  }

  // Whether test(batch) is true of a batch of every producer known; what is asked of a shard that was
  // loaded.
  [[nodiscard]] bool all_of(const auto& test) const noexcept requires
      requires(const Tracker& tracker) {
    tracker.all_of([](std::int64_t) { return true; });
  }
  {
    return tracker_.all_of([&](std::int64_t id) { return test(ProducerBatch{.producer_id = id}); });
  }

  // The answers in full, and the state as bytes.
  [[nodiscard]] const Tracker& tracker() const noexcept { return tracker_; }

  // The state for idem::save and idem::load, as the concept Saveable says: the tracker's.
  static constexpr StateType state_type = Tracker::state_type;
  [[nodiscard]] StateShape state_shape() const noexcept { return tracker_.state_shape(); }
  bool write_state(auto& out) const { return tracker_.write_state(out); }
  [[nodiscard]] static Result<SequenceMemory> read_state(auto& in, const StateShape& shape,
                                                         const Options& options) {
    auto tracker = Tracker::read_state(in, shape, options);
    if (!tracker) return tracker.error();
    return Result<SequenceMemory>(SequenceMemory(*std::move(tracker)));
  }

 private:
  // As many offsets as the batch has sequence numbers; for a range that is nonsense, some that the
  // tracker refuses with it.
  [[nodiscard]] OffsetRange next_offsets(const ProducerBatch& batch) const noexcept {
    const std::int64_t begin = tracker_.end_offset();
    if (batch.first_sequence < 0 || batch.last_sequence < 0) return {begin, begin};
    const std::int64_t length = Tracker::distance(batch.first_sequence, batch.last_sequence);
    if (length < 0 || length > std::numeric_limits<std::int64_t>::max() - begin) {
      return {begin, begin};
    }
    return {begin, begin + length};
  }

  Tracker tracker_;
};

}  // namespace idem::inline IDEM_ABI
