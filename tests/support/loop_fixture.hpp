// A loop with its pools, as the engine has them, for one test.
#pragma once

#include <gtest/gtest.h>

#include "loop/loop.hpp"
#include "loop/worker_pool.hpp"

namespace r3map::test {

class LoopTest : public testing::Test {
 protected:
  // Runs a task on the loop and waits for its result.
  template <typename T>
  Result<T> run(std::function<loop::Task<Result<T>>()> make) {
    return loop_->wait<T>(std::move(make));
  }
  // Runs plain code on the loop's thread and waits until it has run.
  void on_loop(const std::function<void()>& work) { loop_->call(work); }

  std::unique_ptr<loop::Loop> loop_ = *loop::Loop::start("test-loop");
  loop::WorkerPool workers_{*loop_, "test-worker", 2};
};

}  // namespace r3map::test
