#include "backend/s3/endpoint.hpp"

#include <algorithm>

#include "backend/status.hpp"
#include "resource/url.hpp"

namespace r3map::backend::s3 {

Result<Endpoint> parse_endpoint(std::string_view text) {
  Result<resource::Url> url = resource::parse_url(text);
  const auto bad = [&](const char* why) {  // without a password that has no place here
    const std::string_view safe = url ? std::string_view(url->text) : text;
    return fail(Code::invalid, "endpoint_url '" + shown(safe) + "' " + why);
  };
  if (!url || !url->has_authority || (url->scheme != "http" && url->scheme != "https"))
    return bad("is not http://host[:port] or https://…");
  if (url->rest.find_first_of("?#@ ") != std::string::npos)
    return bad("may hold neither user, query nor fragment");
  const size_t slash = std::min(url->rest.find('/'), url->rest.size());
  Endpoint endpoint{url->scheme, url->rest.substr(0, slash), url->rest.substr(slash)};
  if (endpoint.host.empty() || endpoint.host[0] == ':') return bad("names no host");
  // The port that goes without saying is not sent in Host, so it must not be signed either.
  const std::string_view implied = endpoint.scheme == "https" ? ":443" : ":80";
  if (endpoint.host.ends_with(implied)) endpoint.host.resize(endpoint.host.size() - implied.size());
  while (endpoint.prefix.ends_with('/')) endpoint.prefix.pop_back();
  return endpoint;
}

}  // namespace r3map::backend::s3
