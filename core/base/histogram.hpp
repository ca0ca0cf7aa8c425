// How often a duration was how long: buckets that grow with it, four to each power of two, so that
// a percentile is known to a quarter whatever its size. Pure.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace r3map {

// Thread: one at a time.
class Histogram {
 public:
  using Duration = std::chrono::microseconds;
  // 12 days; what is longer counts as this.
  static constexpr Duration kLongest{(uint64_t{1} << 40) - 1};

  void add(Duration duration);

  uint64_t count() const { return count_; }
  Duration sum() const { return sum_; }
  Duration max() const { return max_; }
  // What `share` (0 to 1) of all durations do not exceed: the end of their bucket, at most max().
  // Zero if there are none.
  Duration percentile(double share) const;
  // How many are shorter than 2^exponent µs: exact.
  uint64_t below_power(unsigned exponent) const;

 private:
  static constexpr size_t kPowers = 39;  // above those of 0 to 3
  static constexpr size_t kParts = 4;
  static size_t bucket_of(uint64_t us);
  static uint64_t end_of(size_t bucket);

  std::array<uint64_t, kPowers * kParts> counts_{};
  uint64_t count_ = 0;
  Duration sum_{0}, max_{0};
};

}  // namespace r3map
