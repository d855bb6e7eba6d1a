#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include <idem/core/byte_cursor.hpp>
#include <idem/core/bytes.hpp>
#include <idem/core/error.hpp>
#include <idem/core/seed.hpp>
#include <idem/core/state.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/sequence/producer_engine.hpp>
#include <idem/detail/sequence/producer_state.hpp>
#include <idem/detail/sequence/tracker_limits.hpp>
#include <idem/sequence/producer_batch.hpp>

namespace idem::inline IDEM_ABI {

// What kind of numbers a producer counts with.
enum class SequenceMode : std::uint8_t {
  kafka,     // 0 .. modulus - 1, and then 0 again; the rules of a Kafka partition
  strict64,  // the same rules over 0 .. 2^63 - 1, each used once
};

struct ProducerTrackerOptions {
  // Producers known at once. At least 1.
  std::uint32_t max_producers = 100'000;
  // The tracker never holds more bytes than this, itself included; room for max_claims claims (48
  // bytes each) and for remember_forgotten is set aside from it.
  ByteSize budget = ByteSize::unlimited();
  AtCapacity at_capacity = AtCapacity::forget_oldest;
  UnknownProducer unknown_producer = UnknownProducer::accept_any;
  // A producer idle for so long is forgotten. Duration::max(): never. More than zero.
  Duration expire_after = Duration::nanoseconds(86'400'000'000'000);
  ExpireBy expire_by = ExpireBy::arrival;
  // Claims open at once over all producers. At least 1.
  std::uint32_t max_claims = 1024;
  // Forgotten producers whose return is counted. A power of two, or 0 for none; 8 bytes each, taken
  // when the first producer is forgotten.
  std::uint32_t remember_forgotten = 1024;
  // Where the log ends when the tracker starts; 0: it never held a record.
  std::int64_t end_offset = 0;
  // Of the index by producer id. Unset: drawn from the operating system. No verdict and no encoded
  // byte depends on it.
  std::optional<std::uint64_t> seed = std::nullopt;
};

// Judges the batches of one partition's idempotent producers by their sequence numbers, as a Kafka
// broker does, and says apart what Kafka answers with one code.
//
// Guarantee   a batch is `duplicate` only when exactly its producer, epoch and range are among the
//             producer's newest `look_back` batches; the answer has the original's offsets and
//             timestamp. What comes next in order is `fresh`; ahead of it is `gap`; in part or
//             otherwise cut in the look-back, `overlap` with its fresh tail; behind the look-back,
//             `stale`; before a history that is not here, `unknown`; of an older epoch, `fenced`;
//             touching a claim that is not settled, `in_progress`; contradicting itself,
//             `poisoned`. `reason` says more, and kafka_error() is the broker's code.
// Forgetting  at the cap the least recently active producer without a claim, and any idle for
//             expire_after: a few at a time, in calls that record something. Both are counted, and
//             so are those that came back: they are judged as unknown producers.
// Memory      about 172 bytes a producer with a look-back of 5, all in: 64 that a judgement reads,
//             96 more, 7 to 15 of index. The index grows by a quarter, a line of it at a time; the
//             last 1024 producers at most move when there must be room for more, up to 160 KiB
//             that a budget must have twice for that moment.
// Look-back   a client with at most N batches in flight can only ever retry one of its newest N, so
//             look_back must be at least its max.in.flight.requests.per.connection. Kafka's client
//             refuses more than 5 for this reason; nothing negotiates it.
// Modulus     where the numbers wrap: 2^31, Kafka's, or another even number from 4 up to that. A
//             batch may have half of them at most, and a number is behind another when the way back
//             is no longer than the way forward. strict64 has none.
// Complexity  O(look_back). No call that judges allocates.
// Threads     const members may run together; anything else needs a lock around it.
// Errors      options that are nonsense throw std::invalid_argument; copying throws std::bad_alloc.
//             Everything else is noexcept, and without memory answers `full`, nothing changed.
// Source      docs/sequences.md says where each rule comes from
// Example     docs/sequences.md
template <SequenceMode mode = SequenceMode::kafka, std::size_t look_back_ = 5,
          std::int64_t modulus = std::int64_t{1} << 31>
class BasicProducerTracker {
  static_assert(look_back_ >= 1 && look_back_ <= 32, "the look-back is 1 to 32 batches");
  static_assert(mode != SequenceMode::kafka ||
                    (modulus >= 4 && modulus % 2 == 0 && modulus <= (std::int64_t{1} << 31)),
                "the modulus is an even number from 4 to 2^31");

