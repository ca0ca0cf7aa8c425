#include "backend/s3/object_options.hpp"

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace r3map::backend::s3 {
namespace {

const http::Target kTls{"https", "s3.example", "/b/k", "us-east-1"};
const http::Target kPlain{"http", "s3.example", "/b/k", "us-east-1"};
// 32 bytes, and their MD5 by `openssl dgst -md5`.
const std::string kKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const std::string kKeyMd5 = "hRasmdxgYDKV3nvbahU1MA==";

std::string refusal(const resource::Options& options, const http::Target& home = kTls) {
  const Result<ObjectOptions> parsed = parse_object_options(options, home);
  EXPECT_FALSE(parsed);
  if (parsed) return "";
  EXPECT_EQ(parsed.error().code, Code::invalid);
  return parsed.error().message;
}

std::string fields(const resource::Options& options, const http::Target& home = kTls) {
  const Result<ObjectOptions> parsed = parse_object_options(options, home);
  if (!parsed) return parsed.error().message;
  std::string text;
  for (const http::Field& field : parsed->fields)
    text += field.name + ": " + field.value + "\n";
  return text;
}

TEST(ObjectOptions, Fields) {
  EXPECT_EQ(fields({}), "");
  EXPECT_EQ(fields({{"requester_pays", "false"}}), "");
  EXPECT_EQ(fields({{"requester_pays", "true"}}), "x-amz-request-payer: requester\n");
  EXPECT_EQ(fields({{"sse_customer_key", kKey}}),
            "x-amz-server-side-encryption-customer-algorithm: AES256\n"
            "x-amz-server-side-encryption-customer-key: " + kKey + "\n"
            "x-amz-server-side-encryption-customer-key-MD5: " + kKeyMd5 + "\n");
}

TEST(ObjectOptions, Refusals) {
  EXPECT_NE(refusal({{"requester_pays", "maybe"}}), "");
  for (const std::string& bad :
       {std::string(), std::string("a b"), std::string("a\nb"), std::string("\xc3\xa9"),
        std::string(limits::kVersionId + 1, 'v')})
    EXPECT_NE(refusal({{"version_id", bad}}), "");
  for (const std::string& bad : {std::string(), std::string("secret"), kKey.substr(4), kKey + "\n",
                                 kKey + kKey}) {
    const std::string message = refusal({{"sse_customer_key", bad}});
    EXPECT_NE(message.find("base64 of 32 bytes"), std::string::npos) << message;
    EXPECT_TRUE(bad.empty() || message.find(bad) == std::string::npos);
  }
}

TEST(ObjectOptions, AKeyIsNotSentInTheClear) {
  const std::string message = refusal({{"sse_customer_key", kKey}}, kPlain);
  EXPECT_NE(message.find("use https"), std::string::npos);
  EXPECT_EQ(message.find(kKey), std::string::npos);
  for (const char* here : {"127.0.0.1", "127.0.0.1:9000", "127.1.2.3:1", "[::1]", "[::1]:9000",
                           "localhost", "localhost:9000"})
    EXPECT_NE(fields({{"sse_customer_key", kKey}}, {"http", here, "/", ""}).find("AES256"),
              std::string::npos) << here;
  for (const char* elsewhere : {"127.0.0.1.example", "localhost.example:80", "10.0.0.1", "[::2]",
                                "128.0.0.1", "127.evil"})
    EXPECT_NE(refusal({{"sse_customer_key", kKey}}, {"http", elsewhere, "/", ""}), "") << elsewhere;
}

http::Head answer(std::string version) {
  http::Head head{200, "OK", {}};
  if (!version.empty()) head.fields.push_back({"x-amz-version-id", std::move(version)});
  return head;
}

// A proxy of the environment's would read it otherwise.
TEST(ObjectOptions, AKeyInTheClearGoesPastProxies) {
  const http::Target here{"http", "127.0.0.1:9000", "/b/k", ""};
  EXPECT_TRUE(parse_object_options({{"sse_customer_key", kKey}}, here)->direct);
  EXPECT_FALSE(parse_object_options({{"sse_customer_key", kKey}}, kTls)->direct);
  EXPECT_FALSE(parse_object_options({{"requester_pays", "true"}}, here)->direct);
}

TEST(ObjectOptions, VersionsAreChecked) {
  const ObjectOptions none, some{"v/1+", {}, false}, null{"null", {}, false};
  EXPECT_EQ(version_query(none), "");
  EXPECT_EQ(version_query(some), "?versionId=v%2F1%2B");
  EXPECT_TRUE(check_version_id(none, answer("")));
  EXPECT_TRUE(check_version_id(none, answer("v2")));
  EXPECT_TRUE(check_version_id(some, answer("v/1+")));
  EXPECT_EQ(check_version_id(some, answer("v2")).error().code, Code::stale);
  EXPECT_EQ(check_version_id(some, answer("")).error().code, Code::unsupported);
  EXPECT_TRUE(check_version_id(null, answer("null")));
  EXPECT_TRUE(check_version_id(null, answer("")));
  EXPECT_FALSE(check_version_id(null, answer("v1")));
}

}  // namespace
}  // namespace r3map::backend::s3
