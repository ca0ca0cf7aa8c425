#include "http/proxy.hpp"

#include <gtest/gtest.h>

#include <map>

namespace r3map::http {
namespace {

TEST(Proxy, IsNamedWithoutItsPassword) {
  const std::pair<const char*, const char*> cases[] = {
      {"http://127.0.0.1:1", "127.0.0.1:1"},
      {"http://user:secret@host:3128/", "host:3128"},
      {"user:secret@host:3128", "host:3128"},
      {"host", "host:1080"},
      {"https://host", "host:443"},
      {"http://[::1]:3128", "[::1]:3128"},
      {"socks5://user:secret@host:1080", "host:1080"},
  };
  for (const auto& [text, name] : cases) {
    const std::optional<Proxy> proxy = parse_proxy(text);
    ASSERT_TRUE(proxy) << text;
    EXPECT_EQ(proxy->name(), name);
  }
  EXPECT_EQ(parse_proxy("http://host:3128")->port, 3128);
  EXPECT_FALSE(parse_proxy("http://host:3128")->secure);
  EXPECT_TRUE(parse_proxy("https://host:3128")->secure);
  for (const char* text : {"", "http://", "http://user:12/secret@host:80", "http://host:x"})
    EXPECT_FALSE(parse_proxy(text)) << text;
}

TEST(Proxy, OfTheEnvironment) {
  std::map<std::string, std::string> variables;
  const auto named = [&](const char* scheme) {
    const auto proxy = proxy_of_environment(scheme, [&](const char* name) {
      const auto found = variables.find(name);
      return found == variables.end() ? nullptr : found->second.c_str();
    });
    return proxy ? proxy->name() : std::string("none");
  };
  EXPECT_EQ(named("http"), "none");
  variables = {{"ALL_PROXY", "all:1"}, {"HTTP_PROXY", "cgi:1"}};
  EXPECT_EQ(named("http"), "all:1");
  variables = {{"http_proxy", ""}, {"all_proxy", "all:2"}, {"HTTPS_PROXY", "upper:3"}};
  EXPECT_EQ(named("http"), "all:2");
  EXPECT_EQ(named("https"), "upper:3");
  variables["https_proxy"] = "lower:4";
  EXPECT_EQ(named("https"), "lower:4");
}

}  // namespace
}  // namespace r3map::http
