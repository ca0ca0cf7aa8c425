// What services and programs answer that hand out credentials: JSON, and STS's XML. Pure. The only
// place with a JSON library.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "backend/s3/sigv4.hpp"
#include "base/result.hpp"

namespace r3map::backend::s3 {

// In milliseconds, since nanoseconds end in 2262.
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;
inline WallTime wall_now() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

// Credentials and the time they are good for.
struct Keys {
  Credentials credentials;
  std::optional<WallTime> expiry = {};  // nothing: for good
  std::string source = {};              // "the environment", for messages
};

// "2025-01-31T12:00:00Z", with a fraction, "+00:00" or "UTC" for the Z: all that AWS has written.
std::optional<WallTime> parse_time(std::string_view text);

// Of a container's service and of instance metadata; {"Code", "Message"} where they refuse.
Result<Keys> parse_metadata_keys(std::string_view json);
// Of a credential_process, "Version" 1.
Result<Keys> parse_program_keys(std::string_view json);
// Of the SSO portal: {"roleCredentials": …}.
Result<Keys> parse_sso_keys(std::string_view json);
// Of AssumeRole and AssumeRoleWithWebIdentity.
Result<Keys> parse_sts_keys(std::string_view xml);

// What `aws sso login` leaves in its cache.
struct SsoToken {
  std::string token;
  WallTime expiry;
};
Result<SsoToken> parse_sso_token(std::string_view json);

// The reason in an error answer, fit for a message: "text (Code)" of STS's XML, "message" of JSON;
// empty if there is none.
std::string refusal_text(std::string_view body);

}  // namespace r3map::backend::s3
