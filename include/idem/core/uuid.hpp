#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <idem/core/error.hpp>
#include <idem/core/time.hpp>
#include <idem/detail/abi.hpp>
#include <idem/detail/core/hex.hpp>

namespace idem::inline IDEM_ABI {

// A 128-bit universally unique identifier (RFC 9562).
//
// A plain 16-byte value: two 64-bit words, the first text digit being the top of hi(). Ordered like
// its bytes and like its lower-case text, on every machine. Any 128 bits are a Uuid, whatever
// version they claim; a default Uuid is the nil one. The nil and the max UUID are ordinary values
// to every memory: whether a message may carry them is the caller's rule, since a bug that sends
// nil for all would otherwise drop all but one.
//
// Threads  a value: no state is shared.
class Uuid {
 public:
  static constexpr std::size_t text_size = 36;

  constexpr Uuid() = default;
  constexpr explicit Uuid(std::uint64_t hi, std::uint64_t lo) noexcept : hi_(hi), lo_(lo) {}

  // From the 16 bytes in network order (RFC 9562 section 4).
  [[nodiscard]] static constexpr Uuid from_bytes(std::span<const std::byte, 16> bytes) noexcept {
    Uuid id;
    for (std::size_t i = 0; i < 8; ++i) {
      id.hi_ = id.hi_ << 8 | std::to_integer<std::uint64_t>(bytes[i]);
      id.lo_ = id.lo_ << 8 | std::to_integer<std::uint64_t>(bytes[i + 8]);
    }
    return id;
  }

  // From the 36-character form 8-4-4-4-12, hexadecimal digits of either case; nothing else: no
  // braces, no "urn:uuid:", no white space, no missing hyphen.
  //
  // Errors  bad_character at the first character that may not stand there; bad_length, at the
  //         shorter of the text's end and 36, when all characters up to there are right.
  [[nodiscard]] static constexpr Result<Uuid> parse(std::string_view text) noexcept {
    if (text.size() != text_size) return first_fault(text);
    std::array<std::uint64_t, 2> words{};
    unsigned faults = 0;
    for (std::size_t i = 0; i < byte_places.size(); ++i) {
      const unsigned high = detail::hex_digit(text[byte_places[i]]);
      const unsigned low = detail::hex_digit(text[byte_places[i] + 1U]);
      faults |= high | low;
      words[i / 8] = words[i / 8] << 8 | high << 4 | low;
    }
    for (const std::size_t i : hyphen_places)
      faults |= text[i] == '-' ? 0U : unsigned{detail::no_hex_digit};
    if ((faults & detail::no_hex_digit) != 0) return first_fault(text);
    return Uuid(words[0], words[1]);
  }

  // A version 4 UUID from 122 of the 128 given bits; version and variant overwrite the other six.
  // The bits should come from a source no sender can predict or repeat.
  [[nodiscard]] static constexpr Uuid make_v4(std::uint64_t random_hi,
                                              std::uint64_t random_lo) noexcept {
    return Uuid((random_hi & ~std::uint64_t{0xf000}) | 0x4000, with_variant(random_lo));
  }

  // A version 7 UUID from milliseconds since 1970 and 74 of the given bits (12 of `random_a`, 62 of
  // `random_b`).
  //
  // Errors  milliseconds of 2^48 or more, which the form cannot hold, throw std::invalid_argument.
  [[nodiscard]] static constexpr Uuid make_v7(std::uint64_t unix_milliseconds,
                                              std::uint16_t random_a, std::uint64_t random_b) {
    if (unix_milliseconds >> 48 != 0) {
      detail::invalid_option("Uuid::make_v7 unix_milliseconds", unix_milliseconds,
                             "less than 2^48");
    }
    return Uuid(unix_milliseconds << 16 | 0x7000 | (random_a & 0x0fffU), with_variant(random_b));
  }

  // All bits zero: what a sender that never set its id often sends.
  [[nodiscard]] static constexpr Uuid nil() noexcept { return Uuid(); }
  // All bits one.
  [[nodiscard]] static constexpr Uuid max() noexcept {
    return Uuid(std::numeric_limits<std::uint64_t>::max(),
                std::numeric_limits<std::uint64_t>::max());
  }

  [[nodiscard]] constexpr std::uint64_t hi() const noexcept { return hi_; }
  [[nodiscard]] constexpr std::uint64_t lo() const noexcept { return lo_; }
  [[nodiscard]] constexpr bool is_nil() const noexcept { return *this == nil(); }
  [[nodiscard]] constexpr bool is_max() const noexcept { return *this == max(); }

