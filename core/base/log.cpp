#include "base/log.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/limits.hpp"
#include "base/thread.hpp"

namespace r3map {

namespace {

constexpr std::array<std::string_view, 5> kLevels = {"off", "error", "warn", "info", "debug"};

// ---- lines --------------------------------------------------------------------------------------

std::string timestamp() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  std::array<char, 64> text;
  const size_t length = strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text.data() + length, text.size() - length, ".%06ldZ", now.tv_nsec / 1000);
  return text.data();
}

bool is_plain(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '\\' || c == '=' || c == 0x7f)
      return false;
  return !text.empty();
}

// Whatever the text holds, the line stays one line.
void append_quoted(std::string& line, std::string_view text) {
  line += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) {
      std::array<char, 8> escaped;
      std::snprintf(escaped.data(), escaped.size(), "\\x%02x", static_cast<unsigned char>(c));
      line += escaped.data();
    } else {
      line += c;
    }
  }
  line += '"';
}

void append_field(std::string& line, const LogField& field) {
  line += ' ';
  line += field.name;
  line += '=';
  if (field.is_number)
    line += std::to_string(field.number);
  else if (is_plain(field.text))
    line += field.text;
  else
    append_quoted(line, field.text.substr(0, limits::kLogLine));
}

std::string make_line(LogLevel level, std::string_view message,
                      std::initializer_list<LogField> fields) {
  std::string line = "time=" + timestamp();
  append_field(line, {"level", kLevels[static_cast<size_t>(level)]});
  append_field(line, {"from", "r3map"});
  append_field(line, {"msg", message});
  for (const LogField& field : fields) append_field(line, field);
  if (line.size() >= limits::kLogLine) {
    line.resize(limits::kLogLine - 4);
    line += "…";
  }
  line += '\n';
  return line;
}

// ---- the writer ---------------------------------------------------------------------------------

// One target, and the thread that writes to it.
class Writer {
 public:
  Writer(int fd, Writer* before)
      : fd_(fd), before_(before), thread_(start_thread("r3map-log", [this] { work(); })) {}

  // What waits is written, what comes later is not.
  void stop() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
    close_file();
  }

  void add(std::string_view line) {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    if (waiting_.size() + line.size() > limits::kLogBytes) {
      ++dropped_;
      return;
    }
    waiting_ += line;
    added_ += line.size();
    changed_.notify_all();
  }

  bool flush(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    const uint64_t until = added_;
    if (!stuck_)
      changed_.wait_for(lock, patience, [&] { return written_ >= until; });
    stuck_ = written_ < until;
    return !stuck_;
  }

  void close_file() const {
    if (fd_ != STDERR_FILENO) close(fd_);
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      std::string lines = std::move(waiting_);
      waiting_.clear();
      const uint64_t count = lines.size(), dropped = std::exchange(dropped_, 0);
      lock.unlock();
      if (dropped > 0)
        lines += make_line(LogLevel::warn, "log lines were dropped", {{"count", dropped}});
      write_all(lines);
      lock.lock();
      written_ += count;
      stuck_ = false;
      changed_.notify_all();
    }
  }

  // What can't be written is lost: there is nobody to tell.
  void write_all(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t written = write(fd_, text.data(), text.size());
      if (written < 0 && errno == EAGAIN && has_room()) continue;
      if (written < 0 && errno != EINTR) return;
      if (written > 0) text.remove_prefix(static_cast<size_t>(written));
    }
  }

  // In time. Whoever shares stderr with us may have made it non-blocking.
  bool has_room() const {
    pollfd room{fd_, POLLOUT, 0};
    const auto limit = std::chrono::milliseconds(limits::kLogRoom).count();
    return poll(&room, 1, static_cast<int>(limit)) > 0;
  }

  const int fd_;
  [[maybe_unused]] Writer* const before_;  // so that a search for leaks finds it
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string waiting_;  // this and what follows under mutex_
  uint64_t added_ = 0, written_ = 0, dropped_ = 0;  // bytes, bytes, lines
  bool stuck_ = false;  // a flush ran out of patience, and nothing was written since
  bool stopping_ = false;
  std::thread thread_;
};

std::atomic<LogLevel> wanted = LogLevel::off;
// Never destroyed, nor are those before it: threads log until the process is gone.
std::atomic<Writer*> current = nullptr;

// A child of fork() has no thread that writes; the parent's has what is still waiting. Nothing is
// locked for that: the child leaves the writer alone.
[[maybe_unused]] const int registered = pthread_atfork(nullptr, nullptr, [] {
  wanted = LogLevel::off;
  if (Writer* const parents = current.exchange(nullptr)) parents->close_file();
});

Result<int> open_target(const std::string& path) {
  if (path.empty()) return STDERR_FILENO;
  // A pipe that nobody reads must be an error here, and may block the writer later.
  const int fd = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
  if (fd < 0) return fail_errno("can't log to " + path, errno);
  fcntl(fd, F_SETFL, O_APPEND);
  return fd;
}

}  // namespace

bool logs(LogLevel level) { return level <= wanted.load(std::memory_order_relaxed); }

void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  Writer* const writer = logs(level) ? current.load() : nullptr;
  if (!writer) return;
  try {
    writer->add(make_line(level, message, fields));
  } catch (const std::bad_alloc&) {  // no memory even for that
  }
}

Result<LogTarget> parse_log_target(std::string_view text) {
  const size_t colon = text.find(':');
  LogTarget target;
  for (size_t i = 0; i < kLevels.size(); ++i) {
    if (text.substr(0, colon) != kLevels[i]) continue;
    target.level = static_cast<LogLevel>(i);
    if (colon == text.npos) return target;
    target.path = text.substr(colon + 1);
    if (!target.path.empty()) return target;
  }
  return fail(Code::invalid, "'" + std::string(text.substr(0, 200)) +
                                 "' is not error, warn, info, debug or off, nor one of these with "
                                 ":FILE behind it");
}

Result<> start_log(const LogTarget& target) {
  Writer* fresh = nullptr;
  if (target.level != LogLevel::off) {
    const Result<int> fd = open_target(target.path);
    if (!fd) return fail(fd.error());
    try {
      static Writer* newest = nullptr;
      newest = fresh = new Writer(*fd, newest);
    } catch (const std::system_error& error) {
      if (*fd != STDERR_FILENO) close(*fd);
      return fail_errno("can't start the log's thread", error.code().value());
    }
  }
  wanted = target.level;
  if (Writer* const old = current.exchange(fresh)) old->stop();
  return {};
}

bool flush_log(std::chrono::milliseconds patience) {
  Writer* const writer = current;
  return !writer || writer->flush(patience);
}

}  // namespace r3map
