#include "base/thread.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <array>
#include <future>

namespace r3map {
namespace {

TEST(StartThread, HasItsNameAndTakesNoSignals) {
  std::array<char, 16> name{};
  bool all_blocked = true;
  std::promise<void> looked_at;
  std::thread thread = start_thread("r3map-test", [&] {
    looked_at.get_future().wait();
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    for (const int number : {SIGINT, SIGTERM, SIGCHLD, SIGPIPE, SIGUSR1, SIGPROF})
      all_blocked = all_blocked && sigismember(&blocked, number);
  });
  pthread_getname_np(thread.native_handle(), name.data(), name.size());
  looked_at.set_value();
  thread.join();
  EXPECT_STREQ(name.data(), "r3map-test");
  EXPECT_TRUE(all_blocked);
  sigset_t blocked;
  pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  EXPECT_FALSE(sigismember(&blocked, SIGINT));
}

}  // namespace
}  // namespace r3map
