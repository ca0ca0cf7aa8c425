// A region over a resource that computes its bytes and misbehaves as it is told, with calls that
// wait. The test's own threads touch; never the loop's.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <future>
#include <thread>

#include "backend/memory.hpp"
#include "region/region.hpp"
#include "support/eventually.hpp"
#include "support/fake_resource.hpp"
#include "support/loop_fixture.hpp"
#include "support/sigbus.hpp"

namespace r3map::test {

using Control = FaultInjectingResource::Control;
using Memory = Result<std::unique_ptr<memory::LocalMemory>>;

enum class MemoryKind { uffd, plain };
enum class ResourceKind { memory, misbehaving };

// What the object holds there.
inline std::vector<std::byte> expected_bytes(Range range) {
  std::vector<std::byte> bytes(range.length);
  ComputedResource::fill(range.offset, bytes);
  return bytes;
}

inline Code code_of(const Result<>& result) { return result ? Code::ok : result.error().code; }

// The bytes of a region, and its calls from the test's threads.
class TestRegion {
 public:
  TestRegion(loop::Loop& loop, std::unique_ptr<region::Region> region)
      : loop_(loop), region_(std::move(region)), data_(region_->data()), size_(region_->size()) {}
  ~TestRegion() { close(); }
  TestRegion(const TestRegion&) = delete;
  TestRegion& operator=(const TestRegion&) = delete;

  void close() {
    if (!region_) return;
    (void)loop_.wait<int>([this] { return close_on_loop(); });
  }
  std::future<void> close_async() {
    return std::async(std::launch::async, [this] { close(); });
  }

  const std::byte* data() const { return data_; }
  uint64_t size() const { return size_; }

  Code populate(Range range) {
    return code_of(loop_.wait<void>([&] { return region_->populate(range); }));
  }
  Code pin(Range range) {
    return code_of(loop_.wait<void>([&] { return region_->pin(range); }));
  }
  Code read(uint64_t offset, std::span<std::byte> out) {
    return code_of(loop_.wait<void>([&] { return region_->read(offset, out); }));
  }
  Code wait() {
    return code_of(loop_.wait<void>([&] { return region_->wait(); }));
  }
  Code unpin(Range range) {
    return at_once<Code>([&] { return code_of(region_->unpin(range)); });
  }
  Code prefetch(std::vector<Range> ranges) {
    return at_once<Code>([&] { return code_of(region_->prefetch(ranges)); });
  }
  void evict(Range range) {
    EXPECT_TRUE(loop_.wait<void>([&] { return region_->evict(range); }));
  }
  region::RegionStats stats() {
    return at_once<region::RegionStats>([&] { return region_->stats(); });
  }
  Error last_error() {
    return at_once<Error>([&] { return region_->last_error(); });
  }

  // The mapping holds there what the object does. Touches all of it.
  bool matches(Range range) const {
    std::vector<std::byte> expected(range.length);
    ComputedResource::fill(range.offset, expected);
    return std::equal(expected.begin(), expected.end(), data() + range.offset);
  }
  // As touch(), compared with the object: the byte, nothing, or a failed test.
  std::optional<std::byte> touched(uint64_t offset) const {
    const std::optional<std::byte> found = touch(data() + offset);
    if (found) {
      EXPECT_EQ(*found, ComputedResource::byte_at(offset)) << "at " << offset;
    }
    return found;
  }
  std::future<bool> touch_async(uint64_t offset) const {
    return std::async(std::launch::async, [this, offset] { return touched(offset).has_value(); });
  }

 private:
  template <typename T>
  T at_once(std::function<T()> work) {
    std::promise<T> promise;
    loop_.post([&] { promise.set_value(work()); });
    return promise.get_future().get();
  }
  loop::Task<Result<int>> close_on_loop() {
    auto closing = region_->close();
    co_await closing;
    region_.reset();
    co_return 0;
  }

  loop::Loop& loop_;
  std::unique_ptr<region::Region> region_;
  // Threads touch while it closes.
  const std::byte* const data_;
  const uint64_t size_;
};

class RegionFixture : public LoopTest {
 protected:
  struct Source {
    uint64_t size = 0;
    uint64_t granule = 16 << 10;
    uint64_t preferred_request = 1 << 20;
    unsigned parallel_requests = 2;
    bool remote = false;
    loop::Clock::duration latency{};
  };

  // The object, behind control_.
  std::unique_ptr<resource::Resource> misbehaving(const Source& source) {
    auto computed = std::make_unique<ComputedResource>(source.size);
    computed->settings().granule = source.granule;
    computed->settings().preferred_request = source.preferred_request;
    computed->settings().parallel_requests = source.parallel_requests;
    computed->settings().remote = source.remote;
    computed->settings().latency = source.latency;
    return std::make_unique<FaultInjectingResource>(*loop_, std::move(computed), control_);
  }
  std::unique_ptr<resource::Resource> in_memory(uint64_t size) {
    auto memory = std::move(*backend::MemoryResource::open(workers_, size));
    ComputedResource::fill(0, memory->bytes());
    return memory;
  }

  Result<std::unique_ptr<TestRegion>> try_open(std::unique_ptr<resource::Resource> resource,
                                               region::RegionOptions options, MemoryKind kind) {
    region::Environment environment{*loop_, workers_, budget_,
                                    [this, kind](uint64_t size, uint64_t limit) -> Memory {
                                      Memory opened = kind == MemoryKind::uffd
                                                          ? memory::open_uffd(size)
                                                          : memory::open_plain(size, limit);
                                      return opened && wrap_memory_
                                                 ? wrap_memory_(std::move(*opened))
                                                 : std::move(opened);
                                    }};
    using Opened = std::unique_ptr<region::Region>;
    Result<Opened> opened = loop_->wait<Opened>([&] {
      return region::Region::open(environment, std::move(resource), options);
    });
    if (!opened) return fail(std::move(opened.error()));
    return std::make_unique<TestRegion>(*loop_, std::move(*opened));
  }
  std::unique_ptr<TestRegion> open(const Source& source, region::RegionOptions options = {}) {
    auto opened = try_open(misbehaving(source), std::move(options), MemoryKind::uffd);
    if (!opened) ADD_FAILURE() << opened.error().message;
    return opened ? std::move(*opened) : nullptr;
  }

  bool someone_is_blocked(size_t count = 1) {
    return eventually([&] { return control_->blocked() >= count; });
  }
  bool faults_waiting(TestRegion& region, uint64_t count = 1) {
    return eventually([&] { return region.stats().faults >= count; });
  }

  // What regions get instead of their memory; none: that itself.
  std::function<std::unique_ptr<memory::LocalMemory>(std::unique_ptr<memory::LocalMemory>)>
      wrap_memory_;
  region::Budget budget_{256 << 20};
  std::shared_ptr<Control> control_ = std::make_shared<Control>(*loop_);
};

}  // namespace r3map::test
