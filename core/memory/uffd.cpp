// Local memory filled on demand through userfaultfd. The rules it follows were measured; each has
// a test in tests/memory/uffd_test.cpp.

#include "memory/uffd.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "base/limits.hpp"
#include "memory/kernel_uffd.hpp"

namespace r3map::memory {

namespace {

int retrying_ioctl(int fd, unsigned long request, void* argument) {
  int result;
  do result = ioctl(fd, request, argument);
  while (result < 0 && errno == EINTR);
  return result;
}

// The first that is allowed: full powers by capability or sysctl, full powers by the device, or
// faults from user mode only (a system call on a missing page then gets EFAULT), which needs
// nothing. -1 and errno if none is.
int new_descriptor() {
  constexpr int kFlags = O_CLOEXEC | O_NONBLOCK;
  int fd = static_cast<int>(syscall(SYS_userfaultfd, kFlags));
  if (fd >= 0) return fd;
  if (const int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC); device >= 0) {
    fd = ioctl(device, kernel::kIoctlNewDescriptor, kFlags);
    close(device);
    if (fd >= 0) return fd;
  }
  return static_cast<int>(syscall(SYS_userfaultfd, kFlags | UFFD_USER_MODE_ONLY));
}

bool handshake(int fd, uint64_t features) {
  uffdio_api api{};
  api.api = UFFD_API;
  api.features = features;
  return ioctl(fd, UFFDIO_API, &api) == 0;
}

}  // namespace

Uffd::Descriptor::~Descriptor() {
  if (fd >= 0) close(fd);
}

Result<Uffd::Descriptor> Uffd::open_descriptor(Poisoning poisoning) {
  // A failed handshake can't be repeated on the same descriptor.
  for (const bool native : {true, false}) {
    if (native && poisoning == Poisoning::by_mapping) continue;
    Descriptor descriptor(new_descriptor(), native);
    // What every other file and connection of the process would meet as well.
    if (descriptor.fd < 0 && (errno == EMFILE || errno == ENFILE))
      return fail(Code::network, "no descriptor is left for a userfaultfd");
    if (descriptor.fd < 0 && errno == ENOMEM)
      return fail_errno("can't have a userfaultfd", errno);
    if (descriptor.fd < 0)
      return fail(Code::unsupported, "userfaultfd is forbidden here (" +
                                         std::string(std::strerror(errno)) + ")");
    const uint64_t features = UFFD_FEATURE_THREAD_ID | (native ? kernel::kFeaturePoison : 0);
    if (handshake(descriptor.fd, features)) return descriptor;
  }
  return fail(Code::unsupported, "this kernel's userfaultfd speaks another protocol");
}

Result<std::unique_ptr<LocalMemory>> Uffd::open(uint64_t size, Poisoning poisoning) {
  if (size > limits::kRegionSize)
    return fail(Code::no_memory,
                std::to_string(size) + " bytes are more than the address space holds");
  Result<Descriptor> descriptor = open_descriptor(poisoning);
  if (!descriptor) return fail(std::move(descriptor.error()));
  const uint64_t capacity = std::max(align_up(size, kPage), kPage);
  Result<Mapping> mapping = Mapping::reserve(capacity);
  if (!mapping) return fail(std::move(mapping.error()));

  std::unique_ptr<Uffd> uffd(new Uffd(std::move(*descriptor), std::move(*mapping)));
  if (Result<> armed = uffd->arm({0, capacity}); !armed) return fail(std::move(armed.error()));
  return uffd;
}

Result<std::unique_ptr<LocalMemory>> open_uffd(uint64_t size) {
  return Uffd::open(size, Uffd::Poisoning::by_kernel);
}

Uffd::Uffd(Descriptor descriptor, Mapping mapping)
    : descriptor_(std::move(descriptor)), mapping_(std::move(mapping)) {}

Uffd::~Uffd() {
  // Closing the descriptor would let waiters go on over a page of zeros, so first nothing must be
  // left that they could go on over.
  const Range all{0, capacity()};
  (void)mapping_.make_unreachable(all);
  wake(all);
}

