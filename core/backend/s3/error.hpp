// What an S3 error answer means: its XML, or its status where there is none. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "http/header.hpp"

namespace r3map::backend::s3 {

// The fields of an error's XML, and what the head says in their place; empty where neither does.
struct ErrorText {
  std::string code, message, request_id;
  std::string region, endpoint;  // where the bucket is
};
ErrorText parse_error(const http::Head& head, std::string_view body);

// Where to ask instead, for an answer that sends us to another region; empty for any other.
std::string region_of(const http::Head& head, const ErrorText& error);

// "no such key (NoSuchKey, 404)". The text of an unknown error is the server's own.
Error explain_error(const http::Head& head, std::string_view body);

}  // namespace r3map::backend::s3