 public:
  using Options = ProducerTrackerOptions;
  static constexpr std::size_t look_back = look_back_;

  explicit BasicProducerTracker(const Options& options = Options())
      : engine_(limits_of(options), options.unknown_producer, options.max_claims,
                options.end_offset) {}

  // Steps from one sequence number up to another, over the wrap where there is one; below zero where
  // there is none and `to` comes first. A batch has one number more. Neither may be negative.
  [[nodiscard]] static constexpr std::int64_t distance(std::int64_t from,
                                                       std::int64_t to) noexcept {
    return Numbers::distance(from, to);
  }

  // What append() or claim() would answer for lack of room excepted; changes nothing.
  [[nodiscard]] Judgement judge(const ProducerBatch& batch) const noexcept {
    return engine_.judge(batch);
  }
  // As that many single ones, with their cache misses overlapped.
  void judge(std::span<const ProducerBatch> batches, std::span<Judgement> answers) const noexcept {
    engine_.judge(batches, answers);
  }

  // Judges, and records what is `fresh` at once: for a log whose append has already succeeded or
  // cannot fail, and for replay (origin `replication`, which nothing but nonsense is refused). A
  // client's batch behind an unsettled claim of its epoch is `in_progress`.
  Judgement append(const ProducerBatch& batch, OffsetRange offsets, Instant now) noexcept {
    return engine_.append(batch, offsets, now);
  }

  // Judges, and where `fresh` holds the range until commit() or abort(). The producer cannot be
  // forgotten meanwhile. Claims of one producer may follow one another, `look_back` at most.
  [[nodiscard]] ClaimedRange claim(const ProducerBatch& batch) noexcept {
    return engine_.claim(batch);
  }
  // The log has taken the range and gave these offsets. Answers `fresh`; `fenced`, where the claim
  // was revoked: nothing is recorded, and a log that took it all the same must be told so by
  // append() with origin `replication`; `gap`, where an earlier claim of the epoch is not settled
  // yet; `poisoned`, where the offsets are not as many as the sequences. After the last two the
  // claim still stands.
  Judgement commit(const RangeClaim& claim, OffsetRange offsets, Instant now) noexcept {
    return engine_.commit(claim, offsets, now);
  }
  // The log has not taken it. Revokes the later claims of the same epoch too, which cannot be in
  // order any more. False: it was not open.
  bool abort(const RangeClaim& claim) noexcept { return engine_.abort(claim); }
  // Every claim, as when the log has a new leader.
  void abort_all() noexcept { engine_.abort_all(); }

  // What mark() would answer, for lack of room excepted; changes nothing.
  [[nodiscard]] Judgement judge(const ProducerMarker& marker) const noexcept {
    return engine_.judge(marker);
  }
  // A transaction marker was written: from now on older epochs are fenced. One that raises the
  // epoch forgets the producer's batches and revokes its claims, and the next batch starts at 0.
  // Moves no end offset: append() a batch without a producer id for the marker's own.
  Judgement mark(const ProducerMarker& marker, Instant now) noexcept {
    return engine_.mark(marker, now);
  }

  // Looks at `limit` producers at most and forgets those idle for too long or too many; how many
  // went.
  std::size_t expire(Instant now, std::size_t limit) noexcept {
    return engine_.store().expire(now, limit);
  }
  // Surplus producers go a few at a time, with the calls that record something or expire(). At
  // least 1.
  void set_max_producers(std::uint32_t count) {
    detail::check_max_producers(options_name, count);
    engine_.store().set_max_producers(count);
  }

  // The whole state: every producer with all its batches, their order of use, and the end offset.
  // Claims are not in it: whoever restores it has the log to tell what became of them. Equal states
  // give equal bytes. Not framed and without a checksum: put it in something that has both.
  [[nodiscard]] std::size_t encoded_size() const noexcept { return State::encoded_size(engine_); }
  // False: `to` is not of encoded_size(), or there is no memory to put the producers in order.
  [[nodiscard]] bool encode(std::span<std::byte> to) const noexcept {
    ByteWriter out(to);
    return to.size() == encoded_size() && State::encode(engine_, out);
  }
  // A tracker with that state, under options of its own (end_offset is the encoded one). All or
  // nothing; takes at most twice the memory of the input and a few KiB.
  [[nodiscard]] static Result<BasicProducerTracker> decode(std::span<const std::byte> bytes,
                                                           const Options& options = Options()) {
    BasicProducerTracker tracker(options);
    ByteReader in(bytes);
    if (const auto error = State::decode(in, tracker.engine_)) return *error;
    return Result<BasicProducerTracker>(std::move(tracker));
  }

