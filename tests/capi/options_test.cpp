// Options, errors and the version.

#include <cerrno>

#include <fstream>

#include "capi/support.hpp"

namespace r3map::test {
namespace {

TEST(Errors, EveryCodeHasANameAndAnErrno) {
  struct {
    int code;
    const char* name;
    int number;
  } const known[] = {
      {R3MAP_OK, "R3MAP_OK", 0},
      {R3MAP_EINVAL, "R3MAP_EINVAL", EINVAL},
      {R3MAP_ENOENT, "R3MAP_ENOENT", ENOENT},
      {R3MAP_EACCES, "R3MAP_EACCES", EACCES},
      {R3MAP_EIO, "R3MAP_EIO", EIO},
      {R3MAP_ETIMEDOUT, "R3MAP_ETIMEDOUT", ETIMEDOUT},
      {R3MAP_ESTALE, "R3MAP_ESTALE", ESTALE},
      {R3MAP_ENOMEM, "R3MAP_ENOMEM", ENOMEM},
      {R3MAP_ECANCELED, "R3MAP_ECANCELED", ECANCELED},
      {R3MAP_EBADF, "R3MAP_EBADF", EBADF},
      {R3MAP_ENOTSUP, "R3MAP_ENOTSUP", EOPNOTSUPP},
      {R3MAP_EPROTO, "R3MAP_EPROTO", EPROTO},
      {R3MAP_ENETWORK, "R3MAP_ENETWORK", ECONNABORTED},
      {R3MAP_ERANGE, "R3MAP_ERANGE", ERANGE},
      {R3MAP_EROFS, "R3MAP_EROFS", EROFS},
      {R3MAP_EDEADLK, "R3MAP_EDEADLK", EDEADLK},
      {R3MAP_EFORKED, "R3MAP_EFORKED", EBADF},
      {R3MAP_EBUSY, "R3MAP_EBUSY", EBUSY},
      {R3MAP_EINTERNAL, "R3MAP_EINTERNAL", EIO},
  };
  int code = 0;
  for (const auto& one : known) {
    EXPECT_EQ(one.code, code--) << "codes are part of the ABI";
    EXPECT_STREQ(r3map_error_name(one.code), one.name);
    EXPECT_EQ(r3map_error_errno(one.code), one.number) << one.name;
  }
  for (const int unknown : {1, -19, -1000, INT32_MAX, INT32_MIN}) {
    EXPECT_STREQ(r3map_error_name(unknown), "R3MAP_EUNKNOWN");
    EXPECT_NE(r3map_error_errno(unknown), 0);
  }
}

TEST(Urls, AreShownWithoutWhatIsSecret) {
  char text[64];
  const auto shown = [&](const char* url) {
    const int length = r3map_url_shown(url, text, sizeof text);
    EXPECT_EQ(length, r3map_url_shown(url, nullptr, 0));
    return std::string(text);
  };
  EXPECT_EQ(shown("http://user:secret@host/x"), "http://user:***@host/x");
  EXPECT_EQ(shown("https://host/x?X-Amz-Signature=secret"), "https://host/x?***");
  EXPECT_EQ(shown("s3://bucket/key?x"), "s3://bucket/key?x");
  EXPECT_EQ(shown("user:secret"), "user:secret") << "a scheme, if anything";
  EXPECT_EQ(shown("no URL"), "");
  EXPECT_EQ(shown(""), "");
  EXPECT_EQ(r3map_url_shown("http://host/x", text, 5), 13);
  EXPECT_STREQ(text, "http");
  EXPECT_EQ(r3map_url_shown(nullptr, text, sizeof text), R3MAP_EINVAL);
}

TEST(Errors, TheVersionIsThree) {
  int major = -1, minor = -1, patch = -1, end = 0;
  ASSERT_EQ(std::sscanf(r3map_version(), "%d.%d.%d%n", &major, &minor, &patch, &end), 3);
  EXPECT_EQ(r3map_version()[end], '\0');
}

TEST(Errors, MessagesBelongToTheirThread) {
  r3map_region* region = nullptr;
  EXPECT_FAILS(R3MAP_EINVAL, "unknown scheme 'one'", r3map_region_open(&region, "one:1", nullptr));
  std::thread([&] {
    EXPECT_STREQ(r3map_last_error_message(), "");
    EXPECT_FAILS(R3MAP_EINVAL, "unknown scheme 'two'",
                 r3map_region_open(&region, "two:2", nullptr));
  }).join();
  EXPECT_NE(message().find("'one'"), std::string::npos);
}

TEST(Errors, AMessageStaysUntilTheNextFailure) {
  EXPECT_FAILS(R3MAP_EINVAL, "NULL", r3map_options_new(nullptr));
  const Options options = new_options();
  EXPECT_NE(message().find("NULL"), std::string::npos);
}

TEST(OptionsSet, ChunkSizesArePowersOfTwo) {
  const Options options = new_options();
  for (uint64_t good = 4096; good <= uint64_t{1} << 30; good *= 2)
    EXPECT_EQ(r3map_options_set_chunk_size(options.get(), good), R3MAP_OK) << good;
  EXPECT_EQ(r3map_options_set_chunk_size(options.get(), 0), R3MAP_OK);
  for (const uint64_t bad : {uint64_t{1}, uint64_t{2048}, uint64_t{4095}, uint64_t{4097},
                             uint64_t{12288}, uint64_t{1} << 31, UINT64_MAX})
    EXPECT_FAILS(R3MAP_EINVAL, "chunk size " + std::to_string(bad),
                 r3map_options_set_chunk_size(options.get(), bad));
}

TEST(OptionsSet, ABudgetIsAMebibyteAtLeast) {
  const Options options = new_options();
  for (const uint64_t good : {uint64_t{0}, uint64_t{1} << 20, UINT64_MAX})
    EXPECT_EQ(r3map_options_set_budget(options.get(), good), R3MAP_OK) << good;
  for (const uint64_t bad : {uint64_t{1}, (uint64_t{1} << 20) - 1})
    EXPECT_FAILS(R3MAP_EINVAL, "budget", r3map_options_set_budget(options.get(), bad));
}

TEST(OptionsSet, AnyDeadlineGoes) {
  const Options options = new_options();
  for (const uint64_t deadline : {uint64_t{0}, uint64_t{1}, UINT64_MAX, UINT64_MAX / 1000}) {
    EXPECT_EQ(r3map_options_set_deadline(options.get(), deadline), R3MAP_OK);
    if (deadline == 1) continue;
    const Region region = open_region("memory:64K", options);
    EXPECT_EQ(r3map_region_populate(region.get(), 0, 65536), R3MAP_OK) << deadline;
  }
}

TEST(OptionsSet, PullIsOneOfThree) {
  const Options options = new_options();
  for (const int good : {R3MAP_PULL_NONE, R3MAP_PULL_READAHEAD, R3MAP_PULL_ALL})
    EXPECT_EQ(r3map_options_set_pull(options.get(), good), R3MAP_OK);
  for (const int bad : {-1, 3, INT32_MAX})
    EXPECT_FAILS(R3MAP_EINVAL, "pull", r3map_options_set_pull(options.get(), bad));
}

TEST(OptionsSet, PriorityIsBounded) {
  const Options options = new_options();
  const r3map_range range{UINT64_MAX, UINT64_MAX};
  EXPECT_EQ(r3map_options_set_priority(options.get(), &range, 1), R3MAP_OK);
  EXPECT_EQ(r3map_options_set_priority(options.get(), nullptr, 0), R3MAP_OK);
  EXPECT_FAILS(R3MAP_EINVAL, "priority", r3map_options_set_priority(options.get(), nullptr, 1));
  EXPECT_FAILS(R3MAP_EINVAL, "priority",
               r3map_options_set_priority(options.get(), &range, (1 << 20) + 1));
}

TEST(OptionsSet, PathsAreBoundedAndAPullOrderIsReadAtOnce) {
  const Options options = new_options();
  const std::string too_long(4096, 'x');
  EXPECT_FAILS(R3MAP_EINVAL, "path", r3map_options_set_trace(options.get(), too_long.c_str()));
  EXPECT_FAILS(R3MAP_EINVAL, "path", r3map_options_set_pull_order(options.get(), too_long.c_str()));
  EXPECT_FAILS(R3MAP_ENOENT, "/no/such/trace",
               r3map_options_set_pull_order(options.get(), "/no/such/trace"));
  EXPECT_FAILS(R3MAP_EINVAL, "not a file", r3map_options_set_pull_order(options.get(), "/dev/null"));
  for (const char* none : {static_cast<const char*>(nullptr), ""}) {
    EXPECT_EQ(r3map_options_set_trace(options.get(), none), R3MAP_OK);
    EXPECT_EQ(r3map_options_set_pull_order(options.get(), none), R3MAP_OK);
  }
}

TEST(Trace, IsReadForTools) {
  const TempFile file(0);
  std::ofstream(file.path()) << "r3map-trace 1 1000000\n0 4096 1\n8192 100 22\n";
  uint64_t size = 0;
  r3map_trace_entry entries[3] = {};
  EXPECT_EQ(r3map_trace_read(file.path().c_str(), &size, nullptr, 0), 2);
  EXPECT_EQ(size, 1'000'000u);
  EXPECT_EQ(r3map_trace_read(file.path().c_str(), &size, entries, 1), 2);
  EXPECT_EQ(entries[1].length, 0u);
  EXPECT_EQ(r3map_trace_read(file.path().c_str(), &size, entries, 3), 2);
  EXPECT_EQ(entries[1].offset, 8192u);
  EXPECT_EQ(entries[1].length, 100u);
  EXPECT_EQ(entries[1].milliseconds, 22u);
}

TEST(Trace, RefusesWhatIsNone) {
  uint64_t size = 0;
  EXPECT_FAILS(R3MAP_EINVAL, "NULL", r3map_trace_read(nullptr, &size, nullptr, 0));
  EXPECT_FAILS(R3MAP_EINVAL, "NULL", r3map_trace_read("/dev/null", nullptr, nullptr, 0));
  EXPECT_FAILS(R3MAP_EINVAL, "NULL", r3map_trace_read("/dev/null", &size, nullptr, 1));
  EXPECT_FAILS(R3MAP_ENOENT, "/no/such", r3map_trace_read("/no/such/trace", &size, nullptr, 0));
  EXPECT_FAILS(R3MAP_EINVAL, "not a file", r3map_trace_read("/dev/null", &size, nullptr, 0));
}

TEST(OptionsSet, FetchLimitsAreAtLeastAPage) {
  const Options options = new_options();
  EXPECT_EQ(r3map_options_set_fetch_limits(options.get(), 0, 0), R3MAP_OK);
  EXPECT_EQ(r3map_options_set_fetch_limits(options.get(), UINT64_MAX, UINT64_MAX), R3MAP_OK);
  EXPECT_EQ(r3map_options_set_fetch_limits(options.get(), 1, 4096), R3MAP_OK);
  EXPECT_FAILS(R3MAP_EINVAL, "4 KiB", r3map_options_set_fetch_limits(options.get(), 1, 4095));
}

TEST(OptionsSet, TextsAreBounded) {
  const Options options = new_options();
  const auto set = [&](const char* name, const char* value) {
    return r3map_options_set(options.get(), name, value);
  };
  EXPECT_FAILS(R3MAP_EINVAL, "NULL", set(nullptr, "x"));
  EXPECT_FAILS(R3MAP_EINVAL, "NULL", set("x", nullptr));
  EXPECT_EQ(set("", "x"), R3MAP_EINVAL);
  EXPECT_EQ(set(std::string(64, 'n').c_str(), std::string(16 << 10, 'v').c_str()), R3MAP_OK);
  EXPECT_FAILS(R3MAP_EINVAL, "too long", set(std::string(65, 'n').c_str(), "x"));
  EXPECT_FAILS(R3MAP_EINVAL, "too long", set("x", std::string((16 << 10) + 1, 'v').c_str()));
  for (int i = 1; i < 64; ++i) EXPECT_EQ(set(("n" + std::to_string(i)).c_str(), ""), R3MAP_OK);
  EXPECT_FAILS(R3MAP_EINVAL, "too many", set("one more", ""));
  EXPECT_EQ(set("n7", "once more"), R3MAP_OK);
}

TEST(OptionsSet, AreCopiedByWhatIsOpened) {
  Options options = new_options();
  EXPECT_EQ(r3map_options_set_budget(options.get(), 2 << 20), R3MAP_OK);
  const Region first = open_region("memory:8M", options);
  EXPECT_EQ(r3map_options_set_budget(options.get(), 4 << 20), R3MAP_OK);
  const Region second = open_region("memory:8M", options);
  options.reset();
  EXPECT_EQ(stats_of(first).budget, 2u << 20);
  EXPECT_EQ(stats_of(second).budget, 4u << 20);
}

TEST(OptionsSet, UnknownOnesAreFoundOutByTheOpenAndTheNearestIsNamed) {
  r3map_resource* resource = nullptr;
  const Options options = new_options();
  EXPECT_EQ(r3map_options_set(options.get(), "verfiy", "false"), R3MAP_OK);
  EXPECT_FAILS(R3MAP_EINVAL, "did you mean 'verify'?",
               r3map_resource_open(&resource, "http://localhost/", options.get()));
  EXPECT_FAILS(R3MAP_EINVAL, "unknown option 'verfiy' for memory:",
               r3map_resource_open(&resource, "memory:1M", options.get()));
  EXPECT_EQ(resource, nullptr);
}

}  // namespace
}  // namespace r3map::test
