// Random numbers for tests that compare against a model: the seed is shown when the test fails, and
// R3MAP_TEST_SEED repeats it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace r3map::test {

class Random {
 public:
  Random();  // R3MAP_TEST_SEED, or another seed each time
  explicit Random(uint64_t seed) : seed_(seed), engine_(seed) {}

  // For SCOPED_TRACE.
  std::string trace() const { return "R3MAP_TEST_SEED=" + std::to_string(seed_); }

  // From 0 up to, not including, `bound`.
  uint64_t below(uint64_t bound) {
    return std::uniform_int_distribution<uint64_t>(0, bound - 1)(engine_);
  }
  uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }
  bool one_in(uint64_t n) { return below(n) == 0; }

  std::vector<std::byte> bytes(size_t count);

 private:
  uint64_t seed_;
  std::mt19937_64 engine_;
};

}  // namespace r3map::test
