// See output.hpp.
#include "output.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "failure.hpp"
#include "signals.hpp"

namespace r3map::cli {
namespace {

namespace fs = std::filesystem;

// The last part of the URL's path: what its file is called.
std::string file_name(const std::string& url) {
  // Only HTTP has queries and fragments; in an S3 key these are characters like others.
  bool http = url.starts_with("http:") || url.starts_with("https:");
  std::string path = http ? url.substr(0, url.find_first_of("?#")) : url;
  size_t scheme = path.find("://");
  std::string name = path.substr(path.rfind('/') + 1);
  bool only_host = scheme != path.npos && path.rfind('/') < scheme + 3;
  if (only_host || name.empty() || name == "." || name == "..")
    throw Failure("cp " + shown_url(url) +
                  ": the URL does not end in a name; say which file to write");
  return name;
}

// The umask can be read only by setting it; there are no other threads that create files.
mode_t new_file_mode() {
  mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

}  // namespace

Output Output::standard_output() { return Output(STDOUT_FILENO, "standard output"); }

Output Output::file(const std::string& path, const std::string& url, uint64_t size) {
  std::error_code error;
  fs::path target = path;
  if (fs::is_directory(target, error)) target /= file_name(url);
  // Through a link, which stays what it is.
  if (fs::path real = fs::canonical(target, error); !error) target = real;

  struct stat there {};
  bool exists = stat(target.c_str(), &there) == 0;
  if (!exists && fs::is_symlink(target, error))
    throw Failure("write " + target.string() + ": a symbolic link to nothing");
  if (exists && S_ISDIR(there.st_mode)) throw system_failure("write", target, EISDIR);
  if (exists && !S_ISREG(there.st_mode)) {
    int descriptor = open(target.c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) {
      check_signals();
      throw system_failure("write", target, errno);
    }
    return Output(descriptor, target);
  }

  // In the same folder, so that it can be renamed; hidden, and short enough with the suffix.
  std::string temporary =
      target.parent_path() / ("." + target.filename().string().substr(0, 200) + ".XXXXXX");
  int descriptor = mkostemp(temporary.data(), O_CLOEXEC);
  if (descriptor < 0) throw system_failure("write", target, errno);
  Output output(descriptor, target);
  output.temporary_ = temporary;
  if (fchmod(descriptor, exists ? there.st_mode & 07777 : new_file_mode()) < 0)
    throw system_failure("write", target, errno);
  // File systems that can't set aside are none the worse.
  if (size > 0 && fallocate(descriptor, 0, 0, static_cast<off_t>(size)) < 0 &&
      (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
    throw system_failure("write", target, errno);
  return output;
}

Output::Output(Output&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      name_(std::move(other.name_)),
      temporary_(std::exchange(other.temporary_, "")) {}

Output::~Output() {
  if (descriptor_ > STDERR_FILENO) close(descriptor_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void Output::write(const std::byte* data, size_t length) {
  while (length > 0) {
    check_signals();  // one that came during a write may have left it a part
    ssize_t written = ::write(descriptor_, data, length);
    if (written < 0 && errno == EINTR) continue;
    // Whoever reads from us has enough. Where SIGPIPE was ignored, it is a failure like others.
    if (written < 0 && errno == EPIPE && descriptor_ == STDOUT_FILENO && pipes_end_us())
      throw Interrupted{SIGPIPE};
    if (written < 0) throw system_failure("write", name_, errno);
    data += written;
    length -= static_cast<size_t>(written);
  }
}

void Output::finish() {
  // Some file systems tell only then that the disk is full; standard output itself stays open.
  if (descriptor_ == STDOUT_FILENO) {
    int copy = dup(descriptor_);
    if (copy >= 0 && close(copy) < 0) throw system_failure("write", name_, errno);
  }
  if (descriptor_ > STDERR_FILENO && close(std::exchange(descriptor_, -1)) < 0)
    throw system_failure("write", name_, errno);
  if (temporary_.empty()) return;
  if (rename(temporary_.c_str(), name_.c_str()) < 0) throw system_failure("write", name_, errno);
  temporary_.clear();
}

}  // namespace r3map::cli
