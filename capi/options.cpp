// Options, errors and the version.

#include <algorithm>
#include <cstring>

#include "guard.hpp"
#include "objects.hpp"

using namespace r3map;
using namespace r3map::capi;

namespace {

bool is_chunk_size(uint64_t size) {
  return size == 0 || (size >= limits::kChunkSizeMin && size <= limits::kChunkSizeMax &&
                       (size & (size - 1)) == 0);
}

// A path as an argument: "" for NULL.
Result<std::string> parse_path(const char* path) {
  if (!path) return std::string();
  const size_t length = strnlen(path, limits::kPathLength + 1);
  if (length > limits::kPathLength) return fail(Code::invalid, "the path is too long");
  return std::string(path, length);
}

template <typename Change>
int change(r3map_options* options, Change apply) {
  return guarded([&]() -> Result<> {
    Result<std::shared_ptr<OptionsObject>> object = options_table().get(options);
    if (!object) return fail(std::move(object.error()));
    return apply(**object);
  });
}

}  // namespace

const char* r3map_last_error_message(void) {
  const std::string* const message = last_error_message();
  return message ? message->c_str() : "";
}

const char* r3map_error_name(int code) {
  switch (code) {
#define NAME(code) \
  case code: return #code;
    NAME(R3MAP_OK)
    NAME(R3MAP_EINVAL)
    NAME(R3MAP_ENOENT)
    NAME(R3MAP_EACCES)
    NAME(R3MAP_EIO)
    NAME(R3MAP_ETIMEDOUT)
    NAME(R3MAP_ESTALE)
    NAME(R3MAP_ENOMEM)
    NAME(R3MAP_ECANCELED)
    NAME(R3MAP_EBADF)
    NAME(R3MAP_ENOTSUP)
    NAME(R3MAP_EPROTO)
    NAME(R3MAP_ENETWORK)
    NAME(R3MAP_ERANGE)
    NAME(R3MAP_EROFS)
    NAME(R3MAP_EDEADLK)
    NAME(R3MAP_EFORKED)
    NAME(R3MAP_EBUSY)
    NAME(R3MAP_EINTERNAL)
#undef NAME
    default: return "R3MAP_EUNKNOWN";
  }
}

int r3map_error_errno(int code) { return code_errno(static_cast<Code>(code)); }

int r3map_url_shown(const char* url, char* buffer, size_t length) {
  return guarded([&]() -> Result<int> {
    if (!url) return fail(Code::invalid, "url: NULL");
    return copy_text(shown_url(url), buffer, length);
  });
}

const char* r3map_version(void) { return R3MAP_VERSION; }

int r3map_options_new(r3map_options** options) {
  return guarded([&]() -> Result<> {
    if (!options) return fail(Code::invalid, "options: NULL");
    Result<r3map_options*> handle = options_table().add(std::make_shared<OptionsObject>());
    if (!handle) return fail(std::move(handle.error()));
    *options = *handle;
    return {};
  });
}

void r3map_options_free(r3map_options* options) {
  guarded([&] { return options_table().take(options) ? 0 : 0; });
}

int r3map_options_set(r3map_options* options, const char* name, const char* value) {
  return change(options, [&](OptionsObject& object) -> Result<> {
    if (!name || !value) return fail(Code::invalid, "option: NULL");
    if (strnlen(name, limits::kOptionName + 1) > limits::kOptionName || !*name ||
        strnlen(value, limits::kOptionValue + 1) > limits::kOptionValue)
      return fail(Code::invalid, "an option's name or value is too long");
    if (object.backend.size() >= limits::kOptions && !object.backend.contains(name))
      return fail(Code::invalid, "too many options");
    object.backend.insert_or_assign(name, value);
    return {};
  });
}

int r3map_options_set_chunk_size(r3map_options* options, uint64_t chunk_size) {
  return change(options, [&](OptionsObject& object) -> Result<> {
    if (!is_chunk_size(chunk_size))
      return fail(Code::invalid, "chunk size " + std::to_string(chunk_size) +
                                     ": not a power of two from 4 KiB to 1 GiB");
    object.region.chunk_size = chunk_size;
    return {};
  });
}

