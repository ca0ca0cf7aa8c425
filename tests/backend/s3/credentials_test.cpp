#include "backend/s3/credentials.hpp"

#include <gtest/gtest.h>

#include <map>

namespace r3map::backend::s3 {
namespace {

Environment environment(std::map<std::string, std::string> variables) {
  return [variables](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  };
}

TEST(Credentials, OptionsGoBeforeTheEnvironment) {
  const Environment env = environment({{"AWS_ACCESS_KEY_ID", "env-key"},
                                       {"AWS_SECRET_ACCESS_KEY", "env-secret"},
                                       {"AWS_SESSION_TOKEN", "env-token"}});
  const auto from_env = find_credentials({}, env);
  ASSERT_TRUE(from_env && *from_env);
  EXPECT_EQ((*from_env)->key, "env-key");
  EXPECT_EQ((*from_env)->secret, "env-secret");
  EXPECT_EQ((*from_env)->token, "env-token");

  const auto given = find_credentials({{"key", "k"}, {"secret", "s"}}, env);
  ASSERT_TRUE(given && *given);
  EXPECT_EQ((*given)->key, "k");
  EXPECT_EQ((*given)->token, "") << "the environment's token belongs to another key";

  EXPECT_EQ(*find_credentials({{"anon", "true"}}, env), std::nullopt);
}

TEST(Credentials, WhatIsMissingIsSaid) {
  const auto none = find_credentials({}, environment({}));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::denied);
  EXPECT_NE(none.error().message.find("anon=true"), std::string::npos);

  for (const resource::Options& options : std::vector<resource::Options>{
           {{"key", "k"}}, {{"secret", "s"}}, {{"token", "t"}}, {{"anon", "maybe"}},
           {{"anon", "true"}, {"key", "k"}, {"secret", "s"}}})
    EXPECT_EQ(find_credentials(options, environment({})).error().code, Code::invalid);
  EXPECT_EQ(find_credentials({}, environment({{"AWS_ACCESS_KEY_ID", "k"}})).error().code,
            Code::invalid);
}

TEST(Credentials, RegionAndEndpoint) {
  EXPECT_EQ(find_region({}, environment({})), "us-east-1");
  EXPECT_EQ(find_region({}, environment({{"AWS_DEFAULT_REGION", "b"}})), "b");
  EXPECT_EQ(find_region({}, environment({{"AWS_DEFAULT_REGION", "b"}, {"AWS_REGION", "a"}})), "a");
  EXPECT_EQ(find_region({{"region", "o"}}, environment({{"AWS_REGION", "a"}})), "o");
  EXPECT_EQ(find_endpoint({}, environment({})), "");
  const Environment both = environment({{"AWS_ENDPOINT_URL", "x"}, {"AWS_ENDPOINT_URL_S3", "y"}});
  EXPECT_EQ(find_endpoint({}, both), "y");
  EXPECT_EQ(find_endpoint({{"endpoint_url", "o"}}, environment({{"AWS_ENDPOINT_URL", "x"}})), "o");
}

}  // namespace
}  // namespace r3map::backend::s3
