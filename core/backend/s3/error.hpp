// What an S3 error answer means: its XML, or its status where there is none. Pure.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "http/header.hpp"

namespace r3map::backend::s3 {

// The fields of an error's XML, and what the head says in their place; empty where neither does.
struct ErrorText {
  std::string code, message, request_id;
  std::string region;         // where the bucket is
  std::string storage_class;  // of an archived object
};
ErrorText parse_error(const http::Head& head, std::string_view body);

// Where to ask instead, for an answer that sends us to another region; empty for any other.
std::string region_of(const http::Head& head, const ErrorText& error);

// Who has asked, when and for what.
struct Asker {
  std::string key;     // its id; empty: anonymous
  std::string source;  // where the key comes from: "the environment"
  std::chrono::sys_seconds now;
  std::string url = {};  // fit for a message: without a query
};

// What happened, S3's code, the status, the request's id, and what to do about it:
// "the object is archived (InvalidObjectState, 403, request id 4442): restore it first (GLACIER)".
// The text of an unknown error is the server's own.
Error explain_error(const http::Head& head, std::string_view body, const Asker& asker);

// The keys have expired, or are not known (any more): others may do.
bool rejects_keys(const ErrorText& error);

}  // namespace r3map::backend::s3
