// The requests under way on one loop: who waits, who has a connection, deadlines and stalls.
#pragma once

#include <cstddef>
#include <memory>

#include "http/request.hpp"
#include "loop/task.hpp"

namespace r3map::http {

// Thread: the loop's, its creation and destruction too. Outlives its tasks.
class Transfers {
 public:
  static Result<std::unique_ptr<Transfers>> open(loop::Loop& loop, Shares shares);
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  // As Client's.
  loop::Task<Result<>> perform(Request request, Receiver& receiver);
  // As Client's.
  void shutdown();
  bool closed() const;
  static Failure refusal();

  struct Impl;

 private:
  explicit Transfers(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace r3map::http
