// A line on the terminal that says how far a transfer is; nothing where there is no terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace r3map::cli {

// Thread: one.
class Progress {
 public:
  Progress(std::string name, uint64_t total, bool wanted);
  ~Progress();  // without finish(): clears the line, for an error message to take its place

  void update(uint64_t done);
  void finish();

 private:
  using Clock = std::chrono::steady_clock;

  void draw(Clock::time_point now);

  std::string name_;
  uint64_t total_, done_ = 0;
  bool shown_, drawn_ = false;
  Clock::time_point start_ = Clock::now(), last_ = start_;
};

}  // namespace r3map::cli
