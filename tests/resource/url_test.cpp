#include "resource/url.hpp"

#include <gtest/gtest.h>

#include <string>

#include "base/limits.hpp"
#include "support/random.hpp"

namespace r3map::resource {
namespace {

TEST(ParseUrl, SplitsSchemeAuthorityAndRest) {
  struct {
    const char *text, *scheme, *rest;
    bool has_authority;
  } const rows[] = {
      {"s3://bucket/key", "s3", "bucket/key", true},
      {"http://host:8080/a%20b?c=d#e", "http", "host:8080/a%20b?c=d#e", true},
      {"HTTPS://Host/Path", "https", "Host/Path", true},
      {"file:///data/x", "file", "/data/x", true},
      {"file:/data/x", "file", "/data/x", false},
      {"memory:64M", "memory", "64M", false},
      {"git+ssh://host/x", "git+ssh", "host/x", true},
      {"a1-b.c+d:x", "a1-b.c+d", "x", false},
      {"s3:", "s3", "", false},
      {"s3://", "s3", "", true},
      {"s3:///", "s3", "/", true},
      {"s3:a:b//c", "s3", "a:b//c", false},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.text);
    const Result<Url> url = parse_url(row.text);
    ASSERT_TRUE(url) << url.error().message;
    EXPECT_EQ(url->scheme, row.scheme);
    EXPECT_EQ(url->rest, row.rest);
    EXPECT_EQ(url->has_authority, row.has_authority);
    if (url->text.find("?***") == std::string::npos) {
      EXPECT_EQ(url->text, row.text);
    }
  }
}

TEST(ParseUrl, APlainPathIsAFile) {
  for (const std::string path :
       {"/", "/data/x", "./x", "../x", ".", "/a b", "/100%", "/a%20b", "/x?y#z", "/s3://b/k",
        "/\xc3\xa4", "//server/share", ".hidden", "/a:b"}) {
    SCOPED_TRACE(path);
    const Result<Url> url = parse_url(path);
    ASSERT_TRUE(url) << url.error().message;
    EXPECT_EQ(url->scheme, "file");
    EXPECT_FALSE(url->has_authority);
    EXPECT_EQ(url->text, path);
    const Result<std::string> decoded = percent_decode(url->rest);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, path) << "a path is taken as it is, byte for byte";
  }
}

TEST(ParseUrl, RefusesWhatIsNone) {
  const std::string longest(limits::kUrlLength + 1, 'x');
  const std::string bad[] = {
      "",           "x",          "bucket/key",    "://bucket",   ":x",           "1s3://x",
      "-s3://x",    "s 3://x",    "s3_x://x",      "\xc3\xa4://x", "s3://a\nb",   "s3://a\rb",
      "s3://a\tb",  "s3://a\x7f", "/data/\x01",    "s3://a\x1f",  "\ns3://a",     "s3://" + longest,
      "/" + longest, std::string("s3://a\0b", 8),
  };
  for (const std::string& text : bad) {
    SCOPED_TRACE(text.substr(0, 40));
    const Result<Url> url = parse_url(text);
    ASSERT_FALSE(url);
    EXPECT_EQ(url.error().code, Code::invalid);
    EXPECT_FALSE(url.error().message.empty());
    EXPECT_LT(url.error().message.size(), 300u);
    EXPECT_EQ(url.error().message.find('\n'), std::string::npos);
  }
}

TEST(ParseUrl, TheLongestIsLegal) {
  const std::string text = "s3://" + std::string(limits::kUrlLength - 5, 'x');
  const Result<Url> url = parse_url(text);
  ASSERT_TRUE(url);
  EXPECT_EQ(url->rest.size(), limits::kUrlLength - 5);
}

TEST(ParseUrl, AMessageNeverShowsAPassword) {
  struct {
    const char *given, *shown;
  } const rows[] = {
      {"s3://user:secret@host/x", "s3://user:***@host/x"},
      {"s3://user:secret@host", "s3://user:***@host"},
      {"s3://:secret@host/x", "s3://:***@host/x"},
      {"s3://user:se:cr@et@host/x", "s3://user:***@host/x"},
      {"redis://user:secret@[::1]:6379/0", "redis://user:***@[::1]:6379/0"},
      // Not encoded as it should have been: AWS secrets are full of slashes.
      {"s3://user:sec/ret@host/x", "s3://user:***@host/x"},
      {"s3://user:sec?ret@host/x", "s3://user:***@host/x"},
      {"s3://user:sec#ret@host/x", "s3://user:***@host/x"},
      {"s3://user:sec/r@t@host/x", "s3://user:***@host/x"},
      // No password in these.
      {"s3://user@host/x", "s3://user@host/x"},
      {"http://host:8080/x", "http://host:8080/x"},
      {"http://host:8080/a@b", "http://host:8080/a@b"},
      {"http://host:8080/a:b@c", "http://host:8080/a:b@c"},
      {"http://host/a:b@c", "http://host/a:b@c"},
      // A presigned URL.
      {"https://host/x?X-Amz-Signature=abc#d", "https://host/x?***"},
      {"HTTP://host?a:b@c", "HTTP://host?***"},
      {"s3://bucket/key?x", "s3://bucket/key?x"},
      {"http://[::1]:8080/a@b", "http://[::1]:8080/a@b"},
      {"http://[::1]/a@b", "http://[::1]/a@b"},
      {"http://host:/a@b", "http://host:/a@b"},
      {"/data/x:y@z", "/data/x:y@z"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.given);
    const Result<Url> url = parse_url(row.given);
    ASSERT_TRUE(url) << url.error().message;
    EXPECT_EQ(url->text, row.shown);
  }
}