  // Whether the variant bits say RFC 9562; only then does version() mean anything. False for nil
  // and max.
  [[nodiscard]] constexpr bool is_rfc_variant() const noexcept { return lo_ >> 62 == 2; }
  // The four version bits, 0 to 15, as they stand.
  [[nodiscard]] constexpr unsigned version() const noexcept {
    return static_cast<unsigned>(hi_ >> 12 & 0xf);
  }
  [[nodiscard]] constexpr bool is_version(unsigned version_wanted) const noexcept {
    return is_rfc_variant() && version() == version_wanted;
  }

  // The time a version 7 UUID carries, since 1970, to the millisecond. Nothing for other versions,
  // which carry none, and for times past the year 2262, which an Instant cannot hold. The sender's
  // word, not a fact.
  [[nodiscard]] constexpr std::optional<Instant> time() const noexcept {
    constexpr auto nanoseconds_per_millisecond = std::uint64_t{1'000'000};
    const std::uint64_t milliseconds = hi_ >> 16;
    if (!is_version(7)) return std::nullopt;
    if (milliseconds > std::numeric_limits<std::int64_t>::max() / nanoseconds_per_millisecond)
      return std::nullopt;
    return Instant::at(Duration::nanoseconds(
        static_cast<std::int64_t>(milliseconds * nanoseconds_per_millisecond)));
  }

  // The 16 bytes in network order.
  [[nodiscard]] constexpr std::array<std::byte, 16> bytes() const noexcept {
    std::array<std::byte, 16> out{};
    for (std::size_t i = 0; i < 8; ++i) {
      out[i] = static_cast<std::byte>(hi_ >> (56 - 8 * i) & 0xff);
      out[i + 8] = static_cast<std::byte>(lo_ >> (56 - 8 * i) & 0xff);
    }
    return out;
  }

  // Writes the 36 lower-case characters, without a terminator. The one form parse() gives back
  // unchanged.
  constexpr void to_chars(std::span<char, text_size> out) const noexcept {
    for (const std::size_t i : hyphen_places) out[i] = '-';
    const auto octets = bytes();
    for (std::size_t i = 0; i < byte_places.size(); ++i) {
      const auto octet = std::to_integer<unsigned>(octets[i]);
      out[byte_places[i]] = "0123456789abcdef"[octet >> 4];
      out[byte_places[i] + 1U] = "0123456789abcdef"[octet & 0xf];
    }
  }

  friend constexpr auto operator<=>(const Uuid&, const Uuid&) = default;

  template <class H>
  friend H AbslHashValue(H state, const Uuid& id) {
    return H::combine(std::move(state), id.hi_, id.lo_);
  }

 private:
  // Where the two digits of each byte, and the hyphens, stand in the text.
  static constexpr std::array<std::uint8_t, 16> byte_places = {0,  2,  4,  6,  9,  11, 14, 16,
                                                               19, 21, 24, 26, 28, 30, 32, 34};
  static constexpr std::array<std::uint8_t, 4> hyphen_places = {8, 13, 18, 23};

  [[nodiscard]] static constexpr Error first_fault(std::string_view text) noexcept {
    const std::size_t end = text.size() < text_size ? text.size() : text_size;
    for (std::size_t i = 0; i < end; ++i) {
      const bool wants_hyphen = i == 8 || i == 13 || i == 18 || i == 23;
      const bool fits = wants_hyphen ? text[i] == '-' : detail::hex_digit(text[i]) < 16;
      if (!fits) return Error{ErrorCode::bad_character, i, "uuid"};
    }
    return Error{ErrorCode::bad_length, end, "uuid"};
  }
  [[nodiscard]] static constexpr std::uint64_t with_variant(std::uint64_t lo) noexcept {
    return (lo & (~std::uint64_t{0} >> 2)) | std::uint64_t{1} << 63;
  }

  std::uint64_t hi_ = 0;
  std::uint64_t lo_ = 0;
};

[[nodiscard]] inline std::string to_string(const Uuid& id) {
  std::array<char, Uuid::text_size> text{};
  id.to_chars(text);
  return std::string(text.data(), text.size());
}

}  // namespace idem::inline IDEM_ABI

// For std containers; not seeded, so not for keys that an adversary chooses.
template <>
struct std::hash<idem::Uuid> {
  [[nodiscard]] std::size_t operator()(const idem::Uuid& id) const noexcept {
    const std::uint64_t mixed = id.hi() * 0x9e3779b97f4a7c15 + id.lo() * 0xbf58476d1ce4e5b9;
    const std::uint64_t spread = (mixed ^ mixed >> 32) * 0x94d049bb133111eb;
    return static_cast<std::size_t>(spread ^ spread >> 32);
  }
};
