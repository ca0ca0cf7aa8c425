#include "http/queues.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "base/limits.hpp"

namespace r3map::http {
namespace {

class QueuesTest : public testing::Test {
 protected:
  Slot& add(Priority priority) {
    queues_.add(slots_.emplace_back(priority));
    return slots_.back();
  }
  void add(size_t count, Priority priority) {
    while (count-- > 0) add(priority);
  }
  size_t start_all() {
    size_t count = 0;
    while (queues_.start_next()) ++count;
    return count;
  }

  std::deque<Slot> slots_;
  Queues queues_{
      {limits::kConnections, limits::kDemandConnections, limits::kBulkConnections}};
};

TEST_F(QueuesTest, UrgentOnesFirstAndEachInItsOrder) {
  Slot& bulk = add(Priority::bulk);
  Slot& wanted = add(Priority::wanted);
  Slot& first = add(Priority::demand);
  Slot& second = add(Priority::demand);
  EXPECT_EQ(queues_.waiting(), 4u);
  for (Slot* next : {&first, &second, &wanted, &bulk}) {
    EXPECT_TRUE(next->queued);
    EXPECT_EQ(queues_.start_next(), next);
    EXPECT_FALSE(next->queued);
  }
  EXPECT_EQ(queues_.start_next(), nullptr);
  EXPECT_EQ(queues_.waiting(), 0u);
  EXPECT_EQ(queues_.started().size(), 4u);
}

TEST_F(QueuesTest, Shares) {
  add(2 * limits::kConnections, Priority::bulk);
  EXPECT_EQ(start_all(), limits::kBulkConnections);
  add(2 * limits::kConnections, Priority::wanted);
  EXPECT_EQ(start_all(),
            limits::kConnections - limits::kDemandConnections - limits::kBulkConnections);
  add(2 * limits::kConnections, Priority::demand);
  EXPECT_EQ(start_all(), limits::kDemandConnections);
}

TEST_F(QueuesTest, WhoEndsMakesRoom) {
  add(limits::kBulkConnections + 1, Priority::bulk);
  start_all();
  EXPECT_EQ(queues_.waiting(), 1u);
  queues_.remove(slots_.front());
  EXPECT_EQ(start_all(), 1u);
  for (size_t i = 1; i < slots_.size(); ++i) queues_.remove(slots_[i]);
  EXPECT_TRUE(queues_.all().empty());
}

TEST_F(QueuesTest, WhoWaitsCanLeave) {
  Slot& first = add(Priority::wanted);
  Slot& second = add(Priority::wanted);
  queues_.remove(first);
  EXPECT_FALSE(first.queued);
  EXPECT_EQ(queues_.start_next(), &second);
  EXPECT_EQ(queues_.all(), std::vector<Slot*>{&second});
}

TEST_F(QueuesTest, AllNamesThoseThatWaitFirst) {
  Slot& started = add(Priority::bulk);
  queues_.start_next();
  Slot& waits = add(Priority::bulk);
  EXPECT_EQ(queues_.all(), (std::vector<Slot*>{&waits, &started}));
}

}  // namespace
}  // namespace r3map::http
