// The ways in which consumers charge twice or never, one a file, and what each takes. Prints what
// happens; README.md has the list.
//
//   failures [NAME]

#include <cstring>

#include "failures.hpp"

int main(int argc, char** argv) {
  struct Failure {
    const char* name;
    void (*show)();
  };
  static constexpr Failure all[] = {
      {"producer_retry", failures::producer_retry},
      {"crash_between_effect_and_commit", failures::crash_between_effect_and_commit},
      {"commit_before_effect", failures::commit_before_effect},
      {"rebalance_with_a_late_owner", failures::rebalance_with_a_late_owner},
      {"longer_than_the_lease", failures::longer_than_the_lease},
      {"poison_message", failures::poison_message},
      {"redrive", failures::redrive},
      {"key_gateway_commit", failures::key_gateway_commit},
  };
  bool found = false;
  for (const Failure& failure : all) {
    if (argc > 1 && std::strcmp(argv[1], failure.name) != 0) continue;
    found = true;
    std::puts(failure.name);
    failure.show();
  }
  if (found) return 0;
  std::fprintf(stderr, "failures: no failure is called %s\n", argv[1]);
  return 2;
}