TEST(ParseUrl, AMalformedOnesMessageHidesThePasswordToo) {
  const Result<Url> url = parse_url("s_3://user:secret@host/x");
  ASSERT_FALSE(url);
  EXPECT_EQ(url.error().message.find("secret"), std::string::npos) << url.error().message;
}

TEST(ParseUrl, WhatTheBackendGetsStillHasThePassword) {
  EXPECT_EQ(parse_url("s3://user:secret@host/x")->rest, "user:secret@host/x");
}

TEST(PercentDecode, Table) {
  struct {
    std::string text, decoded;
  } const good[] = {
      {"", ""},           {"abc", "abc"},     {"a%20b", "a b"},       {"%2F%2f", "//"},
      {"%41", "A"},       {"%25", "%"},       {"%2520", "%20"},       {"a+b", "a+b"},
      {"%FF", "\xff"},    {"%0a", "\n"},      {"\xc3\xa4", "\xc3\xa4"},
  };
  for (const auto& row : good) {
    SCOPED_TRACE(row.text);
    const Result<std::string> decoded = percent_decode(row.text);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, row.decoded);
  }
  for (const char* bad : {"%", "a%", "%4", "a%4", "%4g", "%g4", "%%41", "% 41", "%-1", "%00",
                          "a%00b", "%\xc3\xa4"}) {
    const Result<std::string> decoded = percent_decode(bad);
    ASSERT_FALSE(decoded) << bad;
    EXPECT_EQ(decoded.error().code, Code::invalid) << bad;
  }
}

TEST(PercentEncode, KeepsOnlyTheUnreserved) {
  EXPECT_EQ(percent_encode("AZaz09-._~", false), "AZaz09-._~");
  EXPECT_EQ(percent_encode("a/b c%+&=\xc3\xa4", false), "a%2Fb%20c%25%2B%26%3D%C3%A4");
  EXPECT_EQ(percent_encode("/a b/", true), "/a%20b/");
  EXPECT_EQ(percent_encode("", true), "");
}

TEST(PercentEncode, DecodesToWhatItWas) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  for (int i = 0; i < 1000; ++i) {
    std::string text;
    for (uint64_t length = random.below(40); length > 0; --length)
      text.push_back(static_cast<char>(random.between(1, 255)));
    ASSERT_EQ(percent_decode(percent_encode(text, i % 2)).value(), text);
  }
}

TEST(ParseSize, Good) {
  struct {
    const char* text;
    uint64_t value;
  } const rows[] = {
      {"0", 0},
      {"4096", 4096},
      {"4096B", 4096},
      {"64K", 64 << 10},
      {"64k", 64 << 10},
      {"64KB", 64 << 10},
      {"64KiB", 64 << 10},
      {"1M", 1 << 20},
      {"1MiB", 1 << 20},
      {"3G", uint64_t{3} << 30},
      {"64T", uint64_t{64} << 40},
      {"0T", 0},
      {"007", 7},
      {"18446744073709551615", UINT64_MAX},
      {"16777215T", uint64_t{16777215} << 40},
      {"18014398509481983K", uint64_t{18014398509481983} << 10},
  };
  for (const auto& row : rows) {
    const Result<uint64_t> size = parse_size(row.text);
    ASSERT_TRUE(size) << row.text;
    EXPECT_EQ(*size, row.value) << row.text;
  }
}

TEST(ParseSize, Bad) {
  for (const char* text :
       {"", "K", "B", "iB", "-1", "+1", " 1", "1 ", "1 K", "1.5G", "0x10", "1e3", "1X", "1P", "1E",
        "1iB", "1Ki", "1KiBs", "1KBB", "1BK", "1b", "1,000", "18446744073709551616", "16777216T",
        "18014398509481984K", "99999999999999999999999", "1\n"}) {
    const Result<uint64_t> size = parse_size(text);
    ASSERT_FALSE(size) << text;
    EXPECT_EQ(size.error().code, Code::invalid) << text;
  }
}

}  // namespace
}  // namespace r3map::resource
