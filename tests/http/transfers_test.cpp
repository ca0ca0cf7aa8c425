#include "http/transfers.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <nlohmann/json.hpp>

#include "base/limits.hpp"
#include "http/client_fixture.hpp"
#include "support/cloud_server_process.hpp"
#include "support/no_descriptors.hpp"

namespace r3map::http {
namespace {

using namespace std::chrono_literals;
using loop::Clock;

// Asked as everybody does, by a client.
using TransfersTest = ClientTest;

TEST_F(TransfersTest, GetsAnAnswer) {
  Recorder recorder;
  const Result<> done = get("ok/size=3000000/x", recorder);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(recorder.answer.status, 200);
  EXPECT_EQ(recorder.received, 3000000u);
  EXPECT_EQ(recorder.wrong, 0u);
}

// A handle of libcurl's serves requests of all methods, one after the other.
TEST_F(TransfersTest, SendsBodies) {
  test::CloudServer server;
  struct Text : Receiver {
    Result<> head(const Head&) override { return {}; }
    Result<> body(std::span<const std::byte> data) override {
      text.append(reinterpret_cast<const char*>(data.data()), data.size());
      return {};
    }
    std::string text;
  };
  for (const auto& [method, body] :
       {std::pair("POST", std::string("a=b&c")), std::pair("GET", std::string()),
        std::pair("PUT", std::string()), std::pair("PUT", std::string(100000, 'x')),
        std::pair("GET", std::string())}) {
    Request asked = request("");
    asked.url = server.url("echo/x");
    asked.method = method;
    asked.body = body;
    asked.headers = {"X-Mine: 1", "Content-Type: text/plain"};
    asked.direct = true;
    Text answer;
    const Result<> done = run<void>([&] { return client_->perform(asked, answer); });
    ASSERT_TRUE(done) << done.error().message;
    const nlohmann::json echo = nlohmann::json::parse(answer.text);
    EXPECT_EQ(echo["method"], method);
    EXPECT_EQ(echo["body"], body);
    EXPECT_EQ(echo["headers"]["x-mine"], "1");
    EXPECT_EQ(echo["headers"]["content-type"], "text/plain");
    EXPECT_FALSE(echo["headers"].contains("expect"));
    EXPECT_EQ(echo["headers"].contains("content-length"), method != std::string("GET"));
  }
}

TEST_F(TransfersTest, ErrorAnswersAndRedirectsAreAnswers) {
  for (const auto& [path, status] :
       {std::pair("404/x", 404), std::pair("503/x", 503), std::pair("redirect/x", 302)}) {
    Recorder recorder;
    EXPECT_TRUE(get(path, recorder));
    EXPECT_EQ(recorder.answer.status, status);
  }
}

TEST_F(TransfersTest, WhatIsWrongWithAnAnswerIsSaid) {
  for (const auto& [path, code, text] : {
           std::tuple("garbage/x", Code::protocol, "malformed answer"),
           std::tuple("giant-headers/x", Code::protocol, "header is too long"),
           std::tuple("header-count/n=1000/x", Code::protocol, "too many header fields"),
           std::tuple("header-count/n=100000/x", Code::protocol, "too many header fields"),
           std::tuple("truncate-always/x", Code::network, "in the middle of an answer"),
           std::tuple("truncated-chunked/x", Code::network, ""),
           std::tuple("garbled-chunked/x", Code::network, ""),
           std::tuple("close-before-headers/x", Code::network, "without an answer"),
           std::tuple("reset-on-accept/x", Code::network, ""),
           std::tuple("reset-in-headers/x", Code::network, ""),
           std::tuple("reset-in-body/x", Code::network, ""),
       }) {
    Recorder recorder;
    const Result<> done = get(path, recorder);
    ASSERT_FALSE(done) << path;
    EXPECT_EQ(done.error().code, code) << path << ": " << done.error().message;
    EXPECT_TRUE(done.error().message.starts_with("127.0.0.1:")) << done.error().message;
    EXPECT_NE(done.error().message.find(text), std::string::npos) << done.error().message;
    EXPECT_EQ(recorder.wrong, 0u);
  }
}

TEST_F(TransfersTest, UnreachableServers) {
  server_.stop();
  Recorder recorder;
  const Result<> refused = get("ok/x", recorder);
  EXPECT_EQ(refused.error().code, Code::network);
  EXPECT_NE(refused.error().message.find("refused"), std::string::npos) << refused.error().message;

  Request lost = request("");
  lost.url = "http://no-such-host.invalid/";
  EXPECT_EQ(get(lost, recorder).error().code, Code::not_found);
  lost.url = "ftp://127.0.0.1/";
  EXPECT_FALSE(get(lost, recorder));
  lost.url = "http://[::1/";
  EXPECT_EQ(get(lost, recorder).error().code, Code::invalid);
}

TEST_F(TransfersTest, NoDescriptorLeftForASocket) {
  Recorder recorder;
  const Result<> refused = [&] {
    const test::NoDescriptors none;
    return get("ok/x", recorder);
  }();
  EXPECT_EQ(refused.error().code, Code::network);
  EXPECT_NE(refused.error().message.find("too many open files"), std::string::npos)
      << refused.error().message;
  EXPECT_TRUE(get("ok/x", recorder));
}

TEST_F(TransfersTest, HeadersCannotBeSmuggledIn) {
  Request evil = request("ok/x");
  evil.headers.push_back("X: y\r\nAuthorization: z");
  Recorder recorder;
  EXPECT_EQ(get(evil, recorder).error().code, Code::invalid);
}

TEST_F(TransfersTest, ADeadConnectionIsReplacedAtOnce) {
  for (const char* path : {"close-on-reuse/x", "close-after/x", "connection-close/x"}) {
    for (int i = 0; i < 5; ++i) {
      Recorder recorder;
      const Result<> done = get(path, recorder);
      EXPECT_TRUE(done) << path << ": " << done.error().message;
      EXPECT_EQ(recorder.received, 1u << 20);
    }
  }
}

// The forged second answer differs in content: none of its bytes may be taken for the next one.
TEST_F(TransfersTest, BytesNobodyAskedForAreNoAnswer) {
  for (int i = 0; i < 20; ++i) {
    Recorder recorder;
    const Result<> done = get("trailing-bytes/size=200000/x", recorder);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(recorder.received, 200000u);
    ASSERT_EQ(recorder.wrong, 0u) << "request " << i;
  }
}

TEST_F(TransfersTest, TheReceiverCanRefuse) {
  Recorder recorder;
  recorder.refuse_head = true;
  const Result<> done = get("ok/x", recorder);
  EXPECT_EQ(done.error().code, Code::stale);
  EXPECT_EQ(recorder.received, 0u);
  Recorder next;
  EXPECT_TRUE(get("ok/x", next));
  EXPECT_EQ(next.wrong, 0u);
}

TEST_F(TransfersTest, DeadlinesHoldInEveryPhase) {
  std::deque<Recorder> recorders;
  for (const char* path : {"stall-before-headers/x", "stall-in-headers/x", "stall-in-body/x"}) {
    Request late = request(path);
    late.deadline = loop::deadline_after(200ms);
    start(late, recorders.emplace_back());
  }
  Request handshake = request("x");  // the server waits for more, TLS for an answer
  handshake.url.replace(0, 4, "https");
  handshake.deadline = loop::deadline_after(200ms);
  start(handshake, recorders.emplace_back());
  const auto begin = Clock::now();
  wait_for_all();
  EXPECT_LT(Clock::now() - begin, 30s);
  for (Recorder& recorder : recorders) EXPECT_EQ(recorder.result->error().code, Code::timed_out);

  Request past = request("ok/x");
  past.deadline = Clock::now() - 1ms;
  Recorder recorder;
  EXPECT_EQ(get(past, recorder).error().code, Code::timed_out);
}

TEST_F(TransfersTest, SilenceIsNotWaitedOutForEver) {
  std::deque<Recorder> recorders;
  for (const char* path : {"stall-before-headers/x", "stall-in-headers/x", "stall-in-body/x"})
    start(request(path), recorders.emplace_back());
  Request handshake = request("x");
  handshake.url.replace(0, 4, "https");
  start(handshake, recorders.emplace_back());
  Recorder slow;  // bytes that come slowly are no silence
  start(request("drip/n=10/ms=1000/size=140/x"), slow);
  const auto begin = Clock::now();
  wait_for_all();
  for (Recorder& recorder : recorders) {
    EXPECT_EQ(recorder.result->error().code, Code::network) << recorder.result->error().message;
    EXPECT_LT(recorder.ended - begin, limits::kStall + 30s);
    EXPECT_GT(recorder.ended - begin, limits::kStall - 1s);
  }
  EXPECT_TRUE(*slow.result);
  EXPECT_EQ(slow.received, 140u);
}

TEST_F(TransfersTest, StopsInEveryPhase) {
  for (const char* path : {"stall-before-headers/x", "stall-in-headers/x", "stall-in-body/x",
                           "drip/x", "drip/n=16384/ms=10/size=1000000000/x"}) {
    for (const auto after : {0ms, 1ms, 50ms}) {
      std::stop_source stop;
      Request stoppable = request(path);
      stoppable.stop = stop.get_token();
      Recorder recorder;
      start(stoppable, recorder);
      std::this_thread::sleep_for(after);
      on_loop([&] { stop.request_stop(); });
      wait_for_all();
      EXPECT_EQ(recorder.result->error().code, Code::canceled) << path;
      EXPECT_EQ(recorder.wrong, 0u);
    }
  }
  std::stop_source stopped;
  stopped.request_stop();
  Request late = request("ok/x");
  late.stop = stopped.get_token();
  Recorder recorder;
  EXPECT_EQ(get(late, recorder).error().code, Code::canceled);
}

TEST_F(TransfersTest, StopsFromInsideTheReceiver) {
  for (const bool in_head : {true, false}) {
    std::stop_source stop;
    Recorder recorder, other;
    (in_head ? recorder.on_head : recorder.on_body) = [&] { stop.request_stop(); };
    Request stoppable = request("ok/size=5000000/x");
    stoppable.stop = stop.get_token();
    start(stoppable, recorder);
    start(request("ok/size=5000000/x"), other);
    wait_for_all();
    EXPECT_EQ(recorder.result->error().code, Code::canceled);
    EXPECT_LE(recorder.received, in_head ? 0u : 16384u);
    EXPECT_TRUE(*other.result);
    EXPECT_EQ(other.received, 5000000u);
  }
}

// One receiver that stops others, in whatever phase they are.
TEST_F(TransfersTest, StopsOthersFromInsideAReceiver) {
  std::stop_source stop;
  std::deque<Recorder> others;
  for (int i = 0; i < 60; ++i) {  // more than there are connections
    Request stoppable = request("slow/ms=20/size=100000/x", static_cast<Priority>(i % 3));
    stoppable.stop = stop.get_token();
    start(stoppable, others.emplace_back());
  }
  Recorder recorder;
  recorder.on_body = [&] { stop.request_stop(); };
  start(request("slow/ms=30/size=1000/x"), recorder);
  wait_for_all();
  EXPECT_TRUE(*recorder.result);
  for (Recorder& other : others)
    EXPECT_TRUE(*other.result || other.result->error().code == Code::canceled);
}

// All of them have just received something, and are about to be told so.
TEST_F(TransfersTest, StopsOthersWhenItIsDrained) {
  std::stop_source stop;
  std::deque<Recorder> all;
  int drained = 0;
  for (int i = 0; i < 20; ++i) {
    Recorder& recorder = all.emplace_back();
    recorder.on_drained = [&] {
      if (++drained == 50) stop.request_stop();
    };
    Request stoppable = request("drip/n=4096/ms=1/size=1000000/x");
    stoppable.stop = stop.get_token();
    start(stoppable, recorder);
  }
  wait_for_all();
  EXPECT_GE(drained, 50);
  for (Recorder& recorder : all) EXPECT_EQ(recorder.result->error().code, Code::canceled);
}

TEST_F(TransfersTest, UrgentRequestsOvertake) {
  std::deque<Recorder> bulk;
  for (size_t i = 0; i < 3 * limits::kBulkConnections; ++i)
    start(request("slow/ms=300/size=10/x", Priority::bulk), bulk.emplace_back());
  Recorder urgent;
  const auto begin = Clock::now();
  EXPECT_TRUE(get("ok/size=10/x", urgent));
  size_t overtaken = 0;
  on_loop([&] {
    for (const Recorder& recorder : bulk) overtaken += !recorder.result;
  });
  EXPECT_GT(overtaken, 0u);
  wait_for_all();
  EXPECT_GT(Clock::now() - begin, 800ms) << "bulk requests have their share of connections only";
  for (Recorder& recorder : bulk) EXPECT_TRUE(*recorder.result);
}

// Nobody but page faults may take the last connections.
TEST_F(TransfersTest, DemandFindsAConnection) {
  std::stop_source stop;
  std::deque<Recorder> others;
  for (size_t i = 0; i < 2 * limits::kConnections; ++i) {
    Request stalled = request("stall-before-headers/x", i % 2 ? Priority::wanted : Priority::bulk);
    stalled.stop = stop.get_token();
    start(stalled, others.emplace_back());
  }
  Recorder demand;
  EXPECT_TRUE(get("ok/size=10/x", demand));
  on_loop([&] {
    for (const Recorder& recorder : others) EXPECT_FALSE(recorder.result);
    stop.request_stop();
  });
  wait_for_all();
}

TEST_F(TransfersTest, DemandOvertakesWantedOvertakesBulk) {
  std::stop_source stop;
  std::deque<Recorder> stalled;
  Request first = request("stall-before-headers/x");
  first.stop = stop.get_token();
  start(first, stalled.emplace_back());
  while (stalled.size() < limits::kConnections)
    start(request("stall-before-headers/x"), stalled.emplace_back());
  std::vector<std::string> order;
  std::deque<Recorder> queued;
  size_t ended = 0;
  for (const auto& [name, priority] :
       {std::pair("bulk 1", Priority::bulk), std::pair("wanted 1", Priority::wanted),
        std::pair("demand 1", Priority::demand), std::pair("bulk 2", Priority::bulk),
        std::pair("wanted 2", Priority::wanted), std::pair("demand 2", Priority::demand)}) {
    Recorder& recorder = queued.emplace_back();
    recorder.on_head = [&, name = name] {
      order.push_back(name);
      if (++ended == 6) loop_->post([&] { client_->shutdown(); });
    };
    start(request("ok/size=10/x", priority), recorder);
  }
  on_loop([&] { stop.request_stop(); });  // the one connection that all six share
  wait_for_all();
  EXPECT_EQ(order, (std::vector<std::string>{"demand 1", "demand 2", "wanted 1", "wanted 2",
                                             "bulk 1", "bulk 2"}));
}

TEST_F(TransfersTest, QueuedRequestsKeepTheirOrderAndDeadline) {
  std::deque<Recorder> first;
  for (size_t i = 0; i < limits::kConnections; ++i)
    start(request("slow/ms=400/size=10/x"), first.emplace_back());
  Request hasty = request("ok/x");
  hasty.deadline = loop::deadline_after(100ms);
  Recorder late, bulk, urgent;
  start(hasty, late);
  start(request("slow/ms=50/size=10/x", Priority::bulk), bulk);
  for (size_t i = 0; i < limits::kConnections; ++i)
    start(request("slow/ms=400/size=10/x"), first.emplace_back());
  start(request("ok/size=10/x"), urgent);
  wait_for_all();
  EXPECT_EQ(late.result->error().code, Code::timed_out);
  EXPECT_TRUE(*bulk.result);
  EXPECT_LT(urgent.ended, bulk.ended);
}

TEST_F(TransfersTest, ShutdownEndsEverything) {
  std::deque<Recorder> recorders;
  for (int i = 0; i < 20; ++i) {
    for (const char* path : {"stall-before-headers/x", "stall-in-headers/x", "stall-in-body/x",
                             "drip/n=16384/ms=10/size=1000000000/x"})
      start(request(path, static_cast<Priority>(i % 3)), recorders.emplace_back());
  }
  std::this_thread::sleep_for(20ms);
  on_loop([&] {
    EXPECT_FALSE(client_->closed());
    client_->shutdown();
    EXPECT_TRUE(client_->closed());
  });
  wait_for_all();
  for (Recorder& recorder : recorders) EXPECT_EQ(recorder.result->error().code, Code::canceled);
  Recorder late;
  const Result<> refused = get("ok/x", late);
  EXPECT_EQ(refused.error().code, Code::canceled);
  EXPECT_EQ(refused.error().message, "the process is exiting");
}

TEST_F(TransfersTest, AServerThatDiesMeanwhile) {
  Recorder during, after;
  start(request("drip/n=100/x"), during);
  Recorder before;
  EXPECT_TRUE(get("ok/x", before));  // leaves an idle connection
  server_.stop();
  wait_for_all();
  EXPECT_EQ(during.result->error().code, Code::network);
  EXPECT_EQ(get("ok/x", after).error().code, Code::network);
}

TEST_F(TransfersTest, AProxyThatIsNotThereIsNamed) {
  const auto said = [&](const std::string& url, const std::string& proxy) {
    Recorder recorder;
    Request by = request("x");
    by.url = url;
    by.proxy = proxy;
    return get(by, recorder).error().message;
  };
  const std::string dead = "http://user:topsecret@127.0.0.1:1";
  const std::string refused = "proxy 127.0.0.1:1: can't connect: connection refused";
  EXPECT_EQ(said("http://host.invalid/x", dead), refused);
  EXPECT_EQ(said("https://host.invalid/x", dead), refused);
  EXPECT_EQ(said("http://host.invalid:1/x", dead), refused);
  for (const char* name : {"http_proxy", "https_proxy"}) setenv(name, dead.c_str(), 1);
  EXPECT_EQ(said("http://host.invalid/x", ""), refused);
  EXPECT_EQ(said("https://host.invalid/x", ""), refused);
  EXPECT_EQ(said("http://host.invalid:1/x", ""), refused) << "by libcurl's text";
  setenv("no_proxy", "127.0.0.2,127.0.0.3", 1);
  EXPECT_EQ(said("http://127.0.0.2:2/x", ""), "127.0.0.2:2: can't connect: connection refused");
  EXPECT_EQ(said("http://127.0.0.3:1/x", ""), "127.0.0.3:1: can't connect: connection refused");
  for (const char* name : {"http_proxy", "https_proxy", "no_proxy"}) unsetenv(name);
}

// libcurl's own words quote the whole URL.
TEST_F(TransfersTest, AProxysPasswordIsNotTold) {
  Recorder recorder;
  Request by = request("x");
  by.proxy = "strange://user:secret@127.0.0.1:1";
  const Result<> done = get(by, recorder);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::network);
  EXPECT_NE(done.error().message.find("unsupported kind of proxy"), std::string::npos)
      << done.error().message;
  EXPECT_EQ(done.error().message.find("secret"), std::string::npos);
}

}  // namespace
}  // namespace r3map::http
