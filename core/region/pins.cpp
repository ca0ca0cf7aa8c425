#include "region/pins.hpp"

#include <algorithm>

namespace r3map::region {

void Pins::add(Range range) {
  if (range.empty()) return;
  ranges_.emplace(range.offset, range.length);
  change(range, 1);
}

bool Pins::remove(Range range) {
  if (range.empty()) return true;
  const auto found = ranges_.find({range.offset, range.length});
  if (found == ranges_.end()) return false;
  ranges_.erase(found);
  change(range, -1);
  return true;
}

void Pins::change(Range range, int by) {
  const auto boundary = [&](uint64_t at) {
    auto next = counts_.upper_bound(at);
    const int count = next == counts_.begin() ? 0 : std::prev(next)->second;
    return counts_.try_emplace(at, count).first;
  };
  const auto begin = boundary(range.offset);
  const auto end = boundary(range.end());
  for (auto at = begin; at != end; ++at) {
    const uint64_t length = std::next(at)->first - at->first;
    if (at->second == 0) bytes_ += length;
    at->second += by;
    if (at->second == 0) bytes_ -= length;
  }
  // Neighbours with the same count are one again.
  for (auto at = begin; at != counts_.end() && at->first <= range.end();) {
    const int before = at == counts_.begin() ? 0 : std::prev(at)->second;
    at = at->second == before ? counts_.erase(at) : std::next(at);
  }
}

std::vector<Range> Pins::select(Range range, bool pinned) const {
  std::vector<Range> selected;
  auto next = counts_.upper_bound(range.offset);
  uint64_t at = range.offset;
  while (at < range.end()) {
    const bool here = next != counts_.begin() && std::prev(next)->second > 0;
    const uint64_t end = next == counts_.end() ? range.end() : std::min(next->first, range.end());
    if (here == pinned) selected.push_back(range_between(at, end));
    at = end;
    if (next != counts_.end()) ++next;
  }
  return selected;
}

std::vector<Range> Pins::unpinned(Range range) const { return select(range, false); }
std::vector<Range> Pins::pinned(Range range) const { return select(range, true); }

uint64_t Pins::bytes_with(Range range) const {
  uint64_t bytes = bytes_;
  for (Range part : unpinned(range)) bytes += part.length;
  return bytes;
}

}  // namespace r3map::region
