// What stands behind the handles, and the tables that find it.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

#include "handle_table.hpp"
#include "loop/event.hpp"
#include "r3map.h"
#include "region/region.hpp"
#include "resource/registry.hpp"

namespace r3map::capi {

// Thread: one at a time, as the header says.
struct OptionsObject {
  resource::Options backend;
  region::RegionOptions region;
};

// What an operation answers: a code, a message, a value, and how to undo what it opened if nobody
// takes the completion.
struct Completion {
  uint64_t tag = 0;
  Result<uint64_t> result = 0;
  std::function<void(uint64_t)> undo;
};

// Thread: any.
class QueueObject {
 public:
  static Result<std::shared_ptr<QueueObject>> open();
  ~QueueObject();

  int descriptor() const { return event_; }
  // One more operation is under way: its completion will find room. Code::busy if there is none.
  Result<> begin();
  void complete(Completion completion);
  // Waits; Result<bool>: whether there was one.
  Result<bool> next(Completion& completion, int64_t timeout_ms);
  void close();

 private:
  explicit QueueObject(int event) : event_(event) {}
  const int event_;
  std::mutex mutex_;
  std::deque<Completion> ready_;  // under mutex_, as what follows
  size_t pending_ = 0;            // begun, and not fetched
  bool closed_ = false;
};

// Thread: any for the constants; the loop's for the rest.
struct ResourceObject {
  Engine* engine = nullptr;
  std::string url;
  std::unique_ptr<resource::Resource> resource;  // null: closed
  uint64_t size = 0;
  std::string version;
  loop::Clock::duration deadline{};
  std::stop_source stop;
  loop::Gate operations;
};

// Thread: as ResourceObject.
struct RegionObject {
  Engine* engine = nullptr;
  std::string url;
  std::unique_ptr<region::Region> region;  // null: closed
  uint64_t number = 0;  // tells it from others of its URL, in statistics
  const std::byte* data = nullptr;
  uint64_t size = 0;
  std::string version;
};

using OptionsTable = HandleTable<OptionsObject, r3map_options, 1>;
using QueueTable = HandleTable<QueueObject, r3map_queue, 2>;
using ResourceTable = HandleTable<ResourceObject, r3map_resource, 3>;
using RegionTable = HandleTable<RegionObject, r3map_region, 4>;

// Never destroyed: threads may still call while static destructors run.
OptionsTable& options_table();
QueueTable& queue_table();
ResourceTable& resource_table();
RegionTable& region_table();

// The defaults for NULL.
Result<OptionsObject> options_of(const r3map_options* options);

// What every open begins with.
struct Opening {
  Engine* engine;
  OptionsObject options;
};
Result<Opening> prepare_open(const char* url, const r3map_options* options);

// The URL as messages show it; "" if it isn't one.
std::string shown_url(const char* url);

// ---- running operations -------------------------------------------------------------------------

using Operation = std::function<loop::Task<Result<uint64_t>>()>;

// Waits for `operation`, run on the engine's loop.
Result<uint64_t> run(Engine& engine, Operation operation);
// Starts it; its result goes to the queue.
Result<> run_async(Engine& engine, r3map_queue* queue, uint64_t tag, Operation operation,
                   std::function<void(uint64_t)> undo = nullptr);

// What the header promises of `struct_size`: at least `size01`, what the struct was in version 0.1.
template <typename Struct>
Result<> check_struct(const Struct* given, size_t size01, const char* name) {
  if (given && given->struct_size >= size01) return {};
  return fail(Code::invalid, std::string(name) + ": NULL, or its struct_size is not set");
}
// Writes what the caller's version of the struct has, and not the rest.
template <typename Struct>
void fill_struct(Struct* given, Struct values) {
  values.struct_size = given->struct_size;
  std::memcpy(given, &values, std::min<size_t>(given->struct_size, sizeof values));
}

// Copies a text out as the header promises; answers its full length.
int copy_text(const std::string& text, char* buffer, size_t length);

}  // namespace r3map::capi
