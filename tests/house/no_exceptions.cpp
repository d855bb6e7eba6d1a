// The library without exceptions and run-time type information: it compiles, answers, and a bad option ends the program
// with the sentence that would have been thrown.

#include <idem/idem.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#if defined(__cpp_exceptions) || defined(__cpp_rtti)
#error "compile this with -fno-exceptions -fno-rtti"
#endif

namespace {

int failures = 0;

void check(bool holds, const char* what) {
  if (holds) return;
  std::printf("failed: %s\n", what);
  ++failures;
}

// What `body` writes to the error stream, when the process ends by abort().
template <class Body>
std::string_view last_words(std::array<char, 512>& buffer, Body body) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    body();
    _exit(0);
  }
  close(ends[1]);
  std::size_t length = 0;
  ssize_t count = 0;
  while ((count = read(ends[0], buffer.data() + length, buffer.size() - length)) > 0) {
    length += static_cast<std::size_t>(count);
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT) return "no abort";
  return {buffer.data(), length};
}

}  // namespace

int main() {
  idem::UuidSet ids;
  const auto id = idem::Uuid::parse("01890a5d-ac96-774b-bcce-b302099a8057");
  check(id.has_value(), "a UUID is parsed");
  check(ids.insert(*id) == idem::Verdict::fresh, "the first is fresh");
  check(ids.insert(*id) == idem::Verdict::duplicate, "the second is a duplicate");

  idem::Deduplicator<idem::Uuid> seen;
  check(seen.insert(*id) == idem::Verdict::fresh, "the deduplicator says fresh");
  check(seen.insert(*id) == idem::Verdict::duplicate, "the deduplicator says duplicate");

  std::array<char, 512> buffer{};
  const std::string_view words =
      last_words(buffer, [] { const idem::UuidSet set({.budget = idem::bytes(1)}); });
  check(words.find("budget") != std::string_view::npos && words.find('1') != std::string_view::npos,
        "a nonsense budget aborts with its field and value");
  std::printf("%.*s", static_cast<int>(words.size()), words.data());
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
