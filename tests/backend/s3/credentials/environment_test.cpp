#include "backend/s3/credentials/environment.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace r3map::backend::s3 {
namespace {

using Values = Environment::Values;

TEST(Environment, ReadsTheProcesss) {
  setenv("AWS_ROLE_SESSION_NAME", "of-the-process", 1);
  const Environment before = Environment::of_process();
  setenv("AWS_ROLE_SESSION_NAME", "another", 1);
  EXPECT_EQ(before.get("AWS_ROLE_SESSION_NAME"), "of-the-process") << "a copy";
  EXPECT_NE(before, Environment::of_process());
  unsetenv("AWS_ROLE_SESSION_NAME");
  EXPECT_EQ(Environment::of_process().get("AWS_ROLE_SESSION_NAME"), "");
}

TEST(Environment, Files) {
  const Environment home(Values{{"HOME", "/home/me"}});
  EXPECT_EQ(home.config_path(), "/home/me/.aws/config");
  EXPECT_EQ(home.credentials_path(), "/home/me/.aws/credentials");
  EXPECT_EQ(home.sso_cache(), "/home/me/.aws/sso/cache");
  const Environment named(Values{{"HOME", "/home/me"},
                           {"AWS_CONFIG_FILE", "/etc/aws"},
                           {"AWS_SHARED_CREDENTIALS_FILE", "~/keys"}});
  EXPECT_EQ(named.config_path(), "/etc/aws");
  EXPECT_EQ(named.credentials_path(), "/home/me/keys");
  EXPECT_EQ(named.places(), "neither in /etc/aws nor /home/me/keys");
  EXPECT_EQ(Environment().config_path(), "");
  EXPECT_EQ(Environment().places(), "nowhere, as HOME is not set");
}

TEST(Environment, Values) {
  const Environment variables(Values{{"AWS_PROFILE", "a"},
                               {"AWS_DEFAULT_PROFILE", "b"},
                               {"AWS_EC2_METADATA_DISABLED", "True"},
                               {"AWS_ENDPOINT_URL", "truer"}});
  EXPECT_EQ(variables.profile(), "a");
  EXPECT_EQ(Environment(Values{{"AWS_DEFAULT_PROFILE", "b"}}).profile(), "b");
  EXPECT_TRUE(variables.is_true("AWS_EC2_METADATA_DISABLED"));
  EXPECT_FALSE(variables.is_true("AWS_ENDPOINT_URL"));
  EXPECT_FALSE(variables.is_true("HOME"));
}

}  // namespace
}  // namespace r3map::backend::s3
