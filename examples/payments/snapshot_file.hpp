#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace payments {

/// Of each partition the next offset to read: the position that a snapshot stands for.
using Position = std::vector<std::int64_t>;

std::vector<std::byte> to_bytes(const Position& position);
/// Throws std::runtime_error for bytes that are none of so many partitions.
Position to_position(std::span<const std::byte> bytes, int partitions);

/// Takes a piece of a file; false: it could not be written.
using Sink = std::function<bool(std::span<const std::byte>)>;

/// Replaces a file, all of it or nothing, whenever the process or the machine dies: what `write`
/// hands on goes to a file beside it, which takes its name when it is on the disk. Throws
/// std::system_error; the old file is then still there.
void replace_file(const std::filesystem::path& path, const std::function<bool(const Sink&)>& write);

/// The whole file; none: there is no such file.
std::optional<std::vector<std::byte>> read_file(const std::filesystem::path& path);

}  // namespace payments
