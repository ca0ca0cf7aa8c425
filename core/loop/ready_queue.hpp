// The one place from which coroutines are resumed.
//
// Nothing resumes a coroutine from inside a libuv or libcurl callback, or from inside another
// coroutine: it is pushed here and runs when the stack is flat again. So libcurl is never entered
// recursively, and a chain of a million tasks that complete at once needs no stack (GCC 12 makes
// no tail call of symmetric transfer at -O0 and under the sanitizers).
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace r3map::loop {

// Thread: the one that runs it.
class ReadyQueue {
 public:
  ReadyQueue() = default;
  ReadyQueue(const ReadyQueue&) = delete;
  ReadyQueue& operator=(const ReadyQueue&) = delete;

  // The queue of the calling thread.
  static ReadyQueue& current();

  void push(std::coroutine_handle<> coroutine) { ready_.push_back(coroutine); }

  // Resumes until nothing is ready, or `most` were resumed and the rest is left for later: then true.
  // A call from inside a resumed coroutine does nothing.
  bool run(size_t most = SIZE_MAX);

 private:
  std::vector<std::coroutine_handle<>> ready_;
  std::vector<std::coroutine_handle<>> running_;
  bool busy_ = false;
};

}  // namespace r3map::loop
