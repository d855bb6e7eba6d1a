#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <idem/detail/abi.hpp>
#include <idem/detail/dedup/claim_table.hpp>

namespace idem::inline IDEM_ABI::detail {

// Keys whose last claim ended without a commit, with their attempts so far. A fixed number of them:
// one more and the key that failed longest ago is forgotten.
template <class Key>
class FailedKeys {
 public:
  struct Entry {
    using Stored = Key;
    Stored key{};
    std::uint64_t slot = 0;  // the key's hash
    std::uint32_t attempts = 0;
    std::uint32_t place = 0;             // the table's
    std::uint32_t older = 0, newer = 0;  // the neighbours in the order of their failures
  };
  using Table = ClaimTable<Entry>;
  using Number = typename Table::Number;
  static constexpr Number none = Table::none;

  explicit FailedKeys(std::size_t max_keys) : table_(max_keys) {}

  [[nodiscard]] bool is_empty() const noexcept { return table_.is_empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return table_.size(); }
  [[nodiscard]] std::size_t heap_bytes() const noexcept { return table_.heap_bytes(); }

  // 0: none that is known.
  [[nodiscard]] std::uint32_t attempts(const Key& key, std::uint64_t slot) const noexcept {
    const Number number = table_.find(key, slot);
    return number == none ? 0 : table_.entry(number).attempts;
  }

  // A key that is not in here. Whether another one was forgotten for it.
  bool add(Key&& key, std::uint64_t slot, std::uint32_t attempts) noexcept {
    const bool crowded = table_.is_full();
    if (crowded) remove(oldest_);
    const Number number = table_.add(std::move(key), slot);
    Entry& entry = table_.entry(number);
    entry.attempts = attempts;
    entry.older = newest_;
    entry.newer = none;
    (newest_ == none ? oldest_ : table_.entry(newest_).newer) = number;
    newest_ = number;
    return crowded;
  }

  // The attempts the key had; 0 where it was not in here.
  std::uint32_t take(const Key& key, std::uint64_t slot) noexcept {
    const Number number = table_.find(key, slot);
    if (number == none) return 0;
    const std::uint32_t attempts = table_.entry(number).attempts;
    remove(number);
    return attempts;
  }

  void clear() noexcept {
    while (!is_empty()) remove(oldest_);
  }

 private:
  void remove(Number number) noexcept {
    const Entry& entry = table_.entry(number);
    (entry.older == none ? oldest_ : table_.entry(entry.older).newer) = entry.newer;
    (entry.newer == none ? newest_ : table_.entry(entry.newer).older) = entry.older;
    (void)table_.remove(number);
  }

  Table table_;
  Number oldest_ = none;
  Number newest_ = none;
};

}  // namespace idem::inline IDEM_ABI::detail
