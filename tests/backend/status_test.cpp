#include "backend/status.hpp"

#include <gtest/gtest.h>

namespace r3map::backend {
namespace {

http::Head head(int status, std::string reason = "") {
  http::Head head;
  head.status = status;
  head.reason = std::move(reason);
  return head;
}

TEST(Status, EachHasItsCode) {
  for (const auto& [status, code] : std::initializer_list<std::pair<int, Code>>{
           {401, Code::denied}, {403, Code::denied}, {404, Code::not_found},
           {410, Code::not_found}, {412, Code::stale}, {416, Code::out_of_range},
           {429, Code::busy}, {503, Code::busy}, {405, Code::unsupported}, {500, Code::io},
           {599, Code::io}, {304, Code::protocol}, {102, Code::protocol}, {0, Code::protocol}})
    EXPECT_EQ(code_of_status(status), code) << status;
  EXPECT_EQ(code_of_status(400), Code::unsupported) << "who knows whose mistake it was";
}

TEST(Status, WhatAPeerSaysIsShownPrintableAndShort) {
  EXPECT_EQ(shown("one\r\n\x1b[31mtwo\x7f"), "one   [31mtwo ");
  EXPECT_EQ(shown(std::string(200, 'x')), std::string(200, 'x'));
  EXPECT_EQ(shown(std::string(201, 'x')), std::string(200, 'x') + "…");
  EXPECT_EQ(status_text(head(403, "For\nbidden")), "403 For bidden");
  EXPECT_EQ(status_text(head(599)), "599");
}

TEST(Status, ATlsServerThatWasAskedWithoutIsKnownByItsWords) {
  for (const char* body : {
           "<center>The plain HTTP request was sent to HTTPS port</center>",
           "Client sent an HTTP request to an HTTPS server.\n",
           "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
       }) {
    EXPECT_TRUE(wants_tls(head(400), body)) << body;
    EXPECT_FALSE(wants_tls(head(403), body)) << body;
  }
  EXPECT_FALSE(wants_tls(head(400), "an HTTPS URL was expected"));
}

}  // namespace
}  // namespace r3map::backend
