#include "support/cloud_server_process.hpp"

namespace r3map::test {

CloudServer::CloudServer() : ServerProcess(CLOUD_SERVER) {}

}  // namespace r3map::test
