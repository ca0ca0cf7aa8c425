// HttpObject against every way in which fault_server.py misbehaves: the right bytes or the right
// code, in bounded time, and never a wrong byte.
#include "backend/object.hpp"

#include <gtest/gtest.h>

#include "backend/http.hpp"
#include "backend/status.hpp"
#include "loop/event.hpp"
#include "resource/url.hpp"
#include "support/fault_server_process.hpp"
#include "support/loop_fixture.hpp"

namespace r3map::backend {
namespace {

using namespace std::chrono_literals;
using loop::Clock;
using resource::Resource;

// Holds a read to the interface's promise, and every byte to the content of version 1.
class CheckingSink : public resource::Sink {
 public:
  explicit CheckingSink(Range range) : range_(range), next_(range.offset) {}
  void bytes(uint64_t offset, std::span<const std::byte> data) override {
    EXPECT_EQ(offset, next_);
    EXPECT_LE(offset + data.size(), range_.end());
    wrong_ += !test::FaultServer::holds(offset, data);
    next_ = offset + data.size();
    if (on_bytes) on_bytes();
  }
  void drained() override { drained_at_.push_back(next_); }
  // How far the bytes went each time that the source was drained.
  const std::vector<uint64_t>& drained_at() const { return drained_at_; }
  uint64_t wrong() const { return wrong_; }
  uint64_t received() const { return next_ - range_.offset; }
  std::function<void()> on_bytes;

 private:
  Range range_;
  uint64_t next_;
  uint64_t wrong_ = 0;  // pieces
  std::vector<uint64_t> drained_at_;
};

class ObjectTest : public test::LoopTest {
 protected:
  using Opened = Result<std::unique_ptr<Resource>>;

  void SetUp() override {
    on_loop([&] {
      client_ = std::move(*http::Client::open(*loop_, 2));
      register_http(registry_, *loop_, *client_);
    });
  }
  void TearDown() override {
    on_loop([&] { client_.reset(); });
  }

  static resource::Request request(Clock::duration budget = 8s) {
    resource::Request request;
    request.deadline = loop::deadline_after(budget);
    return request;
  }

  Opened open(std::string_view path, resource::Options options = {}, Clock::duration budget = 8s) {
    return run<std::unique_ptr<Resource>>(
        [&] { return registry_.open(server_.url(path), options, request(budget)); });
  }

  Result<> read(Resource& object, Range range, Clock::duration budget = 8s) {
    CheckingSink sink(range);
    Result<> done = run<void>([&] { return object.read(range, request(budget), sink); });
    EXPECT_EQ(sink.wrong(), 0u);
    EXPECT_TRUE(!done || sink.received() == range.length);
    return done;
  }
  Result<> read_all(Resource& object) { return read(object, {0, object.info().size}); }

