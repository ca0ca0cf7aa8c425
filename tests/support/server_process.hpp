// A server of ours in Python, as a child process of a test. It prints "listening PORT".
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace r3map::test {

class ServerProcess {
 public:
  explicit ServerProcess(const char* script);  // ends the test program if it can't be started
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  void stop();  // its port refuses connections from here on

  // "http://127.0.0.1:PORT/" and what follows.
  std::string url(std::string_view path) const;
  std::string address() const;  // "127.0.0.1:PORT"

 private:
  pid_t pid_ = -1;
  int stdin_ = -1;  // it ends when this closes, however the test ends
  std::string port_;
};

}  // namespace r3map::test
