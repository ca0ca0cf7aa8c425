// A sparse set of 4 KiB pages: which pages of a region are in some state. Memory grows with the
// places that were touched (half a kilobyte for each 16 MiB), not with the region.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "base/range.hpp"

namespace r3map {

// All ranges are in bytes and page aligned. Thread: one at a time.
class PageSet {
 public:
  void add(Range range);
  void remove(Range range);
  bool contains(uint64_t offset) const;
  uint64_t bytes() const { return pages_ * kPage; }
  uint64_t bytes_in(Range range) const;
  bool empty() const { return pages_ == 0; }

  // The first longest run of members, or of non-members, inside `range`; empty if there is none.
  Range first_run(Range range) const { return run(range, true); }
  Range first_gap(Range range) const { return run(range, false); }
  bool contains_all(Range range) const { return first_gap(range).empty(); }

 private:
  static constexpr uint64_t kWords = 64;
  static constexpr uint64_t kLeafPages = kWords * 64;
  struct Leaf {
    std::array<uint64_t, kWords> words{};
    uint32_t pages = 0;
  };

  // The first page from `page` on, below `end`, whose membership is `member`; `end` if none.
  uint64_t find(uint64_t page, uint64_t end, bool member) const;
  static uint64_t find_in(const Leaf& leaf, uint64_t page, uint64_t end, bool member);
  Range run(Range range, bool member) const;

  std::map<uint64_t, Leaf> leaves_;  // by page number / kLeafPages; never an empty leaf
  uint64_t pages_ = 0;
};

}  // namespace r3map
