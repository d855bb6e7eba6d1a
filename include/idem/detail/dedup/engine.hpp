#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include <idem/core/hash.hpp>
#include <idem/core/memory.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/dedup/content.hpp>
#include <idem/dedup/counters.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/no_throw.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/dedup/axes.hpp>
#include <idem/detail/dedup/claim_book.hpp>
#include <idem/detail/dedup/claim_ticket.hpp>
#include <idem/detail/dedup/insight.hpp>
#include <idem/detail/dedup/tally.hpp>

namespace idem::inline IDEM_ABI::detail {

// How one memory decides under a policy, for keys as the memory stores them. guesses: a duplicate is
// the memory's guess about the key, as its digest is short.
template <class M, class Reading, bool guesses>
class DedupEngine {
 public:
  using Memory = M;
  using Stored = typename Memory::Stored;
  static constexpr bool compares = Reading::compares_content;
  // What a message comes with besides its key: the digest of its content, or nothing.
  using ContentDigest = std::conditional_t<compares, Digest, NoContent>;
  using ContentDigests = std::conditional_t<compares, std::span<const Digest>, NoContent>;
  using Ticket = std::conditional_t<compares, ContentTicket, ClaimTicket>;

  DedupEngine(const typename Memory::Options& memory, const auto& claims, TokenLane lane = {})
      : memory_(memory), book_(claims, lane) {}
  DedupEngine(Memory&& memory, const auto& claims, TokenLane lane = {})
      : memory_(std::move(memory)), book_(claims, lane) {}

  [[nodiscard]] const Memory& memory() const noexcept { return memory_; }
  [[nodiscard]] Memory& memory() noexcept { return memory_; }

  Verdict insert(const Stored& key, At at, ContentDigest content) noexcept {
    if constexpr (Reading::claims) {
      if (!book_.is_empty()) return insert_beside_claims(key, at, content);
    }
    return tally_.answered(honest(record(key, at, content)));
  }

  // Keys is a span, or something else with size() and [] for a memory that keeps them whole. This
  // and what it comes with have one size.
  template <class Keys>
  void insert(const Keys& keys, At at, ContentDigests contents,
              std::span<Verdict> verdicts) noexcept {
    constexpr bool in_a_row = std::is_same_v<Keys, std::span<const Stored>>;
    const auto one_by_one = [&] {
      for (std::size_t i = 0; i < keys.size(); ++i) {
        verdicts[i] = insert(keys[i], at, one_of(contents, i));
      }
    };
    if constexpr (!in_a_row) return one_by_one();
    if constexpr (Reading::claims) {
      if (!book_.is_empty()) return one_by_one();
    }
    if constexpr (in_a_row) record(keys, at, contents, verdicts);
    if constexpr (guesses) {
      for (Verdict& verdict : verdicts) verdict = honest(verdict);
    }
    tally_.answered(verdicts);
  }

  [[nodiscard]] Verdict check(const Stored& key, At at, ContentDigest content) const noexcept {
    if constexpr (Reading::claims) {
      if (!book_.is_empty()) {
        const Verdict verdict = book_.judge(key, memory_.slot(key), content);
        if (verdict != Verdict::fresh) return verdict;
      }
    }
    ContentDigest first;
    return honest(look(key, at, content, first));
  }

  // The content that the key stands for, if it does: of an open claim, or as recorded.
  [[nodiscard]] std::optional<Digest> first_content(const Stored& key, At at) const noexcept
      requires(compares) {
    if constexpr (Reading::claims) {
      const auto open = book_.find(key, memory_.slot(key));
      if (open != book_.none) return book_.content(open);
    }
    Digest first;
    if (memory_.check(key, at, first) != Verdict::duplicate) return std::nullopt;
    return first;
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
    counts.early_evictions = early_evictions_of(memory_);
    return counts;
  }

  bool refute(const Stored& key, At at) noexcept {
    tally_.refuted();
    return record_refuted(memory_, key, at);
  }

  [[nodiscard]] Ticket claim(const Stored& key, At at, ContentDigest content) noexcept {
    ContentDigest first = content;
    const ClaimTicket ticket = judge_claim(key, at, content, first);
    (void)tally_.answered(ticket.verdict);
    if constexpr (compares) {
      return {ticket, first};
    } else {
      return ticket;
    }
  }

