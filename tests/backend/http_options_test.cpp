#include "backend/http_options.hpp"

#include <gtest/gtest.h>

namespace r3map::backend {
namespace {

std::string refusal(const resource::Options& options) {
  const Result<HttpOptions> parsed = parse_http_options(options);
  EXPECT_FALSE(parsed);
  if (parsed) return "";
  EXPECT_EQ(parsed.error().code, Code::invalid);
  return parsed.error().message;
}

TEST(HttpOptions, NoneAreTheDefaults) {
  const Result<HttpOptions> parsed = parse_http_options({});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, HttpOptions());
  EXPECT_TRUE(parsed->verify);
  EXPECT_EQ(parsed->pin, Pin::automatic);
}

TEST(HttpOptions, AllOfThemGoIntoARequest) {
  const Result<HttpOptions> parsed = parse_http_options({{"pin", "none"},
                                                         {"ca_bundle", "/ca.pem"},
                                                         {"verify", "0"},
                                                         {"proxy", "http://u:p@proxy:3128"}});
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->pin, Pin::none);
  const http::Request request = parsed->request("https://host/x");
  EXPECT_EQ(request.url, "https://host/x");
  EXPECT_EQ(request.ca_bundle, "/ca.pem");
  EXPECT_FALSE(request.verify);
  EXPECT_EQ(request.proxy, "http://u:p@proxy:3128");
}

TEST(HttpOptions, WhatIsNoneOfThemIsRefusedWithWhatItIs) {
  EXPECT_NE(refusal({{"pin", "always"}}).find("auto or none"), std::string::npos);
  EXPECT_NE(refusal({{"verify", "ca.pem"}}).find("ca_bundle="), std::string::npos);
  const std::string proxy = refusal({{"proxy", "socks5://u:secret@host"}});
  EXPECT_NE(proxy.find("http://["), std::string::npos);
  EXPECT_EQ(proxy.find("secret"), std::string::npos);
}

TEST(HttpOptions, Flags) {
  const resource::Options options = {{"a", "true"}, {"b", "1"}, {"c", "false"}, {"d", "yes"}};
  EXPECT_EQ(*parse_flag(options, "a", false), true);
  EXPECT_EQ(*parse_flag(options, "b", false), true);
  EXPECT_EQ(*parse_flag(options, "c", true), false);
  EXPECT_EQ(*parse_flag(options, "none", true), true);
  EXPECT_EQ(parse_flag(options, "d", true).error().message, "d is true or false, not 'yes'");
}

}  // namespace
}  // namespace r3map::backend
