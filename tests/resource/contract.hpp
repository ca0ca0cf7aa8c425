// What every resource promises, whatever its store. A store's test instantiates it:
//
//   struct MyStore {
//     static constexpr bool kNeedsBuffer;  // reads into the sink's own buffer, where it has one
//     std::unique_ptr<resource::Resource> make(loop::WorkerPool&, std::span<const std::byte>);
//   };
//   INSTANTIATE_TYPED_TEST_SUITE_P(My, ResourceContract, MyStore);
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "resource/resource.hpp"
#include "support/loop_fixture.hpp"
#include "support/random.hpp"

namespace r3map::test {

using Bytes = std::vector<std::byte>;

// Checks what a store may do to a sink while it takes the bytes.
class StrictSink : public resource::Sink {
 public:
  // `offer`: how much of its own memory buffer() shows at a time; 0: none.
  explicit StrictSink(Range range, size_t offer = 0)
      : range_(range), offer_(offer), taken_(range.length) {}

  void bytes(uint64_t offset, std::span<const std::byte> data) override {
    std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock) return problem("two calls at a time");
    if (offset != range_.offset + received_) return problem("not contiguous");
    if (data.size() > range_.length - received_) return problem("outside the range");
    if (data.empty()) return;
    std::byte* const place = taken_.data() + received_;
    if (data.data() == place)
      in_place_ += data.size();
    else
      std::memcpy(place, data.data(), data.size());
    received_ += data.size();
  }

  std::span<std::byte> buffer(uint64_t offset) override {
    if (offer_ == 0) return {};
    if (!range_.contains(offset)) {
      if (!range_.empty()) problem("a buffer outside the range");
      return {};
    }
    const size_t at = offset - range_.offset;
    return std::span(taken_).subspan(at, std::min(offer_, taken_.size() - at));
  }

  const Bytes& taken() const { return taken_; }
  uint64_t received() const { return received_; }
  uint64_t in_place() const { return in_place_; }
  const std::string& problem() const { return problem_; }

 private:
  void problem(const char* what) { problem_ = what; }

  Range range_;
  size_t offer_;
  std::mutex mutex_;
  Bytes taken_;
  uint64_t received_ = 0;
  uint64_t in_place_ = 0;
  std::string problem_;
};

template <typename Store>
class ResourceContract : public LoopTest {
 protected:
  // Some megabytes, and no whole number of anything.
  static constexpr uint64_t kSize = (3 << 20) + 777;

  void SetUp() override { open(kSize); }
  void open(uint64_t size) {
    content_ = random_.bytes(size);
    resource_ = store_.make(workers_, content_);
    ASSERT_TRUE(resource_);
  }

  Result<> read(Range range, resource::Urgency urgency, resource::Sink& sink) {
    resource::Request request;
    request.urgency = urgency;
    return run<void>([&] { return resource_->read(range, request, sink); });
  }
  Result<> write(uint64_t offset, std::span<const std::byte> data) {
    return run<void>([&] { return resource_->write(offset, data, {}); });
  }
  // Whether `taken` is what the content holds in `range`.
  bool right(Range range, const Bytes& taken) const {
    const auto begin = content_.begin() + static_cast<long>(range.offset);
    return std::equal(taken.begin(), taken.end(), begin, begin + static_cast<long>(range.length));
  }
  void expect_reads(Range range, resource::Urgency urgency, size_t offer = 0) {
    SCOPED_TRACE(std::to_string(range.length) + " bytes at " + std::to_string(range.offset));
    StrictSink sink(range, offer);
    const Result<> done = read(range, urgency, sink);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(sink.problem(), "");
    EXPECT_EQ(sink.received(), range.length);
    EXPECT_TRUE(right(range, sink.taken())) << "other bytes";
    if (Store::kNeedsBuffer && offer >= range.length) {
      EXPECT_EQ(sink.in_place(), range.length) << "copied, though the sink had a buffer";
    }
  }
  Range some_range(uint64_t longest) {
    const uint64_t offset = random_.below(content_.size());
    return {offset, random_.below(std::min(longest, content_.size() - offset) + 1)};
  }

  static constexpr resource::Urgency kUrgencies[] = {
      resource::Urgency::demand, resource::Urgency::require, resource::Urgency::readahead,
      resource::Urgency::pull};

  Random random_;
  testing::ScopedTrace trace_{__FILE__, __LINE__, random_.trace()};
  Store store_;
  Bytes content_;
  std::unique_ptr<resource::Resource> resource_;
};

TYPED_TEST_SUITE_P(ResourceContract);

