#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <idem/core/error.hpp>
#include <idem/core/seed.hpp>
#include <idem/core/state.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/sequence/ledger_engine.hpp>

namespace idem::inline IDEM_ABI {

struct OffsetLedgerOptions {
  // The first offset not yet done: what was committed before.
  std::int64_t next = 0;
  // Whose deliveries these are; a later owner's is higher.
  std::uint64_t owner_epoch = 0;
  // Deliveries held between the next offset to commit and the newest: beyond, deliver() answers
  // `full`. At least 1.
  std::size_t max_held = std::size_t{1} << 20;
  // The largest checkpoint restore() reads, in bytes.
  std::size_t max_checkpoint_bytes = 65536;
};

// The lowest offset that was delivered and is not done.
struct OpenDelivery {
  std::int64_t offset = 0;
  Instant delivered{};
};

// What to commit: the offset, and beside it the map of what is done beyond. Both are of one moment;
// a map committed with another offset is refused by restore().
struct LedgerCheckpoint {
  Verdict verdict = Verdict::unknown;  // `fresh`, or `fenced`: commit nothing
  std::int64_t next = 0;               // the offset to commit
  // Bytes or characters written. 0: the map needs more room than there was; what is done beyond
  // `next` will be delivered again.
  std::size_t size = 0;
};

// Takes completions of one partition's offsets in any order, and knows the next offset that is safe
// to commit.
//
// Guarantee   next() never passes an offset that was delivered and is not done. Deliveries rise;
//             an offset passed over does not exist (compacted away, or a marker) and is done.
//             After restore() what the earlier owner had completed is `duplicate`, exactly.
// Owners      complete() and checkpoint() name the epoch they were delivered under; after
//             take_over() those of an earlier one are `fenced` and change nothing.
// Memory      16 bytes a delivery from the oldest open one on; offsets passed over cost nothing.
// Complexity  O(1) where no offset was passed over since the oldest open delivery, else O(log n);
//             sizes and checkpoints O(deliveries held).
// Threads     const members may run together; anything else needs a lock around it.
// Errors      options that are nonsense throw std::invalid_argument; copying throws std::bad_alloc;
//             bytes from outside give a Result. Everything else is noexcept, and without memory
//             answers `full`, nothing changed.
// Example     docs/sequences.md
class OffsetLedger {
 public:
  using Options = OffsetLedgerOptions;

  explicit OffsetLedger(const Options& options = Options()) : engine_(checked(options)) {}

  // The ledger of an earlier owner, from what it committed: the offset, and checkpoint()'s bytes or
  // text (empty: only the offset). options.next is ignored.
  [[nodiscard]] static Result<OffsetLedger> restore(std::int64_t committed,
                                                    std::span<const std::byte> checkpoint,
                                                    Options options = Options()) {
    options.next = 0;
    OffsetLedger ledger(options);
    if (const auto error = ledger.engine_.restore(committed, checkpoint)) return *error;
    return Result<OffsetLedger>(std::move(ledger));
  }
  [[nodiscard]] static Result<OffsetLedger> restore_text(std::int64_t committed,
                                                         std::string_view checkpoint,
                                                         Options options = Options()) {
    options.next = 0;
    OffsetLedger ledger(options);
    if (const auto error = ledger.engine_.restore_text(committed, checkpoint)) return *error;
    return Result<OffsetLedger>(std::move(ledger));
  }

  // A record was handed out. `fresh`; `duplicate`: done already, skip it; `in_progress`: handed out
  // and not done; `stale`: passed over before; `full`; `poisoned`: no such offset.
  Verdict deliver(std::int64_t offset, Instant now) noexcept {
    return engine_.deliver(offset, now);
  }
  // What deliver() would answer, `full` excepted; changes nothing.
  [[nodiscard]] Verdict check(std::int64_t offset) const noexcept { return engine_.check(offset); }

  // Its work is done. `fresh`: by this call; `duplicate`: before; `fenced`: delivered to an earlier
  // owner; `unknown`: not delivered yet; `stale`: passed over; `poisoned`: no such offset.
  Verdict complete(std::int64_t offset, std::uint64_t owner_epoch) noexcept {
    return engine_.complete(offset, owner_epoch);
  }

