// Threads of r3map's own for what blocks (file I/O) or moves much memory. Not libuv's pool, which
// the whole process and getaddrinfo share.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <vector>

#include "loop/event.hpp"
#include "loop/loop.hpp"

namespace r3map::loop {

// Urgent: a thread waits for it in a page fault, or it takes no longer than memory does. All that
// may hang, because a file system does, is bulk.
enum class Priority { urgent, bulk };

class WorkerPool {
 public:
  // Throws std::system_error if it can't have its threads.
  WorkerPool(Loop& loop, const char* name, unsigned threads);
  ~WorkerPool();  // runs what is queued, then joins
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Urgent work overtakes bulk work that has not begun, and one thread, if there are several, is
  // never busy with bulk work. Thread: any.
  void post(Priority priority, std::function<void()> work);

  // Runs `work` on a worker and continues on the loop with its result. `work` must return a value.
  // Thread: the loop's.
  template <typename Work, typename T = std::invoke_result_t<Work>>
  Task<T> run(Priority priority, Work work) {
    Event done;
    std::optional<T> result;
    post(priority, [&] {
      result.emplace(work());
      loop_.post([&] { done.set(); });
    });
    co_await done;
    co_return std::move(*result);
  }

 private:
  void work();
  bool may_start_bulk() const;
  void stop();

  Loop& loop_;
  std::mutex mutex_;
  std::condition_variable wakeup_;
  std::deque<std::function<void()>> urgent_;  // all four under mutex_
  std::deque<std::function<void()>> bulk_;
  unsigned bulk_running_ = 0;
  bool stopping_ = false;
  const unsigned most_bulk_;
  std::vector<std::thread> threads_;
};

}  // namespace r3map::loop
