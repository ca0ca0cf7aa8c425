// The HTTP server that misbehaves (fault_server.py), as a child process of a test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "support/server_process.hpp"

namespace r3map::test {

class FaultServer : public ServerProcess {
 public:
  FaultServer();

  // Whether an object of the server's (its first version) holds these bytes at `offset`.
  static bool holds(uint64_t offset, std::span<const std::byte> data);
};

}  // namespace r3map::test
