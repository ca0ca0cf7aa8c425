// What r3map is compared with: userfaultfd as it is, in as few system calls as the task needs. Must
// not use r3map.
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "support.hpp"

namespace bench {

namespace {

// A source and a registered range of the same size, both empty.
class Bare {
 public:
  explicit Bare(uint64_t size)
      : fd_(open_descriptor()), source_(untouched_memory(size)), data_(untouched_memory(size)) {
    uffdio_api api{};
    api.api = UFFD_API;
    if (ioctl(fd_, UFFDIO_API, &api) < 0) die_errno("UFFDIO_API");
    uffdio_register request{};
    request.range = {reinterpret_cast<uint64_t>(data_), size};
    request.mode = UFFDIO_REGISTER_MODE_MISSING;
    if (ioctl(fd_, UFFDIO_REGISTER, &request) < 0) die_errno("UFFDIO_REGISTER");
    if (mprotect(data_, size, PROT_READ) < 0) die_errno("mprotect");
  }

  const std::byte* data() const { return data_; }
  int descriptor() const { return fd_; }

  // Copies and lets go who waits there.
  void copy(uint64_t offset, uint64_t length) const {
    uffdio_copy request{};
    request.dst = reinterpret_cast<uint64_t>(data_ + offset);
    request.src = reinterpret_cast<uint64_t>(source_ + offset);
    request.len = length;
    while (ioctl(fd_, UFFDIO_COPY, &request) < 0) {
      if (errno == EEXIST) return;  // a fault that was reported twice
      if (errno != EAGAIN) die_errno("UFFDIO_COPY");
      if (request.copy > 0) {
        request.dst += static_cast<uint64_t>(request.copy);
        request.src += static_cast<uint64_t>(request.copy);
        request.len -= static_cast<uint64_t>(request.copy);
      }
    }
  }

  void drop(uint64_t size) const {
    if (madvise(data_, size, MADV_DONTNEED) < 0) die_errno("madvise");
  }

 private:
  static int open_descriptor() {
    constexpr int kFlags = O_CLOEXEC | O_NONBLOCK;
    int fd = static_cast<int>(syscall(SYS_userfaultfd, kFlags));
    if (fd < 0) fd = static_cast<int>(syscall(SYS_userfaultfd, kFlags | UFFD_USER_MODE_ONLY));
    if (fd < 0) die_errno("userfaultfd");
    return fd;
  }

  const int fd_;
  std::byte* const source_;
  std::byte* const data_;
};

// One thread that answers each fault with its one page: poll, read, UFFDIO_COPY.
class PagePerFault {
 public:
  explicit PagePerFault(const Bare& bare) : bare_(bare), thread_([this] { answer(); }) {}
  ~PagePerFault() {
    eventfd_write(stop_, 1);
    thread_.join();
    close(stop_);
  }

 private:
  void answer() {
    const auto begin = reinterpret_cast<uint64_t>(bare_.data());
    pollfd polled[] = {{bare_.descriptor(), POLLIN, 0}, {stop_, POLLIN, 0}};
    for (;;) {
      if (poll(polled, 2, -1) < 0 && errno != EINTR) die_errno("poll");
      if (polled[1].revents) return;
      uffd_msg message;
      if (read(bare_.descriptor(), &message, sizeof message) != sizeof message) continue;
      if (message.event != UFFD_EVENT_PAGEFAULT) continue;
      bare_.copy((message.arg.pagefault.address - begin) / kPage * kPage, kPage);
    }
  }

  const Bare& bare_;
  const int stop_ = eventfd(0, EFD_CLOEXEC);
  std::thread thread_;
};

// 1 MiB at a time, on this thread. With `sum` each MiB is read after its copy.
uint64_t copy_all(const Bare& bare, const Arguments& arguments) {
  constexpr uint64_t kPiece = 1 << 20;
  uint64_t sum = 0;
  for (uint64_t at = 0; at < arguments.size; at += kPiece) {
    const uint64_t length = std::min(kPiece, arguments.size - at);
    bare.copy(at, length);
    if (arguments.sum) sum += sum_words(bare.data() + at, length);
  }
  return sum;
}

}  // namespace

void sequential_uffd_copy(const Arguments& arguments) {
  const Bare bare(arguments.size);
  if (arguments.warm) {
    copy_all(bare, arguments);
    bare.drop(arguments.size);
  }
  const double begin = seconds_now();
  const uint64_t sum = copy_all(bare, arguments);
  const double seconds = seconds_now() - begin;
  if (sum != 0) die("the source holds zeros, and the sum is another");
  print_seconds(seconds, arguments.size);
}

void sequential_page_per_fault(const Arguments& arguments) {
  const Bare bare(arguments.size);
  const PagePerFault answering(bare);
  if (arguments.warm) {
    touch_pages(bare.data(), arguments.size);
    bare.drop(arguments.size);
  }
  const double begin = seconds_now();
  const uint64_t sum = arguments.sum ? sum_words(bare.data(), arguments.size)
                                     : touch_pages(bare.data(), arguments.size);
  const double seconds = seconds_now() - begin;
  if (sum != 0) die("the source holds zeros, and the sum is another");
  print_seconds(seconds, arguments.size);
}

void random_bare(const Arguments& arguments) {
  const Bare bare(arguments.size);
  const PagePerFault answering(bare);
  print_latencies(
      time_touches(bare.data(), random_pages(arguments.size, arguments.count, arguments.seed)));
}

}  // namespace bench
