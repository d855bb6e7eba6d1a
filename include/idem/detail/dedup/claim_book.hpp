#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/dedup/claim.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/no_throw.hpp>
#include <idem/detail/dedup/axes.hpp>
#include <idem/detail/dedup/claim_table.hpp>
#include <idem/detail/dedup/claim_ticket.hpp>
#include <idem/detail/dedup/failed_keys.hpp>
#include <idem/detail/dedup/forks.hpp>

namespace idem::inline IDEM_ABI::detail {

// Which tokens a book hands out, so that the shards of one Deduplicator never hand out the same.
struct TokenLane {
  std::uint64_t offset = 0;
  std::uint64_t step = 1;
};

// The claims of one memory: who owns which key, until when, under which token; and how often a key
// failed, where there is a limit to that. ContentDigest is that of a message's content, or NoContent:
// what an open claim's owner was given, and all that a claim on its key may come with.
template <class Stored, class ContentDigest>
class ClaimBook {
 public:
  using Table = ClaimTable<OpenClaim<Stored, ContentDigest>>;
  using Number = typename Table::Number;
  static constexpr Number none = Table::none;

  explicit ClaimBook(const ClaimOptions& options, TokenLane lane)
      : lease_(checked(options).lease),
        next_token_(options.first_token + lane.offset),
        token_step_(lane.step),
        forks_(fork_count()),
        max_attempts_(options.max_attempts),
        table_(made<Table>(options.max_in_flight, "ClaimOptions.max_in_flight")),
        failed_(made<FailedKeys<Stored>>(
            options.max_attempts == unlimited_attempts ? 0 : options.max_failed_keys,
            "ClaimOptions.max_failed_keys")) {}
  ClaimBook(const ClaimBook&) = delete;
  ClaimBook& operator=(const ClaimBook&) = delete;
  ~ClaimBook() {
    if (guards_ != 0 && guards_process_ == process()) {
      abort_with("idem: a Deduplicator was destroyed before its claims");
    }
  }

  [[nodiscard]] std::size_t in_flight() const noexcept { return table_.size(); }
  [[nodiscard]] std::size_t failed() const noexcept { return failed_.size(); }
  // Whether it has something to say about any key at all.
  [[nodiscard]] bool is_empty() const noexcept { return table_.is_empty() && failed_.is_empty(); }
  [[nodiscard]] bool is_full() const noexcept { return table_.is_full(); }
  [[nodiscard]] std::size_t heap_bytes() const noexcept {
    return table_.heap_bytes() + failed_.heap_bytes();
  }
  [[nodiscard]] Number find(const Stored& key, std::uint64_t slot) const noexcept {
    return table_.find(key, slot);
  }

  [[nodiscard]] bool is_poisoned(const Stored& key, std::uint64_t slot) const noexcept {
    return failed_.attempts(key, slot) >= max_attempts_;
  }
  // `in_progress`, `conflict`, `poisoned`, or `fresh`: nothing stands against the key here.
  [[nodiscard]] Verdict judge(const Stored& key, std::uint64_t slot,
                              const ContentDigest& content) const noexcept {
    const Number number = find(key, slot);
    if (number != none) {
      return this->content(number) == content ? Verdict::in_progress : Verdict::conflict;
    }
    return is_poisoned(key, slot) ? Verdict::poisoned : Verdict::fresh;
  }

  // A token identifies one grant for ever, so an entry that was freed, taken over or used again
  // never matches an old one.
  [[nodiscard]] bool owns(const ClaimTicket& ticket) const noexcept {
    return table_.entry(ticket.number).token == ticket.token;
  }

  // What was granted before a fork is the parent's, and a child asks nothing else about it. Reads
  // only what never changes.
  [[nodiscard]] bool is_ours(const ClaimTicket& ticket) const noexcept {
    return ticket.process == process();
  }

  // The first claim on a key that is not in the book, which is not full, or the next after claims
  // that failed.
  [[nodiscard]] ClaimTicket open(Stored&& key, std::uint64_t slot, const ContentDigest& content,
                                 Instant now) noexcept {
    const std::uint32_t attempts = failed_.take(key, slot);
    const Number number = table_.add(std::move(key), slot);
    table_.entry(number).attempt = attempts;
    table_.entry(number).content = content;
    return start_turn(number, now);
  }

  [[nodiscard]] bool is_lease_over(Number number, Instant now) const noexcept {
    const Instant lease_end = table_.entry(number).lease_end;
    return now >= lease_end && lease_end != Instant::max();
  }
  [[nodiscard]] bool is_last_attempt(Number number) const noexcept {
    return max_attempts_ != unlimited_attempts && table_.entry(number).attempt >= max_attempts_;
  }
  [[nodiscard]] ClaimTicket take_over(Number number, Instant now) noexcept {
    return start_turn(number, now);
  }

