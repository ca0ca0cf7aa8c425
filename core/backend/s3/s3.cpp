#include "backend/s3/s3.hpp"

#include "backend/object.hpp"
#include "backend/s3/address.hpp"
#include "backend/s3/credentials/provider.hpp"
#include "backend/s3/credentials/settings.hpp"
#include "backend/s3/error.hpp"
#include "backend/s3/object_options.hpp"
#include "backend/s3/sigv4.hpp"

namespace r3map::backend::s3 {

namespace {

// Thread: the home loop, but for accept().
class S3Dialect final : public Dialect {
 public:
  // Without a provider: anonymous.
  S3Dialect(http::Target home, std::shared_ptr<Provider> provider, ObjectOptions object,
            HttpOptions options)
      : home_(std::move(home)),
        provider_(std::move(provider)),
        object_(std::move(object)),
        options_(std::move(options)) {
    home_.path += version_query(object_);
  }

  const http::Target& home() const override { return home_; }

  bool ready() const override { return !provider_ || provider_->ready(); }
  loop::Task<Result<>> make_ready(resource::Request request) const override {
    return provider_->wait(std::move(request));
  }

  http::Request request(const http::Target& target,
                        std::vector<http::Field> fields) const override {
    http::Request request = options_.request(target.url());
    request.direct = object_.direct;
    fields.insert(fields.end(), object_.fields.begin(), object_.fields.end());
    if (provider_) sign(target, fields);
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

  // A web console at the next port, or a captive portal, answers 200 with a page: taken for the
  // object it would be silently wrong bytes.
  Result<> accept_first(const http::Head& head) const override {
    if (options_.pin == Pin::none || !head.field("etag").empty()) return {};
    return fail(Code::protocol,
                "the answer has no ETag, as those of S3 stores have: is endpoint_url the address of "
                "the store's API? (pin=none accepts it)");
  }

  bool renew(loop::Clock::time_point signed_at, const http::Head& head,
             std::string_view body) const override {
    return provider_ && rejects_keys(parse_error(head, body)) && provider_->reject(signed_at);
  }

  Error explain(const http::Target& target, const http::Head& head,
                std::string_view body) const override {
    Asker asker;
    asker.now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    asker.url = target.origin() + path_of(target);
    if (provider_) {
      asker.key = provider_->credentials().key;
      asker.source = provider_->source();
    }
    return explain_error(head, body, asker);
  }

 private:
  // Without the query; a key's question mark is %3F.
  static std::string path_of(const http::Target& target) {
    return target.path.substr(0, target.path.find('?'));
  }

  void sign(const http::Target& target, std::vector<http::Field>& fields) const {
    const Credentials& credentials = provider_->credentials();
    const Scope scope{std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()),
                      target.region};
    fields.push_back({"Host", target.host});
    fields.push_back({"x-amz-date", amz_date(scope.time)});
    fields.push_back({"x-amz-content-sha256", std::string(kEmptyHash)});
    if (!credentials.token.empty())
      fields.push_back({"x-amz-security-token", credentials.token});
    Signable signable;
    signable.path = path_of(target);
    if (!object_.version_id.empty()) signable.query = {{"versionId", object_.version_id}};
    signable.fields = fields;
    signable.payload_hash = kEmptyHash;
    fields.push_back({"Authorization", authorization(signable, scope, credentials)});
  }

  http::Target home_;
  std::shared_ptr<Provider> provider_;
  ObjectOptions object_;
  HttpOptions options_;
};

struct Opening {
  std::unique_ptr<Dialect> dialect;
  Pin pin;
};

Result<Opening> prepare(const resource::Url& url, const resource::Options& options,
                        const Settings& settings, std::shared_ptr<Provider> provider) {
  Result<Place> place = parse_place(url.rest);
  if (!place) return fail(std::move(place.error()));
  const auto style = options.find("addressing_style");
  Result<http::Target> home = locate(*place, settings.endpoint, settings.region,
                                     style == options.end() ? "auto" : style->second);
  if (!home) return fail(std::move(home.error()));
  Result<ObjectOptions> object = parse_object_options(options, *home);
  if (!object) return fail(std::move(object.error()));
  return Opening{std::make_unique<S3Dialect>(std::move(*home), std::move(provider),
                                             std::move(*object), settings.http),
                 settings.http.pin};
}

struct Context {
  loop::Loop& loop;
  http::Client& client;
  loop::WorkerPool& workers;
  Providers providers;
};

loop::Task<Result<std::unique_ptr<resource::Resource>>> open_s3(std::shared_ptr<Context> context,
                                                                resource::Url url,
                                                                resource::Options options,
                                                                resource::Request request) {
  if (!url.has_authority) co_return fail(Code::invalid, "expected s3://bucket/key");
  auto loading = load_settings(context->workers, options, Environment::of_process());
  Result<Settings> settings = co_await loading;
  if (!settings) co_return fail(std::move(settings.error()));
  if (context->client.closed()) co_return http::Client::refusal();  // OpenSSL may have cleaned up
  auto provider = settings->anonymous ? nullptr : context->providers.of(*settings, options);
  Result<Opening> ready = prepare(url, options, *settings, std::move(provider));
  if (!ready) co_return fail(std::move(ready.error()));
  auto opening = HttpObject::open(context->loop, context->client, std::move(ready->dialect),
                                  ready->pin, std::move(request));
  co_return co_await opening;
}

}  // namespace

void register_s3(resource::Registry& registry, loop::Loop& loop, http::Client& client,
                 loop::WorkerPool& workers) {
  auto context = std::make_shared<Context>(
      Context{loop, client, workers, Providers(loop, client, workers)});
  registry.add({"s3",
                {"key", "secret", "token", "profile", "anon", "endpoint_url", "region",
                 "addressing_style", "version_id", "requester_pays", "sse_customer_key", "pin",
                 "ca_bundle", "verify", "proxy"},
                [context](resource::Url url, resource::Options options,
                          resource::Request request) {
                  return open_s3(context, std::move(url), std::move(options), std::move(request));
                }});
}

}  // namespace r3map::backend::s3
