#include "support/subprocess.hpp"

#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string_view>

namespace r3map::test {

namespace {

using Clock = std::chrono::steady_clock;

// Until end of file, which comes with the child's end; false when the time is up.
bool read_all(int pipe, std::string& text, Clock::time_point until) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd readable{pipe, POLLIN, 0};
    const int ready = poll(&readable, 1, left > 0 ? static_cast<int>(left) : 0);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    char buffer[4096];
    const ssize_t got = read(pipe, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    text.append(buffer, static_cast<size_t>(got));
  }
}

}  // namespace

void Child::say(const std::string& text) const {
  (void)!write(pipe_, (text + "\n").data(), text.size() + 1);
}

void Child::fail(const char* file, int line, const std::string& what) const {
  say(std::string(file) + ":" + std::to_string(line) + ": " + what + " (errno " +
      std::to_string(errno) + ")");
  _exit(1);
}

void Child::skip(const std::string& why) const {
  say(why);
  _exit(kSkipped);
}

void Child::need_root() const {
  if (geteuid() == 0) return;
  const char* const all = getenv("R3MAP_REQUIRE_ALL");  // as tests/support/required.py has it
  if (all && std::string_view(all) == "1") fail(__FILE__, __LINE__, "not root");
  skip("not root");
}

void Child::become_nobody() const {
  if (getuid() != 0) return;
  CHILD_CHECK(*this, setgroups(0, nullptr) == 0);
  CHILD_CHECK(*this, setresgid(65534, 65534, 65534) == 0);
  CHILD_CHECK(*this, setresuid(65534, 65534, 65534) == 0);
  CHILD_CHECK(*this, prctl(PR_SET_DUMPABLE, 1) == 0);
}

Outcome run_in_child(const std::function<void(const Child&)>& body, std::chrono::seconds limit) {
  Outcome outcome;
  int ends[2];
  if (pipe(ends) < 0) {
    outcome.said = "no pipe";
    return outcome;
  }
  const pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    // An exception must not reach the parent's test run, which this process is a copy of.
    [&]() noexcept { body(Child(ends[1])); }();
    _exit(0);
  }
  close(ends[1]);
  if (pid < 0) {
    close(ends[0]);
    outcome.said = "no fork";
    return outcome;
  }
  outcome.hung = !read_all(ends[0], outcome.said, Clock::now() + limit);
  if (outcome.hung) kill(pid, SIGKILL);
  close(ends[0]);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  outcome.exited = WIFEXITED(status);
  outcome.status = outcome.exited ? WEXITSTATUS(status) : WTERMSIG(status);
  return outcome;
}

std::string describe(const Outcome& outcome) {
  return (outcome.hung     ? std::string("hung until it was killed")
          : outcome.exited ? "exit status " + std::to_string(outcome.status)
                           : "signal " + std::to_string(outcome.status)) +
         "; it said: " + outcome.said;
}

}  // namespace r3map::test
