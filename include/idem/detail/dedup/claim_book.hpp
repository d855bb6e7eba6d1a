#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include <idem/core/time.hpp>
#include <idem/dedup/claim.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/core/no_throw.hpp>
#include <idem/detail/dedup/axes.hpp>
#include <idem/detail/dedup/claim_table.hpp>

namespace idem::inline IDEM_ABI::detail {

// The claims of one Deduplicator: who owns which key, until when, under which token.
template <class Stored>
class ClaimBook {
 public:
  using Table = ClaimTable<Stored>;
  using Number = typename Table::Number;
  static constexpr Number none = Table::none;

  explicit ClaimBook(const ClaimOptions& options)
      : lease_(checked(options).lease),
        next_token_(options.first_token),
        table_(made_table(options.max_in_flight)) {}
  ClaimBook(const ClaimBook&) = delete;
  ClaimBook& operator=(const ClaimBook&) = delete;
  ~ClaimBook() {
    if (guards_ != 0) abort_with("idem: a Deduplicator was destroyed before its claims");
  }

  [[nodiscard]] std::size_t in_flight() const noexcept { return table_.size(); }
  [[nodiscard]] bool is_full() const noexcept { return table_.is_full(); }
  [[nodiscard]] std::size_t heap_bytes() const noexcept { return table_.heap_bytes(); }
  [[nodiscard]] Number find(const Stored& key, std::uint64_t slot) const noexcept {
    return table_.find(key, slot);
  }

  // A token identifies one grant for ever, so an entry that was freed, taken over or used again
  // never matches an old one.
  [[nodiscard]] bool owns(Number number, std::uint64_t token) const noexcept {
    return table_.entry(number).token == token;
  }

  // The first claim on a key that is not in the book, which is not full.
  Number open(Stored&& key, std::uint64_t slot, Instant now) noexcept {
    const Number number = table_.add(std::move(key), slot);
    table_.entry(number).attempt = 0;
    start_turn(number, now);
    return number;
  }

  // false: the owner's lease still runs.
  [[nodiscard]] bool take_over(Number number, Instant now) noexcept {
    const Instant lease_end = table_.entry(number).lease_end;
    if (now < lease_end || lease_end == Instant::max()) return false;
    start_turn(number, now);
    return true;
  }

  void renew(Number number, Instant now) noexcept {
    table_.entry(number).lease_end = lease_end(now);
  }

  // Takes the key out of the book and gives it back.
  [[nodiscard]] Stored close(Number number) noexcept { return table_.remove(number); }

  void guard_began() noexcept { ++guards_; }
  void guard_ended() noexcept { --guards_; }

  [[nodiscard]] std::uint64_t token(Number number) const noexcept {
    return table_.entry(number).token;
  }
  [[nodiscard]] std::uint32_t attempt(Number number) const noexcept {
    return table_.entry(number).attempt;
  }

 private:
  [[nodiscard]] static const ClaimOptions& checked(const ClaimOptions& options) {
    if (options.lease <= Duration()) {
      invalid_option("ClaimOptions.lease", options.lease.count(), "more than 0 ns");
    }
    if (options.max_in_flight < 1 || options.max_in_flight > Table::max_entries) {
      invalid_option("ClaimOptions.max_in_flight", options.max_in_flight,
                     "at least 1 and at most " + std::to_string(Table::max_entries));
    }
    constexpr std::uint64_t highest_first_token = std::uint64_t{1} << 63;
    if (options.first_token < 1 || options.first_token > highest_first_token) {
      invalid_option("ClaimOptions.first_token", options.first_token,
                     "at least 1 and at most 2^63, so that tokens never wrap");
    }
    return options;
  }

  [[nodiscard]] static Table made_table(std::size_t max_in_flight) {
    std::optional<Table> table;
    if (!ran_without_throwing([&] { table.emplace(max_in_flight); })) {
      invalid_option("ClaimOptions.max_in_flight", max_in_flight,
                     "small enough for its table to fit the memory there is");
    }
    return *std::move(table);
  }

  [[nodiscard]] Instant lease_end(Instant now) const noexcept {
    return lease_ == Duration::max() ? Instant::max() : now + lease_;
  }

  void start_turn(Number number, Instant now) noexcept {
    auto& entry = table_.entry(number);
    entry.token = next_token_++;
    entry.lease_end = lease_end(now);
    if (entry.attempt != std::numeric_limits<std::uint32_t>::max()) ++entry.attempt;
  }

  Duration lease_;
  std::uint64_t next_token_;
  std::size_t guards_ = 0;
  Table table_;
};

// The same for a policy without Claims: nothing.
struct NoClaims {
  constexpr explicit NoClaims(const AxisNotNamed<Claims>&) noexcept {}
  [[nodiscard]] static constexpr std::size_t in_flight() noexcept { return 0; }
  [[nodiscard]] static constexpr std::size_t heap_bytes() noexcept { return 0; }
};

}  // namespace idem::inline IDEM_ABI::detail
