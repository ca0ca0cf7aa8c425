// Which ranges must stay resident. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/range.hpp"

namespace r3map::region {

// Ranges are page aligned and may overlap. Thread: one at a time.
class Pins {
 public:
  void add(Range range);
  bool remove(Range range);  // false: it isn't pinned

  uint64_t bytes() const { return bytes_; }  // pages that are pinned more than once count once
  uint64_t bytes_with(Range range) const;    // as if `range` were pinned as well
  std::vector<Range> unpinned(Range range) const;
  std::vector<Range> pinned(Range range) const;

 private:
  void change(Range range, int by);
  std::vector<Range> select(Range range, bool pinned) const;

  std::multiset<std::pair<uint64_t, uint64_t>> ranges_;
  std::map<uint64_t, int> counts_;  // from this offset to the next key: so many pins; 0 at the end
  uint64_t bytes_ = 0;
};

}  // namespace r3map::region
