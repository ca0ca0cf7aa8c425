#include "backend/s3/object_options.hpp"

#include <openssl/evp.h>

#include <algorithm>

#include "backend/base64.hpp"
#include "backend/http_options.hpp"
#include "backend/status.hpp"
#include "base/limits.hpp"
#include "resource/url.hpp"

namespace r3map::backend::s3 {

namespace {

// "127.0.0.1:9000", "[::1]", "localhost".
bool is_this_machine(std::string_view host) {
  const size_t colon = host.starts_with('[') ? host.find(']') + 1 : host.find(':');
  host = host.substr(0, colon);
  return host == "localhost" || host == "[::1]" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos);
}

Result<std::string> md5(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_md5(), nullptr) != 1)
    return fail(Code::unsupported, "sse_customer_key: OpenSSL forbids MD5 here, which S3 wants");
  return std::string(reinterpret_cast<char*>(digest), length);
}

// The value is never shown.
Result<> add_customer_key(const std::string& text, const http::Target& home,
                          std::vector<http::Field>& fields) {
  const std::optional<std::string> key = from_base64(text);
  if (!key || key->size() != 32)
    return fail(Code::invalid, "sse_customer_key is not the base64 of 32 bytes");
  if (home.scheme != "https" && !is_this_machine(home.host))
    return fail(Code::invalid, "sse_customer_key would be readable on the way to " +
                                   home.origin() + ": use https");
  Result<std::string> digest = md5(*key);
  if (!digest) return fail(std::move(digest.error()));
  const std::string prefix = "x-amz-server-side-encryption-customer-";
  fields.push_back({prefix + "algorithm", "AES256"});
  fields.push_back({prefix + "key", text});
  fields.push_back({prefix + "key-MD5", base64(*digest)});
  return {};
}

}  // namespace

Result<ObjectOptions> parse_object_options(const resource::Options& options,
                                           const http::Target& home) {
  ObjectOptions result;
  if (const auto version = options.find("version_id"); version != options.end()) {
    const std::string& text = version->second;
    if (text.empty() || text.size() > limits::kVersionId ||
        std::any_of(text.begin(), text.end(), [](char c) { return c < 0x21 || c > 0x7e; }))
      return fail(Code::invalid, "version_id '" + shown(text) + "' is none");
    result.version_id = text;
  }
  Result<bool> pays = parse_flag(options, "requester_pays", false);
  if (!pays) return fail(std::move(pays.error()));
  if (*pays) result.fields.push_back({"x-amz-request-payer", "requester"});
  if (const auto key = options.find("sse_customer_key"); key != options.end())
    if (Result<> added = add_customer_key(key->second, home, result.fields); !added)
      return fail(std::move(added.error()));
  result.direct = options.contains("sse_customer_key") && home.scheme != "https";
  return result;
}

std::string version_query(const ObjectOptions& options) {
  if (options.version_id.empty()) return {};
  return "?versionId=" + resource::percent_encode(options.version_id, false);
}

Result<> check_version_id(const ObjectOptions& options, const http::Head& head) {
  if (options.version_id.empty()) return {};
  const std::string_view answered = head.field("x-amz-version-id");
  if (answered == options.version_id) return {};
  // "null" is what is left of the time before a bucket had versions, and all that one without has.
  if (answered.empty() && options.version_id == "null") return {};
  if (answered.empty())
    return fail(Code::unsupported, "the store ignores version_id: its answer names no version");
  return fail(Code::stale, "the store answers version " + shown(answered) + " instead of " +
                               shown(options.version_id));
}

}  // namespace r3map::backend::s3
