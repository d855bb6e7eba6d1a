#pragma once

// What the programs here share: a clock, keys, a median, and rows that scripts/scorecard reads.

#include <time.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

inline double nanoseconds_of(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}
// Time this thread has run: what others do on the machine is not in it, but for what they do to the
// caches.
inline double thread_ns() { return nanoseconds_of(CLOCK_THREAD_CPUTIME_ID); }
inline double wall_ns() { return nanoseconds_of(CLOCK_MONOTONIC); }

constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9;
  x ^= x >> 27;
  x *= 0x94d049bb133111eb;
  return x ^ x >> 31;
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// A measurement a contender in the file that `--json FILE` names, one JSON object a line:
//
//   {"compared": "growing", "size": 100000, "contender": "UuidSet, single", "ns": [54.1, 51.9],
//    "bytes": 23.6}
//
// `ns` has one time a round, and the n-th of all contenders with one `compared` and one `size` are of
// the same round, so that ratios can be taken within it. A contender that could not be run has no
// times and says why in "not_run". Without the option nothing is written.
class Rows {
 public:
  struct Number {
    const char* name;
    double value;
  };

  // Takes the option out of the arguments.
  Rows(int& count, char** arguments) {
    int kept = 1;
    for (int i = 1; i < count; ++i) {
      if (std::string_view(arguments[i]) == "--json" && i + 1 < count) {
        file_ = std::fopen(arguments[++i], "w");
        if (file_ == nullptr) {
          std::perror(arguments[i]);
          std::exit(2);
        }
      } else {
        arguments[kept++] = arguments[i];
      }
    }
    count = kept;
  }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  ~Rows() {
    if (file_ != nullptr) std::fclose(file_);
  }

  void add(std::string_view compared, double size, std::string_view contender,
           std::span<const double> ns, std::initializer_list<Number> numbers = {}) {
    if (file_ == nullptr) return;
    begin(compared, size, contender);
    const char* separator = "";
    for (const double time : ns) {
      std::fprintf(file_, "%s%.4g", separator, time);
      separator = ", ";
    }
    std::fputs("]", file_);
    for (const Number& number : numbers) {
      std::fprintf(file_, ", \"%s\": %.6g", number.name, number.value);
    }
    end();
  }
  void not_run(std::string_view compared, double size, std::string_view contender,
               std::string_view why) {
    if (file_ == nullptr) return;
    begin(compared, size, contender);
    std::fprintf(file_, "], \"not_run\": \"%s\"", std::string(why).c_str());
    end();
  }

 private:
  // Names are written in the programs: none has a quotation mark or a backslash.
  void begin(std::string_view compared, double size, std::string_view contender) {
    std::fprintf(file_, R"({"compared": "%s", "size": %.0f, "contender": "%s", "ns": [)",
                 std::string(compared).c_str(), size, std::string(contender).c_str());
  }
  void end() {
    std::fputs("}\n", file_);
    std::fflush(file_);
  }

  std::FILE* file_ = nullptr;
};

}  // namespace bench
