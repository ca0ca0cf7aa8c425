// S3's error answers: a line with the status, then the body.
#include "backend/s3/error.hpp"

#include <charconv>

#include "backend/s3/address.hpp"
#include "fuzz.hpp"

using namespace r3map;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view body = fuzz::text_of(data, size);
  const std::string_view line = fuzz::take_until(body, "\n");
  http::Head head;
  std::from_chars(line.data(), line.data() + line.size(), head.status);
  head.status = 300 + (head.status & 0xff);
  head.reason = line;
  const Error error = backend::s3::explain_error(
      head, body, {"AKIAEXAMPLE", "the environment", std::chrono::sys_seconds()});
  FUZZ_CHECK(error.code != Code::ok);
  FUZZ_CHECK(!error.message.empty() && fuzz::is_one_line(error.message));
  const backend::s3::ErrorText parsed = backend::s3::parse_error(head, body);
  (void)backend::s3::rejects_keys(parsed);
  const std::string region = backend::s3::region_of(head, parsed);
  const Result<http::Target> home = backend::s3::locate({"bucket", "key"}, "", "us-east-1", "auto");
  FUZZ_CHECK(home);
  // An answer names a region, never a host.
  if (const auto next = backend::s3::in_region(*home, region)) {
    FUZZ_CHECK(next->host.ends_with(".amazonaws.com") || next->host.ends_with(".amazonaws.com.cn"));
    FUZZ_CHECK(next->host.find_first_of("/?#@: \r\n") == std::string::npos);
  }
  return 0;
}
