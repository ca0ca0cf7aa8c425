#include "backend/s3/credentials/environment.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace r3map::backend::s3 {

namespace {

constexpr std::array kNames = {
    "HOME",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_SSO",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "AWS_METADATA_SERVICE_TIMEOUT",
};

}  // namespace

Environment Environment::of_process() {
  Values values;
  for (const char* name : kNames)
    if (const char* value = secure_getenv(name); value && *value) values.emplace(name, value);
  return Environment(std::move(values));
}

std::string Environment::get(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::string() : found->second;
}

bool Environment::is_true(std::string_view name) const {
  static constexpr std::string_view kTrue = "true";
  const std::string value = get(name);
  return std::equal(value.begin(), value.end(), kTrue.begin(), kTrue.end(),
                    [](char a, char b) { return (a | 0x20) == b; });
}

std::string Environment::file(std::string_view variable, std::string_view otherwise) const {
  std::string path = get(variable);
  if (path.empty()) path = otherwise;
  if (!path.starts_with("~/")) return path;
  const std::string home = get("HOME");
  return home.empty() ? home : home + path.substr(1);
}

std::string Environment::config_path() const { return file("AWS_CONFIG_FILE", "~/.aws/config"); }

std::string Environment::credentials_path() const {
  return file("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials");
}

std::string Environment::sso_cache() const { return file("", "~/.aws/sso/cache"); }

std::string Environment::places() const {
  const std::string config = config_path(), credentials = credentials_path();
  if (config.empty() && credentials.empty()) return "nowhere, as HOME is not set";
  return "neither in " + config + " nor " + credentials;
}

std::string Environment::profile() const {
  const std::string name = get("AWS_PROFILE");
  return name.empty() ? get("AWS_DEFAULT_PROFILE") : name;
}

}  // namespace r3map::backend::s3
