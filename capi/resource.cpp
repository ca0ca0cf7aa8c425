// Resources: a store's object, without memory.

#include <vector>

#include "base/log.hpp"
#include "guard.hpp"
#include "handles.hpp"
#include "objects.hpp"

using namespace r3map;
using namespace r3map::capi;
using loop::Task;

namespace {

using ResourcePtr = std::shared_ptr<ResourceObject>;

resource::Request request_within(loop::Clock::duration deadline, std::stop_token stop = {}) {
  resource::Request request;
  request.deadline = loop::deadline_after(deadline);
  request.stop = std::move(stop);
  return request;
}

Task<Result<uint64_t>> open_resource(Engine& engine, std::string url, OptionsObject options) {
  auto opening = engine.registry().open(url, std::move(options.backend),
                                        request_within(options.region.deadline));
  Result<std::unique_ptr<resource::Resource>> opened = co_await opening;
  const std::string shown = shown_url(url.c_str());
  if (!opened) co_return fail(in_context(opened.error(), "open", shown));
  auto object = std::make_shared<ResourceObject>();
  object->engine = &engine;
  object->url = shown;
  object->size = (*opened)->info().size;
  object->version = (*opened)->info().version;
  object->deadline = options.region.deadline;
  object->resource = std::move(*opened);
  log(LogLevel::debug, "open",
      {{"region", shown}, {"size", object->size}, {"version", object->version}});
  Result<r3map_resource*> handle = resource_table().add(std::move(object));
  if (!handle) co_return fail(std::move(handle.error()));
  co_return reinterpret_cast<uint64_t>(*handle);
}

Task<Result<uint64_t>> close_resource(ResourcePtr object) {
  object->stop.request_stop();
  auto operations = object->operations.empty();
  co_await operations;
  object->resource.reset();
  co_return uint64_t{0};
}

struct ResourceKind {
  using Object = ResourceObject;
  using Opaque = r3map_resource;
  static constexpr const char* kName = "resource";
  static constexpr auto table = resource_table;
  static constexpr auto open = open_resource;
  static constexpr auto close = close_resource;
};

enum class Direction { read, write, flush };
constexpr const char* kNames[] = {"read", "write", "flush"};

class LoggingSink final : public resource::BufferSink {
 public:
  LoggingSink(const std::string& name, uint64_t offset, std::span<std::byte> buffer)
      : BufferSink(offset, buffer), name_(name) {}
  void retrying(uint64_t offset, const Error& cause, loop::Clock::duration pause) override {
    resource::log_retry(name_, offset, cause, pause);
  }

