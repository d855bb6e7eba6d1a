#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include <idem/core/error.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/sequence/monotonic_engine.hpp>
#include <idem/detail/sequence/order_of_use.hpp>
#include <idem/detail/sequence/producer_table.hpp>

// A monotonic tracker's state as bytes, little-endian: each producer with something persisted, by
// rising id:
//
//   i64 id, i64 last active, i64 persisted, u32 place from the least to the most recently used,
//   u32 zero
//
// What is pushed and not persisted is not in it: the log says what became of that.

namespace idem::inline IDEM_ABI::detail {

struct MonotonicState {
  using Engine = MonotonicEngine;
  using Store = Engine::Store;

  static constexpr std::size_t producer_bytes = 32;

  [[nodiscard]] static std::uint32_t producers(const Engine& engine) noexcept {
    const auto& table = engine.store().table();
    std::uint32_t count = 0;
    for (std::uint32_t slot = 0; slot < table.slots(); ++slot)
      count += table.holds(slot) && table.at(slot).persisted >= 0;
    return count;
  }

  // `out` is a ByteWriter or a StateWriter. False: no memory, or no room.
  template <class Out>
  [[nodiscard]] static bool encode(const Engine& engine, Out& out) {
    const auto& table = engine.store().table();
    const ScopedArray<ProducerPlace> memory(larger(1u, table.size()));
    ProducerPlace* const places = memory.get();
    if (places == nullptr) return false;
    const std::uint32_t count = collect_places(
        table, places, [&](std::uint32_t slot) { return table.at(slot).persisted >= 0; });
    for (std::uint32_t i = 0; i < count; ++i) {
      const MonotonicRecord& record = table.at(places[i].slot);
      out.i64(record.producer_id);
      out.i64(table.rest(places[i].slot).last_active);
      out.i64(record.persisted);
      out.u32(places[i].rank);
      out.u32(0);
    }
    return out.ok();
  }

  // Into an engine that knows no producer; what it is after a failure is nobody's business.
  template <class In>
  [[nodiscard]] static std::optional<Error> decode(In& in, Engine& engine) {
    const std::uint64_t size = in.remaining();
    if (size % producer_bytes != 0)
      return Error{ErrorCode::truncated, in.position() + static_cast<std::size_t>(size),
                   "producers"};
    if (size / producer_bytes > engine.store().limits().max_producers)
      return Error{ErrorCode::limit_exceeded, in.position(), "producers"};
    const auto count = static_cast<std::uint32_t>(size / producer_bytes);
    const ScopedArray<std::uint32_t> memory(larger(1u, count));
    std::uint32_t* const order = memory.get();
    if (order == nullptr) return Error{ErrorCode::out_of_memory, in.position(), "producers"};
    for (std::uint32_t i = 0; i < count; ++i) order[i] = Store::none;
    const auto error = decode_producers(in, engine, order, count);
    if (!error) {
      for (std::uint32_t i = 0; i < count; ++i) engine.store().unpin(order[i]);
    }
    return error;
  }

 private:
  template <class In>
  [[nodiscard]] static std::optional<Error> decode_producers(In& in, Engine& engine,
                                                             std::uint32_t* order,
                                                             std::uint32_t count) {
    auto& table = engine.store().table();
    std::int64_t previous = -1;
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::size_t start = in.position();
      const auto fault = [&](ErrorCode code, std::size_t at, std::string_view what) {
        return std::optional<Error>(Error{code, start + at, what});
      };
      std::int64_t id = 0;
      std::int64_t last_active = 0;
      std::int64_t persisted = 0;
      std::uint32_t rank = 0;
      std::uint32_t zero = 0;
      if (!in.i64(id) || !in.i64(last_active) || !in.i64(persisted) || !in.u32(rank) ||
          !in.u32(zero)) {
        return fault(ErrorCode::truncated, 0, "producer");
      }
      if (id <= previous) return fault(ErrorCode::bad_value, 0, "producer id");
      previous = id;
      if (persisted < 0) return fault(ErrorCode::bad_value, 16, "persisted");
      if (rank >= count || order[rank] != Store::none)
        return fault(ErrorCode::bad_value, 24, "order of use");
      if (zero != 0) return fault(ErrorCode::bad_value, 28, "producer");
      bool limited = false;
      const std::uint32_t slot = table.insert(id, limited);
      if (slot == Store::none) {
        return fault(limited ? ErrorCode::limit_exceeded : ErrorCode::out_of_memory, 0,
                     "producers");
      }
      order[rank] = slot;
      table.at(slot) = {id, persisted, persisted};
      table.rest(slot).last_active = last_active;
    }
    return std::nullopt;
  }
};

}  // namespace idem::inline IDEM_ABI::detail
