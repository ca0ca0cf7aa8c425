// Local memory without page faults: everything lands before anybody reads.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "base/limits.hpp"
#include "base/page_set.hpp"
#include "memory/local_memory.hpp"

namespace r3map::memory {

namespace {

// One memory file, mapped twice: for the application to read, and for us to write.
// Thread: land and read_pinned any; the rest one at a time.
class Plain : public LocalMemory {
 public:
  Plain(std::byte* view, std::byte* writable, uint64_t capacity)
      : view_(view), writable_(writable), capacity_(capacity) {}
  ~Plain() override {
    munmap(view_, capacity_);
    munmap(writable_, capacity_);
  }

  const std::byte* data() const override { return view_; }
  uint64_t capacity() const override { return capacity_; }
  bool on_demand() const override { return false; }
  int fault_descriptor() const override { return -1; }
  size_t take_faults(std::span<Fault>) override { return 0; }
  Result<> land(uint64_t offset, std::span<const std::byte> pages) override {
    std::lock_guard lock(resident_mutex_);
    const Range all{offset, pages.size()};
    for (Range gap = resident_.first_gap(all); !gap.empty(); gap = resident_.first_gap(all)) {
      std::memcpy(writable_ + gap.offset, pages.data() + (gap.offset - offset), gap.length);
      resident_.add(gap);
    }
    return {};
  }
  Result<> drop(Range) override { return cannot(); }
  Result<> poison(Range) override { return cannot(); }
  void wake(Range) override {}
  void read_pinned(uint64_t offset, std::span<std::byte> out) const override {
    std::copy_n(view_ + offset, out.size(), out.begin());
  }

 private:
  static Failure cannot() {
    return fail(Code::unsupported, "memory without page faults keeps all its pages");
  }
  std::byte* view_;
  std::byte* writable_;
  uint64_t capacity_;
  std::mutex resident_mutex_;
  PageSet resident_;
};

}  // namespace

Result<std::unique_ptr<LocalMemory>> open_plain(uint64_t size, uint64_t limit) {
  if (size > limit || size > limits::kRegionSize)
    return fail(Code::no_memory, std::to_string(size) + " bytes exceed the eager limit of " +
                                     std::to_string(limit) +
                                     ": allow userfaultfd (docs/containers.md)");
  const uint64_t capacity = std::max(align_up(size, kPage), kPage);
  const int file = memfd_create("r3map", MFD_CLOEXEC);
  if (file < 0) return fail_errno("memfd_create", errno);
  void* view = MAP_FAILED;
  void* writable = MAP_FAILED;
  if (ftruncate(file, static_cast<off_t>(capacity)) == 0) {
    view = mmap(nullptr, capacity, PROT_READ, MAP_SHARED, file, 0);
    writable = mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  }
  const int error = errno;
  close(file);
  if (view == MAP_FAILED || writable == MAP_FAILED) {
    if (view != MAP_FAILED) munmap(view, capacity);
    if (writable != MAP_FAILED) munmap(writable, capacity);
    return fail_errno("can't map " + std::to_string(capacity) + " bytes", error);
  }
  madvise(view, capacity, MADV_DONTFORK);
  madvise(writable, capacity, MADV_DONTFORK);
  madvise(view, capacity, MADV_DONTDUMP);
  madvise(writable, capacity, MADV_DONTDUMP);
  return std::make_unique<Plain>(static_cast<std::byte*>(view), static_cast<std::byte*>(writable),
                                 capacity);
}

}  // namespace r3map::memory
