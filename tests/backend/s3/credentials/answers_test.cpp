#include "backend/s3/credentials/answers.hpp"

#include <gtest/gtest.h>

namespace r3map::backend::s3 {
namespace {

int64_t seconds(std::string_view text) {
  const std::optional<WallTime> time = parse_time(text);
  return time ? time->time_since_epoch().count() / 1000 : -1;
}

TEST(AwsTime, Forms) {
  EXPECT_EQ(seconds("1970-01-01T00:00:10Z"), 10);
  EXPECT_EQ(seconds("2026-11-21T12:34:56Z"), 1795264496);
  EXPECT_EQ(seconds("2026-11-21T12:34:56.789Z"), 1795264496);
  EXPECT_EQ(seconds("2026-11-21T12:34:56+00:00"), 1795264496);
  EXPECT_EQ(seconds("2026-11-21T12:34:56UTC"), 1795264496);
  for (const char* bad : {"", "2026-11-21", "2026-11-21T12:34:56", "2026-11-21T12:34:56+01:00",
                          "2026-13-21T12:34:56Z", "2026-02-30T12:34:56Z", "2026-11-21T24:00:00Z",
                          "2026-11-21T12:60:00Z", "2026-11-21 12:34:56Z", "2026-11-21T12:34:56ZZ",
                          "-026-11-21T12:34:56Z", "2026-11-21T12:34:5xZ"})
    EXPECT_EQ(seconds(bad), -1) << bad;
}

std::string shown_keys(const Result<Keys>& keys) {
  if (!keys) return keys.error().message;
  const Credentials& found = keys->credentials;
  return found.key + " " + found.secret + " " + found.token + " " +
         (keys->expiry ? std::to_string(keys->expiry->time_since_epoch().count()) : "for good");
}

TEST(Answers, Metadata) {
  const auto parsed = [](const char* text) { return shown_keys(parse_metadata_keys(text)); };
  EXPECT_EQ(parsed(R"({"Code":"Success","AccessKeyId":"K","SecretAccessKey":"S","Token":"T",
                       "Expiration":"1970-01-01T00:00:10Z","More":[1]})"),
            "K S T 10000");
  EXPECT_EQ(parsed(R"({"AccessKeyId":"K","SecretAccessKey":"S"})"), "K S  for good");
  EXPECT_EQ(parsed(R"({"Code":"Failed","Message":"Why"})"), "Why (Failed)");
  EXPECT_EQ(parse_metadata_keys(R"({"Code":"Failed"})").error().code, Code::denied);
  for (const char* text : {"", "{", "[]", "1", "{}", R"({"AccessKeyId":1,"SecretAccessKey":"S"})"})
    EXPECT_EQ(parsed(text), "the answer holds no keys") << text;
  EXPECT_EQ(parsed(R"({"AccessKeyId":"K","SecretAccessKey":"S","Expiration":"soon"})"),
            "the answer's expiry 'soon' is no time");
  EXPECT_EQ(parsed(R"({"AccessKeyId":"K","SecretAccessKey":"S","Token":"a\r\nX: b"})"),
            "the answer's keys hold blanks or control characters");
  EXPECT_EQ(parsed((std::string(60000, '[')).c_str()), "the answer holds no keys");
}

TEST(Answers, Programs) {
  EXPECT_EQ(shown_keys(parse_program_keys(
                R"({"Version":1,"AccessKeyId":"K","SecretAccessKey":"S","SessionToken":"T"})")),
            "K S T for good");
  for (const char* text : {"", "{}", R"({"Version":2,"AccessKeyId":"K","SecretAccessKey":"S"})",
                           R"({"Version":"1"})"})
    EXPECT_EQ(shown_keys(parse_program_keys(text)),
              "its output is no JSON object with \"Version\": 1");
}

TEST(Answers, SsoPortal) {
  EXPECT_EQ(shown_keys(parse_sso_keys(R"({"roleCredentials":{"accessKeyId":"K",
                "secretAccessKey":"S","sessionToken":"T","expiration":10000}})")),
            "K S T 10000");
  EXPECT_EQ(shown_keys(parse_sso_keys(R"({"roleCredentials":[]})")), "the answer holds no keys");
  for (const char* expiry : {"-1", "1e300", "9223372036854775807", "18446744073709551615", "\"1\""})
    EXPECT_EQ(shown_keys(parse_sso_keys(R"({"roleCredentials":{"accessKeyId":"K",
                  "secretAccessKey":"S","expiration":)" + std::string(expiry) + "}}")),
              "the answer's expiry is no time");
}

TEST(Answers, SsoCache) {
  const Result<SsoToken> token =
      parse_sso_token(R"({"accessToken":"T","expiresAt":"1970-01-01T00:00:10Z"})");
  ASSERT_TRUE(token);
  EXPECT_EQ(token->token, "T");
  EXPECT_EQ(token->expiry.time_since_epoch().count(), 10000);
  for (const char* text : {"", R"({"accessToken":"T"})", R"({"expiresAt":"1970-01-01T00:00:10Z"})",
                           R"({"accessToken":"a b","expiresAt":"1970-01-01T00:00:10Z"})"})
    EXPECT_FALSE(parse_sso_token(text));
}

TEST(Answers, Sts) {
  EXPECT_EQ(shown_keys(parse_sts_keys(
                "<AssumeRoleResponse xmlns=\"x\"><AssumeRoleResult><AssumedRoleUser/><Credentials>"
                "<AccessKeyId>K</AccessKeyId><SecretAccessKey>S</SecretAccessKey>"
                "<SessionToken>T</SessionToken><Expiration>1970-01-01T00:00:10Z</Expiration>"
                "</Credentials></AssumeRoleResult><ResponseMetadata/></AssumeRoleResponse>")),
            "K S T 10000");
  for (const char* text : {"", "<a>", "<a><b><Credentials/></b></a>", "{}"})
    EXPECT_EQ(shown_keys(parse_sts_keys(text)), "the answer holds no keys");
}

TEST(Answers, Refusals) {
  EXPECT_EQ(refusal_text("<ErrorResponse><Error><Code>C</Code><Message>M</Message></Error>"
                         "</ErrorResponse>"),
            "M (C)");
  EXPECT_EQ(refusal_text(R"({"message":"M"})"), "M");
  EXPECT_EQ(refusal_text(R"({"code":"C","message":"M\n"})"), "M  (C)");
  EXPECT_EQ(refusal_text(R"({"Code":"C"})"), "C");
  EXPECT_EQ(refusal_text("<html>no</html>"), "");
  EXPECT_EQ(refusal_text(""), "");
}

}  // namespace
}  // namespace r3map::backend::s3
