#include "http/multi.hpp"

#include <gtest/gtest.h>

#include <string>

#include "base/limits.hpp"
#include "support/fault_server_process.hpp"
#include "support/loop_fixture.hpp"

namespace r3map::http {
namespace {

size_t append(char* data, size_t size, size_t count, void* to) {
  static_cast<std::string*>(to)->append(data, size * count);
  return size * count;
}

// Bare requests of libcurl's, driven by the loop.
class MultiTest : public test::LoopTest {
 protected:
  void SetUp() override {
    on_loop([&] {
      multi_ = std::make_unique<Multi>(*loop_, connections_, limits::kConnections, [this] { has_run(); });
      ASSERT_TRUE(multi_->open());
    });
  }
  void TearDown() override {
    on_loop([&] { multi_.reset(); });
  }
  void has_run() {
    EXPECT_FALSE(multi_->inside());
    while (const auto finished = multi_->next_finished()) {
      multi_->remove(finished->easy);
      multi_->give_back(finished->easy);
      codes_.push_back(finished->code);
      if (codes_.size() == wanted_) done_.set_value();
    }
  }
  CURL* start(const std::string& url, std::string& body) {
    CURL* easy = multi_->take_handle();
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &body);
    EXPECT_TRUE(multi_->add(easy));
    EXPECT_FALSE(multi_->inside());
    return easy;
  }

  test::FaultServer server_;
  Connections connections_;
  std::unique_ptr<Multi> multi_;
  size_t wanted_ = 2;
  std::vector<CURLcode> codes_;
  std::promise<void> done_;
};

TEST_F(MultiTest, RunsRequestsOnTheLoop) {
  std::string first, second;
  on_loop([&] {
    start(server_.url("ok/size=100000/x"), first);
    start(server_.url("ok/size=200000/x"), second);
  });
  done_.get_future().wait();
  EXPECT_EQ(codes_, (std::vector<CURLcode>{CURLE_OK, CURLE_OK}));
  EXPECT_TRUE(test::FaultServer::holds(0, std::as_bytes(std::span(first))));
  EXPECT_EQ(second.size(), 200000u);
}

TEST_F(MultiTest, HandlesAreUsedAgain) {
  on_loop([&] {
    CURL* easy = multi_->take_handle();
    multi_->give_back(easy);
    EXPECT_EQ(multi_->take_handle(), easy);
    CURL* another = multi_->take_handle();
    EXPECT_NE(another, easy);
    multi_->give_back(easy);
    multi_->give_back(another);
  });
}

TEST_F(MultiTest, WhatIsRemovedIsNotFinished) {
  std::string first, second, third;
  on_loop([&] {
    CURL* easy = start(server_.url("stall-before-headers/x"), first);
    multi_->remove(easy);
    multi_->give_back(easy);
    start(server_.url("ok/size=10/x"), second);
    start("http://127.0.0.1:1/", third);
  });
  done_.get_future().wait();
  EXPECT_EQ(codes_.size(), 2u);
  EXPECT_EQ(std::count(codes_.begin(), codes_.end(), CURLE_COULDNT_CONNECT), 1);
  EXPECT_EQ(first, "");
}

}  // namespace
}  // namespace r3map::http
