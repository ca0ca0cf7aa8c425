// file:///path — a file or a block device.
#pragma once

#include <ctime>
#include <mutex>
#include <string>

#include "loop/worker_pool.hpp"
#include "resource/registry.hpp"

namespace r3map::backend {

// Pinned to the inode, size and modification time it had when it was opened: a file that changed
// underneath answers Code::stale.
// Thread: home loop; blocking calls run on the worker threads.
class FileResource : public resource::Resource {
 public:
  // Opens for reading: whoever only reads must not be seen as a writer (an executable would become
  // "busy"). Blocks.
  static Result<std::unique_ptr<FileResource>> open(loop::WorkerPool& workers, std::string path);
  ~FileResource() override;

  const resource::Info& info() const override { return info_; }
  loop::Task<Result<>> read(Range range, resource::Request request,
                            resource::Sink& sink) override;
  loop::Task<Result<>> write(uint64_t offset, std::span<const std::byte> data,
                             resource::Request request) override;
  loop::Task<Result<>> flush(resource::Request request) override;

 private:
  FileResource(loop::WorkerPool& workers, int fd) : workers_(workers), fd_(fd) {}
  Result<> identify();
  Result<> verify_unchanged() const;  // under version_mutex_
  Result<int> writable_descriptor();
  bool read_cached(Range range, resource::Sink& sink);
  Result<> read_blocking(Range range, const resource::Request& request, resource::Sink& sink);
  Result<> write_blocking(uint64_t offset, std::span<const std::byte> data);

  loop::WorkerPool& workers_;
  int fd_;
  bool block_device_ = false;
  int write_fd_ = -1;  // opened by the first write
  // Held by a write from its first byte until the file's new time is known.
  mutable std::mutex version_mutex_;
  timespec modified_{};  // under version_mutex_
  resource::Info info_;
};

void register_file(resource::Registry& registry, loop::WorkerPool& workers);

}  // namespace r3map::backend
