#include "loop/worker_pool.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "support/loop_fixture.hpp"
#include "support/subprocess.hpp"

namespace r3map::loop {
namespace {

class WorkerPoolTest : public test::LoopTest {
 protected:
  // Runs `work` on a pool from a task, and waits for its result.
  template <typename Work, typename T = std::invoke_result_t<Work>>
  T on_worker(Priority priority, Work work) {
    return run<T>([&]() -> Task<Result<T>> {
             auto working = workers_.run(priority, std::move(work));
             T result = co_await working;
             back_on_loop_ = loop_->on_thread();
             co_return result;
           })
        .value();
  }
  bool back_on_loop_ = false;
};

TEST_F(WorkerPoolTest, RunsElsewhereAndContinuesOnTheLoop) {
  const auto worker =
      on_worker(Priority::bulk, [] { return std::this_thread::get_id(); });
  EXPECT_NE(worker, std::this_thread::get_id());
  EXPECT_TRUE(back_on_loop_);
  std::thread::id loop_thread;
  on_loop([&] { loop_thread = std::this_thread::get_id(); });
  EXPECT_NE(worker, loop_thread);
}

TEST_F(WorkerPoolTest, AnswersWhatTheWorkReturned) {
  EXPECT_EQ(on_worker(Priority::urgent, [] { return std::string("seven"); }), "seven");
  const auto moved = run<std::unique_ptr<int>>([&]() -> Task<Result<std::unique_ptr<int>>> {
    auto working = workers_.run(Priority::bulk, [] { return std::make_unique<int>(7); });
    co_return co_await working;
  });
  EXPECT_EQ(**moved, 7);
  const Result<int> failed = run<int>([&]() -> Task<Result<int>> {
    auto working = workers_.run(Priority::bulk,
                                []() -> Result<int> { return fail(Code::stale, "no"); });
    co_return co_await working;
  });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::stale);
}

TEST_F(WorkerPoolTest, UrgentWorkOvertakesBulkWorkThatHasNotBegun) {
  WorkerPool pool(*loop_, "one", 1);
  std::promise<void> began, gate, ended;
  std::vector<std::string> order;  // the worker's
  pool.post(Priority::bulk, [&] {
    began.set_value();
    gate.get_future().wait();
    order.push_back("begun");
  });
  began.get_future().wait();
  pool.post(Priority::bulk, [&] { order.push_back("bulk 1"); });
  pool.post(Priority::urgent, [&] { order.push_back("urgent 1"); });
  pool.post(Priority::bulk, [&] {
    order.push_back("bulk 2");
    ended.set_value();
  });
  pool.post(Priority::urgent, [&] { order.push_back("urgent 2"); });
  gate.set_value();
  ended.get_future().wait();
  EXPECT_EQ(order, (std::vector<std::string>{"begun", "urgent 1", "urgent 2", "bulk 1", "bulk 2"}));
}

TEST_F(WorkerPoolTest, AllThreadsWorkAtOnce) {
  WorkerPool pool(*loop_, "three", 3);
  // Each waits for the other two: fewer threads than three would wait for ever.
  std::atomic<int> there = 0;
  std::array<std::promise<void>, 3> met;
  for (auto& promise : met)
    pool.post(Priority::urgent, [&] {
      ++there;
      while (there < 3) std::this_thread::yield();
      promise.set_value();
    });
  for (auto& promise : met)
    EXPECT_EQ(promise.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
}

TEST_F(WorkerPoolTest, BulkWorkLeavesAThreadForUrgentWork) {
  WorkerPool pool(*loop_, "three", 3);
  std::promise<void> go;
  const std::shared_future<void> gone = go.get_future().share();
  std::promise<void> urgent;
  for (int i = 0; i < 6; ++i) pool.post(Priority::bulk, [gone] { gone.wait(); });
  pool.post(Priority::urgent, [&] { urgent.set_value(); });
  EXPECT_EQ(urgent.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
  go.set_value();
}

TEST_F(WorkerPoolTest, TheEndRunsWhatIsQueued) {
  std::atomic<int> ran = 0;
  {
    WorkerPool pool(*loop_, "end", 2);
    for (int i = 0; i < 1000; ++i)
      pool.post(i % 2 ? Priority::urgent : Priority::bulk, [&] { ++ran; });
  }
  EXPECT_EQ(ran, 1000);
}

TEST_F(WorkerPoolTest, AThousandTasksAtOnce) {
  std::atomic<int64_t> sum = 0;
  TaskGroup group;
  const auto member = [&](int i) -> Task<void> {
    auto working = workers_.run(i % 3 ? Priority::bulk : Priority::urgent, [i] { return i; });
    const int got = co_await working;
    sum += got;
  };
  const Result<> all = run<void>([&]() -> Task<Result<>> {
    for (int i = 0; i < 1000; ++i) group.spawn(member(i));
    Task<void> idle = group.idle();
    co_await idle;
    co_return Result<>();
  });
  EXPECT_TRUE(all);
  EXPECT_EQ(sum, 999 * 1000 / 2);
}

TEST_F(WorkerPoolTest, ItsThreadsHaveTheirNameAndTakeNoSignals) {
  struct Seen {
    std::string name;
    bool blocked;
  };
  const Seen seen = on_worker(Priority::bulk, [] {
    std::array<char, 16> name{};
    pthread_getname_np(pthread_self(), name.data(), name.size());
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    bool blocked = true;
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGCHLD, SIGPIPE, SIGUSR1, SIGPROF})
      blocked = blocked && sigismember(&mask, number);
    return Seen{name.data(), blocked};
  });
  EXPECT_EQ(seen.name, "test-worker");
  EXPECT_TRUE(seen.blocked);
}

// Not std::terminate, which destroying a thread that still runs would be.
TEST(WorkerPool, NoThreadsLeftIsAnException) {
  EXPECT_CHILD_PASSES([](const test::Child& child) {
    auto loop = Loop::start("loop");
    CHILD_CHECK(child, loop.has_value());
    child.become_nobody();
    // Other processes of this user count as well: none, some or all of the pool's may start.
    const rlimit few{20, 20};
    CHILD_CHECK(child, setrlimit(RLIMIT_NPROC, &few) == 0);
    bool thrown = false;
    try {
      WorkerPool pool(**loop, "many", 100);
    } catch (const std::system_error&) {
      thrown = true;
    }
    CHILD_CHECK(child, thrown);
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    CHILD_CHECK(child, !sigismember(&blocked, SIGINT));
  });
}

}  // namespace
}  // namespace r3map::loop
