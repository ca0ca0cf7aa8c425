// What the status of an answer means, as a code and in words for a message.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "http/header.hpp"

namespace r3map::backend {

// By its number alone, as RFC 9110 has it.
Code code_of_status(int status);
// "403 Forbidden", fit for a message.
std::string status_text(const http::Head& head);
// Whether an error answer is that of a TLS server that was asked without TLS. (nginx, Apache and
// Go's net/http, thus MinIO, say it in these words.)
bool wants_tls(const http::Head& head, std::string_view body);
// Text of a peer, fit for a one-line message: printable and short.
std::string shown(std::string_view text);

}  // namespace r3map::backend
