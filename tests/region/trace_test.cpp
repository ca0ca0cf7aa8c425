#include "region/trace.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/limits.hpp"
#include "support/loop_fixture.hpp"
#include "support/random.hpp"

namespace r3map::region {
namespace {

Code code_of(std::string_view text) {
  const Result<Trace> trace = parse_trace(text);
  return trace ? Code::ok : trace.error().code;
}

TEST(ParseTrace, TakesWhatTheRecorderWrites) {
  const Result<Trace> trace = parse_trace("r3map-trace 1 1048576\n0 4096 0\n65536 8192 12\n");
  ASSERT_TRUE(trace);
  EXPECT_EQ(trace->size, 1048576u);
  ASSERT_EQ(trace->entries.size(), 2u);
  EXPECT_EQ(trace->entries[1].range, (Range{65536, 8192}));
  EXPECT_EQ(trace->entries[1].milliseconds, 12u);
}

TEST(ParseTrace, ACutLastLineIsLeftOut) {
  const Result<Trace> trace = parse_trace("r3map-trace 1 100\n0 4096 0\n65536 81");
  ASSERT_TRUE(trace);
  EXPECT_EQ(trace->entries.size(), 1u);
}

TEST(ParseTrace, WhatIsNoTraceIsRefusedWithItsLine) {
  for (const char* text :
       {"", "\n", "r3map-trace 1 100", "r3map-trace 2 100\n", "r3map-trace 1 -1\n",
        "r3map-trace 1 18446744073709551616\n", "r3map-trace 1 100 \n", "0 4096 0\n"})
    EXPECT_EQ(code_of(text), Code::invalid) << text;
  for (const char* line : {"", "0", "0 4096", "0 4096 0 ", "0  4096 0", " 0 4096 0", "0 0 0",
                           "-1 4096 0", "0 4096 x", "18446744073709551615 1 0",
                           "0 18446744073709551615 0", "0 4096 0 7", "0x10 4096 0"}) {
    const std::string text = "r3map-trace 1 100\n" + std::string(line) + "\n";
    const Result<Trace> trace = parse_trace(text);
    ASSERT_FALSE(trace) << line;
    EXPECT_NE(trace.error().message.find("line 2"), std::string::npos) << trace.error().message;
  }
}

TEST(ParseTrace, TooManyEntriesAreRefused) {
  std::string text = "r3map-trace 1 100\n";
  for (size_t i = 0; i < limits::kTraceEntries; ++i) text += "0 1 0\n";
  EXPECT_EQ(code_of(text), Code::ok);
  text += "0 1 0\n";
  EXPECT_EQ(code_of(text), Code::invalid);
}

class TraceFile : public test::LoopTest {
 protected:
  TraceFile() {
    char name[] = "/tmp/r3map-trace-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~TraceFile() override { std::filesystem::remove_all(folder_); }

  std::string path(const char* name) const { return folder_ + "/" + name; }
  size_t files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }

  // Records `ranges`; answers what close() did, or open().
  Result<> record(const std::string& path, const std::vector<Range>& ranges) {
    return loop_->wait<void>([&, path]() -> loop::Task<Result<>> {
      auto opening = TraceRecorder::open(workers_, path, 1 << 30);
      Result<std::unique_ptr<TraceRecorder>> recorder = co_await opening;
      if (!recorder) co_return fail(std::move(recorder.error()));
      for (const Range range : ranges) (*recorder)->add(range);
      auto closing = (*recorder)->close();
      co_return co_await closing;
    });
  }

