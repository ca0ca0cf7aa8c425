#include "loop/worker_pool.hpp"

#include "base/thread.hpp"

namespace r3map::loop {

WorkerPool::WorkerPool(Loop& loop, const char* name, unsigned threads)
    : loop_(loop), most_bulk_(threads > 1 ? threads - 1 : 1) {
  threads_.reserve(threads);
  try {
    for (unsigned i = 0; i < threads; ++i)
      threads_.push_back(start_thread(name, [this] { work(); }));
  } catch (...) {
    stop();
    throw;
  }
}

WorkerPool::~WorkerPool() { stop(); }

void WorkerPool::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wakeup_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::post(Priority priority, std::function<void()> work) {
  {
    std::lock_guard lock(mutex_);
    (priority == Priority::urgent ? urgent_ : bulk_).push_back(std::move(work));
  }
  wakeup_.notify_one();
}

void WorkerPool::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wakeup_.wait(lock, [this] { return stopping_ || !urgent_.empty() || may_start_bulk(); });
    const bool bulk = urgent_.empty();
    std::deque<std::function<void()>>& queue = bulk ? bulk_ : urgent_;
    if (queue.empty()) return;
    std::function<void()> item = std::move(queue.front());
    queue.pop_front();
    bulk_running_ += bulk;
    lock.unlock();
    item();
    lock.lock();
    bulk_running_ -= bulk;
    if (bulk && may_start_bulk()) wakeup_.notify_one();
  }
}

bool WorkerPool::may_start_bulk() const { return !bulk_.empty() && bulk_running_ < most_bulk_; }

}  // namespace r3map::loop
