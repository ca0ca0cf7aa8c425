// The header first, so that it needs no other.
#include "r3map.h"

#include <gtest/gtest.h>

#include <type_traits>

extern "C" int header_in_c99(void);

namespace {

TEST(Header, WorksInC99) { EXPECT_EQ(header_in_c99(), 0); }

TEST(Header, IsPlainData) {
  static_assert(std::is_trivial_v<r3map_completion> && std::is_standard_layout_v<r3map_completion>);
  static_assert(std::is_trivial_v<r3map_stats> && std::is_standard_layout_v<r3map_stats>);
  static_assert(std::is_same_v<decltype(&r3map_region_populate),
                               int (*)(r3map_region*, uint64_t, uint64_t)>);
  EXPECT_EQ(offsetof(r3map_completion, message), 24u);
  EXPECT_EQ(offsetof(r3map_stats, size), 8u);
}

}  // namespace
