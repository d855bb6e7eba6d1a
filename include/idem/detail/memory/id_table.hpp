#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <idem/core/bytes.hpp>
#include <idem/core/hash.hpp>
#include <idem/core/key.hpp>
#include <idem/core/uuid.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/fail.hpp>
#include <idem/detail/memory/plain_table.hpp>
#include <idem/detail/memory/word_table.hpp>

namespace idem::inline IDEM_ABI::detail {

[[nodiscard]] inline Words words_of(const Uuid& id) noexcept { return {id.hi(), id.lo()}; }
[[nodiscard]] inline Words words_of(const Digest& id) noexcept { return {id.hi, id.lo}; }
inline void id_of(const Words& words, Uuid& id) noexcept { id = Uuid(words.hi, words.lo); }
inline void id_of(const Words& words, Digest& id) noexcept { id = {words.hi, words.lo}; }

// The engine of IdSet, by the width of the id: 64 bits stay in one array that doubles (half the
// bytes, so half of what pages would save), 128 bits have pages.
template <class Id, HashPolicy Hash, class Source = SystemPages>
class IdTable {
  static_assert(std::is_trivially_copyable_v<Id> && std::has_unique_object_representations_v<Id>);

 public:
  static constexpr bool is_wide = sizeof(Id) == 16;
  using Table = std::conditional_t<is_wide, WordTable<Hash, Source>, PlainTable<Id, Hash, Source>>;

  static constexpr std::size_t min_capacity = Table::min_capacity;

  IdTable(const Hash& hash, ByteSize byte_limit, bool huge_pages) noexcept
      : table_(make(hash, byte_limit, huge_pages)) {}

  [[nodiscard]] std::size_t size() const noexcept { return table_.size(); }
  [[nodiscard]] std::size_t heap_bytes() const noexcept { return table_.heap_bytes(); }
  [[nodiscard]] const Hash& hash() const noexcept { return table_.hash(); }
  [[nodiscard]] TableWork work() const noexcept { return table_.work(); }

  [[nodiscard]] bool contains(const Id& id) const noexcept { return table_.contains(inner(id)); }
  [[nodiscard]] Verdict insert(const Id& id) noexcept { return table_.insert(inner(id)); }
  void insert(std::span<const Id> ids, std::span<Verdict> verdicts) noexcept {
    require_equal_sizes(ids.size(), verdicts.size());
    if constexpr (is_wide) {
      table_.insert([&](std::size_t i) { return words_of(ids[i]); }, verdicts);
    } else {
      table_.insert(ids, verdicts);
    }
  }
  [[nodiscard]] bool erase(const Id& id) noexcept { return table_.erase(inner(id)); }
  [[nodiscard]] bool reserve(std::size_t count) noexcept { return table_.reserve(count); }
  [[nodiscard]] bool warm(std::size_t more) noexcept { return table_.warm(more); }
  void clear() noexcept { table_.clear(); }

  [[nodiscard]] bool take_room() noexcept { return table_.take_room(); }
  void release_room() noexcept { table_.release_room(); }
  void record_in_room(const Id& id) noexcept { table_.record_in_room(inner(id)); }

  // Runs keep(id) for every id until it says false, in no order.
  template <class F>
  bool each(F&& keep) const {
    if constexpr (is_wide) {
      const auto visit = [&](const Words& words) { return keep(outer(words)); };
      return table_.each(Visitor<Words>(visit));
    } else {
      return table_.each(keep);
    }
  }
  // Runs run(id) for every id, in an order that the contents and the seed alone decide. False: no
  // memory, nothing was run.
  template <class F>
  [[nodiscard]] bool each_in_order(F&& run) const {
    return table_.each_in_order([&](const auto& stored) { run(outer(stored)); });
  }

 private:
  [[nodiscard]] static Table make(const Hash& hash, ByteSize byte_limit,
                                  [[maybe_unused]] bool huge_pages) noexcept {
    if constexpr (is_wide) {
      return Table(hash, byte_limit, huge_pages);
    } else {
      return Table(hash, byte_limit);
    }
  }
  [[nodiscard]] static decltype(auto) inner(const Id& id) noexcept {
    if constexpr (is_wide) {
      return words_of(id);
    } else {
      return (id);
    }
  }
  template <class Stored>
  [[nodiscard]] static Id outer(const Stored& stored) noexcept {
    if constexpr (is_wide) {
      Id id;
      id_of(stored, id);
      return id;
    } else {
      return stored;
    }
  }

  Table table_;
};

}  // namespace idem::inline IDEM_ABI::detail