  test::FaultServer server_;
  std::unique_ptr<http::Client> client_;
  resource::Registry registry_;
};

TEST_F(ObjectTest, RightInSpiteOfEverything) {
  for (const char* path : {
           "ok", "last-modified-only", "weak-etag", "interim", "interim/n=9", "chunked-ok",
           "connection-close", "close-after", "close-on-reuse", "no-length", "slow",
           "head-forbidden", "trailing-bytes", "truncate-sometimes", "truncate-always/n=20000",
           "reset-in-body/n=50000", "truncated-chunked/n=20000", "short-chunked/n=20000",
           "garbled-chunked/n=20000", "drip/n=16384/ms=1", "500/times=3", "503/times=3",
           "429/times=1/retry_after=1", "reset-on-accept/times=3", "reset-in-headers/times=3",
           "close-before-headers/times=3", "garbage/times=3", "wrong-content-range/times=3",
           "content-range/times=3", "multipart/times=2", "shorter-range", "shorter-range/after=1",
           "shorter-range/every=2", "shorter-range/times=1", "long-chunked/times=2",
           "500/after=1/times=5", "503/every=2", "reset-on-accept/every=2", "garbage/every=2",
           "stall-in-body/ms=300/n=1000", "redirect", "redirect/code=301", "redirect/code=303",
           "redirect/code=307", "redirect/code=308", "redirect/after=1", "redirect/every=2",
           "content-encoding", "content-encoding/value=br", "content-encoding/value=Identity",
       }) {
    SCOPED_TRACE(path);
    const auto begin = Clock::now();
    const Opened object = open(std::string(path) + "/size=300000/x");
    ASSERT_TRUE(object) << object.error().message;
    EXPECT_EQ((*object)->info().size, 300000u);
    const Result<> first = read(**object, {60000, 100000});
    EXPECT_TRUE(first) << first.error().message;
    const Result<> all = read_all(**object);
    EXPECT_TRUE(all) << all.error().message;
    EXPECT_LT(Clock::now() - begin, 30s);
  }
}

struct Expected {
  const char* path;
  Code code;
  const char* text;
};

TEST_F(ObjectTest, RefusedAtOpen) {
  for (const auto& [path, code, text] : std::initializer_list<Expected>{
           {"no-validator", Code::unsupported, "pin=none"},
           {"no-ranges", Code::unsupported, "copy the object first, with curl for instance"},
           {"partial-as-200", Code::unsupported, "ignores ranges"},
           {"404", Code::not_found, "not found (404)"},
           {"403", Code::denied, "access denied (403)"},
           {"500", Code::io, "500"},
           {"503", Code::busy, "503"},
           {"status/code=501", Code::unsupported, "501"},
           {"status/code=400", Code::unsupported, "400"},
           {"status/code=401", Code::denied, "user and a password"},
           {"status/code=204", Code::protocol, "204"},
           {"503/retry_after=100", Code::busy, "503"},
           {"redirect-loop", Code::unsupported, "in a circle"},
           {"redirect/to=news:h", Code::unsupported, "a redirect to what is no http"},
           {"status/code=302", Code::unsupported, "a redirect to nowhere (302)"},
           {"not-modified/after=0", Code::protocol, "304"},
           {"416", Code::protocol, "finds no bytes=0-65535 in an object that has some"},
           {"status/code=416", Code::protocol, "finds no bytes"},
           {"switching-protocols", Code::protocol, "another protocol"},
           {"longer-range", Code::protocol, "bytes 0-65635/300000"},
           {"wrong-content-range", Code::protocol, "bytes 1-"},
           {"content-range", Code::protocol, "Content-Range"},
           {"content-range/value=bytes%200-65535", Code::protocol, "Content-Range"},
           {"content-range/value=bytes%200-65534", Code::protocol, "Content-Range"},
           {"multipart", Code::protocol, "Content-Range"},
           {"content-length-lies-short", Code::protocol, "contradicts"},
           {"content-length-lies-short/all=1", Code::protocol, "contradicts"},
           {"long-content-length", Code::protocol, "contradicts"},
           {"long-chunked", Code::protocol, "longer than announced"},
           {"encodes-on-the-way", Code::protocol, "contradicts Content-Range"},
           {"encodes-on-the-way/how=chunked", Code::unsupported, "(gzip) although identity"},
           {"encodes-on-the-way/how=weak", Code::unsupported, "(gzip) although identity"},
           {"encodes-on-the-way/how=200", Code::unsupported, "(gzip) although identity"},
           {"giant-headers", Code::protocol, "header"},
           {"header-count", Code::protocol, "header"},
           {"garbage", Code::protocol, ""},
           {"reset-on-accept", Code::network, ""},
           {"close-before-headers", Code::network, ""},
       }) {
    SCOPED_TRACE(path);
    const auto begin = Clock::now();
    const Opened object = open(std::string(path) + "/size=300000/x");
    ASSERT_FALSE(object);
    EXPECT_EQ(object.error().code, code) << object.error().message;
    EXPECT_NE(object.error().message.find(text), std::string::npos) << object.error().message;
    EXPECT_LT(Clock::now() - begin, 30s);
  }
}

TEST_F(ObjectTest, NoticesWhatChangesAfterOpen) {
  for (const auto& [path, code, text] : std::initializer_list<Expected>{
           {"etag-changes", Code::stale, "changed since it was opened"},
           {"etag-changes-ignoring-if-match", Code::stale, "changed since it was opened"},
           {"last-modified-changes", Code::stale, ""},
           {"vanishes", Code::stale, "deleted"},
           {"empty/after=1", Code::stale, ""},
           {"wrong-total-in-content-range/total=250000", Code::stale, "its size was 300000"},
           {"no-validator/after=1", Code::stale, ""},
           {"wrong-content-range/after=1", Code::protocol, ""},
           {"content-range/after=1", Code::protocol, ""},
           {"multipart/after=1", Code::protocol, ""},
           {"long-content-length/after=1", Code::protocol, "contradicts"},
           {"content-length-lies-short/after=1", Code::protocol, "contradicts"},
           {"long-chunked/after=1", Code::protocol, "longer"},
           {"no-ranges/after=1", Code::unsupported, "ignores ranges"},
           {"partial-as-200/after=1", Code::unsupported, "ignores ranges"},
           {"content-encoding/after=1", Code::unsupported, "once as '' and once as 'gzip'"},
           {"content-encoding/times=1", Code::unsupported, "once as 'gzip' and once as ''"},
           {"encodes-on-the-way/after=1/how=weak", Code::unsupported, "(gzip) although identity"},
           {"redirect-loop/after=1", Code::unsupported, "in a circle"},
           {"403/after=1", Code::denied, ""},
           {"garbage/after=1", Code::protocol, ""},
           {"giant-headers/after=1", Code::protocol, ""},
       }) {
    SCOPED_TRACE(path);
    const Opened object = open(std::string(path) + "/size=300000/x");
    ASSERT_TRUE(object) << object.error().message;
    EXPECT_TRUE(read(**object, {0, 65536})) << "the first bytes have come with the open";
    const auto begin = Clock::now();
    const Result<> done = read(**object, {100000, 100000});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, code) << done.error().message;
    EXPECT_NE(done.error().message.find(text), std::string::npos) << done.error().message;
    EXPECT_LT(Clock::now() - begin, 30s);
  }
}

TEST_F(ObjectTest, AFailureOutlastsTheDeadline) {
  const std::string late = "no complete answer before the deadline";
  for (const auto& [path, text] : {
           std::pair("500/after=1", late + "; last: the server answers 500"),
           std::pair("503/after=1", late + "; last: the server answers 503"),
           std::pair("reset-on-accept/after=1", late + "; last: " + server_.address()),
           std::pair("stall-before-headers/after=1", server_.address() + ": " + late),
           std::pair("stall-in-body/after=1", server_.address() + ": " + late),
       }) {
    SCOPED_TRACE(path);
    const Opened object = open(std::string(path) + "/size=300000/x");
    ASSERT_TRUE(object) << object.error().message;
    const auto begin = Clock::now();
    const Result<> done = read(**object, {100000, 100000}, 400ms);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Code::timed_out) << done.error().message;
    EXPECT_TRUE(done.error().message.starts_with(text)) << done.error().message;
    EXPECT_LT(Clock::now() - begin, 30s);
  }
  // A store that asks for more patience than there is need not be waited for.
  const Opened object = open("503/after=1/retry_after=100/size=300000/x");
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_EQ(read(**object, {100000, 100}).error().code, Code::busy);
  // An open that has the time for all its attempts says what they failed of.
  EXPECT_EQ(open("500/size=300000/x").error().code, Code::io);
  const Opened hasty = open("500/size=300000/x", {}, 40ms);
  EXPECT_EQ(hasty.error().code, Code::timed_out) << hasty.error().message;
}

