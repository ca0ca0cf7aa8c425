// Local memory for tests of what stands above it: an array that remembers which pages are there,
// and fails when told to.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "memory/local_memory.hpp"

namespace r3map::test {

// Thread: any.
class FakeMemory : public memory::LocalMemory {
 public:
  explicit FakeMemory(uint64_t capacity) : bytes_(capacity), present_(capacity / kPage) {}

  const std::byte* data() const override { return bytes_.data(); }
  uint64_t capacity() const override { return bytes_.size(); }
  bool on_demand() const override { return true; }
  int fault_descriptor() const override { return -1; }
  size_t take_faults(std::span<memory::Fault>) override { return 0; }

  Result<> land(uint64_t offset, std::span<const std::byte> pages) override {
    std::lock_guard lock(mutex_);
    EXPECT_EQ(offset % kPage, 0u);
    EXPECT_EQ(pages.size() % kPage, 0u);
    EXPECT_LE(offset + pages.size(), bytes_.size());
    landings_.push_back({offset, pages.size()});
    if (!intersect(failing_, {offset, pages.size()}).empty())
      return fail(Code::io, "an injected failure to land");
    for (uint64_t at = 0; at < pages.size(); at += kPage) {
      if (present_[(offset + at) / kPage]) continue;
      std::memcpy(bytes_.data() + offset + at, pages.data() + at, kPage);
      present_[(offset + at) / kPage] = true;
      poisoned_.erase(offset + at);
    }
    return {};
  }
  Result<> drop(Range range) override {
    std::lock_guard lock(mutex_);
    if (drops_fail_) return fail(Code::io, "an injected failure to drop");
    for (uint64_t at = range.offset; at < range.end(); at += kPage) {
      EXPECT_TRUE(present_[at / kPage]) << "dropped, and not there: " << at;
      present_[at / kPage] = false;
    }
    return {};
  }
  Result<> poison(Range range) override {
    std::lock_guard lock(mutex_);
    for (uint64_t at = range.offset; at < range.end(); at += kPage)
      if (!present_[at / kPage]) poisoned_.insert(at);
    return {};
  }
  void wake(Range) override {}
  void read_pinned(uint64_t offset, std::span<std::byte> out) const override {
    std::memcpy(out.data(), bytes_.data() + offset, out.size());
  }

  bool present(uint64_t offset) const {
    std::lock_guard lock(mutex_);
    return present_[offset / kPage];
  }
  bool poisoned(uint64_t offset) const {
    std::lock_guard lock(mutex_);
    return poisoned_.contains(offset);
  }
  std::vector<Range> landings() const {
    std::lock_guard lock(mutex_);
    return landings_;
  }
  void fail_landing(Range range) {
    std::lock_guard lock(mutex_);
    failing_ = range;
  }
  void fail_drops(bool fails) {
    std::lock_guard lock(mutex_);
    drops_fail_ = fails;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::byte> bytes_;
  std::vector<bool> present_;
  std::set<uint64_t> poisoned_;
  std::vector<Range> landings_;
  Range failing_;
  bool drops_fail_ = false;
};

constexpr uint64_t pages(uint64_t count) { return count * kPage; }

}  // namespace r3map::test
