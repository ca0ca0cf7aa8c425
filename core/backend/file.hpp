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
// Thread: home loop; blocking calls run on worker threads: what answers page faults on the `readers`,
// and writes, which may take long, on the `writers`.
class FileResource : public resource::Resource {
 public:
  // Opens for reading: whoever only reads must not be seen as a writer (an executable would become
  // "busy"). Blocks.
  static Result<std::unique_ptr<FileResource>> open(loop::WorkerPool& readers,
                                                    loop::WorkerPool& writers, std::string path);
  ~FileResource() override;

  const resource::Info& info() const override { return info_; }
  loop::Task<Result<>> read(Range range, resource::Request request,
                            resource::Sink& sink) override;
  loop::Task<Result<>> write(uint64_t offset, std::span<const std::byte> data,
                             resource::Request request) override;
  loop::Task<Result<>> flush(resource::Request request) override;

 private:
  FileResource(loop::WorkerPool& readers, loop::WorkerPool& writers, int fd)
      : readers_(readers), writers_(writers), fd_(fd) {}
  Result<> identify();
  Result<> verify_unchanged() const;  // under version_mutex_
  Result<> begin_write();
  Result<> end_write();
  Result<int> writable_descriptor();
  bool read_cached(Range range, resource::Sink& sink);
  Result<> read_blocking(Range range, const resource::Request& request, resource::Sink& sink);
  Result<> write_blocking(uint64_t offset, std::span<const std::byte> data);

  loop::WorkerPool& readers_;
  loop::WorkerPool& writers_;
  int fd_;
  bool block_device_ = false;
  std::mutex write_fd_mutex_;
  int write_fd_ = -1;  // opened by the first write; under write_fd_mutex_
  // Not held while a write is under way, which reads of the same file would wait for.
  std::mutex version_mutex_;
  timespec modified_{};   // under version_mutex_, as what follows
  unsigned writing_ = 0;  // our own writes under way: the time says nothing meanwhile
  resource::Info info_;
};

void register_file(resource::Registry& registry, loop::WorkerPool& readers,
                   loop::WorkerPool& writers);

}  // namespace r3map::backend
