// Queues: where asynchronous calls deliver.

#include <cstddef>

#include "guard.hpp"
#include "objects.hpp"

using namespace r3map;
using namespace r3map::capi;

int r3map_queue_new(r3map_queue** queue) {
  return guarded([&]() -> Result<> {
    if (!queue) return fail(Code::invalid, "queue: NULL");
    Result<std::shared_ptr<QueueObject>> object = QueueObject::open();
    if (!object) return fail(std::move(object.error()));
    Result<r3map_queue*> handle = queue_table().add(std::move(*object));
    if (!handle) return fail(std::move(handle.error()));
    *queue = *handle;
    return {};
  });
}

void r3map_queue_free(r3map_queue* queue) {
  guarded([&] {
    if (Result<std::shared_ptr<QueueObject>> object = queue_table().take(queue)) (*object)->close();
    return 0;
  });
}

int r3map_queue_descriptor(r3map_queue* queue) {
  return guarded([&]() -> Result<int> {
    Result<std::shared_ptr<QueueObject>> object = queue_table().get(queue);
    if (!object) return fail(std::move(object.error()));
    return (*object)->descriptor();
  });
}

int r3map_queue_next(r3map_queue* queue, r3map_completion* completion, int64_t timeout_ms) {
  return guarded([&]() -> Result<int> {
    constexpr size_t kSize01 = offsetof(r3map_completion, message) + sizeof completion->message;
    if (Result<> fits = check_struct(completion, kSize01, "completion"); !fits)
      return fail(std::move(fits.error()));
    Result<std::shared_ptr<QueueObject>> object = queue_table().get(queue);
    if (!object) return fail(std::move(object.error()));
    Completion next;
    const Result<bool> found = (*object)->next(next, timeout_ms);
    if (!found) return fail(found.error());
    if (!*found) return 0;
    r3map_completion all{};
    all.tag = next.tag;
    all.code = next.result ? 0 : static_cast<int32_t>(next.result.error().code);
    all.value = next.result.value_or(0);
    copy_text(next.result ? "" : next.result.error().message, all.message, sizeof all.message);
    fill_struct(completion, all);
    return 1;
  });
}
