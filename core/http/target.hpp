// Where a request goes: URLs as libcurl reads them, and where a redirect leads. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace r3map::http {

struct Target {
  std::string scheme;  // http or https
  std::string host;    // lower case, with a port that is not the scheme's own
  std::string path;    // encoded, with the query; begins with /
  std::string region;  // what S3 signs for; empty elsewhere

  // What may be told a secret that was meant for this: scheme, host and port are one.
  std::string origin() const { return scheme + "://" + host; }
  std::string url() const { return origin() + path; }
  bool operator==(const Target&) const = default;
};

// Without user, password and fragment. Code::invalid for what is no http or https URL.
Result<Target> parse_target(const std::string& url);

// What `location` means in an answer from `from`. Code::unsupported for what must not be followed:
// from https to http, to another protocol, to a URL with a user in it.
Result<Target> redirect_target(const Target& from, const std::string& location);

}  // namespace r3map::http
