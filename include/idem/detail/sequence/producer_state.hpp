#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include <idem/core/error.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/sequence/order_of_use.hpp>
#include <idem/detail/sequence/producer_engine.hpp>
#include <idem/detail/sequence/producer_table.hpp>

// A tracker's state as bytes. Little endian:
//
//   u32 magic, u8 version, u8 mode, u8 look-back, u8 how idle time is counted, i64 modulus (0: none),
//   i64 end offset, u32 producers; then each producer, by rising id:
//   i64 id, i64 last active, i32 coordinator epoch, i16 epoch, u8 history lost, u8 batches,
//   u32 place from the least to the most recently used; then its batches, oldest first:
//   last sequence and length less one (i32 each, or i64 where numbers do not wrap), i64 last
//   offset, i64 timestamp; then zeros in place of the batches that it has not.
//
// So a producer takes as many bytes as memory, or nearly, and a decoder need not trust a count.
//
// Equal states give equal bytes, and every accepted input is what encoding its state gives.

namespace idem::inline IDEM_ABI::detail {

template <class Numbers, std::size_t look_back>
class ProducerState {
 public:
  using Engine = ProducerEngine<Numbers, look_back>;
  using Record = typename Engine::Record;
  using Rest = typename Record::Rest;

  // 0: numbers do not wrap.
  [[nodiscard]] static constexpr std::uint64_t modulus() noexcept {
    if constexpr (sizeof(typename Numbers::Number) == 4) {
      return static_cast<std::uint64_t>(Numbers::modulus);
    } else {
      return 0;
    }
  }

  static constexpr std::size_t batch_bytes = 2 * sizeof(typename Numbers::Number) + 16;
  static constexpr std::size_t header_bytes = 4 + 4 + 8 + 8 + 4;
  static constexpr std::size_t producer_bytes = 8 + 8 + 4 + 2 + 1 + 1 + 4 + look_back * batch_bytes;

  [[nodiscard]] static std::size_t encoded_size(const Engine& engine) noexcept {
    const auto& table = engine.store().table();
    return header_bytes + producers(table) * producer_bytes;
  }
  [[nodiscard]] static std::uint32_t producers(const Engine& engine) noexcept {
    return producers(engine.store().table());
  }

  // `out` is a ByteWriter or a StateWriter. False: no memory, or no room.
  template <class Out>
  [[nodiscard]] static bool encode(const Engine& engine, Out& out) {
    const auto& table = engine.store().table();
    const ScopedArray<ProducerPlace> memory(larger(1u, table.size()));
    ProducerPlace* const places = memory.get();
    if (places == nullptr) return false;
    const std::uint32_t count =
        collect_places(table, places, [&](std::uint32_t slot) { return is_state(table, slot); });
    out.u32(magic);
    out.u8(version);
    out.u8(mode);
    out.u8(look_back);
    out.u8(static_cast<std::uint8_t>(engine.store().limits().expire_by));
    out.u64(modulus());
    out.i64(engine.end_offset());
    out.u32(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      const Record& record = table.at(places[i].slot);
      const Rest& rest = table.rest(places[i].slot);
      out.i64(record.producer_id);
      out.i64(rest.last_active);
      out.i32(rest.coordinator_epoch);
      out.i16(record.epoch);
      out.u8(record.history_lost ? 1 : 0);
      out.u8(record.count);
      out.u32(places[i].rank);
      for (std::size_t age = record.count; age-- != 0;) {
        const std::size_t at = record.place(age);
        write_number(out, record.range[at].last);
        write_number(out, record.range[at].length);
        out.i64(rest.last_offset[at]);
        out.i64(rest.timestamp_ms[at]);
      }
      constexpr std::array<std::byte, batch_bytes> nothing{};
      for (std::size_t k = record.count; k < look_back; ++k) out.bytes(nothing);
    }
    return out.ok();
  }

