// The requests under way on one loop: who waits, who has a connection, deadlines and stalls.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "http/authorities.hpp"
#include "http/request.hpp"
#include "loop/task.hpp"

namespace r3map::http {

// Thread: the loop's, its creation and destruction too. Outlives its tasks.
class Transfers {
 public:
  // `authorities`: those of others, lest they be looked for again.
  static Result<std::unique_ptr<Transfers>> open(loop::Loop& loop, Shares shares,
                                                 std::optional<Authorities> authorities = {});
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  // As Client's; what comes after a shutdown() was accepted before it, and is canceled as well.
  loop::Task<Result<>> perform(Request request, Receiver& receiver);
  void shutdown();
  const Authorities& authorities() const;  // constant

  struct Impl;

 private:
  explicit Transfers(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace r3map::http
