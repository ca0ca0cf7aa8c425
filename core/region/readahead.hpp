// Recognises sequential readers from their page faults, and says how far to read ahead. Pure.
//
// A reader whose pages are all here makes no faults, so it could not be followed. Therefore one
// page of each window, the trap, is held back although its bytes are here: its fault is answered
// at once and tells that the reader has come so far (the PG_readahead mark of Linux, where there
// are no marks). Windows quadruple up to a limit.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/range.hpp"

namespace r3map::region {

// Thread: one at a time.
class Readahead {
 public:
  // `granule`: what a fault without a history fetches; `window_limit`: the largest window.
  Readahead(uint64_t size, uint64_t granule, uint64_t window_limit);

  struct Plan {
    Range demand;                  // now, the faulting page first
    Range ahead;                   // after it
    std::optional<uint64_t> trap;  // the page of `ahead` to hold back
  };
  // A fault at a page that is not here.
  Plan on_fault(uint64_t offset);
  // A fault at a trap: what to read ahead next.
  Plan on_trap(uint64_t offset);

 private:
  // A reader, as far as it has been seen: everything below `end` was planned.
  struct Stream {
    uint64_t end = 0;
    uint64_t trap = 0;
    uint64_t window = 0;  // 0: unused
    uint64_t last_used = 0;
  };
  static constexpr size_t kStreams = 16;

  Stream& oldest();
  uint64_t grown(uint64_t window) const;
  Plan clipped(Plan plan) const;

  uint64_t size_;  // in whole pages
  uint64_t granule_;
  uint64_t window_limit_;
  uint64_t clock_ = 0;
  std::array<Stream, kStreams> streams_;
};

}  // namespace r3map::region
