// Touches memory that may not be had: SIGBUS and SIGSEGV become a return value.
#pragma once

#include <cstddef>
#include <optional>

namespace r3map::test {

// The byte at `address`, or nothing if the touch raised SIGBUS or SIGSEGV. Thread: any.
std::optional<std::byte> touch(const std::byte* address);

// The signal that ended this thread's last touch, and the address that came with it.
struct TouchFailure {
  int signal = 0;
  const void* address = nullptr;
};
TouchFailure last_touch_failure();

}  // namespace r3map::test