TEST_F(ObjectTest, ARefusalCountsBeforeItsTextIsComplete) {
  const Opened object = open("error-stalls/x", {}, 300ms);
  EXPECT_EQ(object.error().code, Code::denied) << object.error().message;
  const Opened busy = open("stall-in-body/x", {}, 300ms);
  EXPECT_EQ(busy.error().code, Code::timed_out) << busy.error().message;
}

// A server may send less than it was asked for, as long as it says so.
TEST_F(ObjectTest, AShorterRangeIsProgress) {
  const Opened object = open("shorter-range/size=300000/x");
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_EQ((*object)->info().size, 300000u);
  EXPECT_TRUE(read(**object, {0, 300000}));
}

TEST_F(ObjectTest, SmallObjectsNeedNoRanges) {
  for (const char* path : {"no-ranges", "partial-as-200", "ok", "no-validator"}) {
    SCOPED_TRACE(path);
    const resource::Options options =
        path == std::string("no-validator") ? resource::Options{{"pin", "none"}}
                                            : resource::Options{};
    const Opened object = open(std::string(path) + "/size=1000/x", options);
    ASSERT_TRUE(object) << object.error().message;
    EXPECT_EQ((*object)->info().size, 1000u);
    EXPECT_TRUE(read_all(**object));
    EXPECT_TRUE(read_all(**object)) << "and again";
  }
  // As long as the range that was asked for: it may be the beginning of more.
  EXPECT_EQ(open("no-ranges/size=65536/x").error().code, Code::unsupported);
  EXPECT_TRUE(open("no-ranges/size=65535/x"));
}