int r3map_options_set_budget(r3map_options* options, uint64_t budget) {
  return change(options, [&](OptionsObject& object) -> Result<> {
    if (budget != 0 && budget < limits::kBudgetMin)
      return fail(Code::invalid,
                  "budget " + std::to_string(budget) + ": less than the least of 1 MiB");
    object.region.budget = budget;
    return {};
  });
}

int r3map_options_set_deadline(r3map_options* options, uint64_t deadline_ms) {
  return change(options, [&](OptionsObject& object) -> Result<> {
    // Longer than a century is for ever, and would overflow the clock.
    constexpr uint64_t kCentury = uint64_t{100} * 366 * 24 * 3600 * 1000;
    object.region.deadline = std::chrono::milliseconds(deadline_ms > kCentury ? 0 : deadline_ms);
    return {};
  });
}

int r3map_options_set_pull(r3map_options* options, int pull) {
  return change(options, [&](OptionsObject& object) -> Result<> {
    switch (pull) {
      case R3MAP_PULL_NONE: object.region.pull = region::Pull::none; return {};
      case R3MAP_PULL_READAHEAD: object.region.pull = region::Pull::readahead; return {};
      case R3MAP_PULL_ALL: object.region.pull = region::Pull::all; return {};
      default: return fail(Code::invalid, "pull: no such value");
    }
  });
}

int r3map_options_set_priority(r3map_options* options, const r3map_range* ranges, size_t count) {
  return change(options, [&](OptionsObject& object) -> Result<> {
    if (count > limits::kPriorityRanges || (count > 0 && !ranges))
      return fail(Code::invalid, "priority: too many ranges, or NULL");
    object.region.priority.clear();
    for (size_t i = 0; i < count; ++i) {
      // Past the address space is past the end of everything.
      const uint64_t offset = std::min(ranges[i].offset, limits::kRegionSize);
      const uint64_t length = std::min(ranges[i].length, limits::kRegionSize);
      if (length > 0) object.region.priority.push_back({offset, length});
    }
    return {};
  });
}

int r3map_options_set_trace(r3map_options* options, const char* path) {
  return change(options, [&](OptionsObject& object) -> Result<> {
    Result<std::string> parsed = parse_path(path);
    if (!parsed) return fail(std::move(parsed.error()));
    object.region.trace = std::move(*parsed);
    return {};
  });
}

int r3map_options_set_pull_order(r3map_options* options, const char* path) {
  return change(options, [&](OptionsObject& object) -> Result<> {
    Result<std::string> parsed = parse_path(path);
    if (!parsed) return fail(std::move(parsed.error()));
    region::Trace trace;
    if (!parsed->empty()) {
      Result<region::Trace> read = region::read_trace(*parsed);
      if (!read) return fail(std::move(read.error()));
      trace = std::move(*read);
    }
    object.region.priority.clear();
    for (const region::TraceEntry& entry : trace.entries)
      object.region.priority.push_back(entry.range);
    return {};
  });
}

int r3map_trace_read(const char* path, uint64_t* size, r3map_trace_entry* entries, size_t count) {
  return guarded([&]() -> Result<int> {
    if (!path || !size || (count > 0 && !entries)) return fail(Code::invalid, "trace: NULL");
    const Result<std::string> parsed = parse_path(path);
    if (!parsed) return fail(parsed.error());
    const Result<region::Trace> trace = region::read_trace(*parsed);
    if (!trace) return fail(trace.error());
    *size = trace->size;
    for (size_t i = 0; i < std::min(count, trace->entries.size()); ++i) {
      const region::TraceEntry& entry = trace->entries[i];
      entries[i] = {entry.range.offset, entry.range.length, entry.milliseconds};
    }
    return static_cast<int>(trace->entries.size());
  });
}

int r3map_options_set_fetch_limits(r3map_options* options, uint64_t requests, uint64_t bytes) {
  return change(options, [&](OptionsObject& object) -> Result<> {
    if (bytes != 0 && bytes < limits::kChunkSizeMin)
      return fail(Code::invalid, "fetch limits: less than 4 KiB");
    object.region.most_requests = requests;
    object.region.most_bytes = bytes;
    return {};
  });
}