  // Into an engine that knows no producer; what it is after a failure is nobody's business.
  template <class In>
  [[nodiscard]] static std::optional<Error> decode(In& in, Engine& engine) {
    const std::size_t start_at = in.position();
    const auto fault = [&](ErrorCode code, std::size_t position, std::string_view what) {
      return std::optional<Error>(Error{code, start_at + position, what});
    };
    std::uint32_t word = 0;
    std::uint8_t small = 0;
    if (in.remaining() < header_bytes)
      return fault(ErrorCode::truncated, static_cast<std::size_t>(in.remaining()), "header");
    if (!in.u32(word) || word != magic) return fault(ErrorCode::bad_magic, 0, "header");
    if (!in.u8(small) || small != version) return fault(ErrorCode::bad_version, 4, "version");
    if (!in.u8(small) || small != mode) return fault(ErrorCode::other_options, 5, "mode");
    if (!in.u8(small) || small != look_back) {
      return fault(ErrorCode::other_options, 6, "look-back");
    }
    if (!in.u8(small) || small != static_cast<std::uint8_t>(engine.store().limits().expire_by)) {
      return fault(ErrorCode::other_options, 7, "expire_by");
    }
    std::uint64_t wide = 0;
    if (!in.u64(wide) || wide != modulus()) {
      return fault(ErrorCode::other_options, 8, "modulus");
    }
    std::int64_t end_offset = 0;
    std::uint32_t count = 0;
    if (!in.i64(end_offset) || end_offset < 0) {
      return fault(ErrorCode::bad_value, 16, "end offset");
    }
    if (!in.u32(count)) return fault(ErrorCode::truncated, 24, "producers");
    if (count > in.remaining() / producer_bytes) {
      return fault(ErrorCode::truncated, 24, "producers");
    }
    if (in.remaining() != std::uint64_t{count} * producer_bytes) {
      return fault(ErrorCode::trailing_bytes, header_bytes + count * producer_bytes, "producers");
    }
    if (count > engine.store().limits().max_producers) {
      return fault(ErrorCode::limit_exceeded, 24, "producers");
    }
    const ScopedArray<std::uint32_t> memory(larger(1u, count));
    std::uint32_t* const order = memory.get();
    if (order == nullptr) return fault(ErrorCode::out_of_memory, 24, "producers");
    for (std::uint32_t i = 0; i < count; ++i) order[i] = Engine::none;
    const auto error = decode_producers(in, engine, order, count, end_offset);
    if (!error) {
      for (std::uint32_t i = 0; i < count; ++i) engine.store().unpin(order[i]);
      engine.set_end_offset(end_offset);
    }
    return error;
  }

 private:
  static constexpr std::uint32_t magic = 0x71736469;  // "idsq"
  static constexpr std::uint8_t version = 1;
  static constexpr bool wraps = sizeof(typename Numbers::Number) == 4;
  static constexpr std::uint8_t mode = wraps ? 0 : 1;

  template <class Table>
  [[nodiscard]] static std::uint32_t producers(const Table& table) noexcept {
    std::uint32_t count = 0;
    for (std::uint32_t slot = 0; slot < table.slots(); ++slot) count += is_state(table, slot);
    return count;
  }

  // Producers that are only there for a claim are not.
  template <class Table>
  [[nodiscard]] static bool is_state(const Table& table, std::uint32_t slot) noexcept {
    return table.holds(slot) && !table.at(slot).placeholder;
  }

  static void write_number(auto& out, std::int32_t value) { out.i32(value); }
  static void write_number(auto& out, std::int64_t value) { out.i64(value); }
  [[nodiscard]] static bool read_number(auto& in, std::int64_t& value) {
    if constexpr (wraps) {
      std::int32_t narrow = 0;
      if (!in.i32(narrow)) return false;
      value = narrow;
      return true;
    } else {
      return in.i64(value);
    }
  }