TEST_F(ObjectTest, EmptyObjects) {
  for (const char* path : {"empty/x", "empty-200/x", "empty-416/x", "ok/size=0/x"}) {
    const Opened object = open(path);
    ASSERT_TRUE(object) << path << ": " << object.error().message;
    EXPECT_EQ((*object)->info().size, 0u);
    EXPECT_TRUE(read(**object, {0, 0}));
  }
}

TEST_F(ObjectTest, OfAnAttemptThatFailedNoVersionStays) {
  const Opened object = open("etag-once/size=60000/x");
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_EQ((*object)->info().version.find("v1"), std::string::npos) << (*object)->info().version;
  EXPECT_TRUE(read_all(**object));
}

TEST_F(ObjectTest, TellsHowLongTheFirstAnswerTook) {
  const Opened object = open("slow/ms=60/size=300000/x");
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_GE((*object)->info().latency, 60ms);
}

TEST_F(ObjectTest, TheFirstBytesServeAcrossTheirEnd) {
  const Opened object = open("ok/size=200000/edges");
  ASSERT_TRUE(object);
  for (const Range range : {Range{0, 1}, Range{65535, 1}, Range{0, 65536}, Range{65535, 2},
                            Range{65536, 1}, Range{199999, 1}, Range{200000, 0}, Range{0, 200000}})
    EXPECT_TRUE(read(**object, range)) << range.offset;
}

TEST_F(ObjectTest, TheFirstBytesDoNotWaitForTheOthers) {
  const Opened object = open("stall-before-headers/after=1/size=300000/x");
  ASSERT_TRUE(object);
  CheckingSink sink({65000, 100000});
  const Range range = {65000, 100000};
  EXPECT_FALSE(run<void>([&] { return (*object)->read(range, request(200ms), sink); }));
  EXPECT_EQ(sink.drained_at(), std::vector<uint64_t>{65536});
}

TEST_F(ObjectTest, Info) {
  const Opened object = open("ok/size=123456789/x");
  ASSERT_TRUE(object);
  const resource::Info& info = (*object)->info();
  EXPECT_EQ(info.size, 123456789u);
  EXPECT_EQ(info.version, "\"v1-123456789\"");
  EXPECT_TRUE(info.read_only);
  EXPECT_EQ((*open("last-modified-only/x"))->info().version, "Wed, 01 Jan 2025 00:00:00 GMT");
  EXPECT_EQ(open("ok/size=9223372036854775808/x").error().code, Code::unsupported);
  EXPECT_TRUE(open("ok/size=9223372036854775807/x"));
}

TEST_F(ObjectTest, PinNoneTakesWhatThereIs) {
  const Opened changing = open("etag-changes/size=300000/x", {{"pin", "none"}});
  ASSERT_TRUE(changing);
  std::vector<std::byte> buffer(1000);
  resource::BufferSink sink(100000, buffer);
  EXPECT_TRUE(run<void>([&] { return (*changing)->read({100000, 1000}, request(), sink); }));
}

TEST_F(ObjectTest, StopsBetweenAndInsideAttempts) {
  for (const char* path : {"503/after=1", "stall-in-body/after=1", "drip/after=1"}) {
    SCOPED_TRACE(path);
    const Opened object = open(std::string(path) + "/size=300000/x");
    ASSERT_TRUE(object);
    std::stop_source stop;
    resource::Request stoppable = request();
    stoppable.stop = stop.get_token();
    CheckingSink sink({100000, 100000});
    std::thread stopper([&] {
      std::this_thread::sleep_for(100ms);
      on_loop([&] { stop.request_stop(); });
    });
    const Range range = {100000, 100000};
    const Result<> done =
        run<void>([&] { return (*object)->read(range, stoppable, sink); });
    stopper.join();
    EXPECT_EQ(done.error().code, Code::canceled) << done.error().message;
  }
}

