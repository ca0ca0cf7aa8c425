#include "backend/s3/credentials/blocking.hpp"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cstddef>
#include <thread>

#include "support/temporary_folder.hpp"

namespace r3map::backend::s3 {
namespace {

using namespace std::chrono_literals;

TEST(SmallFile, Reads) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(*read_small_file(folder.write("a", "text\n"), 5), "text\n");
  EXPECT_EQ(*read_small_file(folder.write("empty", ""), 5), "");
  EXPECT_EQ(*read_small_file("/dev/null", 5), "");
}

TEST(SmallFile, WhatItRefuses) {
  const test::TemporaryFolder folder;
  const auto error = [](const std::string& path) { return read_small_file(path, 5).error(); };
  EXPECT_EQ(error(folder.path() + "/none").code, Code::not_found);
  EXPECT_NE(error(folder.path() + "/none").message.find("/none: No such file"), std::string::npos);
  EXPECT_NE(error(folder.write("long", "123456")).message.find("longer than 5 bytes"),
            std::string::npos);
  EXPECT_EQ(error("/dev/zero").code, Code::invalid);
  EXPECT_EQ(error(folder.path()).code, Code::invalid);
  const std::string fifo = folder.path() + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_NE(error(fifo).message.find("not a regular file"), std::string::npos);
}

std::string run(const std::string& command, size_t limit = 100,
                loop::Clock::duration time = 30s) {
  const Result<std::string> output = run_program(command, limit, loop::deadline_after(time));
  return output ? *output : output.error().message;
}

TEST(Program, Output) {
  EXPECT_EQ(run("echo a; echo b >&2; echo c"), "a\nc\n");
  EXPECT_EQ(run("cat"), "") << "its input is empty";
  EXPECT_EQ(run("printf %s \"a  b\""), "a  b");
  EXPECT_EQ(run("exec >&-; exec 2>&-; sleep 0.1"), "");
}

TEST(Program, WhatGoesWrongIsSaid) {
  EXPECT_EQ(run("echo no luck >&2; exit 3"), "it ended with status 3: no luck ");
  EXPECT_EQ(run("kill -9 $$"), "signal 9 ended it");
  EXPECT_NE(run("/no/such/program").find("it ended with status 127: "), std::string::npos);
  EXPECT_EQ(run("head -c 101 /dev/zero"), "it printed more than 100 bytes");
  EXPECT_EQ(run("cat /dev/zero"), "it printed more than 100 bytes");
  EXPECT_NE(run("cat /dev/zero >&2", 100, 200ms).find("it did not end in time"),
            std::string::npos);
}

TEST(Program, IsEndedWhenTheTimeIsUp) {
  EXPECT_EQ(run("echo started >&2; sleep 1000", 100, 200ms), "it did not end in time: started ");
  EXPECT_EQ(run("sleep 1000 & sleep 1000", 100, 100ms), "it did not end in time") << "nor its own";
  EXPECT_EQ(run("exec >&-; exec 2>&-; sleep 1000", 100, 100ms), "it did not end in time");
}

TEST(Program, IsNotItsChildren) {
  EXPECT_EQ(run("sleep 90 & echo a; head -c 70000 /dev/zero >&2"), "a\n") << "nor the end of pipes";
  EXPECT_EQ(run("sleep 90 & head -c 50000 /dev/zero | tr '\\0' x", 50000).size(), 50000u)
      << "nothing is left in a pipe";
}

// What sandboxes and kernels before 5.3 do.
void refuse_pidfd_open() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{4, program};
  ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

TEST(Program, WithoutPidfds) {
  std::thread([] {  // the filter is this thread's
    refuse_pidfd_open();
    EXPECT_EQ(run("echo a; sleep 0.1; exit 0"), "a\n");
    EXPECT_EQ(run("exec >&-; exec 2>&-; exit 3"), "it ended with status 3");
    EXPECT_EQ(run("exec >&-; exec 2>&-; sleep 1000", 100, 100ms), "it did not end in time");
  }).join();
}

// Threads of ours block signals; a host may ignore SIGCHLD, and then nobody has a status.
TEST(Program, WhateverTheHostDoesWithSignals) {
  EXPECT_EQ(run("kill -TERM $$"), "signal 15 ended it");
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  EXPECT_EQ(run("kill -TERM $$"), "signal 15 ended it");
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  const auto handler = signal(SIGCHLD, SIG_IGN);
  EXPECT_EQ(run("echo a"), "a\n");
  signal(SIGCHLD, handler);
}

}  // namespace
}  // namespace r3map::backend::s3
