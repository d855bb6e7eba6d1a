#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <idem/core/bytes.hpp>
#include <idem/core/error.hpp>
#include <idem/core/seed.hpp>
#include <idem/core/state.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/sequence/monotonic_engine.hpp>
#include <idem/detail/sequence/monotonic_state.hpp>
#include <idem/detail/sequence/tracker_limits.hpp>
#include <idem/sequence/producer_batch.hpp>

namespace idem::inline IDEM_ABI {

struct MonotonicTrackerOptions {
  // Producers known at once. At least 1.
  std::uint32_t max_producers = 100'000;
  // The tracker never holds more bytes than this, itself included; 8 bytes for each of
  // remember_forgotten are set aside from it.
  ByteSize budget = ByteSize::unlimited();
  AtCapacity at_capacity = AtCapacity::forget_oldest;
  // A producer idle for so long is forgotten. Duration::max(): never. More than zero.
  Duration expire_after = Duration::max();
  // Forgotten producers whose return is counted. A power of two, or 0 for none.
  std::uint32_t remember_forgotten = 1024;
  // Of the index by producer id. Unset: drawn from the operating system.
  std::optional<std::uint64_t> seed = std::nullopt;
};

// A producer's two marks; -1: nothing.
struct SequenceMarks {
  std::int64_t pushed = -1;     // the highest handed to the log
  std::int64_t persisted = -1;  // the highest the log has for certain

  friend constexpr bool operator==(const SequenceMarks&, const SequenceMarks&) = default;
};

// Judges the messages of producers whose numbers only rise, as a Pulsar topic does: gaps are fine,
// there are no epochs, and one number per producer remembers for ever.
//
// Guarantee   above what was pushed, `fresh`; at or below what is persisted, `duplicate`; between
//             the two nobody can tell yet, `unknown`: the write may still fail, and a retry taken
//             for a duplicate would then be lost. A range with its head persisted and nothing in
//             between is `overlap`, with its fresh tail in sequences above marks().persisted. No
//             number, last before first: `poisoned`.
// Forgetting  at the cap the least recently active producer with nothing in between, and those idle
//             for expire_after; counted. One that returns is taken as new.
// Memory      about 56 bytes a producer.
// Complexity  O(1). Judging allocates nothing.
// Threads     const members may run together; anything else needs a lock around it.
// Errors      options that are nonsense throw std::invalid_argument; copying throws std::bad_alloc.
//             Everything else is noexcept, and without memory answers `full`, nothing changed.
// Example     docs/sequences.md
class MonotonicTracker {
 public:
  using Options = MonotonicTrackerOptions;

  explicit MonotonicTracker(const Options& options = Options()) : engine_(limits_of(options)) {}

  // What push() would answer, `full` excepted; changes nothing.
  [[nodiscard]] Verdict judge(std::int64_t producer_id, std::int64_t first,
                              std::int64_t last) const noexcept {
    return engine_.judge(producer_id, first, last);
  }
  // Each record of a mixed batch by itself, in order: a number at or below an earlier `fresh` one
  // of the batch is `unknown`.
  void judge(std::int64_t producer_id, std::span<const std::int64_t> sequences,
             std::span<Verdict> verdicts) const noexcept {
    engine_.judge(producer_id, sequences, verdicts);
  }

  // Before the write. What is `fresh` is pushed from now on, and the producer cannot be forgotten
  // until all it pushed is settled.
  Verdict push(std::int64_t producer_id, std::int64_t first, std::int64_t last,
               Instant now) noexcept {
    return engine_.push(producer_id, first, last, now);
  }
  // After it, and for replay: everything up to `sequence` is in the log. `fresh`: the mark moved;
  // `duplicate`: it stood there already; `full`; `poisoned`.
  Verdict persist(std::int64_t producer_id, std::int64_t sequence, Instant now) noexcept {
    return engine_.persist(producer_id, sequence, now);
  }
  // A write failed: what was pushed and not persisted is fresh again. False: there was none.
  bool fail(std::int64_t producer_id) noexcept { return engine_.fail(producer_id); }

  // What a producer that connects is told.
  [[nodiscard]] SequenceMarks marks(std::int64_t producer_id) const noexcept {
    const auto* const record = engine_.find(producer_id);
    return record == nullptr ? SequenceMarks{} : SequenceMarks{record->pushed, record->persisted};
  }

  // Looks at `limit` producers at most and forgets those idle for too long; how many went.
  std::size_t expire(Instant now, std::size_t limit) noexcept {
    return engine_.store().expire(now, limit);
  }

  // Every producer with something persisted, and their order of use, for idem::save and idem::load
  // as the concept Saveable says. What is pushed and not persisted is not in it: replay the log
  // from the position of the snapshot before judging anything.
  static constexpr StateType state_type{.kind = StateKind::monotonic_tracker};
  [[nodiscard]] StateShape state_shape() const noexcept {
    const std::uint64_t producers = detail::MonotonicState::producers(engine_);
    return {.type = state_type,
            .elements = producers,
            .bytes = producers * detail::MonotonicState::producer_bytes};
  }
  bool write_state(auto& out) const { return detail::MonotonicState::encode(engine_, out); }
  [[nodiscard]] static Result<MonotonicTracker> read_state(auto& in, const StateShape& shape,
                                                           const Options& options) {
    if (shape.first != 0) return Error{ErrorCode::bad_value, StateShape::first_at, "producers"};
    if (shape.second != 0) return Error{ErrorCode::bad_value, StateShape::second_at, "producers"};
    if (shape.seed != Seed{}) return Error{ErrorCode::bad_value, StateShape::seed_at, "seed"};
    if (shape.elements != shape.bytes / detail::MonotonicState::producer_bytes)
      return Error{ErrorCode::bad_value, StateShape::elements_at, "producers"};
    MonotonicTracker tracker(options);
    if (const auto error = detail::MonotonicState::decode(in, tracker.engine_)) return *error;
    return Result<MonotonicTracker>(std::move(tracker));
  }

  [[nodiscard]] std::size_t size() const noexcept { return engine_.store().table().size(); }
  [[nodiscard]] const ProducerCounters& counters() const noexcept {
    return engine_.store().counters();
  }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sizeof(*this) + static_cast<std::size_t>(engine_.store().heap_bytes());
  }

 private:
  [[nodiscard]] static detail::StoreLimits limits_of(const Options& options) {
    return detail::store_limits("MonotonicTrackerOptions", options, sizeof(MonotonicTracker),
                                detail::MonotonicEngine::Store::Table::first_bytes());
  }

  detail::MonotonicEngine engine_;
};

}  // namespace idem::inline IDEM_ABI
