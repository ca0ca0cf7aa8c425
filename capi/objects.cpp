#include "objects.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace r3map::capi {

namespace {

struct Tables {
  OptionsTable options;
  QueueTable queues;
  ResourceTable resources;
  RegionTable regions;
};

// Made when the library is loaded, as the engine's handlers are registered, and for the same reason.
Tables* const tables = new Tables;

void unlock_tables() {
  tables->regions.mutex().unlock();
  tables->resources.mutex().unlock();
  tables->queues.mutex().unlock();
  tables->options.mutex().unlock();
}

// A child of fork() must not inherit a table that another thread was just changing.
[[maybe_unused]] const int registered = pthread_atfork(
    [] {
      tables->options.mutex().lock();
      tables->queues.mutex().lock();
      tables->resources.mutex().lock();
      tables->regions.mutex().lock();
    },
    unlock_tables, unlock_tables);

}  // namespace

OptionsTable& options_table() { return tables->options; }
QueueTable& queue_table() { return tables->queues; }
ResourceTable& resource_table() { return tables->resources; }
RegionTable& region_table() { return tables->regions; }

Result<OptionsObject> options_of(const r3map_options* options) {
  if (!options) return OptionsObject{};
  Result<std::shared_ptr<OptionsObject>> object = options_table().get(options);
  if (!object) return fail(std::move(object.error()));
  return **object;
}

Result<Opening> prepare_open(const char* url, const r3map_options* options) {
  if (!url) return fail(Code::invalid, "url: NULL");
  Result<OptionsObject> object = options_of(options);
  if (!object) return fail(std::move(object.error()));
  Result<Engine*> engine = Engine::get();
  if (!engine) return fail(std::move(engine.error()));
  return Opening{*engine, std::move(*object)};
}

std::string shown_url(const char* url) {
  const Result<resource::Url> parsed = resource::parse_url(url);
  return parsed ? parsed->text : "";
}

int copy_text(const std::string& text, char* buffer, size_t length) {
  if (buffer && length > 0) {
    const size_t copied = std::min(length - 1, text.size());
    std::memcpy(buffer, text.data(), copied);
    buffer[copied] = '\0';
  }
  return static_cast<int>(text.size());
}

// ---- queue --------------------------------------------------------------------------------------

Result<std::shared_ptr<QueueObject>> QueueObject::open() {
  const int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event < 0) return fail_errno("eventfd", errno);
  return std::shared_ptr<QueueObject>(new QueueObject(event));
}

QueueObject::~QueueObject() { ::close(event_); }

Result<> QueueObject::begin() {
  std::lock_guard lock(mutex_);
  if (closed_) return fail(Code::bad_handle, "the queue was freed");
  if (pending_ >= limits::kQueuedCompletions)
    return fail(Code::busy, "too many operations on one queue");
  ++pending_;
  return {};
}

void QueueObject::complete(Completion completion) {
  {
    std::lock_guard lock(mutex_);
    if (!closed_) {
      ready_.push_back(std::move(completion));
      if (ready_.size() == 1) eventfd_write(event_, 1);
      return;
    }
  }
  if (completion.undo && completion.result) completion.undo(*completion.result);
}

Result<bool> QueueObject::next(Completion& completion, int64_t timeout_ms) {
  const loop::Deadline until =
      timeout_ms < 0 ? loop::kNever : loop::Clock::now() + std::chrono::milliseconds(
                                          std::min<int64_t>(timeout_ms, INT32_MAX));
  for (;;) {
    {
      std::lock_guard lock(mutex_);
      if (closed_) return fail(Code::bad_handle, "the queue was freed");
      if (!ready_.empty()) {
        completion = std::move(ready_.front());
        ready_.pop_front();
        --pending_;
        eventfd_t ignored;
        if (ready_.empty()) eventfd_read(event_, &ignored);
        return true;
      }
    }
    int wait = -1;
    if (until != loop::kNever) {
      const auto rest = std::chrono::ceil<std::chrono::milliseconds>(until - loop::Clock::now());
      if (rest.count() <= 0) return false;
      wait = static_cast<int>(rest.count());
    }
    pollfd poll_event{event_, POLLIN, 0};
    // A signal's handler has run: the caller decides whether to go on, if it gave a timeout.
    if (poll(&poll_event, 1, wait) >= 0) continue;
    if (errno != EINTR) return fail_errno("poll", errno);
    if (timeout_ms >= 0) return false;
  }
}

void QueueObject::close() {
  std::deque<Completion> dropped;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    dropped.swap(ready_);
    eventfd_write(event_, 1);  // whoever waits in next() finds out
  }
  for (Completion& completion : dropped)
    if (completion.undo && completion.result) completion.undo(*completion.result);
}

// ---- running operations -------------------------------------------------------------------------

Result<uint64_t> run(Engine& engine, Operation operation) {
  return engine.loop().wait<uint64_t>(std::move(operation));
}

namespace {

loop::Task<void> deliver(Operation operation, std::shared_ptr<QueueObject> queue,
                         Completion completion) {
  auto running = operation();
  completion.result = co_await running;
  queue->complete(std::move(completion));
}

}  // namespace

Result<> run_async(Engine& engine, r3map_queue* queue, uint64_t tag, Operation operation,
                   std::function<void(uint64_t)> undo) {
  Result<std::shared_ptr<QueueObject>> object = queue_table().get(queue);
  if (!object) return fail(std::move(object.error()));
  if (Result<> begun = (*object)->begin(); !begun) return begun;
  engine.loop().post([operation = std::move(operation), object = std::move(*object), tag,
                      undo = std::move(undo)]() mutable {
    loop::spawn(deliver(std::move(operation), std::move(object), {tag, 0, std::move(undo)}));
  });
  return {};
}

}  // namespace r3map::capi
