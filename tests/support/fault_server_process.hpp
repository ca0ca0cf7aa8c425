// The HTTP server that misbehaves (fault_server.py), as a child process of a test.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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

  // What the server's objects hold, see fault_server.py.
  static std::byte content_at(uint64_t offset);

 private:
  pid_t pid_ = -1;
  int stdin_ = -1;  // it ends when this closes, however the test ends
  std::string port_;
};

}  // namespace r3map::test
