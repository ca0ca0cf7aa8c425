#include "support/server_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace r3map::test {

namespace {

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "server: %s\n", what);
  std::abort();
}

// "listening PORT\n" → PORT.
std::string read_port(int from) {
  std::string line;
  char c;
  while (read(from, &c, 1) == 1 && c != '\n') line.push_back(c);
  static constexpr std::string_view kStart = "listening ";
  if (!line.starts_with(kStart)) give_up("it did not start");
  return line.substr(kStart.size());
}

}  // namespace

ServerProcess::ServerProcess(const char* script) {
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0) give_up("no pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  const char* argv[] = {"python3", script, "--port", "0", nullptr};
  const int failed = posix_spawnp(&pid_, "python3", &actions, nullptr,
                                  const_cast<char* const*>(argv), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  if (failed != 0) give_up("python3 is missing");
  stdin_ = in[1];
  port_ = read_port(out[0]);
  close(out[0]);
}

ServerProcess::~ServerProcess() { stop(); }

void ServerProcess::stop() {
  if (pid_ < 0) return;
  close(stdin_);
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::string ServerProcess::url(std::string_view path) const {
  return "http://" + address() + "/" + std::string(path);
}

std::string ServerProcess::address() const { return "127.0.0.1:" + port_; }

}  // namespace r3map::test
