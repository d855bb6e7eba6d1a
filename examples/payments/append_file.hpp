#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace payments {

/// Closes a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~Descriptor() { reset(); }

  int number() const { return number_; }
  int release();
  void reset(int number = -1);

 private:
  int number_;
};

/// A text file that only grows, a record a line. A record is there once its newline is there.
/// Writing hands the bytes to the operating system: they outlive the process. sync() makes them
/// outlive the machine.
class AppendFile {
 public:
  /// Opens or creates the file, cuts off a last line without a newline (somebody died while writing
  /// it) and keeps other processes out until it is closed. Throws std::system_error, or
  /// std::runtime_error if it is in use.
  explicit AppendFile(std::filesystem::path path);

  /// What was in the file when it was opened: whole lines only.
  const std::string& recovered() const { return recovered_; }
  std::size_t torn_bytes() const { return torn_bytes_; }

  /// Throws std::system_error; the file may then end in part of the text.
  void write(std::string_view text);

  /// Does nothing if nothing was written since the last time.
  void sync();

 private:
  std::filesystem::path path_;
  Descriptor file_;
  std::string recovered_;
  std::size_t torn_bytes_ = 0;
  bool dirty_ = false;
};

}  // namespace payments
