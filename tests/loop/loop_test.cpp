#include "loop/loop.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/loop_fixture.hpp"
#include "support/subprocess.hpp"

namespace r3map::loop {
namespace {

using namespace std::chrono_literals;
using test::LoopTest;

// A test's event from the loop's thread; the limit is only there to end a hang.
class Signal {
 public:
  void set() { promise_.set_value(); }
  bool wait() { return promise_.get_future().wait_for(30s) == std::future_status::ready; }

 private:
  std::promise<void> promise_;
};

using PostTest = LoopTest;

TEST_F(PostTest, RunsOnTheLoopsThread) {
  EXPECT_FALSE(loop_->on_thread());
  bool there = false;
  on_loop([&] { there = loop_->on_thread(); });
  EXPECT_TRUE(there);
}

TEST_F(PostTest, KeepsTheOrderOfEachOfManyThreads) {
  constexpr int kThreads = 8, kEach = 1000;
  std::array<std::vector<int>, kThreads> seen;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i)
        loop_->post([&, t, i] { seen[static_cast<size_t>(t)].push_back(i); });
    });
  for (std::thread& thread : threads) thread.join();
  on_loop([] {});
  for (const std::vector<int>& numbers : seen) {
    ASSERT_EQ(numbers.size(), size_t{kEach});
    EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end()));
  }
}

TEST_F(PostTest, WorksFromTheLoopItself) {
  Signal done;
  std::vector<int> order;
  on_loop([&] {
    loop_->post([&] {
      order.push_back(2);
      done.set();
    });
    order.push_back(1);
  });
  ASSERT_TRUE(done.wait());
  on_loop([] {});
  EXPECT_EQ(order, (std::vector{1, 2}));
}

TEST_F(PostTest, WhatIsDroppedAtTheEndIsDestroyed) {
  struct Endless {
    Loop* loop;
    std::shared_ptr<int> held;
    void operator()() const { loop->post(*this); }
  };
  const auto held = std::make_shared<int>(0);
  for (int i = 0; i < 10; ++i) loop_->post(Endless{loop_.get(), held});
  on_loop([] {});
  loop_.reset();
  EXPECT_EQ(held.use_count(), 1);
}

using WaitTest = LoopTest;

Task<Result<int>> answer(int value) {
  if (value < 0) co_return fail(Code::stale, "negative");
  co_return value;
}

TEST_F(WaitTest, AnswersAValueOrAnError) {
  EXPECT_EQ(run<int>([] { return answer(5); }).value(), 5);
  const Result<int> failed = run<int>([] { return answer(-1); });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::stale);
}

TEST_F(WaitTest, FromTheLoopsOwnThreadIsADeadlock) {
  Code code = Code::ok;
  bool made = false;
  on_loop([&] {
    code = run<int>([&] {
             made = true;
             return answer(1);
           }).error().code;
  });
  EXPECT_EQ(code, Code::deadlock);
  EXPECT_FALSE(made);
}

TEST_F(WaitTest, ManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i)
        right += run<int>([&] { return answer(t * i); }).value() == t * i;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 8 * 200);
}

// What the caller gave away is gone when it goes on: nothing of it ends later on the loop's thread.
TEST_F(WaitTest, NothingOfTheTaskOutlivesTheWait) {
  for (int i = 0; i < 200; ++i) {
    const auto held = std::make_shared<int>(i);
    const Result<int> got = run<int>([held] {
      return [](std::shared_ptr<int> mine) -> Task<Result<int>> { co_return *mine; }(held);
    });
    ASSERT_EQ(got.value(), i);
    ASSERT_EQ(held.use_count(), 1) << "round " << i;
  }
}

using ThreadTest = LoopTest;

