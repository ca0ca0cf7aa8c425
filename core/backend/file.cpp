#include "backend/file.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "base/limits.hpp"

namespace r3map::backend {

namespace {

constexpr size_t kBuffer = 256 << 10;
// What is tried without a detour over a worker thread, when the page cache has it.
constexpr uint64_t kInline = 64 << 10;

// Files of /proc say 0, whatever they hold; an empty one has nothing to read, and no error either.
bool is_empty(int fd) {
  std::byte first{};
  ssize_t got;
  do got = pread(fd, &first, sizeof first, 0);
  while (got < 0 && errno == EINTR);
  return got == 0;
}

}  // namespace

Result<std::unique_ptr<FileResource>> FileResource::open(loop::WorkerPool& readers,
                                                         loop::WorkerPool& writers,
                                                         std::string path) {
  // Without O_NONBLOCK the open of a FIFO waits for its writer.
  constexpr int kFlags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  const int fd = ::open(path.c_str(), O_RDONLY | kFlags);
  if (fd < 0) return fail_errno("can't open the file", errno);
  std::unique_ptr<FileResource> file(new FileResource(readers, writers, fd));
  file->info_.read_only = faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) < 0;
  if (Result<> identified = file->identify(); !identified)
    return fail(std::move(identified.error()));
  return file;
}

FileResource::~FileResource() {
  close(fd_);
  if (write_fd_ >= 0) close(write_fd_);
}

Result<> FileResource::identify() {
  struct stat status;
  if (fstat(fd_, &status) < 0) return fail_errno("can't stat the file", errno);
  block_device_ = S_ISBLK(status.st_mode);
  if (block_device_) {
    if (ioctl(fd_, BLKGETSIZE64, &info_.size) < 0)
      return fail_errno("can't ask for the device's size", errno);
    if (int locked = 0; ioctl(fd_, BLKROGET, &locked) == 0 && locked) info_.read_only = true;
  } else if (S_ISREG(status.st_mode)) {
    if (status.st_size == 0 && !is_empty(fd_))
      return fail(Code::unsupported, "its size can't be told (a file of the kernel's?)");
    info_.size = static_cast<uint64_t>(status.st_size);
    modified_ = status.st_mtim;
    info_.version = std::to_string(status.st_ino) + "-" + std::to_string(status.st_mtim.tv_sec) +
                    "." + std::to_string(status.st_mtim.tv_nsec) + "-" +
                    std::to_string(status.st_size);
  } else {
    return fail(Code::unsupported, "neither a regular file nor a block device");
  }
  info_.granule = 16 << 10;
  info_.preferred_request = 1 << 20;
  info_.parallel_requests = 2;
  return {};
}

Result<> FileResource::verify_unchanged() const {
  if (block_device_) return {};
  struct stat status;
  if (fstat(fd_, &status) < 0) return fail_errno("can't stat the file", errno);
  const bool same_time = status.st_mtim.tv_sec == modified_.tv_sec &&
                         status.st_mtim.tv_nsec == modified_.tv_nsec;
  if (static_cast<uint64_t>(status.st_size) != info_.size || (!same_time && writing_ == 0))
    return fail(Code::stale, "the file changed since it was opened");
  return {};
}

// What the page cache holds can be had on the loop's thread, in less time than a worker takes to
// wake up. False: it does not hold all of it.
bool FileResource::read_cached(Range range, resource::Sink& sink) {
  std::byte own[kInline];
  std::span<std::byte> buffer = sink.buffer(range.offset);
  if (buffer.size() < range.length) buffer = own;
  iovec part{buffer.data(), range.length};
  const ssize_t got = preadv2(fd_, &part, 1, static_cast<off_t>(range.offset), RWF_NOWAIT);
  // This thread does not wait for others that ask a slow file system.
  std::unique_lock lock(version_mutex_, std::try_to_lock);
  if (got != static_cast<ssize_t>(range.length) || !lock || !verify_unchanged()) return false;
  sink.bytes(range.offset, buffer.first(range.length));
  return true;
}

