// Regions: a resource in memory.

#include <atomic>
#include <cstddef>

#include "base/log.hpp"
#include "guard.hpp"
#include "handles.hpp"
#include "objects.hpp"

using namespace r3map;
using namespace r3map::capi;
using loop::Task;

namespace {

using RegionPtr = std::shared_ptr<RegionObject>;

Task<Result<uint64_t>> open_region(Engine& engine, std::string url, OptionsObject options) {
  const loop::Clock::time_point begin = loop::Clock::now();
  const std::string shown = shown_url(url.c_str());
  resource::Request request;
  request.deadline = loop::deadline_after(options.region.deadline);
  auto opening = engine.registry().open(url, std::move(options.backend), request);
  Result<std::unique_ptr<resource::Resource>> resource = co_await opening;
  if (!resource) co_return fail(in_context(resource.error(), "open", shown));
  region::Environment environment{engine.loop(), engine.movers(), engine.budget(),
                                  region::open_best_memory, engine.slow_fault(),
                                  [&engine] { return engine.exiting_thread(); }};
  options.region.name = shown;
  auto mapping = region::Region::open(environment, std::move(*resource),
                                      std::move(options.region));
  Result<std::unique_ptr<region::Region>> mapped = co_await mapping;
  if (!mapped) co_return fail(in_context(mapped.error(), "open", shown));
  auto object = std::make_shared<RegionObject>();
  object->engine = &engine;
  object->url = shown;
  object->data = (*mapped)->data();
  object->size = (*mapped)->size();
  object->version = (*mapped)->version();
  object->region = std::move(*mapped);
  static std::atomic<uint64_t> opened = 0;
  object->number = ++opened;
  Result<r3map_region*> handle = region_table().add(object);
  if (!handle) {
    auto closing = object->region->close();
    co_await closing;
    co_return fail(std::move(handle.error()));
  }
  log(LogLevel::debug, "open",
      {{"region", shown}, {"size", object->size}, {"version", object->version},
       {"ms", std::chrono::duration_cast<std::chrono::milliseconds>(loop::Clock::now() - begin)
                  .count()}});
  co_return reinterpret_cast<uint64_t>(*handle);
}

Task<Result<uint64_t>> close_region(RegionPtr object) {
  // Operations that come from here on find none: a region that closes must not be asked any more.
  const std::unique_ptr<region::Region> region = std::move(object->region);
  auto closing = region->close();
  co_await closing;
  log(LogLevel::debug, "close", {{"region", object->url}});
  co_return uint64_t{0};
}

struct RegionKind {
  using Object = RegionObject;
  using Opaque = r3map_region;
  static constexpr const char* kName = "region";
  static constexpr auto table = region_table;
  static constexpr auto open = open_region;
  static constexpr auto close = close_region;
};

// What an operation does with the open region, on the loop.
using Work = std::function<Task<Result<>>(region::Region&)>;

// `name` and the URL go before the message of a failure; `value` is what the completion carries.
Task<Result<uint64_t>> operate(RegionPtr object, const char* name, uint64_t value, Work work) {
  if (!object->region) co_return fail(Code::canceled, "the region was closed");
  auto working = work(*object->region);
  Result<> result = co_await working;
  if (!result) co_return fail(in_context(result.error(), name, object->url));
  co_return value;
}

// Checks a range against a handle's region and then runs `work(object, range)`.
template <typename Go>
int with_range(r3map_region* region, uint64_t offset, uint64_t length, const char* name, Go go) {
  return guarded([&]() -> Result<> {
    Result<RegionPtr> object = region_table().get(region);
    if (!object) return fail(std::move(object.error()));
    Result<Range> range = checked_range(offset, length, (*object)->size);
    if (!range) return fail(in_context(range.error(), name, (*object)->url));
    return go(*object, *range);
  });
}

Result<> run_operation(const RegionPtr& object, const char* name, Work work) {
  const Result<uint64_t> done =
      run(*object->engine, [&] { return operate(object, name, 0, work); });
  if (!done) return fail(done.error());
  return {};
}

Result<> run_operation_async(const RegionPtr& object, const char* name, uint64_t value, Work work,
                             r3map_queue* queue, uint64_t tag,
                             std::function<void(uint64_t)> undo = nullptr) {
  return run_async(
      *object->engine, queue, tag, [=] { return operate(object, name, value, work); },
      std::move(undo));
}

// A pin whose completion nobody takes.
void unpin_unwanted(const RegionPtr& object, Range range) {
  object->engine->loop().post([object, range] {
    if (object->region) (void)object->region->unpin(range);
  });
}

Task<Result<>> immediate(Result<> result) { co_return result; }

Task<Result<>> count_residency(region::Region& region, Range range, size_t cells,
                               std::vector<uint8_t>& shares) {
  auto counting = region.residency(range, cells);
  shares = co_await counting;
  co_return Result<>();
}

}  // namespace

int r3map_region_open(r3map_region** region, const char* url, const r3map_options* options) {
  return Handles<RegionKind>::open(region, url, options);
}