TYPED_TEST_P(ResourceContract, InfoIsUsable) {
  const resource::Info& info = this->resource_->info();
  EXPECT_EQ(info.size, this->kSize);
  EXPECT_GT(info.granule, 0u);
  EXPECT_GE(info.preferred_request, info.granule);
  EXPECT_GT(info.parallel_requests, 0u);
}

TYPED_TEST_P(ResourceContract, ReadsTheWhole) {
  for (const resource::Urgency urgency : this->kUrgencies)
    this->expect_reads({0, this->kSize}, urgency);
}

TYPED_TEST_P(ResourceContract, ReadsAtTheEdges) {
  constexpr uint64_t kEnd = ResourceContract<TypeParam>::kSize;
  constexpr Range kRanges[] = {
      {0, 1},           {0, 4096},        {1, 4096},           {4095, 1},       {4095, 2},
      {4096, 4096},     {100, 65536},     {100, 65537},        {0, 262144},     {1, 262145},
      {kEnd - 1, 1},    {kEnd - 777, 777}, {kEnd - 4096, 4096}, {kEnd - 70000, 70000},
  };
  for (const resource::Urgency urgency : this->kUrgencies)
    for (const Range range : kRanges) this->expect_reads(range, urgency);
}

TYPED_TEST_P(ResourceContract, ReadsAnyRange) {
  for (int i = 0; i < 200; ++i) {
    const uint64_t longest = this->random_.one_in(10) ? 1 << 20 : 10'000;
    this->expect_reads(this->some_range(longest), this->kUrgencies[this->random_.below(4)]);
  }
}

TYPED_TEST_P(ResourceContract, AnEmptyRangeIsRead) {
  for (const resource::Urgency urgency : this->kUrgencies)
    for (const uint64_t offset : {uint64_t{0}, uint64_t{5000}, this->kSize})
      this->expect_reads({offset, 0}, urgency);
}

