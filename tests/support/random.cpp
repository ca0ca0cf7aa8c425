#include "support/random.hpp"

#include <cstdlib>

namespace r3map::test {

namespace {

uint64_t chosen_seed() {
  if (const char* given = std::getenv("R3MAP_TEST_SEED"))
    return std::strtoull(given, nullptr, 10);
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

}  // namespace

Random::Random() : Random(chosen_seed()) {}

std::vector<std::byte> Random::bytes(size_t count) {
  std::vector<std::byte> out(count);
  for (std::byte& byte : out) byte = static_cast<std::byte>(engine_() >> 11);
  return out;
}

}  // namespace r3map::test
