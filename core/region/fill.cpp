#include "region/fill.hpp"

#include <cstring>
#include <iterator>

namespace r3map::region {

namespace {

// How far apart two pages of one generation can be.
constexpr uint64_t kLargestRequest = 64 << 20;

}  // namespace

Fill::Page Fill::page(uint64_t offset) const {
  std::lock_guard lock(mutex_);
  if (!taken_.contains(offset)) return {PageState::absent, {}, 0};
  if (resident_.contains(offset)) return {PageState::resident, {}, 0};
  if (held_.contains(offset)) return {PageState::held, {}, 0};
  auto owner = owners_.upper_bound(offset);
  if (owner != owners_.begin() && offset < (--owner)->second.end) {
    Page page{PageState::filling, range_between(owner->first, owner->second.end), owner->first};
    // What was taken away splits an owner; what it brings first may be further down.
    const uint64_t generation = owner->second.generation;
    while (owner != owners_.begin() && offset - (--owner)->second.end < kLargestRequest)
      if (owner->second.generation == generation) page.next = owner->first;
    return page;
  }
  return {PageState::landing, {}, 0};
}

Range Fill::first_absent(Range range) const {
  std::lock_guard lock(mutex_);
  return taken_.first_gap(range);
}

bool Fill::is_resident(Range range) const {
  std::lock_guard lock(mutex_);
  return resident_.contains_all(range);
}

uint64_t Fill::resident_bytes() const {
  std::lock_guard lock(mutex_);
  return resident_.bytes() + held_.size() * kPage;
}

uint64_t Fill::resident_bytes(Range range) const {
  std::lock_guard lock(mutex_);
  const auto held = std::distance(held_.lower_bound(range.offset), held_.lower_bound(range.end()));
  return resident_.bytes_in(range) + static_cast<uint64_t>(held) * kPage;
}

uint64_t Fill::filling_bytes() const {
  std::lock_guard lock(mutex_);
  return filling_bytes_;
}

uint64_t Fill::begin(Range range) {
  std::lock_guard lock(mutex_);
  taken_.add(range);
  owners_[range.offset] = {range.end(), ++generation_};
  filling_bytes_ += range.length;
  return generation_;
}

Fill::Twin Fill::begin_twin(uint64_t generation, Range range) {
  std::lock_guard lock(mutex_);
  auto at = owners_.upper_bound(range.offset);
  if (at != owners_.begin() && std::prev(at)->second.end > range.offset) --at;
  for (; at != owners_.end() && at->first < range.end(); ++at) {
    if (at->second.generation != generation || at->second.twin != 0) continue;
    const Range part = intersect(range_between(at->first, at->second.end), range);
    disown(generation, part);
    owners_[part.offset] = {part.end(), generation, ++generation_};
    filling_bytes_ += part.length;
    return {generation_, part};
  }
  return {};
}

bool Fill::owns_any(uint64_t generation, Range range) const {
  std::lock_guard lock(mutex_);
  auto at = owners_.upper_bound(range.offset);
  if (at != owners_.begin()) --at;
  for (; at != owners_.end() && at->first < range.end(); ++at)
    if (at->second.is(generation) && at->second.end > range.offset) return true;
  return false;
}

// Removes from owners_ what `generation` (0: anybody) owns of `range`; answers what that was.
std::vector<Range> Fill::disown(uint64_t generation, Range range) {
  std::vector<Range> parts;
  auto at = owners_.upper_bound(range.offset);
  if (at != owners_.begin()) --at;
  while (at != owners_.end() && at->first < range.end()) {
    const Range owned = range_between(at->first, at->second.end);
    const Range part = intersect(owned, range);
    const Owner owner = at->second;
    if (part.empty() || (generation != 0 && !owner.is(generation))) {
      ++at;
      continue;
    }
    at = owners_.erase(at);
    if (owned.offset < part.offset)
      owners_[owned.offset] = {part.offset, owner.generation, owner.twin};
    if (part.end() < owned.end()) at = owners_.emplace(part.end(), owner).first;
    filling_bytes_ -= part.length;
    parts.push_back(part);
  }
  return parts;
}

void Fill::take_away(Range range) {
  std::lock_guard lock(mutex_);
  for (Range part : disown(0, range)) taken_.remove(part);
}

void Fill::hold(uint64_t offset) {
  std::lock_guard lock(mutex_);
  to_hold_.add({offset, kPage});
}

bool Fill::dont_hold(uint64_t offset) {
  std::lock_guard lock(mutex_);
  const bool was = to_hold_.contains(offset);
  to_hold_.remove({offset, kPage});
  return was;
}

// Keeps back the pages that are to be held; answers the rest.
std::vector<Range> Fill::split_at_holds(const std::vector<Range>& ranges, uint64_t offset,
                                        std::span<const std::byte> pages) {
  std::vector<Range> rest;
  for (Range range : ranges) {
    for (Range hold = to_hold_.first_run(range); !hold.empty(); hold = to_hold_.first_run(range)) {
      if (range.offset < hold.offset) rest.push_back(range_between(range.offset, hold.offset));
      for (uint64_t at = hold.offset; at < hold.end(); at += kPage) {
        auto page = std::make_unique<HeldPage>();
        std::memcpy(page->data(), pages.data() + (at - offset), kPage);
        held_[at] = std::move(page);
      }
      to_hold_.remove(hold);
      range = range_between(hold.end(), range.end());
    }
    if (!range.empty()) rest.push_back(range);
  }
  return rest;
}

Fill::Landed Fill::land(uint64_t generation, uint64_t offset, std::span<const std::byte> pages) {
  Landed landed;
  std::vector<Range> parts;
  {
    std::lock_guard lock(mutex_);
    const std::vector<Range> owned = disown(generation, {offset, pages.size()});
    parts = to_hold_.empty() ? owned : split_at_holds(owned, offset, pages);
    for (Range part : owned) landed.bytes += part.length;
  }
  for (Range part : parts) {
    if (landed.result)
      landed.result = memory_.land(part.offset, pages.subspan(part.offset - offset, part.length));
    std::lock_guard lock(mutex_);
    if (landed.result) {
      resident_.add(part);
      landed.resident.push_back(part);
    } else {
      taken_.remove(part);
      landed.bytes -= part.length;
    }
  }
  return landed;
}

std::vector<Range> Fill::end(uint64_t generation, Range range) {
  std::lock_guard lock(mutex_);
  // What it shares is the other's from now on.
  auto at = owners_.upper_bound(range.offset);
  if (at != owners_.begin()) --at;
  for (; at != owners_.end() && at->first < range.end(); ++at) {
    Owner& owner = at->second;
    if (owner.twin == 0 || !owner.is(generation)) continue;
    if (owner.generation == generation) owner.generation = owner.twin;
    owner.twin = 0;
  }
  std::vector<Range> left = disown(generation, range);
  for (Range part : left) taken_.remove(part);
  return left;
}

Result<bool> Fill::release(uint64_t offset) {
  std::unique_ptr<HeldPage> page;
  {
    std::lock_guard lock(mutex_);
    const auto held = held_.find(offset);
    if (held == held_.end()) return false;
    page = std::move(held->second);
    held_.erase(held);
  }
  const Result<> landed = memory_.land(offset, *page);
  std::lock_guard lock(mutex_);
  if (!landed) {
    taken_.remove({offset, kPage});
    return fail(landed.error());
  }
  resident_.add({offset, kPage});
  return true;
}

Fill::Released Fill::release_all(Range range) {
  Released released;
  for (;;) {
    uint64_t offset;
    {
      std::lock_guard lock(mutex_);
      to_hold_.remove(range);
      const auto held = held_.lower_bound(range.offset);
      if (held == held_.end() || held->first >= range.end()) return released;
      offset = held->first;
    }
    if (Result<bool> landed = release(offset); !landed) {
      released.result = fail(std::move(landed.error()));
      return released;
    }
    released.offsets.push_back(offset);
  }
}

Fill::Evicted Fill::evict(Range range) {
  Evicted evicted;
  std::lock_guard lock(mutex_);
  uint64_t begin_of_rest = range.offset;
  for (;;) {
    const Range run = resident_.first_run(range_between(begin_of_rest, range.end()));
    if (run.empty()) break;
    begin_of_rest = run.end();
    if (Result<> dropped = memory_.drop(run); !dropped) {
      evicted.result = std::move(dropped);
      continue;
    }
    resident_.remove(run);
    taken_.remove(run);
    evicted.ranges.push_back(run);
  }
  for (auto held = held_.lower_bound(range.offset);
       held != held_.end() && held->first < range.end(); held = held_.erase(held)) {
    taken_.remove({held->first, kPage});
    evicted.ranges.push_back({held->first, kPage});
  }
  return evicted;
}

Result<> Fill::poison(uint64_t offset) { return memory_.poison({offset, kPage}); }

}  // namespace r3map::region
