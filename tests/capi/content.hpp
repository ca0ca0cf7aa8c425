// What the objects of these tests hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace r3map::test {

inline std::byte content_at(uint64_t offset) {
  return static_cast<std::byte>(static_cast<uint32_t>(offset % 1048573 * 2654435761u) >> 24);
}

inline std::vector<std::byte> content(uint64_t offset, uint64_t length) {
  std::vector<std::byte> bytes(length);
  for (uint64_t i = 0; i < length; ++i) bytes[i] = content_at(offset + i);
  return bytes;
}

}  // namespace r3map::test
