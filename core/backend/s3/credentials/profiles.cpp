#include "backend/s3/credentials/profiles.hpp"

#include <algorithm>

#include "backend/status.hpp"
#include "base/limits.hpp"

namespace r3map::backend::s3 {

// ---- the dialect

namespace {

constexpr std::string_view kBlank = " \t\r";

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

// A comment begins at the start of a line, or behind a blank.
std::string_view without_comment(std::string_view text) {
  for (size_t i = 1; i < text.size(); ++i)
    if ((text[i] == '#' || text[i] == ';') && kBlank.find(text[i - 1]) != std::string_view::npos)
      return text.substr(0, i);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

// "profile  \"a b\"" → "profile a b".
std::string section_name(std::string_view text) {
  const size_t blank = text.find_first_of(kBlank);
  if (blank == std::string_view::npos) return std::string(text);
  std::string_view name = trimmed(text.substr(blank));
  if (name.size() >= 2 && (name.front() == '"' || name.front() == '\'') &&
      name.back() == name.front())
    name = name.substr(1, name.size() - 2);
  return std::string(text.substr(0, blank)) + " " + std::string(name);
}

// Thread: any, one at a time.
class IniParser {
 public:
  Result<> line(std::string_view text) {
    ++number_;
    if (text.size() > limits::kConfigLine) return bad("the line is too long");
    if (text.find('\0') != std::string_view::npos) return bad("there is a zero byte");
    const std::string_view content = trimmed(text);
    if (content.empty() || content[0] == '#' || content[0] == ';') return {};
    if (content[0] == '[') return header(content);
    const bool indented = text[0] == ' ' || text[0] == '\t';
    return indented && !key_.empty() ? nested(content) : setting(content);
  }

  Sections take() { return std::move(sections_); }

 private:
  Failure bad(const char* why) const {
    return fail(Code::invalid, "line " + std::to_string(number_) + ": " + why);
  }

  Result<> header(std::string_view content) {
    const size_t end = content.find(']');
    if (end == std::string_view::npos) return bad("a section's ] is missing");
    const std::string name = section_name(trimmed(content.substr(1, end - 1)));
    if (name.empty()) return bad("a section without a name");
    if (sections_.size() >= limits::kConfigSections) return bad("too many sections");
    section_ = &sections_[name];
    key_.clear();
    return {};
  }

  Result<> setting(std::string_view content) {
    const size_t equals = content.find('=');
    if (equals == std::string_view::npos) return bad("neither [section] nor name = value");
    if (!section_) return bad("a setting before the first [section]");
    const std::string_view name = trimmed(content.substr(0, equals));
    if (name.empty()) return bad("a setting without a name");
    key_ = lower(name);
    // A program's line is the shell's, to which # and ; mean something else.
    const std::string_view text = content.substr(equals + 1);
    const std::string_view value =
        trimmed(key_ == "credential_process" ? text : without_comment(text));
    opens_group_ = value.empty();
    return put(key_, value);
  }

  // Below "s3 =" a setting of its own; below a value its continuation, which none of ours has.
  Result<> nested(std::string_view content) {
    const size_t equals = content.find('=');
    if (!opens_group_ || equals == std::string_view::npos) return {};
    return put(key_ + "." + lower(trimmed(content.substr(0, equals))),
               trimmed(without_comment(content.substr(equals + 1))));
  }

  Result<> put(const std::string& key, std::string_view value) {
    if (section_->size() >= limits::kConfigSettings) return bad("too many settings in a section");
    (*section_)[key] = value;
    return {};
  }

  Sections sections_;
  Section* section_ = nullptr;
  std::string key_;  // of the last line that was not indented
  bool opens_group_ = false;
  size_t number_ = 0;
};

}  // namespace

Result<Sections> parse_ini(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  IniParser parser;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (Result<> taken = parser.line(text.substr(0, end)); !taken)
      return fail(std::move(taken.error()));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parser.take();
}

Profiles merge_profiles(const Sections& config, const Sections& credentials) {
  Profiles merged;
  for (const auto& [name, section] : config) {
    const std::string_view whole = name;
    const size_t blank = std::min(whole.find(' '), whole.size());
    const std::string_view kind = whole.substr(0, blank);
    const std::string rest(whole.substr(std::min(blank + 1, whole.size())));
    if (name == "default") merged.profiles[name].insert(section.begin(), section.end());
    if (rest.empty()) continue;
    // "[profile default]" goes before "[default]".
    if (kind == "profile") {
      Section& profile = merged.profiles[rest];
      for (const auto& [key, value] : section) profile[key] = value;
    }
    if (kind == "sso-session") merged.sso_sessions[rest] = section;
    if (kind == "services") merged.services[rest] = section;
  }
  for (const auto& [name, section] : credentials) {
    Section& profile = merged.profiles[name];
    // Keys of two files are never mixed: a token belongs to its key.
    if (section.contains("aws_access_key_id"))
      for (const char* key : {"aws_access_key_id", "aws_secret_access_key", "aws_session_token"})
        profile.erase(key);
    for (const auto& [key, value] : section) profile[key] = value;
  }
  return merged;
}

// ---- one profile

namespace {

std::string value_of(const Sections& sections, std::string_view name, std::string_view key) {
  const auto section = sections.find(name);
  if (section == sections.end()) return {};
  const auto found = section->second.find(key);
  return found == section->second.end() ? std::string() : found->second;
}

}  // namespace

std::string profile_value(const Profiles& profiles, std::string_view profile,
                          std::string_view key) {
  return value_of(profiles.profiles, profile, key);
}

std::string profile_endpoint(const Profiles& profiles, std::string_view profile,
                             std::string_view service) {
  const std::string services = profile_value(profiles, profile, "services");
  const std::string own =
      value_of(profiles.services, services, std::string(service) + ".endpoint_url");
  return own.empty() ? profile_value(profiles, profile, "endpoint_url") : own;
}

namespace {

Failure bad_profile(std::string_view name, const std::string& why) {
  return fail(Code::invalid, "profile '" + shown(name) + "': " + why);
}

// What one profile says, without its roles' sources.
class ProfilePlanner {
 public:
  ProfilePlanner(const Profiles& profiles, std::string_view name)
      : profiles_(profiles), name_(name) {}