// Registered while nobody can touch it, accessible only then.
Result<> Uffd::arm(Range range) {
  uffdio_register request{};
  request.range = kernel_range(range);
  request.mode = UFFDIO_REGISTER_MODE_MISSING;
  if (retrying_ioctl(descriptor_.fd, UFFDIO_REGISTER, &request) < 0)
    return fail_errno("can't register with userfaultfd", errno);
  if (Result<> empty = verify_empty(range); !empty) return empty;
  if (mprotect(mapping_.at(range.offset), range.length, PROT_READ) < 0)
    return fail_errno("mprotect", errno);
  return {};
}

// A page that is there already would be read as zeros and never fault.
Result<> Uffd::verify_empty(Range range) const {
  const int pagemap = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (pagemap < 0) return {};  // no /proc here: the order of arm() must do
  kernel::PageRegion found{};
  kernel::PagemapScan scan{};
  scan.size = sizeof scan;
  scan.start = reinterpret_cast<uint64_t>(mapping_.at(range.offset));
  scan.end = scan.start + range.length;
  scan.vec = reinterpret_cast<uint64_t>(&found);
  scan.vec_len = 1;
  scan.category_anyof_mask = scan.return_mask = kernel::kPagePresent | kernel::kPageSwapped;
  const int regions = retrying_ioctl(pagemap, kernel::kIoctlPagemapScan, &scan);
  close(pagemap);
  // Negative: a kernel before 6.7 has no such call.
  if (regions > 0) return fail(Code::internal, "a new mapping was filled before it was registered");
  return {};
}

uffdio_range Uffd::kernel_range(Range range) const {
  return {reinterpret_cast<uint64_t>(mapping_.at(range.offset)), range.length};
}

size_t Uffd::take_faults(std::span<Fault> faults) {
  std::array<uffd_msg, 64> messages;
  const size_t wanted = std::min(faults.size(), messages.size());
  const ssize_t got = read(descriptor_.fd, messages.data(), wanted * sizeof messages[0]);
  if (got <= 0) return 0;  // EAGAIN: somebody was woken meanwhile
  const size_t count = static_cast<size_t>(got) / sizeof messages[0];
  size_t taken = 0;
  const auto begin = reinterpret_cast<uint64_t>(mapping_.begin());
  for (size_t i = 0; i < count; ++i)
    if (messages[i].event == UFFD_EVENT_PAGEFAULT)
      faults[taken++] = {align_down(messages[i].arg.pagefault.address - begin, kPage),
                         messages[i].arg.pagefault.feat.ptid};
  return taken;
}

Result<> Uffd::land(uint64_t offset, std::span<const std::byte> pages) {
  if (descriptor_.poisons) return copy(offset, pages);
  const Range range{offset, pages.size()};
  {
    std::shared_lock lock(unreachable_mutex_);
    if (unreachable_.first_run(range).empty()) return copy(offset, pages);
  }
  // No poisoning between the cure and the copy.
  std::unique_lock lock(unreachable_mutex_);
  if (Result<> cured = cure(range); !cured) return cured;
  return copy(offset, pages);
}

Result<> Uffd::copy(uint64_t offset, std::span<const std::byte> pages) {
  const std::byte* from = pages.data();
  Range rest{offset, pages.size()};
  unsigned stuck = 0;
  while (!rest.empty()) {
    uffdio_copy copy{};
    copy.dst = kernel_range(rest).start;
    copy.src = reinterpret_cast<uint64_t>(from);
    copy.len = rest.length;
    if (ioctl(descriptor_.fd, UFFDIO_COPY, &copy) == 0) return {};
    uint64_t step = copy.copy > 0 ? static_cast<uint64_t>(copy.copy) : 0;
    if (errno == EEXIST) {
      // The first page is there: keep it, and let go who faulted on it meanwhile.
      step = kPage;
      wake({rest.offset, kPage});
    } else if (errno != EAGAIN && errno != EINTR) {
      return fail_errno("can't fill pages (was the region unmapped?)", errno);
    }
    // Without events EAGAIN without progress passes by itself; with a bug it would not.
    if (step == 0 && ++stuck > 1000) return fail(Code::io, "userfaultfd makes no progress");
    if (step == 0) sched_yield();
    rest = range_between(rest.offset + step, rest.end());
    from += step;
  }
  return {};
}

