// Kernel constants of userfaultfd and the page map that are newer than Debian 12's headers (6.1),
// with the kernel release that brought each. From include/uapi/linux/{userfaultfd,fs}.h.
#pragma once

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include <cstdint>

namespace r3map::memory::kernel {

// 6.6
inline constexpr uint64_t kFeaturePoison = 1 << 14;
struct UffdioPoison {
  uffdio_range range;
  uint64_t mode;
  int64_t updated;
};
inline constexpr unsigned long kIoctlPoison = _IOWR(UFFDIO, 0x08, UffdioPoison);

// 6.1: a descriptor with full powers for whoever may open /dev/userfaultfd
inline constexpr unsigned long kIoctlNewDescriptor = _IO(0xAA, 0x00);

// 5.18: MADV_DONTNEED that also takes locked pages
inline constexpr int kMadvDontneedLocked = 24;

// 6.7
struct PageRegion {
  uint64_t start, end, categories;
};
struct PagemapScan {
  uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
  uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
inline constexpr uint64_t kPagePresent = 1 << 3;
inline constexpr uint64_t kPageSwapped = 1 << 4;
inline constexpr unsigned long kIoctlPagemapScan = _IOWR('f', 16, PagemapScan);

}  // namespace r3map::memory::kernel
