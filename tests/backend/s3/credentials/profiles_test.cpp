#include "backend/s3/credentials/profiles.hpp"

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace r3map::backend::s3 {
namespace {

std::string value(const std::string& text, std::string_view section, std::string_view key) {
  const Result<Sections> sections = parse_ini(text);
  if (!sections) return sections.error().message;
  const auto found = sections->find(section);
  if (found == sections->end()) return "no section";
  const auto setting = found->second.find(key);
  return setting == found->second.end() ? "no setting" : setting->second;
}

TEST(Ini, Dialect) {
  struct Case {
    const char* text;
    const char* value;  // of "key" in [s]
  };
  for (const Case& item : std::initializer_list<Case>{
           {"[s]\nkey=v", "v"},
           {"[s]\r\nkey = v \r\n", "v"},
           {"\xef\xbb\xbf[s]\nkey=v", "v"},
           {"  [ s ]  # comment\n key=v", "v"},
           {"[s]\nKEY\t=\tv", "v"},
           {"[s]\nkey=v # comment", "v"},
           {"[s]\nkey=v;#not", "v;#not"},
           {"[s]\nkey= # comment", ""},
           {"[s]\nkey=a=b+/=", "a=b+/="},
           {"[s]\nkey=1\nkey=2", "2"},
           {"[s]\nkey=1\n[t]\nkey=2\n[s]\nother=3", "1"},
           {"# c\n; c\n\n[s]\n   # c\nkey=v", "v"},
           {"[s]\nkey=v\n  continued\n  a=b", "v"},
           {"[s]\nkey=", ""},
           {"", "no section"},
           {"[s]", "no setting"},
       })
    EXPECT_EQ(value(item.text, "s", "key"), item.value) << item.text;
}

TEST(Ini, Groups) {
  const char* text = "[services x]\ns3 =\n  endpoint_url = u # c\n  A=b\nsts=\n\tendpoint_url=v\n";
  EXPECT_EQ(value(text, "services x", "s3.endpoint_url"), "u");
  EXPECT_EQ(value(text, "services x", "s3.a"), "b");
  EXPECT_EQ(value(text, "services x", "sts.endpoint_url"), "v");
}

TEST(Ini, SectionNames) {
  EXPECT_EQ(value("[profile   a b ]\nkey=v", "profile a b", "key"), "v");
  EXPECT_EQ(value("[profile \"a b\"]\nkey=v", "profile a b", "key"), "v");
  EXPECT_EQ(value("[profile 'x']\nkey=v", "profile x", "key"), "v");
}

TEST(Ini, WhatIsWrongIsSaid) {
  EXPECT_EQ(value("[s", "s", "key"), "line 1: a section's ] is missing");
  EXPECT_EQ(value("\n[ ]", "s", "key"), "line 2: a section without a name");
  EXPECT_EQ(value("key=v", "s", "key"), "line 1: a setting before the first [section]");
  EXPECT_EQ(value("[s]\nkey", "s", "key"), "line 2: neither [section] nor name = value");
  EXPECT_EQ(value("[s]\n=v", "s", "key"), "line 2: a setting without a name");
  EXPECT_EQ(value(std::string("[s]\na=\0", 7), "s", "key"), "line 2: there is a zero byte");
}

TEST(Ini, Limits) {
  EXPECT_EQ(value("[s]\nkey=" + std::string(limits::kConfigLine, 'x'), "s", "key"),
            "line 2: the line is too long");
  std::string sections, settings = "[s]\n";
  for (size_t i = 0; i <= limits::kConfigSections; ++i) sections += "[" + std::to_string(i) + "]\n";
  for (size_t i = 0; i <= limits::kConfigSettings + 1; ++i) settings += std::to_string(i) + "=v\n";
  EXPECT_NE(value(sections, "s", "key").find("too many sections"), std::string::npos);
  EXPECT_NE(value(settings, "s", "key").find("too many settings"), std::string::npos);
}

Profiles profiles(const char* config, const char* credentials = "") {
  return merge_profiles(*parse_ini(config), *parse_ini(credentials));
}

TEST(Profiles, BothFilesTogether) {
  const Profiles both = profiles(
      "[default]\nregion=a\n[profile dev]\nregion=b\naws_access_key_id=C\n"
      "aws_secret_access_key=c\naws_session_token=ct\n[dev]\nregion=no\n",
      "[dev]\naws_access_key_id=K\naws_secret_access_key=k\n[other]\nregion=c\n");
  EXPECT_EQ(profile_value(both, "default", "region"), "a");
  EXPECT_EQ(profile_value(both, "dev", "region"), "b") << "[dev] is no profile in the config file";
  EXPECT_EQ(profile_value(both, "dev", "aws_access_key_id"), "K");
  EXPECT_EQ(profile_value(both, "dev", "aws_session_token"), "") << "belongs to the other key";
  EXPECT_EQ(profile_value(both, "other", "region"), "c");
  EXPECT_EQ(profile_value(both, "none", "region"), "");
  EXPECT_EQ(profile_value(profiles("[default]\nregion=a\n[profile default]\nregion=b"), "default",
                          "region"),
            "b");
}

TEST(Profiles, Endpoints) {
  const Profiles some = profiles(
      "[profile a]\nservices=x\nendpoint_url=all\n[services x]\ns3=\n  endpoint_url=own\n"
      "[profile b]\nservices=none\n");
  EXPECT_EQ(profile_endpoint(some, "a", "s3"), "own");
  EXPECT_EQ(profile_endpoint(some, "a", "sts"), "all");
  EXPECT_EQ(profile_endpoint(some, "b", "s3"), "");
}

// A plan as text: its base, then its roles.
std::string plan(const char* config, const char* credentials = "") {
  const Result<Plan> made = plan_profile(profiles(config, credentials), "p");
  if (!made) return made.error().message;
  struct Name {
    std::string operator()(std::monostate) { return "nothing"; }
    std::string operator()(const Credentials& keys) {
      return "keys " + keys.key + " " + keys.secret + " " + keys.token;
    }
    std::string operator()(OfEnvironment) { return "environment"; }
    std::string operator()(OfContainer) { return "container"; }
    std::string operator()(OfInstance) { return "instance"; }
    std::string operator()(const WebIdentity& web) {
      return "web " + web.token_file + " " + web.role_arn + " " + web.session_name;
    }
    std::string operator()(const Sso& sso) {
      return "sso " + sso.session + " " + sso.start_url + " " + sso.region + " " +
             sso.account_id + " " + sso.role_name;
    }
    std::string operator()(const Program& program) { return "program " + program.command; }
  };
  std::string text = std::visit(Name(), made->base);
  for (const Role& role : made->roles)
    text += "; role " + role.arn + " " + role.session_name + " " + role.external_id + " " +
            role.duration;
  return text;
}

TEST(Plan, Bases) {
  EXPECT_EQ(plan("[profile p]\nregion=r"), "nothing");
  EXPECT_EQ(plan("", "[p]\naws_access_key_id=K\naws_secret_access_key=S\naws_session_token=T"),
            "keys K S T");
  EXPECT_EQ(plan("[profile p]\ncredential_process = /bin/x -a \"b c\""),
            "program /bin/x -a \"b c\"");
  EXPECT_EQ(plan("[profile p]\nsso_session=s\nsso_account_id=1\nsso_role_name=n\n"
                 "[sso-session s]\nsso_start_url=u\nsso_region=r"),
            "sso s u r 1 n");
  EXPECT_EQ(plan("[profile p]\nsso_start_url=u\nsso_region=r\nsso_account_id=1\nsso_role_name=n"),
            "sso  u r 1 n");
  EXPECT_EQ(plan("[profile p]\nrole_arn=a\nweb_identity_token_file=f\nrole_session_name=n"),
            "web f a n");
}

TEST(Plan, Roles) {
  EXPECT_EQ(plan("[profile p]\nrole_arn=a\nsource_profile=q\nexternal_id=e\nduration_seconds=900\n"
                 "role_session_name=n",
                 "[q]\naws_access_key_id=K\naws_secret_access_key=S"),
            "keys K S ; role a n e 900");
  EXPECT_EQ(plan("[profile p]\nrole_arn=a\nsource_profile=q\n"
                 "[profile q]\nrole_arn=b\nsource_profile=r\n[profile r]\ncredential_process=x"),
            "program x; role b   ; role a   ")
      << "the source's role first";
  EXPECT_EQ(plan("[profile p]\nrole_arn=a\nsource_profile=p\naws_access_key_id=K\n"
                 "aws_secret_access_key=S"),
            "keys K S ; role a   ")
      << "its own source";
  for (const auto& [source, base] : {std::pair("Environment", "environment"),
                                     std::pair("Ec2InstanceMetadata", "instance"),
                                     std::pair("EcsContainer", "container")}) {
    const std::string config = std::string("[profile p]\nrole_arn=a\ncredential_source=") + source;
    EXPECT_EQ(plan(config.c_str()), std::string(base) + "; role a   ");
  }
}

TEST(Plan, WhatIsWrongIsSaid) {
  EXPECT_EQ(plan("[profile q]"), "profile 'p': there is none of this name");
  EXPECT_EQ(plan("[profile p]\nrole_arn=a\nsource_profile=q"),
            "profile 'p': its source_profile is 'q', but there is none of this name");
  EXPECT_EQ(plan("[profile p]\nrole_arn=a\nsource_profile=q\n[profile q]\nrole_arn=b\n"
                 "source_profile=r"),
            "profile 'q': its source_profile is 'r', but there is none of this name");
  EXPECT_EQ(plan("[profile p]\nrole_arn=a\nsource_profile=q\n[profile q]\nrole_arn=b\n"
                 "source_profile=p"),
            "profile 'p': source_profile goes in a circle over 'p'");
  EXPECT_EQ(plan("[profile p]\nrole_arn=a\nsource_profile=q\n[profile q]\nregion=r"),
            "profile 'q': it is the source_profile of 'p', but holds no credentials");
  EXPECT_EQ(plan("[profile p]\nrole_arn=a"),
            "profile 'p': role_arn needs source_profile, credential_source or "
            "web_identity_token_file");
  EXPECT_EQ(plan("[profile p]\nrole_arn=a\nsource_profile=p\ncredential_source=Environment"),
            "profile 'p': source_profile and credential_source exclude each other");
  EXPECT_NE(plan("[profile p]\nrole_arn=a\nsource_profile=p\nmfa_serial=m").find("a person"),
            std::string::npos);
  EXPECT_EQ(plan("[profile p]\nrole_arn=a\ncredential_source=environment"),
            "profile 'p': credential_source is Environment, Ec2InstanceMetadata or EcsContainer, "
            "not 'environment'");
  EXPECT_EQ(plan("[profile p]\naws_access_key_id=K"),
            "profile 'p': aws_access_key_id and aws_secret_access_key belong together, one is "
            "missing");
  EXPECT_EQ(plan("[profile p]\nsso_session=s"), "profile 'p': there is no [sso-session s]");
  EXPECT_EQ(plan("[profile p]\nsso_start_url=s\nsso_region=r\nsso_role_name=n"),
            "profile 'p': sso_account_id is missing");
  std::string chain = "[profile p]\nrole_arn=a\nsource_profile=0\n";
  for (int i = 0; i < 20; ++i)
    chain += "[profile " + std::to_string(i) + "]\nrole_arn=a\nsource_profile=" +
             std::to_string(i + 1) + "\n";
  EXPECT_EQ(plan(chain.c_str()), "profile 'p': too many roles, one from the other");
}

}  // namespace
}  // namespace r3map::backend::s3
