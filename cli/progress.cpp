// See progress.hpp.
#include "progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "options.hpp"
#include "terminal.hpp"

namespace r3map::cli {
namespace {

constexpr std::chrono::milliseconds kInterval{100};
constexpr size_t kLongestBar = 40, kShortestBar = 4;

// "[===>   ] " in `room` columns at most; "" where a bar would tell nothing.
std::string bar(double part, size_t room) {
  constexpr size_t around = 3;
  if (room < around + kShortestBar) return "";
  size_t length = std::min(room - around, kLongestBar);
  auto filled = static_cast<size_t>(part * static_cast<double>(length));
  std::string text = "[" + std::string(filled, '=');
  if (filled < length) text += '>' + std::string(length - filled - 1, ' ');
  return text + "] ";
}

}  // namespace

Progress::Progress(std::string name, uint64_t total, bool wanted)
    : name_(std::move(name)), total_(total), shown_(wanted && isatty(STDERR_FILENO)) {}

Progress::~Progress() {
  if (drawn_) std::fputs(kClearLine, stderr);
}

void Progress::update(uint64_t done) {
  done_ = done;
  if (!shown_) return;
  Clock::time_point now = Clock::now();
  if (now - last_ >= kInterval) draw(now);
}

void Progress::finish() {
  if (!shown_) return;
  double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  std::fprintf(stderr, "%s%s: %s in %.1f s, %s/s\n", kClearLine, name_.c_str(),
               format_size(done_).c_str(), seconds,
               format_size(static_cast<uint64_t>(static_cast<double>(done_) / seconds)).c_str());
  drawn_ = false;
}

void Progress::draw(Clock::time_point now) {
  double seconds = std::chrono::duration<double>(now - start_).count();
  double rate = static_cast<double>(done_) / seconds;
  double part = total_ > 0 ? static_cast<double>(done_) / static_cast<double>(total_) : 1;
  std::string left = "--:--";
  if (done_ > 0) left = format_time(static_cast<double>(total_ - done_) / rate);

  char percent[8];
  std::snprintf(percent, sizeof percent, "%3d%%", static_cast<int>(part * 100));
  // Where not all has room the name and the share stay, and the bar goes first.
  size_t width = terminal_width() - 1;
  std::string name = name_ + "  ", numbers = percent;
  for (const std::string& more : {format_size(done_) + " of " + format_size(total_),
                                  format_size(static_cast<uint64_t>(rate)) + "/s", left}) {
    if (name.size() + numbers.size() + 2 + more.size() > width) break;
    numbers += "  " + more;
  }
  size_t taken = std::min(name.size() + numbers.size(), width);
  std::string line = name + bar(part, width - taken) + numbers;
  // A line that wraps could not be cleared. Names are cut between bytes: it is only for the eye.
  if (line.size() > width) line.erase(0, line.size() - width);

  std::fprintf(stderr, "%s%s", kClearLine, line.c_str());
  last_ = now;
  drawn_ = true;
}

}  // namespace r3map::cli
