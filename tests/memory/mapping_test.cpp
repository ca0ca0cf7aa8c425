#include "memory/mapping.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "memory/faults.hpp"
#include "memory/maps.hpp"
#include "support/subprocess.hpp"

namespace r3map::memory {
namespace {

using test::mapping_flags;
using test::touch;

constexpr uint64_t kLength = 16 * kPage;

bool make_readable(std::byte* at) { return mprotect(at, kPage, PROT_READ) == 0; }

TEST(Mapping, IsReservedButNotAccessible) {
  const Result<Mapping> mapping = Mapping::reserve(kLength);
  ASSERT_TRUE(mapping) << mapping.error().message;
  EXPECT_EQ(mapping->length(), kLength);
  EXPECT_EQ(mapping->at(100), mapping->begin() + 100);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(mapping->begin()) % kPage, 0u);
  EXPECT_EQ(touch(mapping->begin()).signal, SIGSEGV);
  EXPECT_EQ(touch(mapping->begin() + kLength - 1).signal, SIGSEGV);
}

TEST(Mapping, IsNeitherInheritedNorDumpedInAnyOfItsStates) {
  Result<Mapping> mapping = Mapping::reserve(kLength);
  ASSERT_TRUE(mapping);
  const auto expect_private = [&](const char* state) {
    const std::set<std::string> flags = mapping_flags(mapping->begin());
    EXPECT_TRUE(flags.contains("dc")) << state << ": a child would see it";
    EXPECT_TRUE(flags.contains("dd")) << state << ": a core dump would hold it";
  };
  expect_private("reserved");
  ASSERT_TRUE(mapping->make_unreachable({0, kLength}));
  expect_private("unreachable");
  ASSERT_TRUE(mapping->make_fresh({0, kLength}));
  expect_private("fresh");
}

TEST(Mapping, AnUnreachablePageRaisesSigbusAtItsAddress) {
  Result<Mapping> mapping = Mapping::reserve(kLength);
  ASSERT_TRUE(mapping);
  ASSERT_TRUE(mapping->make_unreachable({2 * kPage, 3 * kPage}));
  EXPECT_EQ(touch(mapping->at(2 * kPage - 1)).signal, SIGSEGV);
  const test::Touch first = touch(mapping->at(2 * kPage + 5));
  EXPECT_EQ(first.signal, SIGBUS);
  EXPECT_EQ(first.address, mapping->at(2 * kPage + 5));
  EXPECT_EQ(touch(mapping->at(5 * kPage - 1)).signal, SIGBUS);
  EXPECT_EQ(touch(mapping->at(5 * kPage)).signal, SIGSEGV);
}

TEST(Mapping, AFreshPageIsAsItWasReserved) {
  Result<Mapping> mapping = Mapping::reserve(kLength);
  ASSERT_TRUE(mapping);
  ASSERT_TRUE(mapping->make_unreachable({0, kLength}));
  ASSERT_TRUE(mapping->make_fresh({kPage, kPage}));
  EXPECT_EQ(touch(mapping->at(0)).signal, SIGBUS);
  EXPECT_EQ(touch(mapping->at(kPage)).signal, SIGSEGV);
  EXPECT_EQ(touch(mapping->at(2 * kPage)).signal, SIGBUS);
  ASSERT_TRUE(make_readable(mapping->at(kPage)));
  EXPECT_EQ(touch(mapping->at(kPage)).value, std::byte{0});
}

// A process may have 65,530 mappings: pages that are made unreachable one by one share theirs.
TEST(Mapping, NeighboursThatAreUnreachableAreOneMapping) {
  Result<Mapping> mapping = Mapping::reserve(1000 * kPage);
  ASSERT_TRUE(mapping);
  const size_t before = test::mapping_count();
  for (uint64_t page = 0; page < 1000; ++page)
    ASSERT_TRUE(mapping->make_unreachable({page * kPage, kPage}));
  EXPECT_LT(test::mapping_count(), before + 10);
}

TEST(Mapping, WhoTouchesAClosedOneGetsSigbus) {
  std::optional<Mapping> mapping(std::move(*Mapping::reserve(kLength)));
  std::byte* const begin = mapping->begin();
  mapping.reset();
  EXPECT_EQ(touch(begin).signal, SIGBUS);
  EXPECT_EQ(touch(begin + kLength - 1).signal, SIGBUS);
}

TEST(Mapping, AClosedRangeIsNotGivenOutAgainSoon) {
  std::optional<Mapping> first(std::move(*Mapping::reserve(kLength)));
  std::byte* const closed = first->begin();
  first.reset();
  for (int i = 0; i < 20; ++i) {
    const Result<Mapping> next = Mapping::reserve(kLength);
    ASSERT_TRUE(next);
    EXPECT_TRUE(next->begin() + kLength <= closed || closed + kLength <= next->begin());
  }
}

TEST(Mapping, ClosedOnesDoNotPileUp) {
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Mapping::reserve(kLength));
  const size_t before = test::mapping_count();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(Mapping::reserve(kLength));
  EXPECT_LT(test::mapping_count(), before + 100);
}

TEST(Mapping, MovedFromHoldsNothing) {
  Result<Mapping> source = Mapping::reserve(kLength);
  ASSERT_TRUE(source);
  std::byte* const begin = source->begin();
  {
    const Mapping target(std::move(*source));
    EXPECT_EQ(target.begin(), begin);
    EXPECT_EQ(source->begin(), nullptr);
    EXPECT_EQ(touch(begin).signal, SIGSEGV) << "closed by the move";
  }
  EXPECT_EQ(touch(begin).signal, SIGBUS);
}

TEST(Mapping, WithoutAddressSpaceIsAnErrorButClosedRangesComeFirst) {
  if (test::kSanitizer) GTEST_SKIP() << "the sanitizers need the address space themselves";
  EXPECT_CHILD_PASSES([](const test::Child& child) {
    constexpr uint64_t kGiB = uint64_t{1} << 30;
    const rlimit limit{2 * kGiB, 2 * kGiB};
    CHILD_CHECK(child, setrlimit(RLIMIT_AS, &limit) == 0);
    const Result<Mapping> large = Mapping::reserve(3 * kGiB);
    CHILD_CHECK(child, !large);
    CHILD_CHECK(child, large.error().code == Code::no_memory);
    // Each takes most of what there is.
    for (int i = 0; i < 3; ++i) CHILD_CHECK(child, Mapping::reserve(kGiB + kGiB / 2).has_value());
  });
}

// A descriptor that can't be had when a region ends would leave its waiters nothing to fail on.
TEST(Mapping, CanBeMadeUnreachableWithoutAFreeDescriptor) {
  EXPECT_CHILD_PASSES([](const test::Child& child) {
    Result<Mapping> mapping = Mapping::reserve(kLength);
    CHILD_CHECK(child, mapping.has_value());
    const rlimit none{3, 3};
    CHILD_CHECK(child, setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHILD_CHECK(child, mapping->make_unreachable({0, kLength}).has_value());
    CHILD_CHECK(child, touch(mapping->begin()).signal == SIGBUS);
  });
}

}  // namespace
}  // namespace r3map::memory
