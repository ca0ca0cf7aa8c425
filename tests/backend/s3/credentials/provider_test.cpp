#include "backend/s3/credentials/provider.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "support/cloud_server_process.hpp"
#include "support/loop_fixture.hpp"
#include "support/temporary_folder.hpp"

namespace r3map::backend::s3 {
namespace {

using namespace std::chrono_literals;
using loop::Clock;

Keys keys(const std::string& name, std::optional<std::chrono::milliseconds> life = {}) {
  Keys made{{name, "secret", ""}, std::nullopt};
  if (life) made.expiry = wall_now() + *life;
  return made;
}

class ProviderTest : public test::LoopTest {
 protected:
  void SetUp() override {
    on_loop([&] {
      provider_ = std::make_shared<Provider>(*loop_, [this](bool) { return find(); });
    });
  }
  void TearDown() override {
    ASSERT_TRUE(run<void>([&] { return drain(); }));
  }

  // What the next searches take and find; then the last one again.
  struct Step {
    std::function<Result<Keys>()> find;
    Clock::duration takes{};
    loop::Event* until = nullptr;
  };
  loop::Task<Result<Keys>> find() {
    loop::Gate::Pass pass(gate_);
    const Step step = steps_.at(std::min<size_t>(searches_++, steps_.size() - 1));
    auto sleeping = loop::sleep_until(*loop_, Clock::now() + step.takes, {});
    (void)co_await sleeping;
    if (step.until) {
      loop::Event& released = *step.until;
      co_await released;
    }
    co_return step.find();
  }
  loop::Task<Result<>> drain() {
    auto empty = gate_.empty();
    co_await empty;
    provider_.reset();
    co_return Result<>();
  }

  loop::Task<Result<std::string>> get(resource::Request request) {
    if (!provider_->ready()) {
      auto waiting = provider_->wait(request);
      if (Result<> done = co_await waiting; !done) co_return fail(done.error());
    }
    co_return provider_->credentials().key;
  }
  loop::Task<Result<std::string>> get_twice() {
    auto first = get({});
    const Result<std::string> one = co_await first;
    auto second = get({});
    const Result<std::string> two = co_await second;
    co_return one.error().message + ", " + two.error().message;
  }
  // One of those who wait together; the last one ends all.
  loop::Task<void> expect(std::string name, int& left, int& right, std::promise<void>& end) {
    auto getting = get({});
    const Result<std::string> got = co_await getting;
    right += got && *got == name;
    if (--left == 0) end.set_value();
  }
  std::string key(resource::Request request = {}) {
    const Result<std::string> name = run<std::string>([&] { return get(request); });
    return name ? *name : name.error().message;
  }
  size_t searches() {
    size_t count = 0;
    on_loop([&] { count = searches_; });
    return count;
  }
  template <typename Condition>
  void until(Condition condition) {
    while (!condition()) std::this_thread::sleep_for(5ms);
  }

