#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

#include <idem/core/byte_cursor.hpp>
#include <idem/core/error.hpp>
#include <idem/core/time.hpp>
#include <idem/core/verdict.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>
#include <idem/detail/sequence/offset_window.hpp>
#include <idem/detail/sequence/order_of_use.hpp>
#include <idem/detail/sequence/producer_table.hpp>
#include <idem/detail/sequence/varint.hpp>

namespace idem::inline IDEM_ABI::detail {

class LedgerEngine {
 public:
  using Codec = CheckpointCodec;

  LedgerEngine(std::int64_t next, std::uint64_t owner_epoch, std::size_t max_held,
               std::size_t max_checkpoint) noexcept
      : window_(next, max_held), owner_epoch_(owner_epoch), max_checkpoint_(max_checkpoint) {}

  [[nodiscard]] const OffsetWindow& window() const noexcept { return window_; }
  [[nodiscard]] std::uint64_t owner_epoch() const noexcept { return owner_epoch_; }

  [[nodiscard]] Verdict check(std::int64_t offset) const noexcept {
    return is_offset(offset) ? window_.check(offset) : Verdict::poisoned;
  }
  [[nodiscard]] Verdict deliver(std::int64_t offset, Instant now) noexcept {
    return is_offset(offset) ? window_.deliver(offset, now.since_epoch().count())
                             : Verdict::poisoned;
  }
  [[nodiscard]] Verdict complete(std::int64_t offset, std::uint64_t owner_epoch) noexcept {
    if (owner_epoch != owner_epoch_) return Verdict::fenced;
    return is_offset(offset) ? window_.complete(offset) : Verdict::poisoned;
  }

  [[nodiscard]] Verdict take_over(std::uint64_t owner_epoch) noexcept {
    if (owner_epoch <= owner_epoch_) return Verdict::fenced;
    const std::int64_t end = window_.done_end();
    std::int64_t base = window_.next();
    std::int64_t* bounds = nullptr;
    std::size_t count = 0;
    if (base < end) {
      std::size_t runs = 0;
      window_.for_each_open_run(end, -1, [&](std::int64_t, std::int64_t) { ++runs; });
      bounds = allocate_array<std::int64_t>(2 * runs + 1);
      if (bounds == nullptr) return Verdict::full;
      window_.for_each_open_run(end, -1, [&](std::int64_t from, std::int64_t to) {
        bounds[count++] = from;
        bounds[count++] = to;
      });
      bounds[count++] = end;
      base = bounds[0];
    }
    window_.adopt(base, bounds, count);
    owner_epoch_ = owner_epoch;
    return Verdict::fresh;
  }

  [[nodiscard]] std::size_t size(std::int64_t besides) const noexcept {
    std::int64_t end = window_.done_end();
    if (besides >= 0 && window_.check(besides) == Verdict::in_progress) {
      end = larger(end, besides + 1);
    } else {
      besides = -1;
    }
    Codec::Size size = Codec::measure(window_, end, besides);
    if (size.length == 0) size.base = next_with(besides);
    return static_cast<std::size_t>(size.total());
  }

  [[nodiscard]] std::size_t completions_left(std::size_t room) const noexcept {
    // All that was delivered, as if the last of it were done: what completes later only splits runs
    // of this map or joins them.
    const std::int64_t end = window_.known_end();
    const Codec::Size size = Codec::measure(window_, end, -1);
    const std::uint64_t header = 1 + varint_size(static_cast<std::uint64_t>(end)) +
                                 varint_size(size.length) + Codec::checksum_size;
    const std::size_t all = window_.open();
    if (header + size.bits_bytes() <= room) return all;
    if (header + size.runs_bytes > room) return 0;
    // A split adds a run of one and the shorter of the two parts.
    const std::uint64_t each =
        1 + varint_size(size.longest_run == 0 ? 0 : (size.longest_run - 1) / 2);
    return static_cast<std::size_t>(
        smaller<std::uint64_t>(all, (room - header - size.runs_bytes) / each));
  }

  [[nodiscard]] Verdict checkpoint(std::span<std::byte> room, std::uint64_t owner_epoch,
                                   std::int64_t& next, std::size_t& written) const noexcept {
    written = 0;
    if (owner_epoch != owner_epoch_) return Verdict::fenced;
    const std::int64_t end = window_.done_end();
    Codec::Size size = Codec::measure(window_, end, -1);
    if (size.length == 0) size.base = window_.next();
    next = size.base;
    if (size.total() > room.size()) return Verdict::fresh;
    written = static_cast<std::size_t>(size.total());
    Codec::write(window_, size, end, room.first(written));
    return Verdict::fresh;
  }

