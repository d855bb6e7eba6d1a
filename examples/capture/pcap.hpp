#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <idem/core/error.hpp>

namespace capture {

struct Endpoint {
  std::array<std::uint8_t, 16> address{};  // the first four bytes of it, for IPv4
  bool is_ipv6 = false;
  std::uint16_t port = 0;

  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

/// One TCP segment, by its headers alone.
struct Segment {
  std::uint64_t frame = 0;  // counted from 1
  Endpoint from{};
  Endpoint to{};
  std::uint32_t sequence = 0;
  std::uint32_t length = 0;  // of the payload, as the IP header has it
  bool syn = false;
  bool ack = false;
};

struct Capture {
  std::uint64_t frames = 0;
  std::uint64_t malformed = 0;  // frames that claim to be TCP, with headers that make no sense
  std::vector<Segment> segments;
};

/// Reads a classic pcap file (not pcapng) written on a little-endian machine, of Ethernet or raw IP
/// frames. Fragments but the first and IPv6 extension headers are passed over.
idem::Result<Capture> read_pcap(std::span<const std::byte> file);

}  // namespace capture
