#include "region/trace.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "base/limits.hpp"

namespace r3map::region {

namespace {

constexpr std::string_view kMagic = "r3map-trace 1 ";
constexpr std::string_view kTemporarySuffix = ".part";
// So much is collected before a worker is troubled with it.
constexpr size_t kPiece = 64 << 10;
// Three numbers of twenty digits.
constexpr size_t kLongestLine = 63;

// Takes `count` numbers, one space between, and nothing else.
bool parse_numbers(std::string_view text, uint64_t* numbers, size_t count) {
  const char* at = text.data();
  const char* const end = at + text.size();
  for (size_t i = 0; i < count; ++i) {
    if (i > 0 && (at == end || *at++ != ' ')) return false;
    const auto [next, error] = std::from_chars(at, end, numbers[i]);
    if (error != std::errc()) return false;
    at = next;
  }
  return at == end;
}

Failure malformed(size_t line) {
  return fail(Code::invalid, "not a trace of r3map (line " + std::to_string(line) + ")");
}

Result<> write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(file, text.data(), text.size());
    if (count < 0 && errno != EINTR) return fail_errno("can't write the trace", errno);
    if (count > 0) text.remove_prefix(static_cast<size_t>(count));
  }
  return {};
}

Result<std::string> read_text(int file) {
  constexpr size_t kMost = limits::kTraceEntries * (kLongestLine + 1);
  std::string text;
  for (;;) {
    const size_t before = text.size();
    text.resize(before + (1 << 20));
    const ssize_t count = ::read(file, text.data() + before, text.size() - before);
    text.resize(before + (count > 0 ? static_cast<size_t>(count) : 0));
    if (count == 0) return text;
    if (count < 0 && errno != EINTR) return fail_errno("can't read", errno);
    if (text.size() > kMost) return fail(Code::invalid, "too long for a trace of r3map");
  }
}

}  // namespace

Result<Trace> parse_trace(std::string_view text) {
  if (text.empty()) return malformed(1);
  Trace trace;
  for (size_t line = 1; !text.empty(); ++line) {
    const size_t length = text.find('\n');
    if (length == std::string_view::npos) return line == 1 ? malformed(1) : Result<Trace>(trace);
    std::string_view content = text.substr(0, length);
    text.remove_prefix(length + 1);
    if (line == 1) {
      if (!content.starts_with(kMagic)) return malformed(line);
      content.remove_prefix(kMagic.size());
      if (!parse_numbers(content, &trace.size, 1)) return malformed(line);
      continue;
    }
    std::array<uint64_t, 3> numbers{};
    if (!parse_numbers(content, numbers.data(), numbers.size())) return malformed(line);
    const auto [offset, size, milliseconds] = numbers;
    if (offset > limits::kRegionSize || size > limits::kRegionSize || size == 0 ||
        trace.entries.size() >= limits::kTraceEntries)
      return malformed(line);
    trace.entries.push_back({{offset, size}, milliseconds});
  }
  return trace;
}

Result<Trace> read_trace(const std::string& path) {
  // Not blocking: a pipe that nobody writes to would hold up the caller for ever.
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return fail_errno(path, errno);
  struct stat about{};
  Result<std::string> text =
      fstat(file, &about) < 0 ? Result<std::string>(fail_errno("fstat", errno))
      : S_ISREG(about.st_mode) ? read_text(file)
                               : fail(Code::invalid, "not a file");
  ::close(file);
  Result<Trace> trace = text ? parse_trace(*text) : fail(std::move(text.error()));
  if (!trace) return fail(trace.error().code, path + ": " + trace.error().message);
  return trace;
}

// ---- recording ------------------------------------------------------------------------------

