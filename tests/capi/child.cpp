// What ends a process, forks or gives up rights: the pieces of process_test.cpp that need a process
// of their own. Run as `capi_child PIECE`; ends with 0, with 77 and a reason when it can't be done
// here, or with 1 and what went wrong.

#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "capi/content.hpp"
#include "capi/every_call.hpp"
#include "capi/stalling_server.hpp"
#include "r3map.h"
#include "support/sigbus.hpp"

namespace {

using namespace r3map::test;

constexpr uint64_t kMiB = 1 << 20;

[[noreturn]] void give_up(int status, int line, const char* what) {
  const int error = errno;
  std::fprintf(stderr, "child.cpp:%d: %s; r3map: %s; errno %d\n", line, what,
               r3map_last_error_message(), error);
  _exit(status);
}
#define CHECK(condition)                                       \
  do {                                                         \
    if (!(condition)) give_up(1, __LINE__, #condition);        \
  } while (0)
#define SKIP(why) give_up(77, __LINE__, why)

bool says(const char* text) { return std::strstr(r3map_last_error_message(), text) != nullptr; }

// A file without a name, so that nothing is left of it however the process ends; as its path.
std::string temp_file(uint64_t size, mode_t mode = 0644) {
  const char* const folder = std::getenv("TMPDIR");
  std::string path = std::string(folder ? folder : "/tmp") + "/r3map-child-XXXXXX";
  const int fd = mkstemp(path.data());
  const std::vector<std::byte> bytes = content(0, size);
  CHECK(fd >= 0 && write(fd, bytes.data(), size) == static_cast<ssize_t>(size));
  CHECK(fchmod(fd, mode) == 0 && unlink(path.c_str()) == 0);
  return "/proc/self/fd/" + std::to_string(fd);
}

// A file's path, where nothing is.
std::string temp_path() {
  const char* const folder = std::getenv("TMPDIR");
  std::string path = std::string(folder ? folder : "/tmp") + "/r3map-child-XXXXXX";
  const int fd = mkstemp(path.data());
  CHECK(fd >= 0 && close(fd) == 0 && unlink(path.c_str()) == 0);
  return path;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

r3map_region* open_region(const std::string& url, const r3map_options* options = nullptr) {
  r3map_region* region = nullptr;
  CHECK(r3map_region_open(&region, url.c_str(), options) == R3MAP_OK);
  return region;
}

const std::byte* data_of(r3map_region* region) {
  return static_cast<const std::byte*>(r3map_region_data(region));
}

bool is_content(const std::byte* data, uint64_t offset, uint64_t length) {
  for (uint64_t i = 0; i < length; ++i)
    if (data[i] != content_at(offset + i)) return false;
  return true;
}

r3map_stats stats_of(r3map_region* region) {
  r3map_stats stats{};
  stats.struct_size = sizeof stats;
  CHECK(r3map_region_stats(region, &stats) == R3MAP_OK);
  return stats;
}

void become_nobody() {
  if (getuid() != 0) return;
  CHECK(setgroups(0, nullptr) == 0);
  CHECK(setresgid(65534, 65534, 65534) == 0);
  CHECK(setresuid(65534, 65534, 65534) == 0);
  // As a process that never had privileges is.
  CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
}

// ---- fork ---------------------------------------------------------------------------------------

void run_and_expect(int status, const std::function<void()>& body) {
  std::fflush(nullptr);
#if defined(__SANITIZE_ADDRESS__)
  // GCC 12's AddressSanitizer does not hold its allocator's locks over a fork: a child inherits one
  // that a thread of ours was just holding. So they have some time to come to rest.
  usleep(100'000);
#endif
  const pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    alarm(30);
    body();
    _exit(0);
  }
  int got = 0;
  CHECK(waitpid(pid, &got, 0) == pid);
  if (got != status) {
    std::fprintf(stderr, "the forked child ended with %#x and not %#x\n", got, status);
    std::exit(1);
  }
}

// The child's copies of handles answer EFORKED, from every function.
void fork_handles() {
  const std::string file = temp_file(kMiB);
  r3map_region* const region = open_region("file://" + file);
  r3map_resource* resource = nullptr;
  r3map_queue* queue = nullptr;
  r3map_options* options = nullptr;
  CHECK(r3map_resource_open(&resource, "memory:1M", nullptr) == 0);
  CHECK(r3map_queue_new(&queue) == 0);
  CHECK(r3map_options_new(&options) == 0);
  CHECK(touch(data_of(region)) == content_at(0));
  run_and_expect(0, [&] {
    char text[64];
    CHECK(r3map_region_data(region) == nullptr);
    CHECK(r3map_stats_text(R3MAP_STATS_JSON, text, sizeof text) == 2);  // no region: []
    const std::vector<int> calls[] = {
        call_region(region, queue), call_resource(resource, queue), call_options(options),
        call_queue(queue, region), {r3map_region_close(region), r3map_resource_close(resource)}};
    for (size_t kind = 0; kind < std::size(calls); ++kind)
      for (size_t i = 0; i < calls[kind].size(); ++i)
        if (calls[kind][i] != R3MAP_EFORKED) {
          std::fprintf(stderr, "kind %zu, call %zu: %d\n", kind, i, calls[kind][i]);
          _exit(1);
        }
    CHECK(says("fork"));
    r3map_options_free(options);
    r3map_queue_free(queue);
  });
  CHECK(is_content(data_of(region), 0, kMiB));
  CHECK(r3map_options_set_pull(options, 0) == 0);
  CHECK(r3map_region_close(region) == 0);
}

// The child opens its own, beside what it inherited, and ends by exit(), with its handlers.
void fork_open() {
  const std::string file = temp_file(kMiB);
  r3map_region* const region = open_region("file://" + file);
  CHECK(touch(data_of(region) + 4096) == content_at(4096));
  for (const bool closes : {true, false})
    run_and_expect(7 << 8, [&] {
      r3map_region* const own = open_region("file://" + file);
      CHECK(is_content(data_of(own), 0, kMiB));
      r3map_queue* queue = nullptr;
      CHECK(r3map_queue_new(&queue) == 0);
      CHECK(r3map_region_open_async("memory:1M", nullptr, queue, 1) == 0);
      r3map_completion completion{};
      completion.struct_size = sizeof completion;
      CHECK(r3map_queue_next(queue, &completion, 30'000) == 1 && completion.code == 0);
      if (closes) CHECK(r3map_region_close(own) == 0);
      // A grandchild, too.
      run_and_expect(0, [&] {
        if (!closes) CHECK(r3map_region_populate(own, 0, 1) == R3MAP_EFORKED);
        CHECK(r3map_region_close(open_region("memory:1M")) == 0);
      });
      std::exit(7);
    });
  CHECK(is_content(data_of(region), 0, kMiB));
  CHECK(r3map_region_close(region) == 0);
}

// A child that has nothing to do with r3map ends well, by exit() as by return.
void fork_exit() {
  r3map_region* const region = open_region("memory:1M");
  run_and_expect(3 << 8, [] { std::exit(3); });
  CHECK(touch(data_of(region) + 8192) == std::byte{});
}

// Neither what was fetched nor what was not is the child's.
void fork_touch() {
  r3map_region* const region = open_region("memory:1M");
  const std::byte* const data = data_of(region);
  CHECK(touch(data) == std::byte{});
  for (const uint64_t offset : {uint64_t{0}, kMiB / 2}) {
    run_and_expect(SIGSEGV, [&] {
      const rlimit none{0, 0};
      setrlimit(RLIMIT_CORE, &none);
      signal(SIGSEGV, SIG_DFL);
      signal(SIGBUS, SIG_DFL);
      (void)*const_cast<const volatile std::byte*>(data + offset);
    });
  }
  CHECK(touch(data + kMiB / 2) == std::byte{});
}

// Forks while other threads open, touch and close.
void fork_busy() {
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      while (!stop) {
        r3map_region* const region = open_region("memory:1M");
        CHECK(touch(data_of(region) + 12345) == std::byte{});
        CHECK(r3map_region_close(region) == 0);
      }
    });
  for (int i = 0; i < 20; ++i)
    run_and_expect(0, [] {
      r3map_region* const own = open_region("memory:1M");
      CHECK(touch(data_of(own) + 12345) == std::byte{});
      CHECK(r3map_region_close(own) == 0);
    });
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

// The ranges of closed regions stay reserved for a while, and are not inherited: the child's memory
// at such an address is its own, and is not given back with them.
void fork_reserved() {
  constexpr int kRegions = 80;
  std::vector<void*> places;
  for (int i = 0; i < kRegions; ++i) {
    r3map_region* const region = open_region("memory:1M");
    places.push_back(const_cast<std::byte*>(data_of(region)));
    CHECK(r3map_region_close(region) == 0);
  }
  run_and_expect(0, [&] {
    std::vector<volatile char*> own;
    for (void* place : places) {
      void* const got = mmap(place, kMiB, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
      if (got != place) continue;
      own.push_back(static_cast<volatile char*>(got));
      *own.back() = 'x';
    }
    CHECK(own.size() > kRegions / 4);
    for (int i = 0; i < kRegions; ++i) CHECK(r3map_region_close(open_region("memory:1M")) == 0);
    for (volatile char* place : own) CHECK(*place == 'x');
  });
}

// ---- exit ---------------------------------------------------------------------------------------

StallingServer* server_for_ever(uint64_t size) { return new StallingServer(size); }

// A thread waits in a page fault of a store that never answers; exit() is not held up, and its
// status is the process's.
void exit_while_faulting() {
  StallingServer* const server = server_for_ever(8 * kMiB);
  r3map_options* options = nullptr;
  CHECK(r3map_options_new(&options) == 0 && r3map_options_set_deadline(options, 0) == 0);
  r3map_region* const region = open_region(server->url(), options);
  const std::byte* const data = data_of(region);
  std::thread([=] { (void)*const_cast<const volatile std::byte*>(data + 4 * kMiB); }).detach();
  while (stats_of(region).faults == 0) usleep(1000);
  while (server->stalled() == 0) usleep(1000);
  std::exit(0);
}

void exit_while_calling() {
  StallingServer* const server = server_for_ever(8 * kMiB);
  r3map_region* const region = open_region(server->url());
  std::thread([=] { (void)r3map_region_populate(region, kMiB, 5 * kMiB); }).detach();
  while (server->stalled() == 0) usleep(1000);
  std::exit(0);
}

r3map_region* left_open;

// Handlers of exit() and destructors may call: they get answers, and their failures have messages,
// although the thread's own variables are gone by then.
void exit_calls() {
  left_open = open_region("memory:4M");
  CHECK(std::atexit([] {
    CHECK(r3map_region_populate(left_open, 0, 4 * kMiB) == R3MAP_OK);
    CHECK(touch(data_of(left_open) + kMiB) == std::byte{});
    r3map_region* region = nullptr;
    for (int i = 0; i < 3; ++i) {
      CHECK(r3map_region_open(&region, "a-scheme-of-a-long-name:x", nullptr) == R3MAP_EINVAL);
      CHECK(r3map_last_error_message() != nullptr);
    }
    CHECK(r3map_region_close(left_open) == R3MAP_OK);
    CHECK(r3map_region_close(left_open) == R3MAP_EBADF);
  }) == 0);
  CHECK(r3map_region_populate(nullptr, 0, 0) == R3MAP_EBADF);
  std::exit(0);
}

// When the process is exiting, nobody fetches any more: the thread that ends it gets SIGBUS for a page
// that is missing, and does not wait for ever, although others that waited before still do.
void exit_touches() {
  static const std::byte* data = nullptr;
  // Handlers run in reverse order: this one after r3map's own.
  CHECK(std::atexit([] {
    CHECK(!touch(data + 6 * kMiB));
    CHECK(last_touch_failure().signal == SIGBUS);
  }) == 0);
  StallingServer* const server = server_for_ever(8 * kMiB);
  r3map_options* options = nullptr;
  CHECK(r3map_options_new(&options) == 0 && r3map_options_set_deadline(options, 0) == 0);
  data = data_of(open_region(server->url(), options));
  std::thread([] { (void)*const_cast<const volatile std::byte*>(data + 4 * kMiB); }).detach();
  while (server->stalled() == 0) usleep(1000);
  std::exit(0);
}

// Others may go on touching until the process is gone, which must not die of them.
void exit_while_others_touch() {
  static r3map_region* region = nullptr;
  static const std::byte* data = nullptr;
  CHECK(std::atexit([] {  // after r3map's own
    const uint64_t before = stats_of(region).faults;
    std::thread([] { (void)*const_cast<const volatile std::byte*>(data + 6 * kMiB); }).detach();
    while (stats_of(region).faults == before) usleep(1000);
    usleep(100'000);  // for the answer that it must not get
  }) == 0);
  region = open_region(server_for_ever(8 * kMiB)->url());
  data = data_of(region);
  std::exit(0);
}

// ---- rights -------------------------------------------------------------------------------------

ssize_t write_out(int fd, const std::byte* data, uint64_t length) {
  CHECK(lseek(fd, 0, SEEK_SET) == 0);
  return write(fd, data, length);
}

void expect_written(int fd, uint64_t offset, uint64_t length) {
  std::vector<std::byte> back(length);
  CHECK(pread(fd, back.data(), length, 0) == static_cast<ssize_t>(length));
  CHECK(is_content(back.data(), offset, length));
}

// Without any rights everything works but that the kernel itself touches missing pages.
void nobody() {
  const std::string file = temp_file(4 * kMiB);
  become_nobody();
  r3map_region* const region = open_region("file://" + file);
  CHECK(stats_of(region).eager == 0);
  CHECK(is_content(data_of(region) + kMiB, kMiB, 10'000));
  const int out = memfd_create("out", MFD_CLOEXEC);
  const std::byte* const data = data_of(region) + 2 * kMiB;
  const int knob = open("/proc/sys/vm/unprivileged_userfaultfd", O_RDONLY);
  char value = '0';
  if (knob >= 0) CHECK(read(knob, &value, 1) == 1);
  if (value == '0' && access("/dev/userfaultfd", R_OK | W_OK) != 0) {
    CHECK(write_out(out, data, 4096) == -1 && errno == EFAULT);
  }
  CHECK(r3map_region_populate(region, 2 * kMiB, kMiB) == 0);
  CHECK(write_out(out, data, kMiB) == static_cast<ssize_t>(kMiB));
  expect_written(out, 2 * kMiB, kMiB);
  CHECK(r3map_region_close(region) == 0);
}

void privileged() {
  const int fd = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC));
  if (fd < 0 && access("/dev/userfaultfd", R_OK | W_OK) != 0) SKIP("no rights to userfaultfd");
  close(fd);
  const std::string file = temp_file(4 * kMiB);
  r3map_region* const region = open_region("file://" + file);
  const int out = memfd_create("out", MFD_CLOEXEC);
  CHECK(write_out(out, data_of(region) + kMiB, kMiB) == static_cast<ssize_t>(kMiB));
  expect_written(out, kMiB, kMiB);
  CHECK(r3map_region_populate(region, 2 * kMiB, kMiB) == 0);
  CHECK(write_out(out, data_of(region) + 2 * kMiB, kMiB) == static_cast<ssize_t>(kMiB));
  expect_written(out, 2 * kMiB, kMiB);
  CHECK(r3map_region_close(region) == 0);
}

void denied() {
  const std::string file = temp_file(4096, 0600);
  if (getuid() != 0) {
    CHECK(chmod(file.c_str(), 0) == 0);
  }
  become_nobody();
  r3map_resource* resource = nullptr;
  CHECK(r3map_resource_open(&resource, ("file://" + file).c_str(), nullptr) == R3MAP_EACCES);
  CHECK(says(file.c_str()));
}

// As a container's seccomp profile does: the system call is refused, and the device is not there
// for an ordinary user.
void forbid_userfaultfd() {
  become_nobody();
  if (access("/dev/userfaultfd", R_OK | W_OK) == 0) SKIP("the device is open to everybody");
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_userfaultfd, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{sizeof program / sizeof program[0], program};
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) SKIP("no seccomp here");
}

void eager() {
  const std::string file = temp_file(3 * kMiB + 5);
  forbid_userfaultfd();
  r3map_region* const region = open_region("file://" + file);
  const r3map_stats stats = stats_of(region);
  CHECK(stats.eager == 1);
  CHECK(stats.resident >= 3 * kMiB + 5 && stats.faults == 0);
  CHECK(is_content(data_of(region), 0, 3 * kMiB + 5));
  std::vector<std::byte> bytes(kMiB);
  CHECK(r3map_region_read(region, bytes.data(), kMiB, 12'345) == 0);
  CHECK(is_content(bytes.data(), 12'345, kMiB));
  CHECK(r3map_region_pin(region, 0, kMiB) == 0 && r3map_region_unpin(region, 0, kMiB) == 0);
  CHECK(r3map_region_evict(region, 0, kMiB) == 0);
  CHECK(r3map_region_wait(region) == 0);
  CHECK(is_content(data_of(region), 0, kMiB));
  CHECK(r3map_region_close(region) == 0);
  CHECK(r3map_region_close(open_region("memory:0")) == 0);
}

void eager_large() {
  const std::string file = temp_file(2 * kMiB);
  forbid_userfaultfd();
  r3map_options* options = nullptr;
  CHECK(r3map_options_new(&options) == 0 && r3map_options_set_budget(options, kMiB) == 0);
  r3map_region* region = nullptr;
  CHECK(r3map_region_open(&region, ("file://" + file).c_str(), options) == R3MAP_ENOMEM);
  CHECK(says("docs/containers.md"));
  CHECK(says("userfaultfd"));
}

// ---- limits -------------------------------------------------------------------------------------

void little_address_space() {
  // The engine's threads first: they need some, too.
  CHECK(r3map_region_close(open_region("memory:1M")) == 0);
  const rlimit limit{uint64_t{3} << 30, uint64_t{3} << 30};
  CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
  const int fd = memfd_create("large", MFD_CLOEXEC);
  CHECK(ftruncate(fd, int64_t{8} << 30) == 0);
  const std::string url = "file:///proc/self/fd/" + std::to_string(fd);
  r3map_region* region = nullptr;
  r3map_resource* resource = nullptr;
  CHECK(r3map_region_open(&region, url.c_str(), nullptr) == R3MAP_ENOMEM);
  CHECK(says("address space"));
  CHECK(r3map_resource_open(&resource, "memory:8G", nullptr) == R3MAP_ENOMEM);
  region = open_region("memory:1M");
  CHECK(touch(data_of(region)) == std::byte{});
}

// What was closed stays reserved for a while, but not when there is no other room.
void address_space_comes_back() {
  CHECK(r3map_region_close(open_region("memory:1M")) == 0);
  const rlimit limit{uint64_t{4} << 30, uint64_t{4} << 30};
  CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
  const int fd = memfd_create("large", MFD_CLOEXEC);
  CHECK(ftruncate(fd, int64_t{1} << 30) == 0);
  const std::string url = "file:///proc/self/fd/" + std::to_string(fd);
  for (int i = 0; i < 12; ++i) CHECK(r3map_region_close(open_region(url)) == 0);
}

// Not all threads to be had: whichever it is that lacks, it is an error that says so, and the next
// try can succeed.
void no_threads() {
  become_nobody();
  rlimit before{};
  CHECK(getrlimit(RLIMIT_NPROC, &before) == 0);
  rlimit limit = before;
  r3map_region* region = nullptr;
  bool refused = false;
  for (limit.rlim_cur = 0; !region; ++limit.rlim_cur) {
    CHECK(setrlimit(RLIMIT_NPROC, &limit) == 0);
    // An older failure, whose message must not be taken for this one's.
    CHECK(r3map_region_open(nullptr, nullptr, nullptr) == R3MAP_EINVAL);
    const int code = r3map_region_open(&region, "memory:1M", nullptr);
    if (code == 0) break;
    CHECK(code == R3MAP_ENOMEM);
    CHECK(says("Resource temporarily unavailable"));
    refused = true;
  }
  // LeakSanitizer needs a thread at the end, too.
  CHECK(setrlimit(RLIMIT_NPROC, &before) == 0);
  if (!refused) SKIP("this user may have threads without limit");
  CHECK(touch(data_of(region)) == std::byte{});
}

void locked_memory() {
  if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) SKIP("no right to lock memory");
  const std::string file = temp_file(8 * kMiB);
  r3map_region* const region = open_region("file://" + file);
  CHECK(stats_of(region).resident == 0);
  for (uint64_t at = 0; at < 8 * kMiB; at += 100'000)
    CHECK(touch(data_of(region) + at) == content_at(at));
  CHECK(r3map_region_evict(region, 0, 8 * kMiB) == 0);
  CHECK(is_content(data_of(region), 0, 8 * kMiB));
  CHECK(r3map_region_close(region) == 0);
}

// ---- the log ------------------------------------------------------------------------------------

// Also a fault that ends the process is in it.
void log_of_faults() {
  std::string log = temp_path();
  CHECK(setenv("R3MAP_LOG", ("debug:" + log).c_str(), 1) == 0);
  CHECK(setenv("R3MAP_SLOW_MS", "0", 1) == 0);
  const std::string file = temp_file(kMiB);
  const auto logged = [&] { return read_file(log); };
  run_and_expect(SIGBUS, [&] {
    r3map_region* const region = open_region("file://" + file);
    CHECK(touch(data_of(region) + 4096) == content_at(4096));
    CHECK(truncate(file.c_str(), 0) == 0);
    std::signal(SIGBUS, SIG_DFL);
    (void)*static_cast<const volatile std::byte*>(data_of(region) + kMiB - 1);
  });
  const std::string lines = logged();
  unlink(log.c_str());
  const std::string region = " region=file://" + file;
  for (const std::string& part :
       {"level=debug from=r3map msg=open" + region + " size=1048576 version=",
        "level=warn from=r3map msg=\"slow fault\"" + region + " offset=4096 ms=",
        "level=error from=r3map msg=\"failed fault\"" + region + " offset=1044480 ms=",
        std::string(" code=ESTALE cause=\"")})
    if (lines.find(part) == lines.npos) {
      std::fprintf(stderr, "not logged: %s\nbut: %s", part.c_str(), lines.c_str());
      std::exit(1);
    }
}

// Told once, and the program goes on.
void log_wrong() {
  const std::string said = temp_path();
  const int fd = open(said.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const int before = dup(STDERR_FILENO);
  CHECK(fd >= 0 && dup2(fd, STDERR_FILENO) == STDERR_FILENO);
  CHECK(setenv("R3MAP_LOG", "loud", 1) == 0);
  CHECK(setenv("R3MAP_SLOW_MS", "-1", 1) == 0);
  CHECK(r3map_region_close(open_region("memory:1M")) == 0);
  run_and_expect(0, [] { CHECK(r3map_region_close(open_region("memory:1M")) == 0); });
  CHECK(dup2(before, STDERR_FILENO) == STDERR_FILENO);
  const std::string text = read_file(said);
  unlink(said.c_str());
  if (text != "r3map: R3MAP_LOG: 'loud' is not error, warn, info, debug or off, nor one of these "
              "with :FILE behind it\n"
              "r3map: R3MAP_SLOW_MS: '-1' is not a number of milliseconds (up to 4294967295)\n") {
    std::fprintf(stderr, "it says: %s", text.c_str());
    std::exit(1);
  }
}

const std::map<std::string, void (*)()> kPieces = {
    {"fork_handles", fork_handles},
    {"fork_open", fork_open},
    {"fork_exit", fork_exit},
    {"fork_touch", fork_touch},
    {"fork_busy", fork_busy},
    {"fork_reserved", fork_reserved},
    {"exit_while_faulting", exit_while_faulting},
    {"exit_while_calling", exit_while_calling},
    {"exit_calls", exit_calls},
    {"exit_touches", exit_touches},
    {"exit_while_others_touch", exit_while_others_touch},
    {"nobody", nobody},
    {"privileged", privileged},
    {"denied", denied},
    {"eager", eager},
    {"eager_large", eager_large},
    {"little_address_space", little_address_space},
    {"address_space_comes_back", address_space_comes_back},
    {"no_threads", no_threads},
    {"locked_memory", locked_memory},
    {"log_of_faults", log_of_faults},
    {"log_wrong", log_wrong},
};

}  // namespace

// These processes end with servers of theirs that run for ever, whose threads nobody joins.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_options() {
  return "report_thread_leaks=0";
}

int main(int argc, char** argv) {
  const auto piece = kPieces.find(argc == 2 ? argv[1] : "");
  if (piece == kPieces.end()) {
    for (const auto& [name, run] : kPieces) std::puts(name.c_str());
    return argc == 1 ? 0 : 2;
  }
  alarm(60);
  piece->second();
  return 0;
}
