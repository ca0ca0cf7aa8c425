#include "backend/s3/credentials/settings.hpp"

#include "backend/s3/credentials/blocking.hpp"
#include "backend/status.hpp"
#include "base/limits.hpp"

namespace r3map::backend::s3 {

namespace {

std::string option(const resource::Options& options, std::string_view name) {
  const auto found = options.find(name);
  return found == options.end() ? std::string() : found->second;
}

std::string first_of(std::initializer_list<std::string> candidates) {
  for (const std::string& candidate : candidates)
    if (!candidate.empty()) return candidate;
  return {};
}

// What stands in the options alone.
Result<Settings> of_options(const resource::Options& options) {
  Settings settings;
  Result<bool> anonymous = parse_flag(options, "anon", false);
  if (!anonymous) return fail(std::move(anonymous.error()));
  Result<HttpOptions> http = parse_http_options(options);
  if (!http) return fail(std::move(http.error()));
  settings.anonymous = *anonymous;
  settings.http = std::move(*http);
  settings.profile = option(options, "profile");
  settings.profile_chosen = !settings.profile.empty();

  const Credentials given{option(options, "key"), option(options, "secret"),
                          option(options, "token")};
  if (given == Credentials()) return settings;
  if (*anonymous) return fail(Code::invalid, "anon=true contradicts key, secret and token");
  if (given.key.empty() || given.secret.empty())
    return fail(Code::invalid, "key and secret belong together, one is missing");
  settings.given = given;
  return settings;
}

bool has_keys(const Settings& settings) {
  return settings.anonymous || settings.given ||
         (!settings.profile_chosen && !settings.environment.get("AWS_ACCESS_KEY_ID").empty());
}

std::string endpoint_of_environment(const Environment& environment, std::string_view service) {
  if (environment.is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")) return {};
  std::string name = "AWS_ENDPOINT_URL_";
  for (char c : service) name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return first_of({environment.get(name), environment.get("AWS_ENDPOINT_URL")});
}

// A file that is not there, or may not be read, holds no sections.
Result<Sections> read_ini(const std::string& path) {
  if (path.empty()) return Sections();
  Result<std::string> text = read_small_file(path, limits::kConfigFile);
  if (!text) {
    if (text.error().code != Code::invalid) return Sections();
    return fail(std::move(text.error()));
  }
  Result<Sections> sections = parse_ini(*text);
  if (!sections) return fail(Code::invalid, path + ": " + sections.error().message);
  return sections;
}

Result<Profiles> read_profiles(const Environment& environment) {
  Result<Sections> config = read_ini(environment.config_path());
  if (!config) return fail(std::move(config.error()));
  Result<Sections> credentials = read_ini(environment.credentials_path());
  if (!credentials) return fail(std::move(credentials.error()));
  return merge_profiles(*config, *credentials);
}

}  // namespace

loop::Task<Result<Settings>> load_settings(loop::WorkerPool& workers, resource::Options options,
                                           Environment environment) {
  Result<Settings> settings = of_options(options);
  if (!settings) co_return settings;
  settings->environment = std::move(environment);
  const Environment& variables = settings->environment;
  settings->region = first_of({option(options, "region"), variables.get("AWS_REGION"),
                               variables.get("AWS_DEFAULT_REGION")});
  settings->endpoint =
      first_of({option(options, "endpoint_url"), endpoint_of_environment(variables, "s3")});
  const bool named = settings->profile_chosen || !variables.profile().empty();
  if (!settings->profile_chosen) settings->profile = first_of({variables.profile(), "default"});

  if (!has_keys(*settings) || settings->region.empty() || settings->endpoint.empty()) {
    auto reading = workers.run(loop::Priority::bulk, [&] { return read_profiles(variables); });
    Result<Profiles> profiles = co_await reading;
    // Who needs no keys of them gets a region or an endpoint there, or does without.
    const bool needed = !settings->anonymous && !settings->given;
    if (!profiles && !needed) profiles = Profiles();
    if (!profiles) co_return fail(std::move(profiles.error()));
    if (needed && named && !profiles->profiles.contains(settings->profile))
      co_return fail(Code::invalid, "profile '" + shown(settings->profile) + "' is " +
                                        variables.places());
    settings->profiles = std::move(*profiles);
    if (settings->endpoint.empty()) settings->endpoint = service_endpoint(*settings, "s3");
  }
  settings->region = first_of({settings->region,
                               profile_value(settings->profiles, settings->profile, "region"),
                               "us-east-1"});
  co_return settings;
}

std::string service_endpoint(const Settings& settings, std::string_view service) {
  const bool ignored =
      settings.environment.is_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") ||
      profile_value(settings.profiles, settings.profile, "ignore_configured_endpoint_urls") ==
          "true";
  if (ignored) return {};
  return first_of({endpoint_of_environment(settings.environment, service),
                   profile_endpoint(settings.profiles, settings.profile, service)});
}

}  // namespace r3map::backend::s3
