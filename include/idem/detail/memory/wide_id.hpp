#pragma once

#include <compare>
#include <cstdint>

#include <idem/core/hash.hpp>
#include <idem/core/uuid.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>

namespace idem::inline IDEM_ABI::detail {

// A 128-bit id as the tables keep it: `hash` decides its place, and both words together give the id
// back.
struct Slot {
  std::uint64_t hash = 0;
  std::uint64_t rest = 0;

  friend constexpr auto operator<=>(const Slot&, const Slot&) = default;
};

// The slot of a hashed id is its hash.
struct SlotHash {};
[[nodiscard]] inline std::uint64_t slot_of(const SlotHash&, const Slot& slot) noexcept {
  return slot.hash;
}
// Under another seed.
[[nodiscard]] std::uint64_t slot_of(const HashPolicy auto& hash, const Slot& slot) noexcept {
  return hash.slot(slot.hash, slot.rest);
}

// The round function of the network that hashes an id: the hash policy's own, but for the default
// one, where two calls of XXH3 are most of an insert's latency. There it is what XXH3 does with 16
// bytes in the end: one multiplication, both halves folded, under the seed.
template <class Hash>
class RoundFunction {
 public:
  explicit RoundFunction(const Hash& hash) noexcept : hash_(hash) {}
  [[nodiscard]] std::uint64_t first(std::uint64_t word) const noexcept {
    return hash_.slot(1, word);
  }
  [[nodiscard]] std::uint64_t second(std::uint64_t word) const noexcept {
    return hash_.slot(2, word);
  }
  [[nodiscard]] const Hash& hash() const noexcept { return hash_; }

 private:
  Hash hash_;
};
template <>
class RoundFunction<Xxh3Hash> {
 public:
  explicit RoundFunction(const Xxh3Hash& hash) noexcept
      : hash_(hash),
        first_flip_(hash.slot(1)),
        first_factor_(hash.slot(2) | 1),
        second_flip_(hash.slot(3)),
        second_factor_(hash.slot(4) | 1) {}
  [[nodiscard]] std::uint64_t first(std::uint64_t word) const noexcept {
    return folded_product(word ^ first_flip_, first_factor_);
  }
  [[nodiscard]] std::uint64_t second(std::uint64_t word) const noexcept {
    return folded_product(word ^ second_flip_, second_factor_);
  }
  [[nodiscard]] const Xxh3Hash& hash() const noexcept { return hash_; }

 private:
  Xxh3Hash hash_;
  std::uint64_t first_flip_;
  std::uint64_t first_factor_;
  std::uint64_t second_flip_;
  std::uint64_t second_factor_;
};

// Two rounds of a Feistel network under the seed: a bijection of 128 bits whose first word hashes
// both. So growth never hashes again, and an order by hash is one by contents and seed alone.
template <class Hash>
class WideHash {
 public:
  explicit WideHash(const Hash& hash) noexcept : round_(hash) {}

  [[nodiscard]] Slot slot(const Uuid& id) const noexcept { return slot(id.hi(), id.lo()); }
  [[nodiscard]] Slot slot(const Digest& id) const noexcept { return slot(id.hi, id.lo); }
  void id(const Slot& slot, Uuid& id) const noexcept {
    const std::uint64_t hi = slot.hash ^ round_.second(slot.rest);
    id = Uuid(hi, slot.rest ^ round_.first(hi));
  }
  void id(const Slot& slot, Digest& id) const noexcept {
    const std::uint64_t hi = slot.hash ^ round_.second(slot.rest);
    id = {hi, slot.rest ^ round_.first(hi)};
  }
  [[nodiscard]] const Hash& hash() const noexcept { return round_.hash(); }

 private:
  [[nodiscard]] Slot slot(std::uint64_t hi, std::uint64_t lo) const noexcept {
    const std::uint64_t rest = lo ^ round_.first(hi);
    return {hi ^ round_.second(rest), rest};
  }

  RoundFunction<Hash> round_;
};

}  // namespace idem::inline IDEM_ABI::detail
