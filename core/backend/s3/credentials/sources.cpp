#include "backend/s3/credentials/sources.hpp"

#include <openssl/evp.h>
#include <sys/auxv.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "backend/status.hpp"
#include "backend/s3/address.hpp"
#include "backend/s3/credentials/blocking.hpp"
#include "base/limits.hpp"
#include "resource/url.hpp"

namespace r3map::backend::s3 {

namespace {

using loop::Task;
using resource::percent_encode;

constexpr int kAttempts = 4;

Failure in(const std::string& source, const Error& error) {
  return fail(error.code, source + ": " + error.message);
}

// What a source found, with its name; or its name before what went wrong.
Result<Keys> named(const std::string& source, Result<Keys> keys) {
  if (!keys) return in(source, keys.error());
  keys->source = source;
  return keys;
}

std::chrono::sys_seconds now_in_seconds() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

// A file holds a token as its only line.
std::string first_line(std::string_view text) {
  text = text.substr(0, text.find_first_of("\r\n"));
  return std::string(text);
}

// The name under which `aws sso login` keeps a token.
std::string sha1(std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned length = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha1(), nullptr);
  std::string out;
  for (unsigned i = 0; i < length; ++i) {
    out.push_back(kDigits[digest[i] >> 4]);
    out.push_back(kDigits[digest[i] & 15]);
  }
  return out;
}

std::string aws_host(std::string_view service, const std::string& region) {
  return "https://" + std::string(service) + "." + region +
         (region.starts_with("cn-") ? ".amazonaws.com.cn" : ".amazonaws.com");
}

}  // namespace

Sources::Sources(loop::Loop& loop, http::Client& client, loop::WorkerPool& workers,
                 Settings settings)
    : loop_(loop), client_(client), workers_(workers), settings_(std::move(settings)) {}

// ---- the order

Task<Result<Keys>> Sources::find(bool before) {
  if (client_.closed()) co_return http::Client::refusal();
  deadline_ = loop::deadline_after(limits::kCredentialDeadline);
  const Environment& variables = settings_.environment;
  std::string looked;  // at what, and why it was nothing
  if (!settings_.profile_chosen) {
    Result<Keys> keys = of_environment();
    if (keys || keys.error().code != Code::not_found) co_return keys;
    looked += "environment: " + keys.error().message;
    if (!variables.get("AWS_WEB_IDENTITY_TOKEN_FILE").empty()) {
      auto asking = of_web_identity({variables.get("AWS_WEB_IDENTITY_TOKEN_FILE"),
                                     variables.get("AWS_ROLE_ARN"),
                                     variables.get("AWS_ROLE_SESSION_NAME")});
      co_return co_await asking;
    }
    looked += "; web identity: not set; ";
  }
  const std::string profile = "profile '" + shown(settings_.profile) + "'";
  if (settings_.profiles.profiles.contains(settings_.profile)) {
    Result<Plan> plan = plan_profile(settings_.profiles, settings_.profile);
    if (!plan) co_return fail(std::move(plan.error()));
    if (!std::holds_alternative<std::monostate>(plan->base)) {
      auto following = of_plan(std::move(*plan));
      Result<Keys> keys = co_await following;
      co_return named(profile, std::move(keys));
    }
    looked += profile + ": holds no credentials";
  } else {
    looked += profile + ": " + variables.places();
  }
  if (!variables.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").empty() ||
      !variables.get("AWS_CONTAINER_CREDENTIALS_FULL_URI").empty()) {
    auto asking = of_container();
    co_return co_await asking;
  }
  looked += "; container: not set; ";
  auto asking = of_instance();
  Result<Keys> keys = co_await asking;
  if (keys) co_return keys;
  // A break of what works is no lack of rights.
  if (is_transient(keys.error().code) && (before || has_metadata_)) co_return keys;
  co_return fail(Code::denied, "no credentials: " + looked + keys.error().message +
                                   "; set key and secret, or profile, or anon=true for a "
                                   "public bucket");
}

Task<Result<Keys>> Sources::of_plan(Plan plan) {
  const std::vector<Role> roles = std::move(plan.roles);
  auto beginning = of_base(std::move(plan));
  Result<Keys> keys = co_await beginning;
  for (const Role& role : roles) {
    if (!keys) co_return keys;
    auto assuming = of_role(role, keys->credentials);
    keys = co_await assuming;
  }
  co_return keys;
}