  [[nodiscard]] Verdict checkpoint_text(std::span<char> room, std::uint64_t owner_epoch,
                                        std::int64_t& next, std::size_t& written) const noexcept {
    // The bytes are written to the end of the room and spread from there.
    const std::size_t most = room.size() / 4 * 3;
    const std::span<std::byte> bytes(reinterpret_cast<std::byte*>(room.data()) + room.size() - most,
                                     most);
    std::size_t size = 0;
    const Verdict verdict = checkpoint(bytes, owner_epoch, next, size);
    written = (size + 2) / 3 * 4;
    // Group by group the text stays behind the bytes not yet read.
    std::byte* from = bytes.data();
    if (size < most) {
      from = bytes.data() + (most - size);
      std::memmove(from, bytes.data(), size);
    }
    char* to = room.data();
    for (std::size_t i = 0; i < size; i += 3) {
      std::byte group[3];
      const std::size_t count = smaller<std::size_t>(3, size - i);
      std::memcpy(group, from + i, count);
      base64_encode({group, count}, to);
      to += 4;
    }
    return verdict;
  }

  // Into a ledger in which nothing was delivered.
  [[nodiscard]] std::optional<Error> restore(std::int64_t committed,
                                             std::span<const std::byte> bytes) noexcept {
    const auto fault = [](ErrorCode code, std::size_t position, std::string_view what) {
      return std::optional<Error>(Error{code, position, what});
    };
    if (!is_offset(committed)) return fault(ErrorCode::bad_value, 0, "committed offset");
    if (bytes.empty()) {
      window_.adopt(committed, nullptr, 0);
      return std::nullopt;
    }
    if (bytes.size() > max_checkpoint_) {
      return fault(ErrorCode::limit_exceeded, max_checkpoint_, "checkpoint");
    }
    if (bytes.size() < 3 + Codec::checksum_size) {
      return fault(ErrorCode::truncated, bytes.size(), "checkpoint");
    }
    const auto body = bytes.first(bytes.size() - Codec::checksum_size);
    ByteReader tail(bytes.last(Codec::checksum_size));
    std::uint32_t checksum = 0;
    if (!tail.u32(checksum) || checksum != crc32c(body)) {
      return fault(ErrorCode::bad_checksum, body.size(), "checkpoint checksum");
    }
    ByteReader in(body);
    std::uint8_t kind = 0;
    std::uint64_t base = 0;
    std::uint64_t length = 0;
    if (!in.u8(kind) || (kind != Codec::runs_kind && kind != Codec::bits_kind)) {
      return fault(ErrorCode::bad_magic, 0, "checkpoint kind");
    }
    if (!read_varint(in, base)) return fault(ErrorCode::bad_value, 1, "checkpoint offset");
    if (base != static_cast<std::uint64_t>(committed)) {
      return fault(ErrorCode::bad_value, 1, "checkpoint of another offset");
    }
    const std::size_t length_at = in.position();
    constexpr auto highest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (!read_varint(in, length) || length > highest - base) {
      return fault(ErrorCode::bad_value, length_at, "checkpoint length");
    }
    const auto map = body.subspan(in.position());
    const bool as_runs = kind == Codec::runs_kind;
    std::size_t count = 0;
    std::uint64_t runs_bytes = 0;
    const auto measure = [&](std::uint64_t run) {
      ++count;
      runs_bytes += varint_size(run);
    };
    if (!Codec::read_map(map, as_runs, length, measure) ||
        as_runs != (runs_bytes <= length / 8 + (length % 8 != 0))) {
      return fault(ErrorCode::bad_value, in.position(), "checkpoint map");
    }
    if (count == 0) {
      window_.adopt(committed, nullptr, 0);
      return std::nullopt;
    }
    auto* const bounds = allocate_array<std::int64_t>(count + 1);
    if (bounds == nullptr) return fault(ErrorCode::out_of_memory, 0, "checkpoint");
    bounds[0] = committed;
    std::size_t at = 0;
    (void)Codec::read_map(map, as_runs, length, [&](std::uint64_t run) {
      bounds[at + 1] = bounds[at] + static_cast<std::int64_t>(run);
      ++at;
    });
    window_.adopt(committed, bounds, count + 1);
    return std::nullopt;
  }