  std::string get(std::string_view key) const { return profile_value(profiles_, name_, key); }
  Failure bad(const std::string& why) const { return bad_profile(name_, why); }

  Role role() const {
    return {get("role_arn"), get("role_session_name"), get("external_id"),
            get("duration_seconds")};
  }

  // What stands in the profile itself, whatever its role_arn.
  Result<Plan> own() const {
    Plan plan;
    const std::string key = get("aws_access_key_id"), secret = get("aws_secret_access_key");
    if (key.empty() != secret.empty())
      return bad("aws_access_key_id and aws_secret_access_key belong together, one is missing");
    if (!key.empty()) {
      plan.base = Credentials{key, secret, get("aws_session_token")};
    } else if (!get("sso_session").empty() || !get("sso_start_url").empty()) {
      return sso();
    } else if (std::string command = get("credential_process"); !command.empty()) {
      plan.base = Program{std::move(command)};
    }
    return plan;
  }

  // The keys that the role is assumed with, if they are no other profile's.
  Result<Plan> role_base() const {
    Plan plan;
    if (!get("mfa_serial").empty())
      return bad("mfa_serial wants a code from a person: use credential_process, or "
                 "`aws sts assume-role` and key, secret and token");
    const std::string token_file = get("web_identity_token_file");
    const std::string source = get("credential_source");
    if (!token_file.empty()) {
      plan.base = WebIdentity{token_file, get("role_arn"), get("role_session_name")};
      return plan;
    }
    if (source == "Environment") {
      plan.base = OfEnvironment{};
    } else if (source == "Ec2InstanceMetadata") {
      plan.base = OfInstance{};
    } else if (source == "EcsContainer") {
      plan.base = OfContainer{};
    } else if (source.empty()) {
      return bad("role_arn needs source_profile, credential_source or web_identity_token_file");
    } else {
      return bad("credential_source is Environment, Ec2InstanceMetadata or EcsContainer, not '" +
                 shown(source) + "'");
    }
    plan.roles.push_back(role());
    return plan;
  }

 private:
  Result<Plan> sso() const {
    const std::string session = get("sso_session");
    Sso sso{session, get("sso_start_url"), get("sso_region"), get("sso_account_id"),
            get("sso_role_name")};
    if (!session.empty()) {
      if (!profiles_.sso_sessions.contains(session))
        return bad("there is no [sso-session " + shown(session) + "]");
      sso.start_url = value_of(profiles_.sso_sessions, session, "sso_start_url");
      sso.region = value_of(profiles_.sso_sessions, session, "sso_region");
    }
    for (const auto& [value, key] : {std::pair(&sso.start_url, "sso_start_url"),
                                     std::pair(&sso.region, "sso_region"),
                                     std::pair(&sso.account_id, "sso_account_id"),
                                     std::pair(&sso.role_name, "sso_role_name")})
      if (value->empty()) return bad(std::string(key) + " is missing");
    return Plan{std::move(sso), {}};
  }

  const Profiles& profiles_;
  std::string_view name_;
};

}  // namespace

Result<Plan> plan_profile(const Profiles& profiles, std::string_view profile) {
  std::vector<Role> roles;  // the last to be assumed comes first
  std::vector<std::string> seen;
  std::string name(profile);
  for (;;) {
    if (!profiles.profiles.contains(name)) {
      if (seen.empty()) return bad_profile(name, "there is none of this name");
      return bad_profile(seen.back(), "its source_profile is '" + shown(name) +
                                          "', but there is none of this name");
    }
    const ProfilePlanner planner(profiles, name);
    const std::string source = planner.get("source_profile");
    // A profile may be its own source: its role is assumed with the keys beside it.
    const bool own_keys = !seen.empty() && seen.back() == name;
    if (!own_keys && std::find(seen.begin(), seen.end(), name) != seen.end())
      return bad_profile(profile, "source_profile goes in a circle over '" + shown(name) + "'");
    if (roles.size() > limits::kAssumedRoles)
      return bad_profile(profile, "too many roles, one from the other");
    const bool has_role = !own_keys && !planner.get("role_arn").empty();
    const bool chained = has_role && !source.empty() && planner.get("mfa_serial").empty();
    if (chained) {
      if (!planner.get("credential_source").empty())
        return planner.bad("source_profile and credential_source exclude each other");
      roles.push_back(planner.role());
      seen.push_back(name);
      name = source;
      continue;
    }
    Result<Plan> plan = has_role ? planner.role_base() : planner.own();
    if (!plan) return plan;
    if (!roles.empty() && std::holds_alternative<std::monostate>(plan->base))
      return planner.bad("it is the source_profile of '" + shown(seen.back()) +
                         "', but holds no credentials");
    plan->roles.insert(plan->roles.end(), roles.rbegin(), roles.rend());
    return plan;
  }
}

}  // namespace r3map::backend::s3
