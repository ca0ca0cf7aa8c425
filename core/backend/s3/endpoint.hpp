// Where a service is: an endpoint_url, split as requests and signatures need it. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace r3map::backend::s3 {

struct Endpoint {
  std::string scheme;  // http or https
  std::string host;    // with a port that is not the scheme's own
  std::string prefix;  // of every path; empty, or from a slash to none
};

Result<Endpoint> parse_endpoint(std::string_view text);

}  // namespace r3map::backend::s3