 private:
  const std::string& name_;
};

// A slow line is none that fails: the deadline begins anew whenever its time has brought something,
// of a page at least, as for regions. (One that drips would never end.)
Task<Result<>> read_all(ResourceObject& object, Range range, resource::BufferSink& sink) {
  for (uint64_t before = 0;; before = sink.received()) {
    auto reading = object.resource->read(range_between(range.offset + before, range.end()),
                                         request_within(object.deadline, object.stop.get_token()),
                                         sink);
    Result<> done = co_await reading;
    if (done || done.error().code != Code::timed_out || sink.received() < before + kPage)
      co_return done;
  }
}

Task<Result<>> go(ResourceObject& object, Direction direction, Range range,
                  resource::BufferSink& sink, std::span<const std::byte> bytes) {
  if (direction == Direction::read) return read_all(object, range, sink);
  resource::Request request = request_within(object.deadline, object.stop.get_token());
  return direction == Direction::write
             ? object.resource->write(range.offset, bytes, std::move(request))
             : object.resource->flush(std::move(request));
}

Task<Result<uint64_t>> transfer(ResourcePtr object, Direction direction, std::byte* buffer,
                                Range range) {
  if (!object->resource || object->stop.stop_requested())
    co_return fail(Code::canceled, "the resource was closed");
  loop::Gate::Pass pass(object->operations);
  const std::span<std::byte> bytes(buffer, range.length);
  LoggingSink sink(object->url, range.offset, bytes);
  auto task = go(*object, direction, range, sink, bytes);
  Result<> result = co_await task;
  if (!result) co_return fail(in_context(result.error(), kNames[int(direction)], object->url));
  co_return range.length;
}

// The checks of every transfer, and then `go`.
template <typename Go>
int with_range(r3map_resource* resource, const void* buffer, uint64_t length, uint64_t offset,
               const char* name, Go go) {
  return guarded([&]() -> Result<> {
    Result<ResourcePtr> object = resource_table().get(resource);
    if (!object) return fail(std::move(object.error()));
    if (length > 0 && !buffer) return fail(Code::invalid, "buffer: NULL");
    Result<Range> range = checked_range(offset, length, (*object)->size);
    if (!range) return fail(in_context(range.error(), name, (*object)->url));
    return go(*object, *range);
  });
}

Result<> run_transfer(const ResourcePtr& object, Direction direction, std::byte* buffer,
                      Range range) {
  const Result<uint64_t> done = run(*object->engine, [&] {
    return transfer(object, direction, buffer, range);
  });
  if (!done) return fail(done.error());
  return {};
}

// The caller's memory may be a region whose pages are missing, and our own threads must not wait for
// those: so the calling thread reads it.
Result<> write_staged(const ResourcePtr& object, const std::byte* buffer, Range range) {
  constexpr uint64_t kPiece = 1 << 20;
  std::vector<std::byte> staged;
  while (!range.empty()) {
    const Range piece{range.offset, std::min(range.length, kPiece)};
    staged.assign(buffer, buffer + piece.length);
    if (Result<> written = run_transfer(object, Direction::write, staged.data(), piece); !written)
      return written;
    buffer += piece.length;
    range = range_between(piece.end(), range.end());
  }
  return {};
}

}  // namespace

int r3map_resource_open(r3map_resource** resource, const char* url, const r3map_options* options) {
  return Handles<ResourceKind>::open(resource, url, options);
}

int r3map_resource_open_async(const char* url, const r3map_options* options, r3map_queue* queue,
                              uint64_t tag) {
  return Handles<ResourceKind>::open_async(url, options, queue, tag);
}

int r3map_resource_close(r3map_resource* resource) {
  return Handles<ResourceKind>::close(resource);
}

int r3map_resource_size(r3map_resource* resource, uint64_t* size) {
  return guarded([&]() -> Result<> {
    if (!size) return fail(Code::invalid, "size: NULL");
    Result<ResourcePtr> object = resource_table().get(resource);
    if (!object) return fail(std::move(object.error()));
    *size = (*object)->size;
    return {};
  });
}

int r3map_resource_version(r3map_resource* resource, char* buffer, size_t length) {
  return guarded([&]() -> Result<int> {
    Result<ResourcePtr> object = resource_table().get(resource);
    if (!object) return fail(std::move(object.error()));
    return copy_text((*object)->version, buffer, length);
  });
}

int r3map_resource_read(r3map_resource* resource, void* buffer, uint64_t length,
                        uint64_t offset) {
  return with_range(resource, buffer, length, offset, "read",
                    [&](const ResourcePtr& object, Range range) {
                      return run_transfer(object, Direction::read,
                                          static_cast<std::byte*>(buffer), range);
                    });
}

int r3map_resource_read_async(r3map_resource* resource, void* buffer, uint64_t length,
                              uint64_t offset, r3map_queue* queue, uint64_t tag) {
  return with_range(resource, buffer, length, offset, "read",
                    [&](const ResourcePtr& object, Range range) {
                      return run_async(*object->engine, queue, tag, [=] {
                        return transfer(object, Direction::read, static_cast<std::byte*>(buffer),
                                        range);
                      });
                    });
}

int r3map_resource_write(r3map_resource* resource, const void* buffer, uint64_t length,
                         uint64_t offset) {
  return with_range(resource, buffer, length, offset, "write",
                    [&](const ResourcePtr& object, Range range) {
                      return write_staged(object, static_cast<const std::byte*>(buffer), range);
                    });
}

int r3map_resource_flush(r3map_resource* resource) {
  return with_range(resource, nullptr, 0, 0, "flush", [&](const ResourcePtr& object, Range range) {
    return run_transfer(object, Direction::flush, nullptr, range);
  });
}
