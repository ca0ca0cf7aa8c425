#include "base/log.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>
#include <thread>
#include <vector>

#include "base/limits.hpp"

namespace r3map {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

// A log into a file of the test's own.
class LogTest : public testing::Test {
 protected:
  LogTest() {
    std::string folder = testing::TempDir() + "r3map-log-XXXXXX";
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    path_ = folder + "/log";
  }
  ~LogTest() override {
    (void)start_log({});
    unlink(path_.c_str());
    rmdir(folder_.c_str());
  }

  void start(LogLevel level) {
    const Result<> started = start_log({level, path_});
    ASSERT_TRUE(started) << started.error().message;
  }
  std::string written() {
    EXPECT_TRUE(flush_log(30s));
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // A FIFO in the log's place that is opened here and filled up, so that the writer blocks.
  int start_blocked() {
    EXPECT_EQ(mkfifo(path_.c_str(), 0600), 0);
    const int reader = open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    const int filler = open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    const std::vector<char> junk(4096, '\n');
    while (write(filler, junk.data(), junk.size()) > 0) continue;
    close(filler);
    start(LogLevel::debug);
    return reader;
  }
  static std::string drain(int reader) {
    std::string all;
    char buffer[65536];
    for (;;) {
      const ssize_t got = read(reader, buffer, sizeof buffer);
      if (got > 0)
        all.append(buffer, static_cast<size_t>(got));
      else if (flush_log(1ms))
        break;
      else
        std::this_thread::sleep_for(1ms);
    }
    for (ssize_t got; (got = read(reader, buffer, sizeof buffer)) > 0;)
      all.append(buffer, static_cast<size_t>(got));
    return all;
  }

  std::string folder_, path_;
};

TEST_F(LogTest, IsOffUntilItIsStarted) {
  EXPECT_FALSE(logs(LogLevel::error));
  log(LogLevel::error, "nobody hears this");
  EXPECT_TRUE(flush_log(0ms));
}

TEST_F(LogTest, WritesOneLineAnEvent) {
  start(LogLevel::debug);
  log(LogLevel::warn, "slow fault", {{"region", "s3://b/k"}, {"offset", 4096}, {"ms", 1234},
                                     {"cause", "no such key (NoSuchKey, 404)"}});
  const std::string line = written();
  EXPECT_TRUE(std::regex_match(
      line, std::regex(R"re(time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z level=warn from=r3map )re"
                       R"re(msg="slow fault" region=s3://b/k offset=4096 ms=1234 )re"
                       R"re(cause="no such key \(NoSuchKey, 404\)"\n)re")))
      << line;
}

TEST_F(LogTest, KeepsALineALine) {
  start(LogLevel::debug);
  log(LogLevel::info, "odd",
      {{"a", "two\nlines"}, {"b", "a \"quote\" and \\"}, {"c", ""}, {"d", "x=y"}, {"e", "\x7f…"}});
  EXPECT_THAT(written(), HasSubstr(R"(a="two\x0alines" b="a \"quote\" and \\" c="" d="x=y" )"
                                   "e=\"\\x7f…\"\n"));
}

TEST_F(LogTest, CutsALongLine) {
  start(LogLevel::debug);
  log(LogLevel::info, "long", {{"text", std::string(3 * limits::kLogLine, 'x')}});
  log(LogLevel::info, "next");
  const std::string lines = written();
  EXPECT_EQ(lines.find('\n'), limits::kLogLine - 1);
  EXPECT_THAT(lines, HasSubstr("xxx…\n"));
  EXPECT_THAT(lines, HasSubstr("msg=next\n"));
}

TEST_F(LogTest, WritesOnlyTheLevelsThatAreWanted) {
  start(LogLevel::warn);
  EXPECT_TRUE(logs(LogLevel::error));
  EXPECT_TRUE(logs(LogLevel::warn));
  EXPECT_FALSE(logs(LogLevel::info));
  log(LogLevel::error, "first");
  log(LogLevel::info, "second");
  EXPECT_THAT(written(), testing::AllOf(HasSubstr("msg=first"), Not(HasSubstr("second"))));
}

TEST_F(LogTest, AppendsAndIsReadableByItsOwnerOnly) {
  start(LogLevel::debug);
  log(LogLevel::info, "first");
  start(LogLevel::debug);  // what waits for the old one is written first
  log(LogLevel::info, "second");
  const std::string lines = written();
  EXPECT_LT(lines.find("first"), lines.find("second"));
  struct stat file {};
  ASSERT_EQ(stat(path_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
}

TEST_F(LogTest, WhatCannotBeOpenedIsAnErrorAndLeavesTheLogAsItWas) {
  start(LogLevel::debug);
  const Result<> failed = start_log({LogLevel::debug, folder_ + "/none/log"});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::not_found);
  EXPECT_THAT(failed.error().message, HasSubstr("can't log to "));
  log(LogLevel::info, "still here");
  EXPECT_THAT(written(), HasSubstr("still here"));
}

TEST_F(LogTest, APipeThatNobodyReadsIsAnError) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_FALSE(start_log({LogLevel::debug, path_}));
}

// Nobody who logs waits for the reader; what is too much is dropped, and that is told.
TEST_F(LogTest, DropsWhatFindsNoRoomAndTellsSo) {
  const int reader = start_blocked();
  const std::string text(1000, 'x');
  const size_t count = 4 * limits::kLogBytes / text.size();
  for (size_t i = 0; i < count; ++i) log(LogLevel::info, "much", {{"text", text}});
  EXPECT_FALSE(flush_log(1ms));
  EXPECT_FALSE(flush_log(1h));  // it is known to be stuck: nobody waits twice
  // What is told of the loss comes with the next lines.
  const std::string first = drain(reader);
  log(LogLevel::info, "last");
  const std::string all = first + drain(reader);
  EXPECT_THAT(all, HasSubstr("msg=last\n"));
  size_t seen = 0, lost = 0;
  for (size_t at = 0; (at = all.find("msg=much", at)) != all.npos; ++at) ++seen;
  const std::string told = "msg=\"log lines were dropped\" count=";
  for (size_t at = 0; (at = all.find(told, at)) != all.npos;)
    lost += std::stoul(all.substr(at += told.size()));
  EXPECT_GT(lost, 0u);
  EXPECT_EQ(seen + lost, count);
  EXPECT_LE(seen, 2 * limits::kLogBytes / text.size());
  close(reader);
}

TEST_F(LogTest, AFullStderrThatDoesNotBlockIsWaitedFor) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
  const std::vector<char> junk(4096, '\n');
  while (write(ends[1], junk.data(), junk.size()) > 0) continue;
  const int before = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  const Result<> started = start_log({LogLevel::info, ""});
  log(LogLevel::info, "kept");
  (void)flush_log(20ms);
  const std::string all = drain(ends[0]);
  (void)start_log({});
  dup2(before, STDERR_FILENO);
  for (const int fd : {before, ends[0], ends[1]}) close(fd);
  EXPECT_TRUE(started);
  EXPECT_THAT(all, HasSubstr("msg=kept\n"));
}

