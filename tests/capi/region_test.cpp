// Regions: a resource in memory.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>

#include "capi/stalling_server.hpp"
#include "capi/support.hpp"
#include "support/sigbus.hpp"

namespace r3map::test {
namespace {

constexpr uint64_t kMiB = 1 << 20;

bool matches(const Region& region, uint64_t offset, uint64_t length) {
  const std::vector<std::byte> expected = content(offset, length);
  return std::equal(expected.begin(), expected.end(), data_of(region) + offset);
}

class RegionTest : public testing::Test {
 protected:
  static constexpr uint64_t kSize = 3 * kMiB + 17;
  TempFile file_{kSize};
};

TEST_F(RegionTest, IsTheObjectInMemory) {
  const Region region = open_region(file_.url());
  uint64_t size = 0;
  EXPECT_EQ(r3map_region_size(region.get(), &size), R3MAP_OK);
  EXPECT_EQ(size, kSize);
  EXPECT_TRUE(matches(region, 0, kSize));
  char version[100], resources[100];
  EXPECT_GT(r3map_region_version(region.get(), version, sizeof version), 0);
  const Resource resource = open_resource(file_.url());
  EXPECT_GT(r3map_resource_version(resource.get(), resources, sizeof resources), 0);
  EXPECT_STREQ(version, resources);
}

// Nobody but the caller's own thread may wait for the caller's memory.
TEST_F(RegionTest, TheUrlMayLieInARegion) {
  const TempFile list(0);
  std::ofstream(list.path()) << file_.url() << '\0';
  const Region holds_it = open_region(list.url());
  const auto* url = reinterpret_cast<const char*>(data_of(holds_it));
  r3map_region* region = nullptr;
  ASSERT_EQ(r3map_region_open(&region, url, nullptr), R3MAP_OK) << message();
  EXPECT_EQ(r3map_region_close(region), R3MAP_OK);
}

TEST_F(RegionTest, WhatIsWrittenMayLieInARegion) {
  const Region source = open_region(file_.url());
  const Resource memory = open_resource("memory:3M");
  ASSERT_EQ(r3map_resource_write(memory.get(), data_of(source), 3 * kMiB, 0), R3MAP_OK) << message();
  std::vector<std::byte> got(3 * kMiB);
  EXPECT_EQ(r3map_resource_read(memory.get(), got.data(), got.size(), 0), R3MAP_OK);
  EXPECT_EQ(got, content(0, got.size()));
}

// Each used to be woken by every landing: fifty thousand took a minute.
TEST_F(RegionTest, VeryManySmallReadsAtOnce) {
  constexpr uint64_t kReads = 50'000, kStep = 60;
  const Region region = open_region(file_.url());
  const Queue queue = new_queue();
  std::vector<std::byte> got(kReads * 16);
  for (uint64_t i = 0; i < kReads; ++i)
    ASSERT_EQ(r3map_region_read_async(region.get(), &got[i * 16], 16, i * kStep, queue.get(), i),
              R3MAP_OK);
  r3map_completion completion{};
  completion.struct_size = sizeof completion;
  for (uint64_t i = 0; i < kReads; ++i) {
    ASSERT_EQ(r3map_queue_next(queue.get(), &completion, 30'000), 1);
    ASSERT_EQ(completion.code, R3MAP_OK) << completion.message;
  }
  const std::vector<std::byte> all = content(0, kSize);
  for (uint64_t i = 0; i < kReads; ++i)
    ASSERT_TRUE(std::equal(&got[i * 16], &got[i * 16] + 16, &all[i * kStep])) << i;
}

TEST_F(RegionTest, APathIsAUrl) {
  const Region region = open_region(file_.path());
  EXPECT_TRUE(matches(region, 0, 5000));
}

TEST_F(RegionTest, AnEmptyOneHasAnAddressAndNoBytes) {
  const TempFile empty(0);
  for (const std::string& url : {empty.url(), std::string("memory:0")})
    for (const int pull : {R3MAP_PULL_NONE, R3MAP_PULL_READAHEAD, R3MAP_PULL_ALL}) {
      const Options options = new_options();
      EXPECT_EQ(r3map_options_set_pull(options.get(), pull), R3MAP_OK);
      const Region region = open_region(url, options);
      EXPECT_NE(r3map_region_data(region.get()), nullptr);
      EXPECT_EQ(stats_of(region).size, 0u);
      EXPECT_EQ(r3map_region_wait(region.get()), R3MAP_OK) << message();
      EXPECT_EQ(r3map_region_populate(region.get(), 0, 0), R3MAP_OK);
      EXPECT_EQ(r3map_region_read(region.get(), nullptr, 0, 0), R3MAP_OK);
      EXPECT_EQ(r3map_region_populate(region.get(), 0, 1), R3MAP_ERANGE);
      EXPECT_FALSE(touch(data_of(region)));
      char text[200];
      EXPECT_EQ(r3map_region_error(region.get(), text, sizeof text), R3MAP_ERANGE);
    }
}

TEST_F(RegionTest, WhatDoesNotFitTheAddressSpace) {
  r3map_region* region = nullptr;
  EXPECT_FAILS(R3MAP_ENOMEM, "address space", r3map_region_open(&region, "memory:100T", nullptr));
  const int fd = memfd_create("large", MFD_CLOEXEC);
  ASSERT_EQ(ftruncate(fd, int64_t{100} << 40), 0);
  const std::string url = "file:///proc/self/fd/" + std::to_string(fd);
  EXPECT_FAILS(R3MAP_ENOMEM, "address space", r3map_region_open(&region, url.c_str(), nullptr));
  // Half of that is no trouble, unless a sanitizer has taken the address space already.
  const int64_t half = kSanitizer ? int64_t{1} << 34 : int64_t{50} << 40;
  ASSERT_EQ(ftruncate(fd, half), 0);
  const Region region_of_half = open_region(url);
  EXPECT_EQ(touch(data_of(region_of_half) + half - 4096), std::byte{});
  close(fd);
}

TEST_F(RegionTest, RefusesNull) {
  r3map_region* opened_region = nullptr;
  EXPECT_FAILS(R3MAP_EINVAL, "NULL", r3map_region_open(nullptr, "memory:1M", nullptr));
  EXPECT_FAILS(R3MAP_EINVAL, "NULL", r3map_region_open(&opened_region, nullptr, nullptr));
  const Region region = open_region(file_.url());
  const Queue queue = new_queue();
  EXPECT_FAILS(R3MAP_EINVAL, "NULL", r3map_region_open_async(nullptr, nullptr, queue.get(), 0));
  EXPECT_FAILS(R3MAP_EINVAL, "NULL", r3map_region_size(region.get(), nullptr));
  EXPECT_FAILS(R3MAP_EINVAL, "NULL", r3map_region_read(region.get(), nullptr, 1, 0));
  EXPECT_FAILS(R3MAP_EINVAL, "NULL",
               r3map_region_read_async(region.get(), nullptr, 1, 0, queue.get(), 0));
  EXPECT_FAILS(R3MAP_EINVAL, "NULL", r3map_region_prefetch(region.get(), nullptr, 1));
  EXPECT_FAILS(R3MAP_EINVAL, "NULL", r3map_region_stats(region.get(), nullptr));
  EXPECT_EQ(r3map_region_prefetch(region.get(), nullptr, 0), R3MAP_OK);
  EXPECT_EQ(r3map_region_read(region.get(), nullptr, 0, 5), R3MAP_OK);
  EXPECT_EQ(r3map_region_error(region.get(), nullptr, 0), R3MAP_OK);
  EXPECT_GT(r3map_region_version(region.get(), nullptr, 0), 0);
}

TEST_F(RegionTest, RangesAreCheckedByEveryCall) {
  const Region region = open_region(file_.url());
  const Queue queue = new_queue();
  std::byte buffer[16];
  r3map_region* const open = region.get();
  for (const auto& [offset, length] : {std::pair<uint64_t, uint64_t>{kSize, 1},
                                       {kSize + 1, 0},
                                       {0, kSize + 1},
                                       {1, UINT64_MAX},
                                       {4096, UINT64_MAX - 4095},
                                       {UINT64_MAX, 1},
                                       {UINT64_MAX, UINT64_MAX}}) {
    const r3map_range ranges[] = {{0, 10}, {offset, length}};
    const char* const text = "past the end";
    EXPECT_FAILS(R3MAP_ERANGE, text, r3map_region_read(open, buffer, length, offset));
    EXPECT_FAILS(R3MAP_ERANGE, text, r3map_region_populate(open, offset, length));
    EXPECT_FAILS(R3MAP_ERANGE, text, r3map_region_pin(open, offset, length));
    EXPECT_FAILS(R3MAP_ERANGE, text, r3map_region_unpin(open, offset, length));
    EXPECT_FAILS(R3MAP_ERANGE, text, r3map_region_evict(open, offset, length));
    EXPECT_FAILS(R3MAP_ERANGE, text, r3map_region_prefetch(open, ranges, 2));
    EXPECT_FAILS(R3MAP_ERANGE, text,
                 r3map_region_read_async(open, buffer, length, offset, queue.get(), 0));
    EXPECT_FAILS(R3MAP_ERANGE, text,
                 r3map_region_populate_async(open, offset, length, queue.get(), 0));
    EXPECT_FAILS(R3MAP_ERANGE, text, r3map_region_pin_async(open, offset, length, queue.get(), 0));
  }
  const r3map_range range{0, 1};
  EXPECT_FAILS(R3MAP_EINVAL, "too many", r3map_region_prefetch(open, &range, (1 << 20) + 1));
  EXPECT_EQ(stats_of(region).requests, 0u) << "a part of a refused call was done";
}

TEST_F(RegionTest, PopulatePinReadPrefetchEvictWait) {
  const Region region = open_region(file_.url());
  r3map_region* const open = region.get();
  EXPECT_EQ(r3map_region_populate(open, 5000, 1), R3MAP_OK);
  EXPECT_EQ(stats_of(region).resident, 4096u);
  EXPECT_EQ(r3map_region_pin(open, kMiB, 8192), R3MAP_OK);
  EXPECT_EQ(stats_of(region).pinned, 8192u);
  EXPECT_EQ(r3map_region_evict(open, 0, kSize), R3MAP_OK);
  EXPECT_EQ(stats_of(region).resident, 8192u);
  EXPECT_FAILS(R3MAP_EINVAL, "not pinned", r3map_region_unpin(open, kMiB, 4096));
  EXPECT_EQ(r3map_region_unpin(open, kMiB, 8192), R3MAP_OK);
  EXPECT_FAILS(R3MAP_EINVAL, "not pinned", r3map_region_unpin(open, kMiB, 8192));
  EXPECT_EQ(r3map_region_evict(open, 0, kSize), R3MAP_OK);
  EXPECT_EQ(stats_of(region).resident, 0u);

  const r3map_range ranges[] = {{0, 4096}, {2 * kMiB, 10'000}, {kSize - 1, 1}, {7, 0}};
  EXPECT_EQ(r3map_region_prefetch(open, ranges, 4), R3MAP_OK);
  EXPECT_EQ(r3map_region_wait(open), R3MAP_OK);
  const r3map_stats stats = stats_of(region);
  EXPECT_EQ(stats.resident, 4096u + 3 * 4096u + 4096u);
  EXPECT_EQ(stats.faults, 0u);
  EXPECT_EQ(stats.in_flight, 0u);
  EXPECT_EQ(stats.evicted, 3 * 4096u);
  EXPECT_EQ(stats.eager, 0u);

  std::vector<std::byte> bytes(kSize);
  EXPECT_EQ(r3map_region_read(open, bytes.data(), kSize, 0), R3MAP_OK);
  EXPECT_EQ(bytes, content(0, kSize));
}

TEST_F(RegionTest, TheBudgetIsKept) {
  const Options options = new_options();
  EXPECT_EQ(r3map_options_set_budget(options.get(), kMiB), R3MAP_OK);
  const Region region = open_region(file_.url(), options);
  EXPECT_TRUE(matches(region, 0, kSize));
  EXPECT_LE(stats_of(region).resident, kMiB);
  EXPECT_GT(stats_of(region).evicted, 0u);
  EXPECT_FAILS(R3MAP_ENOMEM, "budget", r3map_region_populate(region.get(), 0, 2 * kMiB));
  EXPECT_FAILS(R3MAP_ENOMEM, "budget", r3map_region_pin(region.get(), 0, kSize));
  EXPECT_EQ(r3map_region_pin(region.get(), 0, kMiB - kMiB / 8), R3MAP_OK);
  EXPECT_TRUE(matches(region, 2 * kMiB, kMiB));
}

TEST_F(RegionTest, EveryChunkSizeAndPull) {
  for (const uint64_t chunk : {uint64_t{0}, uint64_t{4096}, kMiB, uint64_t{1} << 30})
    for (const int pull : {R3MAP_PULL_NONE, R3MAP_PULL_READAHEAD, R3MAP_PULL_ALL}) {
      const Options options = new_options();
      const r3map_range first{2 * kMiB, 100};
      EXPECT_EQ(r3map_options_set_chunk_size(options.get(), chunk), R3MAP_OK);
      EXPECT_EQ(r3map_options_set_pull(options.get(), pull), R3MAP_OK);
      EXPECT_EQ(r3map_options_set_priority(options.get(), &first, 1), R3MAP_OK);
      const Region region = open_region(file_.url(), options);
      EXPECT_EQ(r3map_region_wait(region.get()), R3MAP_OK);
      EXPECT_EQ(stats_of(region).resident, pull == R3MAP_PULL_ALL ? 3 * kMiB + 4096 : 4096);
      EXPECT_TRUE(matches(region, 0, kSize));
    }
}

TEST_F(RegionTest, ATraceIsThePullOrderOfTheNextOpen) {
  const std::string path = file_.path() + ".trace";
  const std::array<uint64_t, 3> touched{2 * kMiB, 0, kMiB + 8192};
  {
    const Options options = new_options();
    EXPECT_EQ(r3map_options_set_pull(options.get(), R3MAP_PULL_NONE), R3MAP_OK);
    EXPECT_EQ(r3map_options_set_chunk_size(options.get(), 4096), R3MAP_OK);
    EXPECT_EQ(r3map_options_set_trace(options.get(), path.c_str()), R3MAP_OK);
    const Region region = open_region(file_.url(), options);
    for (const uint64_t offset : touched) EXPECT_TRUE(matches(region, offset, 1));
  }
  const Options options = new_options();
  EXPECT_EQ(r3map_options_set_pull(options.get(), R3MAP_PULL_NONE), R3MAP_OK);
  EXPECT_EQ(r3map_options_set_pull_order(options.get(), path.c_str()), R3MAP_OK);
  std::remove(path.c_str());  // it has been read
  const Region region = open_region(file_.url(), options);
  EXPECT_EQ(r3map_region_wait(region.get()), R3MAP_OK);
  EXPECT_EQ(stats_of(region).resident, 3 * 4096u);
  for (const uint64_t offset : touched) EXPECT_TRUE(matches(region, offset, 1));
  EXPECT_EQ(stats_of(region).faults, 0u);
}

TEST_F(RegionTest, WhereNoTraceCanBeWrittenTheOpenFails) {
  const Options options = new_options();
  EXPECT_EQ(r3map_options_set_trace(options.get(), "/no/such/folder/trace"), R3MAP_OK);
  r3map_region* region = nullptr;
  EXPECT_FAILS(R3MAP_ENOENT, "trace",
               r3map_region_open(&region, file_.url().c_str(), options.get()));
}

TEST_F(RegionTest, AStructSizeTooSmallIsRefused) {
  const Region region = open_region(file_.url());
  r3map_stats stats{};
  EXPECT_FAILS(R3MAP_EINVAL, "struct_size", r3map_region_stats(region.get(), &stats));
  stats.struct_size = 96 - 8;
  EXPECT_FAILS(R3MAP_EINVAL, "struct_size", r3map_region_stats(region.get(), &stats));
  stats.struct_size = sizeof stats + 8;
  EXPECT_EQ(r3map_region_stats(region.get(), &stats), R3MAP_OK);
  EXPECT_EQ(stats.struct_size, sizeof stats + 8) << "the caller's";
}

// A program that was built against version 0.1 has room for so much and no more, whatever is added.
TEST_F(RegionTest, TheStructOfVersion01IsEnough) {
  constexpr uint32_t kSize01 = 96;
  const Region region = open_region(file_.url());
  alignas(r3map_stats) unsigned char room[sizeof(r3map_stats) + 64];
  for (const uint32_t size : {kSize01, kSize01 + 8, uint32_t{sizeof room}}) {
    std::memset(room, 0xaa, sizeof room);
    std::memcpy(room, &size, sizeof size);
    EXPECT_EQ(r3map_region_stats(region.get(), reinterpret_cast<r3map_stats*>(room)), R3MAP_OK);
    uint64_t object_size;
    std::memcpy(&object_size, room + offsetof(r3map_stats, size), sizeof object_size);
    EXPECT_EQ(object_size, kSize);
    for (size_t at = std::min<size_t>(size, sizeof(r3map_stats)); at < sizeof room; ++at)
      ASSERT_EQ(room[at], 0xaa) << size << ": the byte at " << at;
  }
}

TEST_F(RegionTest, APageThatCanNotBeHadIsSigbusAndExplained) {
  const Region region = open_region(file_.url());
  char text[300] = "x";
  EXPECT_EQ(r3map_region_error(region.get(), text, sizeof text), R3MAP_OK);
  EXPECT_STREQ(text, "");
  EXPECT_TRUE(matches(region, 0, 4096));
  file_.truncate(kSize - 5);
  EXPECT_FALSE(touch(data_of(region) + 2 * kMiB));
  EXPECT_EQ(last_touch_failure().signal, SIGBUS);
  EXPECT_EQ(r3map_region_error(region.get(), text, sizeof text), R3MAP_ESTALE);
  EXPECT_NE(std::string(text).find(file_.url()), std::string::npos) << text;
  char cut[5];
  EXPECT_EQ(r3map_region_error(region.get(), cut, sizeof cut), R3MAP_ESTALE);
  EXPECT_EQ(std::string(cut), std::string(text).substr(0, 4));
  EXPECT_FAILS(R3MAP_ESTALE, file_.url(), r3map_region_populate(region.get(), 2 * kMiB, 1));
  EXPECT_TRUE(matches(region, 0, 4096)) << "what is here stays what it was";
  EXPECT_EQ(stats_of(region).failed_faults, 1u);
}

TEST_F(RegionTest, ADeadlineIsSigbus) {
  StallingServer server(8 * kMiB);
  const Region region = open_region(server.url(), with_deadline(100));
  EXPECT_FALSE(touch(data_of(region) + 4 * kMiB));
  EXPECT_EQ(r3map_region_error(region.get(), nullptr, 0), R3MAP_ETIMEDOUT);
  EXPECT_FAILS(R3MAP_ETIMEDOUT, "populate " + server.url(),
               r3map_region_populate(region.get(), 6 * kMiB, 100));
  server.release();
  EXPECT_EQ(r3map_region_populate(region.get(), 4 * kMiB, 100), R3MAP_OK) << message();
  EXPECT_EQ(touch(data_of(region) + 4 * kMiB), content_at(4 * kMiB));
}

TEST_F(RegionTest, AHundredAtOnce) {
  std::vector<Region> regions;
  for (int i = 0; i < 100; ++i) regions.push_back(open_region(file_.url()));
  std::vector<std::thread> threads;
  for (unsigned thread = 0; thread < 4; ++thread)
    threads.emplace_back([&, thread] {
      for (uint64_t i = 0; i < 400; ++i) {
        const uint64_t offset = (i * 7919 + thread * 104729) * 4096 % kSize;
        const Region& region = regions[(i * 13 + thread) % regions.size()];
        ASSERT_EQ(touch(data_of(region) + offset), content_at(offset));
      }
    });
  for (std::thread& thread : threads) thread.join();
}

// ---- the end ------------------------------------------------------------------------------------

TEST_F(RegionTest, CloseWhileThreadsWaitInFaults) {
  StallingServer server(8 * kMiB);
  Region region = open_region(server.url(), with_deadline(0));
  const std::byte* const data = data_of(region);
  std::vector<std::future<bool>> touches;
  for (uint64_t i = 1; i <= 4; ++i)
    touches.push_back(std::async(
        std::launch::async, [=] { return touch(data + i * kMiB).has_value(); }));
  ASSERT_TRUE(eventually([&] { return stats_of(region).faults >= 4; }));
  EXPECT_EQ(r3map_region_close(region.release()), R3MAP_OK);
  for (auto& one : touches) EXPECT_FALSE(get(one));
  EXPECT_FALSE(touch(data)) << "the mapping is gone";
}

TEST_F(RegionTest, CloseWhileOperationsArePending) {
  StallingServer server(64 * kMiB);
  Region region = open_region(server.url(), with_deadline(0));
  const Queue queue = new_queue();
  std::vector<std::byte> bytes(kMiB);
  r3map_region* const open = region.get();
  const r3map_range range{50 * kMiB, kMiB};
  EXPECT_EQ(r3map_region_read_async(open, bytes.data(), kMiB, kMiB, queue.get(), 0), R3MAP_OK);
  EXPECT_EQ(r3map_region_populate_async(open, 4 * kMiB, 20 * kMiB, queue.get(), 1), R3MAP_OK);
  EXPECT_EQ(r3map_region_pin_async(open, 30 * kMiB, 5, queue.get(), 2), R3MAP_OK);
  EXPECT_EQ(r3map_region_prefetch(open, &range, 1), R3MAP_OK);
  EXPECT_EQ(r3map_region_wait_async(open, queue.get(), 3), R3MAP_OK);
  auto blocking = std::async(std::launch::async,
                             [=] { return r3map_region_populate(open, 40 * kMiB, 5); });
  ASSERT_TRUE(eventually([&] { return stats_of(region).pinned >= 21 * kMiB + 2 * 4096; }));
  EXPECT_EQ(r3map_region_close(region.release()), R3MAP_OK);
  EXPECT_EQ(get(blocking), R3MAP_ECANCELED);
  for (int i = 0; i < 4; ++i) {
    const r3map_completion completion = next(queue);
    EXPECT_EQ(completion.code, R3MAP_ECANCELED) << completion.tag;
    EXPECT_NE(std::string(completion.message), "");
  }
}

}  // namespace
}  // namespace r3map::test
