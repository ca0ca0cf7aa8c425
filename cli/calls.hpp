// Calls of the C ABI that fail by exceptions, and whose waiting a signal ends.
#pragma once

#include "handles.hpp"

namespace r3map::cli {

// Throws Failure with the library's message for a code below zero.
int check(int code);
// The same for what the command line has given: WrongUsage for what can't be right.
int check_usage(int code);

// A queue for the calls of one command. Thread: one.
class Calls {
 public:
  Calls();

  r3map_queue* queue() const { return queue_.get(); }
  // The next completion, or false after a while: time to look at the clock. Throws Failure for one
  // that failed, and Interrupted.
  bool next(r3map_completion& completion) const;
  // What an open gives. Throws WrongUsage for a URL or an option that can't be right.
  uint64_t wait() const;

 private:
  Queue queue_;
};

}  // namespace r3map::cli
