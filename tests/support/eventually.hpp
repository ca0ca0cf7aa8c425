// Waiting for what another thread does, with an end.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <future>
#include <thread>

namespace r3map::test {

// Until `condition` holds; false if it never does.
inline bool eventually(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// What a thread of the test's own will have found; a hang ends the test program.
template <typename T>
T get(std::future<T>& future) {
  if (future.wait_for(std::chrono::seconds(30)) != std::future_status::ready) {
    std::fprintf(stderr, "a call or a touch hangs\n");
    std::abort();
  }
  return future.get();
}

}  // namespace r3map::test
