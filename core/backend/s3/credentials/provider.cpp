#include "backend/s3/credentials/provider.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "base/log.hpp"

namespace r3map::backend::s3 {

namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Requests that are signed now may be looked at a little later.
milliseconds margin(milliseconds life) { return std::min<milliseconds>(seconds(10), life / 10); }

// Between background searches that fail, or bring nothing newer.
milliseconds backoff(int failures) {
  return std::min<milliseconds>(seconds(60), seconds(1) * (1 << std::min(failures, 6)));
}

// What a source misses or refuses is no word on the object that the keys are for.
Error of_credentials(Error error) {
  if (error.code == Code::not_found || error.code == Code::stale ||
      error.code == Code::out_of_range)
    error.code = Code::denied;
  return error;
}

constexpr seconds kSameFailure{1};
constexpr seconds kSameRejection{10};

}  // namespace

struct Provider::Waiter {
  loop::Event wake;
  bool finished = false;
};

bool Provider::valid() const {
  return keys_ && !rejected_ && (!keys_->expiry || wall_now() < *keys_->expiry);
}

bool Provider::ready() {
  if (!valid()) return false;
  if (!searching_ && wall_now() >= renew_from_ && loop::Clock::now() >= next_search_) begin();
  return true;
}

bool Provider::reject(loop::Clock::time_point used_at) {
  if (!find_) return false;
  if (rejected_ || found_at_ > used_at) return true;
  const auto at = loop::Clock::now();
  if (rejected_at_ && at - *rejected_at_ < kSameRejection) return false;
  rejected_at_ = at;
  rejected_ = true;
  failure_.reset();
  return true;
}

// ---- the search

void Provider::begin() {
  searching_ = true;
  loop::spawn(search(shared_from_this()));
}

loop::Task<void> Provider::search(std::shared_ptr<Provider>) {
  auto finding = find_(keys_.has_value());
  Result<Keys> found = co_await finding;
  finish(std::move(found));
}

void Provider::finish(Result<Keys> found) {
  searching_ = false;
  const auto at = loop::Clock::now();
  if (found && found->expiry && *found->expiry <= wall_now())
    found = fail(Code::busy, "the keys that were found have expired already");
  if (found) {
    // Instance metadata hands out the same keys until shortly before their end.
    failures_ = keys_ && keys_->credentials == found->credentials ? failures_ + 1 : 0;
    failure_.reset();
    rejected_ = false;
    keys_ = std::move(*found);
    found_at_ = at;
    renew_from_ = WallTime::max();
    if (keys_->expiry) {
      const milliseconds life = *keys_->expiry - wall_now();
      *keys_->expiry -= margin(life);
      renew_from_ = *keys_->expiry - std::min<milliseconds>(minutes(15), life / 4);
    }
    next_search_ = failures_ == 0 ? at : at + backoff(failures_);
    if (failures_ == 0) log(LogLevel::info, "new credentials", {{"source", keys_->source}});
  } else {
    ++failures_;
    rejected_ = false;  // one request's word: until they expire they serve the others
    failure_ = of_credentials(std::move(found.error()));
    // Without older ones whoever waits is told.
    if (keys_) log(LogLevel::warn, "no new credentials", {{"cause", failure_->message}});
    failed_at_ = at;
    next_search_ = at + backoff(failures_);
  }
  for (Waiter* waiter : std::exchange(waiters_, {})) {
    waiter->finished = true;
    waiter->wake.set();
  }
}

loop::Task<Result<>> Provider::wait(resource::Request request) {
  while (!ready()) {
    if (!searching_ && failure_ && loop::Clock::now() - failed_at_ < kSameFailure)
      co_return fail(*failure_);
    if (!searching_) begin();
    Waiter waiter;
    waiters_.push_back(&waiter);
    {
      const auto wake = [&] { waiter.wake.set(); };
      const std::stop_callback stopped(request.stop, wake);
      loop::Timer timer(loop_, wake);
      if (request.deadline != loop::kNever)
        timer.start(std::max(request.deadline - loop::Clock::now(), loop::Clock::duration(0)));
      co_await waiter.wake;
    }
    if (waiter.finished) continue;
    waiters_.remove(&waiter);
    if (request.stop.stop_requested()) co_return fail(Code::canceled, "stopped");
    co_return fail(Code::timed_out, "no credentials before the deadline" +
                                        (failure_ ? "; last: " + failure_->message : ""));
  }
  co_return Result<>();
}

// ---- those of a process

namespace {

// Keys by settings that were just loaded; later ones load them again, as somebody may have written
// new keys into a file.
loop::Task<Result<Keys>> find(loop::Loop& loop, http::Client& client, loop::WorkerPool& workers,
                              resource::Options options, Environment environment,
                              std::optional<Settings> loaded, bool before) {
  if (!loaded) {
    auto loading = load_settings(workers, std::move(options), std::move(environment));
    Result<Settings> settings = co_await loading;
    if (!settings) co_return fail(std::move(settings.error()));
    loaded = std::move(*settings);
  }
  Sources sources(loop, client, workers, std::move(*loaded));
  auto finding = sources.find(before);
  co_return co_await finding;
}

}  // namespace

std::shared_ptr<Provider> Providers::of(const Settings& settings,
                                        const resource::Options& options) {
  if (settings.given) return std::make_shared<Provider>(loop_, *settings.given);
  if (const auto known = providers_.find(settings); known != providers_.end())
    return known->second;
  if (providers_.size() >= limits::kProviders)
    std::erase_if(providers_, [](const auto& entry) { return entry.second.use_count() == 1; });
  auto provider = std::make_shared<Provider>(
      loop_, [this, options, environment = settings.environment,
              loaded = std::optional(settings)](bool before) mutable {
        return find(loop_, client_, workers_, options, environment,
                    std::exchange(loaded, std::nullopt), before);
      });
  providers_.emplace(settings, provider);
  return provider;
}

}  // namespace r3map::backend::s3
