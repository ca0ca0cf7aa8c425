// Handles that are wrong, closed, or being closed by another thread: an error, never a crash.

#include <atomic>

#include "capi/every_call.hpp"
#include "capi/support.hpp"

namespace r3map::test {
namespace {

void expect_all(int code, const std::vector<int>& codes) {
  for (size_t i = 0; i < codes.size(); ++i) EXPECT_EQ(codes[i], code) << "call " << i;
}

void expect_bad(void* handle) {
  const Queue queue = new_queue();
  const Region region = open_region("memory:1M");
  expect_all(R3MAP_EBADF, call_region(static_cast<r3map_region*>(handle), queue.get()));
  expect_all(R3MAP_EBADF, call_resource(static_cast<r3map_resource*>(handle), queue.get()));
  expect_all(R3MAP_EBADF, call_options(static_cast<r3map_options*>(handle)));
  expect_all(R3MAP_EBADF, call_queue(static_cast<r3map_queue*>(handle), region.get()));
  EXPECT_EQ(r3map_region_data(static_cast<r3map_region*>(handle)), nullptr);
  EXPECT_EQ(r3map_region_close(static_cast<r3map_region*>(handle)), R3MAP_EBADF);
  EXPECT_EQ(r3map_resource_close(static_cast<r3map_resource*>(handle)), R3MAP_EBADF);
  r3map_options_free(static_cast<r3map_options*>(handle));
  r3map_queue_free(static_cast<r3map_queue*>(handle));
}

TEST(Handles, WildPointersAreNone) {
  int local = 0;
  const auto heap = std::make_unique<int>(0);
  for (void* wild : {static_cast<void*>(nullptr), static_cast<void*>(&local),
                     static_cast<void*>(heap.get()), reinterpret_cast<void*>(&call_queue),
                     reinterpret_cast<void*>(UINTPTR_MAX), reinterpret_cast<void*>(1),
                     reinterpret_cast<void*>(0x00000000ffffff09)}) {
    SCOPED_TRACE(wild);
    expect_bad(wild);
  }
}

TEST(Handles, NeighboursOfARealOneAreNone) {
  const Region region = open_region("memory:1M");
  const auto bits = reinterpret_cast<uintptr_t>(region.get());
  const Queue queue = new_queue();
  for (unsigned bit = 0; bit < 64; ++bit) {
    auto* const flipped = reinterpret_cast<r3map_region*>(bits ^ (uintptr_t{1} << bit));
    // Another slot may be open as well, in this program's other tests: none is left open by them.
    EXPECT_EQ(r3map_region_evict(flipped, 0, 0), R3MAP_EBADF) << "bit " << bit;
  }
}

TEST(Handles, OneKindIsNotAnother) {
  const Region region = open_region("memory:1M");
  const Resource resource = open_resource("memory:1M");
  const Options options = new_options();
  const Queue queue = new_queue();
  expect_all(R3MAP_EBADF,
             call_resource(reinterpret_cast<r3map_resource*>(region.get()), queue.get()));
  expect_all(R3MAP_EBADF, call_options(reinterpret_cast<r3map_options*>(resource.get())));
  expect_all(R3MAP_EBADF, call_queue(reinterpret_cast<r3map_queue*>(options.get()), region.get()));
  expect_all(R3MAP_EBADF, call_region(reinterpret_cast<r3map_region*>(queue.get()), queue.get()));
  EXPECT_EQ(r3map_region_data(reinterpret_cast<r3map_region*>(queue.get())), nullptr);
}

TEST(Handles, ClosedOnesAreNoneForEver) {
  r3map_region* const region = open_region("memory:1M").release();
  r3map_resource* const resource = open_resource("memory:1M").release();
  r3map_options* const options = new_options().release();
  r3map_queue* const queue = new_queue().release();
  EXPECT_EQ(r3map_region_close(region), R3MAP_OK);
  EXPECT_EQ(r3map_resource_close(resource), R3MAP_OK);
  r3map_options_free(options);
  r3map_queue_free(queue);
  // Their places are taken again, the handles are not.
  for (int i = 0; i < 10; ++i) {
    const Region next_region = open_region("memory:1M");
    const Resource next_resource = open_resource("memory:1M");
    const Options next_options = new_options();
    const Queue next_queue = new_queue();
    expect_bad(region);
    expect_bad(resource);
    expect_bad(options);
    expect_bad(queue);
    EXPECT_EQ(r3map_region_evict(next_region.get(), 0, 64), R3MAP_OK);
  }
}

template <typename Open, typename Close>
void close_from_many_threads(Open open, Close close) {
  for (int round = 0; round < 50; ++round) {
    auto* const handle = open();
    std::atomic<int> waiting = 4, closed = 0, bad = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        --waiting;
        while (waiting > 0) std::this_thread::yield();
        const int code = close(handle);
        closed += code == R3MAP_OK;
        bad += code == R3MAP_EBADF;
      });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(closed, 1);
    EXPECT_EQ(bad, 3);
  }
}

