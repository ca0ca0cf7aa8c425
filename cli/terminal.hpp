// What a terminal is like, and how people read numbers there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace r3map::cli {

// Clears the line that the cursor is in.
inline constexpr const char* kClearLine = "\r\033[K";

// In columns; 80 where there is none to ask.
size_t terminal_width();

// "0:07", "1:02:03"
std::string format_time(double seconds);
// " (37 %)"; "" of nothing.
std::string format_share(uint64_t part, uint64_t whole);
// "1.2 s"
std::string format_seconds(uint64_t milliseconds);

}  // namespace r3map::cli
