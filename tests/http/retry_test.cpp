#include "http/retry.hpp"

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace r3map::http {
namespace {

using namespace std::chrono_literals;
using loop::Clock;

const Clock::time_point kNow{1000s};

TEST(Retry, BacksOffWithFullJitter) {
  Retry::Random random(1);
  Clock::duration longest{};
  for (int run = 0; run < 200; ++run) {
    Retry retry(loop::kNever, 0, random);
    Clock::duration bound = 50ms;
    for (int failure = 0; failure < 12; ++failure) {
      const auto delay = retry.next(Code::network, {}, kNow);
      ASSERT_TRUE(delay);
      EXPECT_GE(*delay, 0ms);
      EXPECT_LE(*delay, std::min<Clock::duration>(bound, 5s));
      longest = std::max(longest, *delay);
      bound *= 2;
    }
  }
  EXPECT_GT(longest, 4s);
}

TEST(Retry, GivesUpWhatIsPermanent) {
  Retry::Random random(1);
  for (Code code : {Code::invalid, Code::not_found, Code::denied, Code::stale, Code::canceled,
                    Code::unsupported, Code::out_of_range})
    EXPECT_FALSE(Retry(loop::kNever, 0, random).next(code, {}, kNow)) << code_name(code);
}

TEST(Retry, CountsAttempts) {
  Retry::Random random(1);
  Retry retry(loop::kNever, 3, random);
  EXPECT_TRUE(retry.next(Code::io, {}, kNow));
  EXPECT_TRUE(retry.next(Code::io, {}, kNow));
  EXPECT_FALSE(retry.next(Code::io, {}, kNow));

  Retry broken(loop::kNever, 0, random);
  int attempts = 1;
  while (broken.next(Code::protocol, {}, kNow)) ++attempts;
  EXPECT_EQ(attempts, limits::kOpenAttempts);
}

TEST(Retry, ProgressStartsAnew) {
  Retry::Random random(1);
  Retry retry(loop::kNever, 2, random);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(retry.next(Code::network, {}, kNow));
    retry.progress();
  }
}

TEST(Retry, StaysBeforeTheDeadline) {
  Retry::Random random(1);
  Retry retry(kNow + 100ms, 0, random);
  for (int i = 0; i < 20; ++i) {
    const auto delay = retry.next(Code::network, {}, kNow);
    ASSERT_TRUE(delay);
    EXPECT_LT(*delay, 100ms);
  }
  EXPECT_FALSE(retry.next(Code::network, {}, kNow + 90ms)) << "hardly time for an answer";
  EXPECT_FALSE(retry.next(Code::network, {}, kNow + 100ms));
  EXPECT_FALSE(retry.next(Code::network, {}, kNow + 101ms));
  EXPECT_FALSE(retry.out_of_time(kNow));
  EXPECT_TRUE(retry.out_of_time(kNow + 90ms));
  EXPECT_TRUE(retry.out_of_time(kNow + 101ms));
  EXPECT_FALSE(Retry(loop::kNever, 0, random).out_of_time(kNow));
}

TEST(Retry, HonoursRetryAfterUpToTheDeadline) {
  Retry::Random random(1);
  Retry retry(kNow + 10s, 0, random);
  EXPECT_GE(*retry.next(Code::busy, 3s, kNow), 3s);
  EXPECT_LT(*retry.next(Code::busy, 3s, kNow), 10s);
  EXPECT_FALSE(retry.next(Code::busy, 10s, kNow));
  EXPECT_TRUE(Retry(loop::kNever, 0, random).next(Code::busy, 4294967295s, kNow));
}

}  // namespace
}  // namespace r3map::http
