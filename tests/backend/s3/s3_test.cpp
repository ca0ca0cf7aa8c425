#include "backend/s3/s3.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "support/cloud_server_process.hpp"
#include "support/fault_server_process.hpp"
#include "support/loop_fixture.hpp"

namespace r3map::backend::s3 {
namespace {

// Every scenario of the fault server is a bucket.
class S3Test : public test::LoopTest {
 protected:
  using Opened = Result<std::unique_ptr<resource::Resource>>;

  void SetUp() override {
    on_loop([&] {
      client_ = std::move(*http::Client::open(*loop_, 2));
      register_s3(registry_, *loop_, *client_, workers_);
    });
  }
  void TearDown() override {
    on_loop([&] { client_.reset(); });
  }
  Opened open(std::string url, resource::Options options = {}) {
    options.emplace("key", "k");
    options.emplace("secret", "s");
    return open_at("http://" + server_.address(), std::move(url), std::move(options));
  }
  Opened open_at(const std::string& endpoint, std::string url, resource::Options options) {
    options.emplace("endpoint_url", endpoint);
    resource::Request request;
    request.deadline = loop::deadline_after(std::chrono::seconds(8));
    return run<std::unique_ptr<resource::Resource>>(
        [&] { return registry_.open(url, options, request); });
  }

