// The heads of HTTP answers: status line, fields, and the values that a reader of ranges needs.
// Pure; knows nothing of libcurl.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/range.hpp"
#include "base/result.hpp"

namespace r3map::http {

struct Field {
  std::string name;
  std::string value;
};

// RFC 9110's token: what a field's name may be.
bool is_token(std::string_view text);
// Names of fields know no case.
bool same_name(std::string_view a, std::string_view b);

// Thread: any, one at a time.
struct Head {
  int status = 0;
  std::string reason;
  std::vector<Field> fields;

  // The first field of that name, in any case; empty if there is none.
  std::string_view field(std::string_view name) const;
};

// Takes the lines of an answer one by one. Interim answers (1xx) are skipped.
// Thread: any, one at a time.
class HeadParser {
 public:
  // A line as it came, with its CRLF. Code::protocol for what is no header or exceeds a limit.
  // What follows a complete head (trailers) is checked for size only.
  Result<> line(std::string_view text);

  bool complete() const { return complete_; }  // a final head and the empty line after it
  const Head& head() const { return head_; }

 private:
  Result<> status_line(std::string_view text);
  Result<> field_line(std::string_view text);

  Head head_;
  size_t bytes_ = 0;
  bool complete_ = false;
};

struct ContentRange {
  std::optional<Range> range;     // nothing: "*"
  std::optional<uint64_t> total;  // nothing: "*"
};

// "bytes 0-9/100", "bytes */100", "bytes 0-9/*".
Result<ContentRange> parse_content_range(std::string_view text);

// Nothing: there is no such field.
Result<std::optional<uint64_t>> content_length(const Head& head);

struct Etag {
  std::string text;  // as it goes into If-Match, without W/
  bool weak = false;

  bool operator==(const Etag&) const = default;
};

// Also takes the unquoted ones that some servers send.
Result<Etag> parse_etag(std::string_view text);

// "Sun, 06 Nov 1994 08:49:37 GMT", the one form that servers may send.
std::optional<std::chrono::sys_seconds> parse_http_date(std::string_view text);

// Seconds, or a date seen from `now`. Nothing for what is neither.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view text,
                                                      std::chrono::sys_seconds now);

}  // namespace r3map::http