  // The next offset to commit: the lowest not done.
  [[nodiscard]] std::int64_t next() const noexcept { return engine_.window().next(); }
  // One past the highest offset done.
  [[nodiscard]] std::int64_t done_end() const noexcept { return engine_.window().done_end(); }
  // What holds next() back; none: nothing is open.
  [[nodiscard]] std::optional<OpenDelivery> oldest_open() const noexcept {
    if (engine_.window().held() == 0) return std::nullopt;
    return OpenDelivery{
        .offset = next(),
        .delivered = Instant::at(Duration::nanoseconds(engine_.window().oldest_time()))};
  }
  // How long it has been open; zero when nothing is.
  [[nodiscard]] Duration oldest_age(Instant now) const noexcept {
    const auto oldest = oldest_open();
    return oldest ? now - oldest->delivered : Duration();
  }
  [[nodiscard]] std::size_t open() const noexcept { return engine_.window().open(); }
  [[nodiscard]] std::uint64_t owner_epoch() const noexcept { return engine_.owner_epoch(); }

  // A later owner: everything open is to be delivered again, everything done stays done. `fresh`;
  // `fenced`: the epoch is not higher; `full`: no memory, nothing changed.
  Verdict take_over(std::uint64_t owner_epoch) noexcept { return engine_.take_over(owner_epoch); }

  // The bytes a checkpoint takes now, exactly; and as base64 text.
  [[nodiscard]] std::size_t checkpoint_bytes() const noexcept { return engine_.size(-1); }
  [[nodiscard]] std::size_t checkpoint_characters() const noexcept {
    return (checkpoint_bytes() + 2) / 3 * 4;
  }
  // The bytes it would take were this offset done as well, exactly.
  [[nodiscard]] std::size_t checkpoint_bytes_with(std::int64_t offset) const noexcept {
    return engine_.size(offset);
  }
  // So many of the open deliveries may complete, whichever they are, and a checkpoint still fits:
  // stop delivering when this falls to what is in work. Never more than is true. Exact for the next
  // one where checkpoint_bytes_with() is asked.
  [[nodiscard]] std::size_t completions_left(std::size_t room_bytes) const noexcept {
    return engine_.completions_left(room_bytes);
  }

  // Offset and map of this moment, as bytes or as base64 text.
  [[nodiscard]] LedgerCheckpoint checkpoint(std::span<std::byte> room,
                                            std::uint64_t owner_epoch) const noexcept {
    LedgerCheckpoint result;
    result.verdict = engine_.checkpoint(room, owner_epoch, result.next, result.size);
    return result;
  }
  [[nodiscard]] LedgerCheckpoint checkpoint_text(std::span<char> room,
                                                 std::uint64_t owner_epoch) const noexcept {
    LedgerCheckpoint result;
    result.verdict = engine_.checkpoint_text(room, owner_epoch, result.next, result.size);
    return result;
  }

  // What is done, the next offset and the owner's epoch, for idem::save and idem::load as the
  // concept Saveable says. What is delivered and not done will be delivered again.
  static constexpr StateType state_type{.kind = StateKind::offset_ledger};
  [[nodiscard]] StateShape state_shape() const noexcept {
    const std::uint64_t ends = engine_.run_ends();
    return {.type = state_type,
            .elements = ends / 2,
            .bytes = detail::LedgerEngine::state_header_bytes + ends * 8};
  }
  bool write_state(auto& out) const { return engine_.encode(out); }
  // options.next and options.owner_epoch are ignored.
  [[nodiscard]] static Result<OffsetLedger> read_state(auto& in, const StateShape& shape,
                                                       Options options) {
    if (shape.first != 0) return Error{ErrorCode::bad_value, StateShape::first_at, "ledger"};
    if (shape.second != 0) return Error{ErrorCode::bad_value, StateShape::second_at, "ledger"};
    if (shape.seed != Seed{}) return Error{ErrorCode::bad_value, StateShape::seed_at, "seed"};
    if (shape.bytes < detail::LedgerEngine::state_header_bytes ||
        shape.elements != (shape.bytes - detail::LedgerEngine::state_header_bytes) / 16)
      return Error{ErrorCode::bad_value, StateShape::elements_at, "ledger"};
    options.next = 0;
    OffsetLedger ledger(options);
    if (const auto error = ledger.engine_.decode(in)) return *error;
    return Result<OffsetLedger>(std::move(ledger));
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return sizeof(*this) + static_cast<std::size_t>(engine_.window().heap_bytes());
  }

 private:
  [[nodiscard]] static detail::LedgerEngine checked(const Options& options) {
    if (options.next < 0 || options.next == std::numeric_limits<std::int64_t>::max()) {
      detail::invalid_option("OffsetLedgerOptions.next", options.next, "0 to 2^63 - 2");
    }
    if (options.max_held == 0) {
      detail::invalid_option("OffsetLedgerOptions.max_held", options.max_held, "at least 1");
    }
    return detail::LedgerEngine(options.next, options.owner_epoch, options.max_held,
                                options.max_checkpoint_bytes);
  }

  detail::LedgerEngine engine_;
};

}  // namespace idem::inline IDEM_ABI
