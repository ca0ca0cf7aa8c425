// Threads of r3map's own in somebody else's process.
#pragma once

#include <functional>
#include <thread>

namespace r3map {

// A thread that takes none of the host's signals. Throws std::system_error if there can't be one.
std::thread start_thread(const char* name, std::function<void()> body);

}  // namespace r3map
