// AWS Signature Version 4, in headers. Pure: bytes and a time in, text out.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/header.hpp"

namespace r3map::backend::s3 {

struct Credentials {
  std::string key;
  std::string secret;
  std::string token;  // of a session; may be empty

  auto operator<=>(const Credentials&) const = default;
};

// What is signed. S3 takes the path as it is sent: encoded once, never normalised.
struct Signable {
  std::string method = "GET";
  std::string path = "/";                                  // encoded
  std::vector<std::pair<std::string, std::string>> query;  // not encoded
  std::vector<http::Field> fields;                         // with Host; all of them are signed
  std::string payload_hash;                                // hex, or UNSIGNED-PAYLOAD
};

struct Scope {
  std::chrono::sys_seconds time;
  std::string region;
  std::string service = "s3";
};

// SHA-256 of nothing, as GET's payload hash.
inline constexpr std::string_view kEmptyHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string payload_hash(std::string_view body);

// "20150830T123600Z".
std::string amz_date(std::chrono::sys_seconds time);

std::string canonical_request(const Signable& request);
std::string string_to_sign(const Signable& request, const Scope& scope);

// The value of Authorization. x-amz-date and, where there is a token, x-amz-security-token must be
// among the fields already.
std::string authorization(const Signable& request, const Scope& scope,
                          const Credentials& credentials);

}  // namespace r3map::backend::s3
