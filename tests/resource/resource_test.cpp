#include "resource/resource.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "support/loop_fixture.hpp"

namespace r3map::resource {
namespace {

// Only what every resource must have.
class Minimal : public Resource {
 public:
  const Info& info() const override { return info_; }
  loop::Task<Result<>> read(Range, Request, Sink&) override { co_return Result<>(); }

 private:
  Info info_;
};

class ResourceTest : public test::LoopTest {
 protected:
  Minimal resource_;
};

TEST_F(ResourceTest, HasNoWritesUnlessItSaysSo) {
  const std::byte data[1]{};
  const Result<> written = run<void>([&] { return resource_.write(0, data, {}); });
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::read_only);
  EXPECT_TRUE(resource_.info().read_only);
}

TEST_F(ResourceTest, HasNothingToFlush) {
  EXPECT_TRUE(run<void>([&] { return resource_.flush({}); }));
}

TEST_F(ResourceTest, HasNoCommitUnlessItSaysSo) {
  const Result<std::string> committed = run<std::string>([&] {
    return resource_.commit(std::span<const Range>(), resource_, "base", "token", {});
  });
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code, Code::unsupported);
}

TEST(Request, IsPatientByDefault) {
  const Request request;
  EXPECT_EQ(request.urgency, Urgency::require);
  EXPECT_EQ(request.deadline, loop::kNever);
  EXPECT_FALSE(request.stop.stop_possible());
}

TEST(Urgency, WhoWaitsComesFirst) {
  EXPECT_LT(Urgency::demand, Urgency::require);
  EXPECT_LT(Urgency::require, Urgency::readahead);
  EXPECT_LT(Urgency::readahead, Urgency::pull);
}

TEST(Sink, HasNoBufferUnlessItSaysSo) {
  struct : Sink {
    void bytes(uint64_t, std::span<const std::byte>) override {}
  } sink;
  EXPECT_TRUE(sink.buffer(0).empty());
  sink.drained();
}

TEST(BufferSink, PutsBytesWhereTheyBelong) {
  std::array<std::byte, 8> buffer{};
  BufferSink sink(1000, buffer);
  const std::array<std::byte, 3> first{std::byte{1}, std::byte{2}, std::byte{3}};
  sink.bytes(1000, first);
  sink.bytes(1003, first);
  EXPECT_EQ(sink.received(), 6u);
  const std::array<std::byte, 8> expected{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{1},
                                          std::byte{2}, std::byte{3}, std::byte{0}, std::byte{0}};
  EXPECT_EQ(buffer, expected);
}

TEST(BufferSink, OffersTheRestOfItsBuffer) {
  std::array<std::byte, 8> buffer{};
  BufferSink sink(1000, buffer);
  EXPECT_EQ(sink.buffer(1000).data(), buffer.data());
  EXPECT_EQ(sink.buffer(1000).size(), 8u);
  EXPECT_EQ(sink.buffer(1003).data(), buffer.data() + 3);
  EXPECT_EQ(sink.buffer(1003).size(), 5u);
  EXPECT_TRUE(sink.buffer(1008).empty());
}

TEST(BufferSink, NoBytesAreLegalAnywhere) {
  BufferSink none(0, {});
  none.bytes(0, {});
  std::array<std::byte, 8> buffer{};
  BufferSink sink(0, buffer);
  sink.bytes(8, {});
  EXPECT_EQ(sink.received() + none.received(), 0u);
}

// What was filled in place must not be copied onto itself: memcpy forbids it.
TEST(BufferSink, TakesItsOwnBufferBack) {
  std::array<std::byte, 4> buffer{};
  BufferSink sink(0, buffer);
  const std::span<std::byte> own = sink.buffer(2);
  std::memset(own.data(), 9, own.size());
  sink.bytes(2, own);
  EXPECT_EQ(sink.received(), 2u);
  EXPECT_EQ(buffer[1], std::byte{0});
  EXPECT_EQ(buffer[2], std::byte{9});
}

}  // namespace
}  // namespace r3map::resource
