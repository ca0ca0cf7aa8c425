// Heads of HTTP answers, line by line, and the values of their fields.
#include "base/limits.hpp"
#include "fuzz.hpp"
#include "http/header.hpp"

using namespace r3map;

namespace {

void check_values(std::string_view value) {
  if (const Result<http::ContentRange> range = http::parse_content_range(value)) {
    FUZZ_CHECK(range->range || range->total);
    if (range->range) FUZZ_CHECK(range->range->length > 0);
    if (range->range && range->total) FUZZ_CHECK(range->range->end() <= *range->total);
  }
  if (const Result<http::Etag> etag = http::parse_etag(value)) {
    FUZZ_CHECK(etag->text.size() <= limits::kEtagLength + 2);
    FUZZ_CHECK(etag->text.find_first_of("\r\n") == std::string::npos);
    // What goes into If-Match; a weak one never does.
    const Result<http::Etag> again = http::parse_etag(etag->text);
    FUZZ_CHECK(etag->weak || (again && again->text == etag->text && !again->weak));
  }
  (void)http::parse_http_date(value);
  const auto now = std::chrono::sys_seconds(std::chrono::seconds(1'800'000'000));
  if (const auto wait = http::parse_retry_after(value, now)) FUZZ_CHECK(wait->count() >= 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text = fuzz::text_of(data, size);
  check_values(text);
  http::HeadParser parser;
  while (!text.empty()) {
    const std::string_view rest = text;
    fuzz::take_until(text, "\n");
    if (!parser.line(rest.substr(0, rest.size() - text.size()))) return 0;
  }
  const http::Head& head = parser.head();
  FUZZ_CHECK(head.fields.size() <= limits::kHeaderFields);
  if (parser.complete()) FUZZ_CHECK(head.status >= 200 && head.status <= 999);
  (void)http::content_length(head);
  for (const http::Field& field : head.fields) {
    FUZZ_CHECK(!field.name.empty());
    FUZZ_CHECK(field.value.find_first_of("\r\n") == std::string::npos);
    FUZZ_CHECK(!head.field(field.name).empty() || head.field(field.name).data() != nullptr);
    check_values(field.value);
  }
  return 0;
}
