#include "backend/memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "base/limits.hpp"

namespace r3map::backend {

namespace {

// What the loop's own thread copies without a detour.
constexpr uint64_t kInline = 64 << 10;

}  // namespace

Result<std::unique_ptr<MemoryResource>> MemoryResource::open(loop::WorkerPool& fillers,
                                                             uint64_t size) {
  if (size > limits::kRegionSize)
    return fail(Code::no_memory, std::to_string(size) + " bytes are more than the address space");
  void* data = mmap(nullptr, std::max<uint64_t>(size, 1), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED)
    return fail_errno("can't reserve " + std::to_string(size) + " bytes", errno);
  return std::unique_ptr<MemoryResource>(
      new MemoryResource(fillers, static_cast<std::byte*>(data), size));
}

MemoryResource::MemoryResource(loop::WorkerPool& fillers, std::byte* data, uint64_t size)
    : fillers_(fillers), data_(data) {
  info_.size = size;
  info_.read_only = false;
  info_.granule = kPage;
  info_.preferred_request = 1 << 20;
  // More than there are fill threads: they should never wait for the loop to hand them the next.
  info_.parallel_requests = 8;
}

MemoryResource::~MemoryResource() { munmap(data_, std::max<uint64_t>(info_.size, 1)); }

loop::Task<Result<>> MemoryResource::read(Range range, resource::Request request,
                                          resource::Sink& sink) {
  const std::span<const std::byte> source(data_ + range.offset, range.length);
  const bool urgent = request.urgency <= resource::Urgency::require;
  if (urgent && range.length <= kInline) {
    sink.bytes(range.offset, source);
    co_return Result<>();
  }
  auto copying = fillers_.run(urgent ? loop::Priority::urgent : loop::Priority::bulk, [&] {
    sink.bytes(range.offset, source);
    return true;
  });
  co_await copying;
  co_return Result<>();
}

loop::Task<Result<>> MemoryResource::write(uint64_t offset, std::span<const std::byte> data,
                                           resource::Request) {
  if (Result<Range> range = checked_range(offset, data.size(), info_.size); !range)
    co_return fail(std::move(range.error()));
  std::copy(data.begin(), data.end(), data_ + offset);
  co_return Result<>();
}

namespace {

loop::Task<Result<std::unique_ptr<resource::Resource>>> open_memory(loop::WorkerPool& fillers,
                                                                    resource::Url url) {
  if (url.has_authority)
    co_return fail(Code::invalid, "malformed URL '" + url.text + "': expected memory:SIZE");
  const Result<uint64_t> size = resource::parse_size(url.rest);
  if (!size) co_return fail(Code::invalid, "malformed URL '" + url.text + "': " + size.error().message);
  co_return MemoryResource::open(fillers, *size);
}

}  // namespace

void register_memory(resource::Registry& registry, loop::WorkerPool& fillers) {
  registry.add({"memory",
                {},
                [&fillers](resource::Url url, resource::Options, resource::Request) {
                  return open_memory(fillers, std::move(url));
                }});
}

}  // namespace r3map::backend
