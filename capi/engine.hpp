// What all handles of a process share: the loop, its threads, the HTTP client, the registry of
// schemes and the memory budget. Made when it is first needed, and never destroyed: its threads
// answer page faults until the process is gone.
#pragma once

#include <atomic>
#include <cstdint>

#include "http/client.hpp"
#include "loop/loop.hpp"
#include "loop/worker_pool.hpp"
#include "region/budget.hpp"
#include "resource/registry.hpp"

namespace r3map::capi {

// Thread: immutable; its parts say for themselves.
class Engine {
 public:
  // The engine of this process; a child of fork() gets one of its own.
  static Result<Engine*> get();
  // Grows by one in each child of fork(): what belongs to an older one must not be touched.
  static uint64_t fork_generation();

  loop::Loop& loop() { return *loop_; }
  loop::WorkerPool& movers() { return movers_; }
  region::Budget& budget() { return budget_; }
  const resource::Registry& registry() const { return registry_; }
  loop::Clock::duration slow_fault() const { return slow_fault_; }
  uint32_t exiting_thread() const { return exiting_thread_; }  // 0: the process goes on

 private:
  explicit Engine(std::unique_ptr<loop::Loop> loop);
  loop::Task<Result<int>> open_http();
  void at_exit();

  std::unique_ptr<loop::Loop> loop_;
  // Apart by whether a page fault's answer can need them: io_ and fillers_ wait for nobody but the
  // store. movers_ touch the caller's memory and do what may take long; file writes are bulk there,
  // so that a file system that hangs leaves a thread for the rest.
  loop::WorkerPool io_;       // reading and opening files
  loop::WorkerPool movers_;   // large copies out of regions, unmapping, writing files
  loop::WorkerPool fillers_;  // large copies into regions
  region::Budget budget_;
  std::unique_ptr<http::Client> http_;
  resource::Registry registry_;
  const loop::Clock::duration slow_fault_;
  std::atomic<uint32_t> exiting_thread_ = 0;
};

}  // namespace r3map::capi