TEST_F(ThreadTest, HasItsNameAndTakesNoSignals) {
  std::array<char, 16> name{};
  bool all_blocked = true;
  on_loop([&] {
    pthread_getname_np(pthread_self(), name.data(), name.size());
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGCHLD, SIGPIPE, SIGUSR1, SIGPROF})
      all_blocked = all_blocked && sigismember(&blocked, number);
  });
  EXPECT_STREQ(name.data(), "test-loop");
  EXPECT_TRUE(all_blocked);
}

TEST_F(ThreadTest, TheStartersSignalMaskStays) {
  sigset_t blocked;
  pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  EXPECT_FALSE(sigismember(&blocked, SIGINT));
}

TEST(Thread, NoThreadsLeftIsAnErrorAndTheSignalMaskStays) {
  EXPECT_CHILD_PASSES([](const test::Child& child) {
    child.become_nobody();
    const rlimit none{0, 0};
    CHILD_CHECK(child, setrlimit(RLIMIT_NPROC, &none) == 0);
    const Result<std::unique_ptr<Loop>> loop = Loop::start("never");
    CHILD_CHECK(child, !loop);
    CHILD_CHECK(child, loop.error().code == Code::no_memory);
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    CHILD_CHECK(child, !sigismember(&blocked, SIGINT));
  });
}

TEST(Thread, NoDescriptorsLeftIsAnError) {
  EXPECT_CHILD_PASSES([](const test::Child& child) {
    const rlimit none{3, 3};
    CHILD_CHECK(child, setrlimit(RLIMIT_NOFILE, &none) == 0);
    const Result<std::unique_ptr<Loop>> loop = Loop::start("never");
    CHILD_CHECK(child, !loop);
    CHILD_CHECK(child, !loop.error().message.empty());
  });
}

// Timers belong to the loop's thread, so each test makes and ends them there.
class TimerTest : public LoopTest {
 protected:
  Timer& make(std::function<void()> fired) {
    Timer* timer = nullptr;
    on_loop([&] {
      timers_.push_back(std::make_unique<Timer>(*loop_, std::move(fired)));
      timer = timers_.back().get();
    });
    return *timer;
  }
  void TearDown() override {
    on_loop([&] { timers_.clear(); });
  }

  std::vector<int> order_;  // the loop's thread
  Signal done_;
  std::vector<std::unique_ptr<Timer>> timers_;
};

TEST_F(TimerTest, FireInTheOrderOfTheirDelays) {
  Timer& third = make([&] {
    order_.push_back(3);
    done_.set();
  });
  Timer& first = make([&] { order_.push_back(1); });
  Timer& second = make([&] { order_.push_back(2); });
  on_loop([&] {
    third.start(30ms);
    first.start(10ms);
    second.start(20ms);
  });
  ASSERT_TRUE(done_.wait());
  on_loop([&] { EXPECT_EQ(order_, (std::vector{1, 2, 3})); });
}

TEST_F(TimerTest, FireWhenTheTimeHasPassedAlready) {
  Timer& late = make([&] { done_.set(); });
  on_loop([&] { late.start(-5s); });
  EXPECT_TRUE(done_.wait());
}

TEST_F(TimerTest, NeverFireInsideStart) {
  Timer& timer = make([&] {
    order_.push_back(2);
    done_.set();
  });
  on_loop([&] {
    timer.start(0ms);
    order_.push_back(1);
  });
  ASSERT_TRUE(done_.wait());
  on_loop([&] { EXPECT_EQ(order_, (std::vector{1, 2})); });
}

TEST_F(TimerTest, AStoppedOneDoesNotFire) {
  Timer& stopped = make([&] { order_.push_back(1); });
  Timer& later = make([&] { done_.set(); });
  on_loop([&] {
    stopped.start(5ms);
    later.start(20ms);
    stopped.stop();
    stopped.stop();
  });
  ASSERT_TRUE(done_.wait());
  on_loop([&] { EXPECT_TRUE(order_.empty()); });
}

