#include "region/waiting_faults.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <optional>

#include "region/fake_memory.hpp"
#include "support/loop_fixture.hpp"

namespace r3map::region {
namespace {

using namespace std::chrono_literals;
using test::pages;

class WaitingFaultsTest : public test::LoopTest {
 protected:
  void start(loop::Clock::duration patience) {
    on_loop([&] {
      faults_.emplace(*loop_, patience, [&](uint64_t offset) {
        if (on_expired_) on_expired_(offset);
        std::lock_guard lock(mutex_);
        expired_.push_back(offset);
        changed_.notify_all();
      });
    });
  }
  void TearDown() override {
    on_loop([&] { faults_.reset(); });
  }
  std::vector<uint64_t> wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 30s, [&] { return expired_.size() >= count; }));
    return expired_;
  }
  std::vector<uint64_t> waiting_in(Range range) {
    std::vector<uint64_t> found;
    on_loop([&] { found = faults_->in(range); });
    return found;
  }

  std::optional<WaitingFaults> faults_;
  std::function<void(uint64_t)> on_expired_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<uint64_t> expired_;
};

TEST_F(WaitingFaultsTest, SettledFaultsAreNotWaiting) {
  start(1h);
  on_loop([&] {
    for (uint64_t page : {1, 2, 5, 9}) faults_->add(pages(page));
    faults_->settle({pages(2), pages(4)});
  });
  EXPECT_EQ(waiting_in({0, pages(100)}), (std::vector<uint64_t>{pages(1), pages(9)}));
  EXPECT_EQ(waiting_in({pages(2), pages(7)}), std::vector<uint64_t>{});
  EXPECT_EQ(waiting_in({pages(2), pages(8)}), std::vector<uint64_t>{pages(9)});
}

TEST_F(WaitingFaultsTest, EachPageExpiresOnceAndNoneThatWasSettled) {
  start(20ms);
  on_loop([&] {
    for (uint64_t page : {3, 4, 7}) faults_->add(pages(page));
    faults_->add(pages(3));
    faults_->settle({pages(4), pages(1)});
  });
  EXPECT_EQ(wait_for(2), (std::vector<uint64_t>{pages(3), pages(7)}));
  EXPECT_TRUE(waiting_in({0, pages(100)}).empty());
  // One that comes later gets its own deadline, on the same timer.
  on_loop([&] { faults_->add(pages(8)); });
  EXPECT_EQ(wait_for(3), (std::vector<uint64_t>{pages(3), pages(7), pages(8)}));
}

TEST_F(WaitingFaultsTest, NoneExpiresBeforeItsTime) {
  start(50ms);
  const auto begin = loop::Clock::now();
  on_loop([&] { faults_->add(0); });
  wait_for(1);
  EXPECT_GE(loop::Clock::now() - begin, 50ms);
}

TEST_F(WaitingFaultsTest, AskingAgainKeepsTheFirstDeadline) {
  start(300ms);
  const auto begin = loop::Clock::now();
  on_loop([&] { faults_->add(0); });
  // Were the deadline pushed back each time, it would never come.
  for (;;) {
    bool waits = false;
    on_loop([&] {
      waits = !faults_->in({0, kPage}).empty();
      if (waits) faults_->add(0);
    });
    if (!waits) break;
    ASSERT_LT(loop::Clock::now() - begin, 30s);
    std::this_thread::sleep_for(5ms);
  }
  wait_for(1);
}

TEST_F(WaitingFaultsTest, ANewDeadlineMayBeAskedForWhileOneExpires) {
  on_expired_ = [&](uint64_t offset) {
    if (offset < pages(3)) faults_->add(offset + kPage);
  };
  start(5ms);
  on_loop([&] { faults_->add(0); });
  EXPECT_EQ(wait_for(4), (std::vector<uint64_t>{0, pages(1), pages(2), pages(3)}));
}

TEST_F(WaitingFaultsTest, ZeroIsNever) {
  start(0s);
  on_loop([&] { faults_->add(pages(1)); });
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(waiting_in({0, pages(9)}), std::vector<uint64_t>{pages(1)});
  on_loop([&] { faults_->settle({0, pages(9)}); });
  EXPECT_TRUE(waiting_in({0, pages(9)}).empty());
  EXPECT_TRUE(expired_.empty());
}

TEST_F(WaitingFaultsTest, MayEndWhileFaultsWait) {
  start(10ms);
  on_loop([&] {
    faults_->add(0);
    faults_.reset();
  });
  std::this_thread::sleep_for(30ms);
  EXPECT_TRUE(expired_.empty());
}

}  // namespace
}  // namespace r3map::region
