#include "consumer_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace payments {
namespace {

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) return "was ended by signal " + std::to_string(WTERMSIG(status));
  return "ended with exit status " + std::to_string(WEXITSTATUS(status));
}

void check(int error, const char* what) {
  if (error != 0) throw std::system_error(error, std::generic_category(), what);
}

// A new process image and not just a fork: librdkafka's threads would not survive one.
pid_t spawn_self(std::vector<std::string> arguments, int input) {
  arguments.insert(arguments.begin(), "payments");
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  check(::posix_spawn_file_actions_init(&actions), "posix_spawn_file_actions_init");
  int error = ::posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  // The broker's sockets are not for the child.
  if (error == 0) error = ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  pid_t pid = -1;
  if (error == 0) {
    error = ::posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, pointers.data(), environ);
  }
  ::posix_spawn_file_actions_destroy(&actions);
  check(error, "the consumer cannot be started");
  return pid;
}

}  // namespace

ConsumerProcess::ConsumerProcess(const ConsumerOptions& options)
    : name_("consumer " + std::to_string(options.life)),
      journal_(Files{options.dir}.journal(options.life)) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) check(errno, "pipe");
  const Descriptor read_end(ends[0]);
  lifeline_.reset(ends[1]);
  pid_ = spawn_self(to_arguments(options), read_end.number());
}

ConsumerProcess::~ConsumerProcess() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

int ConsumerProcess::wait_for_change(int flags) {
  int status = 0;
  pid_t changed = 0;
  while ((changed = ::waitpid(pid_, &status, flags)) < 0 && errno == EINTR) {
  }
  if (changed < 0) check(errno, "waitpid");
  if (changed != 0 && !WIFSTOPPED(status)) pid_ = -1;
  return status;
}

void ConsumerProcess::read_journal(std::vector<JournalEntry>& entries) {
  for (JournalEntry& entry : journal_.read_new()) {
    switch (entry.kind) {
      case JournalEntry::Kind::order:
      case JournalEntry::Kind::reject:
        in_flight_.emplace_back(entry.partition, entry.offset);
        break;
      case JournalEntry::Kind::committing:
        in_flight_ = entry.open;
        break;
      case JournalEntry::Kind::paused:
        paused_ = true;
        break;
      case JournalEntry::Kind::started:
        break;
    }
    entries.push_back(std::move(entry));
  }
}

std::vector<JournalEntry> ConsumerProcess::follow() {
  std::vector<JournalEntry> entries;
  const int status = wait_for_change(WNOHANG);
  if (pid_ < 0)
    throw std::runtime_error(name_ + ' ' + how_it_ended(status) + ", and nobody had asked it to");
  read_journal(entries);
  return entries;
}

bool ConsumerProcess::kill_if_in_flight(std::vector<JournalEntry>& entries) {
  // While it is frozen nothing moves: what its journal says is what it has done.
  ::kill(pid_, SIGSTOP);
  const int status = wait_for_change(WUNTRACED);
  if (pid_ < 0)
    throw std::runtime_error(name_ + ' ' + how_it_ended(status) + ", and nobody had asked it to");
  read_journal(entries);
  if (in_flight_.empty()) {
    ::kill(pid_, SIGCONT);
    return false;
  }
  ::kill(pid_, SIGKILL);
  wait_for_change(0);
  return true;
}

std::vector<JournalEntry> ConsumerProcess::finish(std::chrono::seconds patience) {
  lifeline_.reset();
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < deadline) {
    const int status = wait_for_change(WNOHANG);
    if (pid_ < 0) {
      if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        throw std::runtime_error(name_ + ' ' + how_it_ended(status));
      }
      std::vector<JournalEntry> entries;
      read_journal(entries);
      return entries;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  throw std::runtime_error(name_ + " was asked to end and has not done so after " +
                           std::to_string(patience.count()) + " s");
}

}  // namespace payments