TEST_F(ObjectTest, StopsFromInsideTheSink) {
  const Opened object = open("ok/size=3000000/x");
  ASSERT_TRUE(object);
  std::stop_source stop;
  resource::Request stoppable = request();
  stoppable.stop = stop.get_token();
  CheckingSink sink({100000, 2000000});
  sink.on_bytes = [&] { stop.request_stop(); };
  const Range range = {100000, 2000000};
  const Result<> done =
      run<void>([&] { return (*object)->read(range, stoppable, sink); });
  EXPECT_EQ(done.error().code, Code::canceled);
  EXPECT_LE(sink.received(), 16384u);
}

TEST_F(ObjectTest, ADyingServer) {
  const Opened object = open("ok/size=300000/x");
  ASSERT_TRUE(object);
  EXPECT_TRUE(read(**object, {100000, 100}));
  server_.stop();
  const Result<> done = read(**object, {100000, 100}, 500ms);
  EXPECT_EQ(done.error().code, Code::timed_out) << done.error().message;
  EXPECT_NE(done.error().message.find("can't connect"), std::string::npos) << done.error().message;
}

// Where redirects lead. The other server is another host.
class RedirectTest : public ObjectTest {
 protected:
  static std::string redirect_to(std::string_view url, std::string_view options = "") {
    return "redirect" + std::string(options) + "/x?to=" + resource::percent_encode(url, false);
  }
  Opened open_as(std::string_view user, std::string_view path, resource::Options options = {}) {
    std::string url = server_.url(path);
    url.insert(url.find("//") + 2, user);
    return run<std::unique_ptr<Resource>>([&] { return registry_.open(url, options, request()); });
  }

  test::FaultServer other_;
};

TEST_F(RedirectTest, ToAnotherHost) {
  const Opened object = open(redirect_to(other_.url("ok/size=300000/a b")));
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_TRUE(read_all(**object));
}

TEST_F(RedirectTest, AtMostFive) {
  std::string url = "/ok/size=300000/x";
  for (int i = 0; i < 5; ++i)
    url = "/redirect/" + std::to_string(i) + "?to=" + resource::percent_encode(url, false);
  const Opened object = open(url.substr(1));
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_TRUE(read_all(**object));
  const Opened refused = open(redirect_to(url));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unsupported);
  EXPECT_NE(refused.error().message.find("more than 5 redirects"), std::string::npos);
}

TEST_F(RedirectTest, WhatIsSecretStaysWithItsHost) {
  EXPECT_TRUE(open_as("user:secret@", "headers/with=authorization/x"));
  EXPECT_TRUE(open_as("user:secret@", redirect_to("/headers/with=authorization/x")));
  EXPECT_TRUE(open_as("user:secret@", redirect_to(other_.url("headers/without=authorization/x"))));
  const resource::Options own = {{"bearer", "token"}, {"header.X-Own", "1"}};
  const std::string with = "headers/with=authorization,x-own/x";
  EXPECT_TRUE(open_as("", with, own));
  EXPECT_TRUE(open_as("", redirect_to("/" + with), own));
  EXPECT_TRUE(open_as("", redirect_to(other_.url("headers/without=authorization,x-own/x")), own));
  // Home again, it is the host's own.
  const std::string back = redirect_to(server_.url("headers/with=authorization/x"));
  EXPECT_TRUE(open_as("user:secret@", redirect_to(other_.url(back))));
}

TEST_F(RedirectTest, AnErrorNamesTheHostButNotWhatIsSignedInTheUrl) {
  const Opened object = open(redirect_to(other_.url("403/x?X-Amz-Signature=sesame")));
  ASSERT_FALSE(object);
  EXPECT_EQ(object.error().code, Code::denied);
  EXPECT_EQ(object.error().message,
            "redirected to http://" + other_.address() + ": access denied (403)");
}

