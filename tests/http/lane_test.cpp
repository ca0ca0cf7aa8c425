#include "http/lane.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <set>
#include <thread>

#include "base/limits.hpp"
#include "http/client_fixture.hpp"

namespace r3map::http {
namespace {

using namespace std::chrono_literals;

class LaneTest : public ClientTest {
 protected:
  // Of as many bytes as are received on a thread of their own.
  Request large(std::string_view path, Priority priority = Priority::bulk) {
    Request asked = request(path, priority);
    asked.answer = limits::kLargeAnswer;
    return asked;
  }
};

TEST_F(LaneTest, LargeAnswersComeOnThreadsOfTheirOwn) {
  std::array<std::thread::id, 3> threads;
  std::deque<Recorder> recorders;
  for (std::thread::id& thread : threads) {
    Recorder& recorder = recorders.emplace_back();
    recorder.on_body = [&thread] { thread = std::this_thread::get_id(); };
    start(large("slow/ms=200/size=2500000/x"), recorder);
  }
  wait_for_all();
  std::thread::id home;
  on_loop([&] { home = std::this_thread::get_id(); });
  for (Recorder& recorder : recorders) {
    ASSERT_TRUE(*recorder.result) << recorder.result->error().message;
    EXPECT_EQ(recorder.received, 2500000u);
    EXPECT_EQ(recorder.wrong, 0u);
  }
  const std::set<std::thread::id> different(threads.begin(), threads.end());
  EXPECT_EQ(different.size(), 2u) << "two lanes, and the third request shares one";
  EXPECT_EQ(different.count(home), 0u);

  std::thread::id small_on;
  Recorder small;
  small.on_body = [&] { small_on = std::this_thread::get_id(); };
  Request just_less = request("ok/x");
  just_less.answer = limits::kLargeAnswer - 1;
  EXPECT_TRUE(get(just_less, small));
  EXPECT_EQ(small_on, home);
}

TEST_F(LaneTest, APageFaultDoesntWaitForWhatLandsSlowly) {
  std::atomic<bool> landing = false, go_on = false;
  Recorder bulk;
  bulk.on_body = [&] {
    landing = true;
    while (!go_on) std::this_thread::sleep_for(1ms);
  };
  start(large("ok/size=100000/x"), bulk);
  while (!landing) std::this_thread::sleep_for(1ms);
  Recorder fault;
  EXPECT_TRUE(get("ok/size=10/x", fault));
  go_on = true;
  wait_for_all();
  EXPECT_TRUE(*bulk.result);
}

TEST_F(LaneTest, AStopEndsWaitingStalledAndReceivingOnes) {
  std::stop_source stop;
  std::deque<Recorder> recorders;
  for (size_t i = 0; i < 3 * limits::kLaneConnections; ++i)
    for (const char* path :
         {"stall-before-headers/x", "stall-in-body/x", "drip/n=16384/ms=1/size=1000000000/x"}) {
      Request asked = large(path, i % 2 ? Priority::bulk : Priority::wanted);
      asked.stop = stop.get_token();
      start(asked, recorders.emplace_back());
    }
  std::this_thread::sleep_for(50ms);
  on_loop([&] { stop.request_stop(); });
  wait_for_all();
  for (Recorder& recorder : recorders) EXPECT_EQ(recorder.result->error().code, Code::canceled);
  Recorder after;
  Request stopped = large("ok/x");
  stopped.stop = stop.get_token();
  EXPECT_EQ(get(stopped, after).error().code, Code::canceled);
  EXPECT_TRUE(get(large("ok/size=10/x"), after)) << "the lanes go on";
}

TEST_F(LaneTest, ErrorsComeBackAsTheyAre) {
  Recorder refusing;
  refusing.refuse_head = true;
  EXPECT_EQ(get(large("ok/x"), refusing).error().code, Code::stale);
  Recorder late;
  Request hasty = large("stall-in-body/x");
  hasty.deadline = loop::deadline_after(100ms);
  EXPECT_EQ(get(hasty, late).error().code, Code::timed_out);
  server_.stop();
  Recorder nobody;
  EXPECT_EQ(get(large("ok/x"), nobody).error().code, Code::network);
}

TEST_F(LaneTest, ShutdownEndsThemAll) {
  std::deque<Recorder> recorders;
  for (size_t i = 0; i < 3 * limits::kLaneConnections; ++i)
    for (const char* path : {"stall-in-headers/x", "drip/n=16384/ms=1/size=1000000000/x"})
      start(large(path), recorders.emplace_back());
  std::this_thread::sleep_for(50ms);
  on_loop([&] { client_->shutdown(); });
  wait_for_all();
  for (Recorder& recorder : recorders) EXPECT_EQ(recorder.result->error().code, Code::canceled);
  Recorder late;
  EXPECT_EQ(get(large("ok/x"), late).error().code, Code::unsupported);
}

}  // namespace
}  // namespace r3map::http
