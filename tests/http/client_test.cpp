#include "http/client.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <deque>
#include <set>
#include <thread>

#include "base/limits.hpp"
#include "http/client_fixture.hpp"

namespace r3map::http {
namespace {

using namespace std::chrono_literals;

TEST_F(ClientTest, LargeAnswersComeOnThreadsOfTheirOwn) {
  std::array<std::thread::id, 3> threads;
  std::deque<Recorder> recorders;
  // In one turn of the loop, as a window's requests are sent.
  on_loop([&] {
    for (std::thread::id& thread : threads) {
      Recorder& recorder = recorders.emplace_back();
      recorder.on_body = [&thread] { thread = std::this_thread::get_id(); };
      group_.spawn(keep(large("slow/ms=200/size=2500000/x"), recorder));
    }
  });
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
  just_less.expected_bytes = limits::kLargeAnswer - 1;
  EXPECT_TRUE(get(just_less, small));
  EXPECT_EQ(small_on, home);
}

TEST_F(ClientTest, APageFaultDoesntWaitForWhatLandsSlowly) {
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

}  // namespace
}  // namespace r3map::http
