#include "backend/s3/credentials/sources.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/cloud_server_process.hpp"
#include "support/loop_fixture.hpp"
#include "support/temporary_folder.hpp"

namespace r3map::backend::s3 {
namespace {

using Variables = Environment::Values;

class SourcesTest : public test::LoopTest {
 protected:
  void SetUp() override {
    on_loop([&] { client_ = std::move(*http::Client::open(*loop_, 2)); });
  }
  void TearDown() override {
    on_loop([&] { client_.reset(); });
  }

  loop::Task<Result<Keys>> search(resource::Options options, Variables variables,
                                  bool before) {
    auto loading = load_settings(workers_, std::move(options), Environment(std::move(variables)));
    Result<Settings> settings = co_await loading;
    if (!settings) co_return fail(std::move(settings.error()));
    Sources sources(*loop_, *client_, workers_, std::move(*settings));
    auto finding = sources.find(before);
    co_return co_await finding;
  }

  // Variables of every service, so that no test looks beyond this machine.
  Result<Keys> find(Variables variables, const resource::Options& options = {},
                    bool before = false) {
    variables.try_emplace("HOME", home_.path());
    variables.try_emplace("AWS_EC2_METADATA_DISABLED", "true");
    variables.try_emplace("AWS_ENDPOINT_URL_STS", server_.url("sts"));
    variables.try_emplace("AWS_ENDPOINT_URL_SSO", server_.url("sso"));
    return run<Keys>([&] { return search(options, variables, before); });
  }
  std::string found(const Variables& variables, const resource::Options& options = {}) {
    const Result<Keys> keys = find(variables, options);
    return keys ? keys->credentials.key + " " + keys->credentials.secret + " " +
                      keys->credentials.token + (keys->expiry ? " expires" : "")
                : keys.error().message;
  }
  std::string of_config(const std::string& config, const Variables& variables = {}) {
    home_.write(".aws/config", config);
    return found(variables);
  }

  // What the server was asked, in order.
  nlohmann::json asked() {
    struct Body final : http::Receiver {
      Result<> head(const http::Head&) override { return {}; }
      Result<> body(std::span<const std::byte> data) override {
        text.append(reinterpret_cast<const char*>(data.data()), data.size());
        return {};
      }
      std::string text;
    } body;
    http::Request get;
    get.url = server_.url("stats");
    EXPECT_TRUE(run<void>([&] { return client_->perform(get, body); }));
    return nlohmann::json::parse(body.text);
  }

