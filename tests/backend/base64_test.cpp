#include "backend/base64.hpp"

#include <gtest/gtest.h>

namespace r3map::backend {
namespace {

// RFC 4648, 10.
TEST(Base64, BothWays) {
  const std::pair<const char*, const char*> rows[] = {
      {"", ""},         {"f", "Zg=="},         {"fo", "Zm8="},        {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : rows) {
    EXPECT_EQ(base64(bytes), text);
    EXPECT_EQ(from_base64(text), bytes);
  }
  const std::string binary("\0\xff\0", 3);
  EXPECT_EQ(from_base64(base64(binary)), binary);
}

TEST(Base64, Refusals) {
  for (const char* bad : {"Z", "Zg", "Zg=", "Zg==\n", " Zg==", "Zh==", "Z===", "====", "Zm9v!mFy",
                          "Zg==Zg==", "-_-_"})
    EXPECT_FALSE(from_base64(bad)) << bad;
}

}  // namespace
}  // namespace r3map::backend
