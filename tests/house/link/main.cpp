#include <cinttypes>
#include <cstdio>

#include "use.hpp"

// Runs the object compiled without special flags; with an argument the other one as well.
int main(int argc, char**) {
  const std::uint64_t plain = plain_use(7);
  std::printf("%" PRIx64 "\n", plain);
  if (argc > 1 && fast_use(7) != plain) {
    std::puts("the two objects disagree");
    return 1;
  }
  return 0;
}
