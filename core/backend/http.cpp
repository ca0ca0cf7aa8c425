#include "backend/http.hpp"

#include <algorithm>

#include "backend/base64.hpp"
#include "backend/headers.hpp"
#include "backend/object.hpp"
#include "backend/status.hpp"
#include "resource/url.hpp"

namespace r3map::backend {

namespace {

// All that RFC 9110 has for a GET; 300 offers a choice, and 304 is none.
bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// Thread: immutable.
class PlainDialect final : public Dialect {
 public:
  // `own`: fields that the user adds, the authorization among them.
  PlainDialect(http::Target home, std::vector<http::Field> own, HttpOptions options)
      : home_(std::move(home)), own_(std::move(own)), options_(std::move(options)) {}

  const http::Target& home() const override { return home_; }

  http::Request request(const http::Target& target,
                        std::vector<http::Field> fields) const override {
    http::Request request = options_.request(target.url());
    // What was meant for one host is no business of another, wherever the first one sends us.
    if (target.origin() == home_.origin()) fields.insert(fields.end(), own_.begin(), own_.end());
    for (const http::Field& field : fields)
      request.headers.push_back(field.name + ": " + field.value);
    return request;
  }

  Result<std::optional<http::Target>> redirect(const http::Target& target, const http::Head& head,
                                               std::string_view) const override {
    const std::string location(head.field("location"));
    if (!is_redirect(head.status) || location.empty()) return std::nullopt;
    Result<http::Target> next = http::redirect_target(target, location);
    if (!next) return fail(std::move(next.error()));
    return std::move(*next);
  }

  Error explain(const http::Target&, const http::Head& head,
                std::string_view body) const override {
    const Code code = code_of_status(head.status);
    const std::string number = " (" + std::to_string(head.status) + ")";
    if (is_redirect(head.status)) return {code, "a redirect to nowhere" + number};
    if (head.status == 401) return {code, unauthorized(head) + number};
    if (code == Code::denied) return {code, "access denied" + number};
    if (code == Code::not_found) return {code, "not found" + number};
    const char* const remedy = wants_tls(head, body) ? " (TLS there: https://?)" : "";
    return {code, "the server answers " + status_text(head) + remedy};
  }

 private:
  std::string unauthorized(const http::Head& head) const {
    const auto ours = std::find_if(own_.begin(), own_.end(), [](const http::Field& field) {
      return http::same_name(field.name, "authorization");
    });
    const bool by_token = head.field("www-authenticate").starts_with("Bearer");
    if (ours == own_.end())
      return by_token ? "the server wants a token: set bearer"
                      : "the server wants a user and a password";
    return ours->value.starts_with("Basic ") ? "user or password are wrong"
                                             : "the server refuses the authorization";
  }

  http::Target home_;
  std::vector<http::Field> own_;
  HttpOptions options_;
};

// "user:secret@host/path" → the URL without them, and what goes into Authorization.
Result<std::unique_ptr<Dialect>> make_dialect(const resource::Url& url,
                                              std::vector<http::Field> own, HttpOptions options) {
  if (!url.has_authority) return fail(Code::invalid, "expected " + url.scheme + "://host/…");
  std::string_view rest = url.rest;
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (const size_t at = authority.rfind('@'); at != std::string_view::npos) {
    Result<std::string> user = resource::percent_decode(authority.substr(0, at));
    // The message would show the password.
    if (!user) return fail(Code::invalid, "a broken %-escape in the URL's user or password");
    if (user->find(':') == std::string::npos) user->push_back(':');
    for (const http::Field& field : own)
      if (http::same_name(field.name, "authorization"))
        return fail(Code::invalid, "the URL's user contradicts bearer and header.Authorization");
    own.push_back({"Authorization", "Basic " + base64(*user)});
    rest.remove_prefix(at + 1);
  }
  if (rest.empty() || std::string_view("/?#:").find(rest[0]) != std::string_view::npos)
    return fail(Code::invalid, "the URL names no host");
  Result<http::Target> home = http::parse_target(url.scheme + "://" + std::string(rest));
  if (!home) return fail(std::move(home.error()));
  return std::make_unique<PlainDialect>(std::move(*home), std::move(own), std::move(options));
}

loop::Task<Result<std::unique_ptr<resource::Resource>>> open_http(
    loop::Loop& loop, http::Client& client, resource::Url url, resource::Options options,
    resource::Request request) {
  Result<HttpOptions> parsed = parse_http_options(options);
  if (!parsed) co_return fail(std::move(parsed.error()));
  Result<std::vector<http::Field>> headers = parse_headers(options);
  if (!headers) co_return fail(std::move(headers.error()));
  const Pin pin = parsed->pin;
  Result<std::unique_ptr<Dialect>> dialect =
      make_dialect(url, std::move(*headers), std::move(*parsed));
  if (!dialect) co_return fail(std::move(dialect.error()));
  auto opening = HttpObject::open(loop, client, std::move(*dialect), pin, std::move(request));
  co_return co_await opening;
}

}  // namespace

void register_http(resource::Registry& registry, loop::Loop& loop, http::Client& client) {
  for (const char* scheme : {"http", "https"}) {
    registry.add({scheme,
                  {"pin", "ca_bundle", "verify", "proxy", "bearer", "header.NAME"},
                  [&loop, &client](resource::Url url, resource::Options options,
                                   resource::Request request) {
                    return open_http(loop, client, std::move(url), std::move(options),
                                     std::move(request));
                  }});
  }
}

}  // namespace r3map::backend
