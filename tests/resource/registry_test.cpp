#include "resource/registry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "support/loop_fixture.hpp"

namespace r3map::resource {
namespace {

using testing::HasSubstr;
using testing::Not;

// A resource of no bytes.
class Nothing : public Resource {
 public:
  const Info& info() const override { return info_; }
  loop::Task<Result<>> read(Range, Request, Sink&) override { co_return Result<>(); }

 private:
  Info info_;
};

class RegistryTest : public test::LoopTest {
 protected:
  RegistryTest() {
    add("file", {});
    add("s3", {"endpoint_url", "region", "key", "secret"});
    add("http", {"ca_file"});
  }
  void add(std::string name, std::vector<std::string> options) {
    registry_.add({name, std::move(options), [this, name](Url url, Options given, Request) {
                     return opened(name, std::move(url), std::move(given));
                   }});
  }
  loop::Task<Result<std::unique_ptr<Resource>>> opened(std::string name, Url url, Options given) {
    scheme_ = name;
    url_ = std::move(url);
    options_ = std::move(given);
    if (url_.rest == "missing") co_return fail(Code::not_found, "no such thing");
    co_return std::make_unique<Nothing>();
  }
  Result<std::unique_ptr<Resource>> open(std::string url, Options options = {}) {
    return run<std::unique_ptr<Resource>>([&] { return registry_.open(url, options, {}); });
  }
  std::string refusal(std::string url, Options options = {}) {
    const auto got = open(std::move(url), std::move(options));
    EXPECT_FALSE(got);
    if (got) return "";
    EXPECT_EQ(got.error().code, Code::invalid);
    EXPECT_EQ(scheme_, "") << "the backend was asked";
    return got.error().message;
  }

  Registry registry_;
  std::string scheme_;
  Url url_;
  Options options_;
};

TEST_F(RegistryTest, OpensByScheme) {
  const auto got = open("S3://bucket/key", {{"region", "eu"}, {"key", ""}});
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(scheme_, "s3");
  EXPECT_EQ(url_.rest, "bucket/key");
  EXPECT_EQ(options_, (Options{{"key", ""}, {"region", "eu"}}));
}

TEST_F(RegistryTest, APathIsAFile) {
  EXPECT_TRUE(open("./x"));
  EXPECT_EQ(scheme_, "file");
}

TEST_F(RegistryTest, PassesTheBackendsErrorOn) {
  const auto got = open("s3:missing");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, Code::not_found);
  EXPECT_EQ(got.error().message, "no such thing");
}

TEST_F(RegistryTest, RefusesAMalformedUrl) { EXPECT_THAT(refusal("bucket/key"), HasSubstr("URL")); }

TEST_F(RegistryTest, AnUnknownSchemeSuggestsTheNearest) {
  EXPECT_THAT(refusal("htp://x"), HasSubstr("unknown scheme 'htp'; did you mean 'http'?"));
  EXPECT_THAT(refusal("s4://x"), HasSubstr("did you mean 's3'?"));
  EXPECT_THAT(refusal("flie://x"), Not(HasSubstr("did you mean 's3'")));
}

TEST_F(RegistryTest, OneThatIsFarFromAllListsThem) {
  const std::string message = refusal("gopher://x");
  EXPECT_THAT(message, HasSubstr("there are: file, http, s3"));
  EXPECT_THAT(message, Not(HasSubstr("did you mean")));
}

TEST_F(RegistryTest, AnUnknownOptionSuggestsTheNearest) {
  EXPECT_THAT(refusal("s3://b/k", {{"endpoint-url", "x"}}),
              HasSubstr("unknown option 'endpoint-url' for s3:; did you mean 'endpoint_url'?"));
  EXPECT_THAT(refusal("s3://b/k", {{"Region", "x"}}), HasSubstr("did you mean 'region'?"));
  EXPECT_THAT(refusal("s3://b/k", {{"colour", "x"}}),
              HasSubstr("there are: endpoint_url, region, key, secret"));
  EXPECT_THAT(refusal("file:/x", {{"region", "x"}}), HasSubstr("it takes none"));
}

TEST_F(RegistryTest, AFamilyOfOptions) {
  add("web", {"pin", "header.NAME"});
  EXPECT_TRUE(open("web://h", {{"header.X-Any", "1"}, {"header.a", "2"}}));
  scheme_.clear();
  EXPECT_THAT(refusal("web://h", {{"header.", "1"}}), HasSubstr("unknown option"));
  EXPECT_THAT(refusal("web://h", {{"headers.X", "1"}}), HasSubstr("pin, header.NAME"));
  EXPECT_THAT(refusal("web://h", {{"header", "1"}}), HasSubstr("header.NAME"));
}

TEST_F(RegistryTest, AnOptionsValueIsNotShown) {
  EXPECT_THAT(refusal("s3://b/k", {{"secrets", "hunter2"}}), Not(HasSubstr("hunter2")));
}

TEST_F(RegistryTest, Limits) {
  const std::string longest_value(limits::kOptionValue, 'x');
  EXPECT_TRUE(open("s3://b/k", {{"region", longest_value}}));
  scheme_.clear();
  EXPECT_THAT(refusal("s3://b/k", {{"region", longest_value + "x"}}), HasSubstr("too long"));
  EXPECT_THAT(refusal("s3://b/k", {{std::string(limits::kOptionName + 1, 'x'), ""}}),
              HasSubstr("too long"));
  Options many;
  for (size_t i = 0; i <= limits::kOptions; ++i) many["option" + std::to_string(i)] = "";
  EXPECT_THAT(refusal("s3://b/k", many), HasSubstr("too many"));
  // A scheme of any length: the message shows its begin, and takes no time.
  const std::string scheme(limits::kUrlLength - 10, 'x');
  EXPECT_LT(refusal(scheme + "://x").size(), 300u);
}

TEST(Registry, AnEmptyOneRefusesAll) {
  auto loop = *loop::Loop::start("loop");
  const Registry registry;
  const auto got = loop->wait<std::unique_ptr<Resource>>(
      [&] { return registry.open("s3://b/k", {}, {}); });
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, Code::invalid);
}

TEST(NearestName, Table) {
  const std::vector<std::string> names = {"endpoint_url", "region", "key"};
  struct {
    const char *given, *nearest;
  } const rows[] = {
      {"region", "region"},         {"regoin", "region"}, {"Region", "region"},
      {"regions", "region"},        {"keys", "key"},      {"ke", "key"},
      {"endpoint", ""},             {"endpointurl", "endpoint_url"},
      {"end-point-url", "endpoint_url"}, {"profile", ""}, {"", ""}, {"xyz", ""},
  };
  for (const auto& row : rows) EXPECT_EQ(nearest_name(row.given, names), row.nearest) << row.given;
  EXPECT_EQ(nearest_name("x", {}), "");
  EXPECT_EQ(nearest_name("ab", {"ax", "bb"}), "ax") << "of equals the first";
}

}  // namespace
}  // namespace r3map::resource
