#include "backend/s3/s3.hpp"

#include <gtest/gtest.h>

#include "support/fault_server_process.hpp"
#include "support/loop_fixture.hpp"

namespace r3map::backend::s3 {
namespace {

TEST(Place, BucketAndKey) {
  const Result<Place> place = parse_place("bucket/a/b%20c?d#e f/");
  ASSERT_TRUE(place);
  EXPECT_EQ(place->bucket, "bucket");
  EXPECT_EQ(place->key, "a/b%20c?d#e f/");
  EXPECT_EQ(parse_place("bucket//key")->key, "/key");
  for (const std::string& bad :
       {std::string(), std::string("/key"), std::string("bucket"), std::string("bucket/"),
        std::string("../key"), std::string("./key"), std::string("a b/key"), std::string("a@b/key"),
        std::string("a:9000/key"), std::string(256, 'b') + "/key",
        "bucket/" + std::string(1025, 'k')})
    EXPECT_EQ(parse_place(bad).error().code, Code::invalid) << bad;
}

std::string url(const Place& place, std::string_view endpoint,
                std::string_view region = "us-east-1", std::string_view style = "auto") {
  const Result<Location> at = locate(place, endpoint, region, style);
  return at ? at->scheme + "://" + at->host + at->path : at.error().message;
}

TEST(Locate, Addressing) {
  const Place place{"bucket", "a/b c%?"};
  EXPECT_EQ(url(place, ""), "https://bucket.s3.us-east-1.amazonaws.com/a/b%20c%25%3F");
  EXPECT_EQ(url(place, "", "eu-west-1", "path"),
            "https://s3.eu-west-1.amazonaws.com/bucket/a/b%20c%25%3F");
  EXPECT_EQ(url(place, "", "cn-north-1"),
            "https://bucket.s3.cn-north-1.amazonaws.com.cn/a/b%20c%25%3F");
  EXPECT_EQ(url(place, "http://127.0.0.1:9000"), "http://127.0.0.1:9000/bucket/a/b%20c%25%3F");
  EXPECT_EQ(url(place, "http://localhost:9000/"), "http://localhost:9000/bucket/a/b%20c%25%3F");
  EXPECT_EQ(url(place, "https://minio.example/s3/"),
            "https://minio.example/s3/bucket/a/b%20c%25%3F");
  EXPECT_EQ(url(place, "https://r2.example", "auto", "virtual"),
            "https://bucket.r2.example/a/b%20c%25%3F");
  EXPECT_EQ(url(place, "HTTPS://s3.example:443"), "https://s3.example/bucket/a/b%20c%25%3F");
  EXPECT_EQ(url(place, "http://s3.example:80"), "http://s3.example/bucket/a/b%20c%25%3F");
  EXPECT_EQ(url({"dotted.bucket", "k"}, ""), "https://s3.us-east-1.amazonaws.com/dotted.bucket/k");
  EXPECT_EQ(url({"Old_Bucket", "k"}, ""), "https://s3.us-east-1.amazonaws.com/Old_Bucket/k");
}

TEST(Locate, Refusals) {
  const Place place{"bucket", "k"};
  for (const char* endpoint : {"127.0.0.1:9000", "ftp://x", "http://", "http:///p", "http://:80",
                               "http://u:p@h", "http://h?q", "http://h#f", "http:h", "/path"})
    EXPECT_EQ(locate(place, endpoint, "us-east-1", "auto").error().code, Code::invalid) << endpoint;
  EXPECT_FALSE(locate(place, "", "us-east-1", "dns"));
  EXPECT_FALSE(locate(place, "", "us.east/1", "auto"));
  EXPECT_FALSE(locate({"dotted.bucket", "k"}, "", "us-east-1", "virtual"));
  EXPECT_FALSE(locate({"ab", "k"}, "http://h", "us-east-1", "virtual"));
}

// Every scenario of the fault server is a bucket.
class S3Test : public test::LoopTest {
 protected:
  using Opened = Result<std::unique_ptr<resource::Resource>>;

  void SetUp() override {
    on_loop([&] {
      client_ = std::move(*http::Client::open(*loop_));
      register_s3(registry_, *loop_, *client_);
    });
  }
  void TearDown() override {
    on_loop([&] { client_.reset(); });
  }
  Opened open(std::string url, resource::Options options = {}) {
    options.emplace("key", "k");
    options.emplace("secret", "s");
    options.emplace("endpoint_url", "http://" + server_.address());
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
      {"s3://no-such-key/x", "no such key (NoSuchKey, 404)"},
      {"s3://forbidden-xml/x", "access denied (AccessDenied, 403, request id R3MAP)"},
      {"s3://s3-error/x",
       "the token has expired (ExpiredToken, 400, request id R3MAP): get new credentials"},
      {"s3://s3-error/status=503/code=SlowDown/x",
       "the store asks for patience (SlowDown, 503, request id R3MAP)"},
      {"s3://403/x", "access denied (403)"},
  };
  for (const auto& [url, message] : cases) {
    const Opened object = open(url);
    ASSERT_FALSE(object);
    EXPECT_EQ(object.error().message, message);
  }
}

TEST_F(S3Test, ChecksWhatItIsGiven) {
  for (const char* url : {"s3:bucket/key", "s3://", "s3://bucket", "s3://bucket/", "s3:///key"})
    EXPECT_EQ(open(url).error().code, Code::invalid) << url;
  for (const resource::Options& options : std::vector<resource::Options>{
           {{"addressing_style", "dns"}}, {{"endpoint_url", "localhost"}}, {{"pin", "x"}},
           {{"anon", "true"}}, {{"region", "a/b"}}, {{"secrt", "s"}}, {{"token", "a\r\nX: y"}}})
    EXPECT_EQ(open("s3://ok/x", options).error().code, Code::invalid);
}

}  // namespace
}  // namespace r3map::backend::s3