Result<> FileResource::read_blocking(Range range, const resource::Request& request,
                                     resource::Sink& sink) {
  std::vector<std::byte> own;
  while (!range.empty()) {
    if (request.stop.stop_requested()) return fail(Code::canceled, "stopped");
    std::span<std::byte> buffer = sink.buffer(range.offset);
    if (buffer.empty()) {
      own.resize(kBuffer);
      buffer = own;
    }
    const size_t wanted = std::min<uint64_t>({range.length, buffer.size(), kBuffer});
    const ssize_t got = pread(fd_, buffer.data(), wanted, static_cast<off_t>(range.offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("can't read the file", errno);
    if (got == 0)
      return fail(Code::stale, "the file is shorter than it says, or shrank since it was opened");
    {
      // After the read: a write that came before it has moved the time by now.
      std::lock_guard lock(version_mutex_);
      if (Result<> same = verify_unchanged(); !same) return same;
    }
    const auto count = static_cast<size_t>(got);
    sink.bytes(range.offset, buffer.first(count));
    range = range_between(range.offset + count, range.end());
  }
  return {};
}

loop::Task<Result<>> FileResource::read(Range range, resource::Request request,
                                        resource::Sink& sink) {
  const bool urgent = request.urgency <= resource::Urgency::require;
  if (urgent && range.length <= kInline && read_cached(range, sink)) co_return Result<>();
  auto reading = readers_.run(urgent ? loop::Priority::urgent : loop::Priority::bulk,
                              [&] { return read_blocking(range, request, sink); });
  co_return co_await reading;
}

// The same file, whatever its name points to by now.
Result<int> FileResource::writable_descriptor() {
  std::lock_guard lock(write_fd_mutex_);
  if (write_fd_ < 0) {
    const std::string self = "/proc/self/fd/" + std::to_string(fd_);
    write_fd_ = ::open(self.c_str(), O_WRONLY | O_CLOEXEC);
  }
  if (write_fd_ < 0) return fail_errno("can't open the file for writing", errno);
  return write_fd_;
}

Result<> FileResource::begin_write() {
  std::lock_guard lock(version_mutex_);
  // What we were given belongs to the file as it was when we opened it.
  if (Result<> same = verify_unchanged(); !same) return same;
  ++writing_;
  return {};
}

// Also after a failure: what did get written is ours. The file's time is known again when the last
// of our writes has ended.
Result<> FileResource::end_write() {
  std::lock_guard lock(version_mutex_);
  if (--writing_ > 0) return {};
  struct stat status;
  if (fstat(fd_, &status) < 0) return fail_errno("can't stat the file", errno);
  modified_ = status.st_mtim;
  return {};
}

Result<> FileResource::write_blocking(uint64_t offset, std::span<const std::byte> data) {
  const Result<int> fd = writable_descriptor();
  if (!fd) return fail(fd.error());
  if (Result<> begun = begin_write(); !begun) return begun;
  Result<> result;
  while (!data.empty() && result) {
    const ssize_t put = pwrite(*fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      result = fail_errno("can't write the file", errno);
    } else {
      data = data.subspan(static_cast<size_t>(put));
      offset += static_cast<uint64_t>(put);
    }
  }
  const Result<> ended = end_write();
  return result ? ended : result;
}

loop::Task<Result<>> FileResource::write(uint64_t offset, std::span<const std::byte> data,
                                         resource::Request) {
  if (info_.read_only) co_return fail(Code::read_only, "the file can't be written");
  if (Result<Range> range = checked_range(offset, data.size(), info_.size); !range)
    co_return fail(std::move(range.error()));
  auto writing = writers_.run(loop::Priority::bulk, [&] { return write_blocking(offset, data); });
  co_return co_await writing;
}

loop::Task<Result<>> FileResource::flush(resource::Request) {
  auto syncing = writers_.run(loop::Priority::bulk, [&]() -> Result<> {
    if (fdatasync(fd_) < 0) return fail_errno("can't flush the file", errno);
    return {};
  });
  co_return co_await syncing;
}

namespace {

loop::Task<Result<std::unique_ptr<resource::Resource>>> open_file(loop::WorkerPool& readers,
                                                                  loop::WorkerPool& writers,
                                                                  resource::Url url) {
  const bool absolute = url.rest.starts_with('/') || !url.has_authority;
  Result<std::string> path = resource::percent_decode(url.rest);
  if (!path) co_return fail(std::move(path.error()));
  if (!absolute || path->empty())
    co_return fail(Code::invalid, "malformed URL '" + url.text + "': expected file:///path");
  auto opening = readers.run(loop::Priority::bulk,
                             [&] { return FileResource::open(readers, writers, *path); });
  co_return co_await opening;
}

}  // namespace

void register_file(resource::Registry& registry, loop::WorkerPool& readers,
                   loop::WorkerPool& writers) {
  registry.add({"file",
                {},
                [&readers, &writers](resource::Url url, resource::Options, resource::Request) {
                  return open_file(readers, writers, std::move(url));
                }});
}

}  // namespace r3map::backend
