#include "backend/s3/s3.hpp"

#include <gtest/gtest.h>

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

std::string url(const Place& place, std::string_view endpoint, std::string_view region = "us-east-1",
                std::string_view style = "auto") {
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
  EXPECT_EQ(url(place, "https://minio.example/s3/"), "https://minio.example/s3/bucket/a/b%20c%25%3F");
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

}  // namespace
}  // namespace r3map::backend::s3
