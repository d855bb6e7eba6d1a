#include "pcap.hpp"

#include <algorithm>

#include <idem/core/byte_cursor.hpp>

namespace capture {
namespace {

constexpr std::uint32_t microseconds_magic = 0xa1b2c3d4;
constexpr std::uint32_t nanoseconds_magic = 0xa1b23c4d;
constexpr std::uint32_t ethernet = 1;
constexpr std::uint32_t raw_ip = 101;
constexpr std::uint16_t vlan = 0x8100;
constexpr std::uint16_t ipv4 = 0x0800;
constexpr std::uint16_t ipv6 = 0x86dd;
constexpr std::uint8_t tcp_protocol = 6;

// What is on the wire is big-endian.
bool network16(idem::ByteReader& reader, std::uint16_t& value) {
  std::uint8_t high = 0;
  std::uint8_t low = 0;
  if (!reader.u8(high) || !reader.u8(low)) return false;
  value = static_cast<std::uint16_t>(high << 8 | low);
  return true;
}

bool network32(idem::ByteReader& reader, std::uint32_t& value) {
  std::uint16_t high = 0;
  std::uint16_t low = 0;
  if (!network16(reader, high) || !network16(reader, low)) return false;
  value = std::uint32_t{high} << 16 | low;
  return true;
}

bool skip(idem::ByteReader& reader, std::uint64_t count) {
  std::span<const std::byte> skipped;
  return reader.bytes(count, skipped);
}

bool address(idem::ByteReader& reader, std::size_t size, Endpoint& endpoint) {
  std::span<const std::byte> bytes;
  if (!reader.bytes(size, bytes)) return false;
  std::transform(bytes.begin(), bytes.end(), endpoint.address.begin(),
                 [](std::byte byte) { return static_cast<std::uint8_t>(byte); });
  endpoint.is_ipv6 = size == 16;
  return true;
}

enum class Content { tcp, other, malformed };

// `length`: of the TCP header and its payload, by the IP header.
Content read_tcp(idem::ByteReader& reader, std::uint32_t length, Segment& segment) {
  std::uint32_t acknowledgement = 0;
  std::uint8_t offset = 0;
  std::uint8_t flags = 0;
  if (!network16(reader, segment.from.port) || !network16(reader, segment.to.port) ||
      !network32(reader, segment.sequence) || !network32(reader, acknowledgement) ||
      !reader.u8(offset) || !reader.u8(flags)) {
    return Content::malformed;
  }
  const std::uint32_t header = std::uint32_t{offset} / 16 * 4;
  if (header < 20 || header > length) return Content::malformed;
  segment.length = length - header;
  segment.syn = (flags & 0x02) != 0;
  segment.ack = (flags & 0x10) != 0;
  return Content::tcp;
}

Content read_ip(idem::ByteReader& reader, Segment& segment) {
  std::uint8_t first = 0;
  std::uint8_t protocol = 0;
  std::uint16_t length = 0;
  if (!reader.u8(first)) return Content::malformed;
  if (first / 16 == 4) {
    std::uint16_t fragment = 0;
    if (!skip(reader, 1) || !network16(reader, length) || !skip(reader, 2) ||
        !network16(reader, fragment) || !skip(reader, 1) || !reader.u8(protocol)) {
      return Content::malformed;
    }
    if (protocol != tcp_protocol || (fragment & 0x1fff) != 0) return Content::other;
    const std::uint32_t header = first % 16 * 4u;
    if (header < 20 || header > length || !skip(reader, 2) || !address(reader, 4, segment.from) ||
        !address(reader, 4, segment.to) || !skip(reader, header - 20)) {
      return Content::malformed;
    }
    return read_tcp(reader, length - header, segment);
  }
  if (first / 16 == 6) {
    if (!skip(reader, 3) || !network16(reader, length) || !reader.u8(protocol)) {
      return Content::malformed;
    }
    if (protocol != tcp_protocol) return Content::other;
    if (!skip(reader, 1) || !address(reader, 16, segment.from) ||
        !address(reader, 16, segment.to)) {
      return Content::malformed;
    }
    return read_tcp(reader, length, segment);
  }
  return Content::other;
}

Content read_frame(idem::ByteReader reader, std::uint32_t link, Segment& segment) {
  if (link == raw_ip) return read_ip(reader, segment);
  std::uint16_t type = 0;
  if (!skip(reader, 12) || !network16(reader, type)) return Content::other;
  while (type == vlan) {
    if (!skip(reader, 2) || !network16(reader, type)) return Content::other;
  }
  return type == ipv4 || type == ipv6 ? read_ip(reader, segment) : Content::other;
}

idem::Error error(const idem::ByteReader& reader, std::string_view what, idem::ErrorCode code) {
  return {.code = code, .position = reader.position(), .what = what};
}

}  // namespace

idem::Result<Capture> read_pcap(std::span<const std::byte> file) {
  idem::ByteReader reader(file);
  std::uint32_t magic = 0;
  std::uint32_t link = 0;
  if (!reader.u32(magic)) return error(reader, "magic number", idem::ErrorCode::truncated);
  if (magic != microseconds_magic && magic != nanoseconds_magic) {
    return error(reader, "magic number of a little-endian pcap file", idem::ErrorCode::bad_magic);
  }
  if (!skip(reader, 16) || !reader.u32(link)) {
    return error(reader, "file header", idem::ErrorCode::truncated);
  }
  if (link != ethernet && link != raw_ip) {
    return error(reader, "link type Ethernet or raw IP", idem::ErrorCode::bad_value);
  }

  Capture capture;
  while (reader.remaining() > 0) {
    std::uint32_t captured = 0;
    std::span<const std::byte> frame;
    if (!skip(reader, 8) || !reader.u32(captured) || !skip(reader, 4) ||
        !reader.bytes(captured, frame)) {
      return error(reader, "frame", idem::ErrorCode::truncated);
    }
    ++capture.frames;
    Segment segment{.frame = capture.frames};
    const Content content = read_frame(idem::ByteReader(frame), link, segment);
    if (content == Content::tcp) capture.segments.push_back(segment);
    if (content == Content::malformed) ++capture.malformed;
  }
  return capture;
}

}  // namespace capture
