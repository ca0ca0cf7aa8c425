#include "region/residency.hpp"

#include <gtest/gtest.h>

#include "region/fake_memory.hpp"

namespace r3map::region {
namespace {

using test::FakeMemory;
using test::pages;

class ResidencyTest : public testing::Test {
 protected:
  void land(Range range) {
    const std::vector<std::byte> bytes(range.length);
    ASSERT_EQ(fill_.land(fill_.begin(range), range.offset, bytes).bytes, range.length);
  }

  FakeMemory memory_{pages(4096)};
  Fill fill_{memory_};
};

using Shares = std::vector<uint8_t>;

TEST_F(ResidencyTest, NoneAndAllAreExact) {
  land({0, pages(1024)});
  land({pages(1024), pages(1)});
  land({pages(2048), pages(1023)});
  EXPECT_EQ(residency(fill_, {0, pages(4096)}, 4), (Shares{255, 1, 254, 0}));
}

TEST_F(ResidencyTest, ACellSmallerThanAPageHasThePageItLiesIn) {
  land({pages(1), pages(1)});
  EXPECT_EQ(residency(fill_, {0, pages(3)}, 6), (Shares{0, 0, 255, 255, 0, 0}));
  EXPECT_EQ(residency(fill_, {pages(1) + 100, 10}, 3), (Shares{255, 255, 255}));
}

TEST_F(ResidencyTest, AnEmptyRangeHasNothing) {
  EXPECT_EQ(residency(fill_, {0, 0}, 2), (Shares{0, 0}));
}

}  // namespace
}  // namespace r3map::region
