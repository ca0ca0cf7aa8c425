// The HTTP server that misbehaves (fault_server.py), as a child process of a test.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace r3map::test {

class FaultServer {
 public:
  FaultServer();  // ends the test program if it can't be started
  ~FaultServer();
  FaultServer(const FaultServer&) = delete;
  FaultServer& operator=(const FaultServer&) = delete;

  void stop();  // its port refuses connections from here on

  // "http://127.0.0.1:PORT/" and what follows.
  std::string url(std::string_view path) const;
  std::string address() const;  // "127.0.0.1:PORT"

  // Whether an object of the server's (its first version) holds these bytes at `offset`.
  static bool holds(uint64_t offset, std::span<const std::byte> data);

 private:
  pid_t pid_ = -1;
  int stdin_ = -1;  // it ends when this closes, however the test ends
  std::string port_;
};

}  // namespace r3map::test
