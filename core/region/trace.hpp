// What a region was asked for, in its order: recorded into a file, and read back as the order in
// which another open pulls. A text that a person can read:
//
//   r3map-trace 1 1073741824     the format's version and the object's size
//   65536 4096 12                offset, length, milliseconds since the region was opened
//
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/range.hpp"
#include "base/result.hpp"
#include "loop/event.hpp"
#include "loop/loop.hpp"
#include "loop/worker_pool.hpp"

namespace r3map::region {

struct TraceEntry {
  Range range;
  uint64_t milliseconds = 0;
};

struct Trace {
  uint64_t size = 0;  // of the object
  std::vector<TraceEntry> entries;
};

// Code::invalid, with the line, for what is no trace or has more than limits::kTraceEntries. A last
// line that was cut off by a crash is left out.
Result<Trace> parse_trace(std::string_view text);

// Reads a file; blocks. Also Code::not_found, denied, io.
Result<Trace> read_trace(const std::string& path);

// Writes beside the file first, and gives it its name when it is complete, so that a reader finds
// the old trace or the new one. Thread: the loop's; the file is written by the workers.
class TraceRecorder {
 public:
  static loop::Task<Result<std::unique_ptr<TraceRecorder>>> open(loop::WorkerPool& workers,
                                                                 std::string path, uint64_t size);
  ~TraceRecorder();  // without close(): nothing is left of it
  TraceRecorder(const TraceRecorder&) = delete;
  TraceRecorder& operator=(const TraceRecorder&) = delete;

  // What continues the entry before it becomes part of it. Past limits::kTraceEntries: nothing.
  void add(Range range);
  // Until the file is complete; its first error, if there was one.
  loop::Task<Result<>> close();

 private:
  TraceRecorder(loop::WorkerPool& workers, std::string path, std::string temporary, int file);
  void put(const TraceEntry& entry);
  void flush();
  loop::Task<void> write();

  loop::WorkerPool& workers_;
  const std::string path_, temporary_;
  int file_;  // -1: closed
  const loop::Clock::time_point begin_ = loop::Clock::now();
  TraceEntry last_;  // empty: none
  uint64_t entries_ = 0;
  std::string text_;  // not yet given to a worker
  bool writing_ = false;
  Result<> result_;
  loop::TaskGroup tasks_;
};

}  // namespace r3map::region
