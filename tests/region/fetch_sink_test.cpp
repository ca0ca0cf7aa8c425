#include "region/fetch_sink.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include <cstring>

#include "region/fake_memory.hpp"
#include "support/random.hpp"

namespace r3map::region {
namespace {

using test::FakeMemory;
using test::pages;

void nothing(Range) {}

TEST(FetchSink, AnySlicingOfTheBytesYieldsTheSamePages) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  for (int round = 0; round < 400; ++round) {
    const uint64_t size = random.between(1, pages(12));
    const uint64_t capacity = align_up(size, kPage);
    const uint64_t first = random.below(capacity / kPage);
    const Range range{pages(first), pages(random.between(1, capacity / kPage - first))};
    FakeMemory memory(capacity);
    Fill fill(memory);
    const std::vector<std::byte> object = random.bytes(size);
    const uint64_t generation = fill.begin(range);
    int progress = 0;
    std::atomic<uint64_t> received = 0;
    FetchSink sink(fill, generation, range, size, random.one_in(2), received,
                   [&](Range) { ++progress; });
    const Range wanted = intersect(range, {0, size});
    const uint64_t most = random.one_in(2) ? pages(5) : random.between(1, 3 * kPage);
    for (uint64_t at = wanted.offset; at < wanted.end();) {
      const uint64_t count = random.between(1, std::min(most, wanted.end() - at));
      sink.bytes(at, std::span(object).subspan(at, count));
      if (random.one_in(4)) sink.drained();
      at += count;
    }
    ASSERT_TRUE(sink.result());
    ASSERT_EQ(received, wanted.length);
    ASSERT_EQ(sink.landed(), range.length);
    ASSERT_GT(progress, 0);
    ASSERT_TRUE(fill.is_resident(range));
    ASSERT_TRUE(fill.end(generation, range).empty());
    ASSERT_EQ(std::memcmp(memory.data() + range.offset, object.data() + range.offset,
                          wanted.length),
              0);
    for (uint64_t at = wanted.end(); at < range.end(); ++at)
      ASSERT_EQ(memory.data()[at], std::byte{}) << "past the end at " << at;
  }
}

TEST(FetchSink, WhatIsNotAWholePageDoesNotLand) {
  FakeMemory memory(pages(4));
  Fill fill(memory);
  const uint64_t generation = fill.begin({0, pages(4)});
  std::atomic<uint64_t> received = 0;
  FetchSink sink(fill, generation, {0, pages(4)}, pages(4), false, received, nothing);
  const std::vector<std::byte> data(pages(2) - 1, std::byte{9});
  sink.bytes(0, data);
  EXPECT_EQ(sink.landed(), 0u) << "too little to be worth a system call";
  sink.drained();
  EXPECT_EQ(sink.landed(), pages(1));
  EXPECT_EQ(received, pages(2) - 1);
  EXPECT_EQ(fill.end(generation, {0, pages(4)}), (std::vector<Range>{{pages(1), pages(3)}}));
}

TEST(FetchSink, WhatAnotherRequestHasTakenOverIsNotToldAsHere) {
  FakeMemory memory(pages(4));
  Fill fill(memory);
  const uint64_t generation = fill.begin({0, pages(4)});
  fill.take_away({pages(1), pages(1)});
  fill.begin({pages(1), pages(1)});
  std::vector<Range> here;
  std::atomic<uint64_t> received = 0;
  FetchSink sink(fill, generation, {0, pages(4)}, pages(4), false, received,
                 [&](Range range) { here.push_back(range); });
  sink.bytes(0, std::vector<std::byte>(pages(4)));
  EXPECT_EQ(here, (std::vector<Range>{{0, pages(1)}, {pages(2), pages(2)}}));
  EXPECT_EQ(sink.landed(), pages(3));
}

TEST(FetchSink, TheFirstPageLandsAloneForWhoWaitsForIt) {
  FakeMemory memory(pages(8));
  Fill fill(memory);
  const uint64_t generation = fill.begin({0, pages(8)});
  std::atomic<uint64_t> received = 0;
  FetchSink sink(fill, generation, {0, pages(8)}, pages(8), true, received, nothing);
  const std::vector<std::byte> data(pages(8));
  sink.bytes(0, data);
  EXPECT_EQ(memory.landings(), (std::vector<Range>{{0, pages(1)}, {pages(1), pages(7)}}));
}

TEST(FetchSink, WholePagesLandInOnePiece) {
  FakeMemory memory(pages(64));
  Fill fill(memory);
  const uint64_t generation = fill.begin({0, pages(64)});
  std::atomic<uint64_t> received = 0;
  FetchSink sink(fill, generation, {0, pages(64)}, pages(64), false, received, nothing);
  const std::vector<std::byte> data(pages(64));
  sink.bytes(0, data);
  EXPECT_EQ(memory.landings(), (std::vector<Range>{{0, pages(64)}}));
}

TEST(FetchSink, SmallPiecesAreCollected) {
  FakeMemory memory(pages(64));
  Fill fill(memory);
  const uint64_t generation = fill.begin({0, pages(64)});
  std::atomic<uint64_t> received = 0;
  FetchSink sink(fill, generation, {0, pages(64)}, pages(64), false, received, nothing);
  const std::vector<std::byte> data(1000);
  for (uint64_t at = 0; at < pages(64);) {
    const uint64_t count = std::min<uint64_t>(data.size(), pages(64) - at);
    sink.bytes(at, std::span(data).first(count));
    at += count;
  }
  EXPECT_EQ(memory.landings(), (std::vector<Range>{{0, pages(32)}, {pages(32), pages(32)}}));
}

TEST(FetchSink, AFailureToLandIsKeptAndWhatLandedIsCounted) {
  FakeMemory memory(pages(8));
  Fill fill(memory);
  const uint64_t generation = fill.begin({0, pages(8)});
  fill.take_away({pages(2), pages(1)});
  memory.fail_landing({pages(6), pages(1)});
  std::atomic<uint64_t> received = 0;
  FetchSink sink(fill, generation, {0, pages(8)}, pages(8), false, received, nothing);
  const std::vector<std::byte> data(pages(8));
  sink.bytes(0, data);
  ASSERT_FALSE(sink.result());
  EXPECT_EQ(sink.result().error().code, Code::io);
  EXPECT_EQ(sink.landed(), fill.resident_bytes());
}

TEST(FetchSink, WhatWasTakenAwayIsReceivedButDoesNotLand) {
  FakeMemory memory(pages(4));
  Fill fill(memory);
  const uint64_t generation = fill.begin({0, pages(4)});
  fill.take_away({pages(1), pages(2)});
  std::atomic<uint64_t> received = 0;
  FetchSink sink(fill, generation, {0, pages(4)}, pages(4), false, received, nothing);
  const std::vector<std::byte> data(pages(4));
  sink.bytes(0, data);
  EXPECT_EQ(received, pages(4));
  EXPECT_EQ(sink.landed(), pages(2));
  EXPECT_FALSE(memory.present(pages(1)));
}

}  // namespace
}  // namespace r3map::region
