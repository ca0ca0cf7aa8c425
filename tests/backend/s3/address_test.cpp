#include "backend/s3/address.hpp"

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

std::string url(const Place& place, std::string_view endpoint,
                std::string_view region = "us-east-1", std::string_view style = "auto") {
  const Result<http::Target> at = locate(place, endpoint, region, style);
  return at ? at->url() : at.error().message;
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
  for (const char* address : {"http://127.0.0.1:9000", "http://127.0.0.1", "https://[::1]:9000"})
    EXPECT_NE(url(place, address, "us-east-1", "virtual").find("is an address and takes no bucket"),
              std::string::npos)
        << address;
  EXPECT_EQ(url(place, "http://127.0.0.example", "us-east-1", "virtual"),
            "http://bucket.127.0.0.example/k");
}

TEST(Locate, AwsEndpointsOfAllKinds) {
  const Place place{"bucket", "k"}, dotted{"dotted.bucket", "k"}, old{"Old_Bucket", "k"};
  const std::string dual = "https://s3.dualstack.eu-west-1.amazonaws.com";
  EXPECT_EQ(url(place, dual), "https://bucket.s3.dualstack.eu-west-1.amazonaws.com/k");
  EXPECT_EQ(url(dotted, dual), dual + "/dotted.bucket/k");
  EXPECT_EQ(url(old, dual), dual + "/Old_Bucket/k");
  const std::string fast = "https://s3-accelerate.amazonaws.com";
  EXPECT_EQ(url(place, fast), "https://bucket.s3-accelerate.amazonaws.com/k");
  for (const Place& other : {dotted, old})
    EXPECT_NE(url(other, fast).find("part of their name"), std::string::npos) << url(other, fast);
  EXPECT_NE(url(place, fast, "us-east-1", "path").find("part of their name"), std::string::npos);
  EXPECT_NE(url(place, "https://bucket.s3.eu-west-1.amazonaws.com").find("leave 'bucket.' away"),
            std::string::npos);
}

TEST(InRegion, AtAws) {
  const std::pair<const char*, const char*> hosts[] = {
      {"b.s3.us-east-1", "b.s3.eu-west-1"},
      {"s3.us-east-1", "s3.eu-west-1"},
      {"b.s3", "b.s3.eu-west-1"},
      {"s3", "s3.eu-west-1"},
      {"s3-us-west-2", "s3.eu-west-1"},
      {"b.s3-us-west-2", "b.s3.eu-west-1"},
      {"b.s3.dualstack.us-east-1", "b.s3.dualstack.eu-west-1"},
      {"s3-fips.us-east-1", "s3-fips.eu-west-1"},
      {"b.s3-fips.dualstack.us-east-1", "b.s3-fips.dualstack.eu-west-1"},
      {"b.s3-accelerate", "b.s3-accelerate"},
      {"b.s3-accelerate.dualstack", "b.s3-accelerate.dualstack"},
      {"b.bucket.vpce-1.s3.us-east-1.vpce", "b.bucket.vpce-1.s3.us-east-1.vpce"},
      {"a.b.s3.us-east-1", "a.b.s3.eu-west-1"},
  };
  for (const auto& [from, to] : hosts) {
    const http::Target at{"https", std::string(from) + ".amazonaws.com", "/k", "us-east-1"};
    const auto moved = in_region(at, "eu-west-1");
    ASSERT_TRUE(moved) << from;
    EXPECT_EQ(moved->host, std::string(to) + ".amazonaws.com");
    EXPECT_EQ(moved->region, "eu-west-1");
    EXPECT_EQ(moved->path, "/k");
  }
}

TEST(InRegion, AStoreOfItsOwnIsOnlySignedForAnew) {
  const http::Target at{"http", "127.0.0.1:9000", "/b/k", "us-east-1"};
  EXPECT_EQ(in_region(at, "eu-west-1")->url(), "http://127.0.0.1:9000/b/k");
  EXPECT_EQ(in_region(at, "eu-west-1")->region, "eu-west-1");
  EXPECT_FALSE(in_region(at, "us-east-1")) << "the same place";
}

TEST(InRegion, NoOtherHosts) {
  const http::Target at{"https", "b.s3.us-east-1.amazonaws.com", "/k", "us-east-1"};
  for (const char* region : {"", "evil.example/", "a.b", "a b", "cn-north-1", "us-east-1"})
    EXPECT_FALSE(in_region(at, region)) << region;
  EXPECT_FALSE(in_region(at, std::string(64, 'a')));
  const http::Target china{"https", "s3.cn-north-1.amazonaws.com.cn", "/b/k", "cn-north-1"};
  EXPECT_FALSE(in_region(china, "us-east-1"));
  EXPECT_EQ(in_region(china, "cn-northwest-1")->host, "s3.cn-northwest-1.amazonaws.com.cn");
  // A name that only looks like AWS's is a store of its own.
  const http::Target lookalike{"https", "s3.us-east-1.amazonaws.com.evil", "/b/k", "us-east-1"};
  EXPECT_EQ(in_region(lookalike, "eu-west-1")->host, lookalike.host);
}

TEST(RegionOfHost, Table) {
  EXPECT_EQ(region_of_host("b.s3.eu-west-1.amazonaws.com"), "eu-west-1");
  EXPECT_EQ(region_of_host("s3-eu-west-1.amazonaws.com"), "eu-west-1");
  EXPECT_EQ(region_of_host("s3.cn-north-1.amazonaws.com.cn"), "cn-north-1");
  for (const char* none : {"", "s3.amazonaws.com", "b.s3.amazonaws.com", "127.0.0.1:9000",
                           "b.s3-accelerate.amazonaws.com", "amazonaws.com"})
    EXPECT_EQ(region_of_host(none), "") << none;
}

TEST(Address, HostsOfAws) {
  for (const char* own : {"sts.us-east-1.amazonaws.com", "portal.sso.r.amazonaws.com:8443",
                          "sts.cn-north-1.amazonaws.com.cn", "STS.AmazonAWS.com"})
    EXPECT_TRUE(is_aws_host(own)) << own;
  for (const char* other : {"", "127.0.0.1:9000", "[::1]:9000", "amazonaws.com.example.org",
                            "notamazonaws.com", "sts.amazonaws.com.example:443"})
    EXPECT_FALSE(is_aws_host(other)) << other;
}

}  // namespace
}  // namespace r3map::backend::s3
