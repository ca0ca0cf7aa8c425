// Recognises readers from their page faults, and says what they will want next. Pure.
//
// Forward, backward and strided readers are followed, several at a time and interleaved; a fault
// that belongs to none of them fetches a granule, and less the longer a thread reads at random.
//
// A reader whose pages are all here makes no faults, so it could not be followed. Therefore one
// page of each window, the trap, is held back although its bytes are here: its fault is answered
// at once and tells that the reader has come so far (the PG_readahead mark of Linux, where there
// are no marks). Windows quadruple up to a limit, or
// grow faster where a round trip takes long.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/range.hpp"

namespace r3map::region {

// Thread: one at a time.
class Readahead {
 public:
  // `granule`: what a fault without a history fetches, or `adapts`, at most; `window_limit`: the
  // largest window.
  Readahead(uint64_t size, uint64_t granule, uint64_t window_limit, bool adapts = true);

  struct Plan {
    Range demand;                  // now, the faulting page first
    std::vector<Range> ahead;      // after it, in the order in which the reader will come by
    std::optional<uint64_t> trap;  // the page of `ahead` to hold back
  };
  // A fault of `thread` at a page that is not here.
  Plan on_fault(uint64_t offset, uint32_t thread);
  // A fault at a trap: what to read ahead next.
  Plan on_trap(uint64_t offset);

  // What keeps the store busy for a round trip: windows of a steady reader grow to it at once.
  void aim(uint64_t bytes) { aim_ = bytes; }
  // Round trips take long, so that windows have to grow in few of them.
  void hasten(bool hasten) { growth_ = hasten ? kHastened : kSteady; }

 private:
  // A reader of neighbouring pages, as far as it has been seen.
  struct Run {
    enum class Way { none, forward, backward } way = Way::none;
    uint64_t edge = 0;  // what lies before it, in the reader's sense, is planned
    uint64_t trap = 0;
    uint64_t window = 0;
    uint64_t last_used = 0;
  };
  // A reader of places at equal distances, give or take a page.
  struct Stride {
    double step = 0;  // bytes; 0: unused
    double origin = 0;
    int64_t planned = 0;    // so many steps from the origin are planned
    int64_t trap_step = 0;  // the one that is held back
    uint64_t trap = 0;
    int64_t window = 0;  // steps
    uint64_t slack = 0;  // how far from its place a page was found
    uint64_t last_used = 0;
  };
  // A fault that may turn out to be somebody's first.
  struct Lone {
    uint64_t begin = 0, end = 0;  // empty: unused
    uint64_t last_used = 0;
  };
  // The faults of one thread, the latest first.
  struct Thread {
    static constexpr size_t kFaults = 8;
    uint32_t id = 0;
    std::array<uint64_t, kFaults> faults{};
    size_t count = 0;
    unsigned lone_in_a_row = 0;
    uint64_t last_used = 0;

    void saw(uint64_t offset);
  };

  Thread& thread_of(uint32_t id);
  uint64_t grown(uint64_t window) const;
  bool continues(const Run& run, uint64_t offset) const;
  Run* find_run(uint64_t offset);
  Plan go_on(Run& run, uint64_t offset);
  std::vector<Range> below(uint64_t end, uint64_t window) const;
  Stride* find_stride(uint64_t offset);
  Stride* new_stride(const Thread& thread, uint64_t offset);
  Plan go_on(Stride& stride, uint64_t offset);
  void plan_steps(Stride& stride, Plan& plan);
  uint64_t place(const Stride& stride, int64_t steps) const;
  Plan lone(Thread& thread, uint64_t offset);
  Plan clipped(Plan plan) const;

  uint64_t size_;  // in whole pages
  uint64_t granule_;
  uint64_t window_limit_;
  bool adapts_;
  uint64_t aim_ = 0;
  // At a granule of 64 KiB the second window is the largest that is not yet aimed.
  static constexpr uint64_t kSteady = 4, kHastened = 32;
  uint64_t growth_ = kSteady;
  uint64_t clock_ = 0;
  std::array<Run, 32> runs_;
  std::array<Stride, 16> strides_;
  std::array<Lone, 32> lone_;
  std::array<Thread, 32> threads_;
};

}  // namespace r3map::region
