#include "http/proxy.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <vector>

#include "http/url_handle.hpp"

namespace r3map::http {

std::optional<Proxy> parse_proxy(const std::string& text) {
  const UrlHandle url(curl_url());
  if (!url) return std::nullopt;
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(),
                   CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME) != CURLUE_OK)
    return std::nullopt;
  // With a slash in the password, the host is what stands before it.
  if (part(url, CURLUPART_PATH) != "/") return std::nullopt;
  Proxy proxy;
  proxy.secure = part(url, CURLUPART_SCHEME) == "https";
  std::string port = part(url, CURLUPART_PORT);
  if (port.empty()) port = proxy.secure ? "443" : "1080";  // libcurl's own defaults
  std::from_chars(port.data(), port.data() + port.size(), proxy.port);
  proxy.host = part(url, CURLUPART_HOST);
  return proxy;
}

std::optional<Proxy> proxy_of_environment(const std::string& scheme, const Variable& variable) {
  std::vector<std::string> names = {scheme + "_proxy"};
  // A CGI's HTTP_PROXY is a field of its client's.
  if (scheme != "http") names.push_back("HTTPS_PROXY");
  names.insert(names.end(), {"all_proxy", "ALL_PROXY"});
  for (const std::string& name : names)
    if (const char* const value = variable(name.c_str()); value && *value)
      return parse_proxy(value);
  return std::nullopt;
}

}  // namespace r3map::http
