#pragma once

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace idem_test {

// Whether the call ends the process by abort(). It runs in a child, whose messages are dropped.
template <class Call>
[[nodiscard]] bool dies(Call&& call) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) std::abort();
  if (child == 0) {
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    std::signal(SIGABRT, SIG_DFL);
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(3);
    call();
    _exit(0);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) std::abort();
  if (WIFEXITED(status) && WEXITSTATUS(status) == 3) std::abort();
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

}  // namespace idem_test
