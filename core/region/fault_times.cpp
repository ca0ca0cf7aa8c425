#include "region/fault_times.hpp"

namespace r3map::region {

void FaultTimes::seen(uint64_t offset, Time now) {
  std::lock_guard lock(mutex_);
  waiting_.try_emplace(offset, now);
  count_ = waiting_.size();
}

std::vector<FaultTimes::Answered> FaultTimes::answered(Range pages, Time now) {
  std::vector<Answered> answers;
  if (count_ == 0) return answers;
  std::lock_guard lock(mutex_);
  auto at = waiting_.lower_bound(pages.offset);
  while (at != waiting_.end() && at->first < pages.end()) {
    const Duration took = now - at->second;
    histogram_.add(std::chrono::duration_cast<Histogram::Duration>(took));
    answers.push_back({at->first, took, trouble_at_ >= at->second ? trouble_ : ""});
    at = waiting_.erase(at);
  }
  count_ = waiting_.size();
  return answers;
}

void FaultTimes::trouble(std::string cause, Time now) {
  std::lock_guard lock(mutex_);
  trouble_ = std::move(cause);
  trouble_at_ = now;
}

FaultTimes::Duration FaultTimes::failed(uint64_t offset, Time now) {
  std::lock_guard lock(mutex_);
  const auto found = waiting_.find(offset);
  if (found == waiting_.end()) return Duration::zero();
  const Duration took = now - found->second;
  waiting_.erase(found);
  count_ = waiting_.size();
  return took;
}

Histogram FaultTimes::histogram() const {
  std::lock_guard lock(mutex_);
  return histogram_;
}

}  // namespace r3map::region
