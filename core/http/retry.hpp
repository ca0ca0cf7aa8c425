// When to try a failed request again: exponential backoff with full jitter. Pure: time and chance
// are passed in.
#pragma once

#include <chrono>
#include <optional>
#include <random>

#include "base/result.hpp"
#include "loop/loop.hpp"

namespace r3map::http {

// The attempts of one operation. Thread: any, one at a time.
class Retry {
 public:
  using Random = std::minstd_rand;

  // `max_attempts` 0: as many as fit before the deadline.
  Retry(loop::Deadline deadline, int max_attempts, Random& random)
      : deadline_(deadline), max_attempts_(max_attempts), random_(random) {}

  // After a failure: how long to wait before the next attempt. Nothing: the error stands.
  std::optional<loop::Clock::duration> next(Code code,
                                            std::optional<std::chrono::seconds> retry_after,
                                            loop::Clock::time_point now);

  // No time is left for another attempt.
  bool out_of_time(loop::Clock::time_point now) const;

  // Some bytes came: what failed before no longer counts.
  void progress() { failures_ = 0; }

 private:
  loop::Deadline deadline_;
  int max_attempts_;
  Random& random_;
  int failures_ = 0;
};

}  // namespace r3map::http