// Signed URLs expire, hosts go away: both are found again from the URL that was opened.
TEST_F(RedirectTest, APlaceThatRefusesUsIsLookedForAgain) {
  for (const int status : {400, 401, 403, 404, 410}) {
    SCOPED_TRACE(status);
    const std::string place = "status/size=300000/after=2/times=2/code=" + std::to_string(status);
    const Opened object = open(redirect_to(other_.url(place + "/x"), "/after=0/every=1"));
    ASSERT_TRUE(object) << object.error().message;
    EXPECT_TRUE(read(**object, {100000, 1000})) << "by the place itself";
    const Result<> refused = read(**object, {100000, 1000});
    ASSERT_FALSE(refused) << "there it is refused again, and once more is not asked";
    EXPECT_NE(refused.error().code, Code::timed_out) << refused.error().message;
    EXPECT_TRUE(read_all(**object));
  }
  const Opened object = open(redirect_to(other_.url("403/size=300000/after=2/times=1/x")));
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_TRUE(read_all(**object));
  EXPECT_TRUE(read_all(**object)) << "from home again";
}

TEST_F(RedirectTest, APlaceThatIsGoneIsLookedForAgain) {
  const Opened object =
      open(redirect_to(other_.url("ok/size=300000/x"), "/times=1/size=300000"));
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_TRUE(read(**object, {100000, 1000}));
  other_.stop();
  const Result<> done = read_all(**object);
  EXPECT_TRUE(done) << done.error().message;
}

TEST_F(RedirectTest, AnotherVersionElsewhereIsNoticed) {
  const Opened object =
      open(redirect_to(other_.url("ok/size=300000/x"), "/times=1/size=300001"));
  ASSERT_TRUE(object) << object.error().message;
  other_.stop();
  EXPECT_EQ(read(**object, {100000, 1000}).error().code, Code::stale);
}

// Counts what it is asked to sign.
class CountingDialect final : public Dialect {
 public:
  CountingDialect(std::string url, int& asked)
      : home_(*http::parse_target(url)), asked_(asked) {}
  const http::Target& home() const override { return home_; }
  Result<std::optional<http::Target>> redirect(const http::Target&, const http::Head&,
                                               std::string_view) const override {
    return std::nullopt;
  }
  http::Request request(const http::Target& target,
                        std::vector<http::Field> fields) const override {
    ++asked_;
    http::Request request;
    request.url = target.url();
    for (const http::Field& field : fields)
      request.headers.push_back(field.name + ": " + field.value);
    return request;
  }
  Error explain(const http::Target&, const http::Head& head, std::string_view) const override {
    return {code_of_status(head.status), status_text(head)};
  }

 private:
  http::Target home_;
  int& asked_;
};

TEST_F(ObjectTest, NothingIsSignedAfterTheShutdown) {
  int asked = 0;
  const Opened object = run<std::unique_ptr<Resource>>([&] {
    return HttpObject::open(
        *loop_, *client_,
        std::make_unique<CountingDialect>(server_.url("503/after=1/size=300000/x"), asked),
        Pin::automatic, request());
  });
  ASSERT_TRUE(object) << object.error().message;
  // One read is between two attempts, one comes later.
  CheckingSink sink({100000, 100000});
  std::thread exiting([&] {
    for (bool failed = false; !failed; std::this_thread::sleep_for(1ms))
      on_loop([&] { failed = asked >= 4; });
    on_loop([&] {
      client_->shutdown();
      asked = 0;
    });
  });
  const Range range = {100000, 100000};
  const Result<> waiting =
      run<void>([&] { return (*object)->read(range, request(60s), sink); });
  exiting.join();
  EXPECT_TRUE(waiting.error().code == Code::unsupported || waiting.error().code == Code::canceled)
      << waiting.error().message;
  const Result<> late = read(**object, {100000, 100});
  EXPECT_EQ(late.error().code, Code::canceled) << late.error().message;
  EXPECT_EQ(late.error().message, "the process is exiting");
  EXPECT_TRUE(read(**object, {0, 1000})) << "what is here needs no network";
  on_loop([&] { EXPECT_EQ(asked, 0); });
}

}  // namespace
}  // namespace r3map::backend
