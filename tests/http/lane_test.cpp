#include "http/lane.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <thread>

#include "base/limits.hpp"
#include "http/client_fixture.hpp"

namespace r3map::http {
namespace {

using namespace std::chrono_literals;

using LaneTest = ClientTest;

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
  EXPECT_EQ(get(large("ok/x"), late).error().code, Code::canceled);
}

// The shutdown comes to the lane together with requests that it has not seen yet.
TEST_F(LaneTest, WhatAShutdownOvertakesIsGivenUpAndNotRefused) {
  for (int round = 0; round < 20; ++round) {
    std::deque<Recorder> recorders(20);
    Recorder first;
    if (round % 2) {  // there is a lane
      EXPECT_TRUE(get(large("ok/size=10/x"), first));
    }
    on_loop([&] {
      for (Recorder& recorder : recorders) group_.spawn(keep(large("ok/x"), recorder));
      loop_->post([&] { client_->shutdown(); });
    });
    wait_for_all();
    for (Recorder& recorder : recorders)
      EXPECT_TRUE(*recorder.result || recorder.result->error().code == Code::canceled);
    TearDown();
    SetUp();
  }
}

// Hosts that keep every connection busy for ever leave some to those who are waited for.
TEST_F(LaneTest, BulkLeavesConnectionsToOthers) {
  std::stop_source stop;
  std::deque<Recorder> stalled;
  for (size_t i = 0; i < 3 * limits::kLaneConnections; ++i) {
    Request asked = large("drip/n=1/ms=1000/x");
    asked.stop = stop.get_token();
    start(asked, stalled.emplace_back());
  }
  Recorder wanted, demand;
  EXPECT_TRUE(get(large("ok/size=10/x", Priority::wanted), wanted));
  EXPECT_TRUE(get(large("ok/size=10/x", Priority::demand), demand));
  on_loop([&] { stop.request_stop(); });
  wait_for_all();
}

}  // namespace
}  // namespace r3map::http
