#include "backend/memory.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>

#include "base/limits.hpp"
#include "resource/contract.hpp"
#include "support/subprocess.hpp"

namespace r3map::test {
namespace {

using backend::MemoryResource;

struct MemoryStore {
  static constexpr bool kNeedsBuffer = false;
  std::unique_ptr<resource::Resource> make(loop::WorkerPool& workers,
                                           std::span<const std::byte> content) {
    auto memory = MemoryResource::open(workers, content.size());
    if (!memory) return nullptr;
    std::copy(content.begin(), content.end(), (*memory)->bytes().begin());
    return std::move(*memory);
  }
};
INSTANTIATE_TYPED_TEST_SUITE_P(Memory, ResourceContract, MemoryStore);

class MemoryTest : public LoopTest {
 protected:
  MemoryTest() { backend::register_memory(registry_, workers_); }
  Result<std::unique_ptr<resource::Resource>> open(const std::string& url) {
    return run<std::unique_ptr<resource::Resource>>([&] { return registry_.open(url, {}, {}); });
  }
  resource::Registry registry_;
};

TEST_F(MemoryTest, IsZerosUntilWritten) {
  const auto memory = MemoryResource::open(workers_, 10 * kPage);
  ASSERT_TRUE(memory);
  StrictSink sink({0, 10 * kPage});
  ASSERT_TRUE(run<void>([&] { return (*memory)->read({0, 10 * kPage}, {}, sink); }));
  EXPECT_EQ(sink.taken(), Bytes(10 * kPage));
  EXPECT_FALSE((*memory)->info().read_only);
}

TEST_F(MemoryTest, OpensByUrl) {
  const auto memory = open("memory:64K");
  ASSERT_TRUE(memory) << memory.error().message;
  EXPECT_EQ((*memory)->info().size, 64u << 10);
}

TEST_F(MemoryTest, AMalformedSizeIsRefused) {
  for (const char* url : {"memory:", "memory:x", "memory:-1", "memory://64K", "memory:64K/x",
                          "memory:64%4B"}) {
    const auto memory = open(url);
    ASSERT_FALSE(memory) << url;
    EXPECT_EQ(memory.error().code, Code::invalid) << url;
    EXPECT_NE(memory.error().message.find(url), std::string::npos) << memory.error().message;
  }
}

TEST_F(MemoryTest, MoreThanTheAddressSpaceIsRefused) {
  for (const uint64_t size : {limits::kRegionSize + 1, UINT64_MAX}) {
    const auto memory = MemoryResource::open(workers_, size);
    ASSERT_FALSE(memory) << size;
    EXPECT_EQ(memory.error().code, Code::no_memory);
  }
}

TEST_F(MemoryTest, OnlyWhatIsWrittenTakesMemory) {
  if (kSanitizer) GTEST_SKIP() << "the sanitizers' shadow has no room for it";
  constexpr uint64_t kSize = uint64_t{1} << 40;
  const auto memory = MemoryResource::open(workers_, kSize);
  ASSERT_TRUE(memory) << memory.error().message;
  const std::byte data[3] = {std::byte{1}, std::byte{2}, std::byte{3}};
  ASSERT_TRUE(run<void>([&] { return (*memory)->write(kSize - 3, data, {}); }));
  StrictSink sink({kSize - 5, 5});
  ASSERT_TRUE(run<void>([&] { return (*memory)->read({kSize - 5, 5}, {}, sink); }));
  EXPECT_EQ(sink.taken(), (Bytes{std::byte{0}, std::byte{0}, data[0], data[1], data[2]}));
}

TEST(Memory, NoAddressSpaceIsAnError) {
  if (kSanitizer) GTEST_SKIP() << "the sanitizers need the address space themselves";
  EXPECT_CHILD_PASSES([](const Child& child) {
    auto loop = loop::Loop::start("loop");
    CHILD_CHECK(child, loop.has_value());
    loop::WorkerPool workers(**loop, "worker", 1);
    const rlimit limit{uint64_t{1} << 30, uint64_t{1} << 30};
    CHILD_CHECK(child, setrlimit(RLIMIT_AS, &limit) == 0);
    const auto memory = MemoryResource::open(workers, uint64_t{2} << 30);
    CHILD_CHECK(child, !memory);
    CHILD_CHECK(child, memory.error().code == Code::no_memory);
  });
}

}  // namespace
}  // namespace r3map::test