TEST_F(LogTest, ManyThreadsLogAtOnce) {
  start(LogLevel::debug);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([i] {
      for (int line = 0; line < 500; ++line) log(LogLevel::info, "line", {{"thread", i}});
    });
  for (std::thread& thread : threads) thread.join();
  const std::string lines = written();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2000);
}

TEST_F(LogTest, AChildOfForkLogsNothingUntilItStartsItsOwn) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer does not follow a fork of a process with threads";
#endif
  start(LogLevel::debug);
  const pid_t pid = fork();
  if (pid == 0) {
    if (logs(LogLevel::error)) _exit(1);
    log(LogLevel::error, "lost");
    if (!flush_log(0ms)) _exit(2);
    if (!start_log({LogLevel::info, path_})) _exit(3);
    log(LogLevel::info, "from the child");
    _exit(flush_log(30s) ? 0 : 4);
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  log(LogLevel::info, "from the parent");
  EXPECT_THAT(written(), testing::AllOf(HasSubstr("from the child"), HasSubstr("from the parent"),
                                        Not(HasSubstr("lost"))));
}

TEST(LogTarget, IsALevelAndPerhapsAFile) {
  EXPECT_EQ(parse_log_target("warn").value(), (LogTarget{LogLevel::warn}));
  EXPECT_EQ(parse_log_target("off").value(), LogTarget{});
  EXPECT_EQ(parse_log_target("debug:/var/log/a:b").value(),
            (LogTarget{LogLevel::debug, "/var/log/a:b"}));
  for (const char* wrong : {"", "loud", "WARN", "warn ", "debug:", ":/x", "2", "warn,info"}) {
    const Result<LogTarget> target = parse_log_target(wrong);
    ASSERT_FALSE(target) << wrong;
    EXPECT_EQ(target.error().code, Code::invalid);
    EXPECT_THAT(target.error().message, HasSubstr("error, warn, info, debug or off"));
  }
}

}  // namespace
}  // namespace r3map