int r3map_region_open_async(const char* url, const r3map_options* options, r3map_queue* queue,
                            uint64_t tag) {
  return Handles<RegionKind>::open_async(url, options, queue, tag);
}

int r3map_region_close(r3map_region* region) { return Handles<RegionKind>::close(region); }

const void* r3map_region_data(r3map_region* region) {
  const void* data = nullptr;
  guarded([&]() -> Result<> {
    Result<RegionPtr> object = region_table().get(region);
    if (!object) return fail(std::move(object.error()));
    data = (*object)->data;
    return {};
  });
  return data;
}

int r3map_region_size(r3map_region* region, uint64_t* size) {
  return guarded([&]() -> Result<> {
    if (!size) return fail(Code::invalid, "size: NULL");
    Result<RegionPtr> object = region_table().get(region);
    if (!object) return fail(std::move(object.error()));
    *size = (*object)->size;
    return {};
  });
}

int r3map_region_version(r3map_region* region, char* buffer, size_t length) {
  return guarded([&]() -> Result<int> {
    Result<RegionPtr> object = region_table().get(region);
    if (!object) return fail(std::move(object.error()));
    return copy_text((*object)->version, buffer, length);
  });
}

namespace {

Work reading(void* buffer, Range range) {
  return [=](region::Region& region) {
    return region.read(range.offset, {static_cast<std::byte*>(buffer), range.length});
  };
}

}  // namespace

int r3map_region_read(r3map_region* region, void* buffer, uint64_t length, uint64_t offset) {
  return with_range(region, offset, length, "read", [&](const RegionPtr& object, Range range) {
    if (length > 0 && !buffer) return Result<>(fail(Code::invalid, "buffer: NULL"));
    return run_operation(object, "read", reading(buffer, range));
  });
}

int r3map_region_read_async(r3map_region* region, void* buffer, uint64_t length, uint64_t offset,
                            r3map_queue* queue, uint64_t tag) {
  return with_range(region, offset, length, "read", [&](const RegionPtr& object, Range range) {
    if (length > 0 && !buffer) return Result<>(fail(Code::invalid, "buffer: NULL"));
    return run_operation_async(object, "read", length, reading(buffer, range), queue, tag);
  });
}

int r3map_region_populate(r3map_region* region, uint64_t offset, uint64_t length) {
  return with_range(region, offset, length, "populate", [&](const RegionPtr& object, Range range) {
    return run_operation(object, "populate",
                         [=](region::Region& open) { return open.populate(range); });
  });
}

int r3map_region_populate_async(r3map_region* region, uint64_t offset, uint64_t length,
                                r3map_queue* queue, uint64_t tag) {
  return with_range(region, offset, length, "populate", [&](const RegionPtr& object, Range range) {
    return run_operation_async(
        object, "populate", length, [=](region::Region& open) { return open.populate(range); },
        queue, tag);
  });
}

int r3map_region_pin(r3map_region* region, uint64_t offset, uint64_t length) {
  return with_range(region, offset, length, "pin", [&](const RegionPtr& object, Range range) {
    return run_operation(object, "pin", [=](region::Region& open) { return open.pin(range); });
  });
}

int r3map_region_pin_async(r3map_region* region, uint64_t offset, uint64_t length,
                           r3map_queue* queue, uint64_t tag) {
  return with_range(region, offset, length, "pin", [&](const RegionPtr& object, Range range) {
    return run_operation_async(
        object, "pin", length, [=](region::Region& open) { return open.pin(range); }, queue, tag,
        [object, range](uint64_t) { unpin_unwanted(object, range); });
  });
}

int r3map_region_unpin(r3map_region* region, uint64_t offset, uint64_t length) {
  return with_range(region, offset, length, "unpin", [&](const RegionPtr& object, Range range) {
    return run_operation(object, "unpin",
                         [=](region::Region& open) { return immediate(open.unpin(range)); });
  });
}

int r3map_region_prefetch(r3map_region* region, const r3map_range* ranges, size_t count) {
  return with_range(region, 0, 0, "prefetch", [&](const RegionPtr& object, Range) -> Result<> {
    if (count > limits::kPrefetchRanges || (count > 0 && !ranges))
      return fail(Code::invalid, "prefetch: too many ranges, or NULL");
    std::vector<Range> checked;
    checked.reserve(count);
    for (size_t i = 0; i < count; ++i) {
      const Result<Range> range = checked_range(ranges[i].offset, ranges[i].length, object->size);
      if (!range) return fail(in_context(range.error(), "prefetch", object->url));
      checked.push_back(*range);
    }
    return run_operation(object, "prefetch", [&checked](region::Region& open) {
      return immediate(open.prefetch(checked));
    });
  });
}

int r3map_region_evict(r3map_region* region, uint64_t offset, uint64_t length) {
  return with_range(region, offset, length, "evict", [&](const RegionPtr& object, Range range) {
    return run_operation(object, "evict",
                         [=](region::Region& open) { return open.evict(range); });
  });
}

