#include "backend/s3/s3.hpp"

#include "backend/object.hpp"
#include "backend/s3/address.hpp"
#include "backend/s3/credentials.hpp"
#include "backend/s3/error.hpp"
#include "backend/s3/object_options.hpp"
#include "backend/s3/sigv4.hpp"

namespace r3map::backend::s3 {

namespace {

// Thread: immutable.
class S3Dialect final : public Dialect {
 public:
  S3Dialect(http::Target home, std::optional<Credentials> credentials, ObjectOptions object,
            HttpOptions options)
      : home_(std::move(home)),
        credentials_(std::move(credentials)),
        object_(std::move(object)),
        options_(std::move(options)) {
    home_.path += version_query(object_);
  }

  const http::Target& home() const override { return home_; }

  http::Request request(const http::Target& target,
                        std::vector<http::Field> fields) const override {
    http::Request request = options_.request(target.url());
    fields.insert(fields.end(), object_.fields.begin(), object_.fields.end());
    if (credentials_) sign(target, fields);
    for (const http::Field& field : fields)
      request.headers.push_back(field.name + ": " + field.value);
    return request;
  }

  // A host that an answer names is never asked: what is signed goes to the endpoint that was
  // chosen, or to one of AWS's that is made from the region's name.
  Result<std::optional<http::Target>> redirect(const http::Target& target, const http::Head& head,
                                               std::string_view body) const override {
    const std::string region = region_of(head, parse_error(head, body));
    return region.empty() ? std::nullopt : in_region(target, region);
  }

  Result<> accept(const http::Head& head) const override {
    return check_version_id(object_, head);
  }

  Error explain(const http::Head& head, std::string_view body) const override {
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    return explain_error(head, body, {credentials_ ? credentials_->key : "", "", now});
  }

 private:
  void sign(const http::Target& target, std::vector<http::Field>& fields) const {
    const Scope scope{std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()),
                      target.region};
    fields.push_back({"Host", target.host});
    fields.push_back({"x-amz-date", amz_date(scope.time)});
    fields.push_back({"x-amz-content-sha256", std::string(kEmptyHash)});
    if (!credentials_->token.empty())
      fields.push_back({"x-amz-security-token", credentials_->token});
    Signable signable;
    signable.path = target.path.substr(0, target.path.find('?'));  // of a key it is %3F
    if (!object_.version_id.empty()) signable.query = {{"versionId", object_.version_id}};
    signable.fields = fields;
    signable.payload_hash = kEmptyHash;
    fields.push_back({"Authorization", authorization(signable, scope, *credentials_)});
  }

  http::Target home_;
  std::optional<Credentials> credentials_;
  ObjectOptions object_;
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
  Result<http::Target> home = locate(*place, find_endpoint(options, process_environment), region,
                                     style == options.end() ? "auto" : style->second);
  if (!home) return fail(std::move(home.error()));
  Result<std::optional<Credentials>> credentials = find_credentials(options, process_environment);
  if (!credentials) return fail(std::move(credentials.error()));
  Result<ObjectOptions> object = parse_object_options(options, *home);
  if (!object) return fail(std::move(object.error()));
  const Pin pin = http_options->pin;
  return Opening{std::make_unique<S3Dialect>(std::move(*home), std::move(*credentials),
                                             std::move(*object), std::move(*http_options)),
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
                 "version_id", "requester_pays", "sse_customer_key", "pin", "ca_bundle", "verify",
                 "proxy"},
                [&loop, &client](resource::Url url, resource::Options options,
                                 resource::Request request) {
                  return open_s3(loop, client, std::move(url), std::move(options),
                                 std::move(request));
                }});
}

}  // namespace r3map::backend::s3