TEST(Handles, ManyThreadsCloseAndOneDoes) {
  close_from_many_threads([] { return open_region("memory:1M").release(); }, r3map_region_close);
  close_from_many_threads([] { return open_resource("memory:1M").release(); },
                          r3map_resource_close);
}

TEST(Handles, ManyThreadsFree) {
  for (int round = 0; round < 50; ++round) {
    r3map_options* const options = new_options().release();
    r3map_queue* const queue = new_queue().release();
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        r3map_options_free(options);
        r3map_queue_free(queue);
      });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(r3map_options_set_pull(options, 0), R3MAP_EBADF);
    EXPECT_EQ(r3map_queue_descriptor(queue), R3MAP_EBADF);
  }
}

// Calls go on while another thread closes: they succeed, are canceled, or find no handle.
TEST(Handles, EveryCallWhileARegionCloses) {
  const TempFile file(1 << 20);
  for (int round = 0; round < 60; ++round) {
    Region region = open_region(file.url());
    r3map_region* const handle = region.release();
    EXPECT_EQ(r3map_region_pin(handle, 0, 64), R3MAP_OK);
    std::vector<std::thread> threads;
    std::atomic<bool> begun = false;
    for (int i = 0; i < 3; ++i)
      threads.emplace_back([&] {
        // No queue: an asynchronous read's buffer would have to outlive it.
        for (bool going = true; going;) {
          for (const int code : call_region(handle, nullptr))
            EXPECT_TRUE(code >= 0 || code == R3MAP_EBADF || code == R3MAP_ECANCELED ||
                        code == R3MAP_EINVAL)
                << code;
          (void)r3map_region_data(handle);
          going = r3map_region_evict(handle, 0, 0) != R3MAP_EBADF;
          begun = true;
        }
      });
    while (!begun) std::this_thread::yield();
    EXPECT_EQ(r3map_region_close(handle), R3MAP_OK);
    for (std::thread& thread : threads) thread.join();
  }
}

// A call that found its handle just before the close comes to the region just after: while its
// memory is given back, which takes a while.
TEST(Handles, CallsThatComeTooLateFindNoRegion) {
  for (int round = 0; round < 5; ++round) {
    const Queue queue = new_queue();
    r3map_region* const handle = open_region("memory:64M").release();
    ASSERT_EQ(r3map_region_populate(handle, 0, 64 << 20), R3MAP_OK);
    std::atomic<int> begun = 0;
    std::vector<std::future<uint64_t>> callers;
    for (int i = 0; i < 3; ++i)
      callers.push_back(std::async(std::launch::async, [&] {
        uint64_t calls = 0;
        ++begun;
        while (r3map_region_populate_async(handle, 0, 4096, queue.get(), 0) == R3MAP_OK) ++calls;
        return calls;
      }));
    while (begun < 3) std::this_thread::yield();
    EXPECT_EQ(r3map_region_close(handle), R3MAP_OK);
    uint64_t calls = 0;
    for (auto& caller : callers) calls += get(caller);
    for (; calls > 0; --calls) {
      const int code = next(queue).code;
      ASSERT_TRUE(code == R3MAP_OK || code == R3MAP_ECANCELED) << code;
    }
  }
}

TEST(Handles, EveryCallWhileAResourceCloses) {
  const TempFile file(1 << 20);
  for (int round = 0; round < 60; ++round) {
    r3map_resource* const handle = open_resource(file.url()).release();
    std::vector<std::thread> threads;
    std::atomic<bool> begun = false;
    for (int i = 0; i < 3; ++i)
      threads.emplace_back([&] {
        do {
          begun = true;
          std::byte buffer[64];
          for (const int code : {r3map_resource_read(handle, buffer, 64, 4096),
                                 r3map_resource_flush(handle)})
            EXPECT_TRUE(code == 0 || code == R3MAP_EBADF || code == R3MAP_ECANCELED) << code;
        } while (r3map_resource_read(handle, nullptr, 0, 0) != R3MAP_EBADF);
      });
    while (!begun) std::this_thread::yield();
    EXPECT_EQ(r3map_resource_close(handle), R3MAP_OK);
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace r3map::test
