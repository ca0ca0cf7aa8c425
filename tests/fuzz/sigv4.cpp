// What SigV4 signs: a path, a line with name=value&…, then header fields; with properties that hold
// for all of them.
#include "backend/s3/sigv4.hpp"

#include <algorithm>

#include "fuzz.hpp"
#include "resource/url.hpp"

using namespace r3map;
using namespace r3map::backend::s3;

namespace {

Signable parse(std::string_view text) {
  Signable request;
  request.path = resource::percent_encode(fuzz::take_until(text, "\n"), true);
  std::string_view query = fuzz::take_until(text, "\n");
  while (!query.empty()) {
    std::string_view value = fuzz::take_until(query, "&");
    const std::string_view name = fuzz::take_until(value, "=");
    request.query.emplace_back(name, value);
  }
  while (!text.empty()) {
    std::string_view value = fuzz::take_until(text, "\n");
    const std::string_view name = fuzz::take_until(value, ":");
    request.fields.push_back({std::string(name), std::string(value)});
  }
  request.payload_hash = kEmptyHash;
  return request;
}

// The canonical query's parameters, which must stand in order.
void check_query(const std::string& canonical) {
  std::string_view text = canonical;
  fuzz::take_until(text, "\n");
  fuzz::take_until(text, "\n");
  std::string_view query = fuzz::take_until(text, "\n");
  std::pair<std::string_view, std::string_view> last;
  for (bool first = true; !query.empty(); first = false) {
    std::string_view value = fuzz::take_until(query, "&");
    const std::string_view name = fuzz::take_until(value, "=");
    FUZZ_CHECK(first || last <= std::pair(name, value));
    last = {name, value};
    FUZZ_CHECK(*resource::percent_decode(resource::percent_encode(name, false)) == name);
  }
}

bool have_one_name_each(const Signable& request) {
  std::vector<std::string> names;
  for (const http::Field& field : request.fields) {
    names.push_back(field.name);
    for (char& c : names.back()) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  std::sort(names.begin(), names.end());
  return std::adjacent_find(names.begin(), names.end()) == names.end();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Signable request = parse(fuzz::text_of(data, size));
  const Scope scope{std::chrono::sys_seconds(std::chrono::seconds(1'800'000'000)), "us-east-1"};
  const Credentials keys{"key", "secret", ""};
  const std::string canonical = canonical_request(request);
  const std::string signature = authorization(request, scope, keys);
  FUZZ_CHECK(canonical.starts_with("GET\n" + request.path + "\n"));
  FUZZ_CHECK(canonical.ends_with(request.payload_hash));
  check_query(canonical);
  // The order in which parameters and fields were given does not matter.
  if (!have_one_name_each(request)) return 0;
  std::reverse(request.fields.begin(), request.fields.end());
  std::reverse(request.query.begin(), request.query.end());
  FUZZ_CHECK(canonical_request(request) == canonical);
  FUZZ_CHECK(authorization(request, scope, keys) == signature);
  return 0;
}
