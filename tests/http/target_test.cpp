#include "http/target.hpp"

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace r3map::http {
namespace {

std::string parsed(const std::string& url) {
  const Result<Target> target = parse_target(url);
  return target ? target->url() : "refused";
}

TEST(Target, Urls) {
  EXPECT_EQ(parsed("http://Host/a/../b?x=1&y#frag"), "http://host/a/../b?x=1&y");
  EXPECT_EQ(parsed("HTTPS://host:443"), "https://host/");
  EXPECT_EQ(parsed("http://host:80/"), "http://host/");
  EXPECT_EQ(parsed("http://host:8080?q"), "http://host:8080/?q");
  EXPECT_EQ(parsed("http://[::1]:81/x"), "http://[::1]:81/x");
  EXPECT_EQ(parsed("http://[fe80::1%25eth0]/x"), "http://[fe80::1%25eth0]/x");
  EXPECT_EQ(parsed("http://h/a%20b%2Fc"), "http://h/a%20b%2Fc");
  for (const char* bad : {"", "http://", "http://[::1/", "ftp://h/", "file:///x", "http://a b/",
                          "http://h:99999/", "host/path"})
    EXPECT_EQ(parsed(bad), "refused") << bad;
}

std::string next(const char* from, const std::string& location) {
  const Result<Target> target = redirect_target(*parse_target(from), location);
  EXPECT_TRUE(target || target.error().code == Code::unsupported);
  return target ? target->url() : target.error().message;
}

TEST(Target, Redirects) {
  const char* const from = "https://host/a/b?c=d";
  EXPECT_EQ(next(from, "https://other:8443/x?y"), "https://other:8443/x?y");
  EXPECT_EQ(next(from, "//other/x"), "https://other/x");
  EXPECT_EQ(next(from, "/x y/\xc3\xa9"), "https://host/x%20y/%c3%a9");
  EXPECT_EQ(next(from, "x"), "https://host/a/x");
  EXPECT_EQ(next(from, "../x"), "https://host/x");
  EXPECT_EQ(next(from, "?e=f"), "https://host/a/b?e=f");
  EXPECT_EQ(next("http://host/", "https://host/"), "https://host/");
  EXPECT_EQ(next(from, "/signed?sig=a%2Fb%3D#f"), "https://host/signed?sig=a%2Fb%3D");
}

TEST(Target, RedirectsThatAreNotFollowed) {
  const char* const from = "https://host/a";
  const std::pair<std::string, const char*> cases[] = {
      {"http://host/a", "from https to http://host"},
      {"http://user:secret@other/", "user"},
      {"https://user:secret@other/", "user"},
      {"ftp://host/", "a redirect to ftp:"},
      {"file:///etc/passwd", "a redirect to file:"},
      {"javascript:alert(1)", "no http or https URL"},
      {"https://[::1", "no http or https URL"},
      {"https://host:0x50/", "no http or https URL"},
      {"/" + std::string(limits::kUrlLength, 'x'), "longer than"},
  };
  for (const auto& [location, message] : cases) {
    const std::string refusal = next(from, location);
    EXPECT_NE(refusal.find(message), std::string::npos) << location << ": " << refusal;
    EXPECT_EQ(refusal.find("secret"), std::string::npos);
  }
}

TEST(Target, AnOriginIsSchemeHostAndPort) {
  const auto origin = [](const char* url) { return parse_target(url)->origin(); };
  EXPECT_EQ(origin("http://Host:80/x"), origin("http://host/y"));
  EXPECT_NE(origin("http://host/"), origin("https://host/"));
  EXPECT_NE(origin("http://host/"), origin("http://host:81/"));
  EXPECT_NE(origin("http://host/"), origin("http://host.example/"));
}

}  // namespace
}  // namespace r3map::http
