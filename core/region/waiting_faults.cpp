#include "region/waiting_faults.hpp"

#include <algorithm>

namespace r3map::region {

namespace {

// Not worth another request.
constexpr std::chrono::milliseconds kAsGoodAs{100};

}  // namespace

WaitingFaults::WaitingFaults(loop::Loop& loop, loop::Clock::duration patience,
                             std::function<void(uint64_t)> expired)
    : patience_(patience), expired_(std::move(expired)), timer_(loop, [this] { on_timer(); }) {}

void WaitingFaults::add(uint64_t offset) { add_for(offset, patience_); }

void WaitingFaults::add_for(uint64_t offset, loop::Clock::duration patience) {
  const loop::Deadline deadline = loop::deadline_after(patience);
  deadlines_.try_emplace(offset, deadline);
  // Left armed when its fault is settled: that is cheaper than a new timer for each fault.
  if (deadline < armed_for_) arm();
}

void WaitingFaults::settle(Range range) {
  deadlines_.erase(deadlines_.lower_bound(range.offset), deadlines_.lower_bound(range.end()));
}

bool WaitingFaults::is_late(uint64_t offset) const {
  const auto found = deadlines_.find(offset);
  return found != deadlines_.end() && found->second <= loop::Clock::now() + kAsGoodAs;
}

std::vector<uint64_t> WaitingFaults::in(Range range) const {
  std::vector<uint64_t> offsets;
  for (auto at = deadlines_.lower_bound(range.offset);
       at != deadlines_.end() && at->first < range.end(); ++at)
    offsets.push_back(at->first);
  return offsets;
}

void WaitingFaults::arm() {
  loop::Deadline earliest = loop::kNever;
  for (const auto& [offset, deadline] : deadlines_) earliest = std::min(earliest, deadline);
  armed_for_ = earliest;
  if (earliest != loop::kNever) timer_.start(earliest - loop::Clock::now());
}

void WaitingFaults::on_timer() {
  std::vector<uint64_t> late;
  for (const auto& [offset, deadline] : deadlines_)
    if (deadline <= loop::Clock::now()) late.push_back(offset);
  for (const uint64_t offset : late) deadlines_.erase(offset);
  for (const uint64_t offset : late) expired_(offset);
  arm();
}

}  // namespace r3map::region
