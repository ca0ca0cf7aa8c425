#include "support/fault_server_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace r3map::test {

namespace {

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "fault server: %s\n", what);
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

FaultServer::FaultServer() {
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0) give_up("no pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  const char* argv[] = {"python3", FAULT_SERVER, "--port", "0", nullptr};
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

FaultServer::~FaultServer() { stop(); }

void FaultServer::stop() {
  if (pid_ < 0) return;
  close(stdin_);
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::string FaultServer::url(std::string_view path) const {
  return "http://" + address() + "/" + std::string(path);
}

std::string FaultServer::address() const { return "127.0.0.1:" + port_; }

bool FaultServer::holds(uint64_t offset, std::span<const std::byte> data) {
  static constexpr uint64_t kPeriod = 1048573;
  static const std::vector<std::byte> kContent = [] {
    std::vector<std::byte> content(kPeriod);
    for (uint64_t i = 0; i < kPeriod; ++i)
      content[i] = static_cast<std::byte>(static_cast<uint32_t>(i * 2654435761u) >> 24);
    return content;
  }();
  while (!data.empty()) {
    const uint64_t at = offset % kPeriod;
    const size_t length = std::min<size_t>(data.size(), kPeriod - at);
    if (std::memcmp(&kContent[at], data.data(), length) != 0) return false;
    offset += length;
    data = data.subspan(length);
  }
  return true;
}

}  // namespace r3map::test
