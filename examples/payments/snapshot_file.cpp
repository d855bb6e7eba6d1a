#include "snapshot_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

#include <idem/core/byte_cursor.hpp>

#include "append_file.hpp"

namespace payments {
namespace {

[[noreturn]] void fail(const char* what, const std::filesystem::path& path) {
  throw std::system_error(errno, std::generic_category(), std::string(what) + ' ' + path.string());
}

}  // namespace

std::vector<std::byte> to_bytes(const Position& position) {
  std::vector<std::byte> bytes(8 * position.size());
  idem::ByteWriter out(bytes);
  for (const std::int64_t offset : position) out.i64(offset);
  return bytes;
}

Position to_position(std::span<const std::byte> bytes, int partitions) {
  idem::ByteReader in(bytes);
  Position position(static_cast<std::size_t>(partitions));
  for (std::int64_t& offset : position) {
    if (!in.i64(offset) || offset < 0) throw std::runtime_error("a snapshot of another topic");
  }
  if (in.remaining() != 0) throw std::runtime_error("a snapshot of another topic");
  return position;
}

void replace_file(const std::filesystem::path& path,
                  const std::function<bool(const Sink&)>& write) {
  const std::filesystem::path fresh = path.string() + ".new";
  const Descriptor file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (file.number() < 0) fail("cannot open", fresh);
  const bool written = write([&](std::span<const std::byte> piece) {
    while (!piece.empty()) {
      const ssize_t count = ::write(file.number(), piece.data(), piece.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return false;
      piece = piece.subspan(static_cast<std::size_t>(count));
    }
    return true;
  });
  if (!written) fail("cannot write", fresh);
  if (::fsync(file.number()) != 0) fail("cannot sync", fresh);
  std::filesystem::rename(fresh, path);
  const Descriptor directory(
      ::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.number() < 0) fail("cannot open the directory of", path);
  if (::fsync(directory.number()) != 0) fail("cannot sync the directory of", path);
}

std::optional<std::vector<std::byte>> read_file(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number() < 0) {
    if (errno == ENOENT) return std::nullopt;
    fail("cannot open", path);
  }
  std::vector<std::byte> bytes;
  std::array<std::byte, 65536> block;
  for (;;) {
    const ssize_t count = ::read(file.number(), block.data(), block.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("cannot read", path);
    if (count == 0) return bytes;
    bytes.insert(bytes.end(), block.begin(), block.begin() + count);
  }
}

}  // namespace payments
