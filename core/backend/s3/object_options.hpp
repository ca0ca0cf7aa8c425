// What of an object is read and how: version_id, requester_pays, sse_customer_key. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "http/header.hpp"
#include "http/target.hpp"
#include "resource/registry.hpp"

namespace r3map::backend::s3 {

struct ObjectOptions {
  std::string version_id;           // empty: the newest
  std::vector<http::Field> fields;  // of each request
  bool direct = false;              // past any proxy, which would read a customer's key
};

// `home`: where the object is asked for; a key of the customer's goes over TLS only, or to this
// machine itself.
Result<ObjectOptions> parse_object_options(const resource::Options& options,
                                           const http::Target& home);

// "?versionId=…", or nothing.
std::string version_query(const ObjectOptions& options);

// That an answer is of the version that was asked for.
Result<> check_version_id(const ObjectOptions& options, const http::Head& head);

}  // namespace r3map::backend::s3
