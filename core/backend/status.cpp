#include "backend/status.hpp"

namespace r3map::backend {

Code code_of_status(int status) {
  switch (status) {
    case 401:
    case 403:
    case 407: return Code::denied;
    case 404:
    case 410: return Code::not_found;
    case 405:
    case 501: return Code::unsupported;
    case 408:
    case 425:
    case 429:
    case 503: return Code::busy;
    case 412: return Code::stale;
    case 304: return Code::protocol;  // nobody asked whether anything changed
    case 416: return Code::out_of_range;
    default: break;
  }
  if (status >= 500) return Code::io;
  // Also of 400: a number can't tell that the caller has made a mistake.
  return status >= 300 ? Code::unsupported : Code::protocol;
}

bool wants_tls(const http::Head& head, std::string_view body) {
  const auto says = [&](std::string_view text) { return body.find(text) != std::string_view::npos; };
  return head.status == 400 && (says("to HTTPS port") || says("to an HTTPS server") ||
                                says("to an SSL-enabled server"));
}

std::string status_text(const http::Head& head) {
  const std::string number = std::to_string(head.status);
  return head.reason.empty() ? number : number + " " + shown(head.reason);
}

std::string shown(std::string_view text) {
  static constexpr size_t kLongest = 200;
  std::string out(text.substr(0, kLongest));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  if (text.size() > kLongest) out += "…";
  return out;
}

}  // namespace r3map::backend
