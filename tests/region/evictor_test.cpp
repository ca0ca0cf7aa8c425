#include "region/evictor.hpp"

#include <gtest/gtest.h>

#include "region/fake_memory.hpp"
#include "support/random.hpp"

namespace r3map::region {
namespace {

using test::FakeMemory;
using test::pages;

class EvictorTest : public testing::Test {
 protected:
  static constexpr uint64_t kPages = 1024;

  // As the fetcher does it.
  void arrive(Evictor& evictor, Fill& fill, Range range) {
    evictor.reserve_anyway(range.length);
    const uint64_t generation = fill.begin(range);
    const std::vector<std::byte> bytes(range.length);
    ASSERT_EQ(fill.land(generation, range.offset, bytes).bytes, range.length);
    evictor.arrived(range);
  }

  Budget budget_{pages(kPages * 4)};
  FakeMemory memory_{pages(kPages)};
  Fill fill_{memory_};
  Pins pins_;
};

TEST_F(EvictorTest, TheOldestGoesFirst) {
  Evictor evictor(budget_, pages(600), fill_, pins_, [](Range) {});
  arrive(evictor, fill_, {pages(600), pages(300)});
  arrive(evictor, fill_, {pages(0), pages(300)});
  EXPECT_TRUE(evictor.reserve(pages(100)));
  EXPECT_TRUE(fill_.is_resident({0, pages(300)}));
  EXPECT_FALSE(memory_.present(pages(600)));
  EXPECT_EQ(evictor.used(), fill_.resident_bytes() + pages(100));
  EXPECT_EQ(evictor.evicted_bytes(), pages(600) - fill_.resident_bytes());
}

TEST_F(EvictorTest, PinnedPagesStayAndGoWhenTheyArePinnedNoMore) {
  Evictor evictor(budget_, pages(600), fill_, pins_, [](Range) {});
  arrive(evictor, fill_, {0, pages(600)});
  pins_.add({pages(100), pages(450)});
  EXPECT_TRUE(evictor.reserve(pages(150)));
  EXPECT_TRUE(fill_.is_resident({pages(100), pages(450)}));
  EXPECT_FALSE(evictor.reserve(pages(1)));
  EXPECT_TRUE(pins_.remove({pages(100), pages(450)}));
  EXPECT_TRUE(evictor.reserve(pages(450)));
  EXPECT_EQ(fill_.resident_bytes(), 0u);
}

TEST_F(EvictorTest, ARangeIsGivenBackButForItsPins) {
  Evictor evictor(budget_, 0, fill_, pins_, [](Range) {});
  arrive(evictor, fill_, {0, pages(20)});
  pins_.add({pages(5), pages(2)});
  evictor.evict_range({pages(2), pages(10)});
  EXPECT_EQ(fill_.resident_bytes(), pages(12));
  EXPECT_TRUE(fill_.is_resident({pages(5), pages(2)}));
  EXPECT_FALSE(memory_.present(pages(11)));
  EXPECT_TRUE(memory_.present(pages(12)));
  EXPECT_EQ(evictor.used(), pages(12));
  EXPECT_EQ(evictor.evicted_bytes(), pages(8));
}

TEST_F(EvictorTest, TellsWhatWasGivenBackAndNothingElse) {
  std::vector<Range> told;
  Evictor evictor(budget_, 0, fill_, pins_, [&](Range range) { told.push_back(range); });
  arrive(evictor, fill_, {0, pages(4)});
  arrive(evictor, fill_, {pages(8), pages(4)});
  fill_.begin({pages(4), pages(2)});  // on its way: somebody may wait there
  pins_.add({pages(9), pages(1)});
  evictor.evict_range({pages(2), pages(9)});
  EXPECT_EQ(told, (std::vector<Range>{
                      {pages(2), pages(2)}, {pages(8), pages(1)}, {pages(10), pages(1)}}));
}

TEST_F(EvictorTest, WhatTheKernelWillNotDropStaysCounted) {
  Evictor evictor(budget_, pages(8), fill_, pins_, [](Range) {});
  arrive(evictor, fill_, {0, pages(8)});
  memory_.fail_drops(true);
  EXPECT_FALSE(evictor.reserve(pages(1)));
  EXPECT_EQ(evictor.used(), pages(8));
  memory_.fail_drops(false);
  evictor.evict_range({0, pages(8)});
  EXPECT_EQ(evictor.used(), 0u);
}

TEST_F(EvictorTest, WhatTheKernelWouldNotDropIsTriedAgain) {
  Evictor evictor(budget_, pages(8), fill_, pins_, [](Range) {});
  arrive(evictor, fill_, {0, pages(8)});
  memory_.fail_drops(true);
  EXPECT_FALSE(evictor.reserve(pages(1)));
  memory_.fail_drops(false);
  EXPECT_TRUE(evictor.reserve(pages(1)));
}

TEST_F(EvictorTest, RoomForOneRegionComesFromAnother) {
  Budget small(pages(100));
  Evictor first(small, 0, fill_, pins_, [](Range) {});
  arrive(first, fill_, {0, pages(100)});
  FakeMemory other_memory(pages(kPages));
  Fill other_fill(other_memory);
  Evictor second(small, 0, other_fill, pins_, [](Range) {});
  EXPECT_TRUE(second.reserve(pages(30)));
  EXPECT_LE(first.used(), pages(70));
  EXPECT_EQ(first.used(), fill_.resident_bytes());
}

// A program that touches and evicts by turns never meets the budget, and must not pay for it.
TEST_F(EvictorTest, ArrivalsOfWhatIsGoneAreForgotten) {
  Evictor evictor(budget_, 0, fill_, pins_, [](Range) {});
  for (int i = 0; i < 100'000; ++i) {
    arrive(evictor, fill_, {pages(i % 7), pages(1)});
    evictor.evict_range({pages(i % 7), pages(1)});
  }
  EXPECT_LT(evictor.arrivals(), 10'000u);
}

TEST_F(EvictorTest, RandomOperationsKeepTheBooks) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  Evictor evictor(budget_, pages(200), fill_, pins_, [](Range) {});
  std::vector<Range> pinned;
  uint64_t arrived = 0;
  for (int step = 0; step < 20'000; ++step) {
    const uint64_t first = random.below(kPages);
    const uint64_t most = std::min<uint64_t>(40, kPages - first);
    const Range range{pages(first), pages(random.between(1, most))};
    switch (random.below(4)) {
      case 0:
        evictor.evict_range(range);
        break;
      case 1:
        if (!pinned.empty() && random.one_in(2)) {
          ASSERT_TRUE(pins_.remove(pinned.back()));
          pinned.pop_back();
        } else if (pins_.bytes_with(range) <= pages(150)) {
          pins_.add(range);
          pinned.push_back(range);
        }
        break;
      default:
        const Range absent = fill_.first_absent(range);
        if (absent.empty() || !evictor.reserve(absent.length)) break;
        evictor.release(absent.length);
        // What was just evicted for it may be wanted: then it is absent still.
        arrive(evictor, fill_, absent);
        arrived += absent.length;
    }
    ASSERT_EQ(evictor.used(), fill_.resident_bytes()) << "step " << step;
    ASSERT_LE(evictor.used(), pages(200)) << "step " << step;
    ASSERT_EQ(evictor.evicted_bytes(), arrived - evictor.used()) << "step " << step;
  }
  // Nothing was lost sight of: with no pins all of it can go.
  for (const Range range : pinned) ASSERT_TRUE(pins_.remove(range));
  EXPECT_TRUE(evictor.reserve(pages(200)));
  EXPECT_EQ(fill_.resident_bytes(), 0u);
}

}  // namespace
}  // namespace r3map::region
