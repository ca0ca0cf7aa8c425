#include "backend/s3/error.hpp"

#include <gtest/gtest.h>

namespace r3map::backend::s3 {
namespace {

http::Head head(int status, std::string reason = "") { return {status, std::move(reason), {}}; }

std::string xml(const std::string& code, const std::string& more = "") {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>" + code + "</Code>" + more +
         "<RequestId>R1</RequestId></Error>";
}

// Sun, 06 Nov 1994 08:49:37 GMT.
constexpr std::chrono::sys_seconds kNow{std::chrono::seconds(784111777)};
const Asker kAsker{"AKIAIOSFODNN7EXAMPLE", "the environment", kNow};

std::string message(int status, const std::string& code, const std::string& more = "") {
  return explain_error(head(status), xml(code, more), kAsker).message;
}
Code code_of(int status, const std::string& code) {
  return explain_error(head(status), xml(code), kAsker).code;
}

TEST(S3Error, KnownCodes) {
  EXPECT_EQ(message(404, "NoSuchKey"), "no such key (NoSuchKey, 404, request id R1)");
  EXPECT_EQ(message(404, "NoSuchBucket"),
            "no such bucket (NoSuchBucket, 404, request id R1): check its name and endpoint_url");
  EXPECT_EQ(message(301, "PermanentRedirect", "<Region>eu-west-1</Region>"),
            "the bucket is in another region (PermanentRedirect, 301, request id R1): "
            "set region=eu-west-1");
  EXPECT_EQ(message(403, "InvalidObjectState", "<StorageClass>GLACIER</StorageClass>"),
            "the object is archived (InvalidObjectState, 403, request id R1): "
            "restore it first (GLACIER)");
  EXPECT_EQ(message(503, "SlowDown"),
            "the store asks for patience (SlowDown, 503, request id R1)");
  EXPECT_EQ(code_of(404, "NoSuchKey"), Code::not_found);
  EXPECT_EQ(code_of(403, "AccessDenied"), Code::denied);
  EXPECT_EQ(code_of(400, "ExpiredToken"), Code::denied);
  EXPECT_EQ(code_of(400, "RequestTimeout"), Code::network);
  EXPECT_EQ(code_of(503, "SlowDown"), Code::busy);
  EXPECT_EQ(code_of(500, "InternalError"), Code::io);
  EXPECT_EQ(code_of(416, "InvalidRange"), Code::out_of_range);
  EXPECT_EQ(code_of(403, "InvalidObjectState"), Code::unsupported);
  EXPECT_EQ(code_of(403, "RequestTimeTooSkewed"), Code::denied);
  EXPECT_EQ(code_of(400, "KMS.NotFoundException"), Code::denied);
}

TEST(S3Error, WhatIsNotFoundIsNamedAsItWasAskedFor) {
  Asker asker = kAsker;
  asker.url = "http://host:9000/data/data/x";
  const auto said = [&](const std::string& body) {
    return explain_error(head(404), body, asker).message;
  };
  EXPECT_EQ(said(xml("NoSuchKey")),
            "no such key (NoSuchKey, 404, request id R1): asked for "
            "http://host:9000/data/data/x");
  EXPECT_EQ(said(xml("NoSuchBucket")),
            "no such bucket (NoSuchBucket, 404, request id R1): check its name and endpoint_url; "
            "asked for http://host:9000/data/data/x");
  EXPECT_EQ(said(""), "not found (404): asked for http://host:9000/data/data/x");
  asker.url += std::string(3000, 'y');
  EXPECT_LT(said("").size(), 300u);
}

TEST(S3Error, ARefusalNamesTheKeyButNotAllOfIt) {
  EXPECT_EQ(message(403, "AccessDenied"),
            "access denied (AccessDenied, 403, request id R1): "
            "asked with key …MPLE of the environment");
  EXPECT_EQ(message(403, "SignatureDoesNotMatch"),
            "the signature is wrong (SignatureDoesNotMatch, 403, request id R1): "
            "check that the secret is this key's; asked with key …MPLE of the environment");
  for (const char* code : {"InvalidAccessKeyId", "ExpiredToken", "InvalidToken",
                           "KMS.DisabledException", "AllAccessDisabled"}) {
    EXPECT_NE(message(403, code).find("key …MPLE of the environment"), std::string::npos) << code;
    EXPECT_EQ(message(403, code).find("AKIA"), std::string::npos);
  }
  const auto as = [](std::string key, std::string source) {
    return explain_error(head(403), "", {std::move(key), std::move(source), kNow}).message;
  };
  EXPECT_EQ(as("", ""), "access denied (403): asked without credentials");
  EXPECT_EQ(as("minioadmin", ""), "access denied (403): asked with key …dmin");
  EXPECT_EQ(as("AKIAABCD", ""), "access denied (403): asked with key …ABCD");
  EXPECT_EQ(as("AKIAABC", ""), "access denied (403): asked with a key");
  EXPECT_EQ(as("short", "the options"), "access denied (403): asked with a key of the options");
}

TEST(S3Error, AWrongClockSaysByHowMuch) {
  http::Head answer = head(403);
  const auto said = [&] {
    return explain_error(answer, xml("RequestTimeTooSkewed"), kAsker).message;
  };
  EXPECT_TRUE(said().ends_with("request id R1): set it")) << said();
  answer.fields = {{"Date", "Sun, 06 Nov 1994 09:19:37 GMT"}};
  EXPECT_EQ(said(), "this machine's clock is wrong (RequestTimeTooSkewed, 403, request id R1): "
                    "set it (30 min behind the store's)");
  answer.fields = {{"Date", "Sun, 06 Nov 1994 06:49:37 GMT"}};
  EXPECT_TRUE(said().ends_with("set it (120 min ahead of the store's)")) << said();
}

TEST(S3Error, WhatHasNoCodeOfItsOwn) {
  EXPECT_EQ(message(400, "InvalidRequest",
                    "<Message>The object was stored using a form of Server Side Encryption. The "
                    "correct parameters must be provided to retrieve the object.</Message>"),
            "the object is encrypted with a customer's key (InvalidRequest, 400, request id R1): "
            "set sse_customer_key");
  http::Head deleted = head(405);
  deleted.fields = {{"x-amz-delete-marker", "true"}};
  const Error error = explain_error(deleted, xml("MethodNotAllowed"), kAsker);
  EXPECT_EQ(error.code, Code::not_found);
  EXPECT_EQ(error.message,
            "this version is the mark of a deletion (MethodNotAllowed, 405, request id R1)");
}

TEST(S3Error, UnknownCodesSayWhatTheServerSays) {
  const Error error = explain_error(
      head(400), xml("Strange", "<Message>line one\nline &lt;two&gt;</Message>"), kAsker);
  EXPECT_EQ(error.code, Code::unsupported);
  EXPECT_EQ(error.message,
            "the store answers: line one line <two> (Strange, 400, request id R1)");
}

TEST(S3Error, WithoutXml) {
  const auto explained = [](const http::Head& answer, std::string_view body) {
    return explain_error(answer, body, {});
  };
  EXPECT_EQ(explained(head(404), "").message, "not found (404)");
  EXPECT_TRUE(explained(head(403), "<html>no</html>").message.starts_with("access denied (403)"));
  EXPECT_EQ(explained(head(502, "Bad Gateway"), "\x01\x02").code, Code::io);
  http::Head with_id = head(403);
  with_id.fields.push_back({"x-amz-request-id", "R2"});
  EXPECT_TRUE(explained(with_id, "").message.starts_with("access denied (403, request id R2)"));
}

TEST(S3Error, WhereTheBucketIs) {
  const auto region = [](int status, const std::string& code, const std::string& more) {
    return region_of(head(status), parse_error(head(status), xml(code, more)));
  };
  EXPECT_EQ(region(301, "PermanentRedirect", "<Region>eu-west-1</Region>"), "eu-west-1");
  EXPECT_EQ(region(307, "", "<Endpoint>b.s3.eu-west-1.amazonaws.com</Endpoint>"), "eu-west-1");
  EXPECT_EQ(region(400, "AuthorizationHeaderMalformed", "<Region>x</Region>"), "x");
  EXPECT_EQ(region(403, "AccessDenied", "<Region>x</Region>"), "");
  http::Head answer = head(301);
  answer.fields = {{"x-amz-bucket-region", "eu-west-2"}};
  EXPECT_EQ(region_of(answer, parse_error(answer, "")), "eu-west-2");
}

TEST(S3Error, HostileXml) {
  std::string deep;
  for (int i = 0; i < 10000; ++i) deep += "<a>";
  const std::string entities =
      "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;\">]><Error><Code>NoSuchKey</Code>"
      "<Message>&b;</Message></Error>";
  EXPECT_EQ(explain_error(head(500), deep, {}).code, Code::io);
  EXPECT_EQ(explain_error(head(404), entities, {}).message, "no such key (NoSuchKey, 404)");
  EXPECT_LT(explain_error(head(400), xml(std::string(60000, 'x')), {}).message.size(), 1000u);
  EXPECT_EQ(explain_error(head(404), xml("NoSuchKey").substr(0, 70), {}).code, Code::not_found);
}

}  // namespace
}  // namespace r3map::backend::s3
