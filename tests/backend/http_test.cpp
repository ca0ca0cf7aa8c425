#include "backend/http.hpp"

#include <gtest/gtest.h>

#include "support/fault_server_process.hpp"
#include "support/loop_fixture.hpp"

namespace r3map::backend {
namespace {

class HttpTest : public test::LoopTest {
 protected:
  using Opened = Result<std::unique_ptr<resource::Resource>>;

  void SetUp() override {
    on_loop([&] {
      client_ = std::move(*http::Client::open(*loop_, 2));
      register_http(registry_, *loop_, *client_);
    });
  }
  void TearDown() override {
    on_loop([&] { client_.reset(); });
  }
  Opened open(std::string url, resource::Options options = {}) {
    resource::Request request;
    request.deadline = loop::deadline_after(std::chrono::seconds(8));
    return run<std::unique_ptr<resource::Resource>>(
        [&] { return registry_.open(url, options, request); });
  }

  test::FaultServer server_;
  std::unique_ptr<http::Client> client_;
  resource::Registry registry_;
};

TEST_F(HttpTest, OpensByUrl) {
  EXPECT_TRUE(open(server_.url("ok/x")));
  EXPECT_TRUE(open("HTTP://" + server_.address() + "/ok/x?size=10#fragment"));
  EXPECT_TRUE(open("http://user:se%20cret@" + server_.address() + "/ok/x"));
}

TEST_F(HttpTest, RefusesWhatIsNoUrl) {
  for (const char* url : {"http:x", "http://", "http:///x", "http://?x", "http://u:p@/x",
                          "http://:80/x", "http://u:%zz@h/x"}) {
    const Opened object = open(url);
    ASSERT_FALSE(object) << url;
    EXPECT_EQ(object.error().code, Code::invalid) << url << object.error().message;
  }
}

TEST_F(HttpTest, ChecksOptions) {
  for (const resource::Options& options : std::vector<resource::Options>{
           {{"pin", "yes"}}, {{"verify", "maybe"}}, {{"verfy", "true"}}, {{"proxy", "host:80"}},
           {{"proxy", "socks5://h"}}, {{"proxy", "http://h/path"}}, {{"header.Range", "x"}},
           {{"bearer", "a b"}}, {{"header.X", "a\r\nb"}}})
    EXPECT_EQ(open(server_.url("ok/x"), options).error().code, Code::invalid);
  EXPECT_TRUE(open(server_.url("ok/x"), {{"pin", "auto"}, {"verify", "false"}}));
}

// boto's takes a file, too.
TEST_F(HttpTest, VerifyIsNoFile) {
  EXPECT_EQ(open(server_.url("ok/x"), {{"verify", "/path/c.pem"}}).error().message,
            "verify is true or false, not '/path/c.pem'; ca_bundle= takes a file");
}

TEST_F(HttpTest, NeverShowsThePassword) {
  for (const char* path :
       {"404/x", "403/x", "garbage/x", "reset-on-accept/x", "status/code=401/x"}) {
    const Opened object = open("http://user:topsecret@" + server_.address() + "/" + path);
    ASSERT_FALSE(object);
    EXPECT_EQ(object.error().message.find("topsecret"), std::string::npos);
  }
  const Opened broken = open("http://user:topsecret%zz@" + server_.address() + "/x");
  EXPECT_EQ(broken.error().message.find("topsecret"), std::string::npos);
}

TEST_F(HttpTest, OneAuthorizationOnly) {
  const std::string url = "http://user:topsecret@" + server_.address() + "/ok/x";
  for (const char* option : {"bearer", "header.Authorization"}) {
    const Opened object = open(url, {{option, "abc"}});
    ASSERT_FALSE(object);
    EXPECT_EQ(object.error().code, Code::invalid);
    EXPECT_NE(object.error().message.find("contradicts"), std::string::npos);
  }
}

TEST_F(HttpTest, WhatA401Says) {
  const std::string url = server_.url("status/code=401/x");
  const auto refusal = [&](const std::string& where, resource::Options options = {}) {
    return open(where, std::move(options)).error().message;
  };
  EXPECT_EQ(refusal(url), "the server wants a user and a password (401)");
  EXPECT_EQ(refusal(url, {{"bearer", "abc"}}), "the server refuses the authorization (401)");
  EXPECT_EQ(refusal("http://u:p@" + url.substr(7)), "user or password are wrong (401)");
}

TEST_F(HttpTest, AProxyThatIsNotThere) {
  const Opened object =
      open(server_.url("ok/x"), {{"proxy", "http://user:topsecret@127.0.0.1:1"}});
  ASSERT_FALSE(object);
  EXPECT_EQ(object.error().code, Code::network);
  EXPECT_NE(object.error().message.find("refused"), std::string::npos) << object.error().message;
  EXPECT_EQ(object.error().message.find("topsecret"), std::string::npos);
}

TEST_F(HttpTest, UnusableCaBundle) {
  const Opened object =
      open("https://" + server_.address() + "/x", {{"ca_bundle", "/nonexistent"}});
  ASSERT_FALSE(object);
  EXPECT_EQ(object.error().code, Code::invalid) << object.error().message;
}

}  // namespace
}  // namespace r3map::backend
