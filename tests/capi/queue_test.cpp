// Queues: where asynchronous calls deliver.

#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <set>

#include "capi/stalling_server.hpp"
#include "capi/support.hpp"

namespace r3map::test {
namespace {

bool readable(const Queue& queue, int timeout_ms) {
  pollfd poll_event{r3map_queue_descriptor(queue.get()), POLLIN, 0};
  return poll(&poll_event, 1, timeout_ms) == 1;
}

int next_code(r3map_queue* queue, int64_t timeout_ms) {
  r3map_completion completion{};
  completion.struct_size = sizeof completion;
  return r3map_queue_next(queue, &completion, timeout_ms);
}

TEST(Queue, AnEmptyOneHasNothing) {
  const Queue queue = new_queue();
  EXPECT_EQ(next_code(queue.get(), 0), 0);
  EXPECT_EQ(next_code(queue.get(), 20), 0);
  EXPECT_GE(r3map_queue_descriptor(queue.get()), 0);
  EXPECT_FALSE(readable(queue, 0));
}

TEST(Queue, RefusesWhatItCanNotFill) {
  EXPECT_FAILS(R3MAP_EINVAL, "NULL", r3map_queue_new(nullptr));
  const Queue queue = new_queue();
  r3map_completion completion{};
  EXPECT_FAILS(R3MAP_EINVAL, "struct_size", r3map_queue_next(queue.get(), &completion, 0));
  completion.struct_size = sizeof completion - 1;
  EXPECT_FAILS(R3MAP_EINVAL, "struct_size", r3map_queue_next(queue.get(), &completion, 0));
  EXPECT_FAILS(R3MAP_EINVAL, "NULL", r3map_queue_next(queue.get(), nullptr, 0));
  completion.struct_size = sizeof completion + 8;  // of a later version
  EXPECT_EQ(r3map_queue_next(queue.get(), &completion, 0), 0);
}

// As of region_test.cpp's for its struct.
TEST(Queue, TheStructOfVersion01IsEnough) {
  constexpr uint32_t kSize01 = 536;
  const Queue queue = new_queue();
  const Region region = open_region("memory:1M");
  alignas(r3map_completion) unsigned char room[sizeof(r3map_completion) + 64];
  for (const uint32_t size : {kSize01, kSize01 + 8, uint32_t{sizeof room}}) {
    EXPECT_EQ(r3map_region_populate_async(region.get(), 0, 4096, queue.get(), 77), R3MAP_OK);
    std::memset(room, 0xaa, sizeof room);
    std::memcpy(room, &size, sizeof size);
    auto* const completion = reinterpret_cast<r3map_completion*>(room);
    EXPECT_EQ(r3map_queue_next(queue.get(), completion, 30'000), 1);
    EXPECT_EQ(completion->struct_size, size);
    EXPECT_EQ(completion->tag, 77u);
    for (size_t at = std::min<size_t>(size, sizeof(r3map_completion)); at < sizeof room; ++at)
      ASSERT_EQ(room[at], 0xaa) << size << ": the byte at " << at;
  }
}

// Who runs handlers outside the signal, as Python does, finds out; who waits for ever does not.
TEST(Queue, ASignalEndsAWaitThatHasALimit) {
  struct sigaction action {}, before {};
  static std::atomic<int> handled = 0;
  action.sa_handler = [](int) { ++handled; };
  action.sa_flags = SA_RESTART;
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  const Queue queue = new_queue();
  const Region region = open_region("memory:1M");
  for (const int64_t timeout_ms : {60'000, -1}) {
    std::atomic<bool> ended = false;
    std::promise<pthread_t> started;
    std::promise<void> leave;  // until then there is a thread to send signals to
    auto waiting = std::async(std::launch::async, [&] {
      started.set_value(pthread_self());
      const int code = next_code(queue.get(), timeout_ms);
      ended = true;
      leave.get_future().wait();
      return code;
    });
    const pthread_t waiter = started.get_future().get();
    handled = 0;
    // It may not wait yet when the first comes.
    while (!ended && handled < 20) {
      const int seen = handled;
      // ThreadSanitizer puts a signal off that comes just before a wait, until the next one.
      do {
        ASSERT_EQ(pthread_kill(waiter, SIGUSR1), 0);
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      } while (handled == seen);
    }
    EXPECT_EQ(ended, timeout_ms > 0);
    if (timeout_ms < 0) {
      EXPECT_EQ(r3map_region_populate_async(region.get(), 0, 0, queue.get(), 0), R3MAP_OK);
    }
    leave.set_value();
    EXPECT_EQ(get(waiting), timeout_ms < 0 ? 1 : 0);
  }
  sigaction(SIGUSR1, &before, nullptr);
}

TEST(Queue, TheDescriptorIsReadableAsLongAsSomethingWaits) {
  const Queue queue = new_queue();
  const Region region = open_region("memory:1M");
  for (uint64_t tag = 0; tag < 3; ++tag)
    EXPECT_EQ(r3map_region_populate_async(region.get(), 0, 4096, queue.get(), tag), R3MAP_OK);
  for (uint64_t tag = 0; tag < 3; ++tag) {
    EXPECT_TRUE(readable(queue, 30'000));
    EXPECT_EQ(next(queue).tag, tag);
  }
  EXPECT_FALSE(readable(queue, 0));
  EXPECT_EQ(r3map_region_populate_async(region.get(), 0, 0, queue.get(), 9), R3MAP_OK);
  EXPECT_TRUE(readable(queue, 30'000));
}

TEST(Queue, WaitsForWhatComes) {
  StallingServer server(1 << 20);
  server.stall_opens();
  const Queue queue = new_queue();
  EXPECT_EQ(r3map_region_open_async(server.url().c_str(), nullptr, queue.get(), 1), R3MAP_OK);
  auto waiting = std::async(std::launch::async, [&] { return next_code(queue.get(), -1); });
  EXPECT_EQ(next_code(queue.get(), 0), 0);
  EXPECT_EQ(waiting.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  server.release();
  EXPECT_EQ(get(waiting), 1);
}

TEST(Queue, ManyTakersGetEachCompletionOnce) {
  constexpr uint64_t kCalls = 2000;
  const Queue queue = new_queue();
  const Region region = open_region("memory:16M");
  std::mutex mutex;
  std::multiset<uint64_t> tags;
  std::vector<std::thread> takers;
  for (int i = 0; i < 4; ++i)
    takers.emplace_back([&] {
      r3map_completion completion{};
      completion.struct_size = sizeof completion;
      while (r3map_queue_next(queue.get(), &completion, 30'000) == 1) {
        EXPECT_EQ(completion.code, R3MAP_OK) << completion.message;
        if (completion.tag == kCalls) break;
        std::lock_guard lock(mutex);
        tags.insert(completion.tag);
      }
    });
  for (uint64_t tag = 0; tag < kCalls; ++tag)
    ASSERT_EQ(r3map_region_populate_async(region.get(), tag * 4096, 4096, queue.get(), tag),
              R3MAP_OK);
  EXPECT_TRUE(eventually([&] {
    std::lock_guard lock(mutex);
    return tags.size() == kCalls;
  }));
  for (size_t i = 0; i < takers.size(); ++i)
    EXPECT_EQ(r3map_region_wait_async(region.get(), queue.get(), kCalls), R3MAP_OK);
  for (std::thread& taker : takers) taker.join();
  EXPECT_EQ(std::set<uint64_t>(tags.begin(), tags.end()).size(), kCalls);
}

TEST(Queue, EveryKindOfCallDelivers) {
  const TempFile file(100'000);
  const Queue queue = new_queue();
  EXPECT_EQ(r3map_region_open_async(file.url().c_str(), nullptr, queue.get(), 1), R3MAP_OK);
  const Region region(opened<r3map_region>(next(queue)));
  std::vector<std::byte> bytes(100'000);
  const auto expect = [&](int code, uint64_t tag, uint64_t value) {
    EXPECT_EQ(code, R3MAP_OK) << message();
    const r3map_completion completion = next(queue);
    EXPECT_EQ(completion.code, R3MAP_OK) << completion.message;
    EXPECT_EQ(completion.tag, tag);
    EXPECT_EQ(completion.value, value);
  };
  r3map_region* const open = region.get();
  expect(r3map_region_populate_async(open, 0, 4096, queue.get(), 2), 2, 4096);
  expect(r3map_region_pin_async(open, 5000, 6000, queue.get(), 3), 3, 6000);
  expect(r3map_region_read_async(open, bytes.data(), 100'000, 0, queue.get(), 4), 4, 100'000);
  expect(r3map_region_wait_async(open, queue.get(), 5), 5, 0);
  EXPECT_EQ(bytes, content(0, 100'000));
  EXPECT_EQ(r3map_region_unpin(open, 5000, 6000), R3MAP_OK);
  EXPECT_EQ(next_code(queue.get(), 0), 0);
}

TEST(Queue, FailuresCarryTheirMessageAndAreNotTheCallersLast) {
  const TempFile file(100'000);
  const Queue queue = new_queue();
  const Region region = open_region(file.url());
  file.truncate(50'000);
  const std::string before = message();
  EXPECT_EQ(r3map_region_populate_async(region.get(), 0, 4096, queue.get(), 2), R3MAP_OK);
  const r3map_completion completion = next(queue);
  EXPECT_EQ(completion.code, R3MAP_ESTALE);
  EXPECT_EQ(std::string(completion.message).find("populate " + file.url() + ": "), 0u)
      << completion.message;
  EXPECT_EQ(message(), before);
}

TEST(Queue, LongMessagesAreCut) {
  const Queue queue = new_queue();
  const std::string url = "file:///" + std::string(2000, 'x');
  EXPECT_EQ(r3map_resource_open_async(url.c_str(), nullptr, queue.get(), 2), R3MAP_OK);
  const r3map_completion completion = next(queue);
  EXPECT_EQ(completion.code, R3MAP_EINVAL);  // ENAMETOOLONG
  EXPECT_EQ(std::string(completion.message).size(), sizeof completion.message - 1);
}

// ---- the end of a queue -------------------------------------------------------------------------

TEST(QueueFree, NullAndFreedOnesAreLegal) {
  r3map_queue_free(nullptr);
  Queue queue = new_queue();
  r3map_queue* const handle = queue.release();
  r3map_queue_free(handle);
  r3map_queue_free(handle);
  EXPECT_FAILS(R3MAP_EBADF, "handle", r3map_queue_descriptor(handle));
  EXPECT_EQ(next_code(handle, 0), R3MAP_EBADF);
  EXPECT_EQ(r3map_region_open_async("memory:1M", nullptr, handle, 0), R3MAP_EBADF);
  EXPECT_EQ(r3map_resource_open_async("memory:1M", nullptr, handle, 0), R3MAP_EBADF);
}

TEST(QueueFree, WakesWhoWaits) {
  Queue queue = new_queue();
  r3map_queue* const handle = queue.release();
  std::vector<std::future<int>> waiting;
  for (int i = 0; i < 3; ++i)
    waiting.push_back(
        std::async(std::launch::async, [=] { return next_code(handle, i == 0 ? -1 : 60'000); }));
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  r3map_queue_free(handle);
  for (auto& one : waiting) EXPECT_EQ(get(one), R3MAP_EBADF);
}

// Each region has a userfaultfd: one that leaked would be seen.
TEST(QueueFree, WhatWouldHaveBeenOpenedIsClosed) {
  StallingServer server(1 << 20);
  server.stall_opens();
  const size_t before = open_descriptors("userfaultfd");
  Queue queue = new_queue();
  for (uint64_t tag = 0; tag < 6; ++tag)
    EXPECT_EQ(r3map_region_open_async(server.url().c_str(), nullptr, queue.get(), tag), R3MAP_OK);
  EXPECT_EQ(r3map_resource_open_async(server.url().c_str(), nullptr, queue.get(), 9), R3MAP_OK);
  ASSERT_TRUE(eventually([&] { return server.stalled() >= 6; }));
  queue.reset();
  server.release();
  // The opens go on, deliver to nobody, and are undone. One of our own, sent after them, ends last.
  const Region other = open_region(server.url());
  EXPECT_TRUE(eventually([&] { return open_descriptors("userfaultfd") <= before + 1; }));
}

TEST(QueueFree, WhatWasOpenedAndNotFetchedIsClosed) {
  const size_t before = open_descriptors("userfaultfd");
  Queue queue = new_queue();
  for (uint64_t tag = 0; tag < 20; ++tag)
    EXPECT_EQ(r3map_region_open_async("memory:1M", nullptr, queue.get(), tag), R3MAP_OK);
  EXPECT_EQ(r3map_resource_open_async("memory:1M", nullptr, queue.get(), 99), R3MAP_OK);
  EXPECT_TRUE(readable(queue, 30'000));
  queue.reset();
  EXPECT_TRUE(eventually([&] { return open_descriptors("userfaultfd") <= before; }));
}

TEST(QueueFree, OperationsGoOnIntoNothing) {
  StallingServer server(8 << 20);
  const Region region = open_region(server.url(), with_deadline(0));
  Queue queue = new_queue();
  std::vector<std::byte> bytes(4096);
  r3map_region* const open = region.get();
  EXPECT_EQ(r3map_region_read_async(open, bytes.data(), 4096, 1 << 20, queue.get(), 1), R3MAP_OK);
  EXPECT_EQ(r3map_region_pin_async(open, 2 << 20, 4096, queue.get(), 2), R3MAP_OK);
  EXPECT_EQ(r3map_region_wait_async(open, queue.get(), 3), R3MAP_OK);
  queue.reset();
  server.release();
  EXPECT_TRUE(eventually([&] {
    const r3map_stats stats = stats_of(region);
    return stats.resident == 2 * 4096 && stats.pinned == 0;
  })) << "a pin that nobody knows of could never be taken back";
  EXPECT_EQ(r3map_region_unpin(open, 2 << 20, 4096), R3MAP_EINVAL);
}

TEST(Queue, HasRoomForAMillionOperations) {
  if (kSanitizer) GTEST_SKIP() << "too much memory under a sanitizer";
  constexpr uint64_t kMost = 1 << 20;
  const Queue queue = new_queue();
  const Region region = open_region("memory:4K");
  for (uint64_t tag = 0; tag < kMost; ++tag)
    ASSERT_EQ(r3map_region_populate_async(region.get(), 0, 0, queue.get(), tag), R3MAP_OK);
  EXPECT_FAILS(R3MAP_EBUSY, "too many",
               r3map_region_populate_async(region.get(), 0, 0, queue.get(), 0));
  EXPECT_EQ(next(queue).tag, 0u);
  EXPECT_EQ(r3map_region_populate_async(region.get(), 0, 0, queue.get(), kMost), R3MAP_OK);
  EXPECT_EQ(r3map_region_populate_async(region.get(), 0, 0, queue.get(), 0), R3MAP_EBUSY);
}

}  // namespace
}  // namespace r3map::test
