#include "region/budget.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/limits.hpp"
#include "base/range.hpp"
#include "support/random.hpp"

namespace r3map::region {
namespace {

// Gives back whatever is asked for, up to what it has, but for what is pinned; and writes down who
// was asked.
class Share : public Budget::Share {
 public:
  Share(Budget& budget, uint64_t limit, std::string name, std::string& log)
      : Budget::Share(budget, limit), name_(std::move(name)), log_(log) {}
  uint64_t pinned = 0;

 protected:
  void evict(uint64_t bytes) override {
    log_ += name_;
    release(std::min(bytes, used() - std::min(used(), pinned)));
  }

 private:
  std::string name_;
  std::string& log_;
};

class BudgetTest : public testing::Test {
 protected:
  Budget budget_{1000};
  std::string asked_;
};

TEST_F(BudgetTest, ALimitOfZeroIsTheCommonOneAndALargerOneIsCut) {
  EXPECT_EQ(Share(budget_, 0, "a", asked_).limit(), 1000u);
  EXPECT_EQ(Share(budget_, 300, "a", asked_).limit(), 300u);
  EXPECT_EQ(Share(budget_, 5000, "a", asked_).limit(), 1000u);
}

TEST_F(BudgetTest, WithinBothLimitsNobodyIsAsked) {
  Share a(budget_, 600, "a", asked_), b(budget_, 0, "b", asked_);
  EXPECT_TRUE(a.reserve(600));
  EXPECT_TRUE(b.reserve(400));
  EXPECT_EQ(asked_, "");
  EXPECT_EQ(a.used(), 600u);
}

TEST_F(BudgetTest, MoreThanTheLimitNeverFits) {
  Share a(budget_, 600, "a", asked_);
  EXPECT_TRUE(a.reserve(500));
  EXPECT_FALSE(a.reserve(601));
  EXPECT_FALSE(a.reserve(UINT64_MAX));
  EXPECT_EQ(asked_, "") << "evicted for nothing";
  EXPECT_EQ(a.used(), 500u);
}

TEST_F(BudgetTest, ItsOwnLimitIsMetByEvictingItsOwn) {
  Share a(budget_, 600, "a", asked_), b(budget_, 0, "b", asked_);
  EXPECT_TRUE(b.reserve(300));
  EXPECT_TRUE(a.reserve(600));
  EXPECT_TRUE(a.reserve(100));
  EXPECT_EQ(asked_, "a");
  EXPECT_EQ(a.used(), 600u);
  EXPECT_EQ(b.used(), 300u);
}

TEST_F(BudgetTest, TheCommonLimitIsMetHereFirstAndThenByTheLargest) {
  Share a(budget_, 0, "a", asked_), b(budget_, 0, "b", asked_), c(budget_, 0, "c", asked_);
  EXPECT_TRUE(a.reserve(100));
  EXPECT_TRUE(b.reserve(300));
  EXPECT_TRUE(c.reserve(600));
  a.pinned = 100;
  EXPECT_TRUE(a.reserve(700));
  EXPECT_EQ(asked_, "acb");
  EXPECT_EQ(a.used(), 800u);
  EXPECT_EQ(c.used(), 0u);
  EXPECT_EQ(b.used(), 200u);
}

TEST_F(BudgetTest, TheOthersAreSparedWhenItIsTheOwnLimitThatLacks) {
  Share a(budget_, 200, "a", asked_), b(budget_, 0, "b", asked_);
  EXPECT_TRUE(a.reserve(200));
  EXPECT_TRUE(b.reserve(800));
  a.pinned = 200;
  EXPECT_FALSE(a.reserve(100));
  EXPECT_EQ(asked_, "a");
  EXPECT_EQ(b.used(), 800u);
}

TEST_F(BudgetTest, WhatCanNotBeEvictedCanNotBeReserved) {
  Share a(budget_, 0, "a", asked_), b(budget_, 0, "b", asked_);
  EXPECT_TRUE(a.reserve(400));
  EXPECT_TRUE(b.reserve(600));
  a.pinned = 400;
  b.pinned = 500;
  EXPECT_FALSE(a.reserve(200));
  EXPECT_EQ(a.used(), 400u);
  EXPECT_TRUE(a.reserve(100));
}

TEST_F(BudgetTest, ReserveFreeEvictsNothing) {
  Share a(budget_, 600, "a", asked_), b(budget_, 0, "b", asked_);
  EXPECT_TRUE(a.reserve_free(600));
  EXPECT_FALSE(a.reserve_free(1));
  EXPECT_TRUE(b.reserve_free(400));
  EXPECT_FALSE(b.reserve_free(1));
  EXPECT_EQ(asked_, "");
}

TEST_F(BudgetTest, AThreadThatWaitsGetsOverTheLimitAndTheNextOnePaysForIt) {
  Share a(budget_, 600, "a", asked_);
  EXPECT_TRUE(a.reserve(600));
  a.reserve_anyway(10);
  EXPECT_EQ(a.used(), 610u);
  EXPECT_TRUE(a.reserve(5));
  EXPECT_EQ(a.used(), 600u);
}

TEST_F(BudgetTest, AShareThatEndsGivesEverythingBack) {
  Share a(budget_, 0, "a", asked_);
  {
    Share b(budget_, 0, "b", asked_);
    EXPECT_TRUE(b.reserve(900));
    b.pinned = 900;
    EXPECT_FALSE(a.reserve(200));
  }
  EXPECT_TRUE(a.reserve_free(1000));
}

TEST_F(BudgetTest, RandomReservationsNeverExceedTheLimits) {
  test::Random random;
  SCOPED_TRACE(random.trace());
  std::vector<std::unique_ptr<Share>> shares;
  for (uint64_t limit : {0, 300, 500, 2000})
    shares.push_back(std::make_unique<Share>(budget_, limit, "", asked_));
  for (int step = 0; step < 5000; ++step) {
    Share& share = *shares[random.below(shares.size())];
    share.pinned = random.one_in(4) ? share.used() : 0;
    const uint64_t before = share.used();
    if (random.one_in(3)) {
      share.release(random.below(share.used() + 1));
    } else if (const uint64_t bytes = random.below(700); share.reserve(bytes)) {
      ASSERT_GE(share.used(), bytes);
    } else {
      ASSERT_LE(share.used(), before);
    }
    uint64_t sum = 0;
    for (const auto& one : shares) {
      ASSERT_LE(one->used(), one->limit());
      sum += one->used();
    }
    ASSERT_LE(sum, budget_.limit());
  }
}

// Made-up cgroups, as the kernel shows them.
class CgroupTest : public testing::Test {
 protected:
  static constexpr uint64_t kNone = UINT64_MAX;

