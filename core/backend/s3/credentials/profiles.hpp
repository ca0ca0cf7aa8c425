// AWS's configuration files: their dialect of INI, and what a profile in them asks for. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "backend/s3/sigv4.hpp"
#include "base/result.hpp"

namespace r3map::backend::s3 {

using Section = std::map<std::string, std::string, std::less<>>;
using Sections = std::map<std::string, Section, std::less<>>;

// A file's sections by their whole name ("default", "profile dev"). An indented line below an empty
// key is a setting inside of it: "s3.endpoint_url". A key or a section that comes again replaces or
// extends the first. Code::invalid, with the line, for what is neither, and beyond the limits.
Result<Sections> parse_ini(std::string_view text);

// Both files together. Thread: immutable.
struct Profiles {
  Sections profiles;      // the shared credentials file's keys go before the config file's
  Sections sso_sessions;
  Sections services;

  auto operator<=>(const Profiles&) const = default;
};

// `config` names its sections "profile x" (but "default"), "sso-session x" and "services x";
// `credentials` has profiles only, by their bare names.
Profiles merge_profiles(const Sections& config, const Sections& credentials);

// Empty: the profile does not say, or is not there.
std::string profile_value(const Profiles& profiles, std::string_view profile,
                          std::string_view key);
// A service's ("s3", "sts", "sso") endpoint: from the profile's services section, then its own.
std::string profile_endpoint(const Profiles& profiles, std::string_view profile,
                             std::string_view service);

// ---- what keys are made from

struct OfEnvironment {
  auto operator<=>(const OfEnvironment&) const = default;
};
struct OfContainer {
  auto operator<=>(const OfContainer&) const = default;
};
struct OfInstance {
  auto operator<=>(const OfInstance&) const = default;
};
struct WebIdentity {
  std::string token_file, role_arn, session_name;
};
struct Sso {
  std::string session;  // of an sso-session section; empty: the profile's own, older form
  std::string start_url, region, account_id, role_name;
};
struct Program {
  std::string command;
};

struct Role {
  std::string arn, session_name, external_id, duration;
};

// How to come by a profile's keys: a base, and roles to be assumed one after the other, each with
// the keys of the one before.
struct Plan {
  std::variant<std::monostate, Credentials, OfEnvironment, OfContainer, OfInstance, WebIdentity,
               Sso, Program>
      base;  // monostate: the profile holds no credentials
  std::vector<Role> roles;
};

// Code::invalid, naming the profile, for what contradicts itself, lacks a part, or goes in a
// circle.
Result<Plan> plan_profile(const Profiles& profiles, std::string_view profile);

}  // namespace r3map::backend::s3