  void renew(Number number, Instant now) noexcept {
    table_.entry(number).lease_end = lease_end(now);
  }

  // Takes the key out of the book and gives it back.
  [[nodiscard]] Stored close(Number number) noexcept {
    table_.entry(number).token = no_token;  // its owner may live on, where the claim was poisoned
    return table_.remove(number);
  }

  [[nodiscard]] const Stored& key(Number number) const noexcept { return table_.entry(number).key; }
  [[nodiscard]] const ContentDigest& content(Number number) const noexcept {
    return table_.entry(number).content;
  }
  // The claim ended without a commit: its key is free, or poisoned. Whether the failures of another
  // key were forgotten for it.
  bool fail(Number number) noexcept {
    const std::uint64_t slot = table_.entry(number).slot;
    const std::uint32_t attempts = table_.entry(number).attempt;
    Stored key = close(number);
    return max_attempts_ != unlimited_attempts && failed_.add(std::move(key), slot, attempts);
  }

  // Whether there were any.
  bool forget_failures(const Stored& key, std::uint64_t slot) noexcept {
    return failed_.take(key, slot) != 0;
  }
  void forget_failures() noexcept { failed_.clear(); }

  // Guards that came over a fork are not waited for: their stack frames may never end here.
  void guard_began() noexcept {
    if (guards_process_ != process()) {
      guards_process_ = process();
      guards_ = 0;
    }
    ++guards_;
  }
  void guard_ended() noexcept { --guards_; }

 private:
  static constexpr std::uint64_t no_token = 0;  // the first is at least 1

  [[nodiscard]] static const ClaimOptions& checked(const ClaimOptions& options) {
    if (options.lease <= Duration()) {
      invalid_option("ClaimOptions.lease", options.lease.count(), "more than 0 ns");
    }
    check_count(options.max_in_flight, "ClaimOptions.max_in_flight");
    if (options.max_attempts < 1) {
      invalid_option("ClaimOptions.max_attempts", options.max_attempts,
                     "at least 1; idem::unlimited_attempts sets no limit");
    }
    check_count(options.max_failed_keys, "ClaimOptions.max_failed_keys");
    constexpr std::uint64_t highest_first_token = std::uint64_t{1} << 63;
    if (options.first_token < 1 || options.first_token > highest_first_token) {
      invalid_option("ClaimOptions.first_token", options.first_token,
                     "at least 1 and at most 2^63, so that tokens never wrap");
    }
    return options;
  }

  static void check_count(std::size_t count, std::string_view field) {
    if (count < 1 || count > Table::max_entries) {
      invalid_option(field, count, "at least 1 and at most " + std::to_string(Table::max_entries));
    }
  }

  template <class T>
  [[nodiscard]] static T made(std::size_t entries, std::string_view field) {
    std::optional<T> table;
    if (!ran_without_throwing([&] { table.emplace(entries); })) {
      invalid_option(field, entries, "small enough for its table to fit the memory there is");
    }
    return *std::move(table);
  }

  [[nodiscard]] std::uint32_t process() const noexcept {
    return forks_.load(std::memory_order_relaxed);
  }

  [[nodiscard]] Instant lease_end(Instant now) const noexcept {
    return lease_ == Duration::max() ? Instant::max() : now + lease_;
  }

  [[nodiscard]] ClaimTicket start_turn(Number number, Instant now) noexcept {
    auto& entry = table_.entry(number);
    entry.token = std::exchange(next_token_, next_token_ + token_step_);
    entry.lease_end = lease_end(now);
    if (entry.attempt != std::numeric_limits<std::uint32_t>::max()) ++entry.attempt;
    guard_began();
    return {.token = entry.token,
            .number = number,
            .attempt = entry.attempt,
            .process = process(),
            .verdict = Verdict::fresh};
  }

  Duration lease_;
  std::uint64_t next_token_;
  std::uint64_t token_step_;
  const std::atomic<std::uint32_t>& forks_;  // of the binary that made this book
  std::uint32_t max_attempts_;
  std::uint32_t guards_process_ = 0;
  std::size_t guards_ = 0;
  Table table_;
  FailedKeys<Stored> failed_;
};

// The same for a policy without Claims: nothing.
struct NoClaims {
  constexpr NoClaims(const AxisNotNamed<Claims>&, TokenLane) noexcept {}
  [[nodiscard]] static constexpr std::size_t heap_bytes() noexcept { return 0; }
};

}  // namespace idem::inline IDEM_ABI::detail