  // The same for idem::save and idem::load, as the concept Saveable says.
  static constexpr StateType state_type{
      .kind = StateKind::producer_tracker,
      .variant = {static_cast<std::uint8_t>(mode), static_cast<std::uint8_t>(look_back_), 0, 0}};
  [[nodiscard]] StateShape state_shape() const noexcept {
    return {.type = state_type,
            .first = State::modulus(),
            .second = static_cast<std::uint64_t>(engine_.store().limits().expire_by),
            .elements = State::producers(engine_),
            .bytes = encoded_size()};
  }
  bool write_state(auto& out) const { return State::encode(engine_, out); }
  [[nodiscard]] static Result<BasicProducerTracker> read_state(auto& in, const StateShape& shape,
                                                               const Options& options) {
    if (shape.first != State::modulus())
      return Error{ErrorCode::other_options, StateShape::first_at, "modulus"};
    if (shape.second != static_cast<std::uint64_t>(options.expire_by))
      return Error{ErrorCode::other_options, StateShape::second_at, "expire_by"};
    if (shape.seed != Seed{}) return Error{ErrorCode::bad_value, StateShape::seed_at, "seed"};
    BasicProducerTracker tracker(options);
    if (const auto error = State::decode(in, tracker.engine_)) return *error;
    if (shape.elements != State::producers(tracker.engine_))
      return Error{ErrorCode::bad_value, StateShape::elements_at, "producers"};
    return Result<BasicProducerTracker>(std::move(tracker));
  }

  // Whether test(producer id) is true of every producer known.
  [[nodiscard]] bool all_of(const auto& test) const noexcept {
    const auto& table = engine_.store().table();
    for (std::uint32_t slot = 0; slot < table.slots(); ++slot) {
      if (table.holds(slot) && !test(table.at(slot).producer_id)) return false;
    }
    return true;
  }

  // One past the last offset recorded.
  [[nodiscard]] std::int64_t end_offset() const noexcept { return engine_.end_offset(); }

  [[nodiscard]] bool knows(std::int64_t producer_id) const noexcept {
    return engine_.store().table().find(producer_id) != Engine::none;
  }
  [[nodiscard]] std::size_t size() const noexcept { return engine_.store().table().size(); }
  [[nodiscard]] std::size_t open_claims() const noexcept { return engine_.claims().held(); }
  [[nodiscard]] const ProducerCounters& counters() const noexcept {
    return engine_.store().counters();
  }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sizeof(*this) + static_cast<std::size_t>(engine_.heap_bytes());
  }

 private:
  using Numbers = std::conditional_t<mode == SequenceMode::kafka, detail::WrappingNumbers<modulus>,
                                     detail::PlainNumbers>;
  using Engine = detail::ProducerEngine<Numbers, look_back_>;
  using State = detail::ProducerState<Numbers, look_back_>;

  static constexpr std::string_view options_name = "ProducerTrackerOptions";

  [[nodiscard]] static detail::StoreLimits limits_of(const Options& options) {
    if (options.max_claims == 0) {
      detail::invalid_option("ProducerTrackerOptions.max_claims", options.max_claims, "at least 1");
    }
    if (options.end_offset < 0) {
      detail::invalid_option("ProducerTrackerOptions.end_offset", options.end_offset,
                             "zero or more");
    }
    // What is taken apart from the producers themselves is set aside from the start.
    detail::StoreLimits limits =
        detail::store_limits(options_name, options,
                             sizeof(BasicProducerTracker) +
                                 std::uint64_t{options.max_claims} * sizeof(detail::PendingRange),
                             Engine::Store::Table::first_bytes());
    limits.expire_by = options.expire_by;
    return limits;
  }

  Engine engine_;
};

using ProducerTracker = BasicProducerTracker<>;
using Strict64Tracker = BasicProducerTracker<SequenceMode::strict64>;

}  // namespace idem::inline IDEM_ABI
