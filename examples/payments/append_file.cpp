#include "append_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace payments {
namespace {

[[noreturn]] void fail(const char* what, const std::filesystem::path& path) {
  throw std::system_error(errno, std::generic_category(), std::string(what) + ' ' + path.string());
}

std::string read_all(int file, const std::filesystem::path& path) {
  std::string text;
  std::array<char, 65536> block{};
  for (;;) {
    const ssize_t got = ::read(file, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("cannot read", path);
    if (got == 0) return text;
    text.append(block.data(), static_cast<std::size_t>(got));
  }
}

void sync_descriptor(int file, const std::filesystem::path& path) {
  // After a failed fsync nobody knows what is on the disk: there is no second try.
  if (::fsync(file) != 0) fail("cannot sync", path);
}

}  // namespace

int Descriptor::release() { return std::exchange(number_, -1); }

void Descriptor::reset(int number) {
  if (number_ >= 0) ::close(number_);
  number_ = number;
}

AppendFile::AppendFile(std::filesystem::path path) : path_(std::move(path)) {
  file_.reset(::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (file_.number() < 0) fail("cannot open", path_);
  if (::flock(file_.number(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) fail("cannot lock", path_);
    throw std::runtime_error(path_.string() + " is in use by another process");
  }

  recovered_ = read_all(file_.number(), path_);
  const std::size_t whole = recovered_.rfind('\n') + 1;  // npos + 1 is 0: no whole line
  torn_bytes_ = recovered_.size() - whole;
  if (torn_bytes_ != 0) {
    recovered_.resize(whole);
    if (::ftruncate(file_.number(), static_cast<off_t>(whole)) != 0) fail("cannot cut", path_);
  }
  // Whoever wrote the last lines may have died before its fsync.
  sync_descriptor(file_.number(), path_);
  const Descriptor directory(
      ::open(path_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.number() < 0) fail("cannot open the directory of", path_);
  sync_descriptor(directory.number(), path_.parent_path());
}

void AppendFile::write(std::string_view text) {
  dirty_ = true;
  while (!text.empty()) {
    const ssize_t written = ::write(file_.number(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot write", path_);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void AppendFile::sync() {
  if (!dirty_) return;
  sync_descriptor(file_.number(), path_);
  dirty_ = false;
}

}  // namespace payments
