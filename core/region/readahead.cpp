#include "region/readahead.hpp"

#include <algorithm>
#include <cmath>

#include "base/limits.hpp"

namespace r3map::region {

namespace {

// Strided readers: what is planned at first, and at most.
constexpr int64_t kFirstSteps = 4, kMostSteps = 256;
// Elements that lie at equal distances lie on pages that don't quite.
constexpr uint64_t kSlack = kPage;
// So many streams read in turn by one thread are told apart.
constexpr size_t kInterleaved = 3;
// A thread that has so many lone faults in a row fetches half of what it fetched before.
constexpr unsigned kHalvedAfter = 8;

template <typename Table>
typename Table::value_type& oldest(Table& table) {
  return *std::min_element(table.begin(), table.end(), [](const auto& a, const auto& b) {
    return a.last_used < b.last_used;
  });
}

uint64_t distance(uint64_t a, uint64_t b) { return a > b ? a - b : b - a; }

}  // namespace

Readahead::Readahead(uint64_t size, uint64_t granule, uint64_t window_limit, bool adapts)
    : size_(align_up(size, kPage)),
      granule_(granule),
      window_limit_(std::max(window_limit, granule)),
      adapts_(adapts) {}

Readahead::Plan Readahead::on_fault(uint64_t offset, uint32_t thread) {
  ++clock_;
  Thread& reader = thread_of(thread);
  Plan plan;
  if (Run* const run = find_run(offset)) {
    plan = go_on(*run, offset);
  } else if (Stride* const known = find_stride(offset)) {
    plan = go_on(*known, offset);
  } else if (Stride* const found = new_stride(reader, offset)) {
    plan = go_on(*found, offset);
  } else {
    plan = lone(reader, offset);
  }
  reader.saw(offset);
  if (!plan.ahead.empty()) reader.lone_in_a_row = 0;
  return clipped(std::move(plan));
}

Readahead::Plan Readahead::on_trap(uint64_t offset) {
  ++clock_;
  Plan plan;
  for (Run& run : runs_) {
    if (run.way == Run::Way::none || run.trap != offset) continue;
    run.window = grown(run.window);
    run.last_used = clock_;
    if (run.way == Run::Way::forward) {
      plan.ahead = {{run.edge, run.window}};
      run.trap = run.edge;
      run.edge += run.window;
    } else {
      plan.ahead = below(run.edge, run.window);
      run.trap = run.edge - std::min(run.edge, kPage);
      run.edge -= std::min(run.edge, run.window);
    }
    plan.trap = run.trap;
    return clipped(std::move(plan));
  }
  for (Stride& stride : strides_) {
    if (stride.step == 0 || stride.trap != offset) continue;
    stride.last_used = clock_;
    stride.trap_step = stride.planned;
    plan_steps(stride, plan);
    return clipped(std::move(plan));
  }
  return plan;  // its reader was forgotten for newer ones
}

Readahead::Thread& Readahead::thread_of(uint32_t id) {
  for (Thread& thread : threads_)
    if (thread.last_used > 0 && thread.id == id) {
      thread.last_used = clock_;
      return thread;
    }
  Thread& thread = oldest(threads_);
  thread = Thread();
  thread.id = id;
  thread.last_used = clock_;
  return thread;
}

void Readahead::Thread::saw(uint64_t offset) {
  std::copy_backward(faults.begin(), faults.end() - 1, faults.end());
  faults[0] = offset;
  count = std::min(count + 1, kFaults);
}

uint64_t Readahead::grown(uint64_t window) const {
  const uint64_t steady = window >= granule_ * 16 ? aim_ : 0;
  const uint64_t wanted =
      std::max({std::min(window * growth_, limits::kReadaheadWindow), steady, granule_ * 2});
  return align_down(std::min(wanted, window_limit_), kPage);
}

// A request for the whole object needs nothing below its begin or past its end.
Readahead::Plan Readahead::clipped(Plan plan) const {
  const Range all{0, size_};
  plan.demand = intersect(plan.demand, all);
  for (Range& range : plan.ahead) range = intersect(range, all);
  std::erase_if(plan.ahead, [](Range range) { return range.empty(); });
  const auto holds = [&](Range range) { return range.contains(*plan.trap); };
  if (plan.trap && std::none_of(plan.ahead.begin(), plan.ahead.end(), holds)) plan.trap.reset();
  return plan;
}

// ---- readers of neighbouring pages ------------------------------------------------------------

// A reader may skip a little, a header or a hole.
bool Readahead::continues(const Run& run, uint64_t offset) const {
  switch (run.way) {
    case Run::Way::none: return false;
    case Run::Way::forward: return offset >= run.edge && offset - run.edge <= run.window / 4;
    case Run::Way::backward: return offset < run.edge && run.edge - offset <= run.window / 4;
  }
  return false;
}

// The run that a fault continues, or that it makes of an earlier one.
Readahead::Run* Readahead::find_run(uint64_t offset) {
  for (Run& run : runs_)
    if (continues(run, offset)) return &run;
  for (Lone& lone : lone_) {
    if (lone.end == 0) continue;
    Run run{Run::Way::forward, lone.end, 0, granule_, clock_};
    if (!continues(run, offset)) run = {Run::Way::backward, lone.begin, 0, granule_, clock_};
    if (!continues(run, offset)) continue;
    lone = Lone();
    Run& place = oldest(runs_);
    place = run;
    return &place;
  }
  return nullptr;
}

Readahead::Plan Readahead::go_on(Run& run, uint64_t offset) {
  Plan plan;
  run.window = grown(run.window);
  run.last_used = clock_;
  if (run.way == Run::Way::forward) {
    plan.demand = {offset, std::min(granule_, run.window)};
    const Range ahead = range_between(plan.demand.end(), offset + run.window);
    run.edge = offset + run.window;
    if (ahead.empty()) return plan;
    plan.ahead = {ahead};
    plan.trap = ahead.offset + align_down(ahead.length / 2, kPage);
  } else {
    plan.demand = {offset, kPage};
    plan.ahead = below(offset, run.window);
    run.edge = offset - std::min(offset, run.window);
    if (plan.ahead.empty()) return plan;
    plan.trap = run.edge + align_down((offset - run.edge) / 2, kPage);
  }
  run.trap = *plan.trap;
  return plan;
}

// The window that ends at `end`, its upper part first.
std::vector<Range> Readahead::below(uint64_t end, uint64_t window) const {
  const uint64_t begin = end - std::min(end, window);
  const uint64_t piece = std::max(align_down(window / 4, kPage), granule_);
  std::vector<Range> pieces;
  while (end > begin) {
    const uint64_t length = std::min(end - begin, piece);
    pieces.push_back({end - length, length});
    end -= length;
  }
  return pieces;
}

// ---- readers at equal distances ---------------------------------------------------------------

uint64_t Readahead::place(const Stride& stride, int64_t steps) const {
  const double at = stride.origin + stride.step * static_cast<double>(steps);
  // Past the end on either side is nowhere.
  if (at < 0 || at >= static_cast<double>(size_)) return UINT64_MAX;
  return align_down(static_cast<uint64_t>(at), kPage);
}

Readahead::Stride* Readahead::find_stride(uint64_t offset) {
  for (Stride& stride : strides_) {
    if (stride.step == 0) continue;
    const double steps = (static_cast<double>(offset) - stride.origin) / stride.step;
    const int64_t nearest = std::llround(steps);
    if (nearest < stride.trap_step || nearest > stride.planned + kFirstSteps) continue;
    const uint64_t expected = place(stride, nearest);
    const auto tolerance =
        std::max(2 * kSlack, static_cast<uint64_t>(std::abs(stride.step) / 16));
    if (expected != UINT64_MAX && distance(expected, offset) <= tolerance) return &stride;
  }
  return nullptr;
}

// Three lone faults of one thread, each the same way from the one before; between them perhaps
// those of other streams, in turn.
Readahead::Stride* Readahead::new_stride(const Thread& thread, uint64_t offset) {
  const auto& faults = thread.faults;
  for (size_t apart = 1; apart <= kInterleaved && 2 * apart <= thread.count; ++apart) {
    const auto now = static_cast<double>(offset);
    const auto one = static_cast<double>(faults[apart - 1]);
    const auto two = static_cast<double>(faults[2 * apart - 1]);
    const double first = one - two, second = now - one;
    if (std::abs(second) < static_cast<double>(2 * kSlack)) continue;
    if (std::abs(first - second) > static_cast<double>(kSlack)) continue;
    Stride& stride = oldest(strides_);
    stride = Stride();
    stride.origin = two;
    stride.step = (now - two) / 2;
    stride.planned = 2;
    stride.slack = first == second ? 0 : kSlack;
    return &stride;
  }
  return nullptr;
}

Readahead::Plan Readahead::go_on(Stride& stride, uint64_t offset) {
  stride.last_used = clock_;
  const double from_origin = static_cast<double>(offset) - stride.origin;
  const int64_t steps = std::llround(from_origin / stride.step);
  if (offset != place(stride, steps)) stride.slack = kSlack;
  // The longer the way, the better its mean is known.
  if (steps > 0) stride.step = from_origin / static_cast<double>(steps);
  stride.planned = std::max(stride.planned, steps + 1);
  Plan plan;
  plan.demand = {offset, granule_};
  // Each place may be where a row begins that is longer than this.
  oldest(lone_) = {offset, plan.demand.end(), clock_};
  stride.trap_step = stride.planned;
  plan_steps(stride, plan);
  return plan;
}

// The next window of places; the trap is the one of `trap_step`.
void Readahead::plan_steps(Stride& stride, Plan& plan) {
  const auto fitting = static_cast<int64_t>(window_limit_ / (granule_ + 2 * stride.slack));
  const int64_t most = std::clamp<int64_t>(fitting, 1, kMostSteps);
  stride.window = std::clamp(stride.window * 4, std::min(kFirstSteps, most), most);
  // Not so far that what is unknown of the step adds up to more than the slack.
  if (stride.slack > 0) stride.window = std::min(stride.window, stride.planned);
  const uint64_t length = granule_ + 2 * stride.slack;
  for (int64_t end = stride.planned + stride.window; stride.planned < end; ++stride.planned) {
    const uint64_t at = place(stride, stride.planned);
    if (at == UINT64_MAX) break;
    plan.ahead.push_back({at - std::min(at, stride.slack), length});
    if (stride.planned == stride.trap_step) plan.trap = stride.trap = at;
  }
}

// ---- all others -------------------------------------------------------------------------------

Readahead::Plan Readahead::lone(Thread& thread, uint64_t offset) {
  uint64_t length = granule_;
  if (adapts_) {
    length = align_down(granule_ >> std::min(thread.lone_in_a_row / kHalvedAfter, 63u), kPage);
    length = std::max(length, kPage);
  }
  ++thread.lone_in_a_row;
  oldest(lone_) = {offset, offset + length, clock_};
  return {{offset, length}, {}, {}};
}

}  // namespace r3map::region
