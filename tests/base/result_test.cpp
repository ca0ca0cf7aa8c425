#include "base/result.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <set>
#include <string>

namespace r3map {
namespace {

// Every code, with its value in the C ABI and the errno a language's binding shows.
struct Row {
  Code code;
  int value;
  const char* name;
  int number;
};
constexpr Row kRows[] = {
    {Code::ok, 0, "OK", 0},
    {Code::invalid, -1, "EINVAL", EINVAL},
    {Code::not_found, -2, "ENOENT", ENOENT},
    {Code::denied, -3, "EACCES", EACCES},
    {Code::io, -4, "EIO", EIO},
    {Code::timed_out, -5, "ETIMEDOUT", ETIMEDOUT},
    {Code::stale, -6, "ESTALE", ESTALE},
    {Code::no_memory, -7, "ENOMEM", ENOMEM},
    {Code::canceled, -8, "ECANCELED", ECANCELED},
    {Code::bad_handle, -9, "EBADF", EBADF},
    {Code::unsupported, -10, "ENOTSUP", ENOTSUP},
    {Code::protocol, -11, "EPROTO", EPROTO},
    {Code::network, -12, "ENETWORK", ECONNABORTED},
    {Code::out_of_range, -13, "ERANGE", ERANGE},
    {Code::read_only, -14, "EROFS", EROFS},
    {Code::deadlock, -15, "EDEADLK", EDEADLK},
    {Code::forked, -16, "EFORKED", EBADF},
    {Code::busy, -17, "EBUSY", EBUSY},
    {Code::internal, -18, "EINTERNAL", EIO},
};

TEST(Result, EveryCodeHasItsValueNameAndErrno) {
  int expected = 0;
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.name);
    EXPECT_EQ(row.value, expected--) << "a row is missing";
    EXPECT_EQ(static_cast<int>(row.code), row.value);
    EXPECT_EQ(code_name(row.code), row.name);
    EXPECT_EQ(code_errno(row.code), row.number);
  }
  // Fails when a code is added that has no row above.
  EXPECT_EQ(code_name(static_cast<Code>(expected)), "EUNKNOWN");
}

TEST(Result, NamesAreDistinct) {
  std::set<std::string_view> names;
  for (const Row& row : kRows) names.insert(code_name(row.code));
  EXPECT_EQ(names.size(), std::size(kRows));
}

TEST(Result, AnUnknownCodeIsStillAnError) {
  EXPECT_EQ(code_name(static_cast<Code>(-1000)), "EUNKNOWN");
  EXPECT_EQ(code_errno(static_cast<Code>(-1000)), EIO);
}

TEST(Result, ErrnoBecomesACode) {
  const std::map<int, Code> expected = {
      {ENOENT, Code::not_found},    {ENXIO, Code::not_found},     {ENODEV, Code::not_found},
      {ENOTDIR, Code::not_found},   {EACCES, Code::denied},       {EPERM, Code::denied},
      {EINVAL, Code::invalid},      {EISDIR, Code::invalid},      {ENAMETOOLONG, Code::invalid},
      {ELOOP, Code::invalid},       {ENOMEM, Code::no_memory},    {EAGAIN, Code::no_memory},
      {EROFS, Code::read_only},     {EBUSY, Code::busy},          {ENOSYS, Code::unsupported},
      {ENOTSUP, Code::unsupported}, {ETIMEDOUT, Code::timed_out}, {ESTALE, Code::stale},
      {EIO, Code::io},              {ENOSPC, Code::io},           {EBADF, Code::io},
  };
  for (const auto& [number, code] : expected) {
    const tl::expected<void, Error> result = fail_errno("what", number);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, code) << "errno " << number << ", " << result.error().message;
  }
}

TEST(Result, AnErrnosMessageSaysWhatAndWhy) {
  const Result<> result = fail_errno("can't open the file", ENOENT);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, "can't open the file: No such file or directory");
}

TEST(Result, AFailureFitsEveryType) {
  const auto number = []() -> Result<int> { return fail(Code::stale, "changed"); };
  const auto text = [&]() -> Result<std::string> { return fail(number().error()); };
  ASSERT_FALSE(text());
  EXPECT_EQ(text().error().code, Code::stale);
  EXPECT_EQ(text().error().message, "changed");
}

TEST(Result, OnlyThePeersTroubleIsWorthAnotherTry) {
  const std::set<Code> transient = {Code::network, Code::busy, Code::timed_out, Code::io,
                                    Code::protocol};
  for (const Row& row : kRows)
    EXPECT_EQ(is_transient(row.code), transient.contains(row.code)) << row.name;
}

}  // namespace
}  // namespace r3map
