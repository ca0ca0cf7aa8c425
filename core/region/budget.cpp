#include "region/budget.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "base/limits.hpp"
#include "base/range.hpp"

namespace r3map::region {

Budget::Share::Share(Budget& budget, uint64_t limit) : budget_(budget), own_limit_(limit) {
  budget_.shares_.push_back(this);
}

Budget::Share::~Share() {
  release(used_);
  set_pinned(0, 0);
  std::erase(budget_.shares_, this);
}

uint64_t Budget::Share::limit() const {
  return own_limit_ == 0 ? budget_.limit_ : std::min(own_limit_, budget_.limit_);
}

// How much has to go before `bytes` more fit.
uint64_t Budget::Share::lacking(uint64_t bytes) const {
  const auto over = [&](uint64_t used, uint64_t limit) {
    return used + bytes > limit ? used + bytes - limit : 0;
  };
  return std::max(over(used_, limit()), over(budget_.used_, budget_.limit_));
}

bool Budget::Share::reserve_free(uint64_t bytes) {
  if (lacking(bytes) > 0) return false;
  reserve_anyway(bytes);
  return true;
}

bool Budget::Share::can_pin_for_good(uint64_t bytes) const {
  const uint64_t most = budget_.limit_ - budget_.limit_ / 8;
  return budget_.pinned_for_good_ - pinned_for_good_ + bytes <= most;
}

bool Budget::Share::can_pin(uint64_t bytes) const {
  return budget_.pinned_ - pinned_ + bytes <= budget_.limit_;
}

void Budget::Share::set_pinned(uint64_t for_good, uint64_t all) {
  budget_.pinned_for_good_ += for_good - pinned_for_good_;
  budget_.pinned_ += all - pinned_;
  pinned_for_good_ = for_good;
  pinned_ = all;
}

bool Budget::Share::reserve(uint64_t bytes) {
  if (bytes > limit()) return false;
  if (reserve_free(bytes)) return true;
  evict(lacking(bytes));
  // Then from the others, as long as it is the common limit that lacks.
  std::vector<Share*> others = budget_.shares_;
  std::sort(others.begin(), others.end(),
            [](const Share* a, const Share* b) { return a->used_ > b->used_; });
  for (Share* other : others) {
    const uint64_t missing = lacking(bytes);
    if (missing == 0 || used_ + bytes > limit()) break;
    if (other != this) other->evict(missing);
  }
  return reserve_free(bytes);
}

void Budget::Share::reserve_anyway(uint64_t bytes) {
  used_ += bytes;
  budget_.used_ += bytes;
}

void Budget::Share::release(uint64_t bytes) {
  used_ -= bytes;
  budget_.used_ -= bytes;
}

namespace {

// The first number of a file such as memory.max; "max" or a missing file: no limit.
uint64_t number_in(const std::string& path) {
  std::ifstream file(path);
  uint64_t value = 0;
  return file >> value ? value : UINT64_MAX;
}

uint64_t machine_available() {
  std::ifstream file("/proc/meminfo");
  std::string word;
  while (file >> word)
    if (word == "MemAvailable:") {
      uint64_t kib = 0;
      file >> kib;
      return kib << 10;
    }
  return uint64_t{1} << 30;
}

// The number behind a word of a file such as memory.stat; 0 if it isn't there.
uint64_t number_after(const std::string& path, std::string_view wanted) {
  std::ifstream file(path);
  std::string word;
  uint64_t value = 0;
  while (file >> word >> value)
    if (word == wanted) return value;
  return 0;
}

// File cache counts as used, but is given up before anything fails.
uint64_t used_in(const std::string& cgroup) {
  const uint64_t used = number_in(cgroup + "memory.current");
  if (used == UINT64_MAX) return used;
  const std::string stat = cgroup + "memory.stat";
  return used - std::min(used, number_after(stat, "active_file") + number_after(stat, "inactive_file"));
}

}  // namespace

uint64_t cgroup_available(const std::string& membership, const std::string& root) {
  std::istringstream lines(membership);
  std::string line;
  uint64_t available = UINT64_MAX;
  while (std::getline(lines, line)) {
    if (!line.starts_with("0::/")) continue;
    for (std::string folder = line.substr(3);; folder.resize(folder.rfind('/'))) {
      const std::string cgroup = root + folder + "/";
      const uint64_t most = number_in(cgroup + "memory.max");
      const uint64_t used = used_in(cgroup);
      if (most != UINT64_MAX && used != UINT64_MAX)
        available = std::min(available, most > used ? most - used : 0);
      if (folder.empty() || folder == "/") break;
    }
  }
  return available;
}

uint64_t default_budget() {
  std::ifstream file("/proc/self/cgroup");
  const std::string membership(std::istreambuf_iterator<char>(file), {});
  const uint64_t free =
      std::min(machine_available(), cgroup_available(membership, "/sys/fs/cgroup"));
  return std::max(align_down(free / 2, kPage), limits::kBudgetMin);
}

}  // namespace r3map::region
