// The options that all stores behind HTTP have.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "http/request.hpp"
#include "resource/registry.hpp"

namespace r3map::backend {

enum class Pin {
  automatic,  // every answer must be of the version that was opened
  none,       // whatever the server has at the moment
};

// The options that all servers behind HTTP have: pin, ca_bundle, verify, proxy.
struct HttpOptions {
  Pin pin = Pin::automatic;
  std::string ca_bundle;
  bool verify = true;
  std::string proxy;

  auto operator<=>(const HttpOptions&) const = default;

  // A GET of `url` with these settings and no header field yet.
  http::Request request(std::string url) const;
};
Result<HttpOptions> parse_http_options(const resource::Options& options);
// A boolean option's value; `fallback` if it is not given.
Result<bool> parse_flag(const resource::Options& options, std::string_view name, bool fallback);

}  // namespace r3map::backend