Result<> Uffd::drop(Range range) {
  std::byte* begin = mapping_.at(range.offset);
  if (madvise(begin, range.length, MADV_DONTNEED) == 0) return {};
  // The application has locked it (mlockall).
  if (errno == EINVAL && madvise(begin, range.length, kernel::kMadvDontneedLocked) == 0) return {};
  return fail_errno("can't evict", errno);
}

Result<> Uffd::poison(Range range) {
  if (!descriptor_.poisons) return poison_by_mapping(range);
  while (!range.empty()) {
    kernel::UffdioPoison request{};
    request.range = kernel_range(range);
    if (ioctl(descriptor_.fd, kernel::kIoctlPoison, &request) == 0) break;
    uint64_t step = request.updated > 0 ? static_cast<uint64_t>(request.updated) : 0;
    if (errno == EEXIST) {
      step = kPage;  // resident, or poisoned already
      wake({range.offset, kPage});
    } else if (errno != EAGAIN && errno != EINTR) {
      return fail_errno("can't poison pages", errno);
    }
    range = range_between(range.offset + step, range.end());
  }
  return {};
}

// The first run of pages in `range` that are neither in memory nor swapped out.
Range Uffd::first_missing(Range range) const {
  constexpr uint64_t kPresent = uint64_t{1} << 63, kSwapped = uint64_t{1} << 62;
  const int pagemap = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  const auto missing = [&](uint64_t offset) {
    const auto page = reinterpret_cast<uint64_t>(mapping_.at(offset)) / kPage;
    uint64_t entry = 0;
    if (pread(pagemap, &entry, sizeof entry, static_cast<off_t>(page * sizeof entry)) > 0)
      return (entry & (kPresent | kSwapped)) == 0;
    unsigned char resident = 0;  // no /proc here; this one knows nothing of swap
    return mincore(mapping_.at(offset), kPage, &resident) < 0 || (resident & 1) == 0;
  };
  uint64_t begin = range.offset;
  while (begin < range.end() && !missing(begin)) begin += kPage;
  uint64_t end = begin;
  while (end < range.end() && missing(end)) end += kPage;
  if (pagemap >= 0) close(pagemap);
  return range_between(begin, end);
}

// Before 6.6: an empty file over the missing pages. Resident pages must stay.
Result<> Uffd::poison_by_mapping(Range range) {
  std::lock_guard lock(unreachable_mutex_);
  for (Range run = first_missing(range); !run.empty();
       run = first_missing(range_between(run.end(), range.end()))) {
    if (Result<> done = mapping_.make_unreachable(run); !done) return done;
    unreachable_.add(run);
    wake(run);
  }
  return {};
}

// With the mutex held alone.
Result<> Uffd::cure(Range range) {
  for (Range run = unreachable_.first_run(range); !run.empty();
       run = unreachable_.first_run(range_between(run.end(), range.end()))) {
    if (Result<> fresh = mapping_.make_fresh(run); !fresh) return fresh;
    if (Result<> armed = arm(run); !armed) return armed;
    unreachable_.remove(run);
  }
  return {};
}

void Uffd::wake(Range range) {
  uffdio_range request = kernel_range(range);
  retrying_ioctl(descriptor_.fd, UFFDIO_WAKE, &request);
}

void Uffd::read_pinned(uint64_t offset, std::span<std::byte> out) const {
  std::copy_n(mapping_.at(offset), out.size(), out.begin());
}

}  // namespace r3map::memory