int r3map_region_wait(r3map_region* region) {
  return with_range(region, 0, 0, "wait", [&](const RegionPtr& object, Range) {
    return run_operation(object, "wait", [](region::Region& open) { return open.wait(); });
  });
}

int r3map_region_wait_async(r3map_region* region, r3map_queue* queue, uint64_t tag) {
  return with_range(region, 0, 0, "wait", [&](const RegionPtr& object, Range) {
    return run_operation_async(
        object, "wait", 0, [](region::Region& open) { return open.wait(); }, queue, tag);
  });
}

int r3map_region_stats(r3map_region* region, r3map_stats* stats) {
  return with_range(region, 0, 0, "stats", [&](const RegionPtr& object, Range) -> Result<> {
    constexpr size_t kSize01 = offsetof(r3map_stats, evicted) + sizeof stats->evicted;
    if (Result<> fits = check_struct(stats, kSize01, "stats"); !fits) return fits;
    region::RegionStats now;
    if (Result<> asked = run_operation(object, "stats",
                                       [&now](region::Region& open) {
                                         now = open.stats();
                                         return immediate({});
                                       });
        !asked)
      return asked;
    const auto us = [](Histogram::Duration duration) {
      return static_cast<uint64_t>(duration.count());
    };
    const Histogram& times = now.fault_times;
    const r3map_stats all = {stats->struct_size,
                             now.eager,
                             now.size,
                             now.resident,
                             now.pinned,
                             now.in_flight,
                             now.budget,
                             now.faults,
                             now.failed_faults,
                             now.requests,
                             now.failed_requests,
                             now.fetched,
                             now.evicted,
                             times.count(),
                             us(times.sum()),
                             us(times.percentile(0.5)),
                             us(times.percentile(0.99)),
                             us(times.max()),
                             now.hedged_requests,
                             now.retries};
    fill_struct(stats, all);
    return {};
  });
}

namespace {

Result<> check_format(int format) {
  if (format == R3MAP_STATS_JSON || format == R3MAP_STATS_PROMETHEUS) return {};
  return fail(Code::invalid, "stats: no format has the number " + std::to_string(format));
}

// Of those that are still open.
Result<std::vector<region::NamedStats>> stats_of(const std::vector<RegionPtr>& objects) {
  std::vector<region::NamedStats> all;
  if (objects.empty()) return all;
  const Result<uint64_t> asked = run(*objects[0]->engine, [&]() -> Task<Result<uint64_t>> {
    for (const RegionPtr& object : objects)
      if (object->region) all.push_back({object->number, object->url, object->region->stats()});
    co_return uint64_t{0};
  });
  if (!asked) return fail(asked.error());
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
  return all;
}

}  // namespace

int r3map_region_stats_text(r3map_region* region, int format, char* buffer, size_t length) {
  return guarded([&]() -> Result<int> {
    Result<RegionPtr> object = region_table().get(region);
    if (!object) return fail(std::move(object.error()));
    if (Result<> known = check_format(format); !known) return fail(known.error());
    const Result<std::vector<region::NamedStats>> stats = stats_of({*object});
    if (!stats) return fail(stats.error());
    if (stats->empty()) return fail(Code::canceled, "the region was closed");
    return copy_text(format == R3MAP_STATS_JSON ? region::stats_json(stats->front())
                                                : region::stats_prometheus(*stats),
                     buffer, length);
  });
}

int r3map_stats_text(int format, char* buffer, size_t length) {
  return guarded([&]() -> Result<int> {
    if (Result<> known = check_format(format); !known) return fail(known.error());
    const Result<std::vector<region::NamedStats>> stats = stats_of(region_table().all());
    if (!stats) return fail(stats.error());
    return copy_text(format == R3MAP_STATS_JSON ? region::stats_json(*stats)
                                                : region::stats_prometheus(*stats),
                     buffer, length);
  });
}

int r3map_region_residency(r3map_region* region, uint64_t offset, uint64_t length,
                           unsigned char* map, size_t cells) {
  return with_range(region, offset, length, "residency",
                    [&](const RegionPtr& object, Range range) -> Result<> {
    if (!map || cells == 0 || cells > limits::kResidencyCells)
      return fail(Code::invalid, "residency: no cells, or too many");
    std::vector<uint8_t> shares;
    Result<> asked = run_operation(object, "residency", [&](region::Region& open) {
      return count_residency(open, range, cells, shares);
    });
    // Here, since the map may lie in a region.
    if (asked) std::copy(shares.begin(), shares.end(), map);
    return asked;
  });
}

int r3map_region_error(r3map_region* region, char* buffer, size_t length) {
  return guarded([&]() -> Result<int> {
    Result<RegionPtr> object = region_table().get(region);
    if (!object) return fail(std::move(object.error()));
    Error error;
    if (Result<> asked = run_operation(*object, "error",
                                       [&error](region::Region& open) {
                                         error = open.last_error();
                                         return immediate({});
                                       });
        !asked)
      return fail(asked.error());
    if (error.code != Code::ok) error = in_context(error, "fault", (*object)->url);
    copy_text(error.message, buffer, length);
    return static_cast<int>(error.code);
  });
}