  std::string folder_;
};

TEST_F(TraceFile, WhatWasRecordedIsReadBack) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  std::vector<Range> ranges;
  for (int i = 0; i < 20'000; ++i)  // many pieces of the file
    ranges.push_back({random.below(1 << 20) << 13, kPage});
  const std::string file = path("trace");
  ASSERT_TRUE(record(file, ranges));
  const Result<Trace> trace = read_trace(file);
  ASSERT_TRUE(trace) << trace.error().message;
  EXPECT_EQ(trace->size, uint64_t{1} << 30);
  ASSERT_EQ(trace->entries.size(), ranges.size());
  for (size_t i = 0; i < ranges.size(); ++i) ASSERT_EQ(trace->entries[i].range, ranges[i]);
  EXPECT_EQ(files(), 1u) << "a temporary file is left";
}

TEST_F(TraceFile, WhatContinuesTheLastEntryBecomesPartOfIt) {
  ASSERT_TRUE(record(path("trace"), {{0, 4096}, {4096, 4096}, {8192, 8192}, {0, 4096}, {}}));
  const Result<Trace> trace = read_trace(path("trace"));
  ASSERT_TRUE(trace);
  ASSERT_EQ(trace->entries.size(), 2u);
  EXPECT_EQ(trace->entries[0].range, (Range{0, 16384}));
}

TEST_F(TraceFile, OfAnEmptyObjectThereIsOneAsWell) {
  ASSERT_TRUE(record(path("trace"), {}));
  EXPECT_TRUE(read_trace(path("trace")));
  EXPECT_TRUE(parse_trace("r3map-trace 1 0\n"));
}

TEST_F(TraceFile, AnEarlierTraceIsReplacedOnlyAtTheEnd) {
  ASSERT_TRUE(record(path("trace"), {{0, 4096}}));
  ASSERT_TRUE(record(path("trace"), {{8192, 4096}}));
  EXPECT_EQ(read_trace(path("trace"))->entries[0].range.offset, 8192u);
  EXPECT_EQ(files(), 1u);
}

TEST_F(TraceFile, WhereNothingCanBeWrittenItSaysSo) {
  const Result<> recorded = record(path("no/such/folder/trace"), {});
  ASSERT_FALSE(recorded);
  EXPECT_EQ(recorded.error().code, Code::not_found);
  EXPECT_NE(recorded.error().message.find("trace"), std::string::npos);
}

TEST_F(TraceFile, ANameThatIsTakenByAFolderIsAnErrorAndLeavesNothing) {
  std::filesystem::create_directory(path("trace"));
  EXPECT_FALSE(record(path("trace"), {{0, 4096}}));
  EXPECT_EQ(files(), 1u);
}

// A rename would put a file where the device was: /dev/null, for root.
TEST_F(TraceFile, OnlyFilesAreReplaced) {
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  std::filesystem::create_symlink("pipe", path("link to a pipe"));
  std::filesystem::create_symlink("nowhere", path("link to nothing"));
  for (const char* name : {"pipe", "link to a pipe"}) {
    const Result<> recorded = record(path(name), {{0, 4096}});
    ASSERT_FALSE(recorded) << name;
    EXPECT_EQ(recorded.error().code, Code::invalid);
  }
  EXPECT_EQ(record(path("link to nothing"), {}).error().code, Code::not_found);
  EXPECT_TRUE(std::filesystem::is_fifo(path("pipe")));
  EXPECT_EQ(files(), 3u);
}

TEST_F(TraceFile, ALinkStaysWhatItIs) {
  ASSERT_TRUE(record(path("trace"), {{0, 4096}}));
  std::filesystem::create_symlink("trace", path("link"));
  ASSERT_TRUE(record(path("link"), {{8192, 4096}}));
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
  EXPECT_EQ(read_trace(path("trace"))->entries[0].range.offset, 8192u);
}

TEST_F(TraceFile, WhatIsNoFileIsNotRead) {
  EXPECT_EQ(read_trace(path("missing")).error().code, Code::not_found);
  EXPECT_EQ(read_trace(folder_).error().code, Code::invalid);
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(read_trace(path("pipe")).error().code, Code::invalid);
  std::ofstream(path("text")) << "hello\n";
  EXPECT_EQ(read_trace(path("text")).error().code, Code::invalid);
}

}  // namespace
}  // namespace r3map::region
