#include "backend/s3/error.hpp"

#include <gtest/gtest.h>

namespace r3map::backend::s3 {
namespace {

http::Head head(int status, std::string reason = "") { return {status, std::move(reason), {}}; }

std::string xml(const std::string& code, const std::string& more = "") {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>" + code + "</Code>" + more +
         "<RequestId>R1</RequestId></Error>";
}

TEST(S3Error, KnownCodes) {
  const auto message = [](int status, const std::string& code) {
    return explain_error(head(status), xml(code)).message;
  };
  EXPECT_EQ(message(404, "NoSuchKey"), "no such key (NoSuchKey, 404)");
  EXPECT_EQ(message(404, "NoSuchBucket"), "no such bucket (NoSuchBucket, 404)");
  EXPECT_EQ(message(403, "SignatureDoesNotMatch"),
            "access denied (SignatureDoesNotMatch, 403, request id R1): check key and secret");
  const std::string elsewhere = xml("PermanentRedirect", "<Region>eu-west-1</Region>");
  EXPECT_EQ(explain_error(head(301), elsewhere).message,
            "the bucket is in another region (PermanentRedirect, 301, request id R1): "
            "set region=eu-west-1");
  EXPECT_EQ(explain_error(head(404), xml("NoSuchKey")).code, Code::not_found);
  EXPECT_EQ(explain_error(head(403), xml("AccessDenied")).code, Code::denied);
  EXPECT_EQ(explain_error(head(400), xml("ExpiredToken")).code, Code::denied);
  EXPECT_EQ(explain_error(head(400), xml("RequestTimeout")).code, Code::network);
  EXPECT_EQ(explain_error(head(503), xml("SlowDown")).code, Code::busy);
  EXPECT_EQ(explain_error(head(500), xml("InternalError")).code, Code::io);
}

TEST(S3Error, UnknownCodesSayWhatTheServerSays) {
  const Error error =
      explain_error(head(400), xml("Strange", "<Message>line one\nline &lt;two&gt;</Message>"));
  EXPECT_EQ(error.code, Code::invalid);
  EXPECT_EQ(error.message,
            "the store answers: line one line <two> (Strange, 400, request id R1)");
}

TEST(S3Error, WithoutXml) {
  EXPECT_EQ(explain_error(head(404), "").message, "not found (404)");
  EXPECT_EQ(explain_error(head(403), "<html>forbidden</html>").message, "access denied (403)");
  EXPECT_EQ(explain_error(head(502, "Bad Gateway"), "\x01\x02").code, Code::io);
  http::Head with_id = head(403);
  with_id.fields.push_back({"x-amz-request-id", "R2"});
  EXPECT_EQ(explain_error(with_id, "").message, "access denied (403, request id R2)");
}

TEST(S3Error, HostileXml) {
  std::string deep;
  for (int i = 0; i < 10000; ++i) deep += "<a>";
  const std::string entities =
      "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;\">]><Error><Code>NoSuchKey</Code>"
      "<Message>&b;</Message></Error>";
  EXPECT_EQ(explain_error(head(500), deep).code, Code::io);
  EXPECT_EQ(explain_error(head(404), entities).message, "no such key (NoSuchKey, 404)");
  EXPECT_LT(explain_error(head(400), xml(std::string(60000, 'x'))).message.size(), 1000u);
  EXPECT_EQ(explain_error(head(404), xml("NoSuchKey").substr(0, 70)).code, Code::not_found);
}

}  // namespace
}  // namespace r3map::backend::s3
