#include "backend/s3/credentials.hpp"

#include <cstdlib>
#include <initializer_list>

#include "backend/object.hpp"

namespace r3map::backend::s3 {

namespace {

std::string option(const resource::Options& options, std::string_view name) {
  const auto found = options.find(name);
  return found == options.end() ? std::string() : found->second;
}

std::string first_of(const resource::Options& options, std::string_view name,
                     const Environment& environment, std::initializer_list<const char*> variables) {
  std::string value = option(options, name);
  for (const char* variable : variables)
    if (value.empty()) value = environment(variable);
  return value;
}

}  // namespace

std::string process_environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

Result<std::optional<Credentials>> find_credentials(const resource::Options& options,
                                                    const Environment& environment) {
  Result<bool> anonymous = parse_flag(options, "anon", false);
  if (!anonymous) return fail(std::move(anonymous.error()));
  Credentials found{option(options, "key"), option(options, "secret"), option(options, "token")};
  const bool given = !found.key.empty() || !found.secret.empty() || !found.token.empty();
  if (*anonymous) {
    if (given) return fail(Code::invalid, "anon=true contradicts key, secret and token");
    return std::optional<Credentials>();
  }
  // A token belongs to its key: never mix the two sources.
  if (!given)
    found = {environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"),
             environment("AWS_SESSION_TOKEN")};
  if (found.key.empty() != found.secret.empty() || (given && found.key.empty()))
    return fail(Code::invalid, given ? "key and secret belong together, one is missing"
                                     : "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong "
                                       "together, one is missing");
  if (found.key.empty())
    return fail(Code::denied,
                "no credentials: set key and secret, or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or anon=true for a public bucket");
  return found;
}

std::string find_region(const resource::Options& options, const Environment& environment) {
  std::string region =
      first_of(options, "region", environment, {"AWS_REGION", "AWS_DEFAULT_REGION"});
  return region.empty() ? "us-east-1" : region;
}

std::string find_endpoint(const resource::Options& options, const Environment& environment) {
  return first_of(options, "endpoint_url", environment,
                  {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"});
}

}  // namespace r3map::backend::s3
