#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <idem/core/bytes.hpp>
#include <idem/core/error.hpp>
#include <idem/core/state.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/no_throw.hpp>
#include <idem/detail/core/words.hpp>

namespace idem::inline IDEM_ABI::detail {

// Tables under one seed that have no key in common, as the one table of all their keys; or one to
// fill, where each key goes to the table that home(key) names.
template <class Table>
class JoinedTables {
 public:
  [[nodiscard]] bool take(std::size_t most) noexcept {
    return ran_without_throwing([&] { tables_.reserve(most); });
  }
  void add(Table& table) noexcept { tables_.push_back(&table); }
  [[nodiscard]] std::span<Table* const> tables() const noexcept { return tables_; }

  [[nodiscard]] std::size_t size() const noexcept {
    std::size_t sum = 0;
    for (const Table* const table : tables_) sum += table->size();
    return sum;
  }
  [[nodiscard]] std::uint64_t slot(const auto& key) const noexcept { return tables_[0]->slot(key); }
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const Table* const table : tables_) table->for_each(visit);
  }

 private:
  std::vector<Table*> tables_{};
};

// Room for one of so many tables that `count` keys are spread over as a hash spreads them: six standard
// deviations more than the mean. A table that gets more than that grows.
[[nodiscard]] inline std::uint64_t most_of_each(std::uint64_t count, std::size_t tables) noexcept {
  const double mean = static_cast<double>(count) / static_cast<double>(tables);
  return smaller(count, static_cast<std::uint64_t>(mean + 6 * __builtin_sqrt(mean)) + 1);
}

template <class Table, class Home>
class SplitTables {
 public:
  // Each is to have room for `expected` keys or more.
  SplitTables(const JoinedTables<Table>& tables, const Home& home, std::size_t expected) noexcept
      : tables_(tables.tables()), home_(home), expected_(expected) {}

  // Room for so many in all.
  [[nodiscard]] bool reserve(std::size_t count) noexcept {
    const auto each = static_cast<std::size_t>(most_of_each(count, tables_.size()));
    for (Table* const table : tables_) {
      if (!table->reserve(larger(expected_, each))) return false;
    }
    return true;
  }
  [[nodiscard]] std::uint64_t slot(const auto& key) const noexcept { return tables_[0]->slot(key); }
  [[nodiscard]] Verdict insert(const auto& key) noexcept {
    return tables_[home_(key)]->insert(key);
  }
  [[nodiscard]] Verdict insert_at(const auto& key, std::uint64_t) noexcept { return insert(key); }

 private:
  std::span<Table* const> tables_;
  const Home& home_;
  std::size_t expected_;
};

}  // namespace idem::inline IDEM_ABI::detail
