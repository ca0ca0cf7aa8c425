#include "http/header.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/limits.hpp"

namespace r3map::http {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool is_control(char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }

// All digits, no sign, no overflow.
template <typename T>
std::optional<T> number(std::string_view text) {
  T value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || text[0] == '-' || error != std::errc() || at != end) return std::nullopt;
  return value;
}

// Two different answers to one of these, and nobody can say which one counts.
bool must_be_unique(std::string_view name) {
  static constexpr std::array<std::string_view, 6> kNames = {
      "content-length", "content-range",     "content-encoding",
      "etag",           "transfer-encoding", "last-modified"};
  return std::any_of(kNames.begin(), kNames.end(),
                     [&](std::string_view known) { return same_name(name, known); });
}

Failure malformed(const char* what) {
  return fail(Code::protocol, std::string("malformed answer: ") + what);
}

}  // namespace

bool is_token(std::string_view text) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    const char l = lower(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || kMarks.find(c) != kMarks.npos;
  });
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view Head::field(std::string_view name) const {
  for (const Field& candidate : fields)
    if (same_name(candidate.name, name)) return candidate.value;
  return {};
}

Result<> HeadParser::line(std::string_view text) {
  bytes_ += text.size();
  if (bytes_ > limits::kHeaderBytes) return malformed("its header is too long");
  if (complete_) return {};
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (head_.status == 0) return status_line(text);
  if (!text.empty()) return field_line(text);
  if (head_.status >= 200) {
    complete_ = true;
    return {};
  }
  // What follows would be no HTTP any more, and nobody has asked for another protocol.
  if (head_.status == 101) return malformed("it switches to another protocol");
  head_ = {};
  return {};
}

Result<> HeadParser::status_line(std::string_view text) {
  // "HTTP/1.1 206 Partial Content"; the reason may be missing, with or without its space.
  const size_t space = text.find(' ');
  if (!text.starts_with("HTTP/") || space == std::string_view::npos)
    return malformed("its first line is no status");
  const std::string_view rest = text.substr(space + 1);
  const std::optional<int> status = number<int>(rest.substr(0, 3));
  if (rest.size() < 3 || !status || *status < 100 || (rest.size() > 3 && rest[3] != ' '))
    return malformed("its first line is no status");
  head_.status = *status;
  if (rest.size() > 4) head_.reason = rest.substr(4);
  std::erase_if(head_.reason, is_control);
  return {};
}

Result<> HeadParser::field_line(std::string_view text) {
  if (head_.fields.size() >= limits::kHeaderFields) return malformed("too many header fields");
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || !is_token(text.substr(0, colon)))
    return malformed("a line of its header is no field");
  const std::string_view name = text.substr(0, colon);
  const std::string_view value = trimmed(text.substr(colon + 1));
  if (std::any_of(value.begin(), value.end(), is_control))
    return malformed("a header field holds control characters");
  if (must_be_unique(name)) {
    for (const Field& field : head_.fields)
      if (same_name(field.name, name) && field.value != value)
        return fail(Code::protocol, "malformed answer: two different " + std::string(name));
  }
  head_.fields.push_back({std::string(name), std::string(value)});
  return {};
}

Result<ContentRange> parse_content_range(std::string_view text) {
  const auto bad = [] { return malformed("its Content-Range is none"); };
  if (text.size() < 6 || !same_name(text.substr(0, 6), "bytes ")) return bad();
  text = trimmed(text.substr(6));
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return bad();
  const std::string_view span = text.substr(0, slash);
  const std::string_view total = text.substr(slash + 1);

  ContentRange result;
  if (total != "*") {
    result.total = number<uint64_t>(total);
    if (!result.total) return bad();
  }
  if (span == "*") return result.total ? Result<ContentRange>(result) : bad();
  const size_t dash = span.find('-');
  if (dash == std::string_view::npos) return bad();
  const auto first = number<uint64_t>(span.substr(0, dash));
  const auto last = number<uint64_t>(span.substr(dash + 1));
  // Without the room for last + 1 the end would wrap.
  if (!first || !last || *last < *first || *last == UINT64_MAX) return bad();
  if (result.total && *last >= *result.total) return bad();
  result.range = range_between(*first, *last + 1);
  return result;
}

Result<std::optional<uint64_t>> content_length(const Head& head) {
  const std::string_view text = head.field("content-length");
  if (text.empty()) return std::optional<uint64_t>();
  const auto length = number<uint64_t>(text);
  if (!length) return malformed("its Content-Length is none");
  return length;
}

Result<Etag> parse_etag(std::string_view text) {
  if (text.size() > limits::kEtagLength) return malformed("its ETag is too long");
  Etag etag;
  if (text.starts_with("W/")) {
    etag.weak = true;
    text.remove_prefix(2);
  }
  std::string_view inner = text;
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    inner = text.substr(1, text.size() - 2);
  else if (text.empty())
    return malformed("its ETag is none");
  const bool clean = std::all_of(inner.begin(), inner.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != '"' && c != 0x7f;
  });
  if (!clean) return malformed("its ETag is none");
  etag.text = text;
  return etag;
}

std::optional<std::chrono::sys_seconds> parse_http_date(std::string_view text) {
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT" ||
      text[7] != ' ' || text[11] != ' ' || text[16] != ' ' || text[19] != ':' || text[22] != ':')
    return std::nullopt;
  const auto day = number<unsigned>(text.substr(5, 2));
  const size_t month = kMonths.find(text.substr(8, 3));
  const auto year = number<int>(text.substr(12, 4));
  const auto hour = number<int>(text.substr(17, 2));
  const auto minute = number<int>(text.substr(20, 2));
  const auto second = number<int>(text.substr(23, 2));
  if (!day || month == kMonths.npos || month % 3 != 0 || !year || !hour || !minute || !second ||
      *hour > 23 || *minute > 59 || *second > 60)
    return std::nullopt;
  const std::chrono::year_month_day date{
      std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(month / 3 + 1)),
      std::chrono::day(*day)};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         std::chrono::seconds(*second);
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view text,
                                                      std::chrono::sys_seconds now) {
  constexpr std::chrono::seconds kMost = std::chrono::hours(24);
  if (const auto seconds = number<uint32_t>(text))
    return std::min(std::chrono::seconds(*seconds), kMost);
  const auto date = parse_http_date(text);
  if (!date) return std::nullopt;
  return std::clamp(*date - now, std::chrono::seconds(0), kMost);
}

}  // namespace r3map::http