  test::CloudServer server_;
  test::TemporaryFolder home_;
  std::unique_ptr<http::Client> client_;
};

constexpr const char* kStatic = "aws_access_key_id=K\naws_secret_access_key=S\n";

TEST_F(SourcesTest, Environment) {
  const Variables keys = {{"AWS_ACCESS_KEY_ID", "k"}, {"AWS_SECRET_ACCESS_KEY", "s"},
                          {"AWS_SESSION_TOKEN", "t"}};
  EXPECT_EQ(found(keys), "k s t");
  EXPECT_EQ(find(keys)->source, "the environment");
  EXPECT_NE(found({{"AWS_ACCESS_KEY_ID", "k"}}).find("one is missing"), std::string::npos);
  EXPECT_NE(found({{"AWS_SECRET_ACCESS_KEY", "k"}}).find("one is missing"), std::string::npos);
  home_.write(".aws/credentials", std::string("[default]\n") + kStatic);
  EXPECT_EQ(found(keys), "k s t") << "before the files";
  EXPECT_EQ(found(keys, {{"profile", "default"}}), "K S ") << "unless an option names a profile";
}

TEST_F(SourcesTest, NothingIsSetUp) {
  const Result<Keys> none = find({});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::denied);
  const std::string aws = home_.path() + "/.aws/";
  EXPECT_EQ(none.error().message,
            "no credentials: environment: not set; web identity: not set; profile 'default': "
            "neither in " + aws + "config nor " + aws + "credentials; container: not set; instance "
            "metadata: AWS_EC2_METADATA_DISABLED; set key and secret, or profile, or anon=true for "
            "a public bucket");
  home_.write(".aws/config", "[default]\nregion=r\n");
  EXPECT_NE(found({}).find("profile 'default': holds no credentials"), std::string::npos);
}

TEST_F(SourcesTest, WebIdentity) {
  const std::string file = home_.write("token", "web-token\n");
  const Variables set = {{"AWS_WEB_IDENTITY_TOKEN_FILE", file},
                         {"AWS_ROLE_ARN", "arn:aws:iam::1:role/a b"},
                         {"AWS_ROLE_SESSION_NAME", "me"}};
  EXPECT_EQ(found(set), "ASIA1 secret-1 token-1 expires");
  const nlohmann::json request = asked().at(0);
  EXPECT_EQ(request["body"],
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3A"
            "role%2Fa%20b&RoleSessionName=me&WebIdentityToken=web-token");
  EXPECT_FALSE(request["headers"].contains("authorization"));

  home_.write("token", "another");
  EXPECT_EQ(found(set), "web identity: not allowed: AssumeRoleWithWebIdentity (AccessDenied), 403");
  EXPECT_NE(found({{"AWS_WEB_IDENTITY_TOKEN_FILE", file}}).find("AWS_ROLE_ARN"), std::string::npos);
  EXPECT_NE(found({{"AWS_WEB_IDENTITY_TOKEN_FILE", "/none"}, {"AWS_ROLE_ARN", "a"}})
                .find("web identity: /none: No such file"),
            std::string::npos);
  home_.write("token", "web-token");
  EXPECT_EQ(of_config("[default]\nrole_arn=a\nweb_identity_token_file=" + file),
            "ASIA2 secret-2 token-2 expires");
}

TEST_F(SourcesTest, StaticProfile) {
  home_.write(".aws/credentials", std::string("[p]\naws_session_token=T\n") + kStatic);
  EXPECT_EQ(found({{"AWS_PROFILE", "p"}}), "K S T");
  EXPECT_EQ(found({}, {{"profile", "p"}}), "K S T");
  EXPECT_EQ(find({}, {{"profile", "p"}})->source, "profile 'p'");
}

TEST_F(SourcesTest, Roles) {
  home_.write(".aws/credentials", std::string("[base]\n") + kStatic);
  EXPECT_EQ(of_config("[default]\nrole_arn=arn:outer\nsource_profile=inner\nexternal_id=e\n"
                      "duration_seconds=1000\nregion=eu-west-1\n"
                      "[profile inner]\nrole_arn=arn:inner\nsource_profile=base\n"
                      "role_session_name=n"),
            "ASIA2 secret-2 token-2 expires");
  const nlohmann::json requests = asked();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0]["body"], "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Ainner&"
                                 "RoleSessionName=n");
  const std::string first = requests[0]["headers"]["authorization"];
  EXPECT_NE(first.find("Credential=K/"), std::string::npos);
  EXPECT_NE(first.find("/eu-west-1/sts/aws4_request"), std::string::npos);
  const std::string body = requests[1]["body"], second = requests[1]["headers"]["authorization"];
  EXPECT_NE(body.find("RoleArn=arn%3Aouter&RoleSessionName=r3map-"), std::string::npos);
  EXPECT_NE(body.find("&ExternalId=e&DurationSeconds=1000"), std::string::npos);
  EXPECT_NE(second.find("Credential=ASIA1/"), std::string::npos) << "signed as the inner role";
  EXPECT_EQ(requests[1]["headers"]["x-amz-security-token"], "token-1");
}

TEST_F(SourcesTest, CredentialSources) {
  const std::string role = "[default]\nrole_arn=a\ncredential_source=";
  EXPECT_EQ(of_config(role + "Environment"), "profile 'default': environment: not set");
  EXPECT_EQ(of_config(role + "EcsContainer",
                      {{"AWS_CONTAINER_CREDENTIALS_FULL_URI", server_.url("container/x")}}),
            "ASIA2 secret-2 token-2 expires");
  EXPECT_EQ(of_config(role + "EcsContainer").find("profile 'default': container: "), 0u);
  EXPECT_EQ(of_config(role + "Ec2InstanceMetadata",
                      {{"AWS_EC2_METADATA_DISABLED", "false"},
                       {"AWS_METADATA_SERVICE_TIMEOUT", "30"},
                       {"AWS_EC2_METADATA_SERVICE_ENDPOINT", server_.url("imds/")}}),
            "ASIA4 secret-4 token-4 expires");
  EXPECT_EQ(asked().back()["path"], "/sts/");
}