namespace {

// Where a trace is to be: a link stays what it is, and only a file is replaced.
Result<std::string> place_of(const std::string& path) {
  struct stat about{};
  if (lstat(path.c_str(), &about) < 0) {
    if (errno == ENOENT) return path;
    return fail_errno("can't write the trace " + path, errno);
  }
  // stat() first: the kernel follows no link that a stranger has laid in /tmp, realpath() would.
  std::unique_ptr<char, decltype(&std::free)> real(nullptr, &std::free);
  if (stat(path.c_str(), &about) == 0) real.reset(realpath(path.c_str(), nullptr));
  if (!real) return fail_errno("can't write the trace " + path, errno);
  if (!S_ISREG(about.st_mode))
    return fail(Code::invalid, "can't write the trace " + path + ": not a file");
  return std::string(real.get());
}

}  // namespace

loop::Task<Result<std::unique_ptr<TraceRecorder>>> TraceRecorder::open(loop::WorkerPool& workers,
                                                                       std::string path,
                                                                       uint64_t size) {
  std::string temporary;
  auto creating = workers.run(loop::Priority::bulk, [&]() -> Result<int> {
    Result<std::string> place = place_of(path);
    if (!place) return fail(std::move(place.error()));
    path = std::move(*place);
    temporary = path + ".XXXXXX" + std::string(kTemporarySuffix);
    const int file = mkostemps(temporary.data(), static_cast<int>(kTemporarySuffix.size()),
                               O_CLOEXEC);
    if (file < 0) return fail_errno("can't write the trace " + path, errno);
    return file;
  });
  Result<int> file = co_await creating;
  if (!file) co_return fail(std::move(file.error()));
  std::unique_ptr<TraceRecorder> recorder(
      new TraceRecorder(workers, std::move(path), std::move(temporary), *file));
  recorder->text_ = std::string(kMagic) + std::to_string(size) + '\n';
  co_return recorder;
}

TraceRecorder::TraceRecorder(loop::WorkerPool& workers, std::string path, std::string temporary,
                             int file)
    : workers_(workers), path_(std::move(path)), temporary_(std::move(temporary)), file_(file) {}

TraceRecorder::~TraceRecorder() {
  if (file_ < 0) return;
  ::close(file_);
  unlink(temporary_.c_str());
}

void TraceRecorder::add(Range range) {
  if (range.empty()) return;
  if (!last_.range.empty() && last_.range.end() == range.offset) {
    last_.range.length += range.length;
    return;
  }
  put(last_);
  const auto since = loop::Clock::now() - begin_;
  last_ = {range, static_cast<uint64_t>(
                      std::chrono::duration_cast<std::chrono::milliseconds>(since).count())};
}

void TraceRecorder::put(const TraceEntry& entry) {
  if (entry.range.empty() || entries_ >= limits::kTraceEntries) return;
  ++entries_;
  text_ += std::to_string(entry.range.offset) + ' ' + std::to_string(entry.range.length) + ' ' +
           std::to_string(entry.milliseconds) + '\n';
  if (text_.size() >= kPiece && !writing_) flush();
}

void TraceRecorder::flush() {
  writing_ = true;
  tasks_.spawn(write());
}

loop::Task<void> TraceRecorder::write() {
  while (!text_.empty() && result_) {
    const std::string piece = std::exchange(text_, {});
    auto writing = workers_.run(loop::Priority::bulk, [&] { return write_all(file_, piece); });
    result_ = co_await writing;
  }
  text_.clear();  // after an error nothing more is written
  writing_ = false;
}

loop::Task<Result<>> TraceRecorder::close() {
  put(std::exchange(last_, {}));
  if (!writing_) flush();
  auto writing = tasks_.idle();
  co_await writing;
  const int file = std::exchange(file_, -1);
  auto closing = workers_.run(loop::Priority::bulk, [&]() -> Result<> {
    if (::close(file) < 0 && result_) result_ = fail_errno("can't write the trace", errno);
    if (result_ && std::rename(temporary_.c_str(), path_.c_str()) < 0)
      result_ = fail_errno("can't write the trace " + path_, errno);
    if (!result_) unlink(temporary_.c_str());
    return result_;
  });
  co_return co_await closing;
}

}  // namespace r3map::region
