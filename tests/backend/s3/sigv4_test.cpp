// Signatures against published vectors: AWS's Signature Version 4 test suite, and the examples of
// the S3 documentation ("Authenticating Requests: Using the Authorization Header").
#include "backend/s3/sigv4.hpp"

#include <gtest/gtest.h>

namespace r3map::backend::s3 {
namespace {

using Query = std::vector<std::pair<std::string, std::string>>;

const std::chrono::sys_seconds kSuiteTime =
    std::chrono::sys_days(std::chrono::year(2015) / 8 / 30) + std::chrono::hours(12) +
    std::chrono::minutes(36);
const Credentials kSuite{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};

struct Vector {
  std::string name, method, path;
  Query query;
  std::vector<http::Field> fields;  // beside Host and X-Amz-Date
  std::string payload_hash, signature;
};

const std::string kEmpty(kEmptyHash);
const std::string kUnreserved =
    "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const std::vector<Vector> kSuiteVectors = {
    {"get-vanilla", "GET", "/", {}, {}, kEmpty,
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-vanilla-query-order-key-case", "GET", "/", {{"Param2", "value2"}, {"Param1", "value1"}},
     {}, kEmpty, "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get-vanilla-empty-query-key", "GET", "/", {{"Param1", "value1"}}, {}, kEmpty,
     "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
    {"get-vanilla-query-unreserved", "GET", "/", {{kUnreserved, kUnreserved}}, {}, kEmpty,
     "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
    {"get-vanilla-query-order-encoded", "GET", "/",
     {{"Param-3", "Value3"}, {"Param", "Value2"}, {"\xE1\x88\xB4", "Value1"}}, {}, kEmpty,
     "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
    {"get-vanilla-utf8-query", "GET", "/", {{"\xE1\x88\xB4", "bar"}}, {}, kEmpty,
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
    {"get-unreserved", "GET", "/" + kUnreserved, {}, {}, kEmpty,
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"get-utf8", "GET", "/%E1%88%B4", {}, {}, kEmpty,
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {"get-header-key-duplicate", "GET", "/", {},
     {{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}}, kEmpty,
     "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
    {"get-header-value-order", "GET", "/", {},
     {{"My-Header1", "value4"}, {"My-Header1", "value1"}, {"My-Header1", "value3"},
      {"My-Header1", "value2"}},
     kEmpty, "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
    {"get-header-value-trim", "GET", "/", {},
     {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}}, kEmpty,
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {"get-vanilla-with-session-token", "GET", "/", {},
     {{"X-Amz-Security-Token",
       "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"}},
     kEmpty, "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"},
    {"post-x-www-form-urlencoded", "POST", "/", {},
     {{"Content-Type", "application/x-www-form-urlencoded"}, {"Content-Length", "13"},
      {"X-Amz-Content-Sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"}},
     "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
     "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"},
};

TEST(SigV4, TestSuite) {
  for (const Vector& vector : kSuiteVectors) {
    Signable request{vector.method, vector.path, vector.query, vector.fields, vector.payload_hash};
    request.fields.push_back({"Host", "example.amazonaws.com"});
    request.fields.push_back({"X-Amz-Date", amz_date(kSuiteTime)});
    const std::string value = authorization(request, {kSuiteTime, "us-east-1", "service"}, kSuite);
    EXPECT_TRUE(value.ends_with(", Signature=" + vector.signature))
        << vector.name << "\n" << value << "\n" << canonical_request(request);
  }
}

TEST(SigV4, CanonicalRequestAndHeaderInFull) {
  const Signable request{"GET", "/", {}, {{"Host", "example.amazonaws.com"},
                                          {"X-Amz-Date", "20150830T123600Z"}}, kEmpty};
  EXPECT_EQ(canonical_request(request),
            "GET\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\n"
            "host;x-amz-date\n" + kEmpty);
  EXPECT_EQ(authorization(request, {kSuiteTime, "us-east-1", "service"}, kSuite),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            "SignedHeaders=host;x-amz-date, "
            "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

TEST(SigV4, S3Documentation) {
  const Credentials keys{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
  const Scope scope{std::chrono::sys_days(std::chrono::year(2013) / 5 / 24), "us-east-1"};
  const std::vector<Vector> vectors = {
      {"GET object", "GET", "/test.txt", {}, {{"Range", "bytes=0-9"}}, kEmpty,
       "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
      {"PUT object", "PUT", "/test%24file.text", {},
       {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
       "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
       "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
      {"GET lifecycle", "GET", "/", {{"lifecycle", ""}}, {}, kEmpty,
       "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
      {"list objects", "GET", "/", {{"max-keys", "2"}, {"prefix", "J"}}, {}, kEmpty,
       "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
  };
  for (const Vector& vector : vectors) {
    Signable request{vector.method, vector.path, vector.query, vector.fields, vector.payload_hash};
    request.fields.push_back({"Host", "examplebucket.s3.amazonaws.com"});
    request.fields.push_back({"x-amz-content-sha256", vector.payload_hash});
    request.fields.push_back({"x-amz-date", amz_date(scope.time)});
    const std::string value = authorization(request, scope, keys);
    EXPECT_TRUE(value.ends_with(", Signature=" + vector.signature))
        << vector.name << "\n" << canonical_request(request);
  }
}

}  // namespace
}  // namespace r3map::backend::s3
