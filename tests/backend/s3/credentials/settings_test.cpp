#include "backend/s3/credentials/settings.hpp"

#include <gtest/gtest.h>

#include "support/loop_fixture.hpp"
#include "support/temporary_folder.hpp"

namespace r3map::backend::s3 {
namespace {

class SettingsTest : public test::LoopTest {
 protected:
  using Variables = Environment::Values;

  Result<Settings> load(const resource::Options& options, Variables variables = {}) {
    variables.try_emplace("HOME", home_.path());
    return run<Settings>([&] { return load_settings(workers_, options, Environment(variables)); });
  }
  std::string error(const resource::Options& options, const Variables& variables = {}) {
    const Result<Settings> settings = load(options, variables);
    return settings ? "none" : settings.error().message;
  }

  test::TemporaryFolder home_;
};

TEST_F(SettingsTest, Options) {
  const Result<Settings> given = load({{"key", "k"}, {"secret", "s"}, {"token", "t"},
                                       {"ca_bundle", "/ca"}, {"verify", "false"}});
  ASSERT_TRUE(given);
  EXPECT_EQ(given->given, (Credentials{"k", "s", "t"}));
  EXPECT_EQ(given->http.ca_bundle, "/ca");
  EXPECT_FALSE(given->http.verify);
  EXPECT_TRUE(load({{"anon", "true"}})->anonymous);
  EXPECT_EQ(load({})->given, std::nullopt);
  for (const resource::Options& bad : std::vector<resource::Options>{
           {{"key", "k"}}, {{"secret", "s"}}, {{"token", "t"}}, {{"key", "k"}, {"token", "t"}},
           {{"anon", "maybe"}}, {{"anon", "true"}, {"key", "k"}, {"secret", "s"}}})
    EXPECT_EQ(load(bad).error().code, Code::invalid);
}

TEST_F(SettingsTest, RegionAndEndpointComeFromTheFirstThatKnows) {
  home_.write(".aws/config",
              "[default]\nregion=file\nendpoint_url=http://file\n"
              "[profile p]\nregion=p\nservices=s\n[services s]\ns3=\n  endpoint_url=http://s\n");
  const auto both = [&](const resource::Options& options, const Variables& variables) {
    const Result<Settings> settings = load(options, variables);
    return settings ? settings->region + " " + settings->endpoint : settings.error().message;
  };
  EXPECT_EQ(both({{"region", "o"}, {"endpoint_url", "http://o"}},
                 {{"AWS_REGION", "e"}, {"AWS_ENDPOINT_URL", "http://e"}}),
            "o http://o");
  EXPECT_EQ(both({}, {{"AWS_REGION", "a"}, {"AWS_DEFAULT_REGION", "b"},
                      {"AWS_ENDPOINT_URL_S3", "http://s3"}, {"AWS_ENDPOINT_URL", "http://all"}}),
            "a http://s3");
  EXPECT_EQ(both({}, {{"AWS_DEFAULT_REGION", "b"}}), "b http://file");
  EXPECT_EQ(both({}, {}), "file http://file");
  EXPECT_EQ(both({{"profile", "p"}}, {{"AWS_PROFILE", "default"}}), "p http://s");
  EXPECT_EQ(both({}, {{"AWS_PROFILE", "p"}}), "p http://s");
  EXPECT_EQ(both({}, {{"AWS_DEFAULT_PROFILE", "p"},
                      {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"}}),
            "p ");
  EXPECT_EQ(both({}, {{"HOME", "/nowhere"}}), "us-east-1 ");
}

TEST_F(SettingsTest, ServicesHaveEndpointsOfTheirOwn) {
  const Result<Settings> settings =
      load({{"endpoint_url", "http://s3"}, {"key", "k"}, {"secret", "s"}},
           {{"AWS_REGION", "r"}, {"AWS_ENDPOINT_URL_STS", "http://sts"}});
  ASSERT_TRUE(settings);
  EXPECT_EQ(service_endpoint(*settings, "sts"), "http://sts");
  EXPECT_EQ(service_endpoint(*settings, "sso"), "") << "the option is S3's alone";
}

TEST_F(SettingsTest, FilesAreReadOnlyIfTheyMatter) {
  home_.write(".aws/config", "no INI");
  const Variables all = {{"AWS_REGION", "r"}, {"AWS_ENDPOINT_URL", "http://e"},
                         {"AWS_ACCESS_KEY_ID", "k"}, {"AWS_SECRET_ACCESS_KEY", "s"}};
  EXPECT_TRUE(load({}, all));
  EXPECT_NE(error({{"profile", "p"}}, all).find("config: line 1: neither"), std::string::npos);
  EXPECT_TRUE(load({{"anon", "true"}}, all));
  for (const resource::Options& enough : std::vector<resource::Options>{
           {{"anon", "true"}}, {{"key", "k"}, {"secret", "s"}}}) {
    EXPECT_EQ(load(enough)->region, "us-east-1") << "they would only add a region";
    EXPECT_EQ(error(enough, {{"AWS_PROFILE", "none"}}), "none");
  }
}

TEST_F(SettingsTest, NamedProfilesMustBeThere) {
  home_.write(".aws/credentials", "[p]\nregion=r\n");
  EXPECT_EQ(load({{"profile", "p"}})->region, "r");
  EXPECT_EQ(error({{"profile", "q"}}), "profile 'q' is neither in " + home_.path() +
                                           "/.aws/config nor " + home_.path() +
                                           "/.aws/credentials");
  EXPECT_NE(error({}, {{"AWS_PROFILE", "q"}}).find("profile 'q'"), std::string::npos);
  EXPECT_EQ(error({}), "none") << "'default' need not be";
  EXPECT_EQ(load({}, {{"AWS_SHARED_CREDENTIALS_FILE", home_.path() + "/.aws/credentials"},
                      {"HOME", "/nowhere"}, {"AWS_PROFILE", "p"}})->region, "r");
}

TEST_F(SettingsTest, EqualOnesCompareEqual) {
  const Variables variables = {{"AWS_REGION", "r"}};
  EXPECT_EQ(*load({}, variables), *load({}, variables));
  EXPECT_NE(*load({}, variables), *load({{"region", "s"}}, variables));
  const Settings before = *load({}, variables);
  home_.write(".aws/credentials", "[default]\naws_access_key_id=k\naws_secret_access_key=s\n");
  EXPECT_NE(before, *load({}, variables)) << "the file has changed";
}

}  // namespace
}  // namespace r3map::backend::s3
