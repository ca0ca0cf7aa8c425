#include "base/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace r3map {

// 0 to 3 have a bucket each; from there on, a power of two and the two bits below it say which.
size_t Histogram::bucket_of(uint64_t us) {
  if (us < kParts) return us;
  const auto power = static_cast<unsigned>(std::bit_width(us)) - 1;
  const size_t part = (us >> (power - 2)) & (kParts - 1);
  return (power - 1) * kParts + part;
}

// The first number of µs that is too large for the bucket.
uint64_t Histogram::end_of(size_t bucket) {
  if (bucket < kParts) return bucket + 1;
  const size_t power = bucket / kParts + 1, part = bucket % kParts;
  return (kParts + part + 1) << (power - 2);
}

void Histogram::add(Duration duration) {
  const Duration d = std::clamp(duration, Duration(0), kLongest);
  ++counts_[bucket_of(static_cast<uint64_t>(d.count()))];
  ++count_;
  sum_ += d;
  max_ = std::max(max_, d);
}

Histogram::Duration Histogram::percentile(double share) const {
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_)));
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    seen += counts_[bucket];
    if (seen > 0 && seen >= wanted)
      return std::min(Duration(static_cast<int64_t>(end_of(bucket) - 1)), max_);
  }
  return max_;
}

uint64_t Histogram::below_power(unsigned exponent) const {
  const uint64_t end = uint64_t{1} << exponent;
  uint64_t count = 0;
  for (size_t bucket = 0; bucket < counts_.size() && end_of(bucket) <= end; ++bucket)
    count += counts_[bucket];
  return count;
}

}  // namespace r3map
