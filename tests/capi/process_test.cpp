// Fork, exit, rights and limits: each in a process of its own (child.cpp).

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "capi/support.hpp"

namespace r3map::test {
namespace {

struct Outcome {
  bool hung = false;
  int status = 0;  // as waitpid has it
  std::string said;
};

// What a forked child's missing threads held looks like a leak there.
std::vector<std::string> environment_for(const char* piece) {
  const bool forks = piece && (std::string(piece).starts_with("fork_") ||
                               std::string(piece).starts_with("log_"));
  std::vector<std::string> variables;
  std::string asan = "ASAN_OPTIONS=";
  for (char** variable = environ; *variable; ++variable) {
    if (std::string(*variable).starts_with(asan))
      asan = std::string(*variable) + ":";
    else
      variables.emplace_back(*variable);
  }
  variables.push_back(asan + (forks ? "detect_leaks=0" : ""));
  return variables;
}

Outcome run_child(const char* piece) {
  Outcome outcome;
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  const char* argv[] = {CAPI_CHILD, piece, nullptr};
  std::vector<std::string> variables = environment_for(piece);
  std::vector<char*> environment;
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  pid_t pid = -1;
  EXPECT_EQ(posix_spawn(&pid, CAPI_CHILD, &actions, nullptr, const_cast<char* const*>(argv),
                        environment.data()),
            0);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(45);
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    pollfd readable{ends[0], POLLIN, 0};
    if (left.count() <= 0 || poll(&readable, 1, static_cast<int>(left.count())) == 0) {
      outcome.hung = true;
      kill(pid, SIGKILL);
      break;
    }
    char buffer[4096];
    const ssize_t got = read(ends[0], buffer, sizeof buffer);
    if (got <= 0) break;
    outcome.said.append(buffer, static_cast<size_t>(got));
  }
  close(ends[0]);
  waitpid(pid, &outcome.status, 0);
  return outcome;
}

class Process : public testing::TestWithParam<const char*> {};

TEST_P(Process, EndsWell) {
  const std::string piece = GetParam();
#if defined(__SANITIZE_THREAD__)
  if (piece.starts_with("fork_") || piece == "log_wrong")
    GTEST_SKIP() << "ThreadSanitizer does not follow a fork of a process with threads";
#endif
  if (kSanitizer && piece.find("address_space") != std::string::npos)
    GTEST_SKIP() << "sanitizers need more address space";
  if (kSanitizer && piece == "fork_busy")
    GTEST_SKIP() << "AddressSanitizer's allocator can be inherited locked";
  if (kSanitizer && piece == "locked_memory")
    GTEST_SKIP() << "sanitizers' shadow can't be locked";
  const Outcome outcome = run_child(GetParam());
  if (WIFEXITED(outcome.status) && WEXITSTATUS(outcome.status) == 77) GTEST_SKIP() << outcome.said;
  EXPECT_FALSE(outcome.hung);
  EXPECT_EQ(outcome.status, 0) << outcome.said;
}

const char* const kPieces[] = {
    "fork_handles", "fork_open", "fork_exit", "fork_touch", "fork_busy", "fork_reserved",
    "exit_while_faulting", "exit_while_calling", "exit_calls", "exit_touches",
    "exit_while_others_touch", "nobody", "privileged", "denied", "eager", "eager_large",
    "little_address_space", "address_space_comes_back", "no_threads", "locked_memory",
    "log_of_faults", "log_wrong"};

INSTANTIATE_TEST_SUITE_P(, Process, testing::ValuesIn(kPieces),
                         [](const auto& piece) { return std::string(piece.param); });

TEST(ProcessPieces, AreAllRun) {
  const Outcome outcome = run_child(nullptr);
  std::set<std::string> known;
  for (const char* piece : kPieces) known.insert(piece);
  size_t begin = 0, count = 0;
  for (size_t end; (end = outcome.said.find('\n', begin)) != std::string::npos; begin = end + 1) {
    EXPECT_TRUE(known.contains(outcome.said.substr(begin, end - begin)));
    ++count;
  }
  EXPECT_EQ(count, known.size());
}

}  // namespace
}  // namespace r3map::test