Task<Result<Keys>> Sources::of_base(Plan plan) {
  if (auto* keys = std::get_if<Credentials>(&plan.base))
    co_return Keys{std::move(*keys)};
  if (std::holds_alternative<OfEnvironment>(plan.base))
    co_return named("environment", of_environment());
  auto asking = [&] {
    if (auto* identity = std::get_if<WebIdentity>(&plan.base))
      return of_web_identity(std::move(*identity));
    if (auto* sso = std::get_if<Sso>(&plan.base)) return of_sso(std::move(*sso));
    if (auto* program = std::get_if<Program>(&plan.base))
      return of_program(std::move(program->command));
    return std::holds_alternative<OfContainer>(plan.base) ? of_container() : of_instance();
  }();
  co_return co_await asking;
}

// Code::not_found: it holds none.
Result<Keys> Sources::of_environment() const {
  const Environment& variables = settings_.environment;
  Credentials found{variables.get("AWS_ACCESS_KEY_ID"), variables.get("AWS_SECRET_ACCESS_KEY"),
                    variables.get("AWS_SESSION_TOKEN")};
  if (found.key.empty() != found.secret.empty())
    return fail(Code::invalid,
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together, one is missing");
  if (found.key.empty()) return fail(Code::not_found, "not set");
  return Keys{std::move(found), std::nullopt, "the environment"};
}

// ---- STS

namespace {

// Letters that a session's name may have; STS refuses others.
std::string session_name(const std::string& given) {
  return given.empty() ? "r3map-" + std::to_string(now_in_seconds().time_since_epoch().count())
                       : given;
}

std::string sts_form(std::string_view action, const Role& role) {
  std::string form = "Action=" + std::string(action) + "&Version=2011-06-15&RoleArn=" +
                     percent_encode(role.arn, false) +
                     "&RoleSessionName=" + percent_encode(session_name(role.session_name), false);
  if (!role.external_id.empty()) form += "&ExternalId=" + percent_encode(role.external_id, false);
  if (!role.duration.empty()) form += "&DurationSeconds=" + percent_encode(role.duration, false);
  return form;
}

// POST of a form, as STS wants it signed.
void sign(http::Request& request, const Endpoint& at, const std::string& region,
          const Credentials& with) {
  const Scope scope{now_in_seconds(), region, "sts"};
  Signable signable;
  signable.method = request.method;
  signable.path = at.prefix + "/";
  signable.payload_hash = payload_hash(request.body);
  signable.fields = {{"Host", at.host}, {"X-Amz-Date", amz_date(scope.time)}};
  if (!with.token.empty()) signable.fields.push_back({"X-Amz-Security-Token", with.token});
  for (const http::Field& field : signable.fields)
    request.headers.push_back(field.name + ": " + field.value);
  request.headers.push_back("Authorization: " + authorization(signable, scope, with));
}

}  // namespace

Task<Result<Keys>> Sources::ask_sts(std::string form, std::optional<Credentials> signer) {
  if (client_.closed()) co_return http::Client::refusal();  // OpenSSL may have cleaned up
  Result<Endpoint> at = service("sts", "sts", settings_.region);
  if (!at) co_return fail(std::move(at.error()));
  http::Request post = request(*at, "/");
  post.method = "POST";
  post.body = std::move(form);
  post.headers.push_back("Content-Type: application/x-www-form-urlencoded");
  if (signer) sign(post, *at, settings_.region, *signer);
  auto asking = ask(std::move(post), kAttempts);
  Result<std::string> answer = co_await asking;
  if (!answer) co_return fail(std::move(answer.error()));
  co_return parse_sts_keys(*answer);
}

Task<Result<Keys>> Sources::of_role(Role role, Credentials with) {
  auto asking = ask_sts(sts_form("AssumeRole", role), std::move(with));
  Result<Keys> keys = co_await asking;
  co_return named("role " + shown(role.arn), std::move(keys));
}

Task<Result<Keys>> Sources::of_web_identity(WebIdentity identity) {
  if (identity.role_arn.empty())
    co_return fail(Code::invalid, "web identity: the role is missing (AWS_ROLE_ARN or role_arn)");
  auto reading = file(identity.token_file);  // anew each time: it is replaced before it expires
  Result<std::string> token = co_await reading;
  if (!token) co_return in("web identity", token.error());
  const Role role{identity.role_arn, identity.session_name, "", ""};
  auto asking = ask_sts(sts_form("AssumeRoleWithWebIdentity", role) +
                            "&WebIdentityToken=" + percent_encode(first_line(*token), false),
                        std::nullopt);
  Result<Keys> keys = co_await asking;
  co_return named("web identity", std::move(keys));
}

// ---- SSO

Task<Result<Keys>> Sources::of_sso(Sso sso) {
  if (client_.closed()) co_return http::Client::refusal();  // OpenSSL may have cleaned up
  const std::string log_in = "run `aws sso login" +
                             (settings_.profile == "default"
                                  ? "`"
                                  : " --profile " + shown(settings_.profile) + "`");
  const std::string& name = sso.session.empty() ? sso.start_url : sso.session;
  auto reading = file(settings_.environment.sso_cache() + "/" + sha1(name) + ".json");
  Result<std::string> cached = co_await reading;
  if (!cached)
    co_return fail(Code::denied, "SSO: not logged in (" + cached.error().message + "): " + log_in);
  Result<SsoToken> token = parse_sso_token(*cached);
  if (!token) co_return fail(Code::denied, "SSO: " + token.error().message + ": " + log_in);
  if (token->expiry <= wall_now())
    co_return fail(Code::denied, "SSO: the login has expired: " + log_in);

  Result<Endpoint> at = service("sso", "portal.sso", sso.region);
  if (!at) co_return fail(std::move(at.error()));
  http::Request get = request(*at, "/federation/credentials?account_id=" +
                                       percent_encode(sso.account_id, false) + "&role_name=" +
                                       percent_encode(sso.role_name, false));
  get.headers.push_back("x-amz-sso_bearer_token: " + token->token);
  auto asking = ask(std::move(get), kAttempts);
  Result<std::string> answer = co_await asking;
  if (!answer && answer.error().code == Code::denied)
    co_return fail(Code::denied, "SSO: " + answer.error().message + ": " + log_in);
  co_return named("SSO", answer ? parse_sso_keys(*answer) : fail(std::move(answer.error())));
}

// ---- programs

Task<Result<Keys>> Sources::of_program(std::string command) {
  if (getauxval(AT_SECURE))  // with more rights than its caller has
    co_return fail(Code::denied, "credential_process: not run by a set-user-ID program");
  // Bulk: it may take long, and must leave a worker for the rest.
  auto running = workers_.run(loop::Priority::bulk, [&] {
    return run_program(command, limits::kCredentialAnswer, deadline_);
  });
  Result<std::string> output = co_await running;
  co_return named("credential_process",
                  output ? parse_program_keys(*output) : fail(std::move(output.error())));
}

// ---- containers

Result<> check_container_url(std::string_view text) {
  Result<Endpoint> at = parse_endpoint(text.substr(0, text.find('?')));
  if (!at) return fail(Code::invalid, "'" + shown(text) + "' is not http://… or https://…");
  if (at->scheme == "https") return {};
  std::string host = at->host.substr(0, at->host.find(':', at->host.rfind(']') + 1));
  static constexpr std::array<std::string_view, 5> kAllowed = {
      "localhost", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};
  for (std::string_view allowed : kAllowed)
    if (host == allowed) return {};
  // 127.0.0.0/8, as an address and not as the start of a name.
  if (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos)
    return {};
  return fail(Code::invalid, "'" + shown(text) +
                                 "' is neither https nor of this machine: a token would be "
                                 "readable on its way");
}

Task<Result<Keys>> Sources::of_container() {
  const Environment& variables = settings_.environment;
  const std::string relative = variables.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const std::string url = relative.empty() ? variables.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
                                           : "http://169.254.170.2" + relative;
  if (url.empty())
    co_return fail(Code::invalid, "container: not set (AWS_CONTAINER_CREDENTIALS_…_URI)");
  if (Result<> allowed = check_container_url(url); !allowed)
    co_return in("container", allowed.error());
  http::Request get = request(url);
  get.direct = true;
  std::string token = variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  if (const std::string path = variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
      !path.empty()) {
    auto reading = file(path);
    Result<std::string> text = co_await reading;
    if (!text) co_return in("container", text.error());
    token = first_line(*text);
  }
  if (!token.empty()) get.headers.push_back("Authorization: " + token);
  auto asking = ask(std::move(get), kAttempts);
  Result<std::string> answer = co_await asking;
  co_return named("container", answer ? parse_metadata_keys(*answer)
                                      : fail(std::move(answer.error())));
}

// ---- instances

namespace {

// Machines that are none of EC2's wait so long for nobody.
std::chrono::seconds metadata_limit(const std::string& text) {
  int given = 0;
  std::from_chars(text.data(), text.data() + text.size(), given);
  return given > 0 ? std::chrono::seconds(given) : limits::kMetadataDeadline;
}

}  // namespace

// Version 2 alone: its token comes by a PUT, which a page that was lured into fetching URLs for
// somebody else can't send.
Task<Result<Keys>> Sources::of_instance() {
  const Environment& variables = settings_.environment;
  if (variables.is_true("AWS_EC2_METADATA_DISABLED"))
    co_return fail(Code::denied, "instance metadata: AWS_EC2_METADATA_DISABLED");
  std::string base = variables.get("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (base.empty())
    base = variables.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE") == "IPv6"
               ? "http://[fd00:ec2::254]"
               : "http://169.254.169.254";
  while (base.ends_with('/')) base.pop_back();

  http::Request put = request(base + "/latest/api/token");
  put.method = "PUT";
  put.direct = true;
  put.headers.push_back("X-aws-ec2-metadata-token-ttl-seconds: 21600");
  put.deadline = std::min(
      deadline_, loop::deadline_after(
                     metadata_limit(variables.get("AWS_METADATA_SERVICE_TIMEOUT"))));
  auto beginning = ask(std::move(put), 1);
  Result<std::string> token = co_await beginning;
  if (!token) co_return in("instance metadata", token.error());
  has_metadata_ = true;

  http::Request get = request(base + "/latest/meta-data/iam/security-credentials/");
  get.direct = true;
  get.headers.push_back("X-aws-ec2-metadata-token: " + first_line(*token));
  auto asking = ask(get, kAttempts);
  Result<std::string> role = co_await asking;
  if (!role && role.error().code == Code::not_found)
    co_return fail(Code::denied, "instance metadata: the machine has no role");
  if (!role) co_return in("instance metadata", role.error());
  get.url += percent_encode(first_line(*role), false);
  auto ending = ask(std::move(get), kAttempts);
  Result<std::string> answer = co_await ending;
  co_return named("instance metadata", answer ? parse_metadata_keys(*answer)
                                              : fail(std::move(answer.error())));
}

// ---- what they share

// Collects one answer.
struct Sources::Exchange final : http::Receiver {
  Result<> head(const http::Head& head) override {
    status = head.status;
    return {};
  }
  Result<> body(std::span<const std::byte> data) override {
    if (data.size() > limits::kCredentialAnswer - text.size())
      return fail(Code::protocol, "the answer is too long");
    text.append(reinterpret_cast<const char*>(data.data()), data.size());
    return {};
  }

  int status = 0;
  std::string text;
};

// Where it was set to be, else AWS's own of the region: `host` is the first part of its name.
Result<Endpoint> Sources::service(std::string_view name, std::string_view host,
                                  const std::string& region) const {
  if (!is_region(region)) return fail(Code::invalid, "'" + shown(region) + "' is no region");
  const std::string endpoint = service_endpoint(settings_, name);
  return parse_endpoint(endpoint.empty() ? aws_host(host, region) : endpoint);
}

http::Request Sources::request(std::string url) const {
  http::Request request = settings_.http.request(std::move(url));
  request.priority = http::Priority::demand;  // page faults may wait for it
  request.deadline = deadline_;
  return request;
}

// What a store's own certificate needs must not open AWS's services, which get tokens and hand out
// keys, to anybody on the way.
http::Request Sources::request(const Endpoint& at, const std::string& path) const {
  http::Request asked = request(at.scheme + "://" + at.host + at.prefix + path);
  if (!is_aws_host(at.host)) return asked;
  asked.verify = true;
  asked.ca_bundle.clear();
  return asked;
}

Task<Result<std::string>> Sources::ask_once(http::Request request) {
  Exchange exchange;
  auto performing = client_.perform(std::move(request), exchange);
  Result<> done = co_await performing;
  if (!done) {
    // No such host: of a service, whose name is not the caller's, that is trouble with the network.
    if (done.error().code == Code::not_found) done.error().code = Code::network;
    co_return fail(std::move(done.error()));
  }
  if (exchange.status == 200) co_return std::move(exchange.text);
  const std::string reason = refusal_text(exchange.text);
  co_return fail(code_of_status(exchange.status),
                 (reason.empty() ? "the answer is" : reason + ",") + " " +
                     std::to_string(exchange.status));
}

Task<Result<std::string>> Sources::ask(http::Request request, int attempts) {
  http::Retry retry(request.deadline, attempts, random_);
  for (;;) {
    auto asking = ask_once(request);
    Result<std::string> answer = co_await asking;
    if (answer || client_.closed()) co_return answer;
    const auto delay = retry.next(answer.error().code, std::nullopt, loop::Clock::now());
    if (!delay) co_return answer;
    auto pausing = loop::sleep_until(loop_, loop::Clock::now() + *delay, {});
    (void)co_await pausing;
  }
}

Task<Result<std::string>> Sources::file(std::string path) {
  auto reading = workers_.run(loop::Priority::bulk, [&] {
    return read_small_file(path, limits::kCredentialAnswer);
  });
  co_return co_await reading;
}

}  // namespace r3map::backend::s3
