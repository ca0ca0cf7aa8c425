#include "loop/loop.hpp"

#include <sys/eventfd.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "base/thread.hpp"
#include "loop/event.hpp"

namespace r3map::loop {

struct Loop::Impl {
  uv_loop_t uv;
  uv_async_t wakeup;
  std::thread thread;
  std::mutex mutex;
  std::vector<std::function<void()>> posted;  // under mutex
  bool stopping = false;                      // under mutex

  void run_posted() {
    std::vector<std::function<void()>> work;
    bool stop;
    {
      std::lock_guard lock(mutex);
      work.swap(posted);
      stop = stopping;
    }
    for (std::function<void()>& item : work) item();
    run_ready();
    if (stop) uv_stop(&uv);
  }

  // Those that owners closed meanwhile still wait for their close callbacks.
  void close_handles() {
    uv_close(reinterpret_cast<uv_handle_t*>(&wakeup), nullptr);
    while (uv_run(&uv, UV_RUN_NOWAIT) != 0) {
    }
  }

  static Impl& of(uv_loop_t* loop) { return *static_cast<Impl*>(loop->data); }

  // What is ready, but not for so long that descriptors and timers are kept waiting.
  void run_ready() {
    constexpr size_t kOneTurn = 1024;
    const bool more = ReadyQueue::current().run(kOneTurn);
    if (more && !uv_is_closing(reinterpret_cast<uv_handle_t*>(&wakeup))) uv_async_send(&wakeup);
  }

  static Failure failure(const char* what, int status) {
    return fail_errno(std::string("event loop: ") + what, -status);
  }
};

Loop::Loop(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

namespace {

// libuv's first loop ends the process if it can't have its descriptors.
Result<> check_descriptors() {
  std::array<int, 8> probes;
  probes.fill(-1);
  int error = 0;
  for (int& probe : probes)
    if ((probe = eventfd(0, EFD_CLOEXEC)) < 0) error = errno;
  for (const int probe : probes)
    if (probe >= 0) close(probe);
  if (error) return fail_errno("no descriptors for an event loop", error);
  return {};
}

}  // namespace

Result<std::unique_ptr<Loop>> Loop::start(const char* thread_name) {
  if (Result<> room = check_descriptors(); !room) return fail(std::move(room.error()));
  auto impl = std::make_unique<Impl>();
  if (int status = uv_loop_init(&impl->uv); status < 0) return Impl::failure("init", status);
  if (int status = uv_async_init(&impl->uv, &impl->wakeup,
                                 [](uv_async_t* handle) {
                                   static_cast<Impl*>(handle->loop->data)->run_posted();
                                 });
      status < 0) {
    uv_loop_close(&impl->uv);
    return Impl::failure("wakeup", status);
  }
  impl->uv.data = impl.get();
  try {
    impl->thread = start_thread(thread_name, [impl = impl.get()] {
      uv_run(&impl->uv, UV_RUN_DEFAULT);
      impl->close_handles();
    });
  } catch (const std::system_error& error) {
    impl->close_handles();
    uv_loop_close(&impl->uv);
    return fail_errno("can't start a thread", error.code().value());
  }
  return std::unique_ptr<Loop>(new Loop(std::move(impl)));
}

Loop::~Loop() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    uv_async_send(&impl_->wakeup);  // under the lock, as in post()
  }
  impl_->thread.join();
  uv_loop_close(&impl_->uv);
}

bool Loop::on_thread() const { return std::this_thread::get_id() == impl_->thread.get_id(); }

void Loop::post(std::function<void()> work) {
  std::lock_guard lock(impl_->mutex);
  if (impl_->stopping) return;
  impl_->posted.push_back(std::move(work));
  // Under the lock, so that the handle can't be closed in between.
  if (impl_->posted.size() == 1) uv_async_send(&impl_->wakeup);
}

void Loop::call(const std::function<void()>& work) {
  std::promise<void> done;
  post([&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

struct Timer::Impl {
  uv_timer_t uv;
  std::function<void()> fired;
};

Timer::Timer(Loop& loop, std::function<void()> fired) : impl_(new Impl) {
  impl_->fired = std::move(fired);
  uv_timer_init(&loop.impl().uv, &impl_->uv);
  impl_->uv.data = impl_;
}

Timer::~Timer() {
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->uv),
           [](uv_handle_t* handle) { delete static_cast<Impl*>(handle->data); });
}

void Timer::start(Clock::duration delay) {
  // libuv's now is as old as the current turn of the loop, and in whole milliseconds: the delay is
  // counted from there, so that it is never too short.
  uv_update_time(impl_->uv.loop);
  constexpr Clock::duration kLongest = std::chrono::hours(24 * 36500);
  uint64_t after = 0;
  if (delay > Clock::duration::zero()) {
    const auto due = std::chrono::ceil<std::chrono::milliseconds>(
        Clock::now().time_since_epoch() + std::min(delay, kLongest));
    const auto ms = static_cast<uint64_t>(due.count());
    after = ms - std::min(ms, uv_now(impl_->uv.loop));
  }
  uv_timer_start(
      &impl_->uv,
      [](uv_timer_t* handle) {
        static_cast<Impl*>(handle->data)->fired();
        Loop::Impl::of(handle->loop).run_ready();
      },
      after, 0);
}

void Timer::stop() { uv_timer_stop(&impl_->uv); }

struct FdWatch::Impl {
  uv_poll_t uv;
  std::function<void(int)> ready;
  int interest = 0;
  int status = 0;  // of uv_poll_init; the handle exists only when 0

  static void on_ready(uv_poll_t* handle, int error, int events) {
    auto* impl = static_cast<Impl*>(handle->data);
    // libuv stops watching after an error; what comes after it (the end of the stream) is for the
    // owner to see as well.
    if (error < 0) uv_poll_start(handle, impl->interest, on_ready);
    impl->ready(error < 0 ? impl->interest : events);
    Loop::Impl::of(handle->loop).run_ready();
  }
};

FdWatch::FdWatch(Loop& loop, int fd, std::function<void(int)> ready) : impl_(new Impl) {
  impl_->ready = std::move(ready);
  impl_->status = uv_poll_init(&loop.impl().uv, &impl_->uv, fd);
  impl_->uv.data = impl_;
}

FdWatch::~FdWatch() {
  if (impl_->status < 0) {
    delete impl_;
    return;
  }
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->uv),
           [](uv_handle_t* handle) { delete static_cast<Impl*>(handle->data); });
}

Result<> FdWatch::watch(int interest) {
  if (impl_->status < 0) return Loop::Impl::failure("descriptor", impl_->status);
  impl_->interest = interest;
  if (interest == 0) {
    uv_poll_stop(&impl_->uv);
    return {};
  }
  static_assert(int{kReadable} == int{UV_READABLE} && int{kWritable} == int{UV_WRITABLE});
  if (const int status = uv_poll_start(&impl_->uv, interest, Impl::on_ready); status < 0)
    return Loop::Impl::failure("watch", status);
  return {};
}

Task<Result<>> sleep_until(Loop& loop, Deadline until, std::stop_token stop) {
  Event done;
  Timer timer(loop, [&] { done.set(); });
  if (until != kNever) timer.start(until - Clock::now());
  std::stop_callback stopped(stop, [&] { done.set(); });
  co_await done;
  if (stop.stop_requested()) co_return fail(Code::canceled, "stopped");
  co_return Result<>();
}

}  // namespace r3map::loop
