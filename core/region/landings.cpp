#include "region/landings.hpp"

#include <utility>

namespace r3map::region {

Landings::Landings(loop::Loop& loop, std::function<void(Range)> told)
    : loop_(loop), told_(std::move(told)), self_(std::make_shared<Landings*>(this)) {}

void Landings::add(Range pages) {
  std::lock_guard lock(mutex_);
  const bool first = ranges_.empty();
  if (!first && ranges_.back().end() == pages.offset)
    ranges_.back().length += pages.length;
  else
    ranges_.push_back(pages);
  if (!first) return;
  loop_.post([weak = std::weak_ptr<Landings*>(self_)] {
    if (const std::shared_ptr<Landings*> self = weak.lock()) (*self)->tell();
  });
}

void Landings::tell() {
  std::vector<Range> ranges;
  {
    std::lock_guard lock(mutex_);
    ranges.swap(ranges_);
  }
  for (const Range range : ranges) told_(range);
}

}  // namespace r3map::region
