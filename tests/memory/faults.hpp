// Page faults in tests: touching memory that may fail, waiting for a fault, and a thread that
// answers them.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "memory/local_memory.hpp"

namespace r3map::test {

using memory::LocalMemory;

// Long enough for any machine; only a hang takes it.
inline constexpr int kPatience = 30'000;  // ms

// What a page at `offset` holds; another `generation` has other bytes.
inline std::vector<std::byte> page_bytes(uint64_t offset, uint64_t generation = 0) {
  std::vector<std::byte> page(kPage);
  for (size_t i = 0; i < kPage; i += 8) {
    const uint64_t word = (offset + i) * 0x9E3779B97F4A7C15 + generation + 1;
    std::memcpy(page.data() + i, &word, 8);
  }
  return page;
}
inline std::vector<std::byte> pages_bytes(Range range, uint64_t generation = 0) {
  std::vector<std::byte> all;
  for (uint64_t at = range.offset; at < range.end(); at += kPage) {
    const auto page = page_bytes(at, generation);
    all.insert(all.end(), page.begin(), page.end());
  }
  return all;
}
// Reads all of the page: faults if it is missing.
inline bool holds(const LocalMemory& memory, uint64_t offset, uint64_t generation = 0) {
  return std::memcmp(memory.data() + offset, page_bytes(offset, generation).data(), kPage) == 0;
}

// How reading one byte ended: with a value, or with a signal at an address.
struct Touch {
  int signal = 0;
  const void* address = nullptr;
  std::byte value{};
};

namespace detail {

// Volatile: nothing else tells the compiler that a handler reads it.
inline thread_local sigjmp_buf* volatile landing = nullptr;
inline thread_local const void* faulted_at = nullptr;

inline void on_signal(int number, siginfo_t* info, void*) {
  if (!landing) {
    signal(number, SIG_DFL);
    return;
  }
  faulted_at = info->si_addr;
  siglongjmp(*landing, number);
}

inline void catch_faults() {
  static const bool installed = [] {
    struct sigaction action {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    return sigaction(SIGBUS, &action, nullptr) == 0 && sigaction(SIGSEGV, &action, nullptr) == 0;
  }();
  (void)installed;
}

}  // namespace detail

// Does `access`; a signal that it raises stays in this thread, and the others go on.
template <typename Access>
Touch try_access(Access access) {
  detail::catch_faults();
  sigjmp_buf here;
  if (const int number = sigsetjmp(here, 1); number != 0) {
    detail::landing = nullptr;
    return {number, detail::faulted_at, {}};
  }
  detail::landing = &here;
  const std::byte value = access();
  detail::landing = nullptr;
  return {0, nullptr, value};
}
// Tests touch memory on purpose while it is mapped anew, which ThreadSanitizer takes for a write.
[[gnu::noinline, gnu::no_sanitize("thread")]] inline std::byte read_byte(const std::byte* at) {
  return *static_cast<const volatile std::byte*>(at);
}
inline Touch touch(const std::byte* at) {
  return try_access([at] { return read_byte(at); });
}
inline Touch touch_writing(const std::byte* at) {
  return try_access([at] {
    *const_cast<volatile std::byte*>(at) = std::byte{1};
    return std::byte{1};
  });
}

// A thread that touches one byte.
class Toucher {
 public:
  explicit Toucher(const std::byte* at)
      : thread_([this, at] {
          result_ = touch(at);
          done_ = true;
        }) {}
  ~Toucher() {
    if (thread_.joinable()) thread_.join();
  }
  Toucher(const Toucher&) = delete;

  bool done() const { return done_; }
  Touch wait() {
    thread_.join();
    return result_;
  }
  pthread_t handle() { return thread_.native_handle(); }

 private:
  Touch result_;
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

inline bool readable(int fd, int timeout_ms) {
  pollfd waiting{fd, POLLIN, 0};
  return poll(&waiting, 1, timeout_ms) == 1 && waiting.revents == POLLIN;
}

// The next fault. Its thread is asleep in the kernel from then until it is woken.
inline std::optional<uint64_t> wait_for_fault(LocalMemory& memory) {
  memory::Fault fault;
  while (readable(memory.fault_descriptor(), kPatience))
    if (memory.take_faults({&fault, 1}) == 1) return fault.offset;
  return std::nullopt;
}

// Answers the faults of some memories from one thread. Its handler lands, poisons or ignores.
class FaultServer {
 public:
  using Handler = std::function<void(LocalMemory&, uint64_t offset)>;

  static void land(LocalMemory& memory, uint64_t offset) {
    (void)memory.land(offset, page_bytes(offset));
  }

  explicit FaultServer(LocalMemory& memory, Handler handler = land)
      : FaultServer(std::vector{&memory}, std::move(handler)) {}
  explicit FaultServer(std::vector<LocalMemory*> memories, Handler handler = land)
      : memories_(std::move(memories)), handler_(std::move(handler)), stop_(eventfd(0, 0)),
        thread_([this] { serve(); }) {}
  ~FaultServer() {
    eventfd_write(stop_, 1);
    thread_.join();
    close(stop_);
  }
  FaultServer(const FaultServer&) = delete;
  uint64_t faults() const { return faults_; }

 private:
  void serve() {
    std::vector<pollfd> waiting{{stop_, POLLIN, 0}};
    for (LocalMemory* memory : memories_)
      waiting.push_back({memory->fault_descriptor(), POLLIN, 0});
    for (;;) {
      if (poll(waiting.data(), waiting.size(), -1) < 0) continue;
      if (waiting[0].revents) return;
      for (size_t i = 1; i < waiting.size(); ++i)
        if (waiting[i].revents) answer(*memories_[i - 1]);
    }
  }
  void answer(LocalMemory& memory) {
    memory::Fault faults[16];
    const size_t taken = memory.take_faults(faults);
    faults_ += taken;
    for (size_t i = 0; i < taken; ++i) handler_(memory, faults[i].offset);
  }

  std::vector<LocalMemory*> memories_;
  Handler handler_;
  int stop_;
  std::atomic<uint64_t> faults_ = 0;
  std::thread thread_;
};

}  // namespace r3map::test
