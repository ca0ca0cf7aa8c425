// Who signs, and where the bucket is: from options, then from AWS's environment variables. Pure
// but for the environment, which is passed in.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "backend/s3/sigv4.hpp"
#include "base/result.hpp"
#include "resource/registry.hpp"

namespace r3map::backend::s3 {

// The value of a variable; empty if it is not set.
using Environment = std::function<std::string(const char* name)>;
// Read at each open, since hosts set it after they have loaded us; on the loop's thread, as libcurl
// (proxies), the resolver and OpenSSL read theirs. Before glibc 2.41 a host that calls setenv() in
// another thread meanwhile races with all of them: a copy of our few names alone would not end that.
std::string process_environment(const char* name);

// Nothing: anonymous. Code::denied if there are no keys and `anon` was not asked for.
Result<std::optional<Credentials>> find_credentials(const resource::Options& options,
                                                    const Environment& environment);

std::string find_region(const resource::Options& options, const Environment& environment);
// Empty: AWS's own for the region.
std::string find_endpoint(const resource::Options& options, const Environment& environment);

}  // namespace r3map::backend::s3
