// The proxy that a request may go by, for the messages that blame it. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace r3map::http {

struct Proxy {
  std::string host;
  uint16_t port = 0;
  bool secure = false;  // spoken to by TLS

  // Fit for a message: without user and password.
  std::string name() const { return host + ":" + std::to_string(port); }
};

// Of "[scheme://][user:password@]host[:port]", as libcurl reads it. Nothing: it is no such text.
std::optional<Proxy> parse_proxy(const std::string& text);

// What the environment names for requests of that scheme, where libcurl looks for it. Whether a
// request goes by it, no_proxy decides as well.
using Variable = std::function<const char*(const char* name)>;
std::optional<Proxy> proxy_of_environment(const std::string& scheme, const Variable& variable);

}  // namespace r3map::http
