#include "backend/s3/s3.hpp"

#include <algorithm>

#include "backend/object.hpp"
#include "backend/s3/credentials.hpp"
#include "backend/s3/error.hpp"
#include "backend/s3/sigv4.hpp"
#include "base/limits.hpp"
#include "resource/url.hpp"

namespace r3map::backend::s3 {

namespace {

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_bucket_char(char c) {
  return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
}

// Fit for one label of a host name; with dots, no certificate would cover it.
bool fits_host_name(std::string_view bucket) {
  return bucket.size() >= 3 && bucket.size() <= 63 && is_lower_or_digit(bucket.front()) &&
         is_lower_or_digit(bucket.back()) &&
         std::all_of(bucket.begin(), bucket.end(),
                     [](char c) { return is_lower_or_digit(c) || c == '-'; });
}

struct Endpoint {
  std::string scheme, host, prefix;
};

Result<Endpoint> parse_endpoint(std::string_view text) {
  const auto bad = [&](const char* why) {
    return fail(Code::invalid, "endpoint_url '" + shown(text) + "' " + why);
  };
  Result<resource::Url> url = resource::parse_url(text);
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

}  // namespace

Result<Place> parse_place(std::string_view rest) {
  const size_t slash = std::min(rest.find('/'), rest.size());
  Place place{std::string(rest.substr(0, slash)),
              std::string(slash < rest.size() ? rest.substr(slash + 1) : std::string_view())};
  const std::string& bucket = place.bucket;
  if (bucket.empty()) return fail(Code::invalid, "the URL names no bucket: s3://bucket/key");
  if (bucket.size() > limits::kBucketLength || bucket == "." || bucket == ".." ||
      !std::all_of(bucket.begin(), bucket.end(), is_bucket_char))
    return fail(Code::invalid, "'" + shown(bucket) + "' is no bucket's name");
  if (place.key.empty()) return fail(Code::invalid, "the URL names no key: s3://bucket/key");
  if (place.key.size() > limits::kKeyLength)
    return fail(Code::invalid,
                "the key is longer than " + std::to_string(limits::kKeyLength) + " bytes");
  return place;
}

Result<Location> locate(const Place& place, std::string_view endpoint, std::string_view region,
                        std::string_view style) {
  if (style != "auto" && style != "path" && style != "virtual")
    return fail(Code::invalid,
                "addressing_style is auto, path or virtual, not '" + shown(style) + "'");
  if (!std::all_of(region.begin(), region.end(),
                   [](char c) { return is_bucket_char(c) && c != '.'; }))
    return fail(Code::invalid, "'" + shown(region) + "' is no region");
  const std::string suffix = region.starts_with("cn-") ? ".amazonaws.com.cn" : ".amazonaws.com";
  Result<Endpoint> at = endpoint.empty()
                            ? Endpoint{"https", "s3." + std::string(region) + suffix, ""}
                            : parse_endpoint(endpoint);
  if (!at) return fail(std::move(at.error()));

  const bool of_aws =
      at->host.ends_with(".amazonaws.com") || at->host.ends_with(".amazonaws.com.cn");
  const bool can_be_virtual = fits_host_name(place.bucket);
  if (style == "virtual" && !can_be_virtual)
    return fail(Code::invalid, "'" + shown(place.bucket) +
                                   "' can't be part of a host name: addressing_style=path");
  const std::string key = resource::percent_encode(place.key, true);
  if (style == "virtual" || (style == "auto" && of_aws && can_be_virtual))
    return Location{at->scheme, place.bucket + "." + at->host, at->prefix + "/" + key};
  return Location{at->scheme, at->host, at->prefix + "/" + place.bucket + "/" + key};
}

namespace {

// Thread: immutable.
class S3Dialect final : public Dialect {
 public:
  S3Dialect(Location location, std::string region, std::optional<Credentials> credentials,
            HttpOptions options)
      : location_(std::move(location)),
        region_(std::move(region)),
        credentials_(std::move(credentials)),
        options_(std::move(options)) {}

  http::Request request(std::vector<http::Field> fields) const override {
    http::Request request;
    request.url = location_.scheme + "://" + location_.host + location_.path;
    request.ca_bundle = options_.ca_bundle;
    request.verify = options_.verify;
    if (credentials_) sign(fields);
    for (const http::Field& field : fields)
      request.headers.push_back(field.name + ": " + field.value);
    return request;
  }

  Error explain(const http::Head& head, std::string_view body) const override {
    return explain_error(head, body);
  }

 private:
  void sign(std::vector<http::Field>& fields) const {
    const Scope scope{std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()),
                      region_};
    fields.push_back({"Host", location_.host});
    fields.push_back({"x-amz-date", amz_date(scope.time)});
    fields.push_back({"x-amz-content-sha256", std::string(kEmptyHash)});
    if (!credentials_->token.empty())
      fields.push_back({"x-amz-security-token", credentials_->token});
    Signable signable;
    signable.path = location_.path;
    signable.fields = fields;
    signable.payload_hash = kEmptyHash;
    fields.push_back({"Authorization", authorization(signable, scope, *credentials_)});
  }

  Location location_;
  std::string region_;
  std::optional<Credentials> credentials_;
  HttpOptions options_;
};

struct Opening {
  std::unique_ptr<Dialect> dialect;
  Pin pin;
};

Result<Opening> prepare(const resource::Url& url, const resource::Options& options) {
  if (!url.has_authority) return fail(Code::invalid, "expected s3://bucket/key");
  Result<Place> place = parse_place(url.rest);
  if (!place) return fail(std::move(place.error()));
  Result<HttpOptions> http_options = parse_http_options(options);
  if (!http_options) return fail(std::move(http_options.error()));
  const std::string region = find_region(options, process_environment);
  const auto style = options.find("addressing_style");
  Result<Location> location = locate(*place, find_endpoint(options, process_environment), region,
                                     style == options.end() ? "auto" : style->second);
  if (!location) return fail(std::move(location.error()));
  Result<std::optional<Credentials>> credentials = find_credentials(options, process_environment);
  if (!credentials) return fail(std::move(credentials.error()));
  const Pin pin = http_options->pin;
  return Opening{std::make_unique<S3Dialect>(std::move(*location), region, std::move(*credentials),
                                             std::move(*http_options)),
                 pin};
}

loop::Task<Result<std::unique_ptr<resource::Resource>>> open_s3(loop::Loop& loop,
                                                                http::Client& client,
                                                                resource::Url url,
                                                                resource::Options options,
                                                                resource::Request request) {
  Result<Opening> ready = prepare(url, options);
  if (!ready) co_return fail(std::move(ready.error()));
  auto opening =
      HttpObject::open(loop, client, std::move(ready->dialect), ready->pin, std::move(request));
  co_return co_await opening;
}

}  // namespace

void register_s3(resource::Registry& registry, loop::Loop& loop, http::Client& client) {
  registry.add({"s3",
                {"key", "secret", "token", "anon", "endpoint_url", "region", "addressing_style",
                 "pin", "ca_bundle", "verify"},
                [&loop, &client](resource::Url url, resource::Options options,
                                 resource::Request request) {
                  return open_s3(loop, client, std::move(url), std::move(options),
                                 std::move(request));
                }});
}

}  // namespace r3map::backend::s3