  template <class In>
  [[nodiscard]] static std::optional<Error> decode_producers(In& in, Engine& engine,
                                                             std::uint32_t* order,
                                                             std::uint32_t count,
                                                             std::int64_t end_offset) {
    auto& table = engine.store().table();
    std::int64_t previous = -1;
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::size_t start = in.position();
      const auto fault = [&](ErrorCode code, std::string_view what) {
        return std::optional<Error>(Error{code, start, what});
      };
      std::int64_t id = 0;
      std::int64_t last_active = 0;
      std::int32_t coordinator = 0;
      std::int16_t epoch = 0;
      std::uint8_t lost = 0;
      std::uint8_t batches = 0;
      std::uint32_t rank = 0;
      if (!in.i64(id) || !in.i64(last_active) || !in.i32(coordinator) || !in.i16(epoch) ||
          !in.u8(lost) || !in.u8(batches) || !in.u32(rank)) {
        return fault(ErrorCode::truncated, "producer");
      }
      if (id <= previous) return fault(ErrorCode::bad_value, "producer id");
      previous = id;
      if (epoch < -1) return fault(ErrorCode::bad_value, "epoch");
      if (coordinator < -1) return fault(ErrorCode::bad_value, "coordinator epoch");
      if (batches > look_back || lost > 1) return fault(ErrorCode::bad_value, "batches");
      if (epoch == -1 && (batches != 0 || coordinator != -1)) {
        return fault(ErrorCode::bad_value, "producer without an epoch");
      }
      if (rank >= count || order[rank] != Engine::none) {
        return fault(ErrorCode::bad_value, "order of use");
      }
      bool limited = false;
      const std::uint32_t slot = table.insert(id, limited);
      if (slot == Engine::none) {
        return fault(limited ? ErrorCode::limit_exceeded : ErrorCode::out_of_memory, "producers");
      }
      order[rank] = slot;
      Record& record = table.at(slot);
      Rest& rest = table.rest(slot);
      record.make_unknown(rest);
      rest.last_active = last_active;
      rest.coordinator_epoch = coordinator;
      record.epoch = epoch;
      for (std::uint8_t k = 0; k < batches; ++k) {
        const std::size_t batch_start = in.position();
        std::int64_t last = 0;
        std::int64_t length = 0;
        std::int64_t last_offset = 0;
        std::int64_t timestamp = 0;
        if (!read_number(in, last) || !read_number(in, length) || !in.i64(last_offset) ||
            !in.i64(timestamp)) {
          return Error{ErrorCode::truncated, batch_start, "batch"};
        }
        if (!is_batch(last, length, last_offset, end_offset)) {
          return Error{ErrorCode::bad_value, batch_start, "batch"};
        }
        record.push(rest, last < 0 ? -1 : Numbers::decrement(last, length), last,
                    {last_offset - length, last_offset}, timestamp);
      }
      for (std::size_t k = batches; k < look_back; ++k) {
        const std::size_t at = in.position();
        std::array<std::byte, batch_bytes> nothing;
        if (!in.copy(nothing)) return Error{ErrorCode::truncated, at, "batch"};
        for (const std::byte byte : nothing) {
          if (byte != std::byte{0}) return Error{ErrorCode::bad_value, at, "no batch"};
        }
      }
      // With room left in the look-back nothing was dropped, and the oldest batch decides.
      if (lost != 0 && !record.history_lost) return fault(ErrorCode::bad_value, "history lost");
      if (lost == 0 && record.history_lost && batches < look_back) {
        return fault(ErrorCode::bad_value, "history lost");
      }
      record.history_lost = lost != 0;
    }
    return std::nullopt;
  }

  [[nodiscard]] static bool is_batch(std::int64_t last, std::int64_t length,
                                     std::int64_t last_offset, std::int64_t end_offset) noexcept {
    if (last < -1 || last > Numbers::highest || length < 0) return false;
    if (last_offset < length || last_offset >= end_offset) return false;
    if (last < 0) return true;
    if constexpr (wraps) {
      return length < Numbers::longest_range;
    } else {
      return length <= last;
    }
  }
};

}  // namespace idem::inline IDEM_ABI::detail
