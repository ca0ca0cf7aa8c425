#include "http/target.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "http/url_handle.hpp"

namespace r3map::http {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

Target target_of(const UrlHandle& url) {
  Target target;
  target.scheme = part(url, CURLUPART_SCHEME);
  target.host = part(url, CURLUPART_HOST);
  if (const std::string zone = part(url, CURLUPART_ZONEID); !zone.empty())
    target.host.insert(target.host.size() - 1, "%25" + zone);
  std::transform(target.host.begin(), target.host.end(), target.host.begin(), lower);
  const std::string port = part(url, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
  if (!port.empty()) target.host += ":" + port;
  target.path = part(url, CURLUPART_PATH);
  const std::string query = part(url, CURLUPART_QUERY);
  if (!query.empty()) target.path += "?" + query;
  return target;
}

bool is_web(const Target& target) { return target.scheme == "http" || target.scheme == "https"; }

}  // namespace

Result<Target> parse_target(const std::string& text) {
  const UrlHandle url(curl_url());
  if (!url) return fail(Code::no_memory, "libcurl: out of memory");
  // A key may hold "..".
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_PATH_AS_IS) != CURLUE_OK)
    return fail(Code::invalid, "malformed URL");
  Target target = target_of(url);
  if (!is_web(target)) return fail(Code::invalid, "not an http or https URL");
  return target;
}

Result<Target> redirect_target(const Target& from, const std::string& location) {
  if (location.size() > limits::kUrlLength)
    return fail(Code::unsupported, "a redirect to a URL longer than " +
                                       std::to_string(limits::kUrlLength) + " bytes");
  const UrlHandle url(curl_url());
  if (!url) return fail(Code::no_memory, "libcurl: out of memory");
  curl_url_set(url.get(), CURLUPART_URL, from.url().c_str(), CURLU_PATH_AS_IS);
  // Servers send blanks and UTF-8 as they are.
  if (curl_url_set(url.get(), CURLUPART_URL, location.c_str(),
                   CURLU_PATH_AS_IS | CURLU_URLENCODE) != CURLUE_OK)
    return fail(Code::unsupported, "a redirect to what is no http or https URL");
  Target target = target_of(url);
  if (!is_web(target)) return fail(Code::unsupported, "a redirect to " + target.scheme + ":");
  if (!part(url, CURLUPART_USER).empty() || !part(url, CURLUPART_PASSWORD).empty())
    return fail(Code::unsupported, "a redirect to a URL with a user in it");
  if (from.scheme == "https" && target.scheme == "http")
    return fail(Code::unsupported, "a redirect from https to " + target.origin() +
                                       ": refused, it would be read by anybody on the way");
  return target;
}

}  // namespace r3map::http