  // As that many single claims in order, with their cache misses overlapped where the memory can
  // fetch ahead. take(i, ticket) gets the i-th.
  void claim(const auto& keys, At at, ContentDigests contents, const auto& take) noexcept {
    constexpr bool fetches = requires { memory_.prefetch(keys[0]); };
    constexpr std::size_t ahead = 16;
    if constexpr (fetches) {
      for (std::size_t i = 0; i < smaller(ahead, keys.size()); ++i) memory_.prefetch(keys[i]);
    }
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if constexpr (fetches) {
        if (i + ahead < keys.size()) memory_.prefetch(keys[i + ahead]);
      }
      take(i, claim(keys[i], at, one_of(contents, i)));
    }
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
    if constexpr (compares) {
      const Digest content = book_.content(ticket.number);
      memory_.record(book_.close(ticket.number), at, content);
    } else {
      memory_.record(book_.close(ticket.number), at);
    }
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
  using Book = typename std::conditional_t<Reading::claims,
                                           std::type_identity<ClaimBook<Stored, ContentDigest>>,
                                           std::type_identity<NoClaims>>::type;

  // What a memory of short digests takes for a fact is a guess about the key.
  [[nodiscard]] static constexpr Verdict honest(Verdict verdict) noexcept {
    return guesses && verdict == Verdict::duplicate ? Verdict::probable_duplicate : verdict;
  }

  [[nodiscard]] static ContentDigest one_of(const ContentDigests& contents,
                                            std::size_t i) noexcept {
    if constexpr (compares) {
      return contents[i];
    } else {
      return {};
    }
  }
  [[nodiscard]] static Verdict compared(Verdict verdict, const Digest& content,
                                        const Digest& first) noexcept {
    return verdict == Verdict::duplicate && content != first ? Verdict::conflict : verdict;
  }

  [[nodiscard]] Verdict record(const Stored& key, At at, const ContentDigest& content) noexcept {
    if constexpr (compares) {
      Digest first;
      return compared(memory_.insert(key, at, content, first), content, first);
    } else {
      return memory_.insert(key, at);
    }
  }
  void record(std::span<const Stored> keys, At at, const ContentDigests& contents,
              std::span<Verdict> verdicts) noexcept {
    if constexpr (compares) {
      constexpr std::size_t chunk = 64;
      std::array<Digest, chunk> first;
      for (std::size_t begin = 0; begin < keys.size(); begin += chunk) {
        const std::size_t count = smaller(chunk, keys.size() - begin);
        memory_.insert(keys.subspan(begin, count), at, contents.subspan(begin, count),
                       std::span<Digest>(first).first(count), verdicts.subspan(begin, count));
        for (std::size_t i = 0; i < count; ++i) {
          verdicts[begin + i] = compared(verdicts[begin + i], contents[begin + i], first[i]);
        }
      }
    } else {
      memory_.insert(keys, at, verdicts);
    }
  }
  // What recording would answer, but for `full`; on a duplicate or a conflict `first` becomes the
  // content the key came with first.
  [[nodiscard]] Verdict look(const Stored& key, At at, const ContentDigest& content,
                             ContentDigest& first) const noexcept {
    if constexpr (compares) {
      return compared(memory_.check(key, at, first), content, first);
    } else {
      return memory_.check(key, at);
    }
  }

  [[nodiscard]] Verdict insert_beside_claims(const Stored& key, At at,
                                             ContentDigest content) noexcept {
    const std::uint64_t slot = memory_.slot(key);
    const Verdict standing = book_.judge(key, slot, content);
    if (standing != Verdict::fresh) return tally_.answered(standing);
    const Verdict verdict = record(key, at, content);
    // Done, by whatever way: its failures are history.
    if (verdict == Verdict::fresh) book_.forget_failures(key, slot);
    return tally_.answered(verdict);
  }

  [[nodiscard]] ClaimTicket judge_claim(const Stored& key, At at, const ContentDigest& content,
                                        ContentDigest& first) noexcept {
    const std::uint64_t slot = memory_.slot(key);
    const auto open = book_.find(key, slot);
    if (open != book_.none) {
      first = book_.content(open);
      if (!(first == content)) return {.verdict = Verdict::conflict};
      return claim_again(open, at.now);
    }
    if (book_.is_poisoned(key, slot)) return {.verdict = Verdict::poisoned};
    const Verdict verdict = look(key, at, content, first);
    if (verdict != Verdict::fresh) return {.verdict = verdict};
    if (book_.is_full() || !take_room(key, at)) return {.verdict = Verdict::full};
    Stored own{};
    if (!assign_without_throwing(own, key)) {
      memory_.release_one(key);
      return {.verdict = Verdict::full};
    }
    return book_.open(std::move(own), slot, content, at.now);
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
