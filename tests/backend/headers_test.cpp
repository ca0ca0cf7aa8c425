#include "backend/headers.hpp"

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace r3map::backend {
namespace {

TEST(Headers, Fields) {
  const auto fields = parse_headers({{"header.X-One", "a: b, c"},
                                     {"header.cookie", "k=v"},
                                     {"bearer", "hf_abc-1._~+/="},
                                     {"pin", "none"}});
  ASSERT_TRUE(fields) << fields.error().message;
  std::string text;
  for (const http::Field& field : *fields) text += field.name + ": " + field.value + "\n";
  EXPECT_EQ(text, "Authorization: Bearer hf_abc-1._~+/=\nX-One: a: b, c\ncookie: k=v\n");
  EXPECT_TRUE(parse_headers({})->empty());
  EXPECT_TRUE(parse_headers({{"header.Authorization", "Negotiate abc"}}));
}

TEST(Headers, Refusals) {
  const std::pair<resource::Options, const char*> cases[] = {
      {{{"header.X", "a\r\nHost: evil"}}, "control characters"},
      {{{"header.X", std::string("a\0b", 3)}}, "control characters"},
      {{{"header.X", ""}}, "empty"},
      {{{"header.X Y", "a"}}, "no header field"},
      {{{"header.X:", "a"}}, "no header field"},
      {{{"header.X\r\nY", "a"}}, "no header field"},
      {{{"header.Range", "bytes=0-"}}, "own business"},
      {{{"header.RANGE", "bytes=0-"}}, "own business"},
      {{{"header.If-Match", "x"}}, "own business"},
      {{{"header.Host", "x"}}, "own business"},
      {{{"header.content-length", "1"}}, "own business"},
      {{{"header.Transfer-Encoding", "chunked"}}, "own business"},
      {{{"header.Accept-Encoding", "gzip"}}, "own business"},
      {{{"header.Proxy-Authorization", "Basic x"}}, "proxy=http"},
      {{{"header.X", "1"}, {"header.x", "2"}}, "twice"},
      {{{"bearer", "a"}, {"header.Authorization", "b"}}, "twice"},
      {{{"bearer", ""}}, "no token"},
      {{{"bearer", "a b"}}, "no token"},
      {{{"bearer", "topsecret\n"}}, "no token"},
      {{{"header.X", std::string(limits::kRequestHeaders, 'x')}}, "too long"},
  };
  for (const auto& [options, message] : cases) {
    const auto fields = parse_headers(options);
    ASSERT_FALSE(fields) << options.begin()->first;
    EXPECT_EQ(fields.error().code, Code::invalid);
    EXPECT_NE(fields.error().message.find(message), std::string::npos) << fields.error().message;
    EXPECT_EQ(fields.error().message.find("topsecret"), std::string::npos);
  }
}

}  // namespace
}  // namespace r3map::backend
