#include "backend/s3/credentials/blocking.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>
#include <utility>

#include "backend/status.hpp"

namespace r3map::backend::s3 {

namespace {

using namespace std::chrono_literals;

// Thread: its owner's.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { reset(); }

  int get() const { return fd_; }
  void reset() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

// The next bytes; 0 at the end, -1 with errno.
ssize_t read_some(int fd, char* buffer, size_t size) {
  ssize_t got;
  do got = read(fd, buffer, size);
  while (got < 0 && errno == EINTR);
  return got;
}

}  // namespace

Result<std::string> read_small_file(const std::string& path, size_t limit) {
  // Without O_NONBLOCK the open of a FIFO waits for its writer.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status;
  if (file.get() < 0 || fstat(file.get(), &status) < 0) return fail_errno(path, errno);
  if (!S_ISREG(status.st_mode) && !S_ISCHR(status.st_mode))  // /dev/null is a way to say "none"
    return fail(Code::invalid, path + ": not a regular file");
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = read_some(file.get(), buffer, sizeof buffer);
    if (got < 0) return fail_errno(path, errno);
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > limit)
      return fail(Code::invalid, path + ": longer than " + std::to_string(limit) + " bytes");
  }
}

// ---- a program

namespace {

struct Stream {
  Descriptor pipe;
  std::string text;
};

// Thread: a worker.
class Program {
 public:
  ~Program() {
    if (pid_ < 0) return;
    kill(-pid_, SIGKILL);
    // It ends at once, unless the kernel holds it: a worker does not wait for that.
    for (int i = 0; i < 100 && !ended(); ++i) std::this_thread::sleep_for(kGlance * 1ms);
  }

  Result<> start(const std::string& command) {
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC) < 0) return fail_errno("can't run it", errno);
    out_.pipe = Descriptor(out[0]);
    const Descriptor child_out(out[1]);
    if (pipe2(err, O_CLOEXEC) < 0) return fail_errno("can't run it", errno);
    err_.pipe = Descriptor(err[0]);
    const Descriptor child_err(err[1]);

    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, child_out.get(), 1);
    posix_spawn_file_actions_adddup2(&files, child_err.get(), 2);
    // Our threads block all signals; the program gets what a shell would give it.
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    const char* argv[] = {"sh", "-c", command.c_str(), nullptr};
    const int error = posix_spawn(&pid_, "/bin/sh", &files, &attributes,
                                  const_cast<char* const*>(argv), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (error == 0) return {};
    pid_ = -1;
    return fail_errno("can't run it", error);
  }

  // Until the program ends, with what is in its pipes by then: others whom it has started may hold
  // them open for good.
  Result<> collect(size_t limit, loop::Deadline deadline) {
    const Descriptor process(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    for (;;) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - loop::Clock::now()).count();
      if (left <= 0) return fail(Code::timed_out, "it did not end in time" + said());
      const bool told = process.get() >= 0;
      std::array<pollfd, 3> ready = {pollfd{out_.pipe.get(), POLLIN, 0},
                                     pollfd{err_.pipe.get(), POLLIN, 0},
                                     pollfd{process.get(), POLLIN, 0}};
      const int count =
          poll(ready.data(), ready.size(), static_cast<int>(told ? left : std::min(left, kGlance)));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return fail_errno("can't wait for it", errno);
      if (ready[0].revents) take(out_);
      if (ready[1].revents) take(err_);
      const bool over = (!told || ready[2].revents) && ended();
      if (over) {
        drain(out_, limit);
        drain(err_, kSaid);
      }
      if (out_.text.size() > limit)
        return fail(Code::protocol, "it printed more than " + std::to_string(limit) + " bytes");
      if (err_.text.size() > kSaid) err_.text.resize(kSaid);
      if (over) return {};
    }
  }

  // After collect().
  Result<std::string> result() {
    if (WIFEXITED(status_) && WEXITSTATUS(status_) == 0) return std::move(out_.text);
    const std::string how =
        WIFEXITED(status_) ? "it ended with status " + std::to_string(WEXITSTATUS(status_))
                           : "signal " + std::to_string(WTERMSIG(status_)) + " ended it";
    return fail(Code::denied, how + said());
  }

 private:
  static constexpr size_t kSaid = 1024;
  static constexpr long kGlance = 10;  // ms between looks at what does not tell

  static void take(Stream& stream) {
    char buffer[4096];
    const ssize_t got = read_some(stream.pipe.get(), buffer, sizeof buffer);
    if (got <= 0) return stream.pipe.reset();
    stream.text.append(buffer, static_cast<size_t>(got));
  }

  // What is there already, until it is more than `limit`.
  static void drain(Stream& stream, size_t limit) {
    pollfd ready{stream.pipe.get(), POLLIN, 0};
    while (stream.pipe.get() >= 0 && stream.text.size() <= limit && poll(&ready, 1, 0) > 0)
      take(stream);
  }

  std::string said() const { return err_.text.empty() ? "" : ": " + shown(err_.text); }

  // Without waiting for it. A host that ignores SIGCHLD, or waits for all children, may have got
  // the status: then what the program printed decides.
  bool ended() {
    int status = 0;
    pid_t got;
    do got = waitpid(pid_, &status, WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got == 0) return false;
    status_ = got < 0 ? 0 : status;
    pid_ = -1;
    return true;
  }

  pid_t pid_ = -1;  // until it has ended
  int status_ = 0;  // then
  Stream out_, err_;
};

}  // namespace

Result<std::string> run_program(const std::string& command, size_t limit,
                                loop::Deadline deadline) {
  Program program;
  if (Result<> started = program.start(command); !started)
    return fail(std::move(started.error()));
  if (Result<> collected = program.collect(limit, deadline); !collected)
    return fail(std::move(collected.error()));
  return program.result();
}

}  // namespace r3map::backend::s3
