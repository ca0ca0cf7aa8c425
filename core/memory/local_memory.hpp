// Where a region's pages live: the interface of every kind of local memory. Knows nothing of where
// bytes come from, nor why; it moves them and answers page faults when told to.
//
// Nothing above may assume that it can dereference the memory itself: one implementation will be
// another process's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/range.hpp"
#include "base/result.hpp"

namespace r3map::memory {

// A thread waits for the page at `offset`.
struct Fault {
  uint64_t offset = 0;  // page aligned
  uint32_t thread = 0;  // the kernel's number of it
};

// All ranges are page aligned unless said otherwise, relative to the region's begin, and inside
// capacity().
class LocalMemory {
 public:
  virtual ~LocalMemory() = default;

  // The first byte for the application, or null where it has no view of its own here.
  virtual const std::byte* data() const = 0;
  virtual uint64_t capacity() const = 0;  // the size, in whole pages

  // Missing pages can be filled on touch. If not, everything must land before it is read.
  virtual bool on_demand() const = 0;
  // Readable when threads wait in faults; -1 if that can't happen.
  virtual int fault_descriptor() const = 0;
  // The faults that are waiting, at most `faults.size()`. A fault can be reported twice.
  virtual size_t take_faults(std::span<Fault> faults) = 0;

  // Makes pages resident with these bytes and lets go who waits for them. Pages that are resident
  // already stay as they are; poisoned ones are cured. Thread: any, for disjoint ranges.
  virtual Result<> land(uint64_t offset, std::span<const std::byte> pages) = 0;

  // Gives the memory of pages back; they are missing afterwards. Only clean pages.
  virtual Result<> drop(Range range) = 0;

  // Makes a touch of missing pages fail with SIGBUS in the toucher, also for those who wait
  // already; resident pages stay.
  virtual Result<> poison(Range range) = 0;

  // Lets threads go that wait in `range`; where the page is still missing, they fault again.
  virtual void wake(Range range) = 0;

  // Copies resident bytes out, at any alignment. The caller holds a pin. Thread: any.
  virtual void read_pinned(uint64_t offset, std::span<std::byte> out) const = 0;
};

// Page faults by userfaultfd, mapped read-only. Code::unsupported where the kernel or a seccomp
// filter forbids it; Code::no_memory where the address space can't be had.
Result<std::unique_ptr<LocalMemory>> open_uffd(uint64_t size);

// Ordinary memory, for places where userfaultfd is forbidden. Code::no_memory if `size` is more
// than `limit`.
Result<std::unique_ptr<LocalMemory>> open_plain(uint64_t size, uint64_t limit);

}  // namespace r3map::memory