TEST_F(SourcesTest, StsErrors) {
  home_.write(".aws/credentials", std::string("[base]\n") + kStatic);
  const std::string config = "[default]\nrole_arn=a\nsource_profile=base\n";
  const auto with = [&](const std::string& path) {
    return of_config(config, {{"AWS_ENDPOINT_URL_STS", server_.url(path)}});
  };
  EXPECT_EQ(with("sts/status=400/reason=<ErrorResponse><Error><Code>C<%2FCode><Message>M"
                 "<%2FMessage><%2FError><%2FErrorResponse>"),
            "profile 'default': role a: M (C), 400");
  EXPECT_EQ(with("sts/body=x"), "profile 'default': role a: the answer holds no keys");
  EXPECT_EQ(with("sts/times=2/status=503"), "ASIA1 secret-1 token-1 expires") << "tried again";
  EXPECT_EQ(with("sts/body=" + std::string(5000, 'x')).find("profile 'default': role a: "), 0u);
  EXPECT_EQ(of_config(config, {{"AWS_ENDPOINT_URL_STS", "nowhere"}}),
            "profile 'default': role a: endpoint_url 'nowhere' is not http://host[:port] or "
            "https://…");
}

TEST_F(SourcesTest, Sso) {
  const std::string config =
      "[default]\nsso_session=my\nsso_account_id=123456789012\nsso_role_name=reader\n"
      "[sso-session my]\nsso_start_url=https://x/start\nsso_region=r\n"
      "[profile old]\nsso_start_url=https://x/start\nsso_region=r\n"
      "sso_account_id=123456789012\nsso_role_name=reader\n";
  const std::string cache = ".aws/sso/cache/";
  // SHA-1 of "my".
  const std::string session = cache + "3ece1471f44f63177cbc35ba0b904e0c096b6783.json";
  EXPECT_NE(of_config(config).find("SSO: not logged in ("), std::string::npos);
  EXPECT_NE(of_config(config).find("run `aws sso login`"), std::string::npos);
  home_.write(session, R"({"accessToken":"sso-token","expiresAt":"2020-01-01T00:00:00Z"})");
  EXPECT_EQ(of_config(config),
            "profile 'default': SSO: the login has expired: run `aws sso login`");
  home_.write(session, "{}");
  EXPECT_NE(of_config(config).find("can't be read: run `aws sso login`"), std::string::npos);
  home_.write(session, R"({"accessToken":"sso-token","expiresAt":"2999-01-01T00:00:00Z"})");
  EXPECT_EQ(of_config(config), "ASIA1 secret-1 token-1 expires");
  home_.write(session, R"({"accessToken":"other","expiresAt":"2999-01-01T00:00:00Z"})");
  EXPECT_EQ(of_config(config), "profile 'default': SSO: Session token not found or invalid, 401: "
                               "run `aws sso login`");
  EXPECT_NE(found({}, {{"profile", "old"}}).find("run `aws sso login --profile old`"),
            std::string::npos);
}

TEST_F(SourcesTest, RegionsArePartsOfHostNames) {
  home_.write(".aws/sso/cache/3ece1471f44f63177cbc35ba0b904e0c096b6783.json",
              R"({"accessToken":"t","expiresAt":"2999-01-01T00:00:00Z"})");
  EXPECT_EQ(of_config("[default]\nsso_session=my\nsso_account_id=1\nsso_role_name=r\n"
                      "[sso-session my]\nsso_start_url=https://x\nsso_region=evil.org/x"),
            "profile 'default': 'evil.org/x' is no region");
  EXPECT_EQ(of_config("[default]\nregion=evil.org/x\nrole_arn=a\nsource_profile=p\n[profile p]\n" +
                      std::string(kStatic)),
            "profile 'default': role a: 'evil.org/x' is no region");
}

TEST_F(SourcesTest, Programs) {
  const std::string answer = R"('{"Version":1,"AccessKeyId":"K","SecretAccessKey":"S"}')";
  EXPECT_EQ(of_config("[default]\ncredential_process=echo " + answer), "K S ");
  EXPECT_EQ(of_config("[default]\ncredential_process=true ; echo " + answer + " # comment"), "K S ")
      << "the shell's own";
  EXPECT_EQ(of_config("[default]\ncredential_process=echo no >&2; exit 2"),
            "profile 'default': credential_process: it ended with status 2: no ");
  EXPECT_EQ(of_config("[default]\ncredential_process=echo"),
            "profile 'default': credential_process: its output is no JSON object with "
            "\"Version\": 1");
}

