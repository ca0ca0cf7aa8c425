#include "http/header.hpp"

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace r3map::http {
namespace {

Result<Head> parse(std::initializer_list<std::string> lines) {
  HeadParser parser;
  for (const std::string& line : lines)
    if (Result<> taken = parser.line(line); !taken) return fail(taken.error());
  if (!parser.complete()) return fail(Code::internal, "incomplete");
  return parser.head();
}

TEST(HeadParser, StatusAndFields) {
  const Result<Head> head = parse({"HTTP/1.1 206 Partial Content\r\n", "ETag: \"a\"\r\n",
                                   "content-length:\t 10 \r\n", "Empty:\r\n", "\r\n"});
  ASSERT_TRUE(head) << head.error().message;
  EXPECT_EQ(head->status, 206);
  EXPECT_EQ(head->reason, "Partial Content");
  EXPECT_EQ(head->field("etag"), "\"a\"");
  EXPECT_EQ(head->field("Content-Length"), "10");
  EXPECT_EQ(head->field("empty"), "");
  EXPECT_EQ(head->field("absent"), "");
}

TEST(HeadParser, SkipsInterimAnswersAndTrailers) {
  const Result<Head> head =
      parse({"HTTP/1.1 103 Early Hints\r\n", "ETag: \"early\"\r\n", "\r\n", "HTTP/1.1 200\r\n",
             "ETag: \"late\"\r\n", "\r\n", "ETag: \"trailer\"\r\n", "\r\n"});
  ASSERT_TRUE(head) << head.error().message;
  EXPECT_EQ(head->status, 200);
  ASSERT_EQ(head->fields.size(), 1u);
  EXPECT_EQ(head->field("etag"), "\"late\"");
}

TEST(HeadParser, RefusesAnotherProtocol) {
  const Result<Head> head =
      parse({"HTTP/1.1 101 Switching Protocols\r\n", "Upgrade: h2c\r\n", "\r\n"});
  EXPECT_EQ(head.error().code, Code::protocol);
}

TEST(HeadParser, RefusesWhatIsNoHead) {
  for (const char* status : {"", "ICY 200 OK", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20",
                             "HTTP/1.1 abc", "HTTP/1.1 2000", "HTTP/1.1 -20 x", "HTTP/1.1 099 x"})
    EXPECT_FALSE(parse({std::string(status) + "\r\n", "\r\n"})) << status;
  for (const char* field : {"no colon", ": no name", "a b: space", "A : space", " folded: x",
                            "a\x01: control", "a: control\x01", "a: \x7f"})
    EXPECT_FALSE(parse({"HTTP/1.1 200 OK\r\n", std::string(field) + "\r\n", "\r\n"})) << field;
}

TEST(HeadParser, RefusesContradictions) {
  for (const char* name : {"Content-Length", "Content-Range", "ETag", "Last-Modified"}) {
    const std::string one = std::string(name) + ": 1\r\n", two = std::string(name) + ": 2\r\n";
    EXPECT_TRUE(parse({"HTTP/1.1 200 OK\r\n", one, one, "\r\n"})) << name;
    EXPECT_FALSE(parse({"HTTP/1.1 200 OK\r\n", one, two, "\r\n"})) << name;
  }
}

TEST(HeadParser, HasLimits) {
  HeadParser many;
  ASSERT_TRUE(many.line("HTTP/1.1 200 OK\r\n"));
  for (size_t i = 0; i < limits::kHeaderFields; ++i) ASSERT_TRUE(many.line("a: b\r\n"));
  EXPECT_EQ(many.line("a: b\r\n").error().code, Code::protocol);

  HeadParser interim;  // 1xx answers without end count as well
  Result<> taken;
  for (size_t i = 0; taken && i < limits::kHeaderBytes; ++i)
    taken = interim.line(i % 2 == 0 ? "HTTP/1.1 100 Continue\r\n" : "\r\n");
  EXPECT_FALSE(taken);
}

TEST(ContentRange, Good) {
  const auto full = parse_content_range("bytes 0-9/100");
  ASSERT_TRUE(full);
  EXPECT_EQ(full->range, (Range{0, 10}));
  EXPECT_EQ(full->total, 100u);
  EXPECT_EQ(parse_content_range("Bytes 5-5/6")->range, (Range{5, 1}));
  EXPECT_EQ(parse_content_range("bytes */0")->total, 0u);
  EXPECT_EQ(parse_content_range("bytes */0")->range, std::nullopt);
  EXPECT_EQ(parse_content_range("bytes 0-9/*")->total, std::nullopt);
  EXPECT_EQ(parse_content_range("bytes 0-18446744073709551613/18446744073709551615")->range->length,
            UINT64_MAX - 1);
}

TEST(ContentRange, Bad) {
  for (const char* text :
       {"", "bytes", "bytes ", "bytes 0-9", "0-9/10", "octets 0-9/10", "bytes 9-0/10",
        "bytes 0-10/10", "bytes */*", "bytes -5/10", "bytes 5-/10", "bytes 0-9/", "bytes 0-9/1x",
        "bytes +0-9/10", "bytes 0-9/-1", "bytes 0 - 9/10", "bytes 0-9/10/11", "bytes /10",
        "bytes 0-18446744073709551615/*", "bytes 0-18446744073709551616/*",
        "bytes 0-9/18446744073709551616"})
    EXPECT_FALSE(parse_content_range(text)) << text;
}

TEST(ContentLength, Values) {
  const auto of = [](const char* text) {
    return content_length(Head{200, "", {{"Content-Length", text}}});
  };
  EXPECT_EQ(**of("0"), 0u);
  EXPECT_EQ(**of("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(*content_length(Head{}), std::nullopt);
  for (const char* text : {"-1", "+1", "1 ", "0x10", "18446744073709551616", "1,1"})
    EXPECT_FALSE(of(text)) << text;
}

TEST(Etag, Values) {
  EXPECT_EQ(*parse_etag("\"abc\""), (Etag{"\"abc\"", false}));
  EXPECT_EQ(*parse_etag("W/\"abc\""), (Etag{"\"abc\"", true}));
  EXPECT_EQ(*parse_etag("\"\""), (Etag{"\"\"", false}));
  EXPECT_EQ(*parse_etag("abc"), (Etag{"abc", false}));
  for (const std::string& text :
       {std::string(), std::string("W/"), std::string("\""), std::string("\"a"),
        std::string("a\"b"),
        std::string("\"a b\""), std::string("\"a\"\""), std::string(limits::kEtagLength + 1, 'x')})
    EXPECT_FALSE(parse_etag(text)) << text;
}

TEST(RetryAfter, SecondsOrDate) {
  using std::chrono::seconds;
  const auto now = *parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(now.time_since_epoch(), seconds(784111777));
  EXPECT_EQ(parse_retry_after("120", now), seconds(120));
  EXPECT_EQ(parse_retry_after("0", now), seconds(0));
  EXPECT_EQ(parse_retry_after("4294967295", now), seconds(86400)) << "a day at most";
  EXPECT_EQ(parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", now), seconds(86400));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:40 GMT", now), seconds(3));
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:30 GMT", now), seconds(0));
  for (const char* text : {"", "-1", "soon", "1.5", "99999999999999999999",
                           "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 31 Feb 1994 08:49:37 GMT",
                           "Sun, 06 Nox 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
                           "Sun, 06 ovD 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT"})
    EXPECT_EQ(parse_retry_after(text, now), std::nullopt) << text;
}

}  // namespace
}  // namespace r3map::http