  CgroupTest() {
    std::string pattern = testing::TempDir() + "r3map-cgroup-XXXXXX";
    root_ = mkdtemp(pattern.data());
  }
  ~CgroupTest() override { std::filesystem::remove_all(root_); }
  void put(const std::string& folder, const std::string& max, const std::string& current,
           const std::string& stat = "") {
    std::filesystem::create_directories(root_ + folder);
    std::ofstream(root_ + folder + "/memory.max") << max << "\n";
    std::ofstream(root_ + folder + "/memory.current") << current << "\n";
    if (!stat.empty()) std::ofstream(root_ + folder + "/memory.stat") << stat;
  }
  uint64_t available(const std::string& membership) { return cgroup_available(membership, root_); }

  std::string root_;
};

TEST_F(CgroupTest, WithoutALimitThereIsNone) {
  EXPECT_EQ(available(""), kNone);
  EXPECT_EQ(available("0::/\n"), kNone);
  EXPECT_EQ(available("0::/gone/by now\n"), kNone);
  EXPECT_EQ(available("4:memory:/one\n1:name=systemd:/\n"), kNone) << "version 1";
  put("/one", "max", "5000");
  EXPECT_EQ(available("0::/one\n"), kNone);
}

TEST_F(CgroupTest, TheTightestOnTheWayUpCounts) {
  put("/one", "10000", "7000");
  put("/one/two", "max", "6000");
  put("/one/two/three", "5000", "1000");
  EXPECT_EQ(available("0::/one/two/three\n"), 3000u);
  EXPECT_EQ(available("0::/one/two\n"), 3000u);
  put("/one/two", "6000", "6500");
  EXPECT_EQ(available("0::/one/two/three\n"), 0u);
  put("", "2000", "500");  // as a container sees its own
  EXPECT_EQ(available("0::/\n"), 1500u);
  EXPECT_EQ(available("7:pids:/x\n0::/one\n"), 1500u);
}

TEST_F(CgroupTest, FileCacheIsNotUsed) {
  put("/one", "10000", "9000",
      "anon 3000\nfile 5500\ninactive_anon 11\nactive_anon 12\ninactive_file 4000\n"
      "active_file 1500\nunevictable 7\n");
  EXPECT_EQ(available("0::/one\n"), 10000u - 3500u);
  put("/one", "10000", "9000", "inactive_file 99999\n");  // the files are not read at one moment
  EXPECT_EQ(available("0::/one\n"), 10000u);
}

TEST(DefaultBudget, IsPartOfTheMachineInWholePages) {
  const uint64_t budget = default_budget();
  EXPECT_GE(budget, limits::kBudgetMin);
  EXPECT_EQ(budget % kPage, 0u);
  EXPECT_LT(budget, uint64_t{1} << 46);
}

}  // namespace
}  // namespace r3map::region
