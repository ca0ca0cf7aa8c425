// Local memory filled on demand through userfaultfd. Must not know why a page is wanted.
#pragma once

#include <linux/userfaultfd.h>

#include <shared_mutex>

#include "base/page_set.hpp"
#include "memory/local_memory.hpp"
#include "memory/mapping.hpp"

namespace r3map::memory {

// Thread: land, wake and read_pinned any; the rest one at a time.
class Uffd : public LocalMemory {
 public:
  // How pages are made to fail: UFFDIO_POISON where the kernel has it (6.6), or else, or when asked
  // for, by mapping an empty file over them.
  enum class Poisoning { by_kernel, by_mapping };
  static Result<std::unique_ptr<LocalMemory>> open(uint64_t size, Poisoning poisoning);
  ~Uffd() override;

  const std::byte* data() const override { return mapping_.begin(); }
  uint64_t capacity() const override { return mapping_.length(); }
  bool on_demand() const override { return true; }
  int fault_descriptor() const override { return descriptor_.fd; }
  size_t take_faults(std::span<Fault> faults) override;
  Result<> land(uint64_t offset, std::span<const std::byte> pages) override;
  Result<> drop(Range range) override;
  Result<> poison(Range range) override;
  void wake(Range range) override;
  void read_pinned(uint64_t offset, std::span<std::byte> out) const override;

 private:
  struct Descriptor {
    Descriptor(int descriptor, bool native) : fd(descriptor), poisons(native) {}
    Descriptor(Descriptor&& other) noexcept
        : fd(std::exchange(other.fd, -1)), poisons(other.poisons) {}
    ~Descriptor();
    int fd;
    bool poisons;  // the kernel has UFFDIO_POISON
  };

  Uffd(Descriptor descriptor, Mapping mapping);
  static Result<Descriptor> open_descriptor(Poisoning poisoning);
  Result<> copy(uint64_t offset, std::span<const std::byte> pages);
  Result<> arm(Range range);
  Result<> verify_empty(Range range) const;
  Range first_missing(Range range) const;
  Result<> poison_by_mapping(Range range);
  Result<> cure(Range range);
  uffdio_range kernel_range(Range range) const;

  Descriptor descriptor_;
  Mapping mapping_;
  // Shared: while pages are filled. Alone: while they are replaced, either way.
  std::shared_mutex unreachable_mutex_;
  PageSet unreachable_;  // what poison_by_mapping replaced
};

}  // namespace r3map::memory