TEST_F(SourcesTest, Container) {
  const auto full = [&](const std::string& path, Variables variables = {}) {
    variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = server_.url(path);
    return found(variables);
  };
  EXPECT_EQ(full("container/a"), "ASIA1 secret-1 token-1 expires");
  EXPECT_EQ(full("container/token=t/a"), "container: wrong token (Unauthorized), 401");
  EXPECT_EQ(full("container/token=t/a", {{"AWS_CONTAINER_AUTHORIZATION_TOKEN", "t"}}),
            "ASIA2 secret-2 token-2 expires");
  EXPECT_EQ(full("container/token=f/a",
                 {{"AWS_CONTAINER_AUTHORIZATION_TOKEN", "t"},
                  {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", home_.write("token", "f\n")}}),
            "ASIA3 secret-3 token-3 expires")
      << "the file goes first";
  EXPECT_EQ(full("container/a", {{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/none"}}),
            "container: /none: No such file or directory");
  EXPECT_EQ(full("container/status=500/times=1/a"), "ASIA4 secret-4 token-4 expires");
  EXPECT_EQ(full("container/status=302/a"), "container: the answer is 302");
  EXPECT_EQ(found({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/x"}}),
            "container: 'http://example.com/x' is neither https nor of this machine: a token would "
            "be readable on its way");
}

TEST_F(SourcesTest, AServiceWithoutAnAddressIsTroubleWithTheNetwork) {
  const Result<Keys> keys =
      find({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://no-such-host.invalid/x"}});
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().code, Code::network) << keys.error().message;
}

TEST(ContainerUrl, WhereATokenMayGo) {
  for (const char* good :
       {"https://example.com/x?a=b", "http://localhost/x", "http://localhost:80/x",
        "http://127.0.0.1:1/", "http://127.8.9.10", "http://[::1]/", "http://[::1]:8/?x",
        "http://169.254.170.2/v2", "http://169.254.170.23/v1", "http://[fd00:ec2::23]/v1"})
    EXPECT_TRUE(check_container_url(good)) << good;
  for (const char* bad : {"http://example.com", "http://127.0.0.1.example.com/", "http://10.0.0.1",
                          "http://169.254.169.254/", "http://[fe80::1]/", "http://localhost.x/",
                          "ftp://localhost/", "/relative", "", "http://127.0.0.1@example.com/"})
    EXPECT_EQ(check_container_url(bad).error().code, Code::invalid) << bad;
}

TEST_F(SourcesTest, Instance) {
  const auto instance = [&](const std::string& path, const std::string& limit = "30") {
    return found({{"AWS_EC2_METADATA_DISABLED", "false"},
                  {"AWS_METADATA_SERVICE_TIMEOUT", limit},
                  {"AWS_EC2_METADATA_SERVICE_ENDPOINT", server_.url(path)}});
  };
  EXPECT_EQ(instance("imds"), "ASIA1 secret-1 token-1 expires");
  const nlohmann::json requests = asked();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[0]["method"], "PUT");
  EXPECT_EQ(requests[0]["headers"]["x-aws-ec2-metadata-token-ttl-seconds"], "21600");
  EXPECT_EQ(requests[2]["path"], "/imds/latest/meta-data/iam/security-credentials/r3map");

  const auto ends = [&](const std::string& path, const std::string& text,
                        const std::string& limit = "30") {
    const std::string message = instance(path, limit);
    EXPECT_NE(message.find("; instance metadata: " + text + "; set key"), std::string::npos)
        << message;
  };
  ends("imds/role=", "the machine has no role");
  ends("imds/status=403", "the answer is 403");
  ends("imds/delay=1500", server_.address() + ": no complete answer before the deadline", "");
  ends("imds/status=404", "the answer is 404");
  EXPECT_EQ(found({{"AWS_EC2_METADATA_DISABLED", "false"},
                   {"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1"}})
                .find("no credentials: "),
            0u);
}

TEST_F(SourcesTest, ABreakOfInstanceMetadataIsNoLackOfRights) {
  const auto code = [&](const std::string& at, bool before) {
    return find({{"AWS_EC2_METADATA_DISABLED", "false"},
                 {"AWS_METADATA_SERVICE_TIMEOUT", "30"},
                 {"AWS_EC2_METADATA_SERVICE_ENDPOINT", at}}, {}, before).error().code;
  };
  EXPECT_EQ(code("http://127.0.0.1:1", false), Code::denied) << "not at EC2";
  EXPECT_EQ(code("http://127.0.0.1:1", true), Code::network) << "it was before";
  EXPECT_EQ(code(server_.url("imds/status=403"), true), Code::denied);
  EXPECT_EQ(code(server_.url("imds/body=x"), false), Code::protocol) << "the token has arrived";
}

}  // namespace
}  // namespace r3map::backend::s3
