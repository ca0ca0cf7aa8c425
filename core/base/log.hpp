// What r3map tells about its work, if R3MAP_LOG asks for it: one line an event, as logfmt.
//
//   time=2026-11-21T11:16:17.123456Z level=warn from=r3map msg="slow fault" offset=4096 ms=1234
//
// Whoever logs never waits for where the lines go: a thread of its own writes them, and what finds
// no room meanwhile is dropped and counted. Secrets are for the caller to keep out.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace r3map {

enum class LogLevel { off, error, warn, info, debug };

// "offset=4096", "cause=\"no such key\"". Borrows its texts.
struct LogField {
  LogField(std::string_view field_name, std::string_view value) : name(field_name), text(value) {}
  LogField(std::string_view field_name, std::integral auto value)
      : name(field_name), number(static_cast<int64_t>(value)), is_number(true) {}

  std::string_view name, text = {};
  int64_t number = 0;
  bool is_number = false;
};

// Whether lines of this level are wanted: worth asking before a costly text is made. Thread: any.
bool logs(LogLevel level);
// Tells an event. Nothing happens if its level isn't wanted. Thread: any.
void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

// ---- where the lines go -------------------------------------------------------------------------

struct LogTarget {
  LogLevel level = LogLevel::off;
  std::string path = {};  // "": standard error

  bool operator==(const LogTarget&) const = default;
};

// "warn", "debug:/var/log/r3map.log"; error, warn, info, debug or off. Code::invalid otherwise.
Result<LogTarget> parse_log_target(std::string_view text);

// From now on lines of the target's level and above go there; a file is appended to. An error leaves
// the log as it was. A child of fork() logs nothing until it starts a log of its own.
// Thread: one at a time.
Result<> start_log(const LogTarget& target);

// Waits until what was logged before is written, at most so long; not at all if the writer does not
// get on. False: it isn't written. Thread: any.
bool flush_log(std::chrono::milliseconds patience);

}  // namespace r3map
