#include "memory/mapping.hpp"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <mutex>
#include <utility>

namespace r3map::memory {

namespace {

constexpr int kReserve = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

// An empty file: any touch of its mapping is past its end. Kept open for good, and opened by the
// first reservation: when it is needed, there may be no descriptor to be had.
std::mutex empty_file_mutex;

Result<int> empty_file() {
  static int descriptor = -1;
  static struct stat identity;
  std::lock_guard lock(empty_file_mutex);
  // Hosts close descriptors that they don't know (close_range), and the number is another file's.
  struct stat now;
  if (descriptor >= 0 && fstat(descriptor, &now) == 0 && now.st_dev == identity.st_dev &&
      now.st_ino == identity.st_ino)
    return descriptor;
  descriptor = memfd_create("r3map-unreachable", MFD_CLOEXEC);
  if (descriptor < 0 || fstat(descriptor, &identity) < 0) return fail_errno("memfd_create", errno);
  return descriptor;
}

// Ranges of closed regions. A thread that was let go from a page fault touches its page again some
// time later, and nobody can tell when; if the range were free by then, it could read what somebody
// else mapped there. So the last few ranges stay reserved, unreachable.
class Quarantine {
 public:
  void put(std::byte* begin, uint64_t length) {
    std::lock_guard lock(mutex_);
    ranges_.emplace_back(begin, length);
    bytes_ += length;
    while (ranges_.size() > kRanges || bytes_ > kBytes) release_oldest();
  }

  // Gives all of it back: address space is short.
  void release() {
    std::lock_guard lock(mutex_);
    while (!ranges_.empty()) release_oldest();
  }

  // A child of fork() has inherited the list but not the ranges: by now its addresses may be
  // something else.
  void forget() {
    ranges_.clear();
    bytes_ = 0;
  }
  std::mutex& mutex() { return mutex_; }

 private:
  static constexpr size_t kRanges = 64;
  static constexpr uint64_t kBytes = uint64_t{1} << 42;

  void release_oldest() {
    const auto [begin, length] = ranges_.front();
    ranges_.pop_front();
    bytes_ -= length;
    munmap(begin, length);
  }

  std::mutex mutex_;
  std::deque<std::pair<std::byte*, uint64_t>> ranges_;
  uint64_t bytes_ = 0;
};

// Never destroyed: regions can end after static destructors have run.
Quarantine& quarantine() {
  static auto* instance = new Quarantine;
  return *instance;
}

void unlock_after_fork() {
  quarantine().mutex().unlock();
  empty_file_mutex.unlock();
}

// Another thread may be at either of them in the moment of a fork.
[[maybe_unused]] const int registered = pthread_atfork(
    [] {
      empty_file_mutex.lock();
      quarantine().mutex().lock();
    },
    unlock_after_fork,
    [] {
      quarantine().forget();
      unlock_after_fork();
    });

}  // namespace

Result<Mapping> Mapping::reserve(uint64_t length) {
  if (Result<int> file = empty_file(); !file) return fail(std::move(file.error()));
  void* begin = mmap(nullptr, length, PROT_NONE, kReserve, -1, 0);
  if (begin == MAP_FAILED) {
    quarantine().release();
    begin = mmap(nullptr, length, PROT_NONE, kReserve, -1, 0);
  }
  if (begin == MAP_FAILED)
    return fail_errno("can't reserve " + std::to_string(length) + " bytes of address space", errno);
  Mapping mapping(static_cast<std::byte*>(begin), length);
  if (Result<> prepared = prepare(mapping.begin_, length); !prepared)
    return fail(std::move(prepared.error()));
  return mapping;
}

Result<> Mapping::prepare(std::byte* begin, uint64_t length) {
  // mlockall(MCL_FUTURE) locks new mappings, and locked memory is filled with zeros as soon as it
  // becomes accessible.
  if (munlock(begin, length) < 0) return fail_errno("munlock", errno);
  // A child would read zeros where nobody answers its faults.
  if (madvise(begin, length, MADV_DONTFORK) < 0) return fail_errno("madvise(DONTFORK)", errno);
  if (madvise(begin, length, MADV_DONTDUMP) < 0) return fail_errno("madvise(DONTDUMP)", errno);
  return {};
}

Mapping::Mapping(Mapping&& other) noexcept
    : begin_(std::exchange(other.begin_, nullptr)), length_(std::exchange(other.length_, 0)) {}

Mapping::~Mapping() {
  if (!begin_) return;
  if (make_unreachable({0, length_}))
    quarantine().put(begin_, length_);
  else
    munmap(begin_, length_);
}

Result<> Mapping::make_unreachable(Range range) {
  Result<int> file = empty_file();
  if (!file) return fail(std::move(file.error()));
  // At its own offset in the file, so that the kernel joins neighbours: it allows a process 65,530
  // mappings.
  if (mmap(at(range.offset), range.length, PROT_READ, MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
           *file, static_cast<off_t>(range.offset)) == MAP_FAILED)
    return fail_errno("can't make a range unreachable", errno);
  madvise(at(range.offset), range.length, MADV_DONTFORK);
  // A core dump would try each page.
  madvise(at(range.offset), range.length, MADV_DONTDUMP);
  return {};
}

Result<> Mapping::make_fresh(Range range) {
  if (mmap(at(range.offset), range.length, PROT_NONE, kReserve | MAP_FIXED, -1, 0) == MAP_FAILED)
    return fail_errno("can't renew a range", errno);
  return prepare(at(range.offset), range.length);
}

}  // namespace r3map::memory
