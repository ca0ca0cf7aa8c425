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
#include <utility>

#include "backend/object.hpp"

namespace r3map::backend::s3 {

namespace {

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
    if (pid_ > 0) {
      kill(-pid_, SIGKILL);
      await_exit();
    }
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

  // Until both pipes end, and the program itself.
  Result<> collect(size_t limit, loop::Deadline deadline) {
    Descriptor process(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
    while (out_.pipe.get() >= 0 || err_.pipe.get() >= 0 || process.get() >= 0) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - loop::Clock::now()).count();
      std::array<pollfd, 3> ready = {pollfd{out_.pipe.get(), POLLIN, 0},
                                     pollfd{err_.pipe.get(), POLLIN, 0},
                                     pollfd{process.get(), POLLIN, 0}};
      const int count = poll(ready.data(), ready.size(), static_cast<int>(std::max(left, 0L)));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return fail_errno("can't wait for it", errno);
      if (count == 0) return fail(Code::timed_out, "it did not end in time" + said());
      if (ready[0].revents) take(out_);
      if (ready[1].revents) take(err_);
      if (ready[2].revents) process.reset();
      if (out_.text.size() > limit)
        return fail(Code::protocol, "it printed more than " + std::to_string(limit) + " bytes");
      if (err_.text.size() > kSaid) err_.text.resize(kSaid);
    }
    return {};
  }

  // After collect().
  Result<std::string> result() {
    const int status = await_exit();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return std::move(out_.text);
    const std::string how =
        WIFEXITED(status) ? "it ended with status " + std::to_string(WEXITSTATUS(status))
                          : "signal " + std::to_string(WTERMSIG(status)) + " ended it";
    return fail(Code::denied, how + said());
  }

 private:
  static constexpr size_t kSaid = 1024;

  static void take(Stream& stream) {
    char buffer[4096];
    const ssize_t got = read_some(stream.pipe.get(), buffer, sizeof buffer);
    if (got <= 0) return stream.pipe.reset();
    stream.text.append(buffer, static_cast<size_t>(got));
  }

  std::string said() const { return err_.text.empty() ? "" : ": " + shown(err_.text); }

  // A host that ignores SIGCHLD, or waits for all children, may have got the status: then what the
  // program printed decides.
  int await_exit() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0) {
      if (errno == EINTR) continue;
      status = 0;
      break;
    }
    pid_ = -1;
    return status;
  }

  pid_t pid_ = -1;
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
