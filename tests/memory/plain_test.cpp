#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/limits.hpp"
#include "memory/faults.hpp"
#include "memory/local_memory.hpp"
#include "memory/maps.hpp"
#include "support/subprocess.hpp"

namespace r3map::memory {
namespace {

TEST(Plain, NeverFaults) {
  const auto memory = open_plain(10 * kPage, 10 * kPage);
  ASSERT_TRUE(memory) << memory.error().message;
  EXPECT_FALSE((*memory)->on_demand());
  EXPECT_EQ((*memory)->fault_descriptor(), -1);
  EXPECT_EQ(test::touch((*memory)->data() + 5 * kPage).signal, 0);
}

TEST(Plain, KeepsAllItsPages) {
  const auto memory = open_plain(kPage, kPage);
  ASSERT_TRUE(memory);
  ASSERT_TRUE((*memory)->land(0, test::page_bytes(0)));
  const Result<> dropped = (*memory)->drop({0, kPage});
  ASSERT_FALSE(dropped);
  EXPECT_EQ(dropped.error().code, Code::unsupported);
  const Result<> poisoned = (*memory)->poison({0, kPage});
  ASSERT_FALSE(poisoned);
  EXPECT_EQ(poisoned.error().code, Code::unsupported);
  EXPECT_TRUE(test::holds(**memory, 0));
}

TEST(Plain, TheLimitIsTheCallers) {
  EXPECT_TRUE(open_plain(100'000, 100'000));
  const auto refused = open_plain(100'001, 100'000);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::no_memory);
  EXPECT_NE(refused.error().message.find("100000"), std::string::npos) << refused.error().message;
  EXPECT_FALSE(open_plain(limits::kRegionSize + 1, UINT64_MAX));
}

TEST(Plain, IsNotDumped) {
  const auto memory = open_plain(kPage, kPage);
  ASSERT_TRUE(memory);
  EXPECT_TRUE(test::mapping_flags((*memory)->data()).contains("dd"));
}

TEST(Plain, WithoutADescriptorOrAddressSpaceIsAnError) {
  if (test::kSanitizer) GTEST_SKIP() << "the sanitizers need the address space themselves";
  EXPECT_CHILD_PASSES([](const test::Child& child) {
    const rlimit space{uint64_t{1} << 30, uint64_t{1} << 30};
    CHILD_CHECK(child, setrlimit(RLIMIT_AS, &space) == 0);
    const auto large = open_plain(uint64_t{2} << 30, UINT64_MAX);
    CHILD_CHECK(child, !large);
    CHILD_CHECK(child, large.error().code == Code::no_memory);
    const rlimit none{3, 3};
    CHILD_CHECK(child, setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHILD_CHECK(child, !open_plain(kPage, kPage));
  });
}

}  // namespace
}  // namespace r3map::memory