  [[nodiscard]] std::optional<Error> restore_text(std::int64_t committed,
                                                  std::string_view text) noexcept {
    if (text.empty()) return restore(committed, {});
    const std::size_t most = text.size() / 4 * 3 + 3;
    if (most > 5 && most - 5 > max_checkpoint_) {
      return Error{ErrorCode::limit_exceeded, max_checkpoint_, "checkpoint"};
    }
    auto* const bytes = allocate_array<std::byte>(most);
    if (bytes == nullptr) return Error{ErrorCode::out_of_memory, 0, "checkpoint"};
    std::size_t size = 0;
    const std::size_t fault = base64_decode(text, {bytes, most}, size);
    std::optional<Error> error;
    if (fault != text.size()) {
      error = Error{ErrorCode::bad_character, fault, "checkpoint text"};
    } else {
      error = restore(committed, {bytes, size});
    }
    release_array(bytes);
    return error;
  }

  // ---- the state as bytes -----------------------------------------------------------------------
  //
  //   u64 owner epoch, u64 next offset; then the ends of the runs of offsets from there, u64 each,
  //   not done and done in turn, up to the highest offset done
  //
  // What is delivered and not done is not in it, and will be delivered again.

  static constexpr std::size_t state_header_bytes = 16;

  // The runs behind the next offset: how many ends they have.
  [[nodiscard]] std::uint64_t run_ends() const noexcept {
    std::uint64_t ends = 0;
    for_each_run_end([&](std::int64_t) { ++ends; });
    return ends;
  }
  template <class Out>
  [[nodiscard]] bool encode(Out& out) const {
    out.u64(owner_epoch_);
    out.i64(window_.next());
    for_each_run_end([&](std::int64_t end) { out.i64(end); });
    return out.ok();
  }
  // Into a ledger in which nothing was delivered.
  template <class In>
  [[nodiscard]] std::optional<Error> decode(In& in) {
    const std::size_t start = in.position();
    const std::uint64_t size = in.remaining();
    const auto fault = [&](ErrorCode code, std::size_t at, std::string_view what) {
      return std::optional<Error>(Error{code, start + at, what});
    };
    // One past the highest offset there can be.
    constexpr std::int64_t highest_end = std::numeric_limits<std::int64_t>::max() - 1;
    std::int64_t base = 0;
    if (size < state_header_bytes || size % 16 != 0 || !in.u64(owner_epoch_) || !in.i64(base))
      return fault(ErrorCode::truncated, static_cast<std::size_t>(size), "ledger");
    if (base < 0 || base > highest_end) return fault(ErrorCode::bad_value, 8, "next offset");
    const std::uint64_t ends = (size - state_header_bytes) / 8;
    if (ends >= std::numeric_limits<std::ptrdiff_t>::max() / 8)
      return fault(ErrorCode::out_of_memory, 0, "ledger");
    const auto count = static_cast<std::size_t>(ends);
    if (count == 0) {
      window_.adopt(base, nullptr, 0);
      return std::nullopt;
    }
    ScopedArray<std::int64_t> memory(count + 1);
    std::int64_t* const bounds = memory.get();
    if (bounds == nullptr) return fault(ErrorCode::out_of_memory, 0, "ledger");
    bounds[0] = base;
    for (std::size_t i = 1; i <= count; ++i) {
      const std::size_t at = in.position();
      if (in.i64(bounds[i]) && bounds[i] > bounds[i - 1] && bounds[i] <= highest_end) continue;
      return Error{in.ok() ? ErrorCode::bad_value : ErrorCode::truncated, at, "run"};
    }
    window_.adopt(base, memory.release(), count + 1);
    return std::nullopt;
  }

 private:
  // visit(end) for each run of [next(), done_end()), those not done and those done in turn, the
  // first not done and the last done.
  template <class Visit>
  void for_each_run_end(Visit&& visit) const {
    const std::int64_t end = window_.done_end();
    std::int64_t at = window_.next();
    if (at >= end) return;
    window_.for_each_open_run(end, -1, [&](std::int64_t from, std::int64_t to) {
      if (from != at) visit(from);
      visit(to);
      at = to;
    });
    visit(end);
  }

  [[nodiscard]] static bool is_offset(std::int64_t offset) noexcept {
    return offset >= 0 && offset < std::numeric_limits<std::int64_t>::max() - 1;
  }

  [[nodiscard]] std::int64_t next_with(std::int64_t besides) const noexcept {
    std::int64_t lowest = -1;
    window_.for_each_open_run(std::numeric_limits<std::int64_t>::max(), besides,
                              [&](std::int64_t from, std::int64_t) {
                                if (lowest == -1) lowest = from;
                              });
    return lowest == -1 ? window_.known_end() : lowest;
  }

  OffsetWindow window_;
  std::uint64_t owner_epoch_;
  std::size_t max_checkpoint_;
};

}  // namespace idem::inline IDEM_ABI::detail
