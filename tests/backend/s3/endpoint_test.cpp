#include "backend/s3/endpoint.hpp"

#include <gtest/gtest.h>

namespace r3map::backend::s3 {
namespace {

TEST(Endpoint, Parts) {
  const auto parts = [](std::string_view text) {
    const Result<Endpoint> at = parse_endpoint(text);
    return at ? at->scheme + "|" + at->host + "|" + at->prefix : at.error().message;
  };
  EXPECT_EQ(parts("http://127.0.0.1:9000"), "http|127.0.0.1:9000|");
  EXPECT_EQ(parts("http://127.0.0.1:9000/"), "http|127.0.0.1:9000|");
  EXPECT_EQ(parts("HTTPS://s3.example:443/a/b//"), "https|s3.example|/a/b");
  EXPECT_EQ(parts("http://[::1]:80"), "http|[::1]|");
  EXPECT_EQ(parts("https://s3.example:80"), "https|s3.example:80|");
}

TEST(Endpoint, Refusals) {
  for (const char* text : {"", "127.0.0.1:9000", "ftp://x", "http://", "http:///p", "http://:80",
                           "http://u:p@h", "http://h?q", "http://h#f", "http:h", "/path"}) {
    const Result<Endpoint> at = parse_endpoint(text);
    ASSERT_FALSE(at) << text;
    EXPECT_EQ(at.error().code, Code::invalid);
  }
  EXPECT_EQ(parse_endpoint("http://u:secret@h").error().message.find("secret"), std::string::npos);
}

}  // namespace
}  // namespace r3map::backend::s3