  test::FaultServer server_;
  std::unique_ptr<http::Client> client_;
  resource::Registry registry_;
};

TEST_F(S3Test, Reads) {
  const Opened object = open("s3://ok/size=300000/a b+%20?#.bin");
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_EQ((*object)->info().size, 300000u);
  std::vector<std::byte> buffer(200000);
  resource::BufferSink sink(50000, buffer);
  EXPECT_TRUE(run<void>([&] { return (*object)->read({50000, 200000}, {}, sink); }));
  EXPECT_TRUE(test::FaultServer::holds(50000, buffer));
}

TEST_F(S3Test, SaysWhatTheStoreSays) {
  const std::pair<const char*, const char*> cases[] = {
      {"s3://forbidden-xml/x",
       "access denied (AccessDenied, 403, request id R3MAP): asked with a key of the options"},
      {"s3://s3-error/x",
       "the token has expired (ExpiredToken, 400, request id R3MAP): get new credentials; "
       "asked with a key of the options"},
      {"s3://s3-error/status=503/code=SlowDown/x",
       "the store asks for patience (SlowDown, 503, request id R3MAP)"},
      {"s3://403/x", "access denied (403): asked with a key of the options"},
  };
  for (const auto& [url, message] : cases) {
    const Opened object = open(url);
    ASSERT_FALSE(object);
    EXPECT_EQ(object.error().message, message);
  }
}

// A bucket's name in endpoint_url stands twice in what is asked for.
TEST_F(S3Test, WhatIsNotFoundIsNamedAsItWasAskedFor) {
  const std::string endpoint = "http://" + server_.address();
  const auto refusal = [&](const std::string& at, resource::Options options) {
    options["anon"] = "true";
    return open_at(at, "s3://no-such-key/a b", std::move(options)).error().message;
  };
  EXPECT_EQ(refusal(endpoint + "/no-such-key", {}),
            "no such key (NoSuchKey, 404, request id R3MAP): asked for " + endpoint +
                "/no-such-key/no-such-key/a%20b");
  EXPECT_EQ(refusal(endpoint, {{"version_id", "v1"}}),
            "no such key (NoSuchKey, 404, request id R3MAP): asked for " + endpoint +
                "/no-such-key/a%20b");
}

TEST_F(S3Test, ARedirectToAnotherRegionIsSignedAgain) {
  for (const char* key : {
           "hint=body/x", "hint=header/x", "hint=endpoint/x", "status=307/code=TemporaryRedirect/x",
           "status=400/code=AuthorizationHeaderMalformed/x", "hint=header/status=301/code=/x",
           "status=400/code=IllegalLocationConstraintException/x", "after=1/x"}) {
    SCOPED_TRACE(key);
    const Opened object = open("s3://s3-region/size=300000/" + std::string(key));
    ASSERT_TRUE(object) << object.error().message;
    std::vector<std::byte> buffer(200000);
    resource::BufferSink sink(50000, buffer);
    EXPECT_TRUE(run<void>([&] { return (*object)->read({50000, 200000}, {}, sink); }));
    EXPECT_TRUE(test::FaultServer::holds(50000, buffer));
  }
}

// The answers also hold a Location, which is never followed.
TEST_F(S3Test, ARedirectToNoOtherRegionIsAnError) {
  const std::pair<const char*, const char*> cases[] = {
      {"hint=none/x", "the bucket is in another region (PermanentRedirect, 301, request id R3MAP): "
                      "set region"},
      {"region=a b/x", "set region=a b"},
      {"status=302/code=/x", "302"},
      {"status=403/code=AccessDenied/x", "access denied"},
  };
  for (const auto& [key, message] : cases) {
    const Opened object = open("s3://s3-region/size=300000/" + std::string(key));
    ASSERT_FALSE(object) << key;
    EXPECT_NE(object.error().message.find(message), std::string::npos) << object.error().message;
  }
}

TEST_F(S3Test, FieldsOfTheObject) {
  const resource::Options options = {{"requester_pays", "true"},
                                     {"sse_customer_key",
                                      "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}};
  const std::string fields =
      "x-amz-request-payer,x-amz-server-side-encryption-customer-key-md5";
  EXPECT_TRUE(open("s3://headers/with=" + fields + "/x", options));
  EXPECT_FALSE(open("s3://headers/without=" + fields + "/x", options));
  EXPECT_TRUE(open("s3://headers/without=" + fields + "/x"));
}

TEST_F(S3Test, AStoreThatKnowsNoVersions) {
  const Opened object = open("s3://ok/x", {{"version_id", "v1"}});
  ASSERT_FALSE(object);
  EXPECT_EQ(object.error().code, Code::unsupported);
  EXPECT_NE(object.error().message.find("ignores version_id"), std::string::npos);
  EXPECT_TRUE(open("s3://ok/x", {{"version_id", "null"}}));
}

// Every S3 store's has an ETag, and no console's or portal's page has.
TEST_F(S3Test, AnAnswerWithoutAnETagIsNoStores) {
  for (const char* url : {"s3://portal/after=0/x", "s3://no-validator/x",
                          "s3://last-modified-only/x", "s3://etag-empty/x"}) {
    SCOPED_TRACE(url);
    const Opened object = open(url);
    ASSERT_FALSE(object);
    EXPECT_EQ(object.error().code, Code::protocol);
    EXPECT_EQ(object.error().message,
              "the answer has no ETag, as those of S3 stores have: is endpoint_url the address of "
              "the store's API? (pin=none accepts it)");
  }
  EXPECT_TRUE(open("s3://portal/after=0/times=1/x")) << "whoever has logged in meanwhile";
  EXPECT_TRUE(open("s3://empty-200/x"));
  EXPECT_TRUE(open("s3://weak-etag/x"));
}

TEST_F(S3Test, PinNoneReadsAStoreWithoutETags) {
  for (const char* bucket : {"no-validator", "last-modified-only"}) {
    SCOPED_TRACE(bucket);
    const Opened object =
        open("s3://" + std::string(bucket) + "/size=300000/x", {{"pin", "none"}});
    ASSERT_TRUE(object) << object.error().message;
    std::vector<std::byte> buffer(200000);
    resource::BufferSink sink(50000, buffer);
    EXPECT_TRUE(run<void>([&] { return (*object)->read({50000, 200000}, {}, sink); }));
    EXPECT_TRUE(test::FaultServer::holds(50000, buffer));
  }
}

TEST_F(S3Test, ChecksWhatItIsGiven) {
  for (const char* url : {"s3:bucket/key", "s3://", "s3://bucket", "s3://bucket/", "s3:///key"})
    EXPECT_EQ(open(url).error().code, Code::invalid) << url;
  for (const resource::Options& options : std::vector<resource::Options>{
           {{"addressing_style", "dns"}}, {{"endpoint_url", "localhost"}}, {{"pin", "x"}},
           {{"anon", "true"}}, {{"region", "a/b"}}, {{"secrt", "s"}}, {{"token", "a\r\nX: y"}},
           {{"version_id", ""}}, {{"requester_pays", "x"}}, {{"sse_customer_key", "x"}},
           {{"proxy", "x"}}, {{"bearer", "x"}}, {{"header.X", "x"}}})
    EXPECT_EQ(open("s3://ok/x", options).error().code, Code::invalid);
}

// ---- credentials

// Opens with keys from a container's service that are good for a moment, or that the store says are
// none any more.
class S3CredentialsTest : public S3Test {
 protected:
  void SetUp() override {
    S3Test::SetUp();
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    setenv("HOME", "/nowhere", 1);
  }
  void TearDown() override {
    unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    unsetenv("AWS_EC2_METADATA_DISABLED");
    S3Test::TearDown();
  }

  Opened open_with(const std::string& container, const std::string& object) {
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", cloud_.url("container/" + container).c_str(), 1);
    return open_at(cloud_.url("s3"), "s3://bucket/" + object, {});
  }
  Result<> read(resource::Resource& object, uint64_t offset) {
    std::vector<std::byte> buffer(1000);
    resource::BufferSink sink(offset, buffer);
    resource::Request request;
    request.deadline = loop::deadline_after(std::chrono::seconds(20));
    return run<void>([&] { return object.read({offset, 1000}, request, sink); });
  }

  test::CloudServer cloud_;
};

TEST_F(S3CredentialsTest, AreRenewedWhileAnObjectIsOpen) {
  const Opened object = open_with("lifetime=4/x", "x");
  ASSERT_TRUE(object) << object.error().message;
  const auto end = loop::Clock::now() + std::chrono::milliseconds(5000);
  for (uint64_t at = 100000; loop::Clock::now() < end; at += 1000) {
    const Result<> done = read(**object, at);
    ASSERT_TRUE(done) << done.error().message;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

TEST_F(S3CredentialsTest, ThatTheStoreCallsExpiredAreReplacedOnce) {
  const Opened object = open_with("a", "refuse=1/x");
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_TRUE(read(**object, 100000));
  EXPECT_EQ(open_with("b", "refuse=5/y").error().message,
            "the token has expired (ExpiredToken, 400): get new credentials; asked with a key of "
            "container");
}

TEST_F(S3CredentialsTest, ThatCanNotBeHadAreTold) {
  EXPECT_EQ(open_with("status=403/x", "x").error().message, "container: the answer is 403");
  unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  const Opened none = open_at(cloud_.url("s3"), "s3://bucket/x", {});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Code::denied);
  EXPECT_EQ(none.error().message.find("no credentials: environment: "), 0u);
  EXPECT_EQ(open_at(cloud_.url("s3"), "s3://bucket/x", {{"profile", "p"}}).error().message,
            "profile 'p' is neither in /nowhere/.aws/config nor /nowhere/.aws/credentials");
}

}  // namespace
}  // namespace r3map::backend::s3
