#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include <idem/core/hash.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>

namespace idem::inline IDEM_ABI {

// ClaimOptions::max_attempts where a message may be tried for ever.
inline constexpr std::uint32_t unlimited_attempts = std::numeric_limits<std::uint32_t>::max();

struct ClaimOptions {
  // How long a claim is its owner's alone. After that another claim() on the key takes it over;
  // until one does, the owner may still commit. More than zero; Duration::max() never ends.
  Duration lease = Duration::nanoseconds(60'000'000'000);
  // Claims that may be open at once, each with room taken in the memory; one more answers `full`. A
  // claim is open until its guard ends it, its lease over or not, or its key is taken over. 1
  // to 2^30. Their table is allocated once, in the constructor, and counted by memory_bytes().
  std::size_t max_in_flight = 1024;
  // How often a key may be claimed without a commit before claim() answers `poisoned`. An attempt
  // counts however it ended: by an abort, by the guard's destructor, by an exception, by a lease
  // that ran out. At least 1.
  std::uint32_t max_attempts = unlimited_attempts;
  // Keys whose failed attempts are kept in mind, poisoned ones included, where there is a limit to
  // them. One more, and the key that failed longest ago starts anew: a poisoned message is then
  // tried again, none is lost. 1 to 2^30; allocated once, and not at all without a limit.
  std::size_t max_failed_keys = 1024;
  // The token of the first claim; later ones count up. A sink that outlives this object needs one
  // higher than all it saw before: an epoch of the owner's in the upper bits, say. 1 to 2^63.
  // Under Sharded<N> the shards begin here and at the next N - 1, and count by N.
  std::uint64_t first_token = 1;
};

// The right to process one message, or the verdict why there is none. What Deduplicator::claim
// returns.
//
// Guarantee  while it holds(), no other claim on the key answers `fresh` before the lease has run
//            out. commit() records the key; abort(), the destructor and an exception that passes by
//            give it back, so that a redelivery is fresh again. After a takeover nothing this claim
//            does changes anything. In a child made by fork() a claim of the parent's is somebody
//            else's: its guard answers `fenced` and frees nothing.
// Threads    every member, the destructor and the moves touch the Deduplicator: hold its lock for
//            them too, as docs/claims.md shows. Under Sharded they take the lock themselves. Between
//            them the claim may wait on any thread.
// Lifetime   move-only. Must end before its Deduplicator does; the Deduplicator's destructor aborts
//            the program otherwise.
template <class Dedup>
class [[nodiscard]] Claim {
 public:
  // None, with the verdict `unknown`: a place for one to come.
  Claim() noexcept = default;
  Claim(Claim&& other) noexcept
      : owner_(std::exchange(other.owner_, nullptr)),
        ticket_(std::exchange(other.ticket_, typename Dedup::Ticket{})) {}
  Claim& operator=(Claim&& other) noexcept {
    if (this == &other) return *this;
    abort();
    owner_ = std::exchange(other.owner_, nullptr);
    ticket_ = std::exchange(other.ticket_, typename Dedup::Ticket{});
    return *this;
  }
  ~Claim() { abort(); }

  // `fresh`: process the message. Otherwise why not: `duplicate`, `in_progress`, `conflict`,
  // `poisoned`, `full`, or what else the memory means. What claim() answered; it does not follow later events.
  // `unknown` once moved from.
  [[nodiscard]] Verdict verdict() const noexcept { return ticket_.verdict; }

  // Whether commit() could still answer `fresh`: claimed, not ended, not taken over.
  [[nodiscard]] bool holds() const noexcept { return owner_ != nullptr && owner_->owns(ticket_); }

  // Greater than every token handed out before by this Deduplicator, or under Sharded, where no two
  // claims share one either, than every token handed out before on this key; see first_token. Hand
  // it to a sink that refuses older ones. Means something only when verdict() is `fresh`.
  [[nodiscard]] std::uint64_t token() const noexcept { return ticket_.token; }

  // 1 for the first claim on the key, one more after each takeover. After an abort it goes on where
  // max_attempts sets a limit, and starts anew where none does. Means something only when verdict()
  // is `fresh`.
  [[nodiscard]] std::uint32_t attempt() const noexcept { return ticket_.attempt; }

  // Under CompareContent: the digest of the content that the key stood for when claim() answered, so
  // that a `conflict` can be told apart. Of the claim's own where the key stood for none.
  [[nodiscard]] const Digest& first_content() const noexcept requires
      requires(const typename Dedup::Ticket& ticket) {
    ticket.first;
  }
  { return ticket_.first; }

  // Ends the claim and records the key: `fresh`. Cannot fail for lack of room: that was taken at
  // claim(). `fenced`, with nothing recorded, when the claim was taken over, had ended, came over a
  // fork, or never was one.
  [[nodiscard]] Verdict commit(At at) noexcept {
    if (owner_ == nullptr) return Verdict::fenced;
    return std::exchange(owner_, nullptr)->commit_claim(ticket_, at);
  }
  [[nodiscard]] Verdict commit(Instant now) noexcept { return commit(At{.now = now}); }

  // Starts the lease anew: `fresh`, or `fenced` as for commit(). Also after the lease ran out, if
  // nobody took over.
  [[nodiscard]] Verdict renew(Instant now) noexcept {
    if (owner_ == nullptr) return Verdict::fenced;
    return owner_->renew_claim(ticket_, now);
  }

  // Ends the claim and gives the key back. Nothing when there is no claim to end.
  void abort() noexcept {
    if (owner_ != nullptr) std::exchange(owner_, nullptr)->abort_claim(ticket_);
  }

 private:
  friend Dedup;

  explicit Claim(Verdict verdict) noexcept { ticket_.verdict = verdict; }
  Claim(Dedup& owner, const typename Dedup::Ticket& ticket) noexcept
      : owner_(ticket.verdict == Verdict::fresh ? &owner : nullptr), ticket_(ticket) {}

  Dedup* owner_ = nullptr;
  typename Dedup::Ticket ticket_;
};

}  // namespace idem::inline IDEM_ABI
