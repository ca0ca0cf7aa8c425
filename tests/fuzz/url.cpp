// URLs and endpoints: a URL, then lines of name=value.
#include "resource/url.hpp"

#include "backend/object.hpp"
#include "backend/s3/address.hpp"
#include "backend/s3/credentials/sources.hpp"
#include "backend/s3/endpoint.hpp"
#include "base/limits.hpp"
#include "fuzz.hpp"
#include "http/target.hpp"

using namespace r3map;

namespace {

void check_escapes(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return;  // no URL has one
  const std::string encoded = resource::percent_encode(text, false);
  const Result<std::string> decoded = resource::percent_decode(encoded);
  FUZZ_CHECK(decoded && *decoded == text);
  const Result<std::string> given = resource::percent_decode(text);
  if (!given) return;
  FUZZ_CHECK(given->size() <= text.size());
  FUZZ_CHECK(*resource::percent_decode(resource::percent_encode(*given, true)) == *given);
}

void check_s3(std::string_view rest, const resource::Options& options) {
  const auto option = [&](const char* name) {
    const auto found = options.find(name);
    return found == options.end() ? std::string() : found->second;
  };
  const Result<backend::s3::Place> place = backend::s3::parse_place(rest);
  if (!place) return;
  FUZZ_CHECK(!place->bucket.empty() && !place->key.empty());
  FUZZ_CHECK(place->bucket + "/" + place->key == rest);
  const Result<http::Target> at = backend::s3::locate(
      *place, option("endpoint_url"), option("region"), option("addressing_style"));
  if (!at) return;
  FUZZ_CHECK(at->scheme == "http" || at->scheme == "https");
  FUZZ_CHECK(!at->host.empty() && at->host.find_first_of("/?#@ \r\n") == std::string::npos);
  FUZZ_CHECK(at->path.starts_with('/') && at->path.find_first_of("?# \r\n") == std::string::npos);
}

// A redirect stays within http and https, never downgrades, and what comes out is a URL again.
void check_redirect(const http::Target& from, const std::string& location) {
  const Result<http::Target> to = http::redirect_target(from, location);
  if (!to) return;
  FUZZ_CHECK(to->scheme == "https" || (to->scheme == "http" && from.scheme == "http"));
  FUZZ_CHECK(!to->host.empty() && to->host.find('@') == std::string::npos);
  FUZZ_CHECK(to->path.starts_with('/'));
  const Result<http::Target> again = http::parse_target(to->url());
  FUZZ_CHECK(again && again->origin() == to->origin());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text = fuzz::text_of(data, size);
  const std::string_view first = fuzz::take_until(text, "\n");
  resource::Options options;
  while (!text.empty()) {
    std::string_view value = fuzz::take_until(text, "\n");
    const std::string_view name = fuzz::take_until(value, "=");
    options.emplace(name, value);
    (void)backend::s3::parse_endpoint(value);
    (void)backend::s3::check_container_url(value);
    (void)resource::parse_size(value);
    check_escapes(value);
  }
  (void)backend::parse_http_options(options);
  check_escapes(first);
  const Result<resource::Url> url = resource::parse_url(first);
  if (!url) {
    FUZZ_CHECK(url.error().code == Code::invalid);
    return 0;
  }
  FUZZ_CHECK(!url->scheme.empty() && first.size() <= limits::kUrlLength);
  FUZZ_CHECK(fuzz::is_one_line(url->text.substr(0, 1000)));
  check_s3(url->rest, options);
  if (const Result<http::Target> target = http::parse_target(std::string(first)))
    for (const auto& [name, value] : options) check_redirect(*target, value);
  return 0;
}
