// Byte ranges: the one place where offsets and lengths from outside are added up.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/result.hpp"

namespace r3map {

inline constexpr uint64_t kPage = 4096;

struct Range {
  uint64_t offset = 0;
  uint64_t length = 0;

  uint64_t end() const { return offset + length; }
  bool empty() const { return length == 0; }
  bool contains(uint64_t at) const { return at >= offset && at - offset < length; }
  bool operator==(const Range&) const = default;
};

inline Range range_between(uint64_t begin, uint64_t end) {
  return {begin, end > begin ? end - begin : 0};
}

inline Range intersect(Range a, Range b) {
  return range_between(std::max(a.offset, b.offset), std::min(a.end(), b.end()));
}

inline uint64_t align_down(uint64_t value, uint64_t unit) { return value / unit * unit; }
// Saturates instead of wrapping, so that a comparison with a limit still refuses it.
inline uint64_t align_up(uint64_t value, uint64_t unit) {
  const uint64_t down = align_down(value, unit);
  return down == value ? value : down > UINT64_MAX - unit ? align_down(UINT64_MAX, unit) : down + unit;
}

// The smallest range of whole pages around `range`.
inline Range page_aligned(Range range) {
  return range_between(align_down(range.offset, kPage), align_up(range.end(), kPage));
}

// An offset and a length from outside, against a size. Never overflows; empty ranges up to and
// including the end are legal.
Result<Range> checked_range(uint64_t offset, uint64_t length, uint64_t size);

}  // namespace r3map
