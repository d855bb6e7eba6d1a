#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include <idem/core/memory.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/dedup/counters.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/no_throw.hpp>
#include <idem/detail/dedup/axes.hpp>
#include <idem/detail/dedup/claim_book.hpp>
#include <idem/detail/dedup/claim_ticket.hpp>
#include <idem/detail/dedup/tally.hpp>

namespace idem::inline IDEM_ABI::detail {

// How one memory decides under a policy, for keys as the memory stores them. guesses: a duplicate is
// the memory's guess about the key, as its digest is short.
template <class M, class Reading, bool guesses>
class DedupEngine {
 public:
  using Memory = M;
  using Stored = typename Memory::Stored;

  DedupEngine(const typename Memory::Options& memory, const auto& claims, TokenLane lane = {})
      : memory_(memory), book_(claims, lane) {}
  DedupEngine(Memory&& memory, const auto& claims, TokenLane lane = {})
      : memory_(std::move(memory)), book_(claims, lane) {}

  [[nodiscard]] const Memory& memory() const noexcept { return memory_; }
  [[nodiscard]] Memory& memory() noexcept { return memory_; }

  Verdict insert(const Stored& key, At at) noexcept {
    if constexpr (Reading::claims) {
      if (!book_.is_empty()) return insert_beside_claims(key, at);
    }
    return tally_.answered(honest(memory_.insert(key, at)));
  }

  // The spans have one size.
  void insert(std::span<const Stored> keys, At at, std::span<Verdict> verdicts) noexcept {
    if constexpr (Reading::claims) {
      if (!book_.is_empty()) {
        for (std::size_t i = 0; i < keys.size(); ++i) verdicts[i] = insert(keys[i], at);
        return;
      }
    }
    memory_.insert(keys, at, verdicts);
    if constexpr (guesses) {
      for (Verdict& verdict : verdicts) verdict = honest(verdict);
    }
    tally_.answered(verdicts);
  }

  [[nodiscard]] Verdict check(const Stored& key, At at) const noexcept {
    if constexpr (Reading::claims) {
      if (!book_.is_empty()) {
        const Verdict verdict = book_.judge(key, memory_.slot(key));
        if (verdict != Verdict::fresh) return verdict;
      }
    }
    return honest(memory_.check(key, at));
  }

  bool forget(const Stored& key) noexcept {
    const bool remembered = memory_.forget(key);
    if constexpr (Reading::claims) {
      if (book_.failed() != 0) return book_.forget_failures(key, memory_.slot(key)) || remembered;
    }
    return remembered;
  }

  void clear() noexcept {
    memory_.clear();
    if constexpr (Reading::claims) book_.forget_failures();
  }

  // Beyond the object itself.
  [[nodiscard]] std::size_t heap_bytes() const noexcept {
    return memory_.memory_bytes() - sizeof(Memory) + book_.heap_bytes();
  }

  [[nodiscard]] DeduplicatorCounters counters() const noexcept {
    DeduplicatorCounters counts = tally_.counts();
    if constexpr (requires { memory_.counters().early_evictions; }) {
      counts.early_evictions = memory_.counters().early_evictions;
    }
    return counts;
  }

  [[nodiscard]] ClaimTicket claim(const Stored& key, At at) noexcept {
    const ClaimTicket ticket = judge_claim(key, at);
    (void)tally_.answered(ticket.verdict);
    return ticket;
  }

  [[nodiscard]] bool is_ours(const ClaimTicket& ticket) const noexcept {
    return book_.is_ours(ticket);
  }
  // This and the next three: of a ticket that is ours.
  [[nodiscard]] bool owns(const ClaimTicket& ticket) const noexcept { return book_.owns(ticket); }

  [[nodiscard]] Verdict commit(const ClaimTicket& ticket, At at) noexcept {
    book_.guard_ended();
    if (!owns(ticket)) {
      tally_.lost_claim();
      return Verdict::fenced;
    }
    memory_.record(book_.close(ticket.number), at);
    tally_.committed();
    return Verdict::fresh;
  }

  [[nodiscard]] Verdict renew(const ClaimTicket& ticket, Instant now) noexcept {
    if (!owns(ticket)) return Verdict::fenced;
    book_.renew(ticket.number, now);
    return Verdict::fresh;
  }

  void abort(const ClaimTicket& ticket) noexcept {
    book_.guard_ended();
    if (!owns(ticket)) return;
    fail(ticket.number);
    tally_.aborted();
  }

  [[nodiscard]] std::size_t claims_in_flight() const noexcept { return book_.in_flight(); }

 private:
  using Book = typename std::conditional_t<Reading::claims, std::type_identity<ClaimBook<Stored>>,
                                           std::type_identity<NoClaims>>::type;

  // What a memory of short digests takes for a fact is a guess about the key.
  [[nodiscard]] static constexpr Verdict honest(Verdict verdict) noexcept {
    return guesses && verdict == Verdict::duplicate ? Verdict::probable_duplicate : verdict;
  }

  [[nodiscard]] Verdict insert_beside_claims(const Stored& key, At at) noexcept {
    const std::uint64_t slot = memory_.slot(key);
    const Verdict standing = book_.judge(key, slot);
    if (standing != Verdict::fresh) return tally_.answered(standing);
    const Verdict verdict = memory_.insert(key, at);
    // Done, by whatever way: its failures are history.
    if (verdict == Verdict::fresh) book_.forget_failures(key, slot);
    return tally_.answered(verdict);
  }

  [[nodiscard]] ClaimTicket judge_claim(const Stored& key, At at) noexcept {
    const std::uint64_t slot = memory_.slot(key);
    const auto open = book_.find(key, slot);
    if (open != book_.none) return claim_again(open, at.now);
    if (book_.is_poisoned(key, slot)) return {.verdict = Verdict::poisoned};
    const Verdict verdict = memory_.check(key, at);
    if (verdict != Verdict::fresh) return {.verdict = verdict};
    if (book_.is_full() || !take_room(key, at)) return {.verdict = Verdict::full};
    Stored own{};
    if (!assign_without_throwing(own, key)) {
      memory_.release_one(key);
      return {.verdict = Verdict::full};
    }
    return book_.open(std::move(own), slot, at.now);
  }

  // A window learns the time from what is recorded, and where claims alone are made none is until
  // there is room.
  [[nodiscard]] bool take_room(const Stored& key, At at) noexcept {
    if (memory_.reserve_one(key)) return true;
    if constexpr (requires { memory_.advance(at); }) {
      memory_.advance(at);
      return memory_.reserve_one(key);
    }
    return false;
  }

  [[nodiscard]] ClaimTicket claim_again(std::uint32_t number, Instant now) noexcept {
    if (!book_.is_lease_over(number, now)) return {.verdict = Verdict::in_progress};
    if (book_.is_last_attempt(number)) {
      fail(number);
      return {.verdict = Verdict::poisoned};
    }
    tally_.took_over();
    return book_.take_over(number, now);
  }

  void fail(std::uint32_t number) noexcept {
    memory_.release_one(book_.key(number));
    tally_.forgot_failures(book_.fail(number));
  }

  Memory memory_;
  [[no_unique_address]] Book book_;
  [[no_unique_address]] std::conditional_t<Reading::counts, Tally, NoTally> tally_;
};

}  // namespace idem::inline IDEM_ABI::detail