TEST_F(TimerTest, ARestartedOneFiresOnceAtItsNewTime) {
  Timer& restarted = make([&] { order_.push_back(3); });
  Timer& before = make([&] { order_.push_back(2); });
  Timer& after = make([&] { done_.set(); });
  on_loop([&] {
    restarted.start(1ms);
    before.start(10ms);
    restarted.start(20ms);
    after.start(30ms);
  });
  ASSERT_TRUE(done_.wait());
  on_loop([&] { EXPECT_EQ(order_, (std::vector{2, 3})); });
}

TEST_F(TimerTest, TheCallbackMayRestartIt) {
  Timer* timer = nullptr;
  int fired = 0;
  timer = &make([&] {
    if (++fired == 5)
      done_.set();
    else
      timer->start(1ms);
  });
  on_loop([&] { timer->start(1ms); });
  ASSERT_TRUE(done_.wait());
  on_loop([&] { EXPECT_EQ(fired, 5); });
}

TEST_F(TimerTest, TheCallbackMayDestroyIt) {
  const auto held = std::make_shared<int>(7);
  int seen = 0;
  Timer& timer = make([&, held] {
    timers_.clear();
    seen = *held;  // what the callback captured must live until it returns
    done_.set();
  });
  on_loop([&] { timer.start(1ms); });
  ASSERT_TRUE(done_.wait());
  on_loop([&] { EXPECT_EQ(seen, 7); });
}

TEST_F(TimerTest, OneDestroyedBeforeItsTimeDoesNotFire) {
  Timer& gone = make([&] { order_.push_back(1); });
  on_loop([&] {
    gone.start(1ms);
    timers_.clear();
  });
  Timer& later = make([&] { done_.set(); });
  on_loop([&] { later.start(10ms); });
  ASSERT_TRUE(done_.wait());
  on_loop([&] { EXPECT_TRUE(order_.empty()); });
}

TEST_F(TimerTest, TheLongestDelayDoesNotOverflow) {
  Timer& never = make([&] { order_.push_back(1); });
  Timer& soon = make([&] { done_.set(); });
  on_loop([&] {
    never.start(Clock::duration::max());
    soon.start(5ms);
  });
  ASSERT_TRUE(done_.wait());
  on_loop([&] { EXPECT_TRUE(order_.empty()); });
}

using SleepTest = LoopTest;

TEST_F(SleepTest, NeverEndsTooEarly) {
  // A loop that sleeps through rounds up by itself; one that is woken in between has to get it
  // right.
  std::atomic<bool> ended = false;
  std::thread waker([&] {
    while (!ended) {
      loop_->post([] {});
      std::this_thread::sleep_for(20us);
    }
  });
  int early = 0;
  for (int i = 0; i < 60; ++i) {
    const Deadline until = Clock::now() + std::chrono::microseconds(100 + 97 * i);
    EXPECT_TRUE(run<void>([&] { return sleep_until(*loop_, until, {}); }));
    early += Clock::now() < until;
  }
  ended = true;
  waker.join();
  EXPECT_EQ(early, 0);
}

TEST_F(SleepTest, ADeadlineThatPassedIsNoSleep) {
  EXPECT_TRUE(run<void>([&] { return sleep_until(*loop_, Clock::now() - 1h, {}); }));
}

TEST_F(SleepTest, StopEndsIt) {
  std::stop_source source;
  std::promise<Code> code;
  const auto sleeper = [&]() -> Task<void> {
    Task<Result<>> sleeping = sleep_until(*loop_, kNever, source.get_token());
    const Result<> slept = co_await sleeping;
    code.set_value(slept ? Code::ok : slept.error().code);
  };
  loop_->post([&] { spawn(sleeper()); });
  on_loop([&] { source.request_stop(); });
  auto result = code.get_future();
  ASSERT_EQ(result.wait_for(30s), std::future_status::ready);
  EXPECT_EQ(result.get(), Code::canceled);
}

