#include "region/readahead.hpp"

#include <algorithm>

namespace r3map::region {

Readahead::Readahead(uint64_t size, uint64_t granule, uint64_t window_limit)
    : size_(align_up(size, kPage)),
      granule_(granule),
      window_limit_(std::max(window_limit, granule)) {}

Readahead::Stream& Readahead::oldest() {
  return *std::min_element(streams_.begin(), streams_.end(), [](const Stream& a, const Stream& b) {
    return a.last_used < b.last_used;
  });
}

uint64_t Readahead::grown(uint64_t window) const { return std::min(window * 4, window_limit_); }

Readahead::Plan Readahead::clipped(Plan plan) const {
  const Range all{0, size_};
  plan.demand = intersect(plan.demand, all);
  plan.ahead = intersect(plan.ahead, all);
  if (plan.trap && !plan.ahead.contains(*plan.trap)) plan.trap.reset();
  return plan;
}

Readahead::Plan Readahead::on_fault(uint64_t offset) {
  ++clock_;
  for (Stream& stream : streams_) {
    // A reader may skip a little, a header or a hole.
    if (stream.window == 0 || offset < stream.end || offset - stream.end > stream.window / 4)
      continue;
    stream.window = grown(stream.window);
    Plan plan;
    plan.demand = {offset, std::min(granule_, stream.window)};
    plan.ahead = range_between(plan.demand.end(), offset + stream.window);
    if (!plan.ahead.empty())
      plan.trap = plan.ahead.offset + align_down(plan.ahead.length / 2, kPage);
    stream.end = offset + stream.window;
    stream.trap = plan.trap.value_or(0);
    stream.last_used = clock_;
    return clipped(plan);
  }
  oldest() = {offset + granule_, 0, granule_, clock_};
  return clipped({{offset, granule_}, {}, {}});
}

Readahead::Plan Readahead::on_trap(uint64_t offset) {
  ++clock_;
  for (Stream& stream : streams_) {
    if (stream.window == 0 || stream.trap != offset) continue;
    stream.window = grown(stream.window);
    Plan plan;
    plan.ahead = {stream.end, stream.window};
    plan.trap = stream.end;
    stream.trap = stream.end;
    stream.end += stream.window;
    stream.last_used = clock_;
    return clipped(plan);
  }
  return {};  // its reader was forgotten for newer ones
}

}  // namespace r3map::region
