#include "region/landings.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <thread>
#include <vector>

#include "base/page_set.hpp"
#include "support/loop_fixture.hpp"

namespace r3map::region {
namespace {

class LandingsTest : public test::LoopTest {
 protected:
  LandingsTest() {
    on_loop([this] {
      landings_.emplace(*loop_, [this](Range pages) {
        told_.push_back(pages);
        teller_ = std::this_thread::get_id();
      });
    });
  }
  ~LandingsTest() override {
    on_loop([this] { landings_.reset(); });
  }
  // What was told until now.
  std::vector<Range> told() {
    std::vector<Range> told;
    on_loop([&] { told = told_; });
    return told;
  }

  std::optional<Landings> landings_;
  std::vector<Range> told_;
  std::thread::id teller_;
};

TEST_F(LandingsTest, NeighboursAreToldTogether) {
  on_loop([this] {  // so that the loop comes by only afterwards
    for (uint64_t page : {1, 2, 3, 7, 8}) landings_->add({page * kPage, kPage});
  });
  EXPECT_EQ(told(), (std::vector<Range>{{kPage, 3 * kPage}, {7 * kPage, 2 * kPage}}));
}

TEST_F(LandingsTest, WhatThreadsAddIsToldOnTheLoopOnce) {
  constexpr uint64_t kEach = 2000;
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 4; ++i)
    threads.emplace_back([this, i] {
      for (uint64_t page = 0; page < kEach; ++page) landings_->add({(page * 4 + i) * kPage, kPage});
    });
  for (std::thread& thread : threads) thread.join();
  PageSet all;
  uint64_t bytes = 0;
  for (const Range range : told()) {
    all.add(range);
    bytes += range.length;
  }
  EXPECT_TRUE(all.contains_all({0, 4 * kEach * kPage}));
  EXPECT_EQ(bytes, 4 * kEach * kPage);
  std::thread::id loops;
  on_loop([&] { loops = std::this_thread::get_id(); });
  EXPECT_EQ(teller_, loops);
}

TEST_F(LandingsTest, NothingIsToldAfterTheEnd) {
  on_loop([this] {
    landings_->add({0, kPage});
    landings_.reset();
  });
  EXPECT_TRUE(told().empty());
}

}  // namespace
}  // namespace r3map::region
