// Regions under readers of every pattern: what they have to wait for, and what is fetched ahead.

#include <gtest/gtest.h>

#include <cstdio>

#include "region/fake_memory.hpp"
#include "region/region_fixture.hpp"
#include "region/trace.hpp"
#include "support/random.hpp"

namespace r3map::region {
namespace {

using resource::Urgency;
using test::eventually;
using test::get;
using test::pages;
using test::TestRegion;
using namespace std::chrono_literals;

constexpr uint64_t kMiB = 1 << 20;

class RegionReadersTest : public test::RegionFixture {
 protected:
  // Requests for which a thread waited from the beginning.
  size_t demands() const {
    size_t count = 0;
    for (const auto& one : control_->seen()) count += one.urgency == Urgency::demand;
    return count;
  }
  void touch_all(const TestRegion& region, const std::vector<uint64_t>& offsets) {
    for (const uint64_t offset : offsets) ASSERT_TRUE(region.touched(offset));
  }
};

TEST_F(RegionReadersTest, AStridedReaderWaitsForItsFirstPlacesOnly) {
  for (const int64_t step : {int64_t{1000}, int64_t{-1000}}) {
    const auto region = open({.size = 1 << 30});
    const size_t before = demands();
    uint64_t at = step > 0 ? 0 : (uint64_t{1} << 30) - kPage;
    for (int i = 0; i < 250; ++i, at += static_cast<uint64_t>(step) * kPage)
      ASSERT_TRUE(region->touched(at));
    EXPECT_LE(demands() - before, 6u) << step;
    EXPECT_LE(region->stats().fetched, 300u * (16 << 10)) << "only what lies there";
  }
}

TEST_F(RegionReadersTest, ABackwardReaderIsReadAheadOf) {
  const auto region = open({.size = 32 * kMiB});
  for (uint64_t at = 32 * kMiB; at > 0; at -= kPage) ASSERT_TRUE(region->touched(at - kPage));
  EXPECT_LE(demands(), 12u);
  EXPECT_EQ(region->stats().fetched, 32 * kMiB) << "nothing twice";
}

TEST_F(RegionReadersTest, ThreadsThatReadEachItsOwnWayAreToldApart) {
  constexpr uint64_t kEach = 256 * kMiB;
  const auto region = open({.size = 4 * kEach});
  std::vector<std::future<void>> readers;
  for (uint64_t reader = 0; reader < 4; ++reader)
    readers.push_back(std::async(std::launch::async, [&, reader] {
      for (uint64_t i = 0; i < 200; ++i) {
        const uint64_t step = pages(100 + 37 * reader) * i;
        EXPECT_TRUE(region->touched(reader * kEach + (reader % 2 ? kEach - kPage - step : step)));
      }
    }));
  for (auto& reader : readers) reader.get();
  EXPECT_LE(demands(), 60u);
}

TEST_F(RegionReadersTest, ARandomReaderGetsOnlyWhatItTouches) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  const auto region = open({.size = uint64_t{1} << 36});
  for (int i = 0; i < 400; ++i)
    ASSERT_TRUE(region->touched(random.below(uint64_t{1} << 24) << 12));
  const RegionStats stats = region->stats();
  EXPECT_LE(stats.fetched, 400u * 2 * kPage);
}

TEST_F(RegionReadersTest, PrefetchJoinsWhatLiesClose) {
  const auto region = open({.size = 64 * kMiB});
  std::vector<Range> rows;
  for (uint64_t i = 200; i > 0; --i) rows.push_back({i * 10'000, 3000});  // and in no order
  region->prefetch(rows);
  EXPECT_EQ(region->wait(), Code::ok);
  EXPECT_LE(control_->seen().size(), 10u);
  for (const Range row : rows) ASSERT_TRUE(region->matches(row));
  EXPECT_EQ(demands(), 0u);
}

TEST_F(RegionReadersTest, WhatATraceTellsIsThereAtTheNextOpen) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  const std::string path = testing::TempDir() + "/trace-" + std::to_string(random.below(1 << 30));
  std::vector<uint64_t> offsets;
  for (int i = 0; i < 200; ++i) offsets.push_back(random.below(1 << 18) << 12);
  {
    const auto region = open({.size = 1 << 30}, {.trace = path});
    touch_all(*region, offsets);
    std::vector<std::byte> bytes(100);
    EXPECT_EQ(region->read(pages(77), bytes), Code::ok);
    offsets.push_back(pages(77));
  }
  const Result<Trace> trace = read_trace(path);
  std::remove(path.c_str());
  ASSERT_TRUE(trace) << trace.error().message;
  EXPECT_EQ(trace->size, uint64_t{1} << 30);
  std::vector<Range> order;
  for (const TraceEntry& entry : trace->entries) order.push_back(entry.range);
  const auto region = open({.size = 1 << 30}, {.priority = order});
  EXPECT_EQ(region->wait(), Code::ok);
  const uint64_t faults = region->stats().faults;
  touch_all(*region, offsets);
  EXPECT_EQ(region->stats().faults, faults);
}

TEST_F(RegionReadersTest, ATraceThatRepeatsAnOrderKeepsIt) {
  const std::string path = testing::TempDir() + "/trace-again";
  const std::vector<Range> order = {{pages(100), pages(2)}, {pages(5), pages(1)}};
  {
    const auto region = open({.size = 4 * kMiB}, {.priority = order, .trace = path});
    EXPECT_EQ(region->wait(), Code::ok);
    touch_all(*region, {pages(100), pages(5)});
  }
  const Result<Trace> trace = read_trace(path);
  std::remove(path.c_str());
  ASSERT_TRUE(trace) << trace.error().message;
  ASSERT_EQ(trace->entries.size(), 2u);
  EXPECT_EQ(trace->entries[0].range, order[0]);
  EXPECT_EQ(trace->entries[1].range, order[1]);
}

TEST_F(RegionReadersTest, NoMoreIsUnderWayThanWasAllowed) {
  control_->add({.urgency = Urgency::pull, .block = true});
  const auto region = open({.size = 64 * kMiB, .parallel_requests = 8},
                           {.pull = Pull::all, .most_requests = 3, .most_bytes = kMiB});
  ASSERT_TRUE(eventually([&] { return control_->blocked() >= 1; }));
  EXPECT_TRUE(region->touched(32 * kMiB)) << "a fault is not bound by it";
  const RegionStats stats = region->stats();
  EXPECT_LE(stats.in_flight, kMiB + (16 << 10));
  EXPECT_LE(control_->blocked(), 3u);
  control_->unblock();
}

TEST_F(RegionReadersTest, ALateFaultIsAskedForAgain) {
  const auto region = open({.size = 1 << 30, .remote = true});
  test::Random random;
  SCOPED_TRACE(random.trace());
  control_->add({.delay = 1ms});  // a round trip
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(region->touched(random.below(1 << 17) << 12));
  control_->clear();
  const Range late{768 * kMiB, kMiB};
  control_->add({.where = late, .times = 1, .block = true});
  EXPECT_TRUE(region->touched(late.offset)) << "it would wait for ever";
  EXPECT_EQ(region->stats().hedged_requests, 1u);
  EXPECT_EQ(region->stats().failed_faults, 0u);
  control_->unblock();
}

TEST_F(RegionReadersTest, AReaderOfAReadaheadThatStallsGetsOnByOthers) {
  const auto region = open({.size = 1 << 30, .remote = true});
  test::Random random;
  SCOPED_TRACE(random.trace());
  control_->add({.delay = 1ms});  // a round trip
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(region->touched(random.below(1 << 17) << 12));
  control_->clear();
  // What is read ahead stalls, each time in the middle.
  control_->add(
      {.urgency = Urgency::readahead, .times = 2, .bytes_before = 100'000, .block = true});
  const uint64_t begin = 768 * kMiB;
  for (uint64_t at = begin; at < begin + 2 * kMiB; at += kPage) ASSERT_TRUE(region->touched(at));
  EXPECT_GE(region->stats().hedged_requests, 1u);
  control_->unblock();
}

TEST_F(RegionReadersTest, AnOpenThatFailsLeavesTheEarlierTrace) {
  const std::string path = testing::TempDir() + "/trace-kept";
  {
    const auto region = open({.size = kMiB}, {.trace = path});
    EXPECT_TRUE(region->touched(0));
  }
  control_->add({.error = Code::io});
  RegionOptions options;
  options.trace = path;
  EXPECT_FALSE(try_open(misbehaving({.size = kMiB}), options, test::MemoryKind::plain));
  const Result<Trace> trace = read_trace(path);
  std::remove(path.c_str());
  ASSERT_TRUE(trace) << trace.error().message;
  EXPECT_EQ(trace->entries.size(), 1u);
}

TEST_F(RegionReadersTest, FetchLimitsBindCallsAndNotFaults) {
  control_->add({.urgency = Urgency::require, .block = true});
  const auto region = open({.size = 64 * kMiB}, {.most_requests = 1, .most_bytes = 4096});
  auto call = std::async(std::launch::async, [&] { return region->populate({0, kMiB}); });
  ASSERT_TRUE(someone_is_blocked());
  EXPECT_TRUE(region->touched(32 * kMiB));
  EXPECT_EQ(control_->blocked(), 1u);
  const auto seen = control_->seen();
  EXPECT_EQ(seen.front().range.length, 4096u);
  EXPECT_EQ(seen.back().range.length, uint64_t{16} << 10) << "a whole granule";
  control_->unblock();
  EXPECT_EQ(get(call), Code::ok);
}

}  // namespace
}  // namespace r3map::region