  loop::Gate gate_;
  std::vector<Step> steps_;
  size_t searches_ = 0;
  std::shared_ptr<Provider> provider_;
};

TEST_F(ProviderTest, OneSearchForAllWhoWait) {
  steps_ = {{[] { return keys("a"); }, 50ms}};
  std::promise<void> all;
  int left = 50, right = 0;
  on_loop([&] {
    for (int i = left; i > 0; --i) loop::spawn(expect("a", left, right, all));
  });
  all.get_future().wait();
  EXPECT_EQ(right, 50);
  EXPECT_EQ(key(), "a");
  EXPECT_EQ(searches(), 1u);
}

TEST_F(ProviderTest, RenewsInTheBackgroundBeforeTheEnd) {
  loop::Event release;
  steps_ = {{[] { return keys("a", 3s); }}, {[] { return keys("b", 1h); }, {}, &release}};
  const auto begun = Clock::now();
  EXPECT_EQ(key(), "a");
  // Good until 2.7 s, and looked for from 1.95 s on; whoever comes in between need not wait.
  until([&] {
    resource::Request hasty;
    hasty.deadline = Clock::now();
    EXPECT_TRUE(key(hasty) == "a" || Clock::now() - begun >= 2700ms);
    return searches() == 2;
  });
  on_loop([&] { release.set(); });
  until([&] { return key() == "b"; });
  EXPECT_EQ(searches(), 2u);
}

TEST_F(ProviderTest, WaitsWhenTheyHaveExpired) {
  steps_ = {{[] { return keys("a", 300ms); }}, {[] { return keys("b"); }, 50ms}};
  EXPECT_EQ(key(), "a");
  std::this_thread::sleep_for(300ms);
  EXPECT_EQ(key(), "b");
}

TEST_F(ProviderTest, FailuresDoNotMatterWhileTheOldOnesAreGood) {
  const auto begun = Clock::now();
  steps_ = {{[] { return keys("a", 2s); }},
            {[] { return Result<Keys>(fail(Code::network, "no luck")); }}};
  EXPECT_EQ(key(), "a");
  until([&] { return key() != "a"; });
  EXPECT_GE(Clock::now() - begun, 1790ms) << "good until then";
  EXPECT_EQ(key(), "no luck");
  EXPECT_GE(searches(), 2u);
  EXPECT_LE(searches(), 5u) << "no storm of searches";
}

TEST_F(ProviderTest, FailuresAreToldAndTriedAgain) {
  steps_ = {{[] { return Result<Keys>(fail(Code::denied, "not yet")); }},
            {[] { return keys("a"); }}};
  const Result<std::string> both = run<std::string>([&] { return get_twice(); });
  EXPECT_EQ(*both, "not yet, not yet");
  EXPECT_EQ(searches(), 1u) << "the same failure for a second";
  until([&] { return key() == "a"; });
  EXPECT_EQ(searches(), 2u);
}

TEST_F(ProviderTest, DeadlinesAndStopsOfThoseWhoWait) {
  steps_ = {{[] { return keys("a"); }, 500ms}};
  resource::Request hasty;
  hasty.deadline = loop::deadline_after(50ms);
  EXPECT_EQ(key(hasty), "no credentials before the deadline");
  std::stop_source stop;
  resource::Request stopped;
  stopped.stop = stop.get_token();
  std::thread stopper([&] {
    std::this_thread::sleep_for(50ms);
    loop_->post([&] { stop.request_stop(); });
  });
  EXPECT_EQ(key(stopped), "stopped");
  stopper.join();
  EXPECT_EQ(key(), "a") << "the search itself goes on";
  EXPECT_EQ(searches(), 1u);
}

TEST_F(ProviderTest, WhatTheStoreRejectsIsReplacedOnce) {
  steps_ = {{[] { return keys("a"); }}, {[] { return keys("b"); }}, {[] { return keys("c"); }}};
  const auto before = Clock::now();
  EXPECT_EQ(key(), "a");
  const auto used = Clock::now();
  bool first = false, second = false, late = false;
  on_loop([&] {
    first = provider_->reject(used);
    second = provider_->reject(used);  // another request of the same time
  });
  EXPECT_TRUE(first && second);
  EXPECT_EQ(key(), "b");
  on_loop([&] { late = provider_->reject(before); });
  EXPECT_TRUE(late) << "there are newer ones";
  EXPECT_EQ(key(), "b");
  on_loop([&] { late = provider_->reject(Clock::now()); });
  EXPECT_FALSE(late) << "the new ones are no better";
  EXPECT_EQ(searches(), 2u);
}

TEST_F(ProviderTest, WhatIsRejectedServesWhileThereIsNothingElse) {
  steps_ = {{[] { return keys("a"); }}, {[] { return Result<Keys>(fail(Code::network, "no")); }}};
  EXPECT_EQ(key(), "a");
  bool again = true;
  on_loop([&] { EXPECT_TRUE(provider_->reject(Clock::now())); });
  EXPECT_EQ(key(), "a");
  on_loop([&] { again = provider_->reject(Clock::now()); });
  EXPECT_FALSE(again) << "the store's own error is told";
  EXPECT_EQ(searches(), 2u);
}

TEST_F(ProviderTest, NoFailureIsAboutTheObject) {
  for (const Code code : {Code::not_found, Code::stale, Code::out_of_range, Code::network}) {
    steps_ = {{[code] { return Result<Keys>(fail(code, "no luck")); }}};
    on_loop([&] {
      provider_ = std::make_shared<Provider>(*loop_, [this](bool) { return find(); });
    });
    const Result<std::string> name = run<std::string>([&] { return get({}); });
    ASSERT_FALSE(name);
    EXPECT_EQ(name.error().code, code == Code::network ? code : Code::denied);
  }
}

TEST_F(ProviderTest, ExpiredOnesAreNotTaken) {
  steps_ = {{[] { return keys("a", -1s); }}};
  EXPECT_EQ(key(), "the keys that were found have expired already");
}

TEST_F(ProviderTest, GivenKeysStay) {
  on_loop([&] {
    const auto given = std::make_shared<Provider>(*loop_, Credentials{"k", "s", ""});
    EXPECT_TRUE(given->ready());
    EXPECT_FALSE(given->reject(Clock::now()));
    EXPECT_EQ(given->credentials().key, "k");
  });
}

// ---- those of a process

TEST(ProvidersTest, EqualSettingsShareOne) {
  test::TemporaryFolder home;
  const std::unique_ptr<loop::Loop> loop = *loop::Loop::start("test-loop");
  loop::WorkerPool workers(*loop, "test-worker", 1);
  test::CloudServer server;
  std::unique_ptr<http::Client> client;
  std::unique_ptr<Providers> providers;
  const auto load = [&](const resource::Options& options) {
    const Environment environment(
        Environment::Values{{"HOME", home.path()},
         {"AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url("container/x")}});
    return *loop->wait<Settings>([&] { return load_settings(workers, options, environment); });
  };
  const auto key = [&](const resource::Options& options) {
    const Settings settings = load(options);
    return *loop->wait<std::string>([&]() -> loop::Task<Result<std::string>> {
      return [](Providers& all, Settings with,
                resource::Options given) -> loop::Task<Result<std::string>> {
        const std::shared_ptr<Provider> provider = all.of(with, given);
        auto waiting = provider->wait({});
        if (Result<> done = co_await waiting; !done) co_return fail(done.error());
        co_return provider->credentials().key;
      }(*providers, settings, options);
    });
  };
  const auto on_loop = [&](std::function<void()> work) {
    (void)loop->wait<void>([&]() -> loop::Task<Result<>> {
      return [](std::function<void()> run) -> loop::Task<Result<>> {
        run();
        co_return Result<>();
      }(work);
    });
  };
  on_loop([&] {
    client = std::move(*http::Client::open(*loop, 2));
    providers = std::make_unique<Providers>(*loop, *client, workers);
  });
  EXPECT_EQ(key({}), "ASIA1");
  EXPECT_EQ(key({}), "ASIA1") << "not asked for again";
  EXPECT_EQ(key({{"region", "r"}}), "ASIA2") << "other settings";
  EXPECT_EQ(key({{"key", "k"}, {"secret", "s"}}), "k");
  home.write(".aws/credentials", "[default]\naws_access_key_id=F\naws_secret_access_key=S\n");
  EXPECT_EQ(key({}), "F") << "the file has changed";
  on_loop([&] {
    providers.reset();
    client.reset();
  });
}

}  // namespace
}  // namespace r3map::backend::s3