TEST_F(SleepTest, StoppedBeforeItBegins) {
  std::stop_source source;
  source.request_stop();
  const Result<> slept =
      run<void>([&] { return sleep_until(*loop_, kNever, source.get_token()); });
  ASSERT_FALSE(slept);
  EXPECT_EQ(slept.error().code, Code::canceled);
}

TEST(Deadline, ABudgetOfZeroMeansNever) {
  EXPECT_EQ(deadline_after(Clock::duration::zero()), kNever);
  const Deadline before = Clock::now();
  const Deadline deadline = deadline_after(1h);
  EXPECT_GE(deadline, before + 1h);
  EXPECT_LE(deadline, Clock::now() + 1h);
}

// Two ends of a pipe or of a connection.
struct Ends {
  ~Ends() {
    if (a >= 0) close(a);
    if (b >= 0) close(b);
  }
  void close_b() { close(std::exchange(b, -1)); }
  int a = -1, b = -1;
};

class FdWatchTest : public LoopTest {
 protected:
  void make_pipe(Ends& ends) {
    int fds[2];
    ASSERT_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    ends.a = fds[0];
    ends.b = fds[1];
  }
  // Of TCP, since only that can be reset.
  void make_connection(Ends& ends) {
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    ASSERT_EQ(bind(listener, generic, length), 0);
    ASSERT_EQ(listen(listener, 1), 0);
    ASSERT_EQ(getsockname(listener, generic, &length), 0);
    ends.a = socket(AF_INET, SOCK_STREAM, 0);
    ASSERT_EQ(connect(ends.a, generic, length), 0);
    ends.b = accept(listener, nullptr, nullptr);
    close(listener);
    ASSERT_GE(ends.b, 0);
  }
  void watch(int fd, int interest, std::function<void(int)> ready) {
    on_loop([&] {
      watch_ = std::make_unique<FdWatch>(*loop_, fd, std::move(ready));
      ASSERT_TRUE(watch_->watch(interest));
    });
  }
  void TearDown() override {
    on_loop([&] { watch_.reset(); });
  }

  Signal done_;
  std::unique_ptr<FdWatch> watch_;
};

TEST_F(FdWatchTest, TellsWhenAPipeHasBytesAgainAndAgainUntilTheyAreRead) {
  Ends ends;
  make_pipe(ends);
  int calls = 0;
  watch(ends.a, FdWatch::kReadable, [&](int events) {
    EXPECT_EQ(events, FdWatch::kReadable);
    if (++calls < 3) return;
    char byte;
    EXPECT_EQ(read(ends.a, &byte, 1), 1);
    done_.set();
  });
  on_loop([] {});
  on_loop([&] { EXPECT_EQ(calls, 0); });
  ASSERT_EQ(write(ends.b, "x", 1), 1);
  ASSERT_TRUE(done_.wait());
  for (int i = 0; i < 10; ++i) on_loop([] {});
  on_loop([&] { EXPECT_EQ(calls, 3) << "called with nothing to read"; });
}

TEST_F(FdWatchTest, TellsWhenAPipeHasRoom) {
  Ends ends;
  make_pipe(ends);
  watch(ends.b, FdWatch::kWritable, [&](int events) {
    EXPECT_EQ(events, FdWatch::kWritable);
    EXPECT_TRUE(watch_->watch(0));
    done_.set();
  });
  EXPECT_TRUE(done_.wait());
}

TEST_F(FdWatchTest, NoInterestMeansNoCalls) {
  Ends ends;
  make_pipe(ends);
  int calls = 0;
  watch(ends.a, FdWatch::kReadable, [&](int) {
    ++calls;
    EXPECT_TRUE(watch_->watch(0));
    done_.set();
  });
  ASSERT_EQ(write(ends.b, "x", 1), 1);
  ASSERT_TRUE(done_.wait());
  for (int i = 0; i < 10; ++i) on_loop([] {});
  on_loop([&] { EXPECT_EQ(calls, 1); });
}

