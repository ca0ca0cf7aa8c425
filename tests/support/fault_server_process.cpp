#include "support/fault_server_process.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace r3map::test {

FaultServer::FaultServer() : ServerProcess(FAULT_SERVER) {}

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
