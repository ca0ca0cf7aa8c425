// memory:SIZE — a resource in this process's memory: zeros until written. For tests, benchmarks,
// and whoever wants a scratch region.
#pragma once

#include "loop/worker_pool.hpp"
#include "resource/registry.hpp"

namespace r3map::backend {

// Thread: home loop. Large reads move on the fill threads; small urgent ones at once, since a hop
// to another thread costs more than the copy.
class MemoryResource : public resource::Resource {
 public:
  // Code::no_memory if `size` can't be had. The bytes are those that `fill` writes, or zeros.
  static Result<std::unique_ptr<MemoryResource>> open(loop::WorkerPool& fillers, uint64_t size);
  ~MemoryResource() override;

  const resource::Info& info() const override { return info_; }
  loop::Task<Result<>> read(Range range, resource::Request request,
                            resource::Sink& sink) override;
  loop::Task<Result<>> write(uint64_t offset, std::span<const std::byte> data,
                             resource::Request request) override;

  std::span<std::byte> bytes() { return {data_, info_.size}; }

 private:
  MemoryResource(loop::WorkerPool& fillers, std::byte* data, uint64_t size);
  loop::WorkerPool& fillers_;
  std::byte* data_;
  resource::Info info_;
};

void register_memory(resource::Registry& registry, loop::WorkerPool& fillers);

}  // namespace r3map::backend