TEST_F(FdWatchTest, APipeWhoseWriterLeftIsReadable) {
  Ends ends;
  make_pipe(ends);
  watch(ends.a, FdWatch::kReadable, [&](int events) {
    EXPECT_TRUE(events & FdWatch::kReadable);
    char byte;
    EXPECT_EQ(read(ends.a, &byte, 1), 0);
    watch_.reset();
    done_.set();
  });
  ends.close_b();
  EXPECT_TRUE(done_.wait());
}

TEST_F(FdWatchTest, APipeWhoseReaderLeftCountsAsWritable) {
  Ends ends;
  make_pipe(ends);
  std::swap(ends.a, ends.b);
  ends.close_b();
  watch(ends.a, FdWatch::kWritable, [&](int events) {
    EXPECT_EQ(events, FdWatch::kWritable);
    watch_.reset();
    done_.set();
  });
  EXPECT_TRUE(done_.wait());
}

// First the error, then the end of the stream: the watch goes on after an error.
TEST_F(FdWatchTest, AResetConnectionIsToldUntilItIsRead) {
  Ends ends;
  make_connection(ends);
  std::vector<ssize_t> results;
  watch(ends.a, FdWatch::kReadable, [&](int events) {
    EXPECT_TRUE(events & FdWatch::kReadable);
    char byte;
    results.push_back(recv(ends.a, &byte, 1, MSG_DONTWAIT));
    if (results.size() < 2) return;
    watch_.reset();
    done_.set();
  });
  const linger reset{1, 0};
  ASSERT_EQ(setsockopt(ends.b, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
  ends.close_b();
  ASSERT_TRUE(done_.wait());
  on_loop([&] { EXPECT_EQ(results, (std::vector<ssize_t>{-1, 0})); });
}

TEST_F(FdWatchTest, TheCallbackMayStopWatchingABrokenOne) {
  Ends ends;
  make_pipe(ends);
  std::swap(ends.a, ends.b);
  ends.close_b();
  int calls = 0;
  watch(ends.a, FdWatch::kWritable, [&](int) {
    ++calls;
    EXPECT_TRUE(watch_->watch(0));
    done_.set();
  });
  ASSERT_TRUE(done_.wait());
  for (int i = 0; i < 10; ++i) on_loop([] {});
  on_loop([&] { EXPECT_EQ(calls, 1); });
}

TEST_F(FdWatchTest, BothDirectionsOfASocket) {
  Ends ends;
  make_connection(ends);
  ASSERT_EQ(send(ends.b, "x", 1, 0), 1);
  watch(ends.a, FdWatch::kReadable | FdWatch::kWritable, [&](int events) {
    if (events != (FdWatch::kReadable | FdWatch::kWritable)) return;
    watch_.reset();
    done_.set();
  });
  EXPECT_TRUE(done_.wait());
}

TEST_F(FdWatchTest, TheCallbackMayDestroyIt) {
  Ends ends;
  make_pipe(ends);
  const auto held = std::make_shared<int>(7);
  int seen = 0;
  watch(ends.b, FdWatch::kWritable, [&, held](int) {
    watch_.reset();
    seen = *held;
    done_.set();
  });
  ASSERT_TRUE(done_.wait());
  on_loop([&] { EXPECT_EQ(seen, 7); });
}

TEST_F(FdWatchTest, WhatCanNotBeWatchedIsAnError) {
  const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(file, 0);
  on_loop([&] {
    FdWatch regular(*loop_, file, [](int) {});
    EXPECT_FALSE(regular.watch(FdWatch::kReadable)) << "a regular file";
    FdWatch closed(*loop_, -1, [](int) {});
    EXPECT_FALSE(closed.watch(FdWatch::kReadable)) << "no descriptor";
  });
  close(file);
}

}  // namespace
}  // namespace r3map::loop
