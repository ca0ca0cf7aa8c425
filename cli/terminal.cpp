// See terminal.hpp.
#include "terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace r3map::cli {
namespace {

constexpr size_t kNarrowest = 20;

}  // namespace

size_t terminal_width() {
  for (const int descriptor : {STDOUT_FILENO, STDERR_FILENO}) {
    winsize size{};
    if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
      return std::max<size_t>(size.ws_col, kNarrowest);
  }
  return 80;
}

std::string format_time(double seconds) {
  auto s = static_cast<long>(std::min(seconds, 359999.0));
  char text[32];
  if (s >= 3600)
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
  else
    std::snprintf(text, sizeof text, "%ld:%02ld", s / 60, s % 60);
  return text;
}

std::string format_share(uint64_t part, uint64_t whole) {
  if (whole == 0) return "";
  char text[32];
  std::snprintf(text, sizeof text, " (%.0f %%)",
                100 * static_cast<double>(part) / static_cast<double>(whole));
  return text;
}

std::string format_seconds(uint64_t milliseconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(milliseconds) / 1000);
  return text;
}

}  // namespace r3map::cli
