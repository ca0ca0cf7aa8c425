#include "region/fault_times.hpp"

#include <gtest/gtest.h>

#include "region/fake_memory.hpp"

namespace r3map::region {
namespace {

using namespace std::chrono_literals;
using test::pages;

const FaultTimes::Time kBegin{};

TEST(FaultTimes, NobodyWaitsAtFirst) {
  FaultTimes times;
  EXPECT_TRUE(times.answered({0, pages(100)}, kBegin).empty());
  EXPECT_EQ(times.histogram().count(), 0u);
}

TEST(FaultTimes, FromTheFirstThreadToTheLanding) {
  FaultTimes times;
  times.seen(pages(3), kBegin);
  times.seen(pages(3), kBegin + 5ms);
  times.seen(pages(9), kBegin);
  const auto answers = times.answered({pages(2), pages(3)}, kBegin + 8ms);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].offset, pages(3));
  EXPECT_EQ(answers[0].took, 8ms);
  EXPECT_TRUE(times.answered({pages(2), pages(3)}, kBegin + 9ms).empty());
  EXPECT_EQ(times.histogram().count(), 1u);
  EXPECT_EQ(times.histogram().max(), 8ms);
  EXPECT_EQ(times.answered({0, pages(100)}, kBegin + 9ms).size(), 1u);
  EXPECT_EQ(times.histogram().sum(), 17ms);
}

TEST(FaultTimes, TheTroubleSinceThenIsTold) {
  FaultTimes times;
  times.trouble("earlier", kBegin);
  times.seen(pages(1), kBegin + 1s);
  EXPECT_EQ(times.answered({0, pages(9)}, kBegin + 2s)[0].trouble, "");
  times.seen(pages(1), kBegin + 3s);
  times.trouble("503", kBegin + 4s);
  times.trouble("reset", kBegin + 5s);
  times.seen(pages(2), kBegin + 6s);
  const auto answers = times.answered({0, pages(9)}, kBegin + 7s);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].trouble, "reset");
  EXPECT_EQ(answers[1].trouble, "");
}

TEST(FaultTimes, WhatFailsIsNotAmongTheAnswered) {
  FaultTimes times;
  times.seen(pages(1), kBegin);
  EXPECT_EQ(times.failed(pages(1), kBegin + 2s), 2s);
  EXPECT_EQ(times.failed(pages(1), kBegin + 2s), 0s);
  EXPECT_TRUE(times.answered({0, pages(100)}, kBegin + 3s).empty());
  EXPECT_EQ(times.histogram().count(), 0u);
}

}  // namespace
}  // namespace r3map::region
