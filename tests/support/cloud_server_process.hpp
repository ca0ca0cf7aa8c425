// A cloud's services that hand out credentials (cloud_server.py), as a child process of a test.
#pragma once

#include "support/server_process.hpp"

namespace r3map::test {

class CloudServer : public ServerProcess {
 public:
  CloudServer();
};

}  // namespace r3map::test
