// What an S3 error answer means: its XML, or its status where there is none. Pure.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "http/header.hpp"

namespace r3map::backend::s3 {

// "no such key (NoSuchKey, 404)". The text of an unknown error is the server's own.
Error explain_error(const http::Head& head, std::string_view body);

}  // namespace r3map::backend::s3
