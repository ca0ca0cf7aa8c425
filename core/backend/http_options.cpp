#include "backend/http_options.hpp"

#include "backend/status.hpp"
#include "http/target.hpp"

namespace r3map::backend {

Result<bool> parse_flag(const resource::Options& options, std::string_view name, bool fallback) {
  const auto found = options.find(name);
  if (found == options.end()) return fallback;
  const std::string& text = found->second;
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return fail(Code::invalid, std::string(name) + " is true or false, not '" + shown(text) + "'");
}

Result<HttpOptions> parse_http_options(const resource::Options& options) {
  HttpOptions result;
  if (const auto pin = options.find("pin"); pin != options.end()) {
    if (pin->second != "auto" && pin->second != "none")
      return fail(Code::invalid, "pin is auto or none, not '" + shown(pin->second) + "'");
    result.pin = pin->second == "none" ? Pin::none : Pin::automatic;
  }
  if (const auto bundle = options.find("ca_bundle"); bundle != options.end())
    result.ca_bundle = bundle->second;
  Result<bool> verify = parse_flag(options, "verify", true);
  // To others it may also be a file.
  if (!verify)
    return fail(verify.error().code, verify.error().message + "; ca_bundle= takes a file");
  result.verify = *verify;
  if (const auto proxy = options.find("proxy"); proxy != options.end()) {
    const Result<http::Target> at = http::parse_target(proxy->second);
    // The value may hold a password.
    if (!at || at->path != "/")
      return fail(Code::invalid, "proxy is http://[user:password@]host[:port] or https://…");
    result.proxy = proxy->second;
  }
  return result;
}

http::Request HttpOptions::request(std::string url) const {
  http::Request request;
  request.url = std::move(url);
  request.ca_bundle = ca_bundle;
  request.verify = verify;
  request.proxy = proxy;
  return request;
}

}  // namespace r3map::backend