TYPED_TEST_P(ResourceContract, FillsTheSinksOwnBuffer) {
  // However little the sink has at a time.
  for (const resource::Urgency urgency : this->kUrgencies)
    for (const size_t offer : {size_t{1000}, size_t{4096}, size_t{100'000}, size_t{1} << 30}) {
      this->expect_reads({0, 1}, urgency, offer);
      this->expect_reads({777, 4096}, urgency, offer);
      this->expect_reads({5, 300'000}, urgency, offer);
      this->expect_reads({this->kSize - 777, 777}, urgency, offer);
    }
}

// As functions, not lambdas: GCC 12 mistakes what a lambda's coroutine has captured.
inline loop::Task<void> read_one(resource::Resource& resource, Range range,
                                 resource::Urgency urgency, const Bytes& content, int& wrong) {
  StrictSink sink(range);
  resource::Request request;
  request.urgency = urgency;
  auto reading = resource.read(range, request, sink);
  const Result<> done = co_await reading;
  if (!done || !sink.problem().empty() || sink.received() != range.length ||
      !std::equal(sink.taken().begin(), sink.taken().end(),
                  content.begin() + static_cast<long>(range.offset)))
    ++wrong;
}

TYPED_TEST_P(ResourceContract, TasksMayOverlap) {
  int wrong = 0;
  loop::TaskGroup group;
  const Result<> all = this->template run<void>([&]() -> loop::Task<Result<>> {
    for (int i = 0; i < 100; ++i)
      group.spawn(read_one(*this->resource_, this->some_range(200'000),
                           this->kUrgencies[this->random_.below(4)], this->content_, wrong));
    loop::Task<void> idle = group.idle();
    co_await idle;
    co_return Result<>();
  });
  EXPECT_TRUE(all);
  EXPECT_EQ(wrong, 0);
}

// Before it begins or while it runs: all the bytes or Code::canceled, and always an end.
TYPED_TEST_P(ResourceContract, AStoppedReadEnds) {
  for (const resource::Urgency urgency : this->kUrgencies)
    for (const bool before : {true, false}) {
      const Range range{0, this->kSize};
      StrictSink sink(range);
      std::stop_source source;
      resource::Request request;
      request.urgency = urgency;
      request.stop = source.get_token();
      const Result<> done = this->template run<void>([&] {
        if (before) source.request_stop();
        // Posted from the loop, it comes after the read's begin.
        this->loop_->post([&] { source.request_stop(); });
        return this->resource_->read(range, request, sink);
      });
      EXPECT_EQ(sink.problem(), "");
      if (done) {
        EXPECT_TRUE(this->right(range, sink.taken()));
      } else {
        EXPECT_EQ(done.error().code, Code::canceled) << done.error().message;
      }
      this->on_loop([] {});  // the posted one is over
    }
}

TYPED_TEST_P(ResourceContract, WhatIsWrittenIsRead) {
  if (this->resource_->info().read_only) GTEST_SKIP() << "read-only";
  for (int i = 0; i < 100; ++i) {
    const Range range = this->some_range(this->random_.one_in(10) ? 1 << 20 : 10'000);
    const Bytes data = this->random_.bytes(range.length);
    const Result<> written = this->write(range.offset, data);
    ASSERT_TRUE(written) << written.error().message;
    std::copy(data.begin(), data.end(), this->content_.begin() + static_cast<long>(range.offset));
    this->expect_reads(range, this->kUrgencies[this->random_.below(4)]);
    this->expect_reads(this->some_range(10'000), this->kUrgencies[this->random_.below(4)]);
  }
  const Result<> flushed = this->template run<void>([&] { return this->resource_->flush({}); });
  EXPECT_TRUE(flushed);
  this->expect_reads({0, this->kSize}, resource::Urgency::pull);
}

TYPED_TEST_P(ResourceContract, AWriteUpToTheEndButNotPastIt) {
  if (this->resource_->info().read_only) GTEST_SKIP() << "read-only";
  const Bytes data = this->random_.bytes(10);
  for (const uint64_t offset : {this->kSize - 9, this->kSize, this->kSize + 1, UINT64_MAX - 3}) {
    const Result<> written = this->write(offset, data);
    ASSERT_FALSE(written) << offset;
    EXPECT_EQ(written.error().code, Code::out_of_range);
  }
  this->expect_reads({0, this->kSize}, resource::Urgency::require);
  ASSERT_TRUE(this->write(this->kSize - 10, data));
  ASSERT_TRUE(this->write(this->kSize, {}));
  std::copy(data.begin(), data.end(), this->content_.end() - 10);
  this->expect_reads({0, this->kSize}, resource::Urgency::require);
  EXPECT_EQ(this->resource_->info().size, this->kSize);
}

inline loop::Task<void> write_one(resource::Resource& resource, uint64_t offset,
                                  std::span<const std::byte> data, int& wrong) {
  auto writing = resource.write(offset, data, {});
  const Result<> done = co_await writing;
  if (!done) ++wrong;
}

// Even pages are written while odd ones are read.
TYPED_TEST_P(ResourceContract, ReadsAndWritesOfDifferentPagesMayOverlap) {
  if (this->resource_->info().read_only) GTEST_SKIP() << "read-only";
  int wrong = 0;
  loop::TaskGroup group;
  const Bytes data = this->random_.bytes(kPage);
  const Result<> all = this->template run<void>([&]() -> loop::Task<Result<>> {
    for (uint64_t page = 0; page < 100; page += 2) {
      group.spawn(write_one(*this->resource_, page * kPage, data, wrong));
      group.spawn(read_one(*this->resource_, Range{(page + 1) * kPage, kPage},
                           this->kUrgencies[this->random_.below(4)], this->content_, wrong));
    }
    loop::Task<void> idle = group.idle();
    co_await idle;
    co_return Result<>();
  });
  EXPECT_TRUE(all);
  EXPECT_EQ(wrong, 0);
  for (uint64_t page = 0; page < 100; page += 2)
    std::copy(data.begin(), data.end(), this->content_.begin() + static_cast<long>(page * kPage));
  this->expect_reads({0, this->kSize}, resource::Urgency::pull);
}

TYPED_TEST_P(ResourceContract, AnEmptyOneHasNothingToRead) {
  this->open(0);
  EXPECT_EQ(this->resource_->info().size, 0u);
  for (const resource::Urgency urgency : this->kUrgencies) this->expect_reads({0, 0}, urgency);
}

TYPED_TEST_P(ResourceContract, OneByte) {
  this->open(1);
  for (const resource::Urgency urgency : this->kUrgencies) this->expect_reads({0, 1}, urgency);
}

REGISTER_TYPED_TEST_SUITE_P(ResourceContract, InfoIsUsable, ReadsTheWhole, ReadsAtTheEdges,
                            ReadsAnyRange, AnEmptyRangeIsRead, FillsTheSinksOwnBuffer,
                            TasksMayOverlap, AStoppedReadEnds, WhatIsWrittenIsRead,
                            AWriteUpToTheEndButNotPastIt,
                            ReadsAndWritesOfDifferentPagesMayOverlap, AnEmptyOneHasNothingToRead,
                            OneByte);

}  // namespace r3map::test
