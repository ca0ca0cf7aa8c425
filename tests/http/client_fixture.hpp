// A client and the server that misbehaves, for the tests of both of its kinds of threads.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/limits.hpp"
#include "http/client.hpp"
#include "loop/event.hpp"
#include "support/fault_server_process.hpp"
#include "support/loop_fixture.hpp"

namespace r3map::http {

// What came, and a hand in what happens then.
class Recorder : public Receiver {
 public:
  Result<> head(const Head& head) override {
    EXPECT_EQ(answer.status, 0) << "two heads";
    answer = head;
    if (on_head) on_head();
    return refuse_head ? fail(Code::stale, "refused") : Result<>();
  }
  Result<> body(std::span<const std::byte> data) override {
    EXPECT_NE(answer.status, 0) << "a body before its head";
    EXPECT_FALSE(over) << "called after the end";
    wrong += !test::FaultServer::holds(received, data);
    received += data.size();
    if (on_body) on_body();
    return {};
  }
  void drained() override {
    if (on_drained) on_drained();
  }

  Head answer;
  uint64_t received = 0, wrong = 0;  // bytes; pieces
  bool refuse_head = false, over = false;
  std::function<void()> on_head, on_body, on_drained;
  std::optional<Result<>> result;
  loop::Clock::time_point ended;
};

class ClientTest : public test::LoopTest {
 protected:
  void SetUp() override {
    on_loop([&] { client_ = std::move(*Client::open(*loop_, 2)); });
  }
  void TearDown() override {
    on_loop([&] { client_.reset(); });
  }

  Request request(std::string_view path, Priority priority = Priority::demand) {
    Request request;
    request.url = server_.url(path);
    request.priority = priority;
    request.deadline = loop::deadline_after(std::chrono::seconds(60));
    return request;
  }

  // Of as many bytes as are received on a thread of their own.
  Request large(std::string_view path, Priority priority = Priority::bulk) {
    Request asked = request(path, priority);
    asked.expected_bytes = limits::kLargeAnswer;
    return asked;
  }

  Result<> get(Request request, Recorder& recorder) {
    return run<void>([&] { return client_->perform(request, recorder); });
  }
  Result<> get(std::string_view path, Recorder& recorder) { return get(request(path), recorder); }

  // Starts a request that a later wait() ends; both on the loop's thread.
  loop::Task<void> keep(Request request, Recorder& recorder) {
    auto performing = client_->perform(std::move(request), recorder);
    recorder.result = co_await performing;
    recorder.ended = loop::Clock::now();
    recorder.over = true;
  }
  void start(Request request, Recorder& recorder) {
    on_loop([&] { group_.spawn(keep(request, recorder)); });
  }
  loop::Task<Result<>> all_ended() {
    auto idle = group_.idle();
    co_await idle;
    co_return Result<>();
  }
  void wait_for_all() {
    ASSERT_TRUE(run<void>([&] { return all_ended(); }));
  }

  test::FaultServer server_;
  std::unique_ptr<Client> client_;
  loop::TaskGroup group_;
};

}  // namespace r3map::http
